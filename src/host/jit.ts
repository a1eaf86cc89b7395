// src/host/jit.ts — how hard the JavaScript engine tries to optimise hv itself. Its last tier (FTL) compiles in threads of
// its own: for the second and a half of a boot on generated code it costs as much again as everything else and saves
// nothing (measured: 2.5 s of CPU time to the prompt with it, 1.8 s without, the same wall time). The engine reads its options
// from the environment, once, when the process starts. So hv starts itself over, in the same process, before anything
// else has happened. The interpreter is another matter: it lives on that tier.
import { readFileSync } from "node:fs";
import { executeProgram } from "../../ffi/posix.ts";

/** How often a function must have run before the last tier is tried; the engine's own value is 100,000. */
const OPTION = "BUN_JSC_thresholdForFTLOptimizeAfterWarmUp";
const THRESHOLD = "20000000";

/** Starts hv over when `words` (its arguments) ask for a run on generated code. Returns when there is nothing to do or it fails. */
export function settleJit(words: readonly string[]): void {
  if (process.platform !== "linux" || process.arch !== "x64" || words[0] !== "run") return;
  if (process.env[OPTION] !== undefined || words.some(word => word.includes("engine=interpreter"))) return;
  try {
    const args = readFileSync("/proc/self/cmdline", "utf8").split("\0").slice(0, -1);
    if (args.length === 0) return;
    const environment = Object.entries(process.env).map(([name, value]) => `${name}=${value ?? ""}`);
    executeProgram("/proc/self/exe", args, [...environment, `${OPTION}=${THRESHOLD}`]);
  } catch { /* then with the engine's own settings */ }
}
