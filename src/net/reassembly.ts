// src/net/reassembly.ts — IP packets from their fragments. Spec: RFC 791, 3.2; RFC 8200, 4.5; RFC 5722: what overlaps is
// thrown away whole, in both families. Bounded in packets, bytes and time: fragments of a packet that never completes cost
// what these numbers say and nothing more.
import { addressText } from "./address.ts";
import type { IpPacket } from "./pdu/ip.ts";

const PACKETS = 32;
const BYTES = 1024 * 1024;
const PIECES = 64;
const LONGEST = 65_535;
/** Milliseconds. */
const LIFETIME = 30_000;

interface Partial { readonly born: number; readonly pieces: { readonly at: number; readonly bytes: Uint8Array }[]; total: number | undefined; bytes: number }

export class Reassembly {
  readonly #partial: Map<string, Partial> = new Map();
  #bytes = 0;
  /** Packets given up. */
  dropped = 0;

  /** The whole packet once its last missing fragment is there. */
  take(packet: IpPacket, now: number): IpPacket | undefined {
    const { fragment } = packet;
    if (fragment === undefined) return packet;
    this.expire(now);
    const key = `${addressText(packet.from)} ${addressText(packet.to)} ${packet.protocol} ${fragment.id}`;
    const end = fragment.offset + packet.payload.length;
    let partial = this.#partial.get(key);
    const refuse = (): undefined => {
      this.#forget(key);
      this.dropped++;
      return undefined;
    };
    if (end > LONGEST || packet.payload.length === 0 || (fragment.more && packet.payload.length % 8 !== 0)) return refuse();
    if (partial === undefined) {
      if (this.#partial.size >= PACKETS) this.#oldest();
      partial = { born: now, pieces: [], total: undefined, bytes: 0 };
      this.#partial.set(key, partial);
    }
    while (this.#bytes + packet.payload.length > BYTES && this.#partial.size > 1) this.#oldest();
    if (!this.#partial.has(key)) return undefined; // it was the oldest itself
    const overlaps = partial.pieces.some(one => fragment.offset < one.at + one.bytes.length && one.at < end);
    if (overlaps || partial.pieces.length >= PIECES || (partial.total !== undefined && (end > partial.total || !fragment.more))) return refuse();
    if (!fragment.more) {
      if (partial.pieces.some(one => one.at + one.bytes.length > end)) return refuse();
      partial.total = end;
    }
    partial.pieces.push({ at: fragment.offset, bytes: packet.payload.slice() });
    partial.bytes += packet.payload.length;
    this.#bytes += packet.payload.length;
    if (partial.bytes !== partial.total) return undefined;
    const payload = new Uint8Array(partial.total);
    for (const { at, bytes } of partial.pieces) payload.set(bytes, at);
    this.#forget(key);
    return { ...packet, payload, fragment: undefined };
  }
  expire(now: number): void {
    for (const [key, partial] of this.#partial) {
      if (now - partial.born < LIFETIME) return; // oldest first
      this.#forget(key);
      this.dropped++;
    }
  }
  clear(): void {
    this.#partial.clear();
    this.#bytes = 0;
  }
  #oldest(): void {
    this.#forget(this.#partial.keys().next().value as string);
    this.dropped++;
  }
  #forget(key: string): void {
    this.#bytes -= this.#partial.get(key)?.bytes ?? 0;
    this.#partial.delete(key);
  }
}
