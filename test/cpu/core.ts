// test/cpu/core.ts — one bare core for tests: RAM, a clock moved by hand, and instructions run one at a time.
// There is no machine around it: what leaves the core is seen in `exit`, and answered by the test.
import { NativeMemory } from "../../ffi/memory.ts";
import { encode, compile } from "../../src/cpu/a64/pattern.ts";
import { system } from "../../src/cpu/a64/branch.ts";
import { pstate } from "../../src/cpu/exception.ts";
import { parseFeatures, type Features } from "../../src/cpu/features.ts";
import { Cpu } from "../../src/cpu/interpret/cpu.ts";
import { instructions } from "../../src/cpu/interpret/instructions.ts";
import { MemoryMap } from "../../src/cpu/memory-map.ts";
import { Offset } from "../../src/cpu/state.ts";
import { slot, type SysRegName } from "../../src/cpu/sysreg.ts";
import { Assembler } from "../support/assembler.ts";
import { Engine } from "../../src/cpu/translate/engine.ts";
import { HandClock } from "../devices/wires.ts";

/** Where everything lies, with the MMU off. RAM is reserved, not touched. */
export const RAM: number = 0x4000_0000, RAM_SIZE: number = 0x4000_0000;
export const CODE: number = RAM, VECTORS: number = RAM + 0x2000;
/** What EL1h takes to the vectors, by where it came from. */
export const Vector = { currentSp0: 0x000, currentSpx: 0x200, lower: 0x400 } as const;
/** PSTATE.M. */
export const Mode = { EL0t: 0, EL1t: 4, EL1h: 5 } as const;

/** Generated code in place of the interpreter. */
const translated = process.env["HV_TEST_ENGINE"] === "translator";

export class TestCore implements Disposable {
  readonly cpu: Cpu;
  /** The first 2 GiB of RAM. */
  readonly ram: DataView;
  readonly clock: HandClock = new HandClock();
  readonly #memory: NativeMemory;
  /** Where `run` puts its instructions, as physical and as virtual address. */
  code: { readonly pa: number; readonly va: bigint } = { pa: CODE, va: BigInt(CODE) };

  /** `cpu`: features, as `--cpu` names them. */
  constructor(ramSize: number = RAM_SIZE, cpu = "default") {
    this.#memory = NativeMemory.allocate(ramSize);
    this.ram = new DataView(this.#memory.window(0));
    const map = new MemoryMap();
    map.add(RAM, this.#memory, ramSize, false);
    const peers: Cpu[] = [];
    this.cpu = new Cpu({ index: 0, memory: map, clock: this.clock, instructions, peers, features: parseFeatures(cpu) as Features });
    peers.push(this.cpu);
    if (translated) this.cpu.engine = Engine.create(this.cpu, 1);
    this.set("VBAR_EL1", VECTORS);
  }
  [Symbol.dispose](): void {
    this.cpu.state.memory.free();
    this.#memory.free();
  }

  /** Runs what the assembler was given, one instruction after another, and stops behind the last, or at an exit. */
  run(write: (asm: Assembler) => Assembler): this {
    const words = write(new Assembler()).words();
    words.forEach((word, i) => this.ram.setUint32(this.code.pa - RAM + 4 * i, word, true));
    this.pc = this.code.va;
    this.step(words.length);
    return this;
  }
  /** Runs `count` instructions from where the core stands. */
  step(count = 1): void {
    this.cpu.exit.kind = "budget";
    this.cpu.engine?.invalidateAll(); // tests write code without IC IVAU
    this.cpu.run(undefined, count);
  }
  /** An MSR of any register, as the guest does it. */
  msr(name: SysRegName, value: number | bigint): this {
    return this.run(asm => asm.mov("x9", value).msr(name, "x9"));
  }
  /** An MRS of any register, as the guest does it. */
  mrs(name: SysRegName): bigint {
    this.run(asm => asm.mrs("x9", name));
    return this.x(9);
  }
  /** SYS #op1, Cn, Cm, #op2, Xt. */
  sys(op1: number, crn: number, crm: number, op2: number, value: number | bigint = 0): this {
    return this.run(asm => asm.mov("x9", value).SYS({ o: op1, c: crn, k: crm, p: op2, t: 9 }));
  }

  x(r: number): bigint { return this.cpu.state.u64[Offset.X / 8 + r] as bigint; }
  setX(r: number, value: number | bigint): void { this.cpu.state.u64[Offset.X / 8 + r] = BigInt.asUintN(64, BigInt(value)); }
  get pc(): bigint { return this.cpu.state.u64[Offset.PC / 8] as bigint; }
  set pc(value: bigint) { this.cpu.state.u64[Offset.PC / 8] = BigInt.asUintN(64, value); }
  get sp(): bigint { return this.cpu.state.u64[Offset.SP / 8] as bigint; }
  set sp(value: bigint) { this.cpu.state.u64[Offset.SP / 8] = value; }
  /** A register's stored value, without an instruction. */
  get(name: SysRegName): bigint { return this.cpu.state.u64[slot[name] / 8] as bigint; }
  set(name: SysRegName, value: number | bigint): void { this.cpu.state.u64[slot[name] / 8] = BigInt.asUintN(64, BigInt(value)); }
  /** PSTATE in the layout of SPSR_EL1. */
  get pstate(): number { return pstate(this.cpu) >>> 0; }
  get exit(): Cpu["exit"] { return this.cpu.exit; }

  /** The syndrome of the last exception: class, and the rest without IL. */
  get ec(): number { return Number(this.get("ESR_EL1")) >>> 26; }
  get iss(): number { return Number(this.get("ESR_EL1")) & 0x1ff_ffff; }
  /** Forgets the last exception, so that a test sees whether there is a new one. */
  forget(): this {
    this.set("ESR_EL1", 0xffff_ffff);
    this.set("FAR_EL1", 0xffff_ffff_ffff_ffffn);
    return this;
  }
  /** True when no exception was taken since `forget`. */
  get quiet(): boolean { return this.get("ESR_EL1") === 0xffff_ffffn; }
  /** ERET to `mode` with more bits of SPSR; PC is where `run` puts its instructions. */
  enter(mode: number, bits = 0x3c0): this {
    this.set("SPSR_EL1", mode | bits);
    this.set("ELR_EL1", this.code.va);
    return this.run(asm => asm.eret());
  }
  /** Goes back to EL1h by way of an exception. */
  leave(): this {
    this.run(asm => asm.SVC({ i: 0 }));
    return this.forget();
  }
  read(pa: number): number { return this.ram.getUint32(pa - RAM, true); }
  write(pa: number, value: number): void { this.ram.setUint32(pa - RAM, value, true); }
  write64(pa: number, value: bigint): void { this.ram.setBigUint64(pa - RAM, value, true); }
}

/** The word of an instruction of the system group. */
export const systemWord = (name: keyof typeof system, fields: Readonly<Record<string, number>>): number => encode(compile(name, system[name]), fields);
