// src/cpu/mmu/regions.ts — what the page tables say of 2 MiB of virtual address each: the level 3 table, or the block that
// maps them. Direct-mapped, in the state struct: the walker begins there, and generated code refills the TLB from it
// without leaving (translate/refill.ts). 4K granule, PA of PA_BITS, no alignment checks, no APTable bits.
//
// Tables and blocks may be remembered until a TLBI by address that is not of the last level only (tables), that hits the
// block (it flushes the TLB, and this with it), or any larger one. ARM DDI 0487, D8.13 "TLB maintenance".
//
// Entry, 32 bytes:  +0 u64 virtual address | 1   +8 u64 host address of the table, 0: a block
//                   +16 u64 table's physical address, or the block's descriptor, its output being these 2 MiB
//                   +24 u32 bits of Forbidden
import { Offset } from "../state.ts";

export const REGIONS = 256;
/** Byte offsets within an entry. */
export const Region = { TAG: 0, HOST: 8, FROM: 16, FORBIDDEN: 24, SIZE: 32 } as const;

/** What is forbidden in the whole region: execution at EL1 and EL0, by the tables above; data accesses of EL0, by TCR_EL1.E0PD. */
export const Forbidden = { PX: 1, UX: 2, EL0: 4 } as const;

/** i32 index of the entry of a virtual address. The upper half of its number is folded in: kernels use many far regions. */
const entry = (lo: number, hi: number): number =>
  (Offset.REGIONS + (((lo >>> 21) ^ ((lo >>> 30) | (hi << 2))) & (REGIONS - 1)) * Region.SIZE) / 4;

export class Regions {
  readonly #i32: Int32Array;
  /** Results of `find`: the physical address of the level 3 table, and what is forbidden. */
  table = 0;
  forbidden = 0;
  constructor(i32: Int32Array) { this.#i32 = i32; }

  /** Whether a level 3 table is known for an address. */
  find(lo: number, hi: number): boolean {
    const t = this.#i32, e = entry(lo, hi);
    if (t[e] !== ((lo & -0x20_0000) | 1) || t[e + 1] !== hi || (t[e + 2] === 0 && t[e + 3] === 0)) return false;
    this.table = (t[e + 5] as number) * 2 ** 32 + ((t[e + 4] as number) >>> 0);
    this.forbidden = t[e + 6] as number;
    return true;
  }
  setTable(lo: number, hi: number, table: number, host: number, forbidden: number): void {
    if (host !== 0) this.#set(lo, hi, host, table | 0, Math.floor(table / 2 ** 32), forbidden);
  }
  /** `shift`: log2 of the block's size, 21 or 30. */
  setBlock(lo: number, hi: number, descriptorLo: number, descriptorHi: number, shift: number, forbidden: number): void {
    const inside = (1 << shift) - 1;
    this.#set(lo, hi, 0, (descriptorLo & ~(inside & -4096)) | (lo & inside & -0x20_0000), descriptorHi, forbidden);
  }
  #set(lo: number, hi: number, host: number, fromLo: number, fromHi: number, forbidden: number): void {
    const t = this.#i32, e = entry(lo, hi);
    t[e] = (lo & -0x20_0000) | 1;
    t[e + 1] = hi;
    t[e + 2] = host | 0;
    t[e + 3] = Math.floor(host / 2 ** 32);
    t[e + 4] = fromLo;
    t[e + 5] = fromHi;
    t[e + 6] = forbidden;
  }
  clear(): void { this.#i32.fill(0, Offset.REGIONS / 4, Offset.REGIONS / 4 + REGIONS * Region.SIZE / 4); }
}
