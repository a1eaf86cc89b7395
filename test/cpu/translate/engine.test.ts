// test/cpu/translate/engine.test.ts — what must hold when code and its translations change under generated code.
import { expect, test } from "bun:test";
import { NativeMemory } from "../../../ffi/memory.ts";
import { Cpu } from "../../../src/cpu/interpret/cpu.ts";
import { instructions } from "../../../src/cpu/interpret/instructions.ts";
import { MemoryMap } from "../../../src/cpu/memory-map.ts";
import { Offset } from "../../../src/cpu/state.ts";
import { slot } from "../../../src/cpu/sysreg.ts";
import { Engine } from "../../../src/cpu/translate/engine.ts";

const RAM = 0x4000_0000;
const SIZE = 1 << 21;
/** Level 3 table of the 2 MiB at RAM, level 2 and level 1 above it. */
const L3 = RAM + 0x10_0000, L2 = L3 + 0x1000, L1 = L2 + 0x1000;
const PAGE = 0x703; // valid page, access flag, inner shareable, EL1 read-write-execute
const BRK = 0xd420_0000;

/** A core on generated code with the 2 MiB at RAM mapped one to one, page by page. */
function machine(): { cpu: Cpu; engine: Engine; words: Uint32Array; code(at: number, ...list: number[]): void; map(va: number, pa: number): void; go(pc: number): void; x(r: number): number } {
  const memory = NativeMemory.allocate(SIZE);
  const map = new MemoryMap();
  map.add(RAM, memory, SIZE, false);
  const cpus: Cpu[] = [];
  const cpu = new Cpu({ index: 0, memory: map, peers: cpus, instructions, clock: { frequency: 1, ticks: () => 0, wallSeconds: () => 0 } });
  cpus.push(cpu);
  const engine = Engine.create(cpu) as Engine;
  cpu.engine = engine;
  cpu.debugExits = true;
  const words = new Uint32Array(memory.window(0));
  const put = (pa: number, value: number): void => { words[(pa - RAM) / 4] = value; };
  const { x } = cpu;
  put(L1 + 8, L2 | 3);
  put(L2, L3 | 3);
  const mapPage = (va: number, pa: number): void => put(L3 + ((va - RAM) / 4096) * 8, pa | PAGE);
  for (let page = RAM; page < RAM + SIZE; page += 4096) mapPage(page, page);
  x[slot.MAIR_EL1 / 4] = 0xff;
  x[slot.TCR_EL1 / 4] = 25;
  x[slot.TCR_EL1 / 4 + 1] = 2;
  x[slot.TTBR0_EL1 / 4] = L1;
  x[slot.SCTLR_EL1 / 4] = (x[slot.SCTLR_EL1 / 4] as number) | 1;
  cpu.flushTlb();
  return {
    cpu, engine, words, map: mapPage,
    code: (at, ...list) => words.set(list, (at - RAM) / 4),
    go: pc => {
      x[Offset.PC / 4] = pc;
      x[Offset.PC / 4 + 1] = 0;
      cpu.run(undefined, 100_000);
      expect(cpu.exit.kind).toBe("debug");
    },
    x: r => x[2 * r] as number,
  };
}
const movz = (d: number, imm: number): number => (0xd280_0000 | (imm << 5) | d) >>> 0;
const b = (from: number, to: number): number => (0x1400_0000 | (((to - from) / 4) & 0x03ff_ffff)) >>> 0;
const IC_IVAU_X1 = 0xd50b_7521, ISB = 0xd503_3fdf, TLBI_VAE1_X1 = 0xd508_8721, RET = 0xd65f_03c0;

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
