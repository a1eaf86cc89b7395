// test/host/disks.test.ts — disk images on a real host: what is refused and how, locks, and the flag's grammar.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseDisks } from "../../src/cli/boot-arguments.ts";
import type { BlockBackend } from "../../devices/virtio/block-backend.ts";
import { Failure } from "../../src/failure.ts";
import { openDisks, type DiskOptions } from "../../src/host/disks.ts";
import { VirtualMachine } from "../../src/library.ts";
import { run } from "../support/packages.ts";

let folder: string, image: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "hv-disks-"));
  image = join(folder, "disk.img");
  writeFileSync(image, new Uint8Array(64 * 1024).fill(7));
});
afterAll(() => rmSync(folder, { recursive: true }));

const refusal = (act: () => unknown): readonly [string, number, string] => {
  try {
    act();
  } catch (error) {
    if (error instanceof Failure) return [error.code, error.exit, error.message.replaceAll(folder, "DIR")];
    throw error;
  }
  throw new Error("it was not refused");
};
const refuseOpen = (...disks: DiskOptions[]): readonly [string, number, string] => refusal(() => openDisks(disks).close());
const answer = (act: (done: (error: { readonly message: string } | undefined) => void) => void): string | undefined => {
  let message: string | undefined = "no answer";
  act(error => { message = error?.message; });
  return message;
};
const first = (disks: { readonly all: readonly { readonly backend: BlockBackend }[] }): BlockBackend => disks.all[0]!.backend;

describe("a disk image that cannot be one is refused in one line", () => {
  test("a missing file", () => { expect(refuseOpen({ path: join(folder, "nothing") })).toEqual(["HV-DISK-MISSING", 4, "--disk: DIR/nothing: there is no such file"]); });
  test("a directory, a FIFO, a character device", () => {
    mkdirSync(join(folder, "dir"));
    expect(run(["mkfifo", join(folder, "fifo")]).code).toBe(0);
    for (const path of [join(folder, "dir"), join(folder, "fifo"), "/dev/null"]) {
      for (const readOnly of [false, true]) expect(refuseOpen({ path, readOnly }).slice(0, 2)).toEqual(["HV-DISK-KIND", 2]);
    }
  });
  test.each([0, 1, 511, 513])("a file of %d bytes", size => {
    const path = join(folder, `size-${size}`);
    writeFileSync(path, new Uint8Array(size));
    expect(refuseOpen({ path }).slice(0, 2)).toEqual(["HV-DISK-SIZE", 2]);
  });
  test("an image in use, in words that name who uses it; the lock goes with the machine", () => {
    const held = openDisks([{ path: image }]), link = join(folder, "link.img");
    symlinkSync(image, link);
    for (const how of [{}, { readOnly: true }, { overlay: true }]) {
      expect(refuseOpen({ path: link, ...how })).toEqual(["HV-DISK-LOCKED", 5, `--disk: DIR/link.img: is in use by another machine (process ${process.pid})`]);
    }
    held.close();
    openDisks([{ path: image }]).close();
  });
  test("an image may be read by many, and is not written meanwhile", () => {
    const readers = openDisks([{ path: image, overlay: true }, { path: image, readOnly: true }]);
    expect(refuseOpen({ path: image })[0]).toBe("HV-DISK-LOCKED");
    readers.close();
    openDisks([{ path: image }]).close();
  });
  test("the same image twice, and then none is held", () => {
    expect(refuseOpen({ path: image }, { path: image })[0]).toBe("HV-DISK-LOCKED");
    openDisks([{ path: image }]).close();
  });
  test("the library refuses it too, and a machine that could not be made holds no lock", async () => {
    const program = Uint32Array.of(0xd420_0000);
    await expect(VirtualMachine.create({ program, disks: [{ path: image }, { path: join(folder, "nothing") }] })).rejects.toThrow("there is no such file");
    await using vm = await VirtualMachine.create({ program, disks: [{ path: image }] });
    expect(refuseOpen({ path: image })[0]).toBe("HV-DISK-LOCKED");
    expect((await vm.run()).kind).toBe("debug");
    await vm.close();
    openDisks([{ path: image }]).close();
  });
});

describe("a disk image", () => {
  test("is written in place, flushed, and holes are punched into it", () => {
    const path = join(folder, "raw.img");
    writeFileSync(path, new Uint8Array(1024 * 1024).fill(9));
    const disks = openDisks([{ path }]), disk = first(disks), got = new Uint8Array(512);
    expect([answer(done => disk.write(512, new Uint8Array(512).fill(1), done)), answer(done => disk.flush(done)), answer(done => disk.read(512, got, done)), got[0]]).toEqual([undefined, undefined, undefined, 1]);
    expect(answer(done => disk.writeZeroes(4096, 512 * 1024, true, done))).toBeUndefined();
    disks.close();
    const bytes = readFileSync(path);
    expect([bytes[511], bytes[512], bytes[1024], bytes[4095], bytes.subarray(4096, 4096 + 512 * 1024).every(byte => byte === 0), bytes[4096 + 512 * 1024]]).toEqual([9, 1, 9, 9, true, 9]);
    expect(statSync(path).size).toBe(1024 * 1024);
  });
  test("that is cut off while it is used fails there, and only there", () => {
    const path = join(folder, "short.img");
    writeFileSync(path, new Uint8Array(8192).fill(3));
    const disks = openDisks([{ path, readOnly: true }]), into = new Uint8Array(4096);
    truncateSync(path, 4096);
    expect(answer(done => first(disks).read(0, into, done))).toBeUndefined();
    expect(answer(done => first(disks).read(4096, into, done))).toContain("the file is shorter than the 8192 bytes it had when it was opened");
    disks.close();
  });
  test("that the host does not let us write fails with the host's word for it", () => {
    const disks = openDisks([{ path: image, readOnly: true }]);
    expect(answer(done => first(disks).write(0, new Uint8Array(512), done))).toContain("write failed: EBADF");
    disks.close();
  });
});

describe("--disk", () => {
  test("takes a path and options, several times, in both spellings", () => {
    expect(parseDisks(["Image", "--disk", "a.img", "-m", "1G", "--disk=b.img,format=raw,ro,serial=B1", "--disk", "c.img,overlay", "--", "--disk"])).toEqual([
      { path: "a.img" }, { path: "b.img", format: "raw", readOnly: true, serial: "B1" }, { path: "c.img", overlay: true },
    ]);
  });
  test.each([
    ["a.img,rw", '--disk: a.img: there is no option "rw"'], ["a.img,format=vmdk", '--disk: a.img: there is no option "format=vmdk"'], [",ro", "--disk: its path is missing"],
    ["a.img,ro,overlay", "--disk: a.img: ro and overlay exclude each other"], ["a.img,serial=123456789012345678901", '--disk: a.img: "123456789012345678901" is no serial number'],
    ["a.img,serial=", '--disk: a.img: "" is no serial number'],
  ])("%s is refused", (text, message) => { expect(refusal(() => parseDisks(["--disk", text]))).toEqual(["HV-USAGE-DISK", 2, message]); });
  test("32 disks are one too many", () => {
    expect(refusal(() => parseDisks(Array.from({ length: 32 }, (_, n) => `--disk=${n}.img`)))[2]).toBe("--disk: 32 disks, but there is room for 31");
  });
});
