// src/net/bytes.ts — numbers in network order, and the Internet checksum (RFC 1071).

export const get16 = (b: Uint8Array, at: number): number => ((b[at] as number) << 8) | (b[at + 1] as number);
export const get32 = (b: Uint8Array, at: number): number => (((b[at] as number) << 24) | ((b[at + 1] as number) << 16) | ((b[at + 2] as number) << 8) | (b[at + 3] as number)) >>> 0;
export function put16(b: Uint8Array, at: number, value: number): void {
  b[at] = value >> 8;
  b[at + 1] = value;
}
export function put32(b: Uint8Array, at: number, value: number): void {
  b[at] = value >>> 24;
  b[at + 1] = value >>> 16;
  b[at + 2] = value >>> 8;
  b[at + 3] = value;
}

/** The sum of the 16-bit words of a range, an odd last byte padded with zero; not folded. */
export function sum16(b: Uint8Array, from = 0, to: number = b.length, start = 0): number {
  let sum = start, at = from;
  for (; at + 1 < to; at += 2) sum += ((b[at] as number) << 8) | (b[at + 1] as number);
  return at < to ? sum + ((b[at] as number) << 8) : sum;
}
/** Folds a sum into 16 bits. */
export function fold(sum: number): number {
  let folded = sum;
  while (folded > 0xffff) folded = Math.floor(folded / 0x10000) + (folded & 0xffff);
  return folded;
}
/** The checksum of a range: what makes its sum 0xffff. */
export const checksum = (b: Uint8Array, from = 0, to: number = b.length, start = 0): number => ~fold(sum16(b, from, to, start)) & 0xffff;

export const isZero = (b: Uint8Array): boolean => b.every(one => one === 0);
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
