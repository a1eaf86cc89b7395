// test/devices/gicv3.test.ts — GICv3 as a kernel drives it, each rule named by its place in IHI 0069; two CPUs unless said otherwise.
import { beforeEach, describe, expect, test } from "bun:test";
import { Gicv3 } from "../../devices/gic/gicv3.ts";
import type { IccRegister } from "../../devices/gic/icc.ts";
import { CountedTrace, RecordedLine } from "./wires.ts";

// Distributor, and the SGI frame of a Redistributor.
const CTLR = 0x0000, TYPER = 0x0004, IGROUPR = 0x080, ISENABLER = 0x100, ICENABLER = 0x180, ISPENDR = 0x200, ICPENDR = 0x280;
const ISACTIVER = 0x300, ICACTIVER = 0x380, IPRIORITYR = 0x400, ITARGETSR = 0x800, ICFGR = 0xc00, SGIR = 0xf00, IROUTER = 0x6000, PIDR2 = 0xffe8;
const FRAMES = 0x2_0000, SGI = 0x1_0000, GICR_TYPER = 0x08, WAKER = 0x14;
const SPURIOUS = 1023, IDLE = 0xff;

let irq: RecordedLine[], fiq: RecordedLine[], gic: Gicv3;
const d = (offset: number, value: number, size = 4): void => gic.distributor.write(offset, size, value);
const dr = (offset: number, size = 4): number => gic.distributor.read(offset, size);
const r = (cpu: number, offset: number, value: number, size = 4): void => gic.redistributors.write(cpu * FRAMES + offset, size, value);
const rr = (cpu: number, offset: number, size = 4): number => gic.redistributors.read(cpu * FRAMES + offset, size);
const w = (cpu: number, register: IccRegister, lo: number, hi = 0): void => gic.icc.write(cpu, register, lo, hi);
const get = (cpu: number, register: IccRegister): number => gic.icc.read(cpu, register);
/** As a kernel leaves it: everything in group 1, own interrupts enabled, nobody asleep. */
const make = (cpus: number): void => {
  irq = Array.from({ length: cpus }, () => new RecordedLine());
  fiq = Array.from({ length: cpus }, () => new RecordedLine());
  gic = new Gicv3({ cpus, irq, fiq, trace: new CountedTrace() });
  d(CTLR, 3);
  for (let word = 1; word <= 8; word++) d(IGROUPR + 4 * word, 0xffff_ffff);
  for (let cpu = 0; cpu < cpus; cpu++) {
    r(cpu, WAKER, 0); r(cpu, SGI + IGROUPR, 0xffff_ffff); r(cpu, SGI + ISENABLER, 0xffff_ffff);
    for (let id = 0; id < 32; id++) r(cpu, SGI + IPRIORITYR + id, 0xa0, 1);
    w(cpu, "PMR", 0xf0); w(cpu, "IGRPEN1", 1);
  }
};
const enable = (id: number, priority = 0xa0, affinity = 0): void => {
  d(IPRIORITYR + id, priority, 1);
  d(IROUTER + 8 * id, affinity);
  d(ISENABLER + (id >> 5) * 4, 1 << (id & 31));
};
const pend = (id: number): void => d(ISPENDR + (id >> 5) * 4, 1 << (id & 31));
const group = (id: number, to: 0 | 1): void => d(IGROUPR + (id >> 5) * 4, to === 1 ? dr(IGROUPR + (id >> 5) * 4) | (1 << (id & 31)) : dr(IGROUPR + (id >> 5) * 4) & ~(1 << (id & 31)));
const levels = (): boolean[] => irq.map(line => line.level);

beforeEach(() => make(2));

describe("GICv3 identification (12.9, 12.10)", () => {
  test("GICD_TYPER: 288 ids in 10 bits, affinity 3, no 1 of N, no LPIs", () => expect(dr(TYPER)).toBe(8 | (9 << 19) | (1 << 24) | (1 << 25)));
  test("PIDR2 of every frame names architecture 3", () => {
    expect([dr(PIDR2), rr(0, PIDR2), rr(1, PIDR2), rr(1, SGI + PIDR2)].map(value => value >> 4)).toEqual([3, 3, 3, 3]);
  });
  test("GICD_CTLR: ARE and DS are RAO/WI", () => {
    d(CTLR, 0);
    expect(dr(CTLR)).toBe(0x50);
    d(CTLR, 0xffff_ffff);
    expect(dr(CTLR)).toBe(0x53);
  });
  test("GICR_TYPER: affinity, processor number, Last on the last", () => {
    make(18);
    expect([0, 15, 16, 17].map(cpu => [rr(cpu, GICR_TYPER), rr(cpu, GICR_TYPER + 4)])).toEqual([[0, 0], [15 << 8, 15], [16 << 8, 0x100], [(17 << 8) | 16, 0x101]]);
  });
  test("GICR_WAKER: awake after a reset, as trusted firmware leaves it", () => {
    gic.reset();
    expect([rr(0, WAKER), rr(1, WAKER)]).toEqual([0, 0]);
  });
  test("GICR_WAKER: ChildrenAsleep follows ProcessorSleep, and nothing reaches a CPU that sleeps", () => {
    gic.ppi(0, 11).set(true);
    expect([rr(0, WAKER), levels()[0]]).toEqual([0, true]);
    r(0, WAKER, 2);
    expect([rr(0, WAKER), levels()[0]]).toEqual([6, false]);
    r(0, WAKER, 4); // ChildrenAsleep is RO
    expect([rr(0, WAKER), levels()[0]]).toEqual([0, true]);
  });
  test("with affinity routing the Distributor's registers of ids 0 to 31, ITARGETSR and SGIR are RAZ/WI", () => {
    const registers = [IGROUPR, ISENABLER, ISPENDR, ISACTIVER, IPRIORITYR, IPRIORITYR + 28, ITARGETSR + 40, ICFGR, ICFGR + 4, SGIR, IROUTER];
    registers.forEach(register => d(register, 0xffff_ffff));
    expect(registers.map(register => dr(register))).toEqual(registers.map(() => 0));
  });
  test("registers past the last interrupt are RAZ/WI", () => {
    const registers = [ISENABLER + 36, IPRIORITYR + 288, ICFGR + 72, IROUTER + 8 * 288];
    registers.forEach(register => d(register, 0xffff_ffff));
    expect(registers.map(register => dr(register))).toEqual([0, 0, 0, 0]);
  });
  test("priorities have five bits, and bytes of their own", () => {
    d(IPRIORITYR + 41, 0xff, 1);
    r(1, SGI + IPRIORITYR + 27, 0x47, 1);
    expect([dr(IPRIORITYR + 40), rr(1, SGI + IPRIORITYR + 27, 1), rr(0, SGI + IPRIORITYR + 27, 1)]).toEqual([0xf800, 0x40, 0xa0]);
  });
  test("ICFGR of SGIs is read-only, of PPIs not", () => {
    r(0, SGI + ICFGR, 0); r(0, SGI + ICFGR + 4, 0xffff_ffff);
    expect([rr(0, SGI + ICFGR), rr(0, SGI + ICFGR + 4)]).toEqual([0xaaaa_aaaa, 0xaaaa_aaaa]);
  });
  test("IROUTER keeps affinities; Interrupt_Routing_Mode is RAZ/WI without 1 of N", () => {
    d(IROUTER + 8 * 40, 0xffff_ffff); d(IROUTER + 8 * 40 + 4, 0xffff_ffff);
    expect([dr(IROUTER + 8 * 40), dr(IROUTER + 8 * 40 + 4)]).toEqual([0x00ff_ffff, 0xff]);
  });
});

describe("GICv3 life of an interrupt (4.1.2)", () => {
  test("level-sensitive: pends while the input is high, active when acknowledged, comes again after the end", () => {
    enable(33);
    gic.spi(1).set(true);
    expect([levels(), get(0, "IAR1")]).toEqual([[true, false], 33]);
    expect([levels()[0], dr(ISACTIVER + 4), get(0, "RPR")]).toEqual([false, 2, 0xa0]);
    w(0, "EOIR1", 33);
    expect([levels()[0], dr(ISACTIVER + 4), get(0, "RPR")]).toEqual([true, 0, IDLE]);
    gic.spi(1).set(false);
    expect([levels()[0], get(0, "IAR1")]).toEqual([false, SPURIOUS]);
  });
  test("edge-triggered: an edge while active pends again, once", () => {
    d(ICFGR + 8, 2 << 2);
    enable(33);
    gic.spi(1).set(true); gic.spi(1).set(false);
    expect(get(0, "IAR1")).toBe(33);
    gic.spi(1).set(true); gic.spi(1).set(false);
    expect(levels()[0]).toBe(false);
    w(0, "EOIR1", 33);
    expect(get(0, "IAR1")).toBe(33);
    w(0, "EOIR1", 33);
    expect(get(0, "IAR1")).toBe(SPURIOUS);
  });
  test("ICPENDR does not take back a level that is high", () => {
    enable(33); enable(34);
    pend(33); pend(34);
    gic.spi(2).set(true);
    d(ICPENDR + 4, 6);
    expect(dr(ISPENDR + 4)).toBe(4);
  });
  test("a PPI reaches its own CPU only", () => {
    gic.ppi(1, 11).set(true);
    expect([levels(), get(0, "IAR1"), get(1, "IAR1")]).toEqual([[false, true], SPURIOUS, 27]);
  });
  test("IROUTER moves an SPI; an affinity where nobody is gets none", () => {
    enable(33);
    gic.spi(1).set(true);
    d(IROUTER + 8 * 33, 1);
    expect(levels()).toEqual([false, true]);
    d(IROUTER + 8 * 33, 2);
    expect(levels()).toEqual([false, false]);
    d(IROUTER + 8 * 33, 0); d(IROUTER + 8 * 33 + 4, 1); // Aff3
    expect(levels()).toEqual([false, false]);
  });
  test("ICACTIVER deactivates: a level that is high is signalled again once its priority has dropped", () => {
    enable(33);
    gic.spi(1).set(true);
    get(0, "IAR1");
    d(ICACTIVER + 4, 2);
    expect(levels()[0]).toBe(false);
    w(0, "EOIR1", 33);
    expect([levels()[0], get(0, "RPR")]).toEqual([true, IDLE]);
  });
  test("nothing is signalled while GICD_CTLR, ISENABLER or ICC_IGRPEN1 says no", () => {
    enable(33);
    gic.spi(1).set(true);
    d(CTLR, 1);
    expect(levels()[0]).toBe(false);
    d(CTLR, 2); w(0, "IGRPEN1", 0);
    expect(levels()[0]).toBe(false);
    w(0, "IGRPEN1", 1); d(ICENABLER + 4, 2);
    expect(levels()[0]).toBe(false);
    d(ISENABLER + 4, 2);
    expect(levels()[0]).toBe(true);
  });
  test("HPPIR1 shows, and acknowledges nothing", () => {
    enable(33);
    pend(33);
    expect([get(0, "HPPIR1"), dr(ISACTIVER + 4), levels()[0]]).toEqual([33, 0, true]);
  });
});

describe("GICv3 software-generated interrupts (12.2.10, ICC_SGI1R_EL1)", () => {
  test("the target list is within the cluster of Aff1", () => {
    make(34);
    w(0, "SGI1R", (5 << 24) | 0b10);
    w(0, "SGI1R", (6 << 24) | (1 << 16) | 0x8001);
    w(0, "SGI1R", (7 << 24) | (2 << 16) | 0xffff);
    expect(levels().flatMap((level, cpu) => (level ? [cpu] : []))).toEqual([1, 16, 31, 32, 33]);
    expect([1, 16, 31, 32].map(cpu => get(cpu, "IAR1"))).toEqual([5, 6, 6, 7]);
  });
  test("IRM: all but the sender", () => {
    make(3);
    w(1, "SGI1R", 3 << 24, 1 << 8);
    expect(levels()).toEqual([true, false, true]);
  });
  test("to a cluster of Aff2 or Aff3 where nobody is, or with a range selector: nowhere", () => {
    w(0, "SGI1R", 3, 1); w(0, "SGI1R", 3, 1 << 16); w(0, "SGI1R", 3, 1 << 12); w(0, "SGI1R", 0b1100);
    expect(levels()).toEqual([false, false]);
  });
  test("an SGI has no source: twice pending is once taken", () => {
    w(0, "SGI1R", 2); w(1, "SGI1R", 2);
    expect(get(1, "IAR1")).toBe(0);
    w(1, "EOIR1", 0);
    expect(get(1, "IAR1")).toBe(SPURIOUS);
  });
  test("a sender reaches only interrupts of the group it names", () => {
    r(1, SGI + IGROUPR, 0xffff_fffe);
    w(0, "SGI1R", 2);
    expect(rr(1, SGI + ISPENDR)).toBe(0);
    w(0, "SGI0R", (1 << 24) | 2);
    expect(rr(1, SGI + ISPENDR)).toBe(0);
    w(0, "SGI0R", 2);
    expect(rr(1, SGI + ISPENDR)).toBe(1);
  });
});

describe("GICv3 priorities (4.8)", () => {
  test("the lowest value goes first, then the lowest id", () => {
    enable(40, 0x80); enable(41, 0x40); enable(42, 0x40);
    d(ISPENDR + 4, 0x700);
    expect([get(0, "IAR1"), get(0, "HPPIR1")]).toEqual([41, 42]);
  });
  test("ICC_PMR masks its own value and above, and has five bits", () => {
    enable(40, 0x80);
    pend(40);
    w(0, "PMR", 0x87);
    expect([get(0, "PMR"), levels()[0], get(0, "IAR1")]).toEqual([0x80, false, SPURIOUS]);
    w(0, "PMR", 0x88);
    expect([levels()[0], get(0, "IAR1")]).toEqual([true, 40]);
  });
  test("priority 0xf8 is never signalled: no mask is above it", () => {
    enable(40, 0xff);
    pend(40);
    w(0, "PMR", 0xff);
    expect(levels()[0]).toBe(false);
  });
  test("only a more urgent group priority preempts", () => {
    enable(40, 0x80); enable(41, 0x80); enable(42, 0x78);
    pend(40); get(0, "IAR1");
    pend(41);
    expect(levels()[0]).toBe(false);
    pend(42);
    expect([get(0, "IAR1"), get(0, "RPR")]).toEqual([42, 0x78]);
  });
  test("ICC_BPR1 4 compares bits 7:4", () => {
    w(0, "BPR1", 4);
    enable(40, 0x88); enable(41, 0x80); enable(42, 0x78);
    pend(40); get(0, "IAR1");
    pend(41);
    expect([levels()[0], get(0, "RPR")]).toEqual([false, 0x80]);
    pend(42);
    expect(levels()[0]).toBe(true);
  });
  test("binary points are at least 2 and 3; with CBPR BPR1 reads as BPR0 and one, and is not written", () => {
    w(0, "BPR0", 0); w(0, "BPR1", 0);
    expect([get(0, "BPR0"), get(0, "BPR1")]).toEqual([2, 3]);
    w(0, "BPR0", 7); w(0, "CTLR", 1); w(0, "BPR1", 5);
    expect(get(0, "BPR1")).toBe(7);
    w(0, "CTLR", 0);
    expect(get(0, "BPR1")).toBe(3);
  });
  test("nested preemption sixteen deep unwinds in order", () => {
    const ids = Array.from({ length: 16 }, (_, n) => 64 + n);
    ids.forEach(id => enable(id, 0xe0 - (id - 64) * 8));
    expect(ids.map(id => { pend(id); return get(0, "IAR1"); })).toEqual(ids);
    expect([get(0, "RPR"), get(0, "AP1R0")]).toEqual([0x68, 0x1fff_e000]);
    ids.toReversed().forEach(id => w(0, "EOIR1", id));
    expect([get(0, "RPR"), get(0, "AP1R0"), dr(ISACTIVER + 8)]).toEqual([IDLE, 0, 0]);
  });
  test("ends out of order drop the most urgent priority first, and deactivate what they name", () => {
    enable(40, 0x80); enable(41, 0x40);
    pend(40); get(0, "IAR1");
    pend(41); get(0, "IAR1");
    w(0, "EOIR1", 40);
    expect([get(0, "RPR"), dr(ISACTIVER + 4)]).toEqual([0x80, 0x200]);
    w(0, "EOIR1", 41);
    expect([get(0, "RPR"), dr(ISACTIVER + 4)]).toEqual([IDLE, 0]);
  });
  test("an end without an acknowledge, or of 1023, changes nothing", () => {
    enable(40, 0x80);
    w(0, "EOIR1", 40);
    pend(40); get(0, "IAR1");
    w(0, "EOIR1", SPURIOUS); w(0, "EOIR0", 40);
    expect([get(0, "RPR"), dr(ISACTIVER + 4)]).toEqual([0x80, 0x100]);
  });
  test("EOImode: EOIR1 drops the priority, DIR deactivates, on any CPU", () => {
    w(0, "CTLR", 2); w(1, "CTLR", 2);
    enable(40, 0x80);
    gic.spi(8).set(true);
    get(0, "IAR1"); w(0, "EOIR1", 40);
    expect([get(0, "RPR"), dr(ISACTIVER + 4), levels()[0]]).toEqual([IDLE, 0x100, false]);
    w(1, "DIR", 40);
    expect([dr(ISACTIVER + 4), levels()[0]]).toEqual([0, true]);
  });
  test("DIR is ignored while EOImode is 0", () => {
    enable(40, 0x80);
    pend(40); get(0, "IAR1"); w(0, "DIR", 40);
    expect(dr(ISACTIVER + 4)).toBe(0x100);
  });
});

describe("GICv3 groups in one security state (4.6)", () => {
  beforeEach(() => {
    enable(40, 0x80); enable(41, 0x40);
    group(41, 0);
    pend(40); pend(41);
  });
  test("a group that is disabled does not hide the other", () => expect([levels()[0], fiq[0]!.level, get(0, "HPPIR1")]).toEqual([true, false, 40]));
  test("group 0 arrives as FIQ, and IAR1 does not take it", () => {
    w(0, "IGRPEN0", 1);
    expect([levels()[0], fiq[0]!.level, get(0, "IAR1"), get(0, "IAR0")]).toEqual([false, true, SPURIOUS, 41]);
    expect([get(0, "AP0R0"), get(0, "AP1R0")]).toEqual([1 << 8, 0]);
    w(0, "EOIR0", 41);
    expect([levels()[0], fiq[0]!.level, get(0, "IAR1")]).toEqual([true, false, 40]);
  });
  test("ICC_SRE and ICC_CTLR say what there is: system registers only, five bits of priority, affinity 3", () => {
    w(0, "SRE", 0); w(0, "CTLR", 0xffff_ffff);
    expect([get(0, "SRE"), get(0, "CTLR")]).toEqual([7, 0x8403]);
  });
});

describe("GICv3 state", () => {
  test("a snapshot carries everything to another controller, whose lines follow on refresh", () => {
    enable(33); enable(40, 0x40, 1);
    gic.spi(1).set(true);
    pend(40);
    gic.ppi(1, 11).set(true);
    const state = [gic.distributor.snapshot(), gic.redistributors.snapshot(), gic.icc.snapshot()] as const;
    make(2);
    gic.distributor.restore(state[0]); gic.redistributors.restore(state[1]); gic.icc.restore(state[2]);
    gic.refresh();
    expect(levels()).toEqual([true, true]);
    expect([gic.distributor.snapshot(), gic.redistributors.snapshot(), gic.icc.snapshot()]).toEqual([...state]);
    expect([get(0, "IAR1"), get(1, "IAR1")]).toEqual([33, 40]);
  });
  test("reset lowers every line, and keeps the levels that the outside drives", () => {
    enable(33);
    gic.spi(1).set(true); gic.ppi(0, 11).set(true);
    gic.reset();
    expect([levels(), dr(ISPENDR + 4), rr(0, SGI + ISPENDR)]).toEqual([[false, false], 2, 1 << 27]);
  });
  test("a CPU that starts anew has an interface in its reset state, and its interrupts stay pending", () => {
    gic.ppi(0, 11).set(true);
    get(0, "IAR1");
    gic.resetCpu(0);
    expect([get(0, "AP1R0"), get(0, "PMR"), get(0, "IGRPEN1"), levels()[0], rr(0, SGI + ISPENDR)]).toEqual([0, 0, 0, false, 1 << 27]);
  });
});
