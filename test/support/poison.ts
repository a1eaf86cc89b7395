// test/support/poison.ts — preloaded into hv (`bun --preload`), makes its generated code fail: once the guest runs, every
// entry of the first core's TLB leads to a host address where nothing is.
import { NativeMemory } from "../../ffi/memory.ts";
import { Offset } from "../../src/cpu/state.ts";
import { ENTRIES, Word } from "../../src/cpu/mmu/tlb.ts";
import type { FromMachine } from "../../src/machine-protocol.ts";

const Plain = Worker;
globalThis.Worker = class extends Plain {
  constructor(...args: ConstructorParameters<typeof Plain>) {
    super(...args);
    this.addEventListener("message", event => {
      const message = (event as MessageEvent<FromMachine>).data;
      if (message.kind !== "ready") return;
      const state = NativeMemory.at((message.kicks[0] as number) - Offset.KICK, Offset.SIZE);
      const words = new Int32Array(state.window(0));
      setInterval(() => {
        for (let entry = 0; entry < 2 * ENTRIES; entry++) words[Offset.TLB_EL0 / 4 + entry * Word.COUNT + Word.ADDEND + 1] = 0x1234_5678;
      }, 20);
    });
  }
} as typeof Worker;
