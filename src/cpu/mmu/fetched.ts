// src/cpu/mmu/fetched.ts — where code was fetched from, and so what must go when a translation changes: TLBI by an address
// ends the whole mapping that holds it, however large (ARM DDI 0487, D8.13.5).
import { Offset } from "../state.ts";
import type { TranslationListener } from "../translation-listener.ts";
import { LargeMappings } from "./large-mappings.ts";

/** log2 of the smallest page, and of the largest mapping that is looked for page by page. */
const PAGE = 12, WIDE = 16;

export class Fetched {
  /** One byte for each 64 KiB, folded; generated code looks there, too. */
  readonly #u8: Uint8Array;
  /** Mappings of more than 64 KiB, and the others of more than a page. */
  readonly #large = new LargeMappings();
  readonly #wide = new LargeMappings();
  constructor(u8: Uint8Array) { this.#u8 = u8; }

  /** Code was fetched from the page of an address, in a mapping of 2^shift bytes. */
  note(lo: number, hi: number, shift: number): void {
    this.#u8[Offset.FETCHED + ((lo >>> WIDE) & 4095)] = 1;
    if (shift > WIDE) this.#large.add(lo, hi, shift);
    else if (shift > PAGE) this.#wide.add(lo, hi, shift);
  }
  /** The mapping of an address changed. */
  changed(lo: number, hi: number, listener: TranslationListener | undefined): void {
    if (this.#large.holds(lo, hi)) listener?.flushAll();
    else if (this.#u8[Offset.FETCHED + ((lo >>> WIDE) & 4095)] === 0) return;
    else if (!this.#wide.holds(lo, hi)) listener?.flushPage(lo, hi);
    else for (let page = lo & -(1 << WIDE), left = 1 << (WIDE - PAGE); left > 0; page += 1 << PAGE, left--) listener?.flushPage(page, hi);
  }
  /** Nothing is left that was made of it. */
  forget(): void {
    this.#u8.fill(0, Offset.FETCHED, Offset.FETCHED + 4096);
    this.#large.clear();
    this.#wide.clear();
  }
}
