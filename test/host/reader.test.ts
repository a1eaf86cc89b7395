// test/host/reader.test.ts — long reads: by the thread, by the machine in its place, and what a reset of the device in the middle of
// one leaves behind.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { closeSync, mkdtempSync, openSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { VirtioBlock } from "../../devices/virtio/block.ts";
import { NativeMemory } from "../../ffi/memory.ts";
import { openDisks } from "../../src/host/disks.ts";
import { Reader, type ReaderMessage } from "../../src/host/reader.ts";
import { Random } from "../support/random.ts";
import { Driver, Reg } from "../support/virtio-driver.ts";

const SIZE = 2 * 1024 * 1024, LONG = 256 * 1024;
const bytes = Uint8Array.from(new Random(21).bytes(SIZE));
let folder: string, image: string, fd: number;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "hv-reader-"));
  image = join(folder, "disk.img");
  writeFileSync(image, bytes);
  fd = openSync(image, "r");
});
afterAll(() => {
  closeSync(fd);
  rmSync(folder, { recursive: true });
});
const noThread = (): Reader => new Reader(() => {});

describe("long reads", () => {
  test("the thread reads into every part, in order, and rings", () => {
    const bell = new Int32Array(new SharedArrayBuffer(4)), memory = NativeMemory.allocate(SIZE), kick = NativeMemory.allocate(4), random = new Random(22);
    const reader = new Reader(shared => new Worker(new URL("../../src/disk-thread.ts", import.meta.url)).postMessage({ kind: "reads", shared, bell: bell.buffer as SharedArrayBuffer, doorbell: 0, kicks: [kick.pointer] } satisfies ReaderMessage));
    const answers: number[] = [];
    let asked = 0, rings = 0;
    while (asked < 100) {
      const length = 512 * (1 + random.below(64)), at = random.below(SIZE - length), view = new Uint8Array(memory.window(0), (asked % 32) * 65536, 65536).fill(0);
      const cuts = [0, random.below(length), length].sort((a, b) => a - b), n = asked;
      const parts = [view.subarray(40_000 - 7_000, 40_000 - 7_000 + (cuts[1] as number)), view.subarray(0, length - (cuts[1] as number))].filter(part => part.length > 0 && part.length < 33_000);
      const wanted = parts.reduce((sum, part) => sum + part.length, 0);
      if (wanted !== length) continue;
      expect(reader.read(fd, at, parts, whole => {
        answers.push(n);
        expect([whole, Buffer.concat(parts).equals(bytes.subarray(at, at + length))]).toEqual([true, true]);
      })).toBe(true);
      asked++;
      while (asked % 8 === 0 && answers.length < asked) {
        rings = Atomics.load(bell, 0);
        reader.poll();
        if (answers.length < asked) Atomics.wait(bell, 0, rings, 10_000);
      }
    }
    while (answers.length < asked) {
      reader.poll();
      Atomics.wait(bell, 0, Atomics.load(bell, 0), 5);
    }
    expect(answers).toEqual(Array.from({ length: 100 }, (_, i) => i));
    expect([Atomics.load(bell, 0), new Int32Array(kick.window(0))[0]]).toEqual([100, 1]);
    reader.close();
  });
  test("a machine that rests does them itself, one at a time; a full ring takes no more", () => {
    const reader = noThread(), into = new Uint8Array(4096), answers: number[] = [];
    for (let n = 0; n < 32; n++) expect(reader.read(fd, n * 4096, [into], () => answers.push(n))).toBe(true);
    expect(reader.read(fd, 0, [into], () => {})).toBe(false);
    expect(reader.help()).toBe(true);
    expect([answers, into]).toEqual([[0], bytes.slice(0, 4096)]);
    reader.settle();
    expect([answers.length, into, reader.help()]).toEqual([32, bytes.slice(31 * 4096, 32 * 4096), false]);
    expect(reader.read(fd, 0, Array.from({ length: 257 }, () => into), () => {})).toBe(false);
    reader.close();
  });
  test("what ends too early, and no file at all, is said to be not whole", () => {
    const reader = noThread(), into = new Uint8Array(4096), answers: boolean[] = [];
    reader.read(fd, SIZE - 2048, [into], whole => answers.push(whole));
    reader.read(-1, 0, [into], whole => answers.push(whole));
    reader.close();
    expect(answers).toEqual([false, false]);
  });
  test("a guest that waits for each read has them done where it asks, but for one in 32", () => {
    const reader = noThread(), into = new Uint8Array(512), taken: boolean[] = [];
    for (let n = 0; n < 100; n++) {
      taken.push(reader.read(fd, 0, [into], () => {}));
      reader.help();
    }
    expect(taken.map((one, n) => (one ? n : -1)).filter(n => n >= 0)).toEqual([0, 1, 2, 3, 35, 67, 99]);
    while (!reader.read(fd, 0, [into], () => {})); // the next that is taken
    expect(reader.read(fd, 0, [into], () => {})).toBe(true); // two at a time: it does not wait any more
    reader.settle();
    expect(reader.read(fd, 0, [into], () => {})).toBe(true);
    reader.close();
  });
});

describe("a block device with them", () => {
  const setup = () => {
    const reader = noThread(), told: string[] = [];
    const disks = openDisks([{ path: image, format: "raw" }], { readLater: (file, at, into, done) => reader.read(file, at, into, done), settle: () => reader.settle() });
    const driver = new Driver(new VirtioBlock({ backend: disks.all[0]!.backend, serial: "reader", failed: message => told.push(message) })).start();
    driver.memory.bytes.fill(0x55, driver.payload - driver.memory.base);
    const at = driver.payload - driver.memory.base;
    const ask = (length: number): void => driver.send([driver.header(0, 8), { at: driver.payload, length: 65536, write: true }, { at: driver.payload + 65536, length: length - 65536, write: true }, { at: driver.statusAt, length: 1, write: true }]);
    return { reader, disks, driver, told, ask, data: (length = LONG) => driver.memory.bytes.slice(at, at + length) };
  };
  const right = bytes.subarray(4096, 4096 + LONG);
  test("a long read is answered when it is done, a short one at once", () => {
    const { reader, disks, driver, ask, data, told } = setup();
    ask(LONG);
    expect([driver.collect(), data()]).toEqual([[], new Uint8Array(LONG).fill(0x55)]);
    reader.help();
    expect([driver.collect(), driver.memory.bytes[driver.statusAt - driver.memory.base]]).toEqual([[{ id: 0, length: LONG + 1 }], 0]);
    expect(data()).toEqual(right);
    ask(LONG - 512);
    expect(driver.collect().length).toBe(1);
    expect(told).toEqual([]);
    disks.close();
  });
  test.each([["a reset", Reg.Status], ["QueueReady = 0", Reg.QueueReady]] as const)("after %s no byte comes, and no answer", (_, register) => {
    const { reader, disks, driver, ask, data } = setup();
    ask(LONG);
    driver.w(Reg.QueueSel, 0);
    driver.w(register, 0);
    expect(data()).toEqual(right); // what was under way has ended
    driver.memory.bytes.fill(0x66, driver.payload - driver.memory.base);
    driver.memory.bytes[driver.statusAt - driver.memory.base] = 0x66;
    reader.settle();
    reader.poll();
    expect([reader.help(), driver.collect(), data(), driver.memory.bytes[driver.statusAt - driver.memory.base]]).toEqual([false, [], new Uint8Array(LONG).fill(0x66), 0x66]);
    driver.start();
    ask(LONG);
    reader.help();
    expect([driver.collect().length, data()]).toEqual([1, right]);
    disks.close();
  });
  test("a file cut off meanwhile gives an I/O error, and one line", () => {
    const { reader, disks, driver, ask, told } = setup();
    ask(LONG);
    truncateSync(image, 8192);
    try {
      reader.help();
    } finally {
      writeFileSync(image, bytes);
    }
    expect([driver.collect(), driver.memory.bytes[driver.statusAt - driver.memory.base]]).toEqual([[{ id: 0, length: 1 }], 1]);
    expect(told).toEqual([`${image}: read failed: the file is shorter than the ${SIZE} bytes it had when it was opened; the guest gets I/O errors`]);
    disks.close();
  });
});
