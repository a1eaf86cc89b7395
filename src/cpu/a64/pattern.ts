// src/cpu/a64/pattern.ts — encoding tables as data: one line of text per A64 encoding, compiled into masks and fields.
// Spec: the bit diagrams of ARM DDI 0487, C4.1. Left out: operand syntax (the disassembler's business).
//
// A pattern names all 32 bits, most significant first; spaces are free:
//   0 1      must match
//   -        may be anything
//   letter   a field; equal letters form one field, first letter = most significant bit, and need not be adjacent
// Some letters say what the field is, so that neither the interpreter nor the translator has to:
//   d n m a t u s   general registers in which 31 means XZR; they decode to 0..30 or ZR (32)
//   D N             general registers in which 31 means SP; they decode to 0..31
//   x y z w         SIMD&FP registers, 0..31
// Where two lines of one table match the same word, the one with more fixed bits is meant (a test holds that it is a
// true special case of the other).

/** Register index of XZR in decoded fields, and its slot in the register file: it reads as zero. */
export const ZR = 32;

/** Letters whose value 31 decodes to `ZR`. */
const ZERO_REGISTERS = "dnmatus";

/** The field letters of a pattern. */
export type Letters<P extends string, A extends string = never> =
  P extends `${infer C}${infer R}` ? Letters<R, C extends "0" | "1" | "-" | " " ? A : A | C> : A;
/** The decoded fields of a pattern, each an unsigned number. */
export type Fields<P extends string> = { readonly [K in Letters<P>]: number };
/** A table: name → pattern. */
export type Table = Readonly<Record<string, string>>;
/** What each consumer of a table supplies: one entry per encoding, given exactly the fields that its line names. */
export type Handlers<T extends Table, Ctx, R> = {
  readonly [Op in keyof T]: (ctx: Ctx, f: Fields<T[Op]>) => R;
};

/** One compiled line. `word & mask === value` matches. */
export interface Encoding {
  readonly name: string;
  readonly pattern: string;
  /** Unsigned 32-bit. */
  readonly mask: number;
  readonly value: number;
  readonly fields: readonly Field[];
}

interface Run { readonly shift: number; readonly width: number }
interface Field {
  readonly letter: string;
  /** Runs of adjacent bits, most significant first. */
  readonly runs: readonly Run[];
  readonly zeroRegister: boolean;
}

const compiled = new Map<string, Encoding>();
/** Compiles one pattern, once for all consumers. Throws on a malformed line: tables are the program's own. */
export function compile(name: string, pattern: string): Encoding {
  const known = compiled.get(name);
  if (known !== undefined && known.pattern === pattern) return known;
  const made = parse(name, pattern);
  compiled.set(name, made);
  return made;
}
function parse(name: string, pattern: string): Encoding {
  const bits = pattern.replaceAll(" ", "");
  if (bits.length !== 32 || !/^[01a-zA-Z-]*$/.test(bits)) throw new Error(`${name}: "${pattern}" is not 32 bits`);
  let mask = 0;
  let value = 0;
  const runs = new Map<string, { shift: number; width: number }[]>();
  for (let i = 0; i < 32; i++) {
    const bit = 31 - i;
    const c = bits.charAt(i);
    if (c === "-") continue;
    if (c === "0" || c === "1") {
      mask |= 1 << bit;
      if (c === "1") value |= 1 << bit;
      continue;
    }
    const list = runs.get(c) ?? [];
    runs.set(c, list);
    const last = list.at(-1);
    if (last !== undefined && bits.charAt(i - 1) === c) { last.shift = bit; last.width++; }
    else list.push({ shift: bit, width: 1 });
  }
  const fields = [...runs].map(([letter, list]) => ({ letter, runs: list, zeroRegister: ZERO_REGISTERS.includes(letter) }));
  for (const f of fields) {
    const width = f.runs.reduce((sum, r) => sum + r.width, 0);
    if ("dnmatusDNxyzw".includes(f.letter) && width !== 5) throw new Error(`${name}: register ${f.letter} has ${width} bits`);
  }
  return { name, pattern, mask: mask >>> 0, value: value >>> 0, fields };
}

/** The fields of a word that matches. */
export function extract(encoding: Encoding, word: number): Record<string, number> {
  const out: Record<string, number> = {};
  const { fields } = encoding;
  for (let i = 0; i < fields.length; i++) {
    const f = fields[i] as Field, { runs } = f;
    let v = 0;
    for (let k = 0; k < runs.length; k++) {
      const r = runs[k] as Run;
      v = (v << r.width) | ((word >>> r.shift) & ((1 << r.width) - 1));
    }
    out[f.letter] = f.zeroRegister && v === 31 ? ZR : v;
  }
  return out;
}

/** The inverse of `extract`: builds the word of an encoding from field values (missing fields are zero). */
export function encode(encoding: Encoding, fields: Readonly<Record<string, number>>): number {
  let word = encoding.value;
  for (const f of encoding.fields) {
    let v = fields[f.letter] ?? 0;
    if (f.zeroRegister && v === ZR) v = 31;
    for (const r of f.runs.toReversed()) {
      word |= (v & (2 ** r.width - 1)) << r.shift;
      v = Math.floor(v / 2 ** r.width);
    }
  }
  return word >>> 0;
}

const popcount = (v: number): number => {
  let n = 0;
  for (let m = v >>> 0; m !== 0; m = (m & (m - 1)) >>> 0) n++;
  return n;
};

/** An encoding joined with what a consumer does for it. */
export interface Entry<H> extends Encoding { readonly handle: H }

/** Joins a table with a consumer's total map. */
export function join<T extends Table, Ctx, R>(table: T, handlers: Handlers<T, Ctx, R>): Entry<(ctx: Ctx, f: never) => R>[] {
  return Object.keys(table).map(name => ({
    ...compile(name, table[name] as string),
    handle: handlers[name] as (ctx: Ctx, f: never) => R,
  }));
}

/** Finds the encoding of a word: entries are bucketed by bits 31..21, each bucket made when it is first asked for. */
export class Decoder<E extends Encoding> {
  /** By bits 28..25, the main groups of the instruction set: what the buckets are chosen from. */
  readonly #groups: E[][] = Array.from({ length: 16 }, () => []);
  readonly #buckets: (E[] | undefined)[] = new Array<E[] | undefined>(2048).fill(undefined);
  constructor(entries: readonly E[]) {
    for (const e of entries.toSorted((a, b) => popcount(b.mask) - popcount(a.mask))) {
      for (let group = 0; group < 16; group++) if ((((group << 25) ^ e.value) & e.mask & 0x1e00_0000) === 0) (this.#groups[group] as E[]).push(e);
    }
  }
  /** The entry with the most fixed bits that matches, or undefined: an unallocated encoding. */
  find(word: number): E | undefined {
    const key = word >>> 21;
    let bucket = this.#buckets[key];
    if (bucket === undefined) {
      bucket = [];
      const group = this.#groups[(key >>> 4) & 15] as E[];
      for (let i = 0; i < group.length; i++) {
        const e = group[i] as E;
        if ((((key << 21) ^ e.value) & e.mask) >>> 21 === 0) bucket.push(e);
      }
      this.#buckets[key] = bucket;
    }
    for (let i = 0; i < bucket.length; i++) {
      const e = bucket[i] as E;
      if (((word ^ e.value) & e.mask) === 0) return e;
    }
    return undefined;
  }
}
