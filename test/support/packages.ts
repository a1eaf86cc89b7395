// test/support/packages.ts — Debian packages that a test needs: installed when missing, an error when that is impossible.

function missing(names: readonly string[]): string[] {
  return names.filter(name => {
    const query = Bun.spawnSync(["dpkg-query", "-W", "-f", "${db:Status-Status}", name], { stderr: "ignore" });
    return query.stdout.toString().trim() !== "installed";
  });
}

/** Makes sure that Debian packages are installed. Throws with apt's own words when they cannot be; never skips. */
export function ensureDebianPackages(names: readonly string[]): void {
  const wanted = missing(names);
  if (wanted.length === 0) return;
  const apt = (...args: string[]): { code: number; output: string } => {
    const run = Bun.spawnSync(["apt-get", "-q", "-y", "-o", "DPkg::Lock::Timeout=300", ...args], { env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" } });
    return { code: run.exitCode, output: `${run.stdout.toString()}${run.stderr.toString()}`.trim() };
  };
  let last = apt("install", "--no-install-recommends", ...wanted);
  if (last.code !== 0) {
    apt("update"); // the lists may be missing or old
    last = apt("install", "--no-install-recommends", ...wanted);
  }
  const still = missing(wanted);
  if (still.length > 0) throw new Error(`this test needs the Debian packages ${still.join(", ")} and they cannot be installed:\n${last.output.split("\n").slice(-8).join("\n")}`);
}

/** Runs a program to its end; throws when it cannot start. */
export function run(command: readonly string[], input?: Uint8Array): { readonly code: number; readonly stdout: Uint8Array; readonly stderr: string } {
  const done = Bun.spawnSync([...command], { stdin: input === undefined ? null : Buffer.from(input) });
  return { code: done.exitCode, stdout: new Uint8Array(done.stdout), stderr: done.stderr.toString() };
}

/** Makes sure that arm64 programs run here: an emulator and the C library of that architecture. */
export function ensureArm64Programs(): void {
  if (process.arch === "arm64") return;
  const foreign = Bun.spawnSync(["dpkg", "--print-foreign-architectures"]).stdout.toString().split("\n");
  if (!foreign.includes("arm64")) {
    const add = Bun.spawnSync(["dpkg", "--add-architecture", "arm64"]);
    if (add.exitCode !== 0) throw new Error(`this test needs Debian packages for arm64, and dpkg refuses them: ${add.stderr.toString()}`);
  }
  ensureDebianPackages(["qemu-user-static", "libc6:arm64"]);
}
/** What arm64 programs are started with. */
export const arm64Runner: readonly string[] = process.arch === "arm64" ? [] : ["qemu-aarch64-static"];
