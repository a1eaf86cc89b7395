// src/cli/initramfs.ts — `hv initramfs DIR|TAR -o FILE`: an initramfs from a directory or a tar file.
import { defineCommand } from "citty";
import type { CommandDef } from "citty";
import { gzipSync } from "node:zlib";
import { statSync } from "node:fs";
import { characterDevice, directory, writeCpio } from "../boot/cpio.ts";
import type { CpioEntry } from "../boot/cpio.ts";
import { Failure } from "../failure.ts";
import { readInput } from "../host/input.ts";
import { writeOutput } from "../host/output.ts";
import { directoryEntries, tarFileEntries } from "../host/tree.ts";
import { GiB } from "../units.ts";

/** The archive of a directory or a tar file, with /dev/console added when it is missing: /init needs it for its first words. */
export function buildInitramfs(path: string): { bytes: Uint8Array; entries: CpioEntry[] } {
  let isDirectory: boolean;
  try {
    isDirectory = statSync(path).isDirectory();
  } catch (error) {
    throw new Failure("HV-FILE-READ", `${path}: there is no such directory or file`, { hint: "check the path", cause: error });
  }
  const entries = isDirectory ? directoryEntries(path) : tarFileEntries(readInput(path, "tar file", 2 * GiB), path);
  const names = new Set(entries.map(entry => entry.name));
  if (!names.has("dev")) entries.push(directory("dev"));
  if (!names.has("dev/console")) entries.push(characterDevice("dev/console", 5, 1));
  try {
    return { bytes: writeCpio(entries), entries };
  } catch (error) {
    if (error instanceof RangeError) throw new Failure("HV-INITRAMFS-NAME", `${path}: ${error.message}`, { hint: "rename or leave out that entry", cause: error });
    throw error;
  }
}

const args = {
  from: { type: "positional", description: "A directory, or a tar file (plain, gzip or zstd)", required: true, valueHint: "DIR|TAR" },
  output: { type: "string", alias: "o", description: "The file to write", required: true, valueHint: "FILE" },
} as const;

const command: CommandDef<typeof args> = defineCommand({
  meta: { name: "initramfs", description: "Make an initramfs from a directory or a tar file (gzip when the name ends in .gz)" },
  args,
  run({ args: given }) {
    const { bytes, entries } = buildInitramfs(given.from);
    const packed = given.output.endsWith(".gz") ? gzipSync(bytes, { level: 9 }) : bytes;
    writeOutput(given.output, packed);
    process.stderr.write(`${given.output}: ${entries.length} entries, ${packed.length} bytes\n`);
    if (!entries.some(entry => entry.name === "init")) process.stderr.write(`${given.from}: has no /init: the kernel will not start a program from it\n`);
  },
});
export default command;
