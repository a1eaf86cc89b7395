// src/hypervisor/software-thread.ts — cores of the software CPU that run at the same time, on one guest memory, and reach each
// other through a Domain. The machine's thread runs core 0 itself: while that is the only one, as when Linux starts, nothing
// costs more than with one core. Each of the others has a thread. The machine changes their interrupt lines in their
// state, while they run; all else goes through a mailbox, and whoever leaves the guest makes core 0 leave it too.
import type { Clock } from "../../devices/device.ts";
import { monotonic } from "../../ffi/kvm.ts";
import { yieldProcessor } from "../../ffi/posix.ts";
import { NativeMemory } from "../../ffi/memory.ts";
import { Domain } from "../cpu/domain.ts";
import type { FeatureName } from "../cpu/features.ts";
import { hear } from "../cpu/hear.ts";
import { Cpu } from "../cpu/interpret/cpu.ts";
import { instructions } from "../cpu/interpret/instructions.ts";
import { MemoryMap } from "../cpu/memory-map.ts";
import { Seats } from "../cpu/seats.ts";
import { Offset } from "../cpu/state.ts";
import { Engine } from "../cpu/translate/engine.ts";
import { RemoteVcpu, serveVcpu, type OwnedVcpu } from "./mailbox.ts";
import { SoftwareVcpu } from "./software-vcpu.ts";

/** Doubles: the host's time at tick 0; the time at which the clock was stopped, or 0. */
const ORIGIN = 0, STOPPED = 1;
/** The machine's clock on the host's monotonic time, the same in every thread to the nanosecond: no core sees another's past. */
export class SharedClock implements Clock {
  readonly frequency: number;
  readonly shared: SharedArrayBuffer;
  readonly #times: Float64Array;
  /** `frequency`: ticks a second. */
  constructor(frequency: number, shared?: SharedArrayBuffer) {
    this.frequency = frequency;
    this.shared = shared ?? new SharedArrayBuffer(16);
    this.#times = new Float64Array(this.shared);
    if (shared === undefined) this.#times[ORIGIN] = monotonic();
  }
  ticks(): number {
    const stopped = this.#times[STOPPED] as number;
    return Math.floor(((stopped !== 0 ? stopped : monotonic()) - (this.#times[ORIGIN] as number)) * this.frequency / 1e9);
  }
  wallSeconds(): number { return Math.floor(Date.now() / 1000); }
  pause(): void { if (this.#times[STOPPED] === 0) this.#times[STOPPED] = monotonic(); }
  resume(): void {
    const stopped = this.#times[STOPPED] as number;
    if (stopped === 0) return;
    this.#times[ORIGIN] = (this.#times[ORIGIN] as number) + monotonic() - stopped;
    this.#times[STOPPED] = 0;
  }
  millisecondsUntil(tick: number): number { return Math.max(0, (tick - this.ticks()) * 1000 / this.frequency); }
}

/** What the thread of a core is started with. */
export interface SoftwareVcpuMessage {
  readonly kind: "software vcpu";
  readonly index: number;
  readonly cpus: number;
  readonly gicv3: boolean;
  /** The host's processors, and, if there are more cores, their seats. */
  readonly processors: number;
  readonly seats: SharedArrayBuffer | undefined;
  readonly mailbox: SharedArrayBuffer;
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
/** A core's way to the others. `ring`: it is the turn of core 0, in the machine's thread. */
export function joinDomain(index: number, { cpus, processors, seats }: { readonly cpus: number; readonly processors: number; readonly seats: SharedArrayBuffer | undefined }, shared: SharedArrayBuffer | undefined, ring: () => void): Domain {
  if (seats === undefined) return new Domain(cpus, index, shared);
  return new Domain(cpus, index, shared, yieldProcessor, new Seats(index, { cpus, processors, ring }, seats));
}
/** The life of that thread. `garbage` is told after every run what may have left some. */
export function serveSoftwareVcpu(message: SoftwareVcpuMessage, garbage: { look(churn: number): void }): void {
  const bell = new Int32Array(message.bell), domain = joinDomain(message.index, message, message.domain, () => {
    Atomics.add(bell, 0, 1);
    Atomics.notify(bell, 0);
  });
  serveVcpu(message.mailbox, bell, () => {
    const memory = new MemoryMap(), peers: Cpu[] = [];
    for (const { base, pointer, size, readOnly } of message.memory) memory.add(base, NativeMemory.at(pointer, size), size, readOnly);
    memory.codeLines.share(message.codeLines, memory.views.length);
    const cpu = new Cpu({ index: message.index, memory, clock: new SharedClock(message.frequency, message.clock), instructions, peers, domain, features: new Set(message.features) });
    peers.push(cpu);
    cpu.engine = Engine.create(cpu);
    if (cpu.engine === undefined) throw new Error("this host refuses generated code to a second thread");
    return new ThreadVcpu(cpu, message.gicv3, domain, garbage);
  }, () => domain.kick(0)); // which the machine's thread may be running
}

/** A core among others that run at the same time. */
export class DomainVcpu extends SoftwareVcpu {
  readonly #domain: Domain;
  constructor(cpu: Cpu, gicv3: boolean, domain: Domain) {
    super(cpu, gicv3);
    this.#domain = domain;
    domain.join({ hear: (request, lo, hi, page) => hear(cpu, request, lo, hi, page) }, cpu.state.memory);
  }
  override run(deadline: number | undefined, limit?: number): void {
    if (!this.#domain.sit()) {
      this.exit.kind = this.index === 0 ? "turn" : "canceled";
      return;
    }
    this.#domain.enter();
    try {
      super.run(deadline, limit, false);
    } finally {
      this.#domain.leave();
    }
    if (this.exit.kind === "turn") this.rest();
  }
  rest(): void { this.#domain.stand(); }
}

/** One in a thread of its own. */
class ThreadVcpu extends DomainVcpu implements OwnedVcpu {
  readonly id = 0;
  readonly #garbage: { look(churn: number): void };
  constructor(cpu: Cpu, gicv3: boolean, domain: Domain, garbage: { look(churn: number): void }) {
    super(cpu, gicv3, domain);
    this.#garbage = garbage;
  }
  override run(deadline: number | undefined): void {
    super.run(deadline);
    this.#garbage.look(this.churn);
  }
  /** They are the machine's to write. */
  override setLines(): void {}
  destroy(): void { this.core.state.memory.free(); }
}

/** The machine's side of a core in a thread. */
export function remoteSoftwareVcpu(index: number, domain: Domain): RemoteVcpu {
  return new RemoteVcpu(index, () => domain.kick(index), lines => {
    const state = domain.stateOf(index);
    if (state !== undefined) Atomics.store(state, Offset.LINES / 4, lines);
    if (lines !== 0) domain.poke(index);
  });
}
