// ffi/posix.ts — the few C library calls that Bun does not offer: advisory file locks.
// Spec: flock(2). Raw calls only; the library is opened on first use.
import { dlopen } from "bun:ffi";

/** Operations of flock(2); the same numbers on Linux and macOS. */
export const LOCK = { EX: 2, NB: 4, UN: 8 } as const;

let library: { flock(fd: number, operation: number): number } | undefined;

function open(): { flock(fd: number, operation: number): number } {
  const names = process.platform === "darwin" ? ["libSystem.B.dylib"] : ["libc.so.6", "libc.so", `ld-musl-${process.arch === "arm64" ? "aarch64" : "x86_64"}.so.1`];
  for (const name of names) {
    try {
      return dlopen(name, { flock: { args: ["i32", "i32"], returns: "i32" } }).symbols;
    } catch { /* the next name */ }
  }
  throw new Error(`no C library found (tried ${names.join(", ")})`);
}

/** Tries to take an exclusive lock without waiting; false when another open file holds it. It ends with the descriptor. */
export function tryLockFile(fd: number): boolean {
  library ??= open();
  return library.flock(fd, LOCK.EX | LOCK.NB) === 0;
}
