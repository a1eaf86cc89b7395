// test/cpu/translate/jump-caches.test.ts — indirect jumps: what their caches know, and what must be gone.
import { expect, test } from "bun:test";
import { Offset } from "../../../src/cpu/state.ts";
import { slot } from "../../../src/cpu/sysreg.ts";
import { JumpCaches } from "../../../src/cpu/translate/jump-caches.ts";
import { Random } from "../../support/random.ts";
import { BR_X3, BRK, L1, L2, L3, machine, mapUser, movz, MSR_TTBR0_X5, NG, PAGE, RAM, TLBI_VAE1_X6, USER, user } from "./mapped.ts";

const CALLER = RAM + 0xa000, AT = RAM + 0x8000;
const TBI0_HI = 1 << 5, CONTIGUOUS_HI = 1 << 20, BLOCK = 0x701;

/** Pages 1, 2, ... have code that says so; CALLER jumps to X3, and the tables of further processes are copies of the first's. */
function setup() {
  const m = machine();
  for (let n = 1; n <= 5; n++) m.code(RAM + n * 0x1000, movz(0, n), BRK);
  m.code(RAM + 0x6000, BR_X3);
  m.code(RAM + 0x7000, MSR_TTBR0_X5, BRK);
  m.code(RAM + 0x9000, TLBI_VAE1_X6, BRK);
  mapUser(m, L3, CALLER, RAM + 0x6000);
  const process = (n: number): { readonly l1: number; readonly l3: number } => {
    const [l1, l2, l3] = [L1 + n * 0x4000, L2 + n * 0x4000, L3 + n * 0x4000];
    m.words.copyWithin((l3 - RAM) / 4, (L3 - RAM) / 4, (L3 + 4096 - RAM) / 4);
    m.words[(l1 + 8 - RAM) / 4] = l2 | 3;
    m.words[(l2 - RAM) / 4] = l3 | 3;
    return { l1, l3 };
  };
  return {
    m, process,
    enter: (table: number, asid: number): number => {
      m.cpu.setX(5, table, asid << 16);
      m.go(RAM + 0x7000);
      return (m.cpu.x[Offset.CONTEXT / 4 + 1] as number) >>> 16;
    },
    call: (lo: number, hi = 0): number => {
      m.cpu.setX(3, lo, hi);
      m.cpu.setX(0, 0, 0);
      user(m, CALLER);
      return m.x(0);
    },
    invalidate: (va: number, asid = 0): void => {
      m.cpu.setX(6, va / 4096, asid << 16);
      m.go(RAM + 0x9000);
    },
  };
}

test("places that share an entry, and processes that share an address, find their own code in turns", () => {
  const { m, process, enter, call } = setup(), places = [AT, AT + 0x1_0000, AT + 0x2_0000], all = [1, 2, 3, 4].map(process);
  all.forEach(({ l3 }, p) => places.forEach((va, n) => mapUser(m, l3, va, RAM + (1 + (p + n) % 5) * 0x1000)));
  for (let round = 0; round < 3; round++) {
    all.forEach(({ l1 }, p) => {
      enter(l1, p + 1);
      for (let again = 0; again < 2; again++) expect(places.map(va => call(va))).toEqual(places.map((_, n) => 1 + (p + n) % 5));
    });
  }
});
test("a jump that was taken before does not leave generated code", () => {
  const { m, call } = setup();
  mapUser(m, L3, AT, RAM + 0x1000);
  call(AT);
  const { exits } = m.engine;
  for (let round = 0; round < 3; round++) expect(call(AT)).toBe(1);
  expect(m.engine.exits - exits).toBe(3); // the BRK of each
});
test("EL1 in the lower half finds other code there in another context", () => {
  const { m, process, enter } = setup(), all = [1, 2].map(process);
  all.forEach(({ l3 }, n) => { m.words[(l3 + ((AT - RAM) / 4096) * 8 - RAM) / 4] = (RAM + (n + 1) * 0x1000) | PAGE; });
  for (let round = 0; round < 3; round++) {
    all.forEach(({ l1 }, n) => {
      enter(l1, n + 1);
      for (let again = 0; again < 2; again++) {
        m.cpu.setX(3, AT, 0);
        m.go(RAM + 0x6000);
        expect(m.x(0)).toBe(n + 1);
      }
    });
  }
});
test("a tagged address is not taken for the same one of another process", () => {
  const { m, process, enter, call } = setup(), [own, other] = [process(1), process(2)];
  m.cpu.x[slot.TCR_EL1 / 4 + 1] = (m.cpu.x[slot.TCR_EL1 / 4 + 1] as number) | TBI0_HI;
  mapUser(m, own.l3, AT, RAM + 0x1000);
  mapUser(m, other.l3, AT, RAM + 0x2000);
  const context = enter(own.l1, 1);
  expect([context < 256, call(AT)]).toEqual([true, 1]);
  let asid = 2;
  while (enter(other.l1, asid) !== (context | 256)) expect(++asid).toBeLessThan(1000);
  expect([call(AT), call(AT)]).toEqual([2, 2]);
  expect(enter(own.l1, 1)).toBe(context);
  for (let i = 0; i < 3; i++) expect(call(AT, 1 << 24)).toBe(1);
});
test("TLBI by an address ends all of a block's translation, not that page's alone", () => {
  const { m, call, invalidate } = setup(), far = RAM + 0x20_0000, table = L3 + 0x4_0000;
  m.words[(L2 + 8 - RAM) / 4] = RAM | BLOCK | USER | NG;
  expect([call(far + 0x1000), call(far + 0x1000)]).toEqual([1, 1]);
  mapUser(m, table, RAM + 0x1000, RAM + 0x2000);
  m.words[(L2 + 8 - RAM) / 4] = table | 3;
  invalidate(far + 0x15_0000);
  expect(call(far + 0x1000)).toBe(2);
});
test("and of 16 pages that are said to be contiguous", () => {
  const { m, call, invalidate } = setup(), first = RAM + 0x3_0000;
  for (let n = 0; n < 16; n++) mapUser(m, L3, first + n * 4096, RAM + n * 4096, CONTIGUOUS_HI);
  expect([call(first + 0x1000), call(first + 0x1000)]).toEqual([1, 1]);
  for (let n = 0; n < 16; n++) mapUser(m, L3, first + n * 4096, RAM + 0x2000);
  invalidate(first + 0xe000);
  expect(call(first + 0x1000)).toBe(2);
});

test("what is entered and taken away in any order: nothing that is gone is known, and what was entered last is", () => {
  const x = new Int32Array(Offset.SIZE / 4), caches = new JumpCaches(x), random = new Random(31), context = Offset.CONTEXT / 4 + 1;
  caches.clear();
  interface Known { readonly el: number; readonly lo: number; readonly hi: number; readonly host: number }
  const known = new Map<string, Known>();
  const nameOf = (el: number, lo: number, hi: number): string => `${el} ${lo} ${el === 0 ? hi | (x[context] as number) : hi}`;
  /** Everything that the caches have, by tag. */
  const content = (): Map<string, number> => {
    const found = new Map<string, number>();
    for (const el of [0, 1]) {
      const from = (el === 0 ? Offset.JUMP_EL0 : Offset.JUMP_EL1) / 4;
      for (let at = from; at < from + 16384 * 4; at += 4) {
        if (((x[at] as number) & 3) === 0) found.set(`${el} ${x[at]} ${x[at + 1]}`, (x[at + 2] as number) + (x[at + 3] as number) * 2 ** 32);
      }
    }
    return found;
  };
  for (let step = 0; step < 1500; step++) {
    const what = random.below(10);
    if (what < 7) {
      const el = random.below(2), hi = el === 0 || random.below(4) === 0 ? 0x12 : 0xffff_ff80 | 0;
      x[context] = (1 + random.below(3)) << 16;
      // few pages, some of them in the same sets
      const lo = (random.below(24) * 0x1_0000 + random.below(3) * 4096 + random.below(16) * 4) | 0, host = 0x7f00_0000_0000 + step * 64;
      const name = nameOf(el, lo, hi), before = known.get(name);
      if (before !== undefined) caches.forget(el, lo, before.host); // a block is dropped before another is made in its place
      caches.enter(el, lo, hi, host);
      known.set(name, { el, lo, hi, host });
      expect(content().get(name)).toBe(host);
    } else if (what < 9 && known.size > 0) {
      const [name, { el, lo, host }] = [...known][random.below(known.size)] as [string, Known];
      caches.forget(el, el === 0 ? lo & 4095 : lo, host);
      known.delete(name);
    } else {
      const lo = random.below(24) * 0x1_0000 + random.below(3) * 4096, hi = random.below(2) === 0 ? 0x12 : 0xffff_ff80 | 0;
      caches.forgetPage(lo, hi);
      for (const [name, one] of known) if ((one.lo & -4096) === lo && ((one.hi ^ hi) & 0xffff) === 0) known.delete(name);
    }
    if (step % 25 === 0) for (const [name, host] of content()) expect([name, known.get(name)?.host]).toEqual([name, host]);
  }
  caches.clear();
  expect(content().size).toBe(0);
});
