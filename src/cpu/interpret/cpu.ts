// src/cpu/interpret/cpu.ts — one AArch64 core: register file access, loads and stores through the software TLB, fetch,
// decode and the run loop. The instructions themselves stand in the files beside it, one per encoding file.
//
// An instruction's handler returns one of three codes:
//   Next   done; the loop advances PC by 4
//   Jump   PC is set (a branch, a taken exception, or an instruction after which the loop must look around)
//   Stop   the core leaves the guest; `exit` says why, PC is on the instruction unless `exit` says otherwise
// Instructions that meet MMIO or a register of the machine run twice: the first run stops with the exit, the answer is
// kept in a log, and the second run takes it from there. So pairs, SIMD, write-back and atomics need no code of their own.
import type { Clock } from "../../../devices/device.ts";
import { describeAccess, Exit, type TimerName } from "../exit.ts";
import { Fault, Access, Walker } from "../mmu/walk.ts";
import { Fetched } from "../mmu/fetched.ts";
import { Flag, Tlb, Word } from "../mmu/tlb.ts";
import type { Domain } from "../domain.ts";
import { slot, sysregs, type SysRegName } from "../sysreg.ts";
import { CpuState, Offset } from "../state.ts";
import type { MemoryMap } from "../memory-map.ts";
import type { Encoding } from "../a64/pattern.ts";
import { enterException, EC } from "../exception.ts";
import { CoreFeatures, Mode } from "../features.ts";
import type { CpuWires } from "./wires.ts";
import { DecodedWords, placeOf, type Handler } from "./decoded.ts";
import { executeDebugged, SelfHostedDebug, takeWatchpoint } from "./debug.ts";
import { CONDITIONS, execute } from "./hot.ts";
import { Pmu } from "./pmu.ts";
import { AdaptiveSlice } from "./slice.ts";
import { timerFires } from "../timer.ts";
import type { TranslationListener } from "../translation-listener.ts";

export const Next = 0;
export const Jump = 1;
export const Stop = 2;
/** What every handler returns: Next, Jump or Stop. */
export type Result = typeof Next | typeof Jump | typeof Stop;

/** An interpreter's table entry: an encoding and what it does. */
export interface Instruction extends Encoding {
  readonly handle: (cpu: Cpu, f: never) => Result;
}

/** Instructions of generated code between two looks at the clock and the kick flag. */
const ENGINE_SLICE = 131072;
/** Equals no address whose bits 11..2 were cleared. */
const NO_PAGE = 4;

const PC = Offset.PC / 4;
const SP = Offset.SP / 4;
const NZCV = Offset.NZCV / 4;
const DAIF = Offset.DAIF / 4;
const EL = Offset.EL / 4;
const SPSEL = Offset.SPSEL / 4;
const PAN = Offset.PAN / 4;
const IL = Offset.IL / 4;
const KICK = Offset.KICK / 4;
const ICOUNT = Offset.ICOUNT / 8;
const CPACR = slot.CPACR_EL1 / 4;
const SCTLR = slot.SCTLR_EL1 / 4;

export class Cpu {
  readonly state: CpuState;
  /** General registers: lo at 2r, hi at 2r + 1; see state.ts. The same array reaches every other word of the state. */
  readonly x: Int32Array;
  readonly exit: Exit = new Exit();
  readonly tlb: Tlb;
  readonly #fetched: Fetched;
  readonly walker: Walker;
  readonly memory: MemoryMap;
  readonly clock: Clock;
  readonly index: number;
  readonly peers: readonly Cpu[];
  readonly domain: Domain | undefined;
  readonly debug: SelfHostedDebug;
  readonly pmu: Pmu;
  readonly features: CoreFeatures;
  /** Second results of helpers: a 64-bit value as two signed halves. */
  lo = 0; hi = 0;
  /** i32 index of the TLB that data accesses use, and the EL whose rights they have. */
  dataTlb: number = Offset.TLB_EL1 / 4;
  #dataEl = 1;
  /** Current code page: signed halves of its virtual address (lo is NO_PAGE when there is none), its words, index of the first. */
  codeLo: number = NO_PAGE;
  codeHi = 0;
  code: Int32Array = new Int32Array(0);
  codeBase = 0;
  /** Its first cell in `placed`. */
  codePlace = 0;
  /** RAM page number of the current code page. */
  codePage = 0;
  /** What follows translations and code: generated code, when there is some. */ engine: TranslationListener | undefined;
  /** Instruction TLB: direct-mapped by page number; words tagLo, tagHi|el, RAM page. */
  readonly #itlb = new Int32Array(256 * 4);
  /** Every instruction word seen so far, decoded: for all cores of this thread. */ readonly words: DecodedWords;
  readonly #slice: AdaptiveSlice;
  /** Instructions of the present slice, as far as whoever runs them has told; and those before the loop of hot.ts began. */
  progress = 0;
  progressBefore = 0;
  /** The last `execute` ended because an instruction must leave the guest. */
  stopped = false;
  /** Answers to this instruction's exits so far, as lo, hi pairs. */
  readonly #answers: number[] = [];
  #answered = 0;
  /** Virtual address of the last access outside RAM. */
  deviceLo = 0;
  deviceHi = 0;
  /** Encodings of registers of the core that trap to the machine all the same, as a hypervisor may have it. */
  trapped: ReadonlySet<number> = NOTHING;
  /** An exit was made for it and the machine has not unmasked it yet. */
  readonly masked: Record<TimerName, boolean> = { virtual: false, physical: false, pmu: false };
  /** A WFE waits until then. */ napsUntil: number | undefined;
  /** Off in differential tests: every instruction then runs its reference handler. */
  useHotForms = true;
  /** BRK leaves the guest with a `debug` exit. */
  debugExits = false;
  /** Notes every system register access when set: name, direction. Generated code does not tell: it rests then. */
  onSysreg: ((name: string, write: boolean, lo: number, hi: number) => void) | undefined;

  constructor(wires: CpuWires) {
    this.state = new CpuState();
    this.x = this.state.i32;
    this.index = wires.index;
    this.peers = wires.peers;
    this.domain = wires.domain;
    this.memory = wires.memory;
    this.clock = wires.clock;
    this.tlb = new Tlb(this.x);
    this.#fetched = new Fetched(this.state.u8);
    this.walker = new Walker(this.x, wires.memory);
    this.features = new CoreFeatures(wires.features);
    this.walker.small = this.features.has("TTST");
    this.#slice = new AdaptiveSlice(wires.clock.frequency);
    this.words = wires.peers[0]?.words ?? new DecodedWords(this.features.allowed(wires.instructions));
    this.debug = new SelfHostedDebug(this.x);
    this.pmu = new Pmu(this.x);
    this.reset();
  }

  /** The architected reset state, with PC 0: EL1h, interrupts masked, MMU off. */
  reset(): void {
    const x = this.x;
    x.fill(0, 0, Offset.TLB_EL0 / 4);
    for (const name of Object.keys(sysregs) as SysRegName[]) {
      x[slot[name] / 4] = sysregs[name].resetLo;
      x[slot[name] / 4 + 1] = sysregs[name].resetHi;
    }
    this.features.identify(x);
    x[DAIF] = 0x3c0;
    x[EL] = 1;
    x[SPSEL] = 1;
    this.#answers.length = 0;
    Object.assign(this.masked, { virtual: false, physical: false, pmu: false });
    this.pmu.changed(0);
    this.debugChanged();
    this.flushTlb();
    this.syncState();
  }

  // --- registers -------------------------------------------------------------------------------------------------

  /** Writes a general register (ZR is dropped). The halves may be any numbers; they wrap. */
  setX(r: number, lo: number, hi: number): void {
    if (r === 32) return;
    this.x[2 * r] = lo;
    this.x[2 * r + 1] = hi;
  }
  /** Writes the 32-bit form: the upper half becomes zero. */
  setW(r: number, lo: number): void {
    if (r === 32) return;
    this.x[2 * r] = lo;
    this.x[2 * r + 1] = 0;
  }
  get pcLo(): number { return this.x[PC] as number; }
  get pcHi(): number { return this.x[PC + 1] as number; }
  get el(): number { return this.x[EL] as number; }
  get nzcv(): number { return this.x[NZCV] as number; }
  set nzcv(value: number) { this.x[NZCV] = value; }
  /** True when a condition field holds. */
  holds(cond: number): boolean { return CONDITIONS[(cond << 4) | ((this.x[NZCV] as number) >>> 28)] !== 0; }

  /** PC = PC + a signed byte offset. */
  branch(offset: number): Result {
    const lo = ((this.x[PC] as number) >>> 0) + offset;
    this.x[PC + 1] = ((this.x[PC + 1] as number) + (lo > 0xffff_ffff ? 1 : lo < 0 ? -1 : 0)) | 0;
    this.x[PC] = lo;
    return Jump;
  }
  /** PC = an address from a register: the tag of a tagged address is removed (ARM DDI 0487, BranchToAddr, AddrTop). */
  branchTo(lo: number, hi: number): Result {
    const tcrHi = this.x[slot.TCR_EL1 / 4 + 1] as number;
    const upper = (hi & 0x0080_0000) !== 0;
    if (((tcrHi >>> (upper ? 6 : 5)) & 1) !== 0 && ((tcrHi >>> (upper ? 20 : 19)) & 1) === 0) hi = (hi << 8) >> 8;
    this.x[PC] = lo;
    this.x[PC + 1] = hi;
    return Jump;
  }
  /** Moves PC behind this instruction, for handlers that return Jump or Stop and are complete. */
  advance(): void { this.branch(4); }

  /** Recomputes what the loop keeps of EL, PSTATE and translation control. After any change of them. */
  syncState(): void {
    this.#dataEl = this.x[EL] as number;
    this.dataTlb = this.#dataEl === 0 ? Offset.TLB_EL0 / 4 : Offset.TLB_EL1 / 4;
    this.codeLo = NO_PAGE;
  }
  /** Stores the selected stack pointer into its bank. */
  bankSp(): void {
    const to = (this.x[EL] === 0 || this.x[SPSEL] === 0 ? Offset.SP_EL0 : Offset.SP_EL1) / 4;
    this.x[to] = this.x[SP] as number;
    this.x[to + 1] = this.x[SP + 1] as number;
  }
  /** Loads the stack pointer that EL and SPSel select. */
  selectSp(): void {
    const from = (this.x[EL] === 0 || this.x[SPSEL] === 0 ? Offset.SP_EL0 : Offset.SP_EL1) / 4;
    this.x[SP] = this.x[from] as number;
    this.x[SP + 1] = this.x[from + 1] as number;
  }

  // --- exceptions ------------------------------------------------------------------------------------------------

  /** Unallocated, or not accessible here. */
  undefined(): Result { return enterException(this, EC.unknown, 0); }
  /** True when FP and SIMD instructions trap at this EL: CPACR_EL1.FPEN. */
  fpTrapped(): boolean {
    const fpen = ((this.x[CPACR] as number) >>> 20) & 3;
    return fpen === 3 ? false : fpen === 1 ? this.x[EL] === 0 : true;
  }
  trapFp(): Result { return enterException(this, EC.fpAccess, (1 << 24) | (14 << 20)); } // CV, COND = 0b1110

  #dataAbort(fault: number, write: boolean, lo: number, hi: number, cacheMaintenance = false): Result {
    const level = this.x[EL] === 0 ? EC.dataAbortLower : EC.dataAbortSame;
    return enterException(this, level, fault | (write ? 1 << 6 : 0) | (cacheMaintenance ? 1 << 8 : 0), lo, hi);
  }
  /** SCTLR_EL1.SA or SA0: a misaligned SP as base register faults. */
  spAlignmentChecked(): boolean {
    return (((this.x[SCTLR] as number) >>> (this.x[EL] === 0 ? 4 : 3)) & 1) !== 0;
  }
  /** SCTLR_EL1.A: every access must be aligned to its size. */
  alignmentChecked(): boolean { return ((this.x[SCTLR] as number) & 2) !== 0; }
  alignmentFault(write: boolean, lo: number, hi: number): Result { return this.#dataAbort(Fault.alignment, write, lo, hi); }

  // --- data accesses ---------------------------------------------------------------------------------------------
  // Loads leave the value in lo and hi (zero-extended). All return Next, or Jump (abort taken), or Stop (MMIO).

  load8(lo: number, hi: number): Result {
    const t = this.x;
    const e = this.dataTlb + ((lo >>> 12) & 1023) * Word.COUNT;
    if (t[e] === (lo & -4096) && t[e + 1] === hi) {
      const page = t[e + Word.PAGE] as number;
      this.lo = (this.memory.views[page >>> 19] as DataView).getUint8((page & 0x7ffff) * 4096 + (lo & 4095));
      this.hi = 0;
      return Next;
    }
    return this.#loadSlow(lo, hi, 1);
  }
  load16(lo: number, hi: number): Result {
    const t = this.x;
    const e = this.dataTlb + ((lo >>> 12) & 1023) * Word.COUNT;
    if (t[e] === ((lo + 1) & -4096) && t[e + 1] === hi) {
      const page = t[e + Word.PAGE] as number;
      this.lo = (this.memory.views[page >>> 19] as DataView).getUint16((page & 0x7ffff) * 4096 + (lo & 4095), true);
      this.hi = 0;
      return Next;
    }
    return this.#loadSlow(lo, hi, 2);
  }
  load32(lo: number, hi: number): Result {
    const t = this.x;
    const e = this.dataTlb + ((lo >>> 12) & 1023) * Word.COUNT;
    if (t[e] === ((lo + 3) & -4096) && t[e + 1] === hi) {
      const page = t[e + Word.PAGE] as number;
      this.lo = (this.memory.views[page >>> 19] as DataView).getInt32((page & 0x7ffff) * 4096 + (lo & 4095), true);
      this.hi = 0;
      return Next;
    }
    return this.#loadSlow(lo, hi, 4);
  }
  load64(lo: number, hi: number): Result {
    const t = this.x;
    const e = this.dataTlb + ((lo >>> 12) & 1023) * Word.COUNT;
    if (t[e] === ((lo + 7) & -4096) && t[e + 1] === hi) {
      const page = t[e + Word.PAGE] as number;
      const view = this.memory.views[page >>> 19] as DataView;
      const at = (page & 0x7ffff) * 4096 + (lo & 4095);
      if (this.domain !== undefined && (lo & 7) === 0) return this.#whole(page, at);
      this.lo = view.getInt32(at, true);
      this.hi = view.getInt32(at + 4, true);
      return Next;
    }
    return this.#loadSlow(lo, hi, 8);
  }
  store8(lo: number, hi: number, value: number): Result {
    const t = this.x;
    const e = this.dataTlb + ((lo >>> 12) & 1023) * Word.COUNT;
    if (t[e + Word.WRITE] === (lo & -4096) && t[e + Word.WRITE + 1] === hi) {
      const page = t[e + Word.PAGE] as number;
      (this.memory.views[page >>> 19] as DataView).setUint8((page & 0x7ffff) * 4096 + (lo & 4095), value);
      return Next;
    }
    return this.#storeSlow(lo, hi, 1, value, 0);
  }
  store16(lo: number, hi: number, value: number): Result {
    const t = this.x;
    const e = this.dataTlb + ((lo >>> 12) & 1023) * Word.COUNT;
    if (t[e + Word.WRITE] === ((lo + 1) & -4096) && t[e + Word.WRITE + 1] === hi) {
      const page = t[e + Word.PAGE] as number;
      (this.memory.views[page >>> 19] as DataView).setUint16((page & 0x7ffff) * 4096 + (lo & 4095), value, true);
      return Next;
    }
    return this.#storeSlow(lo, hi, 2, value, 0);
  }
  store32(lo: number, hi: number, value: number): Result {
    const t = this.x;
    const e = this.dataTlb + ((lo >>> 12) & 1023) * Word.COUNT;
    if (t[e + Word.WRITE] === ((lo + 3) & -4096) && t[e + Word.WRITE + 1] === hi) {
      const page = t[e + Word.PAGE] as number;
      (this.memory.views[page >>> 19] as DataView).setInt32((page & 0x7ffff) * 4096 + (lo & 4095), value, true);
      return Next;
    }
    return this.#storeSlow(lo, hi, 4, value, 0);
  }
  store64(lo: number, hi: number, valueLo: number, valueHi: number): Result {
    const t = this.x;
    const e = this.dataTlb + ((lo >>> 12) & 1023) * Word.COUNT;
    if (t[e + Word.WRITE] === ((lo + 7) & -4096) && t[e + Word.WRITE + 1] === hi) {
      const page = t[e + Word.PAGE] as number;
      const view = this.memory.views[page >>> 19] as DataView;
      const at = (page & 0x7ffff) * 4096 + (lo & 4095);
      if (this.domain !== undefined && (lo & 7) === 0) this.memory.storeWhole(page, at, valueLo, valueHi);
      else {
        view.setInt32(at, valueLo, true);
        view.setInt32(at + 4, valueHi, true);
      }
      return Next;
    }
    return this.#storeSlow(lo, hi, 8, valueLo, valueHi);
  }
  #whole(page: number, at: number): Result {
    this.memory.loadWhole(page, at);
    ({ lo: this.lo, hi: this.hi } = this.memory);
    return Next;
  }
  /** What a DMB orders: earlier accesses before later ones, for cores that look on. */
  fence(): void { if (this.domain !== undefined) Atomics.add(this.x, Offset.SCRATCH / 4, 0); }
  /** Loads 2^log2 bytes, zero-extended. */
  load(log2: number, lo: number, hi: number): Result {
    return log2 === 3 ? this.load64(lo, hi) : log2 === 2 ? this.load32(lo, hi) : log2 === 0 ? this.load8(lo, hi) : this.load16(lo, hi);
  }
  store(log2: number, lo: number, hi: number, valueLo: number, valueHi: number): Result {
    return log2 === 3 ? this.store64(lo, hi, valueLo, valueHi) : log2 === 2 ? this.store32(lo, hi, valueLo)
      : log2 === 0 ? this.store8(lo, hi, valueLo) : this.store16(lo, hi, valueLo);
  }
  /** The accesses up to `asSelf` have EL0's rights (LDTR and its kin), but with UAO at EL1. */
  asUser(): void {
    if (((this.x[Offset.MODES / 4] as number) & Mode.UAO) !== 0 && this.x[EL] === 1) return;
    this.#dataEl = 0;
    this.dataTlb = Offset.TLB_EL0 / 4;
  }
  asSelf(): void {
    this.#dataEl = this.x[EL] as number;
    this.dataTlb = this.#dataEl === 0 ? Offset.TLB_EL0 / 4 : Offset.TLB_EL1 / 4;
  }

  /** Translates for a data access and enters the page into the TLB. Next: walker.pa is valid. */
  #translate(write: boolean, size: number, lo: number, hi: number): Result {
    const w = this.walker;
    const el = this.#dataEl;
    const sctlr = this.x[SCTLR] as number;
    const strict = (sctlr & 2) !== 0;
    if (strict && (lo & (size - 1)) !== 0) return this.alignmentFault(write, lo, hi);
    const fault = w.translate(write ? Access.write : Access.read, el, this.x[PAN] !== 0 && el !== 0 && this.x[EL] !== 0, lo, hi);
    if (fault !== Fault.none) return this.#dataAbort(fault, write, lo, hi);
    if (this.debug.watching && this.debug.watched(write, size, lo, hi, el)) return takeWatchpoint(this, write, lo, hi);
    if (w.device) {
      if ((lo & (size - 1)) !== 0) return this.alignmentFault(write, lo, hi);
      return Next;
    }
    if (!strict) this.#remember(el, lo, hi);
    return Next;
  }
  /** Enters the page that the walker has found into a TLB, when it is RAM. Returns its number, or -1. */
  #remember(el: number, lo: number, hi: number): number {
    const w = this.walker;
    const page = this.memory.page(w.pa);
    if (page >= 0 && !(this.debug.watching && this.debug.near(lo, hi))) {
      this.tlb.insert(el, lo, hi, w.writable && !this.memory.readOnly(w.pa), page, this.memory.hostPage(page), w.flags, w.shift);
      w.entered(lo, hi);
    }
    return page;
  }
  #loadSlow(lo: number, hi: number, size: number): Result {
    const inPage = 4096 - (lo & 4095);
    if (inPage < size) return this.#loadSplit(lo, hi, size, inPage);
    const r = this.#translate(false, size, lo, hi);
    if (r !== Next) return r;
    const pa = this.walker.pa;
    const page = this.memory.page(pa);
    if (page < 0) return this.#device(false, pa, size, 0, 0, lo, hi);
    const view = this.memory.views[page >>> 19] as DataView;
    const at = (page & 0x7ffff) * 4096 + (pa % 4096);
    if (size === 8 && this.domain !== undefined && (lo & 7) === 0) return this.#whole(page, at);
    this.hi = 0;
    if (size === 1) this.lo = view.getUint8(at);
    else if (size === 2) this.lo = view.getUint16(at, true);
    else this.lo = view.getInt32(at, true);
    if (size === 8) this.hi = view.getInt32(at + 4, true);
    return Next;
  }
  /** Next: one part of an access that crosses a page may be made. What is in the TLB needs no walk; devices are not, and refuse. */
  #normal(write: boolean, lo: number, hi: number): Result {
    const e = this.dataTlb + ((lo >>> 12) & 1023) * Word.COUNT + (write ? Word.WRITE : Word.READ);
    if (this.x[e] === (lo & -4096) && this.x[e + 1] === hi) return Next;
    const r = this.#translate(write, 1, lo, hi);
    return r === Next && this.walker.device ? this.alignmentFault(write, lo, hi) : r;
  }
  /** An access that crosses a page: byte by byte, after both pages were found accessible. */
  #loadSplit(lo: number, hi: number, size: number, inPage: number): Result {
    const strict = ((this.x[SCTLR] as number) & 2) !== 0;
    if (strict) return this.alignmentFault(false, lo, hi);
    const first = this.#normal(false, lo, hi);
    if (first !== Next) return first;
    const second = (lo + inPage) | 0;
    const secondHi = second >= 0 && lo < 0 ? (hi + 1) | 0 : hi;
    const next = this.#normal(false, second, secondHi);
    if (next !== Next) return next;
    let outLo = 0;
    let outHi = 0;
    for (let i = 0; i < size; i++) {
      const r = this.load8((lo + i) | 0, i >= inPage ? secondHi : hi);
      if (r !== Next) return r;
      if (i < 4) outLo |= this.lo << (8 * i);
      else outHi |= this.lo << (8 * (i - 4));
    }
    this.lo = size < 4 ? outLo >>> 0 : outLo;
    this.hi = outHi;
    return Next;
  }
  #storeSlow(lo: number, hi: number, size: number, valueLo: number, valueHi: number): Result {
    const inPage = 4096 - (lo & 4095);
    if (inPage < size) {
      if (((this.x[SCTLR] as number) & 2) !== 0) return this.alignmentFault(true, lo, hi);
      // the second page first: a fault there must leave the first page unwritten
      const second = (lo + inPage) | 0;
      const secondHi = second >= 0 && lo < 0 ? (hi + 1) | 0 : hi;
      const r = this.#normal(true, lo, hi);
      if (r !== Next) return r;
      const r2 = this.#normal(true, second, secondHi);
      if (r2 !== Next) return r2;
      for (let i = 0; i < size; i++) {
        const byte = (i < 4 ? valueLo >>> (8 * i) : valueHi >>> (8 * (i - 4))) & 255;
        const at = (lo + i) | 0;
        const rb = this.store8(at, i >= inPage ? secondHi : hi, byte);
        if (rb !== Next) return rb;
      }
      return Next;
    }
    const r = this.#translate(true, size, lo, hi);
    if (r !== Next) return r;
    const pa = this.walker.pa;
    const page = this.memory.page(pa);
    if (page < 0 || this.memory.readOnly(pa)) return this.#device(true, pa, size, valueLo, valueHi, lo, hi);
    const view = this.memory.views[page >>> 19] as DataView;
    const at = (page & 0x7ffff) * 4096 + (pa % 4096);
    if (size === 1) view.setUint8(at, valueLo);
    else if (size === 2) view.setUint16(at, valueLo, true);
    else if (size === 4) view.setInt32(at, valueLo, true);
    else if (this.domain !== undefined && (lo & 7) === 0) this.memory.storeWhole(page, at, valueLo, valueHi);
    else {
      view.setInt32(at, valueLo, true);
      view.setInt32(at + 4, valueHi, true);
    }
    return Next;
  }
  /** True when a store to this address would be allowed now; takes the abort when not. For STXR, CAS and DC ZVA. */
  probeWrite(size: number, lo: number, hi: number): Result {
    const e = this.dataTlb + ((lo >>> 12) & 1023) * Word.COUNT;
    if (this.x[e + Word.WRITE] === (lo & -4096) && this.x[e + Word.WRITE + 1] === hi) return Next;
    return this.#translate(true, size, lo, hi);
  }

  /** The RAM page number of an address that cache maintenance names, or -1; below that, -2 - the fault it has. */
  maintained(lo: number, hi: number): number {
    const el = this.x[EL] as number, w = this.walker;
    const e = Tlb.index(el, lo);
    if (this.x[e + Word.READ] === (lo & -4096) && this.x[e + Word.READ + 1] === hi) return this.x[e + Word.PAGE] as number;
    const fault = w.translate(Access.read, el, false, lo, hi); // PAN does not matter
    if (fault !== Fault.none) return -2 - fault;
    if (w.device || this.alignmentChecked() || (this.x[PAN] !== 0 && (w.flags & Flag.USER) !== 0)) return this.memory.page(w.pa);
    return this.#remember(el, lo, hi);
  }

  /** One access outside RAM: answered from the log, or an exit. */
  #device(write: boolean, pa: number, size: number, valueLo: number, valueHi: number, vaLo: number, vaHi: number): Result {
    if (this.#answered < this.#answers.length) {
      this.lo = this.#answers[this.#answered] as number;
      this.hi = this.#answers[this.#answered + 1] as number;
      this.#answered += 2;
      return Next;
    }
    const exit = this.exit;
    this.deviceLo = vaLo;
    this.deviceHi = vaHi;
    exit.kind = "mmio";
    exit.gpa = pa;
    exit.size = size;
    exit.write = write;
    exit.lo = (size === 1 ? valueLo & 0xff : size === 2 ? valueLo & 0xffff : valueLo) >>> 0;
    exit.hi = valueHi >>> 0;
    return Stop;
  }
  /** A register of the machine: as `#device`. */
  machineRegister(encoding: number, write: boolean, register: number, valueLo: number, valueHi: number): Result {
    if (this.#answered < this.#answers.length) {
      this.lo = this.#answers[this.#answered] as number;
      this.hi = this.#answers[this.#answered + 1] as number;
      this.#answered += 2;
      return Next;
    }
    const exit = this.exit;
    exit.kind = "sysreg";
    exit.encoding = encoding;
    exit.write = write;
    exit.register = register === 32 ? 31 : register;
    exit.lo = valueLo >>> 0;
    exit.hi = valueHi >>> 0;
    return Stop;
  }
  /** The machine's answer to the last exit; the instruction goes on at the next `run`. */
  answer(lo: number, hi: number): void {
    const size = this.exit.kind === "mmio" ? this.exit.size : 8;
    this.#answers.push(size === 1 ? lo & 0xff : size === 2 ? lo & 0xffff : lo | 0, size === 8 ? hi | 0 : 0);
  }
  /** Drops a half-done instruction: the machine takes an exception in its place. */
  abandon(): void { this.#count(1); this.#answers.length = 0; }
  /** An external abort in place of the access of the last exit. */
  externalAbort(): void {
    this.abandon();
    this.#dataAbort(Fault.external, this.exit.write, this.deviceLo, this.deviceHi);
  }

  // --- translation maintenance -----------------------------------------------------------------------------------

  flushTlb(): void {
    this.tlb.flush();
    this.walker.forget();
    this.#flushCode();
    this.engine?.flushAll();
    this.#fetched.forget();
  }
  /** `switched`: because TTBR0_EL1 or the ASID is another one now. */
  flushTlbNonGlobal(switched: boolean): void {
    this.tlb.flushNonGlobal();
    this.walker.forget();
    this.#flushCode();
    if (switched) this.engine?.switchContext();
    else this.engine?.flushNonGlobal();
  }
  /** `last`: the last level only, page tables stay what they are. */
  flushTlbPage(lo: number, hi: number, last: boolean): void {
    this.tlb.flushPage(lo, hi);
    if (!last) this.walker.forget();
    this.#flushCode();
    this.#fetched.changed(lo, hi, this.engine);
  }
  /** A register of self-hosted debug was written. */
  debugChanged(): void {
    const before = this.debug.watching;
    this.debug.look();
    this.walker.remembers = !this.debug.watching;
    if (before || this.debug.watching) this.flushTlb();
  }
  #flushCode(): void {
    this.#itlb.fill(1);
    this.codeLo = NO_PAGE;
  }
  /** There is no generated code: what was fetched from does not matter any more. */
  forgetFetched(): void { this.#flushCode(); this.#fetched.forget(); }

  // --- fetch, decode, run ----------------------------------------------------------------------------------------

  /** Makes the page of PC the current code page. Jump: an abort was taken instead. */
  fetchPage(): Result {
    const x = this.x;
    const lo = (x[PC] as number) & -4096;
    const hi = x[PC + 1] as number;
    const el = x[EL] as number;
    if (((x[PC] as number) & 3) !== 0) return enterException(this, EC.pcAlignment, 0, x[PC] as number, hi);
    const e = ((lo >>> 12) & 255) * 4;
    const itlb = this.#itlb;
    let page: number;
    if (itlb[e] === (lo | el << 1) && itlb[e + 1] === hi) {
      page = itlb[e + 2] as number;
    } else {
      const fault = this.walker.translate(Access.execute, el, false, lo, hi);
      const abort = el === 0 ? EC.instructionAbortLower : EC.instructionAbortSame;
      if (fault !== Fault.none) return enterException(this, abort, fault, x[PC] as number, hi);
      page = this.memory.page(this.walker.pa);
      if (page < 0) return enterException(this, abort, Fault.external, x[PC] as number, hi);
      this.#fetched.note(lo, hi, this.walker.shift);
      itlb[e] = lo | (el << 1);
      itlb[e + 1] = hi;
      itlb[e + 2] = page;
    }
    if (x[IL] !== 0) return enterException(this, EC.illegalState, 0); // below the faults of fetching in priority
    this.codePage = page;
    this.code = this.memory.words[page >>> 19] as Int32Array;
    this.codeBase = (page & 0x7ffff) * 1024;
    this.codePlace = placeOf(page);
    this.codeLo = lo;
    this.codeHi = hi;
    return Next;
  }

  /** Puts a decoded word to its place, cell `at` of the table by place. */
  place(word: number, at: number): void { this.words.place(word, at, this.useHotForms ? this : undefined); }
  /** The reference handler of a word (signed). Beside generated code nothing runs inline. */
  handlerOf(word: number): Handler { return this.words.handlerOf(word, this.useHotForms && this.engine === undefined ? this : undefined); }

  /**
   * Runs until something needs the machine; `exit` says what. It ends with "budget" when the clock has reached
   * `deadline` or `limit` instructions were executed.
   */
  run(deadline: number | undefined, limit: number = Number.POSITIVE_INFINITY, exact: boolean = true): void {
    let left = limit;
    for (;;) {
      if (this.#answers.length !== 0) { // the instruction that met the machine, again
        this.progress = 1;
        const stopped = this.#resume() === Stop;
        this.#count(stopped ? 0 : 1);
        if (stopped) return;
        left--;
      }
      if (this.#leave(deadline, left)) return;
      const generated = !this.debug.armed && this.engine !== undefined && this.onSysreg === undefined, most = Math.min(generated ? ENGINE_SLICE : this.#slice.length, left) | 0, slice = this.pmu.slice(most), from = generated ? 0 : this.clock.ticks();
      const n = this.debug.armed ? executeDebugged(this, slice) : !generated ? execute(this, slice) : (this.engine as TranslationListener).execute(slice, exact || slice < most);
      this.#count(n);
      left -= n;
      if (!generated && n >= this.#slice.length) this.#slice.took(this.clock.ticks() - from);
      if (this.stopped) return;
      if (!exact && left < 64) left = 0; // what is left may be less than a block
    }
  }
  #count(n: number): void { this.state.f64[ICOUNT] = (this.state.f64[ICOUNT] as number) + n; this.progress = 0; }
  /** Instructions executed so far. Exact whenever a handler looks. */
  get executed(): number { return (this.state.f64[ICOUNT] as number) + this.progress; }
  /** Runs the instruction at PC with the machine's answers. */
  #resume(): Result {
    let result: Result = this.fetchPage();
    if (result === Next) {
      const word = this.code[this.codeBase + (((this.x[PC] as number) & 4095) >>> 2)] as number;
      const op = this.handlerOf(word);
      this.#answered = 0;
      result = op.run(this, op.f);
      if (result === Stop) {
        this.describe(word);
        return Stop;
      }
      if (result === Next) this.advance();
    }
    this.#answers.length = 0;
    this.#answered = 0;
    return result;
  }

  /** Between slices: budget, kick and timers. True when the machine is needed. */
  #leave(deadline: number | undefined, left: number): boolean {
    this.domain?.attend();
    if (left <= 0 || (deadline !== undefined && this.clock.ticks() >= deadline)) {
      this.exit.kind = "budget";
      return true;
    }
    if ((this.x[KICK] as number) !== 0) {
      this.x[KICK] = 0;
      this.exit.kind = "canceled";
      return true;
    }
    if (this.pmu.armed) this.pmu.sync(this.executed);
    const { masked } = this;
    const fired = !masked.virtual && timerFires(this, "virtual") ? "virtual" : !masked.physical && timerFires(this, "physical") ? "physical" : !masked.pmu && this.pmu.level ? "pmu" : undefined;
    if (fired === undefined) return false;
    masked[fired] = true;
    this.exit.kind = "vtimer";
    this.exit.timer = fired;
    return true;
  }

  /** Completes the exit of an instruction that stopped. */
  describe(word: number): void { describeAccess(this.exit, word); }
  /** The name of the encoding of a word, for traces. */
  nameOf(word: number): string { return this.words.nameOf(word); }
  /** The instruction word at PC if its page is mapped; for traces and the debugger. Has no effect on the guest. */
  peek(lo: number, hi: number): number | undefined {
    if (this.walker.translate(Access.execute, this.x[EL] as number, false, lo, hi) !== Fault.none) return undefined;
    return this.memory.readWord(this.walker.pa);
  }
  /** PSTATE.PAN went from 0 to 1. */
  panSet(): void { this.tlb.flushUserFromEl1(); }
}

const NOTHING: ReadonlySet<number> = new Set();
