// src/net/output.ts — packets to the guest: Ethernet, IP, checksums or what is left of them to the guest, fragments.
import { checksum, fold, put16, put32, sum16 } from "./bytes.ts";
import { addressText } from "./address.ts";
import { EtherType, ETHERNET, writeEthernet } from "./pdu/ethernet.ts";
import { Icmpv6Type, IcmpType, ICMP, UDP, writeUdp, Unreachable, Unreachablev6 } from "./pdu/transport.ts";
import { IPV4, IPV6, Protocol, pseudoHeader, writeIp, type IpPacket } from "./pdu/ip.ts";
import { GATEWAY, GATEWAY6, GATEWAY_MAC } from "./plan.ts";
import type { StackOptions, StackWires } from "./wires.ts";

/** struct virtio_net_hdr, OASIS virtio 1.2, 5.1.6. */
export const HEADER = 12;
const NEEDS_CSUM = 1;
const GSO_TCPV4 = 1, GSO_TCPV6 = 4;
/** Bits of `Offload` in devices/virtio/net-port.ts. */
const OFFLOAD = { checksum: 1, tso4: 2, tso6: 4 } as const;
/** Where the checksum is, in a header of this protocol. */
const CHECKSUM_AT: Readonly<Record<number, number>> = { [Protocol.tcp]: 16, [Protocol.udp]: 6, [Protocol.icmp]: 2, [Protocol.icmpv6]: 2 };
/** Neighbours remembered; a guest may have a few of them behind a bridge. */
const NEIGHBOURS = 64;
/** Of an ICMP error: header and eight bytes is what RFC 792 asks for, RFC 1812 wants more. */
const QUOTED = 128;
/** Codes of "unreachable", ICMP's and ICMPv6's, by the host's errno. */
const BY_ERRNO: ReadonlyMap<string, readonly [number, number]> = new Map([
  ["ENETUNREACH", [Unreachable.network, Unreachablev6.noRoute]], ["EHOSTUNREACH", [Unreachable.host, Unreachablev6.address]], ["EADDRNOTAVAIL", [Unreachable.network, Unreachablev6.noRoute]],
  ["EPERM", [Unreachable.prohibited, Unreachablev6.prohibited]], ["EACCES", [Unreachable.prohibited, Unreachablev6.prohibited]],
]);

export class Output {
  readonly #wires: StackWires;
  readonly #options: StackOptions;
  readonly #neighbours: Map<string, Uint8Array> = new Map();
  #id = 0;
  constructor(wires: StackWires, options: StackOptions) {
    this.#wires = wires;
    this.#options = options;
  }

  /** This address is behind this MAC. */
  learn(address: string, mac: Uint8Array): void {
    const known = this.#neighbours.get(address);
    if (known !== undefined) {
      known.set(mac);
      return;
    }
    if (this.#neighbours.size >= NEIGHBOURS) this.#neighbours.delete(this.#neighbours.keys().next().value as string);
    this.#neighbours.set(address, mac.slice());
  }
  forget(): void { this.#neighbours.clear(); }

  /** True when segments to the guest may be larger than the link's. */
  large(family: 4 | 6): boolean { return ((this.#wires.link.offload() ?? 0) & (family === 4 ? OFFLOAD.tso4 : OFFLOAD.tso6)) !== 0; }

  /** An Ethernet frame; false when there is no room. */
  frame(to: Uint8Array, type: number, length: number, fill: (payload: Uint8Array, header: Uint8Array) => void): boolean {
    const { link } = this.#wires;
    const record = link.reserve(HEADER + ETHERNET + length);
    if (record === undefined) return false;
    const header = record.subarray(0, HEADER);
    header.fill(0);
    writeEthernet(record.subarray(HEADER), to, GATEWAY_MAC, type);
    fill(record.subarray(HEADER + ETHERNET), header);
    link.commit();
    return true;
  }

  /**
   * An IP packet with `length` bytes of a transport protocol, whose checksum field `fill` leaves zero. `segment`: bytes of
   * headers and of payload per segment, when the guest is to take it for several.
   */
  packet(from: Uint8Array, to: Uint8Array, protocol: number, length: number, fill: (into: Uint8Array) => void, segment?: { readonly header: number; readonly mss: number }, mac?: Uint8Array): boolean {
    const v4 = from.length === 4, ip = v4 ? IPV4 : IPV6;
    return this.frame(mac ?? this.#mac(to), v4 ? EtherType.ipv4 : EtherType.ipv6, ip + length, (payload, header) => {
      writeIp(payload, from, to, protocol, length, this.#id = (this.#id + 1) & 0xffff, protocol === Protocol.icmpv6 ? 255 : 64);
      const body = payload.subarray(ip, ip + length);
      fill(body);
      const at = CHECKSUM_AT[protocol] as number;
      if (protocol === Protocol.icmp) return put16(body, at, checksum(body));
      const pseudo = pseudoHeader(from, to, protocol, length);
      if (protocol === Protocol.icmpv6 || ((this.#wires.link.offload() ?? 0) & OFFLOAD.checksum) === 0) {
        const sum = checksum(body, 0, body.length, pseudo);
        return put16(body, at, protocol === Protocol.udp && sum === 0 ? 0xffff : sum);
      }
      put16(body, at, fold(pseudo)); // 5.1.6.4: the guest's stack adds the rest, if anybody looks at it
      header[0] = NEEDS_CSUM;
      header[6] = (ETHERNET + ip) & 0xff;
      header[8] = at;
      if (segment === undefined) return;
      const headers = ETHERNET + ip + segment.header;
      header[1] = v4 ? GSO_TCPV4 : GSO_TCPV6;
      header[2] = headers & 0xff;
      header[3] = headers >> 8;
      header[4] = segment.mss & 0xff;
      header[5] = segment.mss >> 8;
    });
  }
  #mac(to: Uint8Array): Uint8Array {
    if (to.length === 4 && to[0] === 255) return Uint8Array.of(255, 255, 255, 255, 255, 255);
    if (to.length === 16 && to[0] === 0xff) return Uint8Array.of(0x33, 0x33, to[12] as number, to[13] as number, to[14] as number, to[15] as number); // RFC 2464, 7
    return this.#neighbours.get(addressText(to)) ?? this.#options.mac;
  }

  /** A UDP datagram, in fragments when it is longer than a packet; lost when there is no room. */
  datagram(from: Uint8Array, fromPort: number, to: Uint8Array, toPort: number, bytes: Uint8Array): void {
    const v4 = from.length === 4, length = UDP + bytes.length;
    if ((v4 ? IPV4 : IPV6) + length <= this.#options.mtu) {
      const sent = this.packet(from, to, Protocol.udp, length, into => {
        writeUdp(into, fromPort, toPort, bytes.length);
        into.set(bytes, UDP);
      });
      if (!sent) this.#wires.count("datagrams to the guest lost: no room");
      return;
    }
    if (!v4) return this.#wires.count("datagrams to the guest lost: too long for IPv6");
    const whole = new Uint8Array(length);
    writeUdp(whole, fromPort, toPort, bytes.length);
    whole.set(bytes, UDP);
    const sum = ~fold(sum16(whole, 0, length, pseudoHeader(from, to, Protocol.udp, length))) & 0xffff;
    put16(whole, 6, sum === 0 ? 0xffff : sum);
    const most = (this.#options.mtu - IPV4) & ~7, id = this.#id = (this.#id + 1) & 0xffff;
    for (let at = 0; at < length; at += most) {
      const part = whole.subarray(at, at + most);
      const sent = this.frame(this.#mac(to), EtherType.ipv4, IPV4 + part.length, payload => {
        writeIp(payload, from, to, Protocol.udp, part.length, id);
        put16(payload, 6, (at / 8) | (at + most < length ? 0x2000 : 0));
        put16(payload, 10, 0);
        put16(payload, 10, checksum(payload, 0, IPV4));
        payload.set(part, IPV4);
      });
      if (!sent) return this.#wires.count("datagrams to the guest lost: no room");
    }
  }

  /** The host could not send a packet of the guest: the ICMP error that a router would have answered with, if its errno has one. */
  notSent(about: IpPacket, error: string): void {
    const codes = BY_ERRNO.get(error);
    if (codes !== undefined) this.unreachable(about, ...codes);
  }
  /** An ICMP error about a packet of the guest; RFC 1122, 3.2.2 says about which there is none. */
  unreachable(about: IpPacket, code4: number, code6: number): void {
    const { from, to, protocol, payload } = about;
    const group = about.family === 4 ? (to[0] as number) >= 224 : to[0] === 0xff;
    if (group || (protocol === Protocol.icmp && payload[0] !== IcmpType.echo) || (protocol === Protocol.icmpv6 && (payload[0] ?? 0) < 128)) return;
    const quoted = about.whole.subarray(0, QUOTED);
    this.packet((about.family === 4 ? GATEWAY : GATEWAY6).bytes, from, about.family === 4 ? Protocol.icmp : Protocol.icmpv6, ICMP + quoted.length, into => {
      into[0] = about.family === 4 ? IcmpType.unreachable : Icmpv6Type.unreachable;
      into[1] = about.family === 4 ? code4 : code6;
      put16(into, 2, 0);
      put32(into, 4, 0);
      into.set(quoted, ICMP);
    });
  }
}
