// src/net/plan.ts — the addresses of the user network: one router, one name server, and guests behind it. The IPv4 ones
// are those that QEMU's user network has, so that scripts for one work with the other.
import { addressBytes, prefix, type Prefix } from "./address.ts";

const bytes = (text: string): Uint8Array => addressBytes(text) as Uint8Array;
export interface Place { readonly text: string; readonly bytes: Uint8Array }
const place = (text: string): Place => ({ text, bytes: bytes(text) });

export const NETWORK: Prefix = prefix("10.0.2.0/24");
export const MASK: Uint8Array = bytes("255.255.255.0");
export const GATEWAY: Place = place("10.0.2.2");
export const NAME_SERVER: Place = place("10.0.2.3");
export const GUEST: Place = place("10.0.2.15");
export const LIMITED_BROADCAST: Place = place("255.255.255.255");
/** Further leases, for bridges in the guest: 10.0.2.16 to 10.0.2.31. */
export const MORE_LEASES = 16;
export const UNSPECIFIED: Place = place("0.0.0.0");
/** The loopback that stands behind the gateway's address when the host may be reached. */
export const LOOPBACK: Readonly<Record<4 | 6, string>> = { 4: "127.0.0.1", 6: "::1" };

/** IPv6: a unique local prefix (RFC 4193), which no host prefers to its IPv4 (RFC 6724). */
export const NETWORK6: Prefix = prefix("fd10:0:2::/64");
export const GATEWAY6: Place = place("fd10:0:2::2");
export const NAME_SERVER6: Place = place("fd10:0:2::3");
export const ROUTER6: Place = place("fe80::2");
export const ALL_NODES6: Place = place("ff02::1");
export const UNSPECIFIED6: Place = place("::");

/** Of router and name server. Locally administered. */
export const GATEWAY_MAC: Uint8Array = Uint8Array.of(0x52, 0x55, 10, 0, 2, 2);
