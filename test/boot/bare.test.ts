// test/boot/bare.test.ts — a guest without a system checks what architecture, interrupt controllers and PSCI promise: every case,
// each named after its rule. Beside QEMU: npm run fidelity, docs/fidelity.md.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { VirtualMachine } from "../../src/library.ts";
import { buildBare, casesOf, documentedCases, judge } from "../support/bare.ts";
import { standInThreads } from "../support/stand-in.ts";

const LIMIT = 60_000;
const place = mkdtempSync(join(tmpdir(), "hv-bare-"));
let image: string;
beforeAll(() => { image = buildBare(place); }, 300_000);
afterAll(() => rmSync(place, { recursive: true }));

test.each([
  ["interpreter", 2, "off"], ["interpreter", 3, "off"], ["translator", 2, "off"], ["translator", 3, "off"], ["translator", 2, "on"], ["translator", 3, "on"],
] as const)("%s, GICv%d, threads %s: every case holds", async (engine, gic, smpThreads) => {
  const vm = await VirtualMachine.start({ kernel: image, cpus: 3, gic, engine, smpThreads, memory: "256M" });
  try {
    const output = (await vm.console.expect(/^[^]*\nend\r\n/, { timeout: LIMIT }))[0];
    const cases = casesOf(output);
    expect(cases.filter(one => !one.ok)).toEqual([]);
    expect(cases.map(one => one.name).sort()).toEqual([...documentedCases(gic)].sort());
    expect(cases.length).toBeGreaterThan(100);
    expect(await vm.exited).toEqual({ kind: "off" }); // C3: the last core has turned itself off
  } finally {
    await vm.close();
  }
}, LIMIT);

// what cannot hold there, and why: test/guests/bare/exclusions.ts
test.each([
  ["hv's own controller", 2, 114, 33], ["hv_gic", 3, 112, 34],
] as const)("Hypervisor.framework's stand-in, %s (GICv%d): %d cases hold, %d cannot", async (_name, gic, ok, excluded) => {
  const vm = await VirtualMachine.start({ kernel: image, cpus: 3, gic, accelerator: "hvf", memory: "256M", threads: standInThreads });
  try {
    const cases = casesOf((await vm.console.expect(/^[^]*\nend\r\n/, { timeout: LIMIT }))[0]);
    expect(judge(cases, "hvf", gic)).toMatchObject({ broken: [], missing: [], ok, excluded });
    expect(await vm.exited).toEqual({ kind: "off" });
  } finally {
    await vm.close();
  }
}, LIMIT);
