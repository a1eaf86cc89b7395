// devices/gic/gicv3.ts — GICv3: a Distributor, a Redistributor per CPU and the CPU interfaces joined. Spec: IHI 0069.
// `distributor` and `redistributors` are two devices for the bus; `icc` serves the system registers ICC_*_EL1; `its`, if there is one, is a third device.
import type { Alarm, Clock, GuestMemory, IrqLine, Trace } from "../device.ts";
import { Gicv3Distributor } from "./gicv3-distributor.ts";
import { Its } from "./its.ts";
import { Lpis } from "./lpi.ts";
import { Icc } from "./icc.ts";
import { Redistributors } from "./redistributor.ts";

/** CPUs in affinity levels 0 (16 of them) and 1. */
export const MAX_CPUS = 64;

export interface Gicv3Wires {
  /** 1..64. */
  readonly cpus: number;
  /** One line per CPU: group 1. */
  readonly irq: readonly IrqLine[];
  /** One line per CPU: group 0. */
  readonly fiq: readonly IrqLine[];
  readonly trace: Trace;
  /** With it there are LPIs and an ITS, whose tables are in this memory. */
  readonly messages?: { readonly memory: GuestMemory; readonly clock: Clock; /** Its `fire` is `its.tick`. */ readonly alarm: Alarm } | undefined;
}

export class Gicv3 {
  readonly distributor: Gicv3Distributor;
  readonly redistributors: Redistributors;
  readonly icc: Icc;
  readonly its: Its | undefined;
  readonly lpis: Lpis | undefined;
  constructor(wires: Gicv3Wires) {
    const { cpus, irq, fiq, trace } = wires;
    const changed = (cpu: number): void => this.icc.update(cpu);
    const { messages } = wires, lpis = this.lpis = messages === undefined ? undefined : new Lpis({ cpus, trace, changed, memory: messages.memory });
    this.its = messages === undefined || lpis === undefined ? undefined : new Its({ ...messages, lpis, trace });
    this.distributor = new Gicv3Distributor({ cpus, trace, changed, lpis: lpis !== undefined });
    this.redistributors = new Redistributors({ cpus, trace, changed, lpis });
    this.icc = new Icc({ cpus, irq, fiq, trace, lpis, distributor: this.distributor, redistributors: this.redistributors });
  }

  /** The line of shared peripheral interrupt `n` (interrupt id 32 + n). */
  spi(n: number): IrqLine { return this.distributor.spi(n); }
  /** The line of private peripheral interrupt `n` (0..15, interrupt id 16 + n) of a CPU. */
  ppi(cpu: number, n: number): IrqLine { return this.redistributors.ppi(cpu, n); }
  /** A CPU starts anew. */
  resetCpu(cpu: number): void { this.icc.resetCpu(cpu); }

  reset(): void {
    this.its?.reset();
    this.lpis?.reset();
    this.distributor.reset();
    this.redistributors.reset();
    this.icc.reset();
  }
  /** Drives the CPU lines from the present state: after all parts are restored. */
  refresh(): void { this.icc.update(-1); }

  /** The interrupts in a state, by CPU (undefined for SPIs) and id. */
  list(what: "level" | "latch" | "active"): { readonly cpu: number | undefined; readonly id: number }[] {
    const found: { readonly cpu: number | undefined; readonly id: number }[] = [];
    const add = (words: Uint32Array, shared: boolean): void => words.forEach((word, i) => {
      for (let bit = 0; bit < 32; bit++) if (((word >>> bit) & 1) !== 0) found.push(shared ? { cpu: undefined, id: 32 + i * 32 + bit } : { cpu: i, id: bit });
    });
    add(this.redistributors.state[what], false);
    add(this.distributor.state[what], true);
    return found;
  }
}
