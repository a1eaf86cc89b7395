// src/net/pdu/ip.ts — IPv4 and IPv6 headers. Spec: RFC 791; RFC 8200. Options and extension headers are stepped over, at most
// a few of them; source routing is refused. Fragments are put together by reassembly.ts.
import { checksum, fold, get16, get32, put16, put32, sum16 } from "../bytes.ts";

export const Protocol = { icmp: 1, tcp: 6, udp: 17, icmpv6: 58 } as const;
export const IPV4 = 20;
export const IPV6 = 40;
/** Hop-by-hop, routing, destination options: RFC 8200, 4. */
const Extension = { hopByHop: 0, routing: 43, fragment: 44, destination: 60 } as const;
/** More extension headers than that nobody sends for a good reason. */
const EXTENSIONS_MAX = 4;
const Option = { end: 0, nop: 1, looseSourceRoute: 131, strictSourceRoute: 137 } as const;

export interface IpPacket {
  readonly family: 4 | 6;
  readonly from: Uint8Array;
  readonly to: Uint8Array;
  readonly protocol: number;
  /** Time to live, or hop limit. */
  readonly ttl: number;
  readonly payload: Uint8Array;
  /** Header and payload as they came: an ICMP error quotes their start. */
  readonly whole: Uint8Array;
  /** Undefined for what is no fragment. `offset` in bytes. */
  readonly fragment: { readonly id: number; readonly offset: number; readonly more: boolean } | undefined;
}

export function readIpv4(b: Uint8Array): IpPacket | undefined {
  if (b.length < IPV4 || (b[0] as number) >> 4 !== 4) return undefined;
  const header = ((b[0] as number) & 15) * 4, total = get16(b, 2);
  if (header < IPV4 || total < header || total > b.length) return undefined;
  if (checksum(b, 0, header) !== 0 || !optionsHold(b, header)) return undefined;
  const flags = get16(b, 6), offset = (flags & 0x1fff) * 8, more = (flags & 0x2000) !== 0;
  return {
    family: 4, from: b.subarray(12, 16), to: b.subarray(16, 20), protocol: b[9] as number, ttl: b[8] as number,
    payload: b.subarray(header, total), whole: b.subarray(0, total), fragment: offset !== 0 || more ? { id: get16(b, 4), offset, more } : undefined,
  };
}
function optionsHold(b: Uint8Array, header: number): boolean {
  for (let at = IPV4; at < header;) {
    const kind = b[at] as number;
    if (kind === Option.end) return true;
    if (kind === Option.nop) { at++; continue; }
    const length = at + 1 < header ? b[at + 1] as number : 0;
    if (length < 2 || at + length > header || kind === Option.looseSourceRoute || kind === Option.strictSourceRoute) return false;
    at += length;
  }
  return true;
}

export function readIpv6(b: Uint8Array): IpPacket | undefined {
  if (b.length < IPV6 || (b[0] as number) >> 4 !== 6) return undefined;
  const end = IPV6 + get16(b, 4);
  if (end > b.length) return undefined;
  let next = b[6] as number, at = IPV6;
  let fragment: IpPacket["fragment"];
  for (let n = 0; next === Extension.hopByHop || next === Extension.destination || next === Extension.fragment || next === Extension.routing; n++) {
    if (n >= EXTENSIONS_MAX || next === Extension.routing || at + 8 > end) return undefined;
    const length = next === Extension.fragment ? 8 : 8 + 8 * (b[at + 1] as number);
    if (at + length > end) return undefined;
    if (next === Extension.fragment) {
      const offset = get16(b, at + 2) & 0xfff8, more = ((b[at + 3] as number) & 1) !== 0;
      if (offset !== 0 || more) fragment = { id: get32(b, at + 4), offset, more };
    }
    next = b[at] as number;
    at += length;
    if (fragment !== undefined) break; // what follows may lie in another fragment
  }
  return { family: 6, from: b.subarray(8, 24), to: b.subarray(24, 40), protocol: next, ttl: b[7] as number, payload: b.subarray(at, end), whole: b.subarray(0, end), fragment };
}

/** Writes a header without options; its length. `length`: of what follows. */
export function writeIp(into: Uint8Array, from: Uint8Array, to: Uint8Array, protocol: number, length: number, id: number, ttl = 64): number {
  if (from.length === 4) {
    into[0] = 0x45;
    into[1] = 0;
    put16(into, 2, IPV4 + length);
    put16(into, 4, id);
    put16(into, 6, 0x4000); // don't fragment
    into[8] = ttl;
    into[9] = protocol;
    put16(into, 10, 0);
    into.set(from, 12);
    into.set(to, 16);
    put16(into, 10, checksum(into, 0, IPV4));
    return IPV4;
  }
  put32(into, 0, 0x6000_0000);
  put16(into, 4, length);
  into[6] = protocol;
  into[7] = ttl;
  into.set(from, 8);
  into.set(to, 24);
  return IPV6;
}
/** The sum of the pseudo header of UDP, TCP and ICMPv6: RFC 9293, 3.1; RFC 8200, 8.1. Not folded. */
export const pseudoHeader = (from: Uint8Array, to: Uint8Array, protocol: number, length: number): number => sum16(from) + sum16(to) + protocol + (length & 0xffff) + (length >>> 16);
/** True when the checksum of a UDP, TCP or ICMPv6 packet holds. */
export const transportHolds = ({ from, to, protocol, payload }: IpPacket): boolean => fold(sum16(payload, 0, payload.length, pseudoHeader(from, to, protocol, payload.length))) === 0xffff;
