// test/fuzz/block.ts — a block device, and the queue below it, with drivers that break every rule now and then.
import type { VirtioDevice, VirtioTransport } from "../../devices/virtio/device.ts";
import type { SplitQueue } from "../../devices/virtio/queue.ts";
import { VirtioBlock } from "../../devices/virtio/block.ts";
import { ImageBackend } from "../../src/disk/image.ts";
import { RawImage } from "../../src/disk/raw.ts";
import { MemoryFile } from "../support/memory-file.ts";
import { Random } from "../support/random.ts";
import { Driver, Feature, Status } from "../support/virtio-driver.ts";

const SIZE = 256 * 1024;

/** Descriptors at random, mostly near to what is right; rings, registers and indexes wrong now and then. */
function attack(driver: Driver, random: Random, steps: number): void {
  const { memory } = driver;
  for (let n = 0; n < steps; n++) {
    if (random.below(30) === 0 || (driver.status & Status.NEEDS_RESET) !== 0) driver.start([0, Feature.EVENT_IDX, Feature.INDIRECT][random.below(3)] as number, 2 ** random.below(6));
    if (random.below(12) === 0) driver.device.write(random.below(128) * 4, [1, 2, 4][random.below(3)] as number, [0, 1, 0xffff_ffff, random.u32(), random.below(256)][random.below(5)] as number);
    if (random.below(12) === 0) driver.device.read(random.below(512), [1, 2, 4, 8][random.below(4)] as number);
    const count = 1 + random.below(5), first = random.below(16), table = random.below(4) === 0 ? driver.indirect : driver.desc;
    memory.put32(driver.data, [0, 1, 4, 8, 11, 13, random.u32()][random.below(7)] as number);
    memory.put64(driver.data + 8, [0n, 1n, BigInt(SIZE / 512 - 1), BigInt(SIZE / 512), 0xffff_ffff_ffff_ffffn, BigInt(random.u32())][random.below(6)] as bigint);
    memory.put64(driver.payload, BigInt(random.below(SIZE / 256)));
    memory.put64(driver.payload + 8, BigInt(random.below(64)) | (BigInt(random.below(3)) << 32n));
    for (let i = 0; i < count; i++) {
      const wild = random.below(25) === 0;
      const at = wild ? ([0n, 0xffff_ffff_ffff_f000n, BigInt(memory.base + memory.bytes.length - 1), BigInt(random.u32()), BigInt(driver.used)][random.below(5)] as bigint) : i === 0 ? driver.data : driver.payload + random.below(0x1000);
      const length = random.below(25) === 0 ? random.u32() : i === 0 ? 16 : [1, 16, 20, 512, 4096, 1537, 0][random.below(7)] as number;
      const flags = random.below(20) === 0 ? random.below(8) : (i === 0 ? 0 : 2 * random.below(2)) | (i + 1 < count ? 1 : 2 * random.below(2));
      driver.putDesc((first + i) % 16, at, length, flags, random.below(20) === 0 ? random.below(0x1_0000) : (first + i + 1) % 16, table);
    }
    if (table === driver.indirect) driver.putDesc(first, driver.indirect, random.below(10) === 0 ? random.u32() : 16 * 16, 4 | (random.below(10) === 0 ? 1 : 0));
    if (random.below(40) === 0) memory.put16(driver.avail + 2, random.u32());
    else driver.offer(random.below(20) === 0 ? random.below(0x1_0000) : first);
    driver.notify(random.below(20) === 0 ? random.u32() : 0);
    if (random.below(10) === 0) driver.device.tick();
  }
}

export function fuzzBlock(seed: number): void {
  const random = new Random(seed), file = new MemoryFile(new Random(7).bytes(SIZE)), readOnly = seed % 4 === 0, before = file.bytes.slice();
  const device = new VirtioBlock({ backend: new ImageBackend(new RawImage(file, readOnly)), serial: "fuzz", failed: () => {} });
  const driver = new Driver(device).start();
  attack(driver, random, 200);
  if (file.bytes.length !== SIZE) throw new Error("the disk has another size");
  if (readOnly && Buffer.compare(before, file.bytes) !== 0) throw new Error("a read-only disk was written");
  // a reset always helps
  driver.start(Feature.EVENT_IDX, 16);
  if (driver.block(0, 3, { at: driver.payload, length: 512, write: true }) !== 0) throw new Error("no request works after a reset");
  if (Buffer.compare(driver.bytes(driver.payload, 512), file.bytes.subarray(1536, 2048)) !== 0) throw new Error("other bytes are read than are there");
}

/** A device that copies what it may read into what it may write, and holds some buffers back. */
class Mirror implements VirtioDevice {
  readonly name = "mirror";
  readonly id = 2;
  readonly features = 0;
  readonly queues = 1;
  readonly config: Uint8Array = new Uint8Array(8);
  #transport: VirtioTransport | undefined;
  #held: (() => void)[] = [];
  attach(transport: VirtioTransport): void { this.#transport = transport; }
  negotiated(): void {}
  reset(): void {} // what is held comes back late, on purpose
  process(index: number, queue: SplitQueue, limit: number): void {
    for (let n = 0; n < limit; n++) {
      const chain = queue.pop();
      if (chain === undefined) return;
      const bytes = new Uint8Array(Math.min(chain.readableLength, chain.writableLength, 4096));
      if (!chain.read(0, bytes)) throw new Error("a chain cannot be read although its length says so");
      this.#held.push(() => {
        const live = chain.live;
        if (chain.write(0, bytes) !== live) throw new Error("a buffer is written after a reset, or not before");
        this.#transport?.complete(index, chain, bytes.length);
      });
      if (this.#held.length > 3) for (const one of this.#held.splice(0)) one();
    }
  }
}
export function fuzzQueue(seed: number): void {
  const driver = new Driver(new Mirror()).start();
  attack(driver, new Random(seed * 3 + 1), 300);
}
