// ffi/posix.ts — the few C library calls that Bun does not offer: advisory file locks, becoming another program, holes in
// files and where they are, extended attributes, a sync that reaches the medium, reads into
// several places at once and writes from there.
// Spec: flock(2), execve(2), fallocate(2), lseek(2), fsetxattr(2), preadv(2), pwritev(2); macOS: fcntl(2). Raw calls only; the library is opened on
// first use.
import { dlopen, ptr } from "bun:ffi";

/** Operations of flock(2); the same numbers on Linux and macOS. */
export const LOCK = { SH: 1, EX: 2, NB: 4, UN: 8 } as const;

/** What the C library may be called on this host. */
export const C_LIBRARIES: readonly string[] = process.platform === "darwin" ? ["libSystem.B.dylib"] : ["libc.so.6", "libc.so", `ld-musl-${process.arch === "arm64" ? "aarch64" : "x86_64"}.so.1`];

const open = () => {
  for (const name of C_LIBRARIES) {
    try {
      return dlopen(name, {
        flock: { args: ["i32", "i32"], returns: "i32" },
        sched_yield: { args: [], returns: "i32" },
        execve: { args: ["ptr", "ptr", "ptr"], returns: "i32" },
        preadv: { args: ["i32", "u64", "i32", "i64"], returns: "i32" },
        pwritev: { args: ["i32", "u64", "i32", "i64"], returns: "i32" },
      }).symbols;
    } catch { /* the next name */ }
  }
  throw new Error(`no C library found (tried ${C_LIBRARIES.join(", ")})`);
};
let library: ReturnType<typeof open> | undefined;

/** Lets other threads run, if some wait for a processor. */
export function yieldProcessor(): void {
  library ??= open();
  library.sched_yield();
}

/** Reads from `at` of a file into the places that `count` records of struct iovec at an address name; bytes read, below 0 for an error. */
export function readVector(fd: number, vectors: number, count: number, at: number): number {
  library ??= open();
  return library.preadv(fd, vectors, count, at);
}

/** Writes there from those places; bytes written, below 0 for an error. */
export function writeVector(fd: number, vectors: number, count: number, at: number): number {
  library ??= open();
  return library.pwritev(fd, vectors, count, at);
}

/** Tries to take a lock without waiting; false when another open file holds one against it. It ends with the descriptor. */
export function tryLockFile(fd: number, kind: "exclusive" | "shared" = "exclusive"): boolean {
  library ??= open();
  return library.flock(fd, (kind === "shared" ? LOCK.SH : LOCK.EX) | LOCK.NB) === 0;
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
/** Linux; the numbers are swapped on macOS. */
const SEEK_DATA = process.platform === "darwin" ? 4 : 3;
/** macOS, <sys/fcntl.h>. */
const F_FULLFSYNC = 51, F_PUNCHHOLE = 99;

const openLinuxFiles = () => dlopen("libc.so.6", {
  fallocate: { args: ["i32", "i32", "i64", "i64"], returns: "i32" },
  lseek: { args: ["i32", "i64", "i32"], returns: "i64" },
  fsetxattr: { args: ["i32", "ptr", "ptr", "u64", "i32"], returns: "i32" },
  fgetxattr: { args: ["i32", "ptr", "ptr", "u64"], returns: "i64" },
}).symbols;
/**
 * fcntl's third argument is variadic: on Apple silicon those lie on the stack, behind the eight that registers hold
 * (Apple, "Writing ARM64 code for Apple platforms", variadic functions).
 */
const openDarwinFiles = () => dlopen("libSystem.B.dylib", {
  fcntl: { args: ["i32", "i32", "u64", "u64", "u64", "u64", "u64", "u64", "ptr"], returns: "i32" },
  lseek: { args: ["i32", "i64", "i32"], returns: "i64" },
  fsetxattr: { args: ["i32", "ptr", "ptr", "u64", "u32", "i32"], returns: "i32" },
  fgetxattr: { args: ["i32", "ptr", "ptr", "u64", "u32", "i32"], returns: "i64" },
}).symbols;
let linuxFiles: ReturnType<typeof openLinuxFiles> | undefined;
let darwinFiles: ReturnType<typeof openDarwinFiles> | undefined;

/** Frees the space of a range of a file, which then reads as zeros; false where that cannot be done. */
export function punchHole(fd: number, at: number, length: number): boolean {
  if (process.platform === "linux") {
    linuxFiles ??= openLinuxFiles();
    return linuxFiles.fallocate(fd, PUNCH, at, length) === 0;
  }
  if (process.platform !== "darwin") return false;
  darwinFiles ??= openDarwinFiles();
  const hole = new BigUint64Array([0n, BigInt(at), BigInt(length)]); // struct fpunchhole: flags and reserved, offset, length
  return darwinFiles.fcntl(fd, F_PUNCHHOLE, 0, 0, 0, 0, 0, 0, ptr(hole)) === 0;
}
/** True when everything written has reached the medium; false where fsync has to do: on macOS that leaves it in the drive. */
export function fullSync(fd: number): boolean {
  if (process.platform !== "darwin") return false;
  darwinFiles ??= openDarwinFiles();
  return darwinFiles.fcntl(fd, F_FULLFSYNC, 0, 0, 0, 0, 0, 0, null) === 0;
}
/** Where the next bytes are that are no hole; undefined when there are none, or nobody knows. Moves the file's position. */
export function nextData(fd: number, at: number): number | undefined {
  if (process.platform !== "linux" && process.platform !== "darwin") return undefined;
  const lseek = process.platform === "linux" ? (linuxFiles ??= openLinuxFiles()).lseek : (darwinFiles ??= openDarwinFiles()).lseek;
  const found = Number(lseek(fd, at, SEEK_DATA));
  return found < 0 ? undefined : found;
}
/** Sets an extended attribute of a file; false where that cannot be done. */
export function setAttribute(fd: number, name: string, value: string): boolean {
  const key = Buffer.from(`${name}\0`), bytes = Buffer.from(`${value}\0`), { length } = Buffer.from(value);
  if (process.platform === "linux") return (linuxFiles ??= openLinuxFiles()).fsetxattr(fd, ptr(key), ptr(bytes), length, 0) === 0;
  if (process.platform === "darwin") return (darwinFiles ??= openDarwinFiles()).fsetxattr(fd, ptr(key), ptr(bytes), length, 0, 0) === 0;
  return false;
}
/** An extended attribute of at most 64 bytes; undefined when there is none. */
export function attribute(fd: number, name: string): string | undefined {
  const key = Buffer.from(`${name}\0`), bytes = Buffer.alloc(64);
  let length = -1;
  if (process.platform === "linux") length = Number((linuxFiles ??= openLinuxFiles()).fgetxattr(fd, ptr(key), ptr(bytes), bytes.length));
  else if (process.platform === "darwin") length = Number((darwinFiles ??= openDarwinFiles()).fgetxattr(fd, ptr(key), ptr(bytes), bytes.length, 0, 0));
  return length < 0 ? undefined : bytes.subarray(0, length).toString();
}
