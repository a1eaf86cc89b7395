// src/cli/inspect.ts — `hv inspect FILE`: what a boot file is, and for a kernel where it would go.
import { defineCommand } from "citty";
import type { CommandDef } from "citty";
import { findNode, property } from "../../dtb/fdt.ts";
import type { FdtNode } from "../../dtb/fdt.ts";
import { isFdt, readFdt } from "../../dtb/read.ts";
import { readInitrd } from "../boot/initrd.ts";
import { readKernel } from "../boot/image.ts";
import type { KernelImage } from "../boot/image.ts";
import { placeBoot } from "../boot/load.ts";
import { Failure } from "../failure.ts";
import { readInput } from "../host/input.ts";
import { GiB, MiB, formatSize, hex } from "../units.ts";
import { parseSize } from "./size.ts";

const RAM_BASE = 0x4000_0000;
/** A device tree as `--dtb auto` makes it is far smaller; its place does not depend on its size. */
const DTB_SIZE = 64 * 1024;

/** What an inspected file is, as `--json` prints it. */
export type Inspection = { readonly apiVersion: 1; readonly file: string; readonly size: number } & (
  | {
    readonly kind: "kernel"; readonly layers: readonly string[]; readonly imageBytes: number; readonly version: string | null;
    readonly header: { readonly textOffset: number; readonly imageSize: number; readonly pageSize: string; readonly anywhere: boolean };
    readonly notes: readonly string[]; readonly placement: { readonly memory: number; readonly kernel: string; readonly kernelEnd: string; readonly dtb: string };
  }
  | { readonly kind: "initrd"; readonly parts: readonly { readonly codec: string; readonly offset: number; readonly entries?: number; readonly unpacked?: number }[]; readonly hasInit: boolean }
  | { readonly kind: "dtb"; readonly totalSize: number; readonly version: number; readonly nodes: number; readonly model: string | null; readonly compatible: readonly string[]; readonly reservations: number }
);

/** The kernel's own banner, when it can be found. */
function versionOf(kernel: KernelImage): string | null {
  const bytes = Buffer.from(kernel.bytes.buffer, kernel.bytes.byteOffset, kernel.bytes.byteLength);
  for (let at = bytes.indexOf("Linux version "); at >= 0; at = bytes.indexOf("Linux version ", at + 1)) {
    const text = /^Linux version \d[\x20-\x7e]*/.exec(bytes.subarray(at, at + 256).toString("latin1"))?.[0];
    if (text !== undefined) return text;
  }
  return null;
}

/** Says what a file is; throws Failure for what is nothing that boots. */
export function inspect(bytes: Uint8Array, file: string, memory: number): Inspection {
  const common = { apiVersion: 1, file, size: bytes.length } as const;
  if (isFdt(bytes)) {
    const read = readFdt(bytes);
    if (!read.ok) throw new Failure("HV-DTB-DATA", `${file}: is no usable device tree: ${read.why}`, { hint: "get or compile the file again" });
    const { root } = read.tree;
    const count = (of: FdtNode): number => of.children.reduce((sum, child) => sum + count(child), 1);
    const strings = (name: string): string[] => {
      const value = property(findNode(root, "/")!, name);
      return value === undefined ? [] : new TextDecoder().decode(value).split("\0").filter(one => one !== "");
    };
    return { ...common, kind: "dtb", totalSize: read.totalSize, version: read.version, nodes: count(root), model: strings("model")[0] ?? null, compatible: strings("compatible"), reservations: read.tree.reservations.length };
  }
  let kernel: KernelImage;
  try {
    kernel = readKernel(bytes, file);
  } catch (error) {
    const initrd = readInitrd(bytes);
    if (initrd.ok) return { ...common, kind: "initrd", parts: initrd.parts, hasInit: initrd.hasInit };
    throw error;
  }
  const place = placeBoot({ kernel, dtbSize: DTB_SIZE, ramBase: RAM_BASE, ramSize: memory });
  return {
    ...common, kind: "kernel", layers: kernel.layers, imageBytes: kernel.bytes.length, version: versionOf(kernel), notes: kernel.notes,
    header: { textOffset: kernel.textOffset, imageSize: kernel.imageSize, pageSize: kernel.flags.pageSize, anywhere: kernel.flags.anywhere },
    placement: { memory, kernel: hex(place.kernel), kernelEnd: hex(place.kernelEnd), dtb: hex(place.dtb) },
  };
}

const size = (bytes: number): string => `${bytes} bytes${bytes >= MiB ? ` (${(bytes / MiB).toFixed(1)} MiB)` : ""}`;

/** The same for people. */
export function inspectionText(found: Inspection): string {
  const lines: [string, string][] = [];
  switch (found.kind) {
    case "kernel":
      lines.push(["kind", `arm64 kernel Image${found.layers.length > 0 ? `, packed as ${found.layers.join(", ")}` : ""}`], ["size", size(found.imageBytes)]);
      if (found.version !== null) lines.push(["version", found.version]);
      lines.push(
        ["text_offset", hex(found.header.textOffset)], ["image_size", `${hex(found.header.imageSize)}, ${size(found.header.imageSize)}`],
        ["page size", found.header.pageSize], ["may lie", found.header.anywhere ? "anywhere in memory" : "near the start of memory"],
        ...found.notes.map((note): [string, string] => ["note", note]),
        [`in ${formatSize(found.placement.memory)}`, `kernel ${found.placement.kernel} to ${found.placement.kernelEnd}, device tree ${found.placement.dtb}`],
      );
      break;
    case "initrd":
      lines.push(["kind", "initrd (cpio)"], ["size", size(found.size)]);
      for (const part of found.parts) {
        lines.push([`at ${part.offset}`, part.entries === undefined ? `packed with ${part.codec}, not opened here` : `${part.entries} entries${part.codec === "none" ? "" : `, packed with ${part.codec}`}, ${size(part.unpacked ?? 0)} unpacked`]);
      }
      lines.push(["/init", found.hasInit ? "yes" : "not found in what was opened"]);
      break;
    case "dtb":
      lines.push(
        ["kind", `device tree blob, version ${found.version}`], ["size", size(found.totalSize)], ["model", found.model ?? "none"],
        ["compatible", found.compatible.join(", ") || "none"], ["nodes", String(found.nodes)], ["reserved", `${found.reservations} memory ranges`],
      );
      break;
    default:
      return found satisfies never;
  }
  return `${found.file}\n${lines.map(([name, value]) => `  ${name.padEnd(12)} ${value}\n`).join("")}`;
}

const args = {
  file: { type: "positional", description: "The file to look at", required: true },
  memory: { type: "string", alias: "m", description: "Guest memory to compute the placement for", default: "512M", valueHint: "SIZE" },
  json: { type: "boolean", description: "Print JSON" },
} as const;

const command: CommandDef<typeof args> = defineCommand({
  meta: { name: "inspect", description: "Say what a kernel, initrd or device tree file is, and where a kernel would go" },
  args,
  run({ args: given }) {
    const memory = parseSize(given.memory, "--memory");
    const found = inspect(readInput(given.file, "file to inspect", 4 * GiB), given.file, memory);
    process.stdout.write(given.json ? `${JSON.stringify(found, null, 2)}\n` : inspectionText(found));
  },
});
export default command;
