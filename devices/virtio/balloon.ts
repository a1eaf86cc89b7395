// devices/virtio/balloon.ts — virtio-balloon: memory that the guest does without goes back to the host.
// Spec: OASIS virtio 1.2, 5.5: inflate and deflate queue, DEFLATE_ON_OOM, statistics, free page reporting. A page in the balloon
// stays the guest's to use: then it reads as zero, or as before, and that is all (no MUST_TELL_HOST; the deflate queue only
// has to be answered). Left out: free page hints (nothing migrates), page poison.
import type { VirtioDevice, VirtioTransport } from "./device.ts";
import type { Chain, SplitQueue } from "./queue.ts";

/** 5.5.3. */
const VIRTIO_BALLOON_F = { STATS_VQ: 1 << 1, DEFLATE_ON_OOM: 1 << 2, PAGE_REPORTING: 1 << 5 } as const;
/** struct virtio_balloon_config, 5.5.4. */
const Config = { num_pages: 0, actual: 4, SIZE: 8 } as const;
const INFLATE = 0, DEFLATE = 1;
/** 5.5.5: the unit of everything here, whatever pages the guest has. */
export const BALLOON_PAGE = 4096;
/** Page numbers taken from one buffer; Linux sends 256. */
const MOST_PAGES = 16 * 1024;
/** struct virtio_balloon_stat, packed: le16 tag, le64 val. */
const STAT = 10, MOST_STATS = 64;
/** 5.5.6.3.1, by tag. Sizes in bytes. */
const STATS = ["swapIn", "swapOut", "majorFaults", "minorFaults", "free", "total", "available", "caches", "hugePages", "hugePageFailures"] as const;
export type BalloonStats = { readonly [K in (typeof STATS)[number]]?: number };

/** The memory that is given back: the bytes of a range that really were. Whatever lies outside of RAM is none. */
export interface ReleasedMemory {
  contains(gpa: number, length: number): boolean;
  release(gpa: number, length: number): number;
}

export class VirtioBalloon implements VirtioDevice {
  readonly name = "balloon";
  readonly id = 5;
  readonly features: number = VIRTIO_BALLOON_F.STATS_VQ | VIRTIO_BALLOON_F.DEFLATE_ON_OOM | VIRTIO_BALLOON_F.PAGE_REPORTING;
  readonly queues = 5;
  readonly config: Uint8Array = new Uint8Array(Config.SIZE);
  readonly #view = new DataView(this.config.buffer);
  readonly #memory: ReleasedMemory;
  #transport: VirtioTransport | undefined;
  #accepted = 0;
  /** The driver's one buffer for statistics: given back when somebody wants them. */
  #wanting: { readonly chain: Chain; readonly index: number } | undefined;
  /** What the driver said of the guest's memory last. */
  stats: BalloonStats = {};
  /** Bytes that the host got back so far. */
  released = 0;
  constructor(memory: ReleasedMemory) { this.#memory = memory; }

  attach(transport: VirtioTransport): void { this.#transport = transport; }
  negotiated(features: number): void { this.#accepted = features; }
  reset(): void {
    this.#accepted = 0;
    this.#wanting = undefined;
    this.stats = {};
    this.#view.setUint32(Config.actual, 0, true); // its pages are the guest's again
  }
  /** 5.5.6: `actual` is the driver's to write. */
  configure(offset: number, size: number, value: number): void {
    if (offset === Config.actual && size === 4) this.#view.setUint32(Config.actual, value, true);
    else this.#transport?.note("write to the configuration space ignored");
  }

  /** Bytes that the balloon should have; the driver comes as near as it can. */
  get target(): number { return this.#view.getUint32(Config.num_pages, true) * BALLOON_PAGE; }
  set target(bytes: number) {
    this.#view.setUint32(Config.num_pages, Math.floor(bytes / BALLOON_PAGE), true);
    this.#transport?.configChanged();
  }
  /** Bytes that it has, as the driver says. */
  get actual(): number { return this.#view.getUint32(Config.actual, true) * BALLOON_PAGE; }
  /** Asks the driver for new statistics; they are in `stats` when it has answered. */
  refresh(): void {
    const wanting = this.#wanting;
    this.#wanting = undefined;
    if (wanting !== undefined) this.#transport?.complete(wanting.index, wanting.chain, 0);
  }

  process(index: number, queue: SplitQueue, limit: number): void {
    for (let n = 0; n < limit; n++) {
      const chain = queue.pop();
      if (chain === undefined) return;
      if (this.#isStats(index)) {
        this.refresh(); // a driver has one such buffer: an older one goes back
        this.#readStats(chain);
        this.#wanting = { chain, index };
        continue;
      }
      if (index === INFLATE) this.#inflate(chain);
      else if (index !== DEFLATE) for (const { at, length } of chain.writable) this.released += this.#memory.release(at, length); // 5.5.6.6: reported
      this.#transport?.complete(index, chain, 0);
    }
  }
  /**
   * 5.5.2 numbers the queues 0 to 4 and leaves out those whose feature is missing; Linux' virtio-mmio numbers what is there
   * without a gap. Both agree on statistics; reports are whatever comes behind.
   */
  #isStats(index: number): boolean { return index === 2 && (this.#accepted & VIRTIO_BALLOON_F.STATS_VQ) !== 0; }

  /** Page numbers, le32 each; neighbours go back together, so that hosts with larger pages have something of it, too. */
  #inflate(chain: Chain): void {
    if (chain.readableLength > 4 * MOST_PAGES) this.#transport?.note("inflate: a longer list than is taken");
    const bytes = new Uint8Array(Math.min(chain.readableLength, 4 * MOST_PAGES) & ~3);
    chain.read(0, bytes);
    const pages = new Uint32Array(bytes.buffer).sort();
    for (let i = 0; i < pages.length;) {
      const first = pages[i] as number;
      let last = first;
      while (++i < pages.length && (pages[i] as number) <= last + 1) last = pages[i] as number;
      this.#release(first, last - first + 1);
    }
  }
  #release(page: number, count: number): void {
    const at = page * BALLOON_PAGE, length = count * BALLOON_PAGE;
    if (this.#memory.contains(at, length)) this.released += this.#memory.release(at, length);
    else if (count === 1) this.#transport?.note("inflate: a page outside of memory");
    else for (let i = 0; i < count; i++) this.#release(page + i, 1);
  }
  #readStats(chain: Chain): void {
    const bytes = new Uint8Array(Math.min(chain.readableLength, STAT * MOST_STATS));
    chain.read(0, bytes);
    const view = new DataView(bytes.buffer), stats: Record<string, number> = {};
    for (let at = 0; at + STAT <= bytes.length; at += STAT) {
      const name = STATS[view.getUint16(at, true)], value = view.getUint32(at + 6, true) * 2 ** 32 + view.getUint32(at + 2, true);
      if (name !== undefined) stats[name] = value;
    }
    this.stats = stats;
  }
}
