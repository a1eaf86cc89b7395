// src/cpu/translate/counter.ts — the system counter in generated code: what `ticks` of a clock on the host's monotonic time
// computes, without leaving. Spec: ARM DDI 0487, D12.1.2 (the counter never goes back, as seen from any core).
import type { Clock } from "../../../devices/device.ts";
import { clockFunction, MONOTONIC } from "../../../ffi/clock.ts";
import { Alu, CC, Reg, type Assembler } from "./assembler.ts";
import { X } from "./vector-op.ts";

/** What such a clock has in memory, doubles: the host's nanoseconds at tick 0, and those at which it was stopped, or 0. */
export const Times = { origin: 0, stopped: 1, BYTES: 16 } as const;
/** A clock whose ticks are floor((now - origin) * frequency / 1e9), unless it is stopped. */
export interface ReadableClock extends Clock {
  /** Host address of its Times. */
  readonly times: number;
}
const isReadable = (clock: Clock): clock is ReadableClock => "times" in clock;

const { rax, rcx, rdx, rsi, rdi, rsp, r8, r9, r10, r11 } = Reg;
/** Guest registers that a C function does not keep. */
const UNSAVED = [rsi, rdi, r8, r9, r10, r11];
/** On the stack: struct timespec, and the stack pointer before it was aligned. */
const Frame = { seconds: 0, nanoseconds: 8, former: 16, BYTES: 32 } as const;

/**
 * Emits the code to call; returns its offset, undefined when this clock cannot be read. Out: the ticks in rax and ZF set, or
 * ZF clear: the clock stands. Clobbers rcx and rdx. No vector register is live where it is called.
 */
export function emitCounter(asm: Assembler, clock: Clock): number | undefined {
  const read = isReadable(clock) ? clockFunction() : undefined;
  if (!isReadable(clock) || read === undefined) return undefined;
  const address = (to: number, value: number): void => asm.constant(to, value % 2 ** 32 | 0, Math.floor(value / 2 ** 32) | 0);
  const start = asm.at;
  address(rcx, clock.times);
  asm.aluMemoryImm(Alu.cmp, 1, rcx, 8 * Times.stopped, 0);
  const stands = asm.jcc(CC.ne);
  for (const r of UNSAVED) asm.push(r);
  asm.mov(1, rdx, rsp);
  asm.aluImm(Alu.sub, 1, rsp, Frame.BYTES);
  asm.aluImm(Alu.and, 1, rsp, -16);
  asm.store(1, rsp, Frame.former, rdx);
  asm.constant(rdi, MONOTONIC, 0);
  asm.mov(1, rsi, rsp);
  address(rax, read);
  asm.callReg(rax);
  asm.load(1, rax, rsp, Frame.seconds);
  asm.constant(rdx, 1_000_000_000, 0);
  asm.imul(1, rax, rdx);
  asm.aluLoad(Alu.add, 1, rax, rsp, Frame.nanoseconds);
  asm.load(1, rsp, rsp, Frame.former);
  address(rcx, clock.times);
  asm.x2m(X.cvttsd2si, rcx, rcx, 8 * Times.origin, -1, 1);
  asm.alu(Alu.sub, 1, rax, rcx);
  // times frequency / 1e9 as a fraction of 2^64, rounded up: exact while nanoseconds are below 2^64 / 1e9 * gcd(frequency, 1e9)
  const fraction = ((BigInt(clock.frequency) << 64n) + 999_999_999n) / 1_000_000_000n;
  asm.constant(rdx, Number(BigInt.asIntN(32, fraction)), Number(BigInt.asIntN(32, fraction >> 32n)));
  asm.mulWide(1, rdx, false);
  asm.mov(1, rax, rdx);
  for (const r of UNSAVED.toReversed()) asm.pop(r);
  asm.alu(Alu.cmp, 0, rcx, rcx);
  asm.patch(stands, asm.at);
  asm.ret();
  return start;
}
