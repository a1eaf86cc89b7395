// test/support/bare.ts — the guest of test/guests/bare as an Image, and what it says of each case.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { exclusions, type Hypervisor } from "../guests/bare/exclusions.ts";
import { ensureDebianPackages } from "./packages.ts";

const SOURCES = join(import.meta.dir, "../guests/bare");
/** Builds it into a directory; gives the path of the Image. `defines`: NAME=VALUE. */
export function buildBare(place: string, defines: readonly string[] = []): string {
  ensureDebianPackages(["gcc-aarch64-linux-gnu"]);
  const elf = join(place, "bare.elf"), image = join(place, "bare.img");
  for (const words of [
    ["aarch64-linux-gnu-gcc", "-O1", "-ffreestanding", "-nostdlib", "-static", "-fno-pie", "-no-pie", "-mgeneral-regs-only", "-mstrict-align", "-Wall", "-Wextra", "-Werror", ...defines.map(one => `-D${one}`),
      "-Wl,--build-id=none", "-Wl,-T", join(SOURCES, "bare.lds"), "-o", elf, ...["start.S", "main.c", "core.c", "board.c", "mmu.c", "pmu.c"].map(name => join(SOURCES, name))],
    ["aarch64-linux-gnu-objcopy", "-O", "binary", elf, image],
  ]) {
    const built = Bun.spawnSync(words);
    if (built.exitCode !== 0) throw new Error(built.stderr.toString());
  }
  return image;
}

/** One case: its row of the hostile inputs, the rule that it checks, its name, what came of it. */
export interface Case { readonly row: string; readonly rule: string; readonly name: string; readonly ok: boolean; readonly seen: string }
/** The cases in a guest's output. Throws when it did not come to its end. */
export function casesOf(output: string): readonly Case[] {
  const lines = output.split(/\r*\n/);
  if (!lines.includes("end")) throw new Error(`the guest did not come to its end:\n${output}`);
  return lines.flatMap(line => {
    const found = /^(not )?ok ([^|]*) \| ([^|]*) \| ([^|]*?)(?: \| (.*))?$/.exec(line);
    return found === null ? [] : [{ row: found[2] as string, rule: found[3] as string, name: found[4] as string, ok: found[1] === undefined, seen: found[5] ?? "" }];
  });
}

/** What docs/fidelity.md has in a column, by case; also "held", their number. */
export function documentedCells(column: string): ReadonlyMap<string, string> {
  const rows = readFileSync(join(import.meta.dir, "../../docs/fidelity.md"), "utf8").split("\n").filter(line => line.startsWith("| ")).map(line => line.slice(2, -2).split(" | "));
  const at = (rows[0] as string[]).indexOf(column), shift = (rows[0] as string[]).length;
  return new Map(at < 0 ? [] : rows.slice(1).flatMap(row => {
    const name = row.length === shift ? row[2] : row.includes("held") ? "held" : undefined; // its first two cells are empty
    return name === undefined ? [] : [[name, row[row.length - shift + at] as string] as const];
  }));
}
/** The names of the cases that docs/fidelity.md has for a controller: those of the interpreter. */
export function documentedCases(gic: 2 | 3): readonly string[] {
  return [...documentedCells("interpreter")].filter(([name, cell]) => name !== "held" && !cell.split(" / ")[gic === 2 ? 0 : 1]?.startsWith("–")).map(([name]) => name);
}
export interface Judgement {
  /** Not ok, and not among the exclusions. */
  readonly broken: readonly Case[];
  /** Documented, not excluded, and not seen. */
  readonly missing: readonly string[];
  /** Excluded, and ok all the same: some are by chance. */
  readonly held: readonly string[];
  /** The others that are ok. */
  readonly ok: number;
  readonly excluded: number;
}
export const excludedCases = (backend: Hypervisor, gic: 2 | 3): ReadonlySet<string> => new Set(exclusions.filter(one => one.backend === backend && one.gic.includes(gic)).flatMap(one => one.cases));
/** Holds the cases of a run on a hypervisor to the documented ones and the exclusions. */
export function judge(cases: readonly Case[], backend: Hypervisor, gic: 2 | 3): Judgement {
  const excluded = excludedCases(backend, gic);
  const seen = new Set(cases.map(one => one.name));
  return {
    broken: cases.filter(one => !one.ok && !excluded.has(one.name)), missing: documentedCases(gic).filter(name => !seen.has(name) && !excluded.has(name)),
    held: cases.filter(one => one.ok && excluded.has(one.name)).map(one => one.name), ok: cases.filter(one => one.ok && !excluded.has(one.name)).length, excluded: excluded.size,
  };
}
