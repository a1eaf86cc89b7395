// src/garbage.ts — when a thread that does not return to its event loop collects its garbage.
// Guest memory counts as memory of the JavaScript heap, so that the collector by itself would wait for as much garbage again. Here it is
// called for what was done: code that is generated and runs makes none, and a pause of milliseconds is a tick that the guest misses.
// Lies beside main.ts, with the entries of the threads that use it.
import { edenGC, fullGC, heapSize } from "bun:jsc";

/** Churn (see Vcpu) after which young objects are collected, 1 ms or so; not again within, and at the latest after so many ms. */
const ENOUGH = 100_000, SOON_MS = 20, LATE_MS = 2000;
/** Everything is collected, 10 to 25 ms, when so many bytes have outlived collections; and before a rest, after so many of them. */
const OLD = 16 * 1024 * 1024, BEFORE_REST = 10;

export class Garbage {
  #churn = 0;
  #at: number = performance.now();
  #collections = 0;
  #kept: number = heapSize();

  /** Between two runs of the guest. `churn`: the sum of what this thread's cores say. */
  look(churn: number): void {
    const now = performance.now(), waited = now - this.#at;
    if (waited < SOON_MS || (churn - this.#churn < ENOUGH && waited < LATE_MS)) return;
    this.#at = now;
    this.#churn = churn;
    this.#collections++;
    edenGC();
    if (heapSize() - this.#kept > OLD) this.#all();
  }
  /** Before a rest: now it disturbs nobody. */
  rest(): void { if (this.#collections >= BEFORE_REST) this.#all(); }
  #all(): void {
    fullGC();
    this.#collections = 0;
    this.#kept = heapSize();
  }
}
