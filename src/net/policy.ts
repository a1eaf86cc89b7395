// src/net/policy.ts — where a guest may go. Everything that is not the open Internet needs a word of the user: the host itself,
// and what is near it. Decided by address when a flow begins, whatever name it came from.
import { addressBytes, addressText, inPrefix, prefix, type Prefix } from "./address.ts";

/** What an address is to the host. */
export type Place = "internet" | "host" | "lan" | "nowhere";
/** What is the host's own, and what is directly attached to it; both change while a machine runs. */
export interface HostAddresses {
  readonly own: ReadonlySet<string>;
  readonly attached: readonly Prefix[];
}

const list = (...texts: string[]): readonly Prefix[] => texts.map(prefix);
/** Loopback, and "this host" (RFC 6890; connecting to 0.0.0.0 reaches the host). */
const HOST = list("127.0.0.0/8", "0.0.0.0/8", "::1/128", "::/128");
/** Private use, shared address space, link-local (where clouds keep a machine's secrets), benchmarks; RFC 6890, RFC 4193, RFC 4291. */
const LAN = list("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "198.18.0.0/15", "192.0.0.0/24", "fc00::/7", "fe80::/10", "fec0::/10");
/** Multicast, reserved, broadcast; discard. */
const NOWHERE = list("224.0.0.0/4", "240.0.0.0/4", "ff00::/8", "100::/64");
/** Prefixes whose last or middle four bytes are an IPv4 address: mapped and compatible, NAT64, 6to4. */
const EMBEDDED: readonly (readonly [Prefix, number])[] = [[prefix("::ffff:0:0/96"), 12], [prefix("::/96"), 12], [prefix("64:ff9b::/96"), 12], [prefix("64:ff9b:1::/48"), 12], [prefix("2002::/16"), 2]];

export function placeOf(address: string, host: HostAddresses): Place {
  const bytes = addressBytes(address);
  if (bytes === undefined) return "nowhere";
  const within = (prefixes: readonly Prefix[]): boolean => prefixes.some(one => inPrefix(bytes, one));
  if (within(HOST)) return "host";
  const embedded = EMBEDDED.find(([one]) => inPrefix(bytes, one));
  if (embedded !== undefined) {
    const place = placeOf(addressText(bytes, embedded[1], 4), host);
    if (place !== "internet") return place;
  }
  if (host.own.has(address)) return "host";
  if (within(NOWHERE)) return "nowhere";
  if (within(LAN) || within(host.attached)) return "lan";
  return "internet";
}
