// devices/gic/lpi.ts — locality-specific peripheral interrupts of a GICv3: per CPU the tables that GICR_PROPBASER and
// GICR_PENDBASER name, and which interrupts pend. Spec: IHI 0069, 5.1 (LPIs), 5.1.1 (configuration table), 5.1.2 (pending table),
// 12.11 (GICR_CTLR, PROPBASER, PENDBASER). LPIs are of group 1, edge-triggered, and have no active state.
// A configuration is read when its interrupt becomes pending, and again when an ITS command says that it changed. The
// pending table is read when LPIs are enabled and written when they are disabled; meanwhile it is kept here.
// Left out: direct injection (SETLPIR and its kin are RAZ/WI), the caches that memory attributes speak of.
import type { GuestMemory, Trace } from "../device.ts";

/** The first of them. */
export const LPI_FIRST = 8192;
/** GICD_TYPER.IDbits: ids have 14 bits, so there are 8192 LPIs. */
export const ID_BITS = 14;
const LPIS = 2 ** ID_BITS - LPI_FIRST;
const CONFIG_ENABLE = 1, CONFIG_PRIORITY = 0xf8;
const NONE = 0x7fff_ffff;
/** PTZ: the pending table is all zero. In the upper half, and reads as zero. */
const PTZ = 1 << 30;
/** The bits of both registers that can be written: address, cacheability, shareability; and IDbits. */
const PROP_LO = 0xffff_ff9f, PEND_LO = 0xffff_0f80, HIGH = 0x070f_ffff;

/** One element per CPU. */
export interface LpiState {
  enabled: Uint8Array; propLo: Uint32Array; propHi: Uint32Array; pendLo: Uint32Array; pendHi: Uint32Array;
  /** Interrupts that pend, each with its configuration. */ pending: Map<number, number>[];
}
const initial = (cpus: number): LpiState => ({
  enabled: new Uint8Array(cpus), propLo: new Uint32Array(cpus), propHi: new Uint32Array(cpus), pendLo: new Uint32Array(cpus), pendHi: new Uint32Array(cpus),
  pending: Array.from({ length: cpus }, () => new Map()),
});

export interface LpiWires {
  readonly cpus: number;
  readonly memory: GuestMemory;
  /** The most urgent interrupt of this CPU may have changed. */
  readonly changed: (cpu: number) => void;
  readonly trace: Trace;
}

export class Lpis {
  #s: LpiState;
  readonly #wires: LpiWires;
  /** Per CPU the most urgent one that is enabled, as priority << 16 | id. Derived. */
  readonly #best: Int32Array;
  readonly #byte = new Uint8Array(1);
  constructor(wires: LpiWires) {
    this.#wires = wires;
    this.#s = initial(wires.cpus);
    this.#best = new Int32Array(wires.cpus).fill(NONE);
  }
  get cpus(): number { return this.#wires.cpus; }

  /** The most urgent one of a CPU as priority << 16 | id; 0x7fff_ffff: none. */
  best(cpu: number): number { return this.#best[cpu]!; }
  /** The CPU has acknowledged it. */
  acknowledge(cpu: number, id: number): void {
    this.#s.pending[cpu]?.delete(id);
    this.#choose(cpu);
  }
  isPending(cpu: number, id: number): boolean { return this.#s.pending[cpu]?.has(id) === true; }
  /** Makes it pend. Nothing comes of ids that the CPU's tables do not reach, nor while LPIs are disabled there. */
  setPending(cpu: number, id: number): void {
    const config = this.#configuration(cpu, id);
    if (config === undefined) return this.#wires.trace.note("lpi", "not in the CPU's tables", cpu, id);
    this.#s.pending[cpu]?.set(id, config);
    this.#changed(cpu);
  }
  clearPending(cpu: number, id: number): void {
    if (this.#s.pending[cpu]?.delete(id) === true) this.#changed(cpu);
  }
  /** Reads configurations again: of one, or of all that pend. */
  refresh(cpu: number, id?: number): void {
    const pending = this.#s.pending[cpu];
    if (pending === undefined || (id !== undefined && !pending.has(id))) return;
    for (const one of id === undefined ? [...pending.keys()] : [id]) pending.set(one, this.#configuration(cpu, one) ?? 0);
    this.#changed(cpu);
  }
  /** What pends at one CPU pends at another from now on: one, or all. */
  move(from: number, to: number, id?: number): void {
    const pending = this.#s.pending[from];
    if (from === to || pending === undefined || (id !== undefined && !pending.has(id))) return;
    const moved = id === undefined ? [...pending.keys()] : [id];
    for (const one of moved) {
      pending.delete(one);
      const config = this.#configuration(to, one);
      if (config !== undefined) this.#s.pending[to]?.set(one, config);
    }
    this.#changed(from);
    this.#changed(to);
  }

  /** GICR_CTLR.EnableLPIs. */
  enabled(cpu: number): boolean { return this.#s.enabled[cpu] === 1; }
  enable(cpu: number, on: boolean): void {
    const s = this.#s, pending = s.pending[cpu];
    if (pending === undefined || on === this.enabled(cpu)) return;
    if (!on) {
      this.#writeTable(cpu, pending);
      pending.clear();
    }
    s.enabled[cpu] = on ? 1 : 0;
    if (on) this.#readTable(cpu, pending);
    this.#changed(cpu);
  }
  /** Word 0 and 1 of GICR_PROPBASER, 2 and 3 of GICR_PENDBASER. */
  base(cpu: number, word: number): number {
    const s = this.#s;
    return [s.propLo, s.propHi, s.pendLo, s.pendHi][word]![cpu]! & (word === 3 ? ~PTZ : -1);
  }
  /** Ignored while LPIs are enabled: UNPREDICTABLE by 12.11. */
  setBase(cpu: number, word: number, value: number): void {
    const s = this.#s;
    if (this.enabled(cpu)) return this.#wires.trace.note("gicr", "a table cannot be moved while LPIs are enabled", word, value);
    [s.propLo, s.propHi, s.pendLo, s.pendHi][word]![cpu] = value & ([PROP_LO, HIGH, PEND_LO, HIGH | PTZ][word] as number);
  }

  reset(): void {
    this.#s = initial(this.#wires.cpus);
    this.#best.fill(NONE);
  }
  snapshot(): LpiState { return structuredClone(this.#s); }
  restore(state: LpiState): void {
    this.#s = structuredClone(state);
    for (let cpu = 0; cpu < this.#wires.cpus; cpu++) this.#choose(cpu);
  }

  #changed(cpu: number): void {
    this.#choose(cpu);
    this.#wires.changed(cpu);
  }
  #choose(cpu: number): void {
    let best = NONE;
    for (const [id, config] of this.#s.pending[cpu] ?? []) {
      const candidate = (config & CONFIG_PRIORITY) << 16 | id;
      if ((config & CONFIG_ENABLE) !== 0 && candidate < best) best = candidate;
    }
    this.#best[cpu] = best;
  }
  /** How many LPIs the tables of a CPU hold. */
  #count(cpu: number): number { return Math.max(0, Math.min(LPIS, 2 ** ((this.#s.propLo[cpu]! & 31) + 1) - LPI_FIRST)); }
  #configuration(cpu: number, id: number): number | undefined {
    const s = this.#s;
    if (!this.enabled(cpu) || id < LPI_FIRST || id - LPI_FIRST >= this.#count(cpu)) return undefined;
    const table = (s.propHi[cpu]! & 0xf_ffff) * 2 ** 32 + ((s.propLo[cpu]! & ~0xfff) >>> 0);
    return this.#wires.memory.read(table + id - LPI_FIRST, this.#byte) ? this.#byte[0] as number : undefined;
  }
  /** Where the pending bits of LPIs are: the table begins with those of other ids. */
  #pendingBits(cpu: number): number {
    const s = this.#s;
    return (s.pendHi[cpu]! & 0xf_ffff) * 2 ** 32 + ((s.pendLo[cpu]! & ~0xffff) >>> 0) + LPI_FIRST / 8;
  }
  #readTable(cpu: number, pending: Map<number, number>): void {
    if ((this.#s.pendHi[cpu]! & PTZ) !== 0) return;
    const bits = new Uint8Array(Math.ceil(this.#count(cpu) / 8));
    if (!this.#wires.memory.read(this.#pendingBits(cpu), bits)) return this.#wires.trace.note("gicr", "the pending table is outside of memory", cpu, 0);
    bits.forEach((byte, i) => {
      for (let bit = 0; byte >> bit !== 0; bit++) if ((byte >> bit & 1) !== 0) pending.set(LPI_FIRST + 8 * i + bit, this.#configuration(cpu, LPI_FIRST + 8 * i + bit) ?? 0);
    });
  }
  #writeTable(cpu: number, pending: ReadonlyMap<number, number>): void {
    const bits = new Uint8Array(Math.ceil(this.#count(cpu) / 8));
    for (const id of pending.keys()) bits[(id - LPI_FIRST) >> 3]! |= 1 << ((id - LPI_FIRST) & 7);
    if (!this.#wires.memory.write(this.#pendingBits(cpu), bits)) this.#wires.trace.note("gicr", "the pending table is outside of memory", cpu, 0);
  }
}
