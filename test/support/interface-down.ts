// test/support/interface-down.ts — `unshare --net bun test/support/interface-down.ts`: the user network's guest on real sockets of a
// host whose only interface (one end of a veth pair; the other is another namespace's) goes down, comes back, and is taken away.
// Both namespaces are gone with their processes. Prints what the guest saw, as JSON.
import { readIpv4, Protocol } from "../../src/net/pdu/ip.ts";
import { Flag, readTcp } from "../../src/net/pdu/transport.ts";
import { hostSockets } from "../../src/host/net/sockets.ts";
import { ascii, NetGuest } from "./net-guest.ts";

const PEER = "203.0.113.9", PORT = 7, PATIENCE_MS = 20_000;
const ip = (...words: string[]): void => {
  const done = Bun.spawnSync(["ip", ...words]);
  if (done.exitCode !== 0) throw new Error(`ip ${words.join(" ")}: ${done.stderr.toString()}`);
};
const peer = Bun.spawn(["unshare", "--net", process.execPath, "-e", `
  Bun.listen({ hostname: "0.0.0.0", port: ${PORT}, socket: { data: (socket, bytes) => { socket.write(bytes); } } });
  Bun.udpSocket({ hostname: "0.0.0.0", port: ${PORT}, socket: { data: (socket, bytes, port, address) => { socket.send(bytes, port, address); } } }).then(() => console.log("ready"));`],
  { stdout: "pipe", stdin: "ignore" });
for await (const _ of peer.stdout) break; // it listens

ip("link", "add", "hv0", "type", "veth", "peer", "name", "hv1");
ip("link", "set", "hv1", "netns", String(peer.pid));
ip("addr", "add", "203.0.113.1/24", "dev", "hv0");
ip("link", "set", "hv0", "up");
for (const words of ["addr add 203.0.113.9/24 dev hv1", "link set hv1 up"]) {
  const done = Bun.spawnSync(["nsenter", "-t", String(peer.pid), "-n", "ip", ...words.split(" ")]);
  if (done.exitCode !== 0) throw new Error(done.stderr.toString());
}

const guest = new NetGuest({ allowLan: true }, hostSockets([]));
/** What came to the guest: bytes of a TCP port, RST, ICMP's code, datagrams. */
const seen = { text: new Map<number, string>(), opened: new Map<number, number>(), reset: new Set<number>(), icmp: [] as number[], datagrams: [] as string[] };
const next = new Map<number, { seq: number; ack: number }>();
function look(): void {
  for (const frame of guest.take()) {
    const packet = readIpv4(frame.subarray(14));
    if (packet?.protocol === Protocol.icmp) seen.icmp.push(packet.payload[1] as number);
    if (packet?.protocol === Protocol.udp) seen.datagrams.push(Buffer.from(packet.payload.subarray(8)).toString());
    const s = packet?.protocol === Protocol.tcp ? readTcp(packet.payload) : undefined;
    if (s === undefined) continue;
    if ((s.flags & Flag.RST) !== 0) seen.reset.add(s.to);
    else if ((s.flags & Flag.SYN) !== 0) {
      next.set(s.to, { seq: 1001, ack: s.seq + 1 });
      guest.tcp(PEER, PORT, { seq: 1001, ack: s.seq + 1, flags: Flag.ACK }, s.to);
      seen.opened.set(s.to, s.seq);
    } else if (s.payload.length > 0) {
      const state = next.get(s.to);
      if (state === undefined || s.seq !== state.ack) continue;
      state.ack += s.payload.length;
      seen.text.set(s.to, (seen.text.get(s.to) ?? "") + Buffer.from(s.payload).toString());
      guest.tcp(PEER, PORT, { seq: state.seq, ack: state.ack, flags: Flag.ACK }, s.to);
    }
  }
}
async function until(what: () => boolean): Promise<boolean> {
  for (const end = performance.now() + PATIENCE_MS; performance.now() < end; await Bun.sleep(5)) {
    look();
    if (what()) return true;
  }
  return false;
}
const open = (port: number): void => guest.tcp(PEER, PORT, { seq: 1000, flags: Flag.SYN }, port);
const say = (port: number, words: string): void => {
  const state = next.get(port)!;
  guest.tcp(PEER, PORT, { seq: state.seq, ack: state.ack, flags: Flag.ACK | Flag.PSH, payload: ascii(words) }, port);
  state.seq += words.length;
};
const datagram = async (words: string): Promise<boolean> => { // datagrams may be lost: neighbours have to be found first
  for (let n = 0; n < 20; n++) {
    guest.udp(PEER, PORT, ascii(words));
    for (let i = 0; i < 20; i++, await Bun.sleep(5)) {
      look();
      if (seen.datagrams.includes(words)) return true;
    }
  }
  return false;
};

const saw: Record<string, unknown> = {};
open(40_000);
saw["before"] = await until(() => seen.opened.has(40_000));
say(40_000, "one ");
saw["echo"] = await until(() => seen.text.get(40_000) === "one ");
saw["datagram"] = await datagram("first");
ip("link", "set", "hv0", "down");
say(40_000, "two ");
open(40_001);
saw["down: a new connection fails"] = await until(() => seen.reset.has(40_001) || seen.icmp.length > 0);
const icmp = seen.icmp.length;
guest.udp(PEER, PORT, ascii("lost"));
saw["down: a datagram is answered by ICMP"] = await until(() => seen.icmp.length > icmp);
saw["down: the old connection waits"] = [seen.reset.has(40_000), guest.stack.flows.tcp];
ip("link", "set", "hv0", "up");
saw["up: the old connection goes on"] = await until(() => seen.text.get(40_000) === "one two ");
open(40_002);
saw["up: a new one is made"] = await until(() => seen.opened.has(40_002));
saw["up: a datagram arrives"] = await datagram("second");
ip("link", "del", "hv0");
open(40_003);
saw["gone: a new connection fails"] = await until(() => seen.reset.has(40_003) || seen.icmp.length > icmp + 1);
guest.stack.restart();
saw["flows left"] = guest.stack.flows;
console.log(JSON.stringify(saw));
peer.kill();
process.exit(0);
