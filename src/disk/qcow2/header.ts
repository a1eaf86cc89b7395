// src/disk/qcow2/header.ts — the header of a qcow2 image: read with distrust, and written.
// Spec: QEMU's docs/interop/qcow2.txt, "Header", "Feature name table", "Backing file format name". Numbers are big-endian.
// Left out, and refused by name: encryption, external data files, extended L2 entries.
import { Failure } from "../../failure.ts";
import { KiB, MiB } from "../../units.ts";

export const QCOW2_MAGIC = 0x5146_49fb;
/** Offsets of header fields. */
export const Field = {
  version: 4, backing_file_offset: 8, backing_file_size: 16, cluster_bits: 20, size: 24, crypt_method: 32, l1_size: 36, l1_table_offset: 40,
  refcount_table_offset: 48, refcount_table_clusters: 56, nb_snapshots: 60, snapshots_offset: 64,
  incompatible_features: 72, compatible_features: 80, autoclear_features: 88, refcount_order: 96, header_length: 100, compression_type: 104,
} as const;
export const INCOMPATIBLE = { DIRTY: 1, CORRUPT: 2, DATA_FILE: 4, COMPRESSION_TYPE: 8, EXTENDED_L2: 16 } as const;
export const COMPATIBLE_LAZY_REFCOUNTS = 1;
const KNOWN_NAMES = ["dirty", "corrupt", "external data file", "compression type", "extended L2 entries"] as const;
const SUPPORTED: number = INCOMPATIBLE.DIRTY | INCOMPATIBLE.CORRUPT | INCOMPATIBLE.COMPRESSION_TYPE;
const EXTENSION = { END: 0, BACKING_FORMAT: 0xe279_2aca, FEATURE_NAMES: 0x6803_f857 } as const;
const V2_LENGTH = 72, V3_LENGTH = 104;
export const MIN_CLUSTER_BITS = 9;
export const MAX_CLUSTER_BITS = 21;
/** As QEMU does: tables beyond these sizes belong to no disk that anybody has. */
const MAX_L1_BYTES: number = 32 * MiB, MAX_REFCOUNT_TABLE_BYTES: number = 8 * MiB, MAX_SNAPSHOTS = 65536, MAX_BACKING_NAME = 1023;

export interface Qcow2Header {
  readonly version: number;
  readonly clusterBits: number;
  /** Bytes of the guest's disk. */
  readonly size: number;
  readonly l1Size: number;
  readonly l1Offset: number;
  readonly refcountTableOffset: number;
  readonly refcountTableClusters: number;
  readonly snapshots: number;
  readonly snapshotsOffset: number;
  readonly dirty: boolean;
  readonly corrupt: boolean;
  readonly lazyRefcounts: boolean;
  /** A bit is set of what has to be cleared by who writes without knowing it. */
  readonly autoclear: boolean;
  readonly refcountOrder: number;
  readonly compression: "zlib" | "zstd";
  readonly backingFile: string | undefined;
  readonly backingFormat: string | undefined;
}

/** Bytes that hold the header and what is in front of the first cluster's end, at most. */
export const HEADER_BYTES: number = 64 * KiB;

const refuse = (code: string, message: string, hint?: string): Failure => new Failure(code, message, hint === undefined ? {} : { hint });

/** Reads a header from the first bytes of a file of `fileSize` bytes; throws Failure, which names `label`. */
export function readHeader(bytes: Uint8Array, fileSize: number, label: string): Qcow2Header {
  const bad = (why: string): Failure => refuse("HV-QCOW2-HEADER", `${label}: its qcow2 header is wrong: ${why}`, "restore the image from a copy");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < V2_LENGTH || view.getUint32(0) !== QCOW2_MAGIC) throw refuse("HV-QCOW2-MAGIC", `${label}: is no qcow2 image`, "say format=raw if it is a raw one");
  const u32 = (at: number): number => view.getUint32(at);
  const u64 = (at: number, what: string): number => {
    const value = u32(at) * 2 ** 32 + u32(at + 4);
    if (!Number.isSafeInteger(value)) throw bad(`${what} is 0x${view.getBigUint64(at).toString(16)}`);
    return value;
  };
  const version = u32(Field.version);
  if (version !== 2 && version !== 3) throw refuse("HV-QCOW2-VERSION", `${label}: is qcow2 version ${version}`, "versions 2 and 3 can be used");
  if (version === 3 && bytes.length < V3_LENGTH) throw bad(`the file ends in it, after ${bytes.length} bytes`);
  const clusterBits = u32(Field.cluster_bits);
  if (clusterBits < MIN_CLUSTER_BITS || clusterBits > MAX_CLUSTER_BITS) throw bad(`clusters of 2^${clusterBits} bytes`);
  const cluster = 2 ** clusterBits;
  const headerLength = version === 2 ? V2_LENGTH : u32(Field.header_length);
  if (headerLength < (version === 2 ? V2_LENGTH : V3_LENGTH) || headerLength > cluster || headerLength > bytes.length || headerLength % 8 !== 0) throw bad(`its length is ${headerLength}`);
  const features = (at: number): { readonly lo: number; readonly hi: number } => (version === 2 ? { lo: 0, hi: 0 } : { lo: u32(at + 4), hi: u32(at) });
  const extensions = readExtensions(bytes.subarray(0, Math.min(cluster, bytes.length)), headerLength, bad);

  const incompatible = features(Field.incompatible_features);
  const unknown: string[] = [];
  for (let bit = 0; bit < 64; bit++) {
    const set = ((bit < 32 ? incompatible.lo >>> bit : incompatible.hi >>> (bit - 32)) & 1) !== 0;
    if (set && (bit >= 32 || (SUPPORTED & (1 << bit)) === 0)) unknown.push(KNOWN_NAMES[bit] ?? extensions.names.get(bit) ?? `bit ${bit}`);
  }
  if (unknown.length > 0) throw refuse("HV-QCOW2-FEATURE", `${label}: uses features that hv does not have: ${unknown.join(", ")}`, "qemu-img convert makes an image without them");
  if (u32(Field.crypt_method) !== 0) throw refuse("HV-QCOW2-CRYPT", `${label}: is encrypted (method ${u32(Field.crypt_method)})`, "qemu-img convert makes an image without encryption");
  const compressionByte = headerLength > Field.compression_type ? bytes[Field.compression_type] as number : 0;
  const named = (incompatible.lo & INCOMPATIBLE.COMPRESSION_TYPE) !== 0;
  if (named ? compressionByte !== 1 : compressionByte !== 0) throw bad(`compression type ${compressionByte}${named ? "" : ", without the feature bit"}`);

  const size = u64(Field.size, "the size of the disk");
  const l1Size = u32(Field.l1_size), l1Offset = u64(Field.l1_table_offset, "the place of the L1 table");
  const perL1 = cluster * (cluster / 8);
  const inFile = (at: number, length: number): boolean => at % cluster === 0 && at >= cluster && at + length <= Math.ceil(fileSize / cluster) * cluster;
  if (size % 512 !== 0) throw bad(`a disk of ${size} bytes, not a multiple of 512`);
  if (l1Size * 8 > MAX_L1_BYTES || l1Size < Math.ceil(size / perL1)) throw bad(`an L1 table of ${l1Size} entries for ${size} bytes`);
  if (l1Size > 0 && !inFile(l1Offset, l1Size * 8)) throw bad(`the L1 table is at 0x${l1Offset.toString(16)}`);
  const refcountTableOffset = u64(Field.refcount_table_offset, "the place of the refcount table"), refcountTableClusters = u32(Field.refcount_table_clusters);
  if (refcountTableClusters === 0 || refcountTableClusters * cluster > Math.max(MAX_REFCOUNT_TABLE_BYTES, cluster)) throw bad(`a refcount table of ${refcountTableClusters} clusters`);
  if (!inFile(refcountTableOffset, refcountTableClusters * cluster)) throw bad(`the refcount table is at 0x${refcountTableOffset.toString(16)}`);
  const refcountOrder = version === 2 ? 4 : u32(Field.refcount_order);
  if (refcountOrder > 6) throw bad(`refcounts of 2^${refcountOrder} bits`);
  const snapshots = u32(Field.nb_snapshots), snapshotsOffset = u64(Field.snapshots_offset, "the place of the snapshots");
  if (snapshots > MAX_SNAPSHOTS || (snapshots > 0 && !inFile(snapshotsOffset, 40 * snapshots))) throw bad(`${snapshots} snapshots at 0x${snapshotsOffset.toString(16)}`);

  const backingOffset = u64(Field.backing_file_offset, "the place of the backing file's name"), backingLength = u32(Field.backing_file_size);
  let backingFile: string | undefined;
  if (backingOffset !== 0 && backingLength > 0) {
    if (backingLength > MAX_BACKING_NAME || backingOffset < headerLength || backingOffset + backingLength > Math.min(cluster, bytes.length)) throw bad(`a backing file's name of ${backingLength} bytes at 0x${backingOffset.toString(16)}`);
    backingFile = new TextDecoder().decode(bytes.subarray(backingOffset, backingOffset + backingLength));
    if (/[\0-\x1f]/.test(backingFile)) throw bad("the backing file's name holds control characters");
  }
  const autoclear = features(Field.autoclear_features);
  return {
    version, clusterBits, size, l1Size, l1Offset, refcountTableOffset, refcountTableClusters, snapshots, snapshotsOffset, refcountOrder, backingFile,
    dirty: (incompatible.lo & INCOMPATIBLE.DIRTY) !== 0, corrupt: (incompatible.lo & INCOMPATIBLE.CORRUPT) !== 0,
    lazyRefcounts: (features(Field.compatible_features).lo & COMPATIBLE_LAZY_REFCOUNTS) !== 0, autoclear: autoclear.lo !== 0 || autoclear.hi !== 0,
    compression: compressionByte === 1 ? "zstd" : "zlib", backingFormat: extensions.backingFormat,
  };
}

function readExtensions(bytes: Uint8Array, from: number, bad: (why: string) => Failure): { readonly backingFormat: string | undefined; readonly names: ReadonlyMap<number, string> } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), names = new Map<number, string>();
  let backingFormat: string | undefined;
  for (let at = from; at + 8 <= bytes.length;) {
    const type = view.getUint32(at), length = view.getUint32(at + 4);
    if (type === EXTENSION.END) break;
    if (length > bytes.length - at - 8) throw bad(`an extension of ${length} bytes at 0x${at.toString(16)}`);
    const data = bytes.subarray(at + 8, at + 8 + length);
    if (type === EXTENSION.BACKING_FORMAT) backingFormat = new TextDecoder().decode(data);
    if (type === EXTENSION.FEATURE_NAMES) {
      for (let entry = 0; entry + 48 <= length; entry += 48) {
        const name = new TextDecoder().decode(data.subarray(entry + 2, entry + 48)).replace(/\0[^]*$/, "");
        if (data[entry] === 0 && /^[\x20-\x7e]+$/.test(name)) names.set(data[entry + 1] as number, name);
      }
    }
    at += 8 + Math.ceil(length / 8) * 8;
  }
  return { backingFormat, names };
}

export interface NewHeader {
  readonly version: 2 | 3;
  readonly clusterBits: number;
  readonly size: number;
  readonly l1Size: number;
  readonly l1Offset: number;
  readonly refcountTableOffset: number;
  readonly refcountTableClusters: number;
  readonly refcountOrder: number;
  readonly compression: "zlib" | "zstd";
  readonly lazyRefcounts: boolean;
  readonly backingFile?: string | undefined;
  readonly backingFormat?: string | undefined;
}

/** The first cluster of a new image. */
export function writeHeader(header: NewHeader): Uint8Array {
  const cluster = 2 ** header.clusterBits, bytes = new Uint8Array(cluster), view = new DataView(bytes.buffer), encode = (text: string): Uint8Array => new TextEncoder().encode(text);
  const length = header.version === 2 ? V2_LENGTH : V3_LENGTH + 8;
  const u64 = (at: number, value: number): void => view.setBigUint64(at, BigInt(value));
  view.setUint32(0, QCOW2_MAGIC);
  view.setUint32(Field.version, header.version);
  view.setUint32(Field.cluster_bits, header.clusterBits);
  u64(Field.size, header.size);
  view.setUint32(Field.l1_size, header.l1Size);
  u64(Field.l1_table_offset, header.l1Offset);
  u64(Field.refcount_table_offset, header.refcountTableOffset);
  view.setUint32(Field.refcount_table_clusters, header.refcountTableClusters);
  if (header.version === 3) {
    u64(Field.incompatible_features, header.compression === "zstd" ? INCOMPATIBLE.COMPRESSION_TYPE : 0);
    u64(Field.compatible_features, header.lazyRefcounts ? COMPATIBLE_LAZY_REFCOUNTS : 0);
    view.setUint32(Field.refcount_order, header.refcountOrder);
    view.setUint32(Field.header_length, length);
    bytes[Field.compression_type] = header.compression === "zstd" ? 1 : 0;
  }
  let at = length;
  const extension = (type: number, data: Uint8Array): void => {
    view.setUint32(at, type);
    view.setUint32(at + 4, data.length);
    bytes.set(data, at + 8);
    at += 8 + Math.ceil(data.length / 8) * 8;
  };
  const name = header.backingFile === undefined ? new Uint8Array(0) : encode(header.backingFile);
  if (name.length > MAX_BACKING_NAME || at + name.length + 64 > cluster) throw refuse("HV-QCOW2-NAME", `the backing file's name has ${name.length} bytes, too many for the header`, "use a shorter one, or larger clusters");
  if (header.backingFormat !== undefined) extension(EXTENSION.BACKING_FORMAT, encode(header.backingFormat));
  at += 8; // the end of the extensions is all zeros
  if (name.length > 0) {
    u64(Field.backing_file_offset, at);
    view.setUint32(Field.backing_file_size, name.length);
    bytes.set(name, at);
  }
  return bytes;
}
