// test/disk/kill.test.ts — a writer to a qcow2 image killed with SIGKILL: nothing but leaks is left, and every sector holds
// what was last flushed to it or something written since. HV_KILLS=500 for as many kills.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openImage } from "../../src/host/disk-image.ts";
import { hv } from "../support/hv.ts";
import { Random } from "../support/random.ts";

const KILLS = Number(process.env["HV_KILLS"] ?? 24), SIZE = 4 * 1024 * 1024, SECTORS = SIZE / 512;
let folder: string;
beforeAll(() => { folder = mkdtempSync(join(tmpdir(), "hv-kill-")); });
afterAll(() => rmSync(folder, { recursive: true }));

/** Starts a writer on an image and kills it; every value that each sector may have then. */
async function round(path: string, seed: number, may: Set<number>[]): Promise<{ writes: number; flushes: number }> {
  const child = Bun.spawn([process.execPath, join(import.meta.dir, "writer.ts"), path, String(seed)], { stdout: "pipe", stderr: "inherit" });
  const reader = child.stdout.getReader(), decoder = new TextDecoder();
  let text = "", lines = 0;
  const enough = 1 + new Random(seed * 7).below(400);
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    text += decoder.decode(value, { stream: true });
    lines = text.split("\n").length;
    if (lines > enough) child.kill("SIGKILL");
  }
  await child.exited;
  let writes = 0, flushes = 0;
  const last = may.map(set => [...set].at(-1) as number), changed = new Set<number>();
  for (const line of text.split("\n").slice(0, -1)) {
    if (line === "f") {
      flushes++;
      for (const i of changed) may[i] = new Set([last[i] as number]);
      changed.clear();
      continue;
    }
    writes++;
    const [first, count, value] = line.split(" ").slice(1).map(Number) as [number, number, number];
    for (let i = first; i < first + count; i++) {
      last[i] = value;
      may[i]!.add(value);
      changed.add(i);
    }
  }
  return { writes, flushes };
}

test(`${KILLS} kills of a writer leave leaks only, and nothing flushed is lost`, async () => {
  const path = join(folder, "disk.qcow2");
  expect((await hv(["disk", "create", path, "4M", "--cluster-size", "4K"])).code).toBe(0);
  let may: Set<number>[] = Array.from({ length: SECTORS }, () => new Set([0])), flushes = 0;
  const wrong: string[] = [];
  for (let n = 1; n <= KILLS; n++) {
    flushes += (await round(path, n, may)).flushes;
    const check = JSON.parse((await hv(["disk", "check", path, "--json"])).stdout) as { errors: number; findings: string[] };
    if (check.errors > 0) wrong.push(`kill ${n}: ${check.findings.join("; ")}`);
    const image = openImage(path, { label: path, write: false, format: "qcow2" }), bytes = new Uint8Array(SIZE);
    image.read(0, bytes);
    image.close();
    may = may.map((set, i) => {
      const value = bytes[i * 512] as number;
      if (!set.has(value) || bytes.subarray(i * 512, i * 512 + 512).some(byte => byte !== value)) wrong.push(`kill ${n}: sector ${i} is ${value}, may be ${[...set].join()}`);
      return new Set([value]);
    });
  }
  expect(wrong).toEqual([]);
  expect(flushes).toBeGreaterThan(KILLS);
  expect((await hv(["disk", "check", path, "--repair"])).code).toBe(0);
  expect((await hv(["disk", "check", path])).stdout).toContain("in order");
}, 600_000);
