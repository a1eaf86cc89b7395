// src/net/address.ts — IPv4 and IPv6 addresses as text and as bytes, and prefixes. In this program an address is its
// canonical text (RFC 5952 for IPv6) wherever it is a key, and bytes only in packets.
import { get16 } from "./bytes.ts";

/** 4 or 16 bytes as canonical text. */
export function addressText(bytes: Uint8Array, at = 0, length: number = bytes.length): string {
  if (length === 4) return `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`;
  const groups = Array.from({ length: 8 }, (_, i) => get16(bytes, at + 2 * i));
  let best = -1, most = 1; // RFC 5952, 4.2: the longest run of at least two zero groups, the first of equals
  for (let i = 0; i < 8; i++) {
    let n = 0;
    while (i + n < 8 && groups[i + n] === 0) n++;
    if (n > most) [best, most] = [i, n];
  }
  const hex = (from: number, to: number): string => groups.slice(from, to).map(one => one.toString(16)).join(":");
  return best < 0 ? hex(0, 8) : `${hex(0, best)}::${hex(best + most, 8)}`;
}

/** The bytes of an address, or undefined for what is none. A zone ("%eth0") is left off. */
export function addressBytes(text: string): Uint8Array | undefined {
  return text.includes(":") ? ipv6Bytes(text.replace(/%.*$/, "")) : ipv4Bytes(text);
}
function ipv4Bytes(text: string): Uint8Array | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (match === null) return undefined;
  const numbers = match.slice(1).map(Number);
  return numbers.every(one => one <= 255) ? Uint8Array.from(numbers) : undefined;
}
function ipv6Bytes(text: string): Uint8Array | undefined {
  const embedded = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  let rest = text;
  if (embedded !== null) {
    const last = ipv4Bytes(embedded[2] as string);
    if (last === undefined) return undefined;
    rest = `${embedded[1]}${get16(last, 0).toString(16)}:${get16(last, 2).toString(16)}`;
  }
  const halves = rest.split("::");
  if (halves.length > 2) return undefined;
  const groups = halves.map(half => (half === "" ? [] : half.split(":")));
  const [head, tail = []] = groups as [string[], string[]?];
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const all = [...head, ...Array.from({ length: halves.length === 2 ? missing : 0 }, () => "0"), ...tail];
  if (!all.every(one => /^[0-9a-f]{1,4}$/i.test(one))) return undefined;
  return Uint8Array.from(all.flatMap(one => [Number.parseInt(one, 16) >> 8, Number.parseInt(one, 16) & 0xff]));
}
/** The canonical text of an address; undefined for what is none. */
export function canonical(text: string): string | undefined {
  const bytes = addressBytes(text);
  return bytes === undefined ? undefined : addressText(bytes);
}

export interface Prefix { readonly bytes: Uint8Array; readonly length: number }
/** "10.0.0.0/8". Throws for what is none: prefixes come from this program or from the host. */
export function prefix(text: string): Prefix {
  const [address = "", length = ""] = text.split("/");
  const bytes = addressBytes(address);
  if (bytes === undefined || !/^\d+$/.test(length) || Number(length) > 8 * bytes.length) throw new RangeError(`${text} is no prefix`);
  return { bytes, length: Number(length) };
}
export function inPrefix(bytes: Uint8Array, { bytes: base, length }: Prefix): boolean {
  if (bytes.length !== base.length) return false;
  const whole = length >> 3, rest = length & 7;
  for (let i = 0; i < whole; i++) if (bytes[i] !== base[i]) return false;
  return rest === 0 || (((bytes[whole] as number) ^ (base[whole] as number)) >> (8 - rest)) === 0;
}
