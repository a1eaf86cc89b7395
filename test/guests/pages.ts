// test/guests/pages.ts — npm run test:pages [-- 16|64]: a Linux with pages of 16 KiB, and one of 64 KiB, which Debian does not ship, made
// from Debian's sources (some minutes each, kept beside hv's other downloads), under everything that test/boot/stress.test.ts does to a kernel.
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { hvHome } from "../../src/host/debian/pull.ts";
import { ensureDebianPackages } from "../support/packages.ts";

const VERSION = "6.1", TARBALL = `/usr/src/linux-source-${VERSION}.tar.xz`;
const place = join(hvHome(), "linux-pages"), tree = join(place, `linux-source-${VERSION}`);
/** KiB. */
const SIZES = process.argv.length > 2 ? process.argv.slice(2) : ["16", "64"];

/** What is set on top of the smallest configuration: a console, an initramfs, and all that changes code while it runs. */
const OPTIONS = `
SMP HOTPLUG_CPU PRINTK PRINTK_TIME BUG EXPERT MULTIUSER POSIX_TIMERS HIGH_RES_TIMERS NO_HZ_IDLE FUTEX EPOLL SIGNALFD TIMERFD
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
/** The kernel with pages of so many KiB, and a module of it. */
function kernelOf(size: string): { readonly image: string; readonly module: string } {
  const out = join(place, `${size}k`), image = join(out, "arch/arm64/boot/Image"), module = join(out, "drivers/virtio/virtio_pci_modern_dev.ko");
  if (existsSync(image) && existsSync(module)) return { image, module };
  ensureDebianPackages([`linux-source-${VERSION}`, "flex", "bison", "bc", "make", "gcc", "libc6-dev", "gcc-aarch64-linux-gnu", "xz-utils"]);
  mkdirSync(out, { recursive: true });
  if (!existsSync(tree)) run("unpacking the sources", ["tar", "-xf", TARBALL], place);
  const make = (what: string, ...words: string[]): void => run(`${size} KiB: ${what}`, ["make", `O=${out}`, ...words], tree);
  make("configuring", "tinyconfig");
  writeFileSync(join(out, "fragment"), [`CONFIG_ARM64_${size}K_PAGES=y`, ...OPTIONS.trim().split(/\s+/).map(name => `CONFIG_${name}=y`), "CONFIG_NR_CPUS=8", "CONFIG_VIRTIO_PCI=m", `CONFIG_LOCALVERSION="-${size}k"`, ""].join("\n"));
  run("merging", [join(tree, "scripts/kconfig/merge_config.sh"), "-m", "-O", out, join(out, ".config"), join(out, "fragment")], tree);
  make("asking", "olddefconfig");
  make("compiling, some minutes", `-j${cpus().length}`, "Image", "modules");
  return { image, module };
}

let failed = 0;
for (const size of SIZES) {
  const { image, module } = kernelOf(size);
  console.error(`Linux with pages of ${size} KiB`);
  const tests = Bun.spawnSync([process.execPath, "test", join(import.meta.dir, "../boot/stress.test.ts")], {
    env: { ...process.env, HV_STRESS_KERNEL: image, HV_STRESS_MODULE: module }, stdout: "inherit", stderr: "inherit", cwd: join(import.meta.dir, "../.."),
  });
  if (tests.exitCode !== 0) failed++;
}
process.exit(failed === 0 ? 0 : 1);
