// src/boot/initrd.ts — looks into an initrd as the kernel would: cpio archives one behind another, packed or not.
// Spec: the kernel's early-userspace/buffer-format.rst. Only for telling people what a file is: the kernel unpacks by itself.
// Left out: codecs other than gzip and zstd (the kernel knows more; they are named, not opened).
import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { GiB } from "../units.ts";
import { isCpio, readCpio } from "./cpio.ts";

export interface InitrdPart {
  readonly codec: "none" | "gzip" | "zstd" | "xz" | "lzma" | "lz4" | "bzip2" | "lzo";
  /** Where it starts in the file. */
  readonly offset: number;
  /** Names in it; undefined when it was not opened. */
  readonly entries?: number;
  readonly unpacked?: number;
}
export type InitrdRead = { readonly ok: true; readonly parts: InitrdPart[]; readonly hasInit: boolean } | { readonly ok: false; readonly why: string };

const MAGICS: readonly [InitrdPart["codec"], readonly number[]][] = [
  ["gzip", [0x1f, 0x8b]], ["zstd", [0x28, 0xb5, 0x2f, 0xfd]], ["xz", [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0]], ["lzma", [0x5d, 0, 0]],
  ["lz4", [0x02, 0x21, 0x4c, 0x18]], ["bzip2", [0x42, 0x5a, 0x68]], ["lzo", [0x89, 0x4c, 0x5a, 0x4f]],
];

/** Says what an initrd holds. Never throws. */
export function readInitrd(bytes: Uint8Array, limit: number = GiB): InitrdRead {
  const parts: InitrdPart[] = [];
  let at = 0, hasInit = false;
  while (at < bytes.length) {
    if (bytes[at] === 0) {
      at++;
      continue;
    }
    const rest = bytes.subarray(at);
    const codec = isCpio(rest) ? "none" : MAGICS.find(([, magic]) => magic.every((byte, i) => rest[i] === byte))?.[0];
    if (codec === undefined) return { ok: false, why: `at offset ${at} there is neither a cpio archive nor packed data that a kernel knows` };
    if (codec !== "none" && codec !== "gzip" && codec !== "zstd") {
      parts.push({ codec, offset: at });
      break;
    }
    let plain = rest;
    try {
      if (codec === "gzip") plain = gunzipSync(rest, { maxOutputLength: limit });
      if (codec === "zstd") plain = zstdDecompressSync(rest, { maxOutputLength: limit });
    } catch (error) {
      return { ok: false, why: `its ${codec} data does not unpack (${error instanceof Error ? error.message : String(error)})` };
    }
    const read = readCpio(plain);
    if (!read.ok) return { ok: false, why: codec === "none" ? read.why : `inside ${codec}: ${read.why}` };
    hasInit ||= read.entries.some(entry => /^\.?\/?init$/.test(entry.name));
    parts.push({ codec, offset: at, entries: read.entries.length, unpacked: plain === rest ? read.length : plain.length });
    // Packed data is the last part: where it ends only its codec knows.
    at = codec === "none" ? at + read.length : bytes.length;
  }
  return parts.length === 0 ? { ok: false, why: bytes.length === 0 ? "it is empty" : "it holds only zeros" } : { ok: true, parts, hasInit };
}
