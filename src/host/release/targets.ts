// src/host/release/targets.ts — the platforms that hv is built for, and how each executable can be tried on this host.

export const targets = ["darwin-arm64", "linux-arm64", "linux-x64"] as const;
export type Target = (typeof targets)[number];

export const hostTarget = (): Target | undefined => targets.find(target => target === `${process.platform}-${process.arch}`);

/** What a program of a target is started with here: nothing, an emulator; undefined: it cannot be. */
export function runner(target: Target): readonly string[] | undefined {
  if (target === hostTarget()) return [];
  const emulator = Bun.which("qemu-aarch64-static");
  return target === "linux-arm64" && process.platform === "linux" && emulator !== null && hasArm64Libraries() ? [emulator] : undefined;
}
/** The dynamic linker of arm64 programs (Debian: libc6:arm64). */
const hasArm64Libraries = (): boolean => Bun.spawnSync(["test", "-e", "/lib/ld-linux-aarch64.so.1"]).exitCode === 0;
