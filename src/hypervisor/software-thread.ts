// src/hypervisor/software-thread.ts — cores of the software CPU that run at the same time, on one guest memory, and reach each
// other through a Domain. There are as many threads as cores, but no more than processors: cores that share one take turns, as
// all of them do without threads. (More threads would leave the turns to the host, whose are of several milliseconds: the guest's
// timers would miss ticks.) The machine's thread runs core 0 itself: while that is the only one, as when Linux starts, nothing
// costs more than with one core. The machine changes the interrupt lines of cores in other threads in their
// state, while they run; all else goes through a mailbox, and whoever leaves the guest makes the machine's thread leave it too.
import { yieldProcessor } from "../../ffi/posix.ts";
import { NativeMemory } from "../../ffi/memory.ts";
import { Domain } from "../cpu/domain.ts";
import type { FeatureName } from "../cpu/features.ts";
import { hear } from "../cpu/hear.ts";
import { Cpu } from "../cpu/interpret/cpu.ts";
import { instructions } from "../cpu/interpret/instructions.ts";
import { MemoryMap } from "../cpu/memory-map.ts";
import { Offset } from "../cpu/state.ts";
import { Engine } from "../cpu/translate/engine.ts";
import { HostClock } from "./host-clock.ts";
import { RemoteVcpu, serveVcpus, type OwnedVcpu } from "./mailbox.ts";
import { SoftwareVcpu } from "./software-vcpu.ts";
import { turnEnd } from "../turns.ts";

/** Which thread runs a core; 0: the machine's. */
export const threadOf = (core: number, threads: number): number => core % threads;
/** How many threads there are: two at least, or nothing would run at the same time. */
export const threadsFor = (cpus: number, processors: number): number => Math.min(cpus, Math.max(2, processors));

/** What a thread of cores is started with. */
export interface SoftwareVcpuMessage {
  readonly kind: "software vcpu";
  /** Its cores, and what it sleeps on. */
  readonly cores: readonly { readonly index: number; readonly mailbox: SharedArrayBuffer }[];
  readonly rung: SharedArrayBuffer;
  readonly cpus: number;
  readonly threads: number;
  readonly gicv3: boolean;
  /** There are more threads than processors. */
  readonly crowded: boolean;
  readonly bell: SharedArrayBuffer;
  readonly domain: SharedArrayBuffer;
  readonly clock: SharedArrayBuffer;
  /** Of the clock. */
  readonly frequency: number;
  readonly features: readonly FeatureName[];
  /** Host address of the bytes of CodeLines. */
  readonly codeLines: number;
  readonly memory: readonly { readonly base: number; readonly pointer: number; readonly size: number; readonly readOnly: boolean }[];
}
/** The life of that thread. `garbage` is told after every turn what may have left some. */
export function serveSoftwareVcpus(message: SoftwareVcpuMessage, garbage: { look(churn: number): void }): void {
  const memory = new MemoryMap(), peers: Cpu[] = [], vcpus: ThreadVcpu[] = [], clock = new HostClock(message.frequency, message.clock);
  for (const { base, pointer, size, readOnly } of message.memory) memory.add(base, NativeMemory.at(pointer, size), size, readOnly);
  memory.codeLines.share(message.codeLines, memory.views.length);
  const toMachine = new Domain(message.cpus, -1, message.domain);
  serveVcpus(message.cores.map(({ index, mailbox }) => ({ mailbox, make: () => {
    const domain = new Domain(message.cpus, index, message.domain, message.crowded ? yieldProcessor : undefined, message.threads);
    const cpu = new Cpu({ index, memory, clock, instructions, peers, domain, features: new Set(message.features) });
    peers.push(cpu);
    cpu.engine = Engine.create(cpu);
    if (cpu.engine === undefined) throw new Error("this host refuses generated code to a second thread");
    const vcpu = new ThreadVcpu(cpu, message.gicv3, domain);
    vcpus.push(vcpu);
    return vcpu;
  } })), new Int32Array(message.rung), new Int32Array(message.bell), {
    end: n => turnEnd(clock, n),
    ring: () => toMachine.kickMachine(),
    over: () => garbage.look(vcpus.reduce((sum, one) => sum + one.churn, 0)),
  });
}

/** A core among others that run at the same time. */
class DomainVcpu extends SoftwareVcpu {
  protected readonly domain: Domain;
  constructor(cpu: Cpu, gicv3: boolean, domain: Domain) {
    super(cpu, gicv3);
    this.domain = domain;
    domain.join({ hear: (request, lo, hi, page) => hear(cpu, request, lo, hi, page) }, cpu.state.memory);
  }
  override run(deadline: number | undefined, limit?: number): void {
    this.domain.enter();
    try {
      super.run(deadline, limit, false);
    } finally {
      this.domain.leave();
    }
  }
}

/** One in another thread than the machine's. */
class ThreadVcpu extends DomainVcpu implements OwnedVcpu {
  readonly id = 0;
  /** They are the machine's to write. */
  override setLines(): void {}
  destroy(): void { this.core.state.memory.free(); }
}
/** One in the machine's. */
export class OwnVcpu extends DomainVcpu {
  override run(deadline: number | undefined, limit?: number): void {
    this.domain.here();
    super.run(deadline, limit);
  }
}

/** The machine's side of a core in a thread. */
export function remoteSoftwareVcpu(index: number, domain: Domain, rung: SharedArrayBuffer): RemoteVcpu {
  return new RemoteVcpu(index, () => domain.kick(index), lines => {
    const state = domain.stateOf(index);
    if (state !== undefined) Atomics.store(state, Offset.LINES / 4, lines);
    if (lines !== 0) domain.poke(index);
  }, rung);
}
