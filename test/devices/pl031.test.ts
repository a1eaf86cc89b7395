// test/devices/pl031.test.ts — PL031 with a clock that the test moves.
import { beforeEach, describe, expect, test } from "bun:test";
import { Pl031 } from "../../devices/pl031.ts";
import { CountedTrace, HandAlarm, HandClock, RecordedLine } from "./wires.ts";

const DR = 0x00, MR = 0x04, LR = 0x08, CR = 0x0c, IMSC = 0x10, RIS = 0x14, MIS = 0x18, ICR = 0x1c;
let irq: RecordedLine, clock: HandClock, alarm: HandAlarm, trace: CountedTrace, rtc: Pl031;
const r = (offset: number): number => rtc.read(offset, 4);
const w = (offset: number, value: number): void => rtc.write(offset, 4, value);
/** Lets time pass to the alarm and beyond. */
const wait = (seconds: number): void => { clock.advance(seconds); rtc.tick(); };

beforeEach(() => {
  irq = new RecordedLine(); clock = new HandClock(); alarm = new HandAlarm(); trace = new CountedTrace();
  rtc = new Pl031({ irq, clock, alarm, trace });
});

describe("PL031", () => {
  test("DR counts wall seconds", () => {
    expect(r(DR)).toBe(1_000_000);
    wait(5);
    expect(r(DR)).toBe(1_000_005);
  });
  test("LR sets the time, and DR goes on from there", () => {
    w(LR, 77);
    wait(3);
    expect([r(DR), r(LR)]).toEqual([80, 77]);
  });
  test("CR reads as one and cannot be cleared", () => {
    w(CR, 0);
    expect(r(CR)).toBe(1);
  });
  test("RIS is set when DR comes to MR, the line only with IMSC", () => {
    w(MR, 1_000_010);
    wait(9);
    expect(r(RIS)).toBe(0);
    wait(1);
    expect([r(RIS), r(MIS), irq.level]).toEqual([1, 0, false]);
    w(IMSC, 1);
    expect([r(MIS), irq.level]).toEqual([1, true]);
    w(ICR, 1);
    expect([r(RIS), irq.level]).toEqual([0, false]);
  });
  test("writing the present second to MR matches at once", () => {
    w(MR, 1_000_000);
    expect(r(RIS)).toBe(1);
  });
  test("a machine that woke late still sees the match", () => {
    w(MR, 1_000_010);
    wait(13);
    expect(r(RIS)).toBe(1);
  });
  test("a wall clock that is set back matches nothing", () => {
    w(MR, 1_000_010);
    wait(-50);
    expect(r(RIS)).toBe(0);
  });
  test("the alarm wakes the machine before the second of the match", () => {
    w(MR, 1_000_010);
    expect(alarm.due).toBe(9 * clock.frequency);
  });
  test("with nothing to match no alarm is set", () => {
    w(MR, 1_000_000);
    expect(alarm.due).toBeUndefined();
  });
  test("the time a guest set survives reset, the alarm does not", () => {
    w(LR, 500); w(MR, 900);
    rtc.reset();
    expect([r(DR), r(MR), alarm.due]).toEqual([500, 0, undefined]);
  });
  test("a snapshot restores into an equal chip", () => {
    w(LR, 500); w(MR, 900); w(IMSC, 1);
    const other = new Pl031({ irq, clock, alarm, trace });
    other.restore(rtc.snapshot());
    expect([other.read(DR, 4), other.snapshot()]).toEqual([500, rtc.snapshot()]);
  });
});
