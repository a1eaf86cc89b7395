// test/dtb/read.test.ts — the reader against blobs that lie, and against Debian's own.
import { beforeAll, describe, expect, test } from "bun:test";
import { cells, node, strings, u64cells, writeFdt } from "../../dtb/fdt.ts";
import type { FdtNode } from "../../dtb/fdt.ts";
import { readFdt } from "../../dtb/read.ts";
import { fdtJson, fdtText } from "../../dtb/text.ts";
import { Random } from "../support/random.ts";
import { debianDeviceTrees } from "../support/debian.ts";

const good = (): Uint8Array => writeFdt({
  reservations: [{ address: 0x1000n, size: 0x1000n }],
  root: node("", { compatible: strings("x") }, [node("a@1", { reg: cells(1), reg64: u64cells(1) }, [node("b", { c: cells(1, 2, 3) })])]),
});
const why = (blob: Uint8Array): string => {
  const read = readFdt(blob);
  return read.ok ? "ok" : read.why;
};
/** The blob with one header word replaced. */
const header = (index: number, value: number): Uint8Array => {
  const blob = good();
  new DataView(blob.buffer).setUint32(index * 4, value);
  return blob;
};
/** The blob with the structure word at `index` replaced. */
const structure = (index: number, value: number): Uint8Array => {
  const blob = good(), view = new DataView(blob.buffer);
  view.setUint32(view.getUint32(8) + index * 4, value);
  return blob;
};

describe("FDT reader", () => {
  test("refuses what is no blob", () => {
    expect(why(new Uint8Array(0))).toContain("0xd00dfeed");
    expect(why(new Uint8Array(64))).toContain("0xd00dfeed");
    expect(why(good().subarray(0, 39))).toContain("39 bytes");
  });
  test("refuses a total size over 2 MiB or over the file", () => {
    expect(why(header(1, 2 * 1024 * 1024 + 1))).toContain("totalsize is 2097153");
    expect(why(good().subarray(0, -1))).toContain("only");
    expect(why(header(1, 12))).toContain("totalsize is 12");
  });
  test("refuses offsets past the end", () => {
    expect(why(header(2, 0xffff_fffc))).toContain("structure block");
    expect(why(header(3, 0xffff_ffff))).toContain("strings block");
    expect(why(header(4, 0xffff_fff8))).toContain("reservation block");
    expect(why(header(8, 0xffff_ffff))).toContain("strings block");
    expect(why(header(9, 0xffff_ffff))).toContain("structure block");
    expect(why(header(2, 0))).toContain("structure block");
  });
  test("refuses versions it does not know", () => {
    expect(why(header(5, 3))).toContain("version 3");
    expect(why(header(6, 18))).toContain("down to 18");
  });
  test("refuses a structure that makes no tree", () => {
    expect(why(structure(0, 2))).toContain("belongs to no node");
    expect(why(structure(0, 9))).toContain("no root node");
    expect(why(structure(0, 3))).toContain("in no node");
    expect(why(structure(0, 77))).toContain("no token 0x4d");
    expect(why(structure(3, 0xffff_ffff))).toContain("more than are left");
    expect(why(structure(4, 0xffff_fff0))).toContain("outside the strings block");
  });
  test("refuses a node without an end", () => {
    const blob = good(), view = new DataView(blob.buffer), end = view.getUint32(8) + view.getUint32(36);
    view.setUint32(end - 8, 4); // the root's END_NODE becomes NOP
    expect(why(blob)).toContain("does not end");
    view.setUint32(end - 4, 4);
    expect(why(blob)).toContain("ends before its last node");
  });
  test("refuses depth 10000 and takes depth 32", () => {
    const deep = (levels: number): Uint8Array => {
      const words: number[] = [];
      for (let i = 0; i < levels; i++) words.push(1, i === 0 ? 0 : 0x61000000);
      for (let i = 0; i < levels; i++) words.push(2);
      words.push(9);
      const blob = new Uint8Array(56 + words.length * 4);
      blob.set(cells(0xd00dfeed, blob.length, 56, blob.length, 40, 17, 16, 0, 0, words.length * 4));
      blob.set(cells(...words), 56);
      return blob;
    };
    expect(why(deep(32))).toBe("ok");
    expect(why(deep(10_000))).toContain("nested");
  });
  test("refuses memory reservations that overlap, wrap or do not end", () => {
    const reserved = (...values: bigint[]): Uint8Array => writeFdt({ root: node(""), reservations: [{ address: values[0]!, size: values[1]! }, { address: values[2]!, size: values[3]! }] });
    expect(why(reserved(0x1000n, 0x1000n, 0x2000n, 0x1000n))).toBe("ok");
    expect(why(reserved(0x1000n, 0x1001n, 0x2000n, 0x1000n))).toContain("overlaps");
    expect(why(reserved(0x1000n, 1n, 0xffff_ffff_ffff_f000n, 0x1001n))).toContain("past the end");
    expect(why(header(4, (good().length - 8) & ~7))).toContain("does not end");
  });
  test("a name of one megabyte, used by every property, costs nothing", () => {
    const words = [1, 0];
    for (let i = 0; i < 60_000; i++) words.push(3, 0, i);
    words.push(2, 9);
    const blob = new Uint8Array(56 + words.length * 4 + 1_000_000).fill(0x61);
    blob.set(cells(0xd00dfeed, blob.length, 56, 56 + words.length * 4, 40, 17, 16, 0, 1_000_000, words.length * 4));
    blob.fill(0, 40, 56);
    blob.set(cells(...words), 56);
    const start = performance.now();
    expect(why(blob)).toContain("outside the strings block");
    expect(performance.now() - start).toBeLessThan(500);
  });
  test("40,000 damaged blobs: no throw, no hang, and what reads can be shown", () => {
    const random = new Random(0x5eed), seed = good(), start = performance.now();
    let read = 0;
    for (let i = 0; i < 40_000; i++) {
      const result = readFdt(random.damage(seed));
      if (!result.ok) continue;
      read++;
      fdtText(result.tree);
      fdtJson(result.tree);
    }
    expect(read).toBeGreaterThan(100);
    expect(performance.now() - start).toBeLessThan(30_000);
  });
});

describe("Debian's own device trees", () => {
  let blobs: Map<string, Uint8Array>;
  beforeAll(async () => {
    blobs = await debianDeviceTrees();
  }, 300_000);
  const shape = (of: FdtNode): unknown => ({ name: of.name, properties: of.properties.map(({ name, value }) => [name, Buffer.from(value).toString("base64")]), children: of.children.map(shape) });
  test("every one comes back the same, and those that dtc wrote byte for byte", () => {
    let same = 0;
    for (const [name, blob] of blobs) {
      const first = readFdt(blob);
      if (!first.ok) throw new Error(`${name}: ${first.why}`);
      const written = writeFdt(first.tree), second = readFdt(written);
      if (!second.ok) throw new Error(`${name}: ${second.why}`);
      expect(shape(second.tree.root)).toEqual(shape(first.tree.root));
      if (Buffer.compare(written, blob) === 0) same++;
    }
    expect(blobs.size).toBeGreaterThan(500);
    // The others went through fdtoverlay, which lays the strings out in its own way.
    expect(same).toBeGreaterThan(blobs.size * 0.95);
  });
});
