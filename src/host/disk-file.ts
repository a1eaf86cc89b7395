// src/host/disk-file.ts — disk images on this host: opened, locked, checked; read and written at positions.
// The lock is flock's: it ends with the process, however that ends, and is exclusive for who writes. Left out: shared locks
// (two machines that only read one image take none), O_DIRECT, F_FULLFSYNC by name (what Bun's fsync does on macOS holds).
import { closeSync, constants, fstatSync, fsyncSync, openSync, readSync, writeSync } from "node:fs";
import { punchHole, tryLockFile } from "../../ffi/posix.ts";
import { ExitCode, Failure } from "../failure.ts";
import type { DiskFile } from "../disk/raw.ts";

const SECTOR = 512;

/** Opens an image; throws Failure for what cannot be a disk. */
export function openDiskFile(path: string, readOnly: boolean): DiskFile {
  let fd: number;
  try {
    // without O_NONBLOCK a FIFO would hold us until somebody writes
    fd = openSync(path, (readOnly ? constants.O_RDONLY : constants.O_RDWR) | constants.O_NONBLOCK);
  } catch (error) {
    const { code } = error as { readonly code?: string };
    if (code === "ENOENT" || code === "ENOTDIR") throw new Failure("HV-DISK-MISSING", `--disk: ${path}: there is no such file`, { hint: `make one: truncate -s 1G ${path}`, exit: ExitCode.notFound, cause: error });
    if (code === "EISDIR") throw notADisk(path);
    if (code === "EACCES" || code === "EROFS" || code === "EPERM") throw new Failure("HV-DISK-ACCESS", `--disk: ${path}: cannot be opened for ${readOnly ? "reading" : "writing"} (${code})`, { hint: readOnly ? "check its permissions" : "add ,ro or ,overlay, or check its permissions", exit: ExitCode.failed, cause: error });
    throw new Failure("HV-DISK-OPEN", `--disk: ${path}: cannot be opened (${code ?? String(error)})`, { hint: "check the path", exit: ExitCode.failed, cause: error });
  }
  try {
    const size = checkedSize(fd, path);
    if (!readOnly && !tryLockFile(fd)) throw new Failure("HV-DISK-LOCKED", `--disk: ${path}: is in use by another machine`, { hint: "end that machine, or add ,overlay", exit: ExitCode.busy });
    return {
      name: path, size,
      read: (at, into) => readSync(fd, into, 0, into.length, at),
      write: (at, from) => writeSync(fd, from, 0, from.length, at),
      sync: () => fsyncSync(fd),
      punch: (at, length) => punchHole(fd, at, length),
      close: () => closeSync(fd),
    };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}
const notADisk = (path: string): Failure => new Failure("HV-DISK-KIND", `--disk: ${path}: is neither a regular file nor a block device`, { hint: "give a raw image" });

function checkedSize(fd: number, path: string): number {
  const stat = fstatSync(fd);
  if (!stat.isFile() && !stat.isBlockDevice()) throw notADisk(path);
  const size = stat.isFile() ? stat.size : blockDeviceSize(fd);
  if (size === 0 || size % SECTOR !== 0) throw new Failure("HV-DISK-SIZE", `--disk: ${path}: has ${size} bytes, ${size === 0 ? "no disk at all" : `not a multiple of ${SECTOR}`}`, { hint: size === 0 ? `give it a size: truncate -s 1G ${path}` : `round it up: truncate -s %${SECTOR} ${path}` });
  return size;
}
/** A block device's stat says 0: its end is where reading stops. */
function blockDeviceSize(fd: number): number {
  const sector = new Uint8Array(SECTOR);
  const readable = (n: number): boolean => {
    try { return readSync(fd, sector, 0, SECTOR, n * SECTOR) === SECTOR; } catch { return false; }
  };
  let low = 0, high = 1; // low sectors are there; sector high is not
  while (readable(high - 1) && high < 2 ** 43) [low, high] = [high, high * 2];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (readable(middle)) low = middle + 1;
    else high = middle;
  }
  return low * SECTOR;
}
