// src/networks.ts — a machine's networks as the main thread has them: for each interface two rings of frames to the machine
// thread, and who is behind them: the user network (src/net with the host's sockets), a stream of frames, or an interface.
import type { Link } from "./net/wires.ts";
import { Stack } from "./net/stack.ts";
import { FrameRing } from "./frame-ring.ts";
import { checkNets, defaultMac, DEFAULT_MTU, parseEndpoint, parseMac, type NetOptions, type PublishOptions } from "./host/net/options.ts";
import { checkVsock, connectPort, listenUnix, type VsockOptions } from "./host/net/unix-streams.ts";
import { FrameStream } from "./host/net/frame-stream.ts";
import { PcapFile } from "./host/net/pcap.ts";
import { hostSockets, listen, listenDatagrams, type Listener } from "./host/net/sockets.ts";
import { Tap } from "./host/net/tap.ts";
import { VsockHost } from "./vsock/host.ts";
import { DRIVER, newRings, type NetStart } from "./machine-net.ts";

/** struct virtio_net_hdr. */
const HEADER = 12;
/** Records taken in one go before sockets have their turn. */
const TURN = 64;

/** Who is behind an interface. No call throws. */
interface BackEnd {
  /** A record of the guest; it is gone after the call. False: not now, `frames` is called later. */
  receive(record: Uint8Array): boolean;
  /** No more records for now. */
  settle(): void;
  /** There is room for records to the guest again. */
  resume(): void;
  /** The guest's driver is gone. */
  restart(): void;
  close(): void;
}
/** What a back end has of its interface. */
export interface Line extends Link {
  /** The guest's records are wanted again. */
  again(): void;
  notice(text: string): void;
  count(what: string, tell?: string): void;
}

export interface Published { readonly protocol: "tcp" | "udp"; readonly address: string; readonly port: number; readonly guestPort: number }

class Interface implements Line {
  readonly start: NetStart;
  readonly #networks: Networks;
  readonly #fromGuest: FrameRing;
  readonly #toGuest: FrameRing;
  readonly #pcap: PcapFile | undefined;
  backEnd: BackEnd | undefined;
  #reserved: Uint8Array | undefined;
  #full = false;
  #drivers = 0;
  #later = false;
  constructor(networks: Networks, options: NetOptions, index: number, offload: boolean, cid?: number) {
    this.#networks = networks;
    const rings = newRings();
    this.start = { ...rings, mac: options.mac === undefined ? defaultMac(index) : parseMac(options.mac) as Uint8Array, mtu: options.mtu ?? DEFAULT_MTU, offload, cid };
    this.#fromGuest = new FrameRing(rings.toHost, () => networks.wake());
    this.#toGuest = new FrameRing(rings.toGuest, () => networks.wake());
    this.#pcap = options.pcap === undefined ? undefined : new PcapFile(options.pcap, text => networks.notice(text));
  }

  offload(): number | undefined {
    const word = this.#fromGuest.extra;
    return (word & DRIVER.present) === 0 ? undefined : word & DRIVER.offload;
  }
  reserve(length: number): Uint8Array | undefined {
    this.#reserved = this.offload() === undefined ? undefined : this.#toGuest.reserve(length);
    if (this.#reserved === undefined) this.#full = true;
    return this.#reserved;
  }
  commit(): void {
    if (this.#reserved !== undefined) this.#pcap?.write(this.#reserved.subarray(HEADER), Date.now());
    this.#reserved = undefined;
    this.#toGuest.commit();
  }
  again(): void { this.frames(); }
  notice(text: string): void { this.#networks.notice(text); }
  count(what: string, tell?: string): void { this.#networks.count(what, tell); }

  /** The machine thread has records, or has made room. */
  frames(): void {
    const { backEnd } = this;
    if (backEnd === undefined) return;
    const drivers = this.#fromGuest.extra >> DRIVER.count;
    if (drivers !== this.#drivers) {
      this.#drivers = drivers;
      backEnd.restart();
    }
    if (this.#full && this.offload() !== undefined) {
      this.#full = false;
      backEnd.resume();
    }
    for (let n = 0; ; n++) {
      const record = this.#fromGuest.next() ?? (this.#fromGuest.rest() ? undefined : this.#fromGuest.next());
      if (record === undefined) break;
      if (n >= TURN) {
        backEnd.settle();
        if (!this.#later) {
          this.#later = true;
          setImmediate(() => {
            this.#later = false;
            this.frames();
          });
        }
        return;
      }
      if (!backEnd.receive(record)) break; // it asks again
      this.#pcap?.write(record.subarray(HEADER), Date.now());
      this.#fromGuest.release();
    }
    backEnd.settle();
    this.#pcap?.flush();
  }
  close(): void {
    this.backEnd?.close();
    this.backEnd = undefined;
    this.#pcap?.close();
  }
}

export class Networks {
  readonly #interfaces: Interface[] = [];
  readonly #listeners: Listener[] = [];
  readonly #counts: Map<string, number> = new Map();
  readonly #told: Set<string> = new Set();
  #wake: (() => void) | undefined;
  #notice: ((text: string) => void) | undefined;
  readonly #early: string[] = [];
  /** The published ports, as they are on the host. */
  readonly published: Published[] = [];

  /** Opens everything, or nothing; rejects with Failure. Undefined: the machine has no network. */
  static async open(nets: readonly NetOptions[], publish: readonly PublishOptions[], vsock?: VsockOptions): Promise<Networks | undefined> {
    const all = checkNets(nets, publish);
    checkVsock(vsock);
    if (all.length === 0 && vsock === undefined) return undefined;
    const networks = new Networks();
    try {
      for (const [index, options] of all.entries()) await networks.#open(options, index, all.findIndex(one => one.kind === "user") === index ? publish : []);
      if (vsock !== undefined) networks.#openVsock(vsock, all.length);
    } catch (error) {
      networks.close();
      throw error;
    }
    return networks;
  }
  async #open(options: NetOptions, index: number, publish: readonly PublishOptions[]): Promise<void> {
    if (options.kind === "user") return await this.#openUser(options, index, publish);
    const line = new Interface(this, options, index, options.kind === "tap");
    this.#interfaces.push(line);
    line.backEnd = options.kind === "tap" ? Tap.open(options, line) : await FrameStream.open(options, line);
  }
  /** In the last place: no interface of a network is moved by it. */
  #openVsock({ cid, path }: VsockOptions, index: number): void {
    const line = new Interface(this, { kind: "none" }, index, false, cid);
    this.#interfaces.push(line);
    const host = new VsockHost({
      cid, reserve: length => line.reserve(length), commit: () => line.commit(), count: what => this.count(what),
      connect: (port, events) => (path === undefined ? undefined : connectPort(path, port, events)),
    });
    const listener = path === undefined ? undefined : listenUnix("vsock", path, stream => host.incoming(stream));
    line.backEnd = {
      receive: record => {
        host.receive(record);
        return true;
      },
      settle: () => {}, resume: () => host.resume(), restart: () => host.restart(),
      close: () => {
        listener?.close();
        host.restart();
      },
    };
  }
  async #openUser(options: NetOptions, index: number, publish: readonly PublishOptions[]): Promise<void> {
    const line = new Interface(this, options, index, true);
    this.#interfaces.push(line);
    let timer: ReturnType<typeof setTimeout> | undefined;
    const stack = new Stack({
      link: line,
      sockets: hostSockets(options.dns?.map(text => parseEndpoint(text, 53) as { address: string; port: number })),
      now: () => performance.now(),
      alarm: at => {
        clearTimeout(timer);
        timer = at === undefined ? undefined : setTimeout(() => stack.tick(), Math.max(1, at - performance.now()));
        timer?.unref(); // a network does not keep a process
      },
      random: into => void crypto.getRandomValues(into),
      count: (what, tell) => this.count(what, tell),
    }, { mac: line.start.mac, mtu: line.start.mtu, allowHost: options.allowHost === true, allowLan: options.allowLan === true });
    line.backEnd = {
      receive: record => {
        stack.receive(record);
        return true;
      },
      settle: () => stack.settle(),
      resume: () => stack.resume(),
      restart: () => stack.restart(),
      close: () => {
        stack.restart();
        clearTimeout(timer);
      },
    };
    for (const one of publish) {
      const { guestPort } = one;
      const listener = one.protocol === "udp"
        ? await listenDatagrams(one, (from, bytes, answer) => stack.incomingDatagram(from, `${one.address ?? ""} ${one.port}`, guestPort, bytes, answer))
        : listen(one, stream => stack.incoming(stream, guestPort));
      this.#listeners.push(listener);
      this.published.push({ protocol: one.protocol ?? "tcp", address: listener.address, port: listener.port, guestPort });
    }
  }

  /** What the machine thread is told. */
  get starts(): readonly NetStart[] { return this.#interfaces.map(one => one.start); }
  /** Joins them to a machine: how its thread is woken, and who hears of what goes wrong. */
  attach(wake: () => void, notice: (text: string) => void): void {
    this.#wake = wake;
    this.#notice = notice;
    for (const text of this.#early.splice(0)) notice(text);
  }
  /** The machine thread has written to a ring of this interface, or read from one. */
  frames(index: number): void { this.#interfaces[index]?.frames(); }
  /** What happened, and how often. */
  get counters(): Readonly<Record<string, number>> { return Object.fromEntries(this.#counts); }
  close(): void {
    for (const one of this.#listeners.splice(0)) one.close();
    for (const one of this.#interfaces.splice(0)) one.close();
    this.#wake = undefined;
  }

  wake(): void { this.#wake?.(); }
  notice(text: string): void {
    if (this.#notice === undefined) this.#early.push(text);
    else this.#notice(text);
  }
  count(what: string, tell?: string): void {
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + 1);
    if (tell === undefined || this.#told.has(what)) return;
    this.#told.add(what);
    this.notice(tell);
  }
}
