// src/hypervisor/helper.ts — the interpreter as a hypervisor's helper: it carries out single instructions that hardware
// gives no syndrome of (pairs, write-back, SIMD, atomics on devices), and takes exceptions in the guest's place.
// Spec: as src/cpu. The vCPU's registers are copied in, one instruction runs, and what changed is copied back: slow, and
// seldom. Left out: the exclusive monitor (an exclusive store to a device fails).
import type { Clock } from "../../devices/device.ts";
import { pstate, setPstate } from "../cpu/exception.ts";
import type { Exit } from "../cpu/exit.ts";
import { Cpu } from "../cpu/interpret/cpu.ts";
import { instructions } from "../cpu/interpret/instructions.ts";
import type { MemoryMap } from "../cpu/memory-map.ts";
import { Offset } from "../cpu/state.ts";
import { slot } from "../cpu/sysreg.ts";

/** Registers other than x0..x30 and the vectors. */
export type OtherRegister = "PC" | "CPSR" | "FPCR" | "FPSR" | "SP_EL0" | "SP_EL1" | HelpedRegister;
export type HelpedRegister = (typeof HELPED)[number];
/** A vCPU's registers, as its backend reaches them. The pair that a read returns is valid until the next one. */
export interface RegisterFile {
  readX(r: number): Uint32Array;
  writeX(r: number, lo: number, hi: number): void;
  readOther(name: OtherRegister): Uint32Array;
  writeOther(name: OtherRegister, lo: number, hi: number): void;
  readVector(q: number, into: Uint8Array): void;
  writeVector(q: number, value: Uint8Array): void;
}

/** What an instruction, or an exception taken in its place, looks at or changes. */
const HELPED = ["SCTLR_EL1", "TCR_EL1", "TTBR0_EL1", "TTBR1_EL1", "MAIR_EL1", "VBAR_EL1", "CPACR_EL1", "ESR_EL1", "FAR_EL1", "ELR_EL1", "SPSR_EL1"] as const;
const STACKS = [["SP_EL0", Offset.SP_EL0 / 4], ["SP_EL1", Offset.SP_EL1 / 4]] as const;
/** PSTATE bits that the interpreter does not know: SSBS, UAO, DIT, TCO. An exception keeps SSBS and DIT. */
const UNKNOWN_PSTATE = 0x0380_1000, KEPT_PSTATE = 0x0100_1000;

export class Helper {
  /** In the middle of an instruction: it met the machine, and waits for the answer. */
  inside = false;
  readonly #file: RegisterFile;
  readonly #memory: MemoryMap;
  readonly #clock: Clock;
  readonly #index: number;
  readonly #vector = new Uint8Array(16);
  #made: Cpu | undefined;
  #loaded = 0;
  constructor(file: RegisterFile, memory: MemoryMap, clock: Clock, index: number) {
    this.#file = file;
    this.#memory = memory;
    this.#clock = clock;
    this.#index = index;
  }
  free(): void { this.#made?.state.memory.free(); }
  /** Made when first needed. */
  get cpu(): Cpu { return this.#made ??= new Cpu({ index: this.#index, memory: this.#memory, clock: this.#clock, instructions, peers: [] }); }

  /** The vCPU's registers into the interpreter. */
  load(): void {
    const { cpu } = this, { x } = cpu, file = this.#file;
    cpu.reset();
    cpu.masked.virtual = true;
    cpu.masked.physical = true;
    for (const name of HELPED) x.set(file.readOther(name), slot[name] / 4);
    for (const [name, at] of STACKS) x.set(file.readOther(name), at);
    for (let r = 0; r < 31; r++) x.set(file.readX(r), 2 * r);
    x.set(file.readOther("PC"), Offset.PC / 4);
    x[Offset.FPCR / 4] = file.readOther("FPCR")[0] as number;
    x[Offset.FPSR / 4] = file.readOther("FPSR")[0] as number;
    for (let q = 0; q < 32; q++) {
      file.readVector(q, this.#vector);
      cpu.state.u8.set(this.#vector, Offset.V + 16 * q);
    }
    this.#loaded = file.readOther("CPSR")[0] as number;
    setPstate(cpu, this.#loaded);
  }
  /** And back, where they changed. `entered`: an exception was taken. */
  #store(entered: boolean): void {
    const { cpu } = this, { x } = cpu, file = this.#file, unknown = this.#loaded & UNKNOWN_PSTATE;
    const differs = (now: Uint32Array, at: number): boolean => now[0] !== (x[at] as number) >>> 0 || now[1] !== (x[at + 1] as number) >>> 0;
    if (entered) x[slot.SPSR_EL1 / 4] = (x[slot.SPSR_EL1 / 4] as number) | unknown;
    const state = (pstate(cpu) | (entered ? unknown & KEPT_PSTATE : unknown)) >>> 0;
    cpu.bankSp();
    for (const [name, at] of [...HELPED.map(name => [name, slot[name] / 4] as const), ...STACKS, ["PC", Offset.PC / 4] as const]) {
      if (differs(file.readOther(name), at)) file.writeOther(name, x[at] as number, x[at + 1] as number);
    }
    for (let r = 0; r < 31; r++) if (differs(file.readX(r), 2 * r)) file.writeX(r, x[2 * r] as number, x[2 * r + 1] as number);
    if (file.readOther("FPSR")[0] !== (x[Offset.FPSR / 4] as number) >>> 0) file.writeOther("FPSR", x[Offset.FPSR / 4] as number, 0);
    for (let q = 0; q < 32; q++) {
      const value = cpu.state.u8.slice(Offset.V + 16 * q, Offset.V + 16 * q + 16);
      file.readVector(q, this.#vector);
      if (Buffer.compare(value, this.#vector) !== 0) file.writeVector(q, value);
    }
    file.writeOther("CPSR", state, 0);
  }

  /** Begins the instruction at PC. As `step`. */
  begin(exit: Exit): boolean {
    this.load();
    this.inside = true;
    return this.step(exit);
  }
  /** Goes on with it. True: it met the machine (again), `exit` says where; false: it is done, and stored. */
  step(exit: Exit): boolean {
    const { cpu } = this, from = cpu.exit;
    const taken = exceptionsTaken(cpu);
    cpu.run(undefined, 1);
    if (from.kind !== "mmio") {
      this.inside = false;
      this.#store(exceptionsTaken(cpu) !== taken);
      return false;
    }
    exit.kind = "mmio";
    exit.gpa = from.gpa;
    exit.size = from.size;
    exit.write = from.write;
    exit.lo = from.lo;
    exit.hi = from.hi;
    exit.register = 31;
    exit.syndromeValid = false;
    exit.signExtend = false;
    exit.sixtyFour = false;
    return true;
  }
  /** Takes an exception that the architecture would take where the vCPU stands, which is loaded already or is now. */
  takeException(take: (cpu: Cpu) => unknown): void {
    if (!this.inside) this.load();
    this.inside = false;
    take(this.cpu);
    this.#store(true);
  }
}

/** Changes when an exception is taken: what one writes last. */
const exceptionsTaken = ({ x }: Cpu): string => [slot.ESR_EL1, slot.ELR_EL1, slot.SPSR_EL1].map(at => `${x[at / 4]} ${x[at / 4 + 1]}`).join();
