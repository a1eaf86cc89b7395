// devices/virtio/core.ts — what every virtio transport does alike: the status machine, features, queues and who is served.
// Spec: OASIS virtio 1.2, 2.1 (status), 2.2 (features), 2.6 (queues), 3.1.1 (initialization).
// Rules that the text leaves to the device: a status write may only add bits, in the order of 3.1.1, until a reset; queue
// registers are frozen while the queue is ready and from DRIVER_OK on; what is out of order is ignored and noted.
// Left out: queue reset (VIRTIO_F_RING_RESET), notification data, shared memory regions.
import type { Alarm, Clock, GuestMemory, Trace } from "../device.ts";
import type { VirtioDevice } from "./device.ts";
import { QUEUE_SIZE_MAX, SplitQueue, type Chain, type QueueState } from "./queue.ts";

export const STATUS = { ACKNOWLEDGE: 1, DRIVER: 2, DRIVER_OK: 4, FEATURES_OK: 8, DEVICE_NEEDS_RESET: 64, FAILED: 128 } as const;
/** Reserved feature bits, ch. 6; the second word counts from bit 32. */
const VIRTIO_F = { INDIRECT_DESC: 1 << 28, EVENT_IDX: 1 << 29 } as const;
const VIRTIO_F_HIGH = { VERSION_1: 1 << 0 } as const;
/** Buffers taken in one go; a driver that keeps adding from another core must not keep the machine from going on. */
const BATCH = 2 * QUEUE_SIZE_MAX;

const reset = () => ({
  status: 0, driverFeatures: 0, driverFeaturesHigh: 0, /** A bit beyond 63 was accepted. */ driverFeaturesBeyond: false, configGeneration: 0,
});
export type VirtioCoreState = ReturnType<typeof reset> & { queues: QueueState[] };

export interface VirtioCoreWires {
  readonly memory: GuestMemory;
  readonly clock: Clock;
  /** Its `fire` is `tick`. */
  readonly alarm: Alarm;
  readonly trace: Trace;
  /** Tells the driver that a queue has used buffers. */
  readonly usedBuffers: (queue: number) => void;
  /** Tells the driver that the configuration changed, or that the device needs a reset. */
  readonly configChange: () => void;
}

export class VirtioCore {
  #s: ReturnType<typeof reset> = reset();
  readonly #wires: VirtioCoreWires;
  readonly device: VirtioDevice;
  readonly #queues: readonly SplitQueue[];
  readonly #again: Set<number> = new Set();
  /** The queue being served: what is completed meanwhile is signalled once. -1: none. */
  #serving = -1;

  constructor(wires: VirtioCoreWires, device: VirtioDevice) {
    this.#wires = wires;
    this.device = device;
    this.#queues = Array.from({ length: device.queues }, () => new SplitQueue(wires.memory));
    device.attach({
      complete: (queue, chain, written) => this.#complete(queue, chain, written),
      completeAll: (queue, chains, written) => this.#completeAll(queue, chains, written),
      proceed: queue => (this.#serving < 0 ? this.#serve(queue) : this.#later(queue)),
      proceedAt: (queue, due) => {
        if (this.#again.size === 0) wires.alarm.set(due);
        this.#again.add(queue);
      },
      clock: wires.clock,
      note: what => this.note(what, 0, 0),
      configChanged: () => this.#configChanged(),
      broken: why => this.#break(why),
    });
  }

  get status(): number { return this.#s.status; }
  get configGeneration(): number { return this.#s.configGeneration; }
  /** The queue of a selector, or undefined. */
  queue(index: number): SplitQueue | undefined { return this.#queues[index]; }
  get #ringFeatures(): { eventIndex: boolean; indirect: boolean } {
    const { driverFeatures } = this.#s;
    return { eventIndex: (driverFeatures & VIRTIO_F.EVENT_IDX) !== 0, indirect: (driverFeatures & VIRTIO_F.INDIRECT_DESC) !== 0 };
  }
  #has(bits: number): boolean { return (this.#s.status & bits) === bits; }
  /** Something that a developer may want to see, under the device's name. */
  note(what: string, offset: number, value: number): void { this.#wires.trace.note(`virtio-${this.device.name}`, what, offset, value); }

  /** Word `word` of the features offered. */
  offered(word: number): number {
    if (word === 0) return (this.device.features | VIRTIO_F.INDIRECT_DESC | VIRTIO_F.EVENT_IDX) >>> 0;
    return word === 1 ? VIRTIO_F_HIGH.VERSION_1 : 0;
  }
  /** Word `word` of the features that the driver takes, as written. */
  accepted(word: number): number { return word === 0 ? this.#s.driverFeatures >>> 0 : word === 1 ? this.#s.driverFeaturesHigh >>> 0 : 0; }
  accept(word: number, value: number): void {
    const s = this.#s;
    if (this.#has(STATUS.FEATURES_OK)) return this.note("features are frozen by FEATURES_OK", 0, value);
    if (word === 0) s.driverFeatures = value;
    else if (word === 1) s.driverFeaturesHigh = value;
    else if (value !== 0) s.driverFeaturesBeyond = true;
  }
  get #featuresHold(): boolean {
    const s = this.#s;
    return (s.driverFeatures & ~this.offered(0)) === 0 && s.driverFeaturesHigh === VIRTIO_F_HIGH.VERSION_1 && !s.driverFeaturesBeyond;
  }

  /** A status that the driver writes; not 0, which is the transport's reset. */
  setStatus(value: number): void {
    const s = this.#s;
    const own = s.status & ~STATUS.DEVICE_NEEDS_RESET;
    if ((value & own) !== own) return this.note("a status bit can only be cleared by a reset", 0, value);
    s.status |= value & STATUS.FAILED;
    for (const [bit, before] of ORDER) {
      if ((value & bit) === 0 || this.#has(bit)) continue;
      if (!this.#has(before)) { this.note("status out of order", 0, value); continue; }
      if (bit === STATUS.FEATURES_OK) {
        if (!this.#featuresHold) { this.note("these features cannot be had", 0, s.driverFeatures); continue; }
        this.device.negotiated(s.driverFeatures & this.device.features);
      }
      s.status |= bit;
      // what was made available before, too early to be told of: Linux' balloon does that
      if (bit === STATUS.DRIVER_OK) this.#queues.forEach((queue, i) => { if (queue.pending) this.#later(i); });
    }
  }

  /** Changes what the driver configures of a queue. */
  configure(index: number, set: (state: QueueState) => void): void {
    const queue = this.#queues[index];
    if (queue === undefined) return this.note("there is no such queue", 0, index);
    if (queue.s.ready || this.#has(STATUS.DRIVER_OK)) return this.note("queue registers are frozen", 0, index);
    set(queue.s);
  }
  setReady(index: number, ready: boolean): void {
    const queue = this.#queues[index];
    if (queue === undefined) return this.note("there is no such queue", 0, index);
    if (!ready) { // for good, once DRIVER_OK is set
      if (!queue.s.ready) return;
      queue.stop();
      return this.device.settle?.();
    }
    if (queue.s.ready || this.#has(STATUS.DRIVER_OK) || !this.#has(STATUS.FEATURES_OK)) return this.note("a queue is made ready between FEATURES_OK and DRIVER_OK", 0, index);
    if (!queue.start(this.#ringFeatures)) this.note("a queue with this size and these addresses cannot be", 0, index);
  }
  /** The driver says that buffers are available. */
  notified(index: number): void {
    if (index >= this.#queues.length) return this.note("notification of a queue that is not there", 0, index);
    if (!this.#has(STATUS.DRIVER_OK)) return this.note("notification before DRIVER_OK", 0, index);
    this.#serve(index);
  }

  /** An access of 1, 2 or 4 bytes to the configuration space; zero beyond its end. */
  readConfig(at: number, size: number): number {
    const { config } = this.device;
    let value = 0;
    for (let i = 0; i < size; i++) value += (config[at + i] ?? 0) * 2 ** (8 * i);
    return value;
  }
  writeConfig(at: number, size: number, value: number): void {
    if (this.device.configure !== undefined && (this.device.configuredEarly === true || this.#has(STATUS.DRIVER))) this.device.configure(at, size, value >>> 0);
    else this.note("write to the configuration space ignored", at, value);
  }

  /** The alarm's `fire`: goes on with queues that had more than one batch. */
  tick(): void {
    const queues = [...this.#again];
    this.#again.clear();
    for (const index of queues) this.#serve(index);
  }
  reset(): void {
    this.#s = reset();
    this.#again.clear();
    this.#wires.alarm.set(undefined);
    for (const queue of this.#queues) queue.reset();
    this.device.settle?.();
    this.device.reset();
  }
  /** Complete when no buffer is in flight. */
  snapshot(): VirtioCoreState { return structuredClone({ ...this.#s, queues: this.#queues.map(queue => queue.s) }); }
  restore(state: VirtioCoreState): void {
    const { status, driverFeatures, driverFeaturesHigh, driverFeaturesBeyond, configGeneration, queues } = structuredClone(state);
    this.#s = { status, driverFeatures, driverFeaturesHigh, driverFeaturesBeyond, configGeneration };
    this.#again.clear();
    this.device.reset();
    if (this.#has(STATUS.FEATURES_OK)) this.device.negotiated(driverFeatures & this.device.features);
    this.#queues.forEach((queue, i) => {
      const saved = queues[i];
      queue.reset();
      if (saved === undefined) return;
      queue.s = { ...saved, ready: false };
      // what was saved is checked as what a driver writes
      if (saved.ready && !queue.start(this.#ringFeatures)) this.#s.status |= STATUS.DEVICE_NEEDS_RESET;
      if (queue.pending) this.#later(i); // a batch may have been left over
    });
  }

  #serve(index: number): void {
    const queue = this.#queues[index];
    if (queue === undefined || this.#serving >= 0 || !this.#has(STATUS.DRIVER_OK) || (this.#s.status & (STATUS.DEVICE_NEEDS_RESET | STATUS.FAILED)) !== 0) return;
    this.#serving = index;
    this.device.process(index, queue, BATCH);
    this.#serving = -1;
    if (queue.broken !== undefined) this.#break(queue.broken);
    else if (queue.inFlight < queue.s.size && this.device.idle?.(index) !== true && queue.pending) this.#later(index);
    this.#signal(index, queue);
  }
  #later(index: number): void {
    this.#again.add(index);
    this.#wires.alarm.set(this.#wires.clock.ticks());
  }
  #complete(index: number, chain: Chain, written: number): void {
    const queue = this.#queues[index];
    if (queue === undefined || !queue.push(chain, written)) return;
    if (this.#serving !== index) this.#signal(index, queue);
  }
  #completeAll(index: number, chains: readonly Chain[], written: readonly number[]): void {
    const queue = this.#queues[index];
    if (queue === undefined || !queue.pushAll(chains, written)) return;
    if (this.#serving !== index) this.#signal(index, queue);
  }
  #signal(index: number, queue: SplitQueue): void { if (queue.takeSignal()) this.#wires.usedBuffers(index); }
  #break(why: string): void {
    if (this.#has(STATUS.DEVICE_NEEDS_RESET)) return;
    this.note(`needs a reset: ${why}`, 0, 0);
    this.#s.status |= STATUS.DEVICE_NEEDS_RESET;
    if (this.#has(STATUS.DRIVER_OK)) this.#wires.configChange(); // 2.1.2: only then is the driver told
  }
  #configChanged(): void {
    this.#s.configGeneration = (this.#s.configGeneration + 1) >>> 0;
    if (this.#has(STATUS.DRIVER_OK)) this.#wires.configChange();
  }
}
/** Status bits that a driver sets, in the order of 3.1.1, and what has to be set before. U-Boot leaves ACKNOWLEDGE out. */
const ORDER: readonly (readonly [number, number])[] = [
  [STATUS.ACKNOWLEDGE, 0], [STATUS.DRIVER, 0], [STATUS.FEATURES_OK, STATUS.DRIVER], [STATUS.DRIVER_OK, STATUS.FEATURES_OK],
];
