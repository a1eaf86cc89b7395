// test/disk/image.test.ts — flushes that take their time: what is written meanwhile, who asks again, a host that fails; and
// overlays.
import { describe, expect, test } from "bun:test";
import { ImageBackend } from "../../src/disk/image.ts";
import { OverlayImage } from "../../src/disk/overlay.ts";
import { RawImage } from "../../src/disk/raw.ts";
import { createQcow2 } from "../../src/disk/qcow2/create.ts";
import { checkQcow2 } from "../../src/disk/qcow2/check.ts";
import { readHeader } from "../../src/disk/qcow2/header.ts";
import { Qcow2Image } from "../../src/disk/qcow2/qcow2.ts";
import { MemoryFile } from "../support/memory-file.ts";

/** A file whose sync is answered when the test says so. */
class SlowFile extends MemoryFile {
  readonly waiting: ((error: unknown) => void)[] = [];
  syncLater(done: (error: unknown) => void): void {
    this.waiting.push(error => {
      if (error === undefined) this.sync();
      done(error);
    });
  }
  answer(error?: unknown): void { this.waiting.shift()?.(error); }
}
const log = (): { readonly told: string[]; as(name: string): (error: { readonly message: string } | undefined) => void } => {
  const told: string[] = [];
  return { told, as: name => error => void told.push(error === undefined ? name : `${name}: ${error.message}`) };
};

describe("a flush that takes its time", () => {
  test("lets reads and writes pass, and those who ask meanwhile wait for the next", () => {
    const file = new SlowFile(new Uint8Array(4096)), disk = new ImageBackend(new RawImage(file, false)), { told, as } = log();
    disk.write(0, new Uint8Array(512).fill(1), as("write 1"));
    disk.flush(as("flush 1"));
    disk.write(512, new Uint8Array(512).fill(2), as("write 2"));
    disk.flush(as("flush 2"));
    disk.flush(as("flush 3"));
    expect([told, file.waiting.length]).toEqual([["write 1", "write 2"], 1]);
    file.answer();
    expect([told.slice(2), file.waiting.length]).toEqual([["flush 1"], 1]);
    file.answer();
    expect([told.slice(3), file.syncs]).toEqual([["flush 2", "flush 3"], 2]);
  });
  test("once failed, it never succeeds again: nobody knows what the host has dropped", () => {
    const file = new SlowFile(new Uint8Array(4096)), disk = new ImageBackend(new RawImage(file, false)), { told, as } = log();
    disk.flush(as("flush 1"));
    file.answer(Object.assign(new Error("it fails"), { code: "EIO" }));
    disk.write(0, new Uint8Array(512), as("write"));
    disk.flush(as("flush 2"));
    expect(told).toEqual(["flush 1: disk.img: flush failed: EIO; the guest gets I/O errors", "write", "flush 2: disk.img: flush failed: EIO; the guest gets I/O errors"]);
  });
  test("of a qcow2 image, that nobody goes on with: the next one takes all of it", () => {
    const file = new SlowFile();
    createQcow2(file, { version: 3, clusterBits: 9, size: 2 ** 20, refcountOrder: 4, compression: "zlib", lazyRefcounts: false });
    const header = readHeader(file.bytes.subarray(0, 65536), file.size, "disk.img"), image = new Qcow2Image(file, header, false, undefined), bytes = new Uint8Array(2 ** 20).fill(1);
    image.write(0, bytes.subarray(0, 2 ** 19));
    image.flushing().next();
    image.write(2 ** 19, bytes.subarray(2 ** 19));
    image.close();
    const got = new Uint8Array(2 ** 20);
    new Qcow2Image(file, header, true, undefined).read(0, got);
    expect([Buffer.compare(got, bytes), checkQcow2(file, header, { repair: false }).findings]).toEqual([0, []]);
  });
  test("of a qcow2 image: tables that run over in between are flushed at once, and the first flush ends well", () => {
    const file = new SlowFile();
    createQcow2(file, { version: 3, clusterBits: 9, size: 2 ** 31, refcountOrder: 4, compression: "zlib", lazyRefcounts: false });
    const header = (): ReturnType<typeof readHeader> => readHeader(file.bytes.subarray(0, 65536), file.size, "disk.img"), image = new Qcow2Image(file, header(), false, undefined), disk = new ImageBackend(image), { told, as } = log();
    disk.write(0, new Uint8Array(512).fill(1), as("write"));
    disk.flush(as("flush"));
    const syncs = file.syncs;
    // more L2 tables than are kept: 16 MiB of them
    for (let n = 1; n <= 33_000; n++) image.write(n * 32 * 1024, new Uint8Array(512).fill(2));
    expect(file.syncs).toBeGreaterThan(syncs);
    while (file.waiting.length > 0) file.answer();
    expect(told).toEqual(["write", "flush"]);
    image.close();
    const first = new Uint8Array(512);
    new Qcow2Image(file, header(), true, undefined).read(0, first);
    expect([first[0], checkQcow2(file, header(), { repair: false }).errors]).toEqual([1, 0]);
  }, 60_000);
});

describe("an overlay", () => {
  test("holds parts of its blocks, and what it holds is not the image's any more", () => {
    const below = new MemoryFile(new Uint8Array(10_240).fill(9)), scratch = new MemoryFile(), overlay = new OverlayImage(new RawImage(below, true), scratch);
    overlay.write(1024, new Uint8Array(512).fill(1));
    overlay.writeZeroes(9216, 1024, true); // the disk's end, in the middle of a block
    const bytes = new Uint8Array(10_240);
    overlay.read(0, bytes);
    expect([bytes[1023], bytes[1024], bytes[1535], bytes[1536], bytes[9215], bytes[9216], bytes[10_239], below.bytes.every(byte => byte === 9)]).toEqual([9, 1, 1, 9, 9, 0, 0, true]);
    overlay.discard(0, 4096);
    overlay.read(0, bytes);
    expect(bytes[4096]).toBe(9);
  });
});
