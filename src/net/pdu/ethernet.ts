// src/net/pdu/ethernet.ts — Ethernet II frames. Spec: IEEE 802.3, 3.2. Left out: 802.3 lengths, VLAN tags (a tagged frame is of
// an unknown type), the frame check sequence (virtio has none).
import { get16, put16 } from "../bytes.ts";

export const EtherType = { ipv4: 0x0800, arp: 0x0806, ipv6: 0x86dd } as const;
export const ETHERNET = 14;
export const BROADCAST: Uint8Array = Uint8Array.of(255, 255, 255, 255, 255, 255);

export interface EthernetFrame {
  readonly to: Uint8Array;
  readonly from: Uint8Array;
  readonly type: number;
  readonly payload: Uint8Array;
}
export function readEthernet(frame: Uint8Array): EthernetFrame | undefined {
  if (frame.length < ETHERNET) return undefined;
  return { to: frame.subarray(0, 6), from: frame.subarray(6, 12), type: get16(frame, 12), payload: frame.subarray(ETHERNET) };
}
/** Writes the header into the first 14 bytes. */
export function writeEthernet(into: Uint8Array, to: Uint8Array, from: Uint8Array, type: number): void {
  into.set(to, 0);
  into.set(from, 6);
  put16(into, 12, type);
}
export const isGroup = (mac: Uint8Array): boolean => ((mac[0] as number) & 1) !== 0;
export const macText = (mac: Uint8Array): string => [...mac].map(one => one.toString(16).padStart(2, "0")).join(":");
