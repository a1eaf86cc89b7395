// test/host/xz.test.ts — the xz decoder against xz(1), and against damage.
import { beforeAll, describe, expect, test } from "bun:test";
import { Failure } from "../../src/failure.ts";
import { isXz, xzDecode, xzPieces } from "../../src/host/debian/xz.ts";
import { failureOf } from "../support/failure.ts";
import { ensureDebianPackages, run } from "../support/packages.ts";
import { Random } from "../support/random.ts";

beforeAll(() => ensureDebianPackages(["xz-utils"]));
const xz = (bytes: Uint8Array, ...options: string[]): Uint8Array => {
  const made = run(["xz", "-c", "-T1", ...options], bytes);
  if (made.code !== 0) throw new Error(made.stderr);
  return made.stdout;
};
/** Bytes with runs, repeats near and far, and noise. */
const mixed = (length: number): Uint8Array => {
  const random = new Random(length), out = new Uint8Array(length);
  for (let at = 0; at < length;) {
    const count = Math.min(1 + random.below(400), length - at);
    const kind = random.below(4);
    if (kind === 0) out.fill(random.below(256), at, at + count);
    else if (kind === 1 && at > 0) out.copyWithin(at, random.below(at), random.below(at) + count);
    else out.set(random.bytes(count), at);
    at += count;
  }
  return out;
};
const same = (packed: Uint8Array, plain: Uint8Array): void => expect(Buffer.compare(xzDecode(packed, 1 << 28), plain)).toBe(0);

describe("xz", () => {
  test.each([0, 1, 2, 255, 65_535, 65_536, 300_001])("%d bytes", length => same(xz(mixed(length)), mixed(length)));
  test.each(["none", "crc32", "crc64", "sha256"])("check %s", check => same(xz(mixed(50_000), `--check=${check}`), mixed(50_000)));
  test.each(["lc=0,lp=0,pb=0", "lc=4,lp=0,pb=0", "lc=0,lp=4,pb=4", "lc=2,lp=2,pb=1", "dict=4KiB", "dict=64KiB,mode=fast,mf=hc3", "dict=1536KiB"])("LZMA2 with %s", options => same(xz(mixed(400_000), `--lzma2=preset=6,${options}`), mixed(400_000)));
  test("several blocks, several streams, padding between", () => {
    same(xz(mixed(500_000), "--block-size=65536"), mixed(500_000));
    const one = mixed(10_000);
    same(Buffer.concat([xz(one), new Uint8Array(8), xz(one), new Uint8Array(4)]), Buffer.concat([one, one]));
  });
  test("more than the window: 40 MB with a dictionary of 1 MiB, in pieces", () => {
    const plain = Buffer.alloc(40_000_000, mixed(700_001));
    const packed = xz(plain, "--lzma2=preset=1,dict=1MiB");
    let at = 0, largest = 0;
    for (const piece of xzPieces(packed)) {
      expect(Buffer.compare(piece, plain.subarray(at, at + piece.length))).toBe(0);
      at += piece.length;
      largest = Math.max(largest, piece.length);
    }
    expect(at).toBe(plain.length);
    expect(largest).toBeLessThan(6 << 20);
  });
  test("what it does not do is named", () => {
    expect(failureOf(() => xzDecode(xz(mixed(5000), "--arm", "--lzma2"), 1 << 20)).code).toBe("HV-XZ-FILTER");
    expect(failureOf(() => xzDecode(xz(mixed(5000), "--lzma2=dict=128MiB"), 1 << 20)).code).toBe("HV-XZ-DICTIONARY");
    expect(failureOf(() => xzDecode(xz(mixed(5000)), 4999)).code).toBe("HV-XZ-LIMIT");
    expect(failureOf(() => xzDecode(new Uint8Array(0), 1)).code).toBe("HV-XZ-DATA");
    expect([isXz(xz(mixed(1))), isXz(mixed(100))]).toEqual([true, false]);
  });
  test("a file that ends early, at every byte", () => {
    const packed = xz(mixed(300));
    for (let at = 0; at < packed.length; at++) expect(failureOf(() => xzDecode(packed.subarray(0, at), 1 << 20)).code).toBe("HV-XZ-DATA");
  });
  test("a flipped bit, each of them, is noticed or changes nothing", () => {
    const plain = mixed(200), packed = xz(plain);
    let harmless = 0;
    for (let bit = 0; bit < packed.length * 8; bit++) {
      const copy = packed.slice();
      copy[bit >> 3]! ^= 1 << (bit & 7);
      try {
        same(copy, plain);
        harmless++;
      } catch (error) {
        expect(error).toBeInstanceOf(Failure);
      }
    }
    // For instance one of the literal coder's parameters, when the data is one byte over and over.
    expect(harmless).toBeLessThan(4);
  });
  test("3,000 damaged files: a Failure, no hang", () => {
    const random = new Random(0x7fd), packed = xz(mixed(20_000)), begun = performance.now();
    let refused = 0;
    for (let i = 0; i < 3000; i++) {
      try {
        for (const _ of xzPieces(random.damage(packed), { verify: false }));
      } catch (error) {
        expect(error).toBeInstanceOf(Failure);
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(1000);
    expect(performance.now() - begun).toBeLessThan(60_000);
  }, 70_000);
});
