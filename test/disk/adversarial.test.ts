// test/disk/adversarial.test.ts — what hostile images, guests and hosts do to disks, and what comes of it: on real files,
// through hv's commands and its disks as a machine opens them. Images are made by hv and damaged here.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { linkSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BlockBackend } from "../../devices/virtio/block-backend.ts";
import { VirtioBlock } from "../../devices/virtio/block.ts";
import { Failure } from "../../src/failure.ts";
import { openDisks, type DiskOptions } from "../../src/host/disks.ts";
import { hv } from "../support/hv.ts";
import { ensureDebianPackages, run } from "../support/packages.ts";
import { Random } from "../support/random.ts";
import { Driver } from "../support/virtio-driver.ts";

const KiB = 1024, MiB = 1024 * KiB;
let folder: string;
const at = (name: string): string => join(folder, name);
beforeAll(() => {
  ensureDebianPackages(["qemu-utils"]);
  folder = mkdtempSync(join(tmpdir(), "hv-adversarial-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

async function made(name: string, ...args: string[]): Promise<string> {
  rmSync(at(name), { force: true });
  const done = await hv(["disk", "create", at(name), ...args]);
  expect([done.code, done.stderr]).toEqual([0, ""]);
  return at(name);
}
/** What opening says: a code, or what was noted. */
function opening(...disks: DiskOptions[]): string {
  try {
    openDisks(disks).close();
    return "opened";
  } catch (error) {
    if (error instanceof Failure) return error.code;
    throw error;
  }
}
const answers = (backend: BlockBackend, act: (backend: BlockBackend, done: (error: { readonly message: string } | undefined) => void) => void): string | undefined => {
  let message: string | undefined = "no answer";
  act(backend, error => { message = error?.message; });
  return message;
};
const first = (disks: ReturnType<typeof openDisks>): BlockBackend => disks.all[0]!.backend;
const change = (path: string, edit: (bytes: Uint8Array, view: DataView) => void): void => {
  const bytes = new Uint8Array(readFileSync(path));
  edit(bytes, new DataView(bytes.buffer));
  writeFileSync(path, bytes);
};
const qcow2Header = Uint8Array.of(0x51, 0x46, 0x49, 0xfb, 0, 0, 0, 3);

describe("D1: a guest writes another format's header into its raw disk", () => {
  test.each([["qcow2", [...qcow2Header]], ["VMDK", [..."KDMV"].map(c => c.charCodeAt(0))], ["VHDX", [..."vhdxfile"].map(c => c.charCodeAt(0))]])("%s: the disk stays raw, for machines and for hv disk; no other file is opened", async (_, magic) => {
    const path = at("guest.img");
    rmSync(path, { force: true });
    writeFileSync(path, new Uint8Array(MiB));
    const header = new Uint8Array(512);
    header.set(magic as number[]);
    let disks = openDisks([{ path }]);
    const marked = answers(first(disks), (disk, done) => disk.write(0, header, done)); // undefined where the file remembers
    disks.close();
    disks = openDisks([{ path }]);
    expect(first(disks).size).toBe(MiB);
    disks.close();
    const info = JSON.parse((await hv(["disk", "info", path, "--json"])).stdout) as { format: string; size: number };
    expect([info.format, info.size]).toEqual(["raw", MiB]);
    expect((await hv(["disk", "resize", path, "2M"])).code).toBe(0);
    expect(statSync(path).size).toBe(2 * MiB);
    expect((await hv(["disk", "convert", path, at("converted.img"), "--to", "raw", "--force"])).code).toBe(0);
    if (marked === undefined) expect([...readFileSync(at("converted.img")).subarray(0, magic.length)]).toEqual(magic as number[]);
    else expect(marked).toContain("whose format was not given");
  });
});

describe("D2: backing files", () => {
  const backed = async (name: string, backing: string, format = "raw"): Promise<string> => {
    const path = await made(name, "1M");
    change(path, (bytes, view) => { // the extension and the name, as qcow2.txt lays them out
      view.setUint32(112, 0xe279_2aca);
      view.setUint32(116, format.length);
      bytes.set(new TextEncoder().encode(format), 120);
      const text = new TextEncoder().encode(backing);
      bytes.set(text, 512);
      view.setBigUint64(8, 512n);
      view.setUint32(16, text.length);
    });
    return path;
  };
  test.each(["/etc/passwd", "../x", "a/../../x", 'json:{"driver":"file"}', "nbd://127.0.0.1/x", "fat:/etc"])("%s is refused", async name => {
    expect(opening({ path: await backed("evil.qcow2", name), format: "qcow2" })).toBe("HV-DISK-BACKING");
  });
  test("one in the same folder is opened when the format was said, and not when it was guessed", async () => {
    writeFileSync(at("base.img"), new Uint8Array(64 * KiB).fill(9));
    const path = await backed("good.qcow2", "base.img");
    expect([opening({ path }), opening({ path, format: "qcow2" }), opening({ path, backing: "any" })]).toEqual(["HV-DISK-BACKING", "opened", "opened"]);
  });
  test("itself, two of each other, one that is missing, a chain of 11", async () => {
    const self = await backed("self.qcow2", "self.qcow2", "qcow2"), a = await backed("a.qcow2", "b.qcow2", "qcow2");
    await backed("b.qcow2", "a.qcow2", "qcow2");
    for (let n = 0; n < 11; n++) await backed(`chain-${n}.qcow2`, `chain-${n + 1}.qcow2`, "qcow2");
    await made("chain-11.qcow2", "1M");
    const gone = await backed("gone.qcow2", "nowhere.img");
    expect([self, a, at("chain-0.qcow2"), at("chain-2.qcow2"), gone].map(path => opening({ path, format: "qcow2" }))).toEqual(["HV-DISK-LOOP", "HV-DISK-LOOP", "HV-DISK-BACKING", "opened", "HV-DISK-BACKING"]);
  });
  test("an external data file is refused by its name", async () => {
    const path = await made("external.qcow2", "1M");
    change(path, (_, view) => view.setUint32(76, 4));
    const info = await hv(["disk", "info", path]);
    expect([info.code, info.stderr]).toEqual([2, `hv: ${path}: uses features that hv does not have: external data file; qemu-img convert makes an image without them\n`]);
  });
});

describe("D3: headers", () => {
  test.each<[string, (view: DataView) => void, string]>([
    ["clusters of 1 byte", view => view.setUint32(20, 0), "HV-QCOW2-HEADER"], ["of 256 bytes", view => view.setUint32(20, 8), "HV-QCOW2-HEADER"],
    ["of 4 MiB", view => view.setUint32(20, 22), "HV-QCOW2-HEADER"], ["of 2^63 bytes", view => view.setUint32(20, 63), "HV-QCOW2-HEADER"],
    ["version 1", view => view.setUint32(4, 1), "HV-QCOW2-VERSION"], ["version 4", view => view.setUint32(4, 4), "HV-QCOW2-VERSION"],
    ["a length of 2^32 - 1", view => view.setUint32(100, 0xffff_ffff), "HV-QCOW2-HEADER"],
    ["an extension of 2^31 - 1 bytes", view => { view.setUint32(112, 0x1234); view.setUint32(116, 0x7fff_ffff); }, "HV-QCOW2-HEADER"],
    ["a disk of 2^63 bytes", view => view.setBigUint64(24, 1n << 63n), "HV-QCOW2-HEADER"], ["counts of 128 bits", view => view.setUint32(96, 7), "HV-QCOW2-HEADER"],
    ["encryption", view => view.setUint32(32, 2), "HV-QCOW2-CRYPT"], ["the corrupt bit", view => view.setUint32(76, 2), "HV-QCOW2-CORRUPT"],
    ...[2, 4, 5, 17, 31].map((bit): [string, (view: DataView) => void, string] => [`incompatible bit ${bit}`, view => view.setUint32(76, (1 << bit) >>> 0), "HV-QCOW2-FEATURE"]),
    ...[32, 63].map((bit): [string, (view: DataView) => void, string] => [`incompatible bit ${bit}`, view => view.setUint32(72, (1 << (bit - 32)) >>> 0), "HV-QCOW2-FEATURE"]),
  ])("%s is refused", async (_, edit, code) => {
    const path = await made("header.qcow2", "1M");
    change(path, (__, view) => edit(view));
    expect(opening({ path, format: "qcow2" })).toBe(code);
  });
  test("a header cut off anywhere is refused", async () => {
    const path = await made("cut.qcow2", "1M"), whole = readFileSync(path);
    const codes = new Set<string>();
    for (let n = 1; n < 112; n += 3) {
      writeFileSync(path, whole.subarray(0, n));
      codes.add(opening({ path, format: "qcow2" }));
    }
    expect([...codes].sort()).toEqual(["HV-QCOW2-HEADER", "HV-QCOW2-MAGIC"]);
  });
  test("dirty: its counts are counted again when it is written, and read as they are", async () => {
    const path = await made("dirty.qcow2", "1M", "--lazy-refcounts");
    const disks = openDisks([{ path, format: "qcow2" }]);
    expect(answers(first(disks), (disk, done) => disk.write(0, new Uint8Array(256 * KiB).fill(3), done))).toBeUndefined();
    disks.close();
    change(path, (bytes, view) => {
      view.setUint32(76, 1);
      const block = Number(view.getBigUint64(Number(view.getBigUint64(48))));
      bytes.fill(0, block, block + 16); // nothing is counted
    });
    expect(opening({ path, format: "qcow2", readOnly: true })).toBe("opened");
    expect(opening({ path, format: "qcow2" })).toBe("opened");
    expect([run(["qemu-img", "check", path]).code, new DataView(readFileSync(path).buffer).getUint32(76)]).toEqual([0, 0]);
  });
});

describe("D4: tables", () => {
  test.each<[string, (view: DataView) => void]>([
    ["an L1 table of 2^32 - 1 entries", view => view.setUint32(36, 0xffff_ffff)], ["an L1 table of none", view => view.setUint32(36, 0)], ["an L1 table behind the file", view => view.setBigUint64(40, 1n << 40n)],
    ["an L1 table at 512", view => view.setBigUint64(40, 512n)], ["no refcount table", view => view.setUint32(56, 0)], ["a huge one", view => view.setUint32(56, 0xffff_ffff)], ["one at 0", view => view.setBigUint64(48, 0n)],
    ["2^32 - 1 snapshots", view => view.setUint32(60, 0xffff_ffff)], ["snapshots behind the file", view => { view.setUint32(60, 3); view.setBigUint64(64, 1n << 40n); }],
  ])("%s: refused", async (_, edit) => {
    const path = await made("tables.qcow2", "1M");
    change(path, (__, view) => edit(view));
    expect(opening({ path, format: "qcow2" })).toBe("HV-QCOW2-HEADER");
  });
  /** A cluster of the guest, or an L2 table, that lies where it must not. */
  const wrong = async (edit: (view: DataView, l1: number, l2: number) => void): Promise<{ error: string | undefined; header: boolean; corrupt: boolean }> => {
    const path = await made("overlap.qcow2", "1M");
    let disks = openDisks([{ path, format: "qcow2" }]);
    answers(first(disks), (disk, done) => disk.write(0, new Uint8Array(128 * KiB).fill(3), done));
    disks.close();
    change(path, (_, view) => {
      const l1 = Number(view.getBigUint64(40));
      edit(view, l1, Number(view.getBigUint64(l1) & 0xff_ffff_ffff_fe00n));
    });
    disks = openDisks([{ path, format: "qcow2" }]);
    const error = answers(first(disks), (disk, done) => disk.write(0, new Uint8Array(4096).fill(7), done));
    disks.close();
    const after = readFileSync(path);
    return { error, header: after.subarray(0, 4).equals(Buffer.from(qcow2Header.subarray(0, 4))), corrupt: (after[79]! & 2) !== 0 };
  };
  const owned = 1n << 63n;
  test.each<[string, (view: DataView, l1: number, l2: number) => void]>([
    ["a cluster of the guest on the L1 table", (view, l1, l2) => view.setBigUint64(l2, owned | BigInt(l1))],
    ["on the refcount table", (view, _, l2) => view.setBigUint64(l2, owned | view.getBigUint64(48))],
    ["on its own L2 table", (view, _, l2) => view.setBigUint64(l2, owned | BigInt(l2))],
    ["behind the file", (view, _, l2) => view.setBigUint64(l2, owned | (1n << 50n))],
    ["askew", (view, _, l2) => view.setBigUint64(l2, view.getBigUint64(l2) + 512n)],
    ["an L2 table on the refcount table", (view, l1) => view.setBigUint64(l1, owned | view.getBigUint64(48))],
    ["behind the file", (view, l1) => view.setBigUint64(l1, owned | (1n << 50n))],
  ])("%s: an I/O error, the header stays, the image is marked", async (_, edit) => {
    const { error, header, corrupt } = await wrong(edit);
    expect([typeof error, header, corrupt]).toEqual(["string", true, true]);
  });
  test("two clusters of the guest in one of the file are found, and a repair parts them at the next write", async () => {
    const path = await made("twice.qcow2", "1M");
    let disks = openDisks([{ path, format: "qcow2" }]);
    answers(first(disks), (disk, done) => disk.write(0, new Uint8Array(128 * KiB).fill(3), done));
    disks.close();
    change(path, (_, view) => {
      const l2 = Number(view.getBigUint64(Number(view.getBigUint64(40))) & 0xff_ffff_ffff_fe00n);
      view.setBigUint64(l2 + 8, view.getBigUint64(l2));
    });
    expect([(await hv(["disk", "check", path])).code, (await hv(["disk", "check", path, "--repair"])).code, (await hv(["disk", "check", path])).code]).toEqual([1, 0, 0]);
    disks = openDisks([{ path, format: "qcow2" }]);
    answers(first(disks), (disk, done) => disk.write(0, new Uint8Array(512).fill(8), done));
    const other = new Uint8Array(512);
    answers(first(disks), (disk, done) => disk.read(64 * KiB, other, done));
    disks.close();
    expect([other[0], (await hv(["disk", "check", path, "--repair"])).code, run(["qemu-img", "check", path]).code]).toEqual([3, 0, 0]);
  });
  test("internal snapshots are kept: what they share is copied", async () => {
    const path = await made("snapshots.qcow2", "1M");
    let disks = openDisks([{ path, format: "qcow2" }]);
    answers(first(disks), (disk, done) => disk.write(0, new Uint8Array(512 * KiB).fill(3), done));
    disks.close();
    expect(run(["qemu-img", "snapshot", "-c", "before", path]).code).toBe(0);
    disks = openDisks([{ path, format: "qcow2" }]);
    answers(first(disks), (disk, done) => disk.write(100 * 512, new Uint8Array(200 * KiB).fill(4), done));
    answers(first(disks), (disk, done) => disk.discard(384 * KiB, 128 * KiB, done));
    disks.close();
    expect([(await hv(["disk", "check", path])).stdout.includes("in order"), run(["qemu-img", "check", path]).code, run(["qemu-img", "snapshot", "-a", "before", path]).code]).toEqual([true, 0, 0]);
    disks = openDisks([{ path, format: "qcow2", readOnly: true }]);
    const bytes = new Uint8Array(MiB);
    answers(first(disks), (disk, done) => disk.read(0, bytes, done));
    disks.close();
    expect([bytes.subarray(0, 512 * KiB).every(byte => byte === 3), bytes.subarray(512 * KiB).every(byte => byte === 0)]).toEqual([true, true]);
  });
});

describe("D5: compressed clusters", () => {
  test.each<[string, (bytes: Uint8Array, view: DataView, l2: number) => void]>([
    ["cut off", (bytes, view, l2) => { const host = Number(view.getBigUint64(l2) & 0xff_ffff_ffffn); bytes.fill(0xff, host + 4, host + 40); }],
    ["behind the end of the file", (_, view, l2) => view.setBigUint64(l2, (1n << 62n) | (1n << 40n))],
    ["of the other kind", (bytes, view) => { view.setUint32(76, 8); bytes[104] = 1; }],
  ])("%s: an I/O error to the guest", async (_, edit) => {
    writeFileSync(at("plain.img"), "0123456789".repeat(6553) + "012345");
    expect((await hv(["disk", "convert", at("plain.img"), at("packed.qcow2"), "--compress", "--force"])).code).toBe(0);
    change(at("packed.qcow2"), (bytes, view) => edit(bytes, view, Number(view.getBigUint64(Number(view.getBigUint64(40))) & 0xff_ffff_ffff_fe00n)));
    const disks = openDisks([{ path: at("packed.qcow2"), format: "qcow2", readOnly: true }]);
    expect(answers(first(disks), (disk, done) => disk.read(0, new Uint8Array(512), done))).toContain("read failed");
    disks.close();
  });
  test("a bomb: more than a cluster is not unpacked", async () => {
    writeFileSync(at("zeros.img"), new Uint8Array(2 * MiB).fill(1));
    expect((await hv(["disk", "convert", at("zeros.img"), at("bomb.qcow2"), "--compress", "--cluster-size", "2M", "--force"])).code).toBe(0);
    const big = readFileSync(at("bomb.qcow2")), view = new DataView(big.buffer, big.byteOffset);
    const entry = view.getBigUint64(Number(view.getBigUint64(Number(view.getBigUint64(40))) & 0xff_ffff_ffff_fe00n));
    const data = big.subarray(Number(entry & 0xff_ffff_ffffn)); // unpacks to 2 MiB
    expect((await hv(["disk", "convert", at("plain.img"), at("packed.qcow2"), "--compress", "--force"])).code).toBe(0);
    change(at("packed.qcow2"), (bytes, small) => {
      const l2 = Number(small.getBigUint64(Number(small.getBigUint64(40))) & 0xff_ffff_ffff_fe00n);
      const host = Number(small.getBigUint64(l2) & 0x3f_ffff_ffff_ffffn & 0xff_ffff_ffffn);
      bytes.set(data.subarray(0, Math.min(data.length, bytes.length - host)), host);
      small.setBigUint64(l2, (1n << 62n) | (15n << 54n) | BigInt(host));
    });
    const disks = openDisks([{ path: at("packed.qcow2"), format: "qcow2", readOnly: true }]);
    expect(answers(first(disks), (disk, done) => disk.read(0, new Uint8Array(512), done))).toContain("read failed");
    disks.close();
  });
});

describe("D6: a host without room", () => {
  test.each(["raw", "qcow2"] as const)("%s on a file system that fills up: I/O errors, one line, and the image is in order", async format => {
    const place = at(`tmpfs-${format}`), told: string[] = [];
    mkdirSync(place);
    expect(run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", place]).code).toBe(0);
    try {
      const path = join(place, "disk");
      expect((await hv(["disk", "create", path, "64M", "--format", format])).code).toBe(0);
      const disks = openDisks([{ path, format }]), driver = new Driver(new VirtioBlock({ backend: first(disks), serial: "", failed: line => told.push(line) })).start();
      driver.memory.bytes.fill(5, driver.payload - driver.memory.base, driver.payload - driver.memory.base + MiB);
      const statuses = Array.from({ length: 6 }, (_, n) => driver.block(1, n * 2048, { at: driver.payload, length: MiB }));
      const after = driver.block(0, 0, { at: driver.payload, length: 512, write: true });
      expect([statuses[0], statuses[5], after, driver.bytes(driver.payload, 1)[0]]).toEqual([0, 1, 0, 5]);
      expect(told).toEqual([`${path}: write failed: no space left on the host's disk; the guest gets I/O errors`]);
      disks.close();
      expect((await hv(["disk", "check", path, "--format", format])).code).toBe(0);
    } finally {
      run(["umount", place]);
    }
  });
});

/** A file system with quotas, mounted; undefined, with a printed reason: this host has none (btrfs needs root, and a kernel that knows it). */
function quotas(place: string): { readonly volume: string; limit(size: string): void; remount(): void; close(): void } | undefined {
  ensureDebianPackages(["btrfs-progs"]);
  const image = `${place}.img`, volume = join(place, "volume");
  mkdirSync(place);
  writeFileSync(image, "");
  truncateSync(image, 128 * MiB);
  const must = (...words: string[]): void => {
    const done = run(words);
    if (done.code !== 0) throw new Error(`${words.join(" ")}: ${done.stderr}`);
  };
  must("mkfs.btrfs", "-q", image);
  const mounted = run(["mount", "-o", "loop", image, place]);
  if (mounted.code !== 0) {
    console.log(`D6, quotas of a real file system: not run: ${mounted.stderr.trim()}`);
    return undefined;
  }
  must("btrfs", "quota", "enable", place);
  must("btrfs", "subvolume", "create", volume);
  return {
    volume, limit: size => must("btrfs", "qgroup", "limit", size, volume), close: () => void run(["umount", place]),
    remount: () => {
      must("umount", place);
      must("mount", "-o", "loop", image, place);
    },
  };
}
test.skipIf(process.getuid?.() !== 0).each(["raw", "qcow2"] as const)("D6: %s beyond a disk quota: I/O errors, one line, nothing flushed is lost, and the image is in order (needs root)", async format => {
  const place = quotas(at(`quota-${format}`));
  if (place === undefined) return;
  try {
    place.limit("8M");
    const path = join(place.volume, "disk"), told: string[] = [];
    expect((await hv(["disk", "create", path, "64M", "--format", format])).code).toBe(0);
    let disks = openDisks([{ path, format }]);
    const driver = new Driver(new VirtioBlock({ backend: first(disks), serial: "", failed: line => told.push(line) })).start();
    const payload = driver.memory.bytes.subarray(driver.payload - driver.memory.base, driver.payload - driver.memory.base + MiB);
    const statuses = Array.from({ length: 12 }, (_, n) => [driver.block(1, n * 2048, { at: driver.payload, length: payload.fill(n + 1).length }), driver.block(4, 0)]);
    const flushed = statuses.filter(([write, flush]) => write === 0 && flush === 0).length, written = statuses.flatMap(([write], n) => (write === 0 ? [n] : []));
    expect([flushed > 2, written.length < 9, statuses[11]?.[0], driver.block(0, 0, { at: driver.payload, length: 512, write: true }), payload[0]]).toEqual([true, true, 1, 0, 1]);
    expect(told[0]).toBe(`${path}: write failed: the quota on the host's disk is used up; the guest gets I/O errors`);
    expect(told.slice(1).filter(line => line !== `${path}: flush failed: the quota on the host's disk is used up; the guest gets I/O errors`)).toEqual([]); // counts and entries need room, too
    place.limit("none"); // somebody has made room: the guest goes on
    expect([driver.block(1, 12 * 2048, { at: driver.payload, length: payload.fill(99).length }), driver.block(4, 0)]).toEqual([0, 0]);
    disks.close();
    place.remount();
    expect((await hv(["disk", "check", path, "--format", format])).code).toBe(0);
    disks = openDisks([{ path, format, readOnly: true }]);
    const there = [...written, 12].map(n => { // also what was written when a flush failed: the next one has it
      const bytes = new Uint8Array(MiB);
      first(disks).read(n * MiB, bytes, () => {});
      return bytes.every(byte => byte === bytes[0]) ? bytes[0] : "mixed";
    });
    disks.close();
    expect(there).toEqual([...written.map(n => n + 1), 99]);
  } finally {
    place.close();
  }
}, 120_000);

test.each(["raw", "qcow2"] as const)("D6: %s beyond the size that the host lets a file have: I/O errors, one line, and the image is in order", async format => {
  const path = at(`limited-${format}`);
  expect((await hv(["disk", "create", path, "64M", "--format", format])).code).toBe(0);
  const child = Bun.spawnSync(["bash", "-c", `ulimit -f 4096; exec "$0" -e "$1"`, process.execPath, `
    import { openDisks } from ${JSON.stringify(join(import.meta.dir, "../../src/host/disks.ts"))};
    const disks = openDisks([{ path: ${JSON.stringify(path)}, format: ${JSON.stringify(format)} }]), { backend } = disks.all[0], said = [];
    for (let n = 0; n < 8; n++) backend.write(n * 1048576, new Uint8Array(1048576).fill(5), error => said.push(error?.message ?? "written"));
    backend.flush(() => {});
    backend.read(0, new Uint8Array(512), error => said.push(error?.message ?? "read"));
    disks.close();
    console.log(JSON.stringify(said));`]);
  const said = JSON.parse(child.stdout.toString()) as string[];
  expect([said[0], said[7]?.includes("may not be that large"), said[8]]).toEqual(["written", true, "read"]);
  expect((await hv(["disk", "check", path, "--format", format])).code).toBe(0);
});

describe("D9: locks and files that change", () => {
  test("one image in two machines, by link and by hard link, read and written: refused, and the other is named", async () => {
    const path = await made("locked.qcow2", "1M"), held = openDisks([{ path, format: "qcow2" }]);
    symlinkSync(path, at("link.qcow2"));
    linkSync(path, at("hard.qcow2"));
    expect([path, at("link.qcow2"), at("hard.qcow2")].flatMap(name => [opening({ path: name }), opening({ path: name, readOnly: true }), opening({ path: name, overlay: true })])).toEqual(Array(9).fill("HV-DISK-LOCKED"));
    const resize = await hv(["disk", "resize", path, "2M"]);
    expect([resize.code, resize.stderr]).toEqual([5, `hv: ${path}: is in use by another machine (process ${process.pid}); end that machine, or add ,overlay where it only reads\n`]);
    expect((await hv(["disk", "info", path])).code).toBe(0);
    held.close();
    expect(opening({ path })).toBe("opened");
  });
  test("a backing file in use is not written by another machine", async () => {
    writeFileSync(at("shared.img"), new Uint8Array(MiB));
    const path = await made("above.qcow2", "--base", "shared.img", "--base-format", "raw"), held = openDisks([{ path, format: "qcow2" }]);
    expect([opening({ path: at("shared.img") }), opening({ path: at("shared.img"), readOnly: true })]).toEqual(["HV-DISK-LOCKED", "opened"]);
    held.close();
  });
  test("the lock of a process that was killed is gone", async () => {
    const path = await made("killed.qcow2", "1M");
    const child = Bun.spawn([process.execPath, join(import.meta.dir, "writer.ts"), path, "1"], { stdout: "pipe" });
    await child.stdout.getReader().read();
    expect(opening({ path, format: "qcow2" })).toBe("HV-DISK-LOCKED");
    child.kill("SIGKILL");
    await child.exited;
    expect(opening({ path, format: "qcow2" })).toBe("opened");
  });
  test("a file cut off while it is used: an I/O error", async () => {
    const path = await made("cut-off.qcow2", "1M"), disks = openDisks([{ path, format: "qcow2" }]);
    answers(first(disks), (disk, done) => disk.write(0, new Random(1).bytes(512 * KiB), done));
    answers(first(disks), (disk, done) => disk.flush(done));
    truncateSync(path, 320 * KiB);
    expect(answers(first(disks), (disk, done) => disk.read(384 * KiB, new Uint8Array(512), done))).toContain("the file is shorter");
    disks.close();
  });
});

test("D9: a file that is replaced while it is used: the machine goes on with its own, and the other is not touched", async () => {
  const path = await made("replaced.qcow2", "1M"), disks = openDisks([{ path, format: "qcow2" }]), other = new Random(3).bytes(4096);
  renameSync(path, at("kept.qcow2"));
  writeFileSync(path, other);
  answers(first(disks), (disk, done) => disk.write(0, new Uint8Array(512).fill(9), done));
  answers(first(disks), (disk, done) => disk.flush(done));
  expect(opening({ path: at("kept.qcow2"), format: "qcow2" })).toBe("HV-DISK-LOCKED");
  disks.close();
  expect([Buffer.compare(readFileSync(path), other), (await hv(["disk", "check", at("kept.qcow2")])).code]).toEqual([0, 0]);
});

describe("D10: space", () => {
  test("1 TiB with a file system on it stays sparse, also as qcow2", async () => {
    ensureDebianPackages(["e2fsprogs"]);
    const path = at("tebibyte.img"), used = (name: string): number => statSync(name).blocks * 512;
    writeFileSync(path, "");
    truncateSync(path, 2 ** 40);
    expect(run(["mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=1,lazy_journal_init=1", path]).code).toBe(0);
    const converted = await hv(["disk", "convert", path, at("tebibyte.qcow2")]);
    expect([converted.code, used(at("tebibyte.qcow2")) < 256 * MiB, run(["qemu-img", "check", "-q", at("tebibyte.qcow2")]).code]).toEqual([0, true, 0]);
    const disks = openDisks([{ path: at("tebibyte.qcow2") }]), superblock = new Uint8Array(1024);
    answers(first(disks), (disk, done) => disk.read(1024, superblock, done));
    disks.close();
    expect([superblock[56], superblock[57]]).toEqual([0x53, 0xef]); // EXT4_SUPER_MAGIC
  }, 60_000);
  test("1 TiB takes next to nothing, and what is discarded is given back; smaller only with --force", async () => {
    const path = await made("large.qcow2", "1T"), disks = openDisks([{ path, format: "qcow2" }]), used = (): number => statSync(path).blocks * 512;
    expect(used()).toBeLessThan(MiB);
    answers(first(disks), (disk, done) => disk.write(900 * 1024 * MiB, new Uint8Array(8 * MiB).fill(1), done));
    answers(first(disks), (disk, done) => disk.flush(done));
    expect(used()).toBeGreaterThan(8 * MiB);
    answers(first(disks), (disk, done) => disk.discard(900 * 1024 * MiB, 8 * MiB, done));
    answers(first(disks), (disk, done) => disk.flush(done));
    expect(used()).toBeLessThan(MiB);
    disks.close();
    const shrink = await hv(["disk", "resize", path, "1G"]);
    expect([shrink.code, shrink.stderr.includes("--force does it"), (await hv(["disk", "resize", path, "1G", "--force"])).code, run(["qemu-img", "check", path]).code]).toEqual([2, true, 0, 0]);
  });
});

describe("images of QEMU", () => {
  test.each([
    ["as usual", ["-o", "compat=1.1"]], ["version 2", ["-o", "compat=0.10"]], ["clusters of 512 bytes", ["-o", "cluster_size=512"]], ["clusters of 2 MiB", ["-o", "cluster_size=2M"]],
    ["counts of 1 bit", ["-o", "refcount_bits=1"]], ["packed with zlib", ["-c"]], ["packed with zstd", ["-c", "-o", "compression_type=zstd"]],
  ])("%s: the same bytes here, and after our writes there", async (_, options) => {
    const bytes = new Random(3).bytes(3 * MiB).fill(65, MiB, 2 * MiB);
    writeFileSync(at("model.img"), bytes);
    rmSync(at("qemu.qcow2"), { force: true });
    expect(run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", ...options, at("model.img"), at("qemu.qcow2")]).code).toBe(0);
    const disks = openDisks([{ path: at("qemu.qcow2"), format: "qcow2" }]), got = new Uint8Array(bytes.length);
    expect(answers(first(disks), (disk, done) => disk.read(0, got, done))).toBeUndefined();
    expect(Buffer.compare(got, bytes)).toBe(0);
    bytes.fill(7, 512 * 100, 512 * 3000);
    expect(answers(first(disks), (disk, done) => disk.write(512 * 100, bytes.subarray(512 * 100, 512 * 3000), done))).toBeUndefined();
    disks.close();
    writeFileSync(at("model.img"), bytes);
    expect([run(["qemu-img", "check", at("qemu.qcow2")]).code, run(["qemu-img", "compare", "-f", "raw", "-F", "qcow2", at("model.img"), at("qemu.qcow2")]).code]).toEqual([0, 0]);
  });
});
