// src/cli/disk/resize.ts — `hv disk resize`: gives a disk another size. New bytes are zeros; smaller only when asked twice.
import { defineCommand } from "citty";
import type { CommandDef } from "citty";
import { Qcow2Image } from "../../disk/qcow2/qcow2.ts";
import { resizeQcow2 } from "../../disk/qcow2/resize.ts";
import { Failure } from "../../failure.ts";
import { openImage, userError } from "../../host/disk-image.ts";
import { backingArg, fileArg, formatArg, jsonArg, parseBacking, parseDiskSize, parseFormat, print, sized, tell } from "./shared.ts";

export const examples: readonly string[] = ["hv disk resize data.qcow2 40G", "hv disk resize data.img +10G", "hv disk resize data.img 2G --force      what is behind 2G is lost"];
const args = {
  file: fileArg, size: { type: "positional", description: "The new size, or +SIZE more", required: true }, format: formatArg, backing: backingArg,
  force: { type: "boolean", description: "Make it smaller: what is behind its new end is lost" }, json: jsonArg,
} as const;

const typed = defineCommand({
  meta: { name: "disk resize", description: "Give a disk image another size" },
  args,
  run({ args: given }) {
    const label = given.file, image = openImage(given.file, { label, write: true, format: parseFormat(given.format), backing: parseBacking(given.backing), tell });
    const before = image.size, more = given.size.startsWith("+");
    try {
      const size = parseDiskSize(more ? given.size.slice(1) : given.size, "SIZE") + (more ? before : 0);
      if (size < before && given.force !== true) throw new Failure("HV-DISK-SHRINK", `${label}: has ${before} bytes: with ${size} it would lose its end`, { hint: "--force does it" });
      if (image instanceof Qcow2Image) resizeQcow2(image, size);
      else {
        image.file.resize(size);
        image.file.sync();
      }
      print(given.json, { file: given.file, before, size }, `${given.file}: ${sized(before)} became ${sized(size)}\n`);
    } catch (error) {
      throw userError(error, label);
    } finally {
      image.close();
    }
  },
});
const command: CommandDef<never> = typed as never;
export default command;
