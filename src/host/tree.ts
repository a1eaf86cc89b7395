// src/host/tree.ts — a directory or a tar file as the entries of an initramfs, in a fixed order.
// Names are cleaned and held below the root: a tar that climbs out ("../") or is absolute stays inside or is refused.
// Left out: owners of a directory's files (all become root, as in a fakeroot build), extended attributes, sockets.
import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { FileType } from "../boot/cpio.ts";
import type { CpioEntry } from "../boot/cpio.ts";
import { TarError, isTar, tarEntries } from "../boot/tar.ts";
import { Failure } from "../failure.ts";
import { GiB, formatSize } from "../units.ts";

const LIMIT = 2 * GiB;
const text = new TextEncoder();
const byName = (a: CpioEntry, b: CpioEntry): number => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0);

const tooLarge = (path: string): Failure => new Failure("HV-INITRAMFS-SIZE", `${path}: holds more than ${formatSize(LIMIT)}`, { hint: "put large data on a disk instead" });

/** Everything below a directory, parents first. Times are dropped, so that the same tree gives the same bytes. */
export function directoryEntries(root: string): CpioEntry[] {
  const entries: CpioEntry[] = [];
  let total = 0;
  const walk = (below: string): void => {
    const here = join(root, below);
    for (const name of readdirSync(here).sort()) {
      const path = join(here, name), inside = below === "" ? name : `${below}/${name}`;
      const stat = lstatSync(path);
      const mode = stat.mode & 0xffff;
      if (stat.isDirectory()) {
        entries.push({ name: inside, mode });
        walk(inside);
      } else if (stat.isSymbolicLink()) {
        entries.push({ name: inside, mode: FileType.link | 0o777, data: text.encode(readlinkSync(path)) });
      } else if (stat.isFile()) {
        total += stat.size;
        if (total > LIMIT) throw tooLarge(root);
        entries.push({ name: inside, mode, data: readFileSync(path) });
      } else if (stat.isCharacterDevice() || stat.isBlockDevice()) {
        const { rdev } = stat;
        // Linux's dev_t, as stat(2) gives it in 64 bits.
        entries.push({ name: inside, mode, device: { major: (rdev >>> 8) & 0xfff, minor: (rdev & 0xff) | ((rdev >>> 12) & 0xfff00) } });
      } else if (stat.isFIFO()) {
        entries.push({ name: inside, mode });
      }
    }
  };
  try {
    walk("");
  } catch (error) {
    if (error instanceof Failure) throw error;
    throw new Failure("HV-INITRAMFS-READ", `${root}: cannot be read whole: ${(error as Error).message}`, { hint: "check the permissions of what is in it", cause: error });
  }
  return entries;
}

/** The name inside the archive: without ./ and leading /; undefined for the root itself. Throws on "..". */
function inside(name: string, path: string): string | undefined {
  const parts = name.split("/").filter(part => part !== "" && part !== ".");
  if (parts.includes("..")) throw new Failure("HV-INITRAMFS-NAME", `${path}: has an entry that climbs out of its root: ${JSON.stringify(name)}`, { hint: "nothing was written; make the archive again without such names" });
  return parts.length === 0 ? undefined : parts.join("/");
}

const TYPES = { file: FileType.regular, hardlink: FileType.regular, symlink: FileType.link, character: FileType.character, block: FileType.block, directory: FileType.directory, fifo: FileType.fifo } as const;

/** The entries of a tar file (plain, gzip or zstd). A later entry replaces an earlier one of the same name, as when unpacking. */
export function tarFileEntries(bytes: Uint8Array, path: string): CpioEntry[] {
  const found = new Map<string, CpioEntry>();
  let plain = bytes;
  try {
    if (bytes[0] === 0x1f && bytes[1] === 0x8b) plain = gunzipSync(bytes, { maxOutputLength: LIMIT });
    else if (bytes[0] === 0x28 && bytes[1] === 0xb5) plain = zstdDecompressSync(bytes, { maxOutputLength: LIMIT });
  } catch (error) {
    throw new Failure("HV-INITRAMFS-READ", `${path}: does not unpack: ${(error as Error).message}`, { hint: "get the file again", cause: error });
  }
  if (!isTar(plain)) throw new Failure("HV-INITRAMFS-READ", `${path}: is neither a directory nor a tar file (plain, gzip or zstd)`, { hint: "give a directory or a tar file" });
  try {
    for (const entry of tarEntries([plain])) {
      const name = inside(entry.name, path);
      if (name === undefined || entry.kind === "other") continue;
      let data = entry.kind === "symlink" ? text.encode(entry.link) : entry.data, mode = TYPES[entry.kind] | entry.mode;
      if (entry.kind === "hardlink") {
        const target = found.get(inside(entry.link, path) ?? "");
        if (target === undefined) throw new Failure("HV-INITRAMFS-READ", `${path}: ${name} is a hard link to ${entry.link}, which is not before it in the archive`, { hint: "make the archive again" });
        ({ mode } = target);
        data = target.data ?? new Uint8Array(0);
      }
      const device = entry.kind === "character" || entry.kind === "block" ? { device: { major: entry.major, minor: entry.minor } } : {};
      found.set(name, { name, mode, uid: entry.uid, gid: entry.gid, data: entry.kind === "directory" || "device" in device ? new Uint8Array(0) : data, ...device });
    }
  } catch (error) {
    if (error instanceof TarError) throw new Failure("HV-INITRAMFS-READ", `${path}: ${error.message}`, { hint: "get the file again", cause: error });
    throw error;
  }
  // Parents that the tar does not name; then a fixed order that puts every parent before its children.
  for (const name of [...found.keys()]) {
    for (let end = name.lastIndexOf("/"); end > 0; end = name.lastIndexOf("/", end - 1)) {
      const parent = name.slice(0, end);
      if (!found.has(parent)) found.set(parent, { name: parent, mode: FileType.directory | 0o755 });
    }
  }
  return [...found.values()].sort(byName);
}
