// test/devices/virtio-console.test.ts — virtio-console with an honest and a hostile driver: OASIS virtio 1.2, 5.3, and row B14 of
// the list of adversarial cases. The host's ends are arrays.
import { describe, expect, test } from "bun:test";
import type { ConsolePort, HostEnd } from "../../devices/virtio/console-port.ts";
import { VirtioConsole } from "../../devices/virtio/console.ts";
import { Driver, Feature, Reg, Status } from "../support/virtio-driver.ts";
import { Ring } from "../support/virtio-ring.ts";

const EVENT = { DEVICE_READY: 0, PORT_ADD: 1, PORT_REMOVE: 2, PORT_READY: 3, CONSOLE_PORT: 4, RESIZE: 5, PORT_OPEN: 6, PORT_NAME: 7 } as const;
const MULTIPORT = 2;
const text = (bytes: Uint8Array): string => new TextDecoder("latin1").decode(bytes);
const bytes = (words: string): Uint8Array => new TextEncoder().encode(words);

class Port implements ConsolePort {
  readonly name: string | undefined;
  /** Bytes that it still takes. */
  room = 1_000_000;
  taken = "";
  readonly waiting: Uint8Array[] = [];
  readonly guestWas: boolean[] = [];
  end: HostEnd = { open: true, columns: 80, rows: 25 };
  #reserved = new Uint8Array(0);
  constructor(name?: string) { this.name = name; }
  reserve(length: number): Uint8Array | undefined { return length <= this.room ? (this.#reserved = new Uint8Array(length)) : undefined; }
  commit(): void {
    this.room -= this.#reserved.length;
    this.taken += text(this.#reserved);
  }
  next(): Uint8Array | undefined { return this.waiting[0]; }
  release(): void { this.waiting.shift(); }
  host(): HostEnd { return this.end; }
  guest(open: boolean): void { this.guestWas.push(open); }
}
test("an emergency write is the first port's at once: without a driver, before DRIVER_OK, beside a queue that stands; a slow reader loses it", () => {
  const ports = [new Port(), new Port("agent")] as const, driver = new Driver(new VirtioConsole(ports));
  const say = (words: string, size = 4): void => { for (const c of bytes(words)) driver.device.write(Reg.Config + 8, size, c | 0x4100); };
  say("no driver, ");
  driver.negotiate();
  say("no queues, ", 1);
  driver.w(Reg.Status, driver.status | Status.FAILED);
  say("failed", 2);
  expect([ports[0].taken, ports[1].taken, driver.r(Reg.Config + 8)]).toEqual(["no driver, no queues, failed", "", 0]);
  ports[0].room = 0;
  say("lost");
  driver.device.write(Reg.Config, 2, 80); // not the driver's
  expect([ports[0].taken.length, driver.r(Reg.Config) & 0xffff, driver.trace.notes]).toEqual([28, 80, [...Array<string>(4).fill("virtio-console: emergency write dropped: the reader is slow"), "virtio-console: write to the configuration space ignored"]]);
});

/** A device with a console and a named port, its driver, and the rings of both ports and of the control queues. */
function start(without = 0) {
  const ports = [new Port(), new Port("agent")] as const, device = new VirtioConsole(ports), driver = new Driver(device);
  driver.negotiate(without | Feature.EVENT_IDX);
  const [rx, tx, controlRx, controlTx, rx1, tx1] = Array.from({ length: 6 }, (_, i) => new Ring(driver, i)) as [Ring, Ring, Ring, Ring, Ring, Ring];
  driver.w(Reg.Status, driver.status | Status.DRIVER_OK);
  const control = (id: number, event: number, value: number): void => {
    const message = new DataView(new ArrayBuffer(8));
    message.setUint32(0, id, true);
    message.setUint16(4, event, true);
    message.setUint16(6, value, true);
    controlTx.send(new Uint8Array(message.buffer));
    driver.device.tick();
  };
  /** What the device told: id, event, value, and what follows. */
  const told = (): (readonly [number, number, number, string])[] => controlRx.back().map(m => [m[0]!, m[4]!, m[6]!, text(m.subarray(8))]);
  return { ports, device, driver, rx, tx, rx1, tx1, controlRx, controlTx, control, told };
}
/** The same, after the conversation that Linux has. */
function open() {
  const all = start();
  for (let n = 0; n < 12; n++) all.controlRx.room();
  all.control(0, EVENT.DEVICE_READY, 1);
  for (const id of [0, 1]) {
    all.control(id, EVENT.PORT_READY, 1);
    all.control(id, EVENT.PORT_OPEN, 1);
  }
  return all;
}
const healthy = (driver: Driver): boolean => (driver.status & Status.NEEDS_RESET) === 0;

describe("5.3.6.2: control", () => {
  test("ports are told of in the order that Linux needs: added, what they are, the size, who is there", () => {
    const { told, ports } = open();
    expect(told()).toEqual([
      [0, EVENT.PORT_ADD, 1, ""], [1, EVENT.PORT_ADD, 1, ""],
      [0, EVENT.CONSOLE_PORT, 1, ""], [0, EVENT.RESIZE, 0, "\x50\0\x19\0"], [0, EVENT.PORT_OPEN, 1, ""],
      [1, EVENT.PORT_NAME, 1, "agent"], [1, EVENT.PORT_OPEN, 1, ""],
    ]);
    expect(ports.map(port => port.guestWas)).toEqual([[true], [true]]);
  });
  test("a changed window is told, once; so is who comes and goes", () => {
    const { told, ports, device, driver } = open();
    told();
    ports[0].end = { open: true, columns: 300, rows: 40 };
    ports[1].end = { open: false, columns: 0, rows: 0 };
    device.serve();
    device.serve();
    expect(told()).toEqual([[0, EVENT.RESIZE, 0, "\x2c\x01\x28\0"], [1, EVENT.PORT_OPEN, 0, ""]]);
    expect(driver.r(Reg.Config)).toBe(300 | (40 << 16));
  });
  test("what finds no buffer is told when there is one, as it is then", () => {
    const { told, ports, device, control, controlRx } = start();
    control(0, EVENT.DEVICE_READY, 1);
    control(0, EVENT.PORT_READY, 1);
    for (let n = 0; n < 1000; n++) {
      ports[0].end = { open: true, columns: n, rows: 50 };
      device.serve();
    }
    expect(told()).toEqual([]);
    for (let n = 0; n < 8; n++) controlRx.room();
    expect(told()).toEqual([[0, EVENT.PORT_ADD, 1, ""], [0, EVENT.CONSOLE_PORT, 1, ""], [0, EVENT.RESIZE, 0, "\xe7\x03\x32\0"], [0, EVENT.PORT_OPEN, 1, ""], [1, EVENT.PORT_ADD, 1, ""]]);
  });
  test("a driver without MULTIPORT has one port, open, and hears nothing of control", () => {
    const { ports, rx, tx, device, told, controlRx, rx1 } = start(MULTIPORT);
    ports[0].waiting.push(bytes("in"));
    ports[1].waiting.push(bytes("secret"));
    controlRx.room();
    rx.room();
    rx1.room();
    device.serve();
    tx.send(bytes("out"));
    expect([rx.back().map(text), ports[0].taken, ports[0].guestWas, rx1.back(), told()]).toEqual([["in"], "out", [true], [], []]);
  });
  test("a buffer that a message does not fit into comes back empty, and the device goes on", () => {
    const { told, control, controlRx, driver } = start();
    controlRx.room(7);
    for (let n = 0; n < 3; n++) controlRx.room();
    control(0, EVENT.DEVICE_READY, 1);
    expect([controlRx.back().map(one => one.length), told().length, healthy(driver)]).toEqual([[0, 8], 0, true]);
  });
  test.each([
    ["of an unknown kind", 0, 99, 1], ["that only a device sends", 0, EVENT.PORT_ADD, 1], ["for port 2 of 2", 2, EVENT.PORT_READY, 1], ["for port 2^32-1", 0xffff_ffff, EVENT.PORT_OPEN, 1], ["that a port could not be made", 1, EVENT.PORT_READY, 0],
  ])("a message %s is ignored and noted", (_, id, event, value) => {
    const { driver, told, control, ports } = open();
    told();
    control(id, event, value);
    expect([told(), healthy(driver), driver.trace.notes.length, ports.map(port => port.guestWas.length)]).toEqual([[], true, 1, [1, 1]]);
  });
  test("a message of 7 bytes, or of none, is noted", () => {
    const { driver, controlTx } = open();
    controlTx.send(new Uint8Array(7));
    controlTx.sendMemory(0);
    expect([driver.trace.notes.length, controlTx.back().length, healthy(driver)]).toEqual([2, 7, true]);
  });
  test("100000 messages leave nothing behind: a driver that takes none of the answers costs nothing", () => {
    const { control, told, controlRx, driver } = start();
    for (let n = 0; n < 50_000; n++) {
      control(n & 1, EVENT.DEVICE_READY, 1);
      control(n & 1, EVENT.PORT_READY, 1);
    }
    for (let n = 0; n < 16; n++) controlRx.room();
    expect([told().length, healthy(driver)]).toEqual([7, true]);
  });
});

describe("5.3.6: bytes", () => {
  test("a record goes into as many buffers as it needs, a buffer without length takes nothing", () => {
    const { ports, rx, device } = open();
    ports[0].waiting.push(bytes("abcdefgh"), bytes("i"));
    for (const length of [3, 0, 4, 100, 100]) rx.room(length);
    device.serve();
    expect([rx.back().map(text), ports[0].waiting.length]).toEqual([["abc", "", "defg", "h", "i"], 0]);
  });
  test("what is for a port that nobody has opened waits", () => {
    const { ports, rx1, device, control } = open();
    control(1, EVENT.PORT_OPEN, 0);
    ports[1].waiting.push(bytes("later"));
    rx1.room();
    device.serve();
    expect(rx1.back()).toEqual([]);
    control(1, EVENT.PORT_OPEN, 1);
    expect(rx1.back().map(text)).toEqual(["later"]);
  });
  test("who is gone is gone after the last byte", () => {
    const { ports, rx1, device, told } = open();
    told();
    ports[1].waiting.push(bytes("last words"));
    ports[1].end = { open: false, columns: 0, rows: 0 };
    device.serve();
    expect(told()).toEqual([]);
    rx1.room();
    expect([rx1.back().map(text), told()]).toEqual([["last words"], [[1, EVENT.PORT_OPEN, 0, ""]]]);
  });
  test("B14: a host that does not read stops that port, and nothing else; what was begun goes on when there is room", () => {
    const { ports, tx, tx1, device } = open();
    ports[0].room = 20 * 1024;
    tx.sendMemory(40 * 1024);
    tx.send(bytes("behind"));
    tx1.send(bytes("other"));
    expect([ports[0].taken.length, tx.back().length, ports[1].taken, tx1.back().length]).toEqual([16 * 1024, 0, "other", 1]);
    ports[0].room = 100_000;
    device.serve();
    expect([ports[0].taken.length, ports[0].taken.endsWith("behind"), tx.back().length]).toEqual([40 * 1024 + 6, true, 2]);
  });
  test("B14: 100 MB go through a port a piece at a time, and none of them are kept", () => {
    const { ports, tx } = open();
    let most = 0, sum = 0;
    const [port] = ports;
    port.reserve = length => {
      most = Math.max(most, length);
      return new Uint8Array(length);
    };
    port.commit = () => { sum++; };
    for (let n = 0; n < 50; n++) tx.sendMemory(2_000_000);
    expect([most, sum, tx.back().length > 0]).toEqual([16 * 1024, 50 * Math.ceil(2_000_000 / 16_384), true]);
  });
  test("B10: a reset closes the ports and forgets the buffer that had no room", () => {
    const { ports, tx, device, driver } = open();
    ports[0].room = 0;
    tx.send(bytes("lost"));
    driver.w(Reg.Status, 0);
    ports[0].room = 1000;
    device.serve();
    expect([ports[0].taken, ports.map(port => port.guestWas)]).toEqual(["", [[true, false], [true, false]]]);
  });
  test("B11: the configuration is the device's", () => {
    const { driver } = open();
    driver.device.write(Reg.Config, 4, 0);
    expect([driver.r(Reg.Config), driver.r(Reg.Config + 4), driver.r(Reg.Config + 8), driver.trace.notes.length]).toEqual([80 | (25 << 16), 2, 0, 1]);
  });
});
