// ffi/posix.ts — the few C library calls that Bun does not offer: advisory file locks, and becoming another program.
// Spec: flock(2), execve(2). Raw calls only; the library is opened on first use.
import { dlopen, ptr } from "bun:ffi";

/** Operations of flock(2); the same numbers on Linux and macOS. */
export const LOCK = { EX: 2, NB: 4, UN: 8 } as const;

const open = () => {
  const names = process.platform === "darwin" ? ["libSystem.B.dylib"] : ["libc.so.6", "libc.so", `ld-musl-${process.arch === "arm64" ? "aarch64" : "x86_64"}.so.1`];
  for (const name of names) {
    try {
      return dlopen(name, {
        flock: { args: ["i32", "i32"], returns: "i32" },
        execve: { args: ["ptr", "ptr", "ptr"], returns: "i32" },
      }).symbols;
    } catch { /* the next name */ }
  }
  throw new Error(`no C library found (tried ${names.join(", ")})`);
};
let library: ReturnType<typeof open> | undefined;

/** Tries to take an exclusive lock without waiting; false when another open file holds it. It ends with the descriptor. */
export function tryLockFile(fd: number): boolean {
  library ??= open();
  return library.flock(fd, LOCK.EX | LOCK.NB) === 0;
}

/** Replaces this program by another, in the same process. Returns only when that fails. */
export function executeProgram(path: string, args: readonly string[], environment: readonly string[]): void {
  library ??= open();
  const strings = new Map<string, Buffer>(); // kept until the call
  const text = (value: string): Buffer => {
    const bytes = strings.get(value) ?? Buffer.from(`${value}\0`);
    strings.set(value, bytes);
    return bytes;
  };
  // pointers, 64 bits each; a zero ends the list
  const list = (values: readonly string[]): BigUint64Array => new BigUint64Array([...values.map(value => BigInt(ptr(text(value)))), 0n]);
  library.execve(text(path), list(args), list(environment));
}

/** Linux: FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE. */
const PUNCH = 3;
let space: ((fd: number, mode: number, at: number, length: number) => number) | undefined;
/** Frees the space of a range of a file, which then reads as zeros; false where that cannot be done. Linux only. */
export function punchHole(fd: number, at: number, length: number): boolean {
  if (process.platform !== "linux") return false;
  if (space === undefined) {
    const { symbols } = dlopen("libc.so.6", { fallocate: { args: ["i32", "i32", "i64", "i64"], returns: "i32" } });
    space = (file, mode, from, count) => symbols.fallocate(file, mode, from, count);
  }
  return space(fd, PUNCH, at, length) === 0;
}
