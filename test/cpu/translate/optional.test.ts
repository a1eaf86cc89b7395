// test/cpu/translate/optional.test.ts — which encodings of the optional features are generated code: the column "executed by" of
// docs/cpu.md.
import { expect, test } from "bun:test";
import { encode, type Encoding } from "../../../src/cpu/a64/pattern.ts";
import { CoreFeatures, parseFeatures, type FeatureName, type Features } from "../../../src/cpu/features.ts";
import { instructions } from "../../../src/cpu/interpret/instructions.ts";
import { Offset } from "../../../src/cpu/state.ts";
import { slot } from "../../../src/cpu/sysreg.ts";
import { NO_FEATURES, type HostFeatures } from "../../../src/cpu/translate/host-features.ts";
import { BRK, RAM, machine } from "./mapped.ts";

/** What has forms of several lane sizes: those of `g` that are asked. */
const sizes = (name: string): readonly number[] => (/^SQRDML/.test(name) ? [1, 2] : /^(FCMLA|FCADD|FRINT)/.test(name) && !name.endsWith("_h") ? [0, 1] : [0]);
const CODE = RAM + 0x1000;

/** The encodings of a feature that leave generated code, every operand an ordinary number. */
function leaving(feature: FeatureName, host?: HostFeatures): string[] {
  const m = machine(parseFeatures("max") as Features, host);
  const { x } = m.cpu;
  x[slot.CPACR_EL1 / 4] = 3 << 20;
  const without = new Set(new CoreFeatures(parseFeatures(`max,-${feature}`) as Features).allowed(instructions));
  const left = new Set<string>();
  const leaves = (e: Encoding, fields: Readonly<Record<string, number>>): boolean => {
    m.code(CODE, encode(e, fields), BRK);
    m.engine.invalidateAll();
    let before = 0;
    for (let pass = 0; pass < 2; pass++) { // the first finds the block
      for (let i = 0; i < 128; i++) x[Offset.V / 4 + i] = 0x3c00_3c00;
      for (let r = 0; r < 31; r++) m.cpu.setX(r, 3 + r, 0);
      before = m.engine.exits;
      m.go(CODE);
      expect([e.name, x[Offset.PC / 4]]).toEqual([e.name, CODE + 4]);
    }
    return m.engine.exits - before !== 1; // the BRK
  };
  for (const e of instructions) {
    if (without.has(e)) continue;
    for (const g of sizes(e.name)) for (const q of [0, 1]) if (!(g === 1 && q === 0) && leaves(e, { g, q, i: 52, x: 1, y: 2, z: 3, w: 4, d: 5, n: 6, v: 15 })) left.add(e.name);
  }
  return [...left];
}

/** What is too rare. */
const LEFT: Readonly<Partial<Record<FeatureName, RegExp>>> = { FP16: /^(FRECP[EX]|FRSQRTE)_/ };
test.each(["FlagM", "FlagM2", "JSCVT", "FRINTTS", "RDM", "FCMA", "FP16", "FHM", "BF16", "SM3", "SM4"] as const)("%s is generated code", feature => {
  expect(leaving(feature).filter(name => LEFT[feature]?.test(name) !== true)).toEqual([]);
});
test("not on a host without F16C", () => {
  const left = leaving("FHM", { ...NO_FEATURES, avx: true, avx2: true, fma: true });
  expect(left.filter(name => !/^FML[AS]L2?_ve?$/.test(name))).toEqual([]);
  expect(left.length).toBe(8);
});
test("DC CVAP and DC CVADP of EL1 are generated code", () => {
  const m = machine();
  m.cpu.setX(1, RAM, 0);
  m.code(CODE, 0xd50b_7c21, 0xd50b_7d21, BRK);
  m.go(CODE);
  const before = m.engine.exits;
  m.go(CODE);
  expect(m.engine.exits - before).toBe(1);
});
