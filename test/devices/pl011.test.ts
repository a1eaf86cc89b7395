// test/devices/pl011.test.ts — PL011 as a driver and a host see it.
import { beforeEach, describe, expect, test } from "bun:test";
import { Modem, Pl011 } from "../../devices/pl011.ts";
import { CountedTrace, HandAlarm, HandClock, RecordedBytes, RecordedLine } from "./wires.ts";

const DR = 0x00, RSR = 0x04, FR = 0x18, IBRD = 0x24, FBRD = 0x28, LCR_H = 0x2c, CR = 0x30, IFLS = 0x34, IMSC = 0x38;
const RIS = 0x3c, MIS = 0x40, ICR = 0x44;
const RXRIS = 1 << 4, TXRIS = 1 << 5, RTRIS = 1 << 6, BERIS = 1 << 9, OERIS = 1 << 10;
const RXFE = 1 << 4, TXFF = 1 << 5, RXFF = 1 << 6, TXFE = 1 << 7;
const ON = 0x301, LOOPBACK = 0x381, FEN = 0x70;

let irq: RecordedLine, sink: RecordedBytes, clock: HandClock, alarm: HandAlarm, trace: CountedTrace, room: number, uart: Pl011;
const r = (offset: number): number => uart.read(offset, 4);
const w = (offset: number, value: number): void => uart.write(offset, 4, value);
/** Enabled, 115200 baud, FIFOs on, and past the idle time that follows enabling. */
const enable = (lcrh = FEN, cr = ON): void => {
  w(IBRD, 13); w(FBRD, 1); w(LCR_H, lcrh); w(CR, cr);
  clock.advance(0.002);
  uart.tick();
};
const receive = (text: string): boolean[] => Array.from(text, c => uart.receive(c.charCodeAt(0)));

beforeEach(() => {
  irq = new RecordedLine(); sink = new RecordedBytes(); clock = new HandClock(); alarm = new HandAlarm(); trace = new CountedTrace();
  room = 0;
  uart = new Pl011({ irq, sink, clock, alarm, trace, onSpace: () => { room++; } });
});

describe("PL011 at reset", () => {
  test("CR has TXE and RXE set, IFLS is 0x12", () => expect([r(CR), r(IFLS)]).toEqual([0x300, 0x12]));
  test("FR says that both FIFOs are empty", () => expect(r(FR)).toBe(TXFE | RXFE));
  test("the ids are part 0x011 of designer 0x41, revision 1, and the PrimeCell id", () => {
    expect([0xfe0, 0xfe4, 0xfe8, 0xfec, 0xff0, 0xff4, 0xff8, 0xffc].map(r)).toEqual([0x11, 0x10, 0x14, 0, 0x0d, 0xf0, 0x05, 0xb1]);
  });
});

describe("PL011 transmission", () => {
  test("a character written to DR goes out, and the FIFO is empty again", () => {
    enable();
    w(DR, 0x48); w(DR, 0x69);
    expect(sink.text).toBe("Hi");
    expect(r(FR) & (TXFE | TXFF)).toBe(TXFE);
  });
  test("passing the trigger level sets TXRIS, and ICR clears it until the next character", () => {
    enable();
    w(DR, 0x41);
    expect(r(RIS) & TXRIS).toBe(TXRIS);
    w(ICR, TXRIS);
    expect(r(RIS) & TXRIS).toBe(0);
    w(DR, 0x42);
    expect(r(RIS) & TXRIS).toBe(TXRIS);
  });
  test("a masked interrupt shows in RIS only; unmasking it drives the line", () => {
    enable();
    w(DR, 0x41);
    expect([r(MIS), irq.level]).toEqual([0, false]);
    w(IMSC, TXRIS);
    expect([r(MIS), irq.level]).toEqual([TXRIS, true]);
  });
  test("an early console that never set UARTEN is still heard", () => {
    w(DR, 0x21);
    expect(sink.text).toBe("!");
    expect(trace.notes).toEqual(["pl011: transmit while disabled"]);
  });
  test("a byte-wide write sends the same character", () => {
    uart.write(DR, 1, 0x7e);
    expect(sink.text).toBe("~");
  });
});

describe("PL011 reception", () => {
  test("nothing is taken before the receiver is enabled; then the host hears of room", () => {
    expect(uart.receive(0x41)).toBe(false);
    enable();
    expect(room).toBe(1);
    expect(uart.receive(0x41)).toBe(true);
  });
  test("the line stays idle just after the port is enabled, while a driver empties the FIFO of noise", () => {
    w(LCR_H, FEN); w(CR, ON);
    expect(uart.receive(0x41)).toBe(false);
  });
  test("characters come out in order", () => {
    enable();
    receive("abc");
    expect([r(DR), r(DR), r(DR)]).toEqual([0x61, 0x62, 0x63]);
    expect(r(FR) & RXFE).toBe(RXFE);
  });
  test("sixteen characters fill the FIFO; the seventeenth stays with the host", () => {
    enable();
    expect(receive("0123456789abcdefX")).toEqual([...Array<boolean>(16).fill(true), false]);
    expect(r(FR) & RXFF).toBe(RXFF);
    r(DR);
    expect(room).toBe(1);
    expect(r(RIS) & OERIS).toBe(0);
  });
  test("with FEN clear one character fills the holding register and sets RXRIS", () => {
    enable(0x60);
    expect(receive("ab")).toEqual([true, false]);
    expect(r(RIS) & RXRIS).toBe(RXRIS);
    r(DR);
    expect(r(RIS) & RXRIS).toBe(0);
  });
  test("RXRIS is set when the FIFO comes to the trigger level, cleared when it falls below", () => {
    enable();
    receive("1234567");
    expect(r(RIS) & RXRIS).toBe(0);
    receive("8");
    expect(r(RIS) & RXRIS).toBe(RXRIS);
    r(DR);
    expect(r(RIS) & RXRIS).toBe(0);
  });
  test("RXIFLSEL 0 triggers at two characters", () => {
    enable();
    w(IFLS, 0);
    receive("12");
    expect(r(RIS) & RXRIS).toBe(RXRIS);
  });
  test("RTRIS is set 32 bit times after the last character, cleared when the FIFO is empty", () => {
    enable();
    w(IMSC, RTRIS);
    receive("a");
    expect(alarm.due! - clock.now).toBe(6664); // 32 bits at the nearest divisor to 115200 baud: 278 us
    uart.tick();
    expect(irq.level).toBe(false);
    clock.now = alarm.due!;
    uart.tick();
    expect([r(RIS) & RTRIS, irq.level]).toEqual([RTRIS, true]);
    r(DR);
    expect([r(RIS) & RTRIS, irq.level]).toEqual([0, false]);
  });
  test("clearing RTIC leaves the character to be read", () => {
    enable();
    receive("a");
    clock.now = alarm.due!;
    uart.tick();
    w(ICR, RTRIS);
    expect([r(RIS), r(DR)]).toEqual([0, 0x61]);
  });
  test("a break is a zero character with BE, and sets BERIS", () => {
    enable();
    uart.receiveBreak();
    expect(r(RIS) & BERIS).toBe(BERIS);
    expect(r(DR)).toBe(1 << 10);
    expect(r(RSR)).toBe(1 << 2);
    w(RSR, 0);
    expect(r(RSR)).toBe(0);
  });
});

describe("PL011 loopback and modem", () => {
  test("LBE feeds transmitted characters back", () => {
    enable(FEN, LOOPBACK);
    w(DR, 0x55);
    expect(r(DR)).toBe(0x55);
  });
  test("overrun: the FIFO keeps what it has, OE shows in DR and RSR, and goes once there is room", () => {
    enable(0x60, LOOPBACK);
    w(DR, 0x31); w(DR, 0x32);
    expect(r(RIS) & OERIS).toBe(OERIS);
    expect(r(DR)).toBe(0x31 | (1 << 11));
    expect(r(RSR)).toBe(1 << 3);
    w(DR, 0x33);
    expect(r(DR)).toBe(0x33);
  });
  test("LBE feeds RTS, DTR, Out1 and Out2 to CTS, DSR, DCD and RI", () => {
    enable(FEN, LOOPBACK | 0x3c00);
    expect(r(FR) & 0x107).toBe(0x107);
    expect(r(RIS) & 0xf).toBe(0xf);
  });
  test("a modem input that changes sets its interrupt", () => {
    enable();
    w(IMSC, 1 << 1);
    uart.setModem(Modem.CTS);
    expect([r(FR) & 7, irq.level]).toEqual([1, true]);
    w(ICR, 1 << 1);
    expect(irq.level).toBe(false);
  });
});

describe("PL011 state", () => {
  test("a snapshot carries the FIFO, the masks and the timeout to another chip", () => {
    enable();
    w(IMSC, 0x50);
    receive("xyz");
    const other = new Pl011({ irq, sink, clock, alarm: new HandAlarm(), trace, onSpace: () => {} });
    other.restore(uart.snapshot());
    expect(other.snapshot()).toEqual(uart.snapshot());
    expect([other.read(IMSC, 4), other.read(DR, 4)]).toEqual([0x50, 0x78]);
    expect(r(DR)).toBe(0x78);
  });
  test("reset lowers the line and empties the FIFO", () => {
    enable();
    w(IMSC, TXRIS); w(DR, 0x41);
    uart.reset();
    expect([irq.level, r(FR), r(CR)]).toEqual([false, TXFE | RXFE, 0x300]);
  });
});
