// test/cli/crash.test.ts — a bug in hv: exit code 125, one line, and a report with what happened.
import { expect, test } from "bun:test";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { debianKernel } from "../support/debian.ts";

test("generated code that fails ends hv with 125 and a report", async () => {
  const { kernel, initramfs } = await debianKernel("6.1");
  const root = join(import.meta.dir, "../..");
  const child = Bun.spawnSync([process.execPath, "--preload", join(root, "test/support/poison.ts"), join(root, "src/main.ts"), "run", kernel, "--initrd", initramfs], { stdin: "ignore" });
  const said = child.stderr.toString();
  expect(child.exitCode).toBe(125);
  const [, path = ""] = /^ +a report is in (\S+)$/m.exec(said) ?? [];
  expect(said).toMatch(/^hv: internal error: the machine thread broke: Error: generated code failed: SIGSEGV at host address 0x[0-9a-f]+/m);
  const report = readFileSync(path, "utf8");
  rmSync(path);
  for (const part of [/^arguments: \["run"/m, /^guest pc [0-9a-f]{16}, instruction \d+ of the block at/m, /^guest code: /m, /^host code from offset/m, /^cpu 0 \(on\): pc [0-9a-f]{16}/m, /^exits: /m, /^last device accesses:/m]) {
    expect(report).toMatch(part);
  }
}, 30_000);
