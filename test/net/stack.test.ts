// test/net/stack.test.ts — the user network with a guest that is honest, and one that is not: section E of the list of adversarial
// cases. Sockets of the host are played.
import { describe, expect, test } from "bun:test";
import { DHCP_DISCOVER, DNS_QUERY } from "../fuzz/net.ts";
import { addressText, canonical } from "../../src/net/address.ts";
import { get16, put16 } from "../../src/net/bytes.ts";
import { readDhcp } from "../../src/net/pdu/dhcp.ts";
import { Protocol, readIpv4, readIpv6 } from "../../src/net/pdu/ip.ts";
import { Flag, writeTcp } from "../../src/net/pdu/transport.ts";
import { placeOf } from "../../src/net/policy.ts";
import { ascii, bytes, MAC, NetGuest } from "../support/net-guest.ts";

const OUT = "203.0.113.9";
/** A connection of the guest that stands: its stream, and both sides' next sequence numbers. */
function connected(guest: NetGuest, port = 40_000) {
  guest.tcp(OUT, 80, { seq: 1000, flags: Flag.SYN }, port);
  const stream = guest.streams.at(-1)!;
  stream.events!.opened();
  const [synAck] = guest.segments();
  const ours = synAck!.seq + 1;
  guest.tcp(OUT, 80, { seq: 1001, ack: ours, flags: Flag.ACK }, port);
  guest.take();
  return { stream, ours, send: (seq: number, flags: number, payload?: Uint8Array, ack = ours) => guest.tcp(OUT, 80, { seq, ack, flags, ...(payload && { payload }) }, port) };
}

describe("the link", () => {
  test("ARP for router and name server is answered, for others not", () => {
    const guest = new NetGuest();
    const ask = (last: number): number => {
      guest.frame(0x0806, Uint8Array.of(0, 1, 8, 0, 6, 4, 0, 1, ...MAC, 10, 0, 2, 15, 0, 0, 0, 0, 0, 0, 10, 0, 2, last));
      return guest.take().length;
    };
    expect([ask(2), ask(3), ask(4), ask(15)]).toEqual([1, 1, 0, 0]);
  });
  test("DHCP gives the interface its address, and others one of a pool", () => {
    const guest = new NetGuest();
    const discover = (mac: Uint8Array): string => {
      const message = DHCP_DISCOVER.slice();
      message.set(mac, 28);
      guest.ip("0.0.0.0", "255.255.255.255", Protocol.udp, Uint8Array.of(0, 68, 0, 67, 1, 52, 0, 0, ...message));
      return addressText(guest.answers()[0]!.datagram.payload, 16, 4);
    };
    expect([discover(MAC), discover(MAC)]).toEqual(["10.0.2.15", "10.0.2.15"]);
    const given = Array.from({ length: 1000 }, (_, i) => discover(Uint8Array.of(2, 0, 0, 0, i >> 8, i & 255))); // E8
    expect(new Set(given).size).toBe(16);
    expect(discover(MAC)).toBe("10.0.2.15");
  });
  test("E8: DHCP with an option that runs out of the message, and from a relay, is not answered", () => {
    const long = DHCP_DISCOVER.slice();
    long.fill(0, 260);
    long.set([12, 255], 255); // over the end option
    expect(readDhcp(long.subarray(0, 300))).toBeUndefined();
    const relayed = DHCP_DISCOVER.slice();
    relayed[24] = 10;
    const guest = new NetGuest();
    guest.ip("0.0.0.0", "255.255.255.255", Protocol.udp, Uint8Array.of(0, 68, 0, 67, 1, 52, 0, 0, ...relayed));
    expect(guest.take()).toEqual([]);
  });
  test("the gateway answers echo; others are refused with ICMP", () => {
    const guest = new NetGuest();
    const ping = Uint8Array.of(8, 0, 0, 0, 0, 1, 0, 1, ...ascii("hello"));
    guest.ip("10.0.2.15", "10.0.2.2", Protocol.icmp, ping);
    guest.ip("10.0.2.15", OUT, Protocol.icmp, ping);
    expect(guest.take().map(frame => [...readIpv4(frame.subarray(14))!.payload.subarray(0, 2)])).toEqual([[0, 0], [3, 13]]);
  });
  test("IPv6: router and neighbours are there, and the gateway answers echo", () => {
    const guest = new NetGuest();
    guest.ip("fe80::15", "ff02::2", Protocol.icmpv6, Uint8Array.of(133, 0, 0, 0, 0, 0, 0, 0));
    guest.ip("fe80::15", "fd10:0:2::2", Protocol.icmpv6, Uint8Array.of(135, 0, 0, 0, 0, 0, 0, 0, ...bytes("fd10:0:2::2")));
    guest.ip("fd10:0:2::15", "fd10:0:2::2", Protocol.icmpv6, Uint8Array.of(128, 0, 0, 0, 0, 1, 0, 1, 9));
    const answers = guest.take().map(frame => readIpv6(frame.subarray(14))!.payload);
    expect(answers.map(one => one[0])).toEqual([134, 136, 129]);
    expect(get16(answers[0]!, 6)).toBeGreaterThan(0); // the host has a global address
  });
});

describe("hostile frames", () => {
  const guest = new NetGuest();
  const packet = NetGuest.ip("10.0.2.15", "10.0.2.2", Protocol.icmp, Uint8Array.of(8, 0, 0, 0, 0, 1, 0, 1));
  const broken = (change: (b: Uint8Array) => void): Uint8Array => {
    const b = packet.slice();
    change(b);
    return b;
  };
  test("E1: every prefix of a packet is dropped", () => {
    for (let length = 0; length < packet.length; length++) guest.frame(0x0800, packet.subarray(0, length));
    expect(guest.take()).toEqual([]);
    expect(guest.counts.get("dropped: malformed IPv4")).toBe(packet.length);
  });
  test.each([
    ["IHL 0", (b: Uint8Array) => { b[0] = 0x40; }], ["IHL 15", (b: Uint8Array) => { b[0] = 0x4f; }], ["a length beyond the frame", (b: Uint8Array) => put16(b, 2, 2000)],
    ["a length below the header", (b: Uint8Array) => put16(b, 2, 19)], ["a wrong checksum", (b: Uint8Array) => { b[10]! ^= 1; }], ["version 5", (b: Uint8Array) => { b[0] = 0x55; }],
  ])("E2: %s", (_what, change) => {
    guest.frame(0x0800, broken(change));
    expect(guest.take()).toEqual([]);
  });
  test.each(["10.0.2.2", "10.0.2.3", "10.0.2.255", "10.0.2.0", "192.0.2.1", "127.0.0.1", "255.255.255.255"])("E2: the source %s is dropped as spoofed", source => {
    const before = guest.counts.get("dropped: spoofed IPv4 source") ?? 0;
    guest.udp(OUT, 9, ascii("x"), 1, source);
    expect([guest.take().length, guest.counts.get("dropped: spoofed IPv4 source")]).toEqual([0, before + 1]);
  });
  test("E2: the gateway's own MAC, a group's MAC and TTL 0 are dropped; a chain of 1000 extension headers too", () => {
    guest.frame(0x0800, packet, Uint8Array.of(0x52, 0x55, 10, 0, 2, 2));
    guest.frame(0x0800, packet, Uint8Array.of(1, 0, 0, 0, 0, 1));
    const chain = NetGuest.ip("fd10:0:2::15", "fd10:0:2::2", 0, new Uint8Array(8000));
    guest.frame(0x86dd, chain);
    expect(guest.take()).toEqual([]);
  });
  test("E3: fragments that never complete are bounded, and expire", () => {
    const flood = new NetGuest();
    for (let id = 0; id < 100_000; id++) {
      const part = NetGuest.ip("10.0.2.15", OUT, Protocol.udp, new Uint8Array(1000), id & 0xffff);
      put16(part, 6, 0x2000 | (id % 7));
      put16(part, 10, 0);
      let sum = 0;
      for (let i = 0; i < 20; i += 2) sum += get16(part, i);
      while (sum > 0xffff) sum = (sum >> 16) + (sum & 0xffff);
      put16(part, 10, ~sum & 0xffff);
      flood.frame(0x0800, part);
    }
    flood.advance(31_000);
    flood.udp(OUT, 9, ascii("still here"));
    expect(flood.datagrams[0]!.sent.map(one => one.bytes.length)).toEqual([10]);
  });
});

describe("where a guest may go", () => {
  const host = { own: new Set(["198.51.100.7"]), attached: [] };
  test.each([
    ["127.0.0.1", "host"], ["127.9.9.9", "host"], ["0.0.0.0", "host"], ["::1", "host"], ["::ffff:127.0.0.1", "host"], ["::ffff:7f00:1", "host"], ["198.51.100.7", "host"], ["64:ff9b::7f00:1", "host"], ["2002:7f00:1::", "host"],
    ["10.1.2.3", "lan"], ["192.168.1.1", "lan"], ["172.31.0.1", "lan"], ["169.254.169.254", "lan"], ["100.64.0.1", "lan"], ["fe80::1", "lan"], ["fd00::1", "lan"], ["::ffff:10.0.0.1", "lan"],
    ["224.0.0.1", "nowhere"], ["255.255.255.255", "nowhere"], ["ff02::1", "nowhere"], ["172.32.0.1", "internet"], ["8.8.8.8", "internet"], ["2606:4700::1111", "internet"],
  ])("E6: %s is %s", (address, place) => {
    expect<string>(placeOf(canonical(address)!, host)).toBe(place);
  });
  test.each(["10.0.2.2", "169.254.169.254", "198.51.100.7", "198.51.100.99", "192.168.0.1"])("E6: TCP to %s is refused with RST, counted and told of once", address => {
    const guest = new NetGuest();
    guest.tcp(address, 80, { seq: 1, flags: Flag.SYN });
    guest.tcp(address, 80, { seq: 1, flags: Flag.SYN }, 40_001);
    expect(guest.segments().map(one => one.flags)).toEqual([Flag.RST | Flag.ACK, Flag.RST | Flag.ACK]);
    expect(guest.streams).toEqual([]);
    expect([...guest.counts].filter(([what]) => what.startsWith("refused")).map(([, count]) => count)).toEqual([2]);
    expect(guest.told[0]).toContain(`${address}:80`);
  });
  test("allow-host makes the gateway the host's loopback; allow-lan opens the rest", () => {
    const guest = new NetGuest({ allowHost: true, allowLan: true });
    for (const address of ["10.0.2.2", "198.51.100.7", "192.168.0.1", "169.254.169.254"]) guest.tcp(address, 80, { seq: 1, flags: Flag.SYN });
    expect(guest.streams.map(one => one.to.address)).toEqual(["127.0.0.1", "198.51.100.7", "192.168.0.1", "169.254.169.254"]);
  });
  test("UDP to the host is refused with ICMP", () => {
    const guest = new NetGuest();
    guest.udp("10.0.2.2", 9, ascii("x"));
    expect([...readIpv4(guest.take()[0]!.subarray(14))!.payload.subarray(0, 2)]).toEqual([3, 13]);
  });
});

describe("UDP", () => {
  test("a flow goes out and its answer comes back; strangers do not get in", () => {
    const guest = new NetGuest();
    guest.udp(OUT, 7, ascii("ping"));
    const [socket] = guest.datagrams;
    socket!.events.data({ address: OUT, port: 7 }, ascii("pong"));
    socket!.events.data({ address: "203.0.113.66", port: 7 }, ascii("evil"));
    expect(guest.answers().map(({ from, datagram }) => [addressText(from), datagram.from, datagram.to, Buffer.from(datagram.payload).toString()])).toEqual([[OUT, 7, 40_000, "pong"]]);
  });
  test("an answer longer than a packet arrives in fragments", () => {
    const guest = new NetGuest();
    guest.udp(OUT, 7, ascii("x"));
    guest.datagrams[0]!.events.data({ address: OUT, port: 7 }, new Uint8Array(4000));
    expect(guest.take().map(frame => readIpv4(frame.subarray(14))!.fragment?.offset)).toEqual([0, 1480, 2960]);
  });
  test("published: a datagram from outside comes from the gateway, and its answer goes back", () => {
    const guest = new NetGuest();
    const answers: string[] = [];
    const from = (port: number): void => guest.stack.incomingDatagram({ address: "127.0.0.1", port }, "127.0.0.1 5353", 9000, ascii("hello"), bytes_ => void answers.push(`${port} ${Buffer.from(bytes_).toString()}`));
    from(1111);
    from(2222);
    from(1111);
    const seen = guest.answers().map(({ from: source, datagram }) => [addressText(source), datagram.to, datagram.from]);
    expect(seen.map(one => one.slice(0, 2))).toEqual([["10.0.2.2", 9000], ["10.0.2.2", 9000], ["10.0.2.2", 9000]]);
    const [first, second, third] = seen.map(one => one[2] as number);
    expect([first === third, first === second]).toEqual([true, false]);
    guest.udp("10.0.2.2", first!, ascii("one"), 9000);
    guest.udp("10.0.2.2", second!, ascii("two"), 9000);
    expect(answers).toEqual(["1111 one", "2222 two"]);
  });
  test("E5: 70,000 flows stay bounded, idle ones end, and a new one works", () => {
    const guest = new NetGuest();
    for (let port = 1; port < 65_536; port++) guest.udp(OUT, 9, ascii("x"), port);
    expect(guest.datagrams.filter(one => !one.closed).length).toBe(512);
    guest.advance(130_000);
    expect(guest.datagrams.filter(one => !one.closed).length).toBe(0);
    guest.udp(OUT, 9, ascii("x"));
    expect(guest.stack.flows.udp).toBe(1);
  });
});

describe("names", () => {
  test("a query goes to the host's resolver, and its answer comes from the guest's name server", () => {
    const guest = new NetGuest();
    guest.udp("10.0.2.3", 53, DNS_QUERY);
    const [socket] = guest.datagrams;
    expect(socket!.sent[0]!.to).toEqual({ address: "192.0.2.53", port: 53 });
    const answer = DNS_QUERY.slice();
    answer[2] = 0x81;
    socket!.events.data({ address: "192.0.2.66", port: 53 }, answer); // not who was asked
    socket!.events.data({ address: "192.0.2.53", port: 53 }, DNS_QUERY); // no answer
    socket!.events.data({ address: "192.0.2.53", port: 53 }, answer);
    socket!.events.data({ address: "192.0.2.53", port: 53 }, answer); // answered already
    expect(guest.answers().map(({ from, datagram }) => [addressText(from), datagram.from, get16(datagram.payload, 0)])).toEqual([["10.0.2.3", 53, 0x1234]]);
  });
  test("E7: asked again, the next resolver has its turn, and a change of the host's resolvers counts at once", () => {
    const guest = new NetGuest();
    guest.resolvers = [{ address: "192.0.2.1", port: 53 }, { address: "192.0.2.2", port: 53 }];
    guest.udp("10.0.2.3", 53, DNS_QUERY);
    guest.udp("10.0.2.3", 53, DNS_QUERY);
    guest.resolvers = [{ address: "127.0.0.53", port: 53 }];
    guest.udp("10.0.2.3", 53, DNS_QUERY);
    expect(guest.datagrams[0]!.sent.map(one => one.to.address)).toEqual(["192.0.2.1", "192.0.2.2", "127.0.0.53"]);
  });
  test("without a resolver the answer is a server failure", () => {
    const guest = new NetGuest();
    guest.resolvers = [];
    guest.udp("10.0.2.3", 53, DNS_QUERY);
    expect(guest.answers()[0]!.datagram.payload[3]! & 15).toBe(2);
  });
  test.each([["a compressed name", Uint8Array.of(1, 2, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xc0, 12, 0, 1, 0, 1)], ["65535 questions", Uint8Array.of(1, 2, 1, 0, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1)], ["no question", DNS_QUERY.subarray(0, 12)]])("E7: %s is dropped", (_what, query) => {
    const guest = new NetGuest();
    guest.udp("10.0.2.3", 53, query);
    expect([guest.datagrams.length, guest.counts.get("malformed DNS")]).toEqual([0, 1]);
  });
});

describe("TCP", () => {
  test("the guest's SYN is answered when the host's connection stands, and bytes go both ways", () => {
    const guest = new NetGuest();
    guest.tcp(OUT, 80, { seq: 1000, flags: Flag.SYN });
    expect(guest.segments()).toEqual([]);
    guest.streams[0]!.events!.opened();
    expect(guest.segments().map(one => [one.flags, one.ack, one.mss, one.scale])).toEqual([[Flag.SYN | Flag.ACK, 1001, 1460, 7]]);
    const { stream, ours, send } = connected(guest, 40_001);
    send(1001, Flag.ACK | Flag.PSH, ascii("request"));
    stream.events!.data(ascii("answer"));
    expect(stream.text).toBe("request");
    expect(guest.segments().filter(one => one.payload.length > 0).map(one => [one.seq, one.ack, Buffer.from(one.payload).toString()])).toEqual([[ours, 1008, "answer"]]);
  });
  test("E9: a refused connection is RST, an unreachable one ICMP", () => {
    const guest = new NetGuest();
    guest.tcp(OUT, 80, { seq: 1, flags: Flag.SYN });
    guest.streams[0]!.events!.closed("ECONNREFUSED");
    expect(guest.segments().map(one => [one.flags, one.ack])).toEqual([[Flag.RST | Flag.ACK, 2]]);
    guest.tcp(OUT, 81, { seq: 1, flags: Flag.SYN });
    guest.streams[1]!.events!.closed("EHOSTUNREACH");
    expect(readIpv4(guest.take()[0]!.subarray(14))!.protocol).toBe(Protocol.icmp);
    expect(guest.stack.flows.tcp).toBe(0);
  });
  test.each(["EMFILE", "EPERM", "ENETUNREACH", "EADDRNOTAVAIL", "ETIMEDOUT"])("E9: a connection that the host cannot make (%s) ends for the guest at once", code => {
    const guest = new NetGuest();
    guest.tcp(OUT, 80, { seq: 1, flags: Flag.SYN });
    guest.streams[0]!.events!.closed(code);
    expect([guest.segments().map(one => one.flags & Flag.RST), guest.stack.flows.tcp]).toEqual([[Flag.RST], 0]);
    const { stream, send } = connected(guest, 40_001);
    send(1001, Flag.ACK, ascii("next"));
    expect(stream.text).toBe("next");
  });
  test("E9: a connection that breaks is RST, whatever was on its way", () => {
    const guest = new NetGuest();
    const { stream, ours } = connected(guest);
    stream.events!.data(ascii("half of"));
    stream.events!.closed("ECONNRESET");
    const out = guest.segments();
    expect([out.some(one => (one.flags & Flag.RST) !== 0 && one.seq - ours <= 7), guest.stack.flows.tcp]).toEqual([true, 0]);
  });
  test.each([["EPERM", 13], ["ENETUNREACH", 0], ["EHOSTUNREACH", 1]] as const)("E9: a datagram that the host does not send (%s) is answered by ICMP", (code, icmp) => {
    const guest = new NetGuest();
    guest.udp(OUT, 9, ascii("x"));
    guest.take();
    guest.datagrams[0]!.events.failed({ address: OUT, port: 9 }, code);
    expect(guest.take().map(frame => readIpv4(frame.subarray(14))!).map(({ protocol, payload }) => [protocol, payload[0], payload[1], addressText(payload, 24, 4), get16(payload, 30)])).toEqual([[Protocol.icmp, 3, icmp, OUT, 9]]);
  });
  test("E9: a host that slept for an hour: one look at the time, no storm; connections go on or are reset, and new ones work", () => {
    const HOUR = 3_600_000, guest = new NetGuest();
    const flows = Array.from({ length: 40 }, (_, i) => connected(guest, 41_000 + i));
    for (const { stream } of flows.slice(0, 20)) stream.events!.data(ascii("on its way")); // and not acknowledged
    flows[20]!.send(1001, Flag.ACK | Flag.FIN); // half closed
    for (let i = 0; i < 10; i++) guest.tcp(OUT, 81, { seq: 1, flags: Flag.SYN }, 42_000 + i); // the host has not answered
    for (let i = 0; i < 30; i++) guest.udp(OUT, 9, ascii("x"), 43_000 + i);
    const whole = NetGuest.ip("10.0.2.15", "10.0.2.2", Protocol.icmp, new Uint8Array(64));
    whole[6] = 0x20; // more fragments, which never come
    guest.frame(0x0800, whole);
    guest.take();
    guest.now += HOUR;
    let ticks = 0;
    for (; guest.alarmAt !== undefined && guest.alarmAt <= guest.now && ticks < 1000; ticks++) {
      guest.alarmAt = undefined;
      guest.stack.tick();
    }
    const out = guest.segments();
    expect([ticks <= 2, out.length <= 60, guest.stack.flows.udp, guest.datagrams.every(one => one.closed)]).toEqual([true, true, 0, true]);
    const reset = new Set(out.filter(one => (one.flags & Flag.RST) !== 0).map(one => one.to));
    for (const [i, { stream, ours, send }] of flows.entries()) {
      if (i === 20) continue;
      const got = i < 20 ? ours + 10 : ours;
      send(1001, Flag.ACK | Flag.PSH, ascii("awake"), got);
      expect([i, stream.text === "awake" || reset.has(41_000 + i) || guest.segments().some(one => (one.flags & Flag.RST) !== 0)]).toEqual([i, true]);
    }
    flows[20]!.stream.events!.data(ascii("the rest"));
    expect(guest.segments().map(one => Buffer.from(one.payload).toString()).join("")).toContain("the rest");
    const { stream, send } = connected(guest, 44_000);
    send(1001, Flag.ACK | Flag.PSH, ascii("new"));
    guest.udp(OUT, 9, ascii("again"), 43_000);
    expect([stream.text, guest.datagrams.at(-1)!.sent.map(one => Buffer.from(one.bytes).toString())]).toEqual(["new", ["again"]]);
    const before = guest.records.length;
    guest.advance(60_000);
    expect(guest.records.length - before).toBeLessThan(500); // what is not acknowledged is sent again, slower and slower
  });
  test("E4: URG is plain data, with any pointer", () => {
    const guest = new NetGuest();
    const { stream, send } = connected(guest);
    send(1001, Flag.ACK | Flag.URG, ascii("ab"));
    send(1003, Flag.ACK | Flag.URG | Flag.PSH, ascii("cd"));
    expect(stream.text).toBe("abcd");
  });
  test("E4: out of order, overlapping and doubled segments come out once", () => {
    const guest = new NetGuest();
    const { stream, send } = connected(guest);
    send(1005, Flag.ACK, ascii("efgh"));
    send(1003, Flag.ACK, ascii("cdef"));
    send(1001, Flag.ACK, ascii("abcd"));
    send(1001, Flag.ACK, ascii("abcdefghij"));
    expect(stream.text).toBe("abcdefghij");
  });
  test("E4: a RST ends the connection only with the exact number; in the window it is challenged, outside dropped", () => {
    const guest = new NetGuest();
    const { stream, ours, send } = connected(guest);
    send(1001 + 100, Flag.RST);
    expect(guest.segments().map(one => [one.flags, one.ack])).toEqual([[Flag.ACK, 1001]]);
    send(1001 - 100, Flag.RST);
    expect(guest.segments()).toEqual([]);
    send(1001, Flag.SYN); // RFC 5961, 4.2
    expect(guest.segments().map(one => [one.flags, one.seq])).toEqual([[Flag.ACK, ours]]);
    expect(stream.wasReset).toBe(false);
    send(1001, Flag.RST);
    expect([stream.wasReset, guest.stack.flows.tcp]).toEqual([true, 0]);
  });
  test("E4: sequence numbers wrap, SYN with FIN is refused, an ACK to nothing gets RST", () => {
    const guest = new NetGuest();
    guest.tcp(OUT, 80, { seq: 0xffff_fffe, flags: Flag.SYN });
    guest.streams[0]!.events!.opened();
    const [synAck] = guest.segments();
    guest.tcp(OUT, 80, { seq: 0xffff_ffff, ack: synAck!.seq + 1, flags: Flag.ACK, payload: ascii("wrapped") });
    expect(guest.streams[0]!.text).toBe("wrapped");
    guest.take();
    guest.tcp(OUT, 81, { seq: 1, flags: Flag.SYN | Flag.FIN });
    guest.tcp(OUT, 82, { seq: 1, ack: 77, flags: Flag.ACK });
    expect(guest.segments().map(one => [one.flags & Flag.RST, one.seq])).toEqual([[Flag.RST, 0], [Flag.RST, 77]]);
  });
  /** A SYN whose header says it has `words` words, with options. */
  const syn = (words: number, options: readonly number[]): Uint8Array => {
    const body = new Uint8Array(20 + options.length);
    writeTcp(body, 40_000, 80, 1000, 0, Flag.SYN, 512);
    body[12] = words << 4;
    body.set(options, 20);
    return body;
  };
  test.each([0, 1, 4, 7, 15])("E4: a data offset of %d words is too short or too long: dropped", words => {
    const guest = new NetGuest();
    guest.ip("10.0.2.15", OUT, Protocol.tcp, syn(words, [1, 1, 1, 0]));
    expect([guest.segments(), guest.streams.length]).toEqual([[], 0]);
  });
  test.each([["of length 0", [2, 0, 5, 0xb4]], ["of length 1", [3, 1, 7, 0]], ["beyond the header", [2, 40, 5, 0xb4]], ["cut off", [1, 1, 1, 2]]])("E4: an option %s: dropped", (_, options) => {
    const guest = new NetGuest();
    guest.ip("10.0.2.15", OUT, Protocol.tcp, syn(6, options));
    expect([guest.segments(), guest.streams.length]).toEqual([[], 0]);
  });
  test("E4: options that nobody knows are stepped over", () => {
    const guest = new NetGuest();
    guest.ip("10.0.2.15", OUT, Protocol.tcp, syn(8, [254, 4, 1, 2, 1, 2, 4, 2, 0x18, 0, 0, 0]));
    guest.streams[0]!.events!.opened();
    expect(guest.segments().map(one => one.flags)).toEqual([Flag.SYN | Flag.ACK]);
  });
  test("E4: both ends close at the same time", () => {
    const guest = new NetGuest();
    const { stream, ours, send } = connected(guest);
    stream.events!.end();
    expect(guest.segments().map(one => [one.flags & Flag.FIN, one.seq])).toEqual([[Flag.FIN, ours]]);
    send(1001, Flag.ACK | Flag.FIN); // its FIN does not acknowledge ours: the two have crossed
    expect(guest.segments().map(one => one.ack)).toEqual([1002]);
    send(1002, Flag.ACK, undefined, ours + 1);
    guest.advance(120_000);
    expect([stream.finished, stream.wasReset, guest.stack.flows.tcp]).toEqual([true, false, 0]);
  });
  test("E4: a window of 0 for ever: probed ever more rarely, and others are not held up", () => {
    const guest = new NetGuest();
    const { stream, ours } = connected(guest);
    guest.tcp(OUT, 80, { seq: 1001, ack: ours, flags: Flag.ACK, window: 0 });
    stream.events!.data(new Uint8Array(10_000));
    const probes: number[] = [];
    for (let i = 0; i < 5; i++) {
      for (let s = 0; s < 60; s++) {
        guest.advance(1000);
        if (guest.segments().length > 0) guest.tcp(OUT, 80, { seq: 1001, ack: ours, flags: Flag.ACK, window: 0 }); // it lives
        else continue;
        probes[i] = (probes[i] ?? 0) + 1;
      }
    }
    expect(probes[0]).toBeGreaterThan(probes[4]!);
    expect(probes[4]).toBeGreaterThan(0);
    const other = connected(guest, 40_001);
    other.send(1001, Flag.ACK, ascii("on"));
    expect([other.stream.text, guest.stack.flows.tcp]).toEqual(["on", 2]);
    guest.take();
    guest.tcp(OUT, 80, { seq: 1001, ack: ours, flags: Flag.ACK, window: 512 }); // and when it reads at last
    expect(guest.segments().reduce((sum, one) => sum + one.payload.length, 0)).toBeGreaterThan(1000);
  });
  test("half-close: the guest's end reaches the host, and data still comes back", () => {
    const guest = new NetGuest();
    const { stream, send } = connected(guest);
    send(1001, Flag.ACK | Flag.FIN);
    expect(stream.finished).toBe(true);
    stream.events!.data(ascii("late"));
    stream.events!.end();
    const out = guest.segments();
    expect(out.map(one => Buffer.from(one.payload).toString()).join("")).toBe("late");
    const fin = out.find(one => (one.flags & Flag.FIN) !== 0)!;
    guest.tcp(OUT, 80, { seq: 1002, ack: fin.seq + 1, flags: Flag.ACK });
    expect(guest.stack.flows.tcp).toBe(0);
  });
  test("E5: a host that does not read closes the guest's window, and opens it again", () => {
    const guest = new NetGuest();
    const { stream, send } = connected(guest);
    stream.room = 0;
    let seq = 1001;
    for (let i = 0; i < 60; i++, seq += 1400) send(seq, Flag.ACK, new Uint8Array(1400));
    const last = guest.segments().at(-1)!;
    expect(last.window << 7).toBeLessThan(1400);
    stream.room = 1 << 30;
    stream.events!.writable();
    const opened = guest.segments().at(-1)!;
    expect([stream.written.length, opened.window << 7 > 60_000]).toEqual([(opened.ack - 1001) >>> 0, true]);
  });
  test("E5: a guest that does not read pauses the host, and its window of 0 is probed", () => {
    const guest = new NetGuest();
    const { stream, send } = connected(guest);
    send(1001, Flag.ACK, undefined);
    guest.tcp(OUT, 80, { seq: 1001, ack: 0x0707_0708, flags: Flag.ACK, window: 0 });
    for (let i = 0; i < 40; i++) stream.events!.data(new Uint8Array(65_536));
    expect(stream.paused).toBe(true);
    expect(guest.segments().filter(one => one.payload.length > 0)).toEqual([]);
    guest.advance(3000);
    const probes = guest.segments();
    expect(probes.length).toBeGreaterThan(0);
    expect(new Set(probes.map(one => one.payload.length))).toEqual(new Set([1]));
  });
  test("E5: a flood of SYN to places that never answer makes way for new connections", () => {
    const guest = new NetGuest();
    for (let i = 0; i < 100_000; i++) guest.tcp(OUT, 1 + (i & 0x3fff), { seq: 1, flags: Flag.SYN }, 1024 + (i >> 14));
    expect([guest.stack.flows.tcp, guest.streams.length]).toEqual([256, 256]);
    guest.advance(5000);
    guest.tcp("203.0.113.10", 80, { seq: 1, flags: Flag.SYN });
    guest.take();
    guest.streams.at(-1)!.events!.opened();
    expect(guest.segments().map(one => one.flags)).toEqual([Flag.SYN | Flag.ACK]);
  });
  test("E5: connections have a bound; the one that was quiet for longest makes way", () => {
    const guest = new NetGuest();
    for (let i = 0; i < 1024; i++) connected(guest, 2000 + i);
    guest.advance(4000);
    const { stream } = connected(guest, 5000);
    expect([guest.stack.flows.tcp, guest.streams[0]!.wasReset, stream.wasReset]).toEqual([1024, true, false]);
  });
  test("published: a stream from outside becomes a connection from the gateway", () => {
    const guest = new NetGuest();
    const stream = { written: "", write(from: Uint8Array) { this.written += Buffer.from(from).toString(); return from.length; }, finish() {}, pause() {}, resume() {}, wasReset: false, reset() { this.wasReset = true; } };
    const events = guest.stack.incoming(stream, 22)!;
    events.data(ascii("early"));
    const [syn] = guest.segments();
    expect([syn!.flags, syn!.to]).toEqual([Flag.SYN, 22]);
    guest.tcp("10.0.2.2", syn!.from, { seq: 500, ack: syn!.seq + 1, flags: Flag.SYN | Flag.ACK }, 22);
    expect(guest.segments().map(one => Buffer.from(one.payload).toString()).join("")).toBe("early");
    guest.tcp("10.0.2.2", syn!.from, { seq: 501, ack: syn!.seq + 6, flags: Flag.ACK, payload: ascii("SSH-2.0") }, 22);
    expect(stream.written).toBe("SSH-2.0");
  });
  test("E10: nobody listens in the guest: whoever came from outside gets a RST", () => {
    const guest = new NetGuest();
    const stream = { write: () => 0, finish() {}, pause() {}, resume() {}, wasReset: false, reset() { this.wasReset = true; } };
    guest.stack.incoming(stream, 22);
    const [syn] = guest.segments();
    guest.tcp("10.0.2.2", syn!.from, { seq: 0, ack: syn!.seq + 1, flags: Flag.RST | Flag.ACK }, 22);
    expect([stream.wasReset, guest.stack.flows.tcp]).toEqual([true, 0]);
  });
  test("a link without room loses nothing: what waits goes out when there is some", () => {
    const guest = new NetGuest();
    const { stream } = connected(guest);
    guest.room = 1;
    guest.offload = 1; // no large segments
    stream.events!.data(new Uint8Array(8000).fill(1));
    expect(guest.segments().length).toBe(1);
    guest.room = 100;
    guest.stack.resume();
    expect(guest.segments().reduce((sum, one) => sum + one.payload.length, 0)).toBe(8000 - 1460);
  });
});
