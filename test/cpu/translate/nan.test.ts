// test/cpu/translate/nan.test.ts — NaNs, infinities and zeros as operands of what generated code does by SSE's arithmetic, on processors
// with AVX and without: as the interpreter has them, and, where Arm and x86 agree, without it.
import { expect, test } from "bun:test";
import { NO_FEATURES, type HostFeatures } from "../../../src/cpu/translate/host-features.ts";
import type { Random } from "../../support/random.ts";
import { differences } from "./arithmetic.ts";

const NAMES = /^(F(ADD|SUB|MUL|DIV|NMUL|SQRT|ABD|MADD|MSUB|NMADD|NMSUB|RINT[NMPZAXI]|CVT_(sd|ds|hs|hd|sh|dh))|FML[AS]L?2?_(v|ve|se)|F(ADD|SUB|MUL|DIV|SQRT|ABD|ADDP|RINT[NMPZAXI]|CVTL|CVTN)_(v|ve|s|se|vs|p)|BFMLAL[BT]?_ve?)$/;
/** FPCR: nothing, DN, round to minus infinity. */
const MODES = [0, 1 << 25, 2 << 22];
const HOSTS: readonly (HostFeatures | undefined)[] = [undefined, NO_FEATURES, { ...NO_FEATURES, sse42: true, avx: true, fma: true }];

/** A number of 4 << g bytes at v[i]. `special`: of eight, how many are no ordinary ones. */
function put(random: Random, v: Uint16Array, i: number, g: number, special: number): void {
  const value = new DataView(new ArrayBuffer(8));
  if (random.below(8) < special) {
    const sign = random.below(2) << 31, top = g === 0 ? 0x7f80_0000 : 0x7ff0_0000, quiet = g === 0 ? 0x40_0000 : 0x8_0000;
    const [hi, lo] = ([[top, 0], [0, 0], [top | quiet, 0], [top | quiet | random.below(quiet), random.u32()], [top | 1 + random.below(quiet - 1), random.u32()], [top | quiet | 5, 5]] as const)[random.below(6)] as readonly [number, number];
    value.setUint32(g === 0 ? 0 : 4, sign | hi, true);
    if (g === 1) value.setUint32(0, lo, true);
  } else if (g === 0) value.setFloat32(0, (random.below(2000) - 1000) / 8, true);
  else value.setFloat64(0, (random.below(2000) - 1000) / 8, true);
  for (let k = 0; k < 2 << g; k++) v[i + k] = value.getUint16(2 * k, true);
}
const fill = (g: number, special: number) => (random: Random, v: Uint16Array): void => { for (let i = 0; i < 32; i += 2 << g) put(random, v, i, g, special); };

test("as the interpreter", () => {
  for (const host of HOSTS) {
    for (const g of [0, 1]) {
      const { found } = differences(NAMES, 240, fill(g, 4), { g, modes: MODES, ...(host === undefined ? {} : { host }) });
      expect(found.slice(0, 3)).toEqual([]);
    }
  }
});
test("operands that are quiet NaNs, and invalid operations: generated code is not left", () => {
  const quiet = (from: number, to: number, g: number) => (random: Random, v: Uint16Array): void => {
    fill(g, 0)(random, v);
    for (let i = from; i < to; i++) v[i] = i % (2 << g) === (2 << g) - 1 ? (g === 0 ? 0x7fc0 : 0x7ff8) : random.below(8);
  };
  for (const g of [0, 1]) {
    for (const [from, to] of [[16, 24], [24, 32], [16, 32]] as const) expect(differences(/^F(ADD|SUB|MUL|DIV)(_v)?$/, 20, quiet(from, to, g), { g, modes: [0] })).toEqual({ found: [], left: 0 });
    expect(differences(/^F(MADD|ML[AS]_v)$/, 20, quiet(0, 16, g), { g, modes: [0] })).toEqual({ found: [], left: 0 });
  }
  const infinities = (g: number) => (_: Random, v: Uint16Array): void => {
    const top = g === 0 ? 0x7f80 : 0x7ff0;
    for (let i = 0; i < 32; i++) v[i] = i % (2 << g) === (2 << g) - 1 ? top : 0;
  };
  for (const g of [0, 1]) expect(differences(/^F(SUB|DIV|ABD)(_v)?$/, 1, infinities(g), { g, modes: [0] })).toEqual({ found: [], left: 0 });
});
