// test/boot/net.test.ts — Debian's kernel with its own virtio-net on the user network: DHCP, ping, names, TCP out and in,
// refusals, and a cable between two machines. All traffic stays on this host's loopback.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { directory, file, writeCpio, type CpioEntry } from "../../src/boot/cpio.ts";
import { VirtualMachine, type NetOptions, type PublishOptions } from "../../src/library.ts";
import { debianKernel } from "../support/debian.ts";
import { BOOT, CMDLINE, command } from "../support/guest-shell.ts";
import { ensureDebianPackages } from "../support/packages.ts";
import { Random } from "../support/random.ts";

/** At the prompt; `programs` are there in /bin. */
async function boot(nets: readonly NetOptions[], publish: readonly PublishOptions[] = [], programs: readonly CpioEntry[] = []): Promise<VirtualMachine> {
  const { kernel, initramfs } = await debianKernel("6.1"), initrd = programs.length === 0 ? initramfs : Buffer.concat([readFileSync(initramfs), writeCpio([directory("bin"), ...programs])]);
  const vm = await VirtualMachine.start({ kernel, initrd, nets, publish, cmdline: CMDLINE });
  await vm.console.expect(/\/ # /, { timeout: BOOT });
  await command(vm, "dmesg -n 1");
  return vm;
}
/** The program of test/guests/echo.c. */
function echo(folder: string): Uint8Array {
  ensureDebianPackages(["gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross"]);
  const built = Bun.spawnSync(["aarch64-linux-gnu-gcc", "-O2", "-static", "-Wall", "-Wextra", "-Werror", "-o", join(folder, "echo"), join(import.meta.dir, "../guests/echo.c")]);
  if (built.exitCode !== 0) throw new Error(built.stderr.toString());
  return readFileSync(join(folder, "echo"));
}
const configured = "i=0; while [ $i -lt 50 ] && ! ip route | grep -q default; do usleep 100000; i=$((i+1)); done";
const md5 = (bytes: Uint8Array): string => createHash("md5").update(bytes).digest("hex");

describe("Debian's kernel 6.1 on the user network", () => {
  const folder = mkdtempSync(join(tmpdir(), "hv-net-")), pcap = join(folder, "frames.pcap");
  const large = new Random(7).bytes(8_000_001);
  const uploads: string[] = [];
  const asked: string[] = [];
  const web = Bun.serve({
    hostname: "127.0.0.1", port: 0,
    fetch: async request => {
      if (request.method === "POST") {
        uploads.push(md5(new Uint8Array(await request.arrayBuffer())));
        return new Response("taken\n");
      }
      return new URL(request.url).pathname === "/large" ? new Response(large) : new Response("hello from the host\n");
    },
  });
  let names: Bun.udp.Socket<"buffer">;
  let vm: VirtualMachine;
  beforeAll(async () => {
    // a name server that knows one name
    names = await Bun.udpSocket({ hostname: "127.0.0.1", port: 0, socket: { data: (socket, query, port, address) => {
      const end = query.indexOf(0, 12) + 5, name = query.subarray(12, end - 5).toString("latin1").replace(/[\x00-\x1f]/g, ".").slice(1);
      asked.push(name);
      const wanted = name === "host.test" && query[end - 3] === 1;
      const answer = Buffer.concat([query.subarray(0, end), wanted ? Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 10, 0, 2, 2]) : Buffer.alloc(0)]);
      answer.set([0x81, name === "host.test" ? 0x80 : 0x83, 0, 1, 0, wanted ? 1 : 0, 0, 0, 0, 0], 2);
      socket.send(answer, port, address);
    } } });
    vm = await boot([{ kind: "user", allowHost: true, pcap, dns: [`127.0.0.1:${names.port}`] }], [{ port: 0, guestPort: 8080 }, { port: 0, guestPort: 5353, protocol: "udp" }, { address: "::1", port: 0, guestPort: 8080 }], [file("bin/echo-datagrams", echo(folder), 0o755)]);
  }, BOOT + 300_000);
  afterAll(async () => {
    await vm?.close();
    await web.stop(true);
    names?.close();
    rmSync(folder, { recursive: true });
  });

  test("it has its address, its router and its name server by DHCP", async () => {
    await command(vm, configured);
    expect(await command(vm, "cat /sys/class/net/eth0/address /sys/class/net/eth0/mtu; ip -4 addr show eth0 | grep -o 'inet [0-9./]*'; ip route | head -1; cat /etc/resolv.conf"))
      .toBe("52:54:00:12:34:56\r\n1500\r\ninet 10.0.2.15/24\r\ndefault via 10.0.2.2 dev eth0 \r\nnameserver 10.0.2.3\r\n");
  }, 30_000);
  test("the gateway answers ping", async () => {
    expect(await command(vm, "ping -c 3 -i 0.2 10.0.2.2 | grep -o '3 packets received'")).toBe("3 packets received\r\n");
  });
  test("a name is resolved by the host's name server", async () => {
    expect(await command(vm, "nslookup -type=a host.test | grep -A1 Name:")).toContain("10.0.2.2");
    expect(asked).toContain("host.test");
  });
  test("it fetches over TCP by name, small and large, and uploads", async () => {
    expect(await command(vm, `wget -q -O - http://host.test:${web.port}/`)).toBe("hello from the host\r\n");
    expect(await command(vm, `wget -q -O /tmp/large http://10.0.2.2:${web.port}/large; md5sum < /tmp/large`)).toBe(`${md5(large)}  -\r\n`);
    await command(vm, `(printf 'POST / HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\nContent-Length: ${large.length}\\r\\n\\r\\n'; cat /tmp/large) | nc 10.0.2.2 ${web.port} > /dev/null`);
    expect(uploads).toEqual([md5(large)]);
  }, 60_000);
  test("it serves a published TCP port, several times", async () => {
    const { port } = vm.published[0]!;
    await command(vm, "mkdir -p /tmp/www; cp /tmp/large /tmp/www/; echo from the guest > /tmp/www/small; httpd -p 8080 -h /tmp/www");
    for (let i = 0; i < 5; i++) expect(await (await fetch(`http://127.0.0.1:${port}/small`)).text()).toBe("from the guest\n");
    expect(md5(new Uint8Array(await (await fetch(`http://127.0.0.1:${port}/large`)).arrayBuffer()))).toBe(md5(large));
  }, 60_000);
  test("it serves a published UDP port, and a TCP port of the host's IPv6 loopback", async () => {
    const [, datagrams, six] = vm.published;
    await command(vm, "/bin/echo-datagrams 5353 > /dev/null 2>&1 &");
    const answers: string[] = [], socket = await Bun.udpSocket({ hostname: "127.0.0.1", port: 0, socket: { data: (_, bytes) => void answers.push(bytes.toString()) } });
    for (let i = 0; i < 100 && answers.length === 0; i++) { // until it listens
      socket.send("anybody there?", datagrams!.port, "127.0.0.1");
      await Bun.sleep(100);
    }
    socket.close();
    expect(answers[0]).toBe("anybody there?");
    expect(await (await fetch(`http://[::1]:${six!.port}/small`)).text()).toBe("from the guest\n");
  }, 60_000);
  test("what it may not reach is refused, counted, and told of once", async () => {
    await command(vm, "for i in 1 2 3; do nc -w 3 169.254.169.254 80 < /dev/null; nc -w 3 192.168.77.1 80 < /dev/null; done 2>&1 | grep -c refused");
    const { network } = await vm.counters();
    expect(network["refused TCP: the host's own network"]).toBe(6);
    expect(vm.notices.filter(line => line.includes("169.254.169.254")).length).toBe(1);
  });
  test("nothing in its log is a complaint, and every frame is in the file", async () => {
    expect(await command(vm, "dmesg | grep -iE 'warn|bug|eth0.*(error|timeout|hung)|nobody cared'")).toBe("");
    vm.console.write("poweroff -f\n");
    expect(await vm.exited).toEqual({ kind: "off" });
    await vm.close();
    const file = readFileSync(pcap);
    expect(file.readUInt32LE(0)).toBe(0xa1b2c3d4);
    expect(file.length).toBeGreaterThan(3 * large.length);
    let frames = 0, at = 24;
    for (; at + 16 <= file.length; frames++) at += 16 + file.readUInt32LE(at + 8);
    expect([at, frames > 1000]).toEqual([file.length, true]);
  }, 60_000);
});

describe("two machines on a cable", () => {
  test("they reach each other through a unix socket", async () => {
    const folder = mkdtempSync(join(tmpdir(), "hv-cable-")), path = join(folder, "cable");
    try {
      await using a = await boot([{ kind: "unix", to: path, listen: true }]);
      await using b = await boot([{ kind: "unix", to: path, mac: "52:54:00:aa:bb:cc" }]);
      await command(a, "ip addr add 10.9.0.1/24 dev eth0; ip link set eth0 up");
      await command(b, "ip addr add 10.9.0.2/24 dev eth0; ip link set eth0 up");
      expect(await command(b, "ping -c 3 -i 0.2 10.9.0.1 | grep -o '3 packets received'")).toBe("3 packets received\r\n");
      await command(a, "mkdir /tmp/www; dd if=/dev/zero of=/tmp/www/zeros bs=64k count=64 2>/dev/null; httpd -p 80 -h /tmp/www");
      expect(await command(b, "wget -q -O - http://10.9.0.1/zeros | wc -c")).toBe("4194304\r\n");
    } finally {
      rmSync(folder, { recursive: true });
    }
  }, BOOT * 2 + 60_000);
  test("one of them under QEMU, by -netdev stream", async () => {
    ensureDebianPackages(["qemu-system-arm"]);
    const folder = mkdtempSync(join(tmpdir(), "hv-cable-")), path = join(folder, "cable"), { kernel, initramfs } = await debianKernel("6.1");
    let other: Bun.Subprocess<"pipe", "pipe", "inherit"> | undefined;
    try {
      await using vm = await boot([{ kind: "unix", to: path, listen: true }]);
      await command(vm, "ip addr add 10.9.0.1/24 dev eth0; ip link set eth0 up; mkdir /tmp/www; dd if=/dev/urandom of=/tmp/www/noise bs=64k count=16 2>/dev/null; httpd -p 80 -h /tmp/www");
      const sum = (await command(vm, "md5sum < /tmp/www/noise")).slice(0, 32);
      other = Bun.spawn([
        "qemu-system-aarch64", "-M", "virt,gic-version=2", "-cpu", "cortex-a57", "-m", "512", "-nographic", "-kernel", kernel, "-initrd", initramfs, "-append", "console=ttyAMA0 quiet",
        "-netdev", `stream,id=n,server=off,addr.type=unix,addr.path=${path}`, "-device", "virtio-net-device,netdev=n,mac=52:54:00:aa:bb:cc",
      ], { stdin: "pipe", stdout: "pipe", stderr: "inherit" });
      let log = "", asked = false;
      for await (const part of other.stdout) {
        log += Buffer.from(part).toString();
        if (!asked && log.includes("/ # ")) {
          asked = true;
          other.stdin.write("ip addr add 10.9.0.2/24 dev eth0; ip link set eth0 up; ping -c 3 -i 0.2 10.9.0.1; wget -q -O - http://10.9.0.1/noise | md5sum; poweroff -f\n");
          other.stdin.flush();
        }
      }
      expect(log).toContain("3 packets received");
      expect(log).toContain(sum);
    } finally {
      other?.kill();
      rmSync(folder, { recursive: true });
    }
  }, BOOT * 2 + 60_000);
});
