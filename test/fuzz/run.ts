// test/fuzz/run.ts — `npm run fuzz -- TARGET [--seed N] [--count M]`: cases from seed N on; `npm run fuzz -- --replay FILE`: the
// one of a crash file, see cases.ts. They lie in .fuzz.
import { join } from "node:path";
import { parseArgs } from "node:util";
import { readCrash, runCases } from "./cases.ts";
import { targets } from "./targets.ts";

const { values, positionals } = parseArgs({ allowPositionals: true, options: { seed: { type: "string", default: "1" }, count: { type: "string", default: "1000" }, replay: { type: "string" } } });
const crash = values.replay === undefined ? undefined : readCrash(values.replay);
const name = crash?.target ?? positionals[0] ?? "", target = Object.hasOwn(targets, name) ? targets[name] : undefined;
const seed = crash?.seed ?? Number(values.seed), count = crash === undefined ? Number(values.count) : 1;
if (target === undefined || positionals.length !== (crash === undefined ? 1 : 0) || !Number.isInteger(seed) || seed < 1 || !Number.isInteger(count) || count < 1) {
  console.error(`usage: npm run fuzz -- ${Object.keys(targets).join("|")} [--seed N] [--count M]\n       npm run fuzz -- --replay FILE`);
  process.exit(2);
}
const from = performance.now();
const failed = runCases(name, target, seed, count, join(import.meta.dir, "../../.fuzz"), line => console.log(line));
console.log(`${name}: ${count} cases from seed ${seed}, ${failed} failed, ${((performance.now() - from) / 1000).toFixed(1)} s`);
process.exit(failed === 0 ? 0 : 1);
