// test/cpu/translate/user.test.ts — EL0's blocks: one serves every address its page is mapped at, and what the jump caches
// know of a process is there when it runs again, and gone when it must be.
import { expect, test } from "bun:test";
import { b, BR_X3, BRK, IC_IVAU_X1, L1, L2, L3, machine, mapUser, movz, MSR_TTBR0_X5, RAM, TLBI_VAE1_X6, user } from "./mapped.ts";

const TLBI_ASIDE1_X6 = 0xd508_8746;

test("a block of EL0 is made once for all addresses of its page, and computes its own", () => {
  const m = machine(), code = RAM + 0x1000, places = [RAM + 0x8000, RAM + 0x1_9000];
  m.code(code, 0x1000_0000 /* adr x0, . */, 0x9400_0002 /* bl .+8 */, BRK, 0xaa1e_03e1 /* mov x1, x30 */, 0x5800_0062 /* ldr x2, .+12 */,
    0xb000_0003 /* adrp x3, 4096 */, BRK, 0x1234, 0x5678);
  let made = 0;
  for (const va of places) {
    mapUser(m, L3, va, code);
    user(m, va);
    expect([m.x(0), m.x(1), m.x(2), m.x(3)].map(value => value >>> 0)).toEqual([va, va + 8, 0x1234, va + 4096]);
    if (made === 0) made = m.engine.translated;
  }
  expect(m.engine.translated).toBe(made);
});

test("code that changed is gone at every address", () => {
  const m = machine(), code = RAM + 0x1000, caller = RAM + 0x2000, places = [RAM + 0x8000, RAM + 0x1_9000];
  m.code(code, movz(0, 1), BRK);
  m.code(caller, BR_X3);
  mapUser(m, L3, RAM + 0xa000, caller);
  const call = (va: number): number => {
    m.cpu.setX(3, va, 0);
    user(m, RAM + 0xa000);
    return m.x(0);
  };
  for (const va of places) {
    mapUser(m, L3, va, code);
    expect([call(va), call(va)]).toEqual([1, 1]); // by the jump cache now
  }
  m.code(code, movz(0, 2), BRK);
  m.cpu.setX(1, code, 0);
  m.code(RAM + 0x3000, IC_IVAU_X1, BRK);
  m.go(RAM + 0x3000);
  expect(places.map(call)).toEqual([2, 2]);
});

test("processes at the same address: each finds its own code after every switch, by table and by ASID", () => {
  const m = machine(), va = RAM + 0x8000, caller = RAM + 0xa000;
  const second = { l1: L1 + 0x1_0000, l2: L2 + 0x1_0000, l3: L3 + 0x1_0000 };
  m.words.copyWithin((second.l3 - RAM) / 4, (L3 - RAM) / 4, (L3 + 4096 - RAM) / 4);
  m.words[(second.l1 + 8 - RAM) / 4] = second.l2 | 3;
  m.words[(second.l2 - RAM) / 4] = second.l3 | 3;
  m.code(RAM + 0x1000, movz(0, 1), BRK);
  m.code(RAM + 0x2000, movz(0, 2), BRK);
  m.code(RAM + 0x3000, movz(0, 3), BRK);
  m.code(RAM + 0x4000, BR_X3);
  m.code(RAM + 0x5000, MSR_TTBR0_X5, BRK);
  for (const [table, code] of [[L3, RAM + 0x1000], [second.l3, RAM + 0x2000]] as const) {
    mapUser(m, table, va, code);
    mapUser(m, table, caller, RAM + 0x4000);
  }
  const enter = (table: number, asid: number): void => {
    m.cpu.setX(5, table, asid << 16);
    m.go(RAM + 0x5000);
  };
  const call = (): number => {
    m.cpu.setX(3, va, 0);
    user(m, caller);
    return m.x(0);
  };
  for (let round = 0; round < 3; round++) {
    enter(L1, 1);
    expect(call()).toBe(1);
    enter(second.l1, 2);
    expect(call()).toBe(2);
  }
  const { exits } = m.engine;
  enter(L1, 1);
  call();
  expect(m.engine.exits - exits).toBeLessThanOrEqual(6); // the switch and the two BRK: the call itself was known
  // the first process's page changes while the second runs; its ASID is invalidated
  enter(second.l1, 2);
  mapUser(m, L3, va, RAM + 0x3000);
  m.cpu.setX(6, 0, 1 << 16);
  m.code(RAM + 0x6000, TLBI_ASIDE1_X6, BRK);
  m.go(RAM + 0x6000);
  expect(call()).toBe(2);
  enter(L1, 1);
  expect(call()).toBe(3);
  // and by address
  mapUser(m, L3, va, RAM + 0x1000);
  m.cpu.setX(6, va / 4096, 1 << 16);
  m.code(RAM + 0x7000, TLBI_VAE1_X6, BRK);
  m.go(RAM + 0x7000);
  expect(call()).toBe(1);
  enter(second.l1, 2);
  expect(call()).toBe(2);
});

test("a jump out of the page and one within it, at an address where the lower half carries", () => {
  const m = machine(), code = RAM + 0x1000;
  mapUser(m, L3, RAM + 0x8000, code);
  mapUser(m, L3, RAM + 0x9000, RAM + 0x2000);
  m.code(code + 0xff8, b(code, code + 4), 0xd503_201f /* runs off the page's end */);
  m.code(RAM + 0x2000, b(RAM + 0x2000, RAM + 0x1ff0));
  m.code(code + 0xff0, movz(0, 7), BRK);
  user(m, RAM + 0x8ff8);
  expect(m.x(0)).toBe(7);
});
