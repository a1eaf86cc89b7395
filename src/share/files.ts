// src/share/files.ts — what a 9P server needs of the host: objects that are held open, and names in them. Types only.
// Nothing here takes a path: a name is one component, checked by `isName`, and no call follows a symbolic link.

/** An error number as Linux and 9P2000.L have it; above 0. */
export type Errno = number;
export interface Attributes {
  /** File type and permissions, as in st_mode of Linux. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly links: number;
  readonly device: bigint;
  readonly inode: bigint;
  readonly rdev: bigint;
  /** Bytes; of 512 in `blocks`. */
  readonly size: bigint;
  readonly blockSize: number;
  readonly blocks: bigint;
  /** Nanoseconds since 1970. */
  readonly atime: bigint;
  readonly mtime: bigint;
  readonly ctime: bigint;
}
export interface FileSystemStatus {
  readonly blockSize: number;
  readonly blocks: number;
  readonly free: number;
  readonly available: number;
  readonly files: number;
  readonly freeFiles: number;
}
export interface Changes {
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  /** Bytes. */
  readonly size?: bigint;
  /** Nanoseconds since 1970; "now". */
  readonly atime?: bigint | "now";
  readonly mtime?: bigint | "now";
}
export interface DirectoryEntry { readonly name: string; readonly inode: bigint; readonly type: number }

/** A file that is open for reading or writing. Results below 0 are negative error numbers. */
export interface OpenFile {
  read(at: number, into: Uint8Array): number;
  write(at: number, from: Uint8Array): number;
  sync(): number;
  close(): void;
}
export interface OpenDirectory {
  /** The next entry, without "." and ".."; undefined: there is none. */
  next(): DirectoryEntry | undefined;
  rewind(): void;
  close(): void;
}
/** An object of the share, whatever its kind, without being opened. It stays that object when its name changes. */
export interface Place {
  /** Whoever holds it says so once, and lets go of it once. */
  hold(): Place;
  release(): void;
  attributes(): Attributes | Errno;
  walk(name: string): Place | Errno;
  /** A regular file only. `flags`: see `Access`. */
  open(access: Access): OpenFile | Errno;
  list(): OpenDirectory | Errno;
  /** A new regular file, or without `exclusive` one that is there; opened. */
  create(name: string, access: Access & { readonly exclusive: boolean }, mode: number): { readonly place: Place; readonly file: OpenFile } | Errno;
  makeDirectory(name: string, mode: number): Errno | 0;
  makeLink(name: string, target: string): Errno | 0;
  target(): string | Errno;
  /** A further name for `other`. */
  link(other: Place, name: string): Errno | 0;
  rename(name: string, to: Place, newName: string): Errno | 0;
  unlink(name: string, directory: boolean): Errno | 0;
  /** The directory in which it is and its name there; undefined for the root. */
  where(): { readonly directory: Place; readonly name: string } | undefined;
  change(changes: Changes): Errno | 0;
}
export interface Access { readonly read: boolean; readonly write: boolean; readonly truncate: boolean }
/** A directory of the host. */
export interface ShareFiles {
  root(): Place | Errno;
  status(): FileSystemStatus | Errno;
}

/** Longest name, bytes. */
const NAME_MAX = 255;
/** True for what can be one component of a path. */
export function isName(name: string): boolean {
  return name !== "" && name !== "." && name !== ".." && !/[/\0]/.test(name) && name.length <= NAME_MAX && new TextEncoder().encode(name).length <= NAME_MAX;
}
/** Errors by their numbers on Linux, asm-generic/errno-base.h and errno.h. */
export const E = {
  EPERM: 1, ENOENT: 2, EINTR: 4, EIO: 5, ENXIO: 6, EBADF: 9, EAGAIN: 11, ENOMEM: 12, EACCES: 13, EBUSY: 16, EEXIST: 17, EXDEV: 18, ENODEV: 19,
  ENOTDIR: 20, EISDIR: 21, EINVAL: 22, ENFILE: 23, EMFILE: 24, ETXTBSY: 26, EFBIG: 27, ENOSPC: 28, ESPIPE: 29, EROFS: 30, EMLINK: 31, ERANGE: 34,
  ENAMETOOLONG: 36, ENOSYS: 38, ENOTEMPTY: 39, ELOOP: 40, EPROTO: 71, EOPNOTSUPP: 95, ESTALE: 116, EDQUOT: 122,
} as const;
