// test/support/arm64-bun.ts — Bun for arm64 Linux, from its npm package, run under an emulator.
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import manifest from "../../package.json" with { type: "json" };
import { arm64Runner, ensureArm64Programs } from "./packages.ts";

const version = manifest.devDependencies.bun;
const cache = join(import.meta.dir, "../../node_modules/.cache/hv"), bun = join(cache, `bun-linux-aarch64-${version}`);

/** How it is started; fetched once. */
export function arm64Bun(): readonly string[] {
  if (process.arch === "arm64") return [process.execPath];
  ensureArm64Programs();
  if (!existsSync(bun)) {
    mkdirSync(cache, { recursive: true });
    const place = mkdtempSync(join(tmpdir(), "hv-arm64-bun-"));
    try {
      for (const command of [["npm", "pack", `@oven/bun-linux-aarch64@${version}`, "--silent"], ["sh", "-c", "tar xzf *.tgz"]]) {
        const run = Bun.spawnSync(command, { cwd: place });
        if (run.exitCode !== 0) throw new Error(`${command.join(" ")}: ${run.stderr.toString()}`);
      }
      Bun.spawnSync(["mv", join(place, "package/bin/bun"), `${bun}.new`]); // maybe from another file system
      renameSync(`${bun}.new`, bun);
    } finally {
      rmSync(place, { recursive: true, force: true });
    }
  }
  return [...arm64Runner, bun];
}
