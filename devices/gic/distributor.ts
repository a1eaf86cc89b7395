// devices/gic/distributor.ts — GICv2 distributor: which interrupt is pending where, and the most urgent one per CPU.
// Spec: IHI 0048B, ch. 3 (states, prioritization) and 4.3 (registers), without the Security Extensions: one view, two
// groups. 288 interrupt ids: 16 SGIs and 16 PPIs per CPU, 256 SPIs. All 8 priority bits. SGI enables are RAO/WI.
// Sub-word accesses work on every register. Left out: power management, the 1-N wake-up hints, GICD_NSACR.
//
// State is bitmaps of 32 interrupts: word 0 (SGIs and PPIs) exists once per CPU, words 1..8 (SPIs) once. `bank` maps
// (cpu, word) into arrays of 8 + 8 words; per-interrupt bytes lie the same way, 32 per CPU, then the SPIs.
import type { IrqLine, MmioDevice, Trace } from "../device.ts";
import { readLane, writeLane } from "../lane.ts";

export const MAX_CPUS = 8;
/** Interrupt ids: ITLinesNumber 8. */
export const INTERRUPTS = 288;
const WORDS = INTERRUPTS / 32;
const BANKS = MAX_CPUS + WORDS - 1;
const SGIS = 0xffff;
/** What `highest` gives when nothing is pending. */
export const NONE = -1;

/** Register offsets, table 4-1. */
const Reg = {
  CTLR: 0x000,
  /** RO. */ TYPER: 0x004,
  /** RO. */ IIDR: 0x008,
  IGROUPR: 0x080, ISENABLER: 0x100, ICENABLER: 0x180, ISPENDR: 0x200, ICPENDR: 0x280, ISACTIVER: 0x300, ICACTIVER: 0x380,
  IPRIORITYR: 0x400, ITARGETSR: 0x800, ICFGR: 0xc00,
  /** WO. */ SGIR: 0xf00,
  CPENDSGIR: 0xf10, SPENDSGIR: 0xf20,
  /** RO: PeriphID4..7, PeriphID0..3, CompID0..3. */ ID: 0xfd0,
} as const;
const CTLR = { EnableGrp0: 1 << 0, EnableGrp1: 1 << 1 } as const;
/** Implementer Arm; revision and product unnamed. */
const IIDR = 0x43b;
/** PIDR2 is the one that matters: ArchRev 2 in its high nibble. */
const ID = [0x04, 0, 0, 0, 0x90, 0xb4, 0x2b, 0, 0x0d, 0xf0, 0x05, 0xb1] as const;

export interface DistributorState {
  ctlr: number;
  group: Uint32Array; enabled: Uint32Array;
  /** Pending by edge, by SGI or by ISPENDR; a level-sensitive interrupt also pends while its input is high. */
  latch: Uint32Array; active: Uint32Array;
  /** 1 = edge-triggered. SGIs are. */ edge: Uint32Array;
  priority: Uint8Array; targets: Uint8Array;
  /** The CPUs whose SGI pends at a CPU: one byte per (CPU, SGI). */ sgiSources: Uint8Array;
  /** Inputs: the outside drives these. */ level: Uint32Array;
}
const reset = (): DistributorState => ({
  ctlr: 0,
  group: new Uint32Array(BANKS), enabled: new Uint32Array(BANKS).fill(SGIS, 0, MAX_CPUS),
  latch: new Uint32Array(BANKS), active: new Uint32Array(BANKS), edge: new Uint32Array(BANKS).fill(SGIS, 0, MAX_CPUS),
  priority: new Uint8Array(BANKS * 32), targets: new Uint8Array(INTERRUPTS - 32),
  sgiSources: new Uint8Array(MAX_CPUS * 16), level: new Uint32Array(BANKS),
});

const bank = (cpu: number, word: number): number => (word === 0 ? cpu : MAX_CPUS - 1 + word);

export interface DistributorWires {
  readonly cpus: number;
  /** The CPU whose access is being served. */
  readonly accessor: () => number;
  /** The most urgent interrupt of the CPUs in this set (bits) may have changed. */
  readonly changed: (cpus: number) => void;
  readonly trace: Trace;
}

export class Distributor implements MmioDevice<DistributorState> {
  #s: DistributorState = reset();
  readonly #wires: DistributorWires;
  readonly #cpus: number;
  readonly #present: number;
  /** Per CPU and word: the interrupts that ITARGETSR sends there. Derived. */
  readonly #routed = new Uint32Array(MAX_CPUS * WORDS);

  constructor(wires: DistributorWires) {
    this.#wires = wires;
    this.#cpus = Math.min(Math.max(wires.cpus, 1), MAX_CPUS);
    this.#present = (1 << this.#cpus) - 1;
    this.#route();
  }

  // --- inputs ---

  /** The line of shared peripheral interrupt `n` (interrupt id 32 + n). */
  spi(n: number): IrqLine { return { set: level => this.#input(0, 32 + n, level) }; }
  /** The line of private peripheral interrupt `n` (0..15, interrupt id 16 + n) of a CPU. */
  ppi(cpu: number, n: number): IrqLine { return { set: level => this.#input(cpu, 16 + n, level) }; }

  #input(cpu: number, id: number, level: boolean): void {
    const s = this.#s;
    const at = bank(cpu, id >> 5);
    const bit = 1 << (id & 31);
    const before = s.level[at]!;
    if (((before & bit) !== 0) === level) return;
    s.level[at] = before ^ bit;
    if (level && (s.edge[at]! & bit) !== 0) s.latch[at]! |= bit;
    this.#wires.changed(this.routes(cpu, id));
  }

  // --- what the CPU interfaces ask ---

  /** The most urgent pending, enabled, inactive interrupt routed to `cpu`, as priority << 16 | id; or NONE. */
  highest(cpu: number): number {
    const s = this.#s;
    const group0 = (s.ctlr & CTLR.EnableGrp0) !== 0 ? -1 : 0;
    const group1 = (s.ctlr & CTLR.EnableGrp1) !== 0 ? -1 : 0;
    if ((group0 | group1) === 0) return NONE;
    let best = 0x7fff_ffff;
    for (let word = 0; word < WORDS; word++) {
      const at = bank(cpu, word);
      let bits = (s.latch[at]! | (s.level[at]! & ~s.edge[at]!)) & s.enabled[at]! & ~s.active[at]!;
      if (bits === 0) continue;
      bits &= this.#routed[cpu * WORDS + word]! & ((group0 & ~s.group[at]!) | (group1 & s.group[at]!));
      while (bits !== 0) {
        const n = 31 - Math.clz32(bits & -bits);
        bits &= bits - 1;
        const candidate = (s.priority[at * 32 + n]! << 16) | (word * 32 + n);
        if (candidate < best) best = candidate;
      }
    }
    return best === 0x7fff_ffff ? NONE : best;
  }

  /** The CPUs (bits) that an interrupt reaches; `cpu` is the one whose banked interrupts are meant. */
  routes(cpu: number, id: number): number {
    return id < 32 ? 1 << cpu : this.#cpus === 1 ? 1 : id < INTERRUPTS ? this.#s.targets[id - 32]! : 0;
  }
  /** 0 or 1. */
  groupOf(cpu: number, id: number): number { return (this.#s.group[bank(cpu, id >> 5)]! >>> (id & 31)) & 1; }
  isActive(cpu: number, id: number): boolean {
    return id < INTERRUPTS && ((this.#s.active[bank(cpu, id >> 5)]! >>> (id & 31)) & 1) !== 0;
  }
  /** The CPU an SGI pending at `cpu` came from (the lowest); 0 for other interrupts. */
  sourceOf(cpu: number, id: number): number {
    if (id >= 16) return 0;
    const sources = this.#s.sgiSources[cpu * 16 + id]!;
    return sources === 0 ? 0 : 31 - Math.clz32(sources & -sources);
  }

  /** Pending becomes active (an SGI from another CPU, or a level still high, stays pending too). Returns the source CPU. */
  acknowledge(cpu: number, id: number): number {
    const s = this.#s;
    const at = bank(cpu, id >> 5);
    const bit = 1 << (id & 31);
    s.active[at]! |= bit;
    if (id >= 16) {
      s.latch[at]! &= ~bit;
      return 0;
    }
    const source = this.sourceOf(cpu, id);
    const left = (s.sgiSources[cpu * 16 + id]! &= ~(1 << source));
    if (left === 0) s.latch[at]! &= ~bit;
    return source;
  }

  deactivate(cpu: number, id: number): void {
    if (id < INTERRUPTS) this.#s.active[bank(cpu, id >> 5)]! &= ~(1 << (id & 31));
  }

  // --- registers ---

  read(offset: number, size: number): number {
    return readLane(this.#register(this.#wires.accessor(), offset & 0xffc), offset, size);
  }

  #register(cpu: number, at: number): number {
    const s = this.#s;
    if (at >= Reg.ID) return ID[(at - Reg.ID) >> 2] ?? 0;
    if (at >= Reg.CPENDSGIR) return at < Reg.SPENDSGIR + 16 ? fourBytes(s.sgiSources, cpu * 16 + (at & 0xf)) : 0;
    if (at >= Reg.SGIR) return 0;
    if (at >= Reg.ICFGR) return this.#readConfig(cpu, (at - Reg.ICFGR) >> 2);
    if (at >= Reg.ITARGETSR) return this.#readTargets(cpu, at - Reg.ITARGETSR);
    if (at >= Reg.IPRIORITYR) {
      const id = at - Reg.IPRIORITYR;
      return id < INTERRUPTS ? fourBytes(s.priority, bank(cpu, id >> 5) * 32 + (id & 31)) : 0;
    }
    if (at >= Reg.IGROUPR) {
      const word = (at & 0x7f) >> 2;
      if (word >= WORDS) return 0;
      const index = bank(cpu, word);
      switch (at & ~0x7f) {
        case Reg.IGROUPR: return s.group[index]!;
        case Reg.ISENABLER: case Reg.ICENABLER: return s.enabled[index]!;
        case Reg.ISPENDR: case Reg.ICPENDR: return (s.latch[index]! | (s.level[index]! & ~s.edge[index]!)) >>> 0;
        default: return s.active[index]!;
      }
    }
    switch (at) {
      case Reg.CTLR: return s.ctlr;
      case Reg.TYPER: return (INTERRUPTS / 32 - 1) | ((this.#cpus - 1) << 5);
      case Reg.IIDR: return IIDR;
      default: return 0;
    }
  }

  #readTargets(cpu: number, id: number): number {
    if (this.#cpus === 1 || id >= INTERRUPTS) return 0;
    return id < 32 ? (0x0101_0101 << cpu) >>> 0 : fourBytes(this.#s.targets, id - 32);
  }

  /** Two bits per interrupt; only the high one means anything. */
  #readConfig(cpu: number, index: number): number {
    if (index * 16 >= INTERRUPTS) return 0;
    const half = this.#s.edge[bank(cpu, index >> 1)]! >>> ((index & 1) * 16);
    let value = 0;
    for (let n = 0; n < 16; n++) value |= ((half >>> n) & 1) << (2 * n + 1);
    return value >>> 0;
  }

  write(offset: number, size: number, value: number): void {
    const cpu = this.#wires.accessor();
    const at = offset & 0xffc;
    if (at >= Reg.IGROUPR && at < Reg.IPRIORITYR) this.#writeBits(cpu, at, offset, size, value);
    else if (at >= Reg.IPRIORITYR && at < Reg.ICFGR) this.#writeBytes(cpu, at, offset, size, value);
    else if (at >= Reg.ICFGR && at < Reg.ICFGR + INTERRUPTS / 4) {
      this.#writeConfig(cpu, (at - Reg.ICFGR) >> 2, writeLane(this.#register(cpu, at), offset, size, value));
    } else if (at === Reg.SGIR) this.#sendSgi(cpu, writeLane(0, offset, size, value));
    else if (at >= Reg.CPENDSGIR && at < Reg.SPENDSGIR + 16) this.#writeSgiSources(cpu, at, writeLane(0, offset, size, value));
    else if (at === Reg.CTLR) {
      this.#s.ctlr = writeLane(this.#s.ctlr, offset, size, value) & (CTLR.EnableGrp0 | CTLR.EnableGrp1);
    } else this.#wires.trace.note("gicd", "write ignored", offset, value);
    this.#wires.changed(this.#present);
  }

  #writeBits(cpu: number, at: number, offset: number, size: number, value: number): void {
    const s = this.#s;
    const word = (at & 0x7f) >> 2;
    if (word >= WORDS) return;
    const index = bank(cpu, word);
    const bits = writeLane(0, offset, size, value);
    const fixed = word === 0 ? SGIS : 0; // enables and pending state of SGIs are not written here
    switch (at & ~0x7f) {
      case Reg.IGROUPR: s.group[index] = writeLane(s.group[index]!, offset, size, value); break;
      case Reg.ISENABLER: s.enabled[index]! |= bits & ~fixed; break;
      case Reg.ICENABLER: s.enabled[index]! &= ~bits | fixed; break;
      case Reg.ISPENDR: s.latch[index]! |= bits & ~fixed; break;
      case Reg.ICPENDR: s.latch[index]! &= ~bits | fixed; break;
      case Reg.ISACTIVER: s.active[index]! |= bits; break;
      default: s.active[index]! &= ~bits;
    }
  }

  #writeBytes(cpu: number, at: number, offset: number, size: number, value: number): void {
    const s = this.#s;
    const first = offset & 3;
    const past = Math.min(first + size, 4);
    for (let lane = first; lane < past; lane++) {
      const byte = (value >>> ((lane - first) * 8)) & 0xff;
      const id = (at & 0x3fc) + lane;
      if (id >= INTERRUPTS) return;
      if (at < Reg.ITARGETSR) s.priority[bank(cpu, id >> 5) * 32 + (id & 31)] = byte;
      else if (id >= 32 && this.#cpus > 1) {
        s.targets[id - 32] = byte & this.#present;
        this.#routeOne(id);
      }
    }
  }

  #writeConfig(cpu: number, index: number, value: number): void {
    if (index === 0) return; // SGIs: RO
    let edges = 0;
    for (let n = 0; n < 16; n++) edges |= ((value >>> (2 * n + 1)) & 1) << n;
    const at = bank(cpu, index >> 1);
    const shift = (index & 1) * 16;
    this.#s.edge[at] = (this.#s.edge[at]! & ~(0xffff << shift)) | (edges << shift);
  }

  #sendSgi(cpu: number, value: number): void {
    const filter = (value >>> 24) & 3;
    const to = filter === 0 ? value >>> 16 : filter === 1 ? ~(1 << cpu) : filter === 2 ? 1 << cpu : 0;
    const sgi = value & 0xf;
    for (let target = 0; target < this.#cpus; target++) {
      if (((to >>> target) & 1) !== 0) this.#setSources(target, sgi, this.#s.sgiSources[target * 16 + sgi]! | (1 << cpu));
    }
  }

  #writeSgiSources(cpu: number, at: number, value: number): void {
    for (let lane = 0; lane < 4; lane++) {
      const sgi = (at & 0xc) + lane;
      const bits = (value >>> (lane * 8)) & this.#present;
      const before = this.#s.sgiSources[cpu * 16 + sgi]!;
      this.#setSources(cpu, sgi, at < Reg.SPENDSGIR ? before & ~bits : before | bits);
    }
  }
  #setSources(cpu: number, sgi: number, sources: number): void {
    this.#s.sgiSources[cpu * 16 + sgi] = sources;
    if (sources !== 0) this.#s.latch[cpu]! |= 1 << sgi;
    else this.#s.latch[cpu]! &= ~(1 << sgi);
  }

  #routeOne(id: number): void {
    const targets = this.#cpus === 1 ? 1 : this.#s.targets[id - 32]!;
    const bit = 1 << (id & 31);
    for (let cpu = 0; cpu < this.#cpus; cpu++) {
      if (((targets >>> cpu) & 1) !== 0) this.#routed[cpu * WORDS + (id >> 5)]! |= bit;
      else this.#routed[cpu * WORDS + (id >> 5)]! &= ~bit;
    }
  }
  #route(): void {
    for (let cpu = 0; cpu < this.#cpus; cpu++) this.#routed[cpu * WORDS] = 0xffff_ffff;
    for (let id = 32; id < INTERRUPTS; id++) this.#routeOne(id);
  }

  reset(): void {
    const { level } = this.#s; // driven from outside
    this.#s = { ...reset(), level };
    this.#route();
    this.#wires.changed(this.#present);
  }
  snapshot(): DistributorState { return structuredClone(this.#s); }
  restore(state: DistributorState): void {
    this.#s = structuredClone(state);
    this.#route();
  }
}

const fourBytes = (bytes: Uint8Array, at: number): number =>
  (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
