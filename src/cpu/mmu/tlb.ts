// src/cpu/mmu/tlb.ts — the software TLB: virtual page → guest RAM page, two direct-mapped tables in the state struct,
// one for accesses made with EL0's rights, one for EL1's. Shared by the interpreter and (by layout) generated code.
//
// Entry, 32 bytes:  +0 u64 tag for reads   +8 u64 tag for writes   +16 u64 addend = host address - virtual page
//                   +24 u32 RAM page number   +28 u32 flags
// A tag is the virtual page's address; INVALID can never equal one. Entries always cover 4 KiB, whatever the mapping's
// size. TLBI by address must find all entries of a mapping: those larger than 64 KiB are remembered beside the tables,
// smaller ones by a flag. Generated code enters pages too, by the same rules (translate/refill.ts).
import { Offset } from "../state.ts";
import { LargeMappings } from "./large-mappings.ts";

export const ENTRIES = 1024;
/** i32 index of an entry's words. */
export const Word = { READ: 0, WRITE: 2, ADDEND: 4, PAGE: 6, FLAGS: 7, COUNT: 8 } as const;
export const Flag = {
  /** Not global: belongs to an ASID. */
  NG: 1,
  /** Accessible from EL0: dropped from EL1's table when PAN is set. */
  USER: 2,
  /** From a mapping larger than 4 KiB, but of 64 KiB at most: TLBI finds its neighbours. */
  WIDE: 4,
} as const;
const INVALID = 1;

export class Tlb {
  readonly #i32: Int32Array;
  /** Those of more than 64 KiB with entries in the tables. */
  readonly #large = new LargeMappings();
  /** True when EL1's table holds pages that EL0 can access. */
  #userInEl1 = false;
  constructor(i32: Int32Array) {
    this.#i32 = i32;
    this.flush();
  }

  /** i32 index of the entry of a virtual address. */
  static index(el: number, lo: number): number {
    return (el === 0 ? Offset.TLB_EL0 / 4 : Offset.TLB_EL1 / 4) + ((lo >>> 12) & (ENTRIES - 1)) * Word.COUNT;
  }

  /**
   * Enters one 4 KiB page. `shift` is log2 of the size of the mapping it comes from, `hostPage` the host address of the
   * RAM page.
   */
  insert(el: number, lo: number, hi: number, write: boolean, page: number, hostPage: number, flags: number, shift: number): void {
    const e = Tlb.index(el, lo);
    const t = this.#i32;
    const tag = lo & -4096;
    t[e + Word.READ] = tag;
    t[e + Word.READ + 1] = hi;
    t[e + Word.WRITE] = write ? tag : INVALID;
    t[e + Word.WRITE + 1] = hi;
    // host address - virtual page, modulo 2^64, in 32-bit halves
    const hostLo = hostPage >>> 0;
    const addLo = hostLo - (tag >>> 0);
    t[e + Word.ADDEND] = addLo | 0;
    t[e + Word.ADDEND + 1] = (Math.floor(hostPage / 2 ** 32) - (hi >>> 0) - (addLo < 0 ? 1 : 0)) | 0;
    t[e + Word.PAGE] = page;
    t[e + Word.FLAGS] = shift > 12 ? flags | Flag.WIDE : flags;
    if (el !== 0 && (flags & Flag.USER) !== 0) this.#userInEl1 = true;
    if (shift > 16) this.#large.add(lo, hi, shift);
  }

  /** Drops everything. */
  flush(): void {
    this.#i32.fill(INVALID, Offset.TLB_EL0 / 4, Offset.TLB_EL1 / 4 + ENTRIES * Word.COUNT);
    this.#i32.fill(0, Offset.REGIONS / 4, Offset.FETCHED / 4); // blocks there count as noted in #large
    this.#large.clear();
    this.#userInEl1 = false;
  }

  /** Drops the entries that belong to an ASID (any: only the current one has entries). */
  flushNonGlobal(): void {
    const t = this.#i32;
    for (let e: number = Offset.TLB_EL0 / 4; e < Offset.TLB_EL1 / 4 + ENTRIES * Word.COUNT; e += Word.COUNT) {
      if (((t[e + Word.FLAGS] as number) & Flag.NG) !== 0) this.#drop(e);
    }
  }

  /** PAN was set: EL1 may no longer reach EL0's pages. */
  flushUserFromEl1(): void {
    if (!this.#userInEl1) return;
    this.#userInEl1 = false;
    const t = this.#i32;
    for (let e: number = Offset.TLB_EL1 / 4; e < Offset.TLB_EL1 / 4 + ENTRIES * Word.COUNT; e += Word.COUNT) {
      if (((t[e + Word.FLAGS] as number) & Flag.USER) !== 0) this.#drop(e);
    }
  }

  /** Drops whatever translates this address, whatever the size of its mapping. */
  flushPage(lo: number, hi: number): void {
    if (this.#large.holds(lo, hi)) return this.flush();
    // an entry of 4 KiB says that there are no others of its mapping
    if (this.#single(0, lo, hi) || this.#single(1, lo, hi)) this.#dropPages(lo, 1);
    else this.#dropPages(lo & -0x1_0000, 16);
  }
  #single(el: number, lo: number, hi: number): boolean {
    const e = Tlb.index(el, lo), t = this.#i32;
    return t[e] === (lo & -4096) && (((t[e + 1] as number) ^ hi) & 0x00ff_ffff) === 0 && ((t[e + Word.FLAGS] as number) & Flag.WIDE) === 0;
  }
  #dropPages(lo: number, count: number): void {
    for (let i = 0; i < count; i++) {
      this.#drop(Tlb.index(0, lo + i * 4096));
      this.#drop(Tlb.index(1, lo + i * 4096));
    }
  }
  #drop(e: number): void {
    this.#i32[e + Word.READ] = INVALID;
    this.#i32[e + Word.WRITE] = INVALID;
    this.#i32[e + Word.FLAGS] = 0;
  }
  /** True when the entry of an address allows stores: it is RAM, mapped as normal memory. */
  writable(el: number, lo: number, hi: number): boolean {
    const e = Tlb.index(el, lo) + Word.WRITE;
    return this.#i32[e] === (lo & -4096) && this.#i32[e + 1] === hi;
  }
  /** Entries in use, for `Ctrl-A s` and tests. */
  used(): number {
    let n = 0;
    for (let e: number = Offset.TLB_EL0 / 4; e < Offset.TLB_EL1 / 4 + ENTRIES * Word.COUNT; e += Word.COUNT) if (this.#i32[e] !== INVALID) n++;
    return n;
  }
}
