// src/units.ts — sizes, branded addresses and the lo/hi helpers. Imports nothing, importable by all.

export const KiB: number = 1024;
export const MiB: number = 1024 * KiB;
export const GiB: number = 1024 * MiB;

declare const gpaBrand: unique symbol;
/** A guest physical address: an exact integer below 2^48. */
export type Gpa = number & { readonly [gpaBrand]: true };

/** Brands a number as a guest physical address. The caller knows that it is an integer in 0..2^48-1. */
export const gpa = (value: number): Gpa => value as Gpa;
/** Address arithmetic that keeps the brand. */
export const gpaAdd = (base: Gpa, offset: number): Gpa => (base + offset) as Gpa;

/** The low 32 bits of an exact integer below 2^53, unsigned. */
export const lo32 = (value: number): number => value >>> 0;
/** The bits above 32 of an exact integer below 2^53, unsigned. */
export const hi32 = (value: number): number => Math.floor(value / 0x1_0000_0000) >>> 0;
/** The exact number of a lo/hi pair; the caller knows that it is below 2^53. */
export const fromLoHi = (lo: number, hi: number): number => (hi >>> 0) * 0x1_0000_0000 + (lo >>> 0);

/** Rounds up to a multiple of a power of two (also above 2^32). */
export const alignUp = (value: number, to: number): number => Math.ceil(value / to) * to;
export const alignDown = (value: number, to: number): number => Math.floor(value / to) * to;

/** 0x-prefixed lower-case hexadecimal, zero-padded to `digits`. */
export const hex = (value: number | bigint, digits = 0): string => `0x${value.toString(16).padStart(digits, "0")}`;

/** A byte count as people write it: the largest unit that divides it ("512 MiB", "1.5 GiB" becomes "1536 MiB"). */
export function formatSize(bytes: number): string {
  for (const [unit, name] of [[GiB, "GiB"], [MiB, "MiB"], [KiB, "KiB"]] as const) {
    if (bytes >= unit && bytes % unit === 0) return `${bytes / unit} ${name}`;
  }
  return `${bytes} B`;
}

/** MPIDR affinity (Aff2..Aff0, 24 bits) of the board's CPU `n`: sixteen to a cluster, as an SGI's target list has them. */
export const affinityOf = (n: number): number => ((n >> 4) << 8) | (n & 15);
/** The CPU of an affinity, or -1 when no board has one there. */
export const cpuOfAffinity = (affinity: number): number => ((affinity & ~0xff0f) === 0 ? ((affinity >> 8) << 4) | (affinity & 15) : -1);
