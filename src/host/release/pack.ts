// src/host/release/pack.ts — what a release is handed out in: archives, a Homebrew formula, npm packages.
// Spec: POSIX.1-1988 ustar (one entry), package.json of npm (os, cpu, optionalDependencies). The same bytes every time:
// no times, no owners. Left out: uploading.
import { createHash } from "node:crypto";
import { copyFileSync, chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { targets, type Target } from "./targets.ts";

const BLOCK = 512;

/** A ustar archive of one executable. */
export function tarOf(name: string, content: Uint8Array): Uint8Array {
  const archive = new Uint8Array(BLOCK + Math.ceil(content.length / BLOCK) * BLOCK + 2 * BLOCK);
  const put = (at: number, text: string): void => { archive.set(new TextEncoder().encode(text), at); };
  const octal = (at: number, width: number, value: number): void => put(at, value.toString(8).padStart(width - 1, "0"));
  put(0, name);
  octal(100, 8, 0o755);
  octal(108, 8, 0);
  octal(116, 8, 0);
  octal(124, 12, content.length);
  octal(136, 12, 0);
  put(148, "        0ustar\0" + "00"); // checksum as blanks, regular file, magic, version
  put(148, `${archive.subarray(0, BLOCK).reduce((sum, byte) => sum + byte, 0).toString(8).padStart(6, "0")}\0 `);
  archive.set(content, BLOCK);
  return archive;
}

/** A formula for a tap; URL is for the publisher to replace. */
export function formula(version: string, sums: Readonly<Record<Target, string>>): string {
  const source = (target: Target, indent: string): string => `${indent}url "URL/hv-${target}.tar.gz"\n${indent}sha256 "${sums[target]}"\n`;
  return `class Hv < Formula
  desc "Virtual machine monitor for arm64 guests"
  homepage "URL"
  version "${version}"
  license "MIT"
  on_macos do
    depends_on arch: :arm64
${source("darwin-arm64", "    ")}  end
  on_linux do
    on_intel do
${source("linux-x64", "      ")}    end
    on_arm do
${source("linux-arm64", "      ")}    end
  end
  def install
    bin.install "hv"
  end
  test do
    assert_match version.to_s, shell_output("#{bin}/hv --version")
  end
end
`;
}

/** Starts the executable that npm took for this host, as if it were it: output, signals and exit code pass through. */
const LAUNCHER = `#!/usr/bin/env node
// Starts hv for this host.
const { spawn } = require("node:child_process");
const name = "hv-" + process.platform + "-" + process.arch;
let file;
try {
  file = require.resolve(name + "/hv");
} catch {
  console.error("hv: there is no executable for " + process.platform + " on " + process.arch + " (package " + name + ")");
  process.exit(3);
}
// first, or a signal that comes as soon as hv runs would end this process alone; handlers run when all of this has
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"]) process.on(signal, () => child.kill(signal));
const child = spawn(file, process.argv.slice(2), { stdio: "inherit" });
child.on("error", error => { console.error("hv: " + error.message); process.exit(125); });
child.on("exit", (code, signal) => { process.exit(code === null ? 128 + (require("node:os").constants.signals[signal] || 0) : code); });
`;

const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;

/** npm packages under `directory`: one per platform, and the one that has them as optional dependencies. */
export function packNpm(directory: string, version: string, executable: (target: Target) => string): void {
  const common = { version, license: "MIT", description: "A virtual machine monitor for arm64 guests" };
  rmSync(directory, { recursive: true, force: true });
  for (const target of targets) {
    const [os, cpu] = target.split("-"), place = join(directory, `hv-${target}`);
    mkdirSync(place, { recursive: true });
    copyFileSync(executable(target), join(place, "hv"));
    chmodSync(join(place, "hv"), 0o755);
    writeFileSync(join(place, "package.json"), json({ name: `hv-${target}`, ...common, os: [os], cpu: [cpu], files: ["hv"], preferUnplugged: true }));
  }
  mkdirSync(join(directory, "hv"));
  writeFileSync(join(directory, "hv/hv.js"), LAUNCHER, { mode: 0o755 });
  writeFileSync(join(directory, "hv/package.json"), json({
    name: "hv", ...common, bin: { hv: "hv.js" }, files: ["hv.js"], optionalDependencies: Object.fromEntries(targets.map(target => [`hv-${target}`, version])),
  }));
}

/** Archives, formula and packages beside the executables hv-<target> in a directory. Returns the names of the archives. */
export function packAll(directory: string, version: string): string[] {
  const path = (target: Target): string => join(directory, `hv-${target}`);
  const sums = {} as Record<Target, string>;
  for (const target of targets) {
    const archive = gzipSync(tarOf("hv", readFileSync(path(target))), { level: 6 });
    archive[9] = 255; // the system that packed it: unknown
    sums[target] = createHash("sha256").update(archive).digest("hex");
    writeFileSync(`${path(target)}.tar.gz`, archive);
  }
  writeFileSync(join(directory, "hv.rb"), formula(version, sums));
  packNpm(join(directory, "npm"), version, path);
  return targets.map(target => `hv-${target}.tar.gz`);
}
