// src/host/flash-store.ts — the file behind a flash bank: a raw image of it, as QEMU's pflash keeps them. What the guest
// programs is written at once, so it outlives this process; `sync` makes it outlive the host. One machine at a time has it.
import { closeSync, constants, fstatSync, fsyncSync, ftruncateSync, openSync, readSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { nextData, tryLockFile } from "../../ffi/posix.ts";
import { ExitCode, Failure } from "../failure.ts";
import { formatSize } from "../units.ts";
import { syncDescriptor } from "./disk-file.ts";

export interface FlashStore {
  /** Copies what the file holds; what it has never held is left alone. */
  load(into: Uint8Array): void;
  /** Throws when the host refuses. */
  write(offset: number, bytes: Uint8Array): void;
  sync(): void;
  close(): void;
}
const PIECE = 1024 * 1024;

/** Opens the file, or makes one of zeros; throws Failure. */
export function openFlashStore(path: string, size: number): FlashStore {
  const label = `--firmware-vars: ${path}`;
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NONBLOCK, 0o644);
  } catch (error) {
    const { code } = error as { readonly code?: string };
    throw new Failure("HV-FLASH-OPEN", `${label}: cannot be opened for reading and writing (${code ?? String(error)})`, { hint: code === "ENOENT" ? "its directory must be there" : "check its path and permissions", exit: code === "ENOENT" ? ExitCode.notFound : ExitCode.failed, cause: error });
  }
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) throw new Failure("HV-FLASH-KIND", `${label}: is not a regular file`, { hint: "name a file of its own" });
    if (!tryLockFile(fd)) throw new Failure("HV-FLASH-LOCKED", `${label}: is in use by another machine`, { hint: "every machine has its own; copy it", exit: ExitCode.busy });
    if (stat.size === 0) create(fd, path, size);
    else if (stat.size !== size) throw new Failure("HV-FLASH-SIZE", `${label}: has ${stat.size} bytes; the flash has ${size}`, { hint: `is it the right file? truncate -s ${formatSize(size).replace(/ ?MiB/, "M")} makes one of this size` });
  } catch (error) {
    closeSync(fd);
    if (error instanceof Failure) throw error;
    throw new Failure("HV-FLASH-OPEN", `${label}: cannot be made (${(error as { readonly code?: string }).code ?? String(error)})`, { hint: "is there space?", exit: ExitCode.failed, cause: error });
  }
  return {
    load: into => {
      for (let at = nextData(fd, 0) ?? size; at < size; at = nextData(fd, at) ?? size) { // holes are not touched
        const got = readSync(fd, into, at, Math.min(PIECE, size - at), at);
        if (got === 0) break;
        at += got;
      }
    },
    write: (offset, bytes) => {
      for (let done = 0; done < bytes.length;) done += writeSync(fd, bytes, done, bytes.length - done, offset + done);
    },
    sync: () => syncDescriptor(fd),
    close: () => closeSync(fd),
  };
}
function create(fd: number, path: string, size: number): void {
  ftruncateSync(fd, size);
  syncDescriptor(fd);
  const directory = openSync(dirname(path), constants.O_RDONLY);
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}
