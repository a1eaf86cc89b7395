// devices/gic/icc.ts — the GICv3 CPU interface in system registers: acknowledge, priority drop, deactivate, preemption, SGIs.
// Spec: IHI 0069, 4.8 (prioritization), 4.4 and 4.6 (lifecycle, groups), 12.2 (ICC_*_EL1), of a CPU without EL2 and EL3 and one
// security state: group 0 arrives as FIQ, group 1 as IRQ. Five bits of priority, all of them preempt: one register of active
// priorities per group. Left out: bypass (SRE is RAO/WI), PMHE (no 1 of N), range selectors (RSS 0).
import type { IrqLine, Trace } from "../device.ts";
import { cpuOfAffinity } from "../../src/units.ts";
import { LPI_FIRST, type Lpis } from "./lpi.ts";
import { PRIORITY_MASK, type BankState } from "./bank.ts";
import { SPIS, SPI_WORDS, type Gicv3Distributor } from "./gicv3-distributor.ts";
import type { Redistributors } from "./redistributor.ts";

/** ICC_<name>_EL1. */
export type IccRegister =
  | "PMR" | "IAR0" | "EOIR0" | "HPPIR0" | "BPR0" | "AP0R0" | "AP1R0" | "DIR" | "RPR" | "SGI1R" | "ASGI1R" | "SGI0R"
  | "IAR1" | "EOIR1" | "HPPIR1" | "BPR1" | "CTLR" | "SRE" | "IGRPEN0" | "IGRPEN1";

const CTLR = { CBPR: 1 << 0, EOImode: 1 << 1 } as const;
/** PRIbits 5 less one, IDbits 0 (16 bits), A3V. */
const CTLR_RO = (4 << 8) | (1 << 15);
/** SRE, DFB, DIB. */
const SRE = 7;
const SPURIOUS = 1023;
const IDLE = 0xff;
/** Special INTIDs begin here. */
const SPECIAL = 1020;
const NONE = -1;
/** The least that BPR0 holds with five bits that preempt; BPR1 counts one higher. */
const BPR0_MIN = 2, BPR1_MIN = 3;

/** One element per CPU. */
export interface IccState {
  pmr: Uint8Array; bpr0: Uint8Array; bpr1: Uint8Array; ctlr: Uint8Array;
  /** IGRPEN0 and IGRPEN1 as bits 0 and 1. */ enabled: Uint8Array;
  /** Active priorities of group 0, then of group 1: one bit per level. */ apr: Uint32Array;
}
const initial = (cpus: number): IccState => ({
  pmr: new Uint8Array(cpus), bpr0: new Uint8Array(cpus).fill(BPR0_MIN), bpr1: new Uint8Array(cpus).fill(BPR1_MIN),
  ctlr: new Uint8Array(cpus), enabled: new Uint8Array(cpus), apr: new Uint32Array(cpus * 2),
});

export interface IccWires {
  readonly cpus: number;
  readonly distributor: Gicv3Distributor;
  readonly redistributors: Redistributors;
  readonly lpis?: Lpis | undefined;
  readonly irq: readonly IrqLine[];
  readonly fiq: readonly IrqLine[];
  readonly trace: Trace;
}

export class Icc {
  #s: IccState;
  readonly #wires: IccWires;
  constructor(wires: IccWires) {
    this.#wires = wires;
    this.#s = initial(wires.cpus);
  }

  /** Drives both lines of a CPU, or of all (-1), from the present state. */
  update(cpu: number): void {
    if (cpu < NONE) return;
    if (cpu === NONE) {
      for (let each = 0; each < this.#wires.cpus; each++) this.update(each);
      return;
    }
    const found = this.#deliverable(cpu);
    const group = found === NONE ? NONE : this.#group(cpu, found & 0xffff);
    this.#wires.irq[cpu]?.set(group === 1);
    this.#wires.fiq[cpu]?.set(group === 0);
  }

  /** The value read; the upper half of every one of them is zero. */
  read(cpu: number, register: IccRegister): number {
    const s = this.#s;
    switch (register) {
      case "PMR": return s.pmr[cpu]!;
      case "BPR0": return s.bpr0[cpu]!;
      case "BPR1": return (s.ctlr[cpu]! & CTLR.CBPR) !== 0 ? Math.min(s.bpr0[cpu]! + 1, 7) : s.bpr1[cpu]!;
      case "CTLR": return s.ctlr[cpu]! | CTLR_RO;
      case "SRE": return SRE;
      case "IGRPEN0": return s.enabled[cpu]! & 1;
      case "IGRPEN1": return s.enabled[cpu]! >> 1;
      case "AP0R0": return s.apr[2 * cpu]!;
      case "AP1R0": return s.apr[2 * cpu + 1]!;
      case "RPR": return this.#running(cpu);
      case "IAR0": return this.#acknowledge(cpu, 0);
      case "IAR1": return this.#acknowledge(cpu, 1);
      case "HPPIR0": return this.#highestPending(cpu, 0);
      case "HPPIR1": return this.#highestPending(cpu, 1);
      case "EOIR0": case "EOIR1": case "DIR": case "SGI0R": case "SGI1R": case "ASGI1R": return 0; // WO: nobody gets here
      default: return register satisfies never;
    }
  }

  write(cpu: number, register: IccRegister, lo: number, hi: number): void {
    const s = this.#s;
    switch (register) {
      case "PMR": s.pmr[cpu] = lo & PRIORITY_MASK; break;
      case "BPR0": s.bpr0[cpu] = Math.max(lo & 7, BPR0_MIN); break;
      case "BPR1": if ((s.ctlr[cpu]! & CTLR.CBPR) === 0) s.bpr1[cpu] = Math.max(lo & 7, BPR1_MIN); break;
      case "CTLR": s.ctlr[cpu] = lo & (CTLR.CBPR | CTLR.EOImode); break;
      case "IGRPEN0": s.enabled[cpu] = (s.enabled[cpu]! & 2) | (lo & 1); break;
      case "IGRPEN1": s.enabled[cpu] = (s.enabled[cpu]! & 1) | ((lo & 1) << 1); break;
      case "AP0R0": s.apr[2 * cpu] = lo; break;
      case "AP1R0": s.apr[2 * cpu + 1] = lo; break;
      case "EOIR0": return this.#end(cpu, lo & 0xff_ffff, 0);
      case "EOIR1": return this.#end(cpu, lo & 0xff_ffff, 1);
      case "DIR": // while EOIR deactivates, the write is ignored
        if ((s.ctlr[cpu]! & CTLR.EOImode) !== 0) this.#deactivate(cpu, lo & 0xff_ffff);
        return;
      case "SGI0R": return this.#send(cpu, lo, hi, 0);
      case "SGI1R": case "ASGI1R": return this.#send(cpu, lo, hi, 1);
      case "SRE": case "RPR": case "IAR0": case "IAR1": case "HPPIR0": case "HPPIR1": return; // RAO/WI, and RO
      default: return register satisfies never;
    }
    this.update(cpu);
  }

  // --- which interrupt ---

  /** Where an interrupt's state lies: the bank; its word is `#word`. */
  #bank(id: number): BankState { return id < 32 ? this.#wires.redistributors.state : this.#wires.distributor.state; }
  #word(cpu: number, id: number): number { return id < 32 ? cpu : (id >> 5) - 1; }
  #group(cpu: number, id: number): number { return id >= LPI_FIRST ? 1 : (this.#bank(id).group[this.#word(cpu, id)]! >>> (id & 31)) & 1; }

  /** The most urgent pending interrupt of the groups that are enabled in the Distributor and here, as priority << 16 | id; or NONE. */
  #highest(cpu: number): number {
    const { distributor, redistributors } = this.#wires;
    const groups = distributor.groups & this.#s.enabled[cpu]!;
    if (groups === 0 || redistributors.asleep(cpu)) return NONE;
    let best = (groups & 2) !== 0 ? this.#wires.lpis?.best(cpu) ?? 0x7fff_ffff : 0x7fff_ffff;
    for (let word = -1; word < SPI_WORDS; word++) {
      let bits = word < 0 ? redistributors.candidates(cpu) : distributor.candidates(cpu, word);
      if (bits === 0) continue;
      const bank = word < 0 ? redistributors.state : distributor.state, index = word < 0 ? cpu : word;
      bits &= ((groups & 1) !== 0 ? ~bank.group[index]! : 0) | ((groups & 2) !== 0 ? bank.group[index]! : 0);
      while (bits !== 0) {
        const n = 31 - Math.clz32(bits & -bits);
        bits &= bits - 1;
        const candidate = (bank.priority[index * 32 + n]! << 16) | (word * 32 + 32 + n);
        if (candidate < best) best = candidate;
      }
    }
    return best === 0x7fff_ffff ? NONE : best;
  }
  /** The bits of a priority that decide preemption. BPR1 counts one higher than BPR0. */
  #groupMask(cpu: number, group: number): number {
    const s = this.#s;
    const point = group === 1 && (s.ctlr[cpu]! & CTLR.CBPR) === 0 ? s.bpr1[cpu]! - 1 : s.bpr0[cpu]!;
    return (0xff << (point + 1)) & 0xff;
  }
  #running(cpu: number): number {
    const bits = this.#s.apr[2 * cpu]! | this.#s.apr[2 * cpu + 1]!;
    return bits === 0 ? IDLE : (31 - Math.clz32(bits & -bits)) << 3;
  }
  /** The interrupt signalled to the CPU now: above the mask, and able to preempt. */
  #deliverable(cpu: number): number {
    const found = this.#highest(cpu);
    if (found === NONE) return NONE;
    const priority = found >> 16;
    if (priority >= this.#s.pmr[cpu]!) return NONE;
    const running = this.#running(cpu);
    if (running === IDLE) return found;
    const mask = this.#groupMask(cpu, this.#group(cpu, found & 0xffff));
    return (priority & mask) < (running & mask) ? found : NONE;
  }
  #highestPending(cpu: number, group: number): number {
    const found = this.#highest(cpu);
    return found !== NONE && this.#group(cpu, found & 0xffff) === group ? found & 0xffff : SPURIOUS;
  }

  // --- its life ---

  /** Pending becomes active (a level that is still high stays pending too); its group priority runs. */
  #acknowledge(cpu: number, group: number): number {
    const found = this.#deliverable(cpu);
    if (found === NONE) return SPURIOUS;
    const id = found & 0xffff;
    if (this.#group(cpu, id) !== group) return SPURIOUS;
    if (id >= LPI_FIRST) this.#wires.lpis?.acknowledge(cpu, id); // it has no active state
    else {
      const bank = this.#bank(id), word = this.#word(cpu, id), bit = 1 << (id & 31);
      bank.latch[word]! &= ~bit;
      bank.active[word]! |= bit;
    }
    this.#s.apr[2 * cpu + group]! |= 1 << (((found >> 16) & this.#groupMask(cpu, group)) >> 3);
    this.update(cpu);
    return id;
  }
  /**
   * Priority drop, then deactivation unless EOImode leaves that to DIR. The most urgent active priority drops, whatever
   * interrupt is named; an end by the register of the other group, and one of a special INTID, is ignored.
   */
  #end(cpu: number, id: number, group: number): void {
    const own = this.#s.apr[2 * cpu + group]!, other = this.#s.apr[2 * cpu + 1 - group]!;
    if ((id >= 32 + SPIS && (id < LPI_FIRST || this.#wires.lpis === undefined)) || own === 0 || (other !== 0 && lowest(other) < lowest(own))) {
      if (id < SPECIAL) this.#wires.trace.note("icc", "end of an interrupt that does not run", group, id);
      return;
    }
    this.#s.apr[2 * cpu + group] = own & (own - 1);
    if ((this.#s.ctlr[cpu]! & CTLR.EOImode) === 0) this.#deactivate(cpu, id);
    this.update(cpu);
  }
  #deactivate(cpu: number, id: number): void {
    if (id >= 32 + SPIS) return;
    this.#bank(id).active[this.#word(cpu, id)]! &= ~(1 << (id & 31));
    this.update(id < 32 ? cpu : this.#wires.distributor.target(id - 32));
  }

  /** ICC_SGI0R, ICC_SGI1R, ICC_ASGI1R: to a list of up to 16 CPUs of one cluster, or to all but the sender (IRM). */
  #send(cpu: number, lo: number, hi: number, group: number): void {
    const { cpus, redistributors } = this.#wires;
    const sgi = (lo >>> 24) & 15;
    if (((hi >>> 8) & 1) !== 0) {
      for (let target = 0; target < cpus; target++) if (target !== cpu) redistributors.receive(target, sgi, group);
      return;
    }
    const aff1 = (lo >>> 16) & 0xff, aff2 = hi & 0xff, aff3 = (hi >>> 16) & 0xff;
    if (aff3 !== 0 || ((hi >>> 12) & 15) !== 0) return; // no such cluster; RS is RES0 here
    for (let list = lo & 0xffff; list !== 0; list &= list - 1) {
      const target = cpuOfAffinity((aff2 << 16) | (aff1 << 8) | lowest(list));
      if (target >= 0 && target < cpus) redistributors.receive(target, sgi, group);
    }
  }

  /** A CPU starts anew: its interface does too, the interrupts' states are not its own. */
  resetCpu(cpu: number): void {
    const first = initial(1), s = this.#s;
    s.pmr[cpu] = first.pmr[0]!; s.bpr0[cpu] = first.bpr0[0]!; s.bpr1[cpu] = first.bpr1[0]!;
    s.ctlr[cpu] = first.ctlr[0]!; s.enabled[cpu] = first.enabled[0]!;
    s.apr.fill(0, 2 * cpu, 2 * cpu + 2);
    this.update(cpu);
  }
  reset(): void {
    this.#s = initial(this.#wires.cpus);
    this.update(NONE);
  }
  snapshot(): IccState { return structuredClone(this.#s); }
  restore(state: IccState): void { this.#s = structuredClone(state); }
}

/** The number of the lowest bit that is set. */
const lowest = (bits: number): number => 31 - Math.clz32(bits & -bits);
