// test/devices/gicv2.test.ts — GICv2 as a kernel drives it, with two CPUs unless said otherwise.
import { beforeEach, describe, expect, test } from "bun:test";
import { Gicv2 } from "../../devices/gic/gicv2.ts";
import { CountedTrace, RecordedLine } from "./wires.ts";

// Distributor, then CPU interface.
const CTLR = 0x000, TYPER = 0x004, IGROUPR = 0x080, ISENABLER = 0x100, ICENABLER = 0x180, ISPENDR = 0x200, ICPENDR = 0x280;
const ISACTIVER = 0x300, IPRIORITYR = 0x400, ITARGETSR = 0x800, ICFGR = 0xc00, SGIR = 0xf00, CPENDSGIR = 0xf10, SPENDSGIR = 0xf20;
const PMR = 0x04, BPR = 0x08, IAR = 0x0c, EOIR = 0x10, RPR = 0x14, HPPIR = 0x18, ABPR = 0x1c, AIAR = 0x20, APR = 0xd0, IIDR = 0xfc, DIR = 0x1000;
const SPURIOUS = 1023, IDLE = 0xff;

let cpu: number, irq: RecordedLine[], fiq: RecordedLine[], gic: Gicv2;
const make = (cpus: number): void => {
  cpu = 0;
  irq = Array.from({ length: cpus }, () => new RecordedLine());
  fiq = Array.from({ length: cpus }, () => new RecordedLine());
  gic = new Gicv2({ cpus, accessor: () => cpu, irq, fiq, trace: new CountedTrace() });
  gic.distributor.write(CTLR, 4, 1);
  each(() => { c(0, 1); c(PMR, 0xf0); });
};
/** On every CPU in turn, then back on CPU 0. */
const each = (body: () => void): void => {
  for (cpu = 0; cpu < irq.length; cpu++) body();
  cpu = 0;
};
const as = (index: number): void => { cpu = index; };
const d = (offset: number, value: number, size = 4): void => gic.distributor.write(offset, size, value);
const dr = (offset: number, size = 4): number => gic.distributor.read(offset, size);
const c = (offset: number, value: number): void => gic.cpuInterface.write(offset, 4, value);
const cr = (offset: number): number => gic.cpuInterface.read(offset, 4);
const enable = (id: number, priority = 0xa0, target = 1): void => {
  d(IPRIORITYR + id, priority, 1);
  d(ITARGETSR + id, target, 1);
  d(ISENABLER + (id >> 5) * 4, 1 << (id & 31));
};
const edge = (id: number): void => d(ICFGR + (id >> 4) * 4, dr(ICFGR + (id >> 4) * 4) | (2 << ((id & 15) * 2)));
const levels = (): boolean[] => irq.map(line => line.level);

beforeEach(() => make(2));

describe("GICv2 identification", () => {
  test("TYPER counts 288 interrupts and the CPUs", () => expect(dr(TYPER)).toBe(8 | (1 << 5)));
  test("PIDR2 names architecture 2, and the CPU interface version 2", () => {
    expect([dr(0xfe8) >> 4, (cr(IIDR) >> 16) & 0xf]).toEqual([2, 2]);
  });
  test("ITARGETSR0..7 read as the accessing CPU", () => {
    expect(dr(ITARGETSR)).toBe(0x01010101);
    as(1);
    expect(dr(ITARGETSR + 28)).toBe(0x02020202);
  });
  test("ITARGETSR holds only bits of existing CPUs", () => {
    d(ITARGETSR + 40, 0xffffffff);
    expect(dr(ITARGETSR + 40)).toBe(0x03030303);
  });
  test("on a uniprocessor ITARGETSR is RAZ/WI and every SPI reaches CPU 0", () => {
    make(1);
    enable(40, 0xa0, 0);
    expect([dr(ITARGETSR), dr(ITARGETSR + 40)]).toEqual([0, 0]);
    gic.spi(8).set(true);
    expect(levels()).toEqual([true]);
  });
  test("registers past the last interrupt are RAZ/WI", () => {
    d(ISENABLER + 36, 0xffffffff); d(IPRIORITYR + 288, 0xffffffff); d(ICFGR + 72, 0xffffffff); d(ITARGETSR + 288, 0xffffffff);
    expect([dr(ISENABLER + 36), dr(IPRIORITYR + 288), dr(ICFGR + 72), dr(ITARGETSR + 288)]).toEqual([0, 0, 0, 0]);
  });
  test("SGIs are always enabled and edge-triggered", () => {
    d(ICENABLER, 0xffffffff); d(ICFGR, 0);
    expect([dr(ISENABLER), dr(ICFGR)]).toEqual([0xffff, 0xaaaaaaaa]);
  });
});

describe("GICv2 sub-word accesses", () => {
  test("a byte of IPRIORITYR is one interrupt's priority", () => {
    d(IPRIORITYR + 41, 0x5a, 1);
    expect([dr(IPRIORITYR + 40), dr(IPRIORITYR + 41, 1), dr(IPRIORITYR + 40, 2)]).toEqual([0x5a00, 0x5a, 0x5a00]);
  });
  test("a byte written to ISENABLER sets those eight bits only", () => {
    d(ISENABLER + 5, 0x81, 1);
    expect([dr(ISENABLER + 4), dr(ISENABLER + 5, 1)]).toEqual([0x8100, 0x81]);
  });
  test("word 0 of the banked registers belongs to each CPU", () => {
    d(ISENABLER, 1 << 27);
    as(1);
    expect(dr(ISENABLER)).toBe(0xffff);
  });
});

describe("GICv2 life of an interrupt", () => {
  test("level-sensitive: pends while the input is high, goes away with it", () => {
    enable(33);
    gic.spi(1).set(true);
    expect([levels(), dr(ISPENDR + 4)]).toEqual([[true, false], 2]);
    gic.spi(1).set(false);
    expect([levels(), cr(IAR)]).toEqual([[false, false], SPURIOUS]);
  });
  test("level-sensitive: acknowledge makes it active; after the end it comes again while the input is high", () => {
    enable(33);
    gic.spi(1).set(true);
    expect(cr(IAR)).toBe(33);
    expect([levels()[0], dr(ISACTIVER + 4), cr(RPR)]).toEqual([false, 2, 0xa0]);
    c(EOIR, 33);
    expect([levels()[0], dr(ISACTIVER + 4), cr(RPR)]).toEqual([true, 0, IDLE]);
  });
  test("edge-triggered: the edge is remembered, once", () => {
    edge(33); enable(33);
    gic.spi(1).set(true);
    gic.spi(1).set(false);
    expect(cr(IAR)).toBe(33);
    c(EOIR, 33);
    expect(cr(IAR)).toBe(SPURIOUS);
  });
  test("edge-triggered: an edge while active pends again", () => {
    edge(33); enable(33);
    gic.spi(1).set(true);
    cr(IAR);
    gic.spi(1).set(false);
    gic.spi(1).set(true);
    expect(levels()[0]).toBe(false);
    c(EOIR, 33);
    expect(levels()[0]).toBe(true);
  });
  test("ISPENDR makes any interrupt pend, ICPENDR takes it back, but not from a high level", () => {
    enable(33); enable(34);
    d(ISPENDR + 4, 6);
    gic.spi(2).set(true);
    d(ICPENDR + 4, 6);
    expect(dr(ISPENDR + 4)).toBe(4);
  });
  test("a PPI reaches its own CPU only", () => {
    as(1);
    d(ISENABLER, 1 << 27);
    gic.ppi(0, 11).set(true);
    expect(levels()).toEqual([false, false]);
    gic.ppi(1, 11).set(true);
    expect(levels()).toEqual([false, true]);
    expect(cr(IAR)).toBe(27);
  });
  test("ITARGETSR moves an SPI to another CPU", () => {
    enable(33);
    gic.spi(1).set(true);
    d(ITARGETSR + 33, 2, 1);
    expect(levels()).toEqual([false, true]);
  });
  test("an SPI sent to two CPUs is taken by one", () => {
    enable(33, 0xa0, 3);
    gic.spi(1).set(true);
    expect(levels()).toEqual([true, true]);
    expect(cr(IAR)).toBe(33);
    as(1);
    expect([levels(), cr(IAR)]).toEqual([[false, false], SPURIOUS]);
  });
  test("a disabled distributor, interface or interrupt signals nothing", () => {
    enable(33);
    gic.spi(1).set(true);
    d(CTLR, 0);
    expect(levels()[0]).toBe(false);
    d(CTLR, 1); c(0, 0);
    expect(levels()[0]).toBe(false);
    c(0, 1); d(ICENABLER + 4, 2);
    expect(levels()[0]).toBe(false);
  });
  test("reading IAR does not acknowledge what HPPIR only shows", () => {
    enable(33);
    gic.spi(1).set(true);
    expect([cr(HPPIR), dr(ISACTIVER + 4)]).toEqual([33, 0]);
  });
});

describe("GICv2 software-generated interrupts", () => {
  test("IAR names the source CPU", () => {
    as(1);
    d(SGIR, (1 << 16) | 5);
    as(0);
    expect([levels(), cr(IAR)]).toEqual([[true, false], 5 | (1 << 10)]);
  });
  test("the same SGI from two CPUs is taken twice", () => {
    d(SGIR, (1 << 16) | 5);
    as(1);
    d(SGIR, (1 << 16) | 5);
    as(0);
    expect(cr(IAR)).toBe(5);
    c(EOIR, 5);
    expect(cr(IAR)).toBe(5 | (1 << 10));
    c(EOIR, 5 | (1 << 10));
    expect(cr(IAR)).toBe(SPURIOUS);
  });
  test("filter 1 sends to all others, filter 2 to itself", () => {
    d(SGIR, (1 << 24) | 1);
    expect(levels()).toEqual([false, true]);
    d(SGIR, (2 << 24) | 2);
    expect(levels()).toEqual([true, true]);
  });
  test("an SGI to a CPU that does not exist goes nowhere", () => {
    d(SGIR, (0xfc << 16) | 3);
    expect(levels()).toEqual([false, false]);
  });
  test("SPENDSGIR and CPENDSGIR set and clear pending state per source", () => {
    d(SPENDSGIR + 4, 0x0300, 4);
    expect([dr(SPENDSGIR + 4), dr(ISPENDR)]).toEqual([0x0300, 1 << 5]);
    d(CPENDSGIR + 5, 1, 1);
    expect(cr(IAR)).toBe(5 | (1 << 10));
  });
});

describe("GICv2 priorities", () => {
  test("the lowest value goes first, then the lowest id", () => {
    enable(40, 0x80); enable(41, 0x40); enable(42, 0x40);
    d(ISPENDR + 4, 0x700);
    expect([cr(IAR), cr(HPPIR)]).toEqual([41, 42]);
  });
  test("PMR masks interrupts of its own value and above", () => {
    enable(40, 0x80);
    d(ISPENDR + 4, 0x100);
    c(PMR, 0x80);
    expect([levels()[0], cr(IAR)]).toEqual([false, SPURIOUS]);
    c(PMR, 0x81);
    expect([levels()[0], cr(IAR)]).toEqual([true, 40]);
  });
  test("priority 0xff is never signalled", () => {
    enable(40, 0xff);
    c(PMR, 0xff);
    d(ISPENDR + 4, 0x100);
    expect(levels()[0]).toBe(false);
  });
  test("only a more urgent group priority preempts", () => {
    enable(40, 0x80); enable(41, 0x80); enable(42, 0x7e);
    d(ISPENDR + 4, 0x100);
    cr(IAR);
    d(ISPENDR + 4, 0x200);
    expect(levels()[0]).toBe(false);
    d(ISPENDR + 4, 0x400);
    expect([cr(IAR), cr(RPR)]).toEqual([42, 0x7e]);
  });
  test("BPR 3 compares only bits 7:4", () => {
    c(BPR, 3);
    enable(40, 0x88); enable(41, 0x81); enable(42, 0x70);
    d(ISPENDR + 4, 0x100);
    cr(IAR);
    d(ISPENDR + 4, 0x200);
    expect([levels()[0], cr(RPR)]).toEqual([false, 0x80]);
    d(ISPENDR + 4, 0x400);
    expect(levels()[0]).toBe(true);
  });
  test("nested preemption sixteen deep unwinds in order", () => {
    const ids = Array.from({ length: 16 }, (_, n) => 64 + n);
    ids.forEach(id => enable(id, 0xe0 - (id - 64) * 8));
    const taken = ids.map(id => { d(ISPENDR + 8, 1 << (id - 64)); return cr(IAR); });
    expect(taken).toEqual(ids);
    expect(cr(RPR)).toBe(0x68);
    ids.toReversed().forEach(id => c(EOIR, id));
    expect([cr(RPR), dr(ISACTIVER + 8)]).toEqual([IDLE, 0]);
  });
  test("ends out of order drop the most urgent priority first, and deactivate what they name", () => {
    enable(40, 0x80); enable(41, 0x40);
    d(ISPENDR + 4, 0x100); cr(IAR);
    d(ISPENDR + 4, 0x200); cr(IAR);
    c(EOIR, 40);
    expect([cr(RPR), dr(ISACTIVER + 4)]).toEqual([0x80, 0x200]);
    c(EOIR, 41);
    expect([cr(RPR), dr(ISACTIVER + 4)]).toEqual([IDLE, 0]);
  });
  test("an end without an acknowledge, or of 1023, changes nothing", () => {
    enable(40, 0x80);
    d(ISPENDR + 4, 0x100); cr(IAR);
    c(EOIR, 41); c(EOIR, SPURIOUS);
    expect([cr(RPR), dr(ISACTIVER + 4)]).toEqual([0x80, 0x100]);
  });
  test("EOImode: EOIR drops the priority, DIR deactivates", () => {
    c(0, 1 | (1 << 9));
    enable(40, 0x80);
    gic.spi(8).set(true);
    cr(IAR); c(EOIR, 40);
    expect([cr(RPR), dr(ISACTIVER + 4), levels()[0]]).toEqual([IDLE, 0x100, false]);
    c(DIR, 40);
    expect([dr(ISACTIVER + 4), levels()[0]]).toEqual([0, true]);
  });
  test("APR shows the active priorities", () => {
    enable(40, 0x44);
    d(ISPENDR + 4, 0x100); cr(IAR);
    expect([cr(APR), cr(APR + 4)]).toEqual([0, 1 << 2]);
  });
});

describe("GICv2 groups", () => {
  beforeEach(() => {
    d(CTLR, 3); c(0, 3);
    enable(40, 0x80);
    d(IGROUPR + 4, 0x100);
    d(ISPENDR + 4, 0x100);
  });
  test("IAR answers 1022 for a group 1 interrupt, AIAR takes it", () => {
    expect([cr(IAR), cr(AIAR)]).toEqual([1022, 40]);
  });
  test("with AckCtl IAR takes it too", () => {
    c(0, 7);
    expect(cr(IAR)).toBe(40);
  });
  test("with FIQEn group 0 is signalled as FIQ, group 1 as IRQ", () => {
    c(0, 0xb);
    expect([levels()[0], fiq[0]!.level]).toEqual([true, false]);
    d(IGROUPR + 4, 0);
    expect([levels()[0], fiq[0]!.level]).toEqual([false, true]);
  });
  test("ABPR is at least 1", () => {
    c(ABPR, 0);
    expect(cr(ABPR)).toBe(1);
  });
});

describe("GICv2 state", () => {
  test("a snapshot carries everything to another controller, whose lines follow on refresh", () => {
    enable(33); enable(40, 0x40, 2);
    gic.spi(1).set(true);
    d(ISPENDR + 4, 0x100);
    const state = [gic.distributor.snapshot(), gic.cpuInterface.snapshot()] as const;
    make(2);
    gic.distributor.restore(state[0]);
    gic.cpuInterface.restore(state[1]);
    gic.refresh();
    expect(levels()).toEqual([true, true]);
    expect([gic.distributor.snapshot(), gic.cpuInterface.snapshot()]).toEqual([state[0], state[1]]);
    expect(cr(IAR)).toBe(33);
  });
  test("reset lowers every line, and keeps the levels that the outside drives", () => {
    enable(33);
    gic.spi(1).set(true);
    gic.reset();
    expect([levels(), dr(ISPENDR + 4)]).toEqual([[false, false], 2]);
  });
});
