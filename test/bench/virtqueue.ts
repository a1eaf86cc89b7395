// test/bench/virtqueue.ts — `bun test/bench/virtqueue.ts`: what share of a request the split queue's own code takes: a 4 KiB random
// read of a raw disk through device and file, and a frame of 1514 bytes each way through virtio-net and its ring. Each of the two
// is done whole, with the queue alone (taken, given back, signalled), and with the driver's part alone, which both are less by. A
// packed queue has the same descriptors to read and check; what it has not are three accesses: avail.idx, the head, used.idx.
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { VirtioDevice } from "../../devices/virtio/device.ts";
import { VirtioBlock } from "../../devices/virtio/block.ts";
import { VirtioMmio } from "../../devices/virtio/mmio.ts";
import { SplitQueue } from "../../devices/virtio/queue.ts";
import { ImageBackend } from "../../src/disk/image.ts";
import { RawImage } from "../../src/disk/raw.ts";
import { FrameRing } from "../../src/frame-ring.ts";
import { openDiskFile } from "../../src/host/disk-file.ts";
import { newRings, openNet } from "../../src/machine-net.ts";
import { Ram } from "../../src/machine/ram.ts";
import { CountedTrace, HandAlarm, HandClock, RecordedLine } from "../devices/wires.ts";
import { Desc, Reg } from "../support/virtio-driver.ts";

const BASE = 0x4000_0000, MiB = 1024 * 1024, SIZE = 256, DISK = 64 * MiB;
const ROUNDS = 40, BATCH = 16;
const ram = new ArrayBuffer(16 * MiB), view = new DataView(ram), memory = new Ram(BASE, { size: ram.byteLength, windows: [ram], release: () => 0 });
const DESC = 0x1000, AVAIL = 0x3000, USED = 0x5000, DATA = 0x10_0000, PLACE = 0x2000;

interface Part { readonly length: number; readonly write: boolean }
/** A driver of one queue whose buffers all look alike, each behind an indirect descriptor as Linux does it; its words are written as they are. */
class Driver {
  next = 0;
  readonly parts: readonly Part[];
  constructor(parts: readonly Part[]) {
    this.parts = parts;
    view.setUint16(AVAIL, 1, true); // no interrupts
    new Uint8Array(ram, 0, DATA).fill(0);
    for (let slot = 0; slot < SIZE; slot++) {
      view.setBigUint64(DESC + 16 * slot, BigInt(BASE + DATA + slot * PLACE), true);
      view.setUint32(DESC + 16 * slot + 8, 16 * parts.length, true);
      view.setUint16(DESC + 16 * slot + 12, Desc.INDIRECT, true);
      let at = DATA + slot * PLACE + 64;
      parts.forEach(({ length, write }, i) => {
        const entry = DATA + slot * PLACE + 16 * i;
        view.setBigUint64(entry, BigInt(BASE + at), true);
        view.setUint32(entry + 8, length, true);
        view.setUint16(entry + 12, (write ? Desc.WRITE : 0) | (i + 1 < parts.length ? Desc.NEXT : 0), true);
        view.setUint16(entry + 14, i + 1, true);
        at += length;
      });
    }
  }
  offer(): void {
    const slot = this.next & (SIZE - 1);
    if (this.parts[0]?.write === false) view.setUint32(DATA + slot * PLACE + 64 + 8, ((this.next * 2_654_435_761) >>> 0) % (DISK / 4096) * 8, true); // the sector, or bytes of a frame
    view.setUint16(AVAIL + 4 + 2 * slot, slot, true);
    this.next = (this.next + 1) & 0xffff;
    view.setUint16(AVAIL + 2, this.next, true);
    view.setUint16(AVAIL + 4 + 2 * SIZE, this.next - 1, true); // used_event
  }
}
/** Nanoseconds of one step: the best of several, after warming up. */
function best(step: () => void, steps = 20_000): number {
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const from = Bun.nanoseconds();
    for (let n = 0; n < steps; n++) step();
    if (round > 3) least = Math.min(least, (Bun.nanoseconds() - from) / steps);
  }
  return least / BATCH;
}
function transport(device: VirtioDevice, queue: number): VirtioMmio {
  const mmio: VirtioMmio = new VirtioMmio({ irq: new RecordedLine(), memory, clock: new HandClock(), alarm: new HandAlarm(), trace: new CountedTrace() }, device);
  const w = (offset: number, value: number): void => mmio.write(offset, 4, value >>> 0);
  for (const status of [0, 1, 3]) w(Reg.Status, status);
  for (const sel of [0, 1]) {
    w(Reg.DeviceFeaturesSel, sel);
    w(Reg.DriverFeaturesSel, sel);
    w(Reg.DriverFeatures, mmio.read(Reg.DeviceFeatures, 4));
  }
  w(Reg.Status, 11);
  w(Reg.QueueSel, queue);
  w(Reg.QueueNum, SIZE);
  w(Reg.DescLow, BASE + DESC);
  w(Reg.DriverLow, BASE + AVAIL);
  w(Reg.DeviceLow, BASE + USED);
  w(Reg.QueueReady, 1);
  w(Reg.Status, 15);
  return mmio;
}
function measure(name: string, parts: readonly Part[], written: number, whole: () => { readonly step: (driver: Driver) => void; close(): void }): void {
  let driver = new Driver(parts);
  const offer = (): void => { for (let n = 0; n < BATCH; n++) driver.offer(); };
  const alone = best(offer);
  const { step, close } = whole();
  driver = new Driver(parts);
  const all = best(() => {
    offer();
    step(driver);
  }, 1000) - alone;
  close();
  driver = new Driver(parts);
  const queue = new SplitQueue(memory);
  Object.assign(queue.s, { size: SIZE, descLo: BASE + DESC, driverLo: BASE + AVAIL, deviceLo: BASE + USED });
  if (!queue.start({ eventIndex: true, indirect: true })) throw new Error("the queue does not start");
  const rings = best(() => {
    offer();
    for (let chain = queue.pop(); chain !== undefined; chain = queue.pop()) queue.push(chain, written);
    queue.takeSignal();
  }) - alone;
  const half = new Uint8Array(2);
  const saved = best(() => {
    for (let n = 0; n < BATCH; n++) {
      memory.read(BASE + AVAIL + 2, half);
      memory.read(BASE + AVAIL + 4 + 2 * n, half);
      memory.write(BASE + USED + 2, half);
    }
  });
  const share = (part: number): string => `${part.toFixed(0)} ns (${(100 * part / all).toFixed(0)} %)`;
  console.log(`${name}: ${all.toFixed(0)} ns, of these the queue ${share(rings)}, of these what a packed one has not ${share(saved)}`);
}

const place = mkdtempSync(join(tmpdir(), "hv-virtqueue-")), path = join(place, "disk.img");
writeFileSync(path, new Uint8Array(DISK).fill(1));
truncateSync(path, DISK);
try {
  measure("4 KiB random read", [{ length: 16, write: false }, { length: 4096, write: true }, { length: 1, write: true }], 4097, () => {
    const image = new RawImage(openDiskFile(path, { label: path, write: false, lock: "none" }), true);
    const mmio = transport(new VirtioBlock({ backend: new ImageBackend(image), serial: "", failed: line => { throw new Error(line); } }), 0);
    return { step: () => mmio.write(Reg.QueueNotify, 4, 0), close: () => image.close() };
  });
  const rings = (): ReturnType<typeof newRings> => newRings(), start = { mac: Uint8Array.of(2, 0, 0, 0, 0, 1), mtu: 1500, offload: true };
  measure("frame of 1514 bytes, guest to host", [{ length: 12 + 1514, write: false }], 0, () => {
    const both = rings(), mmio = transport(openNet({ ...start, ...both }, () => {}), 1), out = new FrameRing(both.toHost, () => {});
    return {
      step: () => {
        mmio.write(Reg.QueueNotify, 4, 1);
        for (let record = out.next(); record !== undefined; record = out.next()) out.release();
      },
      close: () => {},
    };
  });
  measure("frame of 1514 bytes, host to guest", [{ length: 12 + 1514, write: true }], 1526, () => {
    const both = rings(), device = openNet({ ...start, ...both }, () => {}), mmio = transport(device, 0), into = new FrameRing(both.toGuest, () => {});
    return {
      step: () => {
        for (let n = 0; n < BATCH; n++) {
          into.reserve(12 + 1514);
          into.commit();
        }
        mmio.write(Reg.QueueNotify, 4, 0);
      },
      close: () => {},
    };
  });
} finally {
  rmSync(place, { recursive: true });
}
