// src/cpu/translate/nan.ts — the test of a result for what the interpreter must do (why: emit-fp.ts), and, behind the block where it is in
// nobody's way, most of what is done about a NaN.
// Spec: ARM DDI 0487, shared/functions/float FPProcessNaNs, FPMulAdd; Intel SDM vol. 1, 4.8.3.5 and table 4-7.
//
// Both architectures give an operand that is a NaN as a quiet one with its sign. An invalid operation makes the default NaN, whose sign is
// set on x86 and clear on Arm. Of two NaNs x86 takes the first; Arm does, too, unless the second alone is signalling: these go to the
// interpreter, and all with FPCR.DN.
// Flags: x86 has raised invalid where Arm does; what is compared here raises it for signalling NaNs alone.
// Left out: of a fused sum all but an invalid operation and an addend that is the only NaN; arithmetic on halves; FMAX and its like, FMULX.
import { Fpcr } from "../fp/format.ts";
import { Offset } from "../state.ts";
import { CC, Reg } from "./assembler.ts";
import { infinity, leaveIfAny, magnitude, Packed, Quiet, signs, smallestNormal, x0 } from "./fp-check.ts";
import { disp, type Translator } from "./translator.ts";
import { Compare, X, XShift } from "./vector-op.ts";

/**
 * Registers with what a result was made of, unchanged: one or two; three of a fused a * b + c, where c was not negated; none where only
 * an operand can have been a NaN.
 */
export type Operands = readonly number[];
/** The bit that a quiet NaN has. */
const QUIET = [22, 51] as const;
const { rbp, rcx } = Reg;
const x1 = 1;

/** Jumps out for a result that is a NaN or, where `tiny` results may be inexact, the smallest normal number. Uses xmm0. Given its operands, a NaN may do without the interpreter. */
export function check(t: Translator, r: number, g: number, tiny: boolean, ends: number[], operands?: Operands): void {
  const { asm } = t;
  if (tiny) {
    asm.x3c(X.andps, x0, r, magnitude(t, g));
    asm.x2c(Quiet[g] as number, x0, smallestNormal(t, g));
  } else asm.x2(Quiet[g] as number, r, r);
  const end = asm.jcc(tiny ? CC.e : CC.p); // E: equal or unordered
  if (operands === undefined) ends.push(end);
  else t.mend(end, leave => mend(t, r, g, tiny, operands, leave));
}
/** The same for lanes. Uses xmm0, xmm1. */
export function checkLanes(t: Translator, r: number, g: number, tiny: boolean, ends: number[], operands?: Operands): void {
  const { asm } = t;
  const compare = Packed.compare[g] as number;
  if (!tiny) asm.x3(compare, x0, r, r, Compare.unordered);
  else {
    asm.x3c(X.andps, x0, r, magnitude(t, g));
    if (asm.avx) asm.x3c(compare, x0, x0, smallestNormal(t, g), Compare.eqOrUnordered);
    else {
      asm.x3(compare, x1, r, r, Compare.unordered);
      asm.x3c(compare, x0, x0, smallestNormal(t, g), Compare.eq);
      asm.x3(X.por, x0, x0, x1);
    }
  }
  if (operands === undefined) return leaveIfAny(t, x0, ends);
  const found: number[] = [];
  leaveIfAny(t, x0, found);
  t.mend(found[0] as number, leave => mendLanes(t, r, g, tiny, operands, leave));
}
/** Jumps out where NaNs are to be the default NaN. */
export function leaveForDefault(t: Translator, leave: number[]): void {
  t.asm.test8(rbp, disp(Offset.FPCR) + 3, Fpcr.DN >>> 24);
  leave.push(t.asm.jcc(CC.ne));
}

function mend(t: Translator, r: number, g: number, tiny: boolean, [a, b, c]: Operands, leave: number[]): void {
  const { asm } = t, quiet = Quiet[g] as number, done: number[] = [];
  if (tiny) {
    asm.x2(quiet, r, r);
    leave.push(asm.jcc(CC.np));
  }
  leaveForDefault(t, leave);
  if (a === undefined) return;
  asm.x2(quiet, a, b ?? a);
  if (b === undefined) done.push(asm.jcc(CC.p));
  else if (c !== undefined) {
    leave.push(asm.jcc(CC.p));
    asm.x2(quiet, c, c);
    const invalid = asm.jcc(CC.np);
    for (const factor of [a, b]) { // infinity times zero would be invalid nevertheless
      asm.x3c(X.andps, x0, factor, magnitude(t, g));
      asm.x2c(quiet, x0, infinity(t, g));
      leave.push(asm.jcc(CC.e));
    }
    done.push(asm.jmp());
    asm.patch(invalid, asm.at);
  } else {
    const invalid = asm.jcc(CC.np);
    for (const operand of [a, b]) {
      asm.x2(quiet, operand, operand);
      done.push(asm.jcc(CC.np)); // the other one alone
    }
    asm.x2(X.movdStore, b, rcx, -1, g);
    asm.bitTest(g, rcx, QUIET[g] as number);
    leave.push(asm.jcc(CC.ae));
    done.push(asm.jmp());
    asm.patch(invalid, asm.at);
  }
  asm.x3c(X.xorps, r, r, g === 0 ? t.constants.words(0x8000_0000, 0, 0, 0) : t.constants.words(0, 0x8000_0000, 0, 0));
  for (const end of done) asm.patch(end, asm.at);
}
function mendLanes(t: Translator, r: number, g: number, tiny: boolean, [a, b, c]: Operands, leave: number[]): void {
  const { asm } = t, compare = Packed.compare[g] as number;
  if (tiny) {
    asm.x3c(X.andps, x0, r, magnitude(t, g));
    asm.x3c(compare, x0, x0, smallestNormal(t, g), Compare.eq);
    leaveIfAny(t, x0, leave);
  }
  leaveForDefault(t, leave);
  if (a === undefined) return;
  if (b === undefined) asm.x3(compare, x1, a, a, Compare.unordered);
  else if (c !== undefined) {
    asm.x3(compare, x0, a, b, Compare.unordered);
    leaveIfAny(t, x0, leave);
    asm.x3(compare, x1, c, c, Compare.unordered);
    for (const factor of [a, b]) {
      asm.x3c(X.andps, x0, factor, magnitude(t, g));
      asm.x3c(compare, x0, x0, infinity(t, g), Compare.eq);
      asm.x3(X.andps, x0, x0, x1);
      leaveIfAny(t, x0, leave);
    }
  } else {
    asm.x3(compare, x0, a, a, Compare.unordered);
    asm.x3(compare, x1, b, b, Compare.unordered);
    asm.x3(X.andps, x0, x0, x1);
    asm.xShift(g === 0 ? XShift.pslld : XShift.psllq, x1, b, g === 0 ? 31 - QUIET[0] : 63 - QUIET[1]);
    asm.x3(X.pandn, x1, x1, x0);
    asm.x3c(X.andps, x1, x1, signs(t, g));
    leaveIfAny(t, x1, leave);
    asm.x3(compare, x1, a, b, Compare.unordered);
  }
  asm.x3(compare, x0, r, r, Compare.unordered);
  asm.x3(X.pandn, x1, x1, x0); // xmm1: an operand was one
  asm.x3c(X.andps, x1, x1, signs(t, g));
  asm.x3(X.xorps, r, r, x1);
}
