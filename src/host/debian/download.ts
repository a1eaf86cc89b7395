// src/host/debian/download.ts — one file over HTTP into the cache of blobs, resumed where it stopped, checked before it counts.
// A blob appears under its SHA-256 by rename, so the cache never holds a bad one. Proxies: the http_proxy family, by fetch.
// Left out: parallel ranges, authentication.
import { createHash } from "node:crypto";
import type { Hash } from "node:crypto";
import { closeSync, existsSync, fsyncSync, ftruncateSync, mkdirSync, openSync, readFileSync, readSync, renameSync, rmSync, statfsSync, statSync, writeFileSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { Failure } from "../../failure.ts";
import { MiB, formatSize } from "../../units.ts";
import type { FileSum } from "./packages.ts";

export interface Transfer {
  /** Told as bytes arrive: how many of how many are there. */
  readonly progress?: (what: string, done: number, total: number) => void;
  /** A transfer that brings nothing for this long is given up. */
  readonly stallMs?: number;
  readonly signal?: AbortSignal;
}

const RETRIES = 3;
const network = (url: string, why: string, cause?: unknown): Failure =>
  new Failure("HV-PULL-NETWORK", `${url}: ${why}`, { hint: "check the mirror's address, the network and http_proxy, then run the same command again: it resumes", exit: 1, cause });

function whyOf(error: unknown): string {
  const { code, message, name } = error as { code?: string; message?: string; name?: string };
  if (name === "TimeoutError" || name === "AbortError") return "the server stopped answering";
  return [code, message].filter(part => part !== undefined && part !== "").join(": ") || String(error);
}

async function request(url: string, headers: Record<string, string>, abort: AbortController): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url, { headers: { "accept-encoding": "identity", ...headers }, signal: abort.signal, redirect: "follow" });
  } catch (error) {
    throw network(url, whyOf(error), error);
  }
  if (response.ok || response.status === 416) return response;
  await response.body?.cancel();
  if (response.status === 404) throw new Failure("HV-PULL-NOT-FOUND", `${url}: the mirror has no such file (404)`, { hint: "is this a Debian mirror that carries the suite? --mirror and --suite choose others", exit: 4 });
  throw network(url, `the server answered ${response.status} ${response.statusText}`.trim());
}

/** Gives a transfer up when nothing arrives for a while. */
function watchdog(transfer: Transfer): { abort: AbortController; alive(): void; stop(): void } {
  const abort = new AbortController(), limit = transfer.stallMs ?? 30_000;
  const timeout = (): void => abort.abort(new DOMException(`nothing arrived for ${limit / 1000} s`, "TimeoutError"));
  const forward = (): void => abort.abort(transfer.signal?.reason);
  transfer.signal?.addEventListener("abort", forward);
  let timer = setTimeout(timeout, limit);
  return {
    abort,
    alive() {
      clearTimeout(timer);
      timer = setTimeout(timeout, limit);
    },
    stop() {
      clearTimeout(timer);
      transfer.signal?.removeEventListener("abort", forward);
    },
  };
}

/** A small file without a known sum (a release file): whole in memory, refused beyond `limit`. */
export async function downloadSmall(url: string, limit: number, transfer: Transfer): Promise<Uint8Array> {
  const dog = watchdog(transfer);
  try {
    const response = await request(url, {}, dog.abort);
    const parts: Uint8Array[] = [];
    let total = 0;
    try {
      for await (const part of response.body ?? []) {
        dog.alive();
        total += part.length;
        if (total > limit) throw network(url, `it is larger than ${formatSize(limit)}`);
        parts.push(part);
      }
    } catch (error) {
      throw error instanceof Failure ? error : network(url, whyOf(error), error);
    }
    return Buffer.concat(parts);
  } finally {
    dog.stop();
  }
}

/** Refuses early when the disk is too full for `bytes` more. */
export function requireSpace(directory: string, bytes: number): void {
  const { bavail, bsize } = statfsSync(directory);
  if (bavail * bsize >= bytes) return;
  throw new Failure("HV-PULL-SPACE", `${directory}: ${Math.ceil(bytes / MiB)} MiB are needed, ${Math.floor((bavail * bsize) / MiB)} MiB are free`, { hint: "make room, or choose another place with HV_HOME", exit: 1 });
}

function hashFile(path: string): { hash: Hash; size: number } {
  const hash = createHash("sha256"), buffer = new Uint8Array(4 * MiB), fd = openSync(path, "r");
  let size = 0;
  try {
    for (;;) {
      const got = readSync(fd, buffer);
      if (got === 0) return { hash, size };
      hash.update(buffer.subarray(0, got));
      size += got;
    }
  } finally {
    closeSync(fd);
  }
}

/** The path of a blob with this sum: from the cache, or brought from `url`. The caller holds the cache's lock. */
export async function downloadBlob(url: string, sum: FileSum, blobs: string, what: string, transfer: Transfer): Promise<string> {
  const path = join(blobs, sum.sha256);
  if (existsSync(path) && statSync(path).size === sum.size && hashFile(path).hash.digest("hex") === sum.sha256) return path;
  mkdirSync(blobs, { recursive: true });
  requireSpace(blobs, sum.size);
  let last: unknown;
  for (let attempt = 0; attempt < RETRIES; attempt++) {
    try {
      await fetchInto(`${path}.part`, url, sum, what, transfer);
      renameSync(`${path}.part`, path);
      rmSync(`${path}.etag`, { force: true });
      return path;
    } catch (error) {
      // Only a broken connection is worth another try; a wrong sum, a refusal or a full disk is not.
      if (!(error instanceof Failure) || error.code !== "HV-PULL-NETWORK" || transfer.signal?.aborted === true) throw error;
      last = error;
      if (attempt + 1 < RETRIES) await Bun.sleep(200 * 2 ** attempt);
    }
  }
  throw last;
}

async function fetchInto(part: string, url: string, sum: FileSum, what: string, transfer: Transfer): Promise<void> {
  const etagPath = part.replace(/\.part$/, ".etag");
  let { hash, size: done } = existsSync(part) ? hashFile(part) : { hash: createHash("sha256"), size: 0 };
  const etag = existsSync(etagPath) ? readFileSync(etagPath, "utf8") : "";
  if (done > sum.size || (done > 0 && etag === "")) done = 0;
  const dog = watchdog(transfer);
  const fd = openSync(part, done > 0 ? "r+" : "w");
  try {
    if (done < sum.size) {
      const response = await request(url, done > 0 ? { range: `bytes=${done}-`, "if-range": etag } : {}, dog.abort);
      const range = /^bytes (\d+)-/.exec(response.headers.get("content-range") ?? "");
      const resumes = response.status === 206 && range !== null && Number(range[1]) === done;
      if (!resumes) {
        // Changed on the server, or it knows no ranges: from the start again.
        if (response.status !== 200) {
          rmSync(etagPath, { force: true });
          ftruncateSync(fd, 0);
          throw network(url, `the server answered a resumed transfer with ${response.status}`);
        }
        hash = createHash("sha256");
        done = 0;
        ftruncateSync(fd, 0);
      }
      // A weak tag names no bytes: without a strong one (or a date) the next try starts over.
      const tag = response.headers.get("etag") ?? "";
      const validator = tag !== "" && !tag.startsWith("W/") ? tag : response.headers.get("last-modified") ?? "";
      if (validator === "") rmSync(etagPath, { force: true });
      else writeFileSync(etagPath, validator);
      try {
        for await (const bytes of response.body ?? []) {
          dog.alive();
          if (done + bytes.length > sum.size) throw wrong(part, etagPath, url, `it is longer than the ${sum.size} bytes that the signed index gives`);
          for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at, bytes.length - at, done + at);
          hash.update(bytes);
          done += bytes.length;
          transfer.progress?.(what, done, sum.size);
        }
      } catch (error) {
        if (error instanceof Failure) throw error;
        if ((error as { code?: string }).code === "ENOSPC") throw new Failure("HV-PULL-SPACE", `${dirname(part)}: the disk is full`, { hint: "make room, or choose another place with HV_HOME", exit: 1, cause: error });
        throw network(url, `${whyOf(error)} after ${done} of ${sum.size} bytes`, error);
      }
      if (done < sum.size) throw network(url, `it ended after ${done} of ${sum.size} bytes`);
    }
    if (hash.digest("hex") !== sum.sha256) throw wrong(part, etagPath, url, "its SHA-256 is not the one in the signed index");
    fsyncSync(fd);
  } finally {
    closeSync(fd);
    dog.stop();
  }
}

function wrong(part: string, etagPath: string, url: string, why: string): Failure {
  rmSync(part, { force: true });
  rmSync(etagPath, { force: true });
  return new Failure("HV-PULL-DIGEST", `${url}: ${why}`, { hint: "the mirror is in the middle of an update or something on the way changes files: try again, or another mirror", exit: 1 });
}
