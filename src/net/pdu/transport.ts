// src/net/pdu/transport.ts — headers of TCP, UDP and ICMP. Spec: RFC 9293, 3.1 and 3.2; RFC 7323, 2 (window scale); RFC 768;
// RFC 792; RFC 4443. The urgent pointer is not read, options other than MSS and window scale are stepped over.
import { get16, get32, put16, put32 } from "../bytes.ts";

export const TCP = 20;
export const UDP = 8;
export const Flag = { FIN: 1, SYN: 2, RST: 4, PSH: 8, ACK: 16, URG: 32 } as const;

export interface TcpSegment {
  readonly from: number;
  readonly to: number;
  readonly seq: number;
  readonly ack: number;
  readonly flags: number;
  /** Not scaled. */
  readonly window: number;
  /** From the options of a SYN. */
  readonly mss: number | undefined;
  readonly scale: number | undefined;
  readonly payload: Uint8Array;
}
export function readTcp(b: Uint8Array): TcpSegment | undefined {
  if (b.length < TCP) return undefined;
  const header = ((b[12] as number) >> 4) * 4;
  if (header < TCP || header > b.length) return undefined;
  const from = get16(b, 0), to = get16(b, 2), flags = (b[13] as number) & 0x3f;
  if (from === 0 || to === 0) return undefined;
  let mss: number | undefined, scale: number | undefined;
  if ((flags & Flag.SYN) !== 0) {
    for (let at = TCP; at < header;) {
      const kind = b[at] as number;
      if (kind === 0) break;
      if (kind === 1) { at++; continue; }
      const length = at + 1 < header ? b[at + 1] as number : 0;
      if (length < 2 || at + length > header) return undefined;
      if (kind === 2 && length === 4) mss = get16(b, at + 2);
      if (kind === 3 && length === 3) scale = Math.min(14, b[at + 2] as number); // RFC 7323, 2.3
      at += length;
    }
  }
  return { from, to, seq: get32(b, 4), ack: get32(b, 8), flags, window: get16(b, 14), mss, scale, payload: b.subarray(header) };
}
/** What a SYN carries: MSS, and a window scale with padding. */
export const TCP_SYN_OPTIONS = 8;
/** Writes a header without checksum; its length. A SYN gets its options, the scale only if there is one. */
export function writeTcp(into: Uint8Array, from: number, to: number, seq: number, ack: number, flags: number, window: number, syn?: { readonly mss: number; readonly scale: number | undefined }): number {
  const length = TCP + (syn === undefined ? 0 : TCP_SYN_OPTIONS);
  put16(into, 0, from);
  put16(into, 2, to);
  put32(into, 4, seq);
  put32(into, 8, ack);
  into[12] = (length / 4) << 4;
  into[13] = flags;
  put16(into, 14, window);
  put32(into, 16, 0);
  if (syn !== undefined) {
    put32(into, TCP, 0x0204_0000 | syn.mss);
    put32(into, TCP + 4, syn.scale === undefined ? 0x0101_0101 : 0x0303_0001 | (syn.scale << 8));
  }
  return length;
}

export interface UdpDatagram { readonly from: number; readonly to: number; readonly hasChecksum: boolean; readonly payload: Uint8Array }
export function readUdp(b: Uint8Array): UdpDatagram | undefined {
  if (b.length < UDP) return undefined;
  const length = get16(b, 4);
  if (length < UDP || length > b.length) return undefined;
  const from = get16(b, 0), to = get16(b, 2);
  return to === 0 ? undefined : { from, to, hasChecksum: get16(b, 6) !== 0, payload: b.subarray(UDP, length) };
}
/** Without checksum. */
export function writeUdp(into: Uint8Array, from: number, to: number, length: number): void {
  put16(into, 0, from);
  put16(into, 2, to);
  put16(into, 4, UDP + length);
  put16(into, 6, 0);
}

export const IcmpType = { echoReply: 0, unreachable: 3, echo: 8, timeExceeded: 11 } as const;
/** RFC 792 and RFC 1812, 5.2.7.1. */
export const Unreachable = { network: 0, host: 1, port: 3, fragmentationNeeded: 4, prohibited: 13 } as const;
export const Icmpv6Type = { unreachable: 1, packetTooBig: 2, echo: 128, echoReply: 129, routerSolicitation: 133, routerAdvertisement: 134, neighborSolicitation: 135, neighborAdvertisement: 136 } as const;
/** RFC 4443, 3.1. */
export const Unreachablev6 = { noRoute: 0, prohibited: 1, address: 3, port: 4 } as const;
export const ICMP = 8;

export interface Icmp { readonly type: number; readonly code: number; readonly body: Uint8Array }
/** The checksum is not looked at: it differs between the families. */
export function readIcmp(b: Uint8Array): Icmp | undefined {
  return b.length < ICMP ? undefined : { type: b[0] as number, code: b[1] as number, body: b.subarray(4) };
}
