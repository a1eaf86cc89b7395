// src/machine/platform.ts — the board: where every device lives. Compatible with QEMU's `virt` machine.
// Bus, interrupt wiring, device tree and snapshot order derive from this table; nothing else contains an address.
import { GiB, KiB, MiB } from "../units.ts";

export interface Window {
  readonly base: number;
  readonly size: number;
}
/** A window with a device tree node of its own. */
export interface Described extends Window {
  /** Node name without its address, and "compatible". */
  readonly node: string;
  readonly compatible: readonly string[];
}
export interface Peripheral extends Described {
  /** Shared peripheral interrupt, counted from 0 (interrupt id 32). */
  readonly spi: number;
}

export const platform: {
  readonly gicDistributor: Described; readonly gicCpuInterface: Window;
  readonly uart: Peripheral; readonly rtc: Peripheral; readonly gpio: Peripheral;
  readonly flash0: Described; readonly flash1: Described; readonly fwCfg: Described;
} = {
  gicDistributor: { base: 0x0800_0000, size: 64 * KiB, node: "intc", compatible: ["arm,cortex-a15-gic"] },
  gicCpuInterface: { base: 0x0801_0000, size: 64 * KiB },
  uart: { base: 0x0900_0000, size: 4 * KiB, spi: 1, node: "serial", compatible: ["arm,pl011", "arm,primecell"] },
  rtc: { base: 0x0901_0000, size: 4 * KiB, spi: 2, node: "rtc", compatible: ["arm,pl031", "arm,primecell"] },
  // These three with a firmware only: its code, its variables, and what it is told.
  flash0: { base: 0, size: 64 * MiB, node: "flash", compatible: ["cfi-flash"] },
  flash1: { base: 0x0400_0000, size: 64 * MiB, node: "flash", compatible: ["cfi-flash"] },
  fwCfg: { base: 0x0902_0000, size: 0x18, node: "fw-cfg", compatible: ["qemu,fw-cfg-mmio"] },
  gpio: { base: 0x0903_0000, size: 4 * KiB, spi: 7, node: "gpio", compatible: ["arm,pl061", "arm,primecell"] },
};
/** With a GICv3, in place of the CPU interface: one of these per CPU, from there on. */
export const gicRedistributor: Window = { base: 0x080a_0000, size: 128 * KiB };
/** Slots for virtio devices, each with an interrupt of its own; slots without a device are there and say so. */
export const virtioSlots: readonly Peripheral[] = Array.from({ length: 32 }, (_, n) => ({
  base: 0x0a00_0000 + 0x200 * n, size: 0x200, spi: 16 + n, node: "virtio_mmio", compatible: ["virtio,mmio"],
}));
/** With PCI: configuration space (its interrupts are four from `spi` on), and the windows for memory and I/O. */
export const pcie: { readonly ecam: Peripheral; readonly memory: Window; readonly io: Window } = {
  ecam: { base: 0x3f00_0000, size: 16 * MiB, spi: 3, node: "pcie", compatible: ["pci-host-ecam-generic"] },
  memory: { base: 0x1000_0000, size: 0x2eff_0000 },
  io: { base: 0x3eff_0000, size: 64 * KiB },
};
/** With PCI and a GICv3: messages become locality-specific interrupts. */
export const its: Described = { base: 0x0808_0000, size: 128 * KiB, node: "its", compatible: ["arm,gic-v3-its"] };
/** With PCI and a GICv2: messages become interrupts, `count` of them from `spi` on. */
export const gicv2m: Peripheral & { readonly count: number } = { base: 0x0802_0000, size: 4 * KiB, spi: 48, count: 64, node: "v2m", compatible: ["arm,gic-v2m-frame"] };
export type PlaceName = keyof typeof platform;

/** Where RAM starts, and how large it may be: 40-bit physical addresses. */
export const RAM_BASE: number = 1 * GiB;
export const RAM_MAX: number = 1024 * GiB - RAM_BASE;
/** The smallest machine that can hold anything useful. */
export const RAM_MIN: number = 1 * MiB;

/** Private peripheral interrupts of a core: those of the generic timer, and the performance monitors'; counted from 0 (interrupt id 16). */
export const CorePpi = { securePhysical: 13, physical: 14, virtual: 11, hypervisor: 10, pmu: 7 } as const;
/** Line of the GPIO controller that the power key is on, active high. */
export const POWER_KEY_LINE = 3;
/** Counter frequency, and the clock of the peripherals, in Hz. */
export const CLOCK_HZ = 24_000_000;
