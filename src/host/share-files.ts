// src/host/share-files.ts — a directory of this host as a share: every object is held by a descriptor, and reached from its
// directory's by one name, without following a link. So neither "..", nor an absolute name, nor a link made by guest or
// host, nor a rename in between leads out of the directory. Linux holds objects with O_PATH, which opens nothing and waits
// for nothing; macOS with O_EVTONLY and O_SYMLINK.
// Files belong to who runs hv: owners cannot be changed, set-user-ID and set-group-ID bits neither.
import { chmodSync, closeSync, constants, fchmodSync, fstatSync, fsyncSync, ftruncateSync, futimesSync, openSync, readSync, statfsSync, statSync, truncateSync, utimesSync, writeSync } from "node:fs";
import { constants as system } from "node:os";
import { AT_REMOVEDIR, DirectoryReader, linkAt, makeDirectoryAt, openAt, readLinkAt, renameAt, symlinkAt, unlinkAt } from "../../ffi/files.ts";
import { ExitCode, Failure } from "../failure.ts";
import { E, type Access, type Attributes, type Changes, type Errno, type FileSystemStatus, type OpenDirectory, type OpenFile, type Place, type ShareFiles } from "../share/files.ts";

const linux: boolean = process.platform === "linux";
const { O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY, O_RDWR, O_CREAT, O_EXCL } = constants;
const O_CLOEXEC = linux ? 0o2000000 : 0x100_0000;
/** Linux: O_PATH | O_NOFOLLOW. macOS: O_EVTONLY | O_SYMLINK. */
const HOLD: number = (linux ? 0o10000000 | O_NOFOLLOW : 0x8000 | 0x20_0000 | O_NONBLOCK) | O_CLOEXEC;
const S_IFMT = 0o170000, S_IFREG = 0o100000;

/** The host's error numbers by their names: macOS has others than Linux, which 9P speaks. */
const names: Map<number, string> = new Map(Object.entries(system.errno).map(([name, number]) => [number, name]));
const byName = (name: string | undefined): Errno => (E as Readonly<Record<string, number>>)[name === "ENOTSUP" ? "EOPNOTSUPP" : name ?? "EIO"] ?? E.EIO;
const translate = (result: number): Errno => (linux ? -result : byName(names.get(-result)));
const of = (error: unknown): Errno => byName((error as { readonly code?: string }).code);
/** The result, or a positive error number. */
function attempt<T>(act: () => T): T | Errno {
  try {
    return act();
  } catch (error) {
    return of(error);
  }
}
const settle = (result: number): Errno | 0 => (result < 0 ? translate(result) : 0);

function attributesOf(fd: number): Attributes | Errno {
  return attempt(() => {
    const s = fstatSync(fd, { bigint: true });
    return {
      mode: Number(s.mode), uid: Number(s.uid), gid: Number(s.gid), links: Number(s.nlink), device: s.dev, inode: s.ino, rdev: s.rdev, size: s.size, blockSize: Number(s.blksize), blocks: s.blocks,
      atime: s.atimeNs, mtime: s.mtimeNs, ctime: s.ctimeNs,
    };
  });
}
const same = (a: Attributes | Errno, b: Attributes | Errno): boolean => typeof a !== "number" && typeof b !== "number" && a.device === b.device && a.inode === b.inode;

class HostFile implements OpenFile {
  readonly #fd: number;
  constructor(fd: number) { this.#fd = fd; }
  read(at: number, into: Uint8Array): number {
    try { return readSync(this.#fd, into, 0, into.length, at); } catch (error) { return -of(error); }
  }
  write(at: number, from: Uint8Array): number {
    try { return from.length === 0 ? 0 : writeSync(this.#fd, from, 0, from.length, at); } catch (error) { return -of(error); }
  }
  sync(): number {
    try {
      fsyncSync(this.#fd);
      return 0;
    } catch (error) {
      return -of(error);
    }
  }
  close(): void { closeSync(this.#fd); }
}
class HostDirectory implements OpenDirectory {
  readonly #reader: DirectoryReader;
  constructor(reader: DirectoryReader) { this.#reader = reader; }
  next(): { readonly name: string; readonly inode: bigint; readonly type: number } | undefined {
    for (;;) {
      const entry = this.#reader.next();
      // a name that is no UTF-8 cannot be said in 9P
      if (entry === undefined || (entry.name !== "." && entry.name !== ".." && !entry.name.includes("\ufffd"))) return entry;
    }
  }
  rewind(): void { this.#reader.rewind(); }
  close(): void { this.#reader.close(); }
}

class HostPlace implements Place {
  readonly #fd: number;
  readonly #share: Set<HostPlace>;
  #holders = 1;
  #parent: HostPlace | undefined;
  #name: string;
  constructor(fd: number, share: Set<HostPlace>, parent: HostPlace | undefined, name: string) {
    this.#fd = fd;
    this.#share = share;
    this.#parent = parent;
    this.#name = name;
    parent?.hold();
    share.add(this);
  }
  hold(): this {
    this.#holders++;
    return this;
  }
  release(): void {
    if (--this.#holders > 0) return;
    closeSync(this.#fd);
    this.#share.delete(this);
    this.#parent?.release();
  }
  attributes(): Attributes | Errno { return attributesOf(this.#fd); }
  walk(name: string): HostPlace | Errno {
    const fd = openAt(this.#fd, name, HOLD);
    return fd < 0 ? translate(fd) : new HostPlace(fd, this.#share, this, name);
  }
  where(): { readonly directory: HostPlace; readonly name: string } | undefined { return this.#parent === undefined ? undefined : { directory: this.#parent, name: this.#name }; }

  /** A descriptor for use, of this very object. */
  #reopen(flags: number): number {
    // the link in /proc leads to the object that is held, whatever its name is now
    if (linux) return openAt(-1, `/proc/self/fd/${this.#fd}`, flags | O_NONBLOCK | O_CLOEXEC);
    const fd = this.#parent === undefined ? openAt(this.#fd, ".", flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC) : openAt(this.#parent.#fd, this.#name, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || same(attributesOf(fd), this.attributes())) return fd;
    closeSync(fd);
    return -(system.errno.ESTALE);
  }
  open(access: Access): HostFile | Errno {
    const found = this.attributes();
    if (typeof found === "number") return found;
    if ((found.mode & S_IFMT) !== S_IFREG) return E.EPERM;
    const fd = this.#reopen(access.write ? (access.read ? O_RDWR : O_WRONLY) : access.truncate ? O_RDWR : O_RDONLY);
    if (fd < 0) return translate(fd);
    const errno = access.truncate ? attempt(() => (ftruncateSync(fd, 0), 0)) : 0;
    if (errno === 0) return new HostFile(fd);
    closeSync(fd);
    return errno;
  }
  list(): HostDirectory | Errno {
    const fd = this.#reopen(O_RDONLY | O_DIRECTORY);
    if (fd < 0) return translate(fd);
    const reader = DirectoryReader.of(fd);
    return reader === undefined ? E.EIO : new HostDirectory(reader);
  }
  create(name: string, access: Access & { readonly exclusive: boolean }, mode: number): { readonly place: HostPlace; readonly file: HostFile } | Errno {
    // always as a new one: what is there already is held first, and looked at before it is opened
    const fd = openAt(this.#fd, name, (access.write ? (access.read ? O_RDWR : O_WRONLY) : O_RDONLY) | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    const there = fd < 0 && translate(fd) === E.EEXIST && !access.exclusive;
    if (fd < 0 && !there) return translate(fd);
    const place = this.walk(name);
    if (typeof place === "number") {
      if (fd >= 0) closeSync(fd);
      return place;
    }
    if (!there) return { place, file: new HostFile(fd) };
    const file = place.open(access);
    if (typeof file !== "number") return { place, file };
    place.release();
    return file;
  }
  makeDirectory(name: string, mode: number): Errno | 0 { return settle(makeDirectoryAt(this.#fd, name, mode)); }
  makeLink(name: string, target: string): Errno | 0 { return settle(symlinkAt(target, this.#fd, name)); }
  target(): string | Errno {
    const found = linux ? readLinkAt(this.#fd, "") : this.#parent === undefined ? -E.EINVAL : readLinkAt(this.#parent.#fd, this.#name);
    if (typeof found === "string") return found;
    return translate(found) === E.ENOENT ? E.EINVAL : translate(found); // Linux says so of what is no link
  }
  link(other: Place, name: string): Errno | 0 {
    const from = other instanceof HostPlace ? other.where() : undefined;
    if (from === undefined) return E.EPERM;
    return settle(linkAt(from.directory.#fd, from.name, this.#fd, name));
  }
  rename(name: string, to: Place, newName: string): Errno | 0 {
    if (!(to instanceof HostPlace)) return E.EXDEV;
    const here = this.attributes(), errno = settle(renameAt(this.#fd, name, to.#fd, newName));
    if (errno !== 0) return errno;
    const moved = to.walk(newName), attributes = typeof moved === "number" ? moved : moved.attributes();
    if (typeof moved !== "number") moved.release();
    // where the host does not tell names apart by their case, it may be known by another spelling
    const known = (place: HostPlace): boolean => place.#name === name || (place.#name.toLowerCase() === name.toLowerCase() && same(place.attributes(), attributes));
    for (const place of this.#share) { // who knows it by its old name
      const parent = place.#parent;
      if (parent === undefined || !known(place) || (parent !== this && !same(parent.attributes(), here))) continue;
      place.#name = newName;
      place.#parent = to.hold();
      parent.release();
    }
    return 0;
  }
  unlink(name: string, directory: boolean): Errno | 0 { return settle(unlinkAt(this.#fd, name, directory ? AT_REMOVEDIR : 0)); }

  change({ mode, uid, gid, size, atime, mtime }: Changes): Errno | 0 {
    const found = this.attributes();
    if (typeof found === "number") return found;
    if ((uid !== undefined && uid !== found.uid) || (gid !== undefined && gid !== found.gid)) return E.EPERM;
    if (size !== undefined && (found.mode & S_IFMT) !== S_IFREG) return E.EINVAL;
    const now = Date.now() / 1000, seconds = (time: bigint | "now" | undefined, old: bigint): number => (time === "now" ? now : Number(time ?? old) / 1e9);
    const times = atime !== undefined || mtime !== undefined ? [seconds(atime, found.atime), seconds(mtime, found.mtime)] as const : undefined;
    return attempt(() => {
      if (linux) {
        const path = `/proc/self/fd/${this.#fd}`; // what is held, again
        if (size !== undefined) truncateSync(path, Number(size));
        if (mode !== undefined) chmodSync(path, mode);
        if (times !== undefined) utimesSync(path, ...times);
        return 0;
      }
      const fd = this.#reopen(size === undefined ? O_RDONLY : O_RDWR);
      if (fd < 0) return translate(fd);
      try {
        if (size !== undefined) ftruncateSync(fd, Number(size));
        if (mode !== undefined) fchmodSync(fd, mode);
        if (times !== undefined) futimesSync(fd, ...times);
        return 0;
      } finally {
        closeSync(fd);
      }
    });
  }
}

export interface OpenShare extends ShareFiles { close(): void }

/** A directory to share; throws Failure when it is none. */
export function openShare(path: string): OpenShare {
  let fd: number;
  try {
    if (!statSync(path).isDirectory()) throw new Failure("HV-SHARE-KIND", `--share: ${path}: is no directory`, { hint: "give a directory" });
    fd = openSync(path, (linux ? 0o10000000 : O_RDONLY) | O_DIRECTORY | O_CLOEXEC);
    const reader = openAt(-1, linux ? `/proc/self/fd/${fd}` : path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (reader < 0) throw Object.assign(new Error(), { code: names.get(-reader) });
    closeSync(reader);
  } catch (error) {
    if (error instanceof Failure) throw error;
    const { code } = error as { readonly code?: string };
    if (code === "ENOENT" || code === "ENOTDIR") throw new Failure("HV-SHARE-MISSING", `--share: ${path}: there is no such directory`, { hint: `make one: mkdir -p ${path}`, exit: ExitCode.notFound, cause: error });
    throw new Failure("HV-SHARE-OPEN", `--share: ${path}: cannot be opened (${code ?? String(error)})`, { hint: "check its permissions", exit: ExitCode.failed, cause: error });
  }
  const places = new Set<HostPlace>(), root = new HostPlace(fd, places, undefined, "");
  return {
    root: () => root.hold(),
    status: () => attempt((): FileSystemStatus => {
      const s = statfsSync(path);
      return { blockSize: s.bsize, blocks: s.blocks, free: s.bfree, available: s.bavail, files: s.files, freeFiles: s.ffree };
    }),
    close: () => root.release(),
  };
}
