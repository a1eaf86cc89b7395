// src/cpu/state.ts — where every architected register of one vCPU lives: one native struct, reached by TypeScript through
// typed arrays and by generated code through a pinned host register. One truth for interpreter, translator, debugger
// and snapshot. Offsets are bytes; 64-bit values are little-endian lo/hi pairs.
import { NativeMemory } from "../../ffi/memory.ts";

/** Byte offsets into the struct. */
export const Offset = {
  /** x0..x30; then the *selected* stack pointer at index 31, and at index 32 (ZR) a slot that is always zero. */
  X: 0x000,
  SP: 0x0f8,
  ZERO: 0x100,
  /** N Z C V in bits 31..28, all other bits zero. u32. */
  NZCV: 0x108,
  /** 1 when the IRQ (bit 0) or FIQ (bit 1) input of the core is high. u32. */
  LINES: 0x10c,
  PC: 0x110,
  /** D A I F in bits 9..6 as in SPSR. u32. */
  DAIF: 0x118,
  /** Current exception level, 0 or 1. u32. */
  EL: 0x11c,
  /** PSTATE.SP: 0 selects SP_EL0, 1 SP_EL1 (EL0 always uses SP_EL0). u32. */
  SPSEL: 0x120,
  /** PSTATE.PAN, SS, IL, each 0 or 1. u32. */
  PAN: 0x124,
  SS: 0x128,
  IL: 0x12c,
  /** Stack pointers that are not selected at present. */
  SP_EL0: 0x130,
  SP_EL1: 0x138,
  /** Exclusive monitor: 1 when armed (u32), size in bytes (u32), virtual address, the 16 bytes read. */
  EXCL_VALID: 0x140,
  EXCL_SIZE: 0x144,
  EXCL_VA: 0x148,
  EXCL_DATA: 0x150,
  FPCR: 0x160,
  FPSR: 0x164,
  /** Instructions executed, as a double (exact to 2^53). */
  ICOUNT: 0x168,
  /** Anything but zero makes the core leave the guest at the next slice; written by other threads. u32. */
  KICK: 0x170,
  /** Generated code: instructions left in this slice (i32), and NZCV as SF ZF CF=!C (LAHF's byte) << 8 | V (u16). */
  BUDGET: 0x174,
  HOST_FLAGS: 0x178,
  /** What SIMD&FP instructions may run as generated code (bits of `Ready`, u32); MXCSR as generated code left it (u32). */
  READY: 0x17c,
  MXCSR: 0x180,
  /** For READY's FP: the FPCR that was looked at, and what MXCSR is for it when no flag is raised (u32 each). */
  READY_FPCR: 0x184,
  READY_MXCSR: 0x188,
  /** The stack pointer that generated code was entered with, for what must leave it from anywhere. u64. */
  HOST_SP: 0x190,
  /** Of the tables and the ASID that TTBR0_EL1 gives: a number in bits 63..48, part of the tags of the jump caches. u64. */
  CONTEXT: 0x198,
  /** What addresses in generated code are relative to: the page of EL0's code, 0 for EL1's. u64. */
  CODE_BASE: 0x1a0,
  /** Cores in threads (domain.ts): generated code leaves when its budget is below this, written by other threads; and 1 when
   *  others were told something that a DSB has to wait for (i32 each). */
  POLL: 0x1a8,
  TOLD: 0x1ac,
  /** Room for four registers within one instruction's code. */
  SCRATCH: 0x1b0,
  /** PSTATE.SSBS, UAO and DIT, each where SPSR_EL1 has it. u32. */
  MODES: 0x1d0,
  /** The event register (DDI 0487, D1.6.1); also written by other threads. u32. */
  EVENT: 0x1d4,
  /** v0..v31, 16 bytes each. */
  V: 0x200,
  /** System registers, 8 bytes each, in the order of the table in sysreg.ts. */
  SYSREG: 0x400,
  /** Software TLBs, EL0's view and EL1's view (see mmu/tlb.ts). */
  TLB_EL0: 0x1000,
  TLB_EL1: 0x9000,
  /** Generated code's jump caches, of EL1 and of EL0: see translate/jump-caches.ts. */
  JUMP_EL1: 0x11000,
  JUMP_EL0: 0x51000,
  /** What page tables say of 2 MiB each (see mmu/regions.ts). */
  REGIONS: 0x91000,
  /** One byte per 64 KiB of virtual address, folded: not zero when code was fetched from there. */
  FETCHED: 0x93000,
  SIZE: 0x94000,
} as const;

/** Bits of READY: Advanced SIMD is not trapped; and READY_MXCSR is what FPCR asks for; and it asks for nothing of halves (FZ16, AHP). */
export const Ready = { simd: 1, fp: 2, half: 4 } as const;

/** The struct of one vCPU and the views on it. All views cover the whole struct: index = byte offset / element size. */
export class CpuState {
  readonly memory: NativeMemory;
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly i32: Int32Array;
  readonly u32: Uint32Array;
  readonly f32: Float32Array;
  readonly f64: Float64Array;
  readonly u64: BigUint64Array;
  readonly i64: BigInt64Array;
  constructor() {
    this.memory = NativeMemory.allocate(Offset.SIZE);
    const buffer = this.memory.window(0);
    this.u8 = new Uint8Array(buffer);
    this.u16 = new Uint16Array(buffer);
    this.i32 = new Int32Array(buffer);
    this.u32 = new Uint32Array(buffer);
    this.f32 = new Float32Array(buffer);
    this.f64 = new Float64Array(buffer);
    this.u64 = new BigUint64Array(buffer);
    this.i64 = new BigInt64Array(buffer);
  }
}
