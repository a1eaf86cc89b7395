// src/machine/devicetree.ts — the device tree of the board, from the platform table; and what is patched into a user's.
// Spec: Devicetree Specification v0.4, ch. 3; the kernel's bindings for arm,gic, arm,gic-v3, arm,armv8-timer, arm,armv8-pmuv3, arm,pl011, arm,pl031,
// arm,pl061, virtio,mmio, cfi-flash, qemu,fw-cfg-mmio, gpio-keys, arm,psci-1.0.
import { cells, empty, findNode, join, node, property, removeProperty, setProperty, strings, u64cells } from "../../dtb/fdt.ts";
import type { FdtNode, FdtProperty } from "../../dtb/fdt.ts";
import { CLOCK_HZ, POWER_KEY_LINE, RAM_BASE, CorePpi, gicRedistributor, gicv2m, its, pcie, platform, virtioSlots, type Peripheral, type Window } from "./platform.ts";
import { affinityOf } from "../units.ts";

export interface BoardDescription {
  readonly cpus: number;
  readonly ramSize: number;
  /** The cores have performance monitors. */
  readonly pmu?: boolean | undefined;
  /** Version of the interrupt controller; default 2. */
  readonly gic?: 2 | 3 | undefined;
  /** There are flash and fw_cfg. */
  readonly firmware?: boolean | undefined;
  /** There is a PCI host bridge, with message-signalled interrupts where the interrupt controller has them. */
  readonly pci?: boolean | undefined;
  /** With PCI and version 3 of the controller: it has an ITS. */
  readonly its?: boolean | undefined;
}
/** What goes into /chosen. */
export interface Chosen {
  readonly cmdline: string;
  readonly initrd?: { readonly start: number; readonly end: number } | undefined;
  /** 8 bytes and any number of bytes of entropy; absent in deterministic machines. */
  readonly kaslrSeed?: Uint8Array | undefined;
  readonly rngSeed?: Uint8Array | undefined;
}

const Phandle = { gic: 1, clock: 2, gpio: 3, msi: 4 } as const;
const GIC = { SPI: 0, PPI: 1 } as const;
const LEVEL_HIGH = 4;
/** Address spaces of a PCI range. */
const PCI = { IO: 0x0100_0000, MEMORY: 0x0200_0000 } as const;
const KEY_POWER = 116;

const reg = (...windows: readonly Window[]): Uint8Array => u64cells(...windows.flatMap(w => [w.base, w.size]));
const at = (name: string, base: number): string => `${name}@${base.toString(16)}`;
/** A device with an SPI and the peripheral clock. */
const peripheral = (place: Peripheral, clocks: readonly string[], more: Readonly<Record<string, Uint8Array>> = {}): FdtNode =>
  node(at(place.node, place.base), {
    compatible: strings(...place.compatible),
    reg: reg(place),
    interrupts: cells(GIC.SPI, place.spi, LEVEL_HIGH),
    clocks: cells(...clocks.map(() => Phandle.clock)),
    "clock-names": strings(...clocks),
    ...more,
  });

/** Where functions send their messages; undefined: there are none. */
function messageController(board: BoardDescription): FdtNode | undefined {
  if (board.gic === 3) return board.its !== true ? undefined : node(at(its.node, its.base), { compatible: strings(...its.compatible), "msi-controller": empty, "#msi-cells": cells(1), reg: reg(its), phandle: cells(Phandle.msi) });
  return node(at(gicv2m.node, gicv2m.base), { compatible: strings(...gicv2m.compatible), "msi-controller": empty, reg: reg(gicv2m), phandle: cells(Phandle.msi) });
}
/** The PCI host bridge: INTA to INTD of a slot are four interrupts, one further for each slot. */
function hostBridge(messages: boolean): FdtNode {
  const { ecam, memory, io } = pcie, pins = [0, 1, 2, 3];
  // the controller has address cells only when it has a child
  const interruptMap = pins.flatMap(slot => pins.flatMap(pin => [slot << 11, 0, 0, pin + 1, Phandle.gic, ...(messages ? [0, 0] : []), GIC.SPI, ecam.spi + (slot + pin) % 4, LEVEL_HIGH]));
  const range = (type: number, bus: number, window: Window): Uint8Array => join(cells(type), u64cells(bus, window.base, window.size));
  return node(at(ecam.node, ecam.base), {
    compatible: strings(...ecam.compatible), device_type: strings("pci"), reg: reg(ecam), "bus-range": cells(0, 15), "linux,pci-domain": cells(0), "dma-coherent": empty,
    "#address-cells": cells(3), "#size-cells": cells(2), "#interrupt-cells": cells(1),
    ranges: join(range(PCI.IO, 0, io), range(PCI.MEMORY, memory.base, memory)),
    "interrupt-map-mask": cells(0x1800, 0, 0, 7), "interrupt-map": cells(...interruptMap),
    ...(messages ? { "msi-map": cells(0, Phandle.msi, 0, 0x1_0000) } : {}),
  });
}

/** The whole tree; /chosen holds only stdout-path until `setChosen`. */
export function boardTree(board: BoardDescription): FdtNode {
  const { gicDistributor, gicCpuInterface, uart, rtc, gpio, flash0, flash1, fwCfg } = platform;
  const v3 = board.gic === 3;
  const serial = at(uart.node, uart.base);
  // GICv2 PPIs name the cores they reach in bits 15..8
  const ppi = (n: number): number[] => [GIC.PPI, n, (v3 ? 0 : ((1 << board.cpus) - 1) << 8) | LEVEL_HIGH];
  const messages = board.pci === true ? messageController(board) : undefined;
  return node("", {
    "interrupt-parent": cells(Phandle.gic),
    model: strings("hypervisor-virt"),
    "#size-cells": cells(2),
    "#address-cells": cells(2),
    compatible: strings("linux,dummy-virt"),
  }, [
    node("chosen", { "stdout-path": strings(`/${serial}`) }),
    node("aliases", { serial0: strings(`/${serial}`) }),
    node(at("memory", RAM_BASE), { device_type: strings("memory"), reg: u64cells(RAM_BASE, board.ramSize) }),
    node("cpus", { "#address-cells": cells(1), "#size-cells": cells(0) }, Array.from({ length: board.cpus }, (_, i) => affinityOf(i)).map(affinity =>
      node(`cpu@${affinity.toString(16)}`, {
        device_type: strings("cpu"), compatible: strings("arm,armv8"), reg: cells(affinity), "enable-method": strings("psci"),
      }))),
    node("psci", { compatible: strings("arm,psci-1.0", "arm,psci-0.2"), method: strings("hvc") }),
    node("timer", {
      compatible: strings("arm,armv8-timer"),
      interrupts: cells(...ppi(CorePpi.securePhysical), ...ppi(CorePpi.physical), ...ppi(CorePpi.virtual), ...ppi(CorePpi.hypervisor)),
      "always-on": empty,
    }),
    ...(board.pmu === true ? [node("pmu", { compatible: strings("arm,armv8-pmuv3"), interrupts: cells(...ppi(CorePpi.pmu)) })] : []),
    node(at(gicDistributor.node, gicDistributor.base), {
      compatible: strings(...(v3 ? ["arm,gic-v3"] : gicDistributor.compatible)),
      reg: v3 ? reg(gicDistributor, { base: gicRedistributor.base, size: board.cpus * gicRedistributor.size }) : reg(gicDistributor, gicCpuInterface),
      ...(v3 ? { "#redistributor-regions": cells(1) } : {}),
      "interrupt-controller": empty,
      "#interrupt-cells": cells(3),
      ...(messages === undefined ? { "#address-cells": cells(0) } : { "#address-cells": cells(2), "#size-cells": cells(2), ranges: empty }),
      phandle: cells(Phandle.gic),
    }, messages === undefined ? [] : [messages]),
    node("apb-pclk", {
      compatible: strings("fixed-clock"), "#clock-cells": cells(0), "clock-frequency": cells(CLOCK_HZ),
      "clock-output-names": strings("clk24mhz"), phandle: cells(Phandle.clock),
    }),
    peripheral(uart, ["uartclk", "apb_pclk"]),
    peripheral(rtc, ["apb_pclk"]),
    peripheral(gpio, ["apb_pclk"], { "gpio-controller": empty, "#gpio-cells": cells(2), phandle: cells(Phandle.gpio) }),
    ...virtioSlots.map(slot => node(at(slot.node, slot.base), {
      compatible: strings(...slot.compatible), reg: reg(slot), interrupts: cells(GIC.SPI, slot.spi, LEVEL_HIGH), "dma-coherent": empty,
    })),
    ...(board.pci === true ? [hostBridge(messages !== undefined)] : []),
    ...(board.firmware === true ? [
      node(at(flash0.node, flash0.base), { compatible: strings(...flash0.compatible), reg: reg(flash0, flash1), "bank-width": cells(4) }),
      node(at(fwCfg.node, fwCfg.base), { compatible: strings(...fwCfg.compatible), reg: reg(fwCfg), "dma-coherent": empty }),
    ] : []),
    node("gpio-keys", { compatible: strings("gpio-keys") }, [
      node("poweroff", { label: strings("GPIO Key Poweroff"), "linux,code": cells(KEY_POWER), gpios: cells(Phandle.gpio, POWER_KEY_LINE, 0) }),
    ]),
  ]);
}

/** Writes boot arguments, initrd range and seeds into /chosen. Returns the names of the properties it set. */
export function setChosen(root: FdtNode, chosen: Chosen): string[] {
  let target = findNode(root, "/chosen");
  if (target === undefined) root.children.unshift(target = node("chosen"));
  const before = new Set(target.properties.map(p => p.name));
  setProperty(target, "bootargs", strings(chosen.cmdline));
  removeProperty(target, "linux,initrd-start");
  removeProperty(target, "linux,initrd-end");
  if (chosen.initrd !== undefined) {
    setProperty(target, "linux,initrd-start", u64cells(chosen.initrd.start));
    setProperty(target, "linux,initrd-end", u64cells(chosen.initrd.end));
  }
  if (chosen.kaslrSeed !== undefined) setProperty(target, "kaslr-seed", chosen.kaslrSeed);
  if (chosen.rngSeed !== undefined) setProperty(target, "rng-seed", chosen.rngSeed);
  const names = target.properties.map((p: FdtProperty) => p.name);
  return [...names.filter(name => name !== "stdout-path"), ...[...before].filter(name => !names.includes(name))];
}

/**
 * Makes /memory of a user's tree say what this machine has. Returns what it changed, in words; an empty list when the
 * tree said so already.
 */
export function setMemory(root: FdtNode, ramSize: number): string[] {
  const addressCells = cellCount(root, "#address-cells");
  const sizeCells = cellCount(root, "#size-cells");
  const value = join(wideCells(RAM_BASE, addressCells), wideCells(ramSize, sizeCells));
  const existing = root.children.filter(child => child.name === "memory" || child.name.startsWith("memory@"));
  const [first, ...rest] = existing;
  const old = first === undefined ? undefined : property(first, "reg");
  if (rest.length === 0 && old !== undefined && Buffer.compare(old, value) === 0) return [];
  root.children = root.children.filter(child => !existing.includes(child));
  root.children.push(node(at("memory", RAM_BASE), { device_type: strings("memory"), reg: value }));
  return [first === undefined ? "/memory added" : rest.length > 0 ? `/memory replaces ${existing.length} nodes` : "/memory reg"];
}
function cellCount(root: FdtNode, name: string): number {
  const value = property(root, name);
  return value !== undefined && value.length === 4 ? new DataView(value.buffer, value.byteOffset, 4).getUint32(0) : name === "#size-cells" ? 1 : 2;
}
const wideCells = (value: number, count: number): Uint8Array =>
  count === 1 ? cells(value) : join(...Array.from({ length: count - 2 }, () => cells(0)), u64cells(value));
