// test/devices/virtio-block.test.ts — virtio-blk and virtio-rng against honest, careless and hostile drivers; and a seeded fuzz.
import { describe, expect, test } from "bun:test";
import type { BlockBackend, BlockDone } from "../../devices/virtio/block-backend.ts";
import { VirtioBlock } from "../../devices/virtio/block.ts";
import { VirtioRng } from "../../devices/virtio/rng.ts";
import type { DiskFile } from "../../src/disk/file.ts";
import { ImageBackend } from "../../src/disk/image.ts";
import { OverlayImage } from "../../src/disk/overlay.ts";
import { RawImage } from "../../src/disk/raw.ts";
import { Random } from "../support/random.ts";
import { Driver, Feature, Reg, Status } from "../support/virtio-driver.ts";

const T = { IN: 0, OUT: 1, FLUSH: 4, GET_ID: 8, DISCARD: 11, WRITE_ZEROES: 13 } as const;
const OK = 0, IOERR = 1, UNSUPP = 2, NONE = 0xff;
const SIZE = 1024 * 1024;

/** A file in memory that fails as it is told to. */
class MemoryFile implements DiskFile {
  readonly name = "disk.img";
  readonly bytes = Uint8Array.from({ length: SIZE }, (_, i) => (i >> 9) ^ i);
  readonly size = SIZE;
  syncs = 0;
  punched = 0;
  fail: string | undefined;
  end = SIZE;
  #check(): void { if (this.fail !== undefined) throw Object.assign(new Error("it fails"), { code: this.fail }); }
  read(at: number, into: Uint8Array): number {
    this.#check();
    const part = this.bytes.subarray(at, Math.min(this.end, at + Math.min(into.length, 5000))); // hosts read in parts
    into.set(part);
    return part.length;
  }
  write(at: number, from: Uint8Array): number {
    this.#check();
    const part = from.subarray(0, 5000);
    this.bytes.set(part, at);
    return part.length;
  }
  sync(): void { this.#check(); this.syncs++; }
  punch(at: number, length: number): boolean {
    this.bytes.fill(0, at, at + length);
    this.punched += length;
    return true;
  }
  resize(): void {}
  close(): void {}
}
/** A back end that answers when the test says so. */
class Slow implements BlockBackend {
  readonly size = SIZE;
  readonly readOnly = false;
  readonly waiting: (() => void)[] = [];
  read(_at: number, into: Uint8Array, done: BlockDone): void { this.waiting.push(() => { into.fill(0xab); done(undefined); }); }
  write(_at: number, _from: Uint8Array, done: BlockDone): void { this.waiting.push(() => done(undefined)); }
  flush(done: BlockDone): void { this.waiting.push(() => done(undefined)); }
  discard(_at: number, _length: number, done: BlockDone): void { this.waiting.push(() => done(undefined)); }
  writeZeroes(_at: number, _length: number, _unmap: boolean, done: BlockDone): void { this.waiting.push(() => done(undefined)); }
  answer(): void { for (const one of this.waiting.splice(0)) one(); }
}
const disk = (options: { readOnly?: boolean; overlay?: boolean } = {}) => {
  const file = new MemoryFile(), told: string[] = [];
  const raw = new RawImage(file, options.readOnly === true);
  const device = new VirtioBlock({ backend: new ImageBackend(options.overlay === true ? new OverlayImage(raw, new MemoryFile()) : raw), serial: "serial-1", failed: message => told.push(message) });
  return { file, told, device, driver: new Driver(device).start() };
};
const buffer = (driver: Driver, length: number, write = false) => ({ at: driver.payload, length, write });
/** One discard or write-zeroes request. */
function range(driver: Driver, type: number, sector: number | bigint, sectors: number, flags = 0): number {
  driver.memory.put64(driver.payload, BigInt.asUintN(64, BigInt(sector)));
  driver.memory.put32(driver.payload + 8, sectors);
  driver.memory.put32(driver.payload + 12, flags);
  return driver.block(type, 0, buffer(driver, 16));
}

describe("virtio-blk", () => {
  test("the configuration says size, block and segment limits", () => {
    const { driver } = disk();
    expect([0, 4, 8, 12, 20, 24].map(at => driver.r(Reg.Config + at))).toEqual([SIZE / 512, 0, 1024 * 1024, 254, 512, 3 | (8 << 16)]);
  });
  test("with several queues, each gives its own buffers back", () => {
    const file = new MemoryFile(), driver = new Driver(new VirtioBlock({ backend: new ImageBackend(new RawImage(file, false)), serial: "", queues: 3, failed: () => {} }));
    driver.negotiate(Feature.EVENT_IDX).setQueue();
    const [desc, avail, used] = [0x4000_8000, 0x4000_a000, 0x4000_b000];
    for (const [register, value] of [[Reg.QueueSel, 2], [Reg.QueueNum, 16], [Reg.DescLow, desc], [Reg.DriverLow, avail], [Reg.DeviceLow, used], [Reg.QueueReady, 1]] as const) driver.w(register, value);
    driver.w(Reg.Status, driver.status | Status.DRIVER_OK);
    driver.chain([driver.header(T.IN, 5), buffer(driver, 512, true), { at: driver.statusAt, length: 1, write: true }], 0, desc);
    driver.memory.put16(avail + 2, 1);
    driver.notify(2);
    expect([driver.memory.u16(used + 2), driver.memory.u32(used + 8), driver.memory.u16(driver.used + 2), driver.r(Reg.Config + 32) >>> 16]).toEqual([1, 513, 0, 3]);
    expect(driver.bytes(driver.payload, 512)).toEqual(file.bytes.slice(5 * 512, 6 * 512));
  });
  test("reads sectors, and says how much it wrote", () => {
    const { driver, file } = disk();
    expect(driver.block(T.IN, 3, buffer(driver, 300_032, true))).toBe(OK);
    expect(driver.bytes(driver.payload, 300_032)).toEqual(file.bytes.slice(1536, 1536 + 300_032));
    expect(driver.collect()).toEqual([{ id: 0, length: 300_033 }]);
  });
  test("scatters over segments of odd lengths", () => {
    const { driver, file } = disk();
    expect(driver.block(T.IN, 0, { at: driver.payload, length: 1, write: true }, { at: driver.payload + 1, length: 510, write: true }, { at: driver.payload + 511, length: 1, write: true })).toBe(OK);
    expect(driver.bytes(driver.payload, 512)).toEqual(file.bytes.slice(0, 512));
  });
  test("writes sectors", () => {
    const { driver, file } = disk();
    driver.memory.bytes.fill(0x5a, driver.payload - driver.memory.base, driver.payload - driver.memory.base + 200_192);
    expect(driver.block(T.OUT, 7, buffer(driver, 200_192))).toBe(OK);
    expect([file.bytes.subarray(7 * 512, 7 * 512 + 200_192).every(byte => byte === 0x5a), file.bytes[7 * 512 - 1], driver.collect()]).toEqual([true, 249, [{ id: 0, length: 1 }]]);
  });
  test("flush reaches the medium", () => {
    const { driver, file } = disk();
    expect([driver.block(T.FLUSH, 0), file.syncs]).toEqual([OK, 1]);
  });
  test("GET_ID gives 20 bytes, or an error where there is less room", () => {
    const { driver } = disk();
    expect(driver.block(T.GET_ID, 0, buffer(driver, 20, true))).toBe(OK);
    expect(new TextDecoder().decode(driver.bytes(driver.payload, 20))).toBe("serial-1".padEnd(20, "\0"));
    expect(driver.block(T.GET_ID, 0, buffer(driver, 19, true))).toBe(IOERR);
  });
  test("write zeroes writes, or with unmap frees; discard frees", () => {
    const { driver, file } = disk();
    expect([range(driver, T.WRITE_ZEROES, 8, 1024), file.punched]).toEqual([OK, 0]);
    expect(file.bytes.subarray(4096, 4096 + 1024 * 512).some(byte => byte !== 0)).toBe(false);
    expect([range(driver, T.WRITE_ZEROES, 8, 16, 1), range(driver, T.DISCARD, 8, 8), file.punched]).toEqual([OK, OK, 24 * 512]);
  });
  test("ranges beyond the end, too long, with unknown flags, or several at once are refused", () => {
    const { driver } = disk();
    expect([
      range(driver, T.DISCARD, 0, 0xffff_ffff), range(driver, T.WRITE_ZEROES, SIZE / 512 - 1, 2), range(driver, T.DISCARD, 2n ** 64n - 1n, 1), range(driver, T.WRITE_ZEROES, 0, 0),
      range(driver, T.DISCARD, 0, 8, 1), range(driver, T.WRITE_ZEROES, 0, 8, 2), driver.block(T.DISCARD, 0, buffer(driver, 32)), driver.block(T.DISCARD, 0, buffer(driver, 15)),
    ]).toEqual([IOERR, IOERR, IOERR, IOERR, UNSUPP, UNSUPP, UNSUPP, IOERR]);
  });
  test("sectors beyond the end, no data, or parts of a sector are errors", () => {
    const { driver } = disk();
    const last = SIZE / 512;
    expect([
      driver.block(T.IN, last, buffer(driver, 512, true)), driver.block(T.IN, last - 1, buffer(driver, 1024, true)), driver.block(T.IN, 2n ** 64n - 1n, buffer(driver, 512, true)),
      driver.block(T.OUT, 2n ** 55n, buffer(driver, 512)), driver.block(T.IN, 0, buffer(driver, 511, true)), driver.block(T.IN, 0), driver.block(T.OUT, 0),
    ]).toEqual(Array(7).fill(IOERR));
  });
  test("an unknown request is unsupported", () => {
    const { driver } = disk();
    expect([driver.block(2, 0), driver.block(0xffff_ffff, 0)]).toEqual([UNSUPP, UNSUPP]);
  });
  test("a request of 254 MiB made of one buffer over and over is an error", () => {
    const { driver } = disk();
    driver.start(Feature.EVENT_IDX, 256);
    const same = Array.from({ length: 254 }, () => ({ at: driver.payload, length: 1024 * 1024, write: true }));
    expect(driver.block(T.IN, 0, ...same)).toBe(IOERR);
  });
  test("a read-only disk says so, and refuses what changes it", () => {
    const { driver, file } = disk({ readOnly: true });
    const before = file.bytes.slice();
    driver.w(Reg.DeviceFeaturesSel, 0);
    expect((driver.r(Reg.DeviceFeatures) & (1 << 5)) !== 0).toBe(true);
    expect([driver.block(T.OUT, 0, buffer(driver, 512)), range(driver, T.DISCARD, 0, 8), range(driver, T.WRITE_ZEROES, 0, 8), driver.block(T.FLUSH, 0), driver.block(T.IN, 0, buffer(driver, 512, true))]).toEqual([IOERR, IOERR, IOERR, OK, OK]);
    expect(file.bytes).toEqual(before);
  });
  test("no status byte, a read-only one, or half a header need a reset", () => {
    const requests = [
      (d: Driver) => d.send([d.header(T.IN, 0)]),
      (d: Driver) => d.send([d.header(T.FLUSH, 0), { at: d.statusAt, length: 1 }]),
      (d: Driver) => d.send([{ at: d.data, length: 15 }, { at: d.statusAt, length: 1, write: true }]),
    ];
    const results = requests.map(send => {
      const { driver } = disk();
      send(driver);
      return (driver.status & Status.NEEDS_RESET) !== 0;
    });
    expect(results).toEqual([true, true, true]);
  });
  test.each([["EIO", "EIO"], ["ENOSPC", "no space left on the host's disk"], ["EDQUOT", "the quota on the host's disk is used up"]])("%s is an I/O error to the guest, and one line to the user", (code, words) => {
    const { driver, file, told } = disk();
    file.fail = code;
    expect([driver.block(T.OUT, 0, buffer(driver, 512)), driver.block(T.OUT, 8, buffer(driver, 512)), driver.block(T.FLUSH, 0)]).toEqual([IOERR, IOERR, IOERR]);
    expect(told).toEqual([`disk.img: write failed: ${words}; the guest gets I/O errors`, `disk.img: flush failed: ${words}; the guest gets I/O errors`]);
    file.fail = undefined;
    expect(driver.block(T.OUT, 0, buffer(driver, 512))).toBe(OK);
  });
  test("a file that was cut off is an I/O error, and one line", () => {
    const { driver, file, told } = disk();
    file.end = 4096;
    expect([driver.block(T.IN, 0, buffer(driver, 4096, true)), driver.block(T.IN, 7, buffer(driver, 1024, true)), driver.block(T.IN, 90, buffer(driver, 512, true))]).toEqual([OK, IOERR, IOERR]);
    expect(told.length).toBe(1); // however many sectors are gone
  });
  test("a reset drops what the back end still works on: no late byte, no late used entry", () => {
    const backend = new Slow(), driver = new Driver(new VirtioBlock({ backend, serial: "", failed: () => {} })).start();
    expect(driver.block(T.IN, 0, buffer(driver, 300_032, true))).toBe(NONE);
    driver.start();
    backend.answer();
    backend.answer();
    expect([driver.blockStatus, driver.collect(), driver.irq.level, driver.bytes(driver.payload, 1)[0], backend.waiting.length]).toEqual([NONE, [], false, 0, 0]);
  });
  test("a back end that answers late completes all the same, piece by piece", () => {
    const backend = new Slow(), driver = new Driver(new VirtioBlock({ backend, serial: "", failed: () => {} })).start();
    driver.block(T.IN, 0, buffer(driver, 300_032, true));
    for (let n = 0; n < 3; n++) backend.answer();
    expect([driver.blockStatus, driver.bytes(driver.payload, 300_032).every(byte => byte === 0xab), driver.irq.level]).toEqual([OK, true, true]);
  });
});

describe("an overlay", () => {
  test("keeps writes to itself and reads them back", () => {
    const { driver, file } = disk({ overlay: true });
    const before = file.bytes.slice();
    const model = file.bytes.slice();
    const random = new Random(7);
    for (let n = 0; n < 200; n++) {
      const sector = random.below(SIZE / 512), sectors = 1 + random.below(Math.min(300, SIZE / 512 - sector));
      const at = sector * 512, length = sectors * 512;
      const kind = random.below(3);
      if (kind === 0) {
        const bytes = new Uint8Array(length).fill(random.u32());
        driver.memory.write(driver.payload, bytes);
        expect(driver.block(T.OUT, sector, buffer(driver, length))).toBe(OK);
        model.set(bytes, at);
      } else if (kind === 1) {
        expect(range(driver, T.WRITE_ZEROES, sector, sectors)).toBe(OK);
        model.fill(0, at, at + length);
      } else {
        expect(driver.block(T.IN, sector, buffer(driver, length, true))).toBe(OK);
        expect(Bun.hash(driver.bytes(driver.payload, length))).toBe(Bun.hash(model.slice(at, at + length)));
      }
    }
    expect([file.syncs, Bun.hash(file.bytes)]).toEqual([0, Bun.hash(before)]);
  });
});

describe("virtio-rng", () => {
  const rng = (): Driver => new Driver(new VirtioRng(into => into.fill(0x0102_0304))).start();
  test("fills a buffer", () => {
    const driver = rng();
    driver.send([buffer(driver, 7, true)]);
    expect([...driver.bytes(driver.payload, 8)]).toEqual([4, 3, 2, 1, 4, 3, 2, 0]);
    expect([driver.collect(), driver.irq.level]).toEqual([[{ id: 0, length: 7 }], true]);
  });
  test("gives at most 4 KiB at a time, however much is asked for", () => {
    const driver = rng();
    driver.send([buffer(driver, 3 * 1024 * 1024, true)]);
    expect(driver.collect()).toEqual([{ id: 0, length: 4096 }]);
  });
  test("B14: gives 1 MiB at once and 1 MiB a second, and loses no request; a reset is no way to more", () => {
    const driver = rng(), ask = (): number => {
      driver.send([buffer(driver, 4096, true)]);
      return driver.collect().length;
    };
    let given = 0;
    while (ask() === 1) given++;
    expect([given, driver.alarm.due !== undefined]).toEqual([256, true]);
    const rest = (seconds: number): number => {
      let got = 0;
      for (const end = driver.clock.now + seconds * driver.clock.frequency; driver.alarm.due !== undefined && driver.alarm.due <= end;) {
        driver.clock.now = driver.alarm.due;
        driver.alarm.due = undefined;
        driver.device.tick();
        const back = driver.collect().length;
        got += back;
        for (let n = 0; n < back; n++) got += ask();
      }
      return got;
    };
    expect(Math.abs(rest(2) - 512)).toBeLessThan(4);
    driver.start();
    expect(ask()).toBe(0);
    expect(Math.abs(rest(1) - 256)).toBeLessThan(4);
  });
  test("a buffer it cannot write comes back empty", () => {
    const driver = rng();
    driver.send([buffer(driver, 64)]);
    expect(driver.collect()).toEqual([{ id: 0, length: 0 }]);
  });
});

describe("random drivers", () => {
  /** Rings, descriptors, headers and registers at random, mostly near to what is right. */
  function attack(driver: Driver, random: Random, steps: number): void {
    for (let n = 0; n < steps; n++) {
      if (random.below(40) === 0 || (driver.status & Status.NEEDS_RESET) !== 0) driver.start(random.below(2) === 0 ? 0 : Feature.EVENT_IDX, 16);
      if (random.below(20) === 0) driver.device.write(random.below(128) * 4, [1, 2, 4][random.below(3)]!, [0, 1, 0xffff_ffff, random.u32()][random.below(4)]!);
      const count = 1 + random.below(4), first = random.below(16);
      driver.memory.put32(driver.data, [0, 1, 4, 8, 11, 13, random.u32()][random.below(7)]!);
      driver.memory.put64(driver.data + 8, [0, 1, 2047, 2048, random.u32()][random.below(5)]!);
      for (let i = 0; i < count; i++) {
        const far = random.below(30) === 0 ? random.u32() : i === 0 ? driver.data : driver.payload + random.below(0x1000);
        const length = random.below(25) === 0 ? random.u32() : i === 0 ? 16 : [1, 16, 20, 512, 4096, 512 * 3 + 1][random.below(6)]!;
        const flags = random.below(25) === 0 ? random.below(8) : (i === 0 ? 0 : 2) | (i + 1 < count ? 1 : 0);
        driver.putDesc((first + i) % 16, far, length, flags, random.below(25) === 0 ? random.below(0x1_0000) : (first + i + 1) % 16);
      }
      if (random.below(50) === 0) driver.memory.put16(driver.avail + 2, random.u32());
      else driver.offer(first);
      driver.notify(random.below(30) === 0 ? random.u32() : 0);
    }
  }
  test.each([1, 2, 3, 4])("neither throw nor hang the disk, and a reset always helps; seed %d", seed => {
    const { driver, file } = disk();
    attack(driver, new Random(seed), 5000);
    expect(driver.trace.notes.some(note => note.includes("needs a reset"))).toBe(true);
    driver.start();
    expect(driver.block(T.IN, 1, buffer(driver, 512, true))).toBe(OK);
    expect(driver.bytes(driver.payload, 512)).toEqual(file.bytes.slice(512, 1024));
  });
  test.each([1, 2])("nor the entropy device; seed %d", seed => {
    const driver = new Driver(new VirtioRng(into => into.fill(1))).start();
    attack(driver, new Random(seed), 5000);
    driver.clock.advance(1); // it may have had all that it gets in one second
    driver.start();
    driver.send([buffer(driver, 4, true)]);
    expect(driver.collect()).toEqual([{ id: 0, length: 4 }]);
  });
});
