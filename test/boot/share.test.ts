// test/boot/share.test.ts — Debian's kernel with its own 9p client on directories of this host: files and trees both ways, names
// that are hard, links, a read-only share, mmap and many processes at once.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { lstatSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { VirtualMachine } from "../../src/library.ts";
import { BOOT, bootShell, command } from "../support/guest-shell.ts";
import { Random } from "../support/random.ts";

const md5 = (bytes: Uint8Array): string => createHash("md5").update(bytes).digest("hex");

describe("Debian's kernel 6.1 with shared directories", () => {
  const folder = mkdtempSync(join(tmpdir(), "hv-share-")), shared = join(folder, "shared"), fixed = join(folder, "fixed");
  const large = new Random(11).bytes(5_000_001);
  let vm: VirtualMachine;
  beforeAll(async () => {
    mkdirSync(join(shared, "sub"), { recursive: true });
    mkdirSync(fixed);
    writeFileSync(join(shared, "large"), large);
    writeFileSync(join(shared, "sub/ä b'c"), "a name\n");
    writeFileSync(join(fixed, "file"), "fixed\n");
    writeFileSync(join(folder, "secret"), "SECRET\n");
    symlinkSync("../secret", join(shared, "out"));
    vm = await bootShell({ shares: [{ path: shared, tag: "work" }, { path: fixed, readOnly: true }] });
  }, BOOT + 300_000);
  afterAll(async () => {
    await vm?.close();
    rmSync(folder, { recursive: true });
  });

  test("it mounts them by their tags", async () => {
    await command(vm, "mkdir /mnt/work /mnt/fixed; modprobe 9p; mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000 work /mnt/work; mount -t 9p -o trans=virtio share1 /mnt/fixed");
    expect(await command(vm, "mount | grep -c 'type 9p'; ls /mnt/work")).toBe("2\r\nlarge  out    sub\r\n");
  });
  test("it reads what the host wrote", async () => {
    expect(await command(vm, "md5sum < /mnt/work/large; cat /mnt/work/sub/*; wc -c < /mnt/work/large")).toBe(`${md5(large)}  -\r\na name\r\n5000001\r\n`);
  });
  test("the host reads what it writes, truncates, renames, links and removes", async () => {
    await command(vm, "cd /mnt/work; cp large copy; mkdir -p a/b; mv copy a/b/moved; ln -s b/moved a/link; ln a/b/moved a/second; echo one > small; echo two >> small; chmod 640 small; touch -d '2001-02-03 04:05:06' small; rm -r sub; cd /");
    expect(md5(readFileSync(join(shared, "a/b/moved")))).toBe(md5(large));
    const small = lstatSync(join(shared, "small"));
    expect([readFileSync(join(shared, "small"), "utf8"), small.mode & 0o777, small.mtime.toISOString(), readlinkSync(join(shared, "a/link")), lstatSync(join(shared, "a/second")).nlink, readdirSync(shared).sort()])
      .toEqual(["one\ntwo\n", 0o640, "2001-02-03T04:05:06.000Z", "b/moved", 2, ["a", "large", "out", "small"]]);
    await command(vm, "truncate -s 3 /mnt/work/small; sync");
    expect(readFileSync(join(shared, "small"), "utf8")).toBe("one");
  });
  test("a tree of its own is the same on both sides", async () => {
    expect(await command(vm, "cp -r /etc /lib/modules /mnt/work/a/ 2>&1 | wc -l; cd /; find etc lib/modules -type f | sort | xargs cat | md5sum > /tmp/one; cd /mnt/work/a; mkdir lib; mv modules lib; find etc lib/modules -type f | sort | xargs cat | md5sum | cmp - /tmp/one && echo same; cd /")).toBe("0\r\nsame\r\n");
  }, 60_000);
  test("a link out of the share is the guest's own: it does not reach the host's file", async () => {
    expect(await command(vm, "cat /mnt/work/out 2>&1; mkdir -p /mnt/work/x; ln -s /etc/hostname2 /mnt/work/x/l; cat /mnt/work/x/l 2>&1")).not.toContain("SECRET");
  });
  test("the read-only share is read, and every write is refused with EROFS", async () => {
    expect(await command(vm, "cat /mnt/fixed/file; (echo x > /mnt/fixed/file; echo x > /mnt/fixed/new; mkdir /mnt/fixed/d; rm /mnt/fixed/file; mv /mnt/fixed/file /mnt/fixed/g; chmod 777 /mnt/fixed/file; ln -s x /mnt/fixed/l) 2>&1 | grep -c 'Read-only file system'")).toBe("fixed\r\n7\r\n");
    expect([readdirSync(fixed), readFileSync(join(fixed, "file"), "utf8")]).toEqual([["file"], "fixed\n"]);
  });
  test("many processes at once", async () => {
    expect(await command(vm, "mkdir /mnt/work/p; for i in 1 2 3 4 5 6 7 8; do (for j in 1 2 3 4 5 6 7 8 9 10; do echo $i.$j > /mnt/work/p/$i.$j; mv /mnt/work/p/$i.$j /mnt/work/p/n$i.$j; done) & done; wait; cat /mnt/work/p/n* | sort | uniq | wc -l")).toContain("80\r\n");
    expect(readdirSync(join(shared, "p")).length).toBe(80);
  }, 60_000);
  test("it unmounts; nothing in its log is a complaint", async () => {
    expect(await command(vm, "umount /mnt/work /mnt/fixed; dmesg | grep -iE '9p.*(error|fail)|bug|warn|hung'")).toBe("");
    vm.console.write("poweroff -f\n");
    expect(await vm.exited).toEqual({ kind: "off" });
  });
});
