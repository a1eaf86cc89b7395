// src/disk/qcow2/create.ts — a new image.
// Spec: QEMU's docs/interop/qcow2.txt, "General" and "Host cluster management".
import { Failure } from "../../failure.ts";
import { writeAll, type DiskFile } from "../file.ts";
import { writeHeader, type NewHeader } from "./header.ts";

export type NewImage = Omit<NewHeader, "l1Size" | "l1Offset" | "refcountTableOffset" | "refcountTableClusters">;

/** Refcount table and blocks for clusters whose counts are known, and for themselves, from cluster `start` on. */
export function refcountStructure(counts: (cluster: number) => number, clusters: number, start: number, clusterBits: number, order: number): { readonly table: Uint8Array; readonly blocks: Uint8Array; readonly tableClusters: number } {
  const cluster = 2 ** clusterBits, perBlock = (cluster * 8) / 2 ** order;
  let blocks = 0, tableClusters = 0;
  for (let total = -1; total !== Math.max(clusters, start + tableClusters + blocks);) {
    total = Math.max(clusters, start + tableClusters + blocks);
    blocks = Math.ceil(total / perBlock);
    tableClusters = Math.ceil((blocks * 8) / cluster);
  }
  const end = start + tableClusters + blocks;
  const table = new Uint8Array(tableClusters * cluster), tableView = new DataView(table.buffer), bytes = new Uint8Array(blocks * cluster), view = new DataView(bytes.buffer);
  for (let n = 0; n < blocks; n++) tableView.setBigUint64(8 * n, BigInt((start + tableClusters + n) * cluster));
  const bits = 2 ** order, max = order >= 5 ? 0xffff_ffff : 2 ** bits - 1;
  for (let c = 0; c < Math.max(clusters, end); c++) {
    const count = c >= start && c < end ? 1 : c < clusters ? Math.min(max, counts(c)) : 0;
    if (count === 0) continue;
    if (order === 6) view.setUint32(8 * c + 4, count);
    else if (order === 5) view.setUint32(4 * c, count);
    else if (order === 4) view.setUint16(2 * c, count);
    else {
      const at = c * bits;
      bytes[at >> 3] = (bytes[at >> 3] as number) | (count << (at & 7));
    }
  }
  return { table, blocks: bytes, tableClusters };
}

/** Writes an image without any data into an empty file. */
export function createQcow2(file: DiskFile, image: NewImage): void {
  const cluster = 2 ** image.clusterBits;
  const l1Size = Math.max(1, Math.ceil(image.size / (cluster * (cluster / 8))));
  if (l1Size * 8 > 32 * 1024 * 1024) throw new Failure("HV-DISK-SIZE", `${file.name}: a disk of ${image.size} bytes needs larger clusters than ${cluster} bytes`, { hint: "say --cluster-size 64K, or more" });
  const l1Clusters = Math.ceil((l1Size * 8) / cluster), start = 1 + l1Clusters;
  const { table, blocks, tableClusters } = refcountStructure(() => 1, start, start, image.clusterBits, image.version === 2 ? 4 : image.refcountOrder); // version 2 knows 16 bits only
  const header = writeHeader({ ...image, l1Size, l1Offset: cluster, refcountTableOffset: start * cluster, refcountTableClusters: tableClusters });
  file.resize(start * cluster + table.length + blocks.length);
  writeAll(file, start * cluster, table);
  writeAll(file, start * cluster + table.length, blocks);
  file.sync();
  writeAll(file, 0, header); // last: without it there is no image
  file.sync();
}
