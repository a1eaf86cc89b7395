// src/hypervisor/backend.ts — the seam between the machine and whatever executes the guest: types only.
// Implementations: software.ts, hvf.ts, kvm.ts. The run loop above it does not know which one it drives.
import type { Exit, TimerName } from "../cpu/exit.ts";
export type { Exit, ExitKind, TimerName } from "../cpu/exit.ts";

/** Guest RAM as the backend made it: consecutive windows of at most 2 GiB, all but the last of that size. */
export interface RamWindows {
  readonly size: number;
  readonly windows: readonly ArrayBuffer[];
  /** Gives the host's whole pages inside of a range back to the host; they read as zero, or as before. Bytes given back. */
  release(offset: number, length: number): number;
}

/** Memory that the guest reads and executes, and whose writes exit as `mmio`. */
export interface RomBytes {
  readonly bytes: Uint8Array;
  /** False: it is not there for the guest, and reads exit too. True at first. */
  show(visible: boolean): void;
}

/** An interrupt controller inside the backend. With one, neither interrupts nor timers nor WFI leave the guest. */
export interface KernelGic {
  readonly version: 2 | 3;
  /** Shared peripheral interrupt `n` (interrupt id 32 + n). */
  setSpi(n: number, level: boolean): void;
  reset(): void;
}

/** Where a machine wants its interrupt controller. */
export interface GicPlaces {
  readonly distributor: number;
  readonly cpuInterface: number;
  readonly redistributor: number;
}

/** A virtual machine: memory and cores. Everything happens in the thread that made it. */
export interface Vm {
  /** Short name for messages: "software". */
  readonly backend: string;
  /** What executes instructions, and why if it is not the best; known once there is a vCPU. */
  readonly engine: string;
  /** Undefined: the machine's own controller drives the lines of the cores. */
  readonly gic: KernelGic | undefined;
  /** The cores have performance monitors. */
  readonly pmu: boolean;
  /** True: every core is a ConcurrentVcpu, or all but one that the machine's thread runs. */
  readonly concurrent: boolean;
  /** True: PSCI is the backend's; it starts and stops cores inside of `run`, and every core is always run. */
  readonly ownsPower: boolean;
  /** Reserves `size` bytes of zeroed memory and maps it at `gpa` (both multiples of 16 KiB). */
  addRam(gpa: number, size: number): RamWindows;
  /** The same for memory that the guest cannot write; before the first vCPU. */
  addRom(gpa: number, size: number): RomBytes;
  createVcpu(index: number): Vcpu;
  /** The host wrote into memory what the guest is going to execute. */
  memoryWritten(gpa: number, size: number): void;
  destroy(): void;
}

/** What the debugger, the tests and Ctrl-A s see of a core. 64-bit values as BigInt: cold paths only. */
export interface Registers {
  readonly x: readonly bigint[];
  readonly sp: bigint;
  readonly pc: bigint;
  /** In the layout of SPSR_EL1. */
  readonly pstate: number;
}

export interface Vcpu {
  readonly index: number;
  /** Why `run` returned. */
  readonly exit: Exit;
  /**
   * Runs the guest until an exit. It leaves with "budget" once the clock has reached `deadline` (ticks) or `limit`
   * instructions were executed (backends that cannot count ignore `limit`); unless `exact`, it may be up to a block short of that.
   */
  run(deadline: number | undefined, limit?: number, exact?: boolean): void;
  /** Answers an `mmio` or `sysreg` read. */
  completeRead(lo: number, hi: number): void;
  /** Answers an `mmio` or `sysreg` write, or steps over an SMC. */
  completeWrite(): void;
  /** Takes an UNDEFINED exception in place of the instruction of a `sysreg` or `call` exit. */
  injectUndefined(): void;
  /** Takes a synchronous external abort in place of the access of an `mmio` exit. */
  injectExternalAbort(): void;
  /** The levels of the core's interrupt inputs. */
  setLines(irq: boolean, fiq: boolean): void;
  /** A core whose input is high leaves WFI. */
  readonly interruptPending: boolean;
  /** The present level of a timer's output. */
  timerLevel(timer: TimerName): boolean;
  /** After a `vtimer` exit the timer stays silent until it is unmasked. */
  unmaskTimer(timer: TimerName): void;
  timerMasked(timer: TimerName): boolean;
  /** Clock tick at which the earliest unmasked timer fires; undefined when none will. */
  timerDue(): number | undefined;
  /** Reset state with PC and X0 given: EL1h, interrupts masked, MMU off. */
  reset(pc: number, x0: number): void;
  /** x0..x3 of a call. */
  argument(index: number): { readonly lo: number; readonly hi: number };
  setArgument(index: number, lo: number, hi: number): void;
  registers(): Registers;
  setRegister(name: string, value: bigint): void;
  /** Value of a system register by its architected name, or undefined. */
  systemRegister(name: string): bigint | undefined;
  /** Instructions executed so far; NaN when the backend does not count. */
  readonly instructions: number;
  /** Grows with what this thread's JavaScript has done inside of `run`, by one for what may leave an object or two behind. */
  readonly churn: number;
  /** BRK leaves the guest with a `debug` exit. */
  debugExits: boolean;
  /** Called for every system register access, when set. */
  onSysreg: ((name: string, write: boolean, lo: number, hi: number) => void) | undefined;
  /** Host address and 32-bit word index of the kick flag, so that other threads can make `run` return. */
  readonly kickAddress: number;
}

/** A core with a thread of its own. Everything but `start` and `finished` brings it out of the guest first. */
export interface ConcurrentVcpu extends Vcpu {
  /** Lets it into the guest and returns at once. */
  start(): void;
  /** True when it has left the guest; `exit` then says why. It rings the machine's doorbell. */
  finished(): boolean;
  /** Makes it leave; its exit stays to be served. */
  bringOut(): void;
  /** Makes it leave if it is there, without waiting. */
  nudge(): void;
  /** Tick from which on it must be nudged: a timer of its own that nobody else watches; undefined: none. */
  readonly outBy: number | undefined;
}
