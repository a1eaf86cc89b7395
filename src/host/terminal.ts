// src/host/terminal.ts — the user's end of the console: standard input in raw mode, Ctrl-A keys, standard output.
// Raw mode is undone on every way out; the runtime itself undoes it when the process dies of a signal or a crash.
// Left out: telling a running guest that the window changed (a serial line has no way; `resize` in the guest asks the
// terminal itself). The size at the start is given on the command line, see `windowSize`.

export type EscapeKey = "end" | "help" | "state";
export const ESCAPE_HELP = `Ctrl-A x      end the machine now
Ctrl-A s      show its state: registers, interrupts, last device accesses
Ctrl-A Ctrl-A send Ctrl-A to the guest
Ctrl-A h      this help
(in the guest, \`resize\` takes over the size of this window)
`;
const CTRL_A = 1;

/** Takes the Ctrl-A keys out of what is typed. */
export class EscapeFilter {
  #escaped = false;
  feed(bytes: Uint8Array): { readonly data: Uint8Array; readonly keys: readonly EscapeKey[] } {
    const data: number[] = [], keys: EscapeKey[] = [];
    for (const byte of bytes) {
      if (!this.#escaped) {
        if (byte === CTRL_A) this.#escaped = true;
        else data.push(byte);
        continue;
      }
      this.#escaped = false;
      const key = String.fromCharCode(byte).toLowerCase();
      if (byte === CTRL_A) data.push(CTRL_A);
      else if (key === "x") keys.push("end");
      else if (key === "s") keys.push("state");
      else if (key === "h" || key === "?") keys.push("help");
    }
    return { data: Uint8Array.from(data), keys };
  }
}

export interface TerminalHandlers {
  /** `held`: from a pipe or a file, not from somebody who types. */
  readonly input: (bytes: Uint8Array, held: boolean) => void;
  readonly key: (key: EscapeKey) => void;
  /** Standard output takes no more: "EPIPE", "ENOSPC", "EIO"... */
  readonly outputFailed: (code: string) => void;
}
/** A pipe is not read further while this much waits for the guest. */
const HELD_LIMIT = 64 * 1024;

export class Terminal {
  readonly #handlers: TerminalHandlers;
  readonly #filter = new EscapeFilter();
  #raw = false;
  #open = false;
  #paused = false;
  #outputDead = false;
  #writing = 0;
  #drained: (() => void)[] = [];
  constructor(handlers: TerminalHandlers) { this.#handlers = handlers; }

  /** True when somebody types. */
  get interactive(): boolean { return process.stdin.isTTY === true; }

  open(): void {
    this.#open = true;
    process.stdout.on("error", this.#failed);
    // A closed or failing standard input is one from which nothing comes.
    process.stdin.on("error", () => {});
    process.stdin.on("data", this.#read);
    process.on("exit", this.#restore);
    process.on("SIGCONT", this.#enterRaw);
    this.#enterRaw();
  }
  /** Gives the terminal back. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    process.stdin.off("data", this.#read);
    process.stdin.pause();
    process.off("SIGCONT", this.#enterRaw);
    this.#restore();
  }
  /** Writes to standard output; `done` when it is out, or can no longer go out. */
  write(bytes: Uint8Array, done: () => void): void {
    if (this.#outputDead) return done();
    this.#writing++;
    process.stdout.write(bytes, error => {
      this.#writing--;
      if (error != null) this.#failed(error);
      done();
      if (this.#writing === 0) for (const resolve of this.#drained.splice(0)) resolve();
    });
  }
  /** Resolves when everything is written. */
  async drain(): Promise<void> {
    if (this.#writing > 0 && !this.#outputDead) await new Promise<void>(resolve => this.#drained.push(resolve));
  }
  /** Tells how much input waits for the guest: a pipe is read only as fast as that. */
  inputWaiting(bytes: number): void {
    if (this.interactive || !this.#open) return;
    if (bytes > HELD_LIMIT && !this.#paused) process.stdin.pause();
    else if (bytes <= HELD_LIMIT && this.#paused) process.stdin.resume();
    this.#paused = bytes > HELD_LIMIT;
  }

  readonly #read = (chunk: Buffer): void => {
    if (!this.interactive) {
      // Until the guest's side answers how much waits, nothing more is read.
      this.#paused = true;
      process.stdin.pause();
      return this.#handlers.input(new Uint8Array(chunk), true);
    }
    const { data, keys } = this.#filter.feed(chunk);
    if (data.length > 0) this.#handlers.input(data, false);
    for (const key of keys) this.#handlers.key(key);
  };
  readonly #enterRaw = (): void => {
    if (!this.#open || !this.interactive) return;
    try {
      process.stdin.setRawMode(true);
      this.#raw = true;
    } catch { /* the terminal is gone: input ends by itself */ }
  };
  readonly #restore = (): void => {
    if (!this.#raw) return;
    this.#raw = false;
    try {
      process.stdin.setRawMode(false);
    } catch { /* the terminal is gone */ }
  };
  readonly #failed = (error: Error): void => {
    if (this.#outputDead) return;
    this.#outputDead = true;
    for (const resolve of this.#drained.splice(0)) resolve();
    this.#handlers.outputFailed((error as { code?: string }).code ?? error.message);
  };
}

/** What tells /init of hv's own initramfs the size of this terminal: the kernel hands such words to it as its environment. */
export function windowSize(screen: { readonly isTTY?: boolean; readonly rows?: number; readonly columns?: number }): string {
  const { isTTY, rows = 0, columns = 0 } = screen;
  return isTTY === true && rows > 0 && columns > 0 ? ` LINES=${rows} COLUMNS=${columns}` : "";
}
