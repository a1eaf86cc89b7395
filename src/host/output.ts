// src/host/output.ts — writes a file that a user asked for: complete under its name, or not at all.
// A temporary file beside it, then one rename. Standard output is the caller's own matter.
import { closeSync, fsyncSync, openSync, renameSync, rmSync, statSync, writeSync } from "node:fs";
import { ExitCode, Failure } from "../failure.ts";

/** Writes `bytes` to `path`. Devices and pipes (/dev/stdout, /dev/null) are written to directly. */
export function writeOutput(path: string, bytes: Uint8Array): void {
  let direct = false;
  try {
    const stat = statSync(path);
    if (stat.isDirectory()) throw new Failure("HV-FILE-WRITE", `${path}: is a directory`, { hint: "give the name of a file" });
    direct = !stat.isFile();
  } catch (error) {
    if (error instanceof Failure) throw error; // else it does not exist yet
  }
  const target = direct ? path : `${path}.tmp-${process.pid}`;
  try {
    const fd = openSync(target, direct ? "w" : "wx", 0o644);
    try {
      for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at);
      if (!direct) fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    if (!direct) renameSync(target, path);
  } catch (error) {
    if (!direct) rmSync(target, { force: true });
    const { code } = error as { code?: string };
    const why = code === "ENOENT" ? "its directory does not exist" : code === "EACCES" || code === "EPERM" ? "permission is denied" : code === "ENOSPC" ? "the disk is full" : (code ?? String(error));
    throw new Failure("HV-FILE-WRITE", `${path}: cannot be written: ${why}`, { hint: "nothing was written", exit: code === "ENOSPC" ? ExitCode.failed : ExitCode.usage, cause: error });
  }
}
