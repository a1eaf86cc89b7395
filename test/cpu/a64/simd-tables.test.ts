// test/cpu/a64/simd-tables.test.ts — the SIMD, floating-point and cryptographic tables as data.
import { describe, expect, test } from "bun:test";
import { encode, extract, type Encoding } from "../../../src/cpu/a64/pattern.ts";
import { simdInstructions } from "../../../src/cpu/interpret/simd-instructions.ts";

const both = (a: Encoding, b: Encoding): boolean => ((a.value ^ b.value) & a.mask & b.mask) === 0;
const covers = (a: Encoding, b: Encoding): boolean => (a.mask & b.mask) >>> 0 === a.mask;

describe("SIMD encoding tables", () => {
  test("names are unique over all tables", () => {
    expect(new Set(simdInstructions.map(e => e.name)).size).toBe(simdInstructions.length);
  });
  test("where two lines match the same word, one is a special case of the other", () => {
    const clashes = simdInstructions.flatMap((a, i) => simdInstructions.slice(i + 1)
      .filter(b => both(a, b) && (!covers(a, b) && !covers(b, a) || a.mask === b.mask)).map(b => `${a.name} / ${b.name}`));
    expect(clashes).toEqual([]);
  });
  test("every line encodes what it decodes", () => {
    const wrong = simdInstructions.filter(e => encode(e, extract(e, 0xffff_ffff)) !== (0xffff_ffff & ~(e.mask & ~e.value) & ~free(e)) >>> 0);
    expect(wrong.map(e => e.name)).toEqual([]);
  });
});
/** The bits of a pattern that are neither fixed nor a field. */
function free(e: Encoding): number {
  return [...e.pattern.replaceAll(" ", "")].reduce((bits, c, i) => (c === "-" ? bits | (1 << (31 - i)) : bits), 0);
}
