// dtb/fdt.ts — a device tree as plain data, and the writer that turns it into a blob.
// Spec: Devicetree Specification v0.4, ch. 5 "Flattened Devicetree (DTB) Format"; blobs are version 17.
// The strings block is shared as dtc shares it (a name may be the tail of an earlier one): trees read from dtc's blobs
// come back byte for byte. Left out: versions before 16, overlays' special nodes (they are nodes like any other).

export interface FdtProperty {
  readonly name: string;
  readonly value: Uint8Array;
}
export interface FdtNode {
  /** With the unit address ("serial@9000000"); empty for the root. */
  name: string;
  properties: FdtProperty[];
  children: FdtNode[];
}
/** Memory that a client program must leave alone. */
export interface FdtReservation {
  readonly address: bigint;
  readonly size: bigint;
}
export interface Fdt {
  root: FdtNode;
  reservations: FdtReservation[];
  bootCpu: number;
}

export const FDT_MAGIC = 0xd00dfeed;
export const FDT_VERSION = 17;
export const FDT_LAST_COMPATIBLE = 16;
export const FDT_HEADER_SIZE = 40;
/** Structure block tokens (5.4.1). */
export const FdtToken = { BEGIN_NODE: 1, END_NODE: 2, PROP: 3, NOP: 4, END: 9 } as const;
/** What dtc accepts in a node or property name; longer than the specification's 31 because real trees are. */
export const FDT_NAME: RegExp = /^[A-Za-z0-9,._+*#?@-]{1,255}$/;

const utf8 = new TextEncoder();

// --- property values (2.2.4) -------------------------------------------------------------------------------------------

/** A property whose presence is its value. */
export const empty: Uint8Array = new Uint8Array(0);

/** 32-bit cells. Throws RangeError for what does not fit. */
export function cells(...values: readonly number[]): Uint8Array {
  const out = new Uint8Array(values.length * 4), view = new DataView(out.buffer);
  values.forEach((value, i) => {
    if (!Number.isInteger(value) || value < -0x8000_0000 || value > 0xffff_ffff) throw new RangeError(`${value} is no 32-bit cell`);
    view.setUint32(i * 4, value >>> 0);
  });
  return out;
}

/** 64-bit values, two cells each, high cell first. */
export function u64cells(...values: readonly (number | bigint)[]): Uint8Array {
  const out = new Uint8Array(values.length * 8), view = new DataView(out.buffer);
  values.forEach((value, i) => {
    const wide = BigInt(value);
    if (wide < 0n || wide >= 1n << 64n) throw new RangeError(`${value} is no 64-bit value`);
    view.setBigUint64(i * 8, wide);
  });
  return out;
}

/** One or more strings, each with its NUL. */
export function strings(...values: readonly string[]): Uint8Array {
  if (values.some(value => value.includes("\0"))) throw new RangeError("a device tree string cannot hold a NUL");
  return utf8.encode(values.map(value => `${value}\0`).join(""));
}

/** Values one behind another, for properties of mixed kinds. */
export function join(...values: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(values.reduce((sum, value) => sum + value.length, 0));
  let at = 0;
  for (const value of values) {
    out.set(value, at);
    at += value.length;
  }
  return out;
}

// --- trees -------------------------------------------------------------------------------------------------------------

/** A node from a record of properties, in the order they are written. */
export const node = (name: string, properties: Readonly<Record<string, Uint8Array>> = {}, children: readonly FdtNode[] = []): FdtNode => ({
  name, properties: Object.entries(properties).map(([key, value]) => ({ name: key, value })), children: [...children],
});

/** The value of a property, or undefined. */
export const property = (of: FdtNode, name: string): Uint8Array | undefined => of.properties.find(one => one.name === name)?.value;

/** Sets a property: replaced where it stands, else added at the end. */
export function setProperty(of: FdtNode, name: string, value: Uint8Array): void {
  const at = of.properties.findIndex(one => one.name === name);
  if (at < 0) of.properties.push({ name, value });
  else of.properties[at] = { name, value };
}

/** Removes a property; true when there was one. */
export function removeProperty(of: FdtNode, name: string): boolean {
  const at = of.properties.findIndex(one => one.name === name);
  if (at >= 0) of.properties.splice(at, 1);
  return at >= 0;
}

/** The node at an absolute path; a unit address may be left out where the name alone is unique ("/memory"). */
export function findNode(root: FdtNode, path: string): FdtNode | undefined {
  let at: FdtNode | undefined = root;
  for (const part of path.split("/").filter(one => one !== "")) {
    const children: FdtNode[] = at.children;
    const bare = children.filter(child => child.name.split("@")[0] === part);
    at = children.find(child => child.name === part) ?? (bare.length === 1 ? bare[0] : undefined);
    if (at === undefined) return undefined;
  }
  return at;
}

// --- the blob ----------------------------------------------------------------------------------------------------------

/** A growing big-endian buffer. */
class Output {
  #bytes: Uint8Array = new Uint8Array(4096);
  length = 0;
  #room(count: number): number {
    const at = this.length;
    this.length += count;
    if (this.length > this.#bytes.length) {
      const bigger = new Uint8Array(Math.max(this.length, this.#bytes.length * 2));
      bigger.set(this.#bytes);
      this.#bytes = bigger;
    }
    return at;
  }
  u32(value: number): void {
    const at = this.#room(4);
    new DataView(this.#bytes.buffer).setUint32(at, value);
  }
  /** Bytes, then zeros up to a multiple of `align`. */
  put(bytes: Uint8Array, align: number): void {
    const at = this.#room(bytes.length);
    this.#bytes.set(bytes, at);
    this.#room((align - (this.length % align)) % align);
  }
  done(): Uint8Array {
    return this.#bytes.subarray(0, this.length);
  }
}

/**
 * Writes the blob: header, memory reservations, structure, strings. `padding` zero bytes follow for whoever patches it
 * in place. Throws RangeError for names no blob should carry.
 */
export function writeFdt(tree: { readonly root: FdtNode; readonly reservations?: readonly FdtReservation[]; readonly bootCpu?: number }, options: { readonly padding?: number } = {}): Uint8Array {
  const structure = new Output(), names = new Output();
  const offsets = new Map<string, number>();
  const offsetOf = (name: string): number => {
    const known = offsets.get(name);
    if (known !== undefined) return known;
    const start = names.length;
    names.put(utf8.encode(`${name}\0`), 1);
    for (let i = 0; i < name.length; i++) if (!offsets.has(name.slice(i))) offsets.set(name.slice(i), start + i);
    return start;
  };
  const open = (of: FdtNode, isRoot: boolean): void => {
    if (isRoot ? of.name !== "" : !FDT_NAME.test(of.name)) throw new RangeError(`${JSON.stringify(of.name)} is no node name`);
    structure.u32(FdtToken.BEGIN_NODE);
    structure.put(utf8.encode(`${of.name}\0`), 4);
    for (const { name, value } of of.properties) {
      if (!FDT_NAME.test(name)) throw new RangeError(`${JSON.stringify(name)} is no property name`);
      structure.u32(FdtToken.PROP);
      structure.u32(value.length);
      structure.u32(offsetOf(name));
      structure.put(value, 4);
    }
    for (const child of of.children) open(child, false);
    structure.u32(FdtToken.END_NODE);
  };
  open(tree.root, true);
  structure.u32(FdtToken.END);

  const reserved = u64cells(...(tree.reservations ?? []).flatMap(({ address, size }) => [address, size]), 0, 0);
  const structureAt = FDT_HEADER_SIZE + reserved.length, stringsAt = structureAt + structure.length;
  const blob = new Uint8Array(stringsAt + names.length + (options.padding ?? 0));
  blob.set(cells(
    FDT_MAGIC, blob.length, structureAt, stringsAt, FDT_HEADER_SIZE, FDT_VERSION, FDT_LAST_COMPATIBLE, tree.bootCpu ?? 0, names.length, structure.length,
  ));
  blob.set(reserved, FDT_HEADER_SIZE);
  blob.set(structure.done(), structureAt);
  blob.set(names.done(), stringsAt);
  return blob;
}
