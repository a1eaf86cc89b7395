// src/host/input.ts — reads a file that a user named, whole, or says precisely why not.
// Refused before a byte is read: directories, pipes, devices, what is too large. Never returns less than the file holds.
// Left out: standard input, sparse reads, and locks: these files are opened, copied and closed.
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { ExitCode, Failure } from "../failure.ts";
import { MiB, formatSize } from "../units.ts";

/** The whole content of a regular file of at most `limit` bytes. `what` names its role ("kernel", "initrd"). */
export function readInput(path: string, what: string, limit: number): Uint8Array {
  return readInputHead(path, what, limit, limit).head;
}

/** The first `most` bytes of such a file, and its size. */
export function readInputHead(path: string, what: string, limit: number, most: number): { readonly head: Uint8Array; readonly size: number } {
  const no = (why: string, options: { hint?: string; exit?: number; cause?: unknown } = {}): Failure => new Failure("HV-FILE-READ", `${path}: ${why}`, options);
  let fd: number;
  try {
    // Non-blocking: opening a pipe that nobody writes to must not hang.
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === "ENOENT") throw no(`there is no such file (as the ${what})`, { hint: "check the path", exit: ExitCode.usage, cause: error });
    if (code === "EACCES" || code === "EPERM") throw no("permission to read it is denied", { hint: `the ${what} must be readable for this user`, cause: error });
    throw no(`cannot be opened (${code ?? String(error)})`, { cause: error });
  }
  try {
    const stat = fstatSync(fd);
    const kind = stat.isDirectory() ? "a directory" : stat.isFIFO() ? "a pipe" : stat.isCharacterDevice() ? "a device" : stat.isBlockDevice() ? "a block device" : stat.isSocket() ? "a socket" : undefined;
    if (kind !== undefined) throw no(`is ${kind}, not a file (as the ${what})`, { hint: `give a file as the ${what}` });
    if (stat.size > limit) throw no(`has ${stat.size} bytes; a ${what} may have ${formatSize(limit)}`, { hint: "is it the right file?" });
    const bytes = new Uint8Array(Math.min(stat.size, most));
    let done = 0;
    while (done < bytes.length) {
      const got = readSync(fd, bytes, done, Math.min(bytes.length - done, 64 * MiB), done);
      if (got === 0) throw no(`ended after ${done} of ${stat.size} bytes: it changed while it was read`, { hint: "run the command again", exit: ExitCode.failed });
      done += got;
    }
    return { head: bytes, size: stat.size };
  } catch (error) {
    if (error instanceof Failure) throw error;
    throw no(`reading it failed (${(error as { code?: string }).code ?? String(error)})`, { exit: ExitCode.failed, cause: error });
  } finally {
    closeSync(fd);
  }
}
