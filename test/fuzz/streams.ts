// test/fuzz/streams.ts — vsock, console and balloon with drivers that are nearly right: whatever they send, the device stays
// within its bounds, and works after a reset.
import { VirtioBalloon } from "../../devices/virtio/balloon.ts";
import type { ConsolePort } from "../../devices/virtio/console-port.ts";
import { VirtioConsole } from "../../devices/virtio/console.ts";
import { BUFFER, OP } from "../../src/vsock/host.ts";
import { Random } from "../support/random.ts";
import { Driver, Feature, Reg, Status } from "../support/virtio-driver.ts";
import { VsockPair, HostStream } from "../support/vsock-pair.ts";

const STEPS = 200;
const pick = <T>(random: Random, from: readonly T[]): T => from[random.below(from.length)] as T;

/** Some of a device's queues, all on the driver's only rings. */
function restart(driver: Driver, queues: readonly number[], without: number): void {
  driver.negotiate(without);
  driver.memory.bytes.fill(0, 0, 0x6000);
  driver.availIndex = driver.usedIndex = 0;
  for (const queue of queues) driver.setQueueAt(queue);
  driver.w(Reg.Status, driver.status | Status.DRIVER_OK);
}
/** Chains of small words, now and then with an address, a length or an index that is wrong; `between` is the host's turn. */
function storm(driver: Driver, queues: number, random: Random, between: () => void): void {
  const all = Array.from({ length: queues }, (_, i) => i);
  let on: readonly number[] = [];
  for (let n = 0; n < STEPS; n++) {
    if (n === 0 || random.below(30) === 0 || (driver.status & Status.NEEDS_RESET) !== 0) restart(driver, on = random.below(2) === 0 ? all : [random.below(queues)], pick(random, [0, Feature.EVENT_IDX, Feature.EVENT_IDX | 2, Feature.INDIRECT]));
    const count = 1 + random.below(3), first = random.below(8);
    for (let i = 0; i < 16; i++) driver.memory.put32(driver.data + 4 * i, pick(random, [0, 1, 2, 3, 6, 0x1_0000 | random.below(8), 0x4_0000 + random.below(1024), random.u32()]));
    for (let i = 0; i < count; i++) {
      const wild = random.below(25) === 0, flags = 2 * random.below(2) * (i + 1 === count ? 1 : 0) + (i + 1 < count ? 1 : 0);
      driver.putDesc(first + i, wild ? random.u32() : driver.data + 4 * random.below(8), random.below(25) === 0 ? random.u32() : pick(random, [0, 4, 7, 8, 10, 40, 4096]), random.below(25) === 0 ? random.below(8) : flags, first + i + 1);
    }
    if (random.below(40) === 0) driver.memory.put16(driver.avail + 2, random.u32());
    else driver.offer(random.below(25) === 0 ? random.below(0x1_0000) : first);
    driver.notify(random.below(25) === 0 ? random.u32() : pick(random, on));
    if (random.below(12) === 0) driver.device.write(random.below(132) * 4, pick(random, [1, 2, 4]), random.u32());
    between();
    if (random.below(4) === 0) driver.device.tick();
  }
}

export function fuzzBalloon(seed: number): void {
  const random = new Random(seed * 5 + 1), base = 0x4000_0000, size = 0x40_0000;
  const balloon = new VirtioBalloon({
    contains: (gpa, length) => gpa >= base && gpa + length <= base + size,
    release: (gpa, length) => {
      if (gpa < base || gpa + length > base + size) throw new Error("memory that is not the guest's was given back");
      return length;
    },
  });
  const driver = new Driver(balloon);
  storm(driver, balloon.queues, random, () => {
    if (random.below(20) === 0) balloon.target = random.below(size);
    if (random.below(10) === 0) balloon.refresh();
  });
  restart(driver, [0], Feature.EVENT_IDX);
  const before = balloon.released;
  driver.memory.put32(driver.data, base / 4096 + 5);
  driver.send([{ at: driver.data, length: 4 }]);
  if (balloon.released !== before + 4096 || driver.collect().length !== 1) throw new Error("no page is taken after a reset");
}

class Port implements ConsolePort {
  readonly name: string | undefined;
  open = false;
  columns = 80;
  taken = 0;
  full = false;
  record: Uint8Array | undefined;
  #reserved = 0;
  constructor(name: string | undefined) { this.name = name; }
  reserve(length: number): Uint8Array | undefined {
    if (length > 16 * 1024) throw new Error("more is wanted at once than a piece");
    return this.full ? undefined : new Uint8Array(this.#reserved = length);
  }
  commit(): void { this.taken += this.#reserved; }
  next(): Uint8Array | undefined { return this.record; }
  release(): void { this.record = undefined; }
  host(): { open: boolean; columns: number; rows: number } { return { open: true, columns: this.columns, rows: 25 }; }
  guest(open: boolean): void {
    if (this.open === open) throw new Error("a port is opened twice, or closed twice");
    this.open = open;
  }
}
export function fuzzConsole(seed: number): void {
  const random = new Random(seed * 11 + 5), ports = [new Port(undefined), new Port("a"), new Port("b")], device = new VirtioConsole(ports), driver = new Driver(device);
  storm(driver, device.queues, random, () => {
    const port = pick(random, ports);
    port.full = random.below(3) === 0;
    if (random.below(3) === 0) port.record ??= random.bytes(1 + random.below(100));
    if (random.below(10) === 0) port.columns = random.below(0x1_0000);
    if (random.below(2) === 0) device.serve();
  });
  for (const port of ports) port.full = false;
  restart(driver, [1], Feature.EVENT_IDX);
  const before = (ports[0] as Port).taken;
  driver.offer(driver.chain([{ at: driver.data, length: 9 }]));
  driver.notify(1);
  if ((ports[0] as Port).taken !== before + 9) throw new Error("no bytes go through after a reset");
}

export function fuzzVsock(seed: number): void {
  const random = new Random(seed * 13 + 3), pair = new VsockPair(), ops = Object.values(OP), hosts: HostStream[] = [];
  for (let n = 0; n < STEPS; n++) {
    const wild = random.below(8) === 0, bytes = random.below(3) === 0 ? random.below(900) : 0;
    pair.send(wild ? random.below(12) : pick(random, ops), {
      guestPort: random.below(4), hostPort: random.below(2) === 0 ? random.below(3) : 2 ** 30 + random.below(6), bytes, length: random.below(20) === 0 ? random.u32() : bytes, flags: random.below(4),
      room: pick(random, [0, 100, 65536, 0xffff_ffff]), taken: random.below(6) === 0 ? random.u32() : 0, ...(random.below(25) === 0 ? { dst: random.u32(), type: random.below(4) } : {}),
    });
    const stream = pair.streams.length > 0 ? pick(random, pair.streams) : undefined;
    const events = stream?.events;
    if (stream !== undefined && events !== undefined) {
      stream.room = pick(random, [0, 10, Number.POSITIVE_INFINITY]);
      [() => events.opened(), () => events.data(random.bytes(random.below(2000))), () => events.end(), () => events.writable(), () => events.closed(undefined), () => {}][random.below(6)]?.();
    }
    if (random.below(10) === 0) {
      const one = new HostStream(), events = pair.host.incoming(one);
      one.events = events;
      hosts.push(one);
      events?.data(new TextEncoder().encode(`CONNECT ${random.below(4)}\n${"x".repeat(random.below(50))}`));
    }
    if (hosts.length > 0 && random.below(4) === 0) [(e: HostStream) => e.events?.data(random.bytes(100)), (e: HostStream) => e.events?.end(), (e: HostStream) => e.events?.writable()][random.below(3)]?.(pick(random, hosts));
    if (random.below(3) === 0) for (const one of pair.received()) if (one.length > BUFFER || one.cid !== 2 && one.op !== OP.RST) throw new Error("a packet that no host sends");
    if (!pair.healthy) throw new Error("the device needs a reset although every ring is right");
  }
  pair.received();
  pair.host.restart();
  pair.send(OP.REQUEST, { guestPort: 77 });
  pair.streams.at(-1)?.events?.opened();
  if (pair.host.connections !== 1 || !pair.received().some(one => one.op === OP.RESPONSE && one.guestPort === 77)) throw new Error("no connection is had after a new start");
}
