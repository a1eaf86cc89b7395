// test/devices/pl061.test.ts — PL061: data through address masks, edges and levels.
import { beforeEach, describe, expect, test } from "bun:test";
import { Pl061 } from "../../devices/pl061.ts";
import { CountedTrace, RecordedLine } from "./wires.ts";

const ALL = 0x3fc, DIR = 0x400, IS = 0x404, IBE = 0x408, IEV = 0x40c, IE = 0x410, RIS = 0x414, MIS = 0x418, IC = 0x41c;
let irq: RecordedLine, outputs: string[], gpio: Pl061;
const r = (offset: number): number => gpio.read(offset, 4);
const w = (offset: number, value: number): void => gpio.write(offset, 4, value);
const make = (): Pl061 => new Pl061({ irq, trace: new CountedTrace(), output: (line, level) => outputs.push(`${line}=${level}`) });

beforeEach(() => { irq = new RecordedLine(); outputs = []; gpio = make(); });

describe("PL061", () => {
  test("the ids are part 0x061 of designer 0x41", () => {
    expect([0xfe0, 0xfe4, 0xfe8, 0xfec, 0xff0, 0xff4, 0xff8, 0xffc].map(r)).toEqual([0x61, 0x10, 0x04, 0, 0x0d, 0xf0, 0x05, 0xb1]);
  });
  test("address bits 9:2 choose the lines that a data access touches", () => {
    w(DIR, 0xff);
    w(0x0f << 2, 0xff);
    expect([r(ALL), r(0x03 << 2), r(0xf0 << 2)]).toEqual([0x0f, 0x03, 0]);
    expect(outputs).toContain("3=true");
  });
  test("an input line reads what the outside drives; the output latch stays behind", () => {
    gpio.setInput(5, true);
    w(ALL, 0);
    expect(r(ALL)).toBe(1 << 5);
  });
  test("a rising edge is latched and cleared by IC", () => {
    w(IEV, 8); w(IE, 8);
    gpio.setInput(3, true);
    gpio.setInput(3, false);
    expect([r(RIS), r(MIS), irq.level]).toEqual([8, 8, true]);
    w(IC, 8);
    expect([r(RIS), irq.level]).toEqual([0, false]);
  });
  test("with IEV clear the falling edge counts", () => {
    gpio.setInput(3, true);
    expect(r(RIS)).toBe(0);
    gpio.setInput(3, false);
    expect(r(RIS)).toBe(8);
  });
  test("IBE makes both edges count", () => {
    w(IBE, 8); w(IE, 8);
    gpio.setInput(3, true);
    w(IC, 8);
    gpio.setInput(3, false);
    expect(irq.level).toBe(true);
  });
  test("a level interrupt follows the line and ignores IC", () => {
    w(IS, 8); w(IEV, 0xff); w(IE, 8);
    gpio.setInput(3, true);
    w(IC, 8);
    expect(irq.level).toBe(true);
    gpio.setInput(3, false);
    expect(irq.level).toBe(false);
  });
  test("a snapshot restores into an equal chip", () => {
    w(DIR, 0xf0); w(ALL, 0xa0); w(IEV, 8); w(IE, 8);
    gpio.setInput(3, true);
    const other = make();
    other.restore(gpio.snapshot());
    expect([other.read(ALL, 4), other.read(MIS, 4)]).toEqual([0xa8, 8]);
  });
});
