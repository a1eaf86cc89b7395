// src/hypervisor/software.ts — the software CPU as a backend: guest RAM in native memory, cores run by the interpreter.
import type { Clock } from "../../devices/device.ts";
import { NativeMemory } from "../../ffi/memory.ts";
import { pstate } from "../cpu/exception.ts";
import type { Exit } from "../cpu/exit.ts";
import { Cpu } from "../cpu/interpret/cpu.ts";
import { instructions } from "../cpu/interpret/instructions.ts";
import { warmUp } from "../cpu/interpret/warm-up.ts";
import { Engine } from "../cpu/translate/engine.ts";
import { MemoryMap } from "../cpu/memory-map.ts";
import { Offset } from "../cpu/state.ts";
import { ExitCode, Failure } from "../failure.ts";
import { affinityOf } from "../units.ts";
import { slot, type SysRegName } from "../cpu/sysreg.ts";
import type { RamWindows, RomBytes, Registers, TimerName, Vcpu, Vm } from "./backend.ts";

/** What executes the instructions: generated code, the interpreter, or the first of them that this host allows. */
export type EngineChoice = "auto" | "translator" | "interpreter";

/** Makes a VM whose cores read time from `clock`, on a board with this interrupt controller. */
export function createSoftwareVm(clock: Clock, engine: EngineChoice = "auto", gic: 2 | 3 = 2): Vm { return new SoftwareVm(clock, engine, gic === 3); }
let warm = false;
/** The core behind a vCPU that this backend made: for tests. */
export function coreOf(vcpu: Vcpu): Cpu {
  if (!(vcpu instanceof SoftwareVcpu)) throw new TypeError("a vCPU of another backend");
  return vcpu.core;
}

class SoftwareVm implements Vm {
  readonly backend = "software";
  readonly gic = undefined;
  readonly concurrent = false;
  readonly ownsPower = false;
  engine = "";
  readonly #choice: EngineChoice;
  readonly #clock: Clock;
  readonly #gicv3: boolean;
  readonly #memory: MemoryMap = new MemoryMap();
  readonly #blocks: NativeMemory[] = [];
  /** Every core of the VM: TLB maintenance reaches them all. */
  readonly #peers: Cpu[] = [];
  constructor(clock: Clock, choice: EngineChoice, gicv3: boolean) {
    this.#clock = clock;
    this.#gicv3 = gicv3;
    this.#choice = choice;
  }

  addRam(gpa: number, size: number): RamWindows {
    const memory = NativeMemory.allocate(size);
    this.#blocks.push(memory);
    this.#memory.add(gpa, memory, size, false);
    return { size, windows: Array.from({ length: memory.windows }, (_, i) => memory.window(i)), release: (offset, length) => memory.release(offset, length) };
  }
  addRom(gpa: number, size: number): RomBytes {
    const memory = NativeMemory.allocate(size);
    this.#blocks.push(memory);
    this.#memory.add(gpa, memory, size, true);
    return {
      bytes: new Uint8Array(memory.window(0)),
      show: visible => {
        this.#memory.show(gpa, visible);
        for (const cpu of this.#peers) cpu.flushTlb();
      },
    };
  }
  createVcpu(index: number): Vcpu {
    const cpu = new Cpu({ index, memory: this.#memory, clock: this.#clock, instructions, peers: this.#peers });
    this.#peers.push(cpu);
    cpu.engine = this.#choice === "interpreter" ? undefined : Engine.create(cpu);
    if (cpu.engine === undefined) {
      if (this.#choice === "translator") {
        throw new Failure("HV-ACCEL-TRANSLATOR", "this host refuses memory that is writable and executable, or is no x86-64 with LZCNT: there can be no generated code", {
          hint: "--accel software,engine=interpreter works everywhere", exit: ExitCode.unsupported,
        });
      }
      this.engine = this.#choice === "interpreter" ? "interpreter" : "interpreter: this host refuses generated code";
      if (!warm) warmUp(this.#clock);
      warm = true;
    } else this.engine = "translator";
    return new SoftwareVcpu(cpu, this.#gicv3);
  }
  memoryWritten(_gpa: number, _size: number): void {} // what was made of it goes with the reset that follows
  destroy(): void {
    for (const cpu of this.#peers) cpu.state.memory.free();
    for (const block of this.#blocks) block.free();
  }
}

const big = (cpu: Cpu, word: number): bigint =>
  (BigInt((cpu.x[word + 1] as number) >>> 0) << 32n) | BigInt((cpu.x[word] as number) >>> 0);

class SoftwareVcpu implements Vcpu {
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
  run(deadline: number | undefined, limit?: number, exact?: boolean): void { this.#cpu.run(deadline, limit, exact); }
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
  timerLevel(timer: TimerName): boolean { return this.#cpu.timerFires(timer); }
  unmaskTimer(timer: TimerName): void {
    if (timer === "virtual") this.#cpu.vtimerMasked = false;
    else this.#cpu.ptimerMasked = false;
  }
  timerMasked(timer: TimerName): boolean { return timer === "virtual" ? this.#cpu.vtimerMasked : this.#cpu.ptimerMasked; }
  timerDue(): number | undefined {
    const virtual = this.#cpu.vtimerMasked ? undefined : this.#cpu.timerDue("virtual");
    const physical = this.#cpu.ptimerMasked ? undefined : this.#cpu.timerDue("physical");
    return virtual === undefined ? physical : physical === undefined ? virtual : Math.min(virtual, physical);
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
  get debugExits(): boolean { return this.#cpu.debugExits; }
  set debugExits(on: boolean) { this.#cpu.debugExits = on; }
  get onSysreg(): Vcpu["onSysreg"] { return this.#cpu.onSysreg; }
  set onSysreg(callback: Vcpu["onSysreg"]) { this.#cpu.onSysreg = callback; }
}
