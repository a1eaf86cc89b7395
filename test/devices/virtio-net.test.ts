// test/devices/virtio-net.test.ts — virtio-net with an honest and a hostile driver: OASIS virtio 1.2, 5.1, and rows B4, B5, B10, B12
// and E1 of the list of adversarial cases. The network behind it is two lists of records.
import { describe, expect, test } from "bun:test";
import { VirtioNet } from "../../devices/virtio/net.ts";
import type { NetPort } from "../../devices/virtio/net-port.ts";
import { MAC } from "../support/net-guest.ts";
import { Driver, Feature, Reg, Status } from "../support/virtio-driver.ts";

const F = { CSUM: 1 << 0, GUEST_CSUM: 1 << 1, GUEST_TSO4: 1 << 7, HOST_TSO4: 1 << 11, MRG_RXBUF: 1 << 15 } as const;
const RX = 0, TX = 1;
const HEADER = 12;

class Port implements NetPort {
  sent: Uint8Array[] = [];
  waiting: Uint8Array[] = [];
  room = 1000;
  drivers: (number | undefined)[] = [];
  #reserved: Uint8Array = new Uint8Array(0);
  reserve(length: number): Uint8Array | undefined { return this.room > 0 ? this.#reserved = new Uint8Array(length) : undefined; }
  commit(): void {
    this.room--;
    this.sent.push(this.#reserved);
  }
  next(): Uint8Array | undefined { return this.waiting[0]; }
  release(): void { this.waiting.shift(); }
  driver(offload: number | undefined): void { this.drivers.push(offload); }
}
/** A driver with one of the two queues on its rings. */
function start(queue: number, without = 0, offload = true): { driver: Driver; port: Port; net: VirtioNet } {
  const port = new Port(), net = new VirtioNet({ port, mac: MAC, mtu: 1400, offload }), driver = new Driver(net);
  driver.negotiate(without | Feature.EVENT_IDX);
  driver.memory.bytes.fill(0, 0, 0x6000);
  driver.setQueueAt(queue);
  driver.w(Reg.Status, driver.status | Status.DRIVER_OK);
  return { driver, port, net };
}
/** A frame of the guest in one buffer. */
function send(driver: Driver, record: readonly number[], length = record.length): void {
  driver.memory.bytes.set(record, driver.data - driver.memory.base);
  driver.offer(driver.chain([{ at: driver.data, length }]));
  driver.notify(TX);
}
const frame = (header: readonly number[] = []): number[] => [...header, ...new Array<number>(HEADER - header.length).fill(0), ...Array.from({ length: 60 }, (_, i) => i)];
const record = (length: number): Uint8Array => Uint8Array.from({ length: HEADER + length }, (_, i) => (i < HEADER ? 0 : i & 0xff));
const needsReset = (driver: Driver): boolean => (driver.status & Status.NEEDS_RESET) !== 0;

describe("configuration", () => {
  test("MAC, link status and MTU stand in the configuration space", () => {
    const { driver } = start(TX);
    expect(Array.from({ length: 12 }, (_, i) => driver.device.read(Reg.Config + i, 1))).toEqual([...MAC, 1, 0, 1, 0, 1400 & 255, 1400 >> 8]);
  });
  test("B11: the MAC cannot be written", () => {
    const { driver } = start(TX);
    driver.device.write(Reg.Config, 4, 0);
    expect(driver.device.read(Reg.Config, 1)).toBe(0x52);
  });
  test("offloads are offered only when whoever is behind takes them", () => {
    const offers = (offload: boolean): number => new VirtioNet({ port: new Port(), mac: MAC, mtu: 1500, offload }).features;
    expect(offers(true) & (F.CSUM | F.HOST_TSO4)).toBe(F.CSUM | F.HOST_TSO4);
    expect(offers(false) & (F.CSUM | F.GUEST_CSUM | F.GUEST_TSO4 | F.HOST_TSO4)).toBe(0);
  });
  test("the network hears what the driver accepts, and that it is gone", () => {
    const { driver, port } = start(TX);
    driver.w(Reg.Status, 0);
    expect(port.drivers.slice(-2)).toEqual([7, undefined]);
    expect(start(TX, F.GUEST_CSUM).port.drivers.at(-1)).toBe(0); // segmentation without checksums is none
  });
});

describe("from the guest", () => {
  test("a frame goes out with its header, and the buffer comes back", () => {
    const { driver, port } = start(TX);
    send(driver, frame());
    expect(port.sent.map(one => [...one])).toEqual([frame()]);
    expect(driver.collect()).toEqual([{ id: 0, length: 0 }]);
  });
  test("a header in a buffer of its own is the same", () => {
    const { driver, port } = start(TX);
    driver.memory.bytes.set(frame(), driver.data - driver.memory.base);
    driver.offer(driver.chain([{ at: driver.data, length: 5 }, { at: driver.data + 5, length: 7 }, { at: driver.data + 12, length: 60 }]));
    driver.notify(TX);
    expect([...port.sent[0]!]).toEqual(frame());
  });
  test("a port without room keeps the frame, takes no other, and goes on when there is room", () => {
    const { driver, port, net } = start(TX);
    port.room = 1;
    for (const head of [0, 1, 2]) driver.offer(driver.chain([{ at: driver.data, length: 72 }], head));
    driver.notify(TX);
    expect([port.sent.length, driver.collect().length, driver.alarm.due]).toEqual([1, 1, undefined]); // and nobody spins
    port.room = 10;
    net.serve();
    expect([port.sent.length, driver.collect().map(one => one.id)]).toEqual([3, [1, 2]]);
  });
  test.each<[string, number[], number]>([
    ["a checksum that lies behind the end", [1, 0, 0, 0, 0, 0, 60, 0, 16, 0], 0], ["a checksum at 65535", [1, 0, 0, 0, 0, 0, 255, 255, 255, 255], 0], ["a checksum in the Ethernet header", [1, 0, 0, 0, 0, 0, 0, 0, 0, 0], 0],
    ["segments of length 0", [1, 1, 54, 0, 0, 0, 34, 0, 16, 0], 0], ["segmentation without a checksum", [0, 1, 54, 0, 0, 5, 34, 0, 16, 0], 0], ["an unknown segmentation", [1, 9, 54, 0, 0, 5, 34, 0, 16, 0], 0],
    ["UDP fragmentation, which was not offered", [1, 3, 54, 0, 0, 5, 34, 0, 16, 0], 0], ["segmentation that was not negotiated", [1, 1, 54, 0, 0, 5, 34, 0, 16, 0], F.HOST_TSO4], ["a checksum that was not negotiated", [1, 0, 0, 0, 0, 0, 34, 0, 16, 0], F.CSUM],
  ])("E1: %s is dropped and counted", (_what, header, without) => {
    const { driver, port } = start(TX, without);
    send(driver, frame(header));
    expect([port.sent.length, needsReset(driver), driver.collect().length]).toEqual([0, false, 1]);
    expect(driver.trace.notes.filter(note => note.includes("frame of the guest dropped")).length).toBe(1);
  });
  test("E1: a segment as it should be passes", () => {
    const { driver, port } = start(TX);
    send(driver, frame([1, 1, 54, 0, 180, 5, 34, 0, 16, 0]));
    expect(port.sent.length).toBe(1);
  });
  test.each([0, 1, 11])("B4: a buffer of %d bytes, shorter than the header, needs a reset", length => {
    const { driver, port } = start(TX);
    send(driver, frame(), length);
    expect([port.sent.length, needsReset(driver)]).toEqual([0, true]);
    driver.w(Reg.Status, 0);
    expect(driver.status).toBe(0);
  });
  test.each([12, 13, 25, HEADER + 14 + 4 + 65_536])("E1: a frame of an impossible length (%d) is dropped", length => {
    const { driver, port } = start(TX);
    send(driver, frame(), length);
    expect([port.sent.length, needsReset(driver), driver.collect().length]).toEqual([0, false, 1]);
  });
  test("a writable buffer in the transmit queue is no frame", () => {
    const { driver } = start(TX);
    driver.offer(driver.chain([{ at: driver.data, length: 100, write: true }]));
    driver.notify(TX);
    expect(needsReset(driver)).toBe(true);
  });
  test("B10: a reset forgets the frame that waits for room", () => {
    const { driver, port, net } = start(TX);
    port.room = 0;
    send(driver, frame());
    driver.w(Reg.Status, 0);
    port.room = 10;
    net.serve();
    expect([port.sent.length, driver.memory.u16(driver.used + 2)]).toEqual([0, 0]);
  });
});

describe("to the guest", () => {
  const offerBuffers = (driver: Driver, lengths: readonly number[]): void => {
    lengths.forEach((length, i) => driver.offer(driver.chain([{ at: driver.data + i * 0x1000, length, write: true }], i)));
    driver.notify(RX);
  };
  test("a frame goes into one buffer that holds it", () => {
    const { driver, port, net } = start(RX);
    offerBuffers(driver, [2000, 2000]);
    port.waiting.push(record(60));
    net.serve();
    expect(driver.collect()).toEqual([{ id: 0, length: 72 }]);
    expect([...driver.bytes(driver.data + 10, 4)]).toEqual([1, 0, 12, 13]); // num_buffers, then the frame
    expect(driver.irq.level).toBe(true);
  });
  test("a large frame goes into several, which the driver sees at once", () => {
    const { driver, port, net } = start(RX);
    offerBuffers(driver, [512, 512, 512, 512]);
    port.waiting.push(record(1200));
    net.serve();
    expect(driver.collect()).toEqual([{ id: 0, length: 512 }, { id: 1, length: 512 }, { id: 2, length: 188 }]);
    expect(driver.memory.u16(driver.data + 10)).toBe(3);
    expect([...driver.bytes(driver.data + 0x1000, 2)]).toEqual([512 & 255, 513 & 255]);
  });
  test("a frame waits for buffers, and those taken for it are kept", () => {
    const { driver, port, net } = start(RX);
    offerBuffers(driver, [512]);
    port.waiting.push(record(800));
    net.serve();
    expect([driver.collect(), port.waiting.length, driver.alarm.due]).toEqual([[], 1, undefined]);
    driver.offer(driver.chain([{ at: driver.data + 0x1000, length: 512, write: true }], 1));
    driver.notify(RX);
    expect([driver.collect().map(one => one.length), port.waiting.length]).toEqual([[512, 300], 0]);
  });
  test("without mergeable buffers, one that is too small loses the frame and not the buffer", () => {
    const { driver, port, net } = start(RX, F.MRG_RXBUF);
    offerBuffers(driver, [512]);
    port.waiting.push(record(800), record(60));
    net.serve();
    expect(driver.collect()).toEqual([{ id: 0, length: 72 }]);
  });
  test("a frame that the whole queue cannot hold is dropped", () => {
    const { driver, port, net } = start(RX);
    offerBuffers(driver, new Array<number>(16).fill(16));
    port.waiting.push(record(1000), record(60));
    net.serve();
    expect([driver.collect().length, port.waiting.length]).toEqual([5, 0]);
  });
  test("B4: a receive buffer shorter than the header needs a reset", () => {
    const { driver, port, net } = start(RX);
    offerBuffers(driver, [11]);
    port.waiting.push(record(60));
    net.serve();
    expect(needsReset(driver)).toBe(true);
  });
  test("a record for an earlier driver, which accepted more, is dropped", () => {
    const { driver, port, net } = start(RX, F.GUEST_CSUM);
    offerBuffers(driver, [2000]);
    const left = record(60);
    left[0] = 1;
    port.waiting.push(left);
    net.serve();
    expect([driver.collect(), port.waiting.length]).toEqual([[], 0]);
  });
  test("B10: a reset in the middle of gathering lets go of the buffers", () => {
    const { driver, port, net } = start(RX);
    offerBuffers(driver, [512]);
    port.waiting.push(record(800));
    net.serve();
    driver.w(Reg.Status, 0);
    driver.negotiate(Feature.EVENT_IDX);
    driver.availIndex = driver.usedIndex = 0;
    driver.memory.bytes.fill(0, 0, 0x6000);
    driver.setQueueAt(RX);
    driver.w(Reg.Status, driver.status | Status.DRIVER_OK);
    offerBuffers(driver, [2000]);
    expect(driver.collect()).toEqual([{ id: 0, length: 812 }]);
  });
  test("before there is a driver nothing is taken", () => {
    const port = new Port(), net = new VirtioNet({ port, mac: MAC, mtu: 1500, offload: true });
    new Driver(net);
    port.waiting.push(record(60));
    net.serve();
    expect(port.waiting.length).toBe(1);
  });
});
