// test/cpu/translate/half.test.ts — arithmetic that generated code does in two steps where Arm has one rounding, in all rounding
// modes: numbers that are near each other, near the ends of their format, or have few bits, as the interpreter has them.
import { expect, test } from "bun:test";
import type { Random } from "../../support/random.ts";
import { differences } from "./arithmetic.ts";

/** A half: no NaN but rarely, its fraction often of few bits. */
function half(random: Random, base: number): number {
  const exp = random.below(8) === 0 ? random.below(32) : Math.max(0, Math.min(30, base + random.below(5) - 2)), kind = random.below(4);
  const frac = kind === 0 ? 0 : kind === 1 ? 0x3ff : kind === 2 ? 1 << random.below(10) : random.below(1024);
  return (random.below(2) << 15) | (exp << 10) | (exp === 31 && random.below(2) === 0 ? 0 : frac);
}
const COUNT = Number(process.env["HV_TEST_HALVES"] ?? 30);

test("halves", () => {
  const { found } = differences(/(_h$|^FML[AS]L|^FCVT_[sd]h$|^FCVTL_v$)/, COUNT, (random, v) => {
    const base = random.below(32);
    for (let i = 0; i < 32; i++) v[i] = half(random, random.below(2) === 0 ? base : 15 + ((base - 15) >> 1));
  });
  expect(found.slice(0, 3)).toEqual([]);
});
test("fused products that are the middle of two halves, and a little more or less", () => {
  const { found } = differences(/^(FN?M(ADD|SUB)_h|FML[AS]_(v|ve|se)_h|FCMLA_v_h)$/, 4 * COUNT, (random, v) => {
    for (let i = 0; i < 8; i++) {
      const factor = 3 + 2 * random.below(24), other = Math.ceil(2048 / factor) | 1; // odd numbers, with a product of 12 bits
      const bits = (n: number, exp: number): number => {
        const top = 31 - Math.clz32(n);
        return (random.below(2) << 15) | ((exp + top) << 10) | ((n << (10 - top)) & 0x3ff);
      };
      v[16 + i] = bits(factor, 15 + random.below(3));
      v[24 + i] = bits(other, 8 + random.below(5));
      v[i] = v[8 + i] = random.below(2) << 15 | random.below(64); // denormals
    }
  });
  expect(found.slice(0, 3)).toEqual([]);
});
test("singles and doubles made halves: near halves and the middles of two", () => {
  const value = new DataView(new ArrayBuffer(8));
  const { found } = differences(/^FCVT_h[sd]$|^FCVTN_v$/, 20 * COUNT, (random, v) => {
    const single = random.below(2) === 0;
    for (let i = 0; i < 32; i += 4) {
      const exact = (random.below(2) === 0 ? 1 : -1) * (2048 + random.below(4096)) * 2 ** (random.below(48) - 40);
      const near = exact * (1 + (random.below(3) - 1) * 2 ** -(13 + random.below(40)));
      if (single) value.setFloat32(0, near, true);
      else value.setFloat64(0, near, true);
      for (let k = 0; k < 4; k++) v[i + k] = value.getUint16(2 * (single ? k & 1 : k), true);
    }
  });
  expect(found.slice(0, 3)).toEqual([]);
});
test("BFloat16", () => {
  const { found } = differences(/^BF(CVT|DOT|ML|MM)/, 10 * COUNT, (random, v) => {
    const base = random.below(3) === 0 ? random.below(256) : 120 + random.below(16), spread = 1 << random.below(6);
    for (let i = 0; i < 32; i++) {
      const exp = Math.max(0, Math.min(255, base + random.below(spread) - (spread >> 1))), frac = random.below(2) === 0 ? 1 << random.below(7) : random.u32();
      v[i] = (random.below(2) << 15) | (exp << 7) | (exp === 255 ? 0 : frac & 127);
    }
    for (let i = 8; i < 16; i += 2) v[i] = [0, 0x8000, 0x7fff, 1, random.u32()][random.below(5)] as number; // below singles' upper halves
  });
  expect(found.slice(0, 3)).toEqual([]);
});
