// devices/virtio/pci.ts — virtio over PCI: where the registers are and how the driver is told. The rest is core.ts.
// Spec: OASIS virtio 1.2, 4.1 (PCI bus): 4.1.2 (ids), 4.1.4 (capabilities and their structures), 4.1.5.1.2 (MSI-X vectors).
// Left out: the transitional interface, shared memory, notification data, queue reset, administration.
import { MSIX_VECTORS_MAX, NO_VECTOR, PciFunction, type PciBar, type PciFunctionState, type PciFunctionWires } from "../pci/function.ts";
import { VirtioCore, type VirtioCoreState, type VirtioCoreWires } from "./core.ts";
import type { VirtioDevice } from "./device.ts";
import type { QueueState } from "./queue.ts";

const VENDOR = 0x1af4, FIRST_DEVICE = 0x1040, SUBSYSTEM = 0x1100, VENDOR_CAPABILITY = 0x09;
/** cfg_type, 4.1.4. */
const CFG = { COMMON: 1, NOTIFY: 2, ISR: 3, DEVICE: 4, PCI: 5 } as const;
/** The structures in BAR 0: a page each. */
const Page = { COMMON: 0x0000, ISR: 0x1000, DEVICE: 0x2000, NOTIFY: 0x3000, SIZE: 0x1000 } as const;
const BAR_BYTES = 0x4000;
const NOTIFY_MULTIPLIER = 4;
/** struct virtio_pci_common_cfg, 4.1.4.3. */
const Common = {
  device_feature_select: 0x00, /** RO. */ device_feature: 0x04, driver_feature_select: 0x08, driver_feature: 0x0c,
  config_msix_vector: 0x10, /** RO. */ num_queues: 0x12, device_status: 0x14, /** RO. */ config_generation: 0x15,
  queue_select: 0x16, queue_size: 0x18, queue_msix_vector: 0x1a, queue_enable: 0x1c, /** RO. */ queue_notify_off: 0x1e,
  queue_desc: 0x20, queue_driver: 0x28, queue_device: 0x30, END: 0x38,
} as const;
const WIDTH: Readonly<Record<number, 1 | 2>> = {
  [Common.config_msix_vector]: 2, [Common.num_queues]: 2, [Common.device_status]: 1, [Common.config_generation]: 1, [Common.queue_select]: 2,
  [Common.queue_size]: 2, [Common.queue_msix_vector]: 2, [Common.queue_enable]: 2, [Common.queue_notify_off]: 2,
};
/** The halves of the three addresses, by register. */
const ADDRESS: Readonly<Record<number, keyof QueueState & `${string}${"Lo" | "Hi"}`>> = {
  0x20: "descLo", 0x24: "descHi", 0x28: "driverLo", 0x2c: "driverHi", 0x30: "deviceLo", 0x34: "deviceHi",
};
const ISR = { QUEUE: 1, CONFIG: 2 } as const;
/** Class codes that tell people what it is, by device id; drivers do not look. */
const CLASS: Readonly<Record<number, number>> = { 1: 0x02_0000, 2: 0x01_0000, 3: 0x07_8000 };
const OTHER_CLASS = 0xff_0000;

const reset = (queues: number): Registers => ({
  deviceFeatureSelect: 0, driverFeatureSelect: 0, queueSelect: 0, isr: 0, configVector: NO_VECTOR, queueVectors: Array.from({ length: queues }, () => NO_VECTOR),
});
interface Registers { deviceFeatureSelect: number; driverFeatureSelect: number; queueSelect: number; isr: number; configVector: number; queueVectors: number[] }
export type VirtioPciState = Registers & { core: VirtioCoreState; pci: PciFunctionState };
export type VirtioPciWires = Omit<VirtioCoreWires, "usedBuffers" | "configChange"> & PciFunctionWires;

const le32 = (value: number): number[] => [0, 8, 16, 24].map(shift => value >>> shift & 0xff);
const structure = (type: number, at: number, more: readonly number[] = []): number[] => [16 + more.length, type, 0, 0, 0, 0, ...le32(at), ...le32(Page.SIZE), ...more];

export class VirtioPci {
  readonly #core: VirtioCore;
  readonly #pci: PciFunction;
  #s: Registers;
  /** Offset of the capability that reaches into BARs. */
  readonly #window: number;

  constructor(wires: VirtioPciWires, device: VirtioDevice) {
    this.#s = reset(device.queues);
    this.#core = new VirtioCore({
      ...wires, usedBuffers: queue => this.#interrupt(ISR.QUEUE, this.#s.queueVectors[queue] ?? NO_VECTOR), configChange: () => this.#interrupt(ISR.CONFIG, this.#s.configVector),
    }, device);
    const bar: PciBar = { bytes: BAR_BYTES, read: (offset, size) => this.#read(offset, size), write: (offset, size, value) => this.#write(offset, size, value) };
    const all = [0xff, 0xff, 0xff, 0xff];
    this.#pci = new PciFunction(wires, {
      vendor: VENDOR, device: FIRST_DEVICE + device.id, classCode: CLASS[device.id] ?? OTHER_CLASS, revision: 1, subsystem: SUBSYSTEM,
      vectors: Math.min(device.queues + 1, MSIX_VECTORS_MAX),
    }, bar, [
      { id: VENDOR_CAPABILITY, bytes: structure(CFG.COMMON, Page.COMMON) },
      { id: VENDOR_CAPABILITY, bytes: structure(CFG.ISR, Page.ISR) },
      { id: VENDOR_CAPABILITY, bytes: structure(CFG.DEVICE, Page.DEVICE) },
      { id: VENDOR_CAPABILITY, bytes: structure(CFG.NOTIFY, Page.NOTIFY, le32(NOTIFY_MULTIPLIER)) },
      { id: VENDOR_CAPABILITY, bytes: [20, CFG.PCI, ...new Array<number>(16).fill(0)], writable: [0, 0, 0xff, 0, 0, 0, ...all, ...all, ...all] },
    ]);
    this.#window = this.#pci.capabilities.at(-1) as number;
  }

  readConfig(offset: number, size: number): number {
    const data = this.#window + 16;
    if (offset < data + 4 && offset + size > data) this.#throughWindow((bar, at, length) => this.#pci.writeConfig(data, length, bar.read(at, length)));
    return this.#pci.readConfig(offset, size);
  }
  writeConfig(offset: number, size: number, value: number): void {
    const data = this.#window + 16;
    this.#pci.writeConfig(offset, size, value);
    if (offset < data + 4 && offset + size > data) this.#throughWindow((bar, at, length) => bar.write(at, length, this.#pci.readConfig(data, length)));
  }
  at(address: number, size: number): PciBar | undefined { return this.#pci.at(address, size); }
  get offset(): number { return this.#pci.offset; }
  /** The alarm's `fire`. */
  tick(): void { this.#core.tick(); }
  reset(): void {
    this.#resetDevice();
    this.#pci.reset();
  }
  snapshot(): VirtioPciState { return { ...structuredClone(this.#s), core: this.#core.snapshot(), pci: this.#pci.snapshot() }; }
  restore(state: VirtioPciState): void {
    const { core, pci, ...own } = structuredClone(state);
    this.#s = own;
    this.#core.restore(core);
    this.#pci.restore(pci);
  }

  /** 4.1.4.9: the access that the last capability describes, if its fields make one. */
  #throughWindow(access: (bar: PciBar, at: number, length: number) => void): void {
    const field = (at: number): number => this.#pci.readConfig(this.#window + at, 4);
    const bar = this.#pci.bar(field(4) & 0xff), at = field(8), length = field(12);
    if (bar === undefined || (length !== 1 && length !== 2 && length !== 4) || at % length !== 0 || at + length > bar.bytes) return this.#core.note("access through the configuration space ignored", at, length);
    access(bar, at, length);
  }

  #read(offset: number, size: number): number {
    if (offset < Page.ISR) return this.#readCommon(offset, size);
    if (offset >= Page.NOTIFY) return 0;
    if (offset >= Page.DEVICE) return this.#core.readConfig(offset - Page.DEVICE, size);
    if (offset !== Page.ISR) return 0;
    const { isr } = this.#s; // reading acknowledges
    this.#s.isr = 0;
    this.#pci.setInterrupt(false);
    return isr;
  }
  #readCommon(offset: number, size: number): number {
    const s = this.#s, core = this.#core, queue = core.queue(s.queueSelect);
    if (!fits(offset, size)) {
      core.note("read of no field of the common configuration", offset, size);
      return 0;
    }
    const half = ADDRESS[offset];
    if (half !== undefined) return queue?.s[half] ?? 0;
    switch (offset) {
      case Common.device_feature_select: return s.deviceFeatureSelect;
      case Common.device_feature: return core.offered(s.deviceFeatureSelect);
      case Common.driver_feature_select: return s.driverFeatureSelect;
      case Common.driver_feature: return core.accepted(s.driverFeatureSelect);
      case Common.config_msix_vector: return s.configVector;
      case Common.num_queues: return core.device.queues;
      case Common.device_status: return core.status;
      case Common.config_generation: return core.configGeneration & 0xff;
      case Common.queue_select: return s.queueSelect;
      case Common.queue_size: return queue?.s.size ?? 0;
      case Common.queue_msix_vector: return s.queueVectors[s.queueSelect] ?? NO_VECTOR;
      case Common.queue_enable: return queue?.s.ready === true ? 1 : 0;
      case Common.queue_notify_off: return queue === undefined ? 0 : s.queueSelect;
      default: return 0;
    }
  }

  #write(offset: number, size: number, value: number): void {
    if (offset < Page.ISR) return this.#writeCommon(offset, size, value);
    if (offset >= Page.NOTIFY) return this.#core.notified(Math.floor((offset - Page.NOTIFY) / NOTIFY_MULTIPLIER));
    if (offset >= Page.DEVICE) return this.#core.writeConfig(offset - Page.DEVICE, size, value);
    this.#core.note("write to the interrupt status ignored", offset, value);
  }
  #writeCommon(offset: number, size: number, value: number): void {
    const s = this.#s, core = this.#core;
    if (!fits(offset, size)) return core.note("write to no field of the common configuration ignored", offset, value);
    const half = ADDRESS[offset];
    if (half !== undefined) return core.configure(s.queueSelect, queue => { queue[half] = value >>> 0; });
    switch (offset) {
      case Common.device_feature_select: s.deviceFeatureSelect = value >>> 0; return;
      case Common.driver_feature_select: s.driverFeatureSelect = value >>> 0; return;
      case Common.driver_feature: return core.accept(s.driverFeatureSelect, value >>> 0);
      case Common.config_msix_vector: s.configVector = this.#vector(value); return;
      case Common.device_status: return value === 0 ? this.#resetDevice() : core.setStatus(value);
      case Common.queue_select: s.queueSelect = value; return;
      case Common.queue_size: return core.configure(s.queueSelect, queue => { queue.size = value; });
      case Common.queue_msix_vector:
        if (s.queueSelect < s.queueVectors.length) s.queueVectors[s.queueSelect] = this.#vector(value);
        return;
      case Common.queue_enable:
        if (value === 1) return core.setReady(s.queueSelect, true);
        return core.note("a queue is only disabled by a reset", offset, value); // 4.1.4.3.2
      default: core.note("write ignored", offset, value);
    }
  }
  /** 4.1.5.1.2.1: what cannot be had reads back as NO_VECTOR. */
  #vector(value: number): number { return value < this.#pci.vectors ? value : NO_VECTOR; }
  #resetDevice(): void {
    this.#s = reset(this.#core.device.queues);
    this.#core.reset();
    this.#pci.setInterrupt(false);
  }
  #interrupt(why: number, vector: number): void {
    if (this.#pci.messages) return this.#pci.send(vector);
    this.#s.isr |= why;
    this.#pci.setInterrupt(true);
  }
}
/** 4.1.3.1: fields are accessed by their own width, those of 64 bits by halves. */
const fits = (offset: number, size: number): boolean => offset < Common.END && size === (WIDTH[offset] ?? 4) && offset % size === 0;
