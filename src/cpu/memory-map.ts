// src/cpu/memory-map.ts — the guest's physical RAM as one CPU reaches it: regions of native memory, cut into windows of
// at most 2 GiB, where typed arrays are fast. A RAM page number is window * 2^19 + page within the window.
// Everything outside a region is MMIO.
import { NativeMemory, WINDOW } from "../../ffi/memory.ts";
import type { PhysicalMemory } from "./mmu/walk.ts";

const PAGES_PER_WINDOW = WINDOW / 4096;

interface Region { readonly base: number; readonly end: number; readonly memory: NativeMemory; readonly firstPage: number; readonly readOnly: boolean; visible: boolean }

/** One byte per 64-byte line of RAM, by RAM page number: not zero once generated code was made from it. */
export class CodeLines {
  #memory: NativeMemory | undefined;
  #bytes = new Uint8Array(0);
  get prepared(): boolean { return this.#memory !== undefined; }
  /** Makes the bytes, for RAM of so many windows: until then there is no generated code. Returns their host address. */
  prepare(windows: number): number {
    if (this.#memory === undefined) {
      this.#memory = NativeMemory.allocate(windows * (WINDOW / 64));
      this.#bytes = new Uint8Array(this.#memory.window(0));
    }
    return this.#memory.pointer;
  }
  /** Takes those that another thread made. */
  share(pointer: number, windows: number): void {
    this.#memory = NativeMemory.at(pointer, windows * (WINDOW / 64));
    this.#bytes = new Uint8Array(this.#memory.window(0));
  }
  /** Notes a word of a page. */
  add(page: number, word: number): void { this.#bytes[page * 64 + (word >>> 4)] = 1; }
  /** Whether code was made from the line that an address lies in. */
  has(page: number, address: number): boolean { return (this.#bytes[page * 64 + ((address & 4095) >>> 6)] ?? 0) !== 0; }
}

export class MemoryMap implements PhysicalMemory {
  readonly #regions: Region[] = [];
  /** One view per window, by window number. */
  readonly views: DataView[] = [];
  readonly words: Int32Array[] = [];
  /** For accesses that must not be seen in halves by other threads. */
  readonly doubles: BigInt64Array[] = [];
  /** Host address of each window. */
  readonly hosts: number[] = [];
  readonly codeLines: CodeLines = new CodeLines();

  /** Adds a region. `base` and `size` are multiples of 4 KiB. Generated code relies on what is there when it begins. */
  add(base: number, memory: NativeMemory, size: number, readOnly: boolean): void {
    if (this.codeLines.prepared) throw new Error("RAM must be added before the first core is made");
    const firstPage = this.views.length * PAGES_PER_WINDOW;
    for (let i = 0; i * WINDOW < size; i++) {
      const buffer = memory.window(i);
      this.views.push(new DataView(buffer));
      this.words.push(new Int32Array(buffer));
      this.doubles.push(new BigInt64Array(buffer));
      this.hosts.push(memory.pointer + i * WINDOW);
    }
    this.#regions.push({ base, end: base + size, memory, firstPage, readOnly, visible: true });
  }

  /** The RAM page number that holds a physical address, or -1. */
  page(pa: number): number {
    const regions = this.#regions;
    for (let i = 0; i < regions.length; i++) {
      const r = regions[i] as Region;
      if (pa >= r.base && pa < r.end && r.visible) return r.firstPage + Math.floor((pa - r.base) / 4096);
    }
    return -1;
  }
  /** What `add` was given, in its order. */
  get regions(): readonly { readonly base: number; readonly memory: NativeMemory; readonly size: number; readonly readOnly: boolean }[] {
    return this.#regions.map(({ base, memory, end, readOnly }) => ({ base, memory, size: end - base, readOnly }));
  }
  /** Where its regions start, hidden ones too. */
  get bases(): readonly number[] { return this.#regions.map(region => region.base); }
  /** Makes the region at `base` be there or not: outside of generated code's own reach. Cores must flush their TLBs. */
  show(base: number, visible: boolean): void {
    for (const r of this.#regions) if (r.base === base) r.visible = visible;
  }
  readOnly(pa: number): boolean {
    for (const r of this.#regions) if (pa >= r.base && pa < r.end) return r.readOnly;
    return false;
  }
  hostPage(page: number): number {
    return (this.hosts[Math.floor(page / PAGES_PER_WINDOW)] as number) + (page % PAGES_PER_WINDOW) * 4096;
  }
  host(pa: number): number {
    const page = this.page(pa);
    return page < 0 ? 0 : this.hostPage(page) + (pa % 4096);
  }
  /** The largest region that can be written: what generated code reaches by itself. */
  get main(): { readonly base: number; readonly size: number; readonly host: number; readonly firstPage: number } {
    const writable = this.#regions.filter(one => !one.readOnly).toSorted((a, b) => (b.end - b.base) - (a.end - a.base));
    const [largest] = writable;
    return largest === undefined ? { base: 0, size: 0, host: 0, firstPage: 0 }
      : { base: largest.base, size: largest.end - largest.base, host: largest.memory.pointer, firstPage: largest.firstPage };
  }
  /** Result of `readDouble` and `loadWhole`. */
  lo = 0;
  hi = 0;
  // Aligned accesses of 8 bytes are single-copy atomic (ARM DDI 0487, B2.2.1): where other cores look on, not in halves.
  loadWhole(page: number, at: number): void {
    const value = (this.doubles[page >>> 19] as BigInt64Array)[at / 8] as bigint;
    this.lo = Number(BigInt.asIntN(32, value));
    this.hi = Number(value >> 32n);
  }
  storeWhole(page: number, at: number, lo: number, hi: number): void {
    (this.doubles[page >>> 19] as BigInt64Array)[at / 8] = (BigInt(hi) << 32n) | BigInt(lo >>> 0);
  }
  readDouble(pa: number): boolean {
    const page = this.page(pa);
    if (page < 0) return false;
    const view = this.views[page >>> 19] as DataView;
    const at = (page & 0x7ffff) * 4096 + (pa % 4096);
    for (;;) { // another core may write it at the same time: both halves must be of one value
      const lo = view.getInt32(at, true), hi = view.getInt32(at + 4, true);
      if (view.getInt32(at, true) !== lo) continue;
      this.lo = lo;
      this.hi = hi;
      return true;
    }
  }
  readWord(pa: number): number | undefined {
    const page = this.page(pa);
    if (page < 0) return undefined;
    return (this.views[page >>> 19] as DataView).getInt32((page & 0x7ffff) * 4096 + (pa % 4096), true);
  }
}
