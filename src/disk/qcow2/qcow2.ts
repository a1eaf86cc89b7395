// src/disk/qcow2/qcow2.ts — a qcow2 image: the guest's reads and writes, and the order in which they reach the medium.
// Spec: QEMU's docs/interop/qcow2.txt, versions 2 and 3. Internal snapshots are kept as they are: what they share is copied
// before it is written. Counts are always kept exactly: `lazy_refcounts` allows to be lazy, and does not demand it.
// The order of a flush is argued in docs/disks.md.
import { isZero, writeAll, writeZeros, type DiskFile } from "../file.ts";
import { flushNow, type DiskImage, type RangeKind } from "../image.ts";
import { compress, decompress, type Compression } from "./compression.ts";
import { Field, INCOMPATIBLE, type Qcow2Header } from "./header.ts";
import { ENTRY, Mapping, offsetOf, type L2Table, type TakenTables } from "./mapping.ts";
import { Corruption, Places } from "./places.ts";
import { Refcounts } from "./refcounts.ts";
import { growQcow2 } from "./resize.ts";
import { metadataClusters } from "./structure.ts";

/** Bytes of decompressed clusters that are kept. */
const DECOMPRESSED = 2 * 1024 * 1024;
const SECTOR = 512;

interface Run {
  readonly kind: "unallocated" | "zero" | "data" | "compressed";
  /** File offset of data; of zeros what is kept for them, or 0. */
  readonly host: number;
  readonly length: number;
  /** Nobody else uses these clusters. */
  readonly own: boolean;
  readonly hi: number;
  readonly lo: number;
}
interface InFlight {
  readonly entries: ReadonlySet<number>;
  readonly taken: TakenTables;
  readonly frees: readonly number[];
}

export class Qcow2Image implements DiskImage {
  #size: number;
  readonly readOnly: boolean;
  readonly file: DiskFile;
  readonly header: Qcow2Header;
  readonly places: Places;
  readonly refcounts: Refcounts;
  readonly mapping: Mapping;
  readonly backing: DiskImage | undefined;
  readonly #cluster: number;
  readonly #decompressed: Map<number, Uint8Array> = new Map();
  /** Clusters to let go of, once the medium has no entry any more that names them. */
  #frees: number[] = [];
  #inFlight: InFlight | undefined;
  /** Something was written since the last flush began; at first by somebody who was ended. */
  #written: boolean;
  #begun = false;
  #corrupt: boolean;
  #packAt = 0;

  /** Reads the tables' roots; throws when they are wrong. `backing` is read where the image has nothing of its own. */
  constructor(file: DiskFile, header: Qcow2Header, readOnly: boolean, backing: DiskImage | undefined) {
    this.file = file;
    this.header = header;
    this.#size = header.size;
    this.readOnly = readOnly;
    this.backing = backing;
    this.#corrupt = header.corrupt;
    this.#written = !readOnly;
    this.#cluster = 2 ** header.clusterBits;
    this.places = new Places(file, this.#cluster);
    this.refcounts = new Refcounts(file, header, this.places);
    this.mapping = new Mapping(file, header, this.places, this.refcounts, { flush: () => this.#flushAll(), free: cluster => void this.#frees.push(cluster) });
    const { known, l2 } = metadataClusters(header, this.places, this.refcounts, this.mapping);
    this.places.know(known, l2);
  }

  read(at: number, into: Uint8Array): void {
    for (let n = 0; n < into.length;) {
      const run = this.#run(at + n, into.length - n), part = into.subarray(n, n + run.length);
      switch (run.kind) {
        case "unallocated": this.#below(at + n, part); break;
        case "zero": part.fill(0); break;
        case "data": this.places.read(run.host, part); break;
        case "compressed": {
          const from = (at + n) % this.#cluster;
          part.set(this.#decompress(run.hi, run.lo).subarray(from, from + part.length));
          break;
        }
        default: run.kind satisfies never;
      }
      n += run.length;
    }
  }
  place(at: number, length: number): ReturnType<DiskImage["place"]> {
    const run = this.#run(at, length);
    if (run.length < length) return undefined;
    if (run.kind === "data") return { file: this.file, at: run.host };
    return run.kind === "unallocated" && this.backing !== undefined && at + length <= this.backing.size ? this.backing.place(at, length) : undefined;
  }
  write(at: number, from: Uint8Array): void {
    this.#change(() => {
      for (let n = 0; n < from.length;) n += this.#writeRun(at + n, n === 0 ? from : from.subarray(n));
    });
  }
  discard(at: number, length: number): void {
    if (this.header.version === 2 && this.backing !== undefined) return; // nothing in it says "zero"
    this.#change(() => this.#wholeClusters(at, length, (table, i) => this.#clear(table, i, true)));
  }
  writeZeroes(at: number, length: number, unmap: boolean): void {
    const cluster = this.#cluster, first = Math.ceil(at / cluster) * cluster, end = at + length === this.size ? this.size : Math.floor((at + length) / cluster) * cluster;
    if (end <= first || (this.header.version === 2 && this.backing !== undefined)) return this.#writeZeros(at, length);
    if (first > at) this.#writeZeros(at, first - at);
    this.#change(() => this.#wholeClusters(first, end - first, (table, i) => this.#clear(table, i, unmap)));
    if (at + length > end) this.#writeZeros(end, at + length - end);
  }
  get size(): number { return this.#size; }
  grow(size: number): void {
    const before = this.#size, below = this.backing?.size ?? 0;
    this.#change(() => {
      this.#flushAll(); // a flush that waits for the medium holds entries for the table where it is now
      growQcow2(this, size);
      this.#size = size;
    });
    if (below <= before) return;
    this.writeZeroes(before, Math.min(below, size) - before, true); // what the backing file has there is not the disk's
    this.#flushAll();
  }
  status(at: number, length: number): { readonly kind: RangeKind; readonly length: number } {
    const run = this.#run(at, length);
    if (run.kind === "zero") return { kind: "zero", length: run.length };
    if (run.kind !== "unallocated") return { kind: "data", length: run.length };
    if (this.backing === undefined || at >= this.backing.size) return { kind: "hole", length: run.length };
    return this.backing.status(at, Math.min(run.length, this.backing.size - at));
  }
  close(): void {
    try {
      if (!this.readOnly && !this.#corrupt) {
        this.#flushAll();
        this.refcounts.writeBlocks(); // what the flush let go of: late is only a leak
        this.places.trim();
      }
    } catch { /* the guest was told of what it flushed; nobody is left to hear of the rest */ }
    this.file.close();
    this.backing?.close();
  }

  // --- the order -------------------------------------------------------------------------------------------------

  *flushing(): Generator<undefined, void> {
    if (this.#corrupt && !this.readOnly) throw corruptImage();
    if (this.#inFlight !== undefined) this.#giveBack(this.#inFlight); // one that nobody goes on with, or that this one overtakes
    if (!this.#written && !this.mapping.dirty && this.#frees.length === 0) return;
    // What is on the medium behind each step names nothing that is not: first data and counts,
    this.refcounts.writeBlocks();
    const flight: InFlight = { entries: this.refcounts.takeEntries(), taken: this.mapping.take(), frees: this.#frees };
    this.#frees = [];
    this.#written = false;
    this.#inFlight = flight;
    const overtaken = (): boolean => this.#inFlight !== flight; // a flush in between has done it all
    try {
      yield;
      if (overtaken()) return;
      if (flight.entries.size > 0) { // then where new counts are,
        this.refcounts.writeEntries(flight.entries);
        yield;
        if (overtaken()) return;
      }
      if (flight.taken.l2.length > 0 || flight.taken.l1.length > 0) { // then the entries that name the data.
        this.mapping.store(flight.taken);
        yield;
        if (overtaken()) return;
      }
    } catch (error) {
      if (!overtaken()) this.#giveBack(flight);
      throw error;
    }
    this.#inFlight = undefined;
    this.mapping.release(flight.taken);
    this.#release(flight.frees); // nothing names these any more: they may be used again
  }
  #giveBack(flight: InFlight): void {
    this.refcounts.giveBack(flight.entries);
    this.mapping.giveBack(flight.taken);
    this.mapping.release(flight.taken);
    this.#frees = [...flight.frees, ...this.#frees];
    this.#written = true;
    this.#inFlight = undefined;
  }
  /** A flush here and now; one that waits for the medium has nothing left to do. */
  #flushAll(): void { flushNow(this); }
  #release(frees: readonly number[]): void {
    let from = -1, to = -1;
    const punch = (): void => { if (from >= 0) this.file.punch(from * this.#cluster, (to - from) * this.#cluster); };
    for (const cluster of [...frees].sort((a, b) => a - b)) {
      if (this.refcounts.add(cluster, -1) > 0 || this.places.isMetadata(cluster)) continue;
      if (cluster !== to) {
        punch();
        from = cluster;
      }
      to = cluster + 1;
    }
    punch();
  }

  // --- changes ---------------------------------------------------------------------------------------------------

  #change(act: () => void): void {
    if (this.readOnly) throw new Error("the image is read-only");
    if (this.#corrupt) throw corruptImage();
    this.#begin();
    this.#written = true;
    try {
      act();
    } catch (error) {
      if (error instanceof Corruption) this.#markCorrupt();
      throw error;
    }
  }
  /** Before the first change: what others keep beside the image does not describe it any more. */
  #begin(): void {
    if (this.#begun) return;
    this.#begun = true;
    this.places.pad();
    if (this.header.version === 2 || !this.header.autoclear) return;
    writeAll(this.file, Field.autoclear_features, new Uint8Array(8));
    this.file.sync();
  }
  #markCorrupt(): void {
    this.#corrupt = true;
    if (this.header.version === 2) return;
    try {
      const low = new Uint8Array([INCOMPATIBLE.CORRUPT | (this.header.compression === "zstd" ? INCOMPATIBLE.COMPRESSION_TYPE : 0)]);
      writeAll(this.file, Field.incompatible_features + 7, low);
    } catch { /* it stays unwritable for as long as we have it */ }
  }

  /** Writes the first part of `from`; how many bytes of it. */
  #writeRun(at: number, from: Uint8Array): number {
    const cluster = this.#cluster, perTable = this.mapping.perTable;
    const run = this.#run(at, from.length);
    if (run.kind === "data" && run.own) {
      const part = from.subarray(0, run.length);
      const first = Math.floor(run.host / cluster), last = Math.floor((run.host + part.length - 1) / cluster);
      for (let c = first; c <= last; c++) this.places.refuse(c, "data");
      this.places.inside(run.host, part.length);
      writeAll(this.file, run.host, part);
      return part.length;
    }
    const index = Math.floor(at / cluster), table = this.mapping.own(Math.floor(index / perTable)), i = index % perTable;
    const offset = at % cluster;
    if (run.kind === "zero" && run.host !== 0 && run.own) { // space is there, its bytes are not zeros yet
      const length = Math.min(from.length, cluster - offset), host = run.host - offset;
      this.places.refuse(host / cluster, "data");
      this.places.inside(host, cluster);
      this.#fill(at, from.subarray(0, length), host, false);
      this.mapping.set(table, i, (run.hi | ENTRY.COPIED) >>> 0, (run.lo & ~ENTRY.ZERO_LO) >>> 0);
      return length;
    }
    // As many clusters as need space here: the entries behind this one that are like it.
    let wanted = 1;
    const most = Math.ceil((offset + from.length) / cluster);
    while (wanted < most && i + wanted < perTable && this.#needsSpace(table, i + wanted)) wanted++;
    const { first, count } = this.refcounts.allocate(wanted);
    const fresh = this.places.grow(first, count);
    const length = Math.min(from.length, count * cluster - offset);
    this.#fill(at, from.subarray(0, length), first * cluster, fresh);
    for (let n = 0; n < count; n++) {
      this.#free(table, i + n);
      const host = (first + n) * cluster;
      this.mapping.set(table, i + n, (ENTRY.COPIED | Math.floor(host / 2 ** 32)) >>> 0, host >>> 0);
    }
    return length;
  }
  #needsSpace(table: L2Table, i: number): boolean {
    const hi = table.view.getUint32(8 * i), lo = table.view.getUint32(8 * i + 4);
    return (hi & ENTRY.COMPRESSED) !== 0 || offsetOf(hi, lo) === 0;
  }
  /** Data into new clusters from `host` on: what `data` leaves of them keeps what the guest saw there. */
  #fill(at: number, data: Uint8Array, host: number, fresh: boolean): void {
    const cluster = this.#cluster, head = at % cluster, start = at - head;
    const end = Math.ceil((at + data.length) / cluster) * cluster, tail = end - at - data.length;
    this.#keep(start, head, host, fresh);
    writeAll(this.file, host + head, data);
    this.#keep(at + data.length, tail, host + head + data.length, fresh);
  }
  #keep(at: number, length: number, host: number, fresh: boolean): void {
    if (length === 0) return;
    const there = Math.max(0, Math.min(length, this.size - at));
    const run = there === 0 ? undefined : this.#run(at, there);
    const zeros = run === undefined || ((run.kind === "zero" || (run.kind === "unallocated" && this.backing === undefined)) && run.length === there);
    if (zeros) {
      if (!fresh) writeZeros(this.file, host, length);
      return;
    }
    const old = new Uint8Array(length);
    this.read(at, old.subarray(0, there));
    if (!fresh || !isZero(old)) writeAll(this.file, host, old);
  }
  #writeZeros(at: number, length: number): void {
    const zeros = new Uint8Array(Math.min(length, 1024 * 1024));
    for (let n = 0; n < length; n += zeros.length) this.write(at + n, zeros.subarray(0, Math.min(zeros.length, length - n)));
  }
  #wholeClusters(at: number, length: number, act: (table: L2Table, i: number) => void): void {
    const cluster = this.#cluster, perTable = this.mapping.perTable;
    const end = at + length === this.size ? Math.ceil(this.size / cluster) : Math.floor((at + length) / cluster);
    for (let index = Math.ceil(at / cluster); index < end;) {
      const l1 = Math.floor(index / perTable), last = Math.min(end, (l1 + 1) * perTable);
      if (this.mapping.tableAt(l1) === 0 && this.backing === undefined) {
        index = last;
        continue;
      }
      const table = this.mapping.own(l1);
      for (; index < last; index++) act(table, index % perTable);
    }
  }
  /** One cluster reads as zeros from now on. */
  #clear(table: L2Table, i: number, unmap: boolean): void {
    const hi = table.view.getUint32(8 * i), lo = table.view.getUint32(8 * i + 4), zero = this.backing === undefined ? 0 : ENTRY.ZERO_LO;
    const compressed = (hi & ENTRY.COMPRESSED) !== 0;
    if (!unmap && this.header.version === 3 && !compressed && offsetOf(hi, lo) !== 0 && (hi & ENTRY.COPIED) !== 0) {
      if ((lo & ENTRY.ZERO_LO) === 0) this.mapping.set(table, i, hi, (lo | ENTRY.ZERO_LO) >>> 0);
      return;
    }
    if (hi === 0 && lo === zero) return;
    this.#free(table, i);
    this.mapping.set(table, i, 0, zero);
  }
  /** What an entry names is let go of. */
  #free(table: L2Table, i: number): void {
    const hi = table.view.getUint32(8 * i), lo = table.view.getUint32(8 * i + 4);
    if ((hi & ENTRY.COMPRESSED) !== 0) {
      const { at, length } = this.compressedAt(hi, lo);
      for (let c = Math.floor(at / this.#cluster); c * this.#cluster < at + length; c++) this.#frees.push(c);
    } else if (offsetOf(hi, lo) !== 0) this.#frees.push(this.#hostOf(hi, lo) / this.#cluster);
  }

  // --- looking up ------------------------------------------------------------------------------------------------

  #hostOf(hi: number, lo: number): number {
    const at = offsetOf(hi, lo);
    if (at % this.#cluster !== 0 || !Number.isSafeInteger(at)) throw new Corruption(`a cluster of the guest is at 0x${at.toString(16)}`);
    return at;
  }
  #kindOf(hi: number, lo: number): Run["kind"] {
    if ((hi & ENTRY.COMPRESSED) !== 0) return "compressed";
    if ((lo & ENTRY.ZERO_LO) !== 0 && this.header.version === 3) return "zero";
    return offsetOf(hi, lo) === 0 ? "unallocated" : "data";
  }
  /** What is at `at`, and for how many of `length` bytes it goes on the same way. */
  #run(at: number, length: number): Run {
    const cluster = this.#cluster, perTable = this.mapping.perTable;
    const index = Math.floor(at / cluster), l1 = Math.floor(index / perTable), offset = at % cluster;
    const table = this.mapping.peek(l1);
    if (table === undefined) return { kind: "unallocated", host: 0, length: Math.min(length, (l1 + 1) * perTable * cluster - at), own: false, hi: 0, lo: 0 };
    const i = index % perTable, hi = table.view.getUint32(8 * i), lo = table.view.getUint32(8 * i + 4);
    const kind = this.#kindOf(hi, lo);
    if (kind === "compressed") return { kind, host: 0, length: Math.min(length, cluster - offset), own: false, hi, lo };
    const host = kind === "unallocated" ? 0 : this.#hostOf(hi, lo), copied = (hi & ENTRY.COPIED) !== 0;
    const own = host !== 0 && (copied || (!this.readOnly && this.refcounts.get(host / cluster) === 1));
    let n = 1;
    for (; i + n < perTable && n * cluster - offset < length; n++) {
      const nextHi = table.view.getUint32(8 * (i + n)), nextLo = table.view.getUint32(8 * (i + n) + 4);
      if (this.#kindOf(nextHi, nextLo) !== kind || (kind === "data" && (offsetOf(nextHi, nextLo) !== host + n * cluster || ((nextHi & ENTRY.COPIED) !== 0) !== copied))) break;
      if (!copied && kind === "data" && !this.readOnly) break; // each has a count of its own
      if (kind === "zero" && offsetOf(nextHi, nextLo) !== host) break;
    }
    return { kind, host: host === 0 ? 0 : host + offset, length: Math.min(length, n * cluster - offset), own, hi, lo };
  }
  #below(at: number, into: Uint8Array): void {
    const { backing } = this;
    const there = backing === undefined ? 0 : Math.max(0, Math.min(into.length, backing.size - at));
    if (there > 0) {
      try {
        backing?.read(at, there === into.length ? into : into.subarray(0, there));
      } catch (error) {
        throw new Error(`its backing file ${backing?.file.name ?? ""}: ${(error as Error).message}`, { cause: error });
      }
    }
    into.fill(0, there);
  }
  /** Where a compressed cluster's bytes are; the last sector may hold others behind them. */
  compressedAt(hi: number, lo: number): { readonly at: number; readonly length: number } {
    const shift = 62 - (this.header.clusterBits - 8);
    const descriptor = (BigInt(hi & 0x3fff_ffff) << 32n) | BigInt(lo);
    const at = Number(descriptor & ((1n << BigInt(shift)) - 1n)), sectors = Number(descriptor >> BigInt(shift));
    if (!Number.isSafeInteger(at)) throw new Corruption(`a compressed cluster is at 0x${at.toString(16)}`);
    return { at, length: (sectors + 1) * SECTOR - (at % SECTOR) };
  }
  #decompress(hi: number, lo: number): Uint8Array {
    const { at, length } = this.compressedAt(hi, lo);
    const key = at;
    const found = this.#decompressed.get(key);
    if (found !== undefined) return found;
    const data = new Uint8Array(length);
    this.places.read(at, data);
    const bytes = decompress(this.header.compression, data, this.#cluster);
    if (bytes === undefined) throw new Error(`the compressed cluster at 0x${at.toString(16)} cannot be unpacked`);
    if (this.#decompressed.size * this.#cluster >= DECOMPRESSED) this.#decompressed.clear();
    this.#decompressed.set(key, bytes);
    return bytes;
  }

  /** Writes a whole cluster that nothing was written to, packed if that makes it smaller. For new images. */
  writeCompressed(at: number, data: Uint8Array, kind: Compression): void {
    const cluster = this.#cluster, whole = data.length === cluster ? data : new Uint8Array(cluster);
    if (whole !== data) whole.set(data);
    const packed = compress(kind, whole);
    if (packed === undefined) return this.write(at, data);
    this.#change(() => {
      const index = Math.floor(at / cluster), perTable = this.mapping.perTable, table = this.mapping.own(Math.floor(index / perTable));
      const host = this.#packInto(packed.length);
      writeAll(this.file, host, packed);
      const sectors = Math.floor((host + packed.length - 1) / SECTOR) - Math.floor(host / SECTOR), shift = 62 - (this.header.clusterBits - 8);
      const descriptor = (BigInt(sectors) << BigInt(shift)) | BigInt(host);
      this.#free(table, index % perTable);
      this.mapping.set(table, index % perTable, Number(descriptor >> 32n) | ENTRY.COMPRESSED, Number(descriptor & 0xffff_ffffn));
    });
  }
  /** Bytes for packed data: behind the last, as long as clusters follow each other. */
  #packInto(length: number): number {
    const cluster = this.#cluster, used = this.#packAt % cluster;
    let at = this.#packAt;
    if (used !== 0 && used + length <= cluster && this.refcounts.get(Math.floor(at / cluster)) < this.refcounts.max) this.refcounts.add(Math.floor(at / cluster), 1);
    else {
      const { first } = this.refcounts.allocate(1);
      this.places.grow(first, 1);
      if (used !== 0 && first * cluster === at - used + cluster && this.refcounts.get(first - 1) < this.refcounts.max) this.refcounts.add(first - 1, 1); // goes on in the next
      else at = first * cluster;
    }
    this.#packAt = at + length;
    return at;
  }
}

const corruptImage = (): Error => new Error("the image's metadata are damaged: it is not written any more; hv disk check --repair");
