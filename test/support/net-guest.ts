// test/support/net-guest.ts — a guest of the user network without a machine: frames in and out of a `Stack`, a clock moved by
// hand, and sockets of the host that are played. Frames are made by the code under test's own writers, or by hand.
import { addressBytes } from "../../src/net/address.ts";
import { put16, checksum } from "../../src/net/bytes.ts";
import { EtherType, writeEthernet } from "../../src/net/pdu/ethernet.ts";
import { IPV4, IPV6, Protocol, pseudoHeader, readIpv4, readIpv6, writeIp } from "../../src/net/pdu/ip.ts";
import { readTcp, readUdp, TCP, TCP_SYN_OPTIONS, UDP, writeTcp, writeUdp, type TcpSegment, type UdpDatagram } from "../../src/net/pdu/transport.ts";
import { GATEWAY_MAC } from "../../src/net/plan.ts";
import { prefix } from "../../src/net/address.ts";
import { Stack } from "../../src/net/stack.ts";
import type { DatagramEvents, Endpoint, HostSockets, StackOptions, Stream, StreamEvents } from "../../src/net/wires.ts";

export const MAC: Uint8Array = Uint8Array.of(0x52, 0x54, 0, 0x12, 0x34, 0x56);
export const bytes = (text: string): Uint8Array => addressBytes(text) as Uint8Array;
export const ascii = (text: string): Uint8Array => new TextEncoder().encode(text);

/** A stream of the host that a test plays the other end of. */
export class PlayedStream implements Stream {
  written: number[] = [];
  /** Bytes that it takes before it is full. */
  room: number = Number.POSITIVE_INFINITY;
  finished = false;
  paused = false;
  wasReset = false;
  readonly to: Endpoint;
  events: StreamEvents | undefined;
  constructor(to: Endpoint, events: StreamEvents | undefined) {
    this.to = to;
    this.events = events;
  }
  write(from: Uint8Array): number {
    const n = Math.min(this.room, from.length);
    for (let i = 0; i < n; i++) this.written.push(from[i] as number);
    this.room -= n;
    return n;
  }
  finish(): void { this.finished = true; }
  pause(): void { this.paused = true; }
  resume(): void { this.paused = false; }
  reset(): void { this.wasReset = true; }
  get text(): string { return String.fromCharCode(...this.written); }
}
export interface PlayedDatagrams { readonly family: 4 | 6; readonly events: DatagramEvents; readonly sent: { to: Endpoint; bytes: Uint8Array }[]; closed: boolean }

export class NetGuest {
  now = 0;
  alarmAt: number | undefined;
  offload: number | undefined = 7;
  /** Frames of the stack, oldest first; each with its header. */
  records: Uint8Array[] = [];
  /** Records that the link still takes. */
  room: number = Number.POSITIVE_INFINITY;
  readonly streams: PlayedStream[] = [];
  readonly datagrams: PlayedDatagrams[] = [];
  readonly counts: Map<string, number> = new Map();
  readonly told: string[] = [];
  resolvers: readonly Endpoint[] = [{ address: "192.0.2.53", port: 53 }];
  readonly stack: Stack;
  #id = 1;
  /** `real`: the host's sockets, in place of played ones. */
  constructor(options: Partial<StackOptions> = {}, real?: HostSockets) {
    let reserved: Uint8Array | undefined;
    const sockets: HostSockets = real ?? {
      connect: (to, events) => {
        const stream = new PlayedStream(to, events);
        this.streams.push(stream);
        return stream;
      },
      datagrams: (family, events) => {
        const one: PlayedDatagrams = { family, events, sent: [], closed: false };
        this.datagrams.push(one);
        return { send: (to, from) => void one.sent.push({ to, bytes: from.slice() }), close: () => { one.closed = true; } };
      },
      addresses: () => ({ own: new Set(["198.51.100.7", "2001:db8::7"]), attached: [prefix("198.51.100.0/24")] }),
      resolvers: () => this.resolvers,
    };
    this.stack = new Stack({
      link: {
        offload: () => this.offload,
        reserve: length => (this.room > 0 && this.offload !== undefined ? reserved = new Uint8Array(length) : undefined),
        commit: () => {
          this.room--;
          this.records.push(reserved as Uint8Array);
        },
      },
      sockets, now: () => this.now, alarm: at => { this.alarmAt = at; },
      random: into => void into.fill(7),
      count: (what, tell) => {
        this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
        if (tell !== undefined) this.told.push(tell);
      },
    }, { mac: MAC, mtu: 1500, allowHost: false, allowLan: false, ...options });
  }
  /** Lets time pass, alarm by alarm. */
  advance(milliseconds: number): void {
    const end = this.now + milliseconds;
    while (this.alarmAt !== undefined && this.alarmAt <= end) {
      this.now = Math.max(this.now, this.alarmAt);
      this.alarmAt = undefined;
      this.stack.tick();
    }
    this.now = end;
  }
  /** The frames of the stack since the last call, without header. */
  take(): Uint8Array[] { return this.records.splice(0).map(record => record.subarray(12)); }

  frame(type: number, payload: Uint8Array, from: Uint8Array = MAC, to: Uint8Array = GATEWAY_MAC): void {
    const record = new Uint8Array(12 + 14 + payload.length);
    writeEthernet(record.subarray(12), to, from, type);
    record.set(payload, 26);
    this.stack.receive(record);
    this.stack.settle();
  }
  /** An IP packet with a transport header and a checksum that holds. */
  static ip(from: string, to: string, protocol: number, body: Uint8Array, id = 1): Uint8Array {
    const header = from.includes(":") ? IPV6 : IPV4;
    const packet = new Uint8Array(header + body.length);
    writeIp(packet, bytes(from), bytes(to), protocol, body.length, id, protocol === Protocol.icmpv6 ? 255 : 64);
    packet.set(body, header);
    const at = { [Protocol.tcp]: 16, [Protocol.udp]: 6, [Protocol.icmp]: 2, [Protocol.icmpv6]: 2 }[protocol];
    if (at !== undefined) {
      const pseudo = protocol === Protocol.icmp ? 0 : pseudoHeader(bytes(from), bytes(to), protocol, body.length);
      put16(packet, header + at, checksum(packet, header, packet.length, pseudo));
    }
    return packet;
  }
  ip(from: string, to: string, protocol: number, body: Uint8Array): void {
    this.frame(from.includes(":") ? EtherType.ipv6 : EtherType.ipv4, NetGuest.ip(from, to, protocol, body, this.#id++));
  }
  udp(to: string, port: number, payload: Uint8Array, fromPort = 40_000, from = "10.0.2.15"): void {
    const body = new Uint8Array(UDP + payload.length);
    writeUdp(body, fromPort, port, payload.length);
    body.set(payload, UDP);
    this.ip(from, to, Protocol.udp, body);
  }
  tcp(to: string, port: number, s: { readonly seq: number; readonly ack?: number; readonly flags: number; readonly payload?: Uint8Array; readonly window?: number }, fromPort = 40_000, from = "10.0.2.15"): void {
    const syn = (s.flags & 2) !== 0 ? { mss: 1460, scale: 7 } : undefined;
    const header = TCP + (syn === undefined ? 0 : TCP_SYN_OPTIONS), payload = s.payload ?? new Uint8Array(0);
    const body = new Uint8Array(header + payload.length);
    writeTcp(body, fromPort, port, s.seq >>> 0, (s.ack ?? 0) >>> 0, s.flags, s.window ?? 512, syn);
    body.set(payload, header);
    this.ip(from, to, Protocol.tcp, body);
  }
  /** The TCP segments among the frames since the last call. */
  segments(): TcpSegment[] {
    return this.take().flatMap(frame => {
      const packet = frame[12] === 8 ? readIpv4(frame.subarray(14)) : readIpv6(frame.subarray(14));
      const segment = packet?.protocol === Protocol.tcp ? readTcp(packet.payload) : undefined;
      return segment === undefined ? [] : [segment];
    });
  }
  answers(): { readonly from: Uint8Array; readonly datagram: UdpDatagram }[] {
    return this.take().flatMap(frame => {
      const packet = frame[12] === 8 ? readIpv4(frame.subarray(14)) : readIpv6(frame.subarray(14));
      const datagram = packet?.protocol === Protocol.udp ? readUdp(packet.payload) : undefined;
      return packet === undefined || datagram === undefined ? [] : [{ from: packet.from, datagram }];
    });
  }
}
