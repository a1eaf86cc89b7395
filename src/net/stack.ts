// src/net/stack.ts — the user network: what a guest's frames mean, and who answers them. Pure: frames and time come in, frames
// and requests for sockets go out.
//
//   frame → Ethernet → ARP                            answered for router and name server
//                    → IPv4, IPv6 → reassembly → ICMP  echo of the router; the rest is refused
//                                              → UDP   DHCP; names; sockets of the host (udp-flows.ts)
//                                              → TCP   connections (tcp.ts), joined to streams of the host (tcp-flows.ts)
//
// The guest is not trusted: what breaks a rule is dropped and counted, and everything kept for it has a bound.
import { addressText, inPrefix } from "./address.ts";
import { checksum, isZero, sameBytes } from "./bytes.ts";
import { DhcpServer } from "./dhcp-server.ts";
import { Neighbours6 } from "./neighbours6.ts";
import { HEADER, Output } from "./output.ts";
import { ARP, ArpOperation, readArp, writeArp } from "./pdu/arp.ts";
import { EtherType, isGroup, readEthernet } from "./pdu/ethernet.ts";
import { Protocol, readIpv4, readIpv6, transportHolds, type IpPacket } from "./pdu/ip.ts";
import { IcmpType, ICMP, Unreachable, Unreachablev6, readIcmp, readUdp } from "./pdu/transport.ts";
import { GATEWAY, GATEWAY_MAC, LIMITED_BROADCAST, NAME_SERVER, NETWORK, UNSPECIFIED } from "./plan.ts";
import { Reassembly } from "./reassembly.ts";
import { Routes } from "./routes.ts";
import { TcpFlows } from "./tcp-flows.ts";
import { UdpFlows } from "./udp-flows.ts";
import type { Endpoint, StackOptions, StackWires, Stream, StreamEvents } from "./wires.ts";

const NEEDS_CSUM = 1;
const DHCP_SERVER = 67, DHCP_CLIENT = 68;

export class Stack {
  readonly #wires: StackWires;
  readonly #output: Output;
  readonly #tcp: TcpFlows;
  readonly #udp: UdpFlows;
  readonly #dhcp: DhcpServer;
  readonly #neighbours6: Neighbours6;
  readonly #reassembly: Reassembly = new Reassembly();
  #alarm: number | undefined;

  constructor(wires: StackWires, options: StackOptions) {
    // An alarm is only ever brought forward; `tick` finds out what is due.
    this.#wires = {
      ...wires,
      alarm: at => {
        if (at === undefined || (this.#alarm !== undefined && this.#alarm <= at)) return;
        this.#alarm = at;
        wires.alarm(at);
      },
    };
    this.#output = new Output(this.#wires, options);
    const routes = new Routes(this.#wires, options);
    this.#tcp = new TcpFlows(this.#wires, options, this.#output, routes);
    this.#udp = new UdpFlows(this.#wires, this.#output, routes);
    this.#dhcp = new DhcpServer(options.mac, options.mtu);
    this.#neighbours6 = new Neighbours6(this.#wires, options, this.#output);
  }

  /** Connections and flows that are kept now. */
  get flows(): { readonly tcp: number; readonly udp: number } { return { tcp: this.#tcp.size, udp: this.#udp.size }; }

  /** A record of the guest. `settle` follows the last one of several. */
  receive(record: Uint8Array): void {
    const frame = readEthernet(record.subarray(HEADER));
    if (frame === undefined) return this.#drop("malformed Ethernet");
    if (isGroup(frame.from) || sameBytes(frame.from, GATEWAY_MAC)) return this.#drop("spoofed Ethernet source");
    if (!isGroup(frame.to) && !sameBytes(frame.to, GATEWAY_MAC)) return this.#drop("frames for somebody else");
    switch (frame.type) {
      case EtherType.arp: return this.#arp(frame.payload);
      case EtherType.ipv4: return this.#ipv4(frame.payload, frame.from, ((record[0] as number) & NEEDS_CSUM) !== 0);
      case EtherType.ipv6: return this.#ipv6(frame.payload, frame.from, ((record[0] as number) & NEEDS_CSUM) !== 0);
      default: return this.#drop("frames of unknown protocols");
    }
  }
  /** No more records for now. */
  settle(): void { this.#wires.alarm(this.#tcp.settle()); }
  /** The alarm's time has come. */
  tick(): void {
    const now = this.#wires.now();
    this.#alarm = undefined;
    this.#reassembly.expire(now);
    this.#wires.alarm(this.#tcp.tick(now));
    this.#wires.alarm(this.#udp.tick(now));
  }
  /** There is room for frames to the guest again. */
  resume(): void { this.#tcp.resume(); }
  /** The guest's driver is gone: what it had is of no use to the next one. */
  restart(): void {
    this.#tcp.clear();
    this.#udp.clear();
    this.#reassembly.clear();
    this.#output.forget();
  }
  /** A stream that was opened from outside to a published port; undefined: there are too many. */
  incoming(stream: Stream, port: number): StreamEvents | undefined { return this.#tcp.incoming(stream, port); }
  /** A datagram from outside for a published port. */
  incomingDatagram(from: Endpoint, listener: string, port: number, bytes: Uint8Array, answer: (bytes: Uint8Array) => void): void {
    this.#udp.incoming(from, listener, port, bytes, answer);
  }
  #drop(what: string): void { this.#wires.count(`dropped: ${what}`); }

  #arp(bytes: Uint8Array): void {
    const arp = readArp(bytes);
    if (arp === undefined) return this.#drop("malformed ARP");
    if (isGroup(arp.senderMac)) return this.#drop("spoofed Ethernet source");
    const probe = isZero(arp.senderIp); // RFC 5227
    if (!probe && !this.#isGuest(arp.senderIp)) return this.#drop("spoofed IPv4 source");
    if (!probe) this.#output.learn(addressText(arp.senderIp), arp.senderMac);
    const target = addressText(arp.targetIp);
    if (arp.operation !== ArpOperation.request || (target !== GATEWAY.text && target !== NAME_SERVER.text)) return;
    const mac = arp.senderMac.slice(), from = arp.senderIp.slice(), answered = arp.targetIp.slice();
    this.#output.frame(mac, EtherType.arp, ARP, into => writeArp(into, ArpOperation.reply, GATEWAY_MAC, answered, mac, from));
  }
  /** An address that a guest can have. */
  #isGuest(address: Uint8Array): boolean {
    const last = address[3] as number;
    return inPrefix(address, NETWORK) && last !== 0 && last !== 255 && last !== GATEWAY.bytes[3] && last !== NAME_SERVER.bytes[3];
  }

  #ipv4(bytes: Uint8Array, mac: Uint8Array, partial: boolean): void {
    const packet = readIpv4(bytes);
    if (packet === undefined || packet.ttl === 0) return this.#drop("malformed IPv4");
    if (isZero(packet.from)) return this.#unconfigured(packet, mac, partial);
    if (!this.#isGuest(packet.from)) return this.#drop("spoofed IPv4 source");
    this.#output.learn(addressText(packet.from), mac);
    const whole = this.#reassembly.take(packet, this.#wires.now());
    if (whole === undefined) return this.#wires.alarm(this.#wires.now() + 30_000);
    switch (whole.protocol) {
      case Protocol.tcp:
        if (!partial && !transportHolds(whole)) return this.#drop("wrong TCP checksum");
        if (this.#isGroup(whole.to)) return this.#drop("TCP to a group");
        return this.#tcp.receive(whole);
      case Protocol.udp: return this.#udpIn(whole, mac, partial);
      case Protocol.icmp: return this.#icmp(whole);
      default:
        this.#drop("packets of unknown protocols");
        return this.#output.unreachable(whole, Unreachable.prohibited, Unreachablev6.prohibited);
    }
  }
  #isGroup(to: Uint8Array): boolean { return to.length === 16 ? to[0] === 0xff : (to[0] as number) >= 224 || addressText(to) === "10.0.2.255"; }
  /** Who has no address yet may ask for one, and nothing else. */
  #unconfigured(packet: IpPacket, mac: Uint8Array, partial: boolean): void {
    if (packet.protocol === Protocol.udp && packet.fragment === undefined && addressText(packet.to) === LIMITED_BROADCAST.text) return this.#udpIn(packet, mac, partial);
    this.#drop("spoofed IPv4 source");
  }
  #udpIn(packet: IpPacket, mac: Uint8Array, partial: boolean): void {
    const datagram = readUdp(packet.payload);
    if (datagram === undefined) return this.#drop("malformed UDP");
    if (datagram.hasChecksum && !partial && !transportHolds({ ...packet, payload: packet.payload.subarray(0, 8 + datagram.payload.length) })) return this.#drop("wrong UDP checksum");
    if (!datagram.hasChecksum && packet.family === 6) return this.#drop("wrong UDP checksum"); // RFC 8200, 8.1
    const to = addressText(packet.to);
    if (datagram.to === DHCP_SERVER && (to === LIMITED_BROADCAST.text || to === GATEWAY.text)) return this.#dhcpIn(datagram.payload, mac);
    if (this.#isGroup(packet.to)) return this.#drop("datagrams to groups and to everybody");
    if (addressText(packet.from) === UNSPECIFIED.text) return this.#drop("spoofed IPv4 source");
    this.#udp.receive(packet);
  }
  #dhcpIn(bytes: Uint8Array, mac: Uint8Array): void {
    const reply = this.#dhcp.answer(bytes);
    if (reply === undefined) return this.#drop("DHCP that is not answered");
    if (reply.lease !== undefined) this.#output.learn(addressText(reply.lease), mac);
    this.#output.datagram(GATEWAY.bytes, DHCP_SERVER, reply.to, DHCP_CLIENT, reply.bytes);
  }
  #icmp(packet: IpPacket): void {
    const icmp = readIcmp(packet.payload);
    if (icmp === undefined || checksum(packet.payload) !== 0) return this.#drop("malformed ICMP");
    if (icmp.type !== IcmpType.echo) return; // errors about packets of ours: the guest's sockets are not ours to close
    const to = addressText(packet.to);
    if (this.#isGroup(packet.to)) return;
    if (to !== GATEWAY.text && to !== NAME_SERVER.text) {
      this.#wires.count("refused ICMP: only the gateway answers");
      return this.#output.unreachable(packet, Unreachable.prohibited, Unreachablev6.prohibited);
    }
    if (packet.payload.length + 20 > 1500) return this.#drop("long echo requests"); // the answer would need fragments
    const { payload } = packet;
    this.#output.packet(packet.to, packet.from, Protocol.icmp, payload.length, into => {
      into.set(payload);
      into[0] = IcmpType.echoReply;
      into[2] = into[3] = 0;
    });
  }

  #ipv6(bytes: Uint8Array, mac: Uint8Array, partial: boolean): void {
    const packet = readIpv6(bytes);
    if (packet === undefined || packet.ttl === 0) return this.#drop("malformed IPv6");
    if (packet.fragment === undefined && packet.protocol === Protocol.icmpv6) {
      if (packet.payload.length < ICMP || !transportHolds(packet)) return this.#drop("malformed ICMPv6");
      return this.#neighbours6.receive(packet, mac);
    }
    if (!this.#neighbours6.isGuest(packet.from)) return this.#drop("spoofed IPv6 source");
    if (this.#isGroup(packet.to)) return this.#drop("datagrams to groups and to everybody");
    this.#output.learn(addressText(packet.from), mac);
    const whole = this.#reassembly.take(packet, this.#wires.now());
    if (whole === undefined) return;
    switch (whole.protocol) {
      case Protocol.tcp:
        if (!partial && !transportHolds(whole)) return this.#drop("wrong TCP checksum");
        return this.#tcp.receive(whole);
      case Protocol.udp: return this.#udpIn(whole, mac, partial);
      default:
        this.#drop("packets of unknown protocols");
        return this.#output.unreachable(whole, Unreachable.prohibited, Unreachablev6.prohibited);
    }
  }
}
