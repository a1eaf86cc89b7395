// src/host/debian/guest.ts — the initial file system that boots Debian's kernel to a BusyBox shell.
// What is in it: BusyBox and its applets, /init, the modules a virtual machine needs with modules.dep and modules.alias as
// depmod would write them (Debian ships neither), /etc/hv-release. Left out: firmware, udev, everything a real disk holds.
import { Failure } from "../../failure.ts";
import { MiB } from "../../units.ts";
import { characterDevice, directory, file, symlink, writeCpio } from "../../boot/cpio.ts";
import type { CpioEntry } from "../../boot/cpio.ts";
import { isXz, xzDecode } from "./xz.ts";

/** A kernel module: its path below /lib/modules/<release> without .xz, and its (possibly packed) bytes. */
export interface ModuleFile {
  readonly path: string;
  readonly bytes: Uint8Array;
}

/** What the machine's devices and common disks need; dependencies come by themselves. Those a kernel lacks are left out. */
const WANTED: readonly string[] = [
  "virtio_mmio", "virtio_pci", "virtio_blk", "virtio_net", "virtio_console", "virtio_rng", "virtio_balloon", "virtio_scsi", "virtio_input", "virtio_mem", "virtio_pmem",
  "vmw_vsock_virtio_transport", "9p", "9pnet_virtio", "virtiofs", "sd_mod", "gpio_keys", "evdev",
  "ext4", "overlay", "squashfs", "isofs", "vfat", "nls_cp437", "nls_ascii", "loop", "af_packet", "crc32c_generic", "failover", "net_failover",
];

/** A module's name as the kernel has it: its file name with "-" as "_". */
export const moduleName = (path: string): string => path.slice(path.lastIndexOf("/") + 1).replace(/\.ko(\.xz)?$/, "").replaceAll("-", "_");

/** The NUL-separated key=value strings of a module's .modinfo section. */
export function modinfo(elf: Uint8Array): { depends: string[]; aliases: string[]; softdeps: string[] } {
  const found = { depends: [] as string[], aliases: [] as string[], softdeps: [] as string[] };
  const view = new DataView(elf.buffer, elf.byteOffset, elf.byteLength);
  if (elf.length < 64 || view.getUint32(0) !== 0x7f454c46) return found;
  const at = Number(view.getBigUint64(0x28, true)), size = view.getUint16(0x3a, true), count = view.getUint16(0x3c, true), names = view.getUint16(0x3e, true);
  const section = (index: number): { name: number; offset: number; size: number } | undefined => {
    const start = at + index * size;
    if (size < 64 || start + 64 > elf.length) return undefined;
    return { name: view.getUint32(start, true), offset: Number(view.getBigUint64(start + 0x18, true)), size: Number(view.getBigUint64(start + 0x20, true)) };
  };
  const strings = section(names);
  if (strings === undefined) return found;
  for (let i = 0; i < count; i++) {
    const one = section(i);
    if (one === undefined || Buffer.from(elf.subarray(strings.offset + one.name, strings.offset + one.name + 9)).toString("latin1") !== ".modinfo\0") continue;
    for (const text of Buffer.from(elf.subarray(one.offset, one.offset + one.size)).toString("latin1").split("\0")) {
      const [key, ...rest] = text.split("="), value = rest.join("=");
      if (key === "depends") found.depends.push(...value.split(",").filter(name => name !== "").map(name => name.replaceAll("-", "_")));
      if (key === "alias") found.aliases.push(value);
      if (key === "softdep") found.softdeps.push(value);
    }
  }
  return found;
}

/** The modules of `WANTED` and all they depend on, unpacked, dependencies first. */
function chooseModules(modules: readonly ModuleFile[]): { path: string; bytes: Uint8Array; depends: string[]; aliases: string[] }[] {
  const byName = new Map(modules.map(module => [moduleName(module.path), module]));
  const chosen = new Map<string, { path: string; bytes: Uint8Array; depends: string[]; aliases: string[] }>();
  const visit = (name: string): string[] => {
    const known = chosen.get(name);
    if (known !== undefined) return [...known.depends, known.path];
    const module = byName.get(name);
    if (module === undefined) return [];
    const bytes = isXz(module.bytes) ? xzDecode(module.bytes, 64 * MiB) : module.bytes;
    const info = modinfo(bytes);
    const depends = [...new Set(info.depends.flatMap(visit))];
    chosen.set(name, { path: module.path.replace(/\.xz$/, ""), bytes, depends, aliases: info.aliases });
    return [...depends, module.path.replace(/\.xz$/, "")];
  };
  for (const name of WANTED) visit(name);
  return [...chosen.values()];
}

/** True for the module files that `makeInitramfs` may ask for: keeps the large rest of the package out of memory. */
export const isModule = (name: string): boolean => /\/kernel\/(drivers\/(virtio|block|net|char|char\/hw_random|scsi|nvdimm|input|input\/keyboard|cdrom)\/[^/]*|(fs|net\/(9p|vmw_vsock|core|packet)|lib|crypto|arch\/arm64\/(lib|crypto))\/.*)\.ko(\.xz)?$/.test(name);

/** Applet names as they stand in the binary: sorted, NUL-terminated, "[" and "[[" first. Empty when there is no such table. */
export function busyboxApplets(binary: Uint8Array): string[] {
  const bytes = Buffer.from(binary.buffer, binary.byteOffset, binary.byteLength);
  const names: string[] = [];
  for (let at = bytes.indexOf("[\0[[\0"); at >= 0;) {
    const end = bytes.indexOf(0, at);
    const name = bytes.subarray(at, end).toString("latin1");
    if (!/^[a-z0-9_[.+-]{1,32}$/i.test(name)) return names;
    names.push(name);
    at = end + 1;
  }
  return names;
}

const INIT = `#!/bin/sh
# /init: from the kernel's hand-over to a shell on the console. No process more than needed: a boot is measured by them.
export PATH=/bin HOME=/root TERM=linux
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev 2>/dev/null
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
echo hv > /proc/sys/kernel/hostname
echo /bin/modprobe > /proc/sys/kernel/modprobe

# Drivers, each only when something is there for it.
set -- /sys/firmware/devicetree/base/virtio_mmio@*
[ -e "$1" ] && modprobe virtio_mmio 2>/dev/null
for device in /sys/bus/pci/devices/*; do
  [ -e "$device/vendor" ] || continue
  read -r vendor < $device/vendor
  [ "$vendor" = 0x1af4 ] && modprobe virtio_pci 2>/dev/null && break
done
for device in /sys/bus/virtio/devices/*; do
  [ -e "$device/modalias" ] || continue
  read -r alias < $device/modalias
  modprobe "$alias" 2>/dev/null
done

# Names of ports that lead to the host, which elsewhere udev makes; they come one by one.
[ -d /sys/class/virtio-ports ] && {
  mkdir /dev/virtio-ports
  for n in 1 2 3 4 5 6 7 8 9 10; do
    for name in /sys/class/virtio-ports/*/name; do
      [ -e "$name" ] && read -r link < $name && [ -n "$link" ] && [ ! -e "/dev/virtio-ports/$link" ] || continue
      name=\${name%/name}
      ln -s "../\${name##*/}" "/dev/virtio-ports/$link"
    done
    sleep 0.1
  done
} &

# A console that a module brings, when the kernel's command line names it.
read -r words < /proc/cmdline
case " $words " in *" console=hvc0 "*)
  for n in 1 2 3 4 5 6 7 8 9 10; do
    (: < /dev/hvc0) 2>/dev/null && exec < /dev/hvc0 > /dev/hvc0 2>&1 && break
    sleep 0.1
  done
esac

# An address for the first network interface, while the shell starts.
[ -e /sys/class/net/eth0 ] && { modprobe af_packet 2>/dev/null; udhcpc -i eth0 -q -n -t 5 -T 1 >/dev/null 2>&1; } &

# PID 1's signals, as BusyBox's own init has them.
trap 'sync; poweroff -f' USR1 USR2
trap 'sync; reboot -f' TERM

# The power key, when the machine has one.
if [ -e /sys/firmware/devicetree/base/gpio-keys ]; then
  modprobe gpio_keys 2>/dev/null && modprobe evdev && acpid -c /etc/acpi -l /dev/null -p /dev/null 2>/dev/null
fi

# The size of the terminal behind the console, when whoever started the machine said it on the kernel's command line.
[ -n "$COLUMNS" ] && stty rows "$LINES" cols "$COLUMNS" 2>/dev/null
unset LINES COLUMNS

read -r release < /proc/sys/kernel/osrelease
echo "hv: ready $release"
cd /
while :; do
  setsid cttyhack sh &
  shell=$!
  while kill -0 $shell 2>/dev/null; do wait $shell; done
done
`;

// What udhcpc runs when it has an address, at the path that Debian's BusyBox looks for.
const DHCP = `#!/bin/sh
case "$1" in
  deconfig) ip addr flush dev "$interface"; ip link set "$interface" up ;;
  bound | renew)
    ip addr flush dev "$interface"
    ip addr add "$ip/\${mask:-24}" dev "$interface"
    for address in $router; do ip route replace default via "$address" dev "$interface"; break; done
    : > /etc/resolv.conf
    [ -n "$domain" ] && echo "search $domain" >> /etc/resolv.conf
    for address in $dns; do echo "nameserver $address" >> /etc/resolv.conf; done
    ;;
esac
`;

const MODULES = (release: string): string => `/lib/modules/${release}`;

/** The finished archive. The same input gives the same bytes. */
export function makeInitramfs(input: { readonly release: string; readonly busybox: Uint8Array; readonly busyboxVersion: string; readonly modules: readonly ModuleFile[] }): Uint8Array {
  const applets = busyboxApplets(input.busybox).filter(name => name !== "busybox");
  if (!applets.includes("sh") || !applets.includes("mount")) {
    throw new Failure("HV-PULL-BUSYBOX", "the busybox in Debian's package has no readable list of applets", { hint: "name another suite with --suite", exit: 1 });
  }
  const modules = chooseModules(input.modules);
  const root = MODULES(input.release).slice(1);
  const entries: CpioEntry[] = [
    ...["bin", "dev", "etc", "etc/acpi", "etc/acpi/PWRF", "etc/udhcpc", "lib", "lib/modules", "mnt", "proc", "root", "run", "sys"].map(name => directory(name)),
    directory("tmp", 0o1777),
    symlink("sbin", "bin"),
    directory("usr"),
    symlink("usr/bin", "../bin"),
    symlink("usr/sbin", "../bin"),
    characterDevice("dev/console", 5, 1),
    characterDevice("dev/null", 1, 3, 0o666),
    file("init", INIT, 0o755),
    file("bin/busybox", input.busybox, 0o755),
    ...applets.map(name => symlink(`bin/${name}`, "busybox")),
    file("etc/hv-release", `hv initramfs 1\nkernel ${input.release}\nbusybox ${input.busyboxVersion}\n`),
    file("etc/passwd", "root::0:0:root:/root:/bin/sh\n"),
    file("etc/group", "root:x:0:\n"),
    file("etc/hosts", "127.0.0.1 localhost hv\n"),
    file("etc/acpi/PWRF/00000080", "#!/bin/sh\nsync\npoweroff -f\n", 0o755),
    file("etc/udhcpc/default.script", DHCP, 0o755),
  ];
  const directories = new Set<string>();
  const addDirectory = (path: string): void => {
    if (path === "lib/modules" || directories.has(path)) return;
    addDirectory(path.slice(0, path.lastIndexOf("/")));
    directories.add(path);
    entries.push(directory(path));
  };
  addDirectory(root);
  for (const module of modules) {
    const path = `${root}/${module.path}`;
    addDirectory(path.slice(0, path.lastIndexOf("/")));
    entries.push(file(path, module.bytes));
  }
  entries.push(
    file(`${root}/modules.dep`, modules.map(m => `${m.path}:${[...m.depends].reverse().map(path => ` ${path}`).join("")}\n`).join("")),
    file(`${root}/modules.alias`, modules.flatMap(m => m.aliases.map(alias => `alias ${alias} ${moduleName(m.path)}\n`)).join("")),
  );
  return writeCpio(entries);
}
