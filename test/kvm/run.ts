// test/kvm/run.ts — `npm run test:kvm`: hv for arm64 Linux on a real KVM. Debian's arm64 kernel boots under
// qemu-system-aarch64 with EL2, so that its KVM works (inside of QEMU's translation: slow, but real), and runs hv, which
// runs guests. Takes a few minutes; not part of `npm test`. Prints the log, and keeps it in dist/kvm.log.
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "../../build.ts";
import { debianKernel } from "../support/debian.ts";
import { echoKernel, HV } from "../support/hv.ts";
import { ensureArm64Programs, ensureDebianPackages } from "../support/packages.ts";

const LIMIT_MS = 15 * 60_000;
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
echo "== report"; /hv/hv report -o /tmp/report.json; echo "== code $?"
for cpus in 1 2; do
  echo "== linux cpus $cpus"
  echo "nproc; uname -m; cat /proc/interrupts; poweroff -f" | /hv/hv run /hv/Image --initrd /hv/initramfs -m 256M -c $cpus --accel kvm -v; echo "== code $?"
done
echo "== end"
poweroff -f
`;

async function main(): Promise<number> {
  ensureDebianPackages(["qemu-system-arm"]);
  ensureArm64Programs();
  const { kernel, initramfs } = await debianKernel("6.1");
  const place = mkdtempSync(join(tmpdir(), "hv-kvm-"));
  try {
    const tree = join(place, "tree");
    for (const folder of ["hv", "lib/aarch64-linux-gnu"]) mkdirSync(join(tree, folder), { recursive: true });
    await build(join(tree, "hv/hv"), "linux-arm64");
    writeFileSync(join(tree, "hv/echo"), echoKernel());
    copyFileSync(kernel, join(tree, "hv/Image"));
    copyFileSync(initramfs, join(tree, "hv/initramfs"));
    writeFileSync(join(tree, "run"), SCRIPT, { mode: 0o755 });
    for (const name of ["libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0"]) copyFileSync(`/lib/aarch64-linux-gnu/${name}`, join(tree, "lib/aarch64-linux-gnu", name));
    copyFileSync("/lib/ld-linux-aarch64.so.1", join(tree, "lib/ld-linux-aarch64.so.1"));
    const overlay = Bun.spawnSync([...HV, "initramfs", tree, "-o", join(place, "overlay")]);
    if (overlay.exitCode !== 0) throw new Error(overlay.stderr.toString());
    writeFileSync(join(place, "initramfs"), Buffer.concat([readFileSync(initramfs), Buffer.alloc((4 - readFileSync(initramfs).length % 4) % 4), readFileSync(join(place, "overlay"))]));
    const child = Bun.spawn([
      "qemu-system-aarch64", "-M", "virt,virtualization=on,gic-version=3", "-cpu", "max,pauth=off,sve=off", "-accel", "tcg,thread=multi", "-smp", "2", "-m", "3G", "-display", "none", "-serial", "stdio", "-monitor", "none", "-no-reboot",
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
    return check(log);
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}

/** Holds the log to what it must show; the number of failures. */
function check(log: string): number {
  const parts = log.replaceAll("\r", "").split(/^== (?!code)/m).map(part => [part.slice(0, part.indexOf("\n")), part] as const);
  const part = (name: string): string => parts.find(([title]) => title === name)?.[1] ?? "";
  const wanted: readonly (readonly [string, string, RegExp])[] = [
    ["hv doctor finds KVM", "doctor", /^kvm +yes/m],
    ["a small guest says what it should", "echo gic 3", /ready\nhi/], ["and ends with 0", "echo gic 3", /== code 0/],
    ["the self-test passes on KVM", "report", /kvm, interrupt controller 3: works/],
    ["Linux sees one CPU", "linux cpus 1", /^1$[^]*aarch64/m], ["its timer ticks", "linux cpus 1", / [1-9]\d* +GICv3 +27 Level +arch_timer/], ["it goes down, code 0", "linux cpus 1", /reboot: Power down[^]*== code 0/],
    ["Linux sees two CPUs", "linux cpus 2", /^2$[^]*aarch64/m], ["both take timer interrupts", "linux cpus 2", /: +[1-9]\d* +[1-9]\d* +GICv3 +27 Level +arch_timer/], ["they go down, code 0", "linux cpus 2", /reboot: Power down[^]*== code 0/],
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
