// src/host/disk-file.ts — disk images on this host: opened, locked, checked; read and written at positions.
// The lock is flock's: it ends with the process, however that ends; exclusive for who writes, shared for who reads. Left
// out: O_DIRECT (the host's cache is what makes small reads fast).
import { closeSync, constants, fstatSync, fsyncSync, ftruncateSync, mkdtempSync, openSync, readFileSync, readSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { attribute, fullSync, nextData, punchHole, setAttribute, tryLockFile } from "../../ffi/posix.ts";
import type { DiskFile } from "../disk/file.ts";
import { ExitCode, Failure } from "../failure.ts";
import type { Transfer } from "./transfers.ts";

const SECTOR = 512;
/** What hv remembers of an image: "raw" when it was used as one. */
const FORMAT_ATTRIBUTE = "user.hv.format";

export interface HostFile extends DiskFile {
  readonly fd: number;
  /** The same for two names of one file. */
  readonly identity: string;
  /** Bytes, now. */
  end(): number;
  /** The format that it was used with, where the file system keeps such notes. */
  readonly rememberedFormat: string | undefined;
  /** False where that cannot be noted. */
  rememberFormat(format: string): boolean;
}
export interface OpenFileOptions {
  /** What an error starts with: the flag and the path. */
  readonly label: string;
  readonly write: boolean;
  readonly lock: "exclusive" | "shared" | "none";
  /** Syncs without waiting; see src/host/syncer.ts. */
  readonly syncLater?: ((fd: number, done: (error: unknown) => void) => void) | undefined;
  /** Reads and writes without waiting; see src/host/transfers.ts. */
  readonly later?: { readonly read: Transfer; readonly write: Transfer } | undefined;
}

/** Opens an image; throws Failure for what cannot be a disk. */
export function openDiskFile(path: string, options: OpenFileOptions): HostFile {
  const { label, write } = options;
  let fd: number;
  try {
    // without O_NONBLOCK a FIFO would hold us until somebody writes
    fd = openSync(path, (write ? constants.O_RDWR : constants.O_RDONLY) | constants.O_NONBLOCK);
  } catch (error) {
    const { code } = error as { readonly code?: string };
    if (code === "ENOENT" || code === "ENOTDIR") throw new Failure("HV-DISK-MISSING", `${label}: there is no such file`, { hint: `make one: hv disk create ${path} 1G`, exit: ExitCode.notFound, cause: error });
    if (code === "EISDIR") throw notADisk(label);
    if (code === "EACCES" || code === "EROFS" || code === "EPERM") throw new Failure("HV-DISK-ACCESS", `${label}: cannot be opened for ${write ? "writing" : "reading"} (${code})`, { hint: write ? "add ,ro or ,overlay, or check its permissions" : "check its permissions", exit: ExitCode.failed, cause: error });
    throw new Failure("HV-DISK-OPEN", `${label}: cannot be opened (${code ?? String(error)})`, { hint: "check the path", exit: ExitCode.failed, cause: error });
  }
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile() && !stat.isBlockDevice()) throw notADisk(label);
    const size = stat.isFile() ? stat.size : blockDeviceSize(fd);
    if (options.lock !== "none" && !tryLockFile(fd, options.lock)) {
      const holder = lockHolder(stat.ino);
      throw new Failure("HV-DISK-LOCKED", `${label}: is in use by another machine${holder === undefined ? "" : ` (process ${holder})`}`, { hint: "end that machine, or add ,overlay where it only reads", exit: ExitCode.busy });
    }
    return hostFile(fd, path, size, `${stat.dev}:${stat.ino}`, options);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}
/** A new, empty file; throws Failure when there is one already, unless it may be replaced. Locked. */
export function createDiskFile(path: string, label: string, replace: boolean): HostFile {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDWR | constants.O_CREAT | (replace ? 0 : constants.O_EXCL), 0o644);
  } catch (error) {
    const { code } = error as { readonly code?: string };
    if (code === "EEXIST") throw new Failure("HV-DISK-EXISTS", `${label}: is there already`, { hint: "--force replaces it", exit: ExitCode.failed, cause: error });
    throw new Failure("HV-DISK-CREATE", `${label}: cannot be made (${code ?? String(error)})`, { hint: "check the path", exit: code === "ENOENT" ? ExitCode.notFound : ExitCode.failed, cause: error });
  }
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) throw notADisk(label);
    if (!tryLockFile(fd)) throw new Failure("HV-DISK-LOCKED", `${label}: is in use by another machine`, { hint: "end that machine first", exit: ExitCode.busy });
    ftruncateSync(fd, 0);
    return hostFile(fd, path, 0, `${stat.dev}:${stat.ino}`);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}
/** An empty file without a name: its space is given back with the process, however that ends. */
export function scratchFile(label: string, options: Pick<OpenFileOptions, "later"> = {}): HostFile {
  const folder = process.env["HV_SCRATCH"] ?? tmpdir();
  try {
    const place = mkdtempSync(join(folder, "hv-overlay-"));
    const path = join(place, "overlay");
    try {
      return hostFile(openSync(path, "wx+", 0o600), label, 0, path, options);
    } finally {
      rmSync(place, { recursive: true, force: true });
    }
  } catch (error) {
    throw new Failure("HV-DISK-SCRATCH", `${label}: no file for its overlay can be made in ${folder} (${(error as { readonly code?: string }).code ?? String(error)})`, { hint: "HV_SCRATCH names another directory", exit: ExitCode.failed, cause: error });
  }
}

function hostFile(fd: number, name: string, size: number, identity: string, { syncLater, later }: Pick<OpenFileOptions, "syncLater" | "later"> = {}): HostFile {
  return {
    fd, name, size, identity,
    read: (at, into) => readSync(fd, into, 0, into.length, at),
    write: (at, from) => writeSync(fd, from, 0, from.length, at),
    sync: () => syncDescriptor(fd),
    ...(later === undefined ? {} : { readLater: (at, into, done) => later.read(fd, at, into, done), writeLater: (at, from, done) => later.write(fd, at, from, done) }),
    ...(syncLater === undefined ? {} : { syncLater: (done: (error: unknown) => void) => syncLater(fd, done) }),
    resize: length => ftruncateSync(fd, length),
    punch: (at, length) => punchHole(fd, at, length),
    nextData: at => nextData(fd, at) ?? (fstatSync(fd).isFile() ? Math.max(at, fstatSync(fd).size) : at),
    close: () => closeSync(fd),
    end: () => fstatSync(fd).size,
    get rememberedFormat() { return attribute(fd, FORMAT_ATTRIBUTE); },
    rememberFormat: format => setAttribute(fd, FORMAT_ATTRIBUTE, format),
  };
}
/** Returns when everything written is on the medium; throws when that fails. */
export function syncDescriptor(fd: number): void {
  if (!fullSync(fd)) fsyncSync(fd);
}
const notADisk = (label: string): Failure => new Failure("HV-DISK-KIND", `${label}: is neither a regular file nor a block device`, { hint: "give a disk image" });

/** Throws for bytes that are no disk. */
export function checkRawSize(size: number, path: string, label: string): void {
  if (size === 0 || size % SECTOR !== 0) throw new Failure("HV-DISK-SIZE", `${label}: has ${size} bytes, ${size === 0 ? "no disk at all" : `not a multiple of ${SECTOR}`}`, { hint: size === 0 ? `give it a size: truncate -s 1G ${path}` : `round it up: truncate -s %${SECTOR} ${path}` });
}
/** Linux tells who holds a lock. */
function lockHolder(inode: number): number | undefined {
  try {
    for (const line of readFileSync("/proc/locks", "utf8").split("\n")) {
      const found = /FLOCK\s+ADVISORY\s+\S+\s+(\d+)\s+[0-9a-f]+:[0-9a-f]+:(\d+)\s/.exec(line);
      if (found !== null && Number(found[2]) === inode && Number(found[1]) > 0) return Number(found[1]);
    }
  } catch { /* nobody tells */ }
  return undefined;
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
