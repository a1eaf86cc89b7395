// dtb/read.ts — a device tree blob back to plain data, from bytes that nobody has checked.
// Spec: Devicetree Specification v0.4, ch. 5. Never throws and never runs away: every offset, length, depth and name is
// compared with a limit first. Left out: blobs older than version 16 (names were stored differently).
import { MiB, hex } from "../src/units.ts";
import { FDT_HEADER_SIZE, FDT_MAGIC, FDT_NAME, FDT_VERSION, FdtToken } from "./fdt.ts";
import type { Fdt, FdtNode, FdtReservation } from "./fdt.ts";

export type FdtRead = { readonly ok: true; readonly tree: Fdt; readonly totalSize: number; readonly version: number } | { readonly ok: false; readonly why: string };

/** The largest blob that arm64 Linux takes (booting.rst, part 2). */
export const MAX_FDT_SIZE: number = 2 * MiB;
const MAX_DEPTH = 64;
const MAX_RESERVATIONS = 1024;
const MAX_NAME = 256;
const TOP = 1n << 64n;

/** True for bytes that start like a blob. */
export const isFdt = (bytes: Uint8Array): boolean =>
  bytes.length >= 4 && bytes[0] === 0xd0 && bytes[1] === 0x0d && bytes[2] === 0xfe && bytes[3] === 0xed;

/** Reads a blob; bytes behind its total size are ignored. Property values are views of `bytes`, not copies. */
export function readFdt(bytes: Uint8Array): FdtRead {
  const no = (why: string): FdtRead => ({ ok: false, why });
  if (!isFdt(bytes)) return no(`it does not start with ${hex(FDT_MAGIC)}`);
  if (bytes.length < FDT_HEADER_SIZE) return no(`it has ${bytes.length} bytes, its header alone has ${FDT_HEADER_SIZE}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [, total, structureAt, stringsAt, reservedAt, version, lastCompatible, bootCpu, stringsSize, structureField] =
    Array.from({ length: 10 }, (_, i) => view.getUint32(i * 4)) as [number, number, number, number, number, number, number, number, number, number];
  if (total > MAX_FDT_SIZE) return no(`its totalsize is ${total} bytes; at most ${MAX_FDT_SIZE} are allowed`);
  if (total > bytes.length) return no(`its totalsize is ${total} bytes but only ${bytes.length} are there`);
  if (version < 16 || lastCompatible > FDT_VERSION) return no(`it is version ${version} (compatible down to ${lastCompatible}); 16 and 17 are supported`);
  if (total < FDT_HEADER_SIZE) return no(`its totalsize is ${total} bytes, less than its header`);
  // Version 16 has no size_dt_struct: the block ends where the strings or the file do.
  const structureSize = version >= 17 ? structureField : (stringsAt > structureAt ? stringsAt : total) - structureAt;
  if (structureAt < FDT_HEADER_SIZE || structureAt % 4 !== 0 || structureSize < 0 || structureAt + structureSize > total) return no(`its structure block (${structureSize} bytes at ${hex(structureAt)}) does not fit into ${total} bytes`);
  if (stringsAt < FDT_HEADER_SIZE || stringsAt + stringsSize > total) return no(`its strings block (${stringsSize} bytes at ${hex(stringsAt)}) does not fit into ${total} bytes`);
  if (reservedAt < FDT_HEADER_SIZE || reservedAt % 8 !== 0) return no(`its memory reservation block lies at ${hex(reservedAt)}`);

  const reservations: FdtReservation[] = [];
  for (let at = reservedAt; ; at += 16) {
    if (at + 16 > total) return no("its memory reservation block does not end");
    const address = view.getBigUint64(at), size = view.getBigUint64(at + 8);
    if (address === 0n && size === 0n) break;
    if (address + size > TOP) return no(`its memory reservation at ${hex(address)} goes past the end of the address space`);
    if (reservations.some(other => address < other.address + other.size && other.address < address + size)) return no(`its memory reservation at ${hex(address)} overlaps another one`);
    if (reservations.length === MAX_RESERVATIONS) return no(`it has more than ${MAX_RESERVATIONS} memory reservations`);
    reservations.push({ address, size });
  }

  /** A NUL-terminated name that starts at `at` and must end before `end`. */
  const nameAt = (at: number, end: number): string | undefined => {
    const stop = bytes.subarray(at, Math.min(end, at + MAX_NAME)).indexOf(0);
    return stop < 0 ? undefined : String.fromCharCode(...bytes.subarray(at, at + stop));
  };
  const propertyNames = new Map<number, string>();
  const structureEnd = structureAt + structureSize;
  const open: FdtNode[] = [];
  let root: FdtNode | undefined, at = structureAt;
  for (;;) {
    if (at + 4 > structureEnd) return no("its structure block ends before its last node does");
    const token = view.getUint32(at), where = `at ${hex(at)}`;
    at += 4;
    const top = open.at(-1);
    switch (token) {
      case FdtToken.NOP:
        break;
      case FdtToken.BEGIN_NODE: {
        const name = nameAt(at, structureEnd);
        if (name === undefined) return no(`the node name ${where} does not end`);
        if (top === undefined ? root !== undefined || name !== "" : !FDT_NAME.test(name)) return no(`the node ${where} is named ${JSON.stringify(name)}`);
        if (open.length === MAX_DEPTH) return no(`its nodes are nested more than ${MAX_DEPTH} deep`);
        const made: FdtNode = { name, properties: [], children: [] };
        if (top === undefined) root = made;
        else top.children.push(made);
        open.push(made);
        at = (at + name.length + 4) & ~3;
        break;
      }
      case FdtToken.PROP: {
        if (top === undefined) return no(`the property ${where} is in no node`);
        if (at + 8 > structureEnd) return no(`the property ${where} is cut off`);
        const length = view.getUint32(at), nameOffset = view.getUint32(at + 4);
        at += 8;
        if (length > structureEnd - at) return no(`the property ${where} has ${length} bytes, more than are left`);
        const name = propertyNames.get(nameOffset) ?? (nameOffset < stringsSize ? nameAt(stringsAt + nameOffset, stringsAt + stringsSize) : undefined);
        if (name === undefined) return no(`the name of the property ${where} is outside the strings block`);
        if (!FDT_NAME.test(name)) return no(`the property ${where} is named ${JSON.stringify(name)}`);
        propertyNames.set(nameOffset, name);
        top.properties.push({ name, value: bytes.subarray(at, at + length) });
        at = (at + length + 3) & ~3;
        break;
      }
      case FdtToken.END_NODE:
        if (open.pop() === undefined) return no(`the end ${where} belongs to no node`);
        break;
      case FdtToken.END:
        if (root === undefined || top !== undefined) return no(root === undefined ? "it has no root node" : `the node ${JSON.stringify(top?.name)} does not end`);
        return { ok: true, tree: { root, reservations, bootCpu }, totalSize: total, version };
      default:
        return no(`there is no token ${hex(token)} (${where})`);
    }
  }
}
