// test/fuzz/cases.ts — runs cases of a target from a seed on. What goes wrong is written to DIRECTORY/TARGET-SEED.txt, whose first
// line is the command that does it again: a seed is all that a case is made of. The case at work stands in
// DIRECTORY/TARGET-running.txt, which a process that dies or is ended because it hangs leaves behind.
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";

export const commandOf = (target: string, seed: number): string => `npm run fuzz -- ${target} --seed ${seed} --count 1`;
/** What a crash file is about; throws for what is none. */
export function readCrash(path: string): { readonly target: string; readonly seed: number } {
  const found = /^npm run fuzz -- (\S+) --seed (\d+) --count 1\s*$/m.exec(readFileSync(path, "utf8"));
  if (found === null) throw new Error(`${path}: is no crash file: its first line is no command`);
  return { target: found[1] as string, seed: Number(found[2]) };
}
/** The number of cases that failed. */
export function runCases(name: string, target: (seed: number) => void, seed: number, count: number, directory: string, say: (line: string) => void): number {
  mkdirSync(directory, { recursive: true });
  const running = join(directory, `${name}-running.txt`), fd = openSync(running, "w");
  let failed = 0;
  for (let n = seed; n < seed + count; n++) {
    const again = commandOf(name, n);
    writeSync(fd, `${again.padEnd(120)}\n`, 0);
    try {
      target(n);
    } catch (error) {
      failed++;
      const path = join(directory, `${name}-${n}.txt`);
      writeFileSync(path, `${again}\n${error instanceof Error ? error.stack ?? error.message : String(error)}\n`);
      say(`seed ${n}: ${error instanceof Error ? error.message.split("\n")[0] : String(error)}\n  again: ${again}\n  kept: ${path}`);
    }
  }
  closeSync(fd);
  rmSync(running);
  return failed;
}
