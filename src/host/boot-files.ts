// src/host/boot-files.ts — kernel, initrd and device tree from files or from memory, checked. What can be copied to the
// guest as it stands in its file (a raw Image, an initrd) is read there in pieces and never held whole.
import { closeSync, openSync, readSync } from "node:fs";
import { readImageHeader, readKernel } from "../boot/image.ts";
import { ExitCode, Failure } from "../failure.ts";
import type { BootFiles, FirmwareFiles, Payload } from "../machine/boot.ts";
import { GiB, KiB, MiB } from "../units.ts";
import { readInput, readInputHead } from "./input.ts";

/** A path, or the file's bytes. */
export type FileOrBytes = string | Uint8Array;
/** What to boot, as plain data: it travels between threads, and a reset opens it again. */
export interface BootSources {
  readonly kernel: FileOrBytes;
  readonly initrd?: FileOrBytes | undefined;
  /** A user's device tree; absent: the board describes itself. */
  readonly dtb?: FileOrBytes | undefined;
  readonly cmdline: string;
}

/** The same for a firmware, which finds a kernel by itself, or in fw_cfg as the file that it is. */
export interface FirmwareSources extends Omit<BootSources, "kernel"> {
  readonly firmware: FileOrBytes;
  /** The file of its variables, made when there is none; absent: they are forgotten with the machine. */
  readonly variables?: string | undefined;
  readonly kernel?: FileOrBytes | undefined;
}

const FIRMWARE_LIMIT = 64 * MiB;
const KERNEL_LIMIT = 1 * GiB;
const INITRD_LIMIT = 4 * GiB - 64 * KiB;
const DTB_LIMIT = 2 * MiB;
/** What is read of a file to see what it is. */
const HEAD = 4 * KiB;

/** Bytes that somebody holds anyway. */
export const inMemory = (bytes: Uint8Array): Payload => ({
  length: bytes.length, read: (offset, into) => into.set(bytes.subarray(offset, offset + into.length)),
});
const inFile = (path: string, length: number): Payload => ({
  length,
  read: (offset, into) => {
    const fd = openSync(path, "r");
    try {
      for (let done = 0; done < into.length;) {
        const got = readSync(fd, into, done, into.length - done, offset + done);
        if (got === 0) throw new Failure("HV-FILE-READ", `${path}: ended after ${offset + done} of ${length} bytes: it changed while it was read`, { hint: "run the command again", exit: ExitCode.failed });
        done += got;
      }
    } finally {
      closeSync(fd);
    }
  },
});

function openKernel(from: FileOrBytes): BootFiles["kernel"] {
  if (typeof from === "string") {
    const { head, size } = readInputHead(from, "kernel", KERNEL_LIMIT, HEAD);
    const raw = readImageHeader(head, size, from);
    if (raw !== undefined) return { payload: inFile(from, size), textOffset: raw.textOffset, imageSize: raw.imageSize };
  }
  const [bytes, name] = typeof from === "string" ? [readInput(from, "kernel", KERNEL_LIMIT), from] : [from, "the kernel"];
  const image = readKernel(bytes, name);
  return { payload: inMemory(image.bytes), textOffset: image.textOffset, imageSize: image.imageSize };
}
function openInitrd(from: FileOrBytes): Payload {
  const payload = typeof from === "string" ? inFile(from, readInputHead(from, "initrd", INITRD_LIMIT, 1).size) : inMemory(from);
  if (payload.length === 0) throw new Failure("HV-BOOT-INITRD-EMPTY", `${typeof from === "string" ? from : "the initrd"}: is empty`, { hint: "leave out --initrd to boot without one" });
  return payload;
}

const openDtb = (dtb: FileOrBytes | undefined): BootFiles["dtb"] => dtb === undefined ? undefined
  : typeof dtb === "string" ? { bytes: readInput(dtb, "device tree", DTB_LIMIT), name: dtb } : { bytes: dtb, name: "the device tree" };

/** Opens what a firmware is started with; throws Failure for what cannot be one. */
export function openFirmwareFiles(sources: FirmwareSources): FirmwareFiles {
  const { firmware, kernel, initrd, dtb, cmdline } = sources;
  if (kernel === undefined && initrd !== undefined) throw new Failure("HV-USAGE-FIRMWARE", "--initrd: without a kernel there is nobody that a firmware could give it to", { hint: "name the kernel too, or leave out --initrd" });
  const code = typeof firmware === "string" ? inFile(firmware, readInputHead(firmware, "firmware", FIRMWARE_LIMIT, 1).size) : inMemory(firmware);
  if (code.length === 0 || code.length > FIRMWARE_LIMIT) throw new Failure("HV-FIRMWARE-SIZE", `${typeof firmware === "string" ? firmware : "the firmware"}: has ${code.length} bytes; flash holds 1 to ${FIRMWARE_LIMIT}`, { hint: "give a firmware for QEMU's virt board, for instance QEMU_EFI.fd or u-boot.bin" });
  return {
    code, cmdline, dtb: openDtb(dtb), initrd: initrd === undefined ? undefined : openInitrd(initrd),
    kernel: kernel === undefined ? undefined : typeof kernel === "string" ? inFile(kernel, readInputHead(kernel, "kernel", KERNEL_LIMIT, 1).size) : inMemory(kernel),
  };
}

/** Opens everything a boot needs; throws Failure for what cannot boot. */
export function openBootFiles(sources: BootSources): BootFiles {
  const { kernel, initrd, dtb, cmdline } = sources;
  return {
    kernel: openKernel(kernel),
    initrd: initrd === undefined ? undefined : openInitrd(initrd),
    dtb: openDtb(dtb),
    cmdline,
  };
}
