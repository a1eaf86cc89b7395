// src/boot/image.ts — recognises an arm64 kernel by its content and unwraps it down to the raw Image.
// Spec: the kernel's Documentation/arch/arm64/booting.rst, part 4 (the 64-byte header); EFI zboot header as in
// drivers/firmware/efi/libstub/zboot-header.S; RFC 1952 (gzip); RFC 8878 (zstd). Left out: every codec but gzip and zstd.
// Bounded: at most two layers of compression; the header inside is looked at before anything large is unpacked.
import { gunzipSync, zstdDecompressSync, constants } from "node:zlib";
import { Failure } from "../failure.ts";
import { GiB, KiB, formatSize } from "../units.ts";

/** The raw Image and what its header says. */
export interface KernelImage {
  readonly kind: "Image";
  /** What was unwrapped, outermost first: for instance ["zboot", "gzip"]; empty for a raw Image. */
  readonly layers: string[];
  readonly bytes: Uint8Array;
  /** Offset from the 2 MiB-aligned base; 0x80000 when the header says no image size. */
  readonly textOffset: number;
  /** Memory the kernel needs from its start, BSS included; at least the file's own size. */
  readonly imageSize: number;
  /** The header's image_size field was 0 (a kernel older than 3.17). */
  readonly oldHeader: boolean;
  readonly flags: ImageFlags;
  /** Unusual but legal things, one sentence each. */
  readonly notes: string[];
}
export interface ImageFlags {
  readonly pageSize: "unspecified" | "4K" | "16K" | "64K";
  /** The kernel may lie anywhere in memory, not only near the start of RAM. */
  readonly anywhere: boolean;
  readonly reserved: bigint;
}

const HEADER = 64;
const MAGIC_AT = 56;
const MAX_LAYERS = 2;
/** How much packed input is unpacked to look at the header inside. */
const PEEK = 4 * KiB;
const PAGE_SIZES = ["unspecified", "4K", "16K", "64K"] as const;

const at = (bytes: Uint8Array, offset: number, ...expected: number[]): boolean =>
  bytes.length >= offset + expected.length && expected.every((byte, i) => bytes[offset + i] === byte);
const ascii = (bytes: Uint8Array, offset: number, text: string): boolean => at(bytes, offset, ...[...text].map(c => c.charCodeAt(0)));
const view = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const seen = (bytes: Uint8Array, offset: number, length: number): string =>
  [...bytes.subarray(offset, offset + length)].map(byte => byte.toString(16).padStart(2, "0")).join(" ");

const isImage = (bytes: Uint8Array): boolean => ascii(bytes, MAGIC_AT, "ARM\x64");
const isGzip = (bytes: Uint8Array): boolean => at(bytes, 0, 0x1f, 0x8b);
const isZstd = (bytes: Uint8Array): boolean => at(bytes, 0, 0x28, 0xb5, 0x2f, 0xfd);
const isZboot = (bytes: Uint8Array): boolean => ascii(bytes, 0, "MZ") && ascii(bytes, 4, "zimg");

const UNPACK = "unpack it first, then give the result";
const WANTED = "give an arm64 kernel: Image, Image.gz, Image.zst or vmlinuz.efi";

/** Files that people pass by mistake: what they are, and what to do instead. First match wins. */
const MISTAKES: readonly { readonly code: string; readonly is: (b: Uint8Array) => boolean; readonly what: string | ((b: Uint8Array) => string); readonly hint: string }[] = [
  {
    code: "HV-IMAGE-ELF", is: b => at(b, 0, 0x7f, 0x45, 0x4c, 0x46),
    what: b => (b.length > 19 && view(b).getUint16(18, b[5] !== 2) === 183 ? "is an arm64 ELF file (vmlinux), not an Image" : "is an ELF file and not for arm64"),
    hint: "give arch/arm64/boot/Image from the same build",
  },
  { code: "HV-IMAGE-X86", is: b => ascii(b, 0x202, "HdrS"), what: "is an x86 kernel (bzImage)", hint: "this machine is arm64: take the kernel of an arm64 distribution" },
  { code: "HV-IMAGE-PE", is: b => ascii(b, 0, "MZ"), what: "is an EFI program without an arm64 Image in it", hint: "it may be a boot loader or a unified kernel image: extract its kernel first" },
  { code: "HV-IMAGE-CODEC", is: b => at(b, 0, 0xfd, 0x37, 0x7a, 0x58, 0x5a, 0), what: "is compressed with xz, which a kernel may not be here", hint: UNPACK + " (xz -d)" },
  { code: "HV-IMAGE-CODEC", is: b => at(b, 0, 0x5d, 0, 0) && b.length > 13, what: "is compressed with lzma, which a kernel may not be here", hint: UNPACK + " (unlzma)" },
  { code: "HV-IMAGE-CODEC", is: b => at(b, 0, 0x02, 0x21, 0x4c, 0x18) || at(b, 0, 0x04, 0x22, 0x4d, 0x18), what: "is compressed with lz4, which a kernel may not be here", hint: UNPACK + " (lz4 -d)" },
  { code: "HV-IMAGE-CODEC", is: b => ascii(b, 0, "BZh"), what: "is compressed with bzip2, which a kernel may not be here", hint: UNPACK + " (bunzip2)" },
  { code: "HV-IMAGE-CODEC", is: b => at(b, 0, 0x89, 0x4c, 0x5a, 0x4f), what: "is compressed with lzo, which a kernel may not be here", hint: UNPACK + " (lzop -d)" },
  { code: "HV-IMAGE-UIMAGE", is: b => at(b, 0, 0x27, 0x05, 0x19, 0x56), what: "is a U-Boot uImage", hint: "give the Image it was made from (or cut off its first 64 bytes)" },
  { code: "HV-IMAGE-DTB", is: b => at(b, 0, 0xd0, 0x0d, 0xfe, 0xed), what: "is a device tree or a FIT image, not a kernel", hint: "a device tree goes to --dtb" },
  { code: "HV-IMAGE-DEB", is: b => ascii(b, 0, "!<arch>\n"), what: "is a Debian package or a static library, not a kernel", hint: "`hv pull debian` takes a kernel out of a package" },
  { code: "HV-IMAGE-CPIO", is: b => ascii(b, 0, "07070"), what: "is a cpio archive (an initramfs), not a kernel", hint: "an initramfs goes to --initrd" },
  { code: "HV-IMAGE-TAR", is: b => ascii(b, 257, "ustar"), what: "is a tar archive, not a kernel", hint: "extract the kernel first" },
  { code: "HV-IMAGE-DISK", is: b => ascii(b, 0, "QFI\xfb") || at(b, 510, 0x55, 0xaa) || at(b, 0x438, 0x53, 0xef), what: "is a disk image, not a kernel", hint: "a disk goes to --disk" },
  { code: "HV-IMAGE-TEXT", is: isText, what: b => `is text (it starts with ${JSON.stringify(String.fromCharCode(...b.subarray(0, 24)))})`, hint: WANTED },
];

function isText(bytes: Uint8Array): boolean {
  return bytes.length > 0 && bytes.subarray(0, 512).every(byte => byte === 9 || byte === 10 || byte === 13 || (byte >= 32 && byte < 127));
}

/**
 * Finds the arm64 Image in `bytes`; `name` is only for messages. Throws Failure for everything that is not one.
 * `limit` caps what any layer may unpack to.
 */
export function readKernel(bytes: Uint8Array, name: string, options: { readonly limit?: number } = {}): KernelImage {
  const limit = options.limit ?? GiB;
  const layers: string[] = [];
  let packed = 0;
  for (;;) {
    const where = layers.length === 0 ? name : `${name} (inside ${layers.join(", ")})`;
    if (bytes.length === 0) throw new Failure("HV-IMAGE-EMPTY", `${where}: is empty`, { hint: WANTED });
    if (isImage(bytes)) return parseHeader(bytes, where, layers);
    const codec = isGzip(bytes) ? "gzip" : isZstd(bytes) ? "zstd" : undefined;
    if (codec === undefined && !isZboot(bytes)) throw notKernel(bytes, where);
    if (codec === undefined) {
      if (layers.includes("zboot")) throw new Failure("HV-IMAGE-NESTED", `${where}: holds one EFI zboot image in another`, { hint: WANTED });
      bytes = zbootPayload(bytes, where);
      layers.push("zboot");
      continue;
    }
    if (++packed > MAX_LAYERS) throw new Failure("HV-IMAGE-NESTED", `${where}: is compressed more than ${MAX_LAYERS} times`, { hint: WANTED });
    bytes = codec === "gzip" ? unpackGzip(bytes, where, limit) : unpackZstd(bytes, where, limit);
    layers.push(codec);
  }
}

/** What the header of a raw Image says, from the first bytes of a file of `size` bytes; undefined when it is none. */
export function readImageHeader(head: Uint8Array, size: number, name: string): KernelImage | undefined {
  return isImage(head) ? parseHeader(head, name, [], size) : undefined;
}

function notKernel(bytes: Uint8Array, where: string): Failure {
  for (const { code, is, what, hint } of MISTAKES) {
    if (is(bytes)) return new Failure(code, `${where}: ${typeof what === "string" ? what : what(bytes)}`, { hint });
  }
  if (bytes.length < HEADER) return new Failure("HV-IMAGE-SHORT", `${where}: has ${bytes.length} bytes, the header of an arm64 Image alone has ${HEADER} (it starts with ${seen(bytes, 0, 8)})`, { hint: WANTED });
  return new Failure("HV-IMAGE-MAGIC", `${where}: is no arm64 Image: at offset ${MAGIC_AT} it has ${seen(bytes, MAGIC_AT, 4)}, not 41 52 4d 64 ("ARM\\x64")`, { hint: WANTED });
}

function parseHeader(bytes: Uint8Array, where: string, layers: string[], length: number = bytes.length): KernelImage {
  const header = view(bytes);
  if (bytes.length < HEADER) throw new Failure("HV-IMAGE-SHORT", `${where}: has ${bytes.length} bytes, the header of an arm64 Image alone has ${HEADER}`, { hint: WANTED });
  const textOffset = header.getBigUint64(8, true), imageSize = header.getBigUint64(16, true), flags = header.getBigUint64(24, true);
  if (flags & 1n) throw new Failure("HV-IMAGE-BIG-ENDIAN", `${where}: is a big-endian kernel (header flag bit 0)`, { hint: "build it with CONFIG_CPU_LITTLE_ENDIAN" });
  // Compared as 64-bit values: beyond 2^48 no address exists, so nothing above becomes a number.
  const tooFar = 1n << 48n;
  if (textOffset >= tooFar) throw new Failure("HV-IMAGE-TEXT-OFFSET", `${where}: its text_offset is 0x${textOffset.toString(16)}, which is no address`, { hint: "the file is damaged: get it again" });
  if (imageSize >= tooFar) throw new Failure("HV-IMAGE-SIZE", `${where}: its image_size is 0x${imageSize.toString(16)}, which is no size`, { hint: "the file is damaged: get it again" });
  const oldHeader = imageSize === 0n;
  if (!oldHeader && imageSize < BigInt(length)) {
    throw new Failure("HV-IMAGE-SIZE", `${where}: its image_size is ${imageSize} bytes but the file has ${length}`, { hint: "the file is damaged or has something appended: get it again" });
  }
  const pageSize = PAGE_SIZES[Number((flags >> 1n) & 3n)]!;
  const reserved = flags >> 4n << 4n;
  const notes: string[] = [];
  if (oldHeader) notes.push("its header gives no image_size: text_offset 0x80000 is assumed");
  if (pageSize === "16K" || pageSize === "64K") notes.push(`it is built for ${pageSize} pages`);
  if (reserved !== 0n) notes.push(`its header sets reserved flag bits (0x${reserved.toString(16)}): ignored`);
  return {
    kind: "Image", layers, bytes, oldHeader, notes,
    textOffset: oldHeader ? 0x80000 : Number(textOffset),
    imageSize: oldHeader ? length : Number(imageSize),
    flags: { pageSize, anywhere: (flags & 8n) !== 0n, reserved },
  };
}

function zbootPayload(bytes: Uint8Array, where: string): Uint8Array {
  if (bytes.length < HEADER) throw new Failure("HV-IMAGE-TRUNCATED", `${where}: is an EFI zboot image of only ${bytes.length} bytes`, { hint: "get the file again" });
  const header = view(bytes), offset = header.getUint32(8, true), size = header.getUint32(12, true);
  const end = bytes.indexOf(0, 24);
  const type = String.fromCharCode(...bytes.subarray(24, Math.min(end < 0 ? 56 : end, 56)));
  if (offset < HEADER || size === 0 || offset + size > bytes.length) {
    throw new Failure("HV-IMAGE-TRUNCATED", `${where}: its zboot payload is ${size} bytes at ${offset}, the file has ${bytes.length}`, { hint: "the file is cut off or damaged: get it again" });
  }
  const payload = bytes.subarray(offset, offset + size);
  const matches = (type === "gzip" && isGzip(payload)) || (/^zstd\d*$/.test(type) && isZstd(payload));
  if (matches) return payload;
  if (type === "gzip" || /^zstd\d*$/.test(type)) {
    throw new Failure("HV-IMAGE-CORRUPT", `${where}: its zboot payload should be ${type} but starts with ${seen(payload, 0, 4)}`, { hint: "the file is damaged: get it again" });
  }
  throw new Failure("HV-IMAGE-CODEC", `${where}: its zboot payload is compressed with ${JSON.stringify(type)}; gzip and zstd are supported`, { hint: "build the kernel with CONFIG_KERNEL_GZIP or CONFIG_KERNEL_ZSTD, or give its Image" });
}

const tooLarge = (where: string, codec: string, limit: number): Failure =>
  new Failure("HV-IMAGE-TOO-LARGE", `${where}: its ${codec} data unpacks to more than ${formatSize(limit)}`, { hint: "a kernel is far smaller: this file is something else" });
const corrupt = (where: string, codec: string, why: string): Failure =>
  new Failure("HV-IMAGE-CORRUPT", `${where}: its ${codec} data is damaged or cut off (${why})`, { hint: "get the file again" });
const reason = (error: unknown): string => (error instanceof Error ? error.message : String(error)).toLowerCase();
const isOverLimit = (error: unknown): boolean => (error as { code?: string } | null)?.code === "ERR_BUFFER_TOO_LARGE";

/** Refuses early what cannot become a kernel; for an Image it returns the most that it can hold. */
function checkInside(head: Uint8Array, where: string, codec: string, limit: number): number {
  const inside = `${where} (inside ${codec})`;
  if (isImage(head)) {
    const size = view(head).getBigUint64(16, true);
    // One byte more than image_size: what is longer than its header says gets its own message.
    return size === 0n || size > BigInt(limit) ? limit : Math.min(limit, Math.max(Number(size), HEADER) + 1);
  }
  if (head.length >= 1024 && !isGzip(head) && !isZstd(head) && !isZboot(head)) throw notKernel(head, inside);
  return limit;
}

function unpackGzip(bytes: Uint8Array, where: string, limit: number): Uint8Array {
  let head: Uint8Array = new Uint8Array(0);
  try {
    head = gunzipSync(bytes.subarray(0, PEEK), { finishFlush: constants.Z_SYNC_FLUSH });
  } catch { /* the whole tells what is wrong */ }
  const most = checkInside(head, where, "gzip", limit);
  try {
    return gunzipSync(bytes, { maxOutputLength: most });
  } catch (error) {
    if (isOverLimit(error)) throw most < limit ? sizeLie(where, "gzip", most - 1) : tooLarge(where, "gzip", limit);
    throw corrupt(where, "gzip", reason(error));
  }
}

const sizeLie = (where: string, codec: string, size: number): Failure =>
  new Failure("HV-IMAGE-SIZE", `${where}: its image_size is ${size} bytes but its ${codec} data unpacks to more`, { hint: "the file is damaged: get it again" });

/** Ends of the blocks and frames of zstd data; undefined when it stops in the middle (the library would not say). */
function zstdFrames(bytes: Uint8Array): { end: number; firstBlocks: number } | undefined {
  const header = view(bytes);
  let pos = 0, firstBlocks = 0, frames = 0;
  while (pos + 8 <= bytes.length) {
    const magic = header.getUint32(pos, true);
    if (magic >= 0x184d2a50 && magic <= 0x184d2a5f) {
      pos += 8 + header.getUint32(pos + 4, true);
      if (pos > bytes.length) return undefined;
      continue;
    }
    if (magic !== 0xfd2fb528) break;
    frames++;
    const descriptor = bytes[pos + 4]!, single = (descriptor & 0x20) !== 0;
    pos += 5 + (single ? 0 : 1) + [0, 1, 2, 4][descriptor & 3]! + [single ? 1 : 0, 2, 4, 8][descriptor >> 6]!;
    for (let last = false; !last;) {
      if (pos + 3 > bytes.length) return undefined;
      const block = bytes[pos]! | (bytes[pos + 1]! << 8) | (bytes[pos + 2]! << 16);
      last = (block & 1) !== 0;
      pos += 3 + (((block >> 1) & 3) === 1 ? 1 : block >> 3);
      if (pos > bytes.length) return undefined;
      if (firstBlocks === 0) firstBlocks = pos;
    }
    if (descriptor & 4) pos += 4;
    if (pos > bytes.length) return undefined;
  }
  return frames === 0 ? undefined : { end: pos, firstBlocks };
}

function unpackZstd(bytes: Uint8Array, where: string, limit: number): Uint8Array {
  const frames = zstdFrames(bytes);
  if (frames === undefined) throw corrupt(where, "zstd", "it ends in the middle");
  let head: Uint8Array = new Uint8Array(0);
  try {
    head = zstdDecompressSync(bytes.subarray(0, frames.firstBlocks), { finishFlush: constants.ZSTD_e_flush });
  } catch { /* the whole tells what is wrong */ }
  const most = checkInside(head, where, "zstd", limit);
  try {
    return zstdDecompressSync(bytes.subarray(0, frames.end), { maxOutputLength: most });
  } catch (error) {
    if (isOverLimit(error)) throw most < limit ? sizeLie(where, "zstd", most - 1) : tooLarge(where, "zstd", limit);
    throw corrupt(where, "zstd", reason(error));
  }
}
