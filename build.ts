// build.ts — `npm run build`: hv for this host as one executable, dist/hv. With --all: for every platform, from any host,
// with their checksums; the macOS one is signed; --pack adds
// archives, a Homebrew formula and npm packages. What can be started here is started once to see that it works.
// The threads' files are entries of their own: a Worker's address is relative to the root of the entries (src).
import { createHash } from "node:crypto";
import { chmodSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import manifest from "./package.json" with { type: "json" };
import { grantedBy, signMachO } from "./src/host/release/code-signature.ts";
import { packAll } from "./src/host/release/pack.ts";
import { hostTarget, runner, targets, type Target } from "./src/host/release/targets.ts";

const ENTITLEMENTS = join(import.meta.dir, "src/host/release/entitlements.plist");

/** Builds the executable of a platform at `outfile`; throws with the builder's own words. */
export async function build(outfile: string, target: Target | undefined = hostTarget()): Promise<void> {
  const built = await Bun.build({
    entrypoints: ["main", "machine-thread", "hypervisor-thread", "disk-thread"].map(name => join(import.meta.dir, `src/${name}.ts`)),
    root: join(import.meta.dir, "src"),
    // Without ESM the bytecode is broken silently; without the two switches the executable would obey files in the
    // directory it is started in.
    format: "esm", bytecode: true, minify: { whitespace: true, syntax: true }, sourcemap: "inline",
    compile: { outfile, autoloadDotenv: false, autoloadBunfig: false, ...(target === undefined ? {} : { target: `bun-${target}` as const }) },
    throw: false,
  });
  if (!built.success) throw new Error(`the build failed:\n${built.logs.map(String).join("\n")}`);
  // The maps are in the executable; the copies beside it are of no use.
  for (const name of readdirSync(dirname(outfile))) if (name.endsWith(".map")) rmSync(join(dirname(outfile), name));
  if (target === "darwin-arm64") sign(outfile);
  const start = target === undefined ? [] : runner(target);
  if (start !== undefined) tryOut([...start, outfile]);
}

/** Signs in a new file: macOS remembers signatures by file, and kills a program that was written over. */
function sign(path: string): void {
  const plist = readFileSync(ENTITLEMENTS);
  writeFileSync(`${path}.signed`, signMachO(readFileSync(path), { identifier: "hv", entitlements: grantedBy(plist.toString()), plist }));
  chmodSync(`${path}.signed`, 0o755);
  renameSync(`${path}.signed`, path);
}
function tryOut(command: readonly string[]): void {
  for (const [args, expected] of [[["--version"], `${manifest.version}\n`], [["doctor", "--json"], '"name": "software"']] as const) {
    const run = Bun.spawnSync([...command, ...args], { cwd: "/", env: {} });
    if (run.exitCode !== 0 || !run.stdout.toString().includes(expected)) throw new Error(`${command.join(" ")} ${args.join(" ")} does not work (exit code ${run.exitCode}):\n${run.stdout.toString()}${run.stderr.toString()}`);
  }
}

/** The executables of every platform in a directory, and SHA256SUMS as `sha256sum -c` reads it; packed as well, if asked. */
export async function buildAll(directory: string, pack = false): Promise<readonly { readonly target: Target; readonly path: string; readonly tried: boolean }[]> {
  mkdirSync(directory, { recursive: true });
  const made = [];
  for (const target of targets) {
    const path = join(directory, `hv-${target}`);
    await build(path, target);
    made.push({ target, path, tried: runner(target) !== undefined });
  }
  const files = [...made.map(({ path }) => basename(path)), ...(pack ? packAll(directory, manifest.version) : [])];
  const sums = files.map(name => `${createHash("sha256").update(readFileSync(join(directory, name))).digest("hex")}  ${name}\n`);
  writeFileSync(join(directory, "SHA256SUMS"), sums.join(""));
  return made;
}

if (import.meta.main) {
  const dist = join(import.meta.dir, "dist"), words = process.argv.slice(2);
  const size = (path: string): string => `${(Bun.file(path).size / 2 ** 20).toFixed(1)} MiB`;
  const pack = words.includes("--pack");
  if (words.some(word => word !== "--all" && word !== "--pack") || (pack && !words.includes("--all"))) {
    console.error("usage: npm run build [-- --all [--pack]]");
    process.exit(2);
  }
  if (words.includes("--all")) {
    for (const { path, tried } of await buildAll(dist, pack)) console.log(`${path}: ${size(path)}, hv ${manifest.version}${tried ? "" : " (cannot be started on this host)"}`);
    console.log(`${join(dist, "SHA256SUMS")}`);
  } else {
    mkdirSync(dist, { recursive: true });
    await build(join(dist, "hv"));
    console.log(`${join(dist, "hv")}: ${size(join(dist, "hv"))}, hv ${manifest.version} for ${process.platform} on ${process.arch}`);
  }
}
