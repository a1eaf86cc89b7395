// src/host/disk-image.ts — an image file and what it needs, opened as a disk: its format found, its backing files with it.
// The rules that keep a guest from reading files of the host through its disk:
//   - A format that is given is not looked for. Without one the first bytes are looked at, once; who was used as a raw disk
//     stays one: that is noted beside the file, and where it cannot be, the guest may not write such first bytes.
//   - A backing file is only opened when format=qcow2 was said, and then in the image's own folder; backing=any lifts that.
import { lstatSync, realpathSync, statSync } from "node:fs";
import { dirname, isAbsolute, join, normalize } from "node:path";
import type { DiskImage } from "../disk/image.ts";
import { readAll } from "../disk/file.ts";
import { checkQcow2 } from "../disk/qcow2/check.ts";
import { HEADER_BYTES, readHeader, type Qcow2Header } from "../disk/qcow2/header.ts";
import { Corruption } from "../disk/qcow2/places.ts";
import { Qcow2Image } from "../disk/qcow2/qcow2.ts";
import { RawImage } from "../disk/raw.ts";
import { ExitCode, Failure } from "../failure.ts";
import { checkRawSize, openDiskFile, type HostFile, type OpenFileOptions } from "./disk-file.ts";

export type DiskFormat = "raw" | "qcow2";
export const DISK_FORMATS: readonly DiskFormat[] = ["raw", "qcow2"];
/** The deepest chain of backing files. */
const MAX_DEPTH = 10;

export interface OpenImageOptions extends Omit<OpenFileOptions, "lock"> {
  readonly format?: DiskFormat | undefined;
  /** Which backing files are opened: of the same folder, when format=qcow2 was given; any; or none, which is an error. */
  readonly backing?: "any" | undefined;
  readonly lock?: OpenFileOptions["lock"] | undefined;
  /** Hears what was found and done beside what was asked: one line each. */
  readonly tell?: ((line: string) => void) | undefined;
}

/** First bytes of formats that a raw disk could be taken for. */
const MAGICS: readonly { readonly name: string; readonly bytes: readonly number[] }[] = [
  { name: "qcow2", bytes: [0x51, 0x46, 0x49, 0xfb] }, { name: "VMDK", bytes: [0x4b, 0x44, 0x4d, 0x56] }, { name: "VMDK", bytes: [0x43, 0x4f, 0x57, 0x44] },
  { name: "VHDX", bytes: [...new TextEncoder().encode("vhdxfile")] }, { name: "VHD", bytes: [...new TextEncoder().encode("conectix")] },
];
const looksLike = (bytes: Uint8Array): string | undefined => MAGICS.find(one => one.bytes.every((byte, i) => bytes[i] === byte))?.name;

/** What a file is taken for, and whether that is only a guess. */
export function findFormat(file: HostFile, options: Pick<OpenImageOptions, "format" | "label" | "tell">): { readonly format: DiskFormat; readonly guessed: boolean } {
  if (options.format !== undefined) return { format: options.format, guessed: false };
  const found = looksLike(start(file, 512));
  if (found === undefined) return { format: "raw", guessed: true };
  if (file.rememberedFormat === "raw") {
    options.tell?.(`${file.name}: begins like ${found}, but was used as a raw disk, and is taken as one; format=${found === "qcow2" ? "qcow2" : "raw"} says otherwise`);
    return { format: "raw", guessed: true };
  }
  if (found !== "qcow2") throw new Failure("HV-DISK-FORMAT", `${options.label}: begins like ${found}, which hv does not have`, { hint: "convert it with qemu-img, or say format=raw" });
  return { format: "qcow2", guessed: true };
}
function start(file: HostFile, most: number): Uint8Array {
  const bytes = new Uint8Array(Math.min(most, file.size));
  if (bytes.length > 0) readAll(file, 0, bytes);
  return bytes;
}

/** Opens an image with its chain; throws Failure, and then nothing stays open. */
export function openImage(path: string, options: OpenImageOptions): DiskImage {
  return open(path, options, []);
}
function open(path: string, options: OpenImageOptions, chain: readonly string[]): DiskImage {
  const { label, write } = options;
  const known = chain.length === 0 ? undefined : statSync(path, { throwIfNoEntry: false }); // before its lock is asked for: that is ours
  if (known !== undefined && chain.includes(`${known.dev}:${known.ino}`)) throw new Failure("HV-DISK-LOOP", `${label}: is its own backing file`, { hint: "restore the image from a copy" });
  const file = openDiskFile(path, { ...options, lock: options.lock ?? (write ? "exclusive" : "shared") });
  let backing: DiskImage | undefined;
  try {
    const { format, guessed } = findFormat(file, options);
    if (format === "raw") {
      checkRawSize(file.size, path, label);
      return new RawImage(file, !write, write && !file.rememberFormat("raw") && guessed ? refuseMagic : undefined);
    }
    if (write) file.rememberFormat("qcow2");
    const header = readHeaderOf(file, label);
    backing = openBacking(path, header, options, guessed, [...chain, file.identity]);
    return openQcow2(file, header, backing, options);
  } catch (error) {
    backing?.close();
    file.close();
    throw userError(error, label);
  }
}
export const readHeaderOf = (file: HostFile, label: string): Qcow2Header => readHeader(start(file, HEADER_BYTES * 32), file.size, label);
/** A raw disk whose format was only guessed must not begin to look like another. */
function refuseMagic(from: Uint8Array): void {
  const found = looksLike(from);
  if (found !== undefined) throw new Error(`the guest writes what begins like ${found} over the start of a disk whose format was not given (format=raw allows it)`);
}
/** What contradicts itself is a user's business, not a bug. */
export function userError(error: unknown, label: string): unknown {
  if (error instanceof Corruption) return new Failure("HV-QCOW2-CORRUPT", `${label}: its metadata are damaged: ${error.message}`, { hint: "hv disk check tells more", exit: ExitCode.failed, cause: error });
  return error;
}

function openQcow2(file: HostFile, header: Qcow2Header, backing: DiskImage | undefined, options: OpenImageOptions): Qcow2Image {
  const { label, write } = options;
  if (header.size === 0) throw new Failure("HV-DISK-SIZE", `${label}: is a disk of 0 bytes`, { hint: "hv disk resize gives it a size" });
  if (write && header.corrupt) throw new Failure("HV-QCOW2-CORRUPT", `${label}: is marked as damaged`, { hint: "hv disk check --repair, or add ,ro", exit: ExitCode.failed });
  if (!write || !header.dirty) return new Qcow2Image(file, header, !write, backing);
  options.tell?.(`${file.name}: was not closed: its reference counts are counted again`);
  const result = checkQcow2(file, header, { repair: true });
  if (result.errors > 0) throw new Failure("HV-QCOW2-CORRUPT", `${label}: its metadata are damaged: ${result.findings[0] ?? ""}`, { hint: "hv disk check tells more", exit: ExitCode.failed });
  const now = { ...file, size: file.end() };
  return new Qcow2Image(now, readHeaderOf(now, label), false, backing);
}

/** The path of a backing file as its image means it; throws Failure for what is not opened. */
export function backingPath(path: string, name: string, any: boolean, label: string): string {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(name);
  if (scheme !== null && scheme[1] !== "file") throw new Failure("HV-DISK-BACKING", `${label}: has the backing file ${JSON.stringify(name)}, which is no file`, { hint: "hv opens files only" });
  const plain = name.replace(/^file:/, "");
  if (!any && (isAbsolute(plain) || normalize(plain).split("/").includes(".."))) throw new Failure("HV-DISK-BACKING", `${label}: has the backing file ${JSON.stringify(name)}, outside of its own folder`, { hint: "backing=any allows it, if you trust the image" });
  return isAbsolute(plain) ? plain : join(dirname(realpathSync(path)), plain);
}
function openBacking(path: string, header: Qcow2Header, options: OpenImageOptions, guessed: boolean, chain: readonly string[]): DiskImage | undefined {
  const { backingFile, backingFormat } = header, { label } = options;
  if (backingFile === undefined) return undefined;
  if (guessed && options.backing !== "any") throw new Failure("HV-DISK-BACKING", `${label}: has the backing file ${JSON.stringify(backingFile)}, and its format was not given`, { hint: "say format=qcow2 if you trust the image" });
  if (backingFormat !== undefined && !DISK_FORMATS.includes(backingFormat as DiskFormat)) throw new Failure("HV-DISK-BACKING", `${label}: its backing file has the format ${JSON.stringify(backingFormat)}`, { hint: "raw and qcow2 can be used" });
  if (chain.length >= MAX_DEPTH) throw new Failure("HV-DISK-BACKING", `${label}: has more than ${MAX_DEPTH - 1} backing files`, { hint: "hv disk convert makes one image of them" });
  const below = backingPath(path, backingFile, options.backing === "any", label);
  if (!lstatSync(below, { throwIfNoEntry: false })) throw new Failure("HV-DISK-BACKING", `${label}: its backing file ${JSON.stringify(backingFile)} is missing`, { hint: "bring it back", exit: ExitCode.notFound });
  return open(below, { ...options, label: `${label}: its backing file ${backingFile}`, format: backingFormat as DiskFormat | undefined, write: false, lock: options.lock === "none" ? "none" : "shared", syncLater: undefined }, chain);
}
