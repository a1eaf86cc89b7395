// test/support/bare.ts — the guest of test/guests/bare as an Image, and what it says of each case.
import { join } from "node:path";
import { ensureDebianPackages } from "./packages.ts";

const SOURCES = join(import.meta.dir, "../guests/bare");
/** Builds it into a directory; gives the path of the Image. */
export function buildBare(place: string): string {
  ensureDebianPackages(["gcc-aarch64-linux-gnu"]);
  const elf = join(place, "bare.elf"), image = join(place, "bare.img");
  for (const words of [
    ["aarch64-linux-gnu-gcc", "-O1", "-ffreestanding", "-nostdlib", "-static", "-fno-pie", "-no-pie", "-mgeneral-regs-only", "-mstrict-align", "-Wall", "-Wextra", "-Werror",
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
