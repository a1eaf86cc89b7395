// src/cpu/interpret/simd-instructions.ts — the floating-point, Advanced SIMD and cryptographic tables joined with their
// handlers. The handlers check CPACR_EL1.FPEN themselves: an unallocated encoding is UNDEFINED before it traps.
import { crypto } from "../a64/crypto.ts";
import { half, halfMove } from "../a64/half.ts";
import { join, type Handlers, type Table } from "../a64/pattern.ts";
import { simdFp } from "../a64/simd-fp.ts";
import { simdLoadStore } from "../a64/simd-load-store.ts";
import { simdMove } from "../a64/simd-move.ts";
import { simdThree } from "../a64/simd-three.ts";
import { simdTwo } from "../a64/simd-two.ts";
import type { Cpu, Instruction, Result } from "./cpu.ts";
import { interpretCrypto } from "./crypto.ts";
import { interpretHalf, interpretHalfMove } from "./half.ts";
import { interpretSimdFp } from "./simd-fp.ts";
import { interpretSimdLoadStore } from "./simd-load-store.ts";
import { interpretSimdMove } from "./simd-move.ts";
import { interpretSimdThree } from "./simd-three.ts";
import { interpretSimdTwo } from "./simd-two.ts";

export const simdInstructions: readonly Instruction[] = [
  ...join<typeof simdFp, Cpu, Result>(simdFp, interpretSimdFp),
  ...join<typeof simdThree, Cpu, Result>(simdThree, interpretSimdThree),
  ...join<typeof simdTwo, Cpu, Result>(simdTwo, interpretSimdTwo),
  ...join<typeof simdMove, Cpu, Result>(simdMove, interpretSimdMove),
  ...join<typeof crypto, Cpu, Result>(crypto, interpretCrypto),
  ...join<typeof simdLoadStore, Cpu, Result>(simdLoadStore, interpretSimdLoadStore),
  ...join<Table, Cpu, Result>(half, interpretHalf as Handlers<Table, Cpu, Result>),
  ...join<typeof halfMove, Cpu, Result>(halfMove, interpretHalfMove),
];
