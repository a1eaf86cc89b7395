// test/cpu/translate/engine.test.ts — what must hold when code and its translations change under generated code.
import { expect, test } from "bun:test";
import { Offset } from "../../../src/cpu/state.ts";
import { slot } from "../../../src/cpu/sysreg.ts";
import { b, BRK, IC_IVAU_X1, ISB, L1, L2, L3, machine, movz, PAGE, RAM, RET, TLBI_VAE1_X1 } from "./mapped.ts";

test("changed code runs after IC IVAU, and the old code until then", () => {
  const m = machine();
  const a = RAM + 0x1000;
  m.code(a, movz(0, 1), BRK);
  m.go(a);
  expect(m.x(0)).toBe(1);
  m.code(a, movz(0, 2), BRK);
  m.go(a);
  expect(m.x(0)).toBe(1);
  m.cpu.setX(1, a, 0);
  m.code(RAM + 0x2000, IC_IVAU_X1, ISB, b(RAM + 0x2008, a));
  m.go(RAM + 0x2000);
  expect(m.x(0)).toBe(2);
});

test("IC IVAU by another mapping of the same page finds the block too", () => {
  const m = machine();
  const a = RAM + 0x1000, alias = RAM + 0x8000;
  m.map(alias, a);
  m.code(a, movz(0, 1), BRK);
  m.go(a);
  m.code(a, movz(0, 2), BRK);
  m.cpu.setX(1, alias, 0);
  m.code(RAM + 0x2000, IC_IVAU_X1, ISB, b(RAM + 0x2008, a));
  m.go(RAM + 0x2000);
  expect(m.x(0)).toBe(2);
});

test("a block whose flags were judged dead by words behind it goes when those words change", () => {
  const m = machine();
  const a = RAM + 0x1000;
  const cmp = 0xf100_041f /* cmp x0, #1 */, tst = 0xf240_001f /* tst x0, #1 */, csetEq = 0x9a9f_17e2 /* cset x2, eq */;
  m.code(a, cmp, b(a + 4, a + 0x10));
  m.code(a + 0x10, tst, csetEq, BRK);
  m.cpu.setX(0, 1, 0);
  m.go(a);
  expect(m.x(2)).toBe(0); // tst #1: not equal
  m.code(a + 0x10, 0xd503_201f, csetEq, BRK);
  m.cpu.setX(1, a + 0x10, 0);
  m.code(RAM + 0x2000, IC_IVAU_X1, ISB, b(RAM + 0x2008, a));
  m.go(RAM + 0x2000);
  expect(m.x(2)).toBe(1); // cmp #1: equal
});

test("TLBI takes a remapped page out of direct jumps and of the jump cache", () => {
  const m = machine();
  const caller = RAM + 0x1000, target = RAM + 0x5000;
  m.code(target, movz(0, 1), BRK);
  m.code(target + 0x4000, movz(0, 2), BRK); // the page that will take its place
  m.code(caller, b(caller, target));
  m.code(caller + 0x10, 0xd61f_0060); // br x3
  m.cpu.setX(3, target, 0);
  m.go(caller);
  m.go(caller); // linked now
  m.go(caller + 0x10);
  expect(m.x(0)).toBe(1);
  m.map(target, target + 0x4000);
  m.cpu.setX(1, target / 4096, 0);
  m.code(RAM + 0x2000, TLBI_VAE1_X1, ISB, b(RAM + 0x2008, caller), b(RAM + 0x200c, caller + 0x10));
  m.go(RAM + 0x2000);
  expect(m.x(0)).toBe(2);
  m.cpu.setX(0, 0, 0);
  m.go(RAM + 0x200c);
  expect(m.x(0)).toBe(2);
});

for (const executor of ["generated code", "the interpreter"]) {
  test(`a new table of the last level is used after TLBI VAE1, by ${executor}`, () => {
    const m = machine();
    if (executor === "the interpreter") m.cpu.engine = undefined;
    const from = RAM + 0x6000, data = RAM + 0x9000, other = RAM + 0xa000, table = RAM + 0x10_4000;
    m.words[(data - RAM) / 4] = 1;
    m.words[(other - RAM) / 4] = 2;
    m.code(from, 0xf940_0040, BRK); // ldr x0, [x2]
    m.cpu.setX(2, data, 0);
    m.go(from);
    expect(m.x(0)).toBe(1);
    // the same pages by another table, but for the data's
    m.words.copyWithin((table - RAM) / 4, (L3 - RAM) / 4, (L3 - RAM + 0x1000) / 4);
    m.words[(table - RAM + ((data - RAM) / 4096) * 8) / 4] = other | PAGE;
    m.words[(L2 - RAM) / 4] = table | 3;
    m.cpu.setX(1, data / 4096, 0);
    m.code(RAM + 0x2000, TLBI_VAE1_X1, ISB, b(RAM + 0x2008, from));
    m.go(RAM + 0x2000);
    expect(m.x(0)).toBe(2);
  });
}

test("a new table in TTBR0 ends what the old one mapped", () => {
  const m = machine();
  const a = RAM + 0x5000;
  m.code(a, movz(0, 1), BRK);
  m.code(a + 0x4000, movz(0, 2), BRK);
  m.code(RAM + 0x1000, 0xd61f_0060); // br x3
  m.cpu.setX(3, a, 0);
  m.go(RAM + 0x1000);
  // a second set of tables, in which the page is another
  m.words.copyWithin((L1 + 0x3000 - 0x2000 - RAM) / 4, (L3 - RAM) / 4, (L3 + 0x1000 - RAM) / 4);
  const l3 = L1 + 0x1000;
  m.words[(l3 - RAM) / 4 + ((a - RAM) / 4096) * 2] = (a + 0x4000) | PAGE;
  m.words[(l3 + 0x1000 - RAM) / 4] = l3 | 3;
  m.words[(l3 + 0x2000 - RAM) / 4 + 2] = (l3 + 0x1000) | 3;
  m.cpu.setX(1, l3 + 0x2000, 0);
  // msr ttbr0_el1, x1; tlbi vmalle1; isb; br x3
  m.code(RAM + 0x2000, 0xd518_2001, 0xd508_871f, ISB, 0xd61f_0060);
  m.go(RAM + 0x2000);
  expect(m.x(0)).toBe(2);
});

test("code runs on across the end of a page", () => {
  const m = machine();
  m.code(RAM + 0x1ff8, movz(0, 3), movz(2, 4), movz(4, 5), BRK);
  m.go(RAM + 0x1ff8);
  expect([m.x(0), m.x(2), m.x(4)]).toEqual([3, 4, 5]);
});

test("everything is made anew after the code memory was wiped", () => {
  const m = machine();
  const sub = RAM + 0x3000;
  m.code(RAM + 0x1000, 0x9400_0000 | ((sub - RAM - 0x1000) / 4), BRK);
  m.code(sub, movz(0, 7), RET);
  m.go(RAM + 0x1000);
  const made = m.engine.translated;
  m.engine.wipe();
  m.cpu.setX(0, 0, 0);
  m.go(RAM + 0x1000);
  expect(m.x(0)).toBe(7);
  expect(m.engine.translated).toBeGreaterThan(made);
});

test("a limit of instructions is kept to the instruction", () => {
  const m = machine();
  const a = RAM + 0x1000;
  m.code(a, 0x9100_0400 /* add x0, x0, #1 */, 0x9100_0400, 0x9100_0400, b(a + 12, a));
  m.cpu.setX(0, 0, 0);
  m.cpu.x[Offset.PC / 4] = a;
  m.cpu.run(undefined, 4001);
  expect(m.cpu.exit.kind).toBe("budget");
  expect(m.x(0)).toBe(3001);
  expect(m.cpu.state.f64[Offset.ICOUNT / 8]).toBe(4001);
});

test("an abort at a store reports that store's address, and what came before it is done", () => {
  const m = machine();
  m.cpu.x[slot.VBAR_EL1 / 4] = RAM + 0x6000;
  m.code(RAM + 0x6200, BRK);
  m.code(RAM + 0x1000, movz(0, 9), 0xf900_0041 /* str x1, [x2] */, movz(0, 10), BRK);
  m.cpu.setX(2, 0x5000_0000, 0); // not mapped
  m.go(RAM + 0x1000);
  expect(m.x(0)).toBe(9);
  expect(m.cpu.x[slot.ELR_EL1 / 4]).toBe(RAM + 0x1004);
  expect(m.cpu.x[slot.FAR_EL1 / 4]).toBe(0x5000_0000);
});
