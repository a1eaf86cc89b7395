// test/devices/virtio-vsock.test.ts — virtio-vsock and the host's end of it with a hostile driver: OASIS virtio 1.2, 5.10, and row
// B15 of the list of adversarial cases. The host's sockets are lists.
import { describe, expect, test } from "bun:test";
import { BUFFER, OP } from "../../src/vsock/host.ts";
import { Reg } from "../support/virtio-driver.ts";
import { CID, HostStream, VsockPair } from "../support/vsock-pair.ts";

const ops = (pair: VsockPair): number[] => pair.received().map(one => one.op);
/** A connection of the guest to port 1000 of the host. */
function connected(): { pair: VsockPair; stream: HostStream } {
  const pair = new VsockPair();
  pair.send(OP.REQUEST);
  const stream = pair.streams[0]!;
  stream.events!.opened();
  expect(ops(pair)).toEqual([OP.RESPONSE]);
  return { pair, stream };
}

describe("connections", () => {
  test("of the guest: request, answer, bytes both ways, the end", () => {
    const { pair, stream } = connected();
    pair.send(OP.RW, { bytes: 10 });
    stream.events!.data(new Uint8Array(20));
    expect([stream.got, pair.received()]).toEqual([10, [{ cid: 2, op: OP.RW, hostPort: 1000, guestPort: 7, length: 20, flags: 0, room: BUFFER, taken: 10 }]]);
    pair.send(OP.SHUTDOWN, { flags: 3 });
    expect([stream.finished, ops(pair), pair.host.connections]).toEqual([true, [OP.RST], 0]);
  });
  test("of the host: CONNECT, request, answer, OK", () => {
    const pair = new VsockPair(), stream = new HostStream(), events = pair.host.incoming(stream)!;
    events.data(new TextEncoder().encode("CONNECT 99\nhello"));
    const [request] = pair.received();
    expect([request?.op, request?.guestPort, stream.got]).toEqual([OP.REQUEST, 99, 0]);
    pair.send(OP.RESPONSE, { guestPort: 99, hostPort: request!.hostPort });
    expect([stream.got, pair.received().map(one => [one.op, one.length])]).toEqual([`OK ${request!.hostPort}\n`.length, [[OP.RW, 5]]]);
  });
  test.each(["hello\n", "CONNECT\n", "CONNECT -1\n", "CONNECT 4294967296\n", "CONNECT 1 2\n", "x".repeat(40), "\n"])("a host that says %j is cut off, and the guest hears nothing", words => {
    const pair = new VsockPair(), stream = new HostStream();
    pair.host.incoming(stream)!.data(new TextEncoder().encode(words));
    expect([stream.over, pair.received(), pair.host.connections]).toEqual([true, [], 0]);
  });
  test("nobody at the port: RST", () => {
    const pair = new VsockPair();
    pair.listening = false;
    pair.send(OP.REQUEST);
    expect([ops(pair), pair.host.connections]).toEqual([[OP.RST], 0]);
  });
});

describe("B15: a hostile guest", () => {
  test.each<[string, number, Parameters<VsockPair["send"]>[1]]>([
    ["for another guest", OP.REQUEST, { dst: 4 }], ["for CID 2^32-1", OP.RW, { dst: 0xffff_ffff, bytes: 8 }], ["of another type", OP.REQUEST, { type: 2 }],
    ["of no connection", OP.RW, { bytes: 8 }], ["that answers nobody", OP.RESPONSE, {}], ["that says less than it has", OP.RW, { bytes: 8, length: 4 }],
    ["that says more than it has", OP.RW, { bytes: 8, length: 0xffff_ffff }], ["of op 0", 0, {}], ["of op 65535", 65535, {}], ["that begins in the middle of its count", OP.REQUEST, { taken: 5 }],
  ])("a packet %s is answered with RST", (_, op, more) => {
    const pair = new VsockPair();
    pair.send(op, more);
    expect([ops(pair), pair.host.connections, pair.healthy]).toEqual([[OP.RST], 0, true]);
  });
  test.each<[string, number, Parameters<VsockPair["send"]>[1]]>([
    ["fwd_cnt ahead of what was sent", OP.CREDIT_UPDATE, { taken: 1 }], ["a request for what is there", OP.REQUEST, {}], ["a second answer", OP.RESPONSE, {}], ["op 9", 9, {}], ["another type", OP.RW, { type: 2, bytes: 1 }], ["bytes behind a request for credit", OP.CREDIT_REQUEST, { bytes: 3 }],
  ])("on a connection, %s ends it for both", (_, op, more) => {
    const { pair, stream } = connected();
    pair.send(op, more);
    expect([ops(pair), stream.over, pair.host.connections, pair.healthy]).toEqual([[OP.RST], true, 0, true]);
  });
  test("an RST is never answered, 10000 of them change nothing", () => {
    const { pair } = connected();
    for (let n = 0; n < 10_000; n++) pair.send(OP.RST, { guestPort: 8 + n, dst: n % 2 === 0 ? 2 : 9 });
    expect([pair.received(), pair.host.connections, pair.healthy]).toEqual([[], 1, true]);
  });
  test("a source that is not this guest is dropped and noted", () => {
    const pair = new VsockPair();
    for (const src of [0, 1, 2, 4, 0xffff_ffff]) pair.send(OP.REQUEST, { src });
    expect([pair.streams.length, pair.received(), pair.driver.trace.notes.length]).toEqual([0, [], 5]);
  });
  test("10000 connections: 1024 are had, the others get RST, and with the guest's driver they are all gone", () => {
    const pair = new VsockPair();
    for (let n = 0; n < 10_000; n++) pair.send(OP.REQUEST, { guestPort: n });
    expect([pair.host.connections, pair.streams.length, pair.counted.get("vsock: connection beyond the limit")]).toEqual([1024, 1024, 8976]);
    pair.driver.w(Reg.Status, 0);
    expect([pair.host.connections, pair.streams.filter(stream => !stream.over).length]).toEqual([0, 0]);
  });
  test("a guest that takes none of the answers: no more than 4096 wait, the rest is counted", () => {
    const pair = new VsockPair();
    for (let n = 0; n < 20_000; n++) pair.send(OP.RW, { guestPort: n, bytes: 1 });
    const dropped = pair.counted.get("vsock: packet to the guest dropped") ?? 0, got = pair.received().length;
    expect([got, dropped]).toEqual([20_000 - dropped, 20_000 - 4096 - 64]);
  });
  test("a host that does not read: what there was credit for waits, more is a lie", () => {
    const { pair, stream } = connected();
    stream.room = 0;
    for (let sent = 0; sent < BUFFER; sent += 512) pair.send(OP.RW, { bytes: 512 });
    expect([pair.host.connections, ops(pair)]).toEqual([1, []]);
    pair.send(OP.RW, { bytes: 1 });
    expect([ops(pair), pair.host.connections, stream.over]).toEqual([[OP.RST], 0, true]);
  });
  test("a guest without credit stops the host's sender, and room starts it again", () => {
    const { pair, stream } = connected();
    for (let n = 0; n < 40; n++) stream.events!.data(new Uint8Array(16 * 1024));
    const first = pair.received(), sum = first.reduce((bytes, one) => bytes + one.length, 0);
    expect([sum, first.at(-1)?.op, stream.paused]).toEqual([65536, OP.CREDIT_REQUEST, true]);
    pair.send(OP.CREDIT_UPDATE, { room: 0xffff_ffff, taken: 65536 });
    expect([pair.received().reduce((bytes, one) => bytes + one.length, 0), stream.paused]).toEqual([40 * 16 * 1024 - 65536, false]);
  });
  test("a packet without a whole header, or a receive buffer without room for one, needs a reset", () => {
    const short = new VsockPair(), small = new VsockPair(), tight = new VsockPair();
    short.tx.send(new Uint8Array(43));
    for (const [pair, length] of [[small, 43], [tight, 44]] as const) {
      pair.rx.room(length);
      pair.send(OP.CREDIT_UPDATE); // an RST waits
      pair.serve();
    }
    expect([short.healthy, small.healthy, tight.healthy, tight.driver.r(Reg.Config)]).toEqual([false, false, true, CID]);
  });
  test("a packet of more than 64 KiB is dropped and noted", () => {
    const { pair, stream } = connected();
    pair.tx.sendMemory(44 + 64 * 1024 + 1);
    expect([stream.got, pair.healthy, pair.driver.trace.notes.length]).toEqual([0, true, 1]);
  });
});
