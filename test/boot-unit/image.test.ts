// test/boot-unit/image.test.ts — kernels recognised by content, and everything else refused in its own words.
import { describe, expect, test } from "bun:test";
import { readKernel } from "../../src/boot/image.ts";
import { Failure } from "../../src/failure.ts";
import { failureOf } from "../support/failure.ts";
import { arm64Image, gzip, zboot, zstd } from "../support/kernel.ts";
import { Random } from "../support/random.ts";

const image = arm64Image();
const layersOf = (bytes: Uint8Array): string[] => {
  const kernel = readKernel(bytes, "k");
  expect(Buffer.compare(kernel.bytes, image)).toBe(0);
  return kernel.layers;
};
const refusal = (bytes: Uint8Array, limit?: number): string => {
  const failure = failureOf(() => readKernel(bytes, "k", limit === undefined ? {} : { limit }));
  expect(failure.exit).toBe(2);
  expect(failure.message).toStartWith("k");
  expect(failure.message).not.toContain("\n");
  return `${failure.code}: ${failure.message}`;
};
const start = (...bytes: number[]): Uint8Array => {
  const file = new Uint8Array(4096);
  file.set(bytes);
  return file;
};
const ascii = (text: string, at = 0): Uint8Array => {
  const file = new Uint8Array(4096).fill(0x80);
  file.set(new TextEncoder().encode(text), at);
  return file;
};

describe("kernel image", () => {
  test("a raw Image is taken as it is, with its header", () => {
    const kernel = readKernel(arm64Image({ textOffset: 0x80000n, imageSize: 0x10_0000n, flags: 0xan }), "k");
    expect({ ...kernel, bytes: kernel.bytes.length }).toEqual({
      kind: "Image", layers: [], bytes: 8192, textOffset: 0x80000, imageSize: 0x10_0000, oldHeader: false, notes: [],
      flags: { pageSize: "4K", anywhere: true, reserved: 0n },
    });
  });
  test("gzip, zstd, zboot and two layers are unwrapped", () => {
    expect(layersOf(gzip(image))).toEqual(["gzip"]);
    expect(layersOf(zstd(image))).toEqual(["zstd"]);
    expect(layersOf(zboot(gzip(image), "gzip"))).toEqual(["zboot", "gzip"]);
    expect(layersOf(zboot(zstd(image), "zstd22"))).toEqual(["zboot", "zstd"]);
    expect(layersOf(gzip(zstd(image)))).toEqual(["gzip", "zstd"]);
    expect(layersOf(gzip(zboot(gzip(image), "gzip")))).toEqual(["gzip", "zboot", "gzip"]);
  });
  test("two gzip members, and zeros behind, are one kernel", () => {
    const two = Buffer.concat([gzip(image.subarray(0, 5000)), gzip(image.subarray(5000))]);
    expect(layersOf(two)).toEqual(["gzip"]);
    expect(layersOf(Buffer.concat([two, new Uint8Array(512)]))).toEqual(["gzip"]);
    expect(layersOf(Buffer.concat([zstd(image.subarray(0, 5000)), zstd(image.subarray(5000)), new Uint8Array(512)]))).toEqual(["zstd"]);
  });
  test("image_size 0 means an old header with text_offset 0x80000", () => {
    const kernel = readKernel(arm64Image({ imageSize: 0n, textOffset: 0x1234n }), "k");
    expect(kernel).toMatchObject({ textOffset: 0x80000, imageSize: 8192, oldHeader: true });
    expect(kernel.notes).toEqual(["its header gives no image_size: text_offset 0x80000 is assumed"]);
  });
  test("16K and 64K pages and reserved flags are noted", () => {
    expect(readKernel(arm64Image({ flags: 0x4n }), "k")).toMatchObject({ flags: { pageSize: "16K", anywhere: false }, notes: ["it is built for 16K pages"] });
    expect(readKernel(arm64Image({ flags: 0x6n }), "k")).toMatchObject({ flags: { pageSize: "64K" }, notes: ["it is built for 64K pages"] });
    expect(readKernel(arm64Image({ flags: 0x8000_0000_0000_0002n }), "k").notes).toEqual(["its header sets reserved flag bits (0x8000000000000000): ignored"]);
  });
});

describe("what is no kernel", () => {
  test("nothing, one byte and 63 bytes", () => {
    expect(refusal(new Uint8Array(0))).toBe("HV-IMAGE-EMPTY: k: is empty");
    expect(refusal(Uint8Array.of(7))).toContain("HV-IMAGE-SHORT: k: has 1 bytes");
    expect(refusal(image.subarray(0, 55))).toContain("HV-IMAGE-SHORT: k: has 55 bytes");
    expect(refusal(image.subarray(0, 63))).toContain("HV-IMAGE-SHORT: k: has 63 bytes");
  });
  test("a wrong magic is shown", () => {
    const wrong = image.slice();
    wrong.set([0xde, 0xad, 0xbe, 0xef], 56);
    expect(refusal(wrong)).toBe('HV-IMAGE-MAGIC: k: is no arm64 Image: at offset 56 it has de ad be ef, not 41 52 4d 64 ("ARM\\x64")');
  });
  test("a big-endian kernel", () => expect(refusal(arm64Image({ flags: 1n }))).toContain("HV-IMAGE-BIG-ENDIAN"));
  test("sizes and offsets that are none", () => {
    expect(refusal(arm64Image({ textOffset: 1n << 63n }))).toContain("HV-IMAGE-TEXT-OFFSET: k: its text_offset is 0x8000000000000000");
    expect(refusal(arm64Image({ textOffset: (1n << 64n) - 1n }))).toContain("0xffffffffffffffff");
    expect(refusal(arm64Image({ imageSize: (1n << 64n) - 1n }))).toContain("HV-IMAGE-SIZE: k: its image_size is 0xffffffffffffffff");
    expect(refusal(arm64Image({ imageSize: 8191n }))).toContain("its image_size is 8191 bytes but the file has 8192");
  });
  test.each([
    ["HV-IMAGE-ELF", "is an arm64 ELF file (vmlinux)", start(0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 183, 0)],
    ["HV-IMAGE-ELF", "is an ELF file and not for arm64", start(0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 62, 0)],
    ["HV-IMAGE-X86", "is an x86 kernel (bzImage)", ascii("HdrS", 0x202)],
    ["HV-IMAGE-PE", "is an EFI program", start(0x4d, 0x5a)],
    ["HV-IMAGE-CODEC", "xz", start(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0)],
    ["HV-IMAGE-CODEC", "lzma", start(0x5d, 0, 0, 0x80)],
    ["HV-IMAGE-CODEC", "lz4", start(0x02, 0x21, 0x4c, 0x18)],
    ["HV-IMAGE-CODEC", "bzip2", ascii("BZh9")],
    ["HV-IMAGE-UIMAGE", "uImage", start(0x27, 0x05, 0x19, 0x56)],
    ["HV-IMAGE-DTB", "device tree", start(0xd0, 0x0d, 0xfe, 0xed)],
    ["HV-IMAGE-DEB", "Debian package", ascii("!<arch>\ndebian-binary")],
    ["HV-IMAGE-CPIO", "cpio", ascii("070701")],
    ["HV-IMAGE-TAR", "tar archive", ascii("ustar", 257)],
    ["HV-IMAGE-TEXT", "is text", new TextEncoder().encode("#!/bin/sh\necho hello\n")],
    ["HV-IMAGE-PE", "k (inside gzip): is an EFI program", gzip(start(0x4d, 0x5a))],
  ])("%s: %s", (code, words, bytes) => {
    expect(refusal(bytes)).toContain(`${code}: `);
    expect(refusal(bytes)).toContain(words);
    expect(failureOf(() => readKernel(bytes, "k")).hint).toBeString();
  });
});

describe("damaged and hostile packing", () => {
  test("truncated gzip and zstd, at every sixteenth byte", () => {
    const gz = gzip(image), zs = zstd(image);
    for (let at = 20; at < gz.length; at += 16) expect(refusal(gz.subarray(0, at))).toContain("HV-IMAGE-CORRUPT: k: its gzip data is damaged or cut off");
    for (let at = 8; at < zs.length; at += 16) expect(refusal(zs.subarray(0, at))).toContain("HV-IMAGE-CORRUPT: k: its zstd data is damaged or cut off");
  });
  test("a bad CRC", () => {
    const gz = gzip(image);
    gz[gz.length - 6]! ^= 1;
    expect(refusal(gz)).toContain("HV-IMAGE-CORRUPT");
  });
  test("a gigabyte of zeros in a megabyte is refused from its first page", () => {
    const bomb = gzip(new Uint8Array(1 << 28)), before = process.memoryUsage().rss;
    expect(refusal(bomb)).toContain("HV-IMAGE-MAGIC: k (inside gzip)");
    expect(refusal(zstd(new Uint8Array(1 << 28)))).toContain("HV-IMAGE-MAGIC: k (inside zstd)");
    expect(process.memoryUsage().rss - before).toBeLessThan(1 << 29);
  });
  test("a bomb behind a good header stops at image_size, or at the limit", () => {
    const large = new Uint8Array(1 << 26);
    large.set(arm64Image({ size: 64, imageSize: 65536n }));
    expect(refusal(gzip(large))).toContain("HV-IMAGE-SIZE: k: its image_size is 65536 bytes but its gzip data unpacks to more");
    expect(refusal(zstd(large))).toContain("HV-IMAGE-SIZE");
    large.set(arm64Image({ size: 64, imageSize: 0n }));
    expect(refusal(gzip(large), 1 << 20)).toContain("HV-IMAGE-TOO-LARGE: k: its gzip data unpacks to more than 1 MiB");
    expect(refusal(zstd(large), 1 << 20)).toContain("HV-IMAGE-TOO-LARGE");
  });
  test("three layers", () => expect(refusal(gzip(gzip(gzip(image))))).toContain("HV-IMAGE-NESTED"));
  test("zboot with an unknown codec, a wrong payload, or one past the end", () => {
    expect(refusal(zboot(gzip(image), "lzma"))).toContain('HV-IMAGE-CODEC: k: its zboot payload is compressed with "lzma"');
    expect(refusal(zboot(gzip(image), "zstd"))).toContain("HV-IMAGE-CORRUPT");
    expect(refusal(zboot(gzip(image), "gzip").subarray(0, 6000))).toContain("HV-IMAGE-TRUNCATED");
    expect(refusal(zboot(gzip(image), "gzip").subarray(0, 60))).toContain("HV-IMAGE-TRUNCATED");
  });
  test.each([["raw", image], ["gzip", gzip(image)], ["zstd", zstd(image)], ["zboot gzip", zboot(gzip(image), "gzip")], ["zboot zstd", zboot(zstd(image), "zstd22")]])("3,000 damaged files of kind %s: a kernel or a Failure", (_, seed) => {
    const random = new Random(0xb007), begun = performance.now();
    let refused = 0;
    for (let i = 0; i < 3000; i++) {
      try {
        readKernel(random.damage(seed), "k", { limit: 1 << 24 });
      } catch (error) {
        expect(error).toBeInstanceOf(Failure);
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(100);
    expect(performance.now() - begun).toBeLessThan(60_000);
  });
});
