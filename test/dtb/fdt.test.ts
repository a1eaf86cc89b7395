// test/dtb/fdt.test.ts — writer, reader and text of device trees.
import { beforeAll, describe, expect, test } from "bun:test";
import { cells, empty, findNode, join, node, property, removeProperty, setProperty, strings, u64cells, writeFdt } from "../../dtb/fdt.ts";
import type { Fdt } from "../../dtb/fdt.ts";
import { readFdt } from "../../dtb/read.ts";
import { fdtJson, fdtText } from "../../dtb/text.ts";
import { ensureDebianPackages, run } from "../support/packages.ts";

const sample = (): Fdt => ({
  bootCpu: 0,
  reservations: [{ address: 0x4000_0000n, size: 0x1000n }],
  root: node("", { "#address-cells": cells(2), "#size-cells": cells(2), compatible: strings("linux,dummy-virt"), model: strings("hypervisor-virt") }, [
    node("memory@40000000", { device_type: strings("memory"), reg: u64cells(0x4000_0000, 0x2000_0000) }),
    node("serial@9000000", { compatible: strings("arm,pl011", "arm,primecell"), reg: u64cells(0x900_0000, 0x1000), "clock-names": strings("uartclk", "apb_pclk"), "dma-coherent": empty }),
    node("chosen", { "stdout-path": strings("/serial@9000000"), "rng-seed": Uint8Array.of(1, 2, 3) }),
  ]),
});

const tree = (blob: Uint8Array): Fdt => {
  const read = readFdt(blob);
  if (!read.ok) throw new Error(read.why);
  return read.tree;
};

describe("property values", () => {
  test("cells are big-endian and 32 bits wide", () => {
    expect(cells(1, 0xffff_ffff, -1)).toEqual(Uint8Array.of(0, 0, 0, 1, 255, 255, 255, 255, 255, 255, 255, 255));
    expect(() => cells(2 ** 32)).toThrow(RangeError);
    expect(() => cells(1.5)).toThrow(RangeError);
  });
  test("u64cells put the high cell first and take what a number cannot hold", () => {
    expect(u64cells(0x1_0000_0002)).toEqual(Uint8Array.of(0, 0, 0, 1, 0, 0, 0, 2));
    expect(u64cells(2n ** 64n - 1n)).toEqual(new Uint8Array(8).fill(255));
    expect(() => u64cells(2n ** 64n)).toThrow(RangeError);
    expect(() => u64cells(-1)).toThrow(RangeError);
  });
  test("strings end in NUL each, and join puts values together", () => {
    expect(strings("a", "bc")).toEqual(Uint8Array.of(97, 0, 98, 99, 0));
    expect(() => strings("a\0b")).toThrow(RangeError);
    expect(join(cells(1), empty, strings("a"))).toEqual(Uint8Array.of(0, 0, 0, 1, 97, 0));
  });
});

describe("tree", () => {
  test("findNode takes full names, and bare ones where they are unique", () => {
    const { root } = sample();
    expect(findNode(root, "/serial@9000000")?.name).toBe("serial@9000000");
    expect(findNode(root, "/memory")?.name).toBe("memory@40000000");
    expect(findNode(root, "/")).toBe(root);
    expect(findNode(root, "/none/at/all")).toBeUndefined();
  });
  test("setProperty replaces in place and removeProperty says whether there was one", () => {
    const chosen = node("chosen", { a: cells(1), b: cells(2) });
    setProperty(chosen, "a", cells(3));
    setProperty(chosen, "c", empty);
    expect(chosen.properties.map(one => one.name)).toEqual(["a", "b", "c"]);
    expect(property(chosen, "a")).toEqual(cells(3));
    expect([removeProperty(chosen, "b"), removeProperty(chosen, "b")]).toEqual([true, false]);
  });
});

describe("FDT blob", () => {
  test("the smallest tree is the bytes that the specification gives", () => {
    const expected = [
      "d00dfeed 0000005a 00000038 00000058 00000028", // magic, total size, offsets of structure, strings, reservations
      "00000011 00000010 00000000 00000002 00000020", // versions 17 and 16, boot CPU, sizes of strings and structure
      "0000000000000000 0000000000000000", // the end of the reservations
      "00000001 00000000", // the root node begins; its name is empty
      "00000003 00000004 00000000 11223344", // a property of 4 bytes, its name at offset 0
      "00000002 00000009", // the root node ends; the structure ends
      "6100", // "a"
    ];
    expect(Buffer.from(writeFdt({ root: node("", { a: cells(0x11223344) }) })).toString("hex")).toBe(expected.join("").replaceAll(" ", ""));
  });
  test("what is written reads back the same", () => {
    expect(tree(writeFdt(sample()))).toEqual(sample());
  });
  test("a name that ends an earlier one shares its bytes", () => {
    const shared = writeFdt({ root: node("", { "interrupt-names": empty, names: empty }) });
    const apart = writeFdt({ root: node("", { "interrupt-names": empty, other: empty }) });
    expect(apart.length - shared.length).toBe("other\0".length);
  });
  test("padding is part of the total size", () => {
    const blob = writeFdt(sample(), { padding: 100 });
    expect(new DataView(blob.buffer, blob.byteOffset).getUint32(4)).toBe(blob.length);
    expect(tree(blob)).toEqual(sample());
  });
  test("names that no tree may have are refused", () => {
    expect(() => writeFdt({ root: node("", {}, [node("a/b")]) })).toThrow(RangeError);
    expect(() => writeFdt({ root: node("x") })).toThrow(RangeError);
    expect(() => writeFdt({ root: node("", { "a b": empty }) })).toThrow(RangeError);
  });
});

describe("DTS text", () => {
  test("shows strings, cells, bytes and flags", () => {
    expect(fdtText(sample())).toBe(`/dts-v1/;

/memreserve/	0x0000000040000000 0x0000000000001000;
/ {
	#address-cells = <0x2>;
	#size-cells = <0x2>;
	compatible = "linux,dummy-virt";
	model = "hypervisor-virt";

	memory@40000000 {
		device_type = "memory";
		reg = <0x0 0x40000000 0x0 0x20000000>;
	};

	serial@9000000 {
		compatible = "arm,pl011", "arm,primecell";
		reg = <0x0 0x9000000 0x0 0x1000>;
		clock-names = "uartclk", "apb_pclk";
		dma-coherent;
	};

	chosen {
		stdout-path = "/serial@9000000";
		rng-seed = [01 02 03];
	};
};
`);
  });
  test("JSON names the kind of every value", () => {
    const json = fdtJson(sample());
    expect(json.reservations).toEqual([{ address: "0x40000000", size: "0x1000" }]);
    expect(json.root.children[1]?.properties).toEqual([
      { name: "compatible", strings: ["arm,pl011", "arm,primecell"] },
      { name: "reg", cells: [0, 0x900_0000, 0, 0x1000] },
      { name: "clock-names", strings: ["uartclk", "apb_pclk"] },
      { name: "dma-coherent", empty: true },
    ]);
    expect(json.root.children[2]?.properties[1]).toEqual({ name: "rng-seed", bytes: "010203" });
  });
});

describe("dtc", () => {
  beforeAll(() => ensureDebianPackages(["device-tree-compiler"]));
  test("reads the blob without a warning", () => {
    const { code, stderr } = run(["dtc", "-I", "dtb", "-O", "dts", "-"], writeFdt(sample()));
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  });
  test("makes the same blob out of the text", () => {
    const awkward = sample();
    awkward.root.children.push(node("odd", { text: strings('a "quoted" \\ back'), mixed: join(cells(7), strings("x")), "two-nul": Uint8Array.of(97, 0, 0), nul: Uint8Array.of(0), tab: strings("a\tb") }));
    const made = run(["dtc", "-q", "-I", "dts", "-O", "dtb", "-"], new TextEncoder().encode(fdtText(awkward)));
    expect(made.stderr).toBe("");
    expect(Buffer.compare(made.stdout, writeFdt(awkward))).toBe(0);
  });
});
