// test/support/virtio-ring.ts — one queue of a device that has several, on rings and buffers of its own: what the driver sends on
// it, what room it gives, and what came back.
import { Desc, Reg, type Driver } from "./virtio-driver.ts";

const SIZE = 16, SLOT = 0x400;

export class Ring {
  readonly index: number;
  readonly #driver: Driver;
  readonly #desc: number;
  readonly #data: number;
  #available = 0;
  #used = 0;
  /** Between FEATURES_OK and DRIVER_OK. */
  constructor(driver: Driver, index: number) {
    this.#driver = driver;
    this.index = index;
    this.#desc = 0x4020_0000 + 0x1000 * index;
    this.#data = 0x4028_0000 + SIZE * SLOT * index;
    driver.memory.bytes.fill(0, this.#desc - driver.memory.base, this.#desc - driver.memory.base + 0x1000);
    for (const [register, value] of [[Reg.QueueSel, index], [Reg.QueueNum, SIZE], [Reg.DescLow, this.#desc], [Reg.DriverLow, this.#desc + 0x400], [Reg.DeviceLow, this.#desc + 0x800], [Reg.QueueReady, 1]] as const) driver.w(register, value);
  }
  #offer(at: number, length: number, flags: number): void {
    const head = this.#available % SIZE, { memory } = this.#driver;
    this.#driver.putDesc(head, at, length, flags, 0, this.#desc);
    memory.put16(this.#desc + 0x400 + 4 + 2 * head, head);
    this.#available = (this.#available + 1) & 0xffff;
    memory.put16(this.#desc + 0x400 + 2, this.#available);
    this.#driver.notify(this.index);
  }
  #slot(): number { return this.#data + SLOT * (this.#available % SIZE); }
  /** A buffer for the device to read. */
  send(bytes: Uint8Array): void {
    const at = this.#slot();
    this.#driver.memory.write(at, bytes);
    this.#offer(at, bytes.length, 0);
  }
  /** `length` bytes of guest memory to read, whatever they are. */
  sendMemory(length: number): void { this.#offer(this.#driver.data, length, 0); }
  /** A buffer for the device to write. */
  room(length: number = SLOT): void { this.#offer(this.#slot(), length, Desc.WRITE); }
  /** What the device has written, in the buffers that came back since the last call; no bytes for those it only read. What was put off is done first. */
  back(): Uint8Array[] {
    this.#driver.device.tick();
    const { memory } = this.#driver, found: Uint8Array[] = [];
    for (; this.#used !== memory.u16(this.#desc + 0x802); this.#used = (this.#used + 1) & 0xffff) {
      const at = this.#desc + 0x804 + 8 * (this.#used % SIZE);
      found.push(this.#driver.bytes(this.#data + SLOT * memory.u32(at), memory.u32(at + 4)));
    }
    return found;
  }
}
