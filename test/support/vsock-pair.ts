// test/support/vsock-pair.ts — a vsock device and the host's end of it, without rings of frames and without sockets: what the
// guest's driver sends reaches the host at once, and the host's sockets are lists.
import { VirtioVsock } from "../../devices/virtio/vsock.ts";
import type { Stream, StreamEvents } from "../../src/net/wires.ts";
import { VsockHost } from "../../src/vsock/host.ts";
import { Driver, Feature, Reg, Status } from "./virtio-driver.ts";
import { Ring } from "./virtio-ring.ts";

export const CID = 3;

/** A socket of the host: what it got, and how much it takes. */
export class HostStream implements Stream {
  got = 0;
  room: number = Number.POSITIVE_INFINITY;
  finished = false;
  paused = false;
  over = false;
  events: StreamEvents | undefined;
  write(bytes: Uint8Array): number {
    const n = Math.min(bytes.length, this.room);
    this.room -= n;
    this.got += n;
    return n;
  }
  finish(): void { this.finished = true; }
  pause(): void { this.paused = true; }
  resume(): void { this.paused = false; }
  reset(): void { this.over = true; }
}
export interface Packet { readonly op: number; readonly hostPort: number; readonly guestPort: number; readonly length: number; readonly flags: number; readonly room: number; readonly taken: number; readonly cid: number }

export class VsockPair {
  readonly host: VsockHost;
  readonly driver: Driver;
  readonly rx: Ring;
  readonly tx: Ring;
  /** By the guest's choice of port: those from the guest to the host. */
  readonly streams: HostStream[] = [];
  readonly counted: Map<string, number> = new Map();
  /** Whether somebody listens where the guest connects to. */
  listening = true;
  readonly #waiting: Uint8Array[] = [];
  #rooms = 0;
  constructor() {
    let reserved = new Uint8Array(0), toGuest = new Uint8Array(0);
    this.host = new VsockHost({
      cid: CID,
      reserve: length => (this.#waiting.length < 64 ? (toGuest = new Uint8Array(length)) : undefined),
      commit: () => { this.#waiting.push(toGuest); },
      connect: (_port, events) => {
        if (!this.listening) return undefined;
        const stream = new HostStream();
        stream.events = events;
        this.streams.push(stream);
        return stream;
      },
      count: what => { this.counted.set(what, (this.counted.get(what) ?? 0) + 1); },
    });
    const device = new VirtioVsock(CID, {
      reserve: length => (reserved = new Uint8Array(length)),
      commit: () => this.host.receive(reserved),
      next: () => this.#waiting[0],
      release: () => { this.#waiting.shift(); },
      driver: offload => { if (offload === undefined) this.host.restart(); },
    });
    this.driver = new Driver(device);
    this.driver.negotiate(Feature.EVENT_IDX);
    [this.rx, this.tx] = [new Ring(this.driver, 0), new Ring(this.driver, 1)];
    this.driver.w(Reg.Status, this.driver.status | Status.DRIVER_OK);
    this.serve = () => device.serve();
  }
  readonly serve: () => void;
  get healthy(): boolean { return (this.driver.status & Status.NEEDS_RESET) === 0; }
  /** A packet of the guest, honest but for what is said. */
  send(op: number, more: { hostPort?: number; guestPort?: number; dst?: number; src?: number; type?: number; length?: number; bytes?: number; flags?: number; room?: number; taken?: number } = {}): void {
    const bytes = new Uint8Array(44 + (more.bytes ?? 0)), view = new DataView(bytes.buffer);
    for (const [at, value] of [[0, more.src ?? CID], [8, more.dst ?? 2], [16, more.guestPort ?? 7], [20, more.hostPort ?? 1000], [24, more.length ?? more.bytes ?? 0], [32, more.flags ?? 0], [36, more.room ?? 65536], [40, more.taken ?? 0]] as const) view.setUint32(at, value, true);
    view.setUint16(28, more.type ?? 1, true);
    view.setUint16(30, op, true);
    this.tx.send(bytes);
    this.tx.back();
  }
  /** What the guest gets, with as many buffers as that takes. */
  received(): Packet[] {
    const found: Packet[] = [];
    for (;;) {
      for (; this.#rooms < 16; this.#rooms++) this.rx.room();
      this.serve();
      this.host.resume();
      this.serve();
      const back = this.rx.back();
      this.#rooms -= back.length;
      for (const one of back) {
        const view = new DataView(one.buffer, one.byteOffset), u32 = (at: number): number => view.getUint32(at, true);
        found.push({ cid: u32(0), hostPort: u32(16), guestPort: u32(20), length: u32(24), op: view.getUint16(30, true), flags: u32(32), room: u32(36), taken: u32(40) });
      }
      if (back.length === 0) return found;
    }
  }
}
