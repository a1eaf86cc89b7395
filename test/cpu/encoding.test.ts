// test/cpu/encoding.test.ts — the encoding tables as data: no line hides another, and fields survive the way there and back.
import { describe, expect, test } from "bun:test";
import { compile, Decoder, encode, extract, ZR } from "../../src/cpu/a64/pattern.ts";
import { instructions } from "../../src/cpu/interpret/instructions.ts";
import { Random } from "../support/random.ts";

describe("all tables together", () => {
  test("names are unique", () => {
    const seen = new Set<string>();
    expect(instructions.filter(({ name }) => seen.size === seen.add(name).size).map(({ name }) => name)).toEqual([]);
  });
  test("where two lines match the same word, one is a special case of the other", () => {
    const wrong: string[] = [];
    instructions.forEach((a, i) => {
      for (const b of instructions.slice(i + 1)) {
        if (((a.value ^ b.value) & a.mask & b.mask) !== 0) continue; // they differ in a bit that both fix
        const shared = (a.mask & b.mask) >>> 0;
        if (a.mask === b.mask || (shared !== a.mask && shared !== b.mask)) wrong.push(`${a.name} and ${b.name}`);
      }
    });
    expect(wrong).toEqual([]);
  });
  test("the decoder finds for every line its own words", () => {
    const decoder = new Decoder(instructions);
    const random = new Random(7);
    const lost = instructions.filter(e => {
      for (let i = 0; i < 50; i++) {
        const word = ((random.u32() & ~e.mask) | e.value) >>> 0;
        const found = decoder.find(word);
        // another line may only win with more fixed bits
        if (found === undefined || (found.name !== e.name && ((found.mask & e.mask) >>> 0) !== e.mask)) return true;
      }
      return false;
    });
    expect(lost.map(e => e.name)).toEqual([]);
  });
  test("fields of any word encode back to it, but for bits that do not matter", () => {
    const random = new Random(8);
    const wrong = instructions.filter(e => {
      const fixed = encode(e, Object.fromEntries(e.fields.map(f => [f.letter, 0xffff_ffff]))) | encode(e, {});
      for (let i = 0; i < 50; i++) {
        const word = ((random.u32() & ~e.mask) | e.value) >>> 0;
        if (encode(e, extract(e, word)) !== (word & fixed) >>> 0) return true;
      }
      return false;
    });
    expect(wrong.map(e => e.name)).toEqual([]);
  });
});

describe("a pattern", () => {
  test("gives fields by letter, first letter most significant, adjacent or not", () => {
    const e = compile("TEST", "i 0000000000 iii 00000000000000 - ii 1");
    expect(extract(e, encode(e, { i: 0b101_110 }))).toEqual({ i: 0b101_110 });
    expect([encode(e, { i: 0b100_000 }), encode(e, { i: 1 })]).toEqual([0x8000_0001, 3]);
  });
  test("register 31 is ZR where the letter says so, and SP where it says that", () => {
    const e = compile("TEST", "0000000000000000000000 NNNNN ddddd");
    expect(extract(e, 0x3ff)).toEqual({ N: 31, d: ZR });
    expect(encode(e, { N: 31, d: ZR })).toBe(0x3ff);
  });
  test.each([["0", /32 bits/], ["0000000000000000000000000000000?", /32 bits/], ["00000000000000000000000000000ddd", /register d has 3 bits/]])("that is malformed is refused: %p", (pattern, message) => {
    expect(() => compile("TEST", pattern)).toThrow(message);
  });
});
