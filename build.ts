// build.ts — `npm run build`: hv for this host as one executable, dist/hv, started once to see that it works.
// The machine thread is an entry of its own: a Worker's address is relative to the root of the entries (src).
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import manifest from "./package.json" with { type: "json" };

/** Builds the executable at `outfile`; throws with the builder's own words. */
export async function build(outfile: string): Promise<void> {
  const built = await Bun.build({
    entrypoints: [join(import.meta.dir, "src/main.ts"), join(import.meta.dir, "src/machine-thread.ts"), join(import.meta.dir, "src/hypervisor-thread.ts")],
    root: join(import.meta.dir, "src"),
    // Without ESM the bytecode is broken silently; without the two switches the executable would obey files in the
    // directory it is started in.
    format: "esm", bytecode: true, minify: { whitespace: true, syntax: true }, sourcemap: "inline",
    compile: { outfile, autoloadDotenv: false, autoloadBunfig: false },
    throw: false,
  });
  if (!built.success) throw new Error(`the build failed:\n${built.logs.map(String).join("\n")}`);
  // The maps are in the executable; the copies beside it are of no use.
  for (const name of readdirSync(dirname(outfile))) if (name.endsWith(".map")) rmSync(join(dirname(outfile), name));
  for (const [args, expected] of [[["--version"], `${manifest.version}\n`], [["doctor", "--json"], '"name": "software"']] as const) {
    const run = Bun.spawnSync([outfile, ...args], { cwd: "/", env: {} });
    if (run.exitCode !== 0 || !run.stdout.toString().includes(expected)) throw new Error(`${outfile} ${args.join(" ")} does not work (exit code ${run.exitCode}):\n${run.stdout.toString()}${run.stderr.toString()}`);
  }
}

if (import.meta.main) {
  const outfile = join(import.meta.dir, "dist/hv");
  mkdirSync(join(import.meta.dir, "dist"), { recursive: true });
  await build(outfile);
  console.log(`${outfile}: ${(Bun.file(outfile).size / 2 ** 20).toFixed(1)} MiB, hv ${manifest.version} for ${process.platform} on ${process.arch}`);
}
