// src/disk/qcow2/places.ts — the clusters of the file that hold metadata, and where the file ends.
// Nothing is written over metadata because an entry says so: a wrong or hostile image would take the header, and with it
// everything, for a cluster of the guest.
import { readAll, type DiskFile } from "../file.ts";

/** The metadata contradict themselves: the image may not be written any more. */
export class Corruption extends Error {
  override readonly name: string = "Corruption";
}
/** The file is made longer in steps: holes cost nothing, and the last step is cut off at the end. */
const STEP = 4 * 1024 * 1024;

export class Places {
  readonly cluster: number;
  readonly #file: DiskFile;
  /** Sorted cluster numbers known from the start, and what came later. */
  #sorted: Float64Array = new Float64Array(0);
  readonly #added: Set<number> = new Set();
  readonly #removed: Set<number> = new Set();
  /** The tables among them that map the guest's clusters. */
  #l2: Float64Array = new Float64Array(0);
  readonly #l2Added: Set<number> = new Set();
  /** Bytes of the file, as far as we made it. */
  #length: number;
  /** Clusters from here on were never written: they are holes. */
  #fresh: number;
  /** The end of what is used. */
  #used: number;
  /** Bytes at open time, and up to the end of the cluster that the file ends in, where bytes missing are zeros. */
  readonly #opened: number;
  readonly #padded: number;

  constructor(file: DiskFile, cluster: number) {
    this.#file = file;
    this.cluster = cluster;
    this.#length = this.#opened = file.size;
    this.#padded = Math.ceil(file.size / cluster) * cluster;
    this.#fresh = this.#used = this.#padded / cluster;
  }
  /** Clusters of the file. */
  get clusters(): number { return Math.max(this.#fresh, this.#padded / this.cluster); }
  get grown(): boolean { return this.#length > this.#opened; }

  know(clusters: Float64Array, l2: Float64Array): void {
    this.#sorted = clusters.sort();
    this.#l2 = l2.sort();
  }
  add(cluster: number): void {
    this.#added.add(cluster);
    this.#removed.delete(cluster);
  }
  remove(cluster: number): void {
    this.#added.delete(cluster);
    this.#removed.add(cluster);
  }
  addL2(cluster: number): void {
    this.#l2Added.add(cluster);
    this.#removed.delete(cluster);
  }
  isL2(cluster: number): boolean { return this.#l2Added.has(cluster) || holds(this.#l2, cluster); }
  isMetadata(cluster: number): boolean {
    return cluster === 0 || this.#added.has(cluster) || this.isL2(cluster) || (holds(this.#sorted, cluster) && !this.#removed.has(cluster));
  }
  /** Throws when a cluster that is about to be written is metadata of another kind. */
  refuse(cluster: number, what: string): void {
    if (this.isMetadata(cluster)) throw new Corruption(`${what} would be written over metadata, at cluster ${cluster}`);
  }

  /** Throws for what does not lie in the file. */
  inside(at: number, length: number): void {
    if (at + length > Math.max(this.#length, this.#padded)) throw new Corruption(`0x${at.toString(16)} lies behind the end of the file`);
  }
  /** Before the first write: the file holds its last cluster whole. */
  pad(): void {
    if (this.#length >= this.#padded) return;
    this.#file.resize(this.#padded);
    this.#length = this.#padded;
  }
  /** Reads; what the file lacks of its last cluster is zeros, what lies behind that is an error. */
  read(at: number, into: Uint8Array): void {
    this.inside(at, into.length);
    const there = Math.max(0, Math.min(into.length, this.#length - at));
    if (there > 0) readAll(this.#file, at, there === into.length ? into : into.subarray(0, there));
    if (there < into.length) into.fill(0, there);
  }
  /** Clusters were allocated: the file holds them. True when they are holes. */
  grow(first: number, count: number): boolean {
    const fresh = first >= this.#fresh, end = first + count;
    this.#fresh = Math.max(this.#fresh, end);
    this.#used = Math.max(this.#used, end);
    const bytes = end * this.cluster;
    if (bytes > this.#length) {
      const length = Math.ceil(bytes / STEP) * STEP;
      this.#file.resize(length);
      this.#length = length;
    }
    return fresh;
  }
  /** Cuts off what was made in advance. */
  trim(): void {
    if (this.#length <= this.#used * this.cluster || !this.grown) return;
    this.#file.resize(this.#used * this.cluster);
    this.#length = this.#used * this.cluster;
  }
}

function holds(sorted: Float64Array, value: number): boolean {
  let low = 0, high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] as number) < value) low = middle + 1;
    else high = middle;
  }
  return sorted[low] === value;
}
