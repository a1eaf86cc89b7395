// src/cpu/interpret/instructions.ts — all encoding tables joined with the interpreter's handlers.
import { branch, system } from "../a64/branch.ts";
import { dataImm } from "../a64/data-imm.ts";
import { dataReg } from "../a64/data-reg.ts";
import { loadStore, loadStoreFp } from "../a64/load-store.ts";
import { join, type Handlers, type Table } from "../a64/pattern.ts";
import { interpretBranch } from "./branch.ts";
import type { Cpu, Instruction, Result } from "./cpu.ts";
import { interpretDataImm } from "./data-imm.ts";
import { interpretDataReg } from "./data-reg.ts";
import { interpretLoadStore, interpretLoadStoreFp } from "./load-store.ts";
import { simdInstructions } from "./simd-instructions.ts";
import { interpretSystem } from "./system.ts";

/** Wraps every handler of a SIMD&FP table in the check of CPACR_EL1.FPEN. */
function guarded<T extends Table>(table: T, handlers: Handlers<T, Cpu, Result>): Instruction[] {
  return join<T, Cpu, Result>(table, handlers).map(entry => {
    const inner = entry.handle;
    return { ...entry, handle: (cpu: Cpu, f: never): Result => (cpu.fpTrapped() ? cpu.trapFp() : inner(cpu, f)) };
  });
}

/** Loads and stores that read and write memory as one. */
const INDIVISIBLE = /^(STL?X[RP]|CASP?|SWP|LD(ADD|CLR|EOR|SET|[SU](MAX|MIN)))$/;
/** Where cores run at the same time, these are done while no other one runs: rare, for generated code does most of them. */
function indivisible(entry: Instruction): Instruction {
  if (!INDIVISIBLE.test(entry.name)) return entry;
  const inner = entry.handle;
  return { ...entry, handle: (cpu: Cpu, f: never): Result => (cpu.domain === undefined ? inner(cpu, f) : cpu.domain.alone(() => inner(cpu, f))) };
}

/** Every encoding the interpreter knows. */
export const instructions: readonly Instruction[] = [
  ...join<typeof branch, Cpu, Result>(branch, interpretBranch),
  ...join<typeof system, Cpu, Result>(system, interpretSystem),
  ...join<typeof dataImm, Cpu, Result>(dataImm, interpretDataImm),
  ...join<typeof dataReg, Cpu, Result>(dataReg, interpretDataReg),
  ...join<typeof loadStore, Cpu, Result>(loadStore, interpretLoadStore).map(indivisible),
  ...guarded(loadStoreFp, interpretLoadStoreFp),
  ...simdInstructions,
];
