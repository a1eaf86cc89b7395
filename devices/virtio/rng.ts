// devices/virtio/rng.ts — virtio-rng: entropy for the guest.
// Spec: OASIS virtio 1.2, 5.4. A buffer gets at most 4 KiB, however large it is: 5.4.6 allows to fill less.
import type { VirtioDevice, VirtioTransport } from "./device.ts";
import type { SplitQueue } from "./queue.ts";

const MOST = 4096;

export class VirtioRng implements VirtioDevice {
  readonly name = "rng";
  readonly id = 4;
  readonly features = 0;
  readonly queues = 1;
  readonly config: Uint8Array = new Uint8Array(0);
  readonly #random: (into: Uint32Array) => void;
  readonly #words: Uint32Array = new Uint32Array(MOST / 4);
  #transport: VirtioTransport | undefined;
  constructor(random: (into: Uint32Array) => void) { this.#random = random; }

  attach(transport: VirtioTransport): void { this.#transport = transport; }
  negotiated(): void {}
  reset(): void {}
  process(_index: number, queue: SplitQueue, limit: number): void {
    for (let n = 0; n < limit; n++) {
      const chain = queue.pop();
      if (chain === undefined) return;
      const length = Math.min(MOST, chain.writableLength);
      this.#random(this.#words.subarray(0, Math.ceil(length / 4)));
      chain.write(0, new Uint8Array(this.#words.buffer, 0, length));
      this.#transport?.complete(0, chain, length);
    }
  }
}
