// src/cpu/interpret/branch.ts — what the branches of a64/branch.ts do.
// Spec: ARM DDI 0487, C6.2, each instruction's "Operation".
import type { branch } from "../a64/branch.ts";
import type { Handlers } from "../a64/pattern.ts";
import { Next, type Cpu, type Result } from "./cpu.ts";
import { exceptionReturn } from "../exception.ts";

/** X30 = address of the next instruction. */
function link(cpu: Cpu): void {
  const next = (cpu.pcLo >>> 0) + 4;
  cpu.setX(30, next | 0, (cpu.pcHi + (next > 0xffff_ffff ? 1 : 0)) | 0);
}
const isZero = (cpu: Cpu, f: { f: number; t: number }): boolean =>
  cpu.x[2 * f.t] === 0 && (f.f === 0 || cpu.x[2 * f.t + 1] === 0);
const testBit = (cpu: Cpu, f: { b: number; t: number }): boolean =>
  (((cpu.x[2 * f.t + (f.b >>> 5)] as number) >>> (f.b & 31)) & 1) !== 0;

export const interpretBranch: Handlers<typeof branch, Cpu, Result> = {
  B_cond: (cpu, f) => (cpu.holds(f.c) ? cpu.branch((f.i << 13) >> 11) : Next),
  B: (cpu, f) => cpu.branch((f.i << 6) >> 4),
  BL: (cpu, f) => {
    link(cpu);
    return cpu.branch((f.i << 6) >> 4);
  },
  CBZ: (cpu, f) => (isZero(cpu, f) ? cpu.branch((f.i << 13) >> 11) : Next),
  CBNZ: (cpu, f) => (isZero(cpu, f) ? Next : cpu.branch((f.i << 13) >> 11)),
  TBZ: (cpu, f) => (testBit(cpu, f) ? Next : cpu.branch((f.i << 18) >> 16)),
  TBNZ: (cpu, f) => (testBit(cpu, f) ? cpu.branch((f.i << 18) >> 16) : Next),
  BR: (cpu, f) => cpu.branchTo(cpu.x[2 * f.n] as number, cpu.x[2 * f.n + 1] as number),
  BLR: (cpu, f) => {
    const lo = cpu.x[2 * f.n] as number;
    const hi = cpu.x[2 * f.n + 1] as number;
    link(cpu);
    return cpu.branchTo(lo, hi);
  },
  RET: (cpu, f) => cpu.branchTo(cpu.x[2 * f.n] as number, cpu.x[2 * f.n + 1] as number),
  ERET: cpu => (cpu.el === 0 ? cpu.undefined() : exceptionReturn(cpu)),
};
