// test/run.ts — `npm test`: types, then every test; the last line is "N passed, N failed".
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const root = join(import.meta.dir, "..");
const run = async (command: readonly string[]): Promise<number> =>
  await Bun.spawn([...command], { cwd: root, stdin: "ignore", stdout: "inherit", stderr: "inherit" }).exited;

const filters = process.argv.slice(2);
const place = mkdtempSync(join(tmpdir(), "hv-test-"));
try {
  const types = await run([join(root, "node_modules/.bin/tsc"), "--noEmit"]);
  if (types !== 0) {
    console.log("the types do not hold: no test was run\n0 passed, 1 failed");
    process.exit(1);
  }
  const report = join(place, "junit.xml");
  const code = await run([process.execPath, "test", "--reporter=junit", `--reporter-outfile=${report}`, ...filters]);
  let passed = 0, failed = 0;
  try {
    const [head = ""] = /<testsuites [^>]*>/.exec(readFileSync(report, "utf8")) ?? [];
    const count = (name: string): number => Number(new RegExp(` ${name}="(\\d+)"`).exec(head)?.[1] ?? NaN);
    failed = count("failures");
    passed = count("tests") - failed - count("skipped");
  } catch { /* there is no report: counted below */ }
  // An error outside of any test (a file that does not load) is a failure too; and so is a run without tests.
  if (!Number.isInteger(passed) || passed <= 0) {
    console.log("no test passed: that is no success");
    passed = Number.isInteger(passed) ? Math.max(passed, 0) : 0;
    failed = Math.max(Number.isInteger(failed) ? failed : 0, 1);
  }
  if (code !== 0) failed = Math.max(failed, 1);
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 ? 0 : 1;
} finally {
  rmSync(place, { recursive: true, force: true });
}
