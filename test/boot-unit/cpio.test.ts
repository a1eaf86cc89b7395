// test/boot-unit/cpio.test.ts — the archive that Linux unpacks: written, read, read by cpio(1), damaged.
import { beforeAll, describe, expect, test } from "bun:test";
import { FileType, characterDevice, directory, file, readCpio, symlink, writeCpio } from "../../src/boot/cpio.ts";
import type { CpioEntry } from "../../src/boot/cpio.ts";
import { ensureDebianPackages, run } from "../support/packages.ts";
import { Random } from "../support/random.ts";

const sample: CpioEntry[] = [
  directory("dev"), characterDevice("dev/console", 5, 1), directory("bin"), file("bin/busybox", "#!", 0o755), symlink("bin/sh", "busybox"),
  file("empty", ""), { ...file("ünï", "x"), uid: 1000, gid: 100, mtime: 1_700_000_000 },
];
const entries = (bytes: Uint8Array): CpioEntry[] => {
  const read = readCpio(bytes);
  if (!read.ok) throw new Error(read.why);
  return read.entries;
};
const why = (bytes: Uint8Array): string => {
  const read = readCpio(bytes);
  return read.ok ? "ok" : read.why;
};

describe("cpio", () => {
  test("an empty archive is its trailer", () => {
    expect(new TextDecoder().decode(writeCpio([]))).toBe(`070701${"00000000".repeat(4)}00000001${"00000000".repeat(6)}0000000b00000000TRAILER!!!\0\0\0\0`);
  });
  test("what is written reads back, in order, and the same every time", () => {
    const read = entries(writeCpio(sample));
    expect(read.map(one => one.name)).toEqual(sample.map(one => one.name));
    expect(read.map(one => one.mode)).toEqual(sample.map(one => one.mode));
    expect(read[1]).toMatchObject({ mode: FileType.character | 0o600, device: { major: 5, minor: 1 } });
    expect(new TextDecoder().decode(read[4]?.data)).toBe("busybox");
    expect(read[6]).toMatchObject({ uid: 1000, gid: 100, mtime: 1_700_000_000 });
    expect(Buffer.compare(writeCpio(sample), writeCpio(structuredClone(sample)))).toBe(0);
  });
  test("names and contents are padded to four bytes", () => {
    for (let length = 0; length < 9; length++) {
      const archive = writeCpio([file("n".repeat(length + 1), "d".repeat(length)), file("next", "z")]);
      expect(archive.length % 4).toBe(0);
      expect(entries(archive).map(one => one.data?.length)).toEqual([length, 1]);
    }
  });
  test("archives may stand one behind another, with zeros between", () => {
    const first = writeCpio([file("a", "1")]), second = writeCpio([file("b", "2")]);
    const read = readCpio(Buffer.concat([first, new Uint8Array(512), second, new Uint8Array(100)]));
    expect(read.ok && [read.archives, read.entries.map(one => one.name)]).toEqual([2, ["a", "b"]]);
  });
  test("what follows and is no archive is left to the caller", () => {
    const read = readCpio(Buffer.concat([writeCpio([]), Uint8Array.of(0x1f, 0x8b)]));
    expect(read.ok && read.length).toBe(124);
  });
  test("names and numbers that newc cannot hold are refused", () => {
    expect(() => writeCpio([file("", "x")])).toThrow(RangeError);
    expect(() => writeCpio([file("a\0b", "x")])).toThrow(RangeError);
    expect(() => writeCpio([{ ...file("a", "x"), mtime: 2 ** 32 }])).toThrow(RangeError);
    expect(() => writeCpio([{ ...file("a", "x"), uid: -1 }])).toThrow(RangeError);
  });
  test("the reader says what is wrong", () => {
    const good = writeCpio([file("a", "hello")]);
    expect(why(new Uint8Array(0))).toBe("there is no cpio archive in it");
    expect(why(new TextEncoder().encode("hello"))).toBe("no cpio header at offset 0");
    expect(why(good.subarray(0, 50))).toContain("cut off");
    expect(why(good.subarray(0, 114))).toContain("past the end");
    expect(why(good.subarray(0, 120))).toContain("without its trailer");
    expect(why(good.with(14, 0x7a))).toContain("not hexadecimal");
    expect(why(new TextEncoder().encode(new TextDecoder().decode(good).replace("00000005", "fffffff0")))).toContain("past the end");
  });
  test("40,000 damaged archives: no throw, no hang", () => {
    const random = new Random(0xc910), seed = writeCpio(sample), begun = performance.now();
    let read = 0;
    for (let i = 0; i < 40_000; i++) if (readCpio(random.damage(seed)).ok) read++;
    expect(read).toBeGreaterThan(100);
    expect(performance.now() - begun).toBeLessThan(30_000);
  });
});

describe("cpio(1)", () => {
  beforeAll(() => ensureDebianPackages(["cpio"]));
  test("lists the archive as it was written", () => {
    const { code, stdout } = run(["cpio", "-itv", "--quiet", "--numeric-uid-gid"], writeCpio(sample));
    const lines = new TextDecoder().decode(stdout).trim().split("\n").map(line => line.replace(/\s+/g, " "));
    expect(code).toBe(0);
    expect(lines[1]).toMatch(/^crw------- 1 0 0 5, 1 .* dev\/console$/);
    expect(lines[3]).toMatch(/^-rwxr-xr-x 1 0 0 2 .* bin\/busybox$/);
    expect(lines[4]).toMatch(/ bin\/sh -> busybox$/);
    expect(lines).toHaveLength(7);
  });
});
