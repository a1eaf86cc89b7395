// ffi/files.ts — files by an open directory and one name in it: the ...at calls of the C library, and reading a directory
// entry by entry. Bun has neither. Spec: openat(2), mkdirat(2), unlinkat(2), renameat(2), symlinkat(2), readlinkat(2),
// linkat(2), fdopendir(3), readdir(3). Raw calls only; the library is opened on first use.
import { CString, dlopen, ptr, read, type Pointer } from "bun:ffi";

const darwin: boolean = process.platform === "darwin";
const COMMON = {
  mkdirat: { args: ["i32", "ptr", "u32"], returns: "i32" },
  unlinkat: { args: ["i32", "ptr", "i32"], returns: "i32" },
  renameat: { args: ["i32", "ptr", "i32", "ptr"], returns: "i32" },
  symlinkat: { args: ["ptr", "i32", "ptr"], returns: "i32" },
  readlinkat: { args: ["i32", "ptr", "ptr", "u64"], returns: "i64" },
  linkat: { args: ["i32", "ptr", "i32", "ptr", "i32"], returns: "i32" },
  fdopendir: { args: ["i32"], returns: "ptr" },
  readdir: { args: ["ptr"], returns: "ptr" },
  rewinddir: { args: ["ptr"], returns: "void" },
  closedir: { args: ["ptr"], returns: "i32" },
} as const;
const openLinux = () => dlopen("libc.so.6", { ...COMMON, openat: { args: ["i32", "ptr", "i32", "u32"], returns: "i32" }, __errno_location: { args: [], returns: "ptr" } }).symbols;
/** openat's mode is variadic: on Apple silicon it lies on the stack, behind the eight that registers hold. */
const openDarwin = () => dlopen("libSystem.B.dylib", { ...COMMON, openat: { args: ["i32", "ptr", "i32", "u64", "u64", "u64", "u64", "u64", "u32"], returns: "i32" }, __error: { args: [], returns: "ptr" } }).symbols;
let linux: ReturnType<typeof openLinux> | undefined;
let mac: ReturnType<typeof openDarwin> | undefined;
const library = (): Pick<ReturnType<typeof openLinux>, keyof typeof COMMON> => (darwin ? (mac ??= openDarwin()) : (linux ??= openLinux()));

/** What the last call that failed says, as this host numbers it. */
const errno = (): number => read.i32((darwin ? mac?.__error() : linux?.__errno_location()) as Pointer, 0);
/** The result, or the error number as a negative one. */
const outcome = (result: number): number => (result < 0 ? -errno() : result);
const text = (value: string): Buffer => Buffer.from(`${value}\0`);

/** unlinkat's flag: it is a directory. */
export const AT_REMOVEDIR: number = darwin ? 0x80 : 0x200;

// Each returns 0 or a descriptor, or a negative error number of this host.
export function openAt(directory: number, name: string, flags: number, mode = 0): number {
  library();
  return outcome(darwin ? (mac as NonNullable<typeof mac>).openat(directory, text(name), flags, 0, 0, 0, 0, 0, mode) : (linux as NonNullable<typeof linux>).openat(directory, text(name), flags, mode));
}
export const makeDirectoryAt = (directory: number, name: string, mode: number): number => outcome(library().mkdirat(directory, text(name), mode));
export const unlinkAt = (directory: number, name: string, flags: number): number => outcome(library().unlinkat(directory, text(name), flags));
export const renameAt = (from: number, name: string, to: number, newName: string): number => outcome(library().renameat(from, text(name), to, text(newName)));
export const symlinkAt = (target: string, directory: number, name: string): number => outcome(library().symlinkat(text(target), directory, text(name)));
/** A symbolic link itself is linked, not what it names. */
export const linkAt = (from: number, name: string, to: number, newName: string): number => outcome(library().linkat(from, text(name), to, text(newName), 0));
/** The target of a symbolic link; "" as the name is the open link itself (Linux). */
export function readLinkAt(directory: number, name: string): string | number {
  const target = Buffer.alloc(4096);
  const length = Number(library().readlinkat(directory, text(name), ptr(target), target.length));
  return length < 0 ? -errno() : target.toString("utf8", 0, length);
}

/** struct dirent: the type, and where the name starts. */
const Dirent = darwin ? { type: 20, name: 21 } : { type: 18, name: 19 };
export interface DirectoryEntry {
  readonly name: string;
  readonly inode: bigint;
  /** DT_*: the same numbers on Linux and macOS. */
  readonly type: number;
}
/** An open directory, entry by entry. */
export class DirectoryReader {
  readonly #stream: Pointer;
  private constructor(stream: Pointer) { this.#stream = stream; }
  /** Takes the descriptor over, also when it fails (undefined). */
  static of(fd: number): DirectoryReader | undefined {
    const stream = library().fdopendir(fd);
    return stream === null || Number(stream) === 0 ? undefined : new DirectoryReader(Number(stream) as Pointer);
  }
  next(): DirectoryEntry | undefined {
    const entry = Number(library().readdir(this.#stream) ?? 0) as Pointer;
    if (entry === 0) return undefined;
    return { name: new CString((entry + Dirent.name) as Pointer).toString(), inode: read.u64(entry, 0), type: read.u8(entry, Dirent.type) };
  }
  rewind(): void { library().rewinddir(this.#stream); }
  close(): void { library().closedir(this.#stream); }
}
