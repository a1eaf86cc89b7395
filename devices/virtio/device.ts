// devices/virtio/device.ts — the contract between a virtio device and its transport. Types only.
// Spec: OASIS virtio 1.2, ch. 2 (basic facilities). Left out: shared memory regions, device groups, admin queues.
import type { Clock } from "../device.ts";
import type { Chain, SplitQueue } from "./queue.ts";

/** What a device sees of its transport. */
export interface VirtioTransport {
  /** Gives a buffer back with the bytes written into it. Dropped when its queue was reset since it was taken. */
  complete(queue: number, chain: Chain, written: number): void;
  /** The same for several buffers, which the driver sees at once. */
  completeAll(queue: number, chains: readonly Chain[], written: readonly number[]): void;
  /** Goes on with a queue as if the driver had notified the device of it. */
  proceed(queue: number): void;
  /** The same at a tick of the clock, or somewhat sooner. */
  proceedAt(queue: number, due: number): void;
  readonly clock: Clock;
  /** Something that a developer may want to see; it is counted. */
  note(what: string): void;
  /** The configuration space has changed. */
  configChanged(): void;
  /** The driver broke a rule that leaves no way to answer: DEVICE_NEEDS_RESET. */
  broken(why: string): void;
}

/** One kind of device: small, and without any knowledge of registers or rings. */
export interface VirtioDevice {
  /** What notes are filed under. */
  readonly name: string;
  /** Device ID, ch. 5. */
  readonly id: number;
  /** Device feature bits 0..23, ch. 5; those of the ring and the transport are the transport's. */
  readonly features: number;
  readonly queues: number;
  /** The configuration space as it reads now. */
  readonly config: Uint8Array;
  /** The driver writes to the configuration space, `size` bytes; without it, such a write is ignored and noted. */
  configure?(offset: number, size: number, value: number): void;
  /** Such writes count before there is a driver, too (5.3.5, emergency writes). */
  readonly configuredEarly?: boolean;
  /** Once, before anything else. */
  attach(transport: VirtioTransport): void;
  /** FEATURES_OK was reached with this subset of `features`. */
  negotiated(features: number): void;
  /** Buffers are available: takes at most `limit` of them. */
  process(index: number, queue: SplitQueue, limit: number): void;
  /** True while available buffers wait for something else than the driver: then nobody asks again until `proceed`. */
  idle?(index: number): boolean;
  /** Buffers that were taken are the driver's again: when this returns, nobody writes to them any more. */
  settle?(): void;
  /** Forgets every buffer it holds. */
  reset(): void;
}
