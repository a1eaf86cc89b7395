// src/cpu/translate/fp-check.ts — what the emitters of floating point share: constants, scalar results, flags of a comparison.
// The test of a result: nan.ts.
import { Alu, CC, Reg } from "./assembler.ts";
import type { Translator } from "./translator.ts";
import { X } from "./vector-op.ts";

const { rax, rcx } = Reg;
/** A scratch register. */
export const x0 = 0;
/** Pairs of instructions for single and double. */
export type Op = readonly [number, number];
export const Packed: Readonly<Record<"add" | "sub" | "mul" | "div" | "max" | "min" | "sqrt" | "compare" | "round", Op>> = {
  add: [X.addps, X.addpd], sub: [X.subps, X.subpd], mul: [X.mulps, X.mulpd], div: [X.divps, X.divpd], max: [X.maxps, X.maxpd], min: [X.minps, X.minpd],
  sqrt: [X.sqrtps, X.sqrtpd], compare: [X.cmpps, X.cmppd], round: [X.roundps, X.roundpd],
};
export const Quiet: Op = [X.ucomiss, X.ucomisd], Signal: Op = [X.comiss, X.comisd];

/** Constants of both formats in all lanes. */
export const magnitude = (t: Translator, g: number): number => t.constants.splat(2 + g, g === 0 ? 0x7fff_ffff : -1, 0x7fff_ffff);
export const signs = (t: Translator, g: number): number => t.constants.splat(2 + g, g === 0 ? 0x8000_0000 | 0 : 0, 0x8000_0000 | 0);
export const smallestNormal = (t: Translator, g: number): number => t.constants.splat(2 + g, g === 0 ? 0x0080_0000 : 0, 0x0010_0000);
export const infinity = (t: Translator, g: number): number => t.constants.splat(2 + g, g === 0 ? 0x7f80_0000 : 0, 0x7ff0_0000);
/** 2^power. */
export const power = (t: Translator, g: number, n: number): number => t.constants.splat(2 + g, g === 0 ? (127 + n) << 23 : 0, (1023 + n) << 20);
export const bytes = (g: number): number => 4 << g;

/** Jumps out when a lane of a mask is set. */
export function leaveIfAny(t: Translator, mask: number, ends: number[]): void {
  t.asm.x2(X.movmskps, rax, mask);
  t.asm.test(0, rax, rax);
  ends.push(t.asm.jcc(CC.ne));
}
/** All but the low lane of a register becomes zero. */
export function clearUpper(t: Translator, r: number, g: number): void {
  if (g === 0) t.asm.x3(X.insertps, r, r, r, 0x0e);
  else t.asm.x2(X.movq, r, r);
}
/** Vx = the low lane of `to`, whose upper lanes are those of `a`. */
export function finishScalar(t: Translator, x: number, to: number, a: number, g: number): void {
  if (t.vectors.zeroFrom(a) > bytes(g)) clearUpper(t, to, g);
  t.vectors.set(x, to, bytes(g));
}

/** EFLAGS = NZCV of comparing `a` and `b`, CF being !C. Uses rax, rcx. */
export function compareFlags(t: Translator, op: number, a: number, b: number): void {
  const { asm } = t;
  asm.x2(op, a, b);
  asm.setcc(CC.a, rax);
  asm.setcc(CC.b, rcx);
  const ordered = asm.jcc(CC.np);
  asm.constant(rax, 0x80, 0); // less 1 overflows: V alone
  asm.patch(ordered, asm.at);
  asm.alu8(Alu.cmp, rax, rcx); // 1 - 0 greater, 0 - 0 equal, 0 - 1 less
}
/** FCCMP and its like: `compare` sets EFLAGS where the condition holds. */
export function conditionally(t: Translator, f: { readonly c: number; readonly v: number }, compare: () => void): void {
  if (f.c >= 14) compare();
  else {
    t.needFlags();
    const holds = t.asm.jcc(t.condition(f.c));
    t.flagsImmediate(f.v);
    const end = t.asm.jmp();
    t.asm.patch(holds, t.asm.at);
    compare();
    t.asm.patch(end, t.asm.at);
  }
  t.flagsSet("sub");
}
/**
 * The doubles in r, two or with `wide` four, with 24 significant bits, rounded to odd: the last of them is set where anything
 * is lost. As singles they are exact then, if they are not tiny, and round to 22 bits or fewer as they would have. Uses xmm0, xmm1.
 */
export function roundToOdd(t: Translator, r: number, wide = 0): void {
  const { asm } = t, mask = t.constants.splat(3, (1 << 29) - 1, 0);
  if (wide !== 0) asm.x2c(X.broadcastsd, 0, mask);
  else asm.x2c(X.movaps, 0, mask);
  asm.x3(X.pand | wide, 1, r, 0);
  asm.x3(X.paddq | wide, 1, 1, 0); // carries to the last bit that is kept
  asm.x3(X.por | wide, 1, 1, r);
  asm.x3(X.pandn | wide, r, 0, 1);
}
