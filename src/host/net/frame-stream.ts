// src/host/net/frame-stream.ts — frames over a stream socket, each behind its length: four bytes, network order. That is what QEMU's
// `-netdev socket` and `-netdev stream` speak, so a guest of hv and one of QEMU can share a cable.
import { unlinkSync } from "node:fs";
import { ExitCode, Failure } from "../../failure.ts";
import type { Link } from "../../net/wires.ts";
import { parseEndpoint, type NetOptions } from "./options.ts";

/** struct virtio_net_hdr in front of each record of the guest; nothing in it is left to the other side. */
const HEADER = 12;
const LENGTH = 4;
/** An Ethernet header, a VLAN tag and the longest packet. */
const LONGEST = 14 + 4 + 65_535;
const BUFFER = 512 * 1024;

export interface StreamLine extends Link {
  again(): void;
  notice(text: string): void;
  count(what: string): void;
}

export class FrameStream {
  readonly #line: StreamLine;
  readonly #name: string;
  #socket: Bun.Socket<undefined> | undefined;
  #listener: { stop(): void } | undefined;
  #path: string | undefined;
  #stopped = false;
  /** To the other side, not written yet. */
  readonly #out: Uint8Array = new Uint8Array(BUFFER);
  #from = 0;
  #to = 0;
  #refused = false;
  /** From the other side: the start of a frame, or frames that the guest has no room for. */
  #in: Uint8Array = new Uint8Array(0);
  #paused = false;

  private constructor(line: StreamLine, name: string) {
    this.#line = line;
    this.#name = name;
  }
  /** Connects, or listens; rejects with Failure. */
  static async open(options: NetOptions, line: StreamLine): Promise<FrameStream> {
    const to = options.to as string, name = `${options.kind} ${to}`, stream = new FrameStream(line, name);
    const where = options.kind === "unix" ? { unix: to } : ((one): { hostname: string; port: number } => ({ hostname: one.address, port: one.port }))(parseEndpoint(to) as { address: string; port: number });
    const socket: Bun.SocketHandler<undefined> = {
      open: one => stream.#opened(one),
      data: (one, bytes) => stream.#received(one, bytes),
      drain: () => stream.#drained(),
      close: (one, error) => stream.#closed(one, error),
      error: () => {},
    };
    try {
      if (options.listen === true) {
        stream.#listener = Bun.listen({ ...where, socket } as Parameters<typeof Bun.listen>[0]);
        if (options.kind === "unix") stream.#path = to;
      } else await Bun.connect({ ...where, socket } as Parameters<typeof Bun.connect>[0]);
    } catch (error) {
      const code = (error as { code?: string }).code ?? String(error);
      throw new Failure("HV-NET-STREAM", `--net ${name}: cannot ${options.listen === true ? "listen" : "connect"} (${code})`, { hint: options.listen === true ? "choose another address" : "start the other side first, with listen", exit: code === "EADDRINUSE" ? ExitCode.busy : ExitCode.failed, cause: error });
    }
    return stream;
  }

  #opened(socket: Bun.Socket<undefined>): void {
    if (this.#socket !== undefined) { // a cable has two ends
      socket.terminate();
      return;
    }
    this.#socket = socket;
    this.#from = this.#to = 0;
    this.#in = new Uint8Array(0);
    this.#paused = false;
  }
  #closed(socket: Bun.Socket<undefined>, error: Error | undefined): void {
    if (socket !== this.#socket) return;
    this.#socket = undefined;
    if (!this.#stopped) this.#line.notice(`${this.#name}: the other side is gone${error === undefined || error === null ? "" : ` (${(error as { code?: string }).code ?? error.message})`}; the guest's frames are lost${this.#listener === undefined ? "" : " until another one connects"}`);
    if (this.#refused) this.#drained();
  }

  /** A record of the guest. False: the other side does not take more now. */
  receive(record: Uint8Array): boolean {
    const length = record.length - HEADER;
    if (this.#socket === undefined) {
      this.#line.count("frames lost: nobody is on the other side");
      return true;
    }
    if (this.#to + LENGTH + length > BUFFER) {
      this.settle();
      if (this.#from > 0) {
        this.#out.copyWithin(0, this.#from, this.#to);
        this.#to -= this.#from;
        this.#from = 0;
      }
      if (this.#to + LENGTH + length > BUFFER) {
        this.#refused = true;
        return false;
      }
    }
    new DataView(this.#out.buffer).setUint32(this.#to, length);
    this.#out.set(record.subarray(HEADER), this.#to + LENGTH);
    this.#to += LENGTH + length;
    return true;
  }
  settle(): void {
    if (this.#from < this.#to) this.#from += Math.max(0, this.#socket?.write(this.#out, this.#from, this.#to - this.#from) ?? 0);
    if (this.#from === this.#to) this.#from = this.#to = 0;
  }
  #drained(): void {
    this.settle();
    if (!this.#refused) return;
    this.#refused = false;
    this.#line.again();
  }

  #received(socket: Bun.Socket<undefined>, bytes: Uint8Array): void {
    if (socket !== this.#socket) return;
    if (this.#in.length === 0) this.#in = bytes;
    else {
      const joined = new Uint8Array(this.#in.length + bytes.length);
      joined.set(this.#in);
      joined.set(bytes, this.#in.length);
      this.#in = joined;
    }
    this.#deliver();
  }
  #deliver(): void {
    let at = 0;
    for (; at + LENGTH <= this.#in.length;) {
      const length = new DataView(this.#in.buffer, this.#in.byteOffset + at, LENGTH).getUint32(0);
      if (length > LONGEST) {
        this.#line.notice(`${this.#name}: the other side sends no frames (one of ${length} bytes): connection closed`);
        this.#socket?.terminate();
        return;
      }
      if (at + LENGTH + length > this.#in.length) break;
      if (length >= 14 && this.#line.offload() !== undefined) {
        const record = this.#line.reserve(HEADER + length);
        if (record === undefined) {
          this.#in = this.#in.subarray(at);
          if (!this.#paused) this.#socket?.pause();
          this.#paused = true;
          return;
        }
        record.fill(0, 0, HEADER);
        record.set(this.#in.subarray(at + LENGTH, at + LENGTH + length), HEADER);
        this.#line.commit();
      } else this.#line.count(length < 14 ? "dropped: malformed Ethernet" : "frames lost: the guest has no driver");
      at += LENGTH + length;
    }
    this.#in = this.#in.slice(at);
  }
  /** The guest has room again. */
  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#deliver();
    if (!this.#paused) this.#socket?.resume();
  }
  restart(): void {}
  close(): void {
    this.#stopped = true;
    this.#listener?.stop();
    if (this.#path !== undefined) {
      try { unlinkSync(this.#path); } catch { /* gone already */ }
    }
    this.#socket?.end();
  }
}
