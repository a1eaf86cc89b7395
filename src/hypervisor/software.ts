// src/hypervisor/software.ts — the software CPU as a backend: guest RAM in native memory, cores run by the interpreter.
import type { Clock } from "../../devices/device.ts";
import { NativeMemory } from "../../ffi/memory.ts";
import { DEFAULT_FEATURES, type Features } from "../cpu/features.ts";
import { Cpu } from "../cpu/interpret/cpu.ts";
import { instructions } from "../cpu/interpret/instructions.ts";
import { warmUp } from "../cpu/interpret/warm-up.ts";
import { Engine } from "../cpu/translate/engine.ts";
import { Domain, Request } from "../cpu/domain.ts";
import { MemoryMap } from "../cpu/memory-map.ts";
import { Seats } from "../cpu/seats.ts";
import { ExitCode, Failure } from "../failure.ts";
import type { RamWindows, RomBytes, Vcpu, Vm } from "./backend.ts";
import type { RemoteVcpu } from "./mailbox.ts";
import { DomainVcpu, joinDomain, remoteSoftwareVcpu, SharedClock, type SoftwareVcpuMessage } from "./software-thread.ts";
import { SoftwareVcpu } from "./software-vcpu.ts";

/** What executes the instructions: generated code, the interpreter, or the first of them that this host allows. */
export type EngineChoice = "auto" | "translator" | "interpreter";

/** What cores need to run at the same time, in threads. */
export interface SoftwareThreads {
  readonly cpus: number;
  /** Of the host. */
  readonly processors: number;
  /** Starts the thread of a core, which then calls `serveSoftwareVcpu`. */
  readonly thread: (message: SoftwareVcpuMessage) => void;
  /** The machine's doorbell. */
  readonly bell: SharedArrayBuffer;
  readonly clock: SharedClock;
}
/** Makes a VM whose cores have these features and read time from `clock`, on a board with this interrupt controller; in turn, or with `threads` at the same time. */
export function createSoftwareVm(clock: Clock, engine: EngineChoice = "auto", gic: 2 | 3 = 2, threads?: SoftwareThreads, features: Features = DEFAULT_FEATURES): Vm { return new SoftwareVm(clock, engine, gic === 3, threads, features); }
let warm = false;
/** The core behind a vCPU that this backend made: for tests. */
export function coreOf(vcpu: Vcpu): Cpu {
  if (!(vcpu instanceof SoftwareVcpu)) throw new TypeError("a vCPU of another backend");
  return vcpu.core;
}

class SoftwareVm implements Vm {
  readonly backend = "software";
  readonly gic = undefined;
  readonly pmu: boolean;
  readonly concurrent: boolean;
  readonly ownsPower = false;
  engine = "";
  readonly #choice: EngineChoice;
  readonly #clock: Clock;
  readonly #gicv3: boolean;
  readonly #memory: MemoryMap = new MemoryMap();
  readonly #blocks: NativeMemory[] = [];
  /** Every core of the VM: TLB maintenance reaches them all. */
  readonly #peers: Cpu[] = [];
  readonly #threads: SoftwareThreads | undefined;
  readonly #domain: Domain | undefined;
  readonly #seats: SharedArrayBuffer | undefined;
  readonly #remote: RemoteVcpu[] = [];
  readonly #features: Features;
  constructor(clock: Clock, choice: EngineChoice, gicv3: boolean, threads: SoftwareThreads | undefined, features: Features) {
    this.#features = features;
    this.pmu = features.has("PMU");
    this.#threads = threads;
    const seats = threads === undefined || threads.cpus <= threads.processors ? undefined : new Seats(0, { ...threads, ring: () => {} });
    this.#domain = threads === undefined ? undefined : new Domain(threads.cpus, -1, undefined, undefined, seats);
    this.#seats = seats?.shared;
    this.concurrent = threads !== undefined;
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
        this.#domain?.tell(Request.show, gpa / 4096, visible ? 1 : 0, 0); // from within the machine: no core is waited for that waits
        this.#domain?.settle();
      },
    };
  }
  createVcpu(index: number): Vcpu {
    if (index > 0 && this.#threads !== undefined && this.#domain !== undefined) return this.#startThread(index, this.#threads, this.#domain);
    const domain = this.#threads === undefined ? undefined : joinDomain(index, { ...this.#threads, seats: this.#seats }, this.#domain?.shared, () => {}); // this thread wakes itself
    const cpu = new Cpu({ index, memory: this.#memory, clock: this.#clock, instructions, peers: this.#peers, domain, features: this.#features });
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
    return domain === undefined ? new SoftwareVcpu(cpu, this.#gicv3) : new DomainVcpu(cpu, this.#gicv3, domain);
  }
  #startThread(index: number, { cpus, processors, thread, bell, clock }: SoftwareThreads, domain: Domain): RemoteVcpu {
    const vcpu = remoteSoftwareVcpu(index, domain);
    const memory = this.#memory.regions.map(({ base, memory: { pointer }, size, readOnly }) => ({ base, pointer, size, readOnly }));
    const codeLines = this.#memory.codeLines.prepare(this.#memory.views.length);
    thread({ kind: "software vcpu", index, cpus, gicv3: this.#gicv3, processors, seats: this.#seats, mailbox: vcpu.mailbox, bell, domain: domain.shared, clock: clock.shared, frequency: clock.frequency, features: [...this.#features], codeLines, memory });
    vcpu.started();
    this.#remote.push(vcpu);
    this.engine = `translator, ${index + 1} threads`;
    return vcpu;
  }
  memoryWritten(_gpa: number, _size: number): void {} // what was made of it goes with the reset that follows
  destroy(): void {
    for (const one of this.#remote) one.destroy();
    for (const cpu of this.#peers) cpu.state.memory.free();
    for (const block of this.#blocks) block.free();
  }
}
