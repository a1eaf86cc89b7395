// src/cpu/interpret/pmu.ts — the performance monitors: six event counters of 32 bits and the cycle counter of 64.
// Nothing is counted while instructions run. Counters are brought up to date by the number of instructions executed whenever
// somebody could tell: before a register of theirs is read or written, before EL changes, and at the end of every slice.
// A slice is as short as the next overflow is near, so that its interrupt is taken behind the very instruction.
// A cycle is an instruction here: the same program counts the same cycles in every run. A core that waits has none.
// Spec: ARM DDI 0487, D13 (The Performance Monitors Extension), PMUv3; D13.11 (events). AArch64 only: PMCR_EL0.LC is RES1.
import { slot } from "../sysreg.ts";
import { Offset } from "../state.ts";

/** Event numbers (D13.11.2). */
const Event = { SW_INCR: 0x00, INST_RETIRED: 0x08, EXC_TAKEN: 0x09, EXC_RETURN: 0x0a, CPU_CYCLES: 0x11, CHAIN: 0x1e } as const;
/** PMCEID0_EL0: a bit for each of them. */
export const PMCEID0: number = Object.values(Event).reduce((bits: number, event) => bits | (1 << event), 0);

const EL = Offset.EL / 4;
const PMCR = slot.PMCR_EL0 / 4, PMCNTENSET = slot.PMCNTENSET_EL0 / 4, PMOVSSET = slot.PMOVSSET_EL0 / 4, PMINTENSET = slot.PMINTENSET_EL1 / 4;
const PMCCNTR = slot.PMCCNTR_EL0 / 4, PMCCFILTR = slot.PMCCFILTR_EL0 / 4;
const COUNTERS = [slot.PMEVCNTR0_EL0 / 4, slot.PMEVCNTR1_EL0 / 4, slot.PMEVCNTR2_EL0 / 4, slot.PMEVCNTR3_EL0 / 4, slot.PMEVCNTR4_EL0 / 4, slot.PMEVCNTR5_EL0 / 4] as const;
const TYPERS = [slot.PMEVTYPER0_EL0 / 4, slot.PMEVTYPER1_EL0 / 4, slot.PMEVTYPER2_EL0 / 4, slot.PMEVTYPER3_EL0 / 4, slot.PMEVTYPER4_EL0 / 4, slot.PMEVTYPER5_EL0 / 4] as const;
/** Event counters: PMCR_EL0.N. */
export const COUNT = 6;
/** The cycle counter's bit in the sets. */
const CYCLES = 31;
/** Every counter's bit. */
export const ALL: number = (1 << CYCLES) | ((1 << COUNT) - 1);
const PMCR_E = 1;
/** PMEVTYPER: not at EL1; not at EL0; the event. */
const P = 31, U = 30, EVENT = 0x3ff;
/** Instructions between two looks at a counter that the present EL does not move: so many may pass before its overflow is seen. */
const ELSEWHERE = 2000;
const WRAP = 2 ** 32;

export class Pmu {
  /** Some counter counts. */
  armed = false;
  /** Counters whose overflow will interrupt. */
  #watched = 0;
  /** Instructions executed at the last look. */
  #seen = 0;
  readonly #x: Int32Array;
  constructor(x: Int32Array) { this.#x = x; }

  /** Looks at the registers anew; `executed` as of now. */
  changed(executed: number): void {
    const x = this.#x, counting = ((x[PMCR] as number) & PMCR_E) !== 0 ? x[PMCNTENSET] as number : 0;
    this.#seen = executed;
    this.armed = counting !== 0;
    this.#watched = counting & (x[PMINTENSET] as number) & ~(x[PMOVSSET] as number);
  }
  /** The interrupt: an enabled counter's overflow was not cleared yet. */
  get level(): boolean {
    const x = this.#x;
    return ((x[PMCR] as number) & PMCR_E) !== 0 && ((x[PMOVSSET] as number) & (x[PMINTENSET] as number)) !== 0;
  }
  /** Whether a counter whose filter is given counts at an EL. */
  #at(filter: number, el: number): boolean { return ((filter >>> (el === 0 ? U : P)) & 1) === 0; }
  #event(i: number): number { return (this.#x[TYPERS[i] as number] as number) & EVENT; }
  #counts(i: number): boolean { return (((this.#x[PMCNTENSET] as number) >>> i) & 1) !== 0; }

  /** Counts what was executed since the last look, all of it at the present EL; `failed` of it did not complete. */
  sync(executed: number, failed: number = 0): void {
    const n = executed - this.#seen;
    this.#seen = executed;
    if (!this.armed || n <= 0) return;
    this.#happened(Event.CPU_CYCLES, n);
    if (n > failed) this.#happened(Event.INST_RETIRED, n - failed);
    const x = this.#x;
    if (!this.#counts(CYCLES) || !this.#at(x[PMCCFILTR] as number, x[EL] as number)) return;
    const lo = ((x[PMCCNTR] as number) >>> 0) + n, hi = ((x[PMCCNTR + 1] as number) >>> 0) + Math.floor(lo / WRAP);
    x[PMCCNTR] = lo % WRAP | 0;
    x[PMCCNTR + 1] = hi % WRAP | 0;
    if (hi >= WRAP) this.#overflows(CYCLES);
  }
  /** An exception is taken: by an instruction that completed (SVC), by one that did not, or between two (`failed` 0). */
  taken(executed: number, failed: number): void {
    this.sync(executed, failed);
    this.#happened(Event.EXC_TAKEN, 1);
  }
  /** ERET. */
  returned(executed: number): void {
    this.sync(executed);
    this.#happened(Event.EXC_RETURN, 1);
  }
  /** PMSWINC_EL0: those counters of a set that count it. */
  increment(set: number): void {
    if (this.armed) this.#happened(Event.SW_INCR, 1, set);
  }
  #happened(event: number, n: number, set: number = ALL): void {
    const el = this.#x[EL] as number;
    for (let i = 0; i < COUNT; i++) {
      if (((set >>> i) & 1) !== 0 && this.#counts(i) && this.#event(i) === event && this.#at(this.#x[TYPERS[i] as number] as number, el)) this.#add(i, n);
    }
  }
  #add(i: number, n: number): void {
    const x = this.#x, at = COUNTERS[i] as number, sum = ((x[at] as number) >>> 0) + n;
    x[at] = sum % WRAP | 0;
    if (sum < WRAP) return;
    this.#overflows(i);
    if (this.#chained(i + 1)) this.#add(i + 1, Math.floor(sum / WRAP));
  }
  /** An odd counter that counts the overflows of the even one below. */
  #chained(i: number): boolean { return (i & 1) !== 0 && this.#counts(i) && this.#event(i) === Event.CHAIN; }
  #overflows(i: number): void {
    this.#x[PMOVSSET] = (this.#x[PMOVSSET] as number) | (1 << i);
    this.#watched &= ~(1 << i);
  }

  /** How many of the next `most` instructions are executed before an overflow could interrupt. */
  slice(most: number): number {
    const x = this.#x, el = x[EL] as number;
    if (this.#watched === 0) return most;
    if (this.#watched >>> CYCLES !== 0) most = Math.min(most, this.#at(x[PMCCFILTR] as number, el) ? (WRAP - 1 - ((x[PMCCNTR + 1] as number) >>> 0)) * WRAP + this.#left(PMCCNTR) : ELSEWHERE);
    for (let i = 0; i < COUNT; i++) {
      if (((this.#watched >>> i) & 1) === 0) continue;
      const chained = this.#chained(i), by = chained ? i - 1 : i, event = this.#event(by);
      const moves = this.#counts(by) && (event === Event.INST_RETIRED || event === Event.CPU_CYCLES) && this.#at(x[TYPERS[by] as number] as number, el);
      const left = this.#left(COUNTERS[by] as number) + (chained ? (this.#left(COUNTERS[i] as number) - 1) * WRAP : 0);
      most = Math.min(most, moves ? left : ELSEWHERE);
    }
    return most;
  }
  /** How far a 32-bit word is from its overflow. */
  #left(at: number): number { return WRAP - ((this.#x[at] as number) >>> 0); }
}
