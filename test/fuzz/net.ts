// test/fuzz/net.ts — fuzz targets of the network: each parser, the whole stack in the middle of other traffic, the device with a
// driver that does anything. A case is made of its seed: a valid input, damaged, or bytes at random; it must not throw.
import { VirtioNet } from "../../devices/virtio/net.ts";
import type { NetPort } from "../../devices/virtio/net-port.ts";
import { addressBytes } from "../../src/net/address.ts";
import { DhcpServer } from "../../src/net/dhcp-server.ts";
import { readArp } from "../../src/net/pdu/arp.ts";
import { readDhcp } from "../../src/net/pdu/dhcp.ts";
import { readDnsQuery, serverFailure } from "../../src/net/pdu/dns.ts";
import { readIpv4, readIpv6 } from "../../src/net/pdu/ip.ts";
import { readTcp, readUdp } from "../../src/net/pdu/transport.ts";
import { Flag } from "../../src/net/pdu/transport.ts";
import { Reassembly } from "../../src/net/reassembly.ts";
import { MAC, NetGuest, ascii } from "../support/net-guest.ts";
import { Random } from "../support/random.ts";
import { Driver, Feature, Status } from "../support/virtio-driver.ts";

interface FuzzTarget {
  readonly seeds: readonly Uint8Array[];
  run(input: Uint8Array): void;
}

// --- frames --------------------------------------------------------------------------------------------------------

const from = (hex: string): Uint8Array => Uint8Array.from(hex.replace(/\s/g, "").match(/../g) ?? [], one => Number.parseInt(one, 16));
export const DNS_QUERY: Uint8Array = Uint8Array.of(0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 7, ...ascii("example"), 3, ...ascii("com"), 0, 0, 1, 0, 1);
export const DHCP_DISCOVER: Uint8Array = ((): Uint8Array => {
  const b = new Uint8Array(300);
  b.set([1, 1, 6, 0, 1, 2, 3, 4]);
  b.set(MAC, 28);
  b.set(from("63825363 350101 3204 0a00020f 370403060f1c ff"), 236);
  return b;
})();
const ARP_REQUEST = from("0001 0800 06 04 0001 525400123456 0a00020f 000000000000 0a000202");
/** Frames of a well-behaved guest: what it sends is recorded. */
function guestFrames(): Uint8Array[] {
  const frames: Uint8Array[] = [];
  const guest = new NetGuest();
  const { stack } = guest, receive = stack.receive.bind(stack);
  stack.receive = record => {
    frames.push(record.slice());
    receive(record);
  };
  guest.frame(0x0806, ARP_REQUEST);
  guest.udp("203.0.113.9", 9, ascii("datagram"));
  guest.udp("10.0.2.3", 53, DNS_QUERY);
  guest.ip("0.0.0.0", "255.255.255.255", 17, Uint8Array.of(0, 68, 0, 67, 1, 52, 0, 0, ...DHCP_DISCOVER));
  guest.tcp("203.0.113.9", 80, { seq: 1000, flags: Flag.SYN });
  guest.streams[0]?.events?.opened();
  const ours = guest.segments()[0]?.seq ?? 0;
  guest.tcp("203.0.113.9", 80, { seq: 1001, ack: ours + 1, flags: Flag.ACK });
  guest.tcp("203.0.113.9", 80, { seq: 1001, ack: ours + 1, flags: Flag.ACK | Flag.PSH, payload: ascii("GET / HTTP/1.0\r\n\r\n") });
  guest.tcp("203.0.113.9", 80, { seq: 1019, ack: ours + 1, flags: Flag.ACK | Flag.FIN });
  guest.ip("10.0.2.15", "10.0.2.2", 1, Uint8Array.of(8, 0, 0, 0, 0, 1, 0, 1, ...ascii("ping")));
  guest.ip("fd10:0:2::15", "fd10:0:2::2", 58, Uint8Array.of(128, 0, 0, 0, 0, 1, 0, 1, 1, 2, 3, 4));
  guest.ip("fe80::15", "ff02::2", 58, Uint8Array.of(133, 0, 0, 0, 0, 0, 0, 0));
  guest.ip("fe80::15", "fd10:0:2::2", 58, Uint8Array.of(135, 0, 0, 0, 0, 0, 0, 0, ...(addressBytes("fd10:0:2::2") as Uint8Array)));
  guest.tcp("2001:db8::1", 80, { seq: 5, flags: Flag.SYN }, 40_000, "fd10:0:2::15");
  return frames;
}
const frames = guestFrames();
/** A TCP, UDP or ICMP checksum that holds again: else nothing but the check would be tried. */
function mend(record: Uint8Array): Uint8Array {
  record[0] = (record[0] ?? 0) | 1;
  if (record.length > 46 && record[24] === 8 && record[25] === 0) {
    record[36] = record[37] = 0;
    let sum = 0;
    for (let i = 26; i < 46; i += 2) sum += ((record[i] as number) << 8) | (record[i + 1] as number);
    while (sum > 0xffff) sum = (sum >> 16) + (sum & 0xffff);
    record[36] = (~sum >> 8) & 0xff;
    record[37] = ~sum & 0xff;
  }
  return record;
}
const stack: FuzzTarget = {
  seeds: frames,
  run: input => {
    if (input.length < 12) return;
    const guest = new NetGuest({ allowHost: true });
    const feed = (record: Uint8Array): void => {
      guest.stack.receive(record);
      guest.stack.settle();
      for (const stream of guest.streams) stream.events?.opened();
    };
    // in the middle of everything else, so that there are connections for it to disturb
    for (const frame of frames.slice(0, 6)) feed(frame.slice());
    feed(input.slice());
    feed(mend(input.slice()));
    for (const frame of frames.slice(6)) feed(frame.slice());
    feed(mend(input.slice()));
    guest.advance(100_000);
  },
};

// --- the device ----------------------------------------------------------------------------------------------------

class LoosePort implements NetPort {
  readonly frames: Uint8Array[] = [];
  waiting: Uint8Array[] = [];
  reserve(length: number): Uint8Array { return this.#last = new Uint8Array(length); }
  commit(): void { this.frames.push(this.#last); }
  next(): Uint8Array | undefined { return this.waiting[0]; }
  release(): void { this.waiting.shift(); }
  driver(): void {}
  #last: Uint8Array = new Uint8Array(0);
}
/** The input says what the driver does: 16 bytes each for descriptors, then rings; both queues lie on the same memory. */
const device: FuzzTarget = {
  seeds: [1, 2, 3, 4].map(seed => Uint8Array.from({ length: 256 }, (_, i) => (i % 16 === 0 ? 0 : (i * seed * 7) & 0xff))),
  run: input => {
    const port = new LoosePort(), net = new VirtioNet({ port, mac: MAC, mtu: 1500, offload: true });
    const driver = new Driver(net);
    driver.negotiate(input.length % 2 === 0 ? Feature.EVENT_IDX : 0).setQueue();
    driver.setQueueAt(1);
    driver.w(0x70, driver.status | Status.DRIVER_OK);
    const view = new DataView(input.buffer, input.byteOffset, input.byteLength);
    for (let i = 0; i + 8 <= input.length && i < 16 * 8; i += 8) {
      const wild = (input[i] as number) > 240;
      driver.putDesc(i / 8, wild ? view.getUint32(i, true) : driver.data + (view.getUint16(i + 2, true) & ~3), wild ? view.getUint32(i + 4, true) : view.getUint16(i + 4, true) & 0x7fff, view.getUint8(i + 6) & 7, view.getUint8(i + 7) & 31);
    }
    driver.memory.bytes.set(input.subarray(0, 4096), driver.data - driver.memory.base);
    for (let i = 0; i < 8; i++) {
      port.waiting.push(new Uint8Array(12 + 60 + (input[i] ?? 0) * 200));
      driver.offer((input[i + 8] ?? i) % 20);
      driver.notify(i % 2);
      net.serve();
      if (driver.device.read(0x70, 4) === 0) return;
    }
    driver.device.tick();
    driver.w(0x70, 0);
  },
};

const parser = (seeds: readonly Uint8Array[], run: (input: Uint8Array) => void): FuzzTarget => ({ seeds, run });
const payloads = frames.map(frame => frame.subarray(26));
const inputs: Readonly<Record<string, FuzzTarget>> = {
  "net-stack": stack,
  "net-device": device,
  arp: parser([ARP_REQUEST], input => void readArp(input)),
  ipv4: parser(payloads, input => void readIpv4(input)),
  ipv6: parser(payloads, input => void readIpv6(input)),
  fragments: parser(payloads, input => {
    const reassembly = new Reassembly();
    for (let at = 0; at + 40 < input.length && at < 400; at += 5) {
      const packet = { family: 4 as const, from: input.subarray(0, 4), to: input.subarray(4, 8), protocol: 17, ttl: 64, whole: input };
      reassembly.take({ ...packet, payload: input.subarray(at, at + 8 * (1 + (input[at] as number) % 4)), fragment: { id: (input[at + 1] as number) & 1, offset: 8 * ((input[at + 2] as number) & 15), more: ((input[at + 3] as number) & 3) !== 0 } }, at * 1000);
    }
  }),
  tcp: parser(payloads.map(one => one.subarray(20)), input => void readTcp(input)),
  udp: parser(payloads.map(one => one.subarray(20)), input => void readUdp(input)),
  dhcp: parser([DHCP_DISCOVER], input => {
    readDhcp(input);
    new DhcpServer(MAC, 1500).answer(input);
  }),
  dns: parser([DNS_QUERY], input => {
    const query = readDnsQuery(input);
    if (query !== undefined) serverFailure(input, query);
  }),
};

/** Inputs of one case. */
const INPUTS = 10;
/** By name, what one case of a seed does. */
export const netTargets: Readonly<Record<string, (seed: number) => void>> = Object.fromEntries(Object.entries(inputs).map(([name, { seeds, run }]) => [name, (seed: number): void => {
  const random = new Random(seed * 2_654_435_761);
  for (let n = 0; n < INPUTS; n++) run(random.below(16) === 0 ? random.bytes(random.below(2000)) : random.damage(seeds[random.below(seeds.length)] as Uint8Array));
}]));
