// src/host/net/tap.ts — an interface of the host (TAP, Linux): frames go through a file, with virtio's own header, so that large
// segments and unmade checksums pass in both directions as they are.
// Bun waits for no descriptor of this kind, so the wait is a look every few milliseconds; while frames come, without a pause.
import { closeSync, constants, openSync, readSync, writeSync } from "node:fs";
import { attachTap } from "../../../ffi/tap.ts";
import { ExitCode, Failure } from "../../failure.ts";
import type { NetOptions } from "./options.ts";
import type { StreamLine } from "./frame-stream.ts";

const RECORD_MAX = 12 + 14 + 4 + 65_535;
/** Frames read before others have their turn. */
const TURN = 64;
/** Milliseconds between looks: short after a frame, longer the longer nothing comes. */
const SOON = 1, LATE = 25;
const EBUSY = 16, EPERM = 1;

export class Tap {
  readonly #fd: number;
  readonly #line: StreamLine;
  readonly #buffer: Uint8Array = new Uint8Array(RECORD_MAX);
  #timer: ReturnType<typeof setTimeout> | undefined;
  #pause: number = LATE;
  #waiting = 0;
  #closed = false;

  private constructor(fd: number, line: StreamLine) {
    this.#fd = fd;
    this.#line = line;
    this.#later(LATE);
  }
  /** Throws Failure. */
  static open(options: NetOptions, line: StreamLine): Tap {
    const name = options.to as string;
    if (process.platform !== "linux") throw new Failure("HV-NET-TAP", `--net tap=${name}: only Linux has TAP interfaces`, { hint: "--net user", exit: ExitCode.unsupported });
    const refuse = (why: string, hint: string, exit: number, cause?: unknown): Failure => new Failure("HV-NET-TAP", `--net tap=${name}: ${why}`, { hint, exit, cause });
    let fd: number;
    try {
      fd = openSync("/dev/net/tun", constants.O_RDWR | constants.O_NONBLOCK);
    } catch (error) {
      throw refuse(`/dev/net/tun cannot be opened (${(error as { code?: string }).code ?? String(error)})`, "load the tun module, or run where you may use it", ExitCode.failed, error);
    }
    const errno = attachTap(fd, name);
    if (errno === 0) return new Tap(fd, line);
    closeSync(fd);
    if (errno === EBUSY) throw refuse("is in use by another program", "give each machine its own", ExitCode.busy);
    throw refuse(errno === EPERM ? "you may not use it" : `the kernel refuses it (errno ${errno})`, `as root: ip tuntap add dev ${name} mode tap user YOU vnet_hdr; ip link set ${name} up`, ExitCode.failed);
  }

  receive(record: Uint8Array): boolean {
    try {
      writeSync(this.#fd, record);
    } catch (error) {
      this.#line.count(`frames lost: ${(error as { code?: string }).code ?? "not written"}`);
    }
    this.#later(SOON); // an answer is likely
    return true;
  }
  settle(): void {}
  resume(): void { this.#read(); }
  restart(): void { this.#waiting = 0; }
  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    closeSync(this.#fd);
  }

  #later(milliseconds: number): void {
    if (this.#timer !== undefined && milliseconds >= this.#pause) return;
    clearTimeout(this.#timer);
    this.#pause = milliseconds;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#read();
    }, milliseconds);
    this.#timer.unref();
  }
  #read(): void {
    if (this.#closed) return;
    let n = 0;
    for (; n < TURN; n++) {
      if (this.#waiting === 0) {
        try {
          this.#waiting = readSync(this.#fd, this.#buffer);
        } catch { // EAGAIN; EIO while the interface is down
          break;
        }
      }
      if (this.#line.offload() === undefined) {
        this.#waiting = 0; // nobody listens
        continue;
      }
      const record = this.#line.reserve(this.#waiting);
      if (record === undefined) return; // `resume` goes on
      record.set(this.#buffer.subarray(0, this.#waiting));
      this.#waiting = 0;
      this.#line.commit();
    }
    if (n === TURN) setImmediate(() => this.#read());
    else this.#later(n > 0 ? SOON : Math.min(LATE, this.#pause * 2));
  }
}
