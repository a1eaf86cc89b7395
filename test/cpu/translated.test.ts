// test/cpu/translated.test.ts — the tests of the bare core once more, with generated code in the interpreter's place.
import { expect, test } from "bun:test";
import { join } from "node:path";

const FILES = ["exception", "mmu", "mmio", "timer", "features"];

test("exceptions, translation, device accesses, timers and optional features are the same on generated code", () => {
  const run = Bun.spawnSync([process.execPath, "test", ...FILES.map(name => join(import.meta.dir, `${name}.test.ts`))], {
    env: { ...process.env, HV_TEST_ENGINE: "translator" }, stderr: "pipe",
  });
  const output = run.stderr.toString();
  expect(output.split("\n").filter(line => line.startsWith("(fail)"))).toEqual([]);
  expect(Number(/(\d+) pass/.exec(output)?.[1])).toBeGreaterThan(400);
  expect(run.exitCode).toBe(0);
}, 120_000);
