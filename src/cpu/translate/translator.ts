// src/cpu/translate/translator.ts — A64 to x86-64, one block at a time: decode up to a branch, decide where flags must be
// kept, emit. The emitters of single encodings stand in emit-*.ts; what has none is left to the reference interpreter.
//
// Registers of generated code:
//   rbp       the CPU state + 0x80 (so that x0..sp are one-byte displacements)
//   rax rcx rdx   scratch
//   rbx rsi rdi r8..r13 r15   x0..x8, SP: pinned; every other guest register is a memory operand
//   r14d      the budget: in memory, each block would wait for the store of the one before
// NZCV lives in EFLAGS between a setter and its reader where nothing in between destroys it, with CF = !C throughout (as
// after a subtraction); otherwise in the state as HOST_FLAGS. Liveness within the block decides whether it is saved.
//
// v0..v31 are kept in xmm registers within a block (vectors.ts). SIMD&FP must be *ready*: once per block a bit in the state
// is asked, which says that it is not trapped, and for arithmetic that FPCR asks for what MXCSR does. When the bit is not
// set, the common code sets it if it may; else that instruction is interpreted, and the rest of the block left.
//
// A block starts with the budget: it is left when the slice is used up, and only there. A load or store that misses the
// TLB, and every instruction without an emitter, leaves to TypeScript by a *site* (site.ts) and comes back behind itself.
import { Decoder, extract, ZR, type Encoding } from "../a64/pattern.ts";
import type { CoreFeatures } from "../features.ts";
import { bitMask } from "../interpret/arithmetic.ts";
import { Offset, Ready } from "../state.ts";
import { Alu, Assembler, CC, Reg } from "./assembler.ts";
import type { Constants } from "./constants.ts";
import type { HostFeatures } from "./host-features.ts";
import { emitJump } from "./jump-caches.ts";
import type { SiteTable } from "./sites.ts";
import { SiteKind } from "./sites.ts";
import { VectorRegisters } from "./vectors.ts";

export type Fields = Readonly<Record<string, number>>;
/** Emits one instruction. False: nothing was emitted, the interpreter must do it. */
export type Emitter = (t: Translator, f: never) => boolean | void;
/** What the translator knows of an encoding. */
export interface Translation extends Encoding {
  readonly emit: Emitter | undefined;
  /** Reads NZCV; from the state, because the interpreter does it; writes NZCV; leaves EFLAGS as they are. */
  readonly readsFlags: boolean;
  readonly readsSavedFlags: boolean;
  readonly writesFlags: boolean;
  readonly keepsHostFlags: boolean;
  /** Nothing of the block comes after it. */
  readonly ends: boolean;
  /** May leave, or change what SIMD&FP relies on: nothing is kept in vector registers. */
  readonly system: boolean;
}
/** The emitter of encodings that are left to the interpreter. */
export const interpreted = (): false => false;
/** A way out of the block, emitted behind it. */
interface Cold {
  readonly ends: readonly number[];
  readonly site: number;
  /** Vector registers to store on the way out, and to load when coming back to `back`. */
  readonly spill: readonly number[] | undefined;
  readonly reload: readonly number[] | undefined;
  /** For SIMD&FP that is not ready: the bits of `Ready` that it needs. */
  readonly ready: number;
  readonly back: number;
  /** An access that missed the TLB: tried again when the page can be entered. */
  readonly miss: Miss | undefined;
  readonly mend: Mend | undefined;
}
/** A jump taken for a result that may be mended in generated code; where not, that code jumps out by `leave`. `back` is behind it. */
interface Mend { readonly end: number; readonly emit: (leave: number[]) => void; readonly back: number }
/** A jump taken where the TLB missed; `back` is behind it. */
interface Miss { readonly end: number; readonly el: number; readonly write: boolean; readonly back: number }
interface Decoded {
  readonly word: number;
  readonly entry: Translation | undefined;
  readonly f: Fields;
  /** The emitter leaves EFLAGS alone; SP stays a multiple of 16 if it was one. */
  readonly keepsHostFlags: boolean;
  readonly keepsSp: boolean;
}

/** Where the pinned guest registers live. Index: guest register (31 SP, 32 ZR); -1: in memory. */
const PIN: readonly number[] = Array.from({ length: 33 }, (_, r) =>
  r < 9 ? [Reg.rbx, Reg.rsi, Reg.rdi, Reg.r8, Reg.r9, Reg.r10, Reg.r11, Reg.r12, Reg.r13][r] as number : r === 31 ? Reg.r15 : -1);
/** Instructions left in the slice, while in generated code. */
export const BUDGET: number = Reg.r14;
export const pinned: readonly (readonly [number, number])[] = PIN.flatMap((host, r) => (host < 0 ? [] : [[r, host] as const]));
/** Displacement of a state field from rbp. */
export const disp = (offset: number): number => offset - 0x80;
const FLAGS = disp(Offset.HOST_FLAGS);
/** Decoded words kept: most instructions of a kernel are among the last few thousand different ones. */
const DECODED_BITS = 15;
/** Words beyond a block that are asked whether its flags are wanted. */
const LOOK_AHEAD = 16;
/** Instructions in one block at most. */
export const BLOCK_LIMIT = 64;
/** x86 condition codes of the A64 conditions, CF being !C. AL and NV are never asked. */
const CONDITION = [CC.e, CC.ne, CC.ae, CC.b, CC.s, CC.ns, CC.o, CC.no, CC.a, CC.be, CC.ge, CC.l, CC.g, CC.le] as const;

const keepsHostFlags = (entry: Translation | undefined, f: Fields): boolean =>
  entry !== undefined && ((entry.keepsHostFlags && !(entry.name === "HINT" && f["k"] === 0 && f["p"] === 1)) || (entry.name === "ORR_reg" && f["n"] === ZR && f["i"] === 0));
function keepsSp(entry: Translation | undefined, f: Fields): boolean {
  if (entry === undefined || entry.emit === undefined) return false;
  if (f["D"] === 31) return (entry.name === "ADD_imm" || entry.name === "SUB_imm") && f["N"] === 31 && ((f["i"] as number) & 15) === 0;
  if (f["N"] !== 31) return true;
  if (/^(LD|ST)[1-4].*_post$/.test(entry.name)) return false;
  if (!/_p(re|ost)$/.test(entry.name)) return true;
  const by = (f["i"] as number) * (/^(LDP|STP)/.test(entry.name) ? 4 << (f["g"] ?? 0) : 1);
  return (by & 15) === 0;
}

/** A form of a flag-setting encoding that is UNDEFINED: it sets nothing, and the exception saves NZCV. */
const reservedSetter = ({ entry, f }: Decoded): boolean => {
  switch (entry?.name) {
    case "ANDS_imm": return (f["f"] === 0 && f["e"] === 1) || !bitMask(scratch as never, f["e"] as number, f["r"] as number, f["i"] as number);
    case "ADDS_ext":
    case "SUBS_ext": return (f["i"] as number) > 4;
    case "ADDS_reg":
    case "SUBS_reg": return f["h"] === 3 || (f["f"] === 0 && (f["i"] as number) > 31);
    case "ANDS_reg":
    case "BICS_reg": return f["f"] === 0 && (f["i"] as number) > 31;
    default: return false;
  }
};
const scratch = { lo: 0, hi: 0 };

/** Reads code for the translator: the word `index` of the page being translated. */
export interface CodePage {
  readonly words: Int32Array;
  readonly base: number;
}

export class Translator {
  readonly asm: Assembler;
  readonly sites: SiteTable;
  readonly #decoder: Decoder<Translation>;
  readonly #decoded = new Array<Decoded | undefined>(1 << DECODED_BITS).fill(undefined);
  readonly vectors: VectorRegisters;
  readonly constants: Constants;
  readonly features: HostFeatures;
  /** Of the guest's core. */
  readonly guest: CoreFeatures;
  #exit = 0;
  /** Bits of `Ready` that were asked in this block. */
  #blockReady = 0;
  #indirect = 0;
  // the block being made
  el = 1;
  /** The address of the instruction; of EL0's, within its page. */
  pcLo = 0;
  pcHi = 0;
  #length = 0;
  /** Index within the page of its first word. */
  #first = 0;
  #index = 0;
  #flagsLive = false;
  #spAligned = false;
  /** Its instructions. These lists are used again for each block, and have counts: emptying an array gives its room away. */
  readonly #list: Decoded[] = [];
  /** Slow paths to emit behind the block: jump ends, and where to come back. */
  readonly #cold: Cold[] = [];
  #colds = 0;
  /** Jumps that leave the block for good, with their sites. */
  readonly #leaveEnd: number[] = [];
  readonly #leaveSite: number[] = [];
  #leaves = 0;
  #current: Decoded | undefined;

  readonly #blockLimit: number;
  /** NZCV is in the state after every instruction that sets it, also where nobody will read it. */
  exactFlags = false;
  /** Host address of the bytes of CodeLines. */
  readonly codeLines: number;
  /** Other cores run at the same time: what touches memory as one or in order must do so for them, and a poke must be seen. */
  readonly shared: boolean;

  constructor(asm: Assembler, sites: SiteTable, constants: Constants, features: HostFeatures, guest: CoreFeatures, entries: readonly Translation[], blockLimit: number, codeLines: number, shared: boolean) {
    this.shared = shared;
    this.#blockLimit = blockLimit;
    this.codeLines = codeLines;
    this.asm = asm;
    this.constants = constants;
    this.features = features;
    this.guest = guest;
    this.vectors = new VectorRegisters(asm);
    this.sites = sites;
    this.#decoder = new Decoder(entries);
  }
  /** Host offsets of the common code: the exit, where indirect jumps miss, what makes SIMD&FP ready, what refills the TLB (by EL * 2 + write), TLBI by address, the counter. */
  setCommon(exit: number, indirect: number, makeReady: number, refill: readonly number[], invalidate: number, counter: number | undefined): void {
    this.#exit = exit;
    this.#indirect = indirect;
    this.#makeReady = makeReady;
    this.#refill = refill;
    this.#invalidate = invalidate;
    this.#counter = counter;
  }
  #refill: readonly number[] = [];
  #invalidate = 0;
  #counter: number | undefined;
  /** There is one core, or each has its processor: what reaches all reaches this, and nobody waits for a turn. */
  alone = false;
  #makeReady = 0;

  #decode(word: number): Decoded {
    const at = Math.imul(word, 0x9e37_79b1) >>> (32 - DECODED_BITS);
    let d = this.#decoded[at];
    if (d === undefined || d.word !== word) {
      const entry = this.#decoder.find(word >>> 0);
      const f = entry === undefined ? {} : extract(entry, word >>> 0);
      d = { word, entry, f, keepsHostFlags: keepsHostFlags(entry, f), keepsSp: keepsSp(entry, f) };
      this.#decoded[at] = d;
    }
    return d;
  }

  /**
   * Translates the block at an address. `limit` is the number of words up to the page's end. Returns the number of
   * instructions; the code stands from `start` (the assembler's offset before the call).
   */
  translate(page: CodePage, el: number, lo: number, hi: number): number {
    const first = (lo & 4095) >>> 2;
    const list = this.#list;
    let length = 0;
    for (let i = first; i < 1024 && length < this.#blockLimit; i++) {
      const d = this.#decode(page.words[page.base + i] as number);
      list[length++] = d;
      if (d.entry === undefined || d.entry.ends) break;
    }
    const asm = this.asm;
    this.el = el;
    this.#length = length;
    this.#first = first;
    this.#flagsLive = false;
    this.#spAligned = false;
    this.#blockReady = 0;
    this.#saveTaken = this.#saveNext = false;
    this.#colds = this.#leaves = 0;
    this.vectors.clear();
    this.looks = 0;

    // head
    asm.aluImm(Alu.sub, 0, BUDGET, length);
    if (this.shared) asm.aluLoad(Alu.cmp, 0, BUDGET, Reg.rbp, disp(Offset.POLL));
    this.#leave(asm.jcc(this.shared ? CC.l : CC.s), this.sites.add(SiteKind.budget, lo, hi, 0, length, 0));

    let ended = false;
    for (let i = 0; i < length; i++) {
      const d = list[i] as Decoded;
      this.#marks?.push(asm.at);
      this.#index = i;
      this.#current = d;
      const low = (lo >>> 0) + 4 * i;
      this.pcLo = low | 0;
      this.pcHi = hi; // a block stays in its page
      const { entry } = d;
      this.#saveNeeded = entry?.writesFlags === true && this.#mustSave(i, page, first);
      if (entry === undefined || entry.system) this.vectors.flush();
      let emitted = false;
      if (entry?.emit !== undefined) emitted = entry.emit(this, d.f as never) !== false;
      if (!emitted) this.#interpret(d.word);
      if (!emitted || (!d.keepsHostFlags && entry?.writesFlags !== true)) this.#flagsLive = false;
      if (!emitted && entry?.system === true) this.#blockReady = 0;
      ended = emitted && entry?.ends === true;
      if (!d.keepsSp) this.#spAligned = false;
    }
    if (!ended) {
      this.vectors.flush();
      const low = (lo >>> 0) + 4 * length;
      this.goto(low | 0, low > 0xffff_ffff ? (hi + 1) | 0 : hi);
    }
    for (let i = 0; i < this.#leaves; i++) {
      asm.patch(this.#leaveEnd[i] as number, asm.at);
      asm.constant(Reg.rax, this.#leaveSite[i] as number, 0);
      asm.patch(asm.jmp(), this.#exit);
    }
    for (let i = 0; i < this.#colds; i++) this.#emitCold(this.#cold[i] as Cold);
    return length;
  }
  #marks: number[] | undefined;
  /** Which instruction of a block the code at an offset from its start belongs to: by making the block again. */
  instructionAt(offset: number, words: Int32Array, el: number, lo: number, hi: number): number {
    const start = this.asm.at;
    this.#marks = [];
    this.translate({ words, base: -((lo & 4095) >>> 2) }, el, lo, hi);
    const index = this.#marks.findLastIndex(mark => mark - start <= offset);
    this.#marks = undefined;
    return index;
  }
  #emitCold({ ends, site, spill, reload, ready, back, miss, mend }: Cold): void {
    const { asm } = this;
    if (mend !== undefined) {
      const leave: number[] = [];
      asm.patch(mend.end, asm.at);
      mend.emit(leave);
      asm.patch(asm.jmp(), mend.back);
      for (const end of leave) asm.patch(end, asm.at);
    }
    if (miss !== undefined) {
      asm.patch(miss.end, asm.at);
      asm.patch(asm.call(), this.#refill[miss.el * 2 + Number(miss.write)] as number);
      asm.patch(asm.jcc(CC.ne), miss.back);
    }
    for (const end of ends) asm.patch(end, asm.at);
    if (ready !== 0) {
      let asked = 0;
      if (ready === Ready.half) { // with FP ready it was asked for halves, too; MXCSR has flags that would be lost
        asm.test8(Reg.rbp, disp(Offset.READY), Ready.fp);
        asked = asm.jcc(CC.ne);
      }
      asm.patch(asm.call(), this.#makeReady);
      asm.testImm(0, Reg.rax, ready);
      asm.patch(asm.jcc(CC.ne), back);
      if (asked !== 0) asm.patch(asked, asm.at);
    }
    if (spill !== undefined) this.vectors.storeList(spill);
    asm.constant(Reg.rax, site, 0);
    asm.patch(asm.jmp(), this.#exit);
    if (reload === undefined) return;
    this.sites.setResume(site, asm.at);
    this.vectors.loadList(reload);
    asm.patch(asm.jmp(), back);
  }
  /** A jump that leaves the block where no vector register is held. */
  #leave(end: number, site: number): void {
    this.#leaveEnd[this.#leaves] = end;
    this.#leaveSite[this.#leaves++] = site;
  }

  // --- flags -------------------------------------------------------------------------------------------------------

  #saveNeeded = false;
  /** Words beyond the block that its code depends on: index within the page, word. */
  readonly looked: number[] = [];
  looks = 0;
  /** Whether the flags that instruction `i` sets must go to memory. */
  #mustSave(i: number, page: CodePage, first: number): boolean {
    const list = this.#list, length = this.#length;
    let clobbered = false;
    this.#saveTaken = this.#saveNext = false;
    if (this.exactFlags) return true;
    for (let j = i + 1; j < length; j++) {
      const { entry } = list[j] as Decoded;
      if (entry === undefined || entry.emit === undefined) return true; // the interpreter may read them, or fault
      if (entry.readsSavedFlags || (entry.readsFlags && clobbered)) return true;
      if (entry.writesFlags) return reservedSetter(list[j] as Decoded);
      if (!(list[j] as Decoded).keepsHostFlags) clobbered = true;
    }
    const last = list[length - 1] as Decoded;
    if (!clobbered && last.entry?.name === "B_cond" && (last.f["c"] as number) < 14) { // on one way out, perhaps
      const at = first + length - 1;
      const taken = this.#deadAt(page, at + (((last.f["i"] as number) << 13) >> 13)), next = this.#deadAt(page, at + 1);
      if (!taken && !next) return true;
      this.#saveTaken = !taken;
      this.#saveNext = !next;
      return false;
    }
    return !this.#deadAfter(last, first + length - 1, page);
  }
  /** The block ends with a B.cond, EFLAGS hold NZCV there, and must be saved on this way out of it. */
  #saveTaken = false;
  #saveNext = false;
  /** True when every way out of the block sets the flags before it reads them, as far as this page shows. */
  #deadAfter(last: Decoded, at: number, page: CodePage): boolean {
    const name = last.entry?.name;
    const step = (bits: number): number => (((last.f["i"] as number) << (32 - bits)) >> (32 - bits));
    const fallsTo = at + 1;
    switch (name) {
      case "B_cond":
      case "CBZ":
      case "CBNZ": return this.#deadAt(page, fallsTo) && this.#deadAt(page, at + step(19));
      case "TBZ":
      case "TBNZ": return this.#deadAt(page, fallsTo) && this.#deadAt(page, at + step(14));
      case "B": return this.#deadAt(page, at + step(26));
      default: return last.entry?.ends === true ? false : this.#deadAt(page, fallsTo);
    }
  }
  #deadAt(page: CodePage, index: number): boolean {
    const from = this.#first, to = from + this.#length;
    for (let i = index, seen = 0; i >= 0 && i < 1024 && seen < LOOK_AHEAD; i++) {
      if (i < from || i >= to) { // the block depends on its own words anyway
        this.looked[this.looks++] = i;
        this.looked[this.looks++] = page.words[page.base + i] as number;
        seen++;
      }
      const d = this.#decode(page.words[page.base + i] as number);
      const { entry } = d;
      if (entry === undefined || entry.emit === undefined || entry.readsFlags) return false;
      if (entry.writesFlags) return !reservedSetter(d);
      if (entry.ends) return false;
    }
    return false;
  }
  /** After the instruction that set EFLAGS: `form` says what CF means there. Clobbers rax. */
  flagsSet(form: "sub" | "add" | "logic"): void {
    const asm = this.asm;
    if (form === "add") asm.cmc();
    else if (form === "logic") asm.stc();
    this.#flagsLive = true;
    if (this.#saveNeeded) this.saveFlags();
  }
  saveFlags(): void {
    const asm = this.asm;
    asm.lahf();
    asm.setcc(CC.o, Reg.rax);
    asm.store16(Reg.rbp, FLAGS, Reg.rax);
  }
  /** NZCV is in ax, as LAHF and SETO leave it, and in memory alone from here on. */
  flagsToMemory(): void {
    this.asm.store16(Reg.rbp, FLAGS, Reg.rax);
    this.#flagsLive = false;
  }
  /** Makes EFLAGS hold NZCV. May clobber rax. */
  needFlags(): void {
    if (this.#flagsLive) return;
    const asm = this.asm;
    asm.extend(0, 1, 0, Reg.rax, Reg.rbp, FLAGS);
    this.flagsFromRax();
    this.#flagsLive = true;
  }
  /** EFLAGS = ax, as LAHF and SETO left it. */
  flagsFromRax(): void {
    this.asm.byte(0x04); this.asm.byte(0x7f); // add al, 0x7f: OF = V
    this.asm.sahf();
  }
  /** EFLAGS := immediate NZCV. Clobbers rax. */
  flagsImmediate(nzcv: number): void {
    const ah = ((nzcv >> 3) & 1) << 7 | ((nzcv >> 2) & 1) << 6 | (1 - ((nzcv >> 1) & 1));
    this.asm.constant(Reg.rax, (ah << 8) | (nzcv & 1), 0);
    this.flagsFromRax();
    this.#flagsLive = true;
  }
  saveIfNeeded(): void { if (this.#saveNeeded) this.saveFlags(); }
  /** Condition code of an A64 condition below 14. */
  condition(cond: number): number { return CONDITION[cond] as number; }

  // --- operands ----------------------------------------------------------------------------------------------------

  pin(r: number): number { return PIN[r] as number; }
  slot(r: number): number { return disp(8 * r); }
  /** A host register that holds guest register r: its own, or `scratch` after a load. */
  get(r: number, scratch: number): number {
    const host = PIN[r] as number;
    if (host >= 0) return host;
    this.copy(r, scratch);
    return scratch;
  }
  /** True when r is a memory operand of instructions: not pinned, and not ZR, whose slot is never written. */
  inMemory(r: number): boolean { return (PIN[r] as number) < 0 && r !== ZR; }
  /** Loads the lower word of guest register r, the upper one zero. Keeps EFLAGS. */
  copyWord(r: number, to: number): void {
    const host = PIN[r] as number;
    if (host >= 0) this.asm.mov(0, to, host);
    else if (r === ZR) this.asm.constant(to, 0, 0);
    else this.asm.load(0, to, Reg.rbp, this.slot(r));
  }
  /** to = 1 << log2 bytes of guest register r, extended; `w`: to 64 bits. Keeps EFLAGS. */
  extended(w: number, log2: number, signed: number, to: number, r: number): void {
    const host = PIN[r] as number;
    if (host >= 0) this.asm.extendReg(w, log2, signed, to, host);
    else this.asm.extend(w, log2, signed, to, Reg.rbp, this.slot(r));
  }
  /** to *= guest register r. */
  multiplyGuest(w: number, to: number, r: number): void {
    const host = PIN[r] as number;
    if (host >= 0) this.asm.imul(w, to, host);
    else this.asm.imulLoad(w, to, Reg.rbp, this.slot(r));
  }
  /** EFLAGS hold nothing that is wanted: between instructions that keep them, others may be used. */
  get flagsFree(): boolean { return !this.#flagsLive; }
  /** Loads guest register r into a host register. Keeps EFLAGS. */
  copy(r: number, to: number): void {
    const host = PIN[r] as number;
    if (host >= 0) this.asm.mov(1, to, host);
    else if (r === ZR) this.asm.constant(to, 0, 0);
    else this.asm.load(1, to, Reg.rbp, this.slot(r));
  }
  /** Guest register r := host register (64 bits). Keeps EFLAGS. */
  put(r: number, from: number): void {
    const host = PIN[r] as number;
    if (host >= 0) { if (host !== from) this.asm.mov(1, host, from); }
    else if (r !== ZR) this.asm.store(1, Reg.rbp, this.slot(r), from);
  }
  /** host op= guest register. */
  aluGuest(op: number, w: number, to: number, r: number): void {
    const host = PIN[r] as number;
    if (host >= 0) this.asm.alu(op, w, to, host);
    else this.asm.aluLoad(op, w, to, Reg.rbp, this.slot(r)); // ZR's slot holds zero
  }

  /**
   * to = an address as `pcLo`, `pcHi` give them: EL0's are relative to the page the code lies in, so that one block serves
   * all processes that map its page. Keeps EFLAGS; clobbers rdx when it is far.
   */
  address(to: number, lo: number, hi: number): void {
    const { asm, el } = this;
    if (el !== 0) { asm.constant(to, lo, hi); return; }
    if (hi === lo >> 31) {
      asm.load(1, to, Reg.rbp, disp(Offset.CODE_BASE));
      asm.lea(1, to, to, lo);
      return;
    }
    asm.constant(Reg.rdx, lo, hi);
    asm.load(1, to, Reg.rbp, disp(Offset.CODE_BASE));
    asm.leaIndexed(1, to, to, Reg.rdx, 0);
  }

  /** No later load overtakes an earlier store: a locked instruction, which is faster than MFENCE. Clobbers rdx; keeps EFLAGS. */
  fence(): void { this.asm.xchg(3, Reg.rbp, disp(Offset.SCRATCH), Reg.rdx); }

  // --- control -----------------------------------------------------------------------------------------------------

  /** Ends the block: on to an address. Linked directly within the page, and for EL1 anywhere. */
  goto(lo: number, hi: number): void {
    if (this.#linkable(lo, hi)) this.#link(lo, hi, this.asm.jmp());
    else {
      this.address(Reg.rax, lo, hi);
      this.gotoIndirect();
    }
  }
  /** Ends the block: on to the address in rax, by the jump cache. */
  gotoIndirect(): void { emitJump(this.asm, this.el, this.#indirect); }
  /** The last instruction of a block: taken to pc + offset when `cc` holds, else on to the next instruction. */
  branchIf(cc: number, offset: number): void {
    const asm = this.asm;
    const taken = asm.jcc(cc);
    const low = (this.pcLo >>> 0) + offset;
    const lo = low | 0, hi = (this.pcHi + (low > 0xffff_ffff ? 1 : low < 0 ? -1 : 0)) | 0;
    const direct = this.#linkable(lo, hi) && !this.#saveTaken;
    if (direct) this.#link(lo, hi, taken);
    if (this.#saveNext) this.saveFlags();
    this.gotoOffset(4);
    if (direct) return;
    asm.patch(taken, asm.at);
    if (this.#saveTaken) this.saveFlags();
    this.goto(lo, hi);
  }
  /** In the same page, or any page for EL1. */
  #linkable(lo: number, hi: number): boolean { return this.el !== 0 || this.#samePage(lo, hi); }
  #samePage(lo: number, hi: number): boolean { return ((lo ^ this.pcLo) & -4096) === 0 && hi === this.pcHi; }
  /** The jump whose rel32 ends at `end` leads to a block, once it is linked. */
  #link(lo: number, hi: number, end: number): void {
    this.#leave(end, this.sites.add(this.#samePage(lo, hi) ? SiteKind.link : SiteKind.linkFar, lo, hi, 0, 0, end));
  }
  gotoOffset(offset: number): void {
    const low = (this.pcLo >>> 0) + offset;
    this.goto(low | 0, (this.pcHi + (low > 0xffff_ffff ? 1 : low < 0 ? -1 : 0)) | 0);
  }
  /** Leaves this instruction to the interpreter: out, and back behind it. */
  #interpret(word: number): void {
    const asm = this.asm;
    this.vectors.flush();
    if (this.#flagsLive) this.saveFlags(); // it may read them, or save PSTATE
    const site = this.sites.add(SiteKind.interpret, this.pcLo, this.pcHi, word, this.#length - this.#index - 1, 0);
    asm.constant(Reg.rax, site, 0);
    asm.patch(asm.jmp(), this.#exit);
    this.sites.setResume(site, asm.at);
  }
  /**
   * SIMD&FP is used from here on: one of `Ready`, which are each more than the one before. The instruction needs up to `count` vector registers. Clobbers EFLAGS.
   */
  ready(bits: (typeof Ready)[keyof typeof Ready], count = 6): void {
    this.vectors.reserve(count);
    if ((this.#blockReady & bits) === bits) return;
    this.asm.test8(Reg.rbp, disp(Offset.READY), bits);
    const end = this.asm.jcc(CC.e);
    const site = this.sites.add(SiteKind.unready, this.pcLo, this.pcHi, (this.#current as Decoded).word, this.#length - this.#index - 1, 0);
    this.#cold[this.#colds++] = { ends: [end], site, spill: this.vectors.dirty(), reload: undefined, ready: bits, back: this.asm.at, miss: undefined, mend: undefined };
    this.#blockReady |= bits | Ready.simd | (bits === Ready.half ? Ready.fp : 0);
    this.#flagsLive = false;
  }
  /** Where failed fast paths of this instruction go. The resume point is set by `endSlow`. */
  slowSite(): number {
    this.#spill = this.vectors.dirty();
    return this.sites.add(SiteKind.interpret, this.pcLo, this.pcHi, (this.#current as Decoded).word, this.#length - this.#index - 1, 0);
  }
  #spill: number[] | undefined;
  endSlow(site: number, ends: readonly number[]): void {
    this.sites.setResume(site, this.asm.at);
    this.#cold[this.#colds++] = { ends, site, spill: this.#spill, reload: this.vectors.held(), ready: 0, back: this.asm.at, miss: this.#miss, mend: this.#mend };
    this.#miss = undefined;
    this.#mend = undefined;
  }
  #miss: Miss | undefined;
  #mend: Mend | undefined;
  /** The jump `end` goes to code that mends a result, one in an instruction. */
  mend(end: number, emit: (leave: number[]) => void): void { this.#mend = { end, emit, back: this.asm.at }; }
  /** The jump taken where the TLB missed, one in an instruction: rax is the address, rdx the page of the last byte. */
  missed(end: number, el: number, write: boolean): void {
    if (this.#miss !== undefined) throw new Error("an instruction has one access");
    this.#miss = { end, el, write, back: this.asm.at };
  }
  /** TLBI by the operand in rax, last level. */
  invalidatePage(ends: number[]): void {
    this.asm.patch(this.asm.call(), this.#invalidate);
    ends.push(this.asm.jcc(CC.e));
  }
  get hasCounter(): boolean { return this.#counter !== undefined; }
  /** rax = the system counter, where there is one to be read. */
  readCounter(ends: number[]): void {
    this.asm.patch(this.asm.call(), this.#counter as number);
    ends.push(this.asm.jcc(CC.ne));
  }
  /** A jump that leaves behind this instruction, for the engine to look at interrupts. */
  lookBehind(end: number): void {
    const low = (this.pcLo >>> 0) + 4;
    this.#leave(end, this.sites.add(SiteKind.look, low | 0, low > 0xffff_ffff ? (this.pcHi + 1) | 0 : this.pcHi, 0, this.#length - this.#index - 1, 0));
  }
  /** For SP as base: leaves when it is not a multiple of 16. */
  checkSp(ends: number[]): void {
    if (this.#spAligned) return;
    this.asm.testImm(0, Reg.r15, 15);
    ends.push(this.asm.jcc(CC.ne));
    this.#spAligned = true;
  }
}
