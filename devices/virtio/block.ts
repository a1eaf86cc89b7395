// devices/virtio/block.ts — virtio-blk: a disk.
// Spec: OASIS virtio 1.2, 5.2. A request moves through one bounce buffer in pieces, so that a guest's lengths never become
// allocations. Left out: CONFIG_WCE (the cache is always write-back: a flush is what makes data durable),
// zoned devices, secure erase, lifetime.
import type { BlockBackend, BlockError } from "./block-backend.ts";
import type { VirtioDevice, VirtioTransport } from "./device.ts";
import { QUEUE_SIZE_MAX, type Chain, type SplitQueue } from "./queue.ts";

/** 5.2.3. */
const VIRTIO_BLK_F = { SIZE_MAX: 1 << 1, SEG_MAX: 1 << 2, RO: 1 << 5, BLK_SIZE: 1 << 6, FLUSH: 1 << 9, TOPOLOGY: 1 << 10, MQ: 1 << 12, DISCARD: 1 << 13, WRITE_ZEROES: 1 << 14 } as const;
/** 5.2.6. */
const VIRTIO_BLK_T = { IN: 0, OUT: 1, FLUSH: 4, GET_ID: 8, DISCARD: 11, WRITE_ZEROES: 13 } as const;
const VIRTIO_BLK_S = { OK: 0, IOERR: 1, UNSUPP: 2 } as const;
/** struct virtio_blk_config, 5.2.4. */
const Config = {
  capacity: 0, size_max: 8, seg_max: 12, blk_size: 20, physical_block_exp: 24, min_io_size: 26, opt_io_size: 28, writeback: 32, num_queues: 34,
  max_discard_sectors: 36, max_discard_seg: 40, discard_sector_alignment: 44, max_write_zeroes_sectors: 48, max_write_zeroes_seg: 52,
  write_zeroes_may_unmap: 56, SIZE: 60,
} as const;
const SECTOR = 512;
/** Blocks that a write costs least in: pages of the host's cache. */
const PHYSICAL = 4096;
const HEADER = 16;
const ID_BYTES = 20;
const RANGE = 16;
const UNMAP = 1;
/** One data segment, and one request. Longer requests fail: 254 segments of Linux stay far below. */
const SEGMENT_MAX = 1024 * 1024;
const REQUEST_MAX = 64 * 1024 * 1024;
/** Bytes moved at a time. */
const PIECE = 128 * 1024;
/** From how many bytes in one place on they are not copied to a buffer first. */
const DIRECT = 32 * 1024;
/** From how many bytes on a request may take its time: to hand it over and to hear of its end costs as much as to copy 64 KiB. */
const LATER = 256 * 1024;
/** Discard and write zeroes, at most so many sectors in one request: what is not unmapped has to be written. */
const RANGE_SECTORS = 64 * 1024 * 1024 / SECTOR;

/** More would not be faster: every request is worked on in one thread. */
export const MAX_QUEUES = 8;

export interface BlockWires {
  readonly backend: BlockBackend;
  /** What GET_ID answers: at most 20 bytes of ASCII. */
  readonly serial: string;
  /** Queues: one for each core of the guest, up to `MAX_QUEUES`. Default 1. */
  readonly queues?: number | undefined;
  /** The host failed a request: one line for the user. Called once per message. */
  readonly failed: (message: string) => void;
}

export class VirtioBlock implements VirtioDevice {
  readonly name = "blk";
  readonly id = 2;
  readonly queues: number;
  readonly features: number;
  readonly config: Uint8Array = new Uint8Array(Config.SIZE);
  readonly #wires: BlockWires;
  readonly #serial: Uint8Array = new Uint8Array(ID_BYTES);
  readonly #header = new Uint8Array(HEADER);
  readonly #headerView = new DataView(this.#header.buffer);
  readonly #range = new Uint8Array(RANGE);
  readonly #rangeView = new DataView(this.#range.buffer);
  readonly #status = new Uint8Array(1);
  /** Bounce buffers that no request uses. */
  readonly #spare: Uint8Array[] = [];
  readonly #told: Set<string> = new Set();
  #transport: VirtioTransport | undefined;

  constructor(wires: BlockWires) {
    this.#wires = wires;
    this.queues = Math.max(1, Math.min(MAX_QUEUES, wires.queues ?? 1));
    const { backend } = wires;
    this.features = VIRTIO_BLK_F.SIZE_MAX | VIRTIO_BLK_F.SEG_MAX | VIRTIO_BLK_F.BLK_SIZE | VIRTIO_BLK_F.FLUSH | VIRTIO_BLK_F.TOPOLOGY
      | (this.queues > 1 ? VIRTIO_BLK_F.MQ : 0) | (backend.readOnly ? VIRTIO_BLK_F.RO : VIRTIO_BLK_F.DISCARD | VIRTIO_BLK_F.WRITE_ZEROES);
    new TextEncoder().encodeInto(wires.serial, this.#serial);
    const view = new DataView(this.config.buffer);
    this.resized();
    view.setUint32(Config.size_max, SEGMENT_MAX, true);
    view.setUint32(Config.seg_max, QUEUE_SIZE_MAX - 2, true); // header and status take a descriptor each
    view.setUint32(Config.blk_size, SECTOR, true);
    view.setUint8(Config.physical_block_exp, Math.log2(PHYSICAL / SECTOR));
    view.setUint16(Config.min_io_size, PHYSICAL / SECTOR, true);
    view.setUint8(Config.writeback, 1);
    view.setUint16(Config.num_queues, this.queues, true);
    if (backend.readOnly) return;
    view.setUint32(Config.max_discard_sectors, RANGE_SECTORS, true);
    view.setUint32(Config.max_discard_seg, 1, true);
    view.setUint32(Config.discard_sector_alignment, PHYSICAL / SECTOR, true);
    view.setUint32(Config.max_write_zeroes_sectors, RANGE_SECTORS, true);
    view.setUint32(Config.max_write_zeroes_seg, 1, true);
    view.setUint8(Config.write_zeroes_may_unmap, 1);
  }

  /** The back end has another size than before. */
  resized(): void {
    new DataView(this.config.buffer).setBigUint64(Config.capacity, BigInt(this.#wires.backend.size / SECTOR), true);
    this.#transport?.configChanged();
  }
  attach(transport: VirtioTransport): void { this.#transport = transport; }
  negotiated(): void {}
  settle(): void { this.#wires.backend.settle?.(); }
  reset(): void {} // what the back end still works on is dropped when it completes: the queue lives another life

  process(index: number, queue: SplitQueue, limit: number): void {
    for (let n = 0; n < limit; n++) {
      const chain = queue.pop();
      if (chain === undefined) return;
      this.#request(index, chain);
    }
  }

  #request(queue: number, chain: Chain): void {
    if (chain.writableLength === 0 || !chain.read(0, this.#header)) {
      this.#transport?.broken("a block request without header or status byte");
      return;
    }
    const { backend } = this.#wires;
    const type = this.#headerView.getUint32(0, true);
    const sector = this.#headerView.getUint32(12, true) * 2 ** 32 + this.#headerView.getUint32(8, true);
    const into = chain.writableLength - 1, from = chain.readableLength - HEADER;
    switch (type) {
      case VIRTIO_BLK_T.IN: return this.#holds(sector, into) ? this.#read(queue, chain, sector * SECTOR, into) : this.#finish(queue, chain, VIRTIO_BLK_S.IOERR, 0);
      case VIRTIO_BLK_T.OUT: return !backend.readOnly && this.#holds(sector, from) ? this.#write(queue, chain, sector * SECTOR, from) : this.#finish(queue, chain, VIRTIO_BLK_S.IOERR, 0);
      case VIRTIO_BLK_T.FLUSH: return backend.readOnly ? this.#finish(queue, chain, VIRTIO_BLK_S.OK, 0) : backend.flush(error => this.#done(queue, chain, error));
      case VIRTIO_BLK_T.GET_ID: {
        if (into < ID_BYTES) return this.#finish(queue, chain, VIRTIO_BLK_S.IOERR, 0);
        chain.write(0, this.#serial);
        return this.#finish(queue, chain, VIRTIO_BLK_S.OK, ID_BYTES);
      }
      case VIRTIO_BLK_T.DISCARD:
      case VIRTIO_BLK_T.WRITE_ZEROES: return this.#clear(queue, chain, type);
      default: return this.#finish(queue, chain, VIRTIO_BLK_S.UNSUPP, 0);
    }
  }
  #holds(sector: number, length: number): boolean {
    return length > 0 && length % SECTOR === 0 && length <= REQUEST_MAX && sector <= this.#wires.backend.size / SECTOR && sector * SECTOR + length <= this.#wires.backend.size;
  }

  #read(queue: number, chain: Chain, at: number, length: number): void {
    const { backend } = this.#wires;
    const into = length >= LATER && backend.readLater !== undefined ? chain.stretches("writable", 0, length) : undefined;
    if (into !== undefined && backend.readLater?.(at, into, error => this.#done(queue, chain, error, length)) === true) return;
    this.#move(queue, chain, at, length, false);
  }
  #write(queue: number, chain: Chain, at: number, length: number): void {
    const { backend } = this.#wires;
    const from = length >= LATER && backend.writeLater !== undefined ? chain.stretches("readable", HEADER, length) : undefined;
    if (from !== undefined && backend.writeLater?.(at, from, error => this.#done(queue, chain, error)) === true) return;
    this.#move(queue, chain, at, length, true);
  }
  /** Read or write, piece by piece; the loop stands still while the back end takes its time. */
  #move(queue: number, chain: Chain, at: number, length: number, write: boolean): void {
    const { backend } = this.#wires;
    const buffer = this.#spare.pop() ?? new Uint8Array(PIECE);
    let moved = 0, running = false, arrived = false;
    const end = (error: BlockError | undefined): void => {
      this.#spare.push(buffer);
      this.#done(queue, chain, error, write ? 0 : length);
    };
    let direct: Uint8Array | undefined, part = buffer;
    const took = (error: BlockError | undefined): void => {
      if (error !== undefined || !chain.live) return end(error);
      if (!write && direct === undefined) chain.write(moved, part);
      moved += part.length;
      arrived = true;
      if (!running) go();
    };
    const go = (): void => {
      running = true;
      for (;;) {
        if (moved === length) return end(undefined);
        arrived = false;
        if (backend.atOnce === true) direct = chain.stretch(write ? "readable" : "writable", (write ? HEADER : 0) + moved, DIRECT, length - moved);
        part = direct ?? buffer.subarray(0, Math.min(PIECE, length - moved));
        if (write) {
          if (direct === undefined) chain.read(HEADER + moved, part); // a copy: the driver may change it meanwhile
          backend.write(at + moved, part, took);
        } else backend.read(at + moved, part, took);
        if (!arrived) break;
      }
      running = false;
    };
    go();
  }

  /** Discard and write zeroes: struct virtio_blk_discard_write_zeroes, one range. */
  #clear(queue: number, chain: Chain, type: number): void {
    const { backend } = this.#wires;
    if (backend.readOnly) return this.#finish(queue, chain, VIRTIO_BLK_S.IOERR, 0);
    if (chain.readableLength !== HEADER + RANGE) return this.#finish(queue, chain, chain.readableLength > HEADER + RANGE ? VIRTIO_BLK_S.UNSUPP : VIRTIO_BLK_S.IOERR, 0);
    chain.read(HEADER, this.#range);
    const sector = this.#rangeView.getUint32(4, true) * 2 ** 32 + this.#rangeView.getUint32(0, true);
    const sectors = this.#rangeView.getUint32(8, true), flags = this.#rangeView.getUint32(12, true);
    const zeroes = type === VIRTIO_BLK_T.WRITE_ZEROES;
    // 5.2.6.2: an unknown flag, and unmap in a discard, are unsupported
    if ((flags & ~(zeroes ? UNMAP : 0)) !== 0) return this.#finish(queue, chain, VIRTIO_BLK_S.UNSUPP, 0);
    if (sectors > RANGE_SECTORS || !this.#holds(sector, sectors * SECTOR)) return this.#finish(queue, chain, VIRTIO_BLK_S.IOERR, 0);
    if (zeroes) backend.writeZeroes(sector * SECTOR, sectors * SECTOR, (flags & UNMAP) !== 0, error => this.#done(queue, chain, error));
    else backend.discard(sector * SECTOR, sectors * SECTOR, error => this.#done(queue, chain, error));
  }

  #done(queue: number, chain: Chain, error: BlockError | undefined, written = 0): void {
    if (error !== undefined && !this.#told.has(error.message)) {
      this.#told.add(error.message);
      this.#wires.failed(error.message);
    }
    this.#finish(queue, chain, error === undefined ? VIRTIO_BLK_S.OK : VIRTIO_BLK_S.IOERR, error === undefined ? written : 0);
  }
  /** The status is the last byte that the device may write. */
  #finish(queue: number, chain: Chain, status: number, written: number): void {
    this.#status[0] = status;
    chain.write(chain.writableLength - 1, this.#status);
    this.#transport?.complete(queue, chain, written + 1);
  }
}
