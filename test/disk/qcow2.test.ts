// test/disk/qcow2.test.ts — qcow2 images against a model of the disk and, as images, against our own check: every cluster
// size and width of counts, backing files, failures at every write, power cuts.
import { describe, expect, test } from "bun:test";
import { flushNow, ImageBackend, type DiskImage } from "../../src/disk/image.ts";
import { checkQcow2, type CheckResult } from "../../src/disk/qcow2/check.ts";
import { createQcow2, type NewImage } from "../../src/disk/qcow2/create.ts";
import { readHeader } from "../../src/disk/qcow2/header.ts";
import { Qcow2Image } from "../../src/disk/qcow2/qcow2.ts";
import { resizeQcow2 } from "../../src/disk/qcow2/resize.ts";
import { RawImage } from "../../src/disk/raw.ts";
import { MemoryFile, VolatileFile } from "../support/memory-file.ts";
import { Random } from "../support/random.ts";

const KiB = 1024;
export const plain: NewImage = { version: 3, clusterBits: 16, size: 4096 * KiB, refcountOrder: 4, compression: "zlib", lazyRefcounts: false };
const create = (options: Partial<NewImage> = {}): Uint8Array => {
  const file = new MemoryFile();
  createQcow2(file, { ...plain, ...options });
  return file.bytes;
};
const headerOf = (file: MemoryFile) => readHeader(file.bytes.subarray(0, 65536), file.size, "disk.img");
const open = (file: MemoryFile, backing?: DiskImage, readOnly = false): Qcow2Image => new Qcow2Image(file, headerOf(file), readOnly, backing);
const check = (file: MemoryFile, repair = false): CheckResult => checkQcow2(file, headerOf(file), { repair });
const contents = (image: DiskImage): Uint8Array => {
  const bytes = new Uint8Array(image.size);
  image.read(0, bytes);
  return bytes;
};
const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

/** Changes disk and model alike, `steps` times; checks what is read on the way. */
function work(image: DiskImage, model: Uint8Array, random: Random, steps: number, most = 300): void {
  const sectors = image.size / 512;
  for (let n = 0; n < steps; n++) {
    const first = random.below(sectors), count = 1 + random.below(Math.min(most, sectors - first)), at = first * 512, length = count * 512;
    switch (random.below(8)) {
      case 0: case 1: case 2: {
        const bytes = new Uint8Array(length).fill(1 + random.below(255));
        image.write(at, bytes);
        model.set(bytes, at);
        break;
      }
      case 3:
        image.writeZeroes(at, length, random.below(2) === 0);
        model.fill(0, at, at + length);
        break;
      case 4:
        image.discard(at, length);
        image.read(at, model.subarray(at, at + length)); // any bytes, but then always these
        break;
      case 5: flushNow(image); break;
      default: {
        const bytes = new Uint8Array(length);
        image.read(at, bytes);
        expect(same(bytes, model.subarray(at, at + length))).toBe(true);
      }
    }
  }
}

describe("a qcow2 image", () => {
  test.each([
    ["as usual", {}], ["version 2", { version: 2 as const }], ["zstd", { compression: "zstd" as const }], ["lazy refcounts", { lazyRefcounts: true }],
    ...[9, 10, 12, 14, 18, 21].map(clusterBits => [`clusters of 2^${clusterBits} bytes`, { clusterBits }] as const),
    ...[0, 1, 2, 3, 5, 6].map(refcountOrder => [`counts of 2^${refcountOrder} bits`, { refcountOrder, clusterBits: 9 }] as const),
    ["a size that ends in the middle of a cluster", { size: 4096 * KiB - 512 }],
  ])("%s: reads what was written, also opened again, and is in order", (_, options) => {
    const file = new MemoryFile(create(options)), random = new Random(11);
    let image = open(file);
    const model = new Uint8Array(image.size);
    for (let round = 0; round < 3; round++) {
      work(image, model, random, 60);
      image.close();
      expect(check(file)).toMatchObject({ leaks: 0, errors: 0, findings: [] });
      image = open(file);
      expect(same(contents(image), model)).toBe(true);
    }
  });
  test.each([["version 3", { version: 3 as const }], ["version 2", { version: 2 as const }]])("with a backing file, %s: what is not its own shines through, and that is never written", (_, options) => {
    const below = new MemoryFile(new Random(3).bytes(2048 * KiB)), before = below.bytes.slice();
    const file = new MemoryFile(create(options)), image = open(file, new RawImage(below, true));
    const model = new Uint8Array(image.size);
    model.set(before);
    work(image, model, new Random(4), 150);
    expect(same(contents(image), model)).toBe(true);
    image.close();
    expect([check(file).findings, same(below.bytes, before)]).toEqual([[], true]);
  });
  test.each(["zlib", "zstd"] as const)("compressed clusters (%s) are read, and written over in other places", kind => {
    const file = new MemoryFile(create({ compression: kind })), cluster = 64 * KiB;
    let image = open(file);
    const model = new Uint8Array(image.size);
    for (let at = 0; at < model.length; at += cluster) {
      model.set(new TextEncoder().encode(`cluster ${at} `.repeat(cluster).slice(0, cluster / 2)), at);
      if (at % (3 * cluster) === 0) model.set(new Random(at + 1).bytes(cluster), at); // does not become smaller
      image.writeCompressed(at, model.subarray(at, at + cluster), kind);
    }
    image.close();
    expect(check(file)).toMatchObject({ findings: [], allocatedClusters: 64 });
    expect(check(file).compressedClusters).toBeGreaterThan(40);
    image = open(file);
    expect(same(contents(image), model)).toBe(true);
    work(image, model, new Random(9), 100);
    image.close();
    expect([check(file).findings, same(contents(open(file)), model)]).toEqual([[], true]);
  });
  test("it grows by what is written, and gives back what is discarded", () => {
    const file = new MemoryFile(create()), image = open(file);
    const start = file.size;
    image.write(0, new Uint8Array(1024 * KiB).fill(1));
    image.discard(0, 1024 * KiB);
    flushNow(image);
    image.write(2048 * KiB, new Uint8Array(1024 * KiB).fill(2));
    image.close();
    expect([file.size - start, check(file).findings]).toEqual([1024 * KiB + 64 * KiB, []]); // and one L2 table
  });
  test("the refcount table moves when it is full", () => {
    const file = new MemoryFile(create({ clusterBits: 9, refcountOrder: 6, size: 8192 * KiB })), image = open(file), before = headerOf(file).refcountTableOffset;
    const model = new Random(2).bytes(8192 * KiB);
    for (let at = 0; at < model.length; at += 128 * KiB) image.write(at, model.subarray(at, at + 128 * KiB));
    image.close();
    expect(headerOf(file).refcountTableOffset).not.toBe(before);
    expect([check(file).findings, same(contents(open(file)), model)]).toEqual([[], true]);
  });
  test.each([8192 * KiB, 64 * 1024 * KiB, 1024 * KiB, 1000 * 512])("resized to %d bytes it keeps what fits, and new bytes are zeros", size => {
    const file = new MemoryFile(create({ clusterBits: 12 })), image = open(file), model = new Random(8).bytes(4096 * KiB);
    image.write(0, model);
    resizeQcow2(image, size);
    image.close();
    const expected = new Uint8Array(size);
    expected.set(model.subarray(0, size));
    expect([check(file).findings, same(contents(open(file)), expected)]).toEqual([[], true]);
  });
  test.each([false, true])("it grows while it is used, over and over; behind its old end are zeros (a longer backing file: %p)", long => {
    const backing = long ? new RawImage(new MemoryFile(new Uint8Array(4096 * KiB).fill(200)), true) : undefined;
    const file = new MemoryFile(create({ clusterBits: 9, size: 600 * 512, refcountOrder: 3 })), image = open(file, backing), random = new Random(12);
    let model = new Uint8Array(image.size).fill(long ? 200 : 0);
    for (const sectors of [600, 601, 2000, 9000, 30_000]) {
      const flush = image.flushing(); // one that waits for the medium meanwhile
      flush.next();
      image.grow(sectors * 512);
      const larger = new Uint8Array(sectors * 512);
      larger.set(model);
      model = larger;
      expect([image.size, same(contents(image), model)]).toEqual([model.length, true]);
      work(image, model, random, 60);
      flush.next();
    }
    image.close();
    expect([check(file).findings, same(contents(open(file, backing)), model)]).toEqual([[], true]);
  });
  test("what cannot grow says why, and stays as it was: internal snapshots, tables beyond reason, a host that fails", () => {
    const file = new MemoryFile(create({ clusterBits: 9, size: 1024 * 512 })), image = open(file);
    const backend = new ImageBackend(image), why = (size: number): string => {
      try {
        backend.grow(size);
        return "grown";
      } catch (error) {
        return (error as Error).message;
      }
    };
    expect([why(512), why(2 ** 41)]).toEqual(["disk.img: has 524288 bytes: while a machine uses it, it can only grow", expect.stringContaining("needs larger clusters than its 512 bytes")]);
    let failures = 0;
    for (file.failAt = file.changes + 1; why(9000 * 512) !== "grown"; failures++) {
      file.failAt = Number.POSITIVE_INFINITY;
      image.write(512 * failures, new Uint8Array(512).fill(7));
      flushNow(image);
      expect([image.size, check(new MemoryFile(file.bytes.slice())).errors]).toEqual([1024 * 512, 0]);
      file.failAt = file.changes + 2 + failures;
    }
    expect([failures > 3, image.size]).toEqual([true, 9000 * 512]);
    image.close();
    expect(check(file).errors).toBe(0);
  });
});

describe("a host that fails", () => {
  test.each(["EIO", "ENOSPC", "EDQUOT"])("%s at the n-th change: the image stays in order but for leaks, and what was flushed before is there", failure => {
    for (let n = 1; n < 60; n += 1) {
      const file = new MemoryFile(create({ clusterBits: 12, size: 1024 * KiB })), image = open(file);
      image.write(0, new Uint8Array(256 * KiB).fill(5));
      flushNow(image);
      Object.assign(file, { failAt: file.changes + n, failure });
      try {
        work(image, new Uint8Array(image.size), new Random(n), 40);
      } catch { /* the guest gets an error */ }
      Object.assign(file, { failAt: Number.POSITIVE_INFINITY });
      flushNow(image);
      image.close();
      expect(check(file)).toMatchObject({ errors: 0 });
    }
  });
});

test("a flush whose writes fail is an error and the next one works; after a sync that failed none does", () => {
  class Fragile extends MemoryFile {
    lost = false;
    override sync(): void {
      super.sync();
      if (this.lost) throw Object.assign(new Error("it is lost"), { code: "EIO" });
    }
  }
  const file = new Fragile(create({ clusterBits: 12 })), backend = new ImageBackend(open(file));
  const flush = (): string | undefined => {
    let said: string | undefined = "nothing";
    backend.flush(error => { said = error?.message; });
    return said;
  };
  backend.write(0, new Uint8Array(64 * KiB).fill(5), () => {});
  Object.assign(file, { failAt: file.changes + 1, failure: "EDQUOT" });
  expect([flush(), flush()]).toEqual(Array(2).fill("disk.img: flush failed: the quota on the host's disk is used up; the guest gets I/O errors"));
  file.failAt = Number.POSITIVE_INFINITY;
  expect([flush(), contents(open(new MemoryFile(file.bytes.slice())))[64 * KiB - 1], check(new MemoryFile(file.bytes.slice())).errors]).toEqual([undefined, 5, 0]);
  backend.write(0, new Uint8Array(64 * KiB).fill(6), () => {});
  file.lost = true;
  expect(flush()).toContain("EIO");
  file.lost = false;
  expect(flush()).toContain("EIO");
});

describe("a power cut", () => {
  test("while the image grows: it is in order but for leaks, of its old or its new size, and what was flushed is there", () => {
    const sizes = new Set<number>();
    for (let seed = 1; seed <= 60; seed++) {
      const random = new Random(seed), file = new VolatileFile(create({ clusterBits: 9, size: 128 * 512, refcountOrder: 3 })), image = open(file), model = random.bytes(128 * 512);
      image.write(0, model);
      flushNow(image);
      file.failAt = file.changes + 1 + random.below(seed % 3 === 0 ? 200 : 12);
      try {
        image.grow(9000 * 512);
      } catch { /* the power is gone */ }
      const after = new MemoryFile(file.afterPowerCut(random));
      expect(check(after).errors).toBe(0);
      sizes.add(open(after).size);
      const there = new Uint8Array(model.length);
      open(after).read(0, there);
      expect(same(there, model)).toBe(true);
    }
    expect(sizes).toEqual(new Set([128 * 512, 9000 * 512]));
  }, 60_000);
  /** Sectors that were written or flushed: every value that each may have. */
  function run(seed: number): string[] {
    const random = new Random(seed);
    const options = { clusterBits: 9 + random.below(6), refcountOrder: 3 + random.below(3), size: 512 * KiB, version: random.below(5) === 0 ? 2 as const : 3 as const };
    const backing = random.below(2) === 0 ? new RawImage(new MemoryFile(new Uint8Array(256 * KiB).fill(200)), true) : undefined;
    const file = new VolatileFile(create(options)), image = open(file, backing), sectors = image.size / 512;
    const old = Uint8Array.from({ length: sectors }, (_, i) => (backing !== undefined && i < 512 ? 200 : 0));
    const may: Set<number>[] = Array.from(old, value => new Set([value]));
    const now = old.slice();
    const steps = 5 + random.below(60);
    let pending: Generator<undefined, void> | undefined, flushed: Uint8Array | undefined;
    const finish = (): void => { // the flush has come to its end: nothing older is allowed, where nothing newer was written
      may.forEach((set, i) => {
        const value = (flushed as Uint8Array)[i] as number;
        if (now[i] === value && newer[i] === 0) { set.clear(); set.add(value); } else if (newer[i] !== 0) { for (const one of before[i] as Set<number>) if (one !== value && !(after[i] as Set<number>).has(one)) set.delete(one); }
      });
      pending = undefined;
    };
    let newer = new Uint8Array(sectors), before: Set<number>[] = [], after: Set<number>[] = [];
    for (let n = 0; n < steps; n++) {
      const first = random.below(sectors), count = 1 + random.below(Math.min(100, sectors - first)), value = 1 + random.below(199);
      const kind = random.below(10);
      if (kind < 6) {
        image.write(first * 512, new Uint8Array(count * 512).fill(value));
        for (let i = first; i < first + count; i++) { may[i]!.add(value); now[i] = value; newer[i] = 1; after[i]?.add(value); }
      } else if (kind === 6) {
        image.writeZeroes(first * 512, count * 512, random.below(2) === 0);
        for (let i = first; i < first + count; i++) { may[i]!.add(0); now[i] = 0; newer[i] = 1; after[i]?.add(0); }
      } else if (pending === undefined) {
        flushed = now.slice();
        newer = new Uint8Array(sectors);
        before = may.map(set => new Set(set));
        after = may.map(() => new Set<number>());
        pending = image.flushing();
        if (pending.next().done === true) finish();
      } else {
        file.sync();
        if (pending.next().done === true) finish();
      }
    }
    const left = new MemoryFile(file.afterPowerCut(random));
    const result = checkQcow2(left, headerOf(left), { repair: false });
    const found: string[] = result.errors === 0 ? [] : result.findings.filter(one => !one.endsWith("a leak"));
    const bytes = contents(open(left, backing));
    for (let i = 0; i < sectors; i++) {
      const sector = bytes.subarray(i * 512, i * 512 + 512), value = sector[0] as number;
      if (sector.some(byte => byte !== value) || !may[i]!.has(value)) found.push(`sector ${i} is ${value}, may be ${[...may[i]!].join()}`);
    }
    return found.slice(0, 5);
  }
  const seeds = Number(process.env["HV_POWER_CUTS"] ?? 300);
  test(`leaves nothing but leaks, and every sector old or new, everything flushed there: ${seeds} cuts`, () => {
    const bad = Array.from({ length: seeds }, (_, i) => i + 1).flatMap(seed => run(seed).map(one => `seed ${seed}: ${one}`));
    expect(bad).toEqual([]);
  }, 120_000 + 40 * seeds);
});
