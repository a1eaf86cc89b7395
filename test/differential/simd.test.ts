// test/differential/simd.test.ts — every floating-point, SIMD and cryptographic encoding against qemu-aarch64, at fixed seeds.
// More: bun test/differential/simd.ts SEED CASES-PER-ENCODING [NAMES].
import { expect, test } from "bun:test";
import { buildRunner, compare, missing } from "./simd.ts";

const reason = missing();
test.skipIf(reason !== undefined)(`random instructions leave the same state as under qemu${reason === undefined ? "" : ` (skipped: ${reason})`}`, () => {
  const { cases, differences } = compare(buildRunner(), 1, 100);
  expect(differences.slice(0, 3)).toEqual([]);
  expect(cases).toBeGreaterThan(50_000);
});
