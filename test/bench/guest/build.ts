// test/bench/guest/build.ts — the benchmark's guest programs: one static arm64 executable, from the C files here, added to
// an initramfs as /bin/bench.
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { directory, file, writeCpio } from "../../../src/boot/cpio.ts";
import { ensureDebianPackages } from "../../support/packages.ts";

const COMPILER = "aarch64-linux-gnu-gcc";

/** Builds into `place`; returns the executable. */
export function buildPrograms(place: string): string {
  ensureDebianPackages(["gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross"]);
  mkdirSync(place, { recursive: true });
  const sources = readdirSync(import.meta.dir).filter(name => name.endsWith(".c")).map(name => join(import.meta.dir, name));
  const program = join(place, "bench");
  const built = Bun.spawnSync([COMPILER, "-O2", "-static", "-Wall", "-Wextra", "-Werror", "-o", program, ...sources, "-lm"]);
  if (built.exitCode !== 0) throw new Error(`the guest programs do not compile:\n${built.stderr.toString()}`);
  return program;
}
/** The names of the rows in a table of the C files: "integer", "float", "system". */
export function rowNames(table: string): string[] {
  const source = readFileSync(join(import.meta.dir, `${table}.c`), "utf8");
  return [...source.slice(source.indexOf(`struct row ${table}_rows`)).matchAll(/\{ "([a-z0-9-]+)",/g)].map(([, name = ""]) => name);
}
/** Writes an initramfs with the programs behind another one. */
export function withPrograms(initramfs: string, program: string, output: string): void {
  const added = writeCpio([directory("bin"), file("bin/bench", readFileSync(program), 0o755)]);
  writeFileSync(output, Buffer.concat([readFileSync(initramfs), added]));
}
