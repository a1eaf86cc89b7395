// devices/gic/redistributor.ts — GICv3 Redistributors: each CPU's own SGIs and PPIs. Spec: IHI 0069, 12.10 and 12.11 (GICR_*).
// One device for all of them, one behind the other: per CPU a frame RD_base and a frame SGI_base of 64 KiB each. Left out:
// GICR_STATUSR, the extended PPI range. Without LPIs their registers are RAZ/WI.
import type { IrqLine, MmioDevice, Trace } from "../device.ts";
import { readLane, writeLane } from "../lane.ts";
import { affinityOf } from "../../src/units.ts";
import { bankState, drive, inBank, pendingOf, readBankLane, writeBank, type BankState, type BankView } from "./bank.ts";
import type { Lpis } from "./lpi.ts";
import { ID, IIDR } from "./gicv3-distributor.ts";

/** Bytes of a CPU's two frames. */
export const FRAMES = 0x2_0000;
const SGI_BASE = 0x1_0000;
const SGIS = 0xffff;
/** Register offsets in RD_base, table 12-27. */
const Reg = {
  CTLR: 0x0000,
  /** RO. */ IIDR: 0x0004,
  /** RO, 64 bits. */ TYPER: 0x0008,
  WAKER: 0x0014,
  /** 64 bits each: PROPBASER, PENDBASER. */ LPI_BASES: 0x0070, LPI_BASES_END: 0x0080,
  /** RO: PIDR4..7, PIDR0..3, CIDR0..3. */ ID: 0xffd0,
} as const;
const WAKER = { ProcessorSleep: 1 << 1, ChildrenAsleep: 1 << 2 } as const;
const TYPER = { PLPIS: 1 << 0, Last: 1 << 4 } as const;
/** CES: EnableLPIs can be cleared again. */
const CTLR = { EnableLPIs: 1 << 0, CES: 1 << 1 } as const;

export interface RedistributorState {
  /** A word of SGIs and PPIs per CPU. */ own: BankState;
  /** Per CPU: 1 when ProcessorSleep is set. */ asleep: Uint8Array;
}

export interface RedistributorWires {
  readonly cpus: number;
  /** The most urgent interrupt of this CPU may have changed. */
  readonly changed: (cpu: number) => void;
  readonly trace: Trace;
  readonly lpis?: Lpis | undefined;
}

export class Redistributors implements MmioDevice<RedistributorState> {
  #s: RedistributorState;
  readonly #wires: RedistributorWires;
  readonly #views: readonly BankView[];
  constructor(wires: RedistributorWires) {
    this.#wires = wires;
    this.#s = this.#initial();
    this.#views = Array.from({ length: wires.cpus }, (_, cpu) => ({ skip: 0, first: cpu, count: 1 }));
  }
  /** Awake: trusted firmware, whose place the machine takes, has seen to that. UEFI relies on it. */
  #initial(): RedistributorState { return { own: bankState(this.#wires.cpus, SGIS), asleep: new Uint8Array(this.#wires.cpus) }; }

  /** The line of private peripheral interrupt `n` (0..15, interrupt id 16 + n) of a CPU. */
  ppi(cpu: number, n: number): IrqLine {
    return { set: level => {
      if (drive(this.#s.own, cpu, 1 << (16 + n), level)) this.#wires.changed(cpu);
    } };
  }
  /** A software-generated interrupt arrives, if it is in the group (0, 1) that its sender meant: section 8.1.10. */
  receive(cpu: number, sgi: number, group: number): void {
    if (((this.#s.own.group[cpu]! >>> sgi) & 1) !== group) return;
    this.#s.own.latch[cpu]! |= 1 << sgi;
    this.#wires.changed(cpu);
  }
  get state(): BankState { return this.#s.own; }
  /** Of a CPU's own interrupts: those that pend, are enabled and not active. None reaches a CPU that sleeps. */
  candidates(cpu: number): number {
    const { own } = this.#s;
    return this.#s.asleep[cpu] !== 0 ? 0 : pendingOf(own, cpu) & own.enabled[cpu]! & ~own.active[cpu]!;
  }
  asleep(cpu: number): boolean { return this.#s.asleep[cpu] !== 0; }

  read(offset: number, size: number): number {
    const cpu = Math.floor(offset / FRAMES), at = offset % FRAMES;
    const view = this.#views[cpu];
    if (view === undefined) return 0;
    if (at >= SGI_BASE) return inBank((at - SGI_BASE) & ~3) ? readBankLane(this.#s.own, view, at - SGI_BASE, size) : readLane(this.#identification(at - SGI_BASE), at, size);
    return readLane(this.#register(cpu, at & ~3), at, size);
  }
  #identification(at: number): number { return at >= Reg.ID ? ID[(at - Reg.ID) >> 2] ?? 0 : 0; }
  #register(cpu: number, at: number): number {
    if (at >= Reg.LPI_BASES && at < Reg.LPI_BASES_END) return (this.#wires.lpis?.base(cpu, (at - Reg.LPI_BASES) >> 2) ?? 0) >>> 0;
    switch (at) {
      case Reg.IIDR: return IIDR;
      case Reg.TYPER: return (cpu << 8) | (cpu === this.#wires.cpus - 1 ? TYPER.Last : 0) | (this.#wires.lpis === undefined ? 0 : TYPER.PLPIS);
      case Reg.CTLR: return this.#wires.lpis === undefined ? 0 : CTLR.CES | (this.#wires.lpis.enabled(cpu) ? CTLR.EnableLPIs : 0);
      case Reg.TYPER + 4: return affinityOf(cpu);
      case Reg.WAKER: return this.#s.asleep[cpu] !== 0 ? WAKER.ProcessorSleep | WAKER.ChildrenAsleep : 0;
      default: return this.#identification(at);
    }
  }
  write(offset: number, size: number, value: number): void {
    const cpu = Math.floor(offset / FRAMES), at = offset % FRAMES;
    const view = this.#views[cpu];
    if (view === undefined) return;
    if (at >= SGI_BASE && inBank((at - SGI_BASE) & ~3)) writeBank(this.#s.own, view, at - SGI_BASE, size, value, SGIS);
    else if ((at & ~3) === Reg.WAKER) {
      const before = this.#register(cpu, Reg.WAKER);
      this.#s.asleep[cpu] = (writeLane(before, at, size, value) & WAKER.ProcessorSleep) !== 0 ? 1 : 0;
    } else if (this.#wires.lpis !== undefined && at < SGI_BASE && (at & ~3) === Reg.CTLR) {
      this.#wires.lpis.enable(cpu, (writeLane(this.#register(cpu, Reg.CTLR), at, size, value) & CTLR.EnableLPIs) !== 0);
    } else if (this.#wires.lpis !== undefined && at >= Reg.LPI_BASES && at < Reg.LPI_BASES_END) {
      const word = (at - Reg.LPI_BASES) >> 2;
      this.#wires.lpis.setBase(cpu, word, writeLane(this.#wires.lpis.base(cpu, word) >>> 0, at, size, value));
    } else this.#wires.trace.note("gicr", "write ignored", at, value);
    this.#wires.changed(cpu);
  }

  reset(): void {
    const { level } = this.#s.own; // driven from outside
    this.#s = this.#initial();
    this.#s.own.level = level;
    for (let cpu = 0; cpu < this.#wires.cpus; cpu++) this.#wires.changed(cpu);
  }
  snapshot(): RedistributorState { return structuredClone(this.#s); }
  restore(state: RedistributorState): void { this.#s = structuredClone(state); }
}
