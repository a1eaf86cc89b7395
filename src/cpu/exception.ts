// src/cpu/exception.ts — taking exceptions to EL1 and returning from them.
// Spec: ARM DDI 0487, D1.3 (exception entry), D1.4 (return), ESR_EL1; shared pseudocode AArch64.TakeException.
// Left out: EL2 and EL3, AArch32, SError.
import { Mode, SCTLR_DSSBS_HI } from "./features.ts";
import type { Cpu } from "./interpret/cpu.ts";
import { slot } from "./sysreg.ts";
import { Offset } from "./state.ts";

/** Exception classes (ESR_ELx.EC); irq and fiq are ours: they write no syndrome. */
export const EC = {
  unknown: 0x00,
  wf: 0x01,
  fpAccess: 0x07,
  illegalState: 0x0e,
  svc: 0x15,
  sysreg: 0x18,
  instructionAbortLower: 0x20,
  instructionAbortSame: 0x21,
  pcAlignment: 0x22,
  dataAbortLower: 0x24,
  dataAbortSame: 0x25,
  spAlignment: 0x26,
  fp: 0x2c,
  breakpointLower: 0x30,
  breakpointSame: 0x31,
  stepLower: 0x32,
  stepSame: 0x33,
  watchpointLower: 0x34,
  watchpointSame: 0x35,
  brk: 0x3c,
  irq: 0x100,
  fiq: 0x101,
} as const;

const PC = Offset.PC / 4;
const SPSR_D_TO_F = 0x3c0;
const SPSR_D = 1 << 9;
const MDSCR_SS = 1;
const SPSR_PAN = 1 << 22;
const SPSR_SS = 1 << 21;
const SPSR_IL = 1 << 20;
const SCTLR_SPAN = 1 << 23;

/** PSTATE in the layout of SPSR_EL1. */
export function pstate(cpu: Cpu): number {
  const x = cpu.x;
  const el = x[Offset.EL / 4] as number;
  const mode = el === 0 ? 0 : 4 | (x[Offset.SPSEL / 4] as number);
  return (x[Offset.NZCV / 4] as number) | (x[Offset.DAIF / 4] as number) | mode | (x[Offset.MODES / 4] as number)
    | (x[Offset.PAN / 4] !== 0 ? SPSR_PAN : 0) | (x[Offset.SS / 4] !== 0 ? SPSR_SS : 0) | (x[Offset.IL / 4] !== 0 ? SPSR_IL : 0);
}

/** The inverse of `pstate`, for a mode of EL0 or EL1. The stack pointers are those in the banks. */
export function setPstate(cpu: Cpu, value: number): void {
  const x = cpu.x;
  x[Offset.NZCV / 4] = value & 0xf000_0000;
  x[Offset.DAIF / 4] = value & SPSR_D_TO_F;
  x[Offset.PAN / 4] = (value & SPSR_PAN) !== 0 ? 1 : 0;
  x[Offset.MODES / 4] = value & cpu.features.modes;
  x[Offset.SS / 4] = (value & SPSR_SS) !== 0 ? 1 : 0;
  x[Offset.IL / 4] = (value & SPSR_IL) !== 0 ? 1 : 0;
  x[Offset.EL / 4] = (value >> 2) & 3;
  x[Offset.SPSEL / 4] = value & 1;
  cpu.selectSp();
  cpu.flushTlb();
  cpu.syncState();
}

/**
 * Takes an exception to EL1: saves the return state (PC: of the instruction, unless the caller moved it on), writes ESR
 * and, when given, FAR, and goes to the vector. Always returns the loop's "Jump".
 */
export function enterException(cpu: Cpu, ec: number, iss: number, farLo?: number, farHi?: number): 1 {
  const x = cpu.x;
  const from = x[Offset.EL / 4] as number;
  const spsel = x[Offset.SPSEL / 4] as number;
  if (cpu.pmu.armed) cpu.pmu.taken(cpu.executed, ec === EC.svc || ec >= EC.irq ? 0 : 1);
  x[slot.SPSR_EL1 / 4] = pstate(cpu);
  x[slot.SPSR_EL1 / 4 + 1] = 0;
  x[slot.ELR_EL1 / 4] = x[PC] as number;
  x[slot.ELR_EL1 / 4 + 1] = x[PC + 1] as number;
  if (ec < EC.irq) {
    x[slot.ESR_EL1 / 4] = (ec << 26) | (1 << 25) | iss;
    x[slot.ESR_EL1 / 4 + 1] = 0;
  }
  if (farLo !== undefined) {
    x[slot.FAR_EL1 / 4] = farLo;
    x[slot.FAR_EL1 / 4 + 1] = farHi ?? 0;
  }
  cpu.bankSp();
  x[Offset.EL / 4] = 1;
  x[Offset.SPSEL / 4] = 1;
  cpu.selectSp();
  x[Offset.DAIF / 4] = SPSR_D_TO_F;
  x[Offset.SS / 4] = 0;
  x[Offset.IL / 4] = 0;
  if (cpu.features.modes !== 0) { // DIT stays
    const speculate = ((x[slot.SCTLR_EL1 / 4 + 1] as number) & SCTLR_DSSBS_HI) !== 0 ? cpu.features.modes & Mode.SSBS : 0;
    x[Offset.MODES / 4] = ((x[Offset.MODES / 4] as number) & Mode.DIT) | speculate;
  }
  if (((x[slot.SCTLR_EL1 / 4] as number) & SCTLR_SPAN) === 0 && x[Offset.PAN / 4] === 0) {
    x[Offset.PAN / 4] = 1;
    cpu.panSet();
  }
  const kind = ec === EC.irq ? 0x80 : ec === EC.fiq ? 0x100 : 0;
  const offset = (from === 0 ? 0x400 : spsel !== 0 ? 0x200 : 0) + kind;
  x[PC] = (x[slot.VBAR_EL1 / 4] as number) + offset; // VBAR is 2 KiB aligned: no carry
  x[PC + 1] = x[slot.VBAR_EL1 / 4 + 1] as number;
  cpu.syncState();
  return 1;
}

/** Takes the interrupt whose line is high, unless it is masked. */
export function takeInterrupt(cpu: Cpu): void {
  const lines = cpu.x[Offset.LINES / 4] as number, daif = cpu.x[Offset.DAIF / 4] as number;
  if ((lines & 2) !== 0 && (daif & 0x40) === 0) enterException(cpu, EC.fiq, 0);
  else if ((lines & 1) !== 0 && (daif & 0x80) === 0) enterException(cpu, EC.irq, 0);
}

/** ERET: restores PSTATE from SPSR_EL1 and PC from ELR_EL1. An SPSR that EL1 may not return to sets PSTATE.IL. */
export function exceptionReturn(cpu: Cpu): 1 {
  const x = cpu.x;
  const spsr = x[slot.SPSR_EL1 / 4] as number;
  if (cpu.pmu.armed) cpu.pmu.returned(cpu.executed);
  const mode = spsr & 0x1f;
  const legal = mode === 0 || mode === 4 || mode === 5;
  const debuggedHere = cpu.debug.enabled(cpu.el, (x[Offset.DAIF / 4] as number) & SPSR_D);
  cpu.bankSp();
  x[Offset.EXCL_VALID / 4] = 0;
  x[Offset.EVENT / 4] = 1;
  x[Offset.NZCV / 4] = spsr & 0xf000_0000;
  x[Offset.DAIF / 4] = spsr & SPSR_D_TO_F;
  const pan = (spsr & SPSR_PAN) !== 0 ? 1 : 0;
  if (pan !== 0 && x[Offset.PAN / 4] === 0) cpu.panSet();
  x[Offset.PAN / 4] = pan;
  x[Offset.MODES / 4] = spsr & cpu.features.modes;
  if (legal) {
    x[Offset.EL / 4] = mode >> 2;
    x[Offset.SPSEL / 4] = mode & 1;
    x[Offset.IL / 4] = (spsr & SPSR_IL) !== 0 ? 1 : 0;
  } else {
    x[Offset.IL / 4] = 1; // EL, SPSel stay
  }
  // DebugExceptionReturnSS: a debugger that is not debugged itself lets the other execute one instruction
  const stepped = ((x[slot.MDSCR_EL1 / 4] as number) & MDSCR_SS) !== 0 && !debuggedHere && cpu.debug.enabled(x[Offset.EL / 4] as number, spsr & SPSR_D);
  x[Offset.SS / 4] = stepped && (spsr & SPSR_SS) !== 0 ? 1 : 0;
  cpu.selectSp();
  cpu.branchTo(x[slot.ELR_EL1 / 4] as number, x[slot.ELR_EL1 / 4 + 1] as number);
  cpu.syncState();
  return 1;
}
