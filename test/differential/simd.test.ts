// test/differential/simd.test.ts — every floating-point, SIMD and cryptographic encoding against qemu-aarch64, at fixed seeds.
// More: bun test/differential/simd.ts SEED CASES-PER-ENCODING [NAMES], or SEED CASES words.
import { expect, test } from "bun:test";
import { compare, compareWords, missing, withRunner } from "./simd.ts";

const reason = missing();
test.skipIf(reason !== undefined)(`random instructions leave the same state as under qemu${reason === undefined ? "" : ` (skipped: ${reason})`}`, () => {
  const { cases, differences } = withRunner(runner => compare(runner, 1, 100));
  expect(differences.slice(0, 3)).toEqual([]);
  expect(cases).toBeGreaterThan(50_000);
});

test.skipIf(reason !== undefined)("any other word of their space is unallocated for both", () => {
  const { cases, differences } = withRunner(runner => compareWords(runner, 1, 100_000));
  expect(differences.slice(0, 3)).toEqual([]);
  expect(cases).toBe(100_000);
});
