// test/kvm/run.ts — `npm run test:kvm`: hv for arm64 Linux on a real KVM. Debian's arm64 kernel boots under
// qemu-system-aarch64 with EL2, so that its KVM works (inside of QEMU's translation: slow, but real), and runs hv, which
// runs guests. Takes a few minutes; not part of `npm test`. Prints the log, and keeps it in dist/kvm.log.
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "../../build.ts";
import { buildBare, casesOf, judge } from "../support/bare.ts";
import { debianKernel } from "../support/debian.ts";
import { platform } from "../../src/machine/platform.ts";
import { Assembler } from "../support/assembler.ts";
import { echoKernel, hv } from "../support/hv.ts";
import { ensureArm64Programs, ensureDebianPackages } from "../support/packages.ts";

/** The host's interrupt controller decides which one guests can have: "npm run test:kvm -- 2" for the older one. */
const HOST_GIC = process.argv[2] === "2" ? 2 : 3;
const NAME = HOST_GIC === 2 ? "GIC-0" : "GICv3";
const LIMIT_MS = 15 * 60_000;
/** QEMU 7.2 adds the offset of a guest's counter to the time of its timer without looking at the carry: all ones would be now, for ever, and its own host stand still. */
const NEVER = "NEVER=(~0ul >> 3)";
/** Of the cases of test/guests/bare. */
const BARE_LIMIT_S = 240;
const root = join(import.meta.dir, "../..");

/** What runs in the outer guest in the place of its init. A line "==" starts what is checked. */
const SCRIPT = `#!/bin/sh
export PATH=/bin HOME=/tmp TERM=linux
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs devtmpfs /dev 2>/dev/null; mount -t tmpfs tmpfs /tmp
cd /tmp
echo "== doctor"; /hv/hv doctor
for gic in 2 3; do
  echo "== echo gic $gic"; echo -n hiq | /hv/hv run /hv/echo -m 16M --accel kvm --gic $gic; echo; echo "== code $?"
done
echo "== bare gic ${HOST_GIC}"
/hv/hv run /hv/bare -c 3 -m 256M --accel kvm --gic ${HOST_GIC} < /dev/null > /tmp/bare 2>&1 & pid=$!
n=0
until grep -q "^end" /tmp/bare || [ $n -ge ${BARE_LIMIT_S} ] || ! kill -0 $pid 2>/dev/null; do sleep 1; n=$((n + 1)); done
cat /tmp/bare; echo "== code after $n s"
kill -9 $pid 2>/dev/null # the last core is off, and KVM says nothing of that
for one in ldr ldp; do echo "== abort $one"; /hv/hv run /hv/abort-$one -m 16M --accel kvm; echo; echo "== code $?"; done
echo "== report"; /hv/hv report -o /tmp/report.json; echo "== code $?"
for cpus in 1 2; do
  echo "== linux cpus $cpus"
  mkfifo /tmp/in$cpus
  ( /hv/hv run /hv/Image --initrd /hv/initramfs --cmdline "console=ttyAMA0 rdinit=/run" -m 256M -c $cpus --accel kvm -v < /tmp/in$cpus; echo "== code $?" ) > /tmp/out$cpus 2>&1 &
  exec 3> /tmp/in$cpus
  until grep -q -e waiting -e "== code" /tmp/out$cpus; do sleep 1; done
  sleep 3 # all its vCPUs are idle, inside of KVM
  echo hello >&3
  until grep -q "== code" /tmp/out$cpus; do sleep 1; done
  exec 3>&-
  cat /tmp/out$cpus
done
echo "== firmware"
mkfifo /tmp/inf
( /hv/hv run --firmware /hv/u-boot.bin --firmware-vars /tmp/vars.fd -m 128M --accel kvm < /tmp/inf; echo "== code $?" ) > /tmp/outf 2>&1 &
exec 3> /tmp/inf
echo >&3
until grep -q -e "^=> " -e "== code" /tmp/outf; do sleep 1; done
echo "setenv kept yes; saveenv" >&3
until grep -q -e "^OK" -e "== code" /tmp/outf; do sleep 1; done
echo poweroff >&3
until grep -q "== code" /tmp/outf; do sleep 1; done
exec 3>&-
cat /tmp/outf
grep -c kept=yes /tmp/vars.fd
echo "== end"
poweroff -f
`;

/** The same in the guest of the guest. */
const INNER = `#!/bin/sh
export PATH=/bin
mount -t proc proc /proc; mount -t sysfs sysfs /sys
echo "cpus: $(nproc)"; uname -m; sleep 1; cat /proc/interrupts
echo waiting; read -r word; echo "the word is $word"
poweroff -f
`;

/** A kernel that touches an address where nothing is, and says A when that is an external abort. */
function abortKernel(form: "ldr" | "ldp"): Uint8Array {
  const vectors = 0x800 - 64; // behind the header of 64 bytes, on a multiple of 2 KiB
  const asm = new Assembler().adr("x0", "vectors").msr("VBAR_EL1", "x0").isb().mov("x1", 0x0b00_0000).mov("x4", 77);
  if (form === "ldr") asm.ldr("x4", "x1");
  else asm.emit("LDP_off", { g: 1, u: 5, N: 1, t: 4 });
  return asm.label("end").b("end").org(vectors).label("vectors").org(vectors + 0x200)
    .mov("x2", platform.uart.base).mrs("x3", "ESR_EL1").mov("x5", 0x9600_0010).cmp("x3", "x5").b("ne", "off").cmp("x4", 77).b("ne", "off")
    .mrs("x3", "FAR_EL1").cmp("x3", "x1").b("ne", "off").mov("x0", "A".charCodeAt(0)).str("x0", "x2", 0, 4)
    .label("off").mov("x0", 0x8400_0008).hvc().image();
}

async function initramfs(base: Uint8Array, tree: string, place: string): Promise<Uint8Array> {
  const made = await hv(["initramfs", tree, "-o", place]);
  if (made.code !== 0) throw new Error(made.stderr);
  return Buffer.concat([base, new Uint8Array((4 - base.length % 4) % 4), readFileSync(place)]);
}

async function main(): Promise<number> {
  ensureDebianPackages(["qemu-system-arm", "u-boot-qemu"]);
  ensureArm64Programs();
  const pulled = await debianKernel("6.1"), { kernel } = pulled, base = readFileSync(pulled.initramfs);
  const place = mkdtempSync(join(tmpdir(), "hv-kvm-"));
  try {
    const tree = join(place, "tree");
    for (const folder of ["hv", "lib/aarch64-linux-gnu"]) mkdirSync(join(tree, folder), { recursive: true });
    await build(join(tree, "hv/hv"), "linux-arm64");
    writeFileSync(join(tree, "hv/echo"), echoKernel());
    copyFileSync(buildBare(place, [NEVER]), join(tree, "hv/bare"));
    copyFileSync("/usr/lib/u-boot/qemu_arm64/u-boot.bin", join(tree, "hv/u-boot.bin"));
    copyFileSync(kernel, join(tree, "hv/Image"));
    for (const form of ["ldr", "ldp"] as const) writeFileSync(join(tree, `hv/abort-${form}`), abortKernel(form));
    mkdirSync(join(place, "inner"));
    writeFileSync(join(place, "inner/run"), INNER, { mode: 0o755 });
    writeFileSync(join(tree, "hv/initramfs"), await initramfs(base, join(place, "inner"), join(place, "inner.cpio")));
    writeFileSync(join(tree, "run"), SCRIPT, { mode: 0o755 });
    for (const name of ["libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0"]) copyFileSync(`/lib/aarch64-linux-gnu/${name}`, join(tree, "lib/aarch64-linux-gnu", name));
    copyFileSync("/lib/ld-linux-aarch64.so.1", join(tree, "lib/ld-linux-aarch64.so.1"));
    writeFileSync(join(place, "initramfs"), await initramfs(base, tree, join(place, "outer.cpio")));
    const child = Bun.spawn([
      "qemu-system-aarch64", "-M", `virt,virtualization=on,gic-version=${HOST_GIC}`, "-cpu", "max,pauth=off,sve=off", "-accel", "tcg,thread=multi", "-smp", "2", "-m", "3G", "-display", "none", "-nic", "none", "-serial", "stdio", "-monitor", "none", "-no-reboot",
      "-kernel", kernel, "-initrd", join(place, "initramfs"), "-append", "console=ttyAMA0 quiet rdinit=/run",
    ], { stdin: "ignore", stdout: "pipe", stderr: "inherit" });
    const timer = setTimeout(() => child.kill(), LIMIT_MS);
    let log = "";
    const decoder = new TextDecoder();
    for await (const bytes of child.stdout) {
      const text = decoder.decode(bytes, { stream: true });
      log += text;
      process.stdout.write(text);
    }
    clearTimeout(timer);
    mkdirSync(join(root, "dist"), { recursive: true });
    writeFileSync(join(root, "dist/kvm.log"), log);
    return check(log) + checkBare(log);
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}

/** The cases of test/guests/bare; they are kept for `npm run fidelity`. The number of those that should have held. */
function checkBare(log: string): number {
  const part = /^== bare gic \d$([^]*?)^== (?!code)/m.exec(log.replaceAll("\r", ""))?.[1] ?? "";
  try {
    const cases = casesOf(part), { broken, missing, held, ok, excluded } = judge(cases, "kvm", HOST_GIC);
    writeFileSync(join(root, `dist/kvm-bare-${HOST_GIC}.txt`), part);
    for (const { name, seen } of broken) console.log(`FAIL ${name}: ${seen}`);
    for (const name of missing) console.log(`FAIL ${name}: not there`);
    for (const name of held) console.log(`     ${name}: excluded, and held`);
    console.log(`bare: ${ok} hold, ${excluded} excluded, ${broken.length + missing.length} failed`);
    return broken.length + missing.length;
  } catch (error) {
    console.log(`FAIL bare: ${error instanceof Error ? error.message : String(error)}`);
    return 1;
  }
}

/** Holds the log to what it must show; the number of failures. */
function check(log: string): number {
  const parts = log.replaceAll("\r", "").split(/^== (?!code)/m).map(part => [part.slice(0, part.indexOf("\n")), part] as const);
  const part = (name: string): string => parts.find(([title]) => title === name)?.[1] ?? "";
  const wanted: readonly (readonly [string, string, RegExp])[] = [
    ["hv doctor finds KVM", "doctor", /^kvm +yes/m],
    ["a small guest says what it should", `echo gic ${HOST_GIC}`, /ready\nhi/], ["and ends with 0", `echo gic ${HOST_GIC}`, /== code 0/],
    ["an access to nowhere is an external abort", "abort ldr", /^A$/m], ["a pair's too", "abort ldp", /^A$/m],
    ["the self-test, with an access without syndrome, passes on KVM", "report", /kvm, interrupt controller auto: works/],
    ["Linux sees one CPU", "linux cpus 1", /cpus: 1\n/], ["its timer ticks", "linux cpus 1", new RegExp(` [1-9]\\d* +${NAME} +27 Level +arch_timer`)], ["input wakes it when it is idle", "linux cpus 1", /the word is hello/], ["it goes down, code 0", "linux cpus 1", /reboot: Power down[^]*== code 0/],
    ["Linux sees two CPUs", "linux cpus 2", /cpus: 2\n/], ["both take timer interrupts", "linux cpus 2", new RegExp(`: +[1-9]\\d* +[1-9]\\d* +${NAME} +27 Level +arch_timer`)], ["input wakes them", "linux cpus 2", /the word is hello/], ["they go down, code 0", "linux cpus 2", /reboot: Power down[^]*== code 0/],
    ["U-Boot runs from flash, and writes its environment there", "firmware", /Flash: 64 MiB[^]*Writing to Flash[^]*\nOK/], ["it goes down, code 0, and its environment is in the file", "firmware", /poweroff[^]*== code 0\n1\n/],
    ["the end is reached", "end", /end/],
  ];
  let failed = 0;
  for (const [what, name, pattern] of wanted) {
    const ok = pattern.test(part(name));
    if (!ok) failed++;
    console.log(`${ok ? "ok  " : "FAIL"} ${what}`);
  }
  console.log(`${wanted.length - failed} passed, ${failed} failed; the log is in dist/kvm.log`);
  return failed;
}

process.exitCode = (await main()) === 0 ? 0 : 1;
