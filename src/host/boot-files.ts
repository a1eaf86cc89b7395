// src/host/boot-files.ts — kernel, initrd and device tree from files or from memory, checked. What can be copied to the
// guest as it stands in its file (a raw Image, an initrd) is read there in pieces and never held whole.
import { closeSync, openSync, readSync } from "node:fs";
import { readImageHeader, readKernel } from "../boot/image.ts";
import { ExitCode, Failure } from "../failure.ts";
import type { BootFiles, Payload } from "../machine/boot.ts";
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

/** Opens everything a boot needs; throws Failure for what cannot boot. */
export function openBootFiles(sources: BootSources): BootFiles {
  const { kernel, initrd, dtb, cmdline } = sources;
  return {
    kernel: openKernel(kernel),
    initrd: initrd === undefined ? undefined : openInitrd(initrd),
    dtb: dtb === undefined ? undefined
      : typeof dtb === "string" ? { bytes: readInput(dtb, "device tree", DTB_LIMIT), name: dtb } : { bytes: dtb, name: "the device tree" },
    cmdline,
  };
}
