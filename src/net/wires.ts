// src/net/wires.ts — what the network stack needs from those around it: a link to the guest, sockets of the host, time. Types only.
import type { HostAddresses } from "./policy.ts";

/** The guest's network interface, from the other side. A record is a header of virtio (12 bytes) and an Ethernet frame. */
export interface Link {
  /** What the guest's driver accepts: bits of `Offload` in devices/virtio/net-port.ts; undefined: there is no driver. */
  offload(): number | undefined;
  /** Room for a record to the guest; undefined: none, and `Stack.resume` is called when there is. */
  reserve(length: number): Uint8Array | undefined;
  commit(): void;
}

export interface Endpoint { readonly address: string; readonly port: number }
/** A stream of the host: TCP. No call throws; after `closed` none has an effect. */
export interface Stream {
  /** Takes bytes, as many as it can now; for the rest, `writable` comes. The memory is the caller's again afterwards. */
  write(bytes: Uint8Array): number;
  /** Nothing more will be written. */
  finish(): void;
  /** Stops and restarts `data`. */
  pause(): void;
  resume(): void;
  /** Gives up at once: the peer gets a RST. */
  reset(): void;
}
export interface StreamEvents {
  opened(): void;
  /** The stream takes ownership of nothing: the bytes belong to the receiver. */
  data(bytes: Uint8Array): void;
  /** The peer will send nothing more. */
  end(): void;
  writable(): void;
  /** It is over, before it opened or after: an errno name, or undefined for an orderly end. */
  closed(error: string | undefined): void;
}
export interface Datagrams {
  send(to: Endpoint, bytes: Uint8Array): void;
  close(): void;
}
export interface DatagramEvents {
  data(from: Endpoint, bytes: Uint8Array): void;
  /** The host cannot send there: an errno name. */
  failed(to: Endpoint, error: string): void;
}
export interface HostSockets {
  connect(to: Endpoint, events: StreamEvents): Stream;
  /** A socket for datagrams of one family, on a port of the host's choice. */
  datagrams(family: 4 | 6, events: DatagramEvents): Datagrams;
  addresses(): HostAddresses;
  /** The name servers that the host asks, as they are now. */
  resolvers(): readonly Endpoint[];
}

export interface StackWires {
  readonly link: Link;
  readonly sockets: HostSockets;
  /** Milliseconds, never backwards. */
  now(): number;
  /** `tick` is wanted at this time; undefined: no more. */
  alarm(at: number | undefined): void;
  random(into: Uint8Array): void;
  /** Something happened that a user may want to know of: counted, and told once per kind. */
  count(what: string, tell?: string): void;
}
export interface StackOptions {
  /** The guest's interface. */
  readonly mac: Uint8Array;
  readonly mtu: number;
  /** The host itself may be reached: its addresses, and its loopback as the gateway's address. */
  readonly allowHost: boolean;
  /** Private and link-local addresses may be reached. */
  readonly allowLan: boolean;
}
