// src/disk/qcow2/mapping.ts — the two levels of tables from the guest's clusters to those of the file.
// Spec: QEMU's docs/interop/qcow2.txt, "Cluster mapping". Changes stay in memory until a flush takes them: an entry may
// reach the medium only behind what it points to.
import { writeAll, type DiskFile } from "../file.ts";
import type { Qcow2Header } from "./header.ts";
import { Corruption, type Places } from "./places.ts";
import type { Refcounts } from "./refcounts.ts";

/** Bits of the upper half of an entry. */
export const ENTRY = { COPIED: 0x8000_0000, COMPRESSED: 0x4000_0000, OFFSET_HI: 0x00ff_ffff, OFFSET_LO: 0xffff_fe00, ZERO_LO: 1 } as const;
/** Bytes of L2 tables that are kept. */
const CACHE = 16 * 1024 * 1024;
const SECTOR = 512;

/** The file offset in an entry. */
export const offsetOf = (hi: number, lo: number): number => ((hi & ENTRY.OFFSET_HI) >>> 0) * 2 ** 32 + ((lo & ENTRY.OFFSET_LO) >>> 0);

export interface L2Table {
  readonly at: number;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Bytes that differ on the medium. */
  from: number;
  to: number;
  /** A flush holds a copy of its bytes that it has not written. */
  pinned: boolean;
}
/** What a flush is going to write: as it was when the flush began. */
export interface TakenTables {
  readonly l2: readonly { readonly table: L2Table; readonly from: number; readonly bytes: Uint8Array }[];
  readonly l1: readonly { readonly index: number; readonly bytes: Uint8Array }[];
}

export class Mapping {
  readonly #file: DiskFile;
  readonly #places: Places;
  readonly #refcounts: Refcounts;
  readonly #cluster: number;
  #l1Offset: number;
  #l1: DataView;
  readonly #l1Dirty: Set<number> = new Set();
  readonly #tables: Map<number, L2Table> = new Map();
  readonly #room: number;
  readonly #wires: { readonly flush: () => void; readonly free: (cluster: number) => void };
  readonly perTable: number;

  /** `flush` makes everything durable, now; `free` lets go of a cluster when nothing on the medium names it any more. */
  constructor(file: DiskFile, header: Qcow2Header, places: Places, refcounts: Refcounts, wires: { readonly flush: () => void; readonly free: (cluster: number) => void }) {
    this.#file = file;
    this.#places = places;
    this.#refcounts = refcounts;
    this.#wires = wires;
    this.#cluster = places.cluster;
    this.perTable = this.#cluster / 8;
    this.#l1Offset = header.l1Offset;
    this.#room = Math.max(8, Math.floor(CACHE / this.#cluster));
    const bytes = new Uint8Array(header.l1Size * 8);
    if (bytes.length > 0) places.read(header.l1Offset, bytes);
    this.#l1 = new DataView(bytes.buffer);
  }

  /** The L1 table, its place and its number of entries as they are now. */
  get l1(): DataView { return this.#l1; }
  get l1Offset(): number { return this.#l1Offset; }
  get l1Size(): number { return this.#l1.byteLength / 8; }
  /** It lies elsewhere from now on, and is longer. */
  moveL1(offset: number, bytes: Uint8Array<ArrayBuffer>): void {
    this.#l1Offset = offset;
    this.#l1 = new DataView(bytes.buffer);
  }

  /** Offset in an L1 entry; 0: no table. Throws for what is none. */
  tableAt(index: number): number {
    const at = offsetOf(this.l1.getUint32(8 * index), this.l1.getUint32(8 * index + 4));
    if (at % this.#cluster !== 0) throw new Corruption(`L2 table ${index} is at 0x${at.toString(16)}`);
    return at;
  }
  /** A table to read from; undefined when there is none. */
  peek(index: number): L2Table | undefined {
    const found = this.#tables.get(index);
    if (found !== undefined) return found;
    const at = this.tableAt(index);
    return at === 0 ? undefined : this.#load(index, at);
  }
  /** A table of our own, to change. */
  own(index: number): L2Table {
    const at = this.tableAt(index);
    if (at === 0) return this.#fresh(index, new Uint8Array(this.#cluster));
    const found = this.peek(index) as L2Table;
    if ((this.l1.getUint32(8 * index) & ENTRY.COPIED) !== 0) return found;
    if (this.#refcounts.get(at / this.#cluster) === 1) {
      this.#setL1(index, at);
      return found;
    }
    const copy = this.#fresh(index, found.bytes.slice()); // a snapshot has it too
    this.#wires.free(at / this.#cluster);
    return copy;
  }
  set(table: L2Table, i: number, hi: number, lo: number): void {
    table.view.setUint32(8 * i, hi);
    table.view.setUint32(8 * i + 4, lo);
    table.from = Math.min(table.from, 8 * i);
    table.to = Math.max(table.to, 8 * i + 8);
  }

  get dirty(): boolean {
    if (this.#l1Dirty.size > 0) return true;
    for (const table of this.#tables.values()) if (table.to > 0) return true;
    return false;
  }
  take(): TakenTables {
    const l2 = [], l1 = [];
    for (const table of this.#tables.values()) {
      if (table.to === 0) continue;
      const from = table.from - (table.from % SECTOR), to = Math.min(this.#cluster, Math.ceil(table.to / SECTOR) * SECTOR);
      l2.push({ table, from, bytes: table.bytes.slice(from, to) });
      [table.from, table.to, table.pinned] = [Number.POSITIVE_INFINITY, 0, true];
    }
    for (const index of this.#l1Dirty) l1.push({ index, bytes: new Uint8Array(this.l1.buffer.slice(8 * index, 8 * index + 8)) });
    this.#l1Dirty.clear();
    return { l2, l1 };
  }
  store(taken: TakenTables): void {
    for (const { table, from, bytes } of taken.l2) writeAll(this.#file, table.at + from, bytes);
    for (const { index, bytes } of taken.l1) writeAll(this.#file, this.#l1Offset + 8 * index, bytes);
  }
  /** The flush is over. */
  release(taken: TakenTables): void { for (const { table } of taken.l2) table.pinned = false; }
  /** The flush did not come to its end. */
  giveBack(taken: TakenTables): void {
    for (const { table, from, bytes } of taken.l2) {
      table.from = Math.min(table.from, from);
      table.to = Math.max(table.to, from + bytes.length);
    }
    for (const { index } of taken.l1) this.#l1Dirty.add(index);
  }

  #setL1(index: number, at: number): void {
    this.l1.setUint32(8 * index, (ENTRY.COPIED | Math.floor(at / 2 ** 32)) >>> 0);
    this.l1.setUint32(8 * index + 4, at >>> 0);
    this.#l1Dirty.add(index);
  }
  #load(index: number, at: number): L2Table {
    if (this.#places.isMetadata(at / this.#cluster) && !this.#places.isL2(at / this.#cluster)) throw new Corruption(`L2 table ${index} lies on other metadata, at 0x${at.toString(16)}`);
    const bytes = new Uint8Array(this.#cluster);
    this.#places.read(at, bytes);
    return this.#keep(index, { at, bytes, view: new DataView(bytes.buffer), from: Number.POSITIVE_INFINITY, to: 0, pinned: false });
  }
  /** A new table with these entries: it is on the file before a flush lets the L1 table name it. */
  #fresh(index: number, bytes: Uint8Array): L2Table {
    const { first } = this.#refcounts.allocate(1);
    this.#places.grow(first, 1);
    const at = first * this.#cluster;
    writeAll(this.#file, at, bytes);
    this.#places.addL2(first);
    this.#setL1(index, at);
    return this.#keep(index, { at, bytes, view: new DataView(bytes.buffer), from: Number.POSITIVE_INFINITY, to: 0, pinned: false });
  }
  #keep(index: number, table: L2Table): L2Table {
    if (this.#tables.size >= this.#room) {
      for (const other of this.#tables.values()) {
        if (other.to === 0 && !other.pinned) continue;
        this.#wires.flush(); // rare: the tables kept map gigabytes
        break;
      }
      // the older half goes: which are used again soon, nobody knows
      let n = this.#tables.size >> 1;
      for (const key of this.#tables.keys()) {
        if (n-- <= 0) break;
        this.#tables.delete(key);
      }
    }
    this.#tables.set(index, table);
    return table;
  }
}
