// test/support/gicv3.ts — the interrupt controller inside the stand-in for Hypervisor.framework: what hv_gic does for a
// guest. Spec: IHI 0069 (GICv3), ch. 8 (registers), ch. 4 (states): one security state (DS = 1), affinity routing on,
// group 1. Its state is in shared memory: the vCPUs of a machine may be in several threads. Left out: group 0, LPIs and ITS, the 1-of-N model, message-based interrupts.
import { sysregs } from "../../src/cpu/sysreg.ts";

export const DISTRIBUTOR_SIZE = 0x1_0000, REDISTRIBUTOR_SIZE = 0x2_0000;
const SPIS = 988;
/** Interrupts that are looked at: the board has no more. */
const LINES = 128;
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

/** Bytes of an interrupt. */
const I = { enabled: 0, latch: 1, level: 2, active: 3, edge: 4, priority: 5, group: 6, route: 7, COUNT: 8 } as const;
/** Bytes of a CPU interface: then the priorities that run, innermost last. */
const F = { pmr: 0, bpr1: 1, ctlr: 2, enabled: 3, awake: 4, depth: 5, bpr0: 6, igrpen0: 7, running: 8, COUNT: 8 + 24 } as const;
/** Words before them: lock, GICD_CTLR, number of CPUs, 1 when the controller is there. */
const Word = { lock: 0, ctlr: 1, cpus: 2, there: 3, COUNT: 4 } as const;
const MAX_CPUS = 8;
const PRIVATE = MAX_CPUS * 32;
const INTERFACES = Word.COUNT * 4 + (PRIVATE + SPIS) * I.COUNT;
export const GIC_BYTES: number = INTERFACES + MAX_CPUS * F.COUNT;

export class Gicv3 {
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  hi = 0;
  /** On shared memory: every thread has an object of its own. */
  constructor(shared: SharedArrayBuffer, at: number) {
    this.#words = new Int32Array(shared, at, Word.COUNT);
    this.#bytes = new Uint8Array(shared, at, GIC_BYTES);
  }
  get there(): boolean { return Atomics.load(this.#words, Word.there) !== 0; }
  set there(there: boolean) { Atomics.store(this.#words, Word.there, there ? 1 : 0); }
  get #cpus(): number { return this.#words[Word.cpus] as number; }
  set cpus(cpus: number) { this.#words[Word.cpus] = cpus; }
  get #ctlr(): number { return this.#words[Word.ctlr] as number; }
  set #ctlr(value: number) { this.#words[Word.ctlr] = value; }
  /** One thread at a time. */
  #locked<T>(what: () => T): T {
    while (Atomics.compareExchange(this.#words, Word.lock, 0, 1) !== 0) { /* short */ }
    try {
      return what();
    } finally {
      Atomics.store(this.#words, Word.lock, 0);
    }
  }
  reset(): void {
    this.#locked(() => {
      this.#bytes.fill(0, Word.COUNT * 4);
      for (let cpu = 0; cpu < MAX_CPUS; cpu++) for (let id = 0; id < 16; id++) this.#bytes[(this.#of(cpu, id) as number) + I.edge] = 1;
      this.#ctlr = CTLR.ARE | CTLR.DS;
    });
  }
  setSpi(id: number, level: boolean): boolean {
    const found = id < 32 ? undefined : this.#of(0, id);
    if (found === undefined) return false;
    this.#locked(() => this.#drive(found, level));
    return true;
  }
  setPpi(cpu: number, id: number, level: boolean): void { this.#locked(() => this.#drive(this.#of(cpu, id) as number, level)); }
  #drive(one: number, level: boolean): void {
    const b = this.#bytes;
    if (level && b[one + I.level] === 0 && b[one + I.edge] !== 0) b[one + I.latch] = 1;
    b[one + I.level] = level ? 1 : 0;
  }
  /** Where an interrupt's bytes are. */
  #of(cpu: number, id: number): number | undefined {
    const n = id < 32 ? cpu * 32 + id : id < 32 + SPIS ? PRIVATE + id - 32 : undefined;
    return n === undefined ? undefined : Word.COUNT * 4 + n * I.COUNT;
  }
  #face(cpu: number): number { return INTERFACES + cpu * F.COUNT; }
  #pends(one: number): boolean {
    const b = this.#bytes;
    return b[one + I.latch] !== 0 || (b[one + I.level] !== 0 && b[one + I.edge] === 0);
  }

  /** The IRQ input of a core. */
  line(cpu: number): boolean { return this.#locked(() => this.#deliverable(cpu)) !== SPURIOUS; }
  #running(cpu: number): number {
    const at = this.#face(cpu), depth = this.#bytes[at + F.depth] as number;
    return depth === 0 ? IDLE : this.#bytes[at + F.running + depth - 1] as number;
  }
  #deliverable(cpu: number): number {
    const b = this.#bytes, face = this.#face(cpu);
    if (b[face + F.enabled] === 0 || (this.#ctlr & CTLR.G1) === 0) return SPURIOUS;
    const running = this.#running(cpu), group = running === IDLE ? 0xff : 0xff << (b[face + F.bpr1] as number);
    let best = SPURIOUS, priority = b[face + F.pmr] as number;
    for (let id = 0; id < LINES; id++) {
      const one = this.#of(cpu, id) as number;
      if (b[one + I.enabled] === 0 || b[one + I.active] !== 0 || b[one + I.group] === 0 || (id >= 32 && b[one + I.route] !== cpu) || (b[one + I.priority] as number) >= priority || !this.#pends(one)) continue;
      best = id;
      priority = b[one + I.priority] as number;
    }
    return running !== IDLE && (priority & group) >= running ? SPURIOUS : best;
  }

  /** ICC_*: the value read, or undefined for a register that is not there. */
  readSystem(cpu: number, encoding: number): number | undefined {
    const b = this.#bytes, face = this.#face(cpu);
    switch (encoding) {
      case ICC.SRE: return 7;
      case ICC.PMR: return b[face + F.pmr];
      case ICC.BPR1: return b[face + F.bpr1];
      case ICC.CTLR: return (b[face + F.ctlr] as number) | (4 << 8); // five priority bits, 16 bits of id
      case ICC.IGRPEN1: return b[face + F.enabled];
      case ICC.RPR: return this.#running(cpu);
      case ICC.HPPIR1: return this.#locked(() => this.#deliverable(cpu));
      case ICC.IAR1: return this.#locked(() => {
        const id = this.#deliverable(cpu);
        if (id === SPURIOUS) return id;
        const one = this.#of(cpu, id) as number, depth = b[face + F.depth] as number;
        b[one + I.latch] = 0;
        b[one + I.active] = 1;
        b[face + F.running + depth] = (b[one + I.priority] as number) & (0xff << (b[face + F.bpr1] as number));
        b[face + F.depth] = depth + 1;
        return id;
      });
      case ICC.BPR0: return b[face + F.bpr0];
      case ICC.IGRPEN0: return b[face + F.igrpen0];
      case ICC.AP0R0: case ICC.AP1R0: return 0;
      default: return undefined;
    }
  }
  writeSystem(cpu: number, encoding: number, lo: number, hi: number): boolean {
    const b = this.#bytes, face = this.#face(cpu);
    switch (encoding) {
      case ICC.SRE: case ICC.AP0R0: case ICC.AP1R0: return true;
      case ICC.PMR: b[face + F.pmr] = lo & 0xf8; return true;
      case ICC.BPR1: b[face + F.bpr1] = lo & 7; return true;
      case ICC.BPR0: b[face + F.bpr0] = lo & 7; return true;
      case ICC.IGRPEN0: b[face + F.igrpen0] = lo & 1; return true;
      case ICC.CTLR: b[face + F.ctlr] = lo & 2; return true; // EOImode
      case ICC.IGRPEN1: b[face + F.enabled] = lo & 1; return true;
      case ICC.EOIR1:
        this.#locked(() => {
          b[face + F.depth] = Math.max(0, (b[face + F.depth] as number) - 1);
          if (((b[face + F.ctlr] as number) & 2) === 0) this.#deactivate(cpu, lo & 0xff_ffff);
        });
        return true;
      case ICC.DIR:
        this.#locked(() => this.#deactivate(cpu, lo & 0xff_ffff));
        return true;
      case ICC.SGI1R:
        this.#locked(() => {
          const id = (lo >>> 24) & 15, others = ((hi >>> 8) & 1) !== 0;
          for (let target = 0; target < this.#cpus; target++) {
            if (others ? target !== cpu : ((lo >>> target) & 1) !== 0) b[(this.#of(target, id) as number) + I.latch] = 1;
          }
        });
        return true;
      default: return false;
    }
  }
  #deactivate(cpu: number, id: number): void {
    const one = this.#of(cpu, id);
    if (one !== undefined) this.#bytes[one + I.active] = 0;
  }

  // --- memory-mapped registers; the upper word of an 8-byte read is left in `hi` ---

  readDistributor(offset: number, size: number): number {
    this.hi = 0;
    switch (offset) {
      case D.CTLR: return this.#ctlr;
      case D.TYPER: return 31 | (9 << 19); // 1020 ids of 10 bits
      case D.IIDR: return 0;
      case D.PIDR2: return PIDR2_V3;
      default: return offset >= D.IROUTER && offset < D.IROUTER + 8 * 1020 ? this.#route(offset) ?? 0 : this.#bits(0, offset, size);
    }
  }
  #route(offset: number): number | undefined {
    const one = offset < D.IROUTER + 8 * 32 ? undefined : this.#of(0, (offset - D.IROUTER) >> 3);
    return one === undefined ? undefined : this.#bytes[one + I.route];
  }
  writeDistributor(offset: number, size: number, value: number): void {
    if (offset === D.CTLR) this.#ctlr = (value & 3) | CTLR.ARE | CTLR.DS;
    else if (offset >= D.IROUTER && offset < D.IROUTER + 8 * 1020) {
      const one = this.#of(0, (offset - D.IROUTER) >> 3);
      if (one !== undefined && offset >= D.IROUTER + 8 * 32 && (offset & 7) === 0) this.#bytes[one + I.route] = value & 0xff;
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
      case R.WAKER: return this.#bytes[this.#face(cpu) + F.awake] !== 0 ? 0 : 6;
      case D.PIDR2: return PIDR2_V3;
      default: return 0;
    }
  }
  writeRedistributor(cpu: number, offset: number, size: number, value: number): void {
    if (offset >= R.SGI) this.#setBits(cpu, offset - R.SGI, size, value, true);
    else if (offset === R.WAKER) this.#bytes[this.#face(cpu) + F.awake] = (value & 2) === 0 ? 1 : 0;
  }
  /** The interrupt of a bank: of the redistributor below 32, of the distributor above. */
  #banked(cpu: number, id: number, own: boolean): number | undefined { return own === id < 32 ? this.#of(cpu, id) : undefined; }
  #bits(cpu: number, offset: number, size: number, own = false): number {
    const b = this.#bytes;
    let value = 0;
    if (offset >= D.IPRIORITYR && offset < D.ICFGR) {
      for (let i = 0; i < size; i++) {
        const one = this.#banked(cpu, offset - D.IPRIORITYR + i, own);
        if (one !== undefined) value |= (b[one + I.priority] as number) << (8 * i);
      }
    } else if (offset >= D.ICFGR && offset < D.ICFGR + 256) {
      for (let i = 0; i < 16; i++) {
        const one = this.#banked(cpu, (offset - D.ICFGR) * 4 + i, own);
        if (one !== undefined && b[one + I.edge] !== 0) value |= 2 << (2 * i);
      }
    } else if (offset >= D.IGROUPR && offset < D.IPRIORITYR) {
      for (let i = 0; i < 32; i++) {
        const one = this.#banked(cpu, (offset & 0x7c) * 8 + i, own);
        if (one === undefined) continue;
        const at = offset & ~0x7f;
        const set = at === D.ISPENDR || at === D.ICPENDR ? this.#pends(one) : b[one + (at === D.IGROUPR ? I.group : at === D.ISENABLER || at === D.ICENABLER ? I.enabled : I.active)] !== 0;
        if (set) value |= 1 << i;
      }
    }
    return value >>> 0;
  }
  #setBits(cpu: number, offset: number, size: number, value: number, own = false): void {
    const b = this.#bytes;
    this.#locked(() => {
      if (offset >= D.IPRIORITYR && offset < D.ICFGR) {
        for (let i = 0; i < size; i++) {
          const one = this.#banked(cpu, offset - D.IPRIORITYR + i, own);
          if (one !== undefined) b[one + I.priority] = (value >>> (8 * i)) & 0xf8;
        }
      } else if (offset >= D.ICFGR && offset < D.ICFGR + 256) {
        for (let i = 0; i < 16; i++) {
          const id = (offset - D.ICFGR) * 4 + i, one = this.#banked(cpu, id, own);
          if (one !== undefined && id >= 16) b[one + I.edge] = (value >>> (2 * i + 1)) & 1;
        }
      } else if (offset >= D.IGROUPR && offset < D.IPRIORITYR) {
        for (let i = 0; i < 32; i++) {
          const one = this.#banked(cpu, (offset & 0x7c) * 8 + i, own), set = (value >>> i) & 1;
          if (one === undefined) continue;
          const at = offset & ~0x7f;
          if (at === D.IGROUPR) b[one + I.group] = set;
          else if (set !== 0) b[one + (BITS[at] as { readonly field: number }).field] = (BITS[at] as { readonly to: number }).to;
        }
      }
    });
  }
}
/** Registers whose ones do something. */
const BITS: Readonly<Record<number, { readonly field: number; readonly to: number }>> = {
  [D.ISENABLER]: { field: I.enabled, to: 1 }, [D.ICENABLER]: { field: I.enabled, to: 0 }, [D.ISPENDR]: { field: I.latch, to: 1 }, [D.ICPENDR]: { field: I.latch, to: 0 },
  [D.ISACTIVER]: { field: I.active, to: 1 }, [D.ICACTIVER]: { field: I.active, to: 0 },
};
