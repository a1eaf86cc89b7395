// test/release.test.ts — the executables of all platforms, built here: the same bytes every time, signed where that is
// needed, and started where that can be: the arm64 one under an emulator.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import manifest from "../package.json" with { type: "json" };
import { buildAll } from "../build.ts";
import { arm64Runner, ensureArm64Programs, ensureDebianPackages } from "./support/packages.ts";
import { echoKernel } from "./support/hv.ts";

const NAMES = ["hv-darwin-arm64", "hv-linux-arm64", "hv-linux-x64"];
const VERIFIER = join(import.meta.dir, "support/verify-macho.py");
let place: string, again: string, mac: string;
beforeAll(async () => {
  ensureDebianPackages(["python3"]);
  ensureArm64Programs();
  [place, again] = [mkdtempSync(join(tmpdir(), "hv-release-")), mkdtempSync(join(tmpdir(), "hv-again-"))];
  mac = join(place, "hv-darwin-arm64");
  expect((await buildAll(place)).map(({ target, tried }) => `${target} ${tried}`)).toEqual(["darwin-arm64 false", "linux-arm64 true", "linux-x64 true"]);
}, 600_000);
afterAll(() => { for (const one of [place, again]) rmSync(one, { recursive: true, force: true }); });

describe("npm run build -- --all", () => {
  test("makes one file per platform, and their sums", () => {
    expect(readdirSync(place).toSorted()).toEqual(["SHA256SUMS", ...NAMES]);
    expect(NAMES.map(name => statSync(join(place, name)).mode & 0o111)).toEqual([0o111, 0o111, 0o111]);
    const { exitCode, stdout } = Bun.spawnSync(["sha256sum", "-c", "SHA256SUMS"], { cwd: place });
    expect([exitCode, stdout.toString()]).toEqual([0, NAMES.map(name => `${name}: OK\n`).join("")]);
  });
  test("makes the same bytes in another place", async () => {
    await buildAll(again);
    expect(readFileSync(join(again, "SHA256SUMS"), "utf8")).toBe(readFileSync(join(place, "SHA256SUMS"), "utf8"));
  }, 120_000);
  test("linux-arm64 boots a kernel under an emulator, and ends as it should", async () => {
    const kernel = join(again, "kernel");
    writeFileSync(kernel, echoKernel());
    const child = Bun.spawn([...arm64Runner, join(place, "hv-linux-arm64"), "run", kernel, "-m", "16M"], { stdin: new TextEncoder().encode("hiq"), stdout: "pipe", stderr: "pipe", env: {} });
    const [stdout, stderr, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
    expect([code, stdout, stderr]).toEqual([0, "ready\r\nhi", ""]);
  }, 120_000);
});

describe("the executable for macOS", () => {
  const verify = (path: string): { code: number; text: string } => {
    const run = Bun.spawnSync(["python3", VERIFIER, path]);
    return { code: run.exitCode, text: run.stdout.toString().trim() };
  };
  test("is signed with the hypervisor entitlement, and every page of it is what was signed", () => {
    const { code, text } = verify(mac);
    expect([code, text.slice(0, 1)]).toEqual([0, "{"]);
    const found = JSON.parse(text) as { identifier: string; flags: number; entitlements: unknown; codeLimit: number; pages: number; segments: string[] };
    expect([found.identifier, found.flags, found.entitlements]).toEqual(["hv", 2, { "com.apple.security.hypervisor": true }]);
    expect(found.pages).toBe(Math.ceil(found.codeLimit / 4096));
    expect(found.segments).toContain("__BUN");
  });
  test.each(["the header", "the middle", "the last page", "an entitlement", "the signature's end"])("a changed byte is seen: %s", where => {
    const bytes = readFileSync(mac), { codeLimit } = JSON.parse(verify(mac).text) as { codeLimit: number };
    const at = where === "the header" ? 20 : where === "the middle" ? bytes.length >> 1 : where === "the last page" ? codeLimit - 1 : where === "an entitlement" ? bytes.lastIndexOf("<true/>") : bytes.length - 20;
    bytes[at] = (bytes[at] as number) ^ 1;
    const broken = join(again, "broken");
    writeFileSync(broken, bytes);
    expect(verify(broken).code).toBe(1);
  });
  test("holds the program", () => {
    expect(readFileSync(mac).includes(`"${manifest.version}"`)).toBe(true);
  });
});
