// test/boot/vsock.test.ts — Debian's kernel with its own vsock driver: streams in both directions through unix sockets of this
// host, more bytes than any buffer holds, half-closed ends, and ports where nobody is.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createConnection, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { VirtualMachine } from "../../src/library.ts";
import { BOOT, bootShell, command } from "../support/guest-shell.ts";
import { ensureDebianPackages, run } from "../support/packages.ts";
import { Random } from "../support/random.ts";

const md5 = (bytes: Uint8Array): string => createHash("md5").update(bytes).digest("hex");

describe("Debian's kernel 6.1 with vsock", () => {
  const folder = mkdtempSync(join(tmpdir(), "hv-vsock-")), path = join(folder, "vsock"), large = new Random(3).bytes(3_000_001);
  let vm: VirtualMachine;
  /** A connection of the host: what came back to what was sent. */
  const talk = (port: number, bytes: Uint8Array): Promise<Buffer> => new Promise((resolve, reject) => {
    const parts: Buffer[] = [], socket = createConnection({ path, allowHalfOpen: true });
    socket.on("data", part => parts.push(Buffer.from(part))).on("end", () => {
      socket.destroy();
      resolve(Buffer.concat(parts));
    }).on("error", reject).on("close", () => resolve(Buffer.concat(parts)));
    socket.write(`CONNECT ${port}\n`);
    socket.end(bytes);
  });
  beforeAll(async () => {
    ensureDebianPackages(["gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross"]);
    expect(run(["aarch64-linux-gnu-gcc", "-static", "-O1", "-o", join(folder, "vsock-guest"), join(import.meta.dir, "../guests/vsock.c")])).toMatchObject({ code: 0 });
    writeFileSync(join(folder, "large"), large);
    vm = await bootShell({ vsock: { cid: 42, path }, shares: [{ path: folder }] });
    await command(vm, "mount -t 9p -o trans=virtio share /mnt; cp /mnt/vsock-guest /tmp/v");
  }, BOOT + 300_000);
  afterAll(async () => {
    await vm?.close();
    expect(existsSync(path)).toBe(false);
    rmSync(folder, { recursive: true });
  });

  test("the host's socket is its owner's alone", () => {
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });
  test("the host connects to a port of the guest, and each side's end is the other's", async () => {
    vm.console.write("/tmp/v echo 1234 &\n");
    await vm.console.expect(/listening/);
    const back = await talk(1234, large), line = back.subarray(0, back.indexOf(10) + 1).toString();
    expect([/^OK \d+\n$/.test(line), back.length - line.length, md5(back.subarray(line.length, line.length + large.length)), back.subarray(-4).toString()]).toEqual([true, large.length + 4, md5(large), "end\n"]);
    await command(vm, "wait; echo");
  }, 60_000);
  test("the guest connects to a port of the host", async () => {
    const got = Promise.withResolvers<Buffer>(), server = createServer({ allowHalfOpen: true }, socket => {
      const parts: Buffer[] = [];
      socket.on("data", part => parts.push(Buffer.from(part))).on("end", () => {
        got.resolve(Buffer.concat(parts));
        socket.end(large);
      });
    }).listen(`${path}_77`);
    try {
      expect(await command(vm, "/tmp/v send 77 < /mnt/large | md5sum")).toBe(`${md5(large)}  -\r\n`);
      expect(md5(await got.promise)).toBe(md5(large));
    } finally {
      server.close();
    }
  }, 60_000);
  test("where nobody listens the connection is refused, on either side", async () => {
    expect(await command(vm, "/tmp/v send 78 < /dev/null")).toContain("Connection reset by peer");
    expect((await talk(4321, new Uint8Array(0))).length).toBe(0);
  }, 30_000);
  test("nothing in its log is a complaint", async () => {
    expect(await command(vm, "dmesg | grep -iE 'vsock.*(error|fail)|bug|warn|hung'")).toBe("");
  });
});
