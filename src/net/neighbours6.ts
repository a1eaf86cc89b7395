// src/net/neighbours6.ts — IPv6 on the link: router advertisements, neighbour discovery, echo. Spec: RFC 4861, 4 and 7; RFC 4862
// (the guest makes its own address); RFC 8106, 5.1 (name servers in advertisements); RFC 4443.
// The guest is offered a way out only when the host itself has a global IPv6 address.
import { addressText, inPrefix } from "./address.ts";
import { isZero, put16, put32, sameBytes } from "./bytes.ts";
import type { Output } from "./output.ts";
import { Protocol, type IpPacket } from "./pdu/ip.ts";
import { Icmpv6Type, Unreachable, Unreachablev6 } from "./pdu/transport.ts";
import { ALL_NODES6, GATEWAY6, GATEWAY_MAC, NAME_SERVER6, NETWORK6, ROUTER6 } from "./plan.ts";
import { placeOf } from "./policy.ts";
import type { StackOptions, StackWires } from "./wires.ts";

/** Seconds. */
const ROUTER_LIFETIME = 9000, PREFIX_LIFETIME = 86_400;
const OURS = [GATEWAY6, NAME_SERVER6, ROUTER6] as const;
/** On the link itself: RFC 4861 wants these undamaged by any router. */
const HOP_LIMIT = 255;
const Option = { sourceMac: 1, targetMac: 2, prefix: 3, mtu: 5, nameServer: 25 } as const;

export class Neighbours6 {
  readonly #wires: StackWires;
  readonly #options: StackOptions;
  readonly #output: Output;
  constructor(wires: StackWires, options: StackOptions, output: Output) {
    this.#wires = wires;
    this.#options = options;
    this.#output = output;
  }

  /** An address that a guest can have and use beyond the link. */
  isGuest(address: Uint8Array): boolean { return inPrefix(address, NETWORK6) && !OURS.some(one => sameBytes(one.bytes, address)); }

  /** An ICMPv6 packet of the guest, its checksum held. */
  receive(packet: IpPacket, mac: Uint8Array): void {
    const { payload, from } = packet;
    const local = from[0] === 0xfe && ((from[1] as number) & 0xc0) === 0x80;
    const unspecified = isZero(from);
    if (!unspecified && !local && !this.isGuest(from)) return this.#wires.count("dropped: spoofed IPv6 source");
    if (!unspecified) this.#output.learn(addressText(from), mac);
    switch (payload[0]) {
      case Icmpv6Type.routerSolicitation: return packet.ttl === HOP_LIMIT ? this.#advertise() : undefined;
      case Icmpv6Type.neighborSolicitation: return packet.ttl === HOP_LIMIT && payload.length >= 24 ? this.#answer(packet, mac, unspecified) : undefined;
      case Icmpv6Type.echo: {
        if (unspecified || packet.to[0] === 0xff) return;
        if (!OURS.some(one => sameBytes(one.bytes, packet.to))) {
          this.#wires.count("refused ICMP: only the gateway answers");
          return this.#output.unreachable(packet, Unreachable.prohibited, Unreachablev6.prohibited);
        }
        if (payload.length + 40 > 1500) return this.#wires.count("dropped: long echo requests");
        this.#output.packet(packet.to, from, Protocol.icmpv6, payload.length, into => {
          into.set(payload);
          into[0] = Icmpv6Type.echoReply;
          put16(into, 2, 0);
        });
        return;
      }
      default: // advertisements, reports and errors of the guest: nothing here depends on them
    }
  }
  /** True when the host could go anywhere by IPv6 itself. */
  get #global(): boolean {
    const host = this.#wires.sockets.addresses();
    return [...host.own].some(one => one.includes(":") && placeOf(one, { own: new Set(), attached: [] }) === "internet");
  }
  #advertise(): void {
    this.#output.packet(ROUTER6.bytes, ALL_NODES6.bytes, Protocol.icmpv6, 16 + 8 + 32 + 8 + 24, into => {
      into.fill(0);
      into[0] = Icmpv6Type.routerAdvertisement;
      into[4] = 64;
      put16(into, 6, this.#global ? ROUTER_LIFETIME : 0);
      into[16] = Option.sourceMac;
      into[17] = 1;
      into.set(GATEWAY_MAC, 18);
      into[24] = Option.prefix;
      into[25] = 4;
      into[26] = NETWORK6.length;
      into[27] = 0xc0; // on this link, and good for addresses of one's own making
      put32(into, 28, PREFIX_LIFETIME);
      put32(into, 32, PREFIX_LIFETIME);
      into.set(NETWORK6.bytes, 40);
      into[56] = Option.mtu;
      into[57] = 1;
      put32(into, 60, this.#options.mtu);
      into[64] = Option.nameServer;
      into[65] = 3;
      put32(into, 68, PREFIX_LIFETIME);
      into.set(NAME_SERVER6.bytes, 72);
    });
  }
  #answer(packet: IpPacket, mac: Uint8Array, unspecified: boolean): void {
    const target = packet.payload.slice(8, 24);
    if (!OURS.some(one => sameBytes(one.bytes, target))) return;
    const to = unspecified ? ALL_NODES6.bytes : packet.from.slice(); // 7.2.4: to everybody, when the asker has no address yet
    this.#output.packet(target, to, Protocol.icmpv6, 32, into => {
      into.fill(0);
      into[0] = Icmpv6Type.neighborAdvertisement;
      put32(into, 4, (unspecified ? 0xa000_0000 : 0xe000_0000) >>> 0); // router, solicited, override
      into.set(target, 8);
      into[24] = Option.targetMac;
      into[25] = 1;
      into.set(GATEWAY_MAC, 26);
    }, undefined, unspecified ? undefined : mac.slice());
  }
}
