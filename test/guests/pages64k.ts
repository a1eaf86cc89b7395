// test/guests/pages64k.ts — npm run test:64k: a Linux with pages of 64 KiB, which Debian does not ship, made from Debian's sources
// (some minutes, kept beside hv's other downloads), under everything that test/boot/stress.test.ts does to a kernel.
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { hvHome } from "../../src/host/debian/pull.ts";
import { ensureDebianPackages } from "../support/packages.ts";

const VERSION = "6.1", TARBALL = `/usr/src/linux-source-${VERSION}.tar.xz`;
const place = join(hvHome(), "linux-64k"), tree = join(place, `linux-source-${VERSION}`);
const image = join(tree, "arch/arm64/boot/Image"), module = join(tree, "drivers/virtio/virtio_pci_modern_dev.ko");

/** What is set on top of the smallest configuration: a console, an initramfs, and all that changes code while it runs. */
const OPTIONS = `
ARM64_64K_PAGES SMP HOTPLUG_CPU PRINTK PRINTK_TIME BUG EXPERT MULTIUSER POSIX_TIMERS HIGH_RES_TIMERS NO_HZ_IDLE FUTEX EPOLL SIGNALFD TIMERFD
EVENTFD SHMEM MEMBARRIER KALLSYMS KALLSYMS_ALL BPF_SYSCALL BPF_JIT BPF_JIT_ALWAYS_ON SECCOMP SECCOMP_FILTER NET UNIX INET PACKET BLOCK BLK_DEV_INITRD RD_GZIP BINFMT_ELF
BINFMT_SCRIPT ELF_CORE DEVTMPFS PROC_FS PROC_SYSCTL SYSCTL SYSFS TMPFS TTY UNIX98_PTYS SERIAL_AMBA_PL011 SERIAL_AMBA_PL011_CONSOLE ARM_AMBA
MODULES MODULE_UNLOAD PCI PCI_HOST_GENERIC VIRTIO_MENU VIRTIO VIRTIO_MMIO VIRTIO_BLK JUMP_LABEL KPROBES FTRACE FUNCTION_TRACER
FUNCTION_GRAPH_TRACER DYNAMIC_FTRACE KPROBE_EVENTS FTRACE_SYSCALLS PERF_EVENTS HW_PERF_EVENTS ARM_PMU STRICT_KERNEL_RWX STRICT_MODULE_RWX ARM64_PAN
ARM64_LSE_ATOMICS RANDOMIZE_BASE TRANSPARENT_HUGEPAGE DETECT_HUNG_TASK SOFTLOCKUP_DETECTOR CC_OPTIMIZE_FOR_PERFORMANCE`;

function run(what: string, words: readonly string[], cwd: string): void {
  console.error(what);
  const done = Bun.spawnSync([...words], { cwd, env: { ...process.env, ARCH: "arm64", CROSS_COMPILE: "aarch64-linux-gnu-" }, stdout: "pipe", stderr: "pipe" });
  if (done.exitCode !== 0) throw new Error(`${words.join(" ")} failed:\n${`${done.stdout.toString()}${done.stderr.toString()}`.trim().split("\n").slice(-12).join("\n")}`);
}
if (!existsSync(image) || !existsSync(module)) {
  ensureDebianPackages([`linux-source-${VERSION}`, "flex", "bison", "bc", "make", "gcc", "libc6-dev", "gcc-aarch64-linux-gnu", "xz-utils"]);
  mkdirSync(place, { recursive: true });
  if (!existsSync(tree)) run("unpacking the sources", ["tar", "-xf", TARBALL], place);
  run("configuring", ["make", "tinyconfig"], tree);
  writeFileSync(join(place, "fragment"), [...OPTIONS.trim().split(/\s+/).map(name => `CONFIG_${name}=y`), "CONFIG_NR_CPUS=8", "CONFIG_VIRTIO_PCI=m", 'CONFIG_LOCALVERSION="-64k"', ""].join("\n"));
  run("merging", ["scripts/kconfig/merge_config.sh", "-m", ".config", join(place, "fragment")], tree);
  run("asking", ["make", "olddefconfig"], tree);
  run("compiling: some minutes", ["make", `-j${cpus().length}`, "Image", "modules"], tree);
}
const tests = Bun.spawnSync([process.execPath, "test", join(import.meta.dir, "../boot/stress.test.ts")], {
  env: { ...process.env, HV_STRESS_KERNEL: image, HV_STRESS_MODULE: module }, stdout: "inherit", stderr: "inherit", cwd: join(import.meta.dir, "../.."),
});
process.exit(tests.exitCode);
