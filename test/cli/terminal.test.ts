// test/cli/terminal.test.ts — hv run as people and scripts meet it: on a terminal, behind pipes, with signals.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EscapeFilter } from "../../src/host/terminal.ts";
import { HV, TerminalSession, echoKernel, floodKernel, hv } from "../support/hv.ts";

let place: string, echo: string, deaf: string, flood: string;
beforeAll(() => {
  place = mkdtempSync(join(tmpdir(), "hv-terminal-"));
  writeFileSync(echo = join(place, "echo"), echoKernel());
  writeFileSync(deaf = join(place, "deaf"), echoKernel({ deaf: true }));
  writeFileSync(flood = join(place, "flood"), floodKernel());
});
afterAll(() => rmSync(place, { recursive: true, force: true }));

const ECHO_AND_CANONICAL = 0o12; // ECHO | ICANON in c_lflag of Linux
const shell = (script: string): readonly string[] => ["sh", "-c", script.replaceAll("HV", HV.map(word => `'${word}'`).join(" "))];

describe("on a terminal", () => {
  test("what is typed reaches the guest, its answer the screen; Ctrl-A keys; the terminal is given back", async () => {
    await using session = new TerminalSession([...HV, "run", echo]);
    await session.shows(/ready/);
    expect(session.shown).toMatch(/hv: Ctrl-A x ends[^]*hv: software CPU \(/);
    expect(session.terminal.localFlags & ECHO_AND_CANONICAL).toBe(0);
    session.type("hello\x03");
    await session.shows(/hello\x03/);
    session.type("\x01\x01z");
    await session.shows(/\x01z/);
    session.type("\x01h");
    await session.shows(/Ctrl-A x\s+end the machine now/);
    session.type("\x01s");
    await session.shows(/cpu 0 \(on\): pc 0000000040000[0-9a-f]{3}/);
    session.type("\x01x");
    expect(await session.ended()).toBe(0);
    expect(session.terminal.localFlags & ECHO_AND_CANONICAL).toBe(ECHO_AND_CANONICAL);
  });
  test("the terminal is given back after a signal and after a refusal", async () => {
    await using session = new TerminalSession([...HV, "run", echo]);
    await session.shows(/ready/);
    session.child.kill("SIGQUIT");
    expect(await session.ended()).toBe(131);
    expect(session.terminal.localFlags & ECHO_AND_CANONICAL).toBe(ECHO_AND_CANONICAL);
    await using refused = new TerminalSession([...HV, "run", "/dev/zero"]);
    expect(await refused.ended()).toBe(2);
  });
  test("keys are found wherever a read ends", () => {
    const filter = new EscapeFilter(), feed = (text: string) => filter.feed(new TextEncoder().encode(text));
    expect(feed("a\x01")).toEqual({ data: Uint8Array.of(97), keys: [] });
    expect(feed("xb\x01\x01\x01S\x01?\x01y")).toEqual({ data: Uint8Array.of(98, 1), keys: ["end", "state", "help"] });
  });
});

describe("behind pipes", () => {
  test("piped input arrives whole, in order, and its end does not end the guest", async () => {
    const lines = Array.from({ length: 40 }, (_, i) => `line ${i}\n`).join("");
    const { code, stdout, stderr } = await hv(["run", echo], { input: `${lines}q` });
    expect([code, stdout, stderr]).toEqual([0, `ready\r\n${lines}`, ""]);
  });
  test("a pipe is read on after each answer: a script that types, waits, and types again", async () => {
    const child = Bun.spawn([...HV, "run", echo], { stdin: "pipe", stdout: "pipe", stderr: "ignore" });
    const reader = child.stdout.getReader(), decoder = new TextDecoder();
    let shown = "";
    const shows = async (text: string): Promise<void> => {
      while (!shown.includes(text)) {
        const { value, done } = await reader.read();
        if (done) throw new Error(`ended before ${text}: ${shown}`);
        shown += decoder.decode(value);
      }
    };
    await shows("ready");
    for (const line of ["one\n", "two\n", "six\n"]) {
      child.stdin.write(line);
      await child.stdin.flush();
      await shows(line);
    }
    child.stdin.write("q");
    await child.stdin.end();
    expect(await child.exited).toBe(0);
  });
  test("standard input from /dev/null, closed, and a pipe that ends at once: the guest runs on", async () => {
    const children = ["</dev/null", "<&-", "< /dev/null 2>/dev/null"].map(how => Bun.spawn([...shell(`exec HV run ${echo} ${how}`)], { stdout: "pipe", stderr: "ignore" }));
    await Bun.sleep(2500);
    expect(children.map(child => child.exitCode)).toEqual([null, null, null]);
    for (const child of children) child.kill("SIGTERM");
    expect(await Promise.all(children.map(child => child.exited))).toEqual([0, 0, 0]);
    expect(await Promise.all(children.map(child => child.stdout.text()))).toEqual(["ready\r\n", "ready\r\n", "ready\r\n"]);
  });
  test("standard output to a file holds what the guest wrote and nothing else", async () => {
    const path = join(place, "out.log"), fd = openSync(path, "w");
    const child = Bun.spawn([...HV, "run", echo, "-v"], { stdin: new TextEncoder().encode("abcq"), stdout: fd, stderr: "pipe" });
    closeSync(fd);
    expect(await child.exited).toBe(0);
    expect(readFileSync(path, "latin1")).toBe("ready\r\nabc");
    expect(await child.stderr.text()).toContain("hv: software CPU (");
  });
  test("a reader that goes away ends hv as SIGPIPE would", async () => {
    const child = Bun.spawn(["bash", "-c", `${shell(`HV run ${flood}`)[2]} </dev/null | head -c 100000 | wc -c; echo $PIPESTATUS`], { stdout: "pipe" });
    expect((await child.stdout.text()).trim().split(/\s+/)).toEqual(["100000", "141"]);
  });
  test("a reader that sleeps stops the guest, not hv: memory stays bounded, a signal still ends it", async () => {
    const child = Bun.spawn([...HV, "run", flood], { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
    const reader = child.stdout.getReader();
    await reader.read();
    await Bun.sleep(1500);
    const rss = (): number => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, "latin1"))?.[1]);
    const before = rss();
    await Bun.sleep(1500);
    expect(rss() - before).toBeLessThan(8 * 1024);
    child.kill("SIGQUIT");
    expect(await child.exited).toBe(131);
  });
});

describe("signals and resets", () => {
  const started = async (file: string, ...args: string[]): Promise<{ child: Bun.Subprocess<"ignore", "pipe", "pipe">; reader: ReadableStreamDefaultReader<Uint8Array> }> => {
    const child = Bun.spawn([...HV, "run", file, ...args], { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
    const reader = child.stdout.getReader() as ReadableStreamDefaultReader<Uint8Array>;
    await reader.read(); // "ready"
    return { child, reader };
  };
  test.each(["SIGTERM", "SIGINT", "SIGHUP"] as const)("%s presses the power key: the guest switches itself off, code 0", async signal => {
    const { child } = await started(echo);
    child.kill(signal);
    expect(await child.exited).toBe(0);
  });
  test("a guest that is deaf to the power key ends with the second signal", async () => {
    const { child } = await started(deaf);
    child.kill("SIGTERM");
    await Bun.sleep(700);
    expect(child.exitCode).toBe(null);
    child.kill("SIGTERM");
    expect(await child.exited).toBe(143);
  });
  test("or after 10 seconds", async () => {
    const { child } = await started(deaf);
    const from = performance.now();
    child.kill("SIGTERM");
    expect(await child.exited).toBe(143);
    expect(performance.now() - from).toBeWithin(9_000, 14_000);
  }, 30_000);
  test("a reset starts the guest again; with --no-reboot it ends with a code of its own", async () => {
    expect(await hv(["run", echo], { input: "r\nq" })).toMatchObject({ code: 0, stdout: "ready\r\nready\r\n" });
    expect(await hv(["run", echo, "--no-reboot"], { input: "r" })).toMatchObject({ code: 7, stdout: "ready\r\n" });
  });
});

describe("--trace", () => {
  test("goes to standard error, each kind with its own lines", async () => {
    const { code, stdout, stderr } = await hv(["run", echo, "--trace", "exits,mmio,sysreg,irq"], { input: "q" });
    expect([code, stdout]).toEqual([0, "ready\r\n"]);
    expect(stderr).toMatch(/^\[\d+\.\d{6}\] mmio cpu0 uart write 1 at 0x9000000 0x72$/m);
    expect(stderr).toMatch(/^\[\d+\.\d{6}\] exit cpu0 mmio write 4 at 0x9000030$/m);
    expect(stderr).toMatch(/^\[\d+\.\d{6}\] exit cpu0 hvc #0$/m);
  });
});
