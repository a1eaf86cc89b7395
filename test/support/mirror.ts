// test/support/mirror.ts — a small Debian mirror on the loopback: signed release, index, two packages, and ways to misbehave.
// Keys, packages and signatures are made here; the formats are those of src/host/debian, from the other side.
import { createHash, generateKeyPairSync, sign } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";
import type { TrustedKey } from "../../src/host/debian/openpgp.ts";
import { arm64Image } from "./kernel.ts";

// --- OpenPGP, the signing side ---------------------------------------------------------------------------------------

export interface SigningKey extends TrustedKey {
  readonly privateKey: KeyObject;
  readonly algorithm: "rsa" | "ed25519";
}

const mpi = (bytes: Uint8Array): Buffer => {
  let start = 0;
  while (start < bytes.length - 1 && bytes[start] === 0) start++;
  const value = bytes.subarray(start), bits = value.length * 8 - Math.clz32(value[0]!) + 24;
  return Buffer.concat([Buffer.of(bits >> 8, bits & 0xff), value]);
};
const packet = (tag: number, body: Uint8Array): Buffer => Buffer.concat([Buffer.of(0x80 | (tag << 2) | 1, body.length >> 8, body.length & 0xff), body]);

export function makeKey(algorithm: "rsa" | "ed25519", name: string): SigningKey {
  const created = Buffer.of(0x60, 0, 0, 0);
  let body: Buffer, privateKey: KeyObject;
  if (algorithm === "rsa") {
    const pair = generateKeyPairSync("rsa", { modulusLength: 2048 }), jwk = pair.publicKey.export({ format: "jwk" });
    ({ privateKey } = pair);
    body = Buffer.concat([Buffer.of(4), created, Buffer.of(1), mpi(Buffer.from(jwk.n!, "base64url")), mpi(Buffer.from(jwk.e!, "base64url"))]);
  } else {
    const pair = generateKeyPairSync("ed25519"), jwk = pair.publicKey.export({ format: "jwk" });
    ({ privateKey } = pair);
    body = Buffer.concat([Buffer.of(4), created, Buffer.of(22, 9, 0x2b, 6, 1, 4, 1, 0xda, 0x47, 0x0f, 1), mpi(Buffer.concat([Buffer.of(0x40), Buffer.from(jwk.x!, "base64url")]))]);
  }
  const fingerprint = createHash("sha1").update(Buffer.of(0x99, body.length >> 8, body.length & 0xff)).update(body).digest("hex").toUpperCase();
  return { fingerprint, name, packet: body.toString("base64"), privateKey, algorithm };
}

/** A signature packet over `data` and what RFC 4880, 5.2.4 adds to it. */
function signature(key: SigningKey, type: number, hash: "sha256" | "sha512", signed: Uint8Array): Buffer {
  const issuer = Buffer.concat([Buffer.of(22, 33, 4), Buffer.from(key.fingerprint, "hex")]);
  const usage = type === 0x13 ? Buffer.of(2, 27, 3) : Buffer.of();
  const hashed = Buffer.concat([Buffer.of(5, 2, 0x60, 0, 0, 1), usage, issuer]);
  const head = Buffer.concat([Buffer.of(4, type, key.algorithm === "rsa" ? 1 : 22, hash === "sha256" ? 8 : 10, hashed.length >> 8, hashed.length & 0xff), hashed]);
  const data = Buffer.concat([signed, head, Buffer.of(4, 0xff, 0, 0, head.length >> 8, head.length & 0xff)]);
  const digest = createHash(hash).update(data).digest();
  let numbers: Buffer;
  if (key.algorithm === "rsa") {
    numbers = mpi(sign(hash, data, key.privateKey));
  } else {
    const raw = sign(null, digest, key.privateKey);
    numbers = Buffer.concat([mpi(raw.subarray(0, 32)), mpi(raw.subarray(32))]);
  }
  const keyId = Buffer.concat([Buffer.of(9, 16), Buffer.from(key.fingerprint.slice(-16), "hex")]);
  return packet(2, Buffer.concat([head, Buffer.of(0, keyId.length), keyId, digest.subarray(0, 2), numbers]));
}

/** Bare public key packets as a keyring file. */
export const keyring = (...keys: readonly TrustedKey[]): Uint8Array => Buffer.concat(keys.map(key => packet(6, Buffer.from(key.packet, "base64"))));

/** The same with a user name certified by the key itself, which gpgv insists on. */
export const certifiedKeyring = (...keys: readonly SigningKey[]): Uint8Array => Buffer.concat(keys.flatMap(key => {
  const body = Buffer.from(key.packet, "base64"), name = Buffer.from(key.name);
  const signed = Buffer.concat([Buffer.of(0x99, body.length >> 8, body.length & 0xff), body, Buffer.of(0xb4, 0, 0, 0, name.length), name]);
  return [packet(6, body), packet(13, name), signature(key, 0x13, "sha256", signed)];
}));

/** The check line of ASCII armor. */
function crc24(bytes: Uint8Array): string {
  let crc = 0xb704ce;
  for (const byte of bytes) {
    crc ^= byte << 16;
    for (let i = 0; i < 8; i++) crc = (crc & 0x80_0000 ? (crc << 1) ^ 0x864cfb : crc << 1) & 0xff_ffff;
  }
  return Buffer.of(crc >> 16, (crc >> 8) & 0xff, crc & 0xff).toString("base64");
}

export function clearSign(text: string, key: SigningKey, hash: "sha256" | "sha512" = "sha512"): Uint8Array {
  const lines = text.replace(/\n$/, "").split("\n");
  const canonical = lines.map(line => line.replace(/[ \t]+$/, "")).join("\r\n");
  const made = signature(key, 1, hash, Buffer.from(canonical));
  const body = lines.map(line => (line.startsWith("-") ? `- ${line}` : line)).join("\n");
  return Buffer.from(`-----BEGIN PGP SIGNED MESSAGE-----\nHash: ${hash.toUpperCase()}\n\n${body}\n-----BEGIN PGP SIGNATURE-----\n\n${made.toString("base64").match(/.{1,64}/g)!.join("\n")}\n=${crc24(made)}\n-----END PGP SIGNATURE-----\n`);
}

// --- packages ----------------------------------------------------------------------------------------------------------

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

function tar(files: Readonly<Record<string, Uint8Array>>): Buffer {
  const blocks: Buffer[] = [];
  for (const [name, data] of Object.entries(files)) {
    const header = Buffer.alloc(512);
    header.write(name);
    header.write("0000644\0", 100);
    header.write("0000000\0", 108);
    header.write("0000000\0", 116);
    header.write(`${data.length.toString(8).padStart(11, "0")}\0`, 124);
    header.write("00000000000\0", 136);
    header.write("        0", 148);
    header.write("ustar\x0000", 257);
    header.write(`${header.reduce((sum, byte) => sum + byte, 0).toString(8).padStart(6, "0")}\0 `, 148);
    blocks.push(header, Buffer.from(data), Buffer.alloc((512 - (data.length % 512)) % 512));
  }
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

export function deb(files: Readonly<Record<string, Uint8Array>>): Uint8Array {
  const member = (name: string, data: Uint8Array): Buffer =>
    Buffer.concat([Buffer.from(`${name.padEnd(16)}0           0     0     100644  ${String(data.length).padEnd(10)}\`\n`), data, Buffer.alloc(data.length & 1, 10)]);
  return Buffer.concat([Buffer.from("!<arch>\n"), member("debian-binary", Buffer.from("2.0\n")), member("control.tar.gz", gzipSync(tar({}))), member("data.tar.gz", gzipSync(tar(files), { level: 1 }))]);
}

export interface MirrorFiles {
  readonly files: Map<string, Uint8Array>;
  readonly kernelPath: string;
  readonly image: Uint8Array;
}

/** The files of a mirror with one suite, signed by `key`. */
export function mirrorFiles(key: SigningKey, options: { readonly suite?: string; readonly fields?: string; readonly version?: string } = {}): MirrorFiles {
  const suite = options.suite ?? "bookworm", version = options.version ?? "6.1.1-1", release = "6.1.0-1-arm64";
  const image = arm64Image({ size: 300_000 });
  const kernel = deb({
    [`./boot/config-${release}`]: Buffer.from("CONFIG_ARM64=y\n"), [`./boot/vmlinuz-${release}`]: image,
    [`./lib/modules/${release}/kernel/drivers/virtio/virtio_mmio.ko`]: Buffer.from("a module"),
    [`./lib/modules/${release}/kernel/drivers/gpu/large.ko`]: Buffer.alloc(5000),
  });
  const busybox = deb({ "./bin/busybox": Buffer.from("\x7fELF junk [\0[[\0ash\0cttyhack\0mount\0sh\0\0more") });
  const files = new Map<string, Uint8Array>([[`/debian/pool/k/kernel_${version}_arm64.deb`, kernel], ["/debian/pool/b/busybox_1_arm64.deb", busybox]]);
  const stanza = (name: string, depends: string, path: string, data: Uint8Array): string =>
    `Package: ${name}\nVersion: ${version}\nArchitecture: arm64\nDepends: ${depends}\nFilename: ${path}\nSize: ${data.length}\nSHA256: ${sha256(data)}\n\n`;
  const packages = Buffer.from(
    stanza("linux-image-arm64", `linux-image-${release} (= ${version})`, `pool/k/meta.deb`, kernel) +
    stanza(`linux-image-${release}`, "kmod", `pool/k/kernel_${version}_arm64.deb`, kernel) +
    stanza("busybox-static", "", "pool/b/busybox_1_arm64.deb", busybox),
  );
  const packed = gzipSync(packages);
  const text = `Origin: Test\nSuite: oldstable\nCodename: ${suite}\nAcquire-By-Hash: yes\n${options.fields ?? ""}SHA256:\n ${sha256(packages)} ${packages.length} main/binary-arm64/Packages\n ${sha256(packed)} ${packed.length} main/binary-arm64/Packages.gz\n`;
  files.set(`/debian/dists/${suite}/InRelease`, clearSign(text, key));
  files.set(`/debian/dists/${suite}/main/binary-arm64/by-hash/SHA256/${sha256(packed)}`, packed);
  return { files, kernelPath: `/debian/pool/k/kernel_${version}_arm64.deb`, image };
}

// --- the server --------------------------------------------------------------------------------------------------------

/** What to do with one request instead of answering it well; undefined answers it well. */
export type Mischief = (path: string, response: ServerResponse, request: IncomingMessage, data: Uint8Array | undefined) => true | undefined;

export interface FakeMirror extends AsyncDisposable {
  readonly url: string;
  /** "GET /path" with the range, one per request. */
  readonly requests: string[];
  mischief: Mischief | undefined;
  /** Changes with the content, as a real server's does. */
  etag: string;
}

export async function serveMirror(files: ReadonlyMap<string, Uint8Array>): Promise<FakeMirror> {
  const requests: string[] = [];
  const server: Server = createServer((request, response) => {
    // A proxy is asked with the whole address.
    const path = request.url!.replace(/^http:\/\/[^/]+/, ""), range = request.headers.range;
    requests.push(`${path}${range === undefined ? "" : ` ${range}`}`);
    const data = files.get(path);
    if (mirror.mischief?.(path, response, request, data) === true) return;
    if (data === undefined) {
      response.writeHead(404).end("no");
      return;
    }
    const start = /^bytes=(\d+)-$/.exec(range ?? "");
    if (start !== null && request.headers["if-range"] === mirror.etag) {
      const from = Number(start[1]);
      response.writeHead(206, { etag: mirror.etag, "content-range": `bytes ${from}-${data.length - 1}/${data.length}`, "content-length": data.length - from }).end(data.subarray(from));
      return;
    }
    response.writeHead(200, { etag: mirror.etag, "content-length": data.length }).end(data);
  });
  await new Promise<void>(resolve => server.listen(0, "127.0.0.1", resolve));
  const mirror: FakeMirror = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/debian`, requests, mischief: undefined, etag: '"one"',
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise<void>(resolve => void server.close(() => resolve()));
    },
  };
  return mirror;
}

/** Sends a part of the file with the length of the whole, then cuts the connection. */
export function cutAfter(bytes: number): Mischief {
  return (_, response, __, data) => {
    if (data === undefined) return undefined;
    response.writeHead(200, { etag: '"one"', "content-length": data.length });
    response.write(data.subarray(0, bytes));
    setTimeout(() => response.socket?.destroy(), 50);
    return true;
  };
}
