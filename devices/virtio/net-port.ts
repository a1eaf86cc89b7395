// devices/virtio/net-port.ts — what a network is to a network device: frames, each behind a header. Types only.
// A record is struct virtio_net_hdr (OASIS virtio 1.2, 5.1.6, 12 bytes, little endian) and then an Ethernet frame without
// its check sequence; in both directions.

/** Bits of what the driver lets the network leave to it: see 5.1.3.1 for the features they stand for. */
export const Offload = {
  /** GUEST_CSUM: a transport checksum may be left to the guest (NEEDS_CSUM). */ checksum: 1,
  /** GUEST_TSO4, GUEST_TSO6: segments may be larger than the link allows, up to 64 KiB. */ tso4: 2, tso6: 4,
} as const;

/** The device's end of a network. The memory that it hands out is valid until the call that ends its use. */
export interface NetPort {
  /** Room for one record from the guest; undefined: none now, and `VirtioNet.serve` is called when there is some. */
  reserve(length: number): Uint8Array | undefined;
  /** What was reserved is a record now. */
  commit(): void;
  /** The oldest record for the guest; undefined: there is none, and `VirtioNet.serve` is called when one comes. */
  next(): Uint8Array | undefined;
  /** `next` goes on to the one behind it. */
  release(): void;
  /** What a driver accepted, as bits of `Offload`; undefined: there is no driver. */
  driver(offload: number | undefined): void;
}
