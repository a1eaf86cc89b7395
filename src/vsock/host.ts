// src/vsock/host.ts — the host's end of a vsock device: connections, credit, and whose stream of the host each one is.
// Spec: OASIS virtio 1.2, 5.10.6; the meeting place is Firecracker's (docs/vsock.md there): who connects to the host's socket
// says "CONNECT port\n", is answered "OK port\n", and talks to the guest's port; a guest that connects to port N of CID 2 gets
// the host's socket of that number. Pure: packets and streams in, packets and streams out. Nothing a guest sends throws.
import type { Stream, StreamEvents } from "../net/wires.ts";

const H = { src_cid: 0, dst_cid: 8, src_port: 16, dst_port: 20, len: 24, type: 28, op: 30, flags: 32, buf_alloc: 36, fwd_cnt: 40, SIZE: 44 } as const;
export const OP = { REQUEST: 1, RESPONSE: 2, RST: 3, SHUTDOWN: 4, RW: 5, CREDIT_UPDATE: 6, CREDIT_REQUEST: 7 } as const;
const STREAM = 1;
/** VIRTIO_VSOCK_SHUTDOWN_*: it takes, or sends, nothing more. */
const SHUTDOWN = { RCV: 1, SEND: 2, BOTH: 3 } as const;
export const HOST_CID = 2;
/** What a connection holds for either side, bytes. */
export const BUFFER: number = 256 * 1024;
const PACKET = 16 * 1024;
const MAX_CONNECTIONS = 1024, MAX_WAITING = 4096;
/** The longest "CONNECT port\n". */
const GREETING = 32;
const FIRST_PORT = 2 ** 30;

export interface VsockWires {
  readonly cid: number;
  /** Room for a packet to the guest; undefined: none now, and `resume` follows. */
  reserve(length: number): Uint8Array | undefined;
  commit(): void;
  /** The host's socket for a port. */
  connect(port: number, events: StreamEvents): Stream | undefined;
  count(what: string): void;
}
interface Connection {
  readonly key: string;
  readonly hostPort: number;
  readonly guestPort: number;
  readonly stream: { use: Stream | undefined };
  open: boolean;
  /** Who asked: "OK" is for those who came from the host. */
  readonly fromHost: boolean;
  /** Bytes sent to the guest, and what it says of them; modulo 2^32. */
  sent: number;
  peerRoom: number;
  peerTaken: number;
  starved: boolean;
  /** Bytes of the guest that the host's socket took, and what the guest knows of that. */
  taken: number;
  told: number;
  /** Not taken by the host's socket; not sent to the guest. */
  out: Uint8Array[];
  outLength: number;
  readonly into: Uint8Array[];
  intoLength: number;
  paused: boolean;
  guestDone: boolean;
  hostDone: boolean;
  /** What the guest was told of the host's end. */
  shut: number;
}

export class VsockHost {
  readonly #wires: VsockWires;
  readonly #connections: Map<string, Connection> = new Map();
  /** Packets without bytes that found no room. */
  readonly #waiting: Uint8Array[] = [];
  #nextPort = FIRST_PORT;
  #greeting = 0;
  constructor(wires: VsockWires) { this.#wires = wires; }
  get connections(): number { return this.#connections.size; }

  // --- from the host -----------------------------------------------------------------------------------------------

  /** Somebody came to the host's socket. Undefined: there is no room. */
  incoming(stream: Stream): StreamEvents | undefined {
    if (this.#connections.size + this.#greeting >= MAX_CONNECTIONS) return undefined;
    this.#greeting++;
    let text = "", connection: Connection | undefined, over = false;
    const stop = (): void => {
      if (over || connection !== undefined) return;
      over = true;
      this.#greeting--;
    };
    return {
      opened: () => {},
      data: bytes => {
        if (over) return;
        if (connection !== undefined) return this.#fromHost(connection, bytes);
        const end = bytes.indexOf(10), line = text + new TextDecoder("latin1").decode(bytes.subarray(0, end < 0 ? bytes.length : end));
        const port = end < 0 ? NaN : Number(/^CONNECT (\d{1,10})\r?$/.exec(line)?.[1] ?? NaN);
        if (end < 0 && line.length < GREETING) {
          text = line;
          return;
        }
        if (!(port <= 0xffff_ffff)) {
          this.#wires.count("vsock: a host's connection without CONNECT");
          stop();
          return stream.reset();
        }
        this.#greeting--;
        connection = this.#add(this.#freePort(port), port, stream, true);
        this.#control(connection, OP.REQUEST);
        if (end + 1 < bytes.length) this.#fromHost(connection, bytes.subarray(end + 1));
      },
      end: () => {
        if (connection !== undefined) return this.#hostEnded(connection);
        stop();
        stream.reset();
      },
      writable: () => { if (connection !== undefined) this.#drain(connection); },
      closed: () => {
        stop();
        if (connection !== undefined) this.#hostClosed(connection);
      },
    };
  }
  #freePort(guestPort: number): number {
    do this.#nextPort = this.#nextPort >= 0xffff_fff0 ? FIRST_PORT : this.#nextPort + 1; while (this.#connections.has(`${this.#nextPort}:${guestPort}`));
    return this.#nextPort;
  }
  #add(hostPort: number, guestPort: number, stream: Stream | undefined, fromHost: boolean): Connection {
    const connection: Connection = {
      key: `${hostPort}:${guestPort}`, hostPort, guestPort, stream: { use: stream }, open: false, fromHost, sent: 0, peerRoom: 0, peerTaken: 0, starved: false, taken: 0, told: 0,
      out: [], outLength: 0, into: [], intoLength: 0, paused: false, guestDone: false, hostDone: false, shut: 0,
    };
    this.#connections.set(connection.key, connection);
    return connection;
  }
  #fromHost(c: Connection, bytes: Uint8Array): void {
    if (this.#connections.get(c.key) !== c) return c.stream.use?.reset(); // the guest has closed it
    c.into.push(bytes.slice());
    c.intoLength += bytes.length;
    this.#pump(c);
    if (c.intoLength > BUFFER && !c.paused) {
      c.paused = true;
      c.stream.use?.pause();
    }
  }
  #hostEnded(c: Connection): void {
    c.hostDone = true;
    this.#pump(c);
  }
  #hostClosed(c: Connection): void {
    if (this.#connections.get(c.key) !== c) return;
    c.stream.use = undefined;
    c.hostDone = true;
    c.out = [];
    if (!c.open && !c.fromHost) return this.#drop(c, true); // there is nobody at this port
    this.#pump(c);
  }
  /** What is for the guest goes as far as room and credit reach; then the end, if that has come. */
  #pump(c: Connection): void {
    if (!c.open || this.#waiting.length > 0) return;
    while (c.into.length > 0) {
      const first = c.into[0] as Uint8Array, credit = c.peerRoom - ((c.sent - c.peerTaken) >>> 0);
      if (credit <= 0) {
        if (!c.starved) this.#control(c, OP.CREDIT_REQUEST);
        c.starved = true;
        return;
      }
      const part = first.subarray(0, Math.min(first.length, credit, PACKET));
      if (!this.#packet(c, OP.RW, 0, part)) return;
      c.sent = (c.sent + part.length) >>> 0;
      c.intoLength -= part.length;
      if (part.length === first.length) c.into.shift();
      else c.into[0] = first.subarray(part.length);
    }
    if (c.paused && c.intoLength < BUFFER / 2) {
      c.paused = false;
      c.stream.use?.resume();
    }
    const shut = !c.hostDone ? 0 : c.stream.use === undefined ? SHUTDOWN.BOTH : SHUTDOWN.SEND;
    if (shut !== 0 && c.shut !== shut) {
      c.shut = shut;
      this.#control(c, OP.SHUTDOWN, shut);
    }
  }
  /** What the guest sent goes to the host's socket, as far as that takes it. */
  #drain(c: Connection): void {
    const stream = c.stream.use;
    while (c.open && stream !== undefined && c.out.length > 0) {
      const first = c.out[0] as Uint8Array, n = stream.write(first);
      c.taken = (c.taken + n) >>> 0;
      c.outLength -= n;
      if (n < first.length) {
        c.out[0] = first.subarray(n);
        break;
      }
      c.out.shift();
    }
    if (((c.taken - c.told) >>> 0) >= BUFFER / 2) this.#control(c, OP.CREDIT_UPDATE);
    if (c.guestDone && c.out.length === 0) stream?.finish();
  }

  // --- from the guest ----------------------------------------------------------------------------------------------

  /** A packet of the guest; it is gone after the call. */
  receive(record: Uint8Array): void {
    const view = new DataView(record.buffer, record.byteOffset, record.byteLength);
    const u32 = (at: number): number => view.getUint32(at, true);
    const hostPort = u32(H.dst_port), guestPort = u32(H.src_port), op = view.getUint16(H.op, true), flags = u32(H.flags);
    const c = this.#connections.get(`${hostPort}:${guestPort}`);
    const refuse = (what: string): void => {
      this.#wires.count(`vsock: ${what}`);
      if (c !== undefined) this.#drop(c, true);
      else if (op !== OP.RST) this.#answer(u32(H.dst_cid), u32(H.dst_cid + 4), hostPort, guestPort);
    };
    if (u32(H.dst_cid) !== HOST_CID || u32(H.dst_cid + 4) !== 0) {
      this.#wires.count("vsock: packet for nobody");
      if (op !== OP.RST) this.#answer(u32(H.dst_cid), u32(H.dst_cid + 4), hostPort, guestPort);
      return;
    }
    if (view.getUint16(H.type, true) !== STREAM) return refuse("packet of another type");
    if (u32(H.len) !== record.length - H.SIZE || (op !== OP.RW && record.length > H.SIZE)) return refuse("packet of a wrong length");
    if (op === OP.REQUEST) return c !== undefined ? refuse("connection that is there already") : this.#requested(hostPort, guestPort, u32(H.buf_alloc), u32(H.fwd_cnt), refuse);
    if (c === undefined) return op === OP.RST ? undefined : refuse("packet of no connection");
    if (op === OP.RST) return this.#drop(c, false);
    c.peerRoom = u32(H.buf_alloc);
    c.peerTaken = u32(H.fwd_cnt);
    if (((c.sent - c.peerTaken) >>> 0) > 2 ** 31) return refuse("credit for what was not sent");
    c.starved = false;
    if (op === OP.RESPONSE) {
      if (c.open || !c.fromHost) return refuse("answer that nobody waits for");
      c.open = true;
      const words = new TextEncoder().encode(`OK ${c.hostPort}\n`);
      c.taken = c.told = -words.length >>> 0; // these are not the guest's: with them taken, the count is 0
      c.out.push(words);
      c.outLength = words.length;
      this.#drain(c);
      return this.#pump(c);
    }
    if (!c.open) return refuse("packet before the connection");
    switch (op) {
      case OP.RW: {
        if (c.guestDone) return refuse("bytes after the end");
        if (c.outLength + record.length - H.SIZE > BUFFER) return refuse("more bytes than there was credit for");
        if (c.stream.use === undefined) return; // the host's side is gone, and the guest was told
        c.out.push(record.slice(H.SIZE));
        c.outLength += record.length - H.SIZE;
        this.#drain(c);
        break;
      }
      case OP.SHUTDOWN:
        if ((flags & SHUTDOWN.SEND) !== 0) c.guestDone = true;
        if ((flags & SHUTDOWN.BOTH) === SHUTDOWN.BOTH) return this.#finish(c);
        this.#drain(c);
        break;
      case OP.CREDIT_REQUEST:
        this.#control(c, OP.CREDIT_UPDATE);
        break;
      case OP.CREDIT_UPDATE: break;
      default: return refuse("packet of an unknown kind");
    }
    this.#pump(c);
  }
  #requested(hostPort: number, guestPort: number, room: number, taken: number, refuse: (what: string) => void): void {
    if (this.#connections.size + this.#greeting >= MAX_CONNECTIONS) return refuse("connection beyond the limit");
    const c = this.#add(hostPort, guestPort, undefined, false);
    c.peerRoom = room;
    c.peerTaken = taken;
    if (taken !== 0) return this.#drop(c, true);
    const stream = this.#wires.connect(hostPort, {
      opened: () => {
        if (this.#connections.get(c.key) !== c) return;
        c.open = true;
        this.#control(c, OP.RESPONSE);
      },
      data: bytes => { if (this.#connections.get(c.key) === c) this.#fromHost(c, bytes); },
      end: () => { if (this.#connections.get(c.key) === c) this.#hostEnded(c); },
      writable: () => { if (this.#connections.get(c.key) === c) this.#drain(c); },
      closed: () => this.#hostClosed(c),
    });
    if (stream === undefined) this.#drop(c, true);
    else c.stream.use = stream;
  }
  /** The guest is through with it: what it sent still goes out. */
  #finish(c: Connection): void {
    this.#drain(c);
    this.#connections.delete(c.key);
    this.#control(c, OP.RST);
    const stream = c.stream.use;
    if (stream === undefined) return;
    stream.finish();
    if (c.out.length > 0) stream.reset(); // a host that does not read does not hold the guest's memory
  }
  #drop(c: Connection, tell: boolean): void {
    this.#connections.delete(c.key);
    c.stream.use?.reset();
    c.stream.use = undefined;
    if (tell) this.#control(c, OP.RST);
  }

  // --- packets -----------------------------------------------------------------------------------------------------

  /** There is room for packets again. */
  resume(): void {
    while (this.#waiting.length > 0) {
      const packet = this.#waiting[0] as Uint8Array, room = this.#wires.reserve(packet.length);
      if (room === undefined) return;
      room.set(packet);
      this.#wires.commit();
      this.#waiting.shift();
    }
    for (const c of this.#connections.values()) this.#pump(c);
  }
  /** The guest's driver is gone, and with it everything. */
  restart(): void {
    this.#waiting.length = 0;
    for (const c of [...this.#connections.values()]) this.#drop(c, false);
  }
  #write(into: Uint8Array, c: Connection, op: number, flags: number, length: number): void {
    const view = new DataView(into.buffer, into.byteOffset);
    into.fill(0, 0, H.SIZE);
    const words: readonly (readonly [number, number])[] = [[H.src_cid, HOST_CID], [H.dst_cid, this.#wires.cid], [H.src_port, c.hostPort], [H.dst_port, c.guestPort], [H.len, length], [H.flags, flags], [H.buf_alloc, BUFFER], [H.fwd_cnt, c.taken]];
    for (const [at, value] of words) view.setUint32(at, value, true);
    view.setUint16(H.type, STREAM, true);
    view.setUint16(H.op, op, true);
    c.told = c.taken;
  }
  #packet(c: Connection, op: number, flags: number, bytes: Uint8Array): boolean {
    const into = this.#wires.reserve(H.SIZE + bytes.length);
    if (into === undefined) return false;
    this.#write(into, c, op, flags, bytes.length);
    into.set(bytes, H.SIZE);
    this.#wires.commit();
    return true;
  }
  #control(c: Connection, op: number, flags = 0): void {
    if (this.#waiting.length === 0 && this.#packet(c, op, flags, new Uint8Array(0))) return;
    const packet = new Uint8Array(H.SIZE);
    this.#write(packet, c, op, flags, 0);
    this.#wait(packet);
  }
  #wait(packet: Uint8Array): void {
    if (this.#waiting.length < MAX_WAITING) this.#waiting.push(packet);
    else this.#wires.count("vsock: packet to the guest dropped");
  }
  /** RST to whoever is no connection. */
  #answer(cid: number, cidHigh: number, hostPort: number, guestPort: number): void {
    const packet = new Uint8Array(H.SIZE), view = new DataView(packet.buffer);
    const words: readonly (readonly [number, number])[] = [[H.src_cid, cid], [H.src_cid + 4, cidHigh], [H.dst_cid, this.#wires.cid], [H.src_port, hostPort], [H.dst_port, guestPort]];
    for (const [at, value] of words) view.setUint32(at, value, true);
    view.setUint16(H.type, STREAM, true);
    view.setUint16(H.op, OP.RST, true);
    this.#wait(packet);
    this.resume();
  }
}
