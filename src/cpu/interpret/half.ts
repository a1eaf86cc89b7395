// src/cpu/interpret/half.ts — what the encodings of a64/half.ts do: as those of single and double precision, with g = HALF; and
// what moves bits, which has forms of its own.
// Spec: ARM DDI 0487, C7.2.
import { half, halfMove } from "../a64/half.ts";
import type { Handlers } from "../a64/pattern.ts";
import { Offset } from "../state.ts";
import { Next, type Cpu, type Result } from "./cpu.ts";
import { HALF } from "./fp-lanes.ts";
import { complexByHalves } from "./simd-extra.ts";
import { interpretSimdFp } from "./simd-fp.ts";
import { fpImmediate16 } from "./simd-move.ts";
import { interpretSimdThree } from "./simd-three.ts";
import { interpretSimdTwo } from "./simd-two.ts";
import { ready } from "./vector.ts";

type On<F> = (cpu: Cpu, f: F) => Result;
type Any = On<Readonly<Record<string, number>>>;
const V = Offset.V / 4;
/** Vd = a half. */
function set(cpu: Cpu, x: number, bits: number): void {
  const at = V + 4 * x;
  cpu.x[at] = bits & 0xffff;
  cpu.x[at + 1] = 0;
  cpu.x[at + 2] = 0;
  cpu.x[at + 3] = 0;
}
const get = (cpu: Cpu, y: number): number => (cpu.x[V + 4 * y] as number) & 0xffff;
/** When the instruction may run. */
const move = <F>(run: (cpu: Cpu, f: F) => void): On<F> => (cpu, f) => {
  const r = ready(cpu, false);
  if (r === Next) run(cpu, f);
  return r;
};
interface Two { readonly x: number; readonly y: number }
interface ToGeneral { readonly d: number; readonly y: number }
interface FromGeneral { readonly n: number; readonly x: number }

const toGeneral: On<ToGeneral> = move((cpu, f) => cpu.setW(f.d, get(cpu, f.y)));
const fromGeneral: On<FromGeneral> = move((cpu, f) => set(cpu, f.x, cpu.x[2 * f.n] as number));
export const interpretHalfMove: Handlers<typeof halfMove, Cpu, Result> = {
  FMOV_wh: toGeneral, FMOV_xh: toGeneral, FMOV_hw: fromGeneral, FMOV_hx: fromGeneral, FCMLA_ve_h: complexByHalves,
};
const own: Readonly<Record<string, unknown>> = {
  FMOV_h: move<Two>((cpu, f) => set(cpu, f.x, get(cpu, f.y))),
  FABS_h: move<Two>((cpu, f) => set(cpu, f.x, get(cpu, f.y) & 0x7fff)),
  FNEG_h: move<Two>((cpu, f) => set(cpu, f.x, get(cpu, f.y) ^ 0x8000)),
  FMOV_imm_h: move<{ readonly i: number; readonly x: number }>((cpu, f) => set(cpu, f.x, fpImmediate16(f.i))),
  FCSEL_h: move<Two & { readonly z: number; readonly c: number }>((cpu, f) => set(cpu, f.x, get(cpu, cpu.holds(f.c) ? f.y : f.z))),
};

const likeness = { ...interpretSimdThree, ...interpretSimdTwo, ...interpretSimdFp } as unknown as Readonly<Record<string, Any>>;
export const interpretHalf: Readonly<Record<string, Any>> = Object.fromEntries(Object.keys(half).map(name => {
  const inner = (own[name] ?? likeness[name.slice(0, -"_h".length)]) as Any;
  return [name, own[name] === undefined ? (cpu: Cpu, f: Readonly<Record<string, number>>): Result => inner(cpu, { ...f, g: HALF }) : inner];
}));
