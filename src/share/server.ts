// src/share/server.ts — a 9P2000.L server for one directory: a T-message in, an R-message out, and no way to throw.
// Spec: 9P2000 (Plan 9, section 5 of its manual) and 9P2000.L (diod's protocol.md). A fid holds an object, not a path; what
// names may be is checked here, that no link is followed is the files' part. Left out: authentication, extended attributes
// (EOPNOTSUPP), device nodes, ".." (EINVAL: clients know their parents). Locks always succeed: the share has one client, and
// its kernel has tried among its own processes before it asks.
import { E, isName, type Attributes, type Errno, type OpenDirectory, type OpenFile, type Place, type ShareFiles, type Changes, type DirectoryEntry } from "./files.ts";
import { MESSAGE_HEADER, MessageReader, MessageWriter } from "./message.ts";

/** T-messages; each answer is one more. */
export const T = {
  lerror: 6, statfs: 8, lopen: 12, lcreate: 14, symlink: 16, mknod: 18, rename: 20, readlink: 22, getattr: 24, setattr: 26, xattrwalk: 30, xattrcreate: 32,
  readdir: 40, fsync: 50, lock: 52, getlock: 54, link: 70, mkdir: 72, renameat: 74, unlinkat: 76, version: 100, auth: 102, attach: 104, flush: 108, walk: 110,
  read: 116, write: 118, clunk: 120, remove: 122,
} as const;
/** Open flags of 9P2000.L: those of Linux on x86, on every machine. */
const P9_DOTL = { ACCMODE: 3, WRONLY: 1, RDWR: 2, EXCL: 0o200, TRUNC: 0o1000 } as const;
const QT = { DIR: 0x80, SYMLINK: 0x02, FILE: 0 } as const;
const P9_GETATTR_BASIC = 0x7ffn;
const P9_SETATTR = { MODE: 1, UID: 2, GID: 4, SIZE: 8, ATIME: 16, MTIME: 32, ATIME_SET: 128, MTIME_SET: 256 } as const;
const AT_REMOVEDIR = 0x200;
const DT_DIR = 4, DT_LNK = 10;
const S_IFMT = 0o170000, S_IFDIR = 0o040000, S_IFREG = 0o100000, S_IFLNK = 0o120000;
const V9FS_MAGIC = 0x01021997;
/** wname of one Twalk, walk(5). */
const MAXWELEM = 16;
/** Messages, bytes: the longest that is agreed on, and the shortest that can hold any answer with a name. */
export const MESSAGE_MAX: number = 512 * 1024;
const MESSAGE_MIN = 4096;
/** Rread and Rreaddir in front of their bytes. */
const READ_HEADER = MESSAGE_HEADER + 4;
const MAX_FIDS = 8192, MAX_OPEN = 1024;
/** No offset or length beyond what a JavaScript number holds exactly. */
const FAR = BigInt(Number.MAX_SAFE_INTEGER);

interface Fid {
  readonly place: Place;
  file?: OpenFile;
  directory?: OpenDirectory;
  /** Of a directory: how many entries were given out, and one that was read and found no room. */
  cursor: number;
  pushed?: DirectoryEntry | undefined;
}
interface Share { readonly files: ShareFiles; readonly readOnly: boolean; readonly note: (what: string) => void }

export class ShareServer {
  readonly #share: Share;
  readonly #fids: Map<number, Fid> = new Map();
  readonly #out = new MessageWriter();
  #open = 0;
  #messageSize = MESSAGE_MAX;
  #device: bigint | undefined;

  constructor(share: Share) { this.#share = share; }
  get messageSize(): number { return this.#messageSize; }
  /** Fids in use. */
  get fids(): number { return this.#fids.size; }

  reset(): void {
    for (const fid of [...this.#fids.keys()]) this.#clunk(fid);
    this.#messageSize = MESSAGE_MAX;
  }
  refuse(tag: number): Uint8Array { return this.#error(tag, E.EPROTO); }
  #error(tag: number, errno: number): Uint8Array { return this.#out.start(T.lerror + 1, tag).u32(errno).end(); }

  answer(message: Uint8Array, room: number): Uint8Array {
    const into = new MessageReader(message.subarray(4)), type = into.u8(), tag = into.u16();
    this.#out.start(type + 1, tag);
    const errno = this.#do(type, into, Math.min(room, this.#messageSize));
    if (errno !== 0) return this.#error(tag, errno);
    if (this.#out.length > room) return this.#error(tag, E.EPROTO);
    return this.#out.end();
  }

  /** 0, or an error number. A message that is too short does nothing. */
  #do(type: number, m: MessageReader, room: number): Errno | 0 {
    const out = this.#out;
    switch (type) {
      case T.version: {
        const size = m.u32(), version = m.string();
        if (!m.good) return E.EPROTO;
        this.reset(); // version(5): it aborts all I/O and forgets every fid
        const known = version === "9P2000.L" && size >= MESSAGE_MIN;
        if (known) this.#messageSize = Math.min(size, MESSAGE_MAX);
        out.u32(Math.min(size, MESSAGE_MAX)).string(known ? "9P2000.L" : "unknown");
        return 0;
      }
      case T.attach: {
        const fid = m.u32();
        m.u32(); // afid
        m.string(); // uname
        const name = m.string();
        if (!m.good) return E.EPROTO;
        if (name !== "" && name !== "/") return E.ENOENT;
        const root = this.#share.files.root();
        return typeof root === "number" ? root : this.#adopt(fid, root);
      }
      case T.walk: return this.#walk(m);
      case T.flush: return m.u16() >= 0 && m.good ? 0 : E.EPROTO; // whatever it names is answered already
      case T.auth: case T.xattrwalk: case T.xattrcreate: return E.EOPNOTSUPP;
      case T.clunk: {
        const fid = m.u32();
        if (!m.good) return E.EPROTO;
        return this.#clunk(fid) ? 0 : E.EBADF;
      }
      case T.remove: {
        const fid = this.#fid(m), number = this.#last;
        if (fid === undefined) return this.#lost(m);
        const errno = this.#remove(fid.place);
        this.#clunk(number); // remove(5): also when it fails
        return errno;
      }
      default: {
        const fid = this.#fid(m);
        if (fid === undefined) return this.#lost(m);
        return this.#on(fid, type, m, room);
      }
    }
  }
  #last = 0;
  #fid(m: MessageReader): Fid | undefined { return this.#fids.get(this.#last = m.u32()); }
  #lost(m: MessageReader): Errno { return m.good ? E.EBADF : E.EPROTO; }

  /** What begins with a fid that is there. */
  #on(fid: Fid, type: number, m: MessageReader, room: number): Errno | 0 {
    const out = this.#out, { place } = fid;
    switch (type) {
      case T.lopen: {
        const flags = m.u32();
        return m.good ? this.#lopen(fid, flags) : E.EPROTO;
      }
      case T.lcreate: {
        const name = m.string(), flags = m.u32(), mode = m.u32();
        m.u32(); // gid
        return this.#named(m, name) || this.#lcreate(fid, name, flags, mode);
      }
      case T.read: {
        const at = m.u64(), count = m.u32();
        if (!m.good) return E.EPROTO;
        if (fid.file === undefined) return fid.directory === undefined ? E.EBADF : E.EISDIR;
        const bytes = out.u32(0).reserve(Math.max(0, Math.min(count, room - READ_HEADER)));
        const n = at > FAR ? 0 : fid.file.read(Number(at), bytes);
        return this.#filled(n);
      }
      case T.write: {
        const at = m.u64(), count = m.u32(), bytes = m.bytes(count);
        if (!m.good) return E.EPROTO;
        if (fid.file === undefined) return E.EBADF;
        if (this.#share.readOnly) return E.EROFS;
        if (at + BigInt(count) > FAR) return E.EFBIG;
        const n = fid.file.write(Number(at), bytes);
        if (n < 0) return -n;
        out.u32(n);
        return 0;
      }
      case T.readdir: {
        const at = m.u64(), count = m.u32();
        if (!m.good) return E.EPROTO;
        return fid.directory === undefined ? E.EBADF : this.#readdir(fid, fid.directory, at, Math.min(count, room - READ_HEADER));
      }
      case T.getattr: {
        const mask = m.u64();
        return m.good ? this.#getattr(place, mask) : E.EPROTO;
      }
      case T.setattr: return this.#setattr(place, m);
      case T.statfs: {
        const status = this.#share.files.status();
        if (typeof status === "number") return status;
        out.u32(V9FS_MAGIC).u32(status.blockSize).u64(BigInt(status.blocks)).u64(BigInt(status.free)).u64(BigInt(status.available)).u64(BigInt(status.files)).u64(BigInt(status.freeFiles)).u64(0n).u32(255);
        return 0;
      }
      case T.mkdir: {
        const name = m.string(), mode = m.u32();
        m.u32(); // gid: the host's owner owns it
        return this.#named(m, name) || place.makeDirectory(name, mode & 0o1777) || this.#qidOf(place, name);
      }
      case T.symlink: {
        const name = m.string(), target = m.string();
        m.u32(); // gid
        return this.#named(m, name) || (target === "" || target.length >= 4096 || target.includes("\0") ? E.EINVAL : place.makeLink(name, target)) || this.#qidOf(place, name);
      }
      case T.mknod: return this.#named(m, m.string()) || E.EPERM;
      case T.readlink: {
        const target = place.target();
        if (typeof target === "number") return target;
        out.string(target);
        return 0;
      }
      case T.link: {
        const other = this.#fid(m), name = m.string();
        return this.#named(m, name) || (other === undefined ? E.EBADF : place.link(other.place, name));
      }
      case T.rename: {
        const to = this.#fid(m), name = m.string(), wrong = this.#named(m, name), where = place.where();
        if (wrong !== 0) return wrong;
        if (to === undefined) return E.EBADF;
        return where === undefined ? E.EBUSY : where.directory.rename(where.name, to.place, name);
      }
      case T.renameat: {
        const name = m.string(), to = this.#fid(m), newName = m.string();
        return this.#named(m, name) || this.#named(m, newName) || (to === undefined ? E.EBADF : place.rename(name, to.place, newName));
      }
      case T.unlinkat: {
        const name = m.string(), flags = m.u32();
        return this.#named(m, name) || ((flags & ~AT_REMOVEDIR) !== 0 ? E.EINVAL : place.unlink(name, (flags & AT_REMOVEDIR) !== 0));
      }
      case T.fsync: return fid.file === undefined ? (fid.directory === undefined ? E.EBADF : 0) : -fid.file.sync();
      case T.lock:
        out.u8(0); // P9_LOCK_SUCCESS
        return 0;
      case T.getlock: {
        m.u8();
        const start = m.u64(), length = m.u64(), process = m.u32(), client = m.string();
        if (!m.good) return E.EPROTO;
        out.u8(2).u64(start).u64(length).u32(process).string(client); // P9_LOCK_TYPE_UNLCK: nobody is in the way
        return 0;
      }
      default:
        this.#share.note("unknown message refused");
        return E.EOPNOTSUPP;
    }
  }

  /** Before anything that changes the share under a name. */
  #named(m: MessageReader, name: string): Errno | 0 {
    if (!m.good) return E.EPROTO;
    if (this.#share.readOnly) return E.EROFS;
    return isName(name) ? 0 : name.length > 255 ? E.ENAMETOOLONG : E.EINVAL;
  }
  #filled(n: number): Errno | 0 {
    if (n < 0) return -n;
    this.#out.putU32(MESSAGE_HEADER, n);
    this.#out.cut(READ_HEADER + n);
    return 0;
  }

  // --- fids --------------------------------------------------------------------------------------------------------

  /** A new fid for a place that is held; it is let go of when that fails. */
  #adopt(number: number, place: Place): Errno | 0 {
    const errno = this.#fids.has(number) ? E.EBADF : this.#fids.size >= MAX_FIDS ? E.EMFILE : this.#putQid(place);
    if (errno === 0) this.#fids.set(number, { place, cursor: 0 });
    else place.release();
    return errno;
  }
  #clunk(number: number): boolean {
    const fid = this.#fids.get(number);
    if (fid === undefined) return false;
    this.#fids.delete(number);
    if (fid.file !== undefined || fid.directory !== undefined) this.#open--;
    fid.file?.close();
    fid.directory?.close();
    fid.place.release();
    return true;
  }
  #walk(m: MessageReader): Errno | 0 {
    const from = this.#fid(m), number = this.#last, to = m.u32(), count = m.u16();
    if (!m.good) return E.EPROTO;
    if (count > MAXWELEM) return E.EINVAL;
    const names = Array.from({ length: count }, () => m.string());
    if (!m.good) return E.EPROTO;
    if (from === undefined) return E.EBADF;
    if (from.file !== undefined || from.directory !== undefined) return E.EINVAL; // walk(5): not an open one
    if (to !== number && (this.#fids.has(to))) return E.EBADF;
    if (to !== number && this.#fids.size >= MAX_FIDS) return E.EMFILE;
    const out = this.#out.u16(0);
    let place = from.place.hold(), walked = 0, errno: Errno | 0 = 0;
    for (const name of names) {
      const next = isName(name) ? place.walk(name) : name.length > 255 ? E.ENAMETOOLONG : E.EINVAL;
      if (typeof next === "number") {
        errno = next;
        break;
      }
      place.release();
      place = next;
      errno = this.#putQid(place);
      if (errno !== 0) break;
      walked++;
    }
    if (walked === names.length && errno === 0) {
      if (to === number) this.#clunk(number);
      this.#fids.set(to, { place, cursor: 0 });
    } else {
      place.release();
      if (walked === 0) return errno;
    }
    out.cut(MESSAGE_HEADER + 2 + 13 * walked);
    out.putU16(MESSAGE_HEADER, walked);
    return 0;
  }

  // --- objects -----------------------------------------------------------------------------------------------------

  /** qid: type[1] version[4] path[8]. */
  #putQid(place: Place): Errno | 0 {
    const attributes = place.attributes();
    if (typeof attributes === "number") return attributes;
    this.#qid(attributes);
    return 0;
  }
  #qid({ mode, inode, device, mtime, size }: Attributes): void {
    const kind = (mode & S_IFMT) === S_IFDIR ? QT.DIR : (mode & S_IFMT) === S_IFLNK ? QT.SYMLINK : QT.FILE;
    this.#out.u8(kind).u32(Number(BigInt.asUintN(32, mtime ^ (size << 8n)))).u64(this.#path(device, inode));
  }
  /** Inode numbers are unique on one file system only: those of others mounted below carry a part of its number. */
  #path(device: bigint, inode: bigint): bigint {
    this.#device ??= device;
    return device === this.#device ? inode : inode ^ (BigInt.asUintN(16, device) + 1n) << 47n;
  }
  #qidOf(directory: Place, name: string): Errno | 0 {
    const place = directory.walk(name);
    if (typeof place === "number") return place;
    const errno = this.#putQid(place);
    place.release();
    return errno;
  }
  #remove(place: Place): Errno | 0 {
    if (this.#share.readOnly) return E.EROFS;
    const where = place.where(), attributes = place.attributes();
    if (where === undefined) return E.EBUSY;
    if (typeof attributes === "number") return attributes;
    return where.directory.unlink(where.name, (attributes.mode & S_IFMT) === S_IFDIR);
  }
  /** What an open wants, or why not. */
  #access(flags: number): { readonly read: boolean; readonly write: boolean; readonly truncate: boolean } | Errno {
    const how = flags & P9_DOTL.ACCMODE, write = how === P9_DOTL.WRONLY || how === P9_DOTL.RDWR, truncate = (flags & P9_DOTL.TRUNC) !== 0;
    if (how === P9_DOTL.ACCMODE) return E.EINVAL;
    if ((write || truncate) && this.#share.readOnly) return E.EROFS;
    return { read: how !== P9_DOTL.WRONLY, write, truncate };
  }
  #lopen(fid: Fid, flags: number): Errno | 0 {
    if (fid.file !== undefined || fid.directory !== undefined) return E.EINVAL;
    const access = this.#access(flags), attributes = fid.place.attributes();
    if (typeof access === "number") return access;
    if (typeof attributes === "number") return attributes;
    if (this.#open >= MAX_OPEN) return E.EMFILE;
    switch (attributes.mode & S_IFMT) {
      case S_IFDIR: {
        if (access.write || access.truncate) return E.EISDIR;
        const directory = fid.place.list();
        if (typeof directory === "number") return directory;
        fid.directory = directory;
        break;
      }
      case S_IFREG: {
        const file = fid.place.open(access);
        if (typeof file === "number") return file;
        fid.file = file;
        break;
      }
      case S_IFLNK: return E.ELOOP;
      default: return E.EPERM; // a FIFO, a socket or a device is of the host: nobody waits for it, or rings at it
    }
    this.#open++;
    this.#qid(attributes);
    this.#out.u32(0); // iounit: as the messages allow
    return 0;
  }
  #lcreate(fid: Fid, name: string, flags: number, mode: number): Errno | 0 {
    if (fid.file !== undefined || fid.directory !== undefined) return E.EINVAL;
    const access = this.#access(flags);
    if (typeof access === "number") return access;
    if (this.#open >= MAX_OPEN) return E.EMFILE;
    const made = fid.place.create(name, { ...access, exclusive: (flags & P9_DOTL.EXCL) !== 0 }, mode & 0o777);
    if (typeof made === "number") return made;
    const errno = this.#putQid(made.place);
    if (errno !== 0) {
      made.file.close();
      made.place.release();
      return errno;
    }
    this.#clunk(this.#last); // the fid is the file's now
    this.#fids.set(this.#last, { place: made.place, file: made.file, cursor: 0 });
    this.#open++;
    this.#out.u32(0);
    return 0;
  }
  /** Entries from the `at`-th on: qid[13] offset[8] type[1] name[s], as many as there is room for. */
  #readdir(fid: Fid, directory: OpenDirectory, at: bigint, room: number): Errno | 0 {
    const out = this.#out.u32(0), from = out.length;
    if (BigInt(fid.cursor) !== at) {
      if (at > FAR) return this.#filled(0);
      directory.rewind();
      fid.cursor = 0;
      fid.pushed = undefined;
      while (BigInt(fid.cursor) < at && directory.next() !== undefined) fid.cursor++;
      if (BigInt(fid.cursor) !== at) {
        fid.cursor = -1; // behind the end: whatever is asked next starts again
        return this.#filled(0);
      }
    }
    for (;;) {
      const entry = fid.pushed ?? directory.next();
      fid.pushed = undefined;
      if (entry === undefined) break;
      const before = out.length;
      out.u8(entry.type === DT_DIR ? QT.DIR : entry.type === DT_LNK ? QT.SYMLINK : QT.FILE).u32(0).u64(entry.inode).u64(BigInt(fid.cursor + 1)).u8(entry.type).string(entry.name);
      if (out.length - from > room) {
        out.cut(before);
        fid.pushed = entry;
        if (before === from) return E.EINVAL; // not even one fits
        break;
      }
      fid.cursor++;
    }
    return this.#filled(out.length - from);
  }
  #getattr(place: Place, mask: bigint): Errno | 0 {
    const found = place.attributes();
    if (typeof found === "number") return found;
    const out = this.#out, second = 1_000_000_000n;
    out.u64(mask & P9_GETATTR_BASIC);
    this.#qid(found);
    out.u32(found.mode).u32(found.uid).u32(found.gid).u64(BigInt(found.links)).u64(found.rdev).u64(found.size).u64(BigInt(found.blockSize)).u64(found.blocks);
    for (const time of [found.atime, found.mtime, found.ctime, 0n]) out.u64(time / second).u64(time % second);
    out.u64(0n).u64(0n); // generation, data version: nobody knows
    return 0;
  }
  #setattr(place: Place, m: MessageReader): Errno | 0 {
    const valid = m.u32(), mode = m.u32(), uid = m.u32(), gid = m.u32(), size = m.u64();
    const atime = m.u64() * 1_000_000_000n + m.u64(), mtime = m.u64() * 1_000_000_000n + m.u64();
    if (!m.good) return E.EPROTO;
    if (this.#share.readOnly) return E.EROFS;
    const has = (bit: number): boolean => (valid & bit) !== 0;
    if (has(P9_SETATTR.SIZE) && size > FAR) return E.EFBIG;
    const changes: Changes = {
      // bits that would let a file act for its owner on this host are not the guest's to set
      ...(has(P9_SETATTR.MODE) ? { mode: mode & 0o1777 } : {}),
      ...(has(P9_SETATTR.UID) ? { uid } : {}), ...(has(P9_SETATTR.GID) ? { gid } : {}), ...(has(P9_SETATTR.SIZE) ? { size } : {}),
      ...(has(P9_SETATTR.ATIME) ? { atime: has(P9_SETATTR.ATIME_SET) ? atime : "now" as const } : {}),
      ...(has(P9_SETATTR.MTIME) ? { mtime: has(P9_SETATTR.MTIME_SET) ? mtime : "now" as const } : {}),
    };
    return place.change(changes);
  }
}
