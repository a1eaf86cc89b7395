// test/devices/virtio-pci.test.ts — virtio over PCI against drivers that break every rule: configuration space, BARs, MSI-X.
import { beforeEach, describe, expect, test } from "bun:test";
import type { VirtioDevice, VirtioTransport } from "../../devices/virtio/device.ts";
import { PciHost } from "../../devices/pci/host.ts";
import { VirtioPci } from "../../devices/virtio/pci.ts";
import type { Chain, SplitQueue } from "../../devices/virtio/queue.ts";
import { Status, TestMemory } from "../support/virtio-driver.ts";
import { CountedTrace, HandAlarm, HandClock, RecordedLine } from "./wires.ts";

const START = 0x1000_0000, SLOT = 3, BAR0 = START + 0x4000, BAR1 = START + 0x1_0000, NOTIFY = 0x3000, ISR = 0x1000, CONFIG = 0x2000;
const Common = { deviceFeatureSelect: 0, deviceFeature: 4, driverFeatureSelect: 8, driverFeature: 12, configVector: 16, queues: 18, status: 20, generation: 21, select: 22, size: 24, vector: 26, enable: 28, notifyOff: 30, desc: 32, driver: 40, device: 48 } as const;
const DESC = 0x4000_0000, AVAIL = 0x4000_2000, USED = 0x4000_3000;
class Holder implements VirtioDevice {
  readonly name = "test";
  readonly id = 42;
  readonly features = 1;
  readonly queues = 2;
  readonly config = Uint8Array.of(1, 2, 3, 4);
  readonly taken: Chain[] = [];
  transport!: VirtioTransport;
  attach(transport: VirtioTransport): void { this.transport = transport; }
  negotiated(): void {}
  reset(): void { this.taken.length = 0; }
  process(_index: number, queue: SplitQueue): void {
    for (let chain = queue.pop(); chain !== undefined; chain = queue.pop()) this.taken.push(chain);
  }
}

let host: PciHost, holder: Holder, memory: TestMemory, trace: CountedTrace, lines: RecordedLine[], messages: (readonly [number, number, number])[];
beforeEach(() => {
  [trace, memory, holder, messages] = [new CountedTrace(), new TestMemory(), new Holder(), []];
  lines = [0, 1, 2, 3].map(() => new RecordedLine());
  host = new PciHost({ lines, start: START, trace });
  host.add(SLOT, new VirtioPci({ intx: host.intx(SLOT), message: (...one) => messages.push(one), requester: SLOT << 3, memory, clock: new HandClock(), alarm: new HandAlarm(), trace }, holder));
});
const at = (slot: number, offset: number, fn = 0): number => slot << 15 | fn << 12 | offset;
const cr = (offset: number, size = 4): number => host.ecam.read(at(SLOT, offset), size);
const cw = (offset: number, value: number, size = 4): void => host.ecam.write(at(SLOT, offset), size, value);
const mr = (address: number, size = 4): number => host.memory.read(address - START, size);
const mw = (address: number, value: number, size = 4): void => host.memory.write(address - START, size, value);
/** Capabilities as [offset, id, type of virtio's own]. */
function capabilities(): [number, number, number][] {
  const found: [number, number, number][] = [];
  for (let offset = cr(0x34, 1); offset !== 0; offset = cr(offset + 1, 1)) found.push([offset, cr(offset, 1), cr(offset + 3, 1)]);
  return found;
}
const msix = (): number => (capabilities().find(([, id]) => id === 0x11) as [number, number, number])[0];
/** BARs placed, memory and bus mastering on. */
function enable(): void {
  cw(0x10, BAR0);
  cw(0x14, BAR1);
  cw(0x04, 6, 2);
}
/** Up to DRIVER_OK with queue 0, whose buffers signal `vector`. */
function start(vector = 0xffff): void {
  enable();
  mw(BAR0 + Common.status, 0, 1);
  mw(BAR0 + Common.status, 3, 1);
  for (const word of [0, 1]) {
    mw(BAR0 + Common.deviceFeatureSelect, word);
    mw(BAR0 + Common.driverFeatureSelect, word);
    mw(BAR0 + Common.driverFeature, word === 0 ? 0 : mr(BAR0 + Common.deviceFeature));
  }
  mw(BAR0 + Common.status, 11, 1);
  mw(BAR0 + Common.select, 0, 2);
  mw(BAR0 + Common.size, 8, 2);
  mw(BAR0 + Common.desc, DESC);
  mw(BAR0 + Common.driver, AVAIL);
  mw(BAR0 + Common.device, USED);
  mw(BAR0 + Common.vector, vector, 2);
  mw(BAR0 + Common.enable, 1, 2);
  mw(BAR0 + Common.status, 15, 1);
}
/** One buffer there and back. */
function buffer(index = 0): void {
  memory.put64(DESC, 0x4001_0000);
  memory.put32(DESC + 8, 16);
  memory.put16(AVAIL + 4 + 2 * index, 0);
  memory.put16(AVAIL + 2, index + 1);
  mw(BAR0 + NOTIFY, 0, 2);
  holder.transport.complete(0, holder.taken.pop() as Chain, 0);
}
function vector(n: number, address: number, data: number, masked = 0): void {
  [address % 2 ** 32, Math.floor(address / 2 ** 32), data, masked].forEach((word, i) => mw(BAR1 + 16 * n + 4 * i, word));
}

describe("configuration space", () => {
  test("says what it is; slots and functions that are not there read as ones", () => {
    expect([cr(0), cr(8) >>> 8, cr(8, 1), cr(0x2c), cr(0x3d, 1)]).toEqual([0x106a_1af4, 0xff_0000, 1, 0x1100_1af4, 1]);
    expect(host.ecam.read(at(0, 0), 4)).toBe(0x0008_1b36);
    expect([host.ecam.read(at(4, 0), 4), host.ecam.read(at(SLOT, 0, 1), 2), host.ecam.read(1 << 20, 1), host.ecam.read(0xff_fffc, 4)]).toEqual([0xffff_ffff, 0xffff, 0xff, 0xffff_ffff]);
    host.ecam.write(at(4, 0), 4, 5);
    expect([cr(0x100), cr(0xffc), cr(0xff, 4)]).toEqual([0, 0, 0]);
  });
  test("capabilities: MSI-X, then common, isr, device, notify, window", () => {
    expect(capabilities().map(([, id, type]) => (id === 9 ? type : `id ${id}`))).toEqual(["id 17", 1, 3, 4, 2, 5]);
    expect(cr(msix() + 2, 2)).toBe(2); // three vectors
  });
  test("read-only bytes stay what they are, whatever is written", () => {
    const before = Array.from({ length: 64 }, (_, i) => cr(4 * i));
    for (let i = 0; i < 64; i++) cw(4 * i, 0xffff_ffff);
    const changed = before.map((word, i) => [4 * i, (cr(4 * i) ^ word) >>> 0]).filter(([, bits]) => bits !== 0);
    const [[first]] = capabilities() as [[number, number, number]], window = (capabilities().at(-1) as [number, number, number])[0];
    expect(changed).toEqual([[0x04, 0x406], [0x10, 0xffff_c000], [0x14, 0xffff_f000], [0x3c, 0xff], [first, 0xc000_0000], [window + 4, 0xff], [window + 8, 0xffff_ffff], [window + 12, 0xffff_ffff], [window + 16, 0xffff_ffff]].map(([a, b]) => [a as number, b as number]));
  });
  test("a BAR answers where it was put, with memory on; elsewhere nobody does", () => {
    expect(mr(BAR0 + Common.queues, 2)).toBe(0xffff);
    enable();
    expect([mr(BAR0 + Common.queues, 2), mr(BAR0 + 0x3ffe, 4), mr(BAR0 - 4), mr(BAR1 + 0x1000)]).toEqual([2, 0xffff_ffff, 0xffff_ffff, 0xffff_ffff]);
    cw(0x10, BAR0 + 0x10_0000);
    expect([mr(BAR0 + Common.queues, 2), mr(BAR0 + 0x10_0000 + Common.queues, 2)]).toEqual([0xffff, 2]);
    cw(0x04, 0, 2);
    expect(mr(BAR0 + 0x10_0000 + Common.queues, 2)).toBe(0xffff);
  });
  test("the window reaches into BAR 0, memory on or not; what describes no access is noted", () => {
    const window = (capabilities().at(-1) as [number, number, number])[0];
    const through = (bar: number, offset: number, length: number): void => [[4, bar], [8, offset], [12, length]].forEach(([field, value]) => cw(window + (field as number), value as number));
    through(0, CONFIG, 4);
    expect(cr(window + 16)).toBe(0x0403_0201);
    through(0, Common.status, 1);
    cw(window + 16, 1);
    expect(cr(window + 16, 1)).toBe(1);
    const wrong: [number, number, number][] = [[2, 0, 4], [255, 0, 4], [0, 0x4000, 4], [0, 0xffff_fffc, 4], [0, 2, 4], [0, 0, 3], [0, 0, 0], [0, 0x3ffe, 4]];
    for (const one of wrong) {
      through(...one);
      cr(window + 16);
    }
    expect(trace.notes.filter(note => note.includes("through the configuration space"))).toHaveLength(wrong.length);
  });
});

describe("the device", () => {
  test("buffers come and go; INTx is raised until the interrupt status is read", () => {
    start();
    buffer();
    const line = lines[SLOT % 4] as RecordedLine;
    expect([line.level, cr(6, 2) & 8, memory.u16(USED + 2)]).toEqual([true, 8, 1]);
    expect([mr(BAR0 + ISR, 1), line.level, mr(BAR0 + ISR, 1), cr(6, 2) & 8]).toEqual([1, false, 0, 0]);
    holder.transport.configChanged();
    expect([mr(BAR0 + ISR, 1), mr(BAR0 + Common.generation, 1)]).toEqual([2, 1]);
  });
  test("INTx can be disabled, and comes when it is enabled", () => {
    start();
    cw(4, 0x406, 2);
    buffer();
    expect(lines[SLOT % 4]?.level).toBe(false);
    cw(4, 6, 2);
    expect(lines[SLOT % 4]?.level).toBe(true);
  });
  test("fields are accessed by their own width only", () => {
    enable();
    mw(BAR0 + Common.status, 1, 4);
    mw(BAR0 + Common.select, 1, 1);
    mw(BAR0 + Common.desc, 1, 2);
    expect([mr(BAR0 + Common.status, 1), mr(BAR0 + Common.select, 2), mr(BAR0 + Common.desc), mr(BAR0 + Common.deviceFeature, 2), mr(BAR0 + 0x38), mr(BAR0 + Common.queues, 4)]).toEqual([0, 0, 0, 0, 0, 0]);
  });
  test("queues that are not there have size 0; a queue cannot be disabled; registers freeze", () => {
    start();
    mw(BAR0 + Common.enable, 0, 2);
    mw(BAR0 + Common.size, 4, 2);
    mw(BAR0 + Common.desc, 0x4000_8000);
    expect([mr(BAR0 + Common.enable, 2), mr(BAR0 + Common.size, 2), mr(BAR0 + Common.desc)]).toEqual([1, 8, DESC]);
    mw(BAR0 + Common.select, 0xffff, 2);
    mw(BAR0 + Common.vector, 1, 2);
    expect([mr(BAR0 + Common.size, 2), mr(BAR0 + Common.vector, 2), mr(BAR0 + Common.notifyOff, 2)]).toEqual([0, 0xffff, 0]);
    mw(BAR0 + NOTIFY + 4 * 700, 0, 2);
    expect(trace.notes).toContain("virtio-test: notification of a queue that is not there");
  });
  test("status 0 resets the device and leaves the function as it was configured", () => {
    start(1);
    mw(BAR0 + Common.status, 0, 1);
    expect([mr(BAR0 + Common.status, 1), mr(BAR0 + Common.vector, 2), mr(BAR0 + Common.enable, 2), cr(0x10)]).toEqual([0, 0xffff, 0, BAR0]);
  });
});

describe("MSI-X", () => {
  const on = (control = 0x8000): void => cw(msix() + 2, control, 2);
  test("a vector's message is a write of its data to its address; INTx stays down", () => {
    start(1);
    vector(1, 0x8_0000_1040, 99);
    on();
    buffer();
    expect([messages, lines.some(line => line.level), mr(BAR0 + ISR, 1)]).toEqual([[[0x8_0000_1040, 99, SLOT << 3]], false, 0]);
  });
  test("a masked vector keeps its message pending; unmasking sends it once", () => {
    start(1);
    vector(1, 0x802_0040, 7, 1);
    on();
    buffer(0);
    buffer(1);
    expect([messages.length, mr(BAR1 + 0x800)]).toEqual([0, 2]);
    mw(BAR1 + 16 + 12, 0);
    expect([messages.length, mr(BAR1 + 0x800)]).toEqual([1, 0]);
  });
  test.each([["the function's mask", 0xc000, 6], ["bus mastering off", 0x8000, 2]])("%s holds all messages back", (_, control, command) => {
    start(0);
    vector(0, 0x802_0040, 7);
    on(control);
    cw(4, command, 2);
    buffer();
    expect(messages).toEqual([]);
    on();
    cw(4, 6, 2);
    expect(messages).toHaveLength(1);
  });
  test("a vector that is not there is not had, and says so", () => {
    start(3);
    mw(BAR0 + Common.configVector, 0xfffe, 2);
    expect([mr(BAR0 + Common.vector, 2), mr(BAR0 + Common.configVector, 2)]).toEqual([0xffff, 0xffff]);
    on();
    buffer();
    holder.transport.configChanged();
    expect(messages).toEqual([]);
  });
  test("the table takes aligned words within it; pending bits are read-only", () => {
    enable();
    mw(BAR1 + 2, 5, 2);
    mw(BAR1 + 48, 5);
    mw(BAR1 + 0x800, 0xffff_ffff);
    mw(BAR1, 0xffff_ffff);
    mw(BAR1 + 12, 0xffff_ffff);
    expect([mr(BAR1), mr(BAR1 + 4), mr(BAR1 + 12), mr(BAR1 + 48), mr(BAR1 + 0x800), mr(BAR1 + 0xffc), mr(BAR1, 1)]).toEqual([0xffff_fffc, 0, 1, 0, 0, 0, 0]);
  });
});

test("a snapshot restores into a device that goes on alike", () => {
  start(1);
  vector(1, 0x802_0040, 7, 1);
  cw(msix() + 2, 0x8000, 2);
  buffer();
  const state = JSON.parse(JSON.stringify(host.ecam.snapshot())) as unknown;
  host.ecam.reset();
  expect([cr(0x10), mr(BAR0 + Common.status, 1)]).toEqual([0, 0xff]);
  host.ecam.restore(state);
  expect([cr(0x10), mr(BAR0 + Common.status, 1), mr(BAR0 + Common.vector, 2), mr(BAR1 + 0x800)]).toEqual([BAR0, Status.ACKNOWLEDGE | Status.DRIVER | Status.FEATURES_OK | Status.DRIVER_OK, 1, 2]);
  mw(BAR1 + 16 + 12, 0);
  expect(messages).toEqual([[0x802_0040, 7, SLOT << 3]]);
});
