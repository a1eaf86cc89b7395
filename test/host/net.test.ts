// test/host/net.test.ts — networks as a user writes them: what is understood, and what is refused with which words; name servers
// of the host; ports that are taken.
import { expect, test } from "bun:test";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { parseNets } from "../../src/cli/boot-arguments.ts";
import { Failure } from "../../src/failure.ts";
import { checkNets, parseNet, parsePublish } from "../../src/host/net/options.ts";
import { listen, listenDatagrams, parseResolvers } from "../../src/host/net/sockets.ts";
import { Networks } from "../../src/networks.ts";
import { NetGuest } from "../support/net-guest.ts";

const refused = async (action: () => unknown): Promise<[string, number]> => {
  try {
    await action();
  } catch (error) {
    if (error instanceof Failure) return [error.code, error.exit];
    throw error;
  }
  throw new Error("nothing was refused");
};

test("--net in all its words", () => {
  expect(parseNet("user,allow-host,allow-lan,mac=52:54:00:00:00:01,mtu=9000,pcap=a=b.pcap,dns=192.0.2.1,dns=[2001:db8::1]:53")).toEqual({
    kind: "user", allowHost: true, allowLan: true, mac: "52:54:00:00:00:01", mtu: 9000, pcap: "a=b.pcap", dns: ["192.0.2.1", "[2001:db8::1]:53"],
  });
  expect(parseNet("unix=/run/x,listen")).toEqual({ kind: "unix", to: "/run/x", listen: true });
  expect(parseNet("socket=127.0.0.1:1234")).toEqual({ kind: "socket", to: "127.0.0.1:1234" });
});
test("--publish with and without address and protocol; the address is the loopback unless said", () => {
  expect(parsePublish("8080:80")).toEqual({ port: 8080, guestPort: 80, protocol: "tcp" });
  expect(parsePublish("0.0.0.0:53:5353/udp")).toEqual({ address: "0.0.0.0", port: 53, guestPort: 5353, protocol: "udp" });
  expect(parsePublish("[::1]:8080:80")).toEqual({ address: "::1", port: 8080, guestPort: 80, protocol: "tcp" });
});
test("Debian has a user network unless something else is said or its time is virtual", () => {
  const kinds = (raw: readonly string[], given: { image: string; deterministic: boolean }): string[] => parseNets(raw, given).nets.map(one => one.kind);
  expect(kinds([], { image: "debian", deterministic: false })).toEqual(["user"]);
  expect(kinds(["--net", "none"], { image: "debian", deterministic: false })).toEqual(["none"]);
  expect(kinds([], { image: "debian", deterministic: true })).toEqual([]);
  expect(kinds([], { image: "Image", deterministic: false })).toEqual([]);
  expect(kinds(["--net=user", "--net", "user,mtu=9000"], { image: "Image", deterministic: false })).toEqual(["user", "user"]);
  expect(parseNets(["-p", "1:2", "-p3:4", "--publish=5:6"], { image: "Image", deterministic: false }).publish.map(one => one.port)).toEqual([1, 3, 5]);
  expect(checkNets([], [{ port: 1, guestPort: 2 }])).toEqual([{ kind: "user" }]);
});
test.each([
  "bridge", "user=1", "user,allow-hosts", "user,listen", "socket", "socket=example.org:1", "socket=1.2.3.4", "tap=", "tap=a/b", "tap=waytoolongforaninterface", "user,mac=01:00:5e:00:00:01", "user,mac=52:54", "user,mtu=100", "user,mtu=x",
  "unix=/x,allow-host", "user,dns=resolver", `unix=/${"x".repeat(120)}`,
])("--net %s is refused as bad usage", async text => {
  expect(await refused(() => checkNets([parseNet(text)], []))).toEqual(["HV-USAGE-NET", 2]);
});
test.each(["80", "0:80:90:100", "65536:1", "1:0", "a:b", "1:2/sctp", "999.1.1.1.1:1:2"])("--publish %s is refused as bad usage", async text => {
  expect(await refused(() => checkNets([], [parsePublish(text)]))).toEqual(["HV-USAGE-PUBLISH", 2]);
});
test("none stands alone, and there is nothing to publish from without a user network", async () => {
  expect(await refused(() => checkNets([{ kind: "none" }, { kind: "user" }], []))).toEqual(["HV-USAGE-NET", 2]);
  expect(await refused(() => checkNets([{ kind: "none" }], [{ port: 1, guestPort: 1 }]))).toEqual(["HV-USAGE-PUBLISH", 2]);
  expect(await refused(() => checkNets([{ kind: "unix", to: "/x" }], [{ port: 1, guestPort: 1 }]))).toEqual(["HV-USAGE-PUBLISH", 2]);
});
test("E10: a port that is taken is named, with exit code 5", async () => {
  const taken = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data: () => {} } });
  expect(await refused(() => Networks.open([{ kind: "user" }], [{ port: taken.port, guestPort: 80 }]))).toEqual(["HV-PUBLISH-BUSY", 5]);
  taken.stop(true);
});
test("E10: 10,000 short connections to a published port leave no descriptor behind", async () => {
  const descriptors = (): number => readdirSync("/dev/fd").length;
  let ended = 0;
  const listener = listen({ port: 0, guestPort: 80 }, stream => ({
    opened() {}, writable() {}, data: bytes => { stream.write(bytes); }, end() { stream.finish(); }, closed() { ended++; },
  }));
  const one = (): Promise<string> => new Promise((resolve, reject) => {
    let got = "";
    Bun.connect({ hostname: "127.0.0.1", port: listener.port, socket: {
      open(socket) { socket.write("hi"); }, data(socket, bytes) { got += bytes.toString(); socket.end(); }, close() { resolve(got); }, error(_, error) { reject(error); },
    } }).catch(reject);
  });
  const before = descriptors();
  for (let i = 0; i < 10_000; i += 100) expect(await Promise.all(Array.from({ length: 100 }, one))).toEqual(Array(100).fill("hi"));
  for (let i = 0; i < 100 && ended < 10_000; i++) await Bun.sleep(20);
  listener.close();
  expect(ended).toBe(10_000);
  expect(descriptors() - before).toBeLessThan(20); // and not 10,000
}, 60_000);
test("E10: whoever sends to a published datagram port from one address and port has its own answers, also when it comes again", async () => {
  const guest = new NetGuest();
  const listener = await listenDatagrams({ port: 0, guestPort: 53 }, (from, bytes, answer) => guest.stack.incomingDatagram(from, "l", 53, bytes, answer));
  const client = async (port: number): Promise<{ port: number; got: string[]; close: () => void }> => {
    const got: string[] = [], socket = await Bun.udpSocket({ hostname: "127.0.0.1", port, socket: { data: (_, bytes) => void got.push(bytes.toString()) } });
    socket.send(`from ${got.length}`, listener.port, "127.0.0.1");
    return { port: socket.port, got, close: () => socket.close() };
  };
  /** The guest answers whatever has come, with the port that it came from. */
  const serve = async (): Promise<void> => {
    for (let i = 0; i < 50; i++) {
      await Bun.sleep(2);
      for (const { datagram } of guest.answers()) guest.udp("10.0.2.2", datagram.from, Buffer.from(`to ${datagram.from}`), 53);
    }
  };
  const [a, b] = [await client(0), await client(0)];
  await serve();
  expect([a.got.length, b.got.length, a.got[0] === b.got[0]]).toEqual([1, 1, false]);
  a.close();
  const again = await client(a.port);
  await serve();
  expect(again.got).toEqual(a.got); // the same flow: the guest sees the same port
  again.close();
  b.close();
  listener.close();
});
test.skipIf(process.getuid?.() !== 0)("E10: a port that only root may have is refused to others (needs root, to be somebody else)", () => {
  const child = Bun.spawnSync(["setpriv", "--reuid", "65534", "--clear-groups", process.execPath, "-e", `
    import { listen } from ${JSON.stringify(join(import.meta.dir, "../../src/host/net/sockets.ts"))};
    try { listen({ port: 81, guestPort: 80 }, () => undefined).close(); console.log("listened"); } catch (error) { console.log(error.code); }`]);
  const floor = existsSync("/proc/sys/net/ipv4/ip_unprivileged_port_start") ? Number(readFileSync("/proc/sys/net/ipv4/ip_unprivileged_port_start", "utf8")) : 1024;
  expect(child.stdout.toString().trim()).toBe(floor > 81 ? "HV-PUBLISH-DENIED" : "listened");
});
/** Why there can be no namespace of our own; undefined: there can. */
const noNamespaces = ((): string | undefined => {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return "needs root on Linux";
  const made = Bun.spawnSync(["unshare", "--net", "ip", "link", "add", "hv0", "type", "veth", "peer", "name", "hv1"]);
  return made.exitCode === 0 ? undefined : made.stderr.toString().trim();
})();
if (noNamespaces !== undefined) console.log(`E9, an interface that goes down: not run: ${noNamespaces}`);
test.skipIf(noNamespaces !== undefined)("E9: the host's interface goes down, comes back, is taken away: errors at once, and what waited goes on", async () => {
  const child = Bun.spawn(["unshare", "--net", process.execPath, join(import.meta.dir, "../support/interface-down.ts")], { stdout: "pipe", stderr: "pipe" });
  const [text, errors] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  expect(errors).toBe("");
  expect(JSON.parse(text)).toEqual({
    before: true, echo: true, datagram: true, "down: a new connection fails": true, "down: a datagram is answered by ICMP": true, "down: the old connection waits": [false, 1],
    "up: the old connection goes on": true, "up: a new one is made": true, "up: a datagram arrives": true, "gone: a new connection fails": true, "flows left": { tcp: 0, udp: 0 },
  });
}, 120_000);
test("a stream that nobody listens on, and a file that cannot be written, are refused", async () => {
  expect(await refused(() => Networks.open([{ kind: "unix", to: "/nowhere/at/all" }], []))).toEqual(["HV-NET-STREAM", 1]);
  expect(await refused(() => Networks.open([{ kind: "user", pcap: "/nowhere/at/all" }], []))).toEqual(["HV-PCAP", 1]);
});
test("name servers of resolv.conf; what is none is left out", () => {
  expect(parseResolvers("# a\nnameserver 127.0.0.53\n  nameserver\t2001:DB8::1 # b\nnameserver fe80::1%eth0\nnameserver host\nsearch x\noptions edns0\n").map(one => one.address)).toEqual(["127.0.0.53", "2001:db8::1", "fe80::1"]);
});
