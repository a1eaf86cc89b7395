// test/cpu/translate/fault.test.ts — faults of the host in generated code: noted, reported, and the process goes on.
// A TLB entry whose host address leads nowhere stands for the bug.
import { expect, test } from "bun:test";
import { Tlb, Word } from "../../../src/cpu/mmu/tlb.ts";
import { BRK, machine, movz, RAM } from "./mapped.ts";

const LDR_X0_X1 = 0xf940_0020;

test("a load from where the host has nothing ends with a report, and the next run works", () => {
  const m = machine();
  const code = RAM + 0x1000, data = RAM + 0x8000;
  m.code(code, movz(2, 1), movz(3, 2), LDR_X0_X1, BRK);
  m.words[(data - RAM) / 4] = 77;
  m.cpu.x[2] = data;
  m.go(code);
  expect(m.x(0)).toBe(77);

  const addend = Tlb.index(1, data) + Word.ADDEND, { x } = m.cpu;
  const lo = x[addend] as number, hi = x[addend + 1] as number;
  x[addend] = 0x1000 - data; // the first page but one of the host
  x[addend + 1] = -1;
  let report = "";
  try {
    m.go(code);
  } catch (error) {
    report = (error as Error).message;
  }
  expect(report).toMatch(/^generated code failed: SIGSEGV at host address 0x[0-9a-f]+, touching 0x1000\n/);
  expect(report).toContain(`guest pc 00000000${(code + 8).toString(16)}, instruction 2 of the block at 00000000${code.toString(16)}, EL1`);
  expect(report).toContain("guest code: d2800022 d2800043 f9400020 d4200000");
  expect(report).toMatch(/host code from offset \d+: [0-9a-f]{40,}/);
  expect(report).toMatch(/^host: r8 [0-9a-f]+ .* rip [0-9a-f]+$/m);

  x[addend] = lo;
  x[addend + 1] = hi;
  m.cpu.x[0] = 0;
  m.go(code);
  expect(m.x(0)).toBe(77);
});
