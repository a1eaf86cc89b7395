// test/support/chroots.ts — arm64 programs by their own names, also behind chroot: the kernel starts them under QEMU's
// user mode emulator. Needs root and binfmt_misc.
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const BINFMT = "/proc/sys/fs/binfmt_misc";
/** ELF64, little-endian, executable or shared object, EM_AARCH64; F: opened here, not where it is used. */
const MAGIC = (name: string): string => String.raw`:${name}:M::\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00:\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:/usr/bin/qemu-aarch64-static:F`;

export function withArm64Chroots<T>(act: () => T): T {
  if (process.arch === "arm64") return act();
  const mount = !existsSync(join(BINFMT, "register"));
  if (mount && Bun.spawnSync(["mount", "-t", "binfmt_misc", "none", BINFMT]).exitCode !== 0) throw new Error("binfmt_misc cannot be mounted: this needs root");
  const name = `hv-arm64-${process.pid}`;
  writeFileSync(join(BINFMT, "register"), MAGIC(name));
  try {
    return act();
  } finally {
    writeFileSync(join(BINFMT, name), "-1");
    if (mount) Bun.spawnSync(["umount", BINFMT]);
  }
}
