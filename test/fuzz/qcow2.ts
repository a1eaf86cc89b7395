// test/fuzz/qcow2.ts — damaged qcow2 images: read, written, checked and repaired. Whatever they say, what comes of it is a
// Failure or Corruption, an I/O error, or bytes; never the header written over, a file without end, or a hang.
import { Failure } from "../../src/failure.ts";
import { flushNow } from "../../src/disk/image.ts";
import { checkQcow2 } from "../../src/disk/qcow2/check.ts";
import { createQcow2 } from "../../src/disk/qcow2/create.ts";
import { QCOW2_MAGIC, readHeader } from "../../src/disk/qcow2/header.ts";
import { Corruption } from "../../src/disk/qcow2/places.ts";
import { Qcow2Image } from "../../src/disk/qcow2/qcow2.ts";
import { MemoryFile } from "../support/memory-file.ts";
import { Random } from "../support/random.ts";

const SIZE = 2 * 1024 * 1024;
const GROWTH = 16 * 1024 * 1024;
const MOST = 1024 * 1024 * 1024;

/** An image with data, packed clusters, zeros and holes. */
function sample(random: Random): { bytes: Uint8Array; clusterBits: number } {
  const clusterBits = 9 + random.below(5), compression = random.below(2) === 0 ? "zlib" as const : "zstd" as const, file = new MemoryFile();
  createQcow2(file, { version: 3, clusterBits, size: SIZE, refcountOrder: random.below(7), compression, lazyRefcounts: false });
  const image = new Qcow2Image(file, readHeader(file.bytes.subarray(0, 65536), file.size, "disk.img"), false, undefined), cluster = 2 ** clusterBits;
  for (let n = 0; n < 8; n++) {
    const at = random.below(SIZE / cluster) * cluster;
    if (n % 3 === 2 && image.status(at, cluster).kind === "hole") image.writeCompressed(at, new Uint8Array(cluster).fill(n + 1), compression);
    else image.write(at, random.bytes(Math.min(cluster * 2, SIZE - at)));
  }
  image.writeZeroes(0, SIZE / 8, true);
  image.close();
  return { bytes: file.bytes, clusterBits };
}
/** Words of the metadata replaced by telling values. */
function damage(bytes: Uint8Array, clusterBits: number, random: Random): void {
  const view = new DataView(bytes.buffer), cluster = 2 ** clusterBits, words = bytes.length / 8;
  const telling = (): bigint => {
    const somewhere = BigInt(random.below(bytes.length / cluster) * cluster);
    return [0n, 1n, 0xffff_ffff_ffff_ffffn, somewhere, somewhere | (1n << 63n), somewhere | (1n << 62n), somewhere + 512n, BigInt(bytes.length), 1n << 55n, (1n << 63n) | 0x1f_ffff_ffff_fe00n, BigInt(random.u32())][random.below(11)] as bigint;
  };
  for (let n = 1 + random.below(8); n > 0; n--) {
    switch (random.below(4)) {
      case 0: view.setUint32(4 + 4 * random.below(26), [0, 1, 0xffff_ffff, 0x8000_0000, random.u32(), random.below(64)][random.below(6)] as number); break; // the header, but not its magic
      case 1: view.setBigUint64(8 * random.below(Math.min(words, (8 * cluster) / 8)), telling()); break;
      default: { // an entry of a table: a word that is not zero
        const from = random.below(words);
        for (let i = 0; i < words; i++) {
          const at = 8 * ((from + i) % words);
          if (at >= 112 && view.getBigUint64(at) !== 0n) {
            view.setBigUint64(at, telling());
            break;
          }
        }
      }
    }
  }
  view.setUint32(0, QCOW2_MAGIC);
}
const expected = (error: unknown): boolean => error instanceof Failure || error instanceof Corruption || (error instanceof Error && error.constructor === Error);
function attempt(act: () => void): void {
  try {
    act();
  } catch (error) {
    if (!expected(error)) throw error;
  }
}

export function fuzzQcow2(seed: number): void {
  const random = new Random(seed), { bytes, clusterBits } = sample(random);
  damage(bytes, clusterBits, random);
  const file = new MemoryFile(bytes.slice(0, random.below(6) === 0 ? random.below(bytes.length) : bytes.length));
  // a hostile length must not become memory: nothing may make the file grow without bound
  const { resize } = file;
  file.resize = size => {
    if (size > MOST) throw new RangeError(`the file is to become ${size} bytes long`);
    if (size > bytes.length + GROWTH) throw new Error("the host has no more room"); // counts that are wrong may send it to the next block's clusters
    resize.call(file, size);
  };
  const header = (): ReturnType<typeof readHeader> => readHeader(file.bytes.subarray(0, 2 ** 21), file.size, "disk.img");
  attempt(() => {
    const before = header();
    const image = new Qcow2Image(file, before, false, undefined);
    for (let n = 0; n < 40; n++) {
      const at = random.below(Math.min(before.size, SIZE * 2) / 512) * 512, length = Math.min(before.size - at, 512 * (1 + random.below(40)));
      if (length <= 0) continue;
      attempt(() => {
        switch (random.below(6)) {
          case 0: case 1: return image.write(at, new Uint8Array(length).fill(n));
          case 2: return image.writeZeroes(at, length, random.below(2) === 0);
          case 3: return image.discard(at, length);
          case 4: return flushNow(image);
          default: return image.read(at, new Uint8Array(length));
        }
      });
    }
    image.close();
    const after = new DataView(file.bytes.buffer);
    if (after.getUint32(0) !== QCOW2_MAGIC || after.getUint32(20) !== before.clusterBits) throw new RangeError("the header was written over");
  });
  attempt(() => void checkQcow2(file, header(), { repair: false }));
  attempt(() => {
    const repaired = checkQcow2(file, header(), { repair: true });
    if (repaired.lost > 0) return;
    const again = checkQcow2(file, header(), { repair: false });
    if (again.errors > 0 || again.leaks > 0) throw new RangeError(`a repair leaves ${again.errors} errors and ${again.leaks} leaks: ${again.findings.join("; ")}`);
  });
}
