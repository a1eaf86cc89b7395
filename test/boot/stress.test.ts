// test/boot/stress.test.ts — a Linux that changes its own code all the time, on generated code: function tracing, kprobes,
// tracepoints (static keys), modules in and out, BPF programs, just-in-time compilers of user space, storms of processes.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { directory, file, writeCpio } from "../../src/boot/cpio.ts";
import { windowSize } from "../../src/host/terminal.ts";
import { VirtualMachine } from "../../src/library.ts";
import { debianKernel } from "../support/debian.ts";
import * as shell from "../support/guest-shell.ts";
import { ensureDebianPackages } from "../support/packages.ts";

const LIMIT = 120_000;
let vm: VirtualMachine, place: string;

/** Runs a command; what it printed. */
const command = async (line: string): Promise<string> => (await shell.command(vm, line)).replaceAll("\r", "");

beforeAll(async () => {
  ensureDebianPackages(["gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross"]);
  place = mkdtempSync(join(tmpdir(), "hv-stress-"));
  const programs = ["stress", "debugged"].map(name => {
    const program = join(place, name);
    const built = Bun.spawnSync(["aarch64-linux-gnu-gcc", "-O2", "-static", "-Wall", "-Wextra", "-Werror", "-o", program, join(import.meta.dir, `../guests/${name}.c`)]);
    if (built.exitCode !== 0) throw new Error(built.stderr.toString());
    return file(`bin/${name}`, readFileSync(program), 0o755);
  });
  const debian = await debianKernel("6.1"), first = readFileSync(debian.initramfs);
  const kernel = process.env["HV_STRESS_KERNEL"] ?? debian.kernel, module = process.env["HV_STRESS_MODULE"]; // another kernel, with a module of its own: npm run test:pages
  const modules = module === undefined ? [] : [directory("lib"), directory("lib/stress"), file("lib/stress/virtio_pci_modern_dev.ko", readFileSync(module))];
  const initrd = Buffer.concat([first, new Uint8Array(-first.length & 3), writeCpio([directory("bin"), ...programs, ...modules])]);
  vm = await VirtualMachine.start({ kernel, initrd, cmdline: `console=ttyAMA0${windowSize({ isTTY: true, rows: 33, columns: 500 })}`, accelerator: "software", engine: "translator" });
  await vm.console.expect(/\/ # /, { timeout: LIMIT });
  await command("dmesg -n 1"); // what the kernel says would stand between what programs print
  await command("mount -t tracefs trace /sys/kernel/tracing");
}, LIMIT);
afterAll(async () => {
  await vm.close();
  rmSync(place, { recursive: true, force: true });
});

test("programs written just now, page by page, never writable and executable at once", async () => {
  expect(await command("stress jit")).toBe("jit wrong 0\n");
});
test("programs written through another mapping", async () => {
  expect(await command("stress alias")).toBe("alias wrong 0\n");
});
test("BPF programs come and go", async () => {
  expect(await command("stress bpf")).toBe("bpf wrong 0, filter 0\n");
});
test("the function tracer patches every function of the kernel, and takes it back", async () => {
  for (const tracer of ["function", "function_graph"]) {
    await command(`cd /sys/kernel/tracing; echo ${tracer} > current_tracer; ls / > /dev/null; head -c 2000000 trace > /tmp/trace; echo nop > current_tracer; echo > trace; cd /`);
    expect(await command("grep -c . /tmp/trace")).toMatch(/^\d{4,}\n$/);
  }
  expect(await command("cat /sys/kernel/tracing/current_tracer; wc -l < /sys/kernel/tracing/trace")).toMatch(/^nop\n1?\d\n$/);
}, LIMIT);
test("a kprobe is hit, and gone when it is removed", async () => {
  await command("cd /sys/kernel/tracing; echo 'p:hv_open do_sys_openat2' > kprobe_events; echo 1 > events/kprobes/hv_open/enable; cat /init > /dev/null; echo 0 > events/kprobes/hv_open/enable; cat trace > /tmp/probe; echo > kprobe_events; echo > trace; cd /");
  expect(Number(await command("grep -c hv_open: /tmp/probe"))).toBeGreaterThan(1);
  expect(await command("cat /init > /dev/null; grep -c hv_open /sys/kernel/tracing/trace")).toBe("0\n");
}, LIMIT);
test("tracepoints: static keys of the whole kernel, on and off", async () => {
  for (let i = 0; i < 3; i++) await command("cd /sys/kernel/tracing; echo 1 > events/sched/enable; echo 1 > events/syscalls/enable; ls > /dev/null; head -c 2000000 trace > /tmp/events; echo 0 > events/enable; echo > trace; cd /");
  expect(Number(await command("grep -c sys_ /tmp/events"))).toBeGreaterThan(10);
}, LIMIT);
test("modules in and out", async () => {
  expect(await command("m=$(find /lib/stress /lib/modules -name virtio_pci_modern_dev.ko 2> /dev/null | head -1); for i in $(seq 40); do insmod $m && rmmod virtio_pci_modern_dev || echo failed; done; lsmod | grep -c virtio_pci_modern")).toBe("0\n");
}, LIMIT);
test("storms of processes", async () => {
  expect(await command("sh -c 'for i in $(seq 300); do (true) & done; wait'; for i in $(seq 300); do /bin/busybox true || echo failed; done; echo $(seq 200 | while read i; do echo $i; done | sort -rn | head -1)")).toBe("200\n");
}, LIMIT);
test("a debugger's breakpoints, single steps and watchpoints", async () => {
  for (let i = 0; i < 3; i++) expect(await command("debugged")).toBe("breaks 1 steps 200 stores 4 loads 1 exit 42\n");
});
test("more processes than there are ASIDs", async () => {
  const [, entries = ""] = /ASID allocator initialised with (\d+) entries/.exec(await command("dmesg | grep ASID")) ?? [];
  expect(Number(entries)).toBeGreaterThan(0);
  expect(await command(`stress asids ${Number(entries) + 2000}`)).toBe("asids wrong 0\n");
}, LIMIT);
test("the kernel has nothing to complain of", async () => {
  expect(await command("dmesg | grep -c 'WARNING\\|BUG\\|Oops\\|Unable to\\|stall\\|Unexpected'")).toBe("0\n");
});
