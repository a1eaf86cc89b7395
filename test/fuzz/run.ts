// test/fuzz/run.ts — `npm run fuzz -- TARGET [--seed N] [--count M]`: cases from seed N on. What goes wrong is written to
// .fuzz/TARGET-SEED.txt with the line that does it again; a seed is all that a case is made of.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { targets } from "./targets.ts";

const { values, positionals } = parseArgs({ allowPositionals: true, options: { seed: { type: "string", default: "1" }, count: { type: "string", default: "1000" } } });
const [name = ""] = positionals, target = Object.hasOwn(targets, name) ? targets[name] : undefined, seed = Number(values.seed), count = Number(values.count);
if (target === undefined || positionals.length !== 1 || !Number.isInteger(seed) || seed < 1 || !Number.isInteger(count) || count < 1) {
  console.error(`usage: npm run fuzz -- ${Object.keys(targets).join("|")} [--seed N] [--count M]`);
  process.exit(2);
}
const directory = join(import.meta.dir, "../../.fuzz");
let failed = 0;
const from = performance.now();
for (let n = seed; n < seed + count; n++) {
  try {
    target(n);
  } catch (error) {
    failed++;
    const again = `npm run fuzz -- ${name} --seed ${n} --count 1`;
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, `${name}-${n}.txt`), `${again}\n${error instanceof Error ? error.stack ?? error.message : String(error)}\n`);
    console.log(`seed ${n}: ${error instanceof Error ? error.message.split("\n")[0] : String(error)}\n  again: ${again}`);
  }
}
console.log(`${name}: ${count} cases from seed ${seed}, ${failed} failed, ${((performance.now() - from) / 1000).toFixed(1)} s`);
process.exit(failed === 0 ? 0 : 1);
