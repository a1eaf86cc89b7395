// src/disk/qcow2/resize.ts — an image that changes its size. Spec: QEMU's docs/interop/qcow2.txt, "General".
// The order: a longer L1 table and the counts of its clusters are on the medium before the header names them; size and place
// of the table are in one sector, written at once; then the old table's clusters are let go of.
import { Failure } from "../../failure.ts";
import { writeAll, type DiskFile } from "../file.ts";
import { flushNow } from "../image.ts";
import { Field, type Qcow2Header } from "./header.ts";
import type { Mapping } from "./mapping.ts";
import type { Places } from "./places.ts";
import type { Qcow2Image } from "./qcow2.ts";
import type { Refcounts } from "./refcounts.ts";

/** What an image is made of. */
interface Parts {
  readonly header: Qcow2Header;
  readonly file: DiskFile;
  readonly refcounts: Refcounts;
  readonly mapping: Mapping;
  readonly places: Places;
}

/** The header says another size; an image that is not flushed loses nothing by that, but must not grow. */
export function growQcow2({ header, file, refcounts, mapping, places }: Parts, size: number): void {
  const { cluster } = places, name = file.name;
  if (header.snapshots > 0) throw new Failure("HV-DISK-SNAPSHOTS", `${name}: has ${header.snapshots} internal snapshots: it cannot be resized`, { hint: "delete them first: qemu-img snapshot -d" });
  const l1Size = Math.ceil(size / (cluster * (cluster / 8)));
  if (l1Size * 8 > 32 * 1024 * 1024) throw new Failure("HV-DISK-SIZE", `${name}: a disk of ${size} bytes needs larger clusters than its ${cluster} bytes`, { hint: "hv disk convert to an image with larger ones" });
  const fields = new Uint8Array(24), view = new DataView(fields.buffer); // size to l1_table_offset: in one sector, written at once
  const old = { offset: mapping.l1Offset, clusters: Math.ceil((mapping.l1Size * 8) / cluster) };
  const moved = l1Size > mapping.l1Size, clusters = Math.ceil((l1Size * 8) / cluster);
  const first = moved ? refcounts.allocateTable(clusters) : 0, bytes = new Uint8Array(l1Size * 8);
  if (moved) {
    places.grow(first, clusters);
    bytes.set(new Uint8Array(mapping.l1.buffer));
    const whole = new Uint8Array(clusters * cluster);
    whole.set(bytes);
    writeAll(file, first * cluster, whole);
  }
  view.setBigUint64(0, BigInt(size));
  view.setUint32(Field.l1_size - Field.size, moved ? l1Size : mapping.l1Size);
  view.setBigUint64(Field.l1_table_offset - Field.size, BigInt(moved ? first * cluster : mapping.l1Offset));
  refcounts.writeBlocks();
  file.sync();
  const entries = refcounts.takeEntries();
  try {
    refcounts.writeEntries(entries);
    file.sync();
    writeAll(file, Field.size, fields);
    file.sync();
  } catch (error) {
    refcounts.giveBack(entries);
    throw error;
  }
  if (!moved) return;
  for (let n = 0; n < clusters; n++) places.add(first + n);
  mapping.moveL1(first * cluster, bytes);
  for (let n = 0; n < old.clusters; n++) {
    places.remove(old.offset / cluster + n);
    refcounts.add(old.offset / cluster + n, -1);
  }
}

/** Gives the disk another size, smaller too. The image is of no use afterwards but to be closed. */
export function resizeQcow2(image: Qcow2Image, size: number): void {
  if (size >= image.size) {
    image.grow(size);
    flushNow(image);
    return;
  }
  const { cluster } = image.places, whole = Math.ceil(size / cluster) * cluster;
  if (image.header.snapshots === 0) { // else it is refused below
    if (size < whole) image.write(size, new Uint8Array(Math.min(whole, image.size) - size)); // nothing of it comes back when the disk grows again
    if (whole < image.size) image.discard(whole, image.size - whole);
    flushNow(image);
  }
  growQcow2(image, size);
}
