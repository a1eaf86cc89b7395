// src/hypervisor/software-vcpu.ts — one core of the software CPU as the machine knows it.
import { pstate } from "../cpu/exception.ts";
import type { Exit, TimerName } from "../cpu/exit.ts";
import type { Cpu } from "../cpu/interpret/cpu.ts";
import { Offset } from "../cpu/state.ts";
import { slot, type SysRegName } from "../cpu/sysreg.ts";
import { timerDue, timerFires } from "../cpu/timer.ts";
import { affinityOf } from "../units.ts";
import type { Registers, Vcpu } from "./backend.ts";

const big = (cpu: Cpu, word: number): bigint =>
  (BigInt((cpu.x[word + 1] as number) >>> 0) << 32n) | BigInt((cpu.x[word] as number) >>> 0);

/** Of so many instructions the interpreter leaves garbage with one. */
const CHURNING = 128;
const NEVER = Number.POSITIVE_INFINITY;

export class SoftwareVcpu implements Vcpu {
  readonly #cpu: Cpu;
  /** There is an interrupt controller with ICC_*, which ID_AA64PFR0_EL1.GIC says. */
  readonly #gicv3: boolean;
  get core(): Cpu { return this.#cpu; }
  readonly exit: Exit;
  readonly index: number;
  readonly kickAddress: number;
  constructor(cpu: Cpu, gicv3: boolean) {
    this.#cpu = cpu;
    this.#gicv3 = gicv3;
    this.exit = cpu.exit;
    this.index = cpu.index;
    this.kickAddress = cpu.state.memory.pointer + Offset.KICK;
  }
  run(deadline: number | undefined, limit?: number, exact?: boolean): void {
    this.#cpu.napsUntil = undefined;
    this.#cpu.run(deadline, limit, exact);
  }
  completeRead(lo: number, hi: number): void { this.#cpu.answer(lo, hi); }
  completeWrite(): void {
    if (this.exit.kind === "call") this.#cpu.advance();
    else this.#cpu.answer(0, 0);
  }
  injectUndefined(): void {
    this.#cpu.abandon();
    this.#cpu.undefined();
  }
  injectExternalAbort(): void { this.#cpu.externalAbort(); }
  setLines(irq: boolean, fiq: boolean): void { this.#cpu.x[Offset.LINES / 4] = (irq ? 1 : 0) | (fiq ? 2 : 0); }
  get interruptPending(): boolean { return this.#cpu.x[Offset.LINES / 4] !== 0; }
  timerLevel(timer: TimerName): boolean { return timer === "pmu" ? this.#cpu.pmu.level : timerFires(this.#cpu, timer); }
  unmaskTimer(timer: TimerName): void { this.#cpu.masked[timer] = false; }
  timerMasked(timer: TimerName): boolean { return this.#cpu.masked[timer]; }
  timerDue(): number | undefined {
    const virtual = this.#cpu.masked.virtual ? undefined : timerDue(this.#cpu, "virtual");
    const physical = this.#cpu.masked.physical ? undefined : timerDue(this.#cpu, "physical");
    const least = Math.min(virtual ?? NEVER, physical ?? NEVER, this.#cpu.napsUntil ?? NEVER);
    return least === NEVER ? undefined : least;
  }
  reset(pc: number, x0: number): void {
    const cpu = this.#cpu;
    cpu.reset();
    if (this.#gicv3) cpu.x[slot.ID_AA64PFR0_EL1 / 4] = (cpu.x[slot.ID_AA64PFR0_EL1 / 4] as number) | (1 << 24);
    cpu.x[Offset.PC / 4] = pc % 2 ** 32 | 0;
    cpu.x[Offset.PC / 4 + 1] = Math.floor(pc / 2 ** 32);
    cpu.setX(0, x0 % 2 ** 32 | 0, Math.floor(x0 / 2 ** 32));
  }
  argument(index: number): { lo: number; hi: number } {
    return { lo: (this.#cpu.x[2 * index] as number) >>> 0, hi: (this.#cpu.x[2 * index + 1] as number) >>> 0 };
  }
  setArgument(index: number, lo: number, hi: number): void { this.#cpu.setX(index, lo | 0, hi | 0); }
  registers(): Registers {
    const cpu = this.#cpu;
    return {
      x: Array.from({ length: 31 }, (_, i) => big(cpu, 2 * i)), sp: big(cpu, Offset.SP / 4), pc: big(cpu, Offset.PC / 4),
      pstate: pstate(cpu) >>> 0,
    };
  }
  setRegister(name: string, value: bigint): void {
    const match = /^x(\d+)$/.exec(name);
    const word = match !== null && Number(match[1]) < 31 ? 2 * Number(match[1])
      : name === "sp" ? Offset.SP / 4 : name === "pc" ? Offset.PC / 4 : undefined;
    if (word === undefined) throw new RangeError(`no register ${name}: x0 to x30, sp, pc`);
    this.#cpu.x[word] = Number(BigInt.asIntN(32, value));
    this.#cpu.x[word + 1] = Number(BigInt.asIntN(32, value >> 32n));
  }
  systemRegister(name: string): bigint | undefined {
    if (name === "MPIDR_EL1") return BigInt(0x8000_0000 + affinityOf(this.index)); // it is not kept
    return name in slot ? big(this.#cpu, slot[name as SysRegName] / 4) : undefined;
  }
  get instructions(): number { return this.#cpu.executed; }
  get churn(): number { return this.#cpu.engine?.churn ?? this.#cpu.executed / CHURNING; }
  get debugExits(): boolean { return this.#cpu.debugExits; }
  set debugExits(on: boolean) { this.#cpu.debugExits = on; }
  get onSysreg(): Vcpu["onSysreg"] { return this.#cpu.onSysreg; }
  set onSysreg(callback: Vcpu["onSysreg"]) { this.#cpu.onSysreg = callback; }
}
