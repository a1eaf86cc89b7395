// src/cpu/mmu/walk.ts — stage 1 address translation of EL1&0: table walk, permissions, memory type.
// Spec: ARM DDI 0487, D8 (the VMSAv8-64), D8.2 "Translation process", D8.4 "Memory access control".
// Left out: stage 2, EL2/EL3 regimes, 52-bit addresses (LVA, LPA), hardware update of AF and dirty state,
// hierarchical permission disables: none of them is advertised.
import { slot } from "../sysreg.ts";
import { Forbidden, Regions } from "./regions.ts";
import { Flag } from "./tlb.ts";

export const Access = { read: 0, write: 1, execute: 2 } as const;
export type Access = (typeof Access)[keyof typeof Access];

/** Fault status codes (ESR_ELx.DFSC/IFSC) without the level in bits 1..0. */
export const Fault = {
  none: -1,
  addressSize: 0x00,
  translation: 0x04,
  accessFlag: 0x08,
  permission: 0x0c,
  external: 0x10,
  externalOnWalk: 0x14,
  alignment: 0x21,
} as const;

/** Physical memory as the walker sees it: aligned 32-bit reads; undefined where there is no RAM. */
export interface PhysicalMemory {
  readWord(pa: number): number | undefined;
  /** An aligned 64-bit value, left in `lo` and `hi`; false where there is no RAM. */
  readDouble(pa: number): boolean;
  readonly lo: number;
  readonly hi: number;
  /** The host address of the RAM at an address; 0 where there is none. */
  host(pa: number): number;
}

/** Physical address bits: ID_AA64MMFR0_EL1.PARange = 2. */
export const PA_BITS = 40;
/** Powers of two, cheaper than `**` with a variable. */
const POWER: readonly number[] = Array.from({ length: 64 }, (_, n) => 2 ** n);
/** log2 of the granule by TCR_EL1.TG0 and TG1; reserved values count as 4 KiB. */
const TG0 = [12, 16, 14, 12] as const, TG1 = [12, 14, 12, 16] as const;
const IPS_BITS = [32, 36, 40, 42, 44, 48, 48, 48] as const;
const SCTLR = slot.SCTLR_EL1 / 4;
const TCR = slot.TCR_EL1 / 4;
const TTBR0 = slot.TTBR0_EL1 / 4;
const TTBR1 = slot.TTBR1_EL1 / 4;
const MAIR = slot.MAIR_EL1 / 4;
const SCTLR_M = 1;
const SCTLR_A = 2;
const SCTLR_WXN = 1 << 19;
const OUTER = 2;

/** Translates for one core. The results of `translate` stand in its fields until the next call. */
export class Walker {
  /** Physical address, exact. */
  pa = 0;
  /** True for Device memory: unaligned accesses fault. */
  device = false;
  /** The MAIR_EL1 byte and the shareability field of the mapping, as PAR_EL1 shows them. */
  attributes = 0;
  shareability = 0;
  /** A write by the same EL would be allowed too. */
  writable = false;
  /** Bits of `Flag` in tlb.ts. */
  flags = 0;
  /** log2 of the mapping's size. */
  shift = 12;
  readonly #i32: Int32Array;
  readonly #memory: PhysicalMemory;
  readonly #regions: Regions;
  /** The last descriptor read, and whether it may be remembered as a block's. */
  #descriptorLo = 0;
  #descriptorHi = 0;
  /** Address spaces of less than 25 bits (FEAT_TTST). */
  small = false;
  #block = false;
  #blockShift = 21;
  #forbidden = 0;
  constructor(i32: Int32Array, memory: PhysicalMemory) {
    this.#i32 = i32;
    this.#memory = memory;
    this.#regions = new Regions(i32);
  }

  /** Tables are remembered, and generated code may enter pages into the TLB by itself. */
  remembers = true;
  /** Forgets the tables it remembers. */
  forget(): void { this.#regions.clear(); }
  /** What `translate` found was entered into the TLB: a block may be remembered from then on. */
  entered(lo: number, hi: number): void {
    if (this.#block) this.#regions.setBlock(lo, hi, this.#descriptorLo, this.#descriptorHi, this.#blockShift, this.#forbidden);
  }

  /** Returns Fault.none, or the fault status code with its level. `lo` and `hi` are the signed halves of the address. */
  translate(access: Access, el: number, pan: boolean, lo: number, hi: number): number {
    const r = this.#i32;
    const sctlr = r[SCTLR] as number;
    const tcrLo = r[TCR] as number;
    const tcrHi = r[TCR + 1] as number;
    const upper = (hi & 0x0080_0000) !== 0; // bit 55 chooses the half of the address space
    const tbi = ((tcrHi >>> (upper ? 6 : 5)) & 1) !== 0;

    if ((sctlr & SCTLR_M) === 0) {
      const top = tbi ? hi & 0x00ff_ffff : hi;
      if (top >>> (PA_BITS - 32) !== 0) return Fault.addressSize;
      this.pa = (hi & 0xff) * 2 ** 32 + (lo >>> 0);
      this.device = access !== Access.execute;
      this.attributes = 0;
      this.shareability = OUTER;
      this.writable = true;
      this.flags = 0;
      this.shift = 12;
      return Fault.none;
    }

    const tsz = (upper ? tcrLo >>> 16 : tcrLo) & 63;
    const epd = ((tcrLo >>> (upper ? 23 : 7)) & 1) !== 0;
    const e0pd = ((tcrHi >>> (upper ? 24 : 23)) & 1) !== 0;
    if (epd || tsz < 16 || (e0pd && el === 0)) return Fault.translation;
    const granule = (upper ? TG1[tcrLo >>> 30] : TG0[(tcrLo >>> 14) & 3]) as number;
    if (tsz > (!this.small ? 39 : granule === 16 ? 47 : 48)) return Fault.translation;
    const bits = 64 - tsz;
    // every bit from the top (55 with TBI, else 63) down to the input size must equal bit 55
    const signHi = tbi ? (hi << 8) >> 8 : hi;
    if (bits >= 32 ? signHi >> (bits - 32) !== (upper ? -1 : 0) : signHi !== (upper ? -1 : 0) || lo >> bits !== (upper ? -1 : 0)) {
      return Fault.translation;
    }
    const stride = granule - 3;
    const paBits = Math.min(PA_BITS, IPS_BITS[tcrHi & 7] as number);
    const paLimit = POWER[paBits] as number;

    let noEl0 = false;
    let readOnly = false;
    let pxn = false;
    let uxn = false;
    let level: number, table: number, width: number;
    const regions = this.#regions;
    const plain = this.remembers && granule === 12 && paBits === PA_BITS && (sctlr & SCTLR_A) === 0;
    const forbidden = e0pd ? Forbidden.EL0 : 0;
    this.#block = false;
    if (plain && regions.find(lo, hi)) {
      level = 3;
      width = 9;
      table = regions.table;
      pxn = (regions.forbidden & Forbidden.PX) !== 0;
      uxn = (regions.forbidden & Forbidden.UX) !== 0;
    } else {
      level = 4 - Math.ceil((bits - granule) / stride);
      const tableBits = 3 + bits - ((3 - level) * stride + granule);
      const base = upper ? TTBR1 : TTBR0;
      table = ((r[base + 1] as number) & 0xffff) * 2 ** 32 + (((r[base] as number) & -2) >>> 0);
      const align = POWER[Math.max(tableBits, 4)] as number;
      table = Math.floor(table / align) * align;
      if (table >= paLimit) return Fault.addressSize;

      width = bits - ((3 - level) * stride + granule); // index bits at this level
    }
    const memory = this.#memory;
    for (;;) {
      const shift = (3 - level) * stride + granule;
      const index = (shift < 32 ? (lo >>> shift) | (hi << (32 - shift)) : (hi & 0xffff) >>> (shift - 32)) & ((1 << width) - 1);
      if (!memory.readDouble(table + index * 8)) return Fault.externalOnWalk + level;
      const dLo = memory.lo, dHi = memory.hi;
      if ((dLo & 1) === 0) return Fault.translation + level;
      const output = (dHi & 0xffff) * 2 ** 32 + ((dLo & 0xffff_f000) >>> 0);
      if (level < 3 && (dLo & 2) !== 0) {
        const next = output - ((dLo & 0xf000 & ((1 << granule) - 1)) >>> 0);
        if (next >= paLimit) return Fault.addressSize + level;
        noEl0 ||= ((dHi >>> 29) & 1) !== 0;
        readOnly ||= ((dHi >>> 30) & 1) !== 0;
        pxn ||= ((dHi >>> 27) & 1) !== 0;
        uxn ||= ((dHi >>> 28) & 1) !== 0;
        table = next;
        level++;
        width = stride;
        if (level === 3 && plain && !noEl0 && !readOnly) regions.setTable(lo, hi, next, memory.host(next), forbidden | (pxn ? Forbidden.PX : 0) | (uxn ? Forbidden.UX : 0));
        continue;
      }
      if (level === 3 ? (dLo & 2) === 0 : level < (granule === 12 ? 1 : 2)) return Fault.translation + level;
      const inside = (1 << shift) - 1; // no block is larger than 1 GiB
      const page = output - ((dLo & 0xffff_f000 & inside) >>> 0);
      if (page >= paLimit) return Fault.addressSize + level;
      if ((dLo & (1 << 10)) === 0) return Fault.accessFlag + level;
      if (level < 3) {
        this.#block = plain && !noEl0 && !readOnly;
        this.#blockShift = shift;
        this.#forbidden = forbidden;
        this.#descriptorLo = dLo;
        this.#descriptorHi = dHi;
      }

      noEl0 ||= (dLo & (1 << 6)) === 0;
      readOnly ||= (dLo & (1 << 7)) !== 0;
      pxn ||= ((dHi >>> 21) & 1) !== 0;
      uxn ||= ((dHi >>> 22) & 1) !== 0;
      const wxn = (sctlr & SCTLR_WXN) !== 0;
      this.writable = !readOnly && (el !== 0 || !noEl0);
      let allowed: boolean;
      if (el === 0) {
        // fetching needs no right to read: AP 00 with UXN clear is execute-only memory
        allowed = access === Access.execute ? !uxn && !(wxn && this.writable) : !noEl0 && (access === Access.read || !readOnly);
      } else if (access === Access.execute) {
        allowed = !pxn && (noEl0 || readOnly) && !(wxn && !readOnly);
      } else {
        allowed = (access === Access.read || !readOnly) && !(pan && !noEl0);
      }
      if (!allowed) return Fault.permission + level;

      const attributes = ((r[MAIR + ((dLo >>> 4) & 1)] as number) >>> (8 * ((dLo >>> 2) & 3))) & 0xff;
      this.device = attributes < 0x10;
      this.attributes = attributes;
      this.shareability = this.device ? OUTER : (dLo >>> 8) & 3;
      this.flags = ((dLo & (1 << 11)) !== 0 ? Flag.NG : 0) | (noEl0 ? 0 : Flag.USER);
      const contiguous = ((dHi >>> 20) & 1) !== 0;
      this.shift = contiguous ? shift + contiguousBits(granule, level) : shift;
      this.pa = page + ((lo & inside) >>> 0);
      return Fault.none;
    }
  }
}

/** log2 of the number of adjacent entries that the Contiguous bit joins. */
const contiguousBits = (granule: number, level: number): number =>
  granule === 12 ? 4 : granule === 14 ? (level === 3 ? 7 : 5) : 5;
