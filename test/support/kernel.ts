// test/support/kernel.ts — small kernel files to recognise and to refuse.
import { gzipSync, zstdCompressSync } from "node:zlib";
import { Random } from "./random.ts";

/** An arm64 Image: its 64-byte header, then `size` - 64 bytes of nothing. */
export function arm64Image(fields: { size?: number; textOffset?: bigint; imageSize?: bigint; flags?: bigint } = {}): Uint8Array {
  const size = fields.size ?? 8192, image = new Uint8Array(size), view = new DataView(image.buffer);
  view.setUint32(0, 0x14000010, true); // b #64
  view.setBigUint64(8, fields.textOffset ?? 0n, true);
  view.setBigUint64(16, fields.imageSize ?? BigInt(size * 2), true);
  view.setBigUint64(24, fields.flags ?? 0xan, true);
  image.set([0x41, 0x52, 0x4d, 0x64], 56);
  // Something that does not compress.
  image.set(new Random(size).bytes(Math.max(size - 64, 0)), Math.min(64, size));
  return image;
}

/** An EFI zboot image around a packed payload, with padding behind it as the linker leaves it. */
export function zboot(payload: Uint8Array, type: string): Uint8Array {
  const image = new Uint8Array(0x1000 + payload.length + 512).fill(0xaa, 0x1000 + payload.length), view = new DataView(image.buffer);
  image.set(new TextEncoder().encode("MZ\0\0zimg"));
  view.setUint32(8, 0x1000, true);
  view.setUint32(12, payload.length, true);
  image.set(new TextEncoder().encode(`${type}\0`), 24);
  image.set(payload, 0x1000);
  return image;
}

export const gzip = (bytes: Uint8Array): Uint8Array => new Uint8Array(gzipSync(bytes));
export const zstd = (bytes: Uint8Array): Uint8Array => new Uint8Array(zstdCompressSync(bytes));
