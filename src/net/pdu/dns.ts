// src/net/pdu/dns.ts — as much of DNS as a forwarder needs: is this a query, and an answer that says "not now".
// Spec: RFC 1035, 4.1; RFC 5625 (proxies pass everything else through untouched).
import { get16, put16 } from "../bytes.ts";

const HEADER = 12;
const NAME_MAX = 255;

export interface DnsQuery { readonly id: number; /** Bytes of header and question. */ readonly end: number }
/** A standard query with one question; undefined for anything else. */
export function readDnsQuery(b: Uint8Array): DnsQuery | undefined {
  if (b.length < HEADER || (get16(b, 2) & 0xf800) !== 0 || get16(b, 4) !== 1) return undefined;
  let at = HEADER;
  for (;;) {
    const length = b[at];
    if (length === undefined || length > 63) return undefined; // a question's name is not compressed
    at += 1 + length;
    if (at - HEADER > NAME_MAX) return undefined;
    if (length === 0) break;
  }
  return at + 4 > b.length ? undefined : { id: get16(b, 0), end: at + 4 };
}
/** True for a response to the query with this id. */
export const answersQuery = (b: Uint8Array, id: number): boolean => b.length >= HEADER && get16(b, 0) === id && (get16(b, 2) & 0x8000) !== 0;
/** Server failure (RCODE 2) for a query. */
export function serverFailure(query: Uint8Array, { end }: DnsQuery): Uint8Array {
  const b = query.slice(0, end);
  put16(b, 2, 0x8000 | (get16(query, 2) & 0x0100) | 0x0080 | 2);
  put16(b, 6, 0);
  put16(b, 8, 0);
  put16(b, 10, 0);
  return b;
}
