// src/cli/disk/shared.ts — what the commands of `hv disk` have in common: their flags, how they tell.
import { Failure } from "../../failure.ts";
import { MAX_CLUSTER_BITS, MIN_CLUSTER_BITS } from "../../disk/qcow2/header.ts";
import { DISK_FORMATS, type DiskFormat } from "../../host/disk-image.ts";
import { formatSize } from "../../units.ts";
import { parseSize } from "../size.ts";

export const fileArg = { type: "positional", description: "The image", required: true } as const;
export const formatArg = { type: "string", alias: "f", description: "Its format; default: what its first bytes say", valueHint: "raw|qcow2" } as const;
export const backingArg = { type: "string", description: "any: backing files outside of the image's folder too", valueHint: "any" } as const;
export const jsonArg = { type: "boolean", description: "Print JSON" } as const;
/** How a new qcow2 image is made. */
export const newImageArgs = {
  "cluster-size": { type: "string", description: "qcow2: bytes that are allocated at a time, a power of two from 512B to 2M (default 64K)", valueHint: "SIZE" },
  compression: { type: "string", description: "qcow2: how clusters are packed", default: "zlib", valueHint: "zlib|zstd" },
  "refcount-bits": { type: "string", description: "qcow2: width of reference counts", default: "16", valueHint: "1|2|4|8|16|32|64" },
  "lazy-refcounts": { type: "boolean", description: "qcow2: let others be lazy with reference counts; hv never is" },
  compat: { type: "string", description: "qcow2: version", default: "3", valueHint: "2|3" },
  force: { type: "boolean", description: "Replace a file that is there" },
} as const;

export function parseFormat(text: string | undefined, flag = "--format"): DiskFormat | undefined {
  if (text !== undefined && !DISK_FORMATS.includes(text as DiskFormat)) throw new Failure("HV-USAGE-DISK", `${flag}: ${JSON.stringify(text)} is no format of disks`, { hint: DISK_FORMATS.join(" or ") });
  return text as DiskFormat | undefined;
}
export function parseBacking(text: string | undefined): "any" | undefined {
  if (text !== undefined && text !== "any") throw new Failure("HV-USAGE-DISK", `--backing: ${JSON.stringify(text)} says nothing`, { hint: "--backing any" });
  return text;
}
export interface NewImageFlags {
  readonly "cluster-size"?: string | undefined;
  readonly compression: string;
  readonly "refcount-bits": string;
  readonly "lazy-refcounts"?: boolean | undefined;
  readonly compat: string;
}
export interface NewImageOptions {
  readonly version: 2 | 3;
  readonly clusterBits: number;
  readonly refcountOrder: number;
  readonly compression: "zlib" | "zstd";
  readonly lazyRefcounts: boolean;
}
export function parseNewImage(given: NewImageFlags): NewImageOptions {
  const usage = (message: string, hint: string): Failure => new Failure("HV-USAGE-DISK", message, { hint });
  const text = given["cluster-size"], cluster = text === undefined ? 65536 : /^\d+B?$/i.test(text) ? Number.parseInt(text, 10) : parseSize(text, "--cluster-size");
  const clusterBits = Math.log2(cluster);
  if (!Number.isInteger(clusterBits) || clusterBits < MIN_CLUSTER_BITS || clusterBits > MAX_CLUSTER_BITS) throw usage(`--cluster-size: ${text} is no size of clusters`, "a power of two from 512B to 2M");
  const refcountOrder = Math.log2(/^\d{1,2}$/.test(given["refcount-bits"]) ? Number(given["refcount-bits"]) : NaN);
  if (!Number.isInteger(refcountOrder) || refcountOrder < 0 || refcountOrder > 6) throw usage(`--refcount-bits: ${given["refcount-bits"]} is no width`, "1, 2, 4, 8, 16, 32 or 64");
  const { compression, compat } = given;
  if (compression !== "zlib" && compression !== "zstd") throw usage(`--compression: ${JSON.stringify(compression)} is none that qcow2 has`, "zlib or zstd");
  if (compat !== "2" && compat !== "3") throw usage(`--compat: ${JSON.stringify(compat)} is no version of qcow2`, "2 or 3");
  if (compat === "2" && (compression !== "zlib" || refcountOrder !== 4 || given["lazy-refcounts"] === true)) throw usage("--compat 2: has zlib and counts of 16 bits only", "leave --compat away");
  return { version: compat === "2" ? 2 : 3, clusterBits, refcountOrder, compression, lazyRefcounts: given["lazy-refcounts"] === true };
}
/** A size of a disk: whole sectors. */
export function parseDiskSize(text: string, flag: string): number {
  const size = parseSize(text, flag);
  if (size % 512 !== 0) throw new Failure("HV-USAGE-SIZE", `${flag}: ${size} bytes are not a multiple of 512`, { hint: "give whole KiB" });
  return size;
}

export const tell = (line: string): void => { process.stderr.write(`hv: ${line}\n`); };
export function print(json: boolean | undefined, value: Readonly<Record<string, unknown>>, text: string): void {
  process.stdout.write(json === true ? `${JSON.stringify({ apiVersion: 1, ...value }, null, 2)}\n` : text);
}
export const rows = (title: string, lines: readonly (readonly [string, string])[]): string => `${title}\n${lines.map(([name, value]) => `  ${name.padEnd(14)} ${value}\n`).join("")}`;
export const sized = (bytes: number): string => `${formatSize(bytes)}${bytes >= 1024 ? ` (${bytes} bytes)` : ""}`;
