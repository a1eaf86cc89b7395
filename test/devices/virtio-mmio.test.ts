// test/devices/virtio-mmio.test.ts — the transport and the queue against drivers that break every rule.
import { describe, expect, test } from "bun:test";
import type { VirtioDevice, VirtioTransport } from "../../devices/virtio/device.ts";
import { EmptySlot, VirtioMmio } from "../../devices/virtio/mmio.ts";
import type { Chain, SplitQueue } from "../../devices/virtio/queue.ts";
import { Desc, Driver, Feature, Reg, Status, type Buffer } from "../support/virtio-driver.ts";

/** Takes buffers and keeps them until the test gives them back. */
class Holder implements VirtioDevice {
  readonly name = "test";
  readonly id = 42;
  readonly features = 0b101;
  readonly queues = 1;
  readonly config = Uint8Array.of(1, 2, 3, 4, 5);
  readonly taken: Chain[] = [];
  transport!: VirtioTransport;
  attach(transport: VirtioTransport): void { this.transport = transport; }
  negotiated(): void {}
  reset(): void {}
  process(_index: number, queue: SplitQueue, limit: number): void {
    for (let n = 0; n < limit; n++) {
      const chain = queue.pop();
      if (chain === undefined) return;
      this.taken.push(chain);
    }
  }
}
const holder = () => {
  const device = new Holder(), driver = new Driver(device);
  return { device, driver };
};
const started = (without?: number, size?: number) => {
  const pair = holder();
  pair.driver.start(without, size);
  return pair;
};
const OK = Status.ACKNOWLEDGE | Status.DRIVER | Status.FEATURES_OK | Status.DRIVER_OK;
const data = (length: number, write = false): Buffer => ({ at: 0x4001_0000, length, write });
const needsReset = (driver: Driver): boolean => (driver.status & Status.NEEDS_RESET) !== 0;

describe("virtio-mmio", () => {
  test("says what it is", () => {
    const { driver } = holder();
    expect([driver.r(Reg.MagicValue), driver.r(Reg.Version), driver.r(Reg.DeviceID), driver.r(Reg.QueueNumMax)]).toEqual([0x7472_6976, 2, 42, 256]);
  });
  test("an empty slot has device id 0", () => {
    const slot = new EmptySlot();
    slot.write();
    expect([slot.read(0, 4), slot.read(4, 4), slot.read(8, 4), slot.read(0x70, 4), slot.read(0x100, 1)]).toEqual([0x7472_6976, 2, 0, 0, 0]);
  });
  test("the configuration space reads in every size, as zero beyond its end, and cannot be written", () => {
    const { driver } = started();
    driver.device.write(Reg.Config, 4, 0);
    expect([driver.device.read(0x100, 1), driver.device.read(0x101, 1), driver.device.read(0x100, 4), driver.device.read(0x104, 4), driver.device.read(0x1fc, 4)]).toEqual([1, 2, 0x0403_0201, 5, 0]);
  });
  test("registers answer to aligned 32-bit accesses only", () => {
    const { driver } = holder();
    driver.device.write(Reg.Status, 1, 1);
    driver.device.write(Reg.Status + 2, 2, 1);
    expect([driver.status, driver.device.read(0, 1), driver.device.read(2, 2)]).toEqual([0, 0, 0]);
  });

  test("features not offered, VERSION_1 left out, or a bit beyond 63 leave FEATURES_OK clear", () => {
    const tries: readonly (readonly [number, number])[][] = [[[0, 0b111], [1, 1]], [[0, 1], [1, 0]], [[1, 3]], [[1, 1], [2, 1]], [[1, 1], [31, 0x8000_0000]]];
    const results = tries.map(writes => {
      const { driver } = holder();
      driver.w(Reg.Status, 1);
      driver.w(Reg.Status, 3);
      for (const [sel, value] of writes) {
        driver.w(Reg.DriverFeaturesSel, sel);
        driver.w(Reg.DriverFeatures, value);
      }
      driver.w(Reg.Status, 11);
      return driver.status;
    });
    expect(results).toEqual([3, 3, 3, 3, 3]);
  });
  test("features are frozen by FEATURES_OK, and offered in words 0 and 1 only", () => {
    const { driver } = holder();
    driver.w(Reg.DeviceFeaturesSel, 2);
    expect(driver.r(Reg.DeviceFeatures)).toBe(0);
    driver.negotiate();
    driver.w(Reg.DriverFeaturesSel, 0);
    driver.w(Reg.DriverFeatures, 0xffff_ffff);
    expect([driver.status, driver.trace.notes]).toEqual([11, ["virtio-test: features are frozen by FEATURES_OK"]]);
  });
  test("status bits come in order and stay until a reset", () => {
    const { driver } = holder();
    driver.w(Reg.Status, Status.FEATURES_OK);
    expect(driver.status).toBe(0);
    driver.w(Reg.Status, 1);
    driver.w(Reg.Status, 3);
    driver.w(Reg.Status, 7); // FEATURES_OK skipped
    expect(driver.status).toBe(3);
    driver.w(Reg.Status, 2); // a bit cleared
    expect(driver.status).toBe(3);
    driver.w(Reg.Status, 3 | Status.NEEDS_RESET); // not the driver's to set
    expect(driver.status).toBe(3);
    driver.w(Reg.Status, 0);
    expect(driver.status).toBe(0);
  });
  test("DRIVER_OK twice is the same as once", () => {
    const { driver } = started();
    driver.w(Reg.Status, OK);
    expect(driver.status).toBe(OK);
  });

  test("queue registers are frozen by DRIVER_OK: size, addresses and readiness", () => {
    const { driver, device } = started();
    for (const register of [Reg.QueueNum, Reg.DescLow, Reg.DescHigh, Reg.DriverLow, Reg.DriverHigh, Reg.DeviceLow, Reg.DeviceHigh]) driver.w(register, 0);
    driver.w(Reg.QueueReady, 1);
    expect(driver.trace.notes.length).toBe(8);
    driver.send([data(8)]);
    expect(device.taken.length).toBe(1);
  });
  test("a queue that was stopped takes nothing, and cannot come back before a reset", () => {
    const { driver, device } = started();
    driver.w(Reg.QueueReady, 0);
    driver.w(Reg.QueueReady, 1);
    driver.send([data(8)]);
    expect([driver.r(Reg.QueueReady), device.taken.length, needsReset(driver)]).toEqual([0, 0, false]);
  });
  test("sizes that are no power of two, zero or beyond the maximum are refused", () => {
    const ready = [0, 3, 512, 32769, 0xffff_ffff, 1, 256].map(size => holder().driver.negotiate().setQueue(size).r(Reg.QueueReady));
    expect(ready).toEqual([0, 0, 0, 0, 0, 1, 1]);
  });
  test.each([
    ["a misaligned table", Reg.DescLow, 0x4000_0008], ["a misaligned available ring", Reg.DriverLow, 0x4000_2001], ["a misaligned used ring", Reg.DeviceLow, 0x4000_3002],
    ["a table outside of memory", Reg.DescLow, 0x1000], ["a table over the end", Reg.DescLow, 0x403f_fff0], ["an address beyond 2^53", Reg.DescHigh, 0xffff_ffff],
    ["a used ring over the table", Reg.DeviceLow, 0x4000_0000], ["an available ring in the used ring", Reg.DriverLow, 0x4000_3002],
  ])("%s is refused", (_name, register, value) => {
    const { driver } = holder();
    driver.negotiate().setQueue();
    driver.w(Reg.QueueReady, 0);
    driver.w(register, value);
    driver.w(Reg.QueueReady, 1);
    expect(driver.r(Reg.QueueReady)).toBe(0);
  });
  test("a queue that is not there has no size and takes no register", () => {
    const { driver } = holder();
    driver.negotiate();
    for (const queue of [1, 255, 0xffff_ffff]) {
      driver.w(Reg.QueueSel, queue);
      driver.w(Reg.QueueNum, 8);
      driver.w(Reg.QueueReady, 1);
      expect([driver.r(Reg.QueueNumMax), driver.r(Reg.QueueReady)]).toEqual([0, 0]);
    }
  });
  test("notifications of missing queues and before DRIVER_OK do nothing", () => {
    const { driver, device } = holder();
    driver.negotiate().setQueue();
    driver.offer(driver.chain([data(8)]));
    for (const queue of [0, 1, 255, 0xffff_ffff]) driver.notify(queue);
    expect([device.taken.length, driver.trace.notes.length]).toEqual([0, 4]);
    driver.w(Reg.Status, OK);
    driver.notify();
    expect(device.taken.length).toBe(1);
  });
  test("a million notifications of an empty queue do nothing", () => {
    const { driver, device } = started();
    for (let n = 0; n < 1_000_000; n++) driver.notify();
    expect([device.taken.length, driver.status, driver.irq.level, driver.trace.notes]).toEqual([0, OK, false, []]);
  });
  test("a driver that keeps adding while it is served gets its turns, and others theirs", () => {
    const { driver, device } = holder();
    let served = 0;
    device.process = (_index, queue, limit) => { // the other core offers a buffer for each that comes back
      for (let n = 0; n < limit; n++) {
        const chain = queue.pop();
        if (chain === undefined) return;
        served++;
        device.transport.complete(0, chain, 0);
        driver.offer(0);
      }
    };
    driver.start();
    driver.send([data(8)]);
    const once = served;
    expect([once, driver.alarm.due]).toEqual([512, driver.clock.now]);
    driver.device.tick();
    expect(served).toBe(2 * once);
  });
  test("after FAILED nothing is taken", () => {
    const { driver, device } = started();
    driver.w(Reg.Status, OK | Status.FAILED);
    driver.send([data(8)]);
    expect(device.taken).toEqual([]);
  });

  test("what is given back raises the line until it is acknowledged", () => {
    const { driver, device } = started();
    driver.send([data(8, true)]);
    device.transport.complete(0, device.taken[0]!, 5);
    expect([driver.irq.level, driver.r(Reg.InterruptStatus), driver.collect()]).toEqual([true, 1, [{ id: 0, length: 5 }]]);
    driver.w(Reg.InterruptACK, 2);
    expect(driver.irq.level).toBe(true);
    driver.w(Reg.InterruptACK, 1);
    expect([driver.irq.level, driver.r(Reg.InterruptStatus)]).toEqual([false, 0]);
  });
  test("NO_INTERRUPT keeps the line down", () => {
    const { driver, device } = started();
    driver.memory.put16(driver.avail, 1);
    driver.send([data(8)]);
    device.transport.complete(0, device.taken[0]!, 0);
    expect([driver.irq.level, driver.collect().length]).toEqual([false, 1]);
  });
  test("EVENT_IDX: the line rises when used passes used_event, and avail_event follows", () => {
    const { driver, device } = started(0);
    driver.memory.put16(driver.avail + 4 + 2 * driver.size, 1); // tell me when the second one is back
    driver.offer(driver.chain([data(8)], 0));
    driver.offer(driver.chain([data(8)], 1));
    driver.notify();
    expect(driver.memory.u16(driver.used + 4 + 8 * driver.size)).toBe(2);
    device.transport.complete(0, device.taken[0]!, 0);
    expect(driver.irq.level).toBe(false);
    device.transport.complete(0, device.taken[1]!, 0);
    expect(driver.irq.level).toBe(true);
  });
  test("a changed configuration counts a generation and interrupts", () => {
    const { driver, device } = started();
    device.transport.configChanged();
    expect([driver.r(Reg.ConfigGeneration), driver.r(Reg.InterruptStatus), driver.irq.level]).toEqual([1, 2, true]);
  });
  test("indices wrap at 2^16", () => {
    const { driver, device } = started(0, 4);
    for (let n = 0; n < 70_000; n++) {
      driver.send([data(8)], n & 3);
      device.transport.complete(0, device.taken.pop()!, n & 0xff);
    }
    expect([driver.availIndex, driver.memory.u16(driver.used + 2), needsReset(driver)]).toEqual([70_000 - 65_536, 70_000 - 65_536, false]);
  });
  test("reset with buffers in flight: none comes back, and none can be written", () => {
    const { driver, device } = started(Feature.EVENT_IDX, 256);
    for (let n = 0; n < 256; n++) driver.offer(driver.chain([data(8, true)], n));
    driver.notify();
    expect(device.taken.length).toBe(256);
    driver.start(Feature.EVENT_IDX, 256);
    const written = device.taken.map(chain => chain.write(0, Uint8Array.of(1)));
    for (const chain of device.taken) device.transport.complete(0, chain, 1);
    expect([written.includes(true), driver.collect(), driver.irq.level, driver.bytes(0x4001_0000, 1)[0]]).toEqual([false, [], false, 0]);
    driver.send([data(8, true)]);
    expect(device.taken.length).toBe(257);
  });
  test("100000 resets leave a device that works", () => {
    const { driver, device } = started();
    for (let n = 0; n < 100_000; n++) driver.w(Reg.Status, 0);
    driver.start();
    driver.send([data(8)]);
    expect([device.taken.length, driver.status]).toEqual([1, OK]);
  });
  test("a snapshot restores into a device that goes on; a false one needs a reset", () => {
    const { driver, device } = started();
    driver.send([data(8)]);
    device.transport.complete(0, device.taken[0]!, 0);
    const saved = (driver.device as VirtioMmio).snapshot();
    (driver.device as VirtioMmio).restore(saved);
    expect((driver.device as VirtioMmio).snapshot()).toEqual(saved);
    driver.send([data(8)], 1);
    expect(device.taken.length).toBe(2);
    (driver.device as VirtioMmio).restore({ ...saved, queues: [{ ...saved.queues[0]!, size: 7 }] });
    expect(needsReset(driver)).toBe(true);
  });
});

describe("a split queue with a hostile driver", () => {
  /** What a driver does to descriptor 0 and on; each must end in DEVICE_NEEDS_RESET. */
  const cases: readonly (readonly [string, (driver: Driver) => void])[] = [
    ["an address below RAM", d => d.putDesc(0, 0x1000, 8)],
    ["an address at the end of RAM less one", d => d.putDesc(0, 0x403f_ffff, 8)],
    ["an address and length that wrap 2^64", d => d.putDesc(0, 0xffff_ffff_ffff_fff0n, 32)],
    ["an address beyond 2^53", d => d.putDesc(0, (1n << 53n) + 0x4000_0001n, 8)],
    ["a length of 4 GiB less one", d => d.putDesc(0, 0x4001_0000, 0xffff_ffff)],
    ["a descriptor that is its own next", d => d.putDesc(0, 0x4001_0000, 8, Desc.NEXT, 0)],
    ["two descriptors in a circle", d => { d.putDesc(0, 0x4001_0000, 8, Desc.NEXT, 1); d.putDesc(1, 0x4001_0000, 8, Desc.NEXT, 0); }],
    ["a next outside of the table", d => d.putDesc(0, 0x4001_0000, 8, Desc.NEXT, 16)],
    ["a readable behind a writable", d => d.chain([data(8, true), data(8)])],
    ["an indirect table without length", d => d.putDesc(0, d.indirect, 0, Desc.INDIRECT)],
    ["an indirect table of 17 bytes", d => d.putDesc(0, d.indirect, 17, Desc.INDIRECT)],
    ["an indirect table of 4 GiB", d => d.putDesc(0, d.indirect, 0xffff_fff0, Desc.INDIRECT)],
    ["an indirect table outside of memory", d => d.putDesc(0, 0x1000, 16, Desc.INDIRECT)],
    ["an indirect descriptor with a next", d => d.putDesc(0, d.indirect, 16, Desc.INDIRECT | Desc.NEXT, 1)],
    ["an indirect table in an indirect table", d => { d.putDesc(0, d.indirect, 16, Desc.INDIRECT); d.putDesc(0, d.indirect, 16, Desc.INDIRECT, 0, d.indirect); }],
    ["a circle in an indirect table", d => { d.putDesc(0, d.indirect, 32, Desc.INDIRECT); d.putDesc(0, 0x4001_0000, 8, Desc.NEXT, 0, d.indirect); }],
    ["a next outside of the indirect table", d => { d.putDesc(0, d.indirect, 16, Desc.INDIRECT); d.putDesc(0, 0x4001_0000, 8, Desc.NEXT, 1, d.indirect); }],
  ];
  test.each(cases)("%s needs a reset, and a reset helps", (_name, attack) => {
    const { driver, device } = started();
    attack(driver);
    driver.offer(0);
    driver.notify();
    expect([needsReset(driver), device.taken.length, driver.r(Reg.InterruptStatus), driver.collect()]).toEqual([true, 0, 2, []]);
    driver.notify(); // and again: nothing more happens
    expect(device.taken.length).toBe(0);
    driver.start();
    driver.send([data(8)]);
    expect([needsReset(driver), device.taken.length]).toEqual([false, 1]);
  });
  test("indirect descriptors without the feature need a reset", () => {
    const { driver } = started(Feature.INDIRECT | Feature.EVENT_IDX);
    driver.putDesc(0, driver.indirect, 16, Desc.INDIRECT);
    driver.offer(0);
    driver.notify();
    expect(needsReset(driver)).toBe(true);
  });
  test("an indirect table is one buffer", () => {
    const { driver, device } = started();
    driver.chain([data(100), data(50, true), data(0, true)], 0, driver.indirect);
    driver.putDesc(3, driver.indirect, 48, Desc.INDIRECT);
    driver.offer(3);
    driver.notify();
    expect(device.taken.map(chain => [chain.head, chain.readableLength, chain.writableLength])).toEqual([[3, 100, 50]]);
  });
  test.each([["jumps ahead", 17], ["goes backwards", 0xffff]])("avail.idx that %s needs a reset", (_name, index) => {
    const { driver } = started();
    driver.memory.put16(driver.avail + 2, index);
    driver.notify();
    expect(needsReset(driver)).toBe(true);
  });
  test("a head outside of the table needs a reset", () => {
    const { driver } = started();
    driver.offer(16);
    driver.notify();
    expect(needsReset(driver)).toBe(true);
  });
  test("a head that is in flight already needs a reset", () => {
    const { driver, device } = started();
    driver.send([data(8)]);
    driver.offer(0);
    driver.notify();
    expect([needsReset(driver), device.taken.length]).toEqual([true, 1]);
  });
  test("a driver that changes a descriptor behind the device's back changes nothing", () => {
    const { driver, device } = started();
    driver.send([data(8, true)]);
    driver.putDesc(0, 0x1000, 0xffff_ffff);
    expect(device.taken[0]!.write(0, Uint8Array.of(7))).toBe(true);
    expect([device.taken[0]!.writableLength, driver.bytes(0x4001_0000, 1)[0]]).toEqual([8, 7]);
  });
});
