// devices/gic/gicv2.ts — GICv2: one distributor and the CPU interfaces joined. Spec: IHI 0048B.
// `distributor` and `cpuInterface` are two devices for the bus; whose access is served comes in by the wire
// `accessor`, so the bus treats them like any other chip.
import type { IrqLine, Trace } from "../device.ts";
import { CpuInterface } from "./cpu-interface.ts";
import { Distributor, MAX_CPUS } from "./distributor.ts";

export interface Gicv2Wires {
  /** 1..8. */
  readonly cpus: number;
  /** The CPU whose access is being served. */
  readonly accessor: () => number;
  /** One line per CPU. */
  readonly irq: readonly IrqLine[];
  /** One line per CPU; driven only when a guest sets FIQEn. */
  readonly fiq: readonly IrqLine[];
  readonly trace: Trace;
}

export class Gicv2 {
  readonly distributor: Distributor;
  readonly cpuInterface: CpuInterface;
  readonly #cpus: number;
  constructor(wires: Gicv2Wires) {
    const { cpus, accessor, irq, fiq, trace } = wires;
    this.#cpus = cpus;
    const distributor = new Distributor({ cpus, accessor, trace, changed: set => this.cpuInterface.update(set) });
    this.distributor = distributor;
    this.cpuInterface = new CpuInterface({ cpus, accessor, irq, fiq, trace, distributor });
  }

  /** The line of shared peripheral interrupt `n` (interrupt id 32 + n). */
  spi(n: number): IrqLine { return this.distributor.spi(n); }
  /** The line of private peripheral interrupt `n` (0..15, interrupt id 16 + n) of a CPU. */
  ppi(cpu: number, n: number): IrqLine { return this.distributor.ppi(cpu, n); }

  reset(): void {
    this.distributor.reset();
    this.cpuInterface.reset();
  }
  /** A CPU starts anew: its interface is memory-mapped and stays as it is. */
  resetCpu(_cpu: number): void {}
  /** The interrupts in a state, by CPU (undefined for SPIs) and id. */
  list(what: "level" | "latch" | "active"): { readonly cpu: number | undefined; readonly id: number }[] {
    const found: { readonly cpu: number | undefined; readonly id: number }[] = [];
    this.distributor.snapshot()[what].forEach((word, i) => {
      for (let bit = 0; bit < 32; bit++) {
        if (((word >>> bit) & 1) !== 0) found.push(i < MAX_CPUS ? { cpu: i, id: bit } : { cpu: undefined, id: (i - MAX_CPUS + 1) * 32 + bit });
      }
    });
    return found;
  }
  /** Drives the CPU lines from the present state: after both devices are restored. */
  refresh(): void { this.cpuInterface.update((1 << this.#cpus) - 1); }
}
