// test/fuzz/fuzz.test.ts — every fuzz target with fixed seeds; `npm run fuzz` takes others.
import { expect, test } from "bun:test";
import { targets } from "./targets.ts";

test.each(Object.entries(targets))("%s: 150 cases", (_, target) => {
  for (let seed = 1; seed <= 150; seed++) expect(() => target(seed), `seed ${seed}`).not.toThrow();
}, 60_000);
