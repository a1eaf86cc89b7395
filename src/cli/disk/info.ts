// src/cli/disk/info.ts — `hv disk info`: what an image is. Reads its header only, also of one in use; opens no other file.
import { defineCommand } from "citty";
import type { CommandDef } from "citty";
import { statSync } from "node:fs";
import { readSnapshots } from "../../disk/qcow2/structure.ts";
import { Places } from "../../disk/qcow2/places.ts";
import { openDiskFile } from "../../host/disk-file.ts";
import { findFormat, readHeaderOf, userError } from "../../host/disk-image.ts";
import { fileArg, formatArg, jsonArg, parseFormat, print, rows, sized, tell } from "./shared.ts";

export const examples: readonly string[] = ["hv disk info debian.qcow2", "hv disk info data.img --json"];
const args = { file: fileArg, format: formatArg, json: jsonArg } as const;

const typed = defineCommand({
  meta: { name: "disk info", description: "Say what a disk image is" },
  args,
  run({ args: given }) {
    const label = given.file, file = openDiskFile(given.file, { label, write: false, lock: "none" });
    try {
      const { format } = findFormat(file, { format: parseFormat(given.format), label, tell });
      const used = statSync(given.file).blocks * 512;
      if (format === "raw") return print(given.json, { file: given.file, format, size: file.size, used }, rows(given.file, [["format", "raw"], ["size", sized(file.size)], ["on the host", sized(used)]]));
      const header = readHeaderOf(file, label), cluster = 2 ** header.clusterBits;
      const { snapshots } = readSnapshots(header, new Places(file, cluster));
      const value = {
        file: given.file, format, size: header.size, used, version: header.version, clusterSize: cluster, compression: header.compression, refcountBits: 2 ** header.refcountOrder,
        lazyRefcounts: header.lazyRefcounts, dirty: header.dirty, corrupt: header.corrupt, backingFile: header.backingFile ?? null, backingFormat: header.backingFormat ?? null,
        snapshots: snapshots.map(({ id, name }) => ({ id, name })),
      };
      const lines: [string, string][] = [["format", `qcow2, version ${header.version}`], ["size", sized(header.size)], ["on the host", sized(used)], ["clusters", `${sized(cluster)}, packed with ${header.compression}, counts of ${value.refcountBits} bits`]];
      if (header.backingFile !== undefined) lines.push(["backing file", `${header.backingFile} (${header.backingFormat ?? "format not said"})`]);
      for (const one of snapshots) lines.push(["snapshot", `${one.id} ${one.name}`]);
      if (header.dirty) lines.push(["note", "was not closed: opening it counts its references again"]);
      if (header.corrupt) lines.push(["note", "is marked as damaged: hv disk check --repair"]);
      print(given.json, value, rows(given.file, lines));
    } catch (error) {
      throw userError(error, label);
    } finally {
      file.close();
    }
  },
});
const command: CommandDef<never> = typed as never;
export default command;
