// src/consoles.ts — the host's end of a console device, on the main thread: each port leads to the terminal, to whoever connects
// to a unix socket, or to a file. What a reader does not take waits in the port's ring, and behind that in the guest.
import { closeSync, openSync, writeSync } from "node:fs";
import { ExitCode, Failure } from "./failure.ts";
import { FrameRing } from "./frame-ring.ts";
import { checkConsoles, type ConsoleOptions } from "./host/console-options.ts";
import { listenUnix } from "./host/net/unix-streams.ts";
import { newPort, packEnd, type PortStart } from "./machine-console.ts";
import type { Stream } from "./net/wires.ts";

/** Bytes for the guest in one record. */
const PIECE = 8 * 1024;
/** Bytes that the terminal may be behind before the guest waits: more than a ring holds. */
const UNSHOWN = 128 * 1024;

/** The terminal's end: what the guest prints, and how much of what was typed waits for it. */
export interface Screen {
  write(bytes: Uint8Array, done: () => void): void;
  waiting(bytes: number): void;
}
/** Who is at the host's end of a port. No call throws. */
interface Reader {
  /** Takes bytes, as many as it can now; then `Port.move` is called again when it can take more. */
  take(bytes: Uint8Array): number;
  /** Everything that was given to the guest has found room. */
  drained(): void;
  close(): void;
}

class Port {
  readonly start: PortStart;
  readonly #fromGuest: FrameRing;
  readonly #toGuest: FrameRing;
  /** Bytes of the oldest record that were taken. */
  #taken = 0;
  #waiting: Uint8Array[] = [];
  reader: Reader | undefined;
  constructor(name: string | undefined, wake: () => void) {
    this.start = newPort(name);
    this.#fromGuest = new FrameRing(this.start.toHost, wake);
    this.#toGuest = new FrameRing(this.start.toGuest, wake);
  }
  /** Bytes for the guest that found no room yet. */
  get waiting(): number { return this.#waiting.reduce((sum, bytes) => sum + bytes.length, 0); }
  /** What the guest shall know of this end. */
  is(open: boolean, columns = 0, rows = 0): void { this.#toGuest.extra = packEnd(open, columns, rows); }
  give(bytes: Uint8Array): void {
    this.#waiting.push(bytes.slice());
    this.#send();
  }
  /** The guest, or the reader, goes on. */
  move(): void {
    this.#send();
    for (;;) {
      const record = this.#fromGuest.next() ?? (this.#fromGuest.rest() ? undefined : this.#fromGuest.next());
      if (record === undefined) return;
      this.#taken += this.reader?.take(record.subarray(this.#taken)) ?? record.length;
      if (this.#taken < record.length) return;
      this.#taken = 0;
      this.#fromGuest.release();
    }
  }
  #send(): void {
    while (this.#waiting.length > 0) {
      const first = this.#waiting[0] as Uint8Array, part = first.subarray(0, PIECE), into = this.#toGuest.reserve(part.length);
      if (into === undefined) return;
      into.set(part);
      this.#toGuest.commit();
      if (part.length === first.length) this.#waiting.shift();
      else this.#waiting[0] = first.subarray(PIECE);
    }
    this.reader?.drained();
  }
}

export class Consoles {
  readonly #ports: Port[] = [];
  #terminal: Port | undefined;
  #screen: Screen | undefined;
  #wake: (() => void) | undefined;
  #notice: ((text: string) => void) | undefined;

  /** Opens everything, or nothing; throws Failure. Undefined: there is no device. */
  static open(consoles: readonly ConsoleOptions[]): Consoles | undefined {
    checkConsoles(consoles);
    if (consoles.length === 0) return undefined;
    const made = new Consoles();
    try {
      for (const one of consoles) made.#open(one);
    } catch (error) {
      made.close();
      throw error;
    }
    return made;
  }
  #open({ to, name }: ConsoleOptions): void {
    const port = new Port(name, () => this.#wake?.());
    this.#ports.push(port);
    if (to.kind === "terminal") this.#openTerminal(port);
    else if (to.kind === "file") this.#openFile(port, to.path);
    else this.#openSocket(port, to.path);
  }
  #openTerminal(port: Port): void {
    this.#terminal = port;
    port.is(true);
    let writing = 0;
    port.reader = {
      take: bytes => {
        if (this.#screen === undefined) return bytes.length;
        if (writing > UNSHOWN) return 0;
        writing += bytes.length;
        this.#screen.write(bytes.slice(), () => {
          writing -= bytes.length;
          queueMicrotask(() => port.move());
        });
        return bytes.length;
      },
      drained: () => this.#screen?.waiting(0), close: () => {},
    };
  }
  #openFile(port: Port, path: string): void {
    let fd: number | undefined;
    try {
      fd = openSync(path, "w", 0o600);
    } catch (error) {
      throw new Failure("HV-CONSOLE-FILE", `--console: ${path}: cannot be written (${(error as { code?: string }).code ?? String(error)})`, { hint: "choose another path", exit: ExitCode.failed, cause: error });
    }
    port.is(true);
    const close = (): void => {
      if (fd !== undefined) closeSync(fd);
      fd = undefined;
    };
    port.reader = {
      take: bytes => {
        try {
          for (let at = 0; fd !== undefined && at < bytes.length;) at += writeSync(fd, bytes, at);
        } catch (error) {
          const { code } = error as { code?: string };
          close();
          this.#notice?.(`--console: ${path}: nothing more is written to it: ${code === "ENOSPC" ? "the disk is full" : code ?? String(error)}`);
        }
        return bytes.length;
      },
      drained: () => {}, close,
    };
  }
  /** One connection at a time; what the guest prints while there is none is lost, as on a serial line. */
  #openSocket(port: Port, path: string): void {
    let stream: Stream | undefined, paused = false, leaving = false;
    /** They are gone when all that they sent has found room; until then nobody else comes in. */
    const left = (): void => {
      if (!leaving) return;
      leaving = false;
      port.is(false);
      this.#wake?.();
    };
    const listener = listenUnix("console", path, taken => {
      if (stream !== undefined || leaving) return undefined;
      stream = taken;
      paused = false;
      port.is(true);
      this.#wake?.();
      return {
        opened: () => {},
        data: bytes => {
          port.give(bytes);
          if (port.waiting === 0 || paused) return;
          paused = true;
          taken.pause();
        },
        end: () => { taken.finish(); },
        writable: () => port.move(),
        closed: () => {
          stream = undefined;
          leaving = true;
          if (port.waiting === 0) left();
          port.move();
        },
      };
    });
    port.reader = {
      take: bytes => stream?.write(bytes) ?? bytes.length,
      drained: () => {
        if (paused) stream?.resume();
        paused = false;
        left();
      },
      close: () => {
        stream?.reset();
        listener.close();
      },
    };
  }

  /** What the machine thread is told. */
  get starts(): readonly PortStart[] { return this.#ports.map(port => port.start); }
  attach(wake: () => void, notice: (text: string) => void): void {
    this.#wake = wake;
    this.#notice = notice;
  }
  /** The machine thread has written to a ring of this port, or read from one. */
  move(index: number): void { this.#ports[index]?.move(); }

  // --- the terminal, when a port leads there ----------------------------------------------------------------------

  get hasTerminal(): boolean { return this.#terminal !== undefined; }
  show(screen: Screen): void { this.#screen = screen; }
  type(bytes: Uint8Array): void {
    this.#terminal?.give(bytes);
    this.#screen?.waiting(this.#terminal?.waiting ?? 0);
  }
  resize(columns: number, rows: number): void {
    this.#terminal?.is(true, columns, rows);
    this.#wake?.();
  }
  close(): void {
    for (const port of this.#ports.splice(0)) {
      port.move(); // what the guest printed last
      port.reader?.close();
    }
    this.#wake = undefined;
  }
}
