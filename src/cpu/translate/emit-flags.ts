// src/cpu/translate/emit-flags.ts — x86-64 for what changes NZCV by itself: CFINV, RMIF, SETF8, SETF16 (FEAT_FlagM), AXFLAG,
// XAFLAG (FEAT_FlagM2).
// Spec: ARM DDI 0487, C6.2. Flags are worked on as LAHF and SETO leave them in ax: N in bit 15, Z in 14, !C in 8, V in 0.
import { Alu, CC, Reg, Shift } from "./assembler.ts";
import type { Translator } from "./translator.ts";

const { rax, rcx, rdx } = Reg;
const N = 0x8000, Z = 0x4000, NOT_C = 0x100, V = 1;

/** ax = the flags; above them is anything. */
function load(t: Translator): void {
  t.needFlags();
  t.asm.lahf();
  t.asm.setcc(CC.o, rax);
}
/** EFLAGS = ax, whose lower byte is V alone. */
function set(t: Translator): void {
  t.flagsFromRax();
  t.flagsSet("sub");
}

export function emitCfinv(t: Translator): void {
  t.needFlags();
  t.asm.cmc();
  t.flagsSet("sub");
}
/** What FCMP said in Arm's way, in the other: unordered is equal, and below. */
export function emitAxflag(t: Translator): void {
  const { asm } = t;
  load(t);
  asm.extendReg(0, 0, 0, rcx, rax);
  asm.neg(0, rcx);
  asm.aluImm(Alu.and, 0, rcx, Z | NOT_C); // where V is set
  asm.alu(Alu.or, 0, rax, rcx);
  asm.aluImm(Alu.and, 0, rax, Z | NOT_C);
  set(t);
}
/** And back: N = !C & !Z, Z = Z & C, C = C | Z, V = !C & Z. */
export function emitXaflag(t: Translator): void {
  const { asm } = t;
  t.needFlags();
  asm.constant(rax, 0, 0);
  asm.constant(rcx, 0, 0);
  asm.setcc(CC.b, rax); // !C
  asm.setcc(CC.e, rcx);
  asm.mov(0, rdx, rax);
  asm.alu(Alu.and, 0, rdx, rcx); // V
  asm.alu(Alu.xor, 0, rax, rdx);
  asm.alu(Alu.xor, 0, rcx, rdx);
  asm.neg(0, rax);
  asm.aluImm(Alu.and, 0, rax, N | NOT_C);
  asm.shift(Shift.shl, 0, rcx, 14);
  asm.alu(Alu.or, 0, rax, rcx);
  asm.alu(Alu.or, 0, rax, rdx);
  set(t);
}
/** Where a bit of NZCV, 3 to 0, stands in ax, and how far up that is. */
const places = [[8, N, 12], [4, Z, 12], [2, NOT_C, 7], [1, V, 0]] as const;
/** The flags of the mask v are the low bits of Xn turned right. */
export function emitRmif(t: Translator, f: { readonly i: number; readonly n: number; readonly v: number }): void {
  const { asm } = t;
  load(t);
  t.copy(f.n, rcx);
  if (f.i !== 0) asm.shift(Shift.ror, 1, rcx, f.i);
  if ((f.v & 2) !== 0) asm.aluImm(Alu.xor, 0, rcx, 2);
  for (const [bit, place, up] of places) {
    if ((f.v & bit) === 0) continue;
    asm.mov(0, rdx, rcx);
    if (up !== 0) asm.shift(Shift.shl, 0, rdx, up);
    asm.aluImm(Alu.and, 0, rdx, place);
    asm.aluImm(Alu.and, 0, rax, ~place);
    asm.alu(Alu.or, 0, rax, rdx);
  }
  set(t);
}
/** N and Z of the low `bits` of Wn; V where the bit above is not their sign; C stays. */
export const emitSetFlags = (bits: 8 | 16) => (t: Translator, f: { readonly n: number }): void => {
  const { asm } = t;
  t.needFlags();
  asm.constant(rdx, 0, 0);
  asm.setcc(CC.b, rdx); // !C
  t.copyWord(f.n, rcx);
  asm.mov(0, rax, rcx);
  asm.shift(Shift.shl, 0, rax, 32 - bits);
  asm.lahf();
  asm.aluImm(Alu.and, 0, rax, N | Z);
  asm.shift(Shift.shl, 0, rdx, 8);
  asm.alu(Alu.or, 0, rax, rdx);
  asm.mov(0, rdx, rcx);
  asm.shift(Shift.shr, 0, rdx, 1);
  asm.alu(Alu.xor, 0, rdx, rcx);
  asm.shift(Shift.shr, 0, rdx, bits - 1);
  asm.aluImm(Alu.and, 0, rdx, 1);
  asm.alu(Alu.or, 0, rax, rdx);
  set(t);
};
