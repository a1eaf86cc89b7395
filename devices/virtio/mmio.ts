// devices/virtio/mmio.ts — the virtio-mmio transport: registers, the status machine, interrupts.
// Spec: OASIS virtio 1.2, 4.2.2 (register layout, version 2), 2.1 (status), 2.2 (features), 3.1.1 (initialization).
// Rules that the text leaves to the device: a status write may only add bits, in the order of 3.1.1, until a reset; queue
// registers are frozen while the queue is ready and from DRIVER_OK on; what is out of order is ignored and noted.
// Left out: version 1 (legacy), shared memory regions, queue reset (VIRTIO_F_RING_RESET), notification data.
import type { Alarm, Clock, GuestMemory, IrqLine, MmioDevice, Trace } from "../device.ts";
import type { VirtioDevice } from "./device.ts";
import { QUEUE_SIZE_MAX, SplitQueue, type Chain, type QueueState } from "./queue.ts";

/** Register offsets, table 4.1. */
const Reg = {
  /** RO. */ MagicValue: 0x000, /** RO. */ Version: 0x004, /** RO. */ DeviceID: 0x008, /** RO. */ VendorID: 0x00c,
  /** RO. */ DeviceFeatures: 0x010, /** WO. */ DeviceFeaturesSel: 0x014, /** WO. */ DriverFeatures: 0x020, /** WO. */ DriverFeaturesSel: 0x024,
  /** WO. */ QueueSel: 0x030, /** RO. */ QueueNumMax: 0x034, /** WO. */ QueueNum: 0x038, QueueReady: 0x044, /** WO. */ QueueNotify: 0x050,
  /** RO. */ InterruptStatus: 0x060, /** WO, W1C. */ InterruptACK: 0x064, Status: 0x070,
  /** WO. */ QueueDescLow: 0x080, QueueDescHigh: 0x084, QueueDriverLow: 0x090, QueueDriverHigh: 0x094, QueueDeviceLow: 0x0a0, QueueDeviceHigh: 0x0a4,
  /** RO: all ones, there is no shared memory. */ SHMLenLow: 0x0b0, SHMBaseHigh: 0x0bc,
  /** RO. */ ConfigGeneration: 0x0fc, Config: 0x100,
} as const;
const MAGIC = 0x7472_6976;
/** "hv". */
const VENDOR = 0x7668;
const STATUS = { ACKNOWLEDGE: 1, DRIVER: 2, DRIVER_OK: 4, FEATURES_OK: 8, DEVICE_NEEDS_RESET: 64, FAILED: 128 } as const;
const INT = { USED_BUFFER: 1, CONFIG_CHANGE: 2 } as const;
/** Reserved feature bits, ch. 6; the second word counts from bit 32. */
const VIRTIO_F = { INDIRECT_DESC: 1 << 28, EVENT_IDX: 1 << 29 } as const;
const VIRTIO_F_HIGH = { VERSION_1: 1 << 0 } as const;
/** Buffers taken in one go; a driver that keeps adding from another core must not keep the machine from going on. */
const BATCH = 2 * QUEUE_SIZE_MAX;

const reset = () => ({
  status: 0, deviceFeaturesSel: 0, driverFeaturesSel: 0, queueSel: 0,
  driverFeatures: 0, driverFeaturesHigh: 0, /** A bit beyond 63 was accepted. */ driverFeaturesBeyond: false,
  interruptStatus: 0, configGeneration: 0,
});
export type VirtioMmioState = ReturnType<typeof reset> & { queues: QueueState[] };

export interface VirtioMmioWires {
  readonly irq: IrqLine;
  readonly memory: GuestMemory;
  readonly clock: Clock;
  /** Its `fire` is `tick`. */
  readonly alarm: Alarm;
  readonly trace: Trace;
}

export class VirtioMmio implements MmioDevice<VirtioMmioState> {
  #s: ReturnType<typeof reset> = reset();
  readonly #wires: VirtioMmioWires;
  readonly #device: VirtioDevice;
  readonly #queues: readonly SplitQueue[];
  readonly #again: Set<number> = new Set();
  /** The queue being served: what is completed meanwhile is signalled once. -1: none. */
  #serving = -1;

  constructor(wires: VirtioMmioWires, device: VirtioDevice) {
    this.#wires = wires;
    this.#device = device;
    this.#queues = Array.from({ length: device.queues }, () => new SplitQueue(wires.memory));
    device.attach({
      complete: (queue, chain, written) => this.#complete(queue, chain, written),
      completeAll: (queue, chains, written) => this.#completeAll(queue, chains, written),
      proceed: queue => (this.#serving < 0 ? this.#serve(queue) : this.#later(queue)),
      note: what => this.#note(what, 0, 0),
      configChanged: () => this.#configChanged(),
      broken: why => this.#break(why),
    });
  }

  read(offset: number, size: number): number {
    if (offset >= Reg.Config) return this.#readConfig(offset - Reg.Config, size);
    if (size !== 4 || (offset & 3) !== 0) { // 4.2.2.2: the driver uses aligned 32-bit accesses
      this.#note("narrow read of a register", offset, size);
      return 0;
    }
    const s = this.#s;
    switch (offset) {
      case Reg.MagicValue: return MAGIC;
      case Reg.Version: return 2;
      case Reg.DeviceID: return this.#device.id;
      case Reg.VendorID: return VENDOR;
      case Reg.DeviceFeatures: return this.#offered(s.deviceFeaturesSel);
      case Reg.QueueNumMax: return this.#selected === undefined ? 0 : QUEUE_SIZE_MAX;
      case Reg.QueueReady: return this.#selected?.s.ready === true ? 1 : 0;
      case Reg.InterruptStatus: return s.interruptStatus;
      case Reg.Status: return s.status;
      case Reg.ConfigGeneration: return s.configGeneration;
      default:
        if (offset >= Reg.SHMLenLow && offset <= Reg.SHMBaseHigh) return 0xffff_ffff;
        this.#note("read of a write-only or reserved register", offset, 0);
        return 0;
    }
  }

  write(offset: number, size: number, value: number): void {
    if (offset >= Reg.Config) {
      if (this.#device.configure !== undefined && this.#has(STATUS.DRIVER)) return this.#device.configure(offset - Reg.Config, size, value >>> 0);
      return this.#note("write to the configuration space ignored", offset, value);
    }
    if (size !== 4 || (offset & 3) !== 0) return this.#note("narrow write to a register ignored", offset, value);
    const s = this.#s;
    switch (offset) {
      case Reg.DeviceFeaturesSel: s.deviceFeaturesSel = value >>> 0; return;
      case Reg.DriverFeaturesSel: s.driverFeaturesSel = value >>> 0; return;
      case Reg.DriverFeatures: return this.#accept(value >>> 0);
      case Reg.QueueSel: s.queueSel = value >>> 0; return;
      case Reg.QueueNotify: return this.#notified(value >>> 0);
      case Reg.InterruptACK:
        s.interruptStatus &= ~value;
        return this.#drive();
      case Reg.Status: return this.#setStatus(value >>> 0);
      case Reg.QueueReady: return this.#setReady(value >>> 0);
      case Reg.QueueNum: return this.#configure(offset, queue => { queue.size = value >>> 0; });
      case Reg.QueueDescLow: return this.#configure(offset, queue => { queue.descLo = value >>> 0; });
      case Reg.QueueDescHigh: return this.#configure(offset, queue => { queue.descHi = value >>> 0; });
      case Reg.QueueDriverLow: return this.#configure(offset, queue => { queue.driverLo = value >>> 0; });
      case Reg.QueueDriverHigh: return this.#configure(offset, queue => { queue.driverHi = value >>> 0; });
      case Reg.QueueDeviceLow: return this.#configure(offset, queue => { queue.deviceLo = value >>> 0; });
      case Reg.QueueDeviceHigh: return this.#configure(offset, queue => { queue.deviceHi = value >>> 0; });
      default: this.#note("write ignored", offset, value);
    }
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
    this.#device.reset();
    this.#drive();
  }
  /** Complete when no buffer is in flight. */
  snapshot(): VirtioMmioState { return structuredClone({ ...this.#s, queues: this.#queues.map(queue => queue.s) }); }
  restore(state: VirtioMmioState): void {
    const { queues, ...own } = structuredClone(state);
    this.#s = own;
    this.#again.clear();
    this.#device.reset();
    if (this.#has(STATUS.FEATURES_OK)) this.#device.negotiated(this.#s.driverFeatures & this.#device.features);
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

  get #selected(): SplitQueue | undefined { return this.#queues[this.#s.queueSel]; }
  get #ringFeatures(): { eventIndex: boolean; indirect: boolean } {
    const { driverFeatures } = this.#s;
    return { eventIndex: (driverFeatures & VIRTIO_F.EVENT_IDX) !== 0, indirect: (driverFeatures & VIRTIO_F.INDIRECT_DESC) !== 0 };
  }
  #has(bits: number): boolean { return (this.#s.status & bits) === bits; }
  #note(what: string, offset: number, value: number): void { this.#wires.trace.note(`virtio-${this.#device.name}`, what, offset, value); }

  #offered(word: number): number {
    if (word === 0) return (this.#device.features | VIRTIO_F.INDIRECT_DESC | VIRTIO_F.EVENT_IDX) >>> 0;
    return word === 1 ? VIRTIO_F_HIGH.VERSION_1 : 0;
  }
  #accept(value: number): void {
    const s = this.#s;
    if (this.#has(STATUS.FEATURES_OK)) return this.#note("features are frozen by FEATURES_OK", Reg.DriverFeatures, value);
    if (s.driverFeaturesSel === 0) s.driverFeatures = value;
    else if (s.driverFeaturesSel === 1) s.driverFeaturesHigh = value;
    else if (value !== 0) s.driverFeaturesBeyond = true;
  }
  get #featuresHold(): boolean {
    const s = this.#s;
    return (s.driverFeatures & ~this.#offered(0)) === 0 && s.driverFeaturesHigh === VIRTIO_F_HIGH.VERSION_1 && !s.driverFeaturesBeyond;
  }

  #setStatus(value: number): void {
    const s = this.#s;
    if (value === 0) return this.reset();
    const own = s.status & ~STATUS.DEVICE_NEEDS_RESET;
    if ((value & own) !== own) return this.#note("a status bit can only be cleared by a reset", Reg.Status, value);
    s.status |= value & STATUS.FAILED;
    for (const [bit, before] of ORDER) {
      if ((value & bit) === 0 || this.#has(bit)) continue;
      if (!this.#has(before)) { this.#note("status out of order", Reg.Status, value); continue; }
      if (bit === STATUS.FEATURES_OK) {
        if (!this.#featuresHold) { this.#note("these features cannot be had", Reg.Status, s.driverFeatures); continue; }
        this.#device.negotiated(s.driverFeatures & this.#device.features);
      }
      s.status |= bit;
      // what was made available before, too early to be told of: Linux' balloon does that
      if (bit === STATUS.DRIVER_OK) this.#queues.forEach((queue, i) => { if (queue.pending) this.#later(i); });
    }
  }

  #configure(offset: number, set: (state: QueueState) => void): void {
    const queue = this.#selected;
    if (queue === undefined) return this.#note("there is no such queue", offset, this.#s.queueSel);
    if (queue.s.ready || this.#has(STATUS.DRIVER_OK)) return this.#note("queue registers are frozen", offset, this.#s.queueSel);
    set(queue.s);
  }
  #setReady(value: number): void {
    const queue = this.#selected;
    if (queue === undefined) return this.#note("there is no such queue", Reg.QueueReady, this.#s.queueSel);
    if ((value & 1) === 0) return queue.s.ready ? queue.stop() : undefined; // for good, once DRIVER_OK is set
    if (queue.s.ready || this.#has(STATUS.DRIVER_OK) || !this.#has(STATUS.FEATURES_OK)) return this.#note("a queue is made ready between FEATURES_OK and DRIVER_OK", Reg.QueueReady, value);
    if (!queue.start(this.#ringFeatures)) this.#note("a queue with this size and these addresses cannot be", Reg.QueueReady, this.#s.queueSel);
  }

  #notified(index: number): void {
    if (index >= this.#queues.length) return this.#note("notification of a queue that is not there", Reg.QueueNotify, index);
    if (!this.#has(STATUS.DRIVER_OK)) return this.#note("notification before DRIVER_OK", Reg.QueueNotify, index);
    this.#serve(index);
  }
  #serve(index: number): void {
    const queue = this.#queues[index];
    if (queue === undefined || this.#serving >= 0 || !this.#has(STATUS.DRIVER_OK) || (this.#s.status & (STATUS.DEVICE_NEEDS_RESET | STATUS.FAILED)) !== 0) return;
    this.#serving = index;
    this.#device.process(index, queue, BATCH);
    this.#serving = -1;
    if (queue.broken !== undefined) this.#break(queue.broken);
    else if (queue.inFlight < queue.s.size && this.#device.idle?.(index) !== true && queue.pending) this.#later(index);
    this.#signal(queue);
  }
  #later(index: number): void {
    this.#again.add(index);
    this.#wires.alarm.set(this.#wires.clock.ticks());
  }
  #complete(index: number, chain: Chain, written: number): void {
    const queue = this.#queues[index];
    if (queue === undefined || !queue.push(chain, written)) return;
    if (this.#serving !== index) this.#signal(queue);
  }
  #completeAll(index: number, chains: readonly Chain[], written: readonly number[]): void {
    const queue = this.#queues[index];
    if (queue === undefined || !queue.pushAll(chains, written)) return;
    if (this.#serving !== index) this.#signal(queue);
  }
  #signal(queue: SplitQueue): void {
    if (!queue.takeSignal()) return;
    this.#s.interruptStatus |= INT.USED_BUFFER;
    this.#drive();
  }
  #break(why: string): void {
    if (this.#has(STATUS.DEVICE_NEEDS_RESET)) return;
    this.#note(`needs a reset: ${why}`, 0, 0);
    this.#s.status |= STATUS.DEVICE_NEEDS_RESET;
    if (!this.#has(STATUS.DRIVER_OK)) return; // 2.1.2: only then is the driver told
    this.#s.interruptStatus |= INT.CONFIG_CHANGE;
    this.#drive();
  }
  #configChanged(): void {
    this.#s.configGeneration = (this.#s.configGeneration + 1) >>> 0;
    if (!this.#has(STATUS.DRIVER_OK)) return;
    this.#s.interruptStatus |= INT.CONFIG_CHANGE;
    this.#drive();
  }
  #readConfig(at: number, size: number): number {
    const { config } = this.#device;
    let value = 0;
    for (let i = 0; i < size; i++) value += (config[at + i] ?? 0) * 2 ** (8 * i);
    return value;
  }
  #drive(): void { this.#wires.irq.set(this.#s.interruptStatus !== 0); }
}
/** Status bits that a driver sets, in the order of 3.1.1, and what has to be set before. U-Boot leaves ACKNOWLEDGE out. */
const ORDER: readonly (readonly [number, number])[] = [
  [STATUS.ACKNOWLEDGE, 0], [STATUS.DRIVER, 0], [STATUS.FEATURES_OK, STATUS.DRIVER], [STATUS.DRIVER_OK, STATUS.FEATURES_OK],
];

/** A slot without a device: 4.2.3.1.1, a driver goes no further than DeviceID. */
export class EmptySlot implements MmioDevice<Record<string, never>> {
  read(offset: number, size: number): number {
    if (size !== 4) return 0;
    return offset === Reg.MagicValue ? MAGIC : offset === Reg.Version ? 2 : offset === Reg.VendorID ? VENDOR : 0;
  }
  write(): void {}
  reset(): void {}
  snapshot(): Record<string, never> { return {}; }
  restore(): void {}
}
