// test/build.test.ts — the executable: one file, alone in a directory, boots Linux to a shell and ends as it should.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "../build.ts";
import { debianKernel } from "./support/debian.ts";
import { hvHome } from "../src/host/debian/pull.ts";

let place: string, executable: string;
beforeAll(async () => {
  place = mkdtempSync(join(tmpdir(), "hv-build-"));
  executable = join(place, "hv");
  await build(executable);
}, 120_000);
afterAll(() => rmSync(place, { recursive: true, force: true }));

describe("the executable", () => {
  test("is one file", () => {
    expect(readdirSync(place)).toEqual(["hv"]);
  });
  test("boots Debian's kernel to the prompt, answers what is piped in, and ends with 0", async () => {
    await debianKernel("6.1");
    const child = Bun.spawn([executable, "run", "debian", "--cmdline", "console=ttyAMA0 earlycon"], {
      cwd: place, env: { HV_HOME: hvHome() }, stdin: new TextEncoder().encode("uname -r\necho $((6*7))\npoweroff -f\n"), stdout: "pipe", stderr: "pipe",
    });
    const [stdout, stderr, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(/\/ # .*uname -r\r\n6\.1\.\d+-\d+-arm64\r\n/);
    expect(stdout).toMatch(/\/ # .*echo \$\(\(6\*7\)\)\r\n42\r\n/);
    expect(stdout).toContain("reboot: Power down");
    expect(readdirSync(place)).toEqual(["hv"]);
  }, 180_000);
  test("obeys no configuration in the directory it is started in", () => {
    const trap = join(place, "trap");
    mkdirSync(trap);
    writeFileSync(join(trap, "bunfig.toml"), 'preload = ["./evil.ts"]\n');
    writeFileSync(join(trap, "evil.ts"), "process.exit(66);\n");
    writeFileSync(join(trap, ".env"), "HV_HOME=/nowhere\n");
    expect(Bun.spawnSync([executable, "--version"], { cwd: trap, env: {} }).exitCode).toBe(0);
  });
});
