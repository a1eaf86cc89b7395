// test/host/denied.test.ts — hosts that deny executable memory: to generated code, or to the whole program.
import { expect, test } from "bun:test";
import { join } from "node:path";
import { HV } from "../support/hv.ts";

const DENY = [process.execPath, join(import.meta.dir, "../support/deny-code.ts")];
const run = (command: readonly string[]): { code: number; stdout: string; stderr: string } => {
  const child = Bun.spawnSync([...command], { stdin: "ignore" });
  return { code: child.exitCode, stdout: child.stdout.toString(), stderr: child.stderr.toString() };
};

test("a host that refuses generated code gets the interpreter, and is told so", () => {
  const { code, stdout, stderr } = run(DENY);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(JSON.parse(stdout)).toMatchObject({ engine: "interpreter: this host refuses generated code", code: "HV-ACCEL-TRANSLATOR", exit: 3 });
});
test("a host that refuses executable memory from the start is named in one line", () => {
  const { code, stdout, stderr } = run([...DENY, ...HV, "run", "/dev/null"]);
  expect(code).toBe(3);
  expect(stdout).toBe("");
  expect(stderr).toMatch(/^hv: .*this host denies hv executable memory.*; .*\n$/);
  const doctor = run([...DENY, ...HV, "doctor", "--json"]);
  expect(JSON.stringify(JSON.parse(doctor.stdout))).toContain("denies hv executable memory");
});
