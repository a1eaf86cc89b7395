// src/disk/qcow2/check.ts — every cluster of an image counted again, compared with what the image says, and put right.
// Spec: QEMU's docs/interop/qcow2.txt, "Refcounts" and the COPIED bit in "Cluster mapping". A count that is too high is a
// leak: it costs space. One that is too low is an error: the cluster could be given away twice.
import { Failure } from "../../failure.ts";
import { writeAll, type DiskFile } from "../file.ts";
import { refcountStructure } from "./create.ts";
import { Field, INCOMPATIBLE, type Qcow2Header } from "./header.ts";
import { ENTRY, offsetOf } from "./mapping.ts";
import { Corruption, Places } from "./places.ts";
import { Refcounts } from "./refcounts.ts";
import { readSnapshots } from "./structure.ts";

export interface CheckResult {
  /** Clusters counted more often than they are used. */
  readonly leaks: number;
  /** What is wrong and cannot stay so; and of that what nobody can put right. */
  readonly errors: number;
  readonly lost: number;
  /** What a repair put right. */
  readonly repairedLeaks: number;
  readonly repairedErrors: number;
  /** The first of them, in words. */
  readonly findings: readonly string[];
  readonly allocatedClusters: number;
  readonly compressedClusters: number;
  readonly totalClusters: number;
}
/** Larger ones would take gigabytes to count. */
const MAX_CLUSTERS = 2 ** 30;
const FINDINGS = 20;
const CHUNK_BITS = 16;

/** Counts by cluster; memory only where something is. */
class Counts {
  readonly #chunks: Map<number, Uint32Array> = new Map();
  end = 0;
  most = 0;
  get(cluster: number): number { return this.#chunks.get(Math.floor(cluster / 2 ** CHUNK_BITS))?.[cluster % 2 ** CHUNK_BITS] ?? 0; }
  add(cluster: number): void {
    const key = Math.floor(cluster / 2 ** CHUNK_BITS);
    let chunk = this.#chunks.get(key);
    if (chunk === undefined) this.#chunks.set(key, chunk = new Uint32Array(2 ** CHUNK_BITS));
    const count = (chunk[cluster % 2 ** CHUNK_BITS] as number) + 1;
    chunk[cluster % 2 ** CHUNK_BITS] = count;
    this.most = Math.max(this.most, count);
    this.end = Math.max(this.end, cluster + 1);
  }
}

export interface CheckOptions {
  readonly repair: boolean;
  readonly progress?: (done: number, total: number) => void;
}

/** Checks, and repairs if asked; throws Failure for what cannot be looked at. */
export function checkQcow2(file: DiskFile, header: Qcow2Header, options: CheckOptions): CheckResult {
  const cluster = 2 ** header.clusterBits, places = new Places(file, cluster), perTable = cluster / 8;
  if (places.clusters > MAX_CLUSTERS) throw new Failure("HV-QCOW2-LARGE", `${file.name}: has ${places.clusters} clusters, too many to count`, { hint: "qemu-img check" });
  const counts = new Counts(), metadata = new Set<number>(), oldCounts = new Set<number>(), findings: string[] = [];
  let errors = 0, lost = 0, allocatedClusters = 0, compressedClusters = 0, structure = false;
  const tell = (text: string): void => { if (findings.length < FINDINGS) findings.push(text); };
  const wrong = (text: string, hopeless: boolean): void => {
    errors++;
    if (hopeless) lost++;
    tell(text);
  };
  const inFile = (at: number, length: number): boolean => at % cluster === 0 && at >= cluster && Number.isSafeInteger(at) && at + length <= places.clusters * cluster;
  const use = (at: number, length: number, what: string | undefined): void => {
    for (let c = Math.floor(at / cluster); c * cluster < at + length; c++) {
      if (what !== undefined && counts.get(c) > 0 && !(what === "an L2 table" && metadata.has(c) && header.snapshots > 0)) wrong(`${what} lies on something else, at cluster ${c}`, true);
      if (what === undefined && metadata.has(c)) wrong(`a cluster of the guest lies on metadata, at cluster ${c}`, true);
      counts.add(c);
      if (what !== undefined) metadata.add(c);
      if (what === "the refcount table" || what === "a refcount block") oldCounts.add(c);
    }
  };
  let done = 0;

  use(0, cluster, "the header");
  const read = (at: number, length: number): DataView => {
    const bytes = new Uint8Array(length);
    if (length > 0) places.read(at, bytes);
    return new DataView(bytes.buffer);
  };
  const refcounts = new Refcounts(file, header, places);
  use(header.refcountTableOffset, header.refcountTableClusters * cluster, "the refcount table");
  refcounts.blocks.forEach((at, index) => {
    if (at === 0) return;
    if (!inFile(at, cluster) || metadata.has(at / cluster)) {
      wrong(`refcount block ${index} is at 0x${at.toString(16)}`, false);
      structure = true;
    } else use(at, cluster, "a refcount block");
  });

  const roots = [{ at: header.l1Offset, size: header.l1Size, active: true }];
  try {
    const { snapshots, end } = readSnapshots(header, places);
    if (header.snapshots > 0) use(header.snapshotsOffset, end - header.snapshotsOffset, "the snapshot table");
    for (const one of snapshots) roots.push({ at: one.l1Offset, size: one.l1Size, active: false });
  } catch (error) {
    wrong((error as Error).message, true);
  }
  for (const root of roots) use(root.at, root.size * 8, "an L1 table");
  const total = roots.reduce((sum, root) => sum + root.size, 0);
  const seen = new Map<number, number>();
  /** Calls back for each entry of each L2 table. */
  const walk = (active: boolean, l1: DataView, entry: (table: DataView, i: number, at: number) => void): void => {
    for (let n = 0; n < l1.byteLength / 8; n++) {
      options.progress?.(done++, total * (options.repair ? 2 : 1));
      const at = offsetOf(l1.getUint32(8 * n), l1.getUint32(8 * n + 4));
      if (at === 0) continue;
      if (!inFile(at, cluster)) {
        if (!active) continue;
        wrong(`L2 table ${n} is at 0x${at.toString(16)}`, true);
        continue;
      }
      const table = read(at, cluster);
      for (let i = 0; i < perTable; i++) if (table.getUint32(8 * i) !== 0 || table.getUint32(8 * i + 4) !== 0) entry(table, i, at);
    }
  };
  const tables: { readonly active: boolean; readonly l1: DataView; readonly at: number }[] = [];
  for (const root of roots) {
    const l1 = read(root.at, root.size * 8);
    tables.push({ active: root.active, l1, at: root.at });
    for (let n = 0; n < root.size; n++) {
      const at = offsetOf(l1.getUint32(8 * n), l1.getUint32(8 * n + 4));
      if (at === 0 || !inFile(at, cluster)) continue;
      seen.set(at, (seen.get(at) ?? 0) + 1);
      if (root.active && seen.get(at) === 2) wrong(`L2 table ${n} is another one's too, at 0x${at.toString(16)}`, true);
      use(at, cluster, "an L2 table");
    }
    walk(root.active, l1, (table, i) => {
      const hi = table.getUint32(8 * i), lo = table.getUint32(8 * i + 4);
      if ((hi & ENTRY.COMPRESSED) !== 0) {
        const shift = BigInt(62 - (header.clusterBits - 8)), descriptor = (BigInt(hi & 0x3fff_ffff) << 32n) | BigInt(lo);
        const at = Number(descriptor & ((1n << shift) - 1n)), length = (Number(descriptor >> shift) + 1) * 512 - (at % 512);
        if (!Number.isSafeInteger(at) || at + length > places.clusters * cluster + 512 || at < cluster) return wrong(`a compressed cluster is at 0x${at.toString(16)}`, true);
        if (root.active) compressedClusters++;
        use(at, Math.min(length, places.clusters * cluster - at), undefined);
      } else {
        const at = offsetOf(hi, lo);
        if (at === 0) return;
        if (!inFile(at, 1)) return wrong(`a cluster of the guest is at 0x${at.toString(16)}`, true);
        use(at, cluster, undefined);
      }
      if (root.active) allocatedClusters++;
    });
  }

  // What the image says, against what was counted.
  let leaks = 0;
  const differ: number[] = [];
  const compare = (known: Refcounts): void => {
    const last = Math.max(counts.end, Math.min(places.clusters, known.blocks.length * known.perBlock));
    const check = (c: number): void => {
      const says = known.get(c), is = counts.get(c);
      if (says === is) return;
      differ.push(c);
      if (says > is) {
        leaks++;
        tell(`cluster ${c} is used ${is} times, and counted ${says} times: a leak`);
      } else wrong(`cluster ${c} is used ${is} times, and counted ${says} times`, false);
    };
    for (let index = 0; index * known.perBlock < last; index++) {
      const from = index * known.perBlock, to = Math.min(last, from + known.perBlock);
      if ((known.blocks[index] ?? 0) !== 0) for (let c = from; c < to; c++) check(c);
      else for (let c = from; c < Math.min(to, counts.end); c++) {
        if (counts.get(c) === 0) continue;
        structure = true; // a block is missing: where one would be made, something lies
        check(c);
      }
    }
  };
  if (!structure) {
    try {
      compare(refcounts);
    } catch (error) {
      if (!(error instanceof Corruption)) throw error;
      wrong(error.message, false);
      structure = true;
    }
  }
  // COPIED says that a count is one: who believes it writes in place.
  const flags = (put: boolean): number => {
    let found = 0;
    for (const { active, l1, at: l1At } of tables) {
      if (!active) continue;
      for (let n = 0; n < l1.byteLength / 8; n++) {
        const hi = l1.getUint32(8 * n), at = offsetOf(hi, l1.getUint32(8 * n + 4));
        if (at === 0 || !inFile(at, cluster) || ((hi & ENTRY.COPIED) !== 0) === (counts.get(at / cluster) === 1)) continue;
        found++;
        tell(`the COPIED bit of L2 table ${n} is wrong`);
        if (!put) continue;
        l1.setUint32(8 * n, (hi ^ ENTRY.COPIED) >>> 0);
        writeAll(file, l1At + 8 * n, new Uint8Array(l1.buffer, 8 * n, 8));
      }
      walk(true, l1, (table, i, tableAt) => {
        const hi = table.getUint32(8 * i), at = offsetOf(hi, table.getUint32(8 * i + 4));
        if ((hi & ENTRY.COMPRESSED) !== 0 || at === 0 || !inFile(at, 1) || ((hi & ENTRY.COPIED) !== 0) === (counts.get(at / cluster) === 1)) return;
        found++;
        tell(`the COPIED bit of the cluster at 0x${at.toString(16)} is wrong`);
        if (!put) return;
        table.setUint32(8 * i, (hi ^ ENTRY.COPIED) >>> 0);
        writeAll(file, tableAt + 8 * i, new Uint8Array(table.buffer, 8 * i, 8));
      });
    }
    return found;
  };
  const wrongFlags = lost === 0 ? flags(false) : 0;
  errors += wrongFlags;

  let repairedLeaks = 0, repairedErrors = 0;
  if (options.repair && lost === 0) {
    const overflow = structure ? counts.most > refcounts.max : differ.some(c => counts.get(c) > refcounts.max);
    if (overflow) throw new Failure("HV-QCOW2-REFCOUNT", `${file.name}: clusters are used more often than its refcounts can say`, { hint: "copy it: hv disk convert" });
    places.pad();
    if (structure) {
      const start = Math.max(counts.end, places.clusters);
      // what the new structure replaces is free
      const { table, blocks, tableClusters } = refcountStructure(c => counts.get(c) - (oldCounts.has(c) ? 1 : 0), counts.end, start, header.clusterBits, header.refcountOrder);
      file.resize(start * cluster + table.length + blocks.length);
      writeAll(file, start * cluster, table);
      writeAll(file, start * cluster + table.length, blocks);
      file.sync();
      const cell = new Uint8Array(12), view = new DataView(cell.buffer);
      view.setBigUint64(0, BigInt(start * cluster));
      view.setUint32(8, tableClusters);
      writeAll(file, Field.refcount_table_offset, cell);
      file.sync();
    } else if (differ.length > 0) {
      for (const c of differ) refcounts.set(c, counts.get(c));
      // Blocks that had to be made for it count themselves.
      refcounts.writeBlocks();
      file.sync();
      refcounts.writeEntries(refcounts.takeEntries());
      file.sync();
    }
    if (wrongFlags > 0) flags(true);
    file.sync();
    clearBits(file, header);
    [repairedLeaks, repairedErrors] = [leaks, errors];
  }
  return { leaks: leaks - repairedLeaks, errors: errors - repairedErrors, lost, repairedLeaks, repairedErrors, findings, allocatedClusters, compressedClusters, totalClusters: Math.ceil(header.size / cluster) };
}

/** The image is in order: neither dirty nor corrupt. */
function clearBits(file: DiskFile, header: Qcow2Header): void {
  if (header.version === 2 || (!header.dirty && !header.corrupt)) return;
  writeAll(file, Field.incompatible_features + 7, new Uint8Array([header.compression === "zstd" ? INCOMPATIBLE.COMPRESSION_TYPE : 0]));
  file.sync();
}
