// test/cpu/features.test.ts — `--cpu`: what the ID registers say is there, and nothing else is.
import { afterEach, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { encode } from "../../src/cpu/a64/pattern.ts";
import { CoreFeatures, DEFAULT_FEATURES, featureNames, parseFeatures, type Features } from "../../src/cpu/features.ts";
import { instructions } from "../../src/cpu/interpret/instructions.ts";
import { RAM, TestCore } from "./core.ts";

let core: TestCore;
afterEach(() => core?.[Symbol.dispose]());
const start = (cpu: string): TestCore => {
  core = new TestCore(undefined, cpu);
  core.msr("CPACR_EL1", 3 << 20);
  for (let r = 0; r < 8; r++) core.setX(r, RAM + 0x1_0000);
  return core.forget();
};
const names = (text: string): string[] => [...(parseFeatures(text) as Features)].toSorted();

describe("the text", () => {
  test("models, whatever the case", () => {
    expect(names("v8.0")).toEqual([]);
    expect(names("MAX")).toEqual(featureNames.toSorted());
    expect(names("default")).toEqual([...DEFAULT_FEATURES].toSorted());
  });
  test("features bring those they can't be without, and take along those that need them", () => {
    expect(names("flagm2")).toEqual(["FlagM", "FlagM2"]);
    expect(names("v8.0,LRCPC2,-LRCPC")).toEqual([]);
    expect(names("max,-SHA3")).toEqual(featureNames.filter(name => !/^SHA/.test(name)).toSorted());
  });
  test("anything else is named", () => {
    expect(parseFeatures("max,SVE")).toEqual({ unknown: "SVE" });
    expect(parseFeatures("constructor")).toEqual({ unknown: "constructor" });
    expect(parseFeatures("")).toEqual({ unknown: "" });
    expect(parseFeatures("RNG,max")).toEqual({ unknown: "max" });
  });
});

test("docs/cpu.md names every feature, and says which are usual", async () => {
  const table = (await Bun.file(join(import.meta.dir, "../../docs/cpu.md")).text()).split("\n").filter(line => line.startsWith("| "));
  for (const name of featureNames) {
    const row = table.findLast(line => (line.split("|")[1] as string).split(/[ ,]+/).includes(name)) ?? "";
    expect([name, (row.split("|")[3] ?? "").trim()]).toEqual([name, DEFAULT_FEATURES.has(name) ? "yes" : ""]);
  }
});

const IDENTITY = ["ID_AA64PFR0_EL1", "ID_AA64PFR1_EL1", "ID_AA64DFR0_EL1", "ID_AA64ISAR0_EL1", "ID_AA64ISAR1_EL1", "ID_AA64MMFR1_EL1", "ID_AA64MMFR2_EL1"] as const;
test("each feature alone shows in its field of an ID register", () => {
  const plain = start("v8.0"), without = IDENTITY.map(name => plain.mrs(name));
  plain[Symbol.dispose]();
  for (const name of featureNames) {
    const one = start(name), changed = IDENTITY.map((register, i) => one.mrs(register) ^ (without[i] as bigint)).filter(bits => bits !== 0n);
    one[Symbol.dispose]();
    const fields = changed.flatMap(bits => Array.from({ length: 16 }, (_, i) => (bits >> BigInt(4 * i)) & 15n)).filter(field => field !== 0n);
    const all = new Set([name, ...names(name).filter(other => !name.startsWith(other))]);
    expect({ name, fields: fields.length }).toEqual({ name, fields: all.size + (all.has("FP16") ? 1 : 0) }); // of FP and of AdvSIMD
  }
  core = new TestCore();
});
test("all of them, as ARM DDI 0487, D19.2 has the fields", () => {
  expect(start("max").mrs("ID_AA64ISAR0_EL1")).toBe(0x1021_1111_1021_2120n);
  expect(core.mrs("ID_AA64ISAR1_EL1")).toBe(0x0010_1011_0021_1002n);
});

const old = new Set(new CoreFeatures(new Set()).allowed(instructions)), optional = instructions.filter(e => !old.has(e));
test("optional instructions are UNDEFINED on v8.0, and none is on max", () => {
  expect(optional.length).toBe(240);
  for (const cpu of ["v8.0", "max"]) {
    start(cpu);
    const found = optional.filter(e => {
      const size = /^(SQRDML|STLUR|LDAPUR)/.test(e.name) ? 1 : 0;
      core.ram.setUint32(core.code.pa - RAM, encode(e, { g: size, q: 1, i: 40, N: 1, n: 2, m: 3, s: 4, t: 6, u: 7 }), true);
      core.forget().pc = core.code.va;
      core.step();
      return core.quiet || core.ec !== 0;
    });
    expect(found.map(e => e.name)).toEqual(cpu === "max" ? optional.map(e => e.name) : []);
    core[Symbol.dispose]();
  }
  core = new TestCore();
});
test("DC CVAP and DC CVADP come with DPB and DPB2", () => {
  for (const [cpu, crm, there] of [["v8.0", 12, false], ["DPB", 12, true], ["DPB", 13, false], ["DPB2", 13, true]] as const) {
    start(cpu).sys(3, 7, crm, 1, RAM);
    expect([cpu, crm, core.quiet]).toEqual([cpu, crm, there]);
    core[Symbol.dispose]();
  }
  core = new TestCore();
});

describe("PSTATE", () => {
  const SSBS = 1n << 12n, UAO = 1n << 23n, DIT = 1n << 24n;
  test("SSBS, UAO and DIT are set by register and by immediate, saved by an exception and restored by its return", () => {
    start("max").msr("SSBS", SSBS).msr("UAO", UAO).msr("DIT", DIT);
    expect([core.mrs("SSBS"), core.mrs("UAO"), core.mrs("DIT")]).toEqual([SSBS, UAO, DIT]);
    core.run(asm => asm.SVC({ i: 0 }));
    const saved = core.get("SPSR_EL1");
    expect(saved & (SSBS | UAO | DIT)).toBe(SSBS | UAO | DIT);
    expect([core.mrs("SSBS"), core.mrs("UAO"), core.mrs("DIT")]).toEqual([0n, 0n, DIT]); // SCTLR_EL1.DSSBS is 0
    core.set("ELR_EL1", core.code.va);
    core.set("SPSR_EL1", saved);
    core.run(asm => asm.eret());
    expect(BigInt(core.pstate) & (SSBS | UAO | DIT)).toBe(SSBS | UAO | DIT);
    core.run(asm => asm.MSR_imm({ o: 3, p: 1, k: 0 }).MSR_imm({ o: 0, p: 3, k: 0 }).MSR_imm({ o: 3, p: 2, k: 0 }));
    expect(BigInt(core.pstate) & (SSBS | UAO | DIT)).toBe(0n);
  });
  test("SCTLR_EL1.DSSBS is what SSBS becomes at an exception", () => {
    start("max").msr("SCTLR_EL1", core.get("SCTLR_EL1") | (1n << 44n));
    core.run(asm => asm.SVC({ i: 0 }));
    expect(core.mrs("SSBS")).toBe(SSBS);
  });
  test.each(["SSBS", "UAO", "DIT", "PAN"] as const)("%s is UNDEFINED on v8.0, and an SPSR does not set it", name => {
    start("v8.0").mrs(name);
    expect(core.ec).toBe(0);
    const key = { SSBS: [3, 1], UAO: [0, 3], DIT: [3, 2], PAN: [0, 4] }[name] as [number, number];
    core.forget().run(asm => asm.MSR_imm({ o: key[0], p: key[1], k: 1 }));
    expect(core.ec).toBe(0);
    core.enter(5, 0x3c0 | Number(SSBS | UAO | DIT));
    expect(BigInt(core.pstate) & (SSBS | UAO | DIT)).toBe(0n);
  });
});

test("RNDR and RNDRRS give numbers and NZCV 0; without RNG there are none", () => {
  start("RNG").run(asm => asm.mov("x9", 0xf000_0000).msr("NZCV", "x9"));
  const seen = new Set([core.mrs("RNDR"), core.mrs("RNDR"), core.mrs("RNDRRS")]);
  expect([seen.size, core.pstate >>> 28]).toEqual([3, 0]);
  core[Symbol.dispose]();
  start("v8.0").mrs("RNDR");
  expect(core.ec).toBe(0);
});
test("a misaligned LDAPR, LDAPUR or STLUR faults, whatever SCTLR_EL1.A says", () => {
  start("max").setX(1, RAM + 0x1_0001);
  for (const word of ["LDAPR", "LDAPUR", "STLUR"] as const) {
    core.forget().run(asm => asm[word]({ g: 2, N: 1, t: 0, i: 0 }));
    expect([word, core.ec, core.iss & 0x3f]).toEqual([word, 0x25, 0x21]);
  }
});
