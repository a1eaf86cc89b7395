// test/support/gicv3.ts — the interrupt controller inside the stand-in for Hypervisor.framework: what hv_gic does for a
// guest. Spec: IHI 0069 (GICv3), ch. 8 (registers), ch. 4 (states): one security state (DS = 1), affinity routing on,
// group 1. Left out: group 0, LPIs and ITS, the 1-of-N model, message-based interrupts.
import { sysregs } from "../../src/cpu/sysreg.ts";

export const DISTRIBUTOR_SIZE = 0x1_0000, REDISTRIBUTOR_SIZE = 0x2_0000;
const SPIS = 988;
const SPURIOUS = 1023, IDLE = 0xff;
const D = { CTLR: 0, TYPER: 4, IIDR: 8, IGROUPR: 0x80, ISENABLER: 0x100, ICENABLER: 0x180, ISPENDR: 0x200, ICPENDR: 0x280, ISACTIVER: 0x300, ICACTIVER: 0x380, IPRIORITYR: 0x400, ICFGR: 0xc00, IROUTER: 0x6000, PIDR2: 0xffe8 } as const;
const R = { TYPER: 8, WAKER: 0x14, SGI: 0x1_0000 } as const;
const CTLR = { G1: 2, ARE: 1 << 4, DS: 1 << 6 } as const;
const PIDR2_V3 = 0x3b;
const ICC = {
  PMR: sysregs.ICC_PMR_EL1.encoding, IAR1: sysregs.ICC_IAR1_EL1.encoding, EOIR1: sysregs.ICC_EOIR1_EL1.encoding, HPPIR1: sysregs.ICC_HPPIR1_EL1.encoding,
  BPR1: sysregs.ICC_BPR1_EL1.encoding, CTLR: sysregs.ICC_CTLR_EL1.encoding, SRE: sysregs.ICC_SRE_EL1.encoding, IGRPEN1: sysregs.ICC_IGRPEN1_EL1.encoding,
  DIR: sysregs.ICC_DIR_EL1.encoding, RPR: sysregs.ICC_RPR_EL1.encoding, SGI1R: sysregs.ICC_SGI1R_EL1.encoding, AP0R0: sysregs.ICC_AP0R0_EL1.encoding,
  AP1R0: sysregs.ICC_AP1R0_EL1.encoding, BPR0: sysregs.ICC_BPR0_EL1.encoding, IGRPEN0: sysregs.ICC_IGRPEN0_EL1.encoding,
} as const;

interface Interrupt { enabled: boolean; latch: boolean; level: boolean; active: boolean; edge: boolean; priority: number; group: number; route: number }
interface Interface { pmr: number; bpr1: number; ctlr: number; enabled: boolean; awake: boolean; running: number[]; stored: Map<number, number> }

export class Gicv3 {
  readonly #cpus: number;
  #shared: Interrupt[] = [];
  #private: Interrupt[][] = [];
  #interfaces: Interface[] = [];
  #ctlr = 0;
  hi = 0;
  constructor(cpus: number) {
    this.#cpus = cpus;
    this.reset();
  }
  reset(): void {
    const one = (id: number): Interrupt => ({ enabled: false, latch: false, level: false, active: false, edge: id < 16, priority: 0, group: 0, route: 0 });
    this.#shared = Array.from({ length: SPIS }, (_, i) => one(32 + i));
    this.#private = Array.from({ length: this.#cpus }, () => Array.from({ length: 32 }, (_, i) => one(i)));
    this.#interfaces = Array.from({ length: this.#cpus }, () => ({ pmr: 0, bpr1: 0, ctlr: 0, enabled: false, awake: false, running: [], stored: new Map() }));
    this.#ctlr = CTLR.ARE | CTLR.DS;
  }
  setSpi(id: number, level: boolean): boolean {
    const found = this.#shared[id - 32];
    if (found === undefined) return false;
    this.#drive(found, level);
    return true;
  }
  setPpi(cpu: number, id: number, level: boolean): void { this.#drive(this.#of(cpu, id) as Interrupt, level); }
  #drive(one: Interrupt, level: boolean): void {
    if (level && !one.level && one.edge) one.latch = true;
    one.level = level;
  }
  #of(cpu: number, id: number): Interrupt | undefined { return id < 32 ? this.#private[cpu]?.[id] : this.#shared[id - 32]; }
  #pends(one: Interrupt): boolean { return one.latch || (one.level && !one.edge); }

  /** The IRQ input of a core. */
  line(cpu: number): boolean { return this.#deliverable(cpu) !== SPURIOUS; }
  #deliverable(cpu: number): number {
    const face = this.#interfaces[cpu] as Interface;
    if (!face.enabled || (this.#ctlr & CTLR.G1) === 0) return SPURIOUS;
    let best = SPURIOUS, priority = Math.min(face.pmr, face.running.at(-1) ?? IDLE);
    const look = (one: Interrupt, id: number): void => {
      if (!one.enabled || one.active || one.group === 0 || !this.#pends(one) || one.priority >= priority) return;
      best = id;
      priority = one.priority;
    };
    (this.#private[cpu] as Interrupt[]).forEach(look);
    for (let i = 0; i < 64; i++) { // the board has no more
      const one = this.#shared[i] as Interrupt;
      if (one.route === cpu) look(one, 32 + i);
    }
    return best;
  }

  /** ICC_*: the value read, or undefined for a register that is not there. */
  readSystem(cpu: number, encoding: number): number | undefined {
    const face = this.#interfaces[cpu] as Interface;
    switch (encoding) {
      case ICC.SRE: return 7;
      case ICC.PMR: return face.pmr;
      case ICC.BPR1: return face.bpr1;
      case ICC.CTLR: return face.ctlr | (4 << 8); // five priority bits, 16 bits of id
      case ICC.IGRPEN1: return face.enabled ? 1 : 0;
      case ICC.RPR: return face.running.at(-1) ?? IDLE;
      case ICC.HPPIR1: return this.#deliverable(cpu);
      case ICC.IAR1: {
        const id = this.#deliverable(cpu);
        if (id === SPURIOUS) return id;
        const one = this.#of(cpu, id) as Interrupt;
        one.latch = false;
        one.active = true;
        face.running.push(one.priority);
        return id;
      }
      case ICC.AP0R0: case ICC.AP1R0: case ICC.BPR0: case ICC.IGRPEN0: return face.stored.get(encoding) ?? 0;
      default: return undefined;
    }
  }
  writeSystem(cpu: number, encoding: number, lo: number, hi: number): boolean {
    const face = this.#interfaces[cpu] as Interface;
    switch (encoding) {
      case ICC.SRE: return true;
      case ICC.PMR: face.pmr = lo & 0xf8; return true;
      case ICC.BPR1: face.bpr1 = lo & 7; return true;
      case ICC.CTLR: face.ctlr = lo & 2; return true; // EOImode
      case ICC.IGRPEN1: face.enabled = (lo & 1) !== 0; return true;
      case ICC.EOIR1:
        face.running.pop();
        if ((face.ctlr & 2) === 0) this.#deactivate(cpu, lo & 0xff_ffff);
        return true;
      case ICC.DIR: this.#deactivate(cpu, lo & 0xff_ffff); return true;
      case ICC.SGI1R: {
        const id = (lo >>> 24) & 15, others = ((hi >>> 8) & 1) !== 0;
        for (let target = 0; target < this.#cpus; target++) {
          if (others ? target !== cpu : ((lo >>> target) & 1) !== 0) (this.#of(target, id) as Interrupt).latch = true;
        }
        return true;
      }
      case ICC.AP0R0: case ICC.AP1R0: case ICC.BPR0: case ICC.IGRPEN0: face.stored.set(encoding, lo); return true;
      default: return false;
    }
  }
  #deactivate(cpu: number, id: number): void {
    const one = this.#of(cpu, id);
    if (one !== undefined) one.active = false;
  }

  // --- memory-mapped registers; the upper word of an 8-byte read is left in `hi` ---

  readDistributor(offset: number, size: number): number {
    this.hi = 0;
    switch (offset) {
      case D.CTLR: return this.#ctlr;
      case D.TYPER: return 31 | (9 << 19); // 1020 ids of 10 bits
      case D.IIDR: return 0;
      case D.PIDR2: return PIDR2_V3;
      default: return offset >= D.IROUTER && offset < D.IROUTER + 8 * 1020 ? this.#shared[(offset - D.IROUTER >> 3) - 32]?.route ?? 0 : this.#bits(0, offset, size);
    }
  }
  writeDistributor(offset: number, size: number, value: number): void {
    if (offset === D.CTLR) this.#ctlr = (value & 3) | CTLR.ARE | CTLR.DS;
    else if (offset >= D.IROUTER && offset < D.IROUTER + 8 * 1020) {
      const one = this.#shared[(offset - D.IROUTER >> 3) - 32];
      if (one !== undefined && (offset & 7) === 0) one.route = value & 0xff;
    } else this.#setBits(0, offset, size, value);
  }
  readRedistributor(cpu: number, offset: number, size: number): number {
    this.hi = 0;
    if (offset >= R.SGI) return this.#bits(cpu, offset - R.SGI, size, true);
    switch (offset) {
      case R.TYPER:
        this.hi = cpu;
        return (cpu << 8) | (cpu === this.#cpus - 1 ? 1 << 4 : 0);
      case R.TYPER + 4: return cpu;
      case R.WAKER: return (this.#interfaces[cpu] as Interface).awake ? 0 : 6;
      case D.PIDR2: return PIDR2_V3;
      default: return 0;
    }
  }
  writeRedistributor(cpu: number, offset: number, size: number, value: number): void {
    if (offset >= R.SGI) this.#setBits(cpu, offset - R.SGI, size, value, true);
    else if (offset === R.WAKER) (this.#interfaces[cpu] as Interface).awake = (value & 2) === 0;
  }
  /** The interrupt of a bank: of the redistributor below 32, of the distributor above. */
  #banked(cpu: number, id: number, own: boolean): Interrupt | undefined { return own ? (id < 32 ? this.#of(cpu, id) : undefined) : id < 32 ? undefined : this.#of(cpu, id); }
  #bits(cpu: number, offset: number, size: number, own = false): number {
    let value = 0;
    if (offset >= D.IPRIORITYR && offset < D.ICFGR) {
      for (let i = 0; i < size; i++) value |= (this.#banked(cpu, offset - D.IPRIORITYR + i, own)?.priority ?? 0) << (8 * i);
    } else if (offset >= D.ICFGR && offset < D.ICFGR + 256) {
      for (let i = 0; i < 16; i++) if (this.#banked(cpu, (offset - D.ICFGR) * 4 + i, own)?.edge === true) value |= 2 << (2 * i);
    } else if (offset >= D.IGROUPR && offset < D.IPRIORITYR) {
      for (let i = 0; i < 32; i++) {
        const one = this.#banked(cpu, (offset & 0x7c) * 8 + i, own);
        if (one === undefined) continue;
        const at = offset & ~0x7f;
        const set = at === D.IGROUPR ? one.group !== 0 : at === D.ISENABLER || at === D.ICENABLER ? one.enabled : at === D.ISPENDR || at === D.ICPENDR ? this.#pends(one) : one.active;
        if (set) value |= 1 << i;
      }
    }
    return value >>> 0;
  }
  #setBits(cpu: number, offset: number, size: number, value: number, own = false): void {
    if (offset >= D.IPRIORITYR && offset < D.ICFGR) {
      for (let i = 0; i < size; i++) {
        const one = this.#banked(cpu, offset - D.IPRIORITYR + i, own);
        if (one !== undefined) one.priority = (value >>> (8 * i)) & 0xf8;
      }
    } else if (offset >= D.ICFGR && offset < D.ICFGR + 256) {
      for (let i = 0; i < 16; i++) {
        const id = (offset - D.ICFGR) * 4 + i, one = this.#banked(cpu, id, own);
        if (one !== undefined && id >= 16) one.edge = ((value >>> (2 * i + 1)) & 1) !== 0;
      }
    } else if (offset >= D.IGROUPR && offset < D.IPRIORITYR) {
      for (let i = 0; i < 32; i++) {
        const one = this.#banked(cpu, (offset & 0x7c) * 8 + i, own), set = ((value >>> i) & 1) !== 0;
        if (one === undefined) continue;
        switch (offset & ~0x7f) {
          case D.IGROUPR: one.group = set ? 1 : 0; break;
          case D.ISENABLER: if (set) one.enabled = true; break;
          case D.ICENABLER: if (set) one.enabled = false; break;
          case D.ISPENDR: if (set) one.latch = true; break;
          case D.ICPENDR: if (set) one.latch = false; break;
          case D.ISACTIVER: if (set) one.active = true; break;
          case D.ICACTIVER: if (set) one.active = false; break;
          default: break;
        }
      }
    }
  }
}
