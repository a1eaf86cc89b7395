// src/net/pdu/dhcp.ts — DHCP messages. Spec: RFC 2131, 2; RFC 2132. Left out: option overload, long options (RFC 3396).
import { get16, get32, put16, put32 } from "../bytes.ts";

export const DhcpType = { discover: 1, offer: 2, request: 3, decline: 4, ack: 5, nak: 6, release: 7, inform: 8 } as const;
export const DhcpOption = {
  pad: 0, mask: 1, router: 3, dns: 6, hostName: 12, mtu: 26, requestedAddress: 50, leaseTime: 51, type: 53, server: 54, renewal: 58, rebinding: 59, end: 255,
} as const;
const FIXED = 236;
const COOKIE = 0x6382_5363;
/** BOOTP's smallest message, which some clients insist on. */
const LEAST = 300;

export interface DhcpMessage {
  readonly type: number;
  readonly transaction: number;
  readonly flags: number;
  readonly clientAddress: Uint8Array;
  /** Of a relay agent. */
  readonly gateway: Uint8Array;
  readonly mac: Uint8Array;
  readonly requested: Uint8Array | undefined;
  readonly server: Uint8Array | undefined;
}
/** A client's message; undefined for what is none. */
export function readDhcp(b: Uint8Array): DhcpMessage | undefined {
  if (b.length < FIXED + 4 || b[0] !== 1 || b[1] !== 1 || b[2] !== 6 || get32(b, FIXED) !== COOKIE) return undefined;
  let type = 0;
  let requested: Uint8Array | undefined, server: Uint8Array | undefined;
  for (let at = FIXED + 4; at < b.length;) {
    const option = b[at] as number;
    if (option === DhcpOption.end) break;
    if (option === DhcpOption.pad) { at++; continue; }
    const length = at + 1 < b.length ? b[at + 1] as number : 256;
    if (at + 2 + length > b.length) return undefined;
    const value = b.subarray(at + 2, at + 2 + length);
    if (option === DhcpOption.type && length === 1) type = value[0] as number;
    if (option === DhcpOption.requestedAddress && length === 4) requested = value;
    if (option === DhcpOption.server && length === 4) server = value;
    at += 2 + length;
  }
  if (type === 0) return undefined;
  return { type, transaction: get32(b, 4), flags: get16(b, 10), clientAddress: b.subarray(12, 16), gateway: b.subarray(24, 28), mac: b.subarray(28, 34), requested, server };
}
export interface DhcpAnswer {
  readonly type: number;
  readonly address: Uint8Array;
  readonly server: Uint8Array;
  readonly options: readonly (readonly [option: number, value: Uint8Array])[];
}
export function writeDhcp(to: DhcpMessage, answer: DhcpAnswer): Uint8Array {
  const options = [[DhcpOption.type, Uint8Array.of(answer.type)] as const, [DhcpOption.server, answer.server] as const, ...answer.options];
  const b = new Uint8Array(Math.max(LEAST, FIXED + 5 + options.reduce((all, [, value]) => all + 2 + value.length, 0)));
  b[0] = 2;
  b[1] = 1;
  b[2] = 6;
  put32(b, 4, to.transaction);
  put16(b, 10, to.flags);
  b.set(answer.type === DhcpType.nak ? new Uint8Array(4) : to.clientAddress, 12);
  b.set(answer.address, 16);
  b.set(answer.server, 20);
  b.set(to.mac, 28);
  put32(b, FIXED, COOKIE);
  let at = FIXED + 4;
  for (const [option, value] of options) {
    b[at] = option;
    b[at + 1] = value.length;
    b.set(value, at + 2);
    at += 2 + value.length;
  }
  b[at] = DhcpOption.end;
  return b;
}
