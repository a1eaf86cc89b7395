// test/support/hv.ts — the hv command as a user runs it: a process with pipes or a terminal; and guests small enough to
// be assembled here.
import { join } from "node:path";
import { platform } from "../../src/machine/platform.ts";
import { Assembler } from "./assembler.ts";

const MAIN = join(import.meta.dir, "../../src/main.ts");
/** How hv is started: from its sources. */
export const HV: readonly string[] = [process.execPath, MAIN];

export interface Finished { readonly code: number; readonly stdout: string; readonly stderr: string }

/** Runs hv to its end. `input` goes into a pipe; without it standard input is /dev/null. */
export async function hv(args: readonly string[], options: { readonly input?: string; readonly env?: Record<string, string>; readonly cwd?: string } = {}): Promise<Finished> {
  const child = Bun.spawn([...HV, ...args], {
    stdin: options.input === undefined ? "ignore" : new TextEncoder().encode(options.input), stdout: "pipe", stderr: "pipe",
    env: { ...process.env, ...options.env }, ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  const [stdout, stderr, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  return { code, stdout, stderr };
}

/** hv on a pseudo-terminal: what it shows, and a way to type. */
export class TerminalSession implements AsyncDisposable {
  shown = "";
  readonly terminal: Bun.Terminal;
  readonly child: Bun.Subprocess;
  #waiters: (() => void)[] = [];
  constructor(command: readonly string[], size: { readonly cols: number; readonly rows: number } = { cols: 80, rows: 24 }) {
    const decoder = new TextDecoder();
    this.terminal = new Bun.Terminal({ ...size, data: (_, data) => {
      this.shown += decoder.decode(data, { stream: true });
      for (const wake of this.#waiters.splice(0)) wake();
    } });
    this.child = Bun.spawn([...command], { terminal: this.terminal, env: { ...process.env, TERM: "xterm" } });
  }
  /** Waits until the terminal shows it. */
  async shows(pattern: RegExp, timeout = 20_000): Promise<RegExpExecArray> {
    const until = performance.now() + timeout;
    for (;;) {
      const found = pattern.exec(this.shown);
      if (found !== null) return found;
      const left = until - performance.now();
      if (left <= 0) throw new Error(`the terminal did not show ${String(pattern)} but:\n${this.shown}`);
      await Promise.race([new Promise<void>(resolve => this.#waiters.push(resolve)), Bun.sleep(left)]);
    }
  }
  type(text: string): void { this.terminal.write(text); }
  /** Waits for the end of hv; its exit code. */
  async ended(): Promise<number> { return await this.child.exited; }
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.exitCode === null) this.child.kill("SIGKILL");
    await this.child.exited;
    this.terminal.close();
  }
}

const UART = platform.uart.base;
const POWER_KEY_DATA = platform.gpio.base + (8 << 2); // GPIODATA, masked to line 3

/**
 * A kernel file of a guest that says "ready" and echoes what it is sent. `q` switches it off, `r` resets it, and so does
 * the power key switch it off, unless it is deaf to that.
 */
export function echoKernel(options: { readonly deaf?: boolean } = {}): Uint8Array {
  const asm = new Assembler()
    .mov("x2", UART).mov("x0", 0x301).str("x0", "x2", 0x30, 4).mov("x4", 1 << 4).mov("x5", POWER_KEY_DATA)
    .adr("x1", "text")
    .label("print").ldrPost("x0", "x1", 1, 1).cbz("x0", "loop").str("x0", "x2", 0, 1).b("print")
    .label("loop").ldr("x1", "x5", 0, 4);
  if (options.deaf !== true) asm.cbnz("x1", "off");
  return asm
    .ldr("x1", "x2", 0x18, 4).tst("x1", "x4").b("ne", "loop").ldr("x0", "x2", 0, 4)
    .cmp("x0", "q".charCodeAt(0)).b("eq", "off").cmp("x0", "r".charCodeAt(0)).b("eq", "reset")
    .str("x0", "x2", 0, 4).b("loop")
    .label("off").mov("x0", 0x8400_0008).hvc()
    .label("reset").mov("x0", 0x8400_0009).hvc()
    .label("text").text("ready\r\n").image();
}

/** A kernel file of a guest that writes lines of 63 digits as fast as it can. */
export function floodKernel(): Uint8Array {
  return new Assembler()
    .mov("x2", UART).mov("x3", 0)
    .label("loop").add("x3", "x3", 1).emit("AND_imm", { f: 1, e: 1, r: 0, i: 5, n: 3, D: 3 }) // x3 = (x3 + 1) mod 64
    .mov("x0", 10).cbz("x3", "put").mov("x0", 48).label("put").str("x0", "x2", 0, 1).b("loop").image();
}
