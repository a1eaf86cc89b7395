// src/hypervisor/software.ts — the software CPU as a backend: guest RAM in native memory, cores run by the interpreter.
import type { Clock } from "../../devices/device.ts";
import { yieldProcessor } from "../../ffi/posix.ts";
import { NativeMemory } from "../../ffi/memory.ts";
import { DEFAULT_FEATURES, type Features } from "../cpu/features.ts";
import { Cpu } from "../cpu/interpret/cpu.ts";
import { instructions } from "../cpu/interpret/instructions.ts";
import { warmUp } from "../cpu/interpret/warm-up.ts";
import { Engine } from "../cpu/translate/engine.ts";
import { Domain, Request } from "../cpu/domain.ts";
import { MemoryMap } from "../cpu/memory-map.ts";
import { ExitCode, Failure } from "../failure.ts";
import type { RamWindows, RomBytes, Vcpu, Vm } from "./backend.ts";
import type { RemoteVcpu } from "./mailbox.ts";
import type { HostClock } from "./host-clock.ts";
import { OwnVcpu, remoteSoftwareVcpu, threadOf, threadsFor, type SoftwareVcpuMessage } from "./software-thread.ts";
import { SoftwareVcpu } from "./software-vcpu.ts";

/** What executes the instructions: generated code, the interpreter, or the first of them that this host allows. */
export type EngineChoice = "auto" | "translator" | "interpreter";

/** What cores need to run at the same time, in threads. */
export interface SoftwareThreads {
  readonly cpus: number;
  /** Of the host. */
  readonly processors: number;
  /** Starts a thread of cores, which then calls `serveSoftwareVcpus`. */
  readonly thread: (message: SoftwareVcpuMessage) => void;
  /** The machine's doorbell. */
  readonly bell: SharedArrayBuffer;
  readonly clock: HostClock;
}
/** Makes a VM whose cores have these features and read time from `clock`, on a board with this interrupt controller; in turn, or with `threads` at the same time. */
export function createSoftwareVm(clock: Clock, engine: EngineChoice = "auto", gic: 2 | 3 = 2, threads?: SoftwareThreads, features: Features = DEFAULT_FEATURES): Vm { return new SoftwareVm(clock, engine, gic === 3, threads, features); }
let warm = false;
/** The core behind a vCPU that this backend made: for tests. */
export function coreOf(vcpu: Vcpu): Cpu {
  if (!(vcpu instanceof SoftwareVcpu)) throw new TypeError("a vCPU of another backend");
  return vcpu.core;
}

const crowded = ({ cpus, processors }: SoftwareThreads): boolean => threadsFor(cpus, processors) > processors;

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
  /** Those in other threads, by index. */
  readonly #remote = new Map<number, RemoteVcpu>();
  readonly #features: Features;
  constructor(clock: Clock, choice: EngineChoice, gicv3: boolean, threads: SoftwareThreads | undefined, features: Features) {
    this.#features = features;
    this.pmu = features.has("PMU");
    this.#threads = threads;
    this.#domain = threads === undefined ? undefined : new Domain(threads.cpus);
    this.concurrent = threads !== undefined;
    this.#clock = clock;
    this.#gicv3 = gicv3;
    this.#choice = choice;
  }

  addRam(gpa: number, size: number): RamWindows {
    const memory = NativeMemory.allocate(size);
    memory.preferLargePages();
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
    const threads = this.#threads, shared = this.#domain;
    if (threads !== undefined && shared !== undefined && threadOf(index, threadsFor(threads.cpus, threads.processors)) !== 0) return this.#remoteVcpu(index, threads, shared);
    const domain = threads === undefined ? undefined : new Domain(threads.cpus, index, shared?.shared, crowded(threads) ? yieldProcessor : undefined, threadsFor(threads.cpus, threads.processors));
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
    return domain === undefined ? new SoftwareVcpu(cpu, this.#gicv3) : new OwnVcpu(cpu, this.#gicv3, domain);
  }
  #remoteVcpu(index: number, threads: SoftwareThreads, domain: Domain): RemoteVcpu {
    if (!this.#remote.has(index)) this.#startThread(index, threads, domain);
    const vcpu = this.#remote.get(index) as RemoteVcpu;
    vcpu.started();
    return vcpu;
  }
  /** Starts the thread whose first core this is, for all of its cores. */
  #startThread(first: number, threads: SoftwareThreads, domain: Domain): void {
    const { cpus, processors, thread, bell, clock } = threads, count = threadsFor(cpus, processors), rung = new SharedArrayBuffer(4), cores = [];
    for (let index = first; index < cpus; index += count) {
      const vcpu = remoteSoftwareVcpu(index, domain, rung);
      this.#remote.set(index, vcpu);
      cores.push({ index, mailbox: vcpu.mailbox });
    }
    const memory = this.#memory.regions.map(({ base, memory: { pointer }, size, readOnly }) => ({ base, pointer, size, readOnly }));
    const codeLines = this.#memory.codeLines.prepare(this.#memory.views.length);
    thread({ kind: "software vcpu", cores, rung, cpus, threads: count, gicv3: this.#gicv3, crowded: crowded(threads), bell, domain: domain.shared, clock: clock.shared, frequency: clock.frequency, features: [...this.#features], codeLines, memory });
    this.engine = `translator, ${count} threads`;
  }
  memoryWritten(_gpa: number, _size: number): void {} // what was made of it goes with the reset that follows
  destroy(): void {
    for (const one of this.#remote.values()) one.destroy();
    for (const cpu of this.#peers) cpu.state.memory.free();
    for (const block of this.#blocks) block.free();
  }
}
