// src/cli/disk/create.ts — `hv disk create`: a new image, empty or above another one.
import { defineCommand } from "citty";
import type { CommandDef } from "citty";
import { createQcow2 } from "../../disk/qcow2/create.ts";
import { Failure } from "../../failure.ts";
import { createDiskFile } from "../../host/disk-file.ts";
import { backingPath, openImage } from "../../host/disk-image.ts";
import { rmSync } from "node:fs";
import { dirname } from "node:path";
import { jsonArg, newImageArgs, parseDiskSize, parseFormat, parseNewImage, print, sized } from "./shared.ts";

export const examples: readonly string[] = [
  "hv disk create data.qcow2 20G",
  "hv disk create data.img 4G --format raw                       sparse: takes space as it is written",
  "hv disk create mine.qcow2 --base debian.img --base-format raw what is written goes into mine.qcow2",
];
const args = {
  file: { type: "positional", description: "The image to make", required: true },
  size: { type: "positional", description: "Size of the disk, with its unit; default: that of the base", required: false },
  format: { type: "string", alias: "f", description: "Format", default: "qcow2", valueHint: "raw|qcow2" },
  base: { type: "string", description: "qcow2: image below, by its name from where the new one lies", valueHint: "FILE" },
  "base-format": { type: "string", description: "Format of the base; it is kept in the image", valueHint: "raw|qcow2" },
  ...newImageArgs,
  json: jsonArg,
} as const;

const typed = defineCommand({
  meta: { name: "disk create", description: "Make a disk image" },
  args,
  run({ args: given }) {
    const format = parseFormat(given.format) ?? "qcow2", baseFormat = parseFormat(given["base-format"], "--base-format"), label = given.file;
    if (format === "raw" && given.base !== undefined) throw new Failure("HV-USAGE-DISK", "--base: a raw image has nothing below it", { hint: "--format qcow2" });
    if (given.base !== undefined && baseFormat === undefined) throw new Failure("HV-USAGE-DISK", `--base: the format of ${given.base} has to be said`, { hint: "--base-format raw, or qcow2" });
    let size = given.size === undefined ? undefined : parseDiskSize(given.size, "SIZE");
    if (given.base !== undefined) {
      const path = given.base.startsWith("/") ? given.base : `${dirname(given.file)}/${given.base}`;
      backingPath(given.base.startsWith("/") ? "/" : dirname(given.file), given.base, true, label); // refuses what is no file
      const below = openImage(path, { label: `--base ${given.base}`, write: false, format: baseFormat, backing: "any", lock: "none" });
      size ??= below.size;
      below.close();
    }
    if (size === undefined) throw new Failure("HV-USAGE", "SIZE is missing", { hint: `for instance hv disk create ${given.file} 20G` });
    const options = parseNewImage(given), file = createDiskFile(given.file, label, given.force === true);
    let made = false;
    try {
      if (format === "raw") file.resize(size);
      else createQcow2(file, { ...options, size, backingFile: given.base, backingFormat: baseFormat });
      file.rememberFormat(format);
      made = true;
    } finally {
      file.close();
      if (!made) rmSync(given.file, { force: true });
    }
    print(given.json, { file: given.file, format, size }, `${given.file}: ${format}, ${sized(size)}\n`);
  },
});
const command: CommandDef<never> = typed as never;
export default command;
