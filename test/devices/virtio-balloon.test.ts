// test/devices/virtio-balloon.test.ts — virtio-balloon with an honest and a hostile driver: OASIS virtio 1.2, 5.5, and rows B4, B10,
// B11 and B14 of the list of adversarial cases. The memory behind it writes down what it was told to give back.
import { describe, expect, test } from "bun:test";
import { VirtioBalloon } from "../../devices/virtio/balloon.ts";
import { Driver, Feature, Reg, Status } from "../support/virtio-driver.ts";

const INFLATE = 0, DEFLATE = 1, STATS = 2, GAP = 3, REPORTING = 4;
const F = { STATS: 1 << 1, DEFLATE_ON_OOM: 1 << 2, REPORTING: 1 << 5 } as const;
const BASE = 0x4000_0000, SIZE = 0x40_0000, PAGE = 4096;

/** A driver with one of the queues on its rings. */
function start(queue: number, without = 0): { driver: Driver; balloon: VirtioBalloon; given: [number, number][] } {
  const given: [number, number][] = [];
  const balloon = new VirtioBalloon({
    contains: (gpa, length) => gpa >= BASE && gpa + length <= BASE + SIZE,
    release: (gpa, length) => {
      given.push([gpa, length]);
      return length;
    },
  });
  const driver = new Driver(balloon);
  driver.negotiate(without | Feature.EVENT_IDX);
  driver.memory.bytes.fill(0, 0, 0x6000);
  driver.setQueueAt(queue);
  driver.w(Reg.Status, driver.status | Status.DRIVER_OK);
  return { driver, balloon, given };
}
/** A list of page numbers in one buffer. */
function pages(driver: Driver, queue: number, ...numbers: number[]): void {
  numbers.forEach((n, i) => driver.memory.put32(driver.data + 4 * i, n));
  driver.offer(driver.chain([{ at: driver.data, length: 4 * numbers.length }]));
  driver.notify(queue);
}
const healthy = (driver: Driver): boolean => (driver.status & Status.NEEDS_RESET) === 0;

describe("configuration", () => {
  test("the target stands there, and a change of it interrupts the driver; what the driver has, it writes", () => {
    const { driver, balloon } = start(INFLATE);
    balloon.target = 64 * PAGE + 17;
    expect([driver.r(Reg.Config), driver.r(Reg.InterruptStatus), driver.r(Reg.ConfigGeneration)]).toEqual([64, 2, 1]);
    driver.device.write(Reg.Config + 4, 4, 12);
    expect([balloon.target, balloon.actual]).toEqual([64 * PAGE, 12 * PAGE]);
  });
  test("B11: the target is not the driver's, nor half of a word; a reset empties the balloon and keeps the target", () => {
    const { driver, balloon } = start(INFLATE);
    balloon.target = 5 * PAGE;
    driver.device.write(Reg.Config, 4, 99);
    driver.device.write(Reg.Config + 4, 2, 99);
    driver.device.write(Reg.Config + 8, 4, 99);
    expect([balloon.target, balloon.actual, driver.trace.notes.length]).toEqual([5 * PAGE, 0, 3]);
    driver.device.write(Reg.Config + 4, 4, 3);
    driver.w(Reg.Status, 0);
    expect([balloon.target, balloon.actual]).toEqual([5 * PAGE, 0]);
  });
  test("deflating when memory runs out, statistics and reports are offered; poison and hints are not", () => {
    expect(new VirtioBalloon({ contains: () => false, release: () => 0 }).features).toBe(F.STATS | F.DEFLATE_ON_OOM | F.REPORTING);
  });
});

describe("inflate and deflate", () => {
  test("pages go back, neighbours together, in any order", () => {
    const { driver, given, balloon } = start(INFLATE), first = BASE / PAGE;
    pages(driver, INFLATE, first + 9, first + 3, first + 2, first + 4);
    expect([given, balloon.released, driver.collect()]).toEqual([[[BASE + 2 * PAGE, 3 * PAGE], [BASE + 9 * PAGE, PAGE]], 4 * PAGE, [{ id: 0, length: 0 }]]);
  });
  test("B14: pages outside of memory are skipped and counted, also beside one inside", () => {
    const { driver, given } = start(INFLATE), last = (BASE + SIZE) / PAGE - 1;
    pages(driver, INFLATE, 0, BASE / PAGE - 1, last, last + 1, last + 2, 0xffff_ffff, 0xffff_fffe);
    expect([given, healthy(driver), driver.collect().length]).toEqual([[[last * PAGE, PAGE]], true, 1]);
    expect(driver.trace.notes.filter(note => note.includes("a page outside of memory")).length).toBe(6);
  });
  test("B14: the same page twice, the rings' own pages, and pages that were never in it", () => {
    const { driver, given } = start(INFLATE), ring = driver.desc / PAGE;
    pages(driver, INFLATE, ring, ring, ring, ring);
    expect([given, healthy(driver)]).toEqual([[[driver.desc, PAGE]], true]);
    const other = start(DEFLATE);
    pages(other.driver, DEFLATE, 1, 2, 3, 0xffff_ffff);
    expect([other.given, healthy(other.driver), other.driver.collect().length]).toEqual([[], true, 1]);
  });
  test("B14: a list as large as memory costs one bounded copy", () => {
    const { driver, balloon } = start(INFLATE);
    driver.offer(driver.chain(Array.from({ length: 16 }, () => ({ at: BASE, length: SIZE }))));
    driver.notify(INFLATE);
    expect([healthy(driver), driver.collect().length, balloon.released <= 16 * 1024 * PAGE]).toEqual([true, 1, true]);
    expect(driver.trace.notes.some(note => note.includes("a longer list than is taken"))).toBe(true);
  });
  test.each([0, 1, 3, 7])("B4: a list of %d bytes has no more pages than it has room for", length => {
    const { driver, given } = start(INFLATE);
    driver.memory.put32(driver.data, BASE / PAGE);
    driver.memory.put32(driver.data + 4, BASE / PAGE + 1);
    driver.offer(driver.chain([{ at: driver.data, length }]));
    driver.notify(INFLATE);
    expect([given.length, driver.collect().length]).toEqual([length >> 2, 1]);
  });
});

describe("reports of free pages", () => {
  test.each([REPORTING, GAP])("buffers of queue %d are the pages themselves (Linux leaves no gap in their numbers)", queue => {
    const { driver, given, balloon } = start(queue);
    driver.offer(driver.chain([{ at: BASE + 0x20_0000, length: 0x10_0000, write: true }, { at: BASE + 0x3f_f000, length: PAGE, write: true }]));
    driver.notify(queue);
    expect([given, balloon.released, driver.collect()]).toEqual([[[BASE + 0x20_0000, 0x10_0000], [BASE + 0x3f_f000, PAGE]], 0x10_1000, [{ id: 0, length: 0 }]]);
  });
  test("without statistics they come on their queue", () => {
    const { driver, given } = start(STATS, F.STATS);
    driver.offer(driver.chain([{ at: BASE + 0x20_0000, length: PAGE, write: true }]));
    driver.notify(STATS);
    expect(given).toEqual([[BASE + 0x20_0000, PAGE]]);
  });
  test("B1: a page outside of memory needs a reset", () => {
    const { driver, given } = start(REPORTING);
    driver.offer(driver.chain([{ at: BASE + SIZE - 1, length: PAGE, write: true }]));
    driver.notify(REPORTING);
    expect([given, healthy(driver)]).toEqual([[], false]);
  });
  test("what the driver may only read is no free page", () => {
    const { driver, given } = start(REPORTING);
    driver.offer(driver.chain([{ at: BASE, length: PAGE }]));
    driver.notify(REPORTING);
    expect([given, driver.collect().length]).toEqual([[], 1]);
  });
});

describe("statistics", () => {
  const put = (driver: Driver, at: number, tag: number, value: bigint): void => {
    driver.memory.put16(at, tag);
    driver.memory.put64(at + 2, value);
  };
  test("the driver's buffer is kept until somebody asks, and comes back with news", () => {
    const { driver, balloon } = start(STATS);
    put(driver, driver.data, 4, 1234n);
    put(driver, driver.data + 10, 5, 2n ** 33n);
    driver.offer(driver.chain([{ at: driver.data, length: 20 }]));
    driver.notify(STATS);
    expect([balloon.stats, driver.collect()]).toEqual([{ free: 1234, total: 2 ** 33 }, []]);
    balloon.refresh();
    balloon.refresh();
    expect(driver.collect()).toEqual([{ id: 0, length: 0 }]);
    put(driver, driver.data, 4, 99n);
    driver.offer(0);
    driver.notify(STATS);
    expect(balloon.stats.free).toBe(99);
  });
  test("B14: garbage is no statistics: unknown tags, half an entry, megabytes, several buffers at once", () => {
    const { driver, balloon } = start(STATS);
    driver.memory.bytes.fill(0xff, driver.data - BASE, driver.data - BASE + 0x1000);
    for (const [head, length] of [[0, 0x30_0000], [1, 9], [2, 0], [3, 1]] as const) {
      driver.offer(driver.chain([{ at: driver.data, length }], head));
      driver.notify(STATS);
    }
    expect([balloon.stats, healthy(driver), driver.collect().map(one => one.id)]).toEqual([{}, true, [0, 1, 2]]);
  });
  test("B10: a buffer of before a reset is not given back", () => {
    const { driver, balloon } = start(STATS);
    driver.offer(driver.chain([{ at: driver.data, length: 10 }]));
    driver.notify(STATS);
    driver.w(Reg.Status, 0);
    balloon.refresh();
    expect([driver.memory.u16(driver.used + 2), balloon.stats]).toEqual([0, {}]);
  });
});
