// devices/gic/cpu-interface.ts — GICv2 CPU interfaces: acknowledge, priority drop, deactivate, preemption.
// Spec: IHI 0048B, 3.3 (prioritization), 3.7-3.9 (grouping) and 4.4 (registers), without the Security Extensions.
// One device: each CPU sees its own registers at the same address. Left out: the bypass of the legacy lines (their
// disable bits are stored), the GICV virtual interface.
import type { IrqLine, MmioDevice, Trace } from "../device.ts";
import { readLane, writeLane } from "../lane.ts";
import { type Distributor, MAX_CPUS, NONE } from "./distributor.ts";

/** Register offsets, table 4-2. */
const Reg = {
  CTLR: 0x00, PMR: 0x04, BPR: 0x08,
  /** RO. */ IAR: 0x0c,
  /** WO. */ EOIR: 0x10,
  /** RO. */ RPR: 0x14,
  /** RO. */ HPPIR: 0x18,
  ABPR: 0x1c,
  /** RO. */ AIAR: 0x20,
  /** WO. */ AEOIR: 0x24,
  /** RO. */ AHPPIR: 0x28,
  APR: 0xd0, NSAPR: 0xe0,
  /** RO. */ IIDR: 0xfc,
  /** WO. */ DIR: 0x1000,
} as const;
const CTLR = {
  EnableGrp0: 1 << 0, EnableGrp1: 1 << 1, AckCtl: 1 << 2, FIQEn: 1 << 3, CBPR: 1 << 4, bypass: 0xf << 5, EOImode: 1 << 9,
} as const;
const CTLR_RW = CTLR.EnableGrp0 | CTLR.EnableGrp1 | CTLR.AckCtl | CTLR.FIQEn | CTLR.CBPR | CTLR.bypass | CTLR.EOImode;
/** Architecture version 2, implementer Arm. */
const IIDR = 0x0002_043b;
const ALL_CPUS = (1 << MAX_CPUS) - 1;
const SPURIOUS = 1023;
/** Answers an acknowledge that would have to take the other group's interrupt. */
const OTHER_GROUP = 1022;
const IDLE = 0xff;
/** Active priorities: one bit per group priority level, 128 levels. */
const APR_WORDS = 4;

/** One element per CPU. */
export interface CpuInterfaceState {
  ctlr: Uint16Array; pmr: Uint8Array; bpr: Uint8Array; abpr: Uint8Array;
  /** Active priorities of group 0, then of group 1. */ apr: Uint32Array;
}
const reset = (): CpuInterfaceState => ({
  ctlr: new Uint16Array(MAX_CPUS), pmr: new Uint8Array(MAX_CPUS), bpr: new Uint8Array(MAX_CPUS),
  abpr: new Uint8Array(MAX_CPUS).fill(1), apr: new Uint32Array(MAX_CPUS * APR_WORDS * 2),
});

export interface CpuInterfaceWires {
  readonly cpus: number;
  readonly distributor: Distributor;
  /** The CPU whose access is being served. */
  readonly accessor: () => number;
  readonly irq: readonly IrqLine[];
  readonly fiq: readonly IrqLine[];
  readonly trace: Trace;
}

export class CpuInterface implements MmioDevice<CpuInterfaceState> {
  #s: CpuInterfaceState = reset();
  readonly #wires: CpuInterfaceWires;
  readonly #distributor: Distributor;
  constructor(wires: CpuInterfaceWires) {
    this.#wires = wires;
    this.#distributor = wires.distributor;
  }

  /** Drives both lines of the CPUs in a set (bits) from the present state. */
  update(set: number): void {
    const { cpus, irq, fiq } = this.#wires;
    for (let cpu = 0; cpu < cpus; cpu++) {
      if (((set >>> cpu) & 1) === 0) continue;
      const found = this.#deliverable(cpu);
      const id = found === NONE ? NONE : found & 0xffff;
      const asFiq = id !== NONE && (this.#s.ctlr[cpu]! & CTLR.FIQEn) !== 0 && this.#distributor.groupOf(cpu, id) === 0;
      irq[cpu]?.set(id !== NONE && !asFiq);
      fiq[cpu]?.set(asFiq);
    }
  }

  read(offset: number, size: number): number {
    const at = offset & ~3;
    return readLane(this.#register(this.#wires.accessor(), at), offset, size);
  }

  #register(cpu: number, at: number): number {
    const s = this.#s;
    switch (at) {
      case Reg.CTLR: return s.ctlr[cpu]!;
      case Reg.PMR: return s.pmr[cpu]!;
      case Reg.BPR: return s.bpr[cpu]!;
      case Reg.ABPR: return s.abpr[cpu]!;
      case Reg.IAR: return this.#acknowledge(cpu, false);
      case Reg.AIAR: return this.#acknowledge(cpu, true);
      case Reg.RPR: return this.#running(cpu);
      case Reg.HPPIR: return this.#highestPending(cpu, false);
      case Reg.AHPPIR: return this.#highestPending(cpu, true);
      case Reg.IIDR: return IIDR;
      default:
        if (at >= Reg.APR && at < Reg.NSAPR + 16) return s.apr[aprIndex(cpu, at)]!;
        return 0;
    }
  }

  write(offset: number, size: number, value: number): void {
    const s = this.#s;
    const cpu = this.#wires.accessor();
    const at = offset & ~3;
    const word = writeLane(0, offset, size, value);
    let affected = 1 << cpu;
    switch (at) {
      case Reg.CTLR: s.ctlr[cpu] = writeLane(s.ctlr[cpu]!, offset, size, value) & CTLR_RW; break;
      case Reg.PMR: if ((offset & 3) === 0) s.pmr[cpu] = value; break;
      case Reg.BPR: if ((offset & 3) === 0) s.bpr[cpu] = value & 7; break;
      case Reg.ABPR: if ((offset & 3) === 0) s.abpr[cpu] = Math.max(value & 7, 1); break;
      case Reg.EOIR: case Reg.AEOIR:
        this.#end(cpu, word & 0x3ff, at === Reg.AEOIR);
        affected |= this.#distributor.routes(cpu, word & 0x3ff);
        break;
      case Reg.DIR: // UNPREDICTABLE while EOIR deactivates: ignored
        if ((s.ctlr[cpu]! & CTLR.EOImode) !== 0) this.#distributor.deactivate(cpu, word & 0x3ff);
        affected |= this.#distributor.routes(cpu, word & 0x3ff);
        break;
      default:
        if (at >= Reg.APR && at < Reg.NSAPR + 16) s.apr[aprIndex(cpu, at)] = writeLane(s.apr[aprIndex(cpu, at)]!, offset, size, value);
        else this.#wires.trace.note("gicc", "write ignored", offset, value);
    }
    this.update(affected);
  }

  /** The bits of a priority that decide preemption. ABPR counts one lower than BPR. */
  #groupMask(cpu: number, group: number): number {
    const s = this.#s;
    const point = group === 1 && (s.ctlr[cpu]! & CTLR.CBPR) === 0 ? s.abpr[cpu]! - 1 : s.bpr[cpu]!;
    return (0xff << (point + 1)) & 0xff;
  }

  #running(cpu: number): number {
    const first = cpu * APR_WORDS * 2;
    for (let n = 0; n < APR_WORDS; n++) {
      const bits = this.#s.apr[first + n]! | this.#s.apr[first + APR_WORDS + n]!;
      if (bits !== 0) return (n * 32 + 31 - Math.clz32(bits & -bits)) * 2;
    }
    return IDLE;
  }

  /** The interrupt signalled to the CPU now, enabled, above the mask, and able to preempt: priority << 16 | id, or NONE. */
  #deliverable(cpu: number): number {
    const pending = this.#distributor.highest(cpu);
    if (pending === NONE) return NONE;
    const id = pending & 0xffff;
    const priority = pending >> 16;
    const group = this.#distributor.groupOf(cpu, id);
    const enable = group === 0 ? CTLR.EnableGrp0 : CTLR.EnableGrp1;
    if ((this.#s.ctlr[cpu]! & enable) === 0 || priority >= this.#s.pmr[cpu]!) return NONE;
    const running = this.#running(cpu);
    if (running !== IDLE && (priority & this.#groupMask(cpu, group)) >= running) return NONE;
    return pending;
  }

  #acknowledge(cpu: number, alias: boolean): number {
    const found = this.#deliverable(cpu);
    if (found === NONE) return SPURIOUS;
    const id = found & 0xffff;
    const group = this.#distributor.groupOf(cpu, id);
    if (alias && group === 0) return SPURIOUS;
    if (!alias && group === 1 && (this.#s.ctlr[cpu]! & CTLR.AckCtl) === 0) return OTHER_GROUP;
    const level = ((found >> 16) & this.#groupMask(cpu, group)) >> 1;
    const source = this.#distributor.acknowledge(cpu, id);
    this.#s.apr[cpu * APR_WORDS * 2 + group * APR_WORDS + (level >> 5)]! |= 1 << (level & 31);
    this.update((1 << cpu) | this.#distributor.routes(cpu, id));
    return id | (source << 10);
  }

  #highestPending(cpu: number, alias: boolean): number {
    const pending = this.#distributor.highest(cpu);
    if (pending === NONE) return SPURIOUS;
    const id = pending & 0xffff;
    const group = this.#distributor.groupOf(cpu, id);
    if (alias && group === 0) return SPURIOUS;
    if (!alias && group === 1 && (this.#s.ctlr[cpu]! & CTLR.AckCtl) === 0) return OTHER_GROUP;
    return id | (this.#distributor.sourceOf(cpu, id) << 10);
  }

  /**
   * Priority drop, then deactivation unless EOImode leaves that to DIR. Ends come in any order: each drops the most
   * urgent active priority of the interrupt's group, and deactivates the interrupt named. One that is not active
   * changes nothing.
   */
  #end(cpu: number, id: number, alias: boolean): void {
    if (!this.#distributor.isActive(cpu, id)) {
      if (id < OTHER_GROUP) this.#wires.trace.note("gicc", "end of an interrupt that is not active", Reg.EOIR, id);
      return;
    }
    const group = this.#distributor.groupOf(cpu, id);
    if (alias && group === 0) return;
    const first = cpu * APR_WORDS * 2 + group * APR_WORDS;
    for (let n = 0; n < APR_WORDS; n++) {
      const bits = this.#s.apr[first + n]!;
      if (bits === 0) continue;
      this.#s.apr[first + n] = bits & (bits - 1);
      break;
    }
    if ((this.#s.ctlr[cpu]! & CTLR.EOImode) === 0) this.#distributor.deactivate(cpu, id);
  }

  reset(): void {
    this.#s = reset();
    this.update(ALL_CPUS);
  }
  snapshot(): CpuInterfaceState { return structuredClone(this.#s); }
  restore(state: CpuInterfaceState): void { this.#s = structuredClone(state); }
}

const aprIndex = (cpu: number, at: number): number => cpu * APR_WORDS * 2 + ((at - Reg.APR) >> 2);
