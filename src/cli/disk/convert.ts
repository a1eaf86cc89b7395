// src/cli/disk/convert.ts — `hv disk convert`: the disk in an image as a new image, its backing files in it.
import { defineCommand } from "citty";
import type { CommandDef } from "citty";
import { rmSync } from "node:fs";
import { copyImage } from "../../disk/copy.ts";
import { createQcow2 } from "../../disk/qcow2/create.ts";
import { readHeader } from "../../disk/qcow2/header.ts";
import { Qcow2Image } from "../../disk/qcow2/qcow2.ts";
import { RawImage } from "../../disk/raw.ts";
import { whyOf } from "../../disk/file.ts";
import { ExitCode, Failure } from "../../failure.ts";
import { createDiskFile } from "../../host/disk-file.ts";
import { openImage } from "../../host/disk-image.ts";
import { progressReporter } from "../pull.ts";
import { backingArg, formatArg, jsonArg, newImageArgs, parseBacking, parseFormat, parseNewImage, print, sized, tell } from "./shared.ts";

export const examples: readonly string[] = ["hv disk convert debian.img debian.qcow2", "hv disk convert debian.img small.qcow2 --compress --compression zstd", "hv disk convert mine.qcow2 whole.img --to raw --format qcow2"];
const args = {
  file: { type: "positional", description: "The image to read", required: true }, to_file: { type: "positional", description: "The image to make", required: true },
  format: formatArg, backing: backingArg, to: { type: "string", description: "Format of the new image", default: "qcow2", valueHint: "raw|qcow2" },
  compress: { type: "boolean", description: "qcow2: pack its clusters" }, ...newImageArgs, json: jsonArg,
} as const;

const typed = defineCommand({
  meta: { name: "disk convert", description: "Make an image of another format from a disk image" },
  args,
  run({ args: given }) {
    const to = parseFormat(given.to, "--to") ?? "qcow2", options = parseNewImage(given), target = given.to_file as string;
    if (to === "raw" && given.compress === true) throw new Failure("HV-USAGE-DISK", "--compress: a raw image cannot be packed", { hint: "--to qcow2" });
    const source = openImage(given.file, { label: given.file, write: false, format: parseFormat(given.format), backing: parseBacking(given.backing), tell });
    const reporter = progressReporter(process.stderr);
    let made = false, created = false;
    try {
      const { size } = source, file = createDiskFile(target, target, given.force === true);
      created = true;
      try {
        if (to === "qcow2") createQcow2(file, { ...options, size });
        else file.resize(size);
        const now = { ...file, size: to === "raw" ? size : file.end() };
        const image = to === "raw" ? new RawImage(now, false) : new Qcow2Image(now, readHeader(headOf(now), now.size, target), false, undefined);
        copyImage(source, image, { compression: given.compress === true ? options.compression : undefined, progress: (done, total) => reporter.progress("copied", done, total) });
        file.rememberFormat(to);
        image.close();
      } catch (error) {
        if (error instanceof Failure) throw error;
        throw new Failure("HV-DISK-CONVERT", `${target}: cannot be made from ${given.file}: ${whyOf(error)}`, { hint: "see to that, and try again", exit: ExitCode.failed, cause: error });
      }
      made = true;
      reporter.done();
      print(given.json, { file: target, format: to, size }, `${target}: ${to}, ${sized(size)}\n`);
    } finally {
      reporter.done();
      source.close();
      if (created && !made) rmSync(target, { force: true });
    }
  },
});
const headOf = (file: { read(at: number, into: Uint8Array): number; readonly size: number }): Uint8Array => {
  const bytes = new Uint8Array(Math.min(file.size, 2 * 1024 * 1024));
  file.read(0, bytes);
  return bytes;
};
const command: CommandDef<never> = typed as never;
export default command;
