// src/cli/disk/check.ts — `hv disk check`: counts every cluster of a qcow2 image again. Leaks cost space and nothing else:
// an image that has only those passes.
import { defineCommand } from "citty";
import type { CommandDef } from "citty";
import { checkQcow2 } from "../../disk/qcow2/check.ts";
import { ExitCode } from "../../failure.ts";
import { openDiskFile } from "../../host/disk-file.ts";
import { findFormat, readHeaderOf, userError } from "../../host/disk-image.ts";
import { progressReporter } from "../pull.ts";
import { fileArg, formatArg, jsonArg, parseFormat, print, tell } from "./shared.ts";

export const examples: readonly string[] = ["hv disk check debian.qcow2", "hv disk check debian.qcow2 --repair"];
const args = { file: fileArg, format: formatArg, repair: { type: "boolean", description: "Put right what can be" }, json: jsonArg } as const;

const typed = defineCommand({
  meta: { name: "disk check", description: "Check a disk image, and repair it" },
  args,
  run({ args: given }) {
    const label = given.file, repair = given.repair === true;
    const file = openDiskFile(given.file, { label, write: repair, lock: repair ? "exclusive" : "shared" });
    const reporter = progressReporter(process.stderr);
    try {
      if (findFormat(file, { format: parseFormat(given.format), label, tell }).format === "raw") {
        print(given.json, { file: given.file, format: "raw", errors: 0, leaks: 0 }, `${given.file}: raw: there is nothing to check\n`);
        return ExitCode.ok;
      }
      const result = checkQcow2(file, readHeaderOf(file, label), { repair, progress: (done, total) => reporter.progress("tables", done, total) });
      reporter.done();
      const lines = result.findings.map(one => `  ${one}\n`).join("");
      const many = result.repairedErrors + result.repairedLeaks + result.errors + result.leaks - result.findings.length;
      const told = [
        result.repairedErrors > 0 ? `${result.repairedErrors} errors repaired` : "", result.repairedLeaks > 0 ? `${result.repairedLeaks} leaked clusters repaired` : "",
        result.errors > 0 ? `${result.errors} errors${result.lost > 0 ? `, ${result.lost} of them beyond repair` : ", --repair puts them right"}` : "", result.leaks > 0 ? `${result.leaks} leaked clusters, which cost space and nothing else` : "",
      ].filter(one => one !== "").join("; ");
      print(given.json, { file: given.file, format: "qcow2", ...result }, `${lines}${many > 0 ? `  and ${many} more\n` : ""}${given.file}: ${told === "" ? "in order" : told}; ${result.allocatedClusters} of ${result.totalClusters} clusters in use, ${result.compressedClusters} of them packed\n`);
      return result.errors > 0 ? ExitCode.failed : ExitCode.ok;
    } catch (error) {
      throw userError(error, label);
    } finally {
      reporter.done();
      file.close();
    }
  },
});
const command: CommandDef<never> = typed as never;
export default command;
