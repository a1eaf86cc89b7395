// src/host/release/code-signature.ts — signs an arm64 Mach-O executable ad hoc, with entitlements, on any host.
// Spec: <mach-o/loader.h> (load commands), XNU osfmk/kern/cs_blobs.h (SuperBlob, CodeDirectory), ITU-T X.690 (DER).
// Replaces the signature that the file has: `bun build --compile` leaves one without entitlements. Left out: fat files,
// files without a signature, CMS, requirements, Info.plist, the hardened runtime.
import { createHash } from "node:crypto";
import { alignUp } from "../../units.ts";

export interface Signing {
  readonly identifier: string;
  /** Names of boolean entitlements that are granted. */
  readonly entitlements: readonly string[];
  /** The same as a property list, byte for byte what goes into the file. */
  readonly plist: Uint8Array;
}

const MachO = { MAGIC_64: 0xfeed_facf, CPU_ARM64: 0x0100_000c, HEADER: 32, LC_SEGMENT_64: 0x19, LC_CODE_SIGNATURE: 0x1d } as const;
/** Offsets in a segment command. */
const Segment = { vmsize: 32, fileoff: 40, filesize: 48 } as const;
const Magic = { superBlob: 0xfade_0cc0, codeDirectory: 0xfade_0c02, requirements: 0xfade_0c01, entitlements: 0xfade_7171, entitlementsDer: 0xfade_7172, cms: 0xfade_0b01 } as const;
const Slot = { codeDirectory: 0, requirements: 2, entitlements: 5, entitlementsDer: 7, cms: 0x1_0000 } as const;
const SPECIAL_SLOTS = 7;
/** Version with the bounds of the executable segment. */
const VERSION = 0x2_0400;
const DIRECTORY_HEADER = 88;
const FLAG_ADHOC = 2;
const HASH_SHA256 = 2, HASH_SIZE = 32;
/** 4 KiB: what linkers and codesign of every macOS with arm64 have written. */
const PAGE_SHIFT = 12;
const MAIN_BINARY = 1;
/** Segments end on the largest page. */
const VM_PAGE = 0x4000;

const sha256 = (bytes: Uint8Array): Uint8Array => createHash("sha256").update(bytes).digest();
const concat = (...parts: readonly Uint8Array[]): Uint8Array => Buffer.concat(parts);
function blob(magic: number, content: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(8 + content.length), view = new DataView(bytes.buffer);
  view.setUint32(0, magic);
  view.setUint32(4, bytes.length);
  bytes.set(content, 8);
  return bytes;
}

/** Tag, length, value. */
function der(tag: number, ...content: readonly Uint8Array[]): Uint8Array {
  const value = concat(...content), { length } = value;
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return concat(Uint8Array.of(tag, ...size), value);
}
/** Granted entitlements as the kernel reads them: version 1, then a dictionary in the order of its keys. */
export function entitlementsDer(names: readonly string[]): Uint8Array {
  const yes = der(0x01, Uint8Array.of(0xff));
  const entries = names.toSorted().map(name => der(0x30, der(0x0c, new TextEncoder().encode(name)), yes));
  return der(0x70, der(0x02, Uint8Array.of(1)), der(0xb0, ...entries));
}

interface Layout {
  /** Offsets of the load commands. */
  readonly signatureCommand: number;
  readonly linkedit: number;
  readonly text: { readonly fileoff: number; readonly filesize: number };
  /** Where the signature starts: everything before it is hashed. */
  readonly dataoff: number;
}
function layout(view: DataView): Layout {
  const bad = (why: string): never => { throw new Error(`this is no executable that can be signed: ${why}`); };
  if (view.byteLength < MachO.HEADER || view.getUint32(0, true) !== MachO.MAGIC_64 || view.getUint32(4, true) !== MachO.CPU_ARM64) bad("no arm64 Mach-O");
  let signatureCommand: number | undefined, linkedit: number | undefined, text: Layout["text"] | undefined;
  let at: number = MachO.HEADER;
  for (let n = view.getUint32(16, true); n > 0; n--) {
    const command = view.getUint32(at, true);
    if (command === MachO.LC_CODE_SIGNATURE) signatureCommand = at;
    if (command === MachO.LC_SEGMENT_64) {
      const name = new TextDecoder().decode(new Uint8Array(view.buffer, view.byteOffset + at + 8, 16)).replace(/\0.*$/s, "");
      if (name === "__LINKEDIT") linkedit = at;
      if (name === "__TEXT") text = { fileoff: Number(view.getBigUint64(at + Segment.fileoff, true)), filesize: Number(view.getBigUint64(at + Segment.filesize, true)) };
    }
    at += view.getUint32(at + 4, true);
  }
  if (signatureCommand === undefined || linkedit === undefined || text === undefined) return bad("it lacks __TEXT, __LINKEDIT or a signature to replace");
  const dataoff = view.getUint32(signatureCommand + 8, true), size = view.getUint32(signatureCommand + 12, true);
  if (dataoff % 16 !== 0 || dataoff + size !== view.byteLength) bad("its signature is not at its end");
  return { signatureCommand, linkedit, text, dataoff };
}

function codeDirectory(code: Uint8Array, identifier: string, text: Layout["text"], special: ReadonlyMap<number, Uint8Array>): Uint8Array {
  const page = 1 << PAGE_SHIFT, slots = Math.ceil(code.length / page);
  const name = new TextEncoder().encode(`${identifier}\0`);
  const hashes = DIRECTORY_HEADER + name.length + SPECIAL_SLOTS * HASH_SIZE;
  const bytes = new Uint8Array(hashes + slots * HASH_SIZE), view = new DataView(bytes.buffer);
  [Magic.codeDirectory, bytes.length, VERSION, FLAG_ADHOC, hashes, DIRECTORY_HEADER, SPECIAL_SLOTS, slots, code.length].forEach((value, i) => view.setUint32(4 * i, value));
  bytes.set([HASH_SIZE, HASH_SHA256, 0, PAGE_SHIFT], 36);
  view.setBigUint64(64, BigInt(text.fileoff));
  view.setBigUint64(72, BigInt(text.filesize));
  view.setBigUint64(80, BigInt(MAIN_BINARY));
  bytes.set(name, DIRECTORY_HEADER);
  for (const [slot, whole] of special) bytes.set(sha256(whole), hashes - slot * HASH_SIZE);
  for (let i = 0; i < slots; i++) bytes.set(sha256(code.subarray(i * page, (i + 1) * page)), hashes + i * HASH_SIZE);
  return bytes;
}

/** The file with a new signature in the place of the one it had. */
export function signMachO(file: Uint8Array, signing: Signing): Uint8Array {
  const { signatureCommand, linkedit, text, dataoff } = layout(new DataView(file.buffer, file.byteOffset, file.byteLength));
  const special = new Map<number, Uint8Array>([
    [Slot.requirements, blob(Magic.requirements, new Uint8Array(4))],
    [Slot.entitlements, blob(Magic.entitlements, signing.plist)],
    [Slot.entitlementsDer, blob(Magic.entitlementsDer, entitlementsDer(signing.entitlements))],
  ]);
  const others = [...special, [Slot.cms, blob(Magic.cms, new Uint8Array(0))] as const];
  const index = 12 + 8 * (others.length + 1);
  const directory = DIRECTORY_HEADER + signing.identifier.length + 1 + HASH_SIZE * (SPECIAL_SLOTS + Math.ceil(dataoff / 2 ** PAGE_SHIFT));
  const length = index + directory + others.reduce((sum, [, bytes]) => sum + bytes.length, 0);
  const end = dataoff + alignUp(length, 16);

  // The load commands first: they lie on a page that is hashed.
  const signed = new Uint8Array(end), view = new DataView(signed.buffer);
  signed.set(file.subarray(0, dataoff));
  view.setUint32(signatureCommand + 12, end - dataoff, true);
  const size = end - Number(view.getBigUint64(linkedit + Segment.fileoff, true));
  view.setBigUint64(linkedit + Segment.filesize, BigInt(size), true);
  view.setBigUint64(linkedit + Segment.vmsize, BigInt(alignUp(size, VM_PAGE)), true);

  const blobs: (readonly [slot: number, bytes: Uint8Array])[] = [[Slot.codeDirectory, codeDirectory(signed.subarray(0, dataoff), signing.identifier, text, special)], ...others];
  view.setUint32(dataoff, Magic.superBlob);
  view.setUint32(dataoff + 4, length);
  view.setUint32(dataoff + 8, blobs.length);
  let at = index;
  blobs.forEach(([slot, bytes], i) => {
    view.setUint32(dataoff + 12 + 8 * i, slot);
    view.setUint32(dataoff + 16 + 8 * i, at);
    signed.set(bytes, dataoff + at);
    at += bytes.length;
  });
  return signed;
}

/** The names that a property list of booleans grants. */
export const grantedBy = (plist: string): string[] => [...plist.matchAll(/<key>([^<]+)<\/key>\s*<true\/>/g)].map(match => match[1] as string);
