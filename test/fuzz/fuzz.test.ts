// test/fuzz/fuzz.test.ts — every fuzz target with fixed seeds; `npm run fuzz` takes others. And what is kept of a case that fails.
import { expect, test } from "bun:test";
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readCrash, runCases } from "./cases.ts";
import { targets } from "./targets.ts";

test.each(Object.entries(targets))("%s: 150 cases", (_, target) => {
  for (let seed = 1; seed <= 150; seed++) expect(() => target(seed), `seed ${seed}`).not.toThrow();
}, 60_000);

test("a case that fails leaves a file that says how to do it again, and so does one that ends the process", () => {
  const place = mkdtempSync(join(tmpdir(), "hv-fuzz-")), said: string[] = [], crash = join(place, "queue-7.txt");
  try {
    let seen: unknown;
    const failed = runCases("queue", seed => {
      if (seed === 6) seen = readCrash(join(place, "queue-running.txt")); // as somebody finds it who has ended this process
      if (seed === 7) throw new Error("seven");
    }, 5, 4, place, line => said.push(line));
    expect([failed, seen, readdirSync(place), readCrash(crash)]).toEqual([1, { target: "queue", seed: 6 }, ["queue-7.txt"], { target: "queue", seed: 7 }]);
    expect([said.length, readFileSync(crash, "utf8")]).toEqual([1, expect.stringMatching(/^npm run fuzz -- queue --seed 7 --count 1\nError: seven\n/)]);
    const again = Bun.spawnSync([process.execPath, join(import.meta.dir, "run.ts"), "--replay", crash]); // of a case that does not fail any more
    expect([again.exitCode, again.stdout.toString()]).toEqual([0, expect.stringContaining("queue: 1 cases from seed 7, 0 failed")]);
    writeFileSync(crash, "nothing of ours\n");
    expect(() => readCrash(crash)).toThrow("is no crash file");
  } finally {
    rmSync(place, { recursive: true });
  }
});
