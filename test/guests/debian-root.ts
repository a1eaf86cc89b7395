// test/guests/debian-root.ts — a Debian 12 for arm64 on a disk image, as people install it: systemd, login on the serial
// port, OpenSSH, DHCP, iperf3 and fio, its own kernel and initramfs. Made once from Debian's packages with mmdebstrap, kept
// in hv's cache. `bun test/guests/debian-root.ts` makes it and says where it is. Needs root, binfmt_misc, 3 GiB, minutes.
import { createHash } from "node:crypto";
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { hvHome } from "../../src/host/debian/pull.ts";
import { withArm64Chroots } from "../support/chroots.ts";
import { ensureDebianPackages } from "../support/packages.ts";

export interface DebianRoot {
  /** A raw image with one ext4 file system, /dev/vda: root's password is "root". Copy it before a guest writes. */
  readonly image: string;
  readonly kernel: string;
  readonly initrd: string;
}
export const ROOT_CMDLINE = "console=ttyAMA0 root=/dev/vda rw";
const SIZE = 2 * 2 ** 30;
const PACKAGES = [
  "linux-image-arm64", "initramfs-tools", "systemd-sysv", "udev", "dbus", "openssh-server", "iproute2", "iputils-ping", "bind9-dnsutils", "iperf3", "fio", "curl",
  "e2fsprogs", "kmod", "procps", "ca-certificates", "netbase", "less",
];
/** The root file system's own settings, by path. */
const FILES: Readonly<Record<string, string>> = {
  "etc/hostname": "guest\n",
  "etc/hosts": "127.0.0.1 localhost guest\n::1 localhost\n",
  "etc/fstab": "/dev/vda / ext4 defaults 0 1\n",
  "etc/resolv.conf": "nameserver 10.0.2.3\n",
  "etc/systemd/network/80-dhcp.network": "[Match]\nType=ether\n[Network]\nDHCP=yes\n",
  "etc/ssh/sshd_config.d/root.conf": "PermitRootLogin yes\n",
  "etc/initramfs-tools/conf.d/hv": "MODULES=list\nRESUME=none\n",
  "etc/initramfs-tools/modules": "virtio_mmio\nvirtio_blk\next4\n",
};
/** Before the packages are configured: the initramfs is made then. */
const SETUP = Object.entries(FILES).map(([path, text]) => `--setup-hook=mkdir -p "$1/${path.replace(/[^/]*$/, "")}" && printf '%s' ${quoted(text)} > "$1/${path}"`);
/** Behind it; some of the files belong to packages. */
const CUSTOMIZE = [
  ...Object.entries(FILES).map(([path, text]) => `--customize-hook=printf '%s' ${quoted(text)} > "$1/${path}"`),
  `--customize-hook=echo root:root | chroot "$1" chpasswd`,
  `--customize-hook=chroot "$1" systemctl enable systemd-networkd.service`,
  `--customize-hook=chroot "$1" systemctl disable systemd-networkd-wait-online.service`,
  `--customize-hook=rm -rf "$1"/usr/share/doc/* "$1"/usr/share/man/* "$1"/usr/share/locale/* "$1"/etc/machine-id && touch "$1"/etc/machine-id`,
];
function quoted(text: string): string { return `'${text.replaceAll("'", `'\\''`)}'`; }

function run(command: readonly string[]): void {
  const done = Bun.spawnSync([...command], { stdin: "ignore", env: { ...process.env, LC_ALL: "C" } });
  if (done.exitCode !== 0) throw new Error(`${command.slice(0, 3).join(" ")}... ended with ${done.exitCode}:\n${done.stderr.toString().slice(-3000)}`);
}

/** The image, its kernel and its initramfs; made when the cache has none that this file would make. */
export function debianRoot(log: (line: string) => void = () => {}): DebianRoot {
  const recipe = createHash("sha256").update(readFileSync(import.meta.path)).digest("hex").slice(0, 16);
  const cache = join(hvHome(), "debian", "root"), directory = join(cache, recipe);
  const made = { image: join(directory, "root.img"), kernel: join(directory, "vmlinuz"), initrd: join(directory, "initrd.img") };
  if (existsSync(directory)) return made;
  ensureDebianPackages(["mmdebstrap", "arch-test", "qemu-user-static", "e2fsprogs"]);
  mkdirSync(cache, { recursive: true });
  const place = mkdtempSync(join(cache, "making-"));
  chmodSync(place, 0o755);
  try {
    const root = join(place, "root"), ready = join(place, "ready");
    mkdirSync(ready);
    log("packages of Debian 12 for arm64, configured under an emulator: some minutes...");
    withArm64Chroots(() => run(["mmdebstrap", "--mode=root", "--architectures=arm64", "--variant=minbase", "--aptopt=Apt::Install-Recommends \"false\"", `--include=${PACKAGES.join(",")}`, ...SETUP, ...CUSTOMIZE, "bookworm", root]));
    const boot = readdirSync(join(root, "boot"));
    const file = (start: string): string => join(root, "boot", boot.find(name => name.startsWith(start)) ?? `${start} is missing`);
    copyFileSync(file("vmlinuz-"), join(ready, "vmlinuz"));
    copyFileSync(file("initrd.img-"), join(ready, "initrd.img"));
    log("an ext4 image of it...");
    writeFileSync(join(ready, "root.img"), "");
    truncateSync(join(ready, "root.img"), SIZE);
    run(["mkfs.ext4", "-q", "-F", "-L", "root", "-d", root, join(ready, "root.img")]);
    renameSync(ready, directory);
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
  for (const old of readdirSync(cache)) if (old !== recipe && !old.startsWith("making-")) rmSync(join(cache, old), { recursive: true, force: true });
  return made;
}

if (import.meta.main) {
  for (const [what, path] of Object.entries(debianRoot(line => console.error(line)))) console.log(`${what} ${path}`);
}
