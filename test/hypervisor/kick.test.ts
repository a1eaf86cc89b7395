// test/hypervisor/kick.test.ts — the thread that makes vCPUs leave the guest, with its clock in hand: src/hypervisor/kick.ts.
import { expect, test } from "bun:test";
import { Phase, Watch, Watched, watch, type Kicker } from "../../src/hypervisor/kick.ts";

const MS = 1000;
/** Runs it on this thread until the `last` kick. `each` happens at every look at the clock, with what was kicked so far. */
function kicks(last: number, setUp: (watched: Watched, bell: Int32Array) => void, each: (kicked: number, watched: Watched, time: { now: number }) => void, more: Partial<Kicker> = {}): number[] {
  const bell = new Int32Array(new SharedArrayBuffer(8)), watched = new Watched(bell), time = { now: 0 }, seen: number[] = [];
  setUp(watched, bell);
  watch(bell, watched.shared, {
    frequency: MS * 1000, slept: () => false, ...more,
    now: () => {
      each(seen.length, watched, time);
      return time.now;
    },
    kick: () => {
      seen.push(time.now);
      if (seen.length === last) Atomics.store(new Int32Array(watched.shared), Watch.phase, Phase.ending);
    },
  });
  expect(Atomics.load(new Int32Array(watched.shared), Watch.phase)).toBe(Phase.gone);
  return seen;
}
const nothing = (): void => {};

test("a deadline that has passed is kicked for, and again until it was taken notice of", () => {
  expect(kicks(3, watched => watched.arm(10 * MS), (_, __, time) => { time.now += 2 * MS; }).map(at => at >= 10 * MS)).toEqual([true, true, true]);
});
test("a deadline that was met is not", () => {
  const at = kicks(2, watched => watched.arm(5 * MS), (kicked, watched, time) => {
    time.now += MS;
    if (kicked === 1 && time.now < 100 * MS) watched.arm(100 * MS); // the vCPU was out, and in again for longer
  });
  expect([(at[0] as number) < 100 * MS, (at[1] as number) >= 100 * MS]).toEqual([true, true]);
});
test("a ring of the doorbell is kicked for until it was answered", () => {
  const at = kicks(3, (_, bell) => { bell[0] = 7; }, (kicked, watched, time) => {
    time.now += MS;
    if (kicked === 2 && time.now < 50 * MS) {
      watched.answered(7);
      watched.arm(50 * MS);
    }
  });
  expect(at.map(when => when >= 50 * MS)).toEqual([false, false, true]);
});
test("a host that has slept is a reason of its own", () => {
  let slept = true;
  expect(kicks(1, nothing, nothing, { slept: () => slept && !(slept = false) })).toEqual([0]);
});
