// test/guests/debian-network.ts — what people do with a Debian on the user network: packages from the mirror that this host
// uses, ssh and scp into it, iperf3 in every direction, names by UDP, ping, IPv6, published UDP.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { lookup } from "node:dns/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findMirror } from "../../src/host/debian/sources.ts";
import type { NetOptions, PublishOptions, VirtualMachine } from "../../src/library.ts";
import { ensureDebianPackages } from "../support/packages.ts";
import { Random } from "../support/random.ts";

export const NETWORK: { readonly nets: readonly NetOptions[]; readonly publish: readonly PublishOptions[] } = {
  // a mirror may well be on the host's own network
  nets: [{ kind: "user", allowHost: true, allowLan: true }],
  publish: [
    { port: 0, guestPort: 22 }, { address: "::1", port: 0, guestPort: 22 }, { port: 0, guestPort: 5201 },
    { port: 0, guestPort: 7, protocol: "udp" }, { address: "::1", port: 0, guestPort: 7, protocol: "udp" },
  ],
};
type Command = (line: string, timeout?: number) => Promise<string>;
const MINUTES = 60_000;

async function host(command: readonly string[], input?: Uint8Array): Promise<{ readonly code: number; readonly out: string; readonly error: string }> {
  const child = Bun.spawn([...command], { stdin: input ?? "ignore", stdout: "pipe", stderr: "pipe", timeout: 2 * MINUTES });
  const [out, error, code] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text(), child.exited]);
  return { code, out, error };
}
const must = (holds: boolean, what: string): void => { if (!holds) throw new Error(what); };
/** A proxy for packages that this host's apt is told of. */
async function aptProxy(): Promise<string> {
  const { out } = await host(["apt-config", "dump"]);
  return out.split("\n").filter(line => /^Acquire::https?::Proxy /i.test(line)).join("\n");
}

/** Tries a logged-in Debian's network; throws with what went wrong, returns what was measured. */
export async function tryNetwork(vm: VirtualMachine, command: Command): Promise<string> {
  ensureDebianPackages(["openssh-client", "iperf3"]);
  const [ssh, ssh6, iperf, echo, echo6] = vm.published.map(one => one.port) as [number, number, number, number, number];
  const place = mkdtempSync(join(tmpdir(), "hv-debian-net-"));
  const put = async (path: string, text: string): Promise<string> => await command(`printf %s '${Buffer.from(text).toString("base64")}' | base64 -d > ${path}`);
  try {
    must(/inet 10\.0\.2\.15\/24/.test(await command("ip -4 addr show dev eth0 || ip -4 addr")), "no address by DHCP");
    // its IPv6 address follows the router's advertisement, and is tried out for a second (RFC 4862, 5.4)
    must((await command("for i in $(seq 30); do ip -6 addr show scope global -tentative | grep -o 'fd10:0:2:[^/]*' && break; sleep 1; done")).startsWith("fd10:"), "no IPv6 address");
    must((await command("ping -c 3 -i 0.2 10.0.2.2")).includes("3 received"), "the gateway does not answer ping");
    must((await command("ping -6 -c 3 -i 0.2 fd10:0:2::2")).includes("3 received"), "the gateway does not answer ping over IPv6");

    const mirror = findMirror({}), name = new URL(mirror.url).hostname;
    if (!/^[\d.]+$|^\[/.test(name)) {
      const known = (await lookup(name, { all: true, family: 4 })).map(one => one.address);
      const answer = await command(`dig +tries=2 +time=5 +notcp @10.0.2.3 ${name} A`);
      must(answer.includes("status: NOERROR") && answer.includes("(UDP)") && known.some(address => answer.includes(address)), `the mirror's name is ${known.join(", ")} here, there it is: ${answer}`);
    }
    await put("/etc/apt/sources.list", `deb ${mirror.url} bookworm main\n`);
    await put("/etc/apt/apt.conf.d/90proxy", await aptProxy());
    await command("rm -f /etc/apt/sources.list.d/*");
    const from = performance.now();
    const update = await command("apt-get -q update > /tmp/update 2>&1; echo $?; tail -5 /tmp/update", 10 * MINUTES);
    must(update.startsWith("0") && !/^[WE]:/m.test(update), `apt-get update: ${update}`);
    const updated = performance.now() - from;
    const install = await command("DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends hello sqlite3 > /tmp/install 2>&1; echo $?; tail -5 /tmp/install", 10 * MINUTES);
    must(install.startsWith("0"), `apt-get install: ${install}`);
    must(await command("hello") === "Hello, world!", "the package that was installed does not say hello");
    must(await command("sqlite3 :memory: 'select 6*7'") === "42", "the other one does not calculate");

    // ssh, both families of this host's addresses
    const key = join(place, "key");
    must((await host(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key])).code === 0, "no key was made");
    await command("mkdir -p -m 700 /root/.ssh");
    await put("/root/.ssh/authorized_keys", readFileSync(`${key}.pub`, "utf8"));
    const options = ["-q", "-i", key, "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "BatchMode=yes", "-o", "ConnectTimeout=60"];
    for (const [address, port] of [["127.0.0.1", ssh], ["::1", ssh6]] as const) {
      const said = await host(["ssh", ...options, "-p", String(port), `root@${address}`, "uname -m; exit 7"]);
      must(said.code === 7 && said.out === "aarch64\n", `ssh to [${address}]:${port} ended with ${said.code}: ${said.out}${said.error}`);
    }
    const bytes = new Random(22).bytes(8_000_003), file = join(place, "bytes");
    writeFileSync(file, bytes);
    const copied = await host(["scp", ...options, "-P", String(ssh), file, "root@127.0.0.1:/tmp/bytes"]);
    must(copied.code === 0, `scp ended with ${copied.code}: ${copied.error}`);
    const back = await host(["scp", ...options, "-P", String(ssh), "root@127.0.0.1:/tmp/bytes", join(place, "back")]);
    must(back.code === 0 && Buffer.compare(readFileSync(join(place, "back")), bytes) === 0, `scp back ended with ${back.code}, or other bytes came: ${back.error}`);

    // iperf3: from the guest both ways over both families, and UDP; into the guest through the published port
    const rates: string[] = [];
    const rate = (what: string, said: string): void => {
      const found = /([\d.]+) Mbits\/sec[^\n]*receiver/.exec(said)?.[1];
      must(found !== undefined && Number(found) > 1, `iperf3, ${what}: ${said}`);
      rates.push(`${what} ${found} Mbit/s`);
    };
    const servers = ["127.0.0.1", "::1"].map(address => Bun.spawn(["iperf3", "-s", "-B", address, "-p", "5309"], { stdout: "ignore", stderr: "ignore" }));
    try {
      await Bun.sleep(300);
      for (const [what, args] of [["out", "-c 10.0.2.2"], ["in", "-c 10.0.2.2 -R"], ["out over IPv6", "-c fd10:0:2::2"], ["in over IPv6", "-c fd10:0:2::2 -R"], ["UDP out", "-c 10.0.2.2 -u -b 50M"], ["UDP in", "-c 10.0.2.2 -u -b 50M -R"]] as const)
        rate(what, await command(`iperf3 -p 5309 -t 3 -f m ${args}`));
    } finally {
      for (const one of servers) one.kill();
    }
    await command("iperf3 -s -D -p 5201; sleep 1");
    for (const [what, args] of [["published in", []], ["published out", ["-R"]]] as const)
      rate(what, (await host(["iperf3", "-c", "127.0.0.1", "-p", String(iperf), "-t", "3", "-f", "m", ...args])).out);

    // a published UDP port, from both families of this host's addresses
    await put("/tmp/echo", "use IO::Socket::INET; my $s = IO::Socket::INET->new(LocalPort => 7, Proto => 'udp') or die; while (1) { $s->recv(my $d, 65536); $s->send(\"you said $d\") }\n");
    await command("{ setsid perl /tmp/echo < /dev/null > /dev/null 2>&1 & } 2> /dev/null; sleep 1");
    for (const [address, port] of [["127.0.0.1", echo], ["::1", echo6]] as const) must(await datagram(address, port, "something") === "you said something", `UDP to [${address}]:${port} has no echo`);
    await command("pkill perl; pkill iperf3; rm -f /tmp/* 2>/dev/null");
    return `apt-get update in ${(updated / 1000).toFixed(1)} s, ${rates.join(", ")}`;
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}

/** The answer to a datagram, asked for again each second; undefined after ten. */
async function datagram(address: string, port: number, text: string): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const socket = await Bun.udpSocket({ hostname: address, socket: { data: (_, bytes) => resolve(bytes.toString()) } });
  let tries = 0;
  const again = (): void => { if (tries++ === 10) resolve(undefined); else socket.send(text, port, address); };
  const timer = setInterval(again, 1000);
  again();
  try {
    return await promise;
  } finally {
    clearInterval(timer);
    socket.close();
  }
}
