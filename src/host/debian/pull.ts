// src/host/debian/pull.ts — brings Debian's arm64 kernel and BusyBox, and makes of them what `hv run` boots.
// Order of trust: a pinned key signs InRelease, which holds the sum of Packages, which holds the sums of the packages.
// $HV_HOME/debian/: blobs/<sha256> as downloaded; <suite>-<kernel>/ finished results, each put in place by one rename.
// One pull at a time (flock, ends with its process); a valid result is returned without touching the network.
import { createHash } from "node:crypto";
import { closeSync, fstatSync, fsyncSync, mkdirSync, openSync, readSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { gunzipSync, gzipSync } from "node:zlib";
import { homedir } from "node:os";
import { join } from "node:path";
import { tryLockFile } from "../../../ffi/posix.ts";
import { Failure } from "../../failure.ts";
import { MiB } from "../../units.ts";
import { readKernel } from "../../boot/image.ts";
import { debEntries } from "./deb.ts";
import { downloadBlob, downloadSmall, requireSpace } from "./download.ts";
import type { Transfer } from "./download.ts";
import { isModule, makeInitramfs } from "./guest.ts";
import type { ModuleFile } from "./guest.ts";
import { debianKeys } from "./keys.ts";
import { verifyClearSigned } from "./openpgp.ts";
import type { TrustedKey } from "./openpgp.ts";
import { findPackage, parseRelease } from "./packages.ts";
import type { Package, Release } from "./packages.ts";
import { findMirror } from "./sources.ts";
import type { Mirror } from "./sources.ts";
import { xzDecode } from "./xz.ts";

export interface PullOptions {
  /** Mirror address; else HV_DEBIAN_MIRROR, else the host's apt configuration. */
  readonly mirror?: string | undefined;
  /** Suite name; without it the suites that usually carry the kernel are tried in turn. */
  readonly suite?: string | undefined;
  /** "6.1", "6.12", "6.12-cloud", or a package name that starts with linux-image-. */
  readonly kernel?: string | undefined;
  /** Where results go; default $HV_HOME, else ~/.hv. */
  readonly home?: string | undefined;
  /** Ask the mirror for something newer even when a result is there. */
  readonly refresh?: boolean | undefined;
  /** Accept a release whose Valid-Until has passed (an archive snapshot). */
  readonly allowExpired?: boolean | undefined;
  /** Keys to trust in place of Debian's. */
  readonly keys?: readonly TrustedKey[] | undefined;
  readonly progress?: ((what: string, done: number, total: number) => void) | undefined;
  /** One line per step. */
  readonly log?: ((line: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly stallMs?: number | undefined;
  /** Where apt keeps its configuration; tests set it. */
  readonly aptDirectory?: string | undefined;
}
export interface Pulled {
  /** The raw arm64 Image. */
  readonly kernel: string;
  /** The kernel's build configuration. */
  readonly config: string;
  readonly initramfs: string;
  /** The kernel's release, as uname -r says it. */
  readonly release: string;
  readonly directory: string;
}

/** Bumped when the initramfs or the manifest changes: results of an older hv are made anew. */
const FORMAT = 8;
const DEFAULT_SUITE = "bookworm";
const DEFAULT_KERNEL = "6.1";
/** Which suites carry a kernel version, most likely first. */
const SUITES: Readonly<Record<string, readonly string[]>> = { "5.10": ["bullseye"], "6.1": ["bookworm"], "6.12": ["trixie", "bookworm-backports"] };
const ALL_SUITES: readonly string[] = ["trixie", "bookworm", "trixie-backports", "bookworm-backports", "sid"];
const FILES = { kernel: "Image", config: "config", initramfs: "initramfs.cpio.gz" } as const;

interface Manifest {
  readonly format: number;
  readonly release: string;
  readonly suite: string;
  readonly package: string;
  readonly version: string;
  readonly busybox: string;
  readonly mirror: string;
  readonly signedBy: string;
  readonly packageSha256: string;
  readonly files: Readonly<Record<string, { readonly size: number; readonly sha256: string }>>;
}

/** Where hv keeps its things. */
export const hvHome = (environment: Readonly<Record<string, string | undefined>> = process.env): string =>
  environment["HV_HOME"] || join(homedir(), ".hv");

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/** The digest of a file of exactly `size` bytes, read in pieces; undefined when it has another size. */
function sha256OfFile(path: string, size: number): string | undefined {
  const hash = createHash("sha256"), piece = new Uint8Array(1024 * 1024);
  const fd = openSync(path, "r");
  try {
    if (fstatSync(fd).size !== size) return undefined;
    for (let got = 1; got > 0;) {
      got = readSync(fd, piece);
      hash.update(piece.subarray(0, got));
    }
    return hash.digest("hex");
  } finally {
    closeSync(fd);
  }
}

/** The finished result in a directory, when every file in it is what its manifest says. */
function cached(directory: string): Pulled | undefined {
  let manifest: Manifest;
  try {
    manifest = JSON.parse(readFileSync(join(directory, "manifest.json"), "utf8")) as Manifest;
    if (manifest.format !== FORMAT) return undefined;
    for (const name of Object.values(FILES)) {
      const expected = manifest.files[name];
      if (expected === undefined || sha256OfFile(join(directory, name), expected.size) !== expected.sha256) return undefined;
    }
  } catch {
    return undefined;
  }
  return result(directory, manifest.release);
}

const result = (directory: string, release: string): Pulled => ({
  kernel: join(directory, FILES.kernel), config: join(directory, FILES.config), initramfs: join(directory, FILES.initramfs), release, directory,
});

/** A plan: which suites to look in, and how to find the kernel's package in one. */
function plan(options: PullOptions): { label: string; suites: readonly string[]; package: string; series: string | undefined } {
  const kernel = options.kernel ?? (options.suite === undefined ? DEFAULT_KERNEL : "default");
  const bad = (): Failure => new Failure("HV-PULL-KERNEL", `--kernel: ${JSON.stringify(kernel)} is neither a version nor a package`, { hint: "for instance 6.1, 6.12-cloud or linux-image-6.1.0-50-arm64" });
  if (options.suite !== undefined && !/^[a-z][a-z0-9-]*$/.test(options.suite)) throw new Failure("HV-PULL-SUITE", `--suite: ${JSON.stringify(options.suite)} is no suite name`, { hint: "for instance bookworm or trixie" });
  if (kernel.startsWith("linux-image-")) {
    if (!/^[a-z0-9][a-z0-9.+-]*$/.test(kernel)) throw bad();
    return { label: kernel, suites: options.suite === undefined ? [DEFAULT_SUITE, ...ALL_SUITES.filter(suite => suite !== DEFAULT_SUITE)] : [options.suite], package: kernel, series: undefined };
  }
  if (kernel === "default" || kernel === "cloud") return { label: kernel, suites: [options.suite ?? DEFAULT_SUITE], package: kernel === "cloud" ? "linux-image-cloud-arm64" : "linux-image-arm64", series: undefined };
  const match = /^(\d+\.\d+)(-cloud|-rt)?$/.exec(kernel);
  if (match === null) throw bad();
  const likely = SUITES[match[1]!] ?? [];
  return {
    label: kernel, series: match[1]!, package: `linux-image${match[2] ?? ""}-arm64`,
    suites: options.suite !== undefined ? [options.suite] : [...likely, ...ALL_SUITES.filter(suite => !likely.includes(suite))],
  };
}

/**
 * Makes sure that a Debian kernel and an initramfs that boots it to a shell are on disk, and says where.
 * Throws Failure with the reason for whatever stands in the way; the cache never holds a bad or half result.
 */
export async function pullDebian(options: PullOptions = {}): Promise<Pulled> {
  const wanted = plan(options);
  const home = join(options.home ?? hvHome(), "debian");
  const place = (suite: string): string => join(home, `${suite}-${wanted.label}`);
  const find = (): Pulled | undefined => {
    for (const suite of wanted.suites) {
      const found = cached(place(suite));
      if (found !== undefined) return found;
    }
    return undefined;
  };
  const before = options.refresh === true ? undefined : find();
  if (before !== undefined) return before;
  const mirror = findMirror({ mirror: options.mirror, ...(options.aptDirectory === undefined ? {} : { aptDirectory: options.aptDirectory }) });
  try {
    mkdirSync(home, { recursive: true });
  } catch (error) {
    throw new Failure("HV-PULL-HOME", `${home}: cannot be made: ${(error as Error).message}`, { hint: "choose another place with HV_HOME", exit: 1, cause: error });
  }
  const unlock = await lock(join(home, "lock"), options);
  try {
    const meanwhile = options.refresh === true ? undefined : find();
    if (meanwhile !== undefined) return meanwhile;
    for (const name of readdirSync(home)) if (name.startsWith(".tmp-")) rmSync(join(home, name), { recursive: true, force: true });
    const chosen = await choose(wanted, mirror, home, options);
    return await build(chosen, place(chosen.suite), home, mirror, options);
  } finally {
    unlock();
  }
}

async function lock(path: string, options: PullOptions): Promise<() => void> {
  const fd = openSync(path, "a");
  let told = false;
  while (!tryLockFile(fd)) {
    if (!told) options.log?.("another pull is at work: waiting for it");
    told = true;
    if (options.signal?.aborted === true) {
      closeSync(fd);
      throw new Failure("HV-PULL-STOPPED", "stopped while waiting for another pull", { exit: 1 });
    }
    await Bun.sleep(100);
  }
  return () => closeSync(fd);
}

interface Chosen {
  readonly suite: string;
  readonly kernel: Package;
  readonly busybox: Package;
  readonly signedBy: string;
}

const transferOf = (options: PullOptions): Transfer => ({
  ...(options.progress === undefined ? {} : { progress: options.progress }),
  ...(options.signal === undefined ? {} : { signal: options.signal }),
  ...(options.stallMs === undefined ? {} : { stallMs: options.stallMs }),
});

/** The first suite that has the wanted kernel, with the packages to take from it. */
async function choose(wanted: ReturnType<typeof plan>, mirror: Mirror, home: string, options: PullOptions): Promise<Chosen> {
  const looked: string[] = [];
  for (const suite of wanted.suites) {
    let release: { release: Release; key: string };
    try {
      release = await readRelease(suite, mirror, options);
    } catch (error) {
      // A mirror need not carry every suite, nor keep the unlikely ones fresh; the one that the user named it must.
      const absent = error instanceof Failure && error.code === "HV-PULL-NOT-FOUND" && wanted.suites.length > 1;
      const stale = error instanceof Failure && error.code === "HV-PULL-EXPIRED" && suite !== wanted.suites[0];
      if (absent || stale) {
        looked.push(`${suite} (${stale ? "out of date" : "not"} on this mirror)`);
        continue;
      }
      throw error;
    }
    const index = await readIndex(suite, release.release, mirror, home, options);
    const meta = findPackage(index, wanted.package);
    // A meta package depends on the kernel; a kernel's own package (its name has the version) depends on none.
    const kernelName = meta === undefined ? "" : /\blinux-image-\d[a-z0-9.+-]*/.exec(meta.depends)?.[0];
    const kernel = kernelName === undefined ? meta : findPackage(index, kernelName);
    if (kernel === undefined || (wanted.series !== undefined && !kernel.version.startsWith(`${wanted.series}.`))) {
      looked.push(meta === undefined ? `${suite} (no ${wanted.package})` : `${suite} (it has ${meta.version})`);
      continue;
    }
    // Backports hold only what is newer than in the suite they belong to.
    const base = suite.replace(/-backports$/, "");
    const busybox = findPackage(index, "busybox-static") ??
      (base === suite ? undefined : findPackage(await readIndex(base, (await readRelease(base, mirror, options)).release, mirror, home, options), "busybox-static"));
    if (busybox === undefined) {
      looked.push(`${suite} (no busybox-static)`);
      continue;
    }
    return { suite, kernel, busybox, signedBy: release.key };
  }
  throw new Failure("HV-PULL-KERNEL", `no kernel ${wanted.label} for arm64 on ${mirror.url}: looked in ${looked.join(", ")}`, { hint: "choose with --suite and --kernel", exit: 4 });
}

async function readRelease(suite: string, mirror: Mirror, options: PullOptions): Promise<{ release: Release; key: string }> {
  const url = `${mirror.url}/dists/${suite}/InRelease`;
  options.log?.(`${suite}: reading the release from ${mirror.url} (${mirror.origin})`);
  const message = await downloadSmall(url, 8 * MiB, transferOf(options));
  const verified = verifyClearSigned(message, options.keys ?? debianKeys);
  if (!verified.ok) throw new Failure("HV-PULL-SIGNATURE", `${url}: the signature is not good: ${verified.why}`, { hint: "this is no Debian archive, or something on the way changes files; for an archive of your own give its keys with --keyring", exit: 1 });
  const release = parseRelease(verified.text, url);
  if (release.codename !== suite && release.suite !== suite) {
    throw new Failure("HV-PULL-SIGNATURE", `${url}: it is the release of ${release.codename} (${release.suite}), not of ${suite}`, { hint: "the mirror is wrong: try another one", exit: 1 });
  }
  if (release.validUntil !== undefined && release.validUntil.getTime() < Date.now() && options.allowExpired !== true) {
    throw new Failure("HV-PULL-EXPIRED", `${url}: it was valid until ${release.validUntil.toISOString()}`, { hint: "the mirror is out of date or this host's clock is wrong; --allow-expired takes it anyway", exit: 1 });
  }
  return { release, key: verified.key };
}

async function readIndex(suite: string, release: Release, mirror: Mirror, home: string, options: PullOptions): Promise<Uint8Array> {
  for (const extension of [".xz", ".gz", ""]) {
    const name = `main/binary-arm64/Packages${extension}`, sum = release.files.get(name);
    if (sum === undefined) continue;
    const at = release.byHash ? `main/binary-arm64/by-hash/SHA256/${sum.sha256}` : name;
    const blob = await downloadBlob(`${mirror.url}/dists/${suite}/${at}`, sum, join(home, "blobs"), `${suite} index`, transferOf(options));
    const bytes = readFileSync(blob);
    rmSync(blob); // it changes with every release: not worth keeping
    const limit = release.files.get("main/binary-arm64/Packages")?.size ?? 512 * MiB;
    try {
      return extension === ".xz" ? xzDecode(bytes, limit) : extension === ".gz" ? gunzipSync(bytes, { maxOutputLength: limit }) : bytes;
    } catch (error) {
      throw error instanceof Failure ? error : new Failure("HV-PULL-RELEASE", `${mirror.url}: the index of ${suite} does not unpack: ${(error as Error).message}`, { exit: 1, cause: error });
    }
  }
  throw new Failure("HV-PULL-RELEASE", `${mirror.url}: ${suite} has no index for arm64`, { hint: "choose another suite with --suite", exit: 4 });
}

/** Downloads the packages, takes them apart and puts the result in place. */
async function build(chosen: Chosen, directory: string, home: string, mirror: Mirror, options: PullOptions): Promise<Pulled> {
  const blobs = join(home, "blobs");
  const get = (wanted: Package): Promise<string> =>
    downloadBlob(`${mirror.url}/${wanted.filename}`, wanted.sum, blobs, `${wanted.name} ${wanted.version}`, transferOf(options));
  options.log?.(`${chosen.suite}: ${chosen.kernel.name} ${chosen.kernel.version}, busybox ${chosen.busybox.version}`);
  const kernelDeb = readFileSync(await get(chosen.kernel)), busyboxDeb = readFileSync(await get(chosen.busybox));
  options.log?.("taking the packages apart");
  let image: Uint8Array | undefined, config: Uint8Array | undefined, release = "", busybox: Uint8Array | undefined;
  const modules: ModuleFile[] = [];
  for (const entry of debEntries(kernelDeb, chosen.kernel.name, header => /^\.\/boot\/(vmlinuz|config)-/.test(header.name) || isModule(header.name))) {
    if (entry.kind !== "file") continue;
    const boot = /^\.\/boot\/(vmlinuz|config)-(.+)$/.exec(entry.name);
    if (boot !== null) {
      release = boot[2]!;
      if (boot[1] === "vmlinuz") image = entry.data;
      else config = entry.data;
    } else if (isModule(entry.name)) {
      modules.push({ path: entry.name.slice(entry.name.indexOf("/kernel/") + 1), bytes: entry.data });
    }
  }
  for (const entry of debEntries(busyboxDeb, chosen.busybox.name, header => header.name.endsWith("/bin/busybox"))) {
    if (entry.kind === "file" && entry.name.endsWith("/bin/busybox")) busybox = entry.data;
  }
  if (image === undefined || config === undefined || busybox === undefined || !/^[A-Za-z0-9.+_~-]+$/.test(release)) {
    throw new Failure("HV-DEB-DATA", `${chosen.kernel.name}: the packages do not hold a kernel, its configuration and a busybox`, { hint: "choose another package with --kernel", exit: 1 });
  }
  const contents: Record<string, Uint8Array> = {
    [FILES.kernel]: readKernel(image, `${chosen.kernel.name}: vmlinuz-${release}`).bytes,
    [FILES.config]: config,
    // Stored, not deflated: unpacking it costs the guest 7 million instructions so, 108 million deflated (of 930 for a boot).
    [FILES.initramfs]: gzipSync(makeInitramfs({ release, busybox, busyboxVersion: chosen.busybox.version, modules }), { level: 0 }),
  };
  const manifest: Manifest = {
    format: FORMAT, release, suite: chosen.suite, package: chosen.kernel.name, version: chosen.kernel.version, busybox: chosen.busybox.version,
    mirror: mirror.url, signedBy: chosen.signedBy, packageSha256: chosen.kernel.sum.sha256,
    files: Object.fromEntries(Object.entries(contents).map(([name, bytes]) => [name, { size: bytes.length, sha256: sha256(bytes) }])),
  };
  contents["manifest.json"] = new TextEncoder().encode(`${JSON.stringify(manifest, null, 2)}\n`);
  requireSpace(home, Object.values(contents).reduce((sum, bytes) => sum + bytes.length, MiB));
  const temporary = join(home, `.tmp-${process.pid}`);
  mkdirSync(temporary);
  try {
    for (const [name, bytes] of Object.entries(contents)) {
      const fd = openSync(join(temporary, name), "wx", 0o644);
      try {
        writeFileSync(fd, bytes);
        fsyncSync(fd);
      } finally {
        closeSync(fd);
      }
    }
    rmSync(directory, { recursive: true, force: true });
    renameSync(temporary, directory);
  } catch (error) {
    rmSync(temporary, { recursive: true, force: true });
    const full = (error as { code?: string }).code === "ENOSPC";
    throw new Failure(full ? "HV-PULL-SPACE" : "HV-PULL-HOME", `${directory}: cannot be written: ${(error as Error).message}`, { hint: "make room, or choose another place with HV_HOME", exit: 1, cause: error });
  }
  return result(directory, release);
}
