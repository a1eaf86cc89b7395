// src/host/net/pcap.ts — frames into a file that tcpdump and Wireshark read. Spec: the pcap format of libpcap, version 2.4, times
// in microseconds. What a guest leaves to its network card (large segments, checksums) is written as the guest sent it.
import { closeSync, openSync, writeSync } from "node:fs";
import { ExitCode, Failure } from "../../failure.ts";

const MAGIC = 0xa1b2_c3d4;
const ETHERNET = 1;
const LONGEST = 262_144;
/** Written in pieces of this many bytes, and whenever there is a pause. */
const BLOCK = 256 * 1024;

export class PcapFile {
  readonly #fd: number;
  readonly #path: string;
  readonly #failed: (line: string) => void;
  readonly #block: Uint8Array = new Uint8Array(BLOCK);
  readonly #view: DataView = new DataView(this.#block.buffer);
  #filled = 24;
  #over = false;
  /** Throws Failure. `failed`: one line for the user, when the file can no longer be written. */
  constructor(path: string, failed: (line: string) => void) {
    this.#path = path;
    this.#failed = failed;
    try {
      this.#fd = openSync(path, "w", 0o600);
    } catch (error) {
      throw new Failure("HV-PCAP", `--net pcap: ${path}: cannot be written (${(error as { code?: string }).code ?? String(error)})`, { hint: "check the path", exit: ExitCode.failed, cause: error });
    }
    [MAGIC, 0x0004_0002, 0, 0, LONGEST, ETHERNET].forEach((word, i) => this.#view.setUint32(4 * i, word, true));
  }
  write(frame: Uint8Array, milliseconds: number): void {
    if (this.#over) return;
    if (this.#filled + 16 + frame.length > BLOCK) this.flush();
    const seconds = Math.floor(milliseconds / 1000);
    [seconds, Math.floor((milliseconds - seconds * 1000) * 1000), frame.length, frame.length].forEach((word, i) => this.#view.setUint32(this.#filled + 4 * i, word, true));
    this.#block.set(frame, this.#filled + 16);
    this.#filled += 16 + frame.length;
  }
  flush(): void {
    for (let at = 0; at < this.#filled && !this.#over;) {
      try {
        at += writeSync(this.#fd, this.#block, at, this.#filled - at);
      } catch (error) {
        this.#over = true;
        this.#failed(`${this.#path}: write failed (${(error as { code?: string }).code ?? String(error)}); nothing more is recorded, the guest goes on`);
      }
    }
    this.#filled = 0;
  }
  close(): void {
    this.flush();
    this.#over = true;
    closeSync(this.#fd);
  }
}
