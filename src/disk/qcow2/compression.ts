// src/disk/qcow2/compression.ts — compressed clusters: raw deflate streams, or zstd frames.
// Spec: QEMU's docs/interop/qcow2.txt, "Compressed Clusters Descriptor", header field "compression_type"; RFC 8878, 3.1.1.
// What is behind the stream, up to the sector's end, is not part of it.
import { deflateRawSync, inflateRawSync, zstdCompressSync, zstdDecompressSync } from "node:zlib";

export type Compression = "zlib" | "zstd";
/** The history that other programs' decoders keep for a cluster: 2^12 bytes. */
const WINDOW_BITS = 12;

/** Exactly `size` bytes, or undefined when the data does not hold them: it is cut off, wrong, or holds more. */
export function decompress(kind: Compression, data: Uint8Array, size: number): Uint8Array | undefined {
  try {
    const limit = { maxOutputLength: size };
    const bytes = kind === "zlib" ? inflateRawSync(data, limit) : zstdDecompressSync(data.subarray(0, frameLength(data)), limit);
    return bytes.length === size ? bytes : undefined;
  } catch {
    return undefined;
  }
}
/** Undefined when it does not become smaller than `data` by a sector at least. */
export function compress(kind: Compression, data: Uint8Array): Uint8Array | undefined {
  const bytes = kind === "zlib" ? deflateRawSync(data, { windowBits: WINDOW_BITS }) : zstdCompressSync(data);
  return bytes.length + 512 <= data.length ? bytes : undefined;
}

/** Bytes of the zstd frame at the start: its header, its blocks, its checksum. */
function frameLength(data: Uint8Array): number {
  const descriptor = data[4] ?? 0;
  const single = (descriptor & 0x20) !== 0, contentSize = descriptor >> 6;
  let at = 5 + (single ? 0 : 1) + ([0, 1, 2, 4][descriptor & 3] as number) + (contentSize === 0 ? (single ? 1 : 0) : 2 ** contentSize);
  for (let last = false; !last;) {
    if (at + 3 > data.length) return data.length;
    const header = (data[at] as number) | ((data[at + 1] as number) << 8) | ((data[at + 2] as number) << 16);
    last = (header & 1) !== 0;
    at += 3 + (((header >> 1) & 3) === 1 ? 1 : header >> 3); // a run has one byte
  }
  return at + ((descriptor & 4) !== 0 ? 4 : 0);
}
