// src/cpu/interpret/special.ts — what the "special" rows of sysreg.ts are made of: a read leaves its value in cpu.lo and cpu.hi.
import { slot, sysregs, type SpecialName } from "../sysreg.ts";
import { Next, type Cpu, type Result } from "./cpu.ts";

/** What an access gives when EL0 may not make it: whoever asked traps it to EL1. */
export const Trap = -1;
export type Attempt = Result | typeof Trap;

export interface Special {
  readonly read: (cpu: Cpu) => Attempt;
  /** Absent: the table says that the register can't be written. */
  readonly write?: (cpu: Cpu, lo: number, hi: number) => Attempt;
}

/** The result of a read. */
export const value = (cpu: Cpu, lo: number, hi = 0): Result => { cpu.lo = lo | 0; cpu.hi = hi | 0; return Next; };
/** What the state has of a register. */
export const stored = (cpu: Cpu, name: SpecialName): Result => value(cpu, cpu.x[slot[name] / 4] as number, cpu.x[slot[name] / 4 + 1] as number);
/** Writes a register's writable bits into the state; the others become 0. */
export const keep = (cpu: Cpu, name: SpecialName, lo: number, hi: number): void => {
  cpu.x[slot[name] / 4] = lo & sysregs[name].maskLo;
  cpu.x[slot[name] / 4 + 1] = hi & sysregs[name].maskHi;
};
