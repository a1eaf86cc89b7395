// test/support/virtio-driver.ts — the driver's side of virtio-mmio and of a split queue, honest by default: a test breaks
// what it wants broken by writing registers or guest memory itself.
import type { GuestMemory, MmioDevice } from "../../devices/device.ts";
import type { VirtioDevice } from "../../devices/virtio/device.ts";
import { VirtioMmio } from "../../devices/virtio/mmio.ts";
import { CountedTrace, HandAlarm, HandClock, RecordedLine } from "../devices/wires.ts";

export const Reg = {
  MagicValue: 0x00, Version: 0x04, DeviceID: 0x08, DeviceFeatures: 0x10, DeviceFeaturesSel: 0x14, DriverFeatures: 0x20, DriverFeaturesSel: 0x24,
  QueueSel: 0x30, QueueNumMax: 0x34, QueueNum: 0x38, QueueReady: 0x44, QueueNotify: 0x50, InterruptStatus: 0x60, InterruptACK: 0x64, Status: 0x70,
  DescLow: 0x80, DescHigh: 0x84, DriverLow: 0x90, DriverHigh: 0x94, DeviceLow: 0xa0, DeviceHigh: 0xa4, ConfigGeneration: 0xfc, Config: 0x100,
} as const;
export const Status = { ACKNOWLEDGE: 1, DRIVER: 2, DRIVER_OK: 4, FEATURES_OK: 8, NEEDS_RESET: 64, FAILED: 128 } as const;
export const Desc = { NEXT: 1, WRITE: 2, INDIRECT: 4 } as const;
export const Feature = { INDIRECT: 0x1000_0000, EVENT_IDX: 0x2000_0000 } as const;

/** Guest memory that starts where RAM does. */
export class TestMemory implements GuestMemory {
  readonly base = 0x4000_0000;
  readonly bytes: Uint8Array = new Uint8Array(0x40_0000);
  readonly view: DataView = new DataView(this.bytes.buffer);
  contains(gpa: number, length: number): boolean { return Number.isSafeInteger(gpa) && gpa >= this.base && gpa + length <= this.base + this.bytes.length; }
  read(gpa: number, into: Uint8Array): boolean {
    if (!this.contains(gpa, into.length)) return false;
    into.set(this.bytes.subarray(gpa - this.base, gpa - this.base + into.length));
    return true;
  }
  write(gpa: number, from: Uint8Array): boolean {
    if (!this.contains(gpa, from.length)) return false;
    this.bytes.set(from, gpa - this.base);
    return true;
  }
  stretch(gpa: number, length: number): Uint8Array | undefined { return this.contains(gpa, length) ? this.bytes.subarray(gpa - this.base, gpa - this.base + length) : undefined; }
  u16(gpa: number): number { return this.view.getUint16(gpa - this.base, true); }
  put16(gpa: number, value: number): void { this.view.setUint16(gpa - this.base, value, true); }
  u32(gpa: number): number { return this.view.getUint32(gpa - this.base, true); }
  put32(gpa: number, value: number): void { this.view.setUint32(gpa - this.base, value, true); }
  put64(gpa: number, value: bigint | number): void { this.view.setBigUint64(gpa - this.base, BigInt(value), true); }
}
export interface Buffer { readonly at: number | bigint; readonly length: number; readonly write?: boolean }

export class Driver {
  readonly memory: TestMemory = new TestMemory();
  readonly irq: RecordedLine = new RecordedLine();
  readonly clock: HandClock = new HandClock();
  readonly alarm: HandAlarm = new HandAlarm();
  readonly trace: CountedTrace = new CountedTrace();
  readonly device: MmioDevice & { tick(): void };
  readonly desc = 0x4000_0000;
  readonly avail = 0x4000_2000;
  readonly used = 0x4000_3000;
  readonly indirect = 0x4000_6000;
  /** Where requests have their bytes. */
  readonly data = 0x4001_0000;
  size = 16;
  availIndex = 0;
  usedIndex = 0;
  constructor(device: VirtioDevice) {
    this.device = new VirtioMmio({ irq: this.irq, memory: this.memory, clock: this.clock, alarm: this.alarm, trace: this.trace }, device);
  }
  r(offset: number): number { return this.device.read(offset, 4); }
  w(offset: number, value: number): void { this.device.write(offset, 4, value >>> 0); }
  get status(): number { return this.r(Reg.Status); }

  /** Up to FEATURES_OK with every offered feature but `without`. */
  negotiate(without = 0): this {
    this.w(Reg.Status, 0);
    this.w(Reg.Status, Status.ACKNOWLEDGE);
    this.w(Reg.Status, Status.ACKNOWLEDGE | Status.DRIVER);
    for (const sel of [0, 1]) {
      this.w(Reg.DeviceFeaturesSel, sel);
      this.w(Reg.DriverFeaturesSel, sel);
      this.w(Reg.DriverFeatures, this.r(Reg.DeviceFeatures) & (sel === 0 ? ~without : -1));
    }
    this.w(Reg.Status, Status.ACKNOWLEDGE | Status.DRIVER | Status.FEATURES_OK);
    return this;
  }
  /** The queue's registers, as this driver lays it out; then ready. */
  setQueue(size: number = this.size): this {
    this.size = size;
    this.availIndex = this.usedIndex = 0;
    this.memory.bytes.fill(0, 0, 0x6000);
    this.w(Reg.QueueSel, 0);
    this.w(Reg.QueueNum, size);
    this.w(Reg.DescLow, this.desc);
    this.w(Reg.DriverLow, this.avail);
    this.w(Reg.DeviceLow, this.used);
    this.w(Reg.QueueReady, 1);
    return this;
  }
  /** A further queue on the same memory, for devices with several: what is offered is for all of them. */
  setQueueAt(index: number): this {
    this.w(Reg.QueueSel, index);
    this.w(Reg.QueueNum, this.size);
    this.w(Reg.DescLow, this.desc);
    this.w(Reg.DriverLow, this.avail);
    this.w(Reg.DeviceLow, this.used);
    this.w(Reg.QueueReady, 1);
    return this;
  }
  /** A device that is ready for requests. */
  start(without: number = Feature.EVENT_IDX, size: number = this.size): this {
    this.negotiate(without).setQueue(size);
    this.w(Reg.Status, this.status | Status.DRIVER_OK);
    return this;
  }
  putDesc(index: number, at: number | bigint, length: number, flags = 0, next = 0, table: number = this.desc): void {
    this.memory.put64(table + 16 * index, at);
    this.memory.put32(table + 16 * index + 8, length);
    this.memory.put16(table + 16 * index + 12, flags);
    this.memory.put16(table + 16 * index + 14, next);
  }
  /** Writes a chain into a table from `first` on; returns its head. */
  chain(buffers: readonly Buffer[], first = 0, table: number = this.desc): number {
    buffers.forEach((one, i) => this.putDesc(first + i, one.at, one.length, (one.write === true ? Desc.WRITE : 0) | (i + 1 < buffers.length ? Desc.NEXT : 0), first + i + 1, table));
    return first;
  }
  /** Makes a head available, without telling the device. */
  offer(head: number): void {
    this.memory.put16(this.avail + 4 + 2 * (this.availIndex % this.size), head);
    this.availIndex = (this.availIndex + 1) & 0xffff;
    this.memory.put16(this.avail + 2, this.availIndex);
  }
  notify(queue = 0): void { this.w(Reg.QueueNotify, queue); }
  /** Offers a chain and tells the device. */
  send(buffers: readonly Buffer[], first = 0): void {
    this.offer(this.chain(buffers, first));
    this.notify();
  }
  /** What the device gave back since the last call. */
  collect(): { id: number; length: number }[] {
    const found: { id: number; length: number }[] = [];
    for (; this.usedIndex !== this.memory.u16(this.used + 2); this.usedIndex = (this.usedIndex + 1) & 0xffff) {
      const at = this.used + 4 + 8 * (this.usedIndex % this.size);
      found.push({ id: this.memory.u32(at), length: this.memory.u32(at + 4) });
    }
    return found;
  }

  // --- virtio-blk ------------------------------------------------------------------------------------------------

  get statusAt(): number { return this.data + 16; }
  get payload(): number { return this.data + 0x1000; }
  header(type: number, sector: number | bigint): Buffer {
    this.memory.put32(this.data, type);
    this.memory.put32(this.data + 4, 0);
    this.memory.put64(this.data + 8, BigInt.asUintN(64, BigInt(sector)));
    return { at: this.data, length: 16 };
  }
  /** One request; the status byte it came to (0xff: none). */
  block(type: number, sector: number | bigint, ...data: Buffer[]): number {
    this.memory.bytes[this.statusAt - this.memory.base] = 0xff;
    this.send([this.header(type, sector), ...data, { at: this.statusAt, length: 1, write: true }]);
    return this.blockStatus;
  }
  get blockStatus(): number { return this.memory.bytes[this.statusAt - this.memory.base] as number; }
  bytes(at: number, length: number): Uint8Array { return this.memory.bytes.slice(at - this.memory.base, at - this.memory.base + length); }
}
