// test/boot/disk.test.ts — Debian's kernel with its own virtio drivers on an ext4 image: what the host put there is read,
// what the guest wrote is there afterwards, and the file system is clean.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { windowSize } from "../../src/host/terminal.ts";
import { VirtualMachine } from "../../src/library.ts";
import { debianKernel } from "../support/debian.ts";
import { BOOT, command } from "../support/guest-shell.ts";
import { hv } from "../support/hv.ts";
import { ensureDebianPackages, run } from "../support/packages.ts";
import { Random } from "../support/random.ts";

const md5 = (bytes: Uint8Array): string => createHash("md5").update(bytes).digest("hex");

describe("Debian's kernel 6.1 with disks", () => {
  const folder = mkdtempSync(join(tmpdir(), "hv-disk-"));
  const image = join(folder, "root.img"), other = join(folder, "other.img"), short = join(folder, "short.img"), packed = join(folder, "packed.qcow2");
  const small = new TextEncoder().encode("put here by the host\n"), large = new Random(5).bytes(3_000_001);
  const otherBytes = new Random(6).bytes(1024 * 1024);
  let vm: VirtualMachine;
  beforeAll(async () => {
    ensureDebianPackages(["e2fsprogs"]);
    const tree = join(folder, "tree");
    mkdirSync(tree);
    writeFileSync(join(tree, "small.txt"), small);
    writeFileSync(join(tree, "large.bin"), large);
    writeFileSync(image, "");
    truncateSync(image, 32 * 1024 * 1024);
    expect(run(["mkfs.ext4", "-q", "-F", "-d", tree, image]).code).toBe(0);
    writeFileSync(other, otherBytes);
    writeFileSync(short, otherBytes);
    expect((await hv(["disk", "create", packed, "1M"])).code).toBe(0);
    const pulled = await debianKernel("6.1");
    vm = await VirtualMachine.start({
      kernel: pulled.kernel, initrd: pulled.initramfs, rng: true,
      cmdline: `console=ttyAMA0${windowSize({ isTTY: true, rows: 50, columns: 400 })}`, // no line of ours is wrapped
      disks: [{ path: image, serial: "the-first" }, { path: other, overlay: true }, { path: other, readOnly: true }, { path: short }, { path: packed, format: "qcow2" }],
    });
    await vm.console.expect(/\/ # /, { timeout: BOOT });
    await command(vm, "dmesg -n 1"); // what the kernel says would stand between what commands print
  }, BOOT + 300_000);
  afterAll(async () => {
    await vm?.close();
    rmSync(folder, { recursive: true });
  });

  test("the guest sees their sizes, serial number and rights", async () => {
    expect(await command(vm, "cat /sys/block/vda/size /sys/block/vdb/size /sys/block/vda/serial; echo; cat /sys/block/vda/ro /sys/block/vdb/ro /sys/block/vdc/ro")).toBe("65536\r\n2048\r\nthe-first\r\n0\r\n0\r\n1\r\n");
  });
  test("it mounts the file system and reads what the host wrote", async () => {
    await command(vm, "modprobe ext4; mount -t ext4 /dev/vda /mnt");
    expect(await command(vm, "cd /mnt; md5sum small.txt large.bin; cd /")).toBe(`${md5(small)}  small.txt\r\n${md5(large)}  large.bin\r\n`);
  });
  test("it reads the second disk whole, and writes into its overlay only", async () => {
    expect(await command(vm, "md5sum < /dev/vdb")).toBe(`${md5(otherBytes)}  -\r\n`);
    const changed = otherBytes.slice().fill(0, 0, 65536);
    await command(vm, "dd if=/dev/zero of=/dev/vdb bs=4096 count=16 conv=fsync,notrunc 2>/dev/null; echo 3 > /proc/sys/vm/drop_caches");
    expect(await command(vm, "md5sum < /dev/vdb; md5sum < /dev/vdc")).toBe(`${md5(changed)}  -\r\n${md5(otherBytes)}  -\r\n`);
  });
  test("the entropy device feeds the kernel", async () => {
    expect(await command(vm, "cat /sys/class/misc/hw_random/rng_current; dd if=/dev/hwrng bs=64 count=1 2>/dev/null | wc -c")).toMatch(/^virtio_rng\.0\r\n64\r\n$/);
  });
  test("a disk that is cut off gives I/O errors to the guest and one line to the user, and nothing else suffers", async () => {
    truncateSync(short, 512 * 1024);
    const read = (page: number): string => `dd if=/dev/vdd of=/dev/null bs=4096 skip=${page} count=1 2>/dev/null; echo code $?`;
    expect(await command(vm, `${read(0)}; ${read(200)}; ${read(220)}`)).toBe("code 0\r\ncode 1\r\ncode 1\r\n");
    expect(await command(vm, "dmesg | grep -c 'I/O error, dev vdd'")).not.toBe("0\r\n");
    expect(vm.notices).toEqual([`${short}: read failed: the file is shorter than the 1048576 bytes it had when it was opened; the guest gets I/O errors`]);
    expect(await command(vm, "md5sum < /mnt/small.txt")).toBe(`${md5(small)}  -\r\n`);
  });
  test("disks grow while they are used: the guest hears of it, and writes behind the old end; smaller is refused with a line", async () => {
    await vm.resizeDisk(0, 48 * 1024 * 1024);
    await vm.resizeDisk(4, 3 * 1024 * 1024);
    await command(vm, "until grep -q 98304 /sys/block/vda/size && grep -q 6144 /sys/block/vde/size; do sleep 0.1; done");
    expect(await command(vm, "cat /sys/block/vda/size /sys/block/vde/size; dd if=/dev/vde bs=4096 skip=512 count=1 2>/dev/null | tr -d '\\0' | wc -c")).toBe("98304\r\n6144\r\n0\r\n");
    expect(await command(vm, "yes | dd of=/dev/vde bs=4096 seek=512 count=1 conv=fsync,notrunc iflag=fullblock 2>/dev/null; echo code $?")).toBe("code 0\r\n");
    const refused = await Promise.all([vm.resizeDisk(0, 1024 * 1024), vm.resizeDisk(1, 4 * 1024 * 1024), vm.resizeDisk(2, 4 * 1024 * 1024), vm.resizeDisk(9, 512), vm.resizeDisk(0, 513)].map(one => one.then(() => "grown", (error: Error) => error.message)));
    expect(refused).toEqual([
      `${image}: has 50331648 bytes: while a machine uses it, it can only grow`, expect.stringContaining("what is written to it is thrown away: give the image below another size"),
      `${other}: is read-only: it does not grow`, "there is no disk 9: the machine has 5", "a disk of 513 bytes: give a multiple of 512",
    ]);
    expect(await command(vm, "cat /sys/block/vda/size; md5sum < /mnt/small.txt")).toBe(`98304\r\n${md5(small)}  -\r\n`);
  });
  test("it writes, trims and switches off; nothing in its log is an error", async () => {
    await command(vm, "md5sum /mnt/large.bin > /mnt/written.txt; cp /mnt/large.bin /mnt/copy.bin; rm /mnt/large.bin; sync; fstrim /mnt 2>/dev/null; umount /mnt");
    expect(await command(vm, "dmesg | grep -v vdd | grep -iE 'i/o error|EXT4-fs error|WARNING|BUG:|nobody cared|virtio.*(fail|error)'")).toBe("");
    vm.console.write("poweroff -f\n");
    expect(await vm.exited).toEqual({ kind: "off" });
    expect(vm.notices.length).toBe(1); // of the disk that was cut off
    await vm.close();
  }, 60_000);
  test("the host finds a clean file system with what the guest wrote", () => {
    const check = run(["e2fsck", "-fn", image]);
    expect([check.code, new TextDecoder().decode(check.stdout)]).toEqual([0, expect.stringContaining("files")]);
    expect(new TextDecoder().decode(run(["debugfs", "-R", "cat /written.txt", image]).stdout)).toBe(`${md5(large)}  /mnt/large.bin\n`);
    expect(md5(run(["debugfs", "-R", "cat /copy.bin", image]).stdout)).toBe(md5(large));
    expect(md5(readFileSync(other))).toBe(md5(otherBytes));
  });
  test("and a disk that has grown is in order, with what was written behind its old end", async () => {
    expect(JSON.parse((await hv(["disk", "check", packed, "--json"])).stdout)).toMatchObject({ errors: 0, leaks: 0 });
    const raw = join(folder, "packed.raw");
    expect((await hv(["disk", "convert", packed, raw, "--to", "raw"])).code).toBe(0);
    expect(readFileSync(raw).subarray(512 * 4096, 513 * 4096).toString()).toBe("y\n".repeat(2048));
  });
});
