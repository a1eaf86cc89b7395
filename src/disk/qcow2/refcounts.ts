// src/disk/qcow2/refcounts.ts — how often each cluster of the file is used, and where the next free one is.
// Spec: QEMU's docs/interop/qcow2.txt, "Host cluster management". A count may be too high on the medium (a leak), never too
// low: see docs/disks.md for the order in which things reach it.
import { writeAll, type DiskFile } from "../file.ts";
import { Field, type Qcow2Header } from "./header.ts";
import { Corruption, type Places } from "./places.ts";

/** Bytes of refcount blocks that are kept. */
const CACHE = 8 * 1024 * 1024;

interface Block {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  dirty: boolean;
}

export class Refcounts {
  readonly #file: DiskFile;
  readonly #places: Places;
  readonly #cluster: number;
  readonly #order: number;
  readonly #max: number;
  /** Clusters that one block counts. */
  readonly perBlock: number;
  /** File offsets of the blocks; 0: none, every count is zero. */
  #table: Float64Array;
  #tableOffset: number;
  #tableClusters: number;
  /** Entries of the table that differ on the medium. */
  #entries: Set<number> = new Set();
  readonly #blocks: Map<number, Block> = new Map();
  readonly #room: number;
  /** No free cluster is before this one. */
  #hint = 1;

  constructor(file: DiskFile, header: Qcow2Header, places: Places) {
    this.#file = file;
    this.#places = places;
    this.#cluster = 2 ** header.clusterBits;
    this.#order = header.refcountOrder;
    this.#max = header.refcountOrder >= 5 ? 0xffff_ffff : 2 ** 2 ** header.refcountOrder - 1;
    this.perBlock = (this.#cluster * 8) / 2 ** header.refcountOrder;
    this.#room = Math.max(4, Math.floor(CACHE / this.#cluster));
    this.#tableOffset = header.refcountTableOffset;
    this.#tableClusters = header.refcountTableClusters;
    const bytes = new Uint8Array(this.#tableClusters * this.#cluster), view = new DataView(bytes.buffer);
    places.read(this.#tableOffset, bytes);
    // bits 9 to 63 are the offset; lower ones are reserved
    this.#table = Float64Array.from({ length: bytes.length / 8 }, (_, i) => view.getUint32(8 * i) * 2 ** 32 + ((view.getUint32(8 * i + 4) & ~0x1ff) >>> 0));
  }

  /** Offsets of all blocks, by index. */
  get blocks(): Float64Array { return this.#table; }
  get tableOffset(): number { return this.#tableOffset; }
  get tableClusters(): number { return this.#tableClusters; }
  get max(): number { return this.#max; }

  get(cluster: number): number {
    const block = this.#block(Math.floor(cluster / this.perBlock));
    return block === undefined ? 0 : this.#read(block, cluster % this.perBlock);
  }
  /** Adds to a count; the new one. Throws Corruption when that cannot be. */
  add(cluster: number, by: number): number {
    const index = Math.floor(cluster / this.perBlock);
    const block = by > 0 ? this.#ensure(index) : this.#block(index);
    const now = block === undefined ? -1 : this.#read(block, cluster % this.perBlock) + by;
    if (now < 0 || now > this.#max) throw new Corruption(`cluster ${cluster} would be used ${now} times`);
    this.#write(block as Block, cluster % this.perBlock, now);
    if (now === 0 && cluster < this.#hint) this.#hint = cluster;
    return now;
  }
  /** For repair. */
  set(cluster: number, count: number): void {
    this.#write(this.#ensure(Math.floor(cluster / this.perBlock)), cluster % this.perBlock, count);
    if (count === 0 && cluster < this.#hint) this.#hint = cluster;
  }
  /** Up to `most` free clusters in a row, from now on used once. */
  allocate(most: number): { readonly first: number; readonly count: number } {
    for (let cluster = this.#hint; ;) {
      const index = Math.floor(cluster / this.perBlock), block = this.#ensure(index);
      const end = (index + 1) * this.perBlock;
      let first = cluster;
      while (first < end && this.#read(block, first % this.perBlock) !== 0) first++;
      if (first === end) {
        cluster = end;
        continue;
      }
      let count = 0;
      while (count < most && first + count < end && this.#read(block, (first + count) % this.perBlock) === 0) {
        this.#places.refuse(first + count, "a free cluster");
        this.#write(block, (first + count) % this.perBlock, 1);
        count++;
      }
      this.#hint = first + count;
      return { first, count };
    }
  }
  /** `count` free clusters in a row behind everything that is counted; for tables. */
  allocateTable(count: number): number {
    // Free clusters in a row within one block, else whole blocks' worth: tables are rare.
    for (let first = this.#hint, length = 0, cluster = first; ; cluster++) {
      if (this.get(cluster) !== 0) {
        [first, length] = [cluster + 1, 0];
        continue;
      }
      this.#ensure(Math.floor(cluster / this.perBlock)); // may use up this very cluster
      if (this.get(cluster) !== 0) {
        [first, length] = [cluster + 1, 0];
        continue;
      }
      if (++length < count) continue;
      for (let n = 0; n < count; n++) {
        this.#places.refuse(first + n, "a free cluster");
        this.set(first + n, 1);
      }
      return first;
    }
  }

  /** Counts on the medium are as here; then, behind a sync, `writeEntries`. */
  writeBlocks(): boolean {
    let wrote = false;
    for (const [index, block] of this.#blocks) {
      if (!block.dirty) continue;
      this.#store(index, block);
      wrote = true;
    }
    return wrote;
  }
  /** Entries of the refcount table that are not on the medium: only when their blocks are. */
  takeEntries(): ReadonlySet<number> {
    const taken = this.#entries;
    this.#entries = new Set();
    return taken;
  }
  /** They could not be written. */
  giveBack(entries: ReadonlySet<number>): void { for (const one of entries) this.#entries.add(one); }
  writeEntries(entries: ReadonlySet<number>): void {
    const cell = new Uint8Array(8), view = new DataView(cell.buffer);
    for (const index of entries) {
      view.setBigUint64(0, BigInt(this.#table[index] as number));
      writeAll(this.#file, this.#tableOffset + 8 * index, cell);
    }
  }

  #block(index: number): Block | undefined {
    const found = this.#blocks.get(index);
    if (found !== undefined) return found;
    const at = this.#table[index] ?? 0;
    if (at === 0) return undefined;
    if (at % this.#cluster !== 0 || !Number.isSafeInteger(at)) throw new Corruption(`refcount block ${index} is at 0x${at.toString(16)}`);
    const bytes = new Uint8Array(this.#cluster);
    this.#places.read(at, bytes);
    return this.#keep(index, bytes);
  }
  #keep(index: number, bytes: Uint8Array): Block {
    for (const [other, block] of this.#blocks) {
      if (this.#blocks.size < this.#room) break;
      if (block.dirty) this.#store(other, block); // early is never wrong: counts only grow before a flush
      this.#blocks.delete(other);
    }
    const block = { bytes, view: new DataView(bytes.buffer), dirty: false };
    this.#blocks.set(index, block);
    return block;
  }
  #store(index: number, block: Block): void {
    writeAll(this.#file, this.#table[index] as number, block.bytes);
    block.dirty = false;
  }
  /** The block of an index; a new one is its own first user. */
  #ensure(index: number): Block {
    const found = this.#block(index);
    if (found !== undefined) return found;
    if (index >= this.#table.length) this.#grow(index);
    const there = this.#block(index);
    if (there !== undefined) return there;
    const cluster = index * this.perBlock;
    this.#places.refuse(cluster, "a new refcount block");
    return this.#newBlock(index, cluster);
  }
  #newBlock(index: number, cluster: number): Block {
    this.#places.grow(cluster, 1);
    const block = this.#keep(index, new Uint8Array(this.#cluster));
    this.#table[index] = cluster * this.#cluster;
    this.#entries.add(index);
    this.#places.add(cluster);
    const own = this.#blocks.get(Math.floor(cluster / this.perBlock));
    if (own !== undefined) this.#write(own, cluster % this.perBlock, 1);
    block.dirty = true;
    return block;
  }
  /** A larger table, behind everything: written and synced before the header says so. */
  #grow(index: number): void {
    const old = { offset: this.#tableOffset, clusters: this.#tableClusters }, from = this.#table.length, perCluster = this.#cluster / 8;
    let clusters = Math.ceil(Math.max(index + 2, from * 1.5) / perCluster);
    let blocks = 0;
    for (let again = true; again;) {
      blocks = Math.ceil((clusters + blocks) / this.perBlock);
      again = Math.ceil((clusters + blocks) / this.perBlock) > blocks;
      if (from + blocks + 1 > clusters * perCluster) {
        clusters = Math.ceil((from + blocks + 1) / perCluster);
        again = true;
      }
    }
    const table = new Float64Array(clusters * perCluster);
    table.set(this.#table);
    const start = from * this.perBlock;
    for (let n = 0; n < clusters + blocks; n++) this.#places.refuse(start + n, "a new refcount table");
    this.#places.grow(start, clusters + blocks);
    this.#table = table;
    for (let n = 0; n < blocks; n++) this.#newBlock(from + n, start + clusters + n);
    for (let n = 0; n < clusters + blocks; n++) {
      const block = this.#block(Math.floor((start + n) / this.perBlock)) as Block;
      this.#write(block, (start + n) % this.perBlock, 1);
      this.#places.add(start + n);
    }
    const bytes = new Uint8Array(clusters * this.#cluster), view = new DataView(bytes.buffer);
    table.forEach((at, i) => { if (at !== 0) view.setBigUint64(8 * i, BigInt(at)); });
    this.writeBlocks();
    writeAll(this.#file, start * this.#cluster, bytes);
    this.#file.sync();
    const cell = new Uint8Array(12), fields = new DataView(cell.buffer);
    fields.setBigUint64(0, BigInt(start * this.#cluster));
    fields.setUint32(8, clusters);
    writeAll(this.#file, Field.refcount_table_offset, cell); // both in one sector: old or new, nothing between
    this.#file.sync();
    this.#entries.clear();
    [this.#tableOffset, this.#tableClusters] = [start * this.#cluster, clusters];
    for (let n = 0; n < old.clusters; n++) {
      const cluster = old.offset / this.#cluster + n;
      this.#places.remove(cluster);
      if (this.get(cluster) > 0) this.add(cluster, -1);
    }
  }

  #read({ bytes, view }: Block, i: number): number {
    switch (this.#order) {
      case 6: return view.getUint32(8 * i) !== 0 ? 0xffff_ffff : view.getUint32(8 * i + 4);
      case 5: return view.getUint32(4 * i);
      case 4: return view.getUint16(2 * i);
      case 3: return bytes[i] as number;
      default: {
        const bits = 1 << this.#order, at = i * bits; // narrow counts fill a byte from its lowest bit
        return ((bytes[at >> 3] as number) >> (at & 7)) & ((1 << bits) - 1);
      }
    }
  }
  #write(block: Block, i: number, count: number): void {
    const { bytes, view } = block;
    block.dirty = true;
    switch (this.#order) {
      case 6: view.setUint32(8 * i, 0); return view.setUint32(8 * i + 4, count);
      case 5: return view.setUint32(4 * i, count);
      case 4: return view.setUint16(2 * i, count);
      case 3: bytes[i] = count; return;
      default: {
        const bits = 1 << this.#order, at = i * bits, mask = ((1 << bits) - 1) << (at & 7);
        bytes[at >> 3] = ((bytes[at >> 3] as number) & ~mask) | (count << (at & 7));
      }
    }
  }
}
