// src/net/udp-flows.ts — UDP of the guest: one socket of the host for each of its ports, open to whom it has written; the name
// server, which passes queries on to the host's resolvers; and published ports. All of it bounded, the longest unused goes.
// Spec: RFC 768; RFC 4787 (endpoint-independent mapping, address-dependent filtering); RFC 5625 (DNS proxies).
import { addressText } from "./address.ts";
import type { Output } from "./output.ts";
import { answersQuery, readDnsQuery, serverFailure, type DnsQuery } from "./pdu/dns.ts";
import { IPV4, IPV6, Protocol, writeIp, type IpPacket } from "./pdu/ip.ts";
import { UDP, Unreachable, Unreachablev6, readUdp, writeUdp } from "./pdu/transport.ts";
import { GATEWAY, GUEST } from "./plan.ts";
import type { Routes } from "./routes.ts";
import type { Datagrams, Endpoint, StackWires } from "./wires.ts";

const FLOWS = 512;
/** Places that a port of the guest has written to, and that may answer. */
const PEERS = 64;
/** Milliseconds: RFC 4787, 4.3 wants two minutes at least; a query for a name is answered soon or never. */
const LIFETIME = 120_000, NAME_LIFETIME = 15_000;
/** Queries of one port that wait for their answer. */
const QUERIES = 64;
const DNS = 53;
const EPHEMERAL = 49_152;

interface Flow {
  readonly key: string;
  readonly close: () => void;
  readonly lifetime: number;
  used: number;
}
interface PortFlow extends Flow { readonly socket: Datagrams; readonly peers: Map<string, { readonly address: Uint8Array; readonly port: number }> }
interface NameFlow extends Flow { readonly sockets: Map<4 | 6, Datagrams>; /** Transactions, and how often each was asked. */ readonly asked: Map<number, { readonly query: DnsQuery; readonly bytes: Uint8Array; tries: number }> }
interface PublishedFlow extends Flow { readonly answer: (bytes: Uint8Array) => void }

export class UdpFlows {
  readonly #wires: StackWires;
  readonly #output: Output;
  readonly #routes: Routes;
  /** The one longest unused first. */
  readonly #flows: Map<string, Flow> = new Map();
  #ephemeral = EPHEMERAL;
  constructor(wires: StackWires, output: Output, routes: Routes) {
    this.#wires = wires;
    this.#output = output;
    this.#routes = routes;
  }
  get size(): number { return this.#flows.size; }

  receive(packet: IpPacket): void {
    const datagram = readUdp(packet.payload);
    if (datagram === undefined) return this.#wires.count("malformed UDP");
    const to = addressText(packet.to), guest = `${addressText(packet.from)} ${datagram.from}`;
    const published = this.#flows.get(`published ${guest} ${to} ${datagram.to}`) as PublishedFlow | undefined;
    if (published !== undefined) {
      this.#use(published);
      return published.answer(datagram.payload);
    }
    const route = this.#routes.of("UDP", to, packet.to, datagram.to);
    if (route.kind === "refused") return this.#output.unreachable(packet, Unreachable.prohibited, Unreachablev6.prohibited);
    if (route.kind === "names") return this.#ask(packet, datagram.from, datagram.payload, guest);
    const key = `port ${guest} ${packet.family}`;
    const flow = (this.#flows.get(key) ?? this.#open(key, packet, datagram.from)) as PortFlow;
    this.#use(flow);
    const { endpoint } = route;
    const peer = `${endpoint.address} ${endpoint.port}`;
    if (!flow.peers.has(peer)) {
      if (flow.peers.size >= PEERS) flow.peers.delete(flow.peers.keys().next().value as string);
      flow.peers.set(peer, { address: packet.to.slice(), port: datagram.to });
    }
    flow.socket.send(endpoint, datagram.payload);
  }
  #open(key: string, packet: IpPacket, port: number): PortFlow {
    const guest = packet.from.slice(), { family } = packet;
    const peers: PortFlow["peers"] = new Map();
    const socket = this.#wires.sockets.datagrams(family, {
      data: (from, bytes) => {
        const peer = peers.get(`${from.address} ${from.port}`);
        if (peer === undefined) return this.#wires.count("datagrams from strangers dropped");
        const flow = this.#flows.get(key);
        if (flow !== undefined) this.#use(flow);
        this.#output.datagram(peer.address, peer.port, guest, port, bytes);
      },
      failed: (to, error) => {
        this.#wires.count(`datagrams not sent: ${error}`);
        const peer = peers.get(`${to.address} ${to.port}`);
        if (peer !== undefined) this.#output.notSent(quotable(guest, port, peer.address, peer.port), error);
      },
    });
    const flow: PortFlow = { key, socket, peers, close: () => socket.close(), lifetime: LIFETIME, used: 0 };
    this.#add(flow);
    return flow;
  }

  // --- names ---------------------------------------------------------------------------------------------------------

  #ask(packet: IpPacket, port: number, bytes: Uint8Array, guest: string): void {
    const query = readDnsQuery(bytes);
    if (query === undefined) return this.#wires.count("malformed DNS");
    const key = `names ${guest} ${addressText(packet.to)}`;
    const server = packet.to.slice(), client = packet.from.slice();
    let flow = this.#flows.get(key) as NameFlow | undefined;
    if (flow === undefined) {
      const sockets: NameFlow["sockets"] = new Map();
      flow = { key, sockets, asked: new Map(), lifetime: NAME_LIFETIME, used: 0, close: () => { for (const one of sockets.values()) one.close(); } };
      this.#add(flow);
    }
    this.#use(flow);
    const { asked, sockets } = flow;
    const earlier = asked.get(query.id);
    const tries = (earlier?.tries ?? -1) + 1;
    asked.delete(query.id);
    if (asked.size >= QUERIES) asked.delete(asked.keys().next().value as number);
    asked.set(query.id, { query, bytes: bytes.slice(), tries });
    const resolvers = this.#wires.sockets.resolvers();
    const fail = (id: number): void => {
      const failed = asked.get(id);
      if (failed === undefined) return;
      asked.delete(id);
      this.#output.datagram(server, DNS, client, port, serverFailure(failed.bytes, failed.query));
    };
    const resolver = resolvers[tries % Math.max(1, resolvers.length)]; // who did not answer is not asked again at once
    if (resolver === undefined) {
      this.#wires.count("names not resolved: the host has no resolver", "the guest asked for a name, but the host has no name server (/etc/resolv.conf)");
      return fail(query.id);
    }
    const family = resolver.address.includes(":") ? 6 : 4;
    let socket = sockets.get(family);
    if (socket === undefined) {
      socket = this.#wires.sockets.datagrams(family, {
        data: (from, answer) => {
          const id = answer.length < 2 ? -1 : ((answer[0] as number) << 8) | (answer[1] as number);
          const known = this.#wires.sockets.resolvers().some(one => one.address === from.address && one.port === from.port);
          if (!known || !asked.has(id) || !answersQuery(answer, id)) return this.#wires.count("datagrams from strangers dropped");
          asked.delete(id);
          this.#output.datagram(server, DNS, client, port, answer);
        },
        failed: (_to, error) => {
          this.#wires.count(`names not resolved: ${error}`);
          for (const id of [...asked.keys()]) fail(id);
        },
      });
      sockets.set(family, socket);
    }
    socket.send(resolver, bytes);
  }

  // --- published ports -----------------------------------------------------------------------------------------------

  /** A datagram from outside for a published port; `answer` sends back. */
  incoming(from: Endpoint, listener: string, port: number, bytes: Uint8Array, answer: (bytes: Uint8Array) => void): void {
    const remote = `${listener} ${from.address} ${from.port}`;
    const known = this.#remotes.get(remote);
    let flow = known === undefined ? undefined : this.#flows.get(known.key);
    let source = known?.port ?? 0;
    if (flow === undefined) {
      let key: string;
      do {
        this.#ephemeral = this.#ephemeral >= 65_535 ? EPHEMERAL : this.#ephemeral + 1;
        key = `published ${GUEST.text} ${port} ${GATEWAY.text} ${this.#ephemeral}`;
      } while (this.#flows.has(key));
      source = this.#ephemeral;
      this.#remotes.set(remote, { key, port: source });
      const made: PublishedFlow = { key, answer, lifetime: LIFETIME, used: 0, close: () => { this.#remotes.delete(remote); } };
      flow = made;
      this.#add(made);
    }
    this.#use(flow);
    this.#output.datagram(GATEWAY.bytes, source, GUEST.bytes, port, bytes);
  }
  readonly #remotes: Map<string, { readonly key: string; readonly port: number }> = new Map();

  // --- their lives ---------------------------------------------------------------------------------------------------

  #add(flow: Flow): void {
    if (this.#flows.size >= FLOWS) {
      this.#end(this.#flows.values().next().value as Flow);
      this.#wires.count("UDP flows given up: too many");
    }
    this.#flows.set(flow.key, flow);
  }
  #use(flow: Flow): void {
    flow.used = this.#wires.now();
    if (this.#flows.delete(flow.key)) this.#flows.set(flow.key, flow);
    this.#wires.alarm(flow.used + flow.lifetime);
  }
  #end(flow: Flow): void {
    this.#flows.delete(flow.key);
    flow.close();
  }
  /** Ends what was not used; the time of the next one. */
  tick(now: number): number | undefined {
    let least: number | undefined;
    for (const flow of [...this.#flows.values()]) {
      const end = flow.used + flow.lifetime;
      if (end <= now) this.#end(flow);
      else if (least === undefined || end < least) least = end;
    }
    return least;
  }
  clear(): void { for (const flow of [...this.#flows.values()]) this.#end(flow); }
}
/** As much of a datagram that was sent before as an ICMP error quotes. */
function quotable(from: Uint8Array, fromPort: number, to: Uint8Array, toPort: number): IpPacket {
  const header = from.length === 4 ? IPV4 : IPV6, whole = new Uint8Array(header + UDP), payload = whole.subarray(header);
  writeIp(whole, from, to, Protocol.udp, UDP, 0);
  writeUdp(payload, fromPort, toPort, 0);
  return { family: from.length === 4 ? 4 : 6, from, to, protocol: Protocol.udp, ttl: 64, payload, whole, fragment: undefined };
}
