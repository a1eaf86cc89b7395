// dtb/text.ts — a device tree for people: DTS text that dtc accepts, and a JSON form for programs.
// Spec: Devicetree Specification v0.4, ch. 6 "Devicetree Source (DTS) Format". A blob does not say what kind of value a
// property has: it is guessed as dtc guesses, strings before cells before bytes, so both forms are exact and readable.
// Left out: labels and references (a blob has none), includes, parsing.
import { hex } from "../src/units.ts";
import type { Fdt, FdtNode } from "./fdt.ts";

export type FdtJsonValue =
  | { readonly empty: true }
  | { readonly strings: readonly string[] }
  | { readonly cells: readonly number[] }
  | { readonly bytes: string };
export interface FdtJsonNode {
  readonly name: string;
  readonly properties: readonly ({ readonly name: string } & FdtJsonValue)[];
  readonly children: readonly FdtJsonNode[];
}
export interface FdtJson {
  readonly bootCpu: number;
  readonly reservations: readonly { readonly address: string; readonly size: string }[];
  readonly root: FdtJsonNode;
}

/** The strings of a value: printable, every one ended by a NUL and none of them empty; else undefined. */
function asStrings(value: Uint8Array): string[] | undefined {
  if (value.length === 0 || value[value.length - 1] !== 0) return undefined;
  for (let i = 0; i < value.length; i++) {
    const byte = value[i]!;
    if (byte === 0 ? i === 0 || value[i - 1] === 0 : byte < 32 || byte > 126) return undefined;
  }
  return Buffer.from(value.buffer, value.byteOffset, value.length - 1).toString("latin1").split("\0");
}

function asCells(value: Uint8Array): number[] | undefined {
  if (value.length % 4 !== 0) return undefined;
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  return Array.from({ length: value.length / 4 }, (_, i) => view.getUint32(i * 4));
}

const hexBytes = (value: Uint8Array): string[] => Array.from(value, byte => byte.toString(16).padStart(2, "0"));

function classify(value: Uint8Array): FdtJsonValue {
  if (value.length === 0) return { empty: true };
  const strings = asStrings(value);
  if (strings !== undefined) return { strings };
  const cells = asCells(value);
  return cells === undefined ? { bytes: hexBytes(value).join("") } : { cells };
}

const quote = (text: string): string => `"${text.replace(/["\\]/g, "\\$&")}"`;

function valueText(value: Uint8Array): string {
  const kind = classify(value);
  if ("empty" in kind) return "";
  if ("strings" in kind) return ` = ${kind.strings.map(quote).join(", ")}`;
  if ("cells" in kind) return ` = <${kind.cells.map(cell => hex(cell)).join(" ")}>`;
  return ` = [${hexBytes(value).join(" ")}]`;
}

function nodeText(of: FdtNode, depth: number, out: string[]): void {
  const indent = "\t".repeat(depth);
  out.push(`${indent}${depth === 0 ? "/" : of.name} {`);
  for (const { name, value } of of.properties) out.push(`${indent}\t${name}${valueText(value)};`);
  of.children.forEach((child, i) => {
    if (i > 0 || of.properties.length > 0) out.push("");
    nodeText(child, depth + 1, out);
  });
  out.push(`${indent}};`);
}

/** The tree as DTS text. */
export function fdtText(tree: Fdt): string {
  const out = ["/dts-v1/;", ""];
  for (const { address, size } of tree.reservations) out.push(`/memreserve/\t${hex(address, 16)} ${hex(size, 16)};`);
  nodeText(tree.root, 0, out);
  return `${out.join("\n")}\n`;
}

/** The tree as plain JSON data. */
export function fdtJson(tree: Fdt): FdtJson {
  const convert = (of: FdtNode): FdtJsonNode => ({
    name: of.name, properties: of.properties.map(({ name, value }) => ({ name, ...classify(value) })), children: of.children.map(convert),
  });
  return {
    bootCpu: tree.bootCpu,
    reservations: tree.reservations.map(({ address, size }) => ({ address: hex(address), size: hex(size) })),
    root: convert(tree.root),
  };
}
