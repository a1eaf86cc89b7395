// test/cpu/translate/hosts.test.ts — the optional encodings on hosts that have some of the extras and lack others: each alone, with
// random fields and registers, does what the interpreter does. More: HV_TEST_HOSTS=words per encoding.
import { expect, test } from "bun:test";
import { encode } from "../../../src/cpu/a64/pattern.ts";
import { CoreFeatures, parseFeatures, type Features } from "../../../src/cpu/features.ts";
import { simdInstructions } from "../../../src/cpu/interpret/simd-instructions.ts";
import { Offset } from "../../../src/cpu/state.ts";
import { slot } from "../../../src/cpu/sysreg.ts";
import { NO_FEATURES, type HostFeatures } from "../../../src/cpu/translate/host-features.ts";
import { fillVector } from "../../differential/simd.ts";
import { Random } from "../../support/random.ts";
import { BRK, RAM, machine } from "./mapped.ts";

const CODE = RAM + 0x1000, VECTORS = RAM + 0x4000, V = Offset.V / 4;
const COUNT = Number(process.env["HV_TEST_HOSTS"] ?? 1);
const old = new Set(new CoreFeatures(parseFeatures("v8.0") as Features).allowed(simdInstructions));
const entries = simdInstructions.filter(e => (!old.has(e) || e.name.startsWith("FCVT")) && !e.fields.some(f => f.letter === "N"));
const SSE: HostFeatures = { ...NO_FEATURES, sse42: true, aes: true, pclmul: true }, AVX: HostFeatures = { ...SSE, avx: true };
const hosts: readonly (readonly [string, HostFeatures | undefined])[] = [
  ["SSE4.2 and AES", SSE], ["AVX", AVX], ["AVX and FMA", { ...AVX, fma: true }], ["AVX2 and F16C without FMA", { ...AVX, avx2: true, f16c: true }], ["all of this host's", undefined],
];

test.each(hosts)("%s", (_, host) => {
  const m = machine(parseFeatures("max") as Features, host), { cpu, engine } = m, { x } = cpu, random = new Random(7);
  x[slot.CPACR_EL1 / 4] = 3 << 20;
  x[slot.VBAR_EL1 / 4] = VECTORS;
  m.code(VECTORS + 0x200, BRK);
  const view = new DataView(new ArrayBuffer(512)), words = new Int32Array(view.buffer), found: string[] = [];
  for (const e of entries) {
    for (let n = 0; n < 4 * COUNT; n++) {
      const f: Record<string, number> = {};
      for (const { letter, runs } of e.fields) f[letter] = random.below(2 ** runs.reduce((sum, run) => sum + run.width, 0));
      m.code(CODE, encode(e, f), BRK);
      engine.invalidateAll();
      for (let i = 0; i < 512; i += 16) fillVector(random, view, i);
      const nzcv = random.below(16) << 28, fpcr = random.below(3) === 0 ? random.u32() & 0x07c8_0000 : random.below(4) << 22;
      const general = Array.from({ length: 62 }, () => random.u32() | 0);
      const [ours, theirs] = [engine, undefined].map(executor => {
        cpu.engine = executor;
        x.set(general);
        x.set(words, V);
        x[Offset.FPCR / 4] = fpcr;
        x[Offset.FPSR / 4] = 0;
        x[Offset.NZCV / 4] = nzcv;
        m.go(CODE);
        return [x[Offset.PC / 4], x[Offset.FPSR / 4], x[Offset.NZCV / 4], ...x.subarray(V, V + 128), ...x.subarray(0, 62)].join(" ");
      });
      if (ours !== theirs) found.push(`${e.name} ${encode(e, f).toString(16)}, FPCR ${fpcr.toString(16)}`);
    }
  }
  expect(found).toEqual([]);
});
