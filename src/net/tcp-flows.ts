// src/net/tcp-flows.ts — every TCP connection of the guest, each joined to a stream of the host: bytes go across, what the
// one side can no longer take stops the other. A guest's SYN is answered when the host's connection stands.
// Bounded in connections, in those that are still opening, and in bytes.
import { addressText } from "./address.ts";
import type { Output } from "./output.ts";
import { Protocol, type IpPacket } from "./pdu/ip.ts";
import { Flag, TCP, TCP_SYN_OPTIONS, readTcp, writeTcp, type TcpSegment } from "./pdu/transport.ts";
import { GATEWAY, GUEST } from "./plan.ts";
import type { Routes } from "./routes.ts";
import { TcpConnection, WINDOW_FIRST, WINDOW_MOST, type OutSegment } from "./tcp.ts";
import type { Endpoint, StackOptions, StackWires, Stream, StreamEvents } from "./wires.ts";

const FLOWS = 1024;
/** Connections of the guest whose host side is not open yet; one that waits for long makes way. */
const OPENING = 256, OPENING_PATIENCE_MS = 3000;
/** Bytes kept for the guest before the host's socket is no longer read: at first, and as long as there is memory. */
const KEPT = 1024 * 1024, KEPT_LEAST = 64 * 1024;
/** Bytes of windows and buffers that connections may grow by, all together. */
const BUDGET = 96 * 1024 * 1024;
const EPHEMERAL = 49_152;

interface Flow {
  readonly key: string;
  readonly connection: TcpConnection;
  stream: Stream | undefined;
  /** The host's side is gone. */
  gone: boolean;
  paused: boolean;
  /** Bytes of the budget that are this connection's. */
  grown: number;
  opening: boolean;
  readonly since: number;
  used: number;
}

export class TcpFlows {
  readonly #wires: StackWires;
  readonly #options: StackOptions;
  readonly #output: Output;
  readonly #routes: Routes;
  readonly #flows: Map<string, Flow> = new Map();
  readonly #opening: Set<Flow> = new Set();
  readonly #touched: Set<Flow> = new Set();
  #grown = 0;
  #ephemeral = EPHEMERAL;
  readonly #seed: Uint8Array = new Uint8Array(4);
  constructor(wires: StackWires, options: StackOptions, output: Output, routes: Routes) {
    this.#wires = wires;
    this.#options = options;
    this.#output = output;
    this.#routes = routes;
  }
  get size(): number { return this.#flows.size; }

  /** A segment of the guest, its checksum held. */
  receive(packet: IpPacket): void {
    const s = readTcp(packet.payload);
    if (s === undefined) return this.#wires.count("malformed TCP");
    const from = addressText(packet.from), to = addressText(packet.to);
    const key = `${from} ${s.from} ${to} ${s.to}`;
    let flow = this.#flows.get(key);
    if (flow?.connection.state === "time-wait" && (s.flags & (Flag.SYN | Flag.ACK | Flag.RST)) === Flag.SYN) { // RFC 9293, 3.6.1
      this.#forget(flow);
      flow = undefined;
    }
    if (flow === undefined) return this.#unknown(packet, s, key, to);
    flow.used = this.#wires.now();
    this.#touched.add(flow);
    flow.connection.receive(s);
  }
  #unknown(packet: IpPacket, s: TcpSegment, key: string, to: string): void {
    if ((s.flags & Flag.RST) !== 0) return;
    if ((s.flags & (Flag.SYN | Flag.ACK | Flag.FIN)) !== Flag.SYN) return this.#refuse(packet, s);
    const route = this.#routes.of("TCP", to, packet.to, s.to);
    if (route.kind === "refused") return this.#refuse(packet, s);
    const target: Endpoint | undefined = route.kind === "to" ? route.endpoint : this.#wires.sockets.resolvers()[0];
    if (target === undefined) return this.#refuse(packet, s);
    if (!this.#makeRoom()) return this.#wires.count("TCP connections put off: too many at once"); // the guest will send its SYN again
    const flow = this.#flow(key, packet.to.slice(), s.to, packet.from.slice(), s.from);
    flow.opening = true;
    this.#opening.add(flow);
    flow.connection.listen(s);
    const about: IpPacket = { ...packet, from: packet.from.slice(), to: packet.to.slice(), payload: packet.payload.slice(0, TCP), whole: packet.whole.slice(0, 128) };
    flow.stream = this.#wires.sockets.connect(target, this.#events(flow, error => {
      if (error !== undefined) this.#output.notSent(about, error);
      if (error !== "ECONNREFUSED") this.#wires.count(`TCP connections failed: ${error ?? "closed"}`);
    }));
  }
  /** RST for a segment that belongs to nothing: RFC 9293, 3.5.2. */
  #refuse(packet: IpPacket, s: TcpSegment): void {
    const acks = (s.flags & Flag.ACK) !== 0;
    const length = s.payload.length + ((s.flags & Flag.SYN) !== 0 ? 1 : 0) + ((s.flags & Flag.FIN) !== 0 ? 1 : 0);
    this.#output.packet(packet.to, packet.from, Protocol.tcp, TCP, into =>
      void writeTcp(into, s.to, s.from, acks ? s.ack : 0, acks ? 0 : (s.seq + length) >>> 0, Flag.RST | (acks ? 0 : Flag.ACK), 0));
  }

  /** Somebody has connected to a port that is published as the guest's. */
  incoming(stream: Stream, port: number): StreamEvents | undefined {
    if (!this.#makeRoom()) return undefined;
    let key: string;
    do {
      this.#ephemeral = this.#ephemeral >= 65_535 ? EPHEMERAL : this.#ephemeral + 1;
      key = `${GUEST.text} ${port} ${GATEWAY.text} ${this.#ephemeral}`;
    } while (this.#flows.has(key)); // FLOWS is less than there are ports
    const flow = this.#flow(key, GATEWAY.bytes, this.#ephemeral, GUEST.bytes, port);
    flow.stream = stream;
    flow.connection.connect();
    this.#settle(flow);
    return this.#events(flow, () => {});
  }

  /** A connection between `address`, `port` and the guest's. */
  #flow(key: string, address: Uint8Array, port: number, guest: Uint8Array, guestPort: number): Flow {
    const family = address.length === 4 ? 4 : 6;
    const now = this.#wires.now();
    const flow: Flow = {
      key, stream: undefined, gone: false, paused: false, grown: 0, opening: false, since: now, used: now,
      connection: new TcpConnection({
        now: this.#wires.now,
        mss: this.#options.mtu - (family === 4 ? 40 : 60),
        large: () => this.#output.large(family),
        initial: () => {
          this.#wires.random(this.#seed);
          return new DataView(this.#seed.buffer).getUint32(0);
        },
        output: segment => this.#send(address, port, guest, guestPort, segment),
        grow: () => this.#grow(flow, WINDOW_MOST - WINDOW_FIRST),
        opened: () => {},
        received: bytes => {
          if (flow.stream === undefined || flow.gone) { // nobody takes it any more
            flow.connection.abort();
            return 0;
          }
          return flow.stream.write(bytes);
        },
        finished: () => flow.stream?.finish(),
        writable: () => {
          if (!flow.paused || flow.connection.unsent > this.#kept(flow) / 2) return;
          flow.paused = false;
          flow.stream?.resume();
        },
        ended: why => {
          this.#forget(flow);
          if (why !== "closed") flow.stream?.reset();
        },
      }),
    };
    this.#flows.set(key, flow);
    return flow;
  }
  #send(from: Uint8Array, fromPort: number, to: Uint8Array, toPort: number, s: OutSegment): boolean {
    const header = TCP + (s.syn === undefined ? 0 : TCP_SYN_OPTIONS);
    return this.#output.packet(from, to, Protocol.tcp, header + s.length, into => {
      writeTcp(into, fromPort, toPort, s.seq, s.ack, s.flags, s.window, s.syn);
      if (s.length > 0) s.fill(into.subarray(header));
    }, s.length > s.mss ? { header, mss: s.mss } : undefined);
  }
  #events(flow: Flow, failed: (error: string | undefined) => void): StreamEvents {
    const { connection } = flow;
    return {
      opened: () => {
        flow.opening = false;
        this.#opening.delete(flow);
        connection.accept();
        this.#settle(flow);
      },
      data: bytes => {
        flow.used = this.#wires.now();
        connection.send(bytes);
        if (!flow.paused && connection.unsent > this.#kept(flow)) {
          flow.paused = true;
          flow.stream?.pause();
        }
        this.#settle(flow);
      },
      end: () => {
        connection.finish();
        this.#settle(flow);
      },
      writable: () => {
        connection.readMore();
        this.#settle(flow);
      },
      closed: error => {
        flow.gone = true;
        if (flow.opening) {
          failed(error);
          connection.abort();
        } else if (error !== undefined) connection.abort();
        else {
          connection.finish();
          connection.abandon();
        }
        this.#settle(flow);
      },
    };
  }
  #kept(flow: Flow): number {
    return flow.grown > 0 || this.#grow(flow, KEPT) ? KEPT : KEPT_LEAST;
  }
  #grow(flow: Flow, bytes: number): boolean {
    if (this.#grown + bytes > BUDGET) return false;
    this.#grown += bytes;
    flow.grown += bytes;
    return true;
  }
  #forget(flow: Flow): void {
    if (this.#flows.get(flow.key) !== flow) return;
    this.#flows.delete(flow.key);
    this.#opening.delete(flow);
    this.#touched.delete(flow);
    this.#grown -= flow.grown;
    flow.grown = 0;
  }

  /** Room for one more; the one that waits to open for longest, or has been closing or quiet for longest, makes way. */
  #makeRoom(): boolean {
    const now = this.#wires.now();
    if (this.#opening.size >= OPENING) {
      const [oldest] = this.#opening;
      if (oldest === undefined || now - oldest.since < OPENING_PATIENCE_MS) return false;
      this.#drop(oldest);
      this.#wires.count("TCP connections given up: too many waited for the other side");
    }
    if (this.#flows.size < FLOWS) return true;
    let quiet: Flow | undefined;
    for (const flow of this.#flows.values()) {
      if (flow.connection.state === "time-wait") {
        this.#forget(flow);
        return true;
      }
      if (quiet === undefined || flow.used < quiet.used) quiet = flow;
    }
    if (quiet === undefined || now - quiet.used < OPENING_PATIENCE_MS) return false;
    this.#drop(quiet);
    this.#wires.count("TCP connections given up: too many, and it was quiet for longest");
    return true;
  }
  #drop(flow: Flow): void {
    flow.connection.abort();
    this.#forget(flow);
    flow.stream?.reset();
  }

  // --- time and room -------------------------------------------------------------------------------------------------

  /** No more segments for now: what they made due is sent. The earliest time that a connection waits for. */
  settle(): number | undefined {
    let least: number | undefined;
    for (const flow of this.#touched) {
      flow.connection.flush();
      const due = flow.connection.due();
      if (due !== undefined && (least === undefined || due < least)) least = due;
    }
    this.#touched.clear();
    return least;
  }
  #settle(flow: Flow): void {
    flow.connection.flush();
    this.#wires.alarm(flow.connection.due());
  }
  /** The earliest time that a connection waits for, after those whose time has come had their turn. */
  tick(now: number): number | undefined {
    let least: number | undefined;
    for (const flow of this.#flows.values()) {
      const before = flow.connection.due();
      if (before !== undefined && before <= now) flow.connection.tick();
      const due = flow.connection.due();
      if (due !== undefined && (least === undefined || due < least)) least = due;
    }
    return least;
  }
  /** There is room on the link again. */
  resume(): void { for (const flow of this.#flows.values()) flow.connection.resume(); }
  /** The guest is gone, or the network: every connection ends. */
  clear(): void {
    for (const flow of [...this.#flows.values()]) this.#drop(flow);
  }
}
