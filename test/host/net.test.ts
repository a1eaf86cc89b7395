// test/host/net.test.ts — networks as a user writes them: what is understood, and what is refused with which words; name servers
// of the host; ports that are taken.
import { expect, test } from "bun:test";
import { parseNets } from "../../src/cli/boot-arguments.ts";
import { Failure } from "../../src/failure.ts";
import { checkNets, parseNet, parsePublish } from "../../src/host/net/options.ts";
import { parseResolvers } from "../../src/host/net/sockets.ts";
import { Networks } from "../../src/networks.ts";

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
test("a stream that nobody listens on, and a file that cannot be written, are refused", async () => {
  expect(await refused(() => Networks.open([{ kind: "unix", to: "/nowhere/at/all" }], []))).toEqual(["HV-NET-STREAM", 1]);
  expect(await refused(() => Networks.open([{ kind: "user", pcap: "/nowhere/at/all" }], []))).toEqual(["HV-PCAP", 1]);
});
test("name servers of resolv.conf; what is none is left out", () => {
  expect(parseResolvers("# a\nnameserver 127.0.0.53\n  nameserver\t2001:DB8::1 # b\nnameserver fe80::1%eth0\nnameserver host\nsearch x\noptions edns0\n").map(one => one.address)).toEqual(["127.0.0.53", "2001:db8::1", "fe80::1"]);
});
