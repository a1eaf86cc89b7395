// devices/gic/gicv2m.ts — GICv2m: a frame whose writes become edges of shared peripheral interrupts.
// Spec: Arm Server Base System Architecture (DEN 0029), "GICv2m Architecture": MSI_TYPER, MSI_SETSPI_NS, MSI_IIDR.
// The guest configures its interrupts as edge-triggered. Left out: the secure frame.
import type { IrqLine, MmioDevice, Trace } from "../device.ts";

const Reg = { /** RO: first interrupt id in bits 25..16, how many in 9..0. */ MSI_TYPER: 0x008, /** WO: an interrupt id. */ MSI_SETSPI_NS: 0x040, /** RO. */ MSI_IIDR: 0xfcc } as const;
/** Where a message is written to. */
export const MSI_SETSPI_NS: number = Reg.MSI_SETSPI_NS;
const FIRST_SPI_ID = 32;

export interface Gicv2mWires {
  /** One per interrupt of the frame. */
  readonly lines: readonly IrqLine[];
  /** The first of them, counted as SPIs are. */
  readonly firstSpi: number;
  readonly trace: Trace;
}

export class Gicv2m implements MmioDevice<Record<string, never>> {
  readonly #wires: Gicv2mWires;
  constructor(wires: Gicv2mWires) { this.#wires = wires; }
  get #first(): number { return FIRST_SPI_ID + this.#wires.firstSpi; }
  read(offset: number, size: number): number {
    return offset === Reg.MSI_TYPER && size === 4 ? this.#first << 16 | this.#wires.lines.length : 0;
  }
  write(offset: number, size: number, value: number): void {
    const line = offset === Reg.MSI_SETSPI_NS && size === 4 ? this.#wires.lines[(value & 0x3ff) - this.#first] : undefined;
    if (line === undefined) return this.#wires.trace.note("gicv2m", "write ignored", offset, value);
    line.set(true);
    line.set(false);
  }
  reset(): void {}
  snapshot(): Record<string, never> { return {}; }
  restore(): void {}
}
