// devices/gic/gicv3-distributor.ts — GICv3 Distributor: the shared peripheral interrupts and the CPU each of them goes to.
// Spec: IHI 0069, 12.9 (GICD_*), with affinity routing always on (ARE is RAO/WI) and one security state (DS is RAO/WI). 256
// SPIs; the registers of SGIs and PPIs are RAZ/WI here. Left out: 1 of N routing (No1N is set), message-based SPIs,
// the extended SPI range, GICD_STATUSR.
import type { IrqLine, MmioDevice, Trace } from "../device.ts";
import { readLane, writeLane } from "../lane.ts";
import { cpuOfAffinity } from "../../src/units.ts";
import { ID_BITS } from "./lpi.ts";
import { bankState, drive, inBank, pendingOf, readBankLane, writeBank, type BankState, type BankView } from "./bank.ts";

export const SPIS = 256;
/** Words of 32 SPIs. */
export const SPI_WORDS: number = SPIS / 32;

/** Register offsets, table 12-25. */
const Reg = {
  CTLR: 0x0000,
  /** RO. */ TYPER: 0x0004,
  /** RO. */ IIDR: 0x0008,
  /** 64 bits each; IROUTER<32> is the first. */ IROUTER: 0x6100, IROUTER_END: 0x6100 + 8 * SPIS,
  /** RO: PIDR4..7, PIDR0..3, CIDR0..3. */ ID: 0xffd0,
} as const;
const CTLR = { EnableGrp0: 1 << 0, EnableGrp1: 1 << 1, ARE: 1 << 4, DS: 1 << 6 } as const;
/** ITLinesNumber 8, IDbits 10 less one, A3V, No1N. */
const TYPER = (SPIS / 32) | (9 << 19) | (1 << 24) | (1 << 25);
/** The same with LPIs, whose ids have 14 bits. */
const TYPER_LPIS = (SPIS / 32) | (1 << 17) | ((ID_BITS - 1) << 19) | (1 << 24) | (1 << 25);
/** Implementer Arm; revision and product unnamed. */
export const IIDR = 0x43b;
/** The CoreSight identification of both kinds of frames; PIDR2 matters: ArchRev 3 in its high nibble. */
export const ID: readonly number[] = [0x44, 0, 0, 0, 0x92, 0xb4, 0x3b, 0, 0x0d, 0xf0, 0x05, 0xb1];
const VIEW: BankView = { skip: 1, first: 0, count: SPI_WORDS };

export interface Gicv3DistributorState {
  ctlr: number;
  spis: BankState;
  /** Affinity of IROUTER<32 + n>: Aff2..Aff0 as in MPIDR, and Aff3. */ route: Uint32Array; aff3: Uint8Array;
}
const reset = (): Gicv3DistributorState => ({ ctlr: 0, spis: bankState(SPI_WORDS, 0), route: new Uint32Array(SPIS), aff3: new Uint8Array(SPIS) });

export interface Gicv3DistributorWires {
  readonly cpus: number;
  /** The most urgent interrupt of this CPU, or of any (-1), may have changed. */
  readonly changed: (cpu: number) => void;
  readonly trace: Trace;
  /** There are LPIs; default none. */
  readonly lpis?: boolean | undefined;
}

export class Gicv3Distributor implements MmioDevice<Gicv3DistributorState> {
  #s: Gicv3DistributorState = reset();
  readonly #wires: Gicv3DistributorWires;
  /** Per CPU and word: the SPIs that IROUTER sends there. Derived. */
  readonly #routed: Uint32Array;
  constructor(wires: Gicv3DistributorWires) {
    this.#wires = wires;
    this.#routed = new Uint32Array(wires.cpus * SPI_WORDS);
    this.#route();
  }

  /** The line of shared peripheral interrupt `n` (interrupt id 32 + n). */
  spi(n: number): IrqLine {
    return { set: level => {
      if (drive(this.#s.spis, n >> 5, 1 << (n & 31), level)) this.#wires.changed(this.target(n));
    } };
  }
  /** The CPU that an SPI goes to; -2 when there is none at that affinity. */
  target(n: number): number {
    const cpu = this.#s.aff3[n] !== 0 ? -2 : cpuOfAffinity(this.#s.route[n]!);
    return cpu >= 0 && cpu < this.#wires.cpus ? cpu : -2;
  }
  /** Groups that GICD_CTLR lets through: bit 0 and bit 1. */
  get groups(): number { return this.#s.ctlr & (CTLR.EnableGrp0 | CTLR.EnableGrp1); }
  get state(): BankState { return this.#s.spis; }
  /** Of a word of SPIs: those that pend, are enabled, are not active, and go to a CPU. */
  candidates(cpu: number, word: number): number {
    const { spis } = this.#s;
    return pendingOf(spis, word) & spis.enabled[word]! & ~spis.active[word]! & this.#routed[cpu * SPI_WORDS + word]!;
  }

  read(offset: number, size: number): number {
    const at = offset & ~3;
    return inBank(at) ? readBankLane(this.#s.spis, VIEW, offset, size) : readLane(this.#register(at), offset, size);
  }
  #register(at: number): number {
    const s = this.#s;
    if (at >= Reg.ID) return ID[(at - Reg.ID) >> 2] ?? 0;
    if (at >= Reg.IROUTER && at < Reg.IROUTER_END) {
      const n = (at - Reg.IROUTER) >> 3;
      return (at & 4) === 0 ? s.route[n]! : s.aff3[n]!;
    }
    switch (at) {
      case Reg.CTLR: return s.ctlr | CTLR.ARE | CTLR.DS;
      case Reg.TYPER: return this.#wires.lpis === true ? TYPER_LPIS : TYPER;
      case Reg.IIDR: return IIDR;
      default: return 0;
    }
  }
  write(offset: number, size: number, value: number): void {
    const s = this.#s;
    const at = offset & ~3;
    if (inBank(at)) writeBank(s.spis, VIEW, offset, size, value, 0);
    else if (at >= Reg.IROUTER && at < Reg.IROUTER_END) {
      const n = (at - Reg.IROUTER) >> 3;
      // without 1 of N, Interrupt_Routing_Mode is RAZ/WI
      if ((at & 4) === 0) s.route[n] = writeLane(s.route[n]!, offset, size, value) & 0xff_ffff;
      else s.aff3[n] = writeLane(s.aff3[n]!, offset, size, value);
      this.#routeOne(n);
    } else if (at === Reg.CTLR) s.ctlr = writeLane(s.ctlr, offset, size, value) & (CTLR.EnableGrp0 | CTLR.EnableGrp1);
    else this.#wires.trace.note("gicd", "write ignored", offset, value);
    this.#wires.changed(-1);
  }

  #routeOne(n: number): void {
    const target = this.target(n), bit = 1 << (n & 31);
    for (let cpu = 0; cpu < this.#wires.cpus; cpu++) {
      if (cpu === target) this.#routed[cpu * SPI_WORDS + (n >> 5)]! |= bit;
      else this.#routed[cpu * SPI_WORDS + (n >> 5)]! &= ~bit;
    }
  }
  #route(): void { for (let n = 0; n < SPIS; n++) this.#routeOne(n); }

  reset(): void {
    const { level } = this.#s.spis; // driven from outside
    this.#s = reset();
    this.#s.spis.level = level;
    this.#route();
    this.#wires.changed(-1);
  }
  snapshot(): Gicv3DistributorState { return structuredClone(this.#s); }
  restore(state: Gicv3DistributorState): void {
    this.#s = structuredClone(state);
    this.#route();
  }
}
