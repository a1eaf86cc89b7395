// src/cli/pull.ts — `hv pull debian`: Debian's arm64 kernel and a BusyBox initramfs into hv's cache.
import { defineCommand } from "citty";
import type { CommandDef } from "citty";
import { Failure } from "../failure.ts";
import { keysOf } from "../host/debian/openpgp.ts";
import { pullDebian } from "../host/debian/pull.ts";
import { readInput } from "../host/input.ts";
import { MiB } from "../units.ts";

/** Draws one line of progress on a terminal; on anything else only the steps are told. */
export function progressReporter(stream: NodeJS.WriteStream): { log(line: string): void; progress(what: string, done: number, total: number): void; done(): void } {
  const drawn = stream.isTTY === true && process.env["TERM"] !== "dumb";
  let last = 0, open = false;
  const clear = (): void => {
    if (open) stream.write("\r\x1b[K");
    open = false;
  };
  return {
    log(line) {
      clear();
      stream.write(`${line}\n`);
    },
    progress(what, done, total) {
      const now = performance.now();
      if (!drawn || (now - last < 100 && done < total)) return;
      last = now;
      open = true;
      const line = `${what}: ${(done / MiB).toFixed(1)} of ${(total / MiB).toFixed(1)} MiB (${Math.floor((done * 100) / total)} %)`;
      stream.write(`\r${line.slice(0, (stream.columns || 80) - 1)}\x1b[K`);
    },
    done: clear,
  };
}

const args = {
  what: { type: "positional", description: "What to bring: debian", required: true, valueHint: "debian" },
  mirror: { type: "string", description: "Debian mirror (default: HV_DEBIAN_MIRROR, else the host's apt configuration)", valueHint: "URL" },
  suite: { type: "string", description: "Suite, for instance bookworm or trixie", valueHint: "NAME" },
  kernel: { type: "string", description: "6.1 (default), 6.12, 6.12-cloud, or a package: linux-image-...", valueHint: "VERSION" },
  keyring: { type: "string", description: "Trust the keys of this file in place of Debian's", valueHint: "FILE" },
  refresh: { type: "boolean", description: "Ask the mirror for something newer, although the cache has it" },
  "allow-expired": { type: "boolean", description: "Accept a release past its Valid-Until (snapshots)" },
  json: { type: "boolean", description: "Print JSON" },
} as const;

const command: CommandDef<typeof args> = defineCommand({
  meta: { name: "pull", description: "Bring Debian's arm64 kernel and BusyBox, verified, and make an initramfs (cached)" },
  args,
  async run({ args: given }) {
    if (given.what !== "debian") throw new Failure("HV-PULL-WHAT", `${JSON.stringify(given.what)} is nothing that can be pulled`, { hint: "hv pull debian" });
    const reporter = progressReporter(process.stderr);
    const keys = given.keyring === undefined ? undefined : keysOf(readInput(given.keyring, "keyring", 4 * MiB), given.keyring);
    if (keys?.length === 0) throw new Failure("HV-PULL-KEYRING", `${given.keyring}: holds no OpenPGP key that can be read`, { hint: "give an exported public keyring" });
    try {
      const found = await pullDebian({
        mirror: given.mirror, suite: given.suite, kernel: given.kernel, keys, refresh: given.refresh, allowExpired: given["allow-expired"], log: reporter.log, progress: reporter.progress,
      });
      reporter.done();
      process.stdout.write(given.json ? `${JSON.stringify({ apiVersion: 1, ...found }, null, 2)}\n` : `kernel ${found.kernel}\ninitramfs ${found.initramfs}\nconfig ${found.config}\nrelease ${found.release}\n`);
    } finally {
      reporter.done();
    }
  },
});
export default command;
