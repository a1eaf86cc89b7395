// devices/virtio/rng.ts — virtio-rng: entropy for the guest.
// Spec: OASIS virtio 1.2, 5.4. A buffer gets at most 4 KiB, however large it is: 5.4.6 allows to fill less. A guest gets 1 MiB at
// once and 1 MiB a second: more is of no use as a seed, and would be the host's time.
import type { VirtioDevice, VirtioTransport } from "./device.ts";
import type { SplitQueue } from "./queue.ts";

const MOST = 4096;
/** Bytes a second; and as many at once after a second without. */
const RATE = 2 ** 20;

export class VirtioRng implements VirtioDevice {
  readonly name = "rng";
  readonly id = 4;
  readonly features = 0;
  readonly queues = 1;
  readonly config: Uint8Array = new Uint8Array(0);
  readonly #random: (into: Uint32Array) => void;
  readonly #words: Uint32Array = new Uint32Array(MOST / 4);
  #transport: VirtioTransport | undefined;
  /** Bytes that may be given at tick `#at`. */
  #allowed = RATE;
  #at = 0;
  #waiting = false;
  constructor(random: (into: Uint32Array) => void) { this.#random = random; }

  attach(transport: VirtioTransport): void { this.#transport = transport; }
  negotiated(): void {}
  /** What was given stays given: a reset is no way to more. */
  reset(): void { this.#waiting = false; }
  idle(): boolean { return this.#waiting; }
  process(index: number, queue: SplitQueue, limit: number): void {
    const transport = this.#transport as VirtioTransport, { clock } = transport, now = clock.ticks();
    this.#allowed = Math.min(RATE, this.#allowed + (now - this.#at) * RATE / clock.frequency);
    this.#at = now;
    for (let n = 0; n < limit; n++) {
      this.#waiting = this.#allowed < MOST;
      if (this.#waiting) return transport.proceedAt(index, now + Math.ceil(MOST * clock.frequency / RATE));
      const chain = queue.pop();
      if (chain === undefined) return;
      const length = Math.min(MOST, chain.writableLength);
      this.#random(this.#words.subarray(0, Math.ceil(length / 4)));
      chain.write(0, new Uint8Array(this.#words.buffer, 0, length));
      this.#allowed -= length;
      transport.complete(index, chain, length);
    }
  }
}
