// test/host/transfers.test.ts — long reads and writes: by the thread, by the machine in its place, and what a reset of the device in the middle of
// one leaves behind.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { VirtioBlock } from "../../devices/virtio/block.ts";
import { NativeMemory } from "../../ffi/memory.ts";
import { openDisks } from "../../src/host/disks.ts";
import { RawImage } from "../../src/disk/raw.ts";
import { Transfers, type Transfer, type TransfersMessage } from "../../src/host/transfers.ts";
import { MemoryFile } from "../support/memory-file.ts";
import { Random } from "../support/random.ts";
import { Driver, Reg } from "../support/virtio-driver.ts";

const SIZE = 2 * 1024 * 1024, LONG = 256 * 1024;
const bytes = Uint8Array.from(new Random(21).bytes(SIZE));
let folder: string, image: string, fd: number;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "hv-transfers-"));
  image = join(folder, "disk.img");
  writeFileSync(image, bytes);
  fd = openSync(image, "r");
});
afterAll(() => {
  closeSync(fd);
  rmSync(folder, { recursive: true });
});
const noThread = (): Transfers => new Transfers(() => {});

describe("long transfers", () => {
  test("the thread reads into every part, in order, and rings", () => {
    const bell = new Int32Array(new SharedArrayBuffer(4)), memory = NativeMemory.allocate(SIZE), kick = NativeMemory.allocate(4), random = new Random(22);
    const transfers = new Transfers(shared => new Worker(new URL("../../src/disk-thread.ts", import.meta.url)).postMessage({ kind: "transfers", shared, bell: bell.buffer as SharedArrayBuffer, doorbell: 0, kicks: [kick.pointer] } satisfies TransfersMessage));
    const answers: number[] = [];
    let asked = 0, rings = 0;
    while (asked < 100) {
      const length = 512 * (1 + random.below(64)), at = random.below(SIZE - length), view = new Uint8Array(memory.window(0), (asked % 32) * 65536, 65536).fill(0);
      const cuts = [0, random.below(length), length].sort((a, b) => a - b), n = asked;
      const parts = [view.subarray(40_000 - 7_000, 40_000 - 7_000 + (cuts[1] as number)), view.subarray(0, length - (cuts[1] as number))].filter(part => part.length > 0 && part.length < 33_000);
      const wanted = parts.reduce((sum, part) => sum + part.length, 0);
      if (wanted !== length) continue;
      expect(transfers.read(fd, at, parts, whole => {
        answers.push(n);
        expect([whole, Buffer.concat(parts).equals(bytes.subarray(at, at + length))]).toEqual([true, true]);
      })).toBe(true);
      asked++;
      while (asked % 8 === 0 && answers.length < asked) {
        rings = Atomics.load(bell, 0);
        transfers.poll();
        if (answers.length < asked) Atomics.wait(bell, 0, rings, 10_000);
      }
    }
    while (answers.length < asked) {
      transfers.poll();
      Atomics.wait(bell, 0, Atomics.load(bell, 0), 5);
    }
    expect(answers).toEqual(Array.from({ length: 100 }, (_, i) => i));
    expect([Atomics.load(bell, 0), new Int32Array(kick.window(0))[0]]).toEqual([100, 1]);
    transfers.close();
  });
  test("the thread writes from every part, in order, between reads", () => {
    const bell = new Int32Array(new SharedArrayBuffer(4)), memory = NativeMemory.allocate(SIZE), all = new Uint8Array(memory.window(0), 0, SIZE), random = new Random(23);
    const path = join(folder, "written.img");
    writeFileSync(path, new Uint8Array(SIZE));
    const file = openSync(path, "r+"), expected = new Uint8Array(SIZE);
    const transfers = new Transfers(shared => new Worker(new URL("../../src/disk-thread.ts", import.meta.url)).postMessage({ kind: "transfers", shared, bell: bell.buffer as SharedArrayBuffer, doorbell: 0, kicks: [] } satisfies TransfersMessage));
    all.set(bytes);
    let answered = 0;
    for (let n = 0; n < 32; n++) { // each its own 64 KiB
      const at = n * 65536, cut = 1 + random.below(65534), source = random.below(SIZE - 65536);
      const parts = [all.subarray(source + cut, source + 65536), all.subarray(source, source + cut)];
      expected.set(parts[0] as Uint8Array, at);
      expected.set(parts[1] as Uint8Array, at + 65536 - cut);
      expect(transfers.write(file, at, parts, whole => {
        expect([whole, answered++]).toEqual([true, n]);
      })).toBe(true);
    }
    while (answered < 32) {
      transfers.poll();
      Atomics.wait(bell, 0, Atomics.load(bell, 0), 5);
    }
    expect(readFileSync(path)).toEqual(Buffer.from(expected));
    transfers.close();
    closeSync(file);
  });
  test("a machine that rests does them itself, one at a time; a full ring takes no more", () => {
    const transfers = noThread(), into = new Uint8Array(4096), answers: number[] = [];
    for (let n = 0; n < 32; n++) expect(transfers.read(fd, n * 4096, [into], () => answers.push(n))).toBe(true);
    expect(transfers.read(fd, 0, [into], () => {})).toBe(false);
    expect(transfers.help()).toBe(true);
    expect([answers, into]).toEqual([[0], bytes.slice(0, 4096)]);
    transfers.settle();
    expect([answers.length, into, transfers.help()]).toEqual([32, bytes.slice(31 * 4096, 32 * 4096), false]);
    expect(transfers.read(fd, 0, Array.from({ length: 257 }, () => into), () => {})).toBe(false);
    transfers.close();
  });
  test("what ends too early, and no file at all, is said to be not whole", () => {
    const transfers = noThread(), into = new Uint8Array(4096), answers: boolean[] = [];
    transfers.read(fd, SIZE - 2048, [into], whole => answers.push(whole));
    transfers.read(-1, 0, [into], whole => answers.push(whole));
    transfers.close();
    expect(answers).toEqual([false, false]);
  });
  test("a guest that waits for each read has them done where it asks, but for one in 32", () => {
    const transfers = noThread(), into = new Uint8Array(512), taken: boolean[] = [];
    for (let n = 0; n < 100; n++) {
      taken.push(transfers.read(fd, 0, [into], () => {}));
      transfers.help();
    }
    expect(taken.map((one, n) => (one ? n : -1)).filter(n => n >= 0)).toEqual([0, 1, 2, 3, 35, 67, 99]);
    while (!transfers.read(fd, 0, [into], () => {})); // the next that is taken
    expect(transfers.read(fd, 0, [into], () => {})).toBe(true); // two at a time: it does not wait any more
    transfers.settle();
    expect(transfers.read(fd, 0, [into], () => {})).toBe(true);
    transfers.close();
  });
});

describe("a block device with them", () => {
  const setup = () => {
    const transfers = noThread(), told: string[] = [];
    const disks = openDisks([{ path: image, format: "raw" }], { later: transfers, settle: () => transfers.settle() });
    const driver = new Driver(new VirtioBlock({ backend: disks.all[0]!.backend, serial: "reader", failed: message => told.push(message) })).start();
    driver.memory.bytes.fill(0x55, driver.payload - driver.memory.base);
    const at = driver.payload - driver.memory.base;
    const ask = (length: number): void => driver.send([driver.header(0, 8), { at: driver.payload, length: 65536, write: true }, { at: driver.payload + 65536, length: length - 65536, write: true }, { at: driver.statusAt, length: 1, write: true }]);
    return { transfers, disks, driver, told, ask, data: (length = LONG) => driver.memory.bytes.slice(at, at + length) };
  };
  const right = bytes.subarray(4096, 4096 + LONG);
  test("a long read is answered when it is done, a short one at once", () => {
    const { transfers, disks, driver, ask, data, told } = setup();
    ask(LONG);
    expect([driver.collect(), data()]).toEqual([[], new Uint8Array(LONG).fill(0x55)]);
    transfers.help();
    expect([driver.collect(), driver.memory.bytes[driver.statusAt - driver.memory.base]]).toEqual([[{ id: 0, length: LONG + 1 }], 0]);
    expect(data()).toEqual(right);
    ask(LONG - 512);
    expect(driver.collect().length).toBe(1);
    expect(told).toEqual([]);
    disks.close();
  });
  test.each([["a reset", Reg.Status], ["QueueReady = 0", Reg.QueueReady]] as const)("after %s no byte comes, and no answer", (_, register) => {
    const { transfers, disks, driver, ask, data } = setup();
    ask(LONG);
    driver.w(Reg.QueueSel, 0);
    driver.w(register, 0);
    expect(data()).toEqual(right); // what was under way has ended
    driver.memory.bytes.fill(0x66, driver.payload - driver.memory.base);
    driver.memory.bytes[driver.statusAt - driver.memory.base] = 0x66;
    transfers.settle();
    transfers.poll();
    expect([transfers.help(), driver.collect(), data(), driver.memory.bytes[driver.statusAt - driver.memory.base]]).toEqual([false, [], new Uint8Array(LONG).fill(0x66), 0x66]);
    driver.start();
    ask(LONG);
    transfers.help();
    expect([driver.collect().length, data()]).toEqual([1, right]);
    disks.close();
  });
  test("a file cut off meanwhile gives an I/O error, and one line", () => {
    const { transfers, disks, driver, ask, told } = setup();
    ask(LONG);
    truncateSync(image, 8192);
    try {
      transfers.help();
    } finally {
      writeFileSync(image, bytes);
    }
    expect([driver.collect(), driver.memory.bytes[driver.statusAt - driver.memory.base]]).toEqual([[{ id: 0, length: 1 }], 1]);
    expect(told).toEqual([`${image}: read failed: the file is shorter than the ${SIZE} bytes it had when it was opened; the guest gets I/O errors`]);
    disks.close();
  });

  /** The same with a disk of its own that may be written to; `later`: what does the long ones. */
  const writable = (later: (transfers: Transfers) => { read: Transfer; write: Transfer } = transfers => transfers) => {
    const transfers = noThread(), told: string[] = [], path = join(folder, "writable.img");
    writeFileSync(path, bytes);
    const disks = openDisks([{ path, format: "raw" }], { later: later(transfers), settle: () => transfers.settle() });
    const driver = new Driver(new VirtioBlock({ backend: disks.all[0]!.backend, serial: "writer", failed: message => told.push(message) })).start();
    const data = driver.memory.bytes.subarray(driver.payload - driver.memory.base);
    data.fill(0x77);
    const ask = (length: number, sector = 8): void => driver.send([driver.header(1, sector), { at: driver.payload, length: 65536 }, { at: driver.payload + 65536, length: length - 65536 }, { at: driver.statusAt, length: 1, write: true }]);
    const file = (at = 4096, length = LONG): Uint8Array => readFileSync(path).subarray(at, at + length);
    return { transfers, disks, driver, told, ask, data, file, status: () => driver.memory.bytes[driver.statusAt - driver.memory.base] };
  };
  const filled = (byte: number): Buffer => Buffer.alloc(LONG, byte);
  test("a long write is answered when it is done, a short one at once; neither touches what is beside it", () => {
    const { transfers, disks, driver, ask, file, status } = writable();
    ask(LONG);
    expect([driver.collect(), file()]).toEqual([[], Buffer.from(right)]);
    transfers.help();
    expect([driver.collect(), status(), file()]).toEqual([[{ id: 0, length: 1 }], 0, filled(0x77)]);
    expect([file(0, 4096), file(4096 + LONG, SIZE - 4096 - LONG)]).toEqual([Buffer.from(bytes.subarray(0, 4096)), Buffer.from(bytes.subarray(4096 + LONG))]);
    driver.memory.bytes.fill(0x78, driver.payload - driver.memory.base);
    ask(LONG - 512);
    expect(driver.collect().length).toBe(1);
    expect(file(4096, LONG - 512)).toEqual(filled(0x78).subarray(512));
    disks.close();
  });
  test("after a reset nothing is written any more", () => {
    const { transfers, disks, driver, ask, data, file } = writable();
    ask(LONG);
    driver.w(Reg.Status, 0);
    expect(file()).toEqual(filled(0x77)); // what was under way has ended
    data.fill(0x66);
    transfers.settle();
    transfers.poll();
    expect([transfers.help(), driver.collect(), file()]).toEqual([false, [], filled(0x77)]);
    disks.close();
  });
  test("what the thread cannot write is written where errors have words", () => {
    const { transfers, disks, driver, ask, file, status, told } = writable(own => ({ read: own.read, write: (_, ...asked) => own.write(-1, ...asked) }));
    ask(LONG);
    transfers.help();
    expect([driver.collect().length, status(), file(), told]).toEqual([1, 0, filled(0x77), []]);
    disks.close();
  });
});

test("a flush that passes while a long write is under way does not stand for that one", () => {
  let finish: ((whole: boolean) => void) | undefined;
  const file = Object.assign(new MemoryFile(new Uint8Array(SIZE)), { writeLater: (_at: number, _from: readonly Uint8Array[], done: (whole: boolean) => void): boolean => { finish = done; return true; } });
  const image = new RawImage(file, false), answers: string[] = [];
  const flush = (): number => [...image.flushing()].length;
  expect(flush()).toBe(1); // what an earlier run may have left
  expect(image.writeLater(4096, [bytes.subarray(0, LONG)], whole => answers.push(`written ${whole}`))).toBe(true);
  expect(flush()).toBe(0);
  finish?.(true);
  expect([answers, flush(), flush()]).toEqual([["written true"], 1, 0]);
});
test("the first bytes of a disk, where they are looked at, are copied first, and written at once", () => {
  const seen: Uint8Array[] = [], file = Object.assign(new MemoryFile(new Uint8Array(SIZE)), { writeLater: (): boolean => true });
  const image = new RawImage(file, false, from => seen.push(from)), from = bytes.slice(0, LONG);
  expect([image.writeLater(0, [from], () => {}), image.writeLater(512, [from], () => {})]).toEqual([false, true]);
  image.write(0, from);
  from[0] = (from[0] as number) ^ 1;
  expect([seen.length, seen[0], file.bytes.subarray(0, LONG)]).toEqual([1, bytes.subarray(0, LONG), bytes.subarray(0, LONG)]);
});
