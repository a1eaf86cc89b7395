// test/cpu/translate/arithmetic.ts — SIMD&FP instructions on registers of choice: generated code and the interpreter side by side.
import { encode, type Encoding } from "../../../src/cpu/a64/pattern.ts";
import { parseFeatures, type Features } from "../../../src/cpu/features.ts";
import { instructions } from "../../../src/cpu/interpret/instructions.ts";
import { Offset } from "../../../src/cpu/state.ts";
import { slot } from "../../../src/cpu/sysreg.ts";
import type { HostFeatures } from "../../../src/cpu/translate/host-features.ts";
import { Random } from "../../support/random.ts";
import { BRK, RAM, machine } from "./mapped.ts";

const CODE = RAM + 0x1000, V = Offset.V / 4;
/** FPCR: the rounding modes. */
const ROUNDINGS = [0, 1, 2, 3].map(mode => mode << 22);

/** What beyond the operands is tried. */
interface Variants {
  /** FPCR. */
  readonly modes?: readonly number[];
  /** The size of elements, where an encoding has it. */
  readonly g?: number;
  readonly host?: HostFeatures;
}
/**
 * Compares what the encodings that `names` matches do on registers from `fill`: V1 with V2, V3 and V0. Returns what differs, and how often
 * generated code was left but for its end.
 */
export function differences(names: RegExp, count: number, fill: (random: Random, v: Uint16Array) => void, { modes = ROUNDINGS, g = 0, host }: Variants = {}): { found: string[]; left: number } {
  const m = machine(parseFeatures("max") as Features, host), { cpu, engine } = m, { x } = cpu, random = new Random(1);
  x[slot.CPACR_EL1 / 4] = 3 << 20;
  const v = new Uint16Array(40 * 8), words = new Int32Array(v.buffer), found: string[] = [];
  let left = 0;
  const run = (e: Encoding, fpcr: number, generated: boolean): string => {
    cpu.engine = generated ? engine : undefined;
    x.set(words.subarray(0, 16), V);
    x[Offset.FPCR / 4] = fpcr;
    x[Offset.FPSR / 4] = 0;
    const before = engine.exits;
    m.go(CODE);
    if (generated) left += engine.exits - before - 1;
    return `${e.name} ${fpcr.toString(16)}: ${[...x.subarray(V + 4, V + 8), x[Offset.FPSR / 4], x[10]].map(n => ((n as number) >>> 0).toString(16)).join(" ")}`;
  };
  for (const e of instructions.filter(one => names.test(one.name))) {
    m.code(CODE, encode(e, { q: random.below(2) | g, x: 1, y: 2, z: 3, w: 0, d: 5, n: 6, g, r: random.below(4), i: 52 }), BRK);
    engine.invalidateAll();
    for (let n = 0; n < count; n++) {
      fill(random, v);
      cpu.setX(6, (1 << random.below(18)) + (random.u32() >>> random.below(32)), 0);
      for (const mode of modes) {
        const [ours, theirs] = [run(e, mode, true), run(e, mode, false)];
        if (ours !== theirs) found.push(`${ours}, by the interpreter ${theirs} from ${[...words.subarray(0, 16)].map(w => (w >>> 0).toString(16)).join(" ")}`);
      }
    }
  }
  return { found, left };
}
