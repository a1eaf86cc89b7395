// src/disk/qcow2/structure.ts — where the metadata of an image lie, snapshots included.
// Spec: QEMU's docs/interop/qcow2.txt, "Snapshots".
import type { Qcow2Header } from "./header.ts";
import type { Mapping } from "./mapping.ts";
import { Corruption, type Places } from "./places.ts";
import type { Refcounts } from "./refcounts.ts";

const ENTRY_BYTES = 40;
/** As QEMU does: all snapshots' entries together, and one L1 table. */
const MAX_TABLE = 64 * 1024 * 1024;
const MAX_L1_ENTRIES = 4 * 1024 * 1024;

export interface Snapshot {
  readonly l1Offset: number;
  readonly l1Size: number;
  readonly id: string;
  readonly name: string;
}

/** The snapshot table; throws Corruption for what is none. `end`: where it ends in the file. */
export function readSnapshots(header: Qcow2Header, places: Places): { readonly snapshots: readonly Snapshot[]; readonly end: number } {
  const snapshots: Snapshot[] = [], fixed = new Uint8Array(ENTRY_BYTES), view = new DataView(fixed.buffer);
  let at = header.snapshotsOffset;
  for (let n = 0; n < header.snapshots; n++) {
    places.read(at, fixed);
    const l1Offset = view.getUint32(0) * 2 ** 32 + view.getUint32(4), l1Size = view.getUint32(8);
    const idLength = view.getUint16(12), nameLength = view.getUint16(14), extra = view.getUint32(36);
    if (l1Offset % places.cluster !== 0 || l1Size > MAX_L1_ENTRIES || l1Offset + 8 * l1Size > places.clusters * places.cluster) throw new Corruption(`snapshot ${n} has an L1 table of ${l1Size} entries at 0x${l1Offset.toString(16)}`);
    if (extra > 1024 || at + ENTRY_BYTES + extra + idLength + nameLength - header.snapshotsOffset > MAX_TABLE) throw new Corruption(`snapshot ${n} is too long`);
    const names = new Uint8Array(idLength + nameLength);
    places.read(at + ENTRY_BYTES + extra, names);
    const text = new TextDecoder();
    snapshots.push({ l1Offset, l1Size, id: text.decode(names.subarray(0, idLength)), name: text.decode(names.subarray(idLength)) });
    at += Math.ceil((ENTRY_BYTES + extra + idLength + nameLength) / 8) * 8;
  }
  return { snapshots, end: at };
}

/** Clusters that nothing of the guest may be written to: header, tables, snapshots; and those of L2 tables in use. */
export function metadataClusters(header: Qcow2Header, places: Places, refcounts: Refcounts, mapping: Mapping): { readonly known: Float64Array; readonly l2: Float64Array } {
  const known: number[] = [], l2: number[] = [], { cluster } = places;
  const range = (at: number, bytes: number): void => { for (let c = Math.floor(at / cluster); c * cluster < at + bytes; c++) known.push(c); };
  range(header.l1Offset, header.l1Size * 8);
  range(refcounts.tableOffset, refcounts.tableClusters * cluster);
  for (const at of refcounts.blocks) if (at !== 0) known.push(at / cluster);
  for (let i = 0; i < header.l1Size; i++) {
    const at = mapping.l1.getUint32(8 * i + 4) === 0 && mapping.l1.getUint32(8 * i) === 0 ? 0 : mapping.tableAt(i);
    if (at !== 0) l2.push(at / cluster);
  }
  if (header.snapshots > 0) {
    const { snapshots, end } = readSnapshots(header, places);
    range(header.snapshotsOffset, end - header.snapshotsOffset);
    for (const one of snapshots) range(one.l1Offset, one.l1Size * 8);
  }
  return { known: Float64Array.from(known), l2: Float64Array.from(l2) };
}
