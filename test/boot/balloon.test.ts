// test/boot/balloon.test.ts — Debian's kernel with its own balloon driver: what the guest freed is the host's again, a target is
// met and left, statistics come, and a guest that runs out of memory takes it back out of the balloon.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import type { BalloonState, VirtualMachine } from "../../src/library.ts";
import { MiB } from "../../src/units.ts";
import { BOOT, bootShell, command } from "../support/guest-shell.ts";

/** Memory of this process that is backed by pages. */
const resident = (): number => Number(/VmRSS:\s+(\d+)/.exec(readFileSync("/proc/self/status", "latin1"))?.[1]) * 1024;
/** Waits until it holds; ends with what it was last. */
async function until<T>(value: () => T | Promise<T>, holds: (value: T) => boolean): Promise<T> {
  for (let n = 0; ; n++) {
    const now = await value();
    if (holds(now) || n >= 300) return now;
    await Bun.sleep(100);
  }
}

describe("Debian's kernel 6.1 with a balloon", () => {
  let vm: VirtualMachine;
  const state = (holds: (state: BalloonState) => boolean): Promise<BalloonState> => until(() => vm.balloon(), holds);
  beforeAll(async () => { vm = await bootShell({ memory: "512M", balloon: 0 }); }, BOOT + 300_000);
  afterAll(() => vm?.close());

  test("what it frees goes back to this host: free page reporting", async () => {
    const before = resident(), { released } = await vm.balloon();
    await command(vm, "mount -t tmpfs -o size=300m tmpfs /mnt; dd if=/dev/urandom of=/mnt/x bs=1M count=250 2>/dev/null");
    const full = resident();
    expect(full - before).toBeGreaterThan(150 * MiB);
    await command(vm, "rm /mnt/x");
    expect((await state(now => now.released - released > 200 * MiB)).released - released).toBeGreaterThan(200 * MiB);
    expect(full - await until(resident, now => full - now > 200 * MiB)).toBeGreaterThan(200 * MiB);
  }, 60_000);
  test("a target is met page by page, and the guest has so much less", async () => {
    const free = async (): Promise<number> => Number(await command(vm, "sed -n 's/MemFree: *\\([0-9]*\\) kB/\\1/p' /proc/meminfo"));
    const before = await free();
    await vm.balloon(128 * MiB);
    expect(await state(now => now.actual === 128 * MiB)).toMatchObject({ target: 128 * MiB, actual: 128 * MiB });
    expect(before - await free()).toBeGreaterThan(120 * 1024);
    await vm.balloon(0);
    expect((await state(now => now.actual === 0)).actual).toBe(0);
    expect(before - await free()).toBeLessThan(8 * 1024);
  }, 60_000);
  test("pages that came back hold what is written to them", async () => {
    expect(await command(vm, "dd if=/dev/urandom of=/mnt/y bs=1M count=150 2>/dev/null; cp /mnt/y /mnt/z; cmp /mnt/y /mnt/z && echo same; rm /mnt/*")).toBe("same\r\n");
  }, 60_000);
  test("it tells how much memory it has", async () => {
    const { stats } = await state(now => now.stats.total !== undefined);
    expect([stats.total! > 400 * MiB, stats.free! > 0, stats.available! <= stats.total!]).toEqual([true, true, true]);
  }, 60_000);
  test("a guest that needs more than there is takes it out of the balloon", async () => {
    await vm.balloon(360 * MiB);
    await state(now => now.actual > 300 * MiB);
    expect(await command(vm, "dd if=/dev/zero of=/mnt/big bs=1M count=200 2>&1 | tail -1; ls -l /mnt | grep -c 209715200")).toMatch(/\r\n1\r\n$/);
    expect((await vm.balloon(0)).actual).toBeLessThan(330 * MiB);
    await command(vm, "rm /mnt/big");
  }, 60_000);
  test("after a reboot it starts with an empty balloon, and still reports", async () => {
    vm.console.write("reboot -f\n");
    await vm.console.expect(/\/ # /, { timeout: BOOT });
    const { released } = await vm.balloon();
    await command(vm, "dmesg -n 1; dd if=/dev/zero of=/tmp/x bs=1M count=100 2>/dev/null; rm /tmp/x");
    expect((await state(now => now.released - released > 80 * MiB)).released - released).toBeGreaterThan(80 * MiB);
  }, BOOT);
  test("nothing in its log is a complaint", async () => {
    expect(await command(vm, "dmesg | grep -iE 'balloon.*(error|fail)|bug|warn|hung'")).toBe("");
  });
});
