// src/cpu/interpret/debug.ts — self-hosted debug: breakpoints, watchpoints and software step, as debuggers inside the guest use
// them. While a breakpoint or the step is enabled every instruction runs here, looked at first; generated code rests.
// Watched pages are kept out of the TLB, so that accesses to them come by Cpu's slow path, also from generated code.
// Spec: ARM DDI 0487, D2 (AArch64 Self-hosted Debug), D2.8 (breakpoints), D2.9 (watchpoints), D2.11 (software step), D19.3.
// Left out: what concerns EL2, EL3 and VMIDs.
import { EC, enterException, takeInterrupt } from "../exception.ts";
import { slot } from "../sysreg.ts";
import { Offset } from "../state.ts";
import { Jump, Next, Stop, type Cpu, type Result } from "./cpu.ts";

const PC = Offset.PC / 4, EL = Offset.EL / 4, SS = Offset.SS / 4, DAIF = Offset.DAIF / 4, LINES = Offset.LINES / 4;
const MDSCR = slot.MDSCR_EL1 / 4, OSLSR = slot.OSLSR_EL1 / 4, CONTEXTIDR = slot.CONTEXTIDR_EL1 / 4;
const MDSCR_SS = 1, MDSCR_KDE = 1 << 13, MDSCR_MDE = 1 << 15;
const OSLSR_OSLK = 2, PSTATE_D = 1 << 9;
const BREAKPOINTS = [{ value: slot.DBGBVR0_EL1 / 4, control: slot.DBGBCR0_EL1 / 4 }, { value: slot.DBGBVR1_EL1 / 4, control: slot.DBGBCR1_EL1 / 4 }] as const;
const WATCHPOINTS = [{ value: slot.DBGWVR0_EL1 / 4, control: slot.DBGWCR0_EL1 / 4 }, { value: slot.DBGWVR1_EL1 / 4, control: slot.DBGWCR1_EL1 / 4 }] as const;
/** DFSC and IFSC of a debug exception. */
const DEBUG = 0b10_0010;
const ISV = 1 << 24, EX = 1 << 6, WNR = 1 << 6;
/** BT of breakpoints: bit 0 linked; bits 3..1 address match, or CONTEXTIDR_EL1 match. */
const LINKED = 1, ADDRESS = 0, CONTEXT = 1;
const LOAD = 1, STORE = 2;

export class SelfHostedDebug {
  /** A breakpoint or the software step is enabled, at some EL. */
  armed = false;
  /** A watchpoint is. */
  watching = false;
  /** Of the instruction stepped last: ISV and EX of the syndrome. */
  syndrome = 0;
  /** The last instruction left for the machine, which has completed it. */
  left = false;
  readonly #x: Int32Array;
  constructor(x: Int32Array) { this.#x = x; }

  /** Looks at the registers anew. */
  look(): void {
    const x = this.#x, on = ((x[OSLSR] as number) & OSLSR_OSLK) === 0, mdscr = on ? x[MDSCR] as number : 0;
    const monitor = (mdscr & MDSCR_MDE) !== 0;
    this.armed = (mdscr & MDSCR_SS) !== 0 || (monitor && BREAKPOINTS.some(({ control }) => ((x[control] as number) & 1) !== 0));
    this.watching = monitor && WATCHPOINTS.some(({ control }) => ((x[control] as number) & 1) !== 0);
  }
  /** AArch64.GenerateDebugExceptionsFrom: whether an EL's code may be debugged, with PSTATE.D (not zero: masked). */
  enabled(el: number, masked: number): boolean {
    const x = this.#x;
    if (((x[OSLSR] as number) & OSLSR_OSLK) !== 0) return false;
    return el === 0 || (((x[MDSCR] as number) & MDSCR_KDE) !== 0 && masked === 0);
  }
  get #enabled(): boolean { return this.enabled(this.#x[EL] as number, (this.#x[DAIF] as number) & PSTATE_D); }
  /** The software step is active. */
  get stepping(): boolean { return ((this.#x[MDSCR] as number) & MDSCR_SS) !== 0 && this.#enabled; }

  /** HMC, SSC and PMC or PAC, as far as they speak of EL0 and EL1. */
  #ofEl(control: number, el: number): boolean { return ((control >>> (el === 0 ? 2 : 1)) & 1) !== 0; }
  #contextMatches(n: number): boolean {
    const one = BREAKPOINTS[n];
    if (one === undefined) return false;
    const control = this.#x[one.control] as number;
    return (control & 1) !== 0 && (control >>> 21 & 7) === CONTEXT && this.#x[one.value] === this.#x[CONTEXTIDR];
  }
  /** A breakpoint matches the instruction at PC. */
  breaks(): boolean {
    const x = this.#x;
    if (((x[MDSCR] as number) & MDSCR_MDE) === 0 || !this.#enabled) return false;
    return BREAKPOINTS.some(({ value, control }, n) => {
      const c = x[control] as number, type = (c >>> 21) & 7, linked = ((c >>> 20) & LINKED) !== 0;
      if ((c & 1) === 0 || !this.#ofEl(c, x[EL] as number)) return false;
      if (type === CONTEXT) return !linked && this.#contextMatches(n);
      return type === ADDRESS && ((x[value] as number) ^ (x[PC] as number)) >>> 2 === 0 && x[value + 1] === x[PC + 1] && (!linked || this.#contextMatches((c >>> 16) & 15));
    });
  }
  /** A watchpoint may match an access to the page of an address. */
  near(lo: number, hi: number): boolean {
    const x = this.#x;
    return WATCHPOINTS.some(({ value, control }) => {
      const c = x[control] as number;
      return (c & 1) !== 0 && (((x[value] as number) ^ lo) & ~(maskOf(c) | 0xfff)) === 0 && (((x[value + 1] as number) ^ hi) & 0x00ff_ffff) === 0;
    });
  }
  /** A watchpoint matches an access of `size` bytes that does not cross a page, with an EL's rights. */
  watched(write: boolean, size: number, lo: number, hi: number, el: number): boolean {
    const x = this.#x;
    if (!this.#enabled) return false;
    return WATCHPOINTS.some(({ value, control }) => {
      const c = x[control] as number, at = x[value] as number, mask = maskOf(c);
      if ((c & 1) === 0 || !this.#ofEl(c, el) || ((c >>> 3) & (write ? STORE : LOAD)) === 0 || (((x[value + 1] as number) ^ hi) & 0x00ff_ffff) !== 0) return false;
      if (((c >>> 20) & 1) !== 0 && !this.#contextMatches((c >>> 16) & 15)) return false;
      if (mask !== 0) return ((at ^ lo) & ~mask) === 0 || ((at ^ (lo + size - 1)) & ~mask) === 0;
      const bytes = ((c >>> 5) & 0xff) << (at & 4); // BAS is of a word where bit 2 of the address is set
      for (let i = 0; i < size; i++) if (((at ^ (lo + i)) & -8) === 0 && ((bytes >>> ((lo + i) & 7)) & 1) !== 0) return true;
      return false;
    });
  }
}
/** Address bits that a watchpoint ignores: MASK. */
const maskOf = (control: number): number => ((control >>> 24) & 31) < 3 ? 0 : 2 ** ((control >>> 24) & 31) - 1 | 0;

/** A watchpoint exception in place of an access. */
export function takeWatchpoint(cpu: Cpu, write: boolean, lo: number, hi: number): Result {
  return enterException(cpu, cpu.el === 0 ? EC.watchpointLower : EC.watchpointSame, DEBUG | (write ? WNR : 0), lo, hi);
}

const isCall = (word: number): boolean => (word & 0xffe0_001c) === (0xd400_0000 | 0) && (word & 3) !== 0; // SVC, HVC, SMC
const isLoadExclusive = (word: number): boolean => (word & 0x3fc0_0000) === 0x0840_0000;

/** As `execute` of hot.ts, one instruction after the other with its reference handler, while debug is armed. */
export function executeDebugged(cpu: Cpu, limit: number): number {
  const { x, debug } = cpu;
  let n = 0;
  cpu.stopped = false;
  if (debug.left && debug.stepping) x[SS] = 0;
  debug.left = false;
  while (n < limit && debug.armed) {
    cpu.progress = n;
    if ((x[LINES] as number) !== 0) takeInterrupt(cpu);
    const { stepping } = debug;
    cpu.progress = ++n;
    if (stepping && x[SS] === 0) { // active-pending
      enterException(cpu, cpu.el === 0 ? EC.stepLower : EC.stepSame, DEBUG | debug.syndrome);
      debug.syndrome = 0;
      continue;
    }
    if (cpu.fetchPage() === Jump) continue;
    if (debug.breaks()) {
      enterException(cpu, cpu.el === 0 ? EC.breakpointLower : EC.breakpointSame, DEBUG);
      continue;
    }
    const word = cpu.code[cpu.codeBase + (((x[PC] as number) & 4095) >>> 2)] as number;
    const op = cpu.handlerOf(word);
    if (stepping && isCall(word)) x[SS] = 0; // SSAdvance: the exception that it takes is its step
    const result = op.run(cpu, op.f);
    if (result === Stop) {
      debug.left = true;
      cpu.stopped = true;
      cpu.describe(word);
      return n - 1;
    }
    if (result === Next) cpu.advance();
    if (stepping) {
      x[SS] = 0;
      debug.syndrome = ISV | (isLoadExclusive(word) ? EX : 0);
    }
  }
  return n;
}
