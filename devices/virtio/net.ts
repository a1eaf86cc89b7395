// devices/virtio/net.ts — virtio-net: a network interface.
// Spec: OASIS virtio 1.2, 5.1. The device moves frames between buffers and a `NetPort`, each behind its header; checksums
// and segmentation are left to whoever is behind the port, where that is offered. What the driver says of a frame is
// checked here, on a copy, before anybody believes it. Left out: the control queue, several queue pairs, UFO and USO,
// hash reports.
import { Offload, type NetPort } from "./net-port.ts";
import type { VirtioDevice, VirtioTransport } from "./device.ts";
import { drain, type Chain, type SplitQueue } from "./queue.ts";

/** 5.1.3. */
const VIRTIO_NET_F = {
  CSUM: 1 << 0, GUEST_CSUM: 1 << 1, MTU: 1 << 3, MAC: 1 << 5, GUEST_TSO4: 1 << 7, GUEST_TSO6: 1 << 8, HOST_TSO4: 1 << 11, HOST_TSO6: 1 << 12, MRG_RXBUF: 1 << 15, STATUS: 1 << 16,
} as const;
/** struct virtio_net_config, 5.1.4. */
const Config = { mac: 0, status: 6, max_virtqueue_pairs: 8, mtu: 10, SIZE: 12 } as const;
const VIRTIO_NET_S_LINK_UP = 1;
/** struct virtio_net_hdr, 5.1.6. */
export const NetHeader = { flags: 0, gso_type: 1, hdr_len: 2, gso_size: 4, csum_start: 6, csum_offset: 8, num_buffers: 10, SIZE: 12 } as const;
export const VIRTIO_NET_HDR_F_NEEDS_CSUM = 1;
export const VIRTIO_NET_HDR_GSO = { NONE: 0, TCPV4: 1, TCPV6: 4, /** A flag beside the type. */ ECN: 0x80 } as const;
const RX = 0, TX = 1;
const ETHERNET_HEADER = 14;
/** An Ethernet header, one VLAN tag, and the longest IP packet. */
const LONGEST = ETHERNET_HEADER + 4 + 65535;

export interface NetWires {
  readonly port: NetPort;
  readonly mac: Uint8Array;
  /** Bytes of the longest packet, 5.1.4: 68 to 65535. */
  readonly mtu: number;
  /** Whether checksums and segmentation can be left to whoever is behind the port. */
  readonly offload: boolean;
}

export class VirtioNet implements VirtioDevice {
  readonly name = "net";
  readonly id = 1;
  readonly queues = 2;
  readonly features: number;
  readonly config: Uint8Array = new Uint8Array(Config.SIZE);
  readonly #wires: NetWires;
  #transport: VirtioTransport | undefined;
  #accepted = 0;
  /** Receive buffers taken for a frame that needs more of them. */
  #gathered: Chain[] = [];
  #gatheredLength = 0;
  /** A frame of the guest that found no room. */
  #unsent: Chain | undefined;
  /** The queue has something that waits for the port: `serve` goes on with it. */
  #idle: [rx: boolean, tx: boolean] = [true, false];

  constructor(wires: NetWires) {
    this.#wires = wires;
    const { offload } = wires;
    this.features = VIRTIO_NET_F.MAC | VIRTIO_NET_F.MTU | VIRTIO_NET_F.STATUS | VIRTIO_NET_F.MRG_RXBUF
      | (offload ? VIRTIO_NET_F.CSUM | VIRTIO_NET_F.GUEST_CSUM | VIRTIO_NET_F.GUEST_TSO4 | VIRTIO_NET_F.GUEST_TSO6 | VIRTIO_NET_F.HOST_TSO4 | VIRTIO_NET_F.HOST_TSO6 : 0);
    this.config.set(wires.mac.subarray(0, 6), Config.mac);
    const view = new DataView(this.config.buffer);
    view.setUint16(Config.status, VIRTIO_NET_S_LINK_UP, true);
    view.setUint16(Config.max_virtqueue_pairs, 1, true);
    view.setUint16(Config.mtu, wires.mtu, true);
  }

  attach(transport: VirtioTransport): void { this.#transport = transport; }
  negotiated(features: number): void {
    this.#accepted = features;
    // 5.1.3.1: segmentation builds on checksums; who takes one without the other gets neither
    const checksum = this.#has(VIRTIO_NET_F.GUEST_CSUM);
    this.#wires.port.driver(!checksum ? 0 : Offload.checksum | (this.#has(VIRTIO_NET_F.GUEST_TSO4) ? Offload.tso4 : 0) | (this.#has(VIRTIO_NET_F.GUEST_TSO6) ? Offload.tso6 : 0));
  }
  reset(): void {
    this.#accepted = 0;
    this.#gathered = [];
    this.#gatheredLength = 0;
    this.#unsent = undefined;
    this.#idle = [true, false];
    this.#wires.port.driver(undefined);
  }
  #has(feature: number): boolean { return (this.#accepted & feature) !== 0; }

  /** The port has a record for the guest, or room again. */
  serve(): void {
    this.#transport?.proceed(RX);
    if (this.#idle[TX]) this.#transport?.proceed(TX);
  }
  /** True while a queue's buffers wait for the port. */
  idle(index: number): boolean { return this.#idle[index] === true; }

  process(index: number, queue: SplitQueue, limit: number): void {
    if (index === RX) this.#receive(queue, limit);
    else this.#transmit(queue, limit);
  }

  // --- to the guest ------------------------------------------------------------------------------------------------

  #receive(queue: SplitQueue, limit: number): void {
    const { port } = this.#wires, transport = this.#transport;
    if (transport === undefined) return;
    this.#idle[RX] = drain(port, limit, record => {
      if (!this.#understood(record)) {
        transport.note("frame for the guest dropped: its driver was changed");
        return true;
      }
      const merge = this.#has(VIRTIO_NET_F.MRG_RXBUF);
      while (this.#gatheredLength < record.length && (merge || this.#gathered.length === 0) && this.#gathered.length < queue.s.size) {
        const chain = queue.pop();
        if (chain === undefined) return undefined;
        if (chain.writableLength < NetHeader.SIZE) { // 5.1.6.3.1
          transport.broken("a receive buffer is smaller than the header");
          return undefined;
        }
        this.#gathered.push(chain);
        this.#gatheredLength += chain.writableLength;
      }
      if (this.#gatheredLength < record.length) transport.note("frame for the guest dropped: its buffers are too small");
      else this.#deliver(record, transport);
      return true;
    });
  }
  /** Copies a record into as many of the gathered buffers as it needs, and gives these back. */
  #deliver(record: Uint8Array, transport: VirtioTransport): void {
    const written: number[] = [];
    let count = 0;
    for (let room = 0; room < record.length; count++) room += (this.#gathered[count] as Chain).writableLength;
    const chains = this.#gathered.splice(0, count);
    record[NetHeader.num_buffers] = count & 0xff; // 5.1.6.4.1: 1 without MRG_RXBUF
    record[NetHeader.num_buffers + 1] = count >> 8;
    let done = 0;
    for (const chain of chains) {
      const part = Math.min(chain.writableLength, record.length - done);
      chain.write(0, record.subarray(done, done + part));
      written.push(part);
      done += part;
    }
    transport.completeAll(RX, chains, written);
    this.#gatheredLength = this.#gathered.reduce((sum, chain) => sum + chain.writableLength, 0);
  }
  /** False when the record leaves something to a driver that did not accept it: it is of an earlier driver. */
  #understood(record: Uint8Array): boolean {
    if ((record[NetHeader.flags] as number) !== 0 && !this.#has(VIRTIO_NET_F.GUEST_CSUM)) return false;
    switch (record[NetHeader.gso_type]) {
      case VIRTIO_NET_HDR_GSO.NONE: return true;
      case VIRTIO_NET_HDR_GSO.TCPV4: return this.#has(VIRTIO_NET_F.GUEST_TSO4);
      case VIRTIO_NET_HDR_GSO.TCPV6: return this.#has(VIRTIO_NET_F.GUEST_TSO6);
      default: return false;
    }
  }

  // --- from the guest ----------------------------------------------------------------------------------------------

  #transmit(queue: SplitQueue, limit: number): void {
    const transport = this.#transport;
    this.#idle[TX] = false;
    for (let n = 0; n < limit && transport !== undefined; n++) {
      const chain = this.#unsent ?? queue.pop();
      if (chain === undefined) return;
      this.#unsent = undefined;
      const length = chain.readableLength;
      if (length < NetHeader.SIZE) return transport.broken("a frame without its header");
      if (length < NetHeader.SIZE + ETHERNET_HEADER || length > NetHeader.SIZE + LONGEST) transport.note("frame of the guest dropped: of an impossible length");
      else {
        const record = this.#wires.port.reserve(length);
        if (record === undefined) {
          this.#unsent = chain;
          this.#idle[TX] = true;
          return;
        }
        chain.read(0, record);
        const why = this.#wrong(record);
        if (why === undefined) this.#wires.port.commit();
        else transport.note(`frame of the guest dropped: ${why}`);
      }
      transport.complete(TX, chain, 0);
    }
  }
  /** What cannot be in a frame's header; 5.1.6.2. */
  #wrong(record: Uint8Array): string | undefined {
    const view = new DataView(record.buffer, record.byteOffset, NetHeader.SIZE);
    const needsChecksum = (view.getUint8(NetHeader.flags) & VIRTIO_NET_HDR_F_NEEDS_CSUM) !== 0;
    if (needsChecksum) {
      if (!this.#has(VIRTIO_NET_F.CSUM)) return "a checksum is wanted that was not negotiated";
      const start = view.getUint16(NetHeader.csum_start, true), offset = view.getUint16(NetHeader.csum_offset, true);
      if (start < ETHERNET_HEADER || start + offset + 2 > record.length - NetHeader.SIZE) return "its checksum lies outside";
    }
    const type = view.getUint8(NetHeader.gso_type) & ~VIRTIO_NET_HDR_GSO.ECN;
    if (type === VIRTIO_NET_HDR_GSO.NONE) return undefined;
    const feature = type === VIRTIO_NET_HDR_GSO.TCPV4 ? VIRTIO_NET_F.HOST_TSO4 : type === VIRTIO_NET_HDR_GSO.TCPV6 ? VIRTIO_NET_F.HOST_TSO6 : 0;
    if (feature === 0 || !this.#has(feature)) return "a segmentation is wanted that was not negotiated";
    if (!needsChecksum) return "segmentation without a checksum";
    return view.getUint16(NetHeader.gso_size, true) === 0 ? "segments of no length" : undefined;
  }
}
