// test/boot/console.test.ts — Debian's kernels with their own virtio-console driver: a shell on hvc0 through a socket and on a
// terminal, whose window may change; a named port both ways; output that nobody reads.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { createConnection, type Socket } from "node:net";
import { createHash } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { VirtualMachine } from "../../src/library.ts";
import { BOOT, bootShell, command } from "../support/guest-shell.ts";
import { HV, TerminalSession } from "../support/hv.ts";
import { Random } from "../support/random.ts";

const md5 = (bytes: Uint8Array): string => createHash("md5").update(bytes).digest("hex");

/** A connection of the host to a port, and what came. */
class Peer {
  text = "";
  bytes = 0;
  readonly socket: Socket;
  constructor(path: string) {
    this.socket = createConnection(path);
    this.socket.on("data", part => {
      this.bytes += part.length;
      this.text += part.toString("latin1");
    }).on("error", () => {});
  }
  async shows(pattern: RegExp): Promise<void> {
    for (let n = 0; !pattern.test(this.text) && n < 300; n++) await Bun.sleep(50);
    expect(this.text).toMatch(pattern);
  }
}

describe("Debian's kernel 6.1 with a console device", () => {
  const folder = mkdtempSync(join(tmpdir(), "hv-console-")), hvc = join(folder, "hvc"), agent = join(folder, "agent"), log = join(folder, "log");
  let vm: VirtualMachine;
  beforeAll(async () => {
    vm = await bootShell({ consoles: [{ to: { kind: "unix", path: hvc } }, { to: { kind: "unix", path: agent }, name: "org.example.agent" }, { to: { kind: "file", path: log }, name: "log" }] });
    await command(vm, "sleep 1.2");
  }, BOOT + 300_000);
  afterAll(async () => {
    await vm?.close();
    expect([existsSync(hvc), existsSync(agent)]).toEqual([false, false]);
    rmSync(folder, { recursive: true });
  });

  test("hvc0 carries a shell to whoever connects, one after the other", async () => {
    expect(statSync(hvc).mode & 0o777).toBe(0o600);
    vm.console.write("while :; do setsid -c sh < /dev/hvc0 > /dev/hvc0 2>&1; done &\n");
    await vm.console.expect(/\/ # /);
    for (const word of ["one", "two"]) {
      const peer = new Peer(hvc);
      peer.socket.write(`echo ${word}-$((40+2)); tty\n`);
      await peer.shows(new RegExp(`${word}-42\r\n/dev/hvc0\r\n`));
      peer.socket.destroy();
      await Bun.sleep(200);
    }
  }, 30_000);
  test("ports have their names, and a file takes what the guest writes", async () => {
    expect(await command(vm, "ls /dev/virtio-ports")).toBe("log                org.example.agent\r\n");
    await command(vm, "seq 1 100000 > /dev/virtio-ports/log; sleep 0.3");
    expect(readFileSync(log, "latin1")).toBe(Array.from({ length: 100_000 }, (_, i) => `${i + 1}\n`).join(""));
  }, 30_000);
  test("a named port carries bytes both ways, more than any buffer holds", async () => {
    const bytes = new Random(5).bytes(1_000_001), peer = new Peer(agent);
    vm.console.write("head -c 1000001 /dev/virtio-ports/org.example.agent | md5sum\n");
    peer.socket.write(bytes);
    await vm.console.expect(new RegExp(`${md5(bytes)}  -\r\n`), { timeout: 30_000 });
    await vm.console.expect(/\/ # /);
    const sum = /^\w+/.exec(await command(vm, "dd if=/dev/urandom of=/tmp/r bs=1000 count=700 2>/dev/null; md5sum < /tmp/r"))?.[0];
    await command(vm, "cat /tmp/r > /dev/virtio-ports/org.example.agent");
    for (let n = 0; peer.bytes < 700_000 && n < 100; n++) await Bun.sleep(50);
    expect(md5(Buffer.from(peer.text, "latin1"))).toBe(sum!);
    peer.socket.destroy();
  }, 60_000);
  test("the guest reads to the end of what somebody sent who is gone", async () => {
    const peer = new Peer(agent);
    vm.console.write("cat /dev/virtio-ports/org.example.agent | wc -c; echo ended\n");
    peer.socket.end(new Uint8Array(50_000).fill(65));
    await vm.console.expect(/\r\n50000\r\nended\r\n/, { timeout: 20_000 });
    await vm.console.expect(/\/ # /);
  }, 30_000);
  test("B14: a host that does not read stops the writer and nothing else", async () => {
    const peer = new Peer(agent), before = process.memoryUsage().rss;
    await new Promise(resolve => peer.socket.once("connect", resolve));
    peer.socket.pause();
    await command(vm, "head -c 100000000 /dev/zero > /dev/virtio-ports/org.example.agent & writer=$!; sleep 1");
    expect(await command(vm, "kill -0 $writer && echo it waits")).toBe("it waits\r\n");
    expect(process.memoryUsage().rss - before).toBeLessThan(32 * 2 ** 20);
    peer.socket.destroy();
    expect(await command(vm, "kill $writer; wait $writer; echo gone")).toContain("gone\r\n");
  }, 60_000);
  test("nothing in its log is a complaint", async () => {
    expect(await command(vm, "dmesg | grep -iE 'virtio.*(error|fail)|bug|warn|hung'")).toBe("");
  });
});

describe("--console terminal", () => {
  test.each(["6.1", "6.12-cloud"])("kernel %s: the shell is on hvc0, and a changed window reaches it", async kernel => {
    await using session = new TerminalSession([...HV, "run", "debian", "--kernel", kernel, "--net", "none", "--console", "terminal"], { cols: 91, rows: 33 });
    await session.shows(/hv: ready[^]*\/ # /, 120_000);
    session.type("tty; stty size\n");
    await session.shows(/\/dev\/hvc0\s+33 91\s/);
    // in a script: an interactive shell keeps this signal to itself, or is not in the foreground
    session.type("sh -c 'trap \"done=1\" WINCH; echo wait\"\"ing; until [ $done ]; do sleep 0.1; done; echo changed to $(stty size)'\n");
    await session.shows(/waiting/);
    session.terminal.resize(120, 40);
    session.child.kill("SIGWINCH"); // Bun's pseudo terminal does not signal by itself
    await session.shows(/changed to 40 120/);
    session.type("poweroff -f\n");
    expect(await session.ended()).toBe(0);
  }, 200_000);
});
