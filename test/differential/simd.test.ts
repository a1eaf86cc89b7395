// test/differential/simd.test.ts — every floating-point, SIMD and cryptographic encoding against qemu-aarch64, at fixed seeds.
// More: bun test/differential/simd.ts SEED CASES-PER-ENCODING [NAMES], or SEED CASES words.
import { beforeAll, expect, test } from "bun:test";
import { ensureDebianPackages } from "../support/packages.ts";
import { compare, compareWords, withRunner } from "./simd.ts";

const TIMEOUT = 600_000;
beforeAll(() => ensureDebianPackages(["qemu-user-static", "gcc-aarch64-linux-gnu"]), TIMEOUT);

test("random instructions leave the same state as under qemu", () => {
  const { cases, differences } = withRunner(runner => compare(runner, 1, 100));
  expect(differences.slice(0, 3)).toEqual([]);
  expect(cases).toBeGreaterThan(50_000);
}, TIMEOUT);

test("any other word of their space is unallocated for both", () => {
  const { cases, differences } = withRunner(runner => compareWords(runner, 1, 100_000));
  expect(differences.slice(0, 3)).toEqual([]);
  expect(cases).toBe(100_000);
}, TIMEOUT);
