// src/cpu/translate/fault-handler.ts — what happens when generated code does what it must not: touches memory that is not
// there, or executes no instruction. A handler in machine code, for the whole process, looks whether the fault lies in
// the generated code of an engine; then it notes the registers and makes that code return to TypeScript, as if it had
// left for an exit of its own kind. Any other fault goes to the handler that was there before. A handler in JavaScript
// could not: it would run in the middle of whatever was interrupted.
// Spec: sigaction(2), x86-64 psABI and Linux's ucontext_t (sys/ucontext.h). Left out: other systems than Linux.
import type { CodeMemory } from "../../../ffi/code.ts";
import { NativeMemory } from "../../../ffi/memory.ts";
import { handleSignal } from "../../../ffi/signal.ts";
import { Alu, Assembler, CC, Reg } from "./assembler.ts";

const SIGNALS = { SIGILL: 4, SIGBUS: 7, SIGFPE: 8, SIGSEGV: 11 } as const;
const MAX_RANGES = 4096;
/** Offsets in the record: engines (count; start, end, where to go on), former handlers by signal, zeros, what happened. */
const RANGES = 8, FORMER = RANGES + MAX_RANGES * 24, ZEROS = FORMER + 32 * 8, RECORD = ZEROS + 64;
/** Where the handler stands in the code memory of the first engine, and where that engine's own code may begin. */
export const HANDLER = 0x8000;
export const HANDLER_END: number = HANDLER + 0x200;
/** In RECORD: host PC, the address touched, signal; then r8..r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip. */
const GREGS = RECORD + 24, GREG_COUNT = 17;
/** Offsets in ucontext_t. */
const UC_GREGS = 40, UC_RIP = UC_GREGS + 16 * 8;
const SI_ADDR = 16;
const RT_SIGACTION = 13;
const NAMES = ["r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "rdi", "rsi", "rbp", "rbx", "rdx", "rax", "rcx", "rsp", "rip"] as const;

/** What was noted of a fault. Addresses as numbers, registers as text. */
export interface HostFault {
  readonly signal: string;
  readonly pc: number;
  readonly address: string;
  readonly registers: string;
}

class FaultHandler {
  readonly #memory = NativeMemory.allocate(RECORD + 256);
  readonly #words = new BigUint64Array(this.#memory.window(0));

  constructor(code: CodeMemory) {
    const handler = this.#emit(new Assembler(code));
    for (const signal of Object.values(SIGNALS)) this.#words[FORMER / 8 + signal] = BigInt(handleSignal(signal, code.pointer + handler));
  }
  /** From now on, faults between `start` and `end` go on at `resume`. False when there are too many engines. */
  watch(start: number, end: number, resume: number): boolean {
    const count = Number(this.#words[0]);
    if (count >= MAX_RANGES) return false;
    const at = RANGES / 8 + count * 3;
    this.#words[at] = BigInt(start);
    this.#words[at + 1] = BigInt(end);
    this.#words[at + 2] = BigInt(resume);
    this.#words[0] = BigInt(count + 1);
    return true;
  }
  /** The last fault. */
  get last(): HostFault {
    const word = (offset: number): bigint => this.#words[offset / 8] as bigint;
    const signal = Number(word(RECORD + 16));
    return {
      signal: Object.entries(SIGNALS).find(([, number]) => number === signal)?.[0] ?? `signal ${signal}`,
      pc: Number(word(RECORD)), address: `0x${word(RECORD + 8).toString(16)}`,
      registers: NAMES.map((name, i) => `${name} ${word(GREGS + 8 * i).toString(16)}`).join("  "),
    };
  }

  #emit(asm: Assembler): number {
    const { rax, rcx, rdx, rsi, rdi, r8, r9, r10, r11 } = Reg;
    const constant = (to: number, value: number): void => asm.constant(to, value % 2 ** 32 | 0, Math.floor(value / 2 ** 32) | 0);
    const at = this.#memory.pointer;
    asm.at = HANDLER;
    // edi: signal, rsi: siginfo_t, rdx: ucontext_t
    asm.load(1, rax, rdx, UC_RIP);
    constant(rcx, at);
    asm.load(0, r8, rcx, 0);
    asm.aluImm(Alu.add, 1, rcx, RANGES);
    const loop = asm.at;
    asm.test(0, r8, r8);
    const other = asm.jcc(CC.e);
    asm.aluLoad(Alu.cmp, 1, rax, rcx, 0);
    const below = asm.jcc(CC.b);
    asm.aluLoad(Alu.cmp, 1, rax, rcx, 8);
    const above = asm.jcc(CC.ae);
    // ours: note everything, return to `resume`
    asm.load(1, r9, rcx, 16);
    asm.store(1, rdx, UC_RIP, r9);
    asm.load(1, r10, rsi, SI_ADDR);
    constant(r11, at + RECORD);
    asm.store(1, r11, 0, rax);
    asm.store(1, r11, 8, r10);
    asm.mov(0, rdi, rdi); // zero-extends
    asm.store(1, r11, 16, rdi);
    asm.lea(1, rsi, rdx, UC_GREGS);
    asm.lea(1, rdi, r11, GREGS - RECORD);
    asm.constant(rcx, GREG_COUNT, 0);
    for (const byte of [0xfc, 0xf3, 0x48, 0xa5]) asm.byte(byte); // cld; rep movsq
    asm.ret();
    asm.patch(below, asm.at);
    asm.patch(above, asm.at);
    asm.aluImm(Alu.add, 1, rcx, 24);
    asm.aluImm(Alu.sub, 0, r8, 1);
    asm.patch(asm.jmp(), loop);
    // not ours: whoever was asked before
    asm.patch(other, asm.at);
    constant(rcx, at + FORMER);
    asm.mov(0, rdi, rdi);
    asm.leaIndexed(1, rcx, rcx, rdi, 3);
    asm.load(1, rax, rcx, 0);
    asm.aluImm(Alu.cmp, 1, rax, 1); // SIG_DFL 0, SIG_IGN 1
    const none = asm.jcc(CC.be);
    asm.jmpReg(rax);
    // nobody: the default action, when the instruction faults again
    asm.patch(none, asm.at);
    constant(rsi, at + ZEROS);
    asm.constant(rdx, 0, 0);
    asm.constant(r10, 8, 0);
    asm.constant(rax, RT_SIGACTION, 0);
    asm.byte(0x0f); asm.byte(0x05); // syscall
    asm.ret();
    return HANDLER;
  }
}

let handler: FaultHandler | undefined;
/** The handler of this process, made with the first engine: it lives in that engine's code memory, at `HANDLER`. */
export function faultHandler(code: CodeMemory): FaultHandler { return handler ??= new FaultHandler(code); }
