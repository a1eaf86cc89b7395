// src/boot/cpio.ts — the "newc" cpio archive that Linux unpacks as its initial file system: a writer and a reader.
// Spec: the kernel's initramfs buffer format (early-userspace/buffer-format.rst). Deterministic: same entries, same bytes.
// Left out: the crc variant when writing (its sums are accepted unread), hard links when writing (each name is a file).

/** One name in an archive. `mode` holds the file type bits too (S_IFREG and so on). */
export interface CpioEntry {
  readonly name: string;
  readonly mode: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly mtime?: number;
  /** File content, or the target of a symbolic link. */
  readonly data?: Uint8Array;
  /** Device numbers of a character or block device. */
  readonly device?: { readonly major: number; readonly minor: number };
}

export const FileType = {
  mask: 0o170000,
  fifo: 0o010000,
  character: 0o020000,
  directory: 0o040000,
  block: 0o060000,
  regular: 0o100000,
  link: 0o120000,
  socket: 0o140000,
} as const;

const HEADER = 110;
const text = new TextEncoder();

export const directory = (name: string, mode = 0o755): CpioEntry => ({ name, mode: FileType.directory | mode });
export const file = (name: string, data: Uint8Array | string, mode = 0o644): CpioEntry => ({
  name, mode: FileType.regular | mode, data: typeof data === "string" ? text.encode(data) : data,
});
export const symlink = (name: string, target: string): CpioEntry => ({ name, mode: FileType.link | 0o777, data: text.encode(target) });
export const characterDevice = (name: string, major: number, minor: number, mode = 0o600): CpioEntry => ({
  name, mode: FileType.character | mode, device: { major, minor },
});

const pad4 = (n: number): number => (n + 3) & ~3;

/** Writes an archive with its trailer; parents must come before what they hold. Throws RangeError for what newc cannot say. */
export function writeCpio(entries: readonly CpioEntry[]): Uint8Array {
  const all = [...entries, { name: "TRAILER!!!", mode: 0 } satisfies CpioEntry];
  const names = all.map(entry => text.encode(entry.name));
  let total = 0;
  all.forEach((entry, i) => {
    total += pad4(HEADER + names[i]!.length + 1) + pad4(entry.data?.length ?? 0);
  });
  const out = new Uint8Array(total);
  let at = 0, inode = 0;
  all.forEach((entry, i) => {
    const name = names[i]!, data = entry.data ?? new Uint8Array(0), last = i === all.length - 1;
    if (!last && (name.length === 0 || name.includes(0))) throw new RangeError(`a cpio name cannot be ${JSON.stringify(entry.name)}`);
    const isDirectory = (entry.mode & FileType.mask) === FileType.directory;
    const fields = [
      last ? 0 : ++inode, entry.mode, entry.uid ?? 0, entry.gid ?? 0, isDirectory ? 2 : 1, entry.mtime ?? 0, data.length,
      0, 0, entry.device?.major ?? 0, entry.device?.minor ?? 0, name.length + 1, 0,
    ];
    if (fields.some(value => !Number.isInteger(value) || value < 0 || value > 0xffff_ffff)) {
      throw new RangeError(`cpio cannot hold the numbers of ${entry.name}`);
    }
    out.set(text.encode("070701" + fields.map(value => value.toString(16).padStart(8, "0")).join("")), at);
    out.set(name, at + HEADER);
    at += pad4(HEADER + name.length + 1);
    out.set(data, at);
    at += pad4(data.length);
  });
  return out;
}

export type CpioRead =
  | { readonly ok: true; readonly entries: CpioEntry[]; /** Archives found one behind another. */ readonly archives: number; readonly length: number }
  | { readonly ok: false; readonly why: string };

/** True for bytes that start like a newc archive. */
export const isCpio = (bytes: Uint8Array): boolean =>
  bytes.length >= 6 && bytes[0] === 0x30 && bytes[1] === 0x37 && bytes[2] === 0x30 && bytes[3] === 0x37 && bytes[4] === 0x30 && (bytes[5] === 0x31 || bytes[5] === 0x32);

/**
 * Reads one or more concatenated archives (zero padding between them), as the kernel does. Never throws.
 * Stops with ok at the first byte that starts neither an archive nor padding; `length` says how far it came.
 */
export function readCpio(bytes: Uint8Array, limits: { readonly entries?: number } = {}): CpioRead {
  const maximum = limits.entries ?? 1_000_000;
  const entries: CpioEntry[] = [];
  const decoder = new TextDecoder();
  let at = 0, archives = 0, open = false;
  const field = (index: number): number => {
    let value = 0;
    for (let i = 0; i < 8; i++) {
      const c = bytes[at + 6 + index * 8 + i]!;
      const digit = c >= 48 && c <= 57 ? c - 48 : c >= 97 && c <= 102 ? c - 87 : c >= 65 && c <= 70 ? c - 55 : -1;
      if (digit < 0) return -1;
      value = value * 16 + digit;
    }
    return value;
  };
  while (at < bytes.length) {
    if (!open && bytes[at] === 0) {
      at++;
      continue;
    }
    if (!isCpio(bytes.subarray(at))) {
      if (!open && archives > 0) break;
      return { ok: false, why: `no cpio header at offset ${at}` };
    }
    if (at + HEADER > bytes.length) return { ok: false, why: `the header at offset ${at} is cut off` };
    const [mode, uid, gid, mtime, size, major, minor, nameSize] = [1, 2, 3, 5, 6, 9, 10, 11].map(field) as [number, number, number, number, number, number, number, number];
    if ([mode, uid, gid, mtime, size, major, minor, nameSize].some(value => value < 0)) return { ok: false, why: `the header at offset ${at} is not hexadecimal` };
    if (nameSize < 1 || nameSize > 4096) return { ok: false, why: `the name at offset ${at} has ${nameSize} bytes` };
    const dataAt = at + pad4(HEADER + nameSize);
    if (dataAt + size > bytes.length) return { ok: false, why: `the entry at offset ${at} goes past the end` };
    if (bytes[at + HEADER + nameSize - 1] !== 0) return { ok: false, why: `the name at offset ${at} does not end` };
    const name = decoder.decode(bytes.subarray(at + HEADER, at + HEADER + nameSize - 1));
    at = Math.min(dataAt + pad4(size), bytes.length);
    if (name === "TRAILER!!!") {
      open = false;
      archives++;
      continue;
    }
    open = true;
    if (entries.length >= maximum) return { ok: false, why: `more than ${maximum} entries` };
    entries.push({ name, mode, uid, gid, mtime, data: bytes.subarray(dataAt, dataAt + size), device: { major, minor } });
  }
  if (open) return { ok: false, why: "the archive ends without its trailer" };
  if (archives === 0) return { ok: false, why: "there is no cpio archive in it" };
  return { ok: true, entries, archives, length: at };
}
