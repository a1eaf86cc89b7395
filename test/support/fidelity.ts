// test/support/fidelity.ts — the bare-metal suite of test/guests/fidelity: builds it, and runs it on a machine of ours. Its cases are
// "ok NAME" or "not ok NAME: detail", and it ends by a reset with other cores running: the second boot's first line is the last.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { VirtualMachine, type MachineOptions } from "../../src/library.ts";
import { ensureDebianPackages } from "./packages.ts";

const GUEST = join(import.meta.dir, "../guests/fidelity");
/** A case: its name, and what was wrong ("" when it holds). */
export interface Case { readonly name: string; readonly detail: string }

/** The suite as an arm64 Image. */
export function buildSuite(): Uint8Array {
  ensureDebianPackages(["gcc-aarch64-linux-gnu"]);
  const place = mkdtempSync(join(tmpdir(), "hv-fidelity-"));
  try {
    const run = (command: readonly string[]): void => {
      const done = Bun.spawnSync([...command], { cwd: GUEST });
      if (done.exitCode !== 0) throw new Error(done.stderr.toString());
    };
    run(["aarch64-linux-gnu-gcc", "-O1", "-ffreestanding", "-nostdlib", "-static", "-fno-pic", "-no-pie", "-fno-stack-protector", "-mgeneral-regs-only", "-mno-outline-atomics", "-mstrict-align", "-Wl,-T,link.ld", "-Wl,--build-id=none", "-o", join(place, "suite.elf"), "start.S", "main.c", "gic.c", "edges.c", "core.c"]);
    run(["aarch64-linux-gnu-objcopy", "-O", "binary", join(place, "suite.elf"), join(place, "suite")]);
    return new Uint8Array(readFileSync(join(place, "suite")));
  } finally {
    rmSync(place, { recursive: true });
  }
}
/** What a console's text says of each case; the last line's case (after the reset) is told apart by " (2)". */
export function casesOf(text: string): Case[] {
  const seen = new Set<string>();
  return [...text.matchAll(/^ *(not )?ok ([^\r\n]*)\r?\n/gm)].map(([, not, rest = ""]) => {
    const at = not === undefined ? -1 : rest.lastIndexOf(": ");
    let name = at < 0 ? rest : rest.slice(0, at);
    if (seen.has(name)) name += " (2)";
    seen.add(name);
    return { name, detail: not === undefined ? "" : at < 0 ? "failed" : rest.slice(at + 2) };
  });
}
/** The suite has said all there is: the first case after its reset. */
export const ENDED: RegExp = /reset\r\n[^]*boot\r\n[^\n]*ok [^\n]*\n/;

/** Runs the suite on hv with 4 cores. */
export async function runSuite(kernel: Uint8Array, options: Omit<MachineOptions, "cpus">, timeout = 60_000): Promise<Case[]> {
  const vm = await VirtualMachine.start({ kernel, cpus: 4, memory: "128M", ...options });
  try {
    await vm.console.expect(ENDED, { timeout });
  } catch { /* the cases that are there tell how far it came */ } finally {
    await vm.close();
  }
  const { text } = vm.console, end = ENDED.exec(text);
  return casesOf(end === null ? text : text.slice(0, end.index + end[0].length));
}
