// src/host/debian/openpgp.ts — checks the signature of a clear-signed message (Debian's InRelease).
// Spec: RFC 9580 / RFC 4880: armor, version 4 keys and signatures; RSA (PKCS#1 v1.5) and Ed25519 in its version 4 form,
// with SHA-256, SHA-384 or SHA-512. Left out: every other algorithm, key expiry and webs of trust: a key is trusted because
// its fingerprint is in the list the caller gives, and for nothing else. Bounded; never trusts a length it has not compared.
import { createHash, createPublicKey, verify } from "node:crypto";
import type { KeyObject } from "node:crypto";

/** A key that may sign. The fingerprint is of this very packet, so a signing subkey is its own entry. */
export interface TrustedKey {
  readonly fingerprint: string;
  readonly name: string;
  /** Body of the public key packet, base64. */
  readonly packet: string;
}

export type Verified =
  | { readonly ok: true; readonly text: string; readonly key: string }
  | { readonly ok: false; readonly why: string };

interface Packet {
  readonly tag: number;
  readonly body: Uint8Array;
}

const HASHES: Readonly<Record<number, string>> = { 8: "sha256", 9: "sha384", 10: "sha512" };
const RSA = 1, RSA_SIGN_ONLY = 3, EDDSA = 22;
const ED25519_OID = [0x2b, 0x06, 0x01, 0x04, 0x01, 0xda, 0x47, 0x0f, 0x01];
const MAX_MESSAGE = 16 << 20;
const upperHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex").toUpperCase();

/** Splits packets; undefined when a length goes past the end or is indeterminate. */
function packets(bytes: Uint8Array): Packet[] | undefined {
  const found: Packet[] = [];
  let at = 0;
  while (at < bytes.length) {
    const first = bytes[at++]!;
    if ((first & 0x80) === 0) return undefined;
    let tag: number, length: number;
    const byte = (): number => (at < bytes.length ? bytes[at++]! : NaN);
    const big = (count: number): number => {
      let value = 0;
      for (let i = 0; i < count; i++) value = value * 256 + byte();
      return value;
    };
    if ((first & 0x40) !== 0) {
      tag = first & 0x3f;
      const one = byte();
      length = one < 192 ? one : one < 224 ? (one - 192) * 256 + byte() + 192 : one === 255 ? big(4) : NaN;
    } else {
      tag = (first >> 2) & 0xf;
      length = (first & 3) === 3 ? NaN : big(1 << (first & 3));
    }
    if (!(at + length <= bytes.length)) return undefined;
    found.push({ tag, body: bytes.subarray(at, at + length) });
    at += length;
  }
  return found;
}

/** Takes ASCII armor off, or returns binary data as it is. The CRC is optional and not looked at. */
export function dearmor(bytes: Uint8Array): Uint8Array | undefined {
  if (bytes.length > 0 && (bytes[0]! & 0x80) !== 0) return bytes;
  const lines = Buffer.from(bytes).toString("latin1").split(/\r?\n/);
  const start = lines.findIndex(line => line.startsWith("-----BEGIN PGP "));
  const end = lines.findIndex((line, i) => i > start && line.startsWith("-----END PGP "));
  const blank = lines.findIndex((line, i) => i > start && line.trim() === "");
  if (start < 0 || end < 0 || blank < 0 || blank > end) return undefined;
  const body = lines.slice(blank + 1, end).filter(line => !line.startsWith("=")).join("");
  return /^[A-Za-z0-9+/\s]*=*$/.test(body) ? new Uint8Array(Buffer.from(body, "base64")) : undefined;
}

/** Reads multi-precision integers one after another. */
class Mpis {
  readonly #bytes: Uint8Array;
  #at: number;
  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes;
    this.#at = at;
  }
  next(): Uint8Array | undefined {
    if (this.#at + 2 > this.#bytes.length) return undefined;
    const length = (((this.#bytes[this.#at]! << 8) | this.#bytes[this.#at + 1]!) + 7) >> 3;
    this.#at += 2 + length;
    return this.#at <= this.#bytes.length ? this.#bytes.subarray(this.#at - length, this.#at) : undefined;
  }
}

const fingerprintOf = (body: Uint8Array): string =>
  upperHex(createHash("sha1").update(Uint8Array.of(0x99, body.length >> 8, body.length & 0xff)).update(body).digest());

/** The public keys (and subkeys) of a keyring file, for a caller that trusts the file as a whole. */
export function keysOf(keyring: Uint8Array, name: string): TrustedKey[] {
  const binary = dearmor(keyring);
  const found = binary === undefined ? undefined : packets(binary);
  return (found ?? [])
    .filter(({ tag, body }) => (tag === 6 || tag === 14) && body[0] === 4)
    .map(({ body }) => ({ fingerprint: fingerprintOf(body), name, packet: Buffer.from(body).toString("base64") }));
}

/** Node's form of a public key packet, with its size for padding; undefined for what is not supported or does not match its pin. */
function publicKey(key: TrustedKey): { algorithm: number; key: KeyObject; size: number } | undefined {
  const body = new Uint8Array(Buffer.from(key.packet, "base64"));
  if (body.length < 6 || body[0] !== 4 || fingerprintOf(body) !== key.fingerprint) return undefined;
  const algorithm = body[5]!;
  const base64url = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64url");
  try {
    if (algorithm === RSA || algorithm === RSA_SIGN_ONLY) {
      const mpis = new Mpis(body, 6), n = mpis.next(), e = mpis.next();
      if (n === undefined || e === undefined || n.length < 256) return undefined;
      return { algorithm: RSA, size: n.length, key: createPublicKey({ format: "jwk", key: { kty: "RSA", n: base64url(n), e: base64url(e) } }) };
    }
    if (algorithm === EDDSA && body[6] === ED25519_OID.length && ED25519_OID.every((byte, i) => body[7 + i] === byte)) {
      const point = new Mpis(body, 7 + ED25519_OID.length).next();
      if (point?.length !== 33 || point[0] !== 0x40) return undefined;
      return { algorithm: EDDSA, size: 32, key: createPublicKey({ format: "jwk", key: { kty: "OKP", crv: "Ed25519", x: base64url(point.subarray(1)) } }) };
    }
  } catch { /* numbers that make no key */ }
  return undefined;
}

const leftPad = (bytes: Uint8Array, size: number): Uint8Array => {
  const out = new Uint8Array(size);
  if (bytes.length <= size) out.set(bytes, size - bytes.length);
  return out;
};

/** Key identifiers that a signature names: fingerprints (subpacket 33) and 16-digit key IDs (subpacket 16). */
function issuers(area: Uint8Array): string[] {
  const found: string[] = [];
  let at = 0;
  while (at < area.length) {
    const one = area[at++]!;
    let length = one;
    if (one >= 192 && one < 255) length = ((one - 192) << 8) + (area[at++] ?? 0) + 192;
    else if (one === 255) return found;
    if (length === 0 || at + length > area.length) return found;
    const type = area[at]! & 0x7f;
    if (type === 33 && area[at + 1] === 4) found.push(upperHex(area.subarray(at + 2, at + length)));
    if (type === 16) found.push(upperHex(area.subarray(at + 1, at + length)));
    at += length;
  }
  return found;
}

/**
 * Verifies a clear-signed message. One good signature by one trusted key is enough (a release is signed by several keys,
 * old and new). The text that comes back is exactly what was signed, and nothing around it.
 */
export function verifyClearSigned(message: Uint8Array, trusted: readonly TrustedKey[]): Verified {
  const no = (why: string): Verified => ({ ok: false, why });
  if (message.length > MAX_MESSAGE) return no("it is too large to be a signed release");
  const lines = Buffer.from(message).toString("latin1").split("\n").map(line => line.replace(/\r$/, ""));
  if (lines[0] !== "-----BEGIN PGP SIGNED MESSAGE-----") return no("it is not a signed message");
  const blank = lines.indexOf("");
  const end = lines.indexOf("-----BEGIN PGP SIGNATURE-----");
  if (blank < 0 || end < blank) return no("its signature is missing");
  if (lines.slice(1, blank).some(line => !/^Hash: [A-Z0-9, ]+$/.test(line))) return no("its header is not one that a signed message may have");
  const signed = lines.slice(blank + 1, end).map(line => (line.startsWith("- ") ? line.slice(2) : line).replace(/[ \t]+$/, ""));
  const canonical = Buffer.from(signed.join("\r\n"), "latin1");
  const armored = dearmor(Buffer.from(lines.slice(end).join("\n"), "latin1"));
  const signatures = (armored === undefined ? undefined : packets(armored))?.filter(({ tag }) => tag === 2);
  if (signatures === undefined || signatures.length === 0) return no("its signature cannot be read");
  const named = new Set<string>();
  let failed: string | undefined;
  for (const { body } of signatures) {
    if (body.length < 10 || body[0] !== 4 || (body[1] !== 0 && body[1] !== 1)) continue;
    const hash = HASHES[body[3]!];
    const hashedEnd = 6 + ((body[4]! << 8) | body[5]!);
    if (hash === undefined || hashedEnd + 2 > body.length) continue;
    const unhashedEnd = hashedEnd + 2 + ((body[hashedEnd]! << 8) | body[hashedEnd + 1]!);
    if (unhashedEnd + 2 > body.length) continue;
    const by = [...issuers(body.subarray(6, hashedEnd)), ...issuers(body.subarray(hashedEnd + 2, unhashedEnd))];
    by.forEach(id => named.add(id));
    const trailer = new Uint8Array(6);
    trailer.set([4, 0xff]);
    new DataView(trailer.buffer).setUint32(2, hashedEnd);
    const data = Buffer.concat([canonical, body.subarray(0, hashedEnd), trailer]);
    for (const candidate of trusted) {
      if (!by.some(id => id === candidate.fingerprint || (id.length === 16 && candidate.fingerprint.endsWith(id)))) continue;
      const key = publicKey(candidate);
      if (key === undefined || key.algorithm !== (body[2] === RSA_SIGN_ONLY ? RSA : body[2])) continue;
      const mpis = new Mpis(body, unhashedEnd + 2);
      const first = mpis.next();
      let good = false;
      if (key.algorithm === RSA && first !== undefined) {
        good = verify(hash, data, key.key, leftPad(first, key.size));
      } else if (key.algorithm === EDDSA && first !== undefined) {
        const second = mpis.next();
        const digest = createHash(hash).update(data).digest();
        good = second !== undefined && verify(null, digest, key.key, Buffer.concat([leftPad(first, 32), leftPad(second, 32)]));
      }
      if (good) return { ok: true, text: Buffer.from(signed.join("\n") + "\n", "latin1").toString("utf8"), key: `${candidate.name} (${candidate.fingerprint})` };
      failed = candidate.name;
    }
  }
  if (failed !== undefined) return no(`the signature by "${failed}" does not match the text`);
  return no(`no trusted key signed it (it names ${[...named].filter(id => id.length === 40).join(", ") || "no key"})`);
}
