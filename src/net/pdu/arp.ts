// src/net/pdu/arp.ts — ARP for IPv4 on Ethernet. Spec: RFC 826. Everything else that ARP could resolve is refused.
import { get16, put16 } from "../bytes.ts";

export const ARP = 28;
export const ArpOperation = { request: 1, reply: 2 } as const;
export interface Arp {
  readonly operation: number;
  readonly senderMac: Uint8Array;
  readonly senderIp: Uint8Array;
  readonly targetIp: Uint8Array;
}
export function readArp(b: Uint8Array): Arp | undefined {
  if (b.length < ARP || get16(b, 0) !== 1 || get16(b, 2) !== 0x0800 || b[4] !== 6 || b[5] !== 4) return undefined;
  const operation = get16(b, 6);
  if (operation !== ArpOperation.request && operation !== ArpOperation.reply) return undefined;
  return { operation, senderMac: b.subarray(8, 14), senderIp: b.subarray(14, 18), targetIp: b.subarray(24, 28) };
}
export function writeArp(into: Uint8Array, operation: number, senderMac: Uint8Array, senderIp: Uint8Array, targetMac: Uint8Array, targetIp: Uint8Array): void {
  put16(into, 0, 1);
  put16(into, 2, 0x0800);
  into[4] = 6;
  into[5] = 4;
  put16(into, 6, operation);
  into.set(senderMac, 8);
  into.set(senderIp, 14);
  into.set(targetMac, 18);
  into.set(targetIp, 24);
}
