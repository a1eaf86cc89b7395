// test/guests/userland.ts — `npm run test:userland`: Debian's arm64 programs (bash, coreutils, Python, OpenSSL, SQLite, xz,
// gcc) in a guest and under qemu-aarch64 must print the same. Makes a root from Debian's packages with mmdebstrap, runs
// userland.sh in it both ways. Needs root, binfmt_misc, 2 GiB of memory, half a GiB of disk, two minutes.
import { chmodSync, copyFileSync, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { debianKernel } from "../support/debian.ts";
import { HV } from "../support/hv.ts";
import { ensureDebianPackages } from "../support/packages.ts";

const PACKAGES = "bash,coreutils,dash,diffutils,gzip,python3-minimal,libpython3-stdlib,openssl,sqlite3,xz-utils,gcc,libc6-dev,mount,sed,grep,procps";
const BINFMT = "/proc/sys/fs/binfmt_misc";
/** ELF64, little-endian, executable or shared object, EM_AARCH64. */
const MAGIC = String.raw`:hv-userland:M::\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00:\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:/usr/bin/qemu-aarch64-static:F`;
const INIT = `#!/bin/bash
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev; mount -t tmpfs tmp /tmp
/check.sh > /run/out 2> /run/err
echo BEGIN; cat /run/out; echo END; cat /run/err
echo o > /proc/sysrq-trigger; sleep 10
`;

function run(command: readonly string[]): { stdout: string; stderr: string } {
  const done = Bun.spawnSync([...command], { stdin: "ignore", env: { ...process.env, LC_ALL: "C" } });
  if (done.exitCode !== 0) throw new Error(`${command.slice(0, 3).join(" ")}... ended with ${done.exitCode}:\n${done.stderr.toString().slice(-2000)}`);
  return { stdout: done.stdout.toString(), stderr: done.stderr.toString() };
}

ensureDebianPackages(["mmdebstrap", "arch-test", "qemu-user-static"]);
const place = mkdtempSync(join(tmpdir(), "hv-userland-")), root = join(place, "root");
let mounted = false, registered = false;
try {
  console.error("a root of Debian packages...");
  run(["mmdebstrap", "--architectures=arm64", "--variant=extract", `--include=${PACKAGES}`, "bookworm", root]);
  for (const one of ["usr/share/doc", "usr/share/locale", "usr/share/man", "var/cache", "var/lib/apt"]) rmSync(join(root, one), { recursive: true, force: true });
  copyFileSync(join(import.meta.dir, "userland.sh"), join(root, "check.sh"));
  writeFileSync(join(root, "init"), INIT);
  for (const name of ["init", "check.sh"]) chmodSync(join(root, name), 0o755);

  console.error("in a guest...");
  const { kernel } = await debianKernel("6.1");
  run([...HV, "initramfs", root, "-o", join(place, "initramfs")]);
  const guest = run([...HV, "run", kernel, "--initrd", join(place, "initramfs"), "-m", "2G"]).stdout.replaceAll("\r", "");
  const [, shown = "", complaints = ""] = /^BEGIN\n([^]*)^END\n([^]*?)(?:\[ *\d+\.\d+\] .*\n)*$/m.exec(guest) ?? [];

  console.error("under qemu-aarch64...");
  if (!existsSync(join(BINFMT, "register"))) {
    run(["mount", "-t", "binfmt_misc", "none", BINFMT]);
    mounted = true;
  }
  writeFileSync(join(BINFMT, "register"), MAGIC);
  registered = true;
  const reference = run(["chroot", root, "/bin/bash", "/check.sh"]).stdout;

  if (shown !== reference || !reference.endsWith("== done\n")) {
    writeFileSync("/tmp/hv-userland-guest.txt", `${shown}\n${complaints}`);
    writeFileSync("/tmp/hv-userland-qemu.txt", reference);
    console.log("they differ: see /tmp/hv-userland-guest.txt and /tmp/hv-userland-qemu.txt");
    process.exitCode = 1;
  } else console.log(`${reference.split("\n").length - 1} lines, the same in both`);
} finally {
  if (registered) writeFileSync(join(BINFMT, "hv-userland"), "-1");
  if (mounted) run(["umount", BINFMT]);
  rmSync(place, { recursive: true, force: true });
}
