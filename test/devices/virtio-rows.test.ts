// test/devices/virtio-rows.test.ts — rows B1 to B3 and B5 to B11 of the list of adversarial cases, each with every real device: what
// its driver does to the ring, the registers, the status. What is a device's own (B4, B13 to B15) is in its own file.
import { describe, expect, test } from "bun:test";
import { VirtioBalloon } from "../../devices/virtio/balloon.ts";
import { VirtioBlock } from "../../devices/virtio/block.ts";
import { VirtioConsole } from "../../devices/virtio/console.ts";
import type { VirtioDevice } from "../../devices/virtio/device.ts";
import type { NetPort } from "../../devices/virtio/net-port.ts";
import { VirtioNet } from "../../devices/virtio/net.ts";
import { VirtioP9 } from "../../devices/virtio/p9.ts";
import { VirtioRng } from "../../devices/virtio/rng.ts";
import { VirtioVsock } from "../../devices/virtio/vsock.ts";
import { ImageBackend } from "../../src/disk/image.ts";
import { RawImage } from "../../src/disk/raw.ts";
import { MemoryFile } from "../support/memory-file.ts";
import { MAC } from "../support/net-guest.ts";
import { Desc, Driver, Feature, Reg, Status } from "../support/virtio-driver.ts";

const port = (): NetPort => ({ reserve: length => new Uint8Array(length), commit: () => {}, next: () => undefined, release: () => {}, driver: () => {} });
/** A device, and the queue on which it takes whatever is offered. */
const devices: readonly (readonly [string, () => VirtioDevice, number])[] = [
  ["block", () => new VirtioBlock({ backend: new ImageBackend(new RawImage(new MemoryFile(new Uint8Array(65536)), false)), serial: "rows", failed: () => {} }), 0],
  ["net", () => new VirtioNet({ port: port(), mac: MAC, mtu: 1500, offload: true }), 1],
  ["console", () => new VirtioConsole([{ name: undefined, reserve: length => new Uint8Array(length), commit: () => {}, next: () => undefined, release: () => {}, host: () => ({ open: true, columns: 80, rows: 25 }), guest: () => {} }]), 1],
  ["rng", () => new VirtioRng(into => { into.fill(7); }), 0],
  ["balloon", () => new VirtioBalloon({ contains: () => true, release: (_, length) => length }), 0],
  ["vsock", () => new VirtioVsock(3, port()), 1],
  ["9p", () => new VirtioP9("rows", { messageSize: 8192, answer: () => new Uint8Array(11), refuse: () => new Uint8Array(11), reset: () => {} }), 0],
];
const READY = Status.ACKNOWLEDGE | Status.DRIVER | Status.FEATURES_OK | Status.DRIVER_OK;
function start(driver: Driver, queue: number, without: number = Feature.EVENT_IDX): Driver {
  driver.negotiate(without);
  driver.memory.bytes.fill(0, 0, 0x7000);
  driver.availIndex = driver.usedIndex = 0;
  driver.setQueueAt(queue);
  driver.w(Reg.Status, driver.status | Status.DRIVER_OK);
  return driver;
}
const broken = (driver: Driver): boolean => (driver.status & Status.NEEDS_RESET) !== 0;
const AT = 0x4001_0000;

/** What a driver offers, each of which leaves no way to answer. */
const attacks: readonly (readonly [string, (d: Driver) => void])[] = [
  ["B1: an address below RAM", d => d.putDesc(0, 0x1000, 64)], ["B1: the end of RAM less one", d => d.putDesc(0, 0x403f_ffff, 64)], ["B1: address and length wrap 2^64", d => d.putDesc(0, 0xffff_ffff_ffff_fff0n, 64)],
  ["B1: beyond 2^53", d => d.putDesc(0, (1n << 53n) + 0x4001_0001n, 64)], ["B1: 4 GiB less one", d => d.putDesc(0, AT, 0xffff_ffff)],
  ["B2: its own next", d => d.putDesc(0, AT, 64, Desc.NEXT, 0)], ["B2: a circle of two", d => { d.putDesc(0, AT, 64, Desc.NEXT, 1); d.putDesc(1, AT, 64, Desc.NEXT, 0); }],
  ["B2: a next outside of the table", d => d.putDesc(0, AT, 64, Desc.NEXT, 16)], ["B2: a circle in an indirect table", d => { d.putDesc(0, d.indirect, 32, Desc.INDIRECT); d.putDesc(0, AT, 64, Desc.NEXT, 0, d.indirect); }],
  ["B3: an indirect table without length", d => d.putDesc(0, d.indirect, 0, Desc.INDIRECT)], ["B3: of 17 bytes", d => d.putDesc(0, d.indirect, 17, Desc.INDIRECT)], ["B3: outside of memory", d => d.putDesc(0, 0x1000, 16, Desc.INDIRECT)],
  ["B3: with a next", d => d.putDesc(0, d.indirect, 16, Desc.INDIRECT | Desc.NEXT, 1)], ["B3: in an indirect table", d => { d.putDesc(0, d.indirect, 16, Desc.INDIRECT); d.putDesc(0, d.indirect, 16, Desc.INDIRECT, 0, d.indirect); }],
  ["B4: a readable behind a writable", d => d.chain([{ at: AT, length: 64, write: true }, { at: AT, length: 64 }])],
];

describe.each(devices)("%s", (_name, make, queue) => {
  test.each(attacks)("%s needs a reset, and a reset helps", (_row, attack) => {
    const driver = start(new Driver(make()), queue);
    attack(driver);
    driver.offer(0);
    driver.notify(queue);
    expect([broken(driver), driver.collect()]).toEqual([true, []]);
    start(driver, queue);
    expect([driver.status, driver.collect()]).toEqual([READY, []]);
  });
  test("B3: an indirect table that was not negotiated needs a reset", () => {
    const driver = start(new Driver(make()), queue, Feature.INDIRECT | Feature.EVENT_IDX);
    driver.putDesc(0, driver.indirect, 16, Desc.INDIRECT);
    driver.offer(0);
    driver.notify(queue);
    expect(broken(driver)).toBe(true);
  });
  test("B5: after DRIVER_OK no register of a queue changes, and each try is noted", () => {
    const driver = start(new Driver(make()), queue), before = driver.trace.notes.length;
    for (const register of [Reg.QueueNum, Reg.DescLow, Reg.DescHigh, Reg.DriverLow, Reg.DriverHigh, Reg.DeviceLow, Reg.DeviceHigh]) driver.w(register, 0);
    driver.memory.put16(driver.avail + 2, 17); // the old rings are still the ones that are looked at
    driver.notify(queue);
    expect([driver.trace.notes.length - before >= 7, broken(driver)]).toEqual([true, true]);
  });
  test.each([["jumps", 17, 0], ["goes backwards", 0xffff, 0], ["leads to a head outside of the table", 1, 16]])("B6: an avail.idx that %s needs a reset", (_row, index, head) => {
    const driver = start(new Driver(make()), queue);
    driver.memory.put16(driver.avail + 4, head);
    driver.memory.put16(driver.avail + 2, index);
    driver.notify(queue);
    expect(broken(driver)).toBe(true);
  });
  test("B6: a head that is offered twice at once comes back twice at most, and breaks nothing", () => {
    const driver = start(new Driver(make()), queue);
    driver.putDesc(0, AT, 64, queue === 0 ? Desc.WRITE : 0);
    driver.offer(0);
    driver.offer(0);
    driver.notify(queue);
    expect(driver.collect().every(one => one.id === 0)).toBe(true);
    if (broken(driver)) start(driver, queue);
    expect(driver.status).toBe(READY);
  });
  test.each([0, 3, 512, 32769])("B7: a queue of %d entries is refused", size => {
    const driver = new Driver(make()).negotiate();
    driver.size = size;
    expect(driver.setQueueAt(queue).r(Reg.QueueReady)).toBe(0);
  });
  test.each([["descriptors", Reg.DescLow, 8], ["avail ring", Reg.DriverLow, 1], ["used ring", Reg.DeviceLow, 2]] as const)("B7: a queue whose %s are misaligned is refused", (_row, register, by) => {
    const driver = new Driver(make()).negotiate(), at = { [Reg.DescLow]: driver.desc, [Reg.DriverLow]: driver.avail, [Reg.DeviceLow]: driver.used };
    driver.w(Reg.QueueSel, queue);
    driver.w(Reg.QueueNum, driver.size);
    for (const one of [Reg.DescLow, Reg.DriverLow, Reg.DeviceLow] as const) driver.w(one, at[one] + (one === register ? by : 0));
    driver.w(Reg.QueueReady, 1);
    expect(driver.r(Reg.QueueReady)).toBe(0);
  });
  test.each([["used ring in the descriptors", Reg.DeviceLow, 16], ["used ring in the avail ring", Reg.DeviceLow, 0x2004], ["avail ring in the descriptors", Reg.DriverLow, 0x20]] as const)("B7: a queue with its %s is refused", (_row, register, offset) => {
    const driver = new Driver(make()).negotiate(), at = { [Reg.DescLow]: driver.desc, [Reg.DriverLow]: driver.avail, [Reg.DeviceLow]: driver.used };
    driver.w(Reg.QueueSel, queue);
    driver.w(Reg.QueueNum, driver.size);
    for (const one of [Reg.DescLow, Reg.DriverLow, Reg.DeviceLow] as const) driver.w(one, one === register ? driver.desc + offset : at[one]);
    driver.w(Reg.QueueReady, 1);
    expect(driver.r(Reg.QueueReady)).toBe(0);
  });
  test("B8: queues that are not there, and notifications before DRIVER_OK, do nothing; nor do 10000 of an empty queue", () => {
    const driver = new Driver(make()).negotiate();
    driver.setQueueAt(queue);
    for (const one of [queue, 255, 0xffff_ffff]) driver.notify(one);
    driver.w(Reg.QueueSel, 255);
    driver.w(Reg.Status, driver.status | Status.DRIVER_OK);
    for (let n = 0; n < 10_000; n++) driver.notify(queue);
    expect([driver.r(Reg.QueueNumMax), driver.status, driver.irq.level, driver.collect()]).toEqual([0, READY, false, []]);
  });
  test("B9: without VERSION_1, or with bits that were not offered, there is no FEATURES_OK", () => {
    const statuses = [[1, 0], [1, 3], [2, 1]].map(([word, bits]) => {
      const driver = new Driver(make());
      driver.w(Reg.Status, 1);
      driver.w(Reg.Status, 3);
      driver.w(Reg.DriverFeaturesSel, 1);
      driver.w(Reg.DriverFeatures, 1);
      driver.w(Reg.DriverFeaturesSel, word as number);
      driver.w(Reg.DriverFeatures, bits as number);
      driver.w(Reg.Status, 11);
      return driver.status;
    });
    expect(statuses).toEqual([3, 3, 3]);
  });
  test("B10: status bits out of order, cleared or twice change nothing; 1000 resets leave a device that works", () => {
    const driver = start(new Driver(make()), queue);
    for (const status of [READY, Status.DRIVER, READY | Status.NEEDS_RESET]) driver.w(Reg.Status, status);
    expect(driver.status).toBe(READY);
    for (let n = 0; n < 1000; n++) driver.w(Reg.Status, 0);
    expect(start(driver, queue).status).toBe(READY);
  });
  test("B11: beyond the configuration space there are zeros, and registers take 32 aligned bits only", () => {
    const driver = start(new Driver(make()), queue);
    for (const size of [1, 2]) driver.device.write(Reg.Status, size, 0);
    driver.device.write(Reg.Status + 2, 4, 0);
    driver.device.write(Reg.Config + 0xf0, 4, 1);
    expect([driver.status, driver.device.read(Reg.Config + 0xf0, 4), driver.device.read(Reg.MagicValue, 1)]).toEqual([READY, 0, 0]);
  });
});
test("B6: indexes wrap from 65535 to 0, again and again", () => {
  const driver = new Driver(new VirtioRng(into => { into.fill(7); })).start();
  driver.putDesc(0, AT, 4, Desc.WRITE);
  let back = 0;
  for (let n = 0; n < 140_000; n++) {
    driver.offer(0);
    driver.notify();
    back += driver.collect().length;
  }
  expect([back, driver.availIndex, driver.usedIndex, broken(driver)]).toEqual([140_000, 140_000 & 0xffff, 140_000 & 0xffff, false]);
});
test("B8: a million notifications of a queue with nothing in it cost less than a second of a core", () => {
  const driver = new Driver(new VirtioRng(into => { into.fill(7); })).start(), before = process.cpuUsage();
  for (let n = 0; n < 1_000_000; n++) driver.notify();
  const { user, system } = process.cpuUsage(before);
  expect([user + system < 1_000_000, driver.collect(), driver.irq.level]).toEqual([true, [], false]);
});
test("large buffers are read into straight, small ones between them by copies: all in order", () => {
  const bytes = new Uint8Array(1 << 20).map((_, i) => (i * 7 + (i >> 9)) & 255), driver = new Driver(new VirtioBlock({ backend: new ImageBackend(new RawImage(new MemoryFile(bytes), false)), serial: "long", failed: () => {} })).start();
  const lengths = [512, 65_536, 1024, 32_768, 262_144, 4096, 40_960 - 512], total = lengths.reduce((sum, n) => sum + n, 0);
  let at = 0x4010_0000;
  const parts = lengths.map(length => ({ at: (at += 0x4_1000) - 0x4_1000, length, write: true }));
  expect(driver.block(0, 3, ...parts)).toBe(0);
  expect(driver.collect()).toEqual([{ id: 0, length: total + 1 }]);
  expect(Buffer.compare(Buffer.concat(parts.map(one => driver.bytes(one.at, one.length))), bytes.subarray(1536, 1536 + total))).toBe(0);
});
test("B10: a reset with 256 requests in flight: what the back end completes later is nobody's", () => {
  const late: (() => void)[] = [], backend = new ImageBackend(new RawImage(new MemoryFile(new Uint8Array(1 << 20)), false));
  const slow = new Proxy(backend, { get: (target, name) => {
    const value = Reflect.get(target, name, target) as unknown;
    if (name !== "read") return typeof value === "function" ? (value as (...words: unknown[]) => unknown).bind(target) : value;
    return (at: number, into: Uint8Array, done: (error: undefined) => void): void => void late.push(() => target.read(at, into, done as never));
  } });
  const driver = new Driver(new VirtioBlock({ backend: slow, serial: "late", failed: () => {} })).start(Feature.EVENT_IDX, 256);
  for (let n = 0; n < 256; n++) { // each an indirect chain of its own
    const table = 0x4002_0000 + n * 64;
    driver.header(0, 0);
    driver.chain([{ at: driver.data, length: 16 }, { at: 0x4010_0000 + n * 512, length: 512, write: true }, { at: 0x4018_0000 + n, length: 1, write: true }], 0, table);
    driver.putDesc(n, table, 48, Desc.INDIRECT);
    driver.offer(n);
  }
  driver.notify();
  expect(late.length).toBe(256);
  driver.w(Reg.Status, 0);
  driver.memory.bytes.fill(0xee, 0x10_0000, 0x19_0000);
  driver.start();
  for (const one of late) one();
  expect([driver.collect(), driver.memory.bytes.subarray(0x18_0000, 0x18_0100).every(byte => byte === 0xee), broken(driver)]).toEqual([[], true, false]);
  expect(driver.block(0, 0, { at: driver.payload, length: 512, write: true })).toBe(0xff); // it is asked, and answers late too
  late.at(-1)!();
  expect([driver.blockStatus, driver.collect().length]).toEqual([0, 1]);
});
