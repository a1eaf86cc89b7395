// src/disk/copy.ts — the contents of one disk into another that is new: what is zeros there already is not written.
import { isZero } from "./file.ts";
import { flushNow, type DiskImage } from "./image.ts";
import { Qcow2Image } from "./qcow2/qcow2.ts";

const PIECE = 2 * 1024 * 1024;

/** `compression`: packs the clusters of a qcow2 image. */
export function copyImage(from: DiskImage, to: DiskImage, options: { readonly compression?: "zlib" | "zstd" | undefined; readonly progress?: (done: number, total: number) => void }): void {
  const unit = to instanceof Qcow2Image ? 2 ** to.header.clusterBits : 65536;
  const buffer = new Uint8Array(Math.max(PIECE, unit));
  for (let at = 0; at < from.size;) {
    options.progress?.(at, from.size);
    const known = from.status(at, from.size - at);
    if (known.kind !== "data") {
      // up to the last whole unit: the rest is read with what is behind it
      const skip = at + known.length === from.size ? known.length : Math.floor((at + known.length) / unit) * unit - at;
      if (skip > 0) {
        at += skip;
        continue;
      }
    }
    const length = Math.min(buffer.length, from.size - at, Math.max(unit, Math.ceil(known.length / unit) * unit)), bytes = buffer.subarray(0, length);
    from.read(at, bytes);
    for (let n = 0; n < length; n += unit) {
      const part = bytes.subarray(n, Math.min(length, n + unit));
      if (isZero(part)) continue;
      if (options.compression !== undefined && to instanceof Qcow2Image) to.writeCompressed(at + n, part, options.compression);
      else to.write(at + n, part);
    }
    at += length;
  }
  flushNow(to);
  options.progress?.(from.size, from.size);
}
