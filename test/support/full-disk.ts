// test/support/full-disk.ts — `bun test/support/full-disk.ts DIRECTORY`: a pull into a small file system that somebody else
// fills up in the middle of the transfer. Prints what was refused, and what is left behind, as JSON.
import { readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pullDebian } from "../../src/host/debian/pull.ts";
import { failureOfAsync } from "./failure.ts";
import { makeKey, mirrorFiles, serveMirror } from "./mirror.ts";

const [home] = process.argv.slice(2) as [string];
const key = makeKey("ed25519", "Test key");
await using mirror = await serveMirror(mirrorFiles(key).files);
const filler = join(home, "filler");
const pull = (progress?: (what: string, done: number, size: number) => void): Promise<unknown> =>
  pullDebian({ mirror: mirror.url, home, keys: [key], stallMs: 2000, ...(progress === undefined ? {} : { progress }) });

let full = false;
const failure = await failureOfAsync(() => pull((_, done, size) => {
  if (full || done === size) return;
  full = true;
  for (let size = 2 ** 20; size >= 1; size /= 2) {
    try {
      for (;;) writeFileSync(filler, new Uint8Array(size), { flag: "a" });
    } catch { /* no room for so much: less */ }
  }
}));
const left = readdirSync(join(home, "debian")).filter(name => name !== "lock" && name !== "blobs");
rmSync(filler);
await pull(); // with room again, the transfer goes on where it stopped
console.log(JSON.stringify({ full, code: failure.code, exit: failure.exit, message: failure.message, left, then: readdirSync(join(home, "debian")).toSorted() }));
