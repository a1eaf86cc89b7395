// devices/virtio/mmio.ts — the virtio-mmio transport: registers and the interrupt. The rest is core.ts.
// Spec: OASIS virtio 1.2, 4.2.2 (register layout, version 2).
// Left out: version 1 (legacy), shared memory regions, queue reset (VIRTIO_F_RING_RESET), notification data.
import type { IrqLine, MmioDevice } from "../device.ts";
import { VirtioCore, type VirtioCoreState, type VirtioCoreWires } from "./core.ts";
import type { VirtioDevice } from "./device.ts";
import { QUEUE_SIZE_MAX } from "./queue.ts";

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
const INT = { USED_BUFFER: 1, CONFIG_CHANGE: 2 } as const;

const reset = () => ({ deviceFeaturesSel: 0, driverFeaturesSel: 0, queueSel: 0, interruptStatus: 0 });
export type VirtioMmioState = ReturnType<typeof reset> & VirtioCoreState;

export interface VirtioMmioWires extends Omit<VirtioCoreWires, "usedBuffers" | "configChange"> {
  readonly irq: IrqLine;
}

export class VirtioMmio implements MmioDevice<VirtioMmioState> {
  #s: ReturnType<typeof reset> = reset();
  readonly #irq: IrqLine;
  readonly #core: VirtioCore;

  constructor({ irq, ...wires }: VirtioMmioWires, device: VirtioDevice) {
    this.#irq = irq;
    this.#core = new VirtioCore({ ...wires, usedBuffers: () => this.#interrupt(INT.USED_BUFFER), configChange: () => this.#interrupt(INT.CONFIG_CHANGE) }, device);
  }

  read(offset: number, size: number): number {
    const s = this.#s, core = this.#core;
    if (offset >= Reg.Config) return core.readConfig(offset - Reg.Config, size);
    if (size !== 4 || (offset & 3) !== 0) { // 4.2.2.2: the driver uses aligned 32-bit accesses
      core.note("narrow read of a register", offset, size);
      return 0;
    }
    switch (offset) {
      case Reg.MagicValue: return MAGIC;
      case Reg.Version: return 2;
      case Reg.DeviceID: return core.device.id;
      case Reg.VendorID: return VENDOR;
      case Reg.DeviceFeatures: return core.offered(s.deviceFeaturesSel);
      case Reg.QueueNumMax: return core.queue(s.queueSel) === undefined ? 0 : QUEUE_SIZE_MAX;
      case Reg.QueueReady: return core.queue(s.queueSel)?.s.ready === true ? 1 : 0;
      case Reg.InterruptStatus: return s.interruptStatus;
      case Reg.Status: return core.status;
      case Reg.ConfigGeneration: return core.configGeneration;
      default:
        if (offset >= Reg.SHMLenLow && offset <= Reg.SHMBaseHigh) return 0xffff_ffff;
        core.note("read of a write-only or reserved register", offset, 0);
        return 0;
    }
  }

  write(offset: number, size: number, value: number): void {
    const s = this.#s, core = this.#core;
    if (offset >= Reg.Config) return core.writeConfig(offset - Reg.Config, size, value);
    if (size !== 4 || (offset & 3) !== 0) return core.note("narrow write to a register ignored", offset, value);
    switch (offset) {
      case Reg.DeviceFeaturesSel: s.deviceFeaturesSel = value >>> 0; return;
      case Reg.DriverFeaturesSel: s.driverFeaturesSel = value >>> 0; return;
      case Reg.DriverFeatures: return core.accept(s.driverFeaturesSel, value >>> 0);
      case Reg.QueueSel: s.queueSel = value >>> 0; return;
      case Reg.QueueNotify: return core.notified(value >>> 0);
      case Reg.InterruptACK:
        s.interruptStatus &= ~value;
        return this.#drive();
      case Reg.Status: return value >>> 0 === 0 ? this.reset() : core.setStatus(value >>> 0);
      case Reg.QueueReady: return core.setReady(s.queueSel, (value & 1) !== 0);
      case Reg.QueueNum: return core.configure(s.queueSel, queue => { queue.size = value >>> 0; });
      case Reg.QueueDescLow: return core.configure(s.queueSel, queue => { queue.descLo = value >>> 0; });
      case Reg.QueueDescHigh: return core.configure(s.queueSel, queue => { queue.descHi = value >>> 0; });
      case Reg.QueueDriverLow: return core.configure(s.queueSel, queue => { queue.driverLo = value >>> 0; });
      case Reg.QueueDriverHigh: return core.configure(s.queueSel, queue => { queue.driverHi = value >>> 0; });
      case Reg.QueueDeviceLow: return core.configure(s.queueSel, queue => { queue.deviceLo = value >>> 0; });
      case Reg.QueueDeviceHigh: return core.configure(s.queueSel, queue => { queue.deviceHi = value >>> 0; });
      default: core.note("write ignored", offset, value);
    }
  }

  /** The alarm's `fire`. */
  tick(): void { this.#core.tick(); }
  reset(): void {
    this.#s = reset();
    this.#core.reset();
    this.#drive();
  }
  /** Complete when no buffer is in flight. */
  snapshot(): VirtioMmioState { return { ...structuredClone(this.#s), ...this.#core.snapshot() }; }
  restore(state: VirtioMmioState): void {
    const { deviceFeaturesSel, driverFeaturesSel, queueSel, interruptStatus } = state;
    this.#s = { deviceFeaturesSel, driverFeaturesSel, queueSel, interruptStatus };
    this.#core.restore(state);
  }

  #interrupt(why: number): void {
    this.#s.interruptStatus |= why;
    this.#drive();
  }
  #drive(): void { this.#irq.set(this.#s.interruptStatus !== 0); }
}

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
