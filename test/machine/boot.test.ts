// test/machine/boot.test.ts — what a boot puts into memory, and what it changes in a user's device tree.
import { describe, expect, test } from "bun:test";
import { cells, findNode, node, property, strings, u64cells, writeFdt } from "../../dtb/fdt.ts";
import { readFdt } from "../../dtb/read.ts";
import { inMemory } from "../../src/host/boot-files.ts";
import { loadBoot, prepareBoot, type BootFiles } from "../../src/machine/boot.ts";
import { RAM_BASE } from "../../src/machine/platform.ts";
import { Ram } from "../../src/machine/ram.ts";
import { MiB } from "../../src/units.ts";
import { failureOf } from "../support/failure.ts";
import { arm64Image } from "../support/kernel.ts";

const image = arm64Image(), initrd = Uint8Array.of(1, 2, 3);
const files: BootFiles = { kernel: { payload: inMemory(image), textOffset: 0, imageSize: 3 * MiB }, initrd: inMemory(initrd), cmdline: "quiet" };
const board = { cpus: 2, ramSize: 16 * MiB };
const seeds = { kaslr: new Uint8Array(8).fill(7), rng: new Uint8Array(32).fill(9) };

describe("a boot", () => {
  test("puts kernel, device tree and initrd where the device tree says", () => {
    const boot = prepareBoot(files, board, seeds);
    const ram = new Ram(RAM_BASE, { size: board.ramSize, windows: [new ArrayBuffer(board.ramSize)], release: () => 0 });
    loadBoot(ram, files, boot);
    const at = (address: number, length: number): Uint8Array => {
      const bytes = new Uint8Array(length);
      expect(ram.read(address, bytes)).toBe(true);
      return bytes;
    };
    expect(at(boot.placement.kernel, 64)).toEqual(image.subarray(0, 64));
    const read = readFdt(at(boot.placement.dtb, boot.blob.length));
    if (!read.ok) throw new Error(read.why);
    const chosen = findNode(read.tree.root, "/chosen")!;
    expect(property(chosen, "linux,initrd-start")).toEqual(u64cells(boot.placement.initrd!.start));
    expect(property(chosen, "bootargs")).toEqual(strings("quiet"));
    expect(property(chosen, "kaslr-seed")).toEqual(seeds.kaslr);
    expect(at(boot.placement.initrd!.start, 3)).toEqual(initrd);
    expect(boot.patched).toEqual([]);
  });
  test("patches a user's device tree and says what", () => {
    const bytes = writeFdt({ root: node("", { "#address-cells": cells(2), "#size-cells": cells(2) }, [node("memory@0", { reg: u64cells(0, 1) }), node("mine", { kept: cells(5) })]) });
    const boot = prepareBoot({ ...files, initrd: undefined, dtb: { bytes, name: "my.dtb" } }, board);
    expect(boot.patched).toEqual(["/memory reg", "/chosen bootargs"]);
    expect(property(findNode(boot.tree.root, "/mine")!, "kept")).toEqual(cells(5));
    expect(property(findNode(boot.tree.root, "/memory")!, "reg")).toEqual(u64cells(RAM_BASE, board.ramSize));
  });
  test("keeps clear of what a user's device tree reserves, by refusing", () => {
    const bytes = writeFdt({ root: node(""), reservations: [{ address: BigInt(RAM_BASE), size: 4096n }] });
    expect(failureOf(() => prepareBoot({ ...files, dtb: { bytes, name: "my.dtb" } }, board)).code).toBe("HV-BOOT-RESERVED");
  });
});
