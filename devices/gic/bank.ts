// devices/gic/bank.ts — a bank of interrupts of a GICv3: 32 to a word, and the registers that both the Distributor (SPIs)
// and each Redistributor (SGIs and PPIs) have for them at the same offsets. Spec: IHI 0069, ch. 4 (states), 12.9 (GICD_*) and
// 12.11 (GICR_*). One security state, five bits of priority. Sub-word accesses work on every register.
import { readLane, writeLane } from "../lane.ts";

/** Register offsets: of GICD_*, and of GICR_* in the SGI frame. */
const Reg = {
  IGROUPR: 0x080, ISENABLER: 0x100, ICENABLER: 0x180, ISPENDR: 0x200, ICPENDR: 0x280, ISACTIVER: 0x300, ICACTIVER: 0x380,
  IPRIORITYR: 0x400, ITARGETSR: 0x800, ICFGR: 0xc00, END: 0xd00,
} as const;
/** Priority bits that are there: 32 levels. */
export const PRIORITY_MASK = 0xf8;

export interface BankState {
  group: Uint32Array; enabled: Uint32Array;
  /** Pending by edge, by SGI or by ISPENDR; a level-sensitive interrupt also pends while its input is high. */
  latch: Uint32Array; active: Uint32Array;
  /** 1 = edge-triggered. */ edge: Uint32Array;
  priority: Uint8Array;
  /** Inputs: the outside drives these. */ level: Uint32Array;
}
/** `edges`: which interrupts of a word are edge-triggered at reset. */
export const bankState = (words: number, edges: number): BankState => ({
  group: new Uint32Array(words), enabled: new Uint32Array(words), latch: new Uint32Array(words), active: new Uint32Array(words),
  edge: new Uint32Array(words).fill(edges), priority: new Uint8Array(words * 32), level: new Uint32Array(words),
});

/** Which words of a bank a frame of registers shows: its word `skip` is word `first`, and so on for `count` words. */
export interface BankView { readonly skip: number; readonly first: number; readonly count: number }

/** The interrupts of a word that pend. */
export const pendingOf = (s: BankState, word: number): number => s.latch[word]! | (s.level[word]! & ~s.edge[word]!);
/** The outside drives an input; true when it changed. */
export function drive(s: BankState, word: number, bit: number, level: boolean): boolean {
  const before = s.level[word]!;
  if (((before & bit) !== 0) === level) return false;
  s.level[word] = before ^ bit;
  if (level && (s.edge[word]! & bit) !== 0) s.latch[word]! |= bit;
  return true;
}

/** The word of a bank behind word `n` of a frame, or -1: RAZ/WI. */
const place = (view: BankView, n: number): number => (n >= view.skip && n < view.skip + view.count ? view.first + n - view.skip : -1);

/** True when the register at `at` (a multiple of 4) is one of a bank. */
export const inBank = (at: number): boolean => at >= Reg.IGROUPR && at < Reg.END;

/** A register's 32 bits. */
export function readBank(s: BankState, view: BankView, at: number): number {
  if (at >= Reg.ICFGR) {
    const index = (at - Reg.ICFGR) >> 2;
    const word = place(view, index >> 1);
    return word < 0 ? 0 : spread(s.edge[word]! >>> ((index & 1) * 16));
  }
  if (at >= Reg.ITARGETSR) return 0; // affinity routing
  if (at >= Reg.IPRIORITYR) {
    const id = at - Reg.IPRIORITYR;
    const word = place(view, id >> 5);
    return word < 0 ? 0 : fourBytes(s.priority, word * 32 + (id & 31));
  }
  const word = place(view, (at & 0x7f) >> 2);
  if (word < 0) return 0;
  switch (at & ~0x7f) {
    case Reg.IGROUPR: return s.group[word]!;
    case Reg.ISENABLER: case Reg.ICENABLER: return s.enabled[word]!;
    case Reg.ISPENDR: case Reg.ICPENDR: return pendingOf(s, word) >>> 0;
    default: return s.active[word]!;
  }
}

/** `fixed`: the interrupts of a word whose configuration is read-only. */
export function writeBank(s: BankState, view: BankView, offset: number, size: number, value: number, fixed: number): void {
  const at = offset & ~3;
  if (at >= Reg.ICFGR) {
    const index = (at - Reg.ICFGR) >> 2;
    const word = place(view, index >> 1);
    if (word < 0) return;
    const shift = (index & 1) * 16;
    const changes = (0xffff << shift) & ~fixed;
    s.edge[word] = (s.edge[word]! & ~changes) | ((gather(writeLane(readBank(s, view, at), offset, size, value)) << shift) & changes);
    return;
  }
  if (at >= Reg.ITARGETSR) return;
  if (at >= Reg.IPRIORITYR) {
    const id = offset - Reg.IPRIORITYR;
    const word = place(view, id >> 5);
    const past = Math.min((offset & 3) + size, 4) - (offset & 3);
    for (let n = 0; word >= 0 && n < past; n++) s.priority[word * 32 + (id & 31) + n] = (value >>> (n * 8)) & PRIORITY_MASK;
    return;
  }
  const word = place(view, (at & 0x7f) >> 2);
  if (word < 0) return;
  const bits = writeLane(0, offset, size, value);
  switch (at & ~0x7f) {
    case Reg.IGROUPR: s.group[word] = writeLane(s.group[word]!, offset, size, value); break;
    case Reg.ISENABLER: s.enabled[word]! |= bits; break;
    case Reg.ICENABLER: s.enabled[word]! &= ~bits; break;
    case Reg.ISPENDR: s.latch[word]! |= bits; break;
    case Reg.ICPENDR: s.latch[word]! &= ~bits; break;
    case Reg.ISACTIVER: s.active[word]! |= bits; break;
    default: s.active[word]! &= ~bits;
  }
}

/** Reads a register through its lanes. */
export const readBankLane = (s: BankState, view: BankView, offset: number, size: number): number => readLane(readBank(s, view, offset & ~3), offset, size);

/** Two bits per interrupt of ICFGR; only the high one means anything. */
function spread(half: number): number {
  let value = 0;
  for (let n = 0; n < 16; n++) value |= ((half >>> n) & 1) << (2 * n + 1);
  return value >>> 0;
}
function gather(value: number): number {
  let half = 0;
  for (let n = 0; n < 16; n++) half |= ((value >>> (2 * n + 1)) & 1) << n;
  return half;
}
const fourBytes = (bytes: Uint8Array, at: number): number =>
  (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
