// test/cpu/domain.test.ts — what cores in threads ask of each other, as far as one thread can see it; test/boot/threads.test.ts
// has them at the same time.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { NativeMemory } from "../../ffi/memory.ts";
import { Domain, POKED, Request } from "../../src/cpu/domain.ts";
import { Offset } from "../../src/cpu/state.ts";

const CPUS = 3;
let states: NativeMemory[], heard: number[][][], cores: Domain[], machine: Domain;
const word = (cpu: number, offset: number): number => new Int32Array((states[cpu] as NativeMemory).window(0))[offset / 4] as number;
const core = (cpu: number): Domain => cores[cpu] as Domain;
beforeEach(() => {
  machine = new Domain(CPUS);
  states = Array.from({ length: CPUS }, () => NativeMemory.allocate(Offset.SIZE));
  heard = states.map(() => []);
  cores = states.map((state, i) => {
    const one = new Domain(CPUS, i, machine.shared);
    one.join({ hear: (...request) => (heard[i] as number[][]).push(request) }, state);
    return one;
  });
});
afterEach(() => states.forEach(state => state.free()));

describe("what a core tells", () => {
  test("is heard by every other core before it goes in, in order, once", () => {
    core(0).tell(Request.page, 0x1000, -1, 0);
    core(0).tell(Request.line, 0x40, 0, 7);
    core(1).enter();
    core(1).leave();
    core(1).enter();
    expect(heard).toEqual([[], [[Request.page, 0x1000, -1, 0], [Request.line, 0x40, 0, 7]], []]);
    core(2).enter();
    expect(heard[2]).toHaveLength(2);
  });
  test("pokes those that are inside, and they hear it when they attend", () => {
    core(1).enter();
    core(0).tell(Request.all, 0, 0, 0);
    expect([word(1, Offset.POLL), word(2, Offset.POLL)]).toEqual([POKED, 0]);
    core(1).attend();
    expect([word(1, Offset.POLL), heard[1]]).toEqual([0, [[Request.all, 0, 0, 0]]]);
  });
  test("is settled at once with those outside; a DSB need not ask again", () => {
    core(0).enter();
    core(0).tell(Request.all, 0, 0, 0);
    expect(word(0, Offset.TOLD)).toBe(1);
    core(0).settle();
    expect(word(0, Offset.TOLD)).toBe(0);
  });
  test("more translations than an inbox holds: all of them are forgotten, and no code is", () => {
    for (let i = 0; i < 1000; i++) core(0).tell(Request.pageLast, i * 4096, 0, 0);
    core(1).enter();
    const requests = heard[1] as number[][];
    expect([requests.at(-1), requests.some(([request]) => request === Request.code)]).toEqual([[Request.all, 0, 0, 0], false]);
  });
  test("is not for those that take turns in the same thread", () => {
    const one = new Domain(CPUS, 0, machine.shared, undefined, 2);
    one.tell(Request.page, 0x1000, 0, 0);
    core(1).enter();
    core(2).enter();
    expect(heard).toEqual([[], [[Request.page, 0x1000, 0, 0]], []]);
  });
  test("more than an inbox holds: everything is forgotten, and no region is", () => {
    for (let i = 0; i < 1000; i++) core(0).tell(Request.page, i * 4096, 0, 0);
    machine.tell(Request.show, 16, 0, 0);
    machine.settle();
    core(1).enter();
    const requests = heard[1] as number[][];
    expect(requests.length).toBeLessThan(600);
    expect(requests.slice(-3)).toEqual([[Request.show, 16, 0, 0], [Request.all, 0, 0, 0], [Request.code, 0, 0, 0]]);
  });
});

test("alone: the others are outside, what they told is heard first, and what is done is returned", () => {
  core(1).tell(Request.all, 0, 0, 0);
  core(0).enter();
  expect(core(0).alone(() => (heard[0] as number[][]).length)).toBe(1);
  expect(() => core(0).alone(() => { throw new Error("a bug"); })).toThrow("a bug");
  core(1).enter(); // nobody is alone any more
});
test("a kick makes a core leave for the machine", () => {
  machine.kick(2);
  expect([word(2, Offset.KICK), word(2, Offset.POLL), word(1, Offset.KICK)]).toEqual([1, POKED, 0]);
});
