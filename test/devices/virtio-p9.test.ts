// test/devices/virtio-p9.test.ts — virtio-9p on directories of this host: what 9P2000.L promises, and rows F1 to F5 of the list
// of adversarial cases, each through the device.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { chownSync, existsSync, linkSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, readlinkSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkShares } from "../../src/host/shares.ts";
import { E } from "../../src/share/files.ts";
import { T } from "../../src/share/server.ts";
import { failureOf } from "../support/failure.ts";
import { foldingFiles } from "../support/folding-files.ts";
import { P9Client, message, u16, u32, u64, u8 } from "../support/p9-client.ts";
import { run } from "../support/packages.ts";
import { Status } from "../support/virtio-driver.ts";

const RDWR = 2, CREATE = 0o100, EXCL = 0o200, TRUNC = 0o1000, WRONLY = 1;
const ROOT = 1;
let place: string, dir: string, client: P9Client;
const fresh = (readOnly = false): P9Client => {
  client?.close();
  client = new P9Client(dir, readOnly);
  expect(client.attach(ROOT)).toBe(0);
  return client;
};
beforeEach(() => {
  place = mkdtempSync(join(tmpdir(), "hv-share-"));
  dir = join(place, "shared");
  mkdirSync(join(dir, "sub/deep"), { recursive: true });
  writeFileSync(join(dir, "file"), "hello from the host\n");
  writeFileSync(join(dir, "sub/deep/leaf"), "leaf\n");
  writeFileSync(join(place, "secret"), "SECRET\n");
  fresh();
});
afterEach(() => {
  client.close();
  rmSync(place, { recursive: true, force: true });
});
const open = (fid: number, flags = 0, ...names: string[]): number => client.walk(ROOT, fid, ...names) || client.try(T.lopen, u32(fid), u32(flags));
const setattr = (fid: number, valid: number, { mode = 0, uid = 0, gid = 0, size = 0, atime = 0, mtime = 0 } = {}): number =>
  client.try(T.setattr, u32(fid), u32(valid), u32(mode), u32(uid), u32(gid), u64(size), u64(atime), u64(0), u64(mtime), u64(0));
const needsReset = (): boolean => (client.driver.status & Status.NEEDS_RESET) !== 0;

describe("9P2000.L", () => {
  test("the configuration space holds the tag", () => {
    expect(Array.from({ length: 7 }, (_, i) => client.driver.device.read(0x100 + i, 1))).toEqual([5, 0, ...Buffer.from("share")]);
  });
  test("a version that is not ours is unknown, one that is bounds the messages", () => {
    const answer = client.call(T.version, [u32(0xffff_ffff), "9P2000.L"]) as DataView;
    expect(answer.getUint32(0, true)).toBe(512 * 1024);
    expect(Buffer.from(new Uint8Array((client.call(T.version, [u32(8192), "9P2000.u"]) as DataView).buffer)).toString("latin1")).toContain("unknown");
  });
  test("a file is walked to, opened, read, and read behind its end", () => {
    expect([open(2, 0, "file"), client.read(2), client.read(2, 6, 4), client.read(2, 100)]).toEqual([0, "hello from the host\n", "from", ""]);
  });
  test("a walk that ends halfway says how far it came and makes no fid", () => {
    expect([client.walk(ROOT, 2, "sub", "none", "x"), client.walk(ROOT, 2, "none"), client.read(2)]).toEqual([-2, E.ENOENT, E.EBADF]);
  });
  test("a file is made, written and synced", () => {
    client.walk(ROOT, 2);
    expect(client.try(T.lcreate, u32(2), "new", u32(RDWR | CREATE), u32(0o4644), u32(0))).toBe(0);
    expect([client.write(2, "by the guest"), client.try(T.fsync, u32(2), u32(0)), client.read(2)]).toEqual([0, 0, "by the guest"]);
    expect([readFileSync(join(dir, "new"), "utf8"), lstatSync(join(dir, "new")).mode & 0o7000]).toEqual(["by the guest", 0]);
  });
  test("creating what is there opens it, or with O_EXCL fails", () => {
    client.walk(ROOT, 2);
    expect(client.try(T.lcreate, u32(2), "file", u32(RDWR | CREATE | EXCL), u32(0o644), u32(0))).toBe(E.EEXIST);
    expect([client.try(T.lcreate, u32(2), "file", u32(RDWR | CREATE), u32(0o644), u32(0)), client.read(2)]).toEqual([0, "hello from the host\n"]);
  });
  test("O_TRUNC empties", () => {
    expect([open(2, WRONLY | TRUNC, "file"), readFileSync(join(dir, "file"), "utf8")]).toEqual([0, ""]);
  });
  test("a directory is listed, in pieces and again from any place", () => {
    for (let i = 0; i < 300; i++) writeFileSync(join(dir, "sub", `entry-${i}`), "");
    expect(open(2, 0, "sub")).toBe(0);
    const expected = readdirSync(join(dir, "sub")).sort();
    expect([client.names(2, 100), client.names(2), client.names(2, 60_000)].map(one => (one as string[]).sort())).toEqual([expected, expected, expected]);
    const two = client.call(T.readdir, [u32(2), u64(298), u32(4096)]) as DataView; // back into the middle
    expect([two.getBigUint64(4 + 13, true), client.try(T.readdir, u32(2), u64(0), u32(10)), client.try(T.readdir, u32(2), u64(2n ** 63n), u32(100))]).toEqual([299n, E.EINVAL, 0]);
  });
  test("directories, links and names are made, changed and removed", () => {
    const done = [
      client.try(T.mkdir, u32(ROOT), "made", u32(0o755), u32(0)), client.try(T.symlink, u32(ROOT), "link", "file", u32(0)),
      client.walk(ROOT, 2, "file"), client.try(T.link, u32(ROOT), u32(2), "second"), client.walk(ROOT, 3, "made"),
      client.try(T.renameat, u32(ROOT), "second", u32(3), "moved"), client.try(T.rename, u32(2), u32(3), "file2"),
    ];
    expect(done).toEqual([0, 0, 0, 0, 0, 0, 0]);
    expect([readdirSync(join(dir, "made")).sort(), readlinkSync(join(dir, "link")), lstatSync(join(dir, "made/moved")).nlink, existsSync(join(dir, "file"))]).toEqual([["file2", "moved"], "file", 2, false]);
    expect([client.try(T.unlinkat, u32(ROOT), "made", u32(0x200)), client.try(T.unlinkat, u32(ROOT), "made", u32(0)), client.try(T.unlinkat, u32(3), "moved", u32(0)), client.try(T.remove, u32(2)), client.try(T.unlinkat, u32(ROOT), "made", u32(0x200))]).toEqual([E.ENOTEMPTY, E.EISDIR, 0, 0, 0]);
    expect(readdirSync(dir).sort()).toEqual(["link", "sub"]);
  });
  test("a fid stays with its object when that is renamed, and when it is removed while it is open", () => {
    expect([client.walk(ROOT, 2, "file"), client.try(T.renameat, u32(ROOT), "file", u32(ROOT), "other"), client.walk(2, 3), client.try(T.lopen, u32(3), u32(0))]).toEqual([0, 0, 0, 0]);
    expect([client.try(T.unlinkat, u32(ROOT), "other", u32(0)), client.read(3)]).toEqual([0, "hello from the host\n"]);
  });
  test("readlink tells the target of a link, and of nothing else", () => {
    symlinkSync("sub/deep", join(dir, "link"));
    client.walk(ROOT, 2, "link");
    expect(Buffer.from(new Uint8Array((client.call(T.readlink, [u32(2)]) as DataView).buffer)).toString("latin1")).toContain("sub/deep");
    expect(client.try(T.readlink, u32(ROOT))).toBe(E.EINVAL);
  });
  test("attributes are read and changed: mode, size, times; owners are not", () => {
    client.walk(ROOT, 2, "file");
    const found = client.call(T.getattr, [u32(2), u64(0x3fff)]) as DataView, stat = statSync(join(dir, "file"));
    expect([found.getBigUint64(0, true), found.getUint32(21, true), found.getBigUint64(49, true), found.getBigUint64(13, true)]).toEqual([0x7ffn, stat.mode, 20n, BigInt(stat.ino)]);
    expect([setattr(2, 1, { mode: 0o6751 }), setattr(2, 8, { size: 5 }), setattr(2, 16 | 32 | 128 | 256, { atime: 1000, mtime: 2000 }), setattr(2, 2, { uid: 12345 }), setattr(2, 8, { size: 2 ** 60 })]).toEqual([0, 0, 0, E.EPERM, E.EFBIG]);
    const after = statSync(join(dir, "file"));
    expect([after.mode & 0o7777, after.size, after.atimeMs, after.mtimeMs]).toEqual([0o751, 5, 1_000_000, 2_000_000]);
  });
  test("statfs, locks, extended attributes, flush", () => {
    open(2, 0, "file");
    const lock = [u8(0), u32(0), u64(0), u64(0), u32(7), "guest"] as const;
    expect([client.try(T.statfs, u32(2)), client.try(T.lock, u32(2), ...lock), (client.call(T.getlock, [u32(2), u8(0), u64(0), u64(0), u32(7), "guest"]) as DataView).getUint8(0)]).toEqual([0, 0, 2]);
    expect([client.try(T.xattrwalk, u32(2), u32(3), "user.x"), client.try(T.auth, u32(3), "", "", u32(0)), client.try(T.flush, u16(9)), client.try(T.flush, u16(1))]).toEqual([E.EOPNOTSUPP, E.EOPNOTSUPP, 0, 0]);
  });
});

describe("F1: nothing outside of the directory is reached", () => {
  test.each([["..", E.EINVAL], [".", E.EINVAL], ["", E.EINVAL], ["a/b", E.EINVAL], ["../secret", E.EINVAL], ["/etc", E.EINVAL], ["a\0b", E.EINVAL], ["x".repeat(256), E.ENAMETOOLONG], ["ä".repeat(128), E.EINVAL]])("the name %j", (name, errno) => {
    client.walk(ROOT, 2);
    expect([
      client.walk(ROOT, 3, name), client.try(T.lcreate, u32(2), name, u32(RDWR | CREATE), u32(0o644), u32(0)), client.try(T.mkdir, u32(ROOT), name, u32(0o755), u32(0)), client.try(T.symlink, u32(ROOT), name, "x", u32(0)),
      client.try(T.renameat, u32(ROOT), "file", u32(ROOT), name), client.try(T.renameat, u32(ROOT), name, u32(ROOT), "y"), client.try(T.unlinkat, u32(ROOT), name, u32(0)), client.try(T.link, u32(ROOT), u32(2), name),
    ]).toEqual(new Array<number>(8).fill(errno));
    expect(readdirSync(place).sort()).toEqual(["secret", "shared"]);
  });
  test("invalid UTF-8 is no name", () => {
    expect(client.try(T.walk, u32(ROOT), u32(2), u16(1), Uint8Array.of(2, 0, 0xc3, 0x28))).toBe(E.EINVAL);
  });
  test("a walk of more names than 16, or of more than it has", () => {
    expect([client.walk(ROOT, 2, ...new Array<string>(17).fill("sub")), client.try(T.walk, u32(ROOT), u32(2), u16(1000)), client.try(T.walk, u32(ROOT), u32(2), u16(3), "sub")]).toEqual([E.EINVAL, E.EINVAL, E.EPROTO]);
  });
  test.each(["/", "..", "../secret", "/proc/self/root", "../../../../../../etc"])("a link to %s is a link, whoever made it", target => {
    symlinkSync(target, join(dir, "by-host"));
    expect(client.try(T.symlink, u32(ROOT), "by-guest", target, u32(0))).toBe(0);
    for (const name of ["by-host", "by-guest"]) {
      expect([client.walk(ROOT, 2, name, "secret"), client.walk(ROOT, 2, name), client.try(T.lopen, u32(2), u32(0)), client.try(T.lopen, u32(2), u32(RDWR | TRUNC)), client.walk(2, 3, "etc"), client.try(T.mkdir, u32(2), "new", u32(0o755), u32(0)), client.try(T.clunk, u32(2))])
        .toEqual([-2, 0, E.ELOOP, E.ELOOP, E.ENOTDIR, E.ENOTDIR, 0]);
      client.walk(ROOT, 2);
      expect([client.try(T.lcreate, u32(2), name, u32(RDWR | CREATE), u32(0o644), u32(0)), client.try(T.clunk, u32(2))]).toEqual([E.EPERM, 0]);
    }
    expect(readFileSync(join(place, "secret"), "utf8")).toBe("SECRET\n");
  });
  test("a directory that is exchanged for a link to the outside, again and again, never leads there", () => {
    mkdirSync(join(place, "outside"));
    writeFileSync(join(place, "outside/leaf"), "SECRET\n");
    mkdirSync(join(dir, "swap"));
    writeFileSync(join(dir, "swap/leaf"), "leaf\n");
    symlinkSync(join(place, "outside"), join(dir, "evil"));
    const swapper = Bun.spawn(["python3", "-c", `
import os,sys
a,b,t=[os.path.join(sys.argv[1],n) for n in ('swap','evil','tmp')]
print('on',flush=True)
while True:
    os.rename(a,t); os.rename(b,a); os.rename(t,b)
`, dir], { stdout: "pipe", stderr: "ignore" });
    const seen = new Set<string | number>();
    try {
      for (let i = 0; i < 20_000; i++) {
        const walked = client.walk(ROOT, 2, "swap", "leaf");
        if (walked !== 0) {
          seen.add(walked);
          continue;
        }
        seen.add(client.try(T.lopen, u32(2), u32(0)) || client.read(2));
        client.try(T.clunk, u32(2));
      }
    } finally {
      swapper.kill(9);
    }
    expect([...seen].every(one => [0, "leaf\n", E.ENOENT, E.ENOTDIR, -1, -2].includes(one))).toBe(true);
    expect(seen.has("SECRET\n")).toBe(false);
    expect(seen.size).toBeGreaterThan(1); // the exchange was seen
  }, 60_000);
  test("a directory that the host moves out stays what it is, and its parent is not reached from it", () => {
    client.walk(ROOT, 2, "sub", "deep");
    renameSync(join(dir, "sub/deep"), join(place, "moved"));
    expect([client.walk(2, 3, ".."), client.walk(2, 3, "leaf")]).toEqual([E.EINVAL, 0]);
  });
});

describe("F2: what is neither file nor directory", () => {
  test("FIFO, socket, device: opening is refused and does not wait", () => {
    run(["mkfifo", join(dir, "fifo")]);
    const socket = Bun.listen({ unix: join(dir, "socket"), socket: { data: () => {} } });
    try {
      for (const name of ["fifo", "socket"]) {
        expect([client.walk(ROOT, 2, name), client.try(T.lopen, u32(2), u32(0)), client.try(T.lopen, u32(2), u32(RDWR)), client.try(T.clunk, u32(2))]).toEqual([0, E.EPERM, E.EPERM, 0]);
        client.walk(ROOT, 2);
        expect([client.try(T.lcreate, u32(2), name, u32(WRONLY | CREATE), u32(0o644), u32(0)), client.try(T.clunk, u32(2))]).toEqual([E.EPERM, 0]);
      }
    } finally {
      socket.stop(true);
    }
  });
  test("the guest makes no device nodes", () => {
    expect([client.try(T.mknod, u32(ROOT), "dev", u32(0o60644), u32(8), u32(0), u32(0)), existsSync(join(dir, "dev"))]).toEqual([E.EPERM, false]);
  });
  test("a further name for a link is one for the link, not for what it names", () => {
    symlinkSync("../secret", join(dir, "link"));
    expect([client.walk(ROOT, 2, "link"), client.try(T.link, u32(ROOT), u32(2), "hard"), lstatSync(join(dir, "hard")).isSymbolicLink()]).toEqual([0, 0, true]);
  });
  test("a file with a further name outside is a file of the share", () => {
    linkSync(join(place, "secret"), join(dir, "hard"));
    expect([open(2, 0, "hard"), client.read(2)]).toEqual([0, "SECRET\n"]);
  });
});

describe("F3: messages that are none", () => {
  test.each([["shorter than a header", 3], ["of no length", 0], ["longer than its buffer", 5000], ["of 4 GiB", 0xffff_ffff]])("%s", (_, size) => {
    const bytes = message(T.clunk, [u32(ROOT)]);
    new DataView(bytes.buffer).setUint32(0, size, true);
    expect([...client.send(bytes).subarray(4, 11)]).toEqual([T.lerror + 1, 1, 0, E.EPROTO, 0, 0, 0]);
    expect(client.walk(ROOT, 2, "file")).toBe(0); // and goes on
  });
  test("longer than was agreed on", () => {
    client.call(T.version, [u32(4096), "9P2000.L"]);
    client.attach(ROOT);
    open(2, RDWR, "file");
    expect([client.write(2, "x".repeat(4096)), client.write(2, "x".repeat(4000)), (client.read(2, 0, 0xffff_ffff) as string).length]).toEqual([E.EPROTO, 0, 4000]);
  });
  test("a buffer without a header, or without room for an error, needs a reset", () => {
    client.driver.send([{ at: client.driver.data, length: 3 }, { at: client.driver.data + 64, length: 64, write: true }]);
    expect([needsReset(), client.open]).toEqual([true, 1]);
    fresh();
    client.driver.send([{ at: client.driver.data, length: 64 }, { at: client.driver.data + 64, length: 10, write: true }]);
    expect(needsReset()).toBe(true);
    client.driver.start();
    expect(client.open).toBe(0); // a reset forgets every fid
  });
  test("an answer that finds no room is an error that does", () => {
    expect(client.call(T.getattr, [u32(ROOT), u64(0x7ff)], 20)).toBe(E.EPROTO);
  });
  test("every message cut off at every length changes nothing", () => {
    const whole = [message(T.unlinkat, [u32(ROOT), "file", u32(0)]), message(T.mkdir, [u32(ROOT), "x", u32(0o755), u32(0)]), message(T.renameat, [u32(ROOT), "file", u32(ROOT), "gone"])];
    const before = readdirSync(dir).sort();
    for (const one of whole) {
      for (let length = 7; length < one.length; length++) {
        const cut = one.slice(0, length);
        new DataView(cut.buffer).setUint32(0, length, true);
        expect(client.send(cut)[4]).toBe(T.lerror + 1);
      }
    }
    expect(readdirSync(dir).sort()).toEqual(before);
  });
  test("fids: unknown, in use, clunked twice, used for what they are not", () => {
    expect([client.walk(9, 10), client.attach(ROOT), client.walk(ROOT, 2, "file"), client.walk(ROOT, 2, "sub"), client.try(T.clunk, u32(2)), client.try(T.clunk, u32(2)), client.read(ROOT), client.write(ROOT, "x"), client.try(T.readdir, u32(ROOT), u64(0), u32(100)), client.try(T.lopen, u32(ROOT), u32(3)), client.try(T.lopen, u32(ROOT), u32(RDWR))])
      .toEqual([E.EBADF, E.EBADF, 0, E.EBADF, 0, E.EBADF, E.EBADF, E.EBADF, E.EBADF, E.EINVAL, E.EISDIR]);
    expect([open(2, 0, "file"), client.try(T.lopen, u32(2), u32(0)), client.walk(2, 3), client.write(2, "x"), client.attach(5, "/etc")]).toEqual([0, E.EINVAL, E.EINVAL, E.EBADF, E.ENOENT]);
  });
  test("offsets and counts at their ends", () => {
    open(2, RDWR, "file");
    expect([client.read(2, 2n ** 63n), client.read(2, 2n ** 64n - 1n), (client.read(2, 0, 0xffff_ffff) as string).length, client.try(T.write, u32(2), u64(2n ** 63n), u32(1), Uint8Array.of(1)), client.try(T.write, u32(2), u64(0), u32(0xffff_ffff), Uint8Array.of(1)), client.read(2, 0, 0)]).toEqual(["", "", 20, E.EFBIG, E.EPROTO, ""]);
  });
  test("fids and open files have a limit, and all are given back", () => {
    const descriptors = (): number => readdirSync("/proc/self/fd").length, before = descriptors();
    let opened = 0, fid = 10;
    for (; opened < 2000 && open(fid, 0, "file") === 0; fid++) opened++;
    expect([opened, open(fid, 0, "file")]).toEqual([1024, E.EBADF]); // the fid was walked to, and is in use
    let fids = fid;
    while (client.walk(ROOT, ++fids) === 0);
    expect([client.open, client.walk(ROOT, fids)]).toEqual([8192, E.EMFILE]);
    client.call(T.version, [u32(65536), "9P2000.L"]);
    expect([client.open, descriptors() - before]).toEqual([0, 0]);
  }, 60_000);
  test("an unknown message", () => {
    expect([client.try(200, u32(ROOT)), client.try(0, u32(ROOT)), client.try(200)]).toEqual([E.EOPNOTSUPP, E.EOPNOTSUPP, E.EPROTO]);
  });
});

describe("F4: a read-only share", () => {
  test("refuses whatever would change it", () => {
    fresh(true);
    const before = run(["ls", "-lR", "--time-style=full-iso", dir]).stdout.toString();
    client.walk(ROOT, 2, "file");
    client.walk(ROOT, 4);
    const refused = [
      client.try(T.lopen, u32(2), u32(WRONLY)), client.try(T.lopen, u32(2), u32(RDWR)), client.try(T.lopen, u32(2), u32(TRUNC)), client.try(T.lcreate, u32(4), "new", u32(CREATE), u32(0o644), u32(0)), client.try(T.lcreate, u32(4), "file", u32(CREATE), u32(0o644), u32(0)),
      client.try(T.mkdir, u32(ROOT), "new", u32(0o755), u32(0)), client.try(T.symlink, u32(ROOT), "new", "x", u32(0)), client.try(T.mknod, u32(ROOT), "new", u32(0o100644), u32(0), u32(0), u32(0)), client.try(T.link, u32(ROOT), u32(2), "new"),
      client.try(T.rename, u32(2), u32(ROOT), "new"), client.try(T.renameat, u32(ROOT), "file", u32(ROOT), "new"), client.try(T.unlinkat, u32(ROOT), "file", u32(0)), client.try(T.unlinkat, u32(ROOT), "sub", u32(0x200)),
      setattr(2, 1, { mode: 0o777 }), setattr(2, 8), setattr(2, 32 | 256, { mtime: 5 }), setattr(2, 0),
    ];
    expect(refused).toEqual(new Array<number>(refused.length).fill(E.EROFS));
    expect([client.try(T.lopen, u32(2), u32(0)), client.write(2, "x"), client.read(2), client.try(T.remove, u32(2))]).toEqual([0, E.EROFS, "hello from the host\n", E.EROFS]);
    expect(run(["ls", "-lR", "--time-style=full-iso", dir]).stdout.toString()).toBe(before);
  });
});

describe("F5: the host's side goes away", () => {
  test("a removed directory gives errors, and what is new in it is seen", () => {
    client.walk(ROOT, 2, "sub");
    rmSync(join(dir, "sub"), { recursive: true });
    expect([client.walk(2, 3, "deep"), client.try(T.mkdir, u32(2), "x", u32(0o755), u32(0)), client.walk(ROOT, 3, "sub")]).toEqual([E.ENOENT, E.ENOENT, E.ENOENT]);
    rmSync(dir, { recursive: true });
    expect([client.walk(ROOT, 3, "file"), client.try(T.mkdir, u32(ROOT), "x", u32(0o755), u32(0)), client.attach(5), needsReset()]).toEqual([E.ENOENT, E.ENOENT, 0, false]);
  });
  test.skipIf(process.getuid?.() !== 0)("a full disk says ENOSPC (needs root, for a file system of 64 KiB)", () => {
    const full = join(place, "full");
    mkdirSync(full);
    if (run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", full]).code !== 0) return; // a container may not mount
    try {
      client.close();
      client = new P9Client(full);
      client.attach(ROOT);
      client.walk(ROOT, 2);
      expect(client.try(T.lcreate, u32(2), "large", u32(RDWR | CREATE), u32(0o644), u32(0))).toBe(0);
      expect([0, 1, 2, 3].map(n => client.write(2, "x".repeat(30_000), n * 65536))).toEqual([0, 0, E.ENOSPC, E.ENOSPC]);
      expect([setattr(2, 8, { size: 0 }), client.write(2, "again")]).toEqual([0, 0]);
    } finally {
      client.shares.close();
      run(["umount", full]);
      fresh();
    }
  });
});

describe("F5: rights that are revoked while the guest has it mounted", () => {
  test("what is open goes on, the rest is EACCES, nothing outside is reached; and all is well when they are given back", () => {
    const own = mkdtempSync(join(tmpdir(), "hv-rights-")), root = process.getuid?.() === 0; // root has all rights: be somebody else
    try {
      if (root) chownSync(own, 65534, 65534);
      const child = Bun.spawnSync([...(root ? ["setpriv", "--reuid", "65534", "--clear-groups"] : []), process.execPath, join(import.meta.dir, "../support/rights-revoked.ts"), own]);
      expect(child.stderr.toString()).toBe("");
      expect(JSON.parse(child.stdout.toString())).toEqual({
        open: [0, 0, 0], "of files: what is open goes on": [0, "still \n"], "of files: nothing is opened": [E.EACCES, E.EACCES, E.EACCES, E.EACCES],
        "of the root": [E.EACCES, E.EACCES, E.EACCES, 0, E.EINVAL], "its list": E.EACCES, "the guest cannot give them to itself by a name it cannot reach": E.EACCES,
        "read-only for the host": [E.EACCES, E.EACCES, E.EACCES], "given back": [0, "other\n", 0, "leaf\n", 0, "still \n"], outside: "SECRET\n",
      });
    } finally {
      rmSync(own, { recursive: true });
    }
  });
});

/** A directory whose names differ not by case alone: of a real file system where the kernel has one. */
function casefoldTmpfs(at: string): boolean {
  mkdirSync(at);
  const mounted = run(["mount", "-t", "tmpfs", "-o", "casefold", "none", at]);
  if (mounted.code === 0 && run(["chattr", "+F", at]).code === 0) return true;
  run(["umount", at]);
  console.log(`F5, names on a real file system that folds case: not run: ${mounted.stderr.trim().split("\n")[0] ?? "chattr"}`);
  return false;
}
describe.each(["a played file system", "tmpfs"] as const)("F5: names that differ by case only: %s", kind => {
  let folding: string;
  const client2 = (): P9Client | undefined => {
    folding = join(place, "folding");
    if (kind === "tmpfs" ? !casefoldTmpfs(folding) : mkdirSync(folding) !== undefined) return undefined;
    client.close();
    client = kind === "tmpfs" ? new P9Client(folding) : new P9Client(folding, false, foldingFiles);
    client.attach(ROOT);
    return client;
  };
  test("are one name: what is there is found, not made twice, renamed and removed by any spelling; links still lead nowhere", () => {
    if (client2() === undefined) return;
    try {
      const make = (fid: number, name: string, flags = RDWR | CREATE): number => client.walk(ROOT, fid) || client.try(T.lcreate, u32(fid), name, u32(flags), u32(0o644), u32(0));
      expect([make(2, "Read.me"), client.write(2, "one"), make(3, "READ.ME", RDWR | CREATE | EXCL), make(4, "read.me"), client.read(4)]).toEqual([0, 0, E.EEXIST, 0, "one"]);
      expect([client.try(T.mkdir, u32(ROOT), "Sub", u32(0o755), u32(0)), client.try(T.mkdir, u32(ROOT), "sUB", u32(0o755), u32(0)), client.try(T.symlink, u32(ROOT), "READ.me", "x", u32(0))]).toEqual([0, E.EEXIST, E.EEXIST]);
      symlinkSync("../secret", join(folding, "Link"));
      expect([open(5, 0, "LINK"), open(6, 0, "sub", "..", "..", "secret"), client.walk(ROOT, 7, "LINK", "x")]).toEqual([E.ELOOP, -2, -2]);
      // its own name in another case; then another, with the first fid still on it
      expect([client.try(T.renameat, u32(ROOT), "read.ME", u32(ROOT), "README"), client.try(T.rename, u32(2), u32(ROOT), "other"), client.read(4)]).toEqual([0, 0, "one"]);
      expect([make(8, "rEADme"), client.write(8, "two"), client.try(T.remove, u32(4)), client.read(8), open(9, 0, "OTHER")]).toEqual([0, 0, 0, "two", E.ENOENT]);
      expect([client.walk(ROOT, 10), client.try(T.lopen, u32(10), u32(0)), (client.names(10) as string[]).filter(name => !/^\.+$/.test(name)).sort()]).toEqual([0, 0, ["Link", "Sub", "rEADme"]]);
      expect([client.try(T.unlinkat, u32(ROOT), "SUB", u32(0x200)), client.try(T.unlinkat, u32(ROOT), "readME", u32(0)), readdirSync(folding), needsReset()]).toEqual([0, 0, ["Link"], false]);
      expect(readFileSync(join(place, "secret"), "utf8")).toBe("SECRET\n");
    } finally {
      client.close();
      if (kind === "tmpfs") run(["umount", folding]);
      fresh();
    }
  });
});
test("F5: who is renamed by another spelling of its name is still what a fid of the first spelling removes", () => {
  linkSync(join(dir, "file"), join(dir, "FILE")); // one file by two spellings, as where case is folded
  client.walk(ROOT, 2, "file");
  expect([client.try(T.renameat, u32(ROOT), "FILE", u32(ROOT), "moved"), client.try(T.remove, u32(2)), existsSync(join(dir, "moved")), existsSync(join(dir, "file"))]).toEqual([0, 0, false, true]);
});

describe("what is asked for", () => {
  test.each([["", undefined, "is missing"], ["/x", "a b", "is no tag"], ["/x", "x".repeat(32), "is no tag"], ["/x", "", "is no tag"]])("%j with the tag %j is refused", (path, tag, why) => {
    expect(failureOf(() => checkShares([{ path, tag }])).message).toContain(why);
  });
  test("tags come by themselves, and only once", () => {
    expect(checkShares([{ path: "/a" }, { path: "/b" }]).map(one => one.tag)).toEqual(["share", "share1"]);
    expect(failureOf(() => checkShares([{ path: "/a", tag: "x" }, { path: "/b", tag: "x" }])).message).toContain("is taken");
  });
  test("no directory, or a file", () => {
    expect([failureOf(() => new P9Client(join(place, "none"))).message, failureOf(() => new P9Client(join(place, "secret"))).message]).toEqual([expect.stringContaining("there is no such directory"), expect.stringContaining("is no directory")]);
  });
});
