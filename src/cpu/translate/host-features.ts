// src/cpu/translate/host-features.ts — what the host's processor can do beyond the baseline (LZCNT, SSE4.1).
// Spec: Intel SDM vol. 2, CPUID leaves 1 and 7; vol. 1, 14.3 (the system must save the upper halves for AVX).
import type { CodeMemory } from "../../../ffi/code.ts";
import { Assembler, Reg } from "./assembler.ts";

export interface HostFeatures {
  readonly sse42: boolean;
  readonly avx: boolean;
  readonly avx2: boolean;
  readonly fma: boolean;
  /** F16C, with AVX2. */
  readonly f16c: boolean;
  readonly aes: boolean;
  readonly pclmul: boolean;
  readonly sha: boolean;
  /** BMI1 and BMI2. */
  readonly bmi: boolean;
}
/** The baseline alone: for tests. */
export const NO_FEATURES: HostFeatures = { sse42: false, avx: false, avx2: false, fma: false, f16c: false, aes: false, pclmul: false, sha: false, bmi: false };

/** Asks the processor; undefined when it lacks the baseline. Uses the start of `code`. */
export function hostFeatures(code: CodeMemory): HostFeatures | undefined {
  const asm = new Assembler(code);
  const cpuid = (leaf: number, result: number): number => {
    asm.at = 0;
    asm.push(Reg.rbx);
    asm.constant(Reg.rax, leaf, 0);
    asm.constant(Reg.rcx, 0, 0);
    asm.cpuid();
    asm.mov(0, Reg.rax, result);
    asm.pop(Reg.rbx);
    asm.ret();
    return code.entry(0)(0);
  };
  const bit = (word: number, n: number): boolean => ((word >>> n) & 1) !== 0;
  const one = cpuid(1, Reg.rcx);
  if (!bit(one, 19) || !bit(one, 9) || !bit(cpuid(0x8000_0001 | 0, Reg.rcx), 5)) return undefined; // SSE4.1, SSSE3, LZCNT
  let saved = 0;
  if (bit(one, 27)) {
    asm.at = 0;
    asm.constant(Reg.rcx, 0, 0);
    asm.xgetbv();
    asm.ret();
    saved = code.entry(0)(0);
  }
  const avx = bit(one, 28) && (saved & 6) === 6;
  const seven = cpuid(0, Reg.rax) >= 7 ? cpuid(7, Reg.rbx) : 0;
  return {
    sse42: bit(one, 20), avx, avx2: avx && bit(seven, 5), fma: avx && bit(one, 12), f16c: avx && bit(seven, 5) && bit(one, 29), aes: bit(one, 25), pclmul: bit(one, 1), sha: bit(seven, 29),
    bmi: bit(seven, 3) && bit(seven, 8),
  };
}
