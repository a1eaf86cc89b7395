// test/cpu/fp.test.ts — exact floating point: corner values, flags, and agreement with the host where the host can judge.
import { describe, expect, test } from "bun:test";
import {
  fpAdd, fpCompare, fpDiv, fpEqual, fpGreaterEqual, fpMax, fpMaxNum, fpMin, fpMinNum, fpMul, fpMulAdd, fpMulX, fpRecipStep, fpRSqrtStep,
  fpSqrt, fpSub,
} from "../../src/cpu/fp/arithmetic.ts";
import { fixedToFp, fpConvert, fpRoundInt, fpToFixed } from "../../src/cpu/fp/convert.ts";
import { fpRecipEstimate, fpRecpX, fpRSqrtEstimate, unsignedRecipEstimate, unsignedRSqrtEstimate } from "../../src/cpu/fp/estimate.ts";
import { F16, F32, F64, type Format, FpEnv, Fpcr, Fpsr, Rounding } from "../../src/cpu/fp/format.ts";
import * as host from "../../src/cpu/fp/host.ts";

const { IOC, DZC, OFC, UFC, IXC, IDC } = Fpsr;
const env = (fpcr = 0): FpEnv => Object.assign(new FpEnv(), { fpcr });
const mode = (m: number): number => m << Fpcr.RMODE_SHIFT;
/** Result and flags. */
const run = (op: (e: FpEnv) => bigint, fpcr = 0): [string, number] => {
  const e = env(fpcr);
  return [op(e).toString(16), e.fpsr];
};
const view = new DataView(new ArrayBuffer(8));
const d = (v: number): bigint => { view.setFloat64(0, v); return view.getBigUint64(0); };
const s = (v: number): bigint => { view.setFloat32(0, v); return BigInt(view.getUint32(0)); };
const number = (f: Format, bits: bigint): number => {
  if (f === F64) { view.setBigUint64(0, bits); return view.getFloat64(0); }
  view.setUint32(0, Number(bits));
  return view.getFloat32(0);
};
const INF = 0x7f800000n, QNAN = 0x7fc00001n, SNAN = 0x7f800001n, DEFAULT = "7fc00000", MINUS0 = 0x80000000n;

describe("FPAdd and FPSub", () => {
  test("an exact sum raises nothing", () => expect(run(e => fpAdd(F32, e, s(1.5), s(2.25)))).toEqual([s(3.75).toString(16), 0]));
  test("an inexact one raises IXC", () => expect(run(e => fpAdd(F32, e, s(1), s(2 ** -30)))).toEqual(["3f800000", IXC]));
  test("rounding up moves it", () => expect(run(e => fpAdd(F32, e, s(1), s(2 ** -30)), mode(Rounding.UP))).toEqual(["3f800001", IXC]));
  test("x - x is +0, and -0 when rounding down", () => {
    expect(run(e => fpSub(F32, e, s(5), s(5)))).toEqual(["0", 0]);
    expect(run(e => fpSub(F32, e, s(5), s(5)), mode(Rounding.DOWN))).toEqual(["80000000", 0]);
  });
  test("-0 + -0 is -0", () => expect(run(e => fpAdd(F32, e, MINUS0, MINUS0))).toEqual(["80000000", 0]));
  test("inf - inf is invalid", () => expect(run(e => fpSub(F32, e, INF, INF))).toEqual([DEFAULT, IOC]));
  test("overflow raises OFC and IXC; toward zero it gives the largest number", () => {
    expect(run(e => fpAdd(F32, e, 0x7f7fffffn, 0x7f7fffffn))).toEqual(["7f800000", OFC | IXC]);
    expect(run(e => fpAdd(F32, e, 0x7f7fffffn, 0x7f7fffffn), mode(Rounding.ZERO))).toEqual(["7f7fffff", OFC | IXC]);
  });
});

describe("NaNs", () => {
  test("a signalling one comes first, is quieted and invalid", () => expect(run(e => fpAdd(F32, e, QNAN, SNAN))).toEqual(["7fc00001", IOC]));
  test("else the first quiet one, unchanged", () => expect(run(e => fpAdd(F32, e, 0xffc12345n, QNAN))).toEqual(["ffc12345", 0]));
  test("FPCR.DN gives the default NaN", () => expect(run(e => fpAdd(F32, e, 0xffc12345n, s(1)), Fpcr.DN)).toEqual([DEFAULT, 0]));
  test("FPMulAdd: inf * 0 + quiet NaN is invalid and gives the default NaN", () => {
    expect(run(e => fpMulAdd(F32, e, QNAN, INF, 0n))).toEqual([DEFAULT, IOC]);
  });
  test("FPMulAdd: a signalling factor outranks a quiet addend", () => {
    expect(run(e => fpMulAdd(F32, e, QNAN, SNAN, 0n))).toEqual(["7fc00001", IOC]);
  });
});

describe("denormals", () => {
  test("tininess is found before rounding: a result rounded up to the smallest normal underflows", () => {
    expect(run(e => fpMul(F32, e, 0x00ffffffn, s(0.5)))).toEqual(["800000", UFC | IXC]);
  });
  test("an exact denormal raises nothing", () => expect(run(e => fpMul(F32, e, 0x00800000n, s(0.5)))).toEqual(["400000", 0]));
  test("FZ flushes inputs with IDC", () => expect(run(e => fpAdd(F32, e, 1n, s(1)), Fpcr.FZ)).toEqual(["3f800000", IDC]));
  test("FZ flushes results with UFC alone", () => expect(run(e => fpMul(F32, e, 0x80800000n, s(0.5)), Fpcr.FZ)).toEqual(["80000000", UFC]));
});

describe("FPMul, FPDiv, FPSqrt", () => {
  test("inf * 0 is invalid, but 2 for FPMulX", () => {
    expect(run(e => fpMul(F32, e, INF, MINUS0))).toEqual([DEFAULT, IOC]);
    expect(run(e => fpMulX(F32, e, INF, MINUS0))).toEqual(["c0000000", 0]);
  });
  test("x / 0 raises DZC, 0 / 0 is invalid", () => {
    expect(run(e => fpDiv(F64, e, d(-1), d(0)))).toEqual(["fff0000000000000", DZC]);
    expect(run(e => fpDiv(F64, e, d(0), d(0)))).toEqual(["7ff8000000000000", IOC]);
  });
  test("sqrt(-0) is -0, sqrt(-1) invalid", () => {
    expect(run(e => fpSqrt(F32, e, MINUS0))).toEqual(["80000000", 0]);
    expect(run(e => fpSqrt(F32, e, s(-1)))).toEqual([DEFAULT, IOC]);
  });
  test("FPMulAdd rounds once", () => {
    const x = d(1 + 2 ** -30);
    expect(run(e => fpMulAdd(F64, e, d(-(1 + 2 ** -29)), x, x))).toEqual([d(2 ** -60).toString(16), 0]);
  });
});

describe("FPMax and FPMin", () => {
  test("order the zeros", () => {
    expect(run(e => fpMax(F32, e, 0n, MINUS0))).toEqual(["0", 0]);
    expect(run(e => fpMin(F32, e, 0n, MINUS0))).toEqual(["80000000", 0]);
  });
  test("propagate a NaN; the Num forms prefer the number, unless the NaN signals", () => {
    expect(run(e => fpMax(F32, e, QNAN, s(1)))).toEqual(["7fc00001", 0]);
    expect(run(e => fpMaxNum(F32, e, QNAN, s(1)))).toEqual(["3f800000", 0]);
    expect(run(e => fpMinNum(F32, e, s(1), SNAN))).toEqual(["7fc00001", IOC]);
  });
});

describe("FPCompare", () => {
  const compare = (a: number, b: number): number => fpCompare(F64, env(), d(a), d(b), false) >>> 28;
  test("less, equal, greater, unordered", () => {
    expect([compare(1, 2), compare(0, -0), compare(-1, -2), compare(NaN, 1)]).toEqual([8, 6, 2, 3]);
  });
  test("a quiet NaN is invalid for GE, not for EQ", () => {
    const quiet = env(), signalling = env();
    expect([fpEqual(F32, quiet, QNAN, 0n), fpGreaterEqual(F32, signalling, QNAN, 0n)]).toEqual([false, false]);
    expect([quiet.fpsr, signalling.fpsr]).toEqual([0, IOC]);
  });
});

describe("conversions", () => {
  test("double to single rounds; to odd for FCVTXN", () => {
    expect(run(e => fpConvert(F64, F32, e, d(1 + 2 ** -40)))).toEqual(["3f800000", IXC]);
    expect(run(e => fpConvert(F64, F32, e, d(1 + 2 ** -40), Rounding.ODD))).toEqual(["3f800001", IXC]);
    expect(run(e => fpConvert(F64, F32, e, d(1e300), Rounding.ODD))).toEqual(["7f7fffff", OFC | IXC]);
  });
  test("a NaN keeps sign and top payload bits", () => expect(run(e => fpConvert(F32, F16, e, 0xffffe000n))).toEqual(["ffff", 0]));
  test("half precision overflows at 65520, and saturates with IOC in the alternative format", () => {
    expect(run(e => fpConvert(F32, F16, e, s(65520)))).toEqual(["7c00", OFC | IXC]);
    expect(run(e => fpConvert(F32, F16, e, s(65520)), Fpcr.AHP)).toEqual(["7c00", IXC]);
    expect(run(e => fpConvert(F32, F16, e, s(-1e9)), Fpcr.AHP)).toEqual(["ffff", IOC]);
    expect(run(e => fpConvert(F32, F16, e, QNAN), Fpcr.AHP)).toEqual(["0", IOC]);
    expect(run(e => fpConvert(F16, F32, e, 0x7fffn), Fpcr.AHP)).toEqual([s(131008).toString(16), 0]);
  });
  test("FPToFixed saturates with IOC, rounds with IXC, and makes 0 of a NaN", () => {
    expect(run(e => fpToFixed(F32, e, s(3e9), 32, 0, false, Rounding.ZERO))).toEqual(["7fffffff", IOC]);
    expect(run(e => fpToFixed(F32, e, s(-1), 32, 0, true, Rounding.ZERO))).toEqual(["0", IOC]);
    expect(run(e => fpToFixed(F32, e, s(-0.5), 32, 0, true, Rounding.ZERO))).toEqual(["0", IXC]);
    expect(run(e => fpToFixed(F64, e, d(2.5), 64, 0, false, Rounding.EVEN))).toEqual(["2", IXC]);
    expect(run(e => fpToFixed(F64, e, d(2.5), 64, 0, false, Rounding.AWAY))).toEqual(["3", IXC]);
    expect(run(e => fpToFixed(F64, e, d(NaN), 64, 0, false, Rounding.EVEN))).toEqual(["0", IOC]);
    expect(run(e => fpToFixed(F64, e, d(-1.75), 32, 2, false, Rounding.ZERO))).toEqual(["fffffff9", 0]);
  });
  test("FixedToFP scales and rounds", () => {
    expect(run(e => fixedToFp(F32, e, 0xffff_ffff_ffff_ffffn, 64, 0, true))).toEqual([s(2 ** 64).toString(16), IXC]);
    expect(run(e => fixedToFp(F64, e, 0xffff_fff9n, 32, 2, false))).toEqual([d(-1.75).toString(16), 0]);
  });
  test("FPRoundInt keeps the sign of zero, and flags only when asked", () => {
    expect(run(e => fpRoundInt(F32, e, s(-0.25), Rounding.EVEN, false))).toEqual(["80000000", 0]);
    expect(run(e => fpRoundInt(F32, e, s(1.5), Rounding.EVEN, true))).toEqual(["40000000", IXC]);
  });
});

describe("estimates and steps", () => {
  test("FRECPE and FRSQRTE give eight bits", () => {
    expect(run(e => fpRecipEstimate(F32, e, s(3)))).toEqual(["3eaa8000", 0]);
    expect(run(e => fpRSqrtEstimate(F32, e, s(2)))).toEqual(["3f348000", 0]);
    expect(run(e => fpRecipEstimate(F32, e, 0n))).toEqual(["7f800000", DZC]);
    expect(run(e => fpRSqrtEstimate(F32, e, s(-1)))).toEqual([DEFAULT, IOC]);
  });
  test("FRECPX mirrors the exponent", () => expect(run(e => fpRecpX(F32, e, s(6)))).toEqual(["3f000000", 0]));
  test("URECPE and URSQRTE", () => {
    expect([unsignedRecipEstimate(0x8000_0000), unsignedRecipEstimate(1), unsignedRSqrtEstimate(0x4000_0000)])
      .toEqual([0xff80_0000, 0xffff_ffff, 0xff80_0000]);
  });
  test("the steps make 2 and 1.5 of infinity times zero", () => {
    expect(run(e => fpRecipStep(F32, e, INF, 0n))).toEqual([s(2).toString(16), 0]);
    expect(run(e => fpRSqrtStep(F32, e, 0n, INF))).toEqual([s(1.5).toString(16), 0]);
    expect(run(e => fpRecipStep(F32, e, s(3), s(0.25)))).toEqual([s(1.25).toString(16), 0]);
    expect(run(e => fpRSqrtStep(F32, e, s(3), s(0.25)))).toEqual([s(1.125).toString(16), 0]);
  });
});

/** Random patterns that like edges: near-equal exponents, few bits, denormals, infinities. */
function* patterns(f: Format, seed: number, count: number): Generator<bigint[]> {
  let x = seed;
  const next = (): number => { x ^= x << 13; x ^= x >>> 17; x ^= x << 5; return x >>> 0; };
  const one = (): bigint => {
    const raw = ((BigInt(next()) << 32n) | BigInt(next())) & (f.signBit * 2n - 1n);
    const near = (raw & ~(f.expMask << BigInt(f.frac))) | ((f.expMask >> 1n) + BigInt(next() % 8) << BigInt(f.frac));
    const few = near & ~((1n << BigInt(next() % f.frac)) - 1n);
    return [raw, near, few, few, raw & (f.signBit | f.fracMask)][next() % 5]!;
  };
  for (let n = 0; n < count; n++) yield [one(), one(), one()];
}

describe("agreement with the host", () => {
  const same = (f: Format, got: bigint, want: number): boolean => Object.is(number(f, got), want);
  test("20,000 double operations round as the host does", () => {
    const wrong = [...patterns(F64, 1, 4000)].filter(([a, b]) => {
      const x = number(F64, a!), y = number(F64, b!);
      return !(same(F64, fpAdd(F64, env(), a!, b!), x + y) && same(F64, fpSub(F64, env(), a!, b!), x - y) && same(F64, fpMul(F64, env(), a!, b!), x * y)
        && same(F64, fpDiv(F64, env(), a!, b!), x / y) && same(F64, fpSqrt(F64, env(), a!), Math.sqrt(x)));
    });
    expect(wrong).toEqual([]);
  });
  test("what the fast path vouches for is what the exact path says, flags included", () => {
    const ops: [Format, (e: FpEnv, p: bigint[]) => bigint, (p: number[], fpsr: number) => number][] = [
      [F64, (e, p) => fpAdd(F64, e, p[0]!, p[1]!), (p, q) => host.add64(p[0]!, p[1]!, q)],
      [F32, (e, p) => fpAdd(F32, e, p[0]!, p[1]!), (p, q) => host.add32(p[0]!, p[1]!, q)],
      [F64, (e, p) => fpMul(F64, e, p[0]!, p[1]!), (p, q) => host.mul64(p[0]!, p[1]!, q)],
      [F32, (e, p) => fpMul(F32, e, p[0]!, p[1]!), (p, q) => host.mul32(p[0]!, p[1]!, q)],
      [F64, (e, p) => fpDiv(F64, e, p[0]!, p[1]!), (p, q) => host.div64(p[0]!, p[1]!, q)],
      [F32, (e, p) => fpDiv(F32, e, p[0]!, p[1]!), (p, q) => host.div32(p[0]!, p[1]!, q)],
      [F64, (e, p) => fpSqrt(F64, e, p[0]!), (p, q) => host.sqrt64(p[0]!, q)],
      [F32, (e, p) => fpSqrt(F32, e, p[0]!), (p, q) => host.sqrt32(p[0]!, q)],
      [F64, (e, p) => fpMulAdd(F64, e, p[0]!, p[1]!, p[2]!), (p, q) => host.mulAdd64(p[0]!, p[1]!, p[2]!, q)],
      [F32, (e, p) => fpMulAdd(F32, e, p[0]!, p[1]!, p[2]!), (p, q) => host.mulAdd32(p[0]!, p[1]!, p[2]!, q)],
    ];
    let vouched = 0;
    const wrong = ops.flatMap(([f, exact, fast], op) => [...patterns(f, 7 + op, 4000)].flatMap(p => [0, IXC].filter(before => {
      const e = Object.assign(env(), { fpsr: before });
      const want = exact(e, p);
      const got = fast(p.map(bits => number(f, bits)), before);
      if (Number.isNaN(got)) return false;
      vouched++;
      return !same(f, want, got) || e.fpsr !== before;
    }).map(before => [op, before, ...p])));
    expect(wrong).toEqual([]);
    expect(vouched).toBeGreaterThan(10_000);
  });
});
