// devices/virtio/p9.ts — virtio-9p: a file system of the host, by messages of 9P.
// Spec: OASIS virtio 1.2 has no chapter on it (device ID 9, 5); the layout is Linux' include/uapi/linux/virtio_9p.h: one
// queue, each buffer a T-message and then room for its R-message. What messages say is the server's.
import type { VirtioDevice, VirtioTransport } from "./device.ts";
import type { SplitQueue } from "./queue.ts";

/** The configuration space is behind this: there is a mount tag. */
const VIRTIO_9P_MOUNT_TAG = 1 << 0;
/** size[4] type[1] tag[2]. */
const HEADER = 7;

/** Who answers. It never throws for what a message says. */
export interface P9Server {
  /** Bytes of the longest message that is taken now. */
  readonly messageSize: number;
  /** The answer to a T-message, at most `room` bytes; valid until the next call. */
  answer(message: Uint8Array, room: number): Uint8Array;
  /** The answer to a message that cannot be taken. */
  refuse(tag: number): Uint8Array;
  /** The driver is gone: nothing stays open. */
  reset(): void;
}

export class VirtioP9 implements VirtioDevice {
  readonly name = "9p";
  readonly id = 9;
  readonly features: number = VIRTIO_9P_MOUNT_TAG;
  readonly queues = 1;
  readonly config: Uint8Array;
  readonly #server: P9Server;
  #message: Uint8Array = new Uint8Array(64 * 1024);
  readonly #header: Uint8Array = new Uint8Array(HEADER);
  #transport: VirtioTransport | undefined;
  constructor(tag: string, server: P9Server) {
    const bytes = new TextEncoder().encode(tag);
    this.config = Uint8Array.of(bytes.length & 0xff, bytes.length >> 8, ...bytes);
    this.#server = server;
  }

  attach(transport: VirtioTransport): void { this.#transport = transport; }
  negotiated(): void {}
  reset(): void { this.#server.reset(); }
  process(_index: number, queue: SplitQueue, limit: number): void {
    const transport = this.#transport, server = this.#server;
    for (let n = 0; n < limit && transport !== undefined; n++) {
      const chain = queue.pop();
      if (chain === undefined) return;
      if (chain.writableLength < HEADER + 4) return transport.broken("no room for an answer"); // of Rlerror
      if (!chain.read(0, this.#header)) return transport.broken("a message without its header");
      const header = new DataView(this.#header.buffer), size = header.getUint32(0, true), tag = header.getUint16(5, true);
      let answer: Uint8Array;
      if (size < HEADER || size > chain.readableLength || size > server.messageSize) {
        transport.note("message of an impossible length refused");
        answer = server.refuse(tag);
      } else {
        if (this.#message.length < size) this.#message = new Uint8Array(size);
        const message = this.#message.subarray(0, size);
        chain.read(0, message);
        new DataView(message.buffer).setUint32(0, size, true); // the guest may have changed it since it was looked at
        answer = server.answer(message, Math.min(chain.writableLength, server.messageSize));
      }
      chain.write(0, answer);
      transport.complete(0, chain, answer.length);
    }
  }
}
