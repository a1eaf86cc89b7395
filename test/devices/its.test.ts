// test/devices/its.test.ts — LPIs and the ITS as a kernel drives them, and as one that breaks every rule does. Each test names its
// place in IHI 0069. Two CPUs; one device (id 8) with 32 events, collections 0 and 1.
import { beforeEach, describe, expect, test } from "bun:test";
import { Gicv3 } from "../../devices/gic/gicv3.ts";
import { GITS_TRANSLATER, type Its } from "../../devices/gic/its.ts";
import { Random } from "../support/random.ts";
import { TestMemory } from "../support/virtio-driver.ts";
import { CountedTrace, HandAlarm, HandClock, RecordedLine } from "./wires.ts";

const CTLR = 0, TYPER = 8, CBASER = 0x80, CWRITER = 0x88, CREADR = 0x90, BASER0 = 0x100, BASER1 = 0x108, PIDR2 = 0xffe8;
const GICR_CTLR = 0, GICR_TYPER = 8, WAKER = 0x14, PROPBASER = 0x70, PENDBASER = 0x78, FRAMES = 0x2_0000, GICD_TYPER = 4;
const QUEUE = 0x4000_0000, DEVICES = 0x4001_0000, COLLECTIONS = 0x4002_0000, ITT = 0x4003_0000, PROPERTIES = 0x4004_0000, PENDING = 0x4010_0000;
const DEVICE = 8, EVENTS = 5 /* bits */, VALID = 0x8000_0000, SPURIOUS = 1023, PTZ = 1 << 30;

let gic: Gicv3, its: Its, memory: TestMemory, irq: RecordedLine[], trace: CountedTrace, alarm: HandAlarm, writer: number;
const w = (offset: number, value: number): void => its.write(offset, 4, value >>> 0);
const r = (offset: number): number => its.read(offset, 4);
const gicr = (cpu: number, offset: number, value: number): void => gic.redistributors.write(cpu * FRAMES + offset, 4, value >>> 0);
/** Four doublewords as halves, low first. */
function put(...words: number[]): void {
  for (let i = 0; i < 8; i++) memory.put32(QUEUE + writer + 4 * i, (words[i] ?? 0) >>> 0);
  writer = (writer + 32) % 4096;
}
const command = (...words: number[]): void => { put(...words); w(CWRITER, writer); };
const mapd = (device: number, valid = true, bits = EVENTS, at = ITT): void => command(0x08, device, bits - 1, 0, at, valid ? VALID : 0);
const mapc = (collection: number, cpu: number, valid = true): void => command(0x09, 0, 0, 0, collection | cpu << 16, valid ? VALID : 0);
const mapti = (event: number, id: number, collection = 0, device = DEVICE): void => command(0x0a, device, event, id, collection);
const mapi = (event: number, collection = 0): void => command(0x0b, DEVICE, event, 0, collection);
const int = (event: number): void => command(0x03, DEVICE, event);
const inv = (event: number): void => command(0x0c, DEVICE, event);
/** The configuration of an LPI: enabled, with a priority. */
const configure = (id: number, byte = 0xa1): void => { memory.bytes[PROPERTIES - memory.base + id - 8192] = byte; };
const acknowledge = (cpu = 0): number => gic.icc.read(cpu, "IAR1");
const levels = (): boolean[] => irq.map(line => line.level);
const noted = (what: string): number => trace.notes.filter(note => note.includes(what)).length;
function enableLpis(cpu: number, pend = PTZ): void {
  gicr(cpu, PROPBASER, PROPERTIES | 13);
  gicr(cpu, PENDBASER, PENDING + 0x1_0000 * cpu);
  gicr(cpu, PENDBASER + 4, pend);
  gicr(cpu, GICR_CTLR, 1);
}
function place(): void {
  w(BASER0, DEVICES | 7);
  w(BASER0 + 4, VALID);
  w(BASER1, COLLECTIONS | 0);
  w(BASER1 + 4, VALID);
  w(CBASER, QUEUE);
  w(CBASER + 4, VALID);
}

beforeEach(() => {
  [memory, trace, alarm, writer] = [new TestMemory(), new CountedTrace(), new HandAlarm(), 0];
  irq = [new RecordedLine(), new RecordedLine()];
  gic = new Gicv3({ cpus: 2, irq, fiq: [new RecordedLine(), new RecordedLine()], trace, messages: { memory, clock: new HandClock(), alarm } });
  its = gic.its as Its;
  gic.distributor.write(0, 4, 3);
  for (const cpu of [0, 1]) {
    gicr(cpu, WAKER, 0);
    gic.icc.write(cpu, "PMR", 0xf0, 0);
    gic.icc.write(cpu, "IGRPEN1", 1, 0);
    enableLpis(cpu);
  }
  place();
  w(CTLR, 1);
  mapd(DEVICE);
  mapc(0, 0);
  mapc(1, 1);
  configure(8192);
  configure(8200, 0x81);
});

describe("identification", () => {
  test("GICD_TYPER.LPIS, 14 bits of id; GICR_TYPER.PLPIS; GITS_TYPER: physical, 16 bits of devices and events, entries of 8 bytes", () => {
    expect([gic.distributor.read(GICD_TYPER, 4) >> 17 & 1, gic.distributor.read(GICD_TYPER, 4) >> 19 & 31, gic.redistributors.read(GICR_TYPER, 4) & 1]).toEqual([1, 13, 1]);
    expect([r(TYPER), r(TYPER + 4), r(PIDR2) >> 4]).toEqual([1 | 7 << 4 | 15 << 8 | 15 << 13, 0, 3]);
  });
  test("GITS_BASER: types and entry sizes are read-only, and so is Indirect; the other six are RAZ/WI", () => {
    w(CTLR, 0);
    for (let at = BASER0; at < BASER0 + 0x40; at += 4) w(at, 0xffff_ffff);
    expect([BASER0, BASER1, BASER1 + 8].map(at => [r(at), r(at + 4) & ~0x3800_ffff])).toEqual([[0xffff_ffff, 0x8107_0000 | 0], [0xffff_ffff, 0x8407_0000 | 0], [0, 0]]);
  });
  test("GITS_CTLR: quiescent while it is disabled", () => {
    expect(r(CTLR)).toBe(1);
    w(CTLR, 0);
    expect(r(CTLR)).toBe(VALID);
  });
  test("without messages there is none of it", () => {
    const plain = new Gicv3({ cpus: 1, irq, fiq: irq, trace });
    plain.redistributors.write(GICR_CTLR, 4, 1);
    plain.redistributors.write(PROPBASER, 4, 0xffff_ffff);
    expect([plain.its, plain.redistributors.read(GICR_CTLR, 4), plain.redistributors.read(PROPBASER, 4), plain.redistributors.read(GICR_TYPER, 4) & 1]).toEqual([undefined, 0, 0, 0]);
  });
});

describe("LPIs (5.1)", () => {
  test("a message makes its LPI pend at the collection's CPU; IAR1 gives its id; it has no active state", () => {
    mapti(3, 8192);
    its.translate(DEVICE, 3);
    expect(levels()).toEqual([true, false]);
    expect([gic.icc.read(0, "HPPIR1"), acknowledge(), levels()[0], gic.icc.read(0, "RPR")]).toEqual([8192, 8192, false, 0xa0]);
    its.translate(DEVICE, 3); // again while it runs: pends, and waits for its own end
    expect([levels()[0], gic.icc.read(0, "HPPIR1")]).toEqual([false, 8192]);
    gic.icc.write(0, "EOIR1", 8192, 0);
    expect([levels()[0], gic.icc.read(0, "RPR"), acknowledge()]).toEqual([true, 0xff, 8192]);
  });
  test("priorities among LPIs, SGIs and SPIs: the more urgent comes first, then the lower id", () => {
    configure(8193);
    mapti(0, 8192);
    mapti(1, 8200);
    mapti(2, 8193);
    [2, 0, 1].forEach(int);
    gic.redistributors.write(0x1_0000 + 0x80, 4, 0xffff_ffff);
    gic.redistributors.write(0x1_0000 + 0x400 + 5, 1, 0x90);
    gic.redistributors.write(0x1_0000 + 0x100, 4, 1 << 5);
    gic.redistributors.write(0x1_0000 + 0x200, 4, 1 << 5);
    const order: number[] = [];
    for (let id = acknowledge(); id !== SPURIOUS; id = acknowledge()) {
      order.push(id);
      gic.icc.write(0, "EOIR1", id, 0);
    }
    expect(order).toEqual([8200, 5, 8192, 8193]);
  });
  test("a configuration counts when INV or INVALL says so (5.3.6)", () => {
    configure(8192, 0xa0);
    mapti(0, 8192);
    int(0);
    expect(levels()[0]).toBe(false);
    configure(8192, 0xa1);
    expect(levels()[0]).toBe(false);
    inv(0);
    expect(levels()[0]).toBe(true);
    configure(8192, 0xa0);
    command(0x0d, 0, 0, 0, 0); // INVALL of collection 0
    expect(levels()[0]).toBe(false);
  });
  test("group 1 must be enabled, the mask must let it through, and the CPU must be awake", () => {
    mapti(0, 8192);
    int(0);
    gic.icc.write(0, "IGRPEN1", 0, 0);
    expect(levels()[0]).toBe(false);
    gic.icc.write(0, "IGRPEN1", 1, 0);
    gic.icc.write(0, "PMR", 0xa0, 0);
    expect(levels()[0]).toBe(false);
    gic.icc.write(0, "PMR", 0xf0, 0);
    gicr(0, WAKER, 2);
    expect(levels()[0]).toBe(false);
    gicr(0, WAKER, 0);
    expect(levels()[0]).toBe(true);
  });
  test("disabling writes the pending table, enabling without PTZ reads it (5.1.2); tables cannot move meanwhile", () => {
    mapti(0, 8192);
    mapti(1, 8200);
    int(0);
    int(1);
    gicr(0, PROPBASER, 0);
    expect(gic.redistributors.read(PROPBASER, 4)).toBe(PROPERTIES | 13);
    gicr(0, GICR_CTLR, 0);
    expect([levels()[0], memory.bytes[PENDING - memory.base + 1024], memory.bytes[PENDING - memory.base + 1025]]).toEqual([false, 1, 1]);
    int(0); // nobody keeps it
    enableLpis(0, 0);
    expect([acknowledge(), acknowledge()]).toEqual([8200, SPURIOUS]);
    gic.icc.write(0, "EOIR1", 8200, 0);
    expect(acknowledge()).toBe(8192);
    expect(gic.redistributors.read(PENDBASER + 4, 4)).toBe(0);
  });
  test("with PTZ the pending table is not looked at", () => {
    gicr(0, GICR_CTLR, 0);
    memory.bytes.fill(0xff, PENDING - memory.base, PENDING - memory.base + 2048);
    enableLpis(0);
    expect(levels()[0]).toBe(false);
  });
  test("PROPBASER.IDbits limits the ids: below 13 there is no LPI", () => {
    gicr(0, GICR_CTLR, 0);
    gicr(0, PROPBASER, PROPERTIES | 12);
    gicr(0, GICR_CTLR, 1);
    mapti(0, 8192);
    int(0);
    expect([levels()[0], noted("not in the CPU's tables")]).toEqual([false, 1]);
  });
});

describe("commands (5.3)", () => {
  test("MAPI: the event's id is the LPI's", () => {
    mapd(DEVICE, true, 14, 0x4006_0000);
    mapi(8200);
    int(8200);
    expect(acknowledge()).toBe(8200);
  });
  test("MOVI sends later events, and one that pends, to the other collection's CPU", () => {
    mapti(0, 8192);
    int(0);
    command(0x01, DEVICE, 0, 0, 1);
    expect(levels()).toEqual([false, true]);
    expect([acknowledge(0), acknowledge(1)]).toEqual([SPURIOUS, 8192]);
    gic.icc.write(1, "EOIR1", 8192, 0);
    int(0);
    expect(levels()).toEqual([false, true]);
  });
  test("MOVALL moves everything that pends", () => {
    mapti(0, 8192);
    mapti(1, 8200);
    int(0);
    int(1);
    command(0x0e, 0, 0, 0, 0 << 16, 0, 1 << 16, 0);
    expect([levels(), acknowledge(1)]).toEqual([[false, true], 8200]);
  });
  test("CLEAR takes the pending state; DISCARD the mapping too", () => {
    mapti(0, 8192);
    int(0);
    command(0x04, DEVICE, 0);
    expect(levels()[0]).toBe(false);
    int(0);
    command(0x0f, DEVICE, 0);
    expect(levels()[0]).toBe(false);
    int(0);
    expect([levels()[0], noted("the event is not mapped")]).toEqual([false, 1]);
  });
  test("MAPD and MAPC without V unmap", () => {
    mapti(0, 8192);
    mapc(0, 0, false);
    int(0);
    mapc(0, 1);
    int(0);
    expect(levels()).toEqual([false, true]);
    mapd(DEVICE, false);
    int(0);
    expect(noted("the event is not mapped")).toBe(2);
  });
  test("GITS_CREADR follows GITS_CWRITER around the queue's end, and waits while the ITS is disabled", () => {
    w(CTLR, 0);
    for (let n = 0; n < 120; n++) put(0x05);
    w(CWRITER, writer);
    const before = r(CREADR);
    w(CTLR, 1);
    expect([before, r(CREADR)]).toEqual([3 * 32, writer]);
    for (let n = 0; n < 100; n++) put(0x05);
    w(CWRITER, writer);
    expect(r(CREADR)).toBe(writer);
  });
  test("a long queue is done in batches", () => {
    w(CTLR, 0);
    w(CBASER, QUEUE | 15);
    w(CWRITER, 300 * 32);
    w(CTLR, 1);
    expect([r(CREADR), alarm.due]).toEqual([256 * 32, 0]);
    its.tick();
    expect(r(CREADR)).toBe(300 * 32);
  });
});

describe("drivers that break the rules", () => {
  test.each<[string, () => void, string]>([
    ["an unknown command", () => command(0x77), "unknown command"],
    ["a device beyond the table", () => mapd(0x1_0000), "MAPD"],
    ["a collection beyond the table", () => mapc(0xffff, 0), "MAPC"],
    ["a CPU that is not there", () => mapc(3, 2), "MAPC"],
    ["an LPI below 8192", () => mapti(0, 8191), "MAPTI: no such LPI"],
    ["an LPI beyond 14 bits", () => mapti(0, 0x4000), "MAPTI: no such LPI"],
    ["an event beyond the device's", () => mapti(32, 8192), "MAPTI: no such device or event"],
    ["a device that is not mapped", () => mapti(0, 8192, 0, 9), "MAPTI: no such device or event"],
    ["events of 32 bits", () => mapd(9, true, 32), "MAPD"],
    ["a table of events outside of memory", () => { mapd(9, true, 5, 0x1000); mapti(0, 8192, 0, 9); }, "a table is outside of memory"],
    ["MOVALL to a CPU that is not there", () => command(0x0e, 0, 0, 0, 0, 0, 9 << 16), "MOVALL"],
    ["INVALL of a collection that is not mapped", () => command(0x0d, 0, 0, 0, 7), "INVALL"],
    ["a message for an event that is not mapped", () => its.translate(DEVICE, 31), "the event is not mapped"],
    ["a message of a device with a wild number", () => its.translate(0xffff_ffff, 0xffff_ffff), "the event is not mapped"],
    ["a CPU's own write to GITS_TRANSLATER", () => w(GITS_TRANSLATER, 0), "a CPU has no device id"],
    ["a table moved while the ITS is enabled", () => w(BASER0, 0), "a table cannot be moved"],
    ["the queue moved while the ITS is enabled", () => w(CBASER, 0), "the command queue cannot be moved"],
    ["a queue outside of memory", () => { w(CTLR, 0); w(CBASER, 0x1000); w(CWRITER, 0); w(CTLR, 1); w(CWRITER, 32); }, "the command queue is outside of memory"],
  ])("%s is ignored and noted", (_, act, what) => {
    act();
    expect([noted(what), levels()]).toEqual([1, [false, false]]);
  });
  test("tables that the guest overwrites lead nowhere that is not there", () => {
    mapti(0, 8192);
    memory.put32(ITT, 0x0001_ffff); // an id beyond all
    int(0);
    memory.put32(ITT, 0xffff_2000); // a collection beyond the table
    int(0);
    memory.put32(ITT, 8192);
    memory.put32(COLLECTIONS, 77); // a CPU beyond all
    int(0);
    expect([noted("the event is not mapped"), levels()]).toEqual([3, [false, false]]);
  });
  test("CWRITER beyond the queue does nothing", () => {
    const at = r(CREADR);
    w(CWRITER, 0xf_ffe0);
    expect(r(CREADR)).toBe(at);
  });
  test("C1: any commands on any tables end, leave registers in range, and a snapshot restores into one that answers alike", () => {
    for (const seed of [1, 2, 3]) {
      const random = new Random(seed);
      const kinds = [1, 3, 4, 5, 8, 9, 0xa, 0xb, 0xc, 0xd, 0xe, 0xf, 0x55];
      for (let n = 0; n < 3000; n++) {
        const wild = random.below(8) === 0, small = (limit: number): number => (wild ? random.below(2 ** 32) : random.below(limit));
        put(kinds[random.below(kinds.length)] as number, small(10), small(33), 8190 + small(12), small(3) | small(3) << 16, random.below(2) * VALID, small(3) << 16, 0);
        if (random.below(16) === 0) memory.bytes[DEVICES - memory.base + random.below(0x1_4000)] = random.below(256);
        w(CWRITER, writer);
        its.translate(small(10), small(33));
        if (random.below(4) === 0) gic.icc.write(random.below(2), "EOIR1", acknowledge(random.below(2)), 0);
        if (random.below(200) === 0) gicr(random.below(2), GICR_CTLR, random.below(2));
      }
      its.tick();
      expect(r(CREADR)).toBe(writer);
      const state = [its.snapshot(), gic.lpis?.snapshot(), gic.icc.snapshot()] as const, best = [0, 1].map(cpu => gic.icc.read(cpu, "HPPIR1"));
      gic.lpis?.reset();
      its.restore(state[0]);
      gic.lpis?.restore(state[1] as NonNullable<typeof state[1]>);
      gic.icc.restore(state[2]);
      expect([0, 1].map(cpu => gic.icc.read(cpu, "HPPIR1"))).toEqual(best);
    }
  });
});
