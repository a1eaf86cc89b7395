// src/boot/load.ts — where kernel, device tree and initrd go in guest memory: by computation, none over another.
// Spec: the kernel's Documentation/arch/arm64/booting.rst, parts 2 to 4. Order in memory: kernel at the first 2 MiB
// boundary plus text_offset, device tree at the next 2 MiB boundary behind its image_size, initrd behind that.
// Left out: copying anything (the caller does), kernels that want to run from elsewhere than the start of RAM.
import { Failure } from "../failure.ts";
import { GiB, KiB, MiB, alignDown, alignUp, formatSize, gpa, gpaAdd, hex } from "../units.ts";
import type { Gpa } from "../units.ts";
import type { KernelImage } from "./image.ts";

export interface Placement {
  /** Where the Image's first byte goes; also the entry point. */
  readonly kernel: Gpa;
  readonly entry: Gpa;
  /** First byte behind the memory that the kernel claims (image_size). */
  readonly kernelEnd: Gpa;
  readonly initrd?: { readonly start: Gpa; readonly end: Gpa };
  readonly dtb: Gpa;
}
export interface PlacementRequest {
  readonly kernel: Pick<KernelImage, "textOffset" | "imageSize">;
  /** Size of the initrd in bytes; absent when there is none. */
  readonly initrdSize?: number | undefined;
  readonly dtbSize: number;
  readonly ramBase: number;
  readonly ramSize: number;
  /** Memory that a user's device tree reserves: nothing may be put there. */
  readonly reservations?: readonly { readonly address: bigint; readonly size: bigint }[];
}

const BASE_ALIGN = 2 * MiB;
const MAX_DTB = 2 * MiB;
/** The initrd and the kernel lie in one window of this size that starts at a multiple of 1 GiB. */
const WINDOW = 32 * GiB;
/** The largest page size, so that no page of a 64K kernel holds both initrd and device tree. */
const PAGE = 64 * KiB;

/** Computes the placement, or throws Failure with the numbers that do not fit. */
export function placeBoot(request: PlacementRequest): Placement {
  const { kernel, initrdSize, dtbSize, ramBase, ramSize } = request;
  const ramEnd = ramBase + ramSize;
  const base = alignUp(ramBase, BASE_ALIGN);
  if (kernel.textOffset % (4 * KiB) !== 0) {
    throw new Failure("HV-BOOT-TEXT-OFFSET", `the kernel's text_offset ${hex(kernel.textOffset)} is not a multiple of 4 KiB`, { hint: "the file is damaged: get it again" });
  }
  const start = base + kernel.textOffset, end = start + kernel.imageSize;
  if (start >= ramEnd) {
    throw new Failure("HV-BOOT-TEXT-OFFSET", `the kernel's text_offset ${hex(kernel.textOffset)} puts it at ${hex(start)}, behind the ${formatSize(ramSize)} of memory`, { hint: "give more with --memory, if the file is not damaged" });
  }
  if (end > ramEnd) throw tooSmall(ramSize, `the kernel needs ${needs(kernel.imageSize)}`, end - ramBase);
  if (dtbSize < 1 || dtbSize > MAX_DTB) {
    throw new Failure("HV-BOOT-DTB-SIZE", `the device tree has ${dtbSize} bytes; 1 to ${MAX_DTB} are allowed`, { hint: "make it smaller, or boot with --dtb auto" });
  }
  const dtb = alignUp(end, BASE_ALIGN), dtbEnd = dtb + dtbSize;
  if (dtbEnd > ramEnd) throw tooSmall(ramSize, `kernel and device tree need ${needs(dtbEnd - start)}`, dtbEnd - ramBase);
  const placed = [{ name: "the kernel", start, end }, { name: "the device tree", start: dtb, end: dtbEnd }];
  let initrd: { start: Gpa; end: Gpa } | undefined;
  if (initrdSize !== undefined) {
    if (initrdSize <= 0) throw new Failure("HV-BOOT-INITRD-EMPTY", "the initrd is empty", { hint: "leave out --initrd to boot without one" });
    const from = alignUp(dtbEnd, PAGE), to = from + initrdSize;
    if (to > ramEnd) throw tooSmall(ramSize, `kernel, device tree and an initrd of ${initrdSize} bytes need ${needs(to - start)}`, to - ramBase);
    if (to > alignDown(start, GiB) + WINDOW) {
      throw new Failure("HV-BOOT-INITRD-WINDOW", `the initrd would end at ${hex(to)}, outside the ${formatSize(WINDOW)} window of the kernel that starts at ${hex(alignDown(start, GiB))}`, { hint: "put large data on a disk (--disk) instead" });
    }
    initrd = { start: gpa(from), end: gpa(to) };
    placed.push({ name: "the initrd", start: from, end: to });
  }
  for (const { address, size } of request.reservations ?? []) {
    const hit = placed.find(one => BigInt(one.start) < address + size && address < BigInt(one.end));
    if (hit !== undefined) {
      throw new Failure("HV-BOOT-RESERVED", `the device tree reserves ${hex(address)} to ${hex(address + size)}, where ${hit.name} goes (${hex(hit.start)} to ${hex(hit.end)})`, { hint: "remove that reservation from the device tree, or boot with --dtb auto" });
    }
  }
  const at = gpa(start);
  return { kernel: at, entry: at, kernelEnd: gpaAdd(at, kernel.imageSize), dtb: gpa(dtb), ...(initrd === undefined ? {} : { initrd }) };
}

const needs = (bytes: number): string => `${bytes} bytes (${Math.ceil(bytes / MiB)} MiB)`;

function tooSmall(ramSize: number, what: string, whole: number): Failure {
  const enough = Math.ceil(whole / MiB);
  return new Failure("HV-BOOT-MEMORY", `${what}, the machine has ${formatSize(ramSize)} of memory`, { hint: `give at least --memory ${enough}M, and what the guest itself needs` });
}
