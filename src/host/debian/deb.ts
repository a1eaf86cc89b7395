// src/host/debian/deb.ts — the inside of a .deb: an ar archive that holds a compressed tar.
// Spec: deb(5). The data member may be xz (what Debian uses), gzip, zstd or plain. Left out: control data, lzma and bzip2.
import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { Failure } from "../../failure.ts";
import { GiB } from "../../units.ts";
import { tarEntries, TarError } from "../../boot/tar.ts";
import type { TarEntry, TarHeader } from "../../boot/tar.ts";
import { xzPieces } from "./xz.ts";

const MAGIC = "!<arch>\n";
const ascii = (bytes: Uint8Array): string => String.fromCharCode(...bytes);

/** True for bytes that start like a Debian package. */
export const isDeb = (bytes: Uint8Array): boolean =>
  bytes.length > 68 && ascii(bytes.subarray(0, 8)) === MAGIC && ascii(bytes.subarray(8, 21)) === "debian-binary";

/** The members of an ar archive: name and content. */
export function arMembers(bytes: Uint8Array, name: string): Map<string, Uint8Array> {
  const damaged = (why: string): Failure => new Failure("HV-DEB-DATA", `${name}: not a usable Debian package: ${why}`, { exit: 1 });
  if (ascii(bytes.subarray(0, 8)) !== MAGIC) throw damaged("it has no ar magic");
  const members = new Map<string, Uint8Array>();
  let at = 8;
  while (at < bytes.length) {
    if (at + 60 > bytes.length || bytes[at + 58] !== 0x60 || bytes[at + 59] !== 0x0a) throw damaged(`no member header at offset ${at}`);
    const size = Number(ascii(bytes.subarray(at + 48, at + 58)).trim());
    if (!Number.isSafeInteger(size) || size < 0 || at + 60 + size > bytes.length) throw damaged(`the member at offset ${at} goes past the end`);
    members.set(ascii(bytes.subarray(at, at + 16)).trim().replace(/\/$/, ""), bytes.subarray(at + 60, at + 60 + size));
    at += 60 + size + (size & 1);
  }
  return members;
}

/** The files of a package; content only of those that `wanted` picks. Names start with "./". */
export function* debEntries(bytes: Uint8Array, name: string, wanted: (header: TarHeader) => boolean): Generator<TarEntry, void, void> {
  let pieces: Iterable<Uint8Array> | undefined;
  for (const [member, data] of arMembers(bytes, name)) {
    // The package's SHA-256 was compared with the signed index, so the block sums inside need no second look.
    if (member === "data.tar.xz") pieces = xzPieces(data, { verify: false });
    else if (member === "data.tar.gz") pieces = [gunzipSync(data, { maxOutputLength: GiB })];
    else if (member === "data.tar.zst") pieces = [zstdDecompressSync(data, { maxOutputLength: GiB })];
    else if (member === "data.tar") pieces = [data];
  }
  if (pieces === undefined) throw new Failure("HV-DEB-DATA", `${name}: it holds no data.tar that can be read (xz, gzip, zstd or plain)`, { exit: 1 });
  try {
    yield* tarEntries(pieces, wanted);
  } catch (error) {
    if (error instanceof TarError) throw new Failure("HV-DEB-DATA", `${name}: ${error.message}`, { exit: 1, cause: error });
    throw error;
  }
}
