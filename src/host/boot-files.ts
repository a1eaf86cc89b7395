// src/host/boot-files.ts — kernel and initrd from files or from memory: read, unwrapped, checked.
import { readKernel, type KernelImage } from "../boot/image.ts";
import { Failure } from "../failure.ts";
import { GiB, KiB } from "../units.ts";
import { readInput } from "./input.ts";

/** A path, or the file's bytes. */
export type FileOrBytes = string | Uint8Array;
/** Where a machine finds its files again when it is reset; absent: it keeps the bytes. */
export interface BootSources {
  readonly kernel?: string | undefined;
  readonly initrd?: string | undefined;
}

const KERNEL_LIMIT = 1 * GiB;
const INITRD_LIMIT = 4 * GiB - 64 * KiB;

/** The bytes of a file, and what to call it. */
export const readFile = (from: FileOrBytes, what: string, limit: number): { bytes: Uint8Array; name: string } =>
  typeof from === "string" ? { bytes: readInput(from, what, limit), name: from } : { bytes: from, name: `the ${what}` };

/** Throws Failure for what is no kernel. */
export function readKernelFile(from: FileOrBytes): Pick<KernelImage, "bytes" | "textOffset" | "imageSize"> {
  const image = readFile(from, "kernel", KERNEL_LIMIT);
  const { bytes, textOffset, imageSize } = readKernel(image.bytes, image.name);
  return { bytes, textOffset, imageSize };
}
/** Throws Failure for an empty one. */
export function readInitrdFile(from: FileOrBytes): Uint8Array {
  const { bytes, name } = readFile(from, "initrd", INITRD_LIMIT);
  if (bytes.length === 0) throw new Failure("HV-BOOT-INITRD-EMPTY", `${name}: is empty`, { hint: "leave out --initrd to boot without one" });
  return bytes;
}
