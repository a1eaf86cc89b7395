// test/machine/serial.test.ts — what happens to bytes between the host and the guest's UART.
import { describe, expect, test } from "bun:test";
import type { Alarm } from "../../devices/device.ts";
import { Serial } from "../../src/machine/serial.ts";

const MS = 24_000;
const LISTENING = { cr: 0x301, imsc: 0x50 };

/** A serial line to a UART that takes `room` bytes, at a time that the test sets. */
function line() {
  const alarms: { due: number | undefined; readonly fire: () => void }[] = [];
  const world = {
    now: 0, room: 1000, uart: { cr: 0, imsc: 0, count: 0 }, taken: "", sent: [] as string[],
    /** Lets time pass in steps of a millisecond. */
    pass(ms: number) {
      for (let i = 0; i < ms; i++) {
        world.now += MS;
        for (const alarm of alarms) {
          if (alarm.due === undefined || alarm.due > world.now) continue;
          alarm.due = undefined;
          alarm.fire();
        }
      }
    },
  };
  const serial = new Serial({
    clock: { ticks: () => world.now, frequency: 24_000_000, wallSeconds: () => 0 },
    uart: {
      snapshot: () => world.uart as never,
      receive(byte) {
        if (world.room === 0) return false;
        world.room--;
        world.taken += String.fromCharCode(byte);
        return true;
      },
    },
    alarm(fire): Alarm {
      const alarm = { due: undefined as number | undefined, fire };
      alarms.push(alarm);
      return { set: due => { alarm.due = due; } };
    },
    send: bytes => world.sent.push(Buffer.from(bytes).toString("latin1")),
  });
  return { serial, world };
}
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe("what the guest sends", () => {
  test("is gathered for 2 ms", () => {
    const { serial, world } = line();
    for (const byte of bytes("abc")) serial.put(byte);
    world.pass(1);
    expect(world.sent).toEqual([]);
    world.pass(1);
    expect(world.sent).toEqual(["abc"]);
  });
  test("or until there are 1024 bytes, or until the guest is idle", () => {
    const { serial, world } = line();
    for (let i = 0; i < 1025; i++) serial.put(46);
    expect(world.sent).toEqual([".".repeat(1024)]);
    serial.idle();
    expect(world.sent[1]).toBe(".");
  });
});
describe("what is typed", () => {
  test("goes in at once, and on when there is room", () => {
    const { serial, world } = line();
    world.room = 2;
    serial.type(bytes("hello"));
    expect(world.taken).toBe("he");
    world.room = 10;
    serial.pump();
    expect([world.taken, serial.waiting]).toEqual(["hello", 0]);
  });
  test("is dropped and counted beyond 64 KiB that nobody reads", () => {
    const { serial, world } = line();
    world.room = 0;
    serial.type(new Uint8Array(70_000));
    expect([serial.waiting, serial.dropped]).toEqual([65_536, 4464]);
  });
});
describe("what is held", () => {
  test("waits until the guest has its receiver on", () => {
    const { serial, world } = line();
    serial.hold(bytes("a\n"));
    world.pass(5000);
    expect(world.taken).toBe("");
    Object.assign(world.uart, LISTENING);
    serial.idle();
    expect(world.taken).toBe("a\n");
  });
  test("goes in line by line, each when the guest was quiet for 50 ms", () => {
    const { serial, world } = line();
    Object.assign(world.uart, LISTENING);
    serial.hold(bytes("one\ntwo\n"));
    world.pass(60);
    serial.idle();
    expect(world.taken).toBe("one\n");
    world.pass(30);
    serial.put(46); // it answers
    world.pass(30);
    const again = serial.idle();
    expect([world.taken, again]).toEqual(["one\n", 140 * MS]);
    world.pass(20);
    serial.idle();
    expect(world.taken).toBe("one\ntwo\n");
  });
  test("waits while the guest has not read what it got", () => {
    const { serial, world } = line();
    Object.assign(world.uart, LISTENING, { count: 3 });
    serial.hold(bytes("x"));
    world.pass(5000);
    serial.idle();
    expect(world.taken).toBe("");
  });
  test("goes to a guest that polls the port, without interrupts and never idle", () => {
    const { serial, world } = line();
    Object.assign(world.uart, { cr: 0x301, imsc: 0 });
    serial.hold(bytes("x"));
    world.pass(80);
    expect(world.taken).toBe("x");
  });
  test("goes to a busy guest with interrupts after a second without a word", () => {
    const { serial, world } = line();
    Object.assign(world.uart, LISTENING);
    serial.hold(bytes("x"));
    world.pass(900);
    expect(world.taken).toBe("");
    world.pass(200);
    expect(world.taken).toBe("x");
  });
});
