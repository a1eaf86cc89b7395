// test/cli/files.test.ts — hv inspect and hv initramfs, by their own functions.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { cells, node, strings, writeFdt } from "../../dtb/fdt.ts";
import { FileType, file, readCpio, writeCpio } from "../../src/boot/cpio.ts";
import { buildInitramfs } from "../../src/cli/initramfs.ts";
import { inspect, inspectionText } from "../../src/cli/inspect.ts";
import { parseSize } from "../../src/cli/size.ts";
import { GiB, MiB } from "../../src/units.ts";
import { failureOf } from "../support/failure.ts";
import { arm64Image, gzip, zboot } from "../support/kernel.ts";
import { ensureDebianPackages, run } from "../support/packages.ts";

let place: string, tree: string;
beforeAll(() => {
  ensureDebianPackages(["tar"]);
  place = mkdtempSync(join(tmpdir(), "hv-cli-"));
  tree = join(place, "tree");
  mkdirSync(join(tree, "bin"), { recursive: true });
  writeFileSync(join(tree, "init"), "#!/bin/sh\n");
  chmodSync(join(tree, "init"), 0o755);
  writeFileSync(join(tree, "bin", "tool"), "x");
  symlinkSync("tool", join(tree, "bin", "alias"));
  run(["mkfifo", join(tree, "fifo")]);
  run(["tar", "-C", tree, "-czf", join(place, "tree.tgz"), "."]);
  run(["tar", "-C", tree, "-P", "--transform", "s,bin/tool,../escape,", "-cf", join(place, "climbs.tar"), "bin/tool"]);
});
afterAll(() => rmSync(place, { recursive: true, force: true }));

describe("hv inspect", () => {
  test("a kernel: header, layers, and where it goes", () => {
    const image = arm64Image({ imageSize: 0x20_0001n });
    image.set(new TextEncoder().encode("Linux version %s\0Linux version 6.1.0-test (a@b) #1 SMP\n"), 1000);
    const found = inspect(zboot(gzip(image), "gzip"), "vmlinuz", 512 * MiB);
    expect(found).toMatchObject({
      kind: "kernel", layers: ["zboot", "gzip"], imageBytes: 8192, version: "Linux version 6.1.0-test (a@b) #1 SMP",
      header: { textOffset: 0, imageSize: 0x20_0001, pageSize: "4K", anywhere: true }, placement: { kernel: "0x40000000", kernelEnd: "0x40200001", dtb: "0x40400000" },
    });
    expect(inspectionText(found)).toContain("in 512 MiB   kernel 0x40000000 to 0x40200001, device tree 0x40400000\n");
  });
  test("an initrd: every archive in it", () => {
    const plain = writeCpio([file("early", "x")]), packed = new Uint8Array(gzipSync(writeCpio([file("init", "x"), file("b", "")])));
    const found = inspect(Buffer.concat([plain, new Uint8Array(512), packed]), "initrd", GiB);
    expect(found).toMatchObject({ kind: "initrd", hasInit: true, parts: [{ codec: "none", offset: 0, entries: 1 }, { codec: "gzip", offset: plain.length + 512, entries: 2 }] });
    expect(inspectionText(found)).toContain("2 entries, packed with gzip");
  });
  test("a device tree", () => {
    const found = inspect(writeFdt({ root: node("", { model: strings("m"), compatible: strings("a", "b") }, [node("x", { y: cells(1) })]) }), "x.dtb", GiB);
    expect(found).toMatchObject({ kind: "dtb", nodes: 2, model: "m", compatible: ["a", "b"], reservations: 0 });
    expect(inspectionText(found)).toContain("compatible   a, b\n");
  });
  test("anything else is refused as a kernel would be", () => {
    expect(failureOf(() => inspect(new TextEncoder().encode("hello"), "f", GiB)).code).toBe("HV-IMAGE-TEXT");
    expect(failureOf(() => inspect(Uint8Array.of(0xd0, 0x0d, 0xfe, 0xed), "f", GiB)).code).toBe("HV-DTB-DATA");
    expect(failureOf(() => inspect(arm64Image({ imageSize: BigInt(GiB) }), "f", 512 * MiB)).code).toBe("HV-BOOT-MEMORY");
  });
});

describe("hv initramfs", () => {
  test("a directory and a tar of it hold the same, with /dev/console added", () => {
    const names = (path: string): string[] => buildInitramfs(path).entries.map(entry => `${(entry.mode & FileType.mask).toString(8)} ${entry.name}`).sort();
    expect(names(tree)).toEqual(["10000 fifo", "100000 bin/tool", "100000 init", "120000 bin/alias", "20000 dev/console", "40000 bin", "40000 dev"]);
    expect(names(join(place, "tree.tgz"))).toEqual(names(tree));
    expect(readCpio(buildInitramfs(tree).bytes)).toMatchObject({ ok: true, archives: 1 });
    expect(buildInitramfs(tree).entries.find(entry => entry.name === "init")?.mode).toBe(FileType.regular | 0o755);
  });
  test("a tar that climbs out of its root is refused", () => {
    const failure = failureOf(() => buildInitramfs(join(place, "climbs.tar")));
    expect(failure.code).toBe("HV-INITRAMFS-NAME");
    expect(failure.message).toContain("../escape");
  });
  test("what is neither is refused", () => {
    expect(failureOf(() => buildInitramfs(join(place, "none"))).code).toBe("HV-FILE-READ");
    expect(failureOf(() => buildInitramfs(join(tree, "init"))).code).toBe("HV-INITRAMFS-READ");
  });
});

describe("sizes", () => {
  test("need a unit", () => {
    expect([parseSize("512M", "-m"), parseSize("2G", "-m"), parseSize("1.5 GiB", "-m"), parseSize("64kb", "-m")]).toEqual([512 * MiB, 2 * GiB, 1536 * MiB, 65536]);
    expect(failureOf(() => parseSize("512", "--memory"))).toMatchObject({ code: "HV-USAGE-SIZE", hint: "for instance --memory 512M" });
    expect(failureOf(() => parseSize("-1M", "--memory")).message).toContain("is no size");
    expect(failureOf(() => parseSize("0M", "--memory")).message).toContain("is no size");
    expect(failureOf(() => parseSize("99999999999999T", "--memory")).message).toContain("is no size");
  });
});
