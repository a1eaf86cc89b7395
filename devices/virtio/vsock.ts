// devices/virtio/vsock.ts — virtio-vsock: streams between guest and host, without a network.
// Spec: OASIS virtio 1.2, 5.10. The device moves packets between buffers and a `NetPort` (its records are packets here, each
// with its header in front); who is connected to whom, and credit, is for whoever is behind the port. Left out: the event
// queue's one event (a machine does not move), SOCK_SEQPACKET.
import type { VirtioDevice, VirtioTransport } from "./device.ts";
import type { NetPort } from "./net-port.ts";
import { drain, type Chain, type SplitQueue } from "./queue.ts";

/** struct virtio_vsock_hdr, 5.10.6. */
export const VsockHeader = { src_cid: 0, dst_cid: 8, src_port: 16, dst_port: 20, len: 24, type: 28, op: 30, flags: 32, buf_alloc: 36, fwd_cnt: 40, SIZE: 44 } as const;
/** Bytes of one packet behind its header: Linux sends no more. */
export const VSOCK_PACKET_MAX: number = 64 * 1024;
const RX = 0, TX = 1, EVENT = 2;

export class VirtioVsock implements VirtioDevice {
  readonly name = "vsock";
  readonly id = 19;
  readonly features = 0;
  readonly queues = 3;
  readonly config: Uint8Array = new Uint8Array(8);
  readonly #cid: number;
  readonly #port: NetPort;
  #transport: VirtioTransport | undefined;
  /** Bytes of the oldest packet for the guest that it has already. */
  #sent = 0;
  /** A packet of the guest that found no room. */
  #unsent: Chain | undefined;
  #idle: [rx: boolean, tx: boolean] = [true, false];
  readonly #header: Uint8Array = new Uint8Array(VsockHeader.SIZE);

  constructor(cid: number, port: NetPort) {
    this.#cid = cid;
    this.#port = port;
    new DataView(this.config.buffer).setUint32(0, cid, true);
  }
  attach(transport: VirtioTransport): void { this.#transport = transport; }
  negotiated(): void { this.#port.driver(0); }
  reset(): void {
    this.#sent = 0;
    this.#unsent = undefined;
    this.#idle = [true, false];
    this.#port.driver(undefined);
  }
  /** The port has a packet for the guest, or room again. */
  serve(): void {
    this.#transport?.proceed(RX);
    if (this.#idle[TX]) this.#transport?.proceed(TX);
  }
  idle(index: number): boolean { return index === EVENT || this.#idle[index] === true; }
  process(index: number, queue: SplitQueue, limit: number): void {
    if (index === RX) this.#receive(queue, limit);
    else if (index === TX) this.#transmit(queue, limit);
  }

  /** A packet goes into as many buffers as it needs, each behind a header of its own: to a stream that is the same. */
  #receive(queue: SplitQueue, limit: number): void {
    const port = this.#port, transport = this.#transport, header = this.#header;
    if (transport === undefined) return;
    this.#idle[RX] = drain(port, limit, record => {
      const chain = queue.pop();
      if (chain === undefined) return undefined;
      const left = record.length - VsockHeader.SIZE - this.#sent, part = Math.min(left, chain.writableLength - VsockHeader.SIZE);
      if (part < 0 || (part === 0 && left > 0)) {
        transport.broken("a receive buffer is smaller than the header");
        return undefined;
      }
      header.set(record.subarray(0, VsockHeader.SIZE));
      new DataView(header.buffer).setUint32(VsockHeader.len, part, true);
      chain.write(0, header);
      chain.write(VsockHeader.SIZE, record.subarray(VsockHeader.SIZE + this.#sent, VsockHeader.SIZE + this.#sent + part));
      transport.complete(RX, chain, VsockHeader.SIZE + part);
      this.#sent = part < left ? this.#sent + part : 0;
      return this.#sent === 0;
    });
  }
  #transmit(queue: SplitQueue, limit: number): void {
    const transport = this.#transport;
    this.#idle[TX] = false;
    for (let n = 0; n < limit && transport !== undefined; n++) {
      const chain = this.#unsent ?? queue.pop();
      if (chain === undefined) return;
      this.#unsent = undefined;
      const length = chain.readableLength;
      if (length < VsockHeader.SIZE) return transport.broken("a packet without its header");
      if (length > VsockHeader.SIZE + VSOCK_PACKET_MAX) transport.note("packet of the guest dropped: of an impossible length");
      else {
        const record = this.#port.reserve(length);
        if (record === undefined) {
          this.#unsent = chain;
          this.#idle[TX] = true;
          return;
        }
        chain.read(0, record);
        const view = new DataView(record.buffer, record.byteOffset);
        if (view.getUint32(VsockHeader.src_cid, true) === this.#cid && view.getUint32(VsockHeader.src_cid + 4, true) === 0) this.#port.commit();
        else transport.note("packet of the guest dropped: in another one's name"); // 5.10.6.2
      }
      transport.complete(TX, chain, 0);
    }
  }
}
