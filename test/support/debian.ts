// test/support/debian.ts — Debian's kernels for tests, from the mirror that the host uses, kept in hv's normal cache.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { debEntries } from "../../src/host/debian/deb.ts";
import { hvHome, pullDebian } from "../../src/host/debian/pull.ts";
import type { Pulled } from "../../src/host/debian/pull.ts";

const pulled = new Map<string, Promise<Pulled>>();

/** Debian's kernel and its initramfs; fetched once, then from the cache. Fails when there is no mirror. */
export function debianKernel(kernel: "6.1" | "6.12-cloud"): Promise<Pulled> {
  let pull = pulled.get(kernel);
  if (pull === undefined) pulled.set(kernel, pull = pullDebian({ kernel }));
  return pull;
}

/** The package that a cached kernel came from. */
export async function debianPackage(kernel: "6.1" | "6.12-cloud"): Promise<Uint8Array> {
  let { directory } = await debianKernel(kernel);
  const blob = (): string => join(hvHome(), "debian", "blobs", (JSON.parse(readFileSync(join(directory, "manifest.json"), "utf8")) as { packageSha256: string }).packageSha256);
  if (!existsSync(blob())) ({ directory } = await pullDebian({ kernel, refresh: true }));
  return readFileSync(blob());
}

/** The .dtb files in the package of kernel 6.1, by name. */
export async function debianDeviceTrees(): Promise<Map<string, Uint8Array>> {
  const found = new Map<string, Uint8Array>();
  for (const entry of debEntries(await debianPackage("6.1"), "the package of kernel 6.1", header => header.name.endsWith(".dtb"))) {
    if (entry.kind === "file" && entry.name.endsWith(".dtb")) found.set(entry.name, entry.data);
  }
  return found;
}
