// test/support/p9-client.ts — a 9P2000.L client on the driver's side of virtio-9p: each call is a message in guest memory and
// the answer that the device wrote there.
import { VirtioP9 } from "../../devices/virtio/p9.ts";
import { openShare } from "../../src/host/share-files.ts";
import { openShares, type OpenShares } from "../../src/host/shares.ts";
import type { ShareFiles } from "../../src/share/files.ts";
import { ShareServer, T } from "../../src/share/server.ts";
import { Driver, Feature } from "./virtio-driver.ts";

export type Field = readonly ["u8" | "u16" | "u32" | "u64", number | bigint] | string | Uint8Array;
export const u8 = (value: number): Field => ["u8", value];
export const u16 = (value: number): Field => ["u16", value];
export const u32 = (value: number): Field => ["u32", value];
export const u64 = (value: number | bigint): Field => ["u64", value];
const WIDTH = { u8: 1, u16: 2, u32: 4, u64: 8 } as const;

/** A message as bytes. */
export function message(type: number, fields: readonly Field[], tag = 1): Uint8Array {
  const parts: Uint8Array[] = [new Uint8Array(7)];
  for (const field of fields) {
    if (field instanceof Uint8Array) parts.push(field);
    else if (typeof field === "string") {
      const text = new TextEncoder().encode(field);
      parts.push(Uint8Array.of(text.length & 255, text.length >> 8), text);
    } else parts.push(new Uint8Array(BigUint64Array.of(BigInt.asUintN(64, BigInt(field[1]))).buffer, 0, WIDTH[field[0]]));
  }
  const bytes = new Uint8Array(Buffer.concat(parts)), view = new DataView(bytes.buffer);
  view.setUint32(0, bytes.length, true);
  view.setUint8(4, type);
  view.setUint16(5, tag, true);
  return bytes;
}

export class P9Client {
  readonly shares: OpenShares;
  readonly driver: Driver;
  readonly #answerAt: number;
  /** `played`: what the host's files are taken for. */
  constructor(path: string, readOnly = false, played?: (files: ShareFiles) => ShareFiles) {
    this.shares = played === undefined ? openShares([{ path, readOnly }]) : P9Client.#played(path, readOnly, played);
    const { tag, server } = this.shares.all[0]!;
    this.driver = new Driver(new VirtioP9(tag, server)).start(Feature.EVENT_IDX);
    this.#answerAt = this.driver.data + 0x10_0000;
    this.call(T.version, [u32(65536), "9P2000.L"]);
  }
  static #played(path: string, readOnly: boolean, played: (files: ShareFiles) => ShareFiles): OpenShares {
    const files = openShare(path), server = new ShareServer({ files: played(files), readOnly, note: () => {} });
    let closed = false;
    return {
      all: [{ tag: "share", server }],
      close: () => {
        if (closed) return;
        closed = true;
        server.reset();
        files.close();
      },
    };
  }
  get open(): number { return this.shares.all[0]!.server.fids; }
  /** Sends bytes; what came back. */
  send(bytes: Uint8Array, room = 65536): Uint8Array {
    const { driver } = this;
    driver.memory.bytes.set(bytes, driver.data - driver.memory.base);
    driver.send([{ at: driver.data, length: bytes.length }, { at: this.#answerAt, length: room, write: true }]);
    const back = driver.collect();
    if (back.length === 0) throw new Error(`no answer; status ${driver.status}`);
    return driver.bytes(this.#answerAt, back[0]!.length);
  }
  /** The error number of the answer, or the answer's body. */
  call(type: number, fields: readonly Field[], room?: number): number | DataView {
    const answer = this.send(message(type, fields), room), view = new DataView(answer.buffer, answer.byteOffset);
    if (answer.length < 7 || view.getUint32(0, true) !== answer.length || view.getUint16(5, true) !== 1) throw new Error("an answer with a wrong header");
    if (answer[4] === T.lerror + 1) return view.getUint32(7, true);
    if (answer[4] !== type + 1) throw new Error(`an answer of type ${answer[4]} to ${type}`);
    return new DataView(answer.buffer, answer.byteOffset + 7, answer.length - 7);
  }
  /** 0, or the error number. */
  try(type: number, ...fields: Field[]): number {
    const answer = this.call(type, fields);
    return typeof answer === "number" ? answer : 0;
  }
  attach(fid: number, name = ""): number { return this.try(T.attach, u32(fid), u32(0xffff_ffff), "root", name, u32(0)); }
  /** Error number, or how many names were walked as a negative number less one. */
  walk(fid: number, to: number, ...names: string[]): number {
    const answer = this.call(T.walk, [u32(fid), u32(to), u16(names.length), ...names]);
    return typeof answer === "number" ? answer : answer.getUint16(0, true) === names.length ? 0 : -1 - answer.getUint16(0, true);
  }
  read(fid: number, at: number | bigint = 0, count = 4096): string | number {
    const answer = this.call(T.read, [u32(fid), u64(at), u32(count)]);
    if (typeof answer === "number") return answer;
    return new TextDecoder().decode(new Uint8Array(answer.buffer, answer.byteOffset + 4, answer.getUint32(0, true)));
  }
  write(fid: number, text: string, at = 0): number {
    const bytes = new TextEncoder().encode(text);
    return this.try(T.write, u32(fid), u64(at), u32(bytes.length), bytes);
  }
  /** All names of an open directory. */
  names(fid: number, count = 4096): string[] | number {
    const found: string[] = [];
    for (let at = 0n;;) {
      const answer = this.call(T.readdir, [u32(fid), u64(at), u32(count)]);
      if (typeof answer === "number") return answer;
      const end = 4 + answer.getUint32(0, true);
      if (end === 4) return found;
      for (let i = 4; i < end;) {
        at = answer.getBigUint64(i + 13, true);
        const length = answer.getUint16(i + 22, true);
        found.push(new TextDecoder().decode(new Uint8Array(answer.buffer, answer.byteOffset + i + 24, length)));
        i += 24 + length;
      }
    }
  }
  close(): void { this.shares.close(); }
}
