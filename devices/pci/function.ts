// devices/pci/function.ts — one PCI function: configuration space of type 0, memory BARs, capabilities, MSI-X, INTx.
// Spec: PCI Local Bus 3.0, ch. 6 (configuration space), 6.2.5.1 (base addresses), 6.8.2 (MSI-X); PCIe 4.0, 7.5.1.
// Left out: I/O BARs, 64-bit BARs, expansion ROM, power management, the extended configuration space (reads as zero).
import type { IrqLine, Trace } from "../device.ts";

/** Offsets of the header, figure 6-1. */
const Header = { VENDOR: 0x00, DEVICE: 0x02, COMMAND: 0x04, STATUS: 0x06, REVISION: 0x08, CLASS: 0x09, BAR0: 0x10, SUBSYSTEM_VENDOR: 0x2c, SUBSYSTEM: 0x2e, CAPABILITIES: 0x34, LINE: 0x3c, PIN: 0x3d } as const;
const COMMAND = { MEMORY: 1 << 1, MASTER: 1 << 2, INTX_DISABLE: 1 << 10 } as const;
const STATUS = { INTERRUPT: 1 << 3, CAPABILITIES: 1 << 4 } as const;
const SIZE = 256, FIRST_CAPABILITY = 0x40;
const CAPABILITY_MSIX = 0x11;
/** Message control of MSI-X, 6.8.2.3; in the upper byte. */
const MSIX = { ENABLE: 0x80, FUNCTION_MASK: 0x40 } as const;
/** Bytes of a table entry: address, upper address, data, vector control (bit 0: masked). */
const ENTRY_WORDS = 4;
const PBA = 0x800;
const MSIX_BAR_SIZE = 0x1000;
/** What fits before the pending bits. */
export const MSIX_VECTORS_MAX: number = PBA / 16;
export const NO_VECTOR: number = 0xffff;

/** Where messages go: a write of `data` to a bus address by a function. */
export type MessageSink = (address: number, data: number, requester: number) => void;

export interface PciIdentity {
  readonly vendor: number;
  readonly device: number;
  /** Class, subclass, programming interface: 24 bits. */
  readonly classCode: number;
  readonly revision: number;
  readonly subsystem: number;
  /** Vectors of MSI-X in BAR 1; 0: none, and no INTx either. */
  readonly vectors: number;
}
/** A window of memory; offsets are within it, `size` is 1, 2 or 4. `bytes` is a power of two from 16 on. */
export interface PciBar {
  readonly bytes: number;
  read(offset: number, size: number): number;
  write(offset: number, size: number, value: number): void;
}
/** A capability: its bytes without id and next, and which of their bits can be written. */
export interface PciCapability { readonly id: number; readonly bytes: readonly number[]; readonly writable?: readonly number[] }

export interface PciFunctionWires {
  readonly intx: IrqLine;
  readonly message: MessageSink;
  readonly trace: Trace;
  /** Bus, device and function number, 16 bits. */
  readonly requester: number;
}
export interface PciFunctionState { bytes: number[]; table: number[]; pending: boolean[]; level: boolean }

export class PciFunction {
  readonly #wires: PciFunctionWires;
  /** The configuration space after a reset, and the bits that software may change. */
  readonly #initial = new Uint8Array(SIZE);
  readonly #writable = new Uint8Array(SIZE);
  readonly #bars: readonly (PciBar | undefined)[];
  readonly #msix: number;
  #s: PciFunctionState;
  /** Offsets of the capabilities, in their order; MSI-X is not among them. */
  readonly capabilities: readonly number[];

  constructor(wires: PciFunctionWires, identity: PciIdentity, bar: PciBar | undefined, capabilities: readonly PciCapability[]) {
    this.#wires = wires;
    const bytes = this.#initial, mask = this.#writable;
    const put = (at: number, value: number, size: number): void => { for (let i = 0; i < size; i++) bytes[at + i] = value >>> (8 * i); };
    put(Header.VENDOR, identity.vendor, 2);
    put(Header.DEVICE, identity.device, 2);
    put(Header.REVISION, identity.revision, 1);
    put(Header.CLASS, identity.classCode, 3);
    put(Header.SUBSYSTEM_VENDOR, identity.vendor, 2);
    put(Header.SUBSYSTEM, identity.subsystem, 2);
    mask[Header.COMMAND] = COMMAND.MEMORY | COMMAND.MASTER;
    mask[Header.LINE] = 0xff;
    const { vectors } = identity;
    if (vectors > 0) {
      mask[Header.COMMAND + 1] = COMMAND.INTX_DISABLE >> 8;
      put(Header.PIN, 1, 1); // INTA
    }
    this.#bars = [bar, vectors > 0 ? { bytes: MSIX_BAR_SIZE, read: (offset, size) => this.#readTable(offset, size), write: (offset, size, value) => this.#writeTable(offset, size, value) } : undefined];
    this.#bars.forEach((one, i) => {
      if (one === undefined) return;
      const bits = ~(one.bytes - 1);
      for (let n = 0; n < 4; n++) mask[Header.BAR0 + 4 * i + n] = bits >>> (8 * n);
    });
    const msix: readonly PciCapability[] = vectors === 0 ? [] : [{
      id: CAPABILITY_MSIX, bytes: [(vectors - 1) & 0xff, (vectors - 1) >> 8, /* table: BAR 1 */ 1, 0, 0, 0, /* pending bits: BAR 1 */ PBA & 0xff | 1, PBA >> 8, 0, 0],
      writable: [0, MSIX.ENABLE | MSIX.FUNCTION_MASK],
    }];
    let at = FIRST_CAPABILITY, link: number = Header.CAPABILITIES;
    const offsets: number[] = [];
    for (const one of [...msix, ...capabilities]) {
      bytes[link] = at;
      bytes[at] = one.id;
      bytes.set(one.bytes, at + 2);
      mask.set(one.writable ?? [], at + 2);
      offsets.push(at);
      link = at + 1;
      at = (at + 2 + one.bytes.length + 3) & ~3;
    }
    if (offsets.length > 0) put(Header.STATUS, STATUS.CAPABILITIES, 1);
    this.#msix = vectors > 0 ? offsets[0] as number : 0;
    this.capabilities = offsets.slice(msix.length);
    this.#s = this.#fresh(vectors);
  }
  #fresh(vectors: number): PciFunctionState {
    return { bytes: [...this.#initial], table: Array.from({ length: vectors * ENTRY_WORDS }, (_, i) => (i % ENTRY_WORDS === 3 ? 1 : 0)), pending: Array.from({ length: vectors }, () => false), level: false };
  }
  get vectors(): number { return this.#s.pending.length; }

  /** An access to the configuration space; `size` is 1, 2 or 4. */
  readConfig(offset: number, size: number): number {
    const { bytes, level } = this.#s;
    let value = 0;
    for (let i = 0; i < size; i++) {
      const at = offset + i;
      value += ((bytes[at] ?? 0) | (at === Header.STATUS && level ? STATUS.INTERRUPT : 0)) * 2 ** (8 * i);
    }
    return value;
  }
  writeConfig(offset: number, size: number, value: number): void {
    const { bytes } = this.#s;
    for (let i = 0; i < size && offset + i < SIZE; i++) {
      const at = offset + i, mask = this.#writable[at] as number;
      bytes[at] = ((bytes[at] as number) & ~mask) | (value >>> (8 * i) & mask);
    }
    this.#drive();
    this.#sendPending();
  }
  /** The BAR at a bus address that all of an access lies in, or undefined; `offset` is where in it. */
  at(address: number, size: number): PciBar | undefined {
    if ((this.#command & COMMAND.MEMORY) === 0) return undefined;
    for (let i = 0; i < this.#bars.length; i++) {
      const bar = this.#bars[i];
      if (bar === undefined) continue;
      const base = this.#word(Header.BAR0 + 4 * i);
      if (address < base || address + size > base + bar.bytes) continue;
      this.offset = address - base;
      return bar;
    }
    return undefined;
  }
  /** Result of `at`. */
  offset = 0;
  /** BAR `index` by itself, for capabilities that reach into it. */
  bar(index: number): PciBar | undefined { return this.#bars[index]; }

  /** MSI-X is on: INTx is not used. */
  get messages(): boolean { return this.#msix !== 0 && ((this.#s.bytes[this.#msix + 3] as number) & MSIX.ENABLE) !== 0; }
  /** Sends the message of a vector, or keeps it pending while that is masked. */
  send(vector: number): void {
    if (!this.messages || vector >= this.vectors) return;
    this.#s.pending[vector] = true;
    this.#sendPending();
  }
  /** The level of INTx, as the device wants it. */
  setInterrupt(level: boolean): void {
    this.#s.level = level;
    this.#drive();
  }
  reset(): void {
    this.#s = this.#fresh(this.vectors);
    this.#drive();
  }
  snapshot(): PciFunctionState { return structuredClone(this.#s); }
  restore(state: PciFunctionState): void { this.#s = structuredClone(state); }

  get #command(): number { return (this.#s.bytes[Header.COMMAND] as number) | (this.#s.bytes[Header.COMMAND + 1] as number) << 8; }
  #word(at: number): number {
    const { bytes } = this.#s;
    return ((bytes[at] as number) | (bytes[at + 1] as number) << 8 | (bytes[at + 2] as number) << 16 | (bytes[at + 3] as number) << 24) >>> 0;
  }
  #drive(): void { this.#wires.intx.set(this.#s.level && !this.messages && (this.#command & COMMAND.INTX_DISABLE) === 0); }
  #sendPending(): void {
    const { pending, table, bytes } = this.#s;
    if (!this.messages || ((bytes[this.#msix + 3] as number) & MSIX.FUNCTION_MASK) !== 0 || (this.#command & COMMAND.MASTER) === 0) return;
    for (let vector = 0; vector < pending.length; vector++) {
      const at = vector * ENTRY_WORDS;
      if (pending[vector] !== true || ((table[at + 3] as number) & 1) !== 0) continue;
      pending[vector] = false;
      this.#wires.message((table[at + 1] as number) * 2 ** 32 + (table[at] as number), table[at + 2] as number, this.#wires.requester);
    }
  }
  #readTable(offset: number, size: number): number {
    if (size !== 4 || offset % 4 !== 0) return 0;
    if (offset < PBA) return this.#s.table[offset / 4] ?? 0;
    let word = 0;
    for (let i = 0; i < 32; i++) if (this.#s.pending[(offset - PBA) * 8 + i] === true) word += 2 ** i;
    return word;
  }
  #writeTable(offset: number, size: number, value: number): void {
    const index = offset / 4;
    if (size !== 4 || offset % 4 !== 0 || index >= this.#s.table.length) return this.#wires.trace.note("pci", "write to a MSI-X table ignored", offset, value);
    this.#s.table[index] = index % ENTRY_WORDS === 0 ? (value & ~3) >>> 0 : index % ENTRY_WORDS === 3 ? value & 1 : value >>> 0;
    this.#sendPending();
  }
}
