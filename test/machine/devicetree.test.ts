// test/machine/devicetree.test.ts — the board's own device tree: what dtc says of it, and the names that kernels look for.
import { beforeAll, describe, expect, test } from "bun:test";
import { findNode, property, writeFdt } from "../../dtb/fdt.ts";
import { fdtText } from "../../dtb/text.ts";
import { boardTree, setChosen } from "../../src/machine/devicetree.ts";
import { GiB, MiB } from "../../src/units.ts";
import { ensureDebianPackages, run } from "../support/packages.ts";

const board = (cpus: number, ramSize = 512 * MiB, gic: 2 | 3 = 2) => {
  const root = boardTree({ cpus, ramSize, gic });
  setChosen(root, { cmdline: "console=ttyAMA0", initrd: { start: 0x4800_0000, end: 0x4900_0000 }, kaslrSeed: new Uint8Array(8).fill(7), rngSeed: new Uint8Array(32).fill(9) });
  return { root, reservations: [], bootCpu: 0 };
};
const text = (tree: ReturnType<typeof board>, path: string, name: string): string => new TextDecoder().decode(property(findNode(tree.root, path)!, name)).replaceAll("\0", "|");

describe("dtc", () => {
  beforeAll(() => ensureDebianPackages(["device-tree-compiler"]), 300_000);
  test.each([1, 2, 3, 4, 5, 6, 7, 8])("reads the tree of a board with %d cores without a warning", cpus => {
    const { code, stdout, stderr } = run(["dtc", "-I", "dtb", "-O", "dts", "-"], writeFdt(board(cpus)));
    expect([code, stderr]).toEqual([0, ""]);
    expect(new TextDecoder().decode(stdout).match(/cpu@/g)?.length).toBe(cpus);
  });
  test.each([1 * MiB, 512 * MiB, 3 * GiB, 8 * GiB, 1023 * GiB])("reads the tree of a board with %d bytes of RAM without a warning", ramSize => {
    const { code, stderr } = run(["dtc", "-I", "dtb", "-O", "dts", "-"], writeFdt(board(1, ramSize)));
    expect([code, stderr]).toEqual([0, ""]);
  });
});

describe("boards with a firmware or PCI", () => {
  test.each([["a firmware", { firmware: true }], ["PCI and a GICv2", { pci: true }], ["PCI and a GICv3", { pci: true, gic: 3 }], ["PCI, a GICv3 with its ITS, and a firmware", { pci: true, gic: 3, its: true, firmware: true }]] as const)("%s: dtc reads the tree without a warning", (_, more) => {
    const { code, stderr } = run(["dtc", "-I", "dtb", "-O", "dts", "-"], writeFdt({ root: boardTree({ cpus: 2, ramSize: 512 * MiB, ...more }), reservations: [], bootCpu: 0 }));
    expect([code, stderr]).toEqual([0, ""]);
  });
});

describe("a board with a GICv3", () => {
  beforeAll(() => ensureDebianPackages(["device-tree-compiler"]), 300_000);
  test.each([1, 8])("is read by dtc without a warning, with %d cores", cpus => {
    const { code, stderr } = run(["dtc", "-I", "dtb", "-O", "dts", "-"], writeFdt(board(cpus, 512 * MiB, 3)));
    expect([code, stderr]).toEqual([0, ""]);
  });
  test("has a redistributor per core, and interrupts that name no core", () => {
    const tree = board(3, 512 * MiB, 3), intc = findNode(tree.root, "/intc@8000000")!;
    expect(text(tree, "/intc@8000000", "compatible")).toBe("arm,gic-v3|");
    const reg = new DataView(property(intc, "reg")!.buffer.slice(0));
    expect([0, 1, 2, 3].map(i => Number(reg.getBigUint64(8 * i)))).toEqual([0x0800_0000, 0x1_0000, 0x080a_0000, 3 * 0x2_0000]);
    const timer = new DataView(property(findNode(tree.root, "/timer")!, "interrupts")!.buffer.slice(0));
    expect(Array.from({ length: 4 }, (_, i) => timer.getUint32(12 * i + 8))).toEqual([4, 4, 4, 4]);
  });
});

describe("names that kernels look for", () => {
  const tree = board(2);
  test("the nodes", () => {
    const names = tree.root.children.map(child => child.name).toSorted();
    expect(names).toEqual([
      "aliases", "apb-pclk", "chosen", "cpus", "gpio-keys", "intc@8000000", "memory@40000000", "pl011@9000000", "pl031@9010000", "pl061@9030000", "psci", "timer",
    ].map(name => name.replace("pl011", "serial").replace("pl031", "rtc").replace("pl061", "gpio")).concat(Array.from({ length: 32 }, (_, n) => `virtio_mmio@${(0x0a00_0000 + 0x200 * n).toString(16)}`)).toSorted());
  });
  test.each([
    ["/", "compatible", "linux,dummy-virt|"], ["/", "model", "hypervisor-virt|"],
    ["/psci", "compatible", "arm,psci-1.0|arm,psci-0.2|"], ["/psci", "method", "hvc|"],
    ["/timer", "compatible", "arm,armv8-timer|"],
    ["/intc@8000000", "compatible", "arm,cortex-a15-gic|"],
    ["/serial@9000000", "compatible", "arm,pl011|arm,primecell|"], ["/serial@9000000", "clock-names", "uartclk|apb_pclk|"],
    ["/rtc@9010000", "compatible", "arm,pl031|arm,primecell|"],
    ["/gpio@9030000", "compatible", "arm,pl061|arm,primecell|"],
    ["/virtio_mmio@a000000", "compatible", "virtio,mmio|"], ["/virtio_mmio@a003e00", "compatible", "virtio,mmio|"],
    ["/cpus/cpu@1", "enable-method", "psci|"], ["/cpus/cpu@1", "device_type", "cpu|"],
    ["/chosen", "stdout-path", "/serial@9000000|"], ["/chosen", "bootargs", "console=ttyAMA0|"],
    ["/memory@40000000", "device_type", "memory|"],
  ])("%s: %s is %s", (path, name, expected) => { expect(text(tree, path, name)).toBe(expected); });
  test("the timer is always on, with its four interrupts", () => {
    const node = findNode(tree.root, "/timer")!;
    expect(property(node, "always-on")?.length).toBe(0);
    const view = new DataView(property(node, "interrupts")!.buffer.slice(0));
    // PPIs 13, 14, 11, 10 to both cores, active high
    expect(Array.from({ length: 12 }, (_, i) => view.getUint32(4 * i))).toEqual([13, 14, 11, 10].flatMap(n => [1, n, 0x304]));
  });
  test("flash and fw_cfg are described with a firmware only", () => {
    const with_ = boardTree({ cpus: 1, ramSize: 2 ** 29, firmware: true });
    expect([property(findNode(with_, "/flash@0")!, "reg")?.length, property(findNode(with_, "/fw-cfg@9020000")!, "compatible") !== undefined]).toEqual([32, true]);
    expect([findNode(tree.root, "/flash@0"), findNode(tree.root, "/fw-cfg@9020000")]).toEqual([undefined, undefined]);
  });
  test("with PCI: a bridge whose interrupts are SPI 3 to 6, one further for each slot; messages with a GICv2, and with an ITS", () => {
    const words = (bytes: Uint8Array | undefined): number[] => Array.from({ length: (bytes?.length ?? 0) / 4 }, (_, i) => new DataView((bytes as Uint8Array).slice().buffer).getUint32(4 * i));
    for (const [gic, its] of [[2, false], [3, false], [3, true]] as const) {
      const root = boardTree({ cpus: 1, ramSize: 2 ** 29, gic, pci: true, its }), bridge = findNode(root, "/pcie@3f000000")!, map = words(property(bridge, "interrupt-map"));
      const cells = map.length / 16;
      expect([map[0], map[3], map.at(-2), map[cells - 2], map[cells * 5 - 2]]).toEqual([0, 1, 3 + (3 + 3) % 4, 3, 3 + 1]);
      expect(property(bridge, "msi-map") !== undefined).toBe(gic === 2 || its);
    }
    expect(findNode(tree.root, "/pcie@3f000000")).toBeUndefined();
  });
  test("the text of the whole tree", () => { expect(fdtText(board(1))).toMatchSnapshot(); });
});
