// devices/fw-cfg.ts — QEMU's firmware configuration device as it is on Arm boards: items by key, read byte by byte or by DMA.
// Spec: QEMU, docs/specs/fw_cfg "Register Locations", "Firmware Configuration Items", "Guest-side DMA Interface".
// The data register keeps the order of bytes; the selector and the DMA address register are big-endian.
// Left out: items that a guest may write (a DMA write fails), the obsolete writes to the data register.
import type { GuestMemory, MmioDevice, Trace } from "./device.ts";

/** Register offsets, "Register Locations", Arm. */
const Reg = { DATA: 0, SELECTOR: 8, DMA: 16, END: 24 } as const;
/** FWCfgDmaAccess.control. */
const FW_CFG_DMA_CTL = { ERROR: 0x01, READ: 0x02, SKIP: 0x04, SELECT: 0x08, WRITE: 0x10 } as const;
/** Keys that the specification and its users fix. */
export const FwCfgKey = {
  SIGNATURE: 0x00, ID: 0x01, NB_CPUS: 0x05, KERNEL_SIZE: 0x08, INITRD_SIZE: 0x0b, MAX_CPUS: 0x0f,
  KERNEL_DATA: 0x11, INITRD_DATA: 0x12, CMDLINE_SIZE: 0x14, CMDLINE_DATA: 0x15, SETUP_SIZE: 0x17, SETUP_DATA: 0x18, FILE_DIR: 0x19,
  /** Named files have keys from here on. */
  FILE_FIRST: 0x20,
} as const;
/** "QEMU CFG": what reading the DMA address register gives, its halves as they are stored. */
const DMA_SIGNATURE = [0x554d_4551, 0x4746_4320] as const;
const FILE_NAME = 56;
const PIECE = 64 * 1024;

/** One item: bytes that are read in pieces. */
export interface FwCfgItem {
  readonly length: number;
  /** Fills `into` with the bytes from `offset` on, all of them inside of the item. */
  read(offset: number, into: Uint8Array): void;
}
export const fwCfgBytes = (bytes: Uint8Array): FwCfgItem => ({ length: bytes.length, read: (offset, into) => into.set(bytes.subarray(offset, offset + into.length)) });
/** A little-endian number of 2 or 4 bytes. */
export function fwCfgNumber(value: number, size: 2 | 4 = 4): FwCfgItem {
  return fwCfgBytes(Uint8Array.from({ length: size }, (_, i) => Math.floor(value / 2 ** (8 * i)) & 0xff));
}

const reset = () => ({ key: 0, offset: 0, dmaHigh: 0 });
export type FwCfgState = ReturnType<typeof reset>;

export interface FwCfgWires {
  readonly memory: GuestMemory;
  readonly trace: Trace;
}
/** What a boot offers: by key (signature, id and file directory are the device's own), and files by name, at most 55 ASCII characters. */
export interface FwCfgOffer {
  readonly items: ReadonlyMap<number, FwCfgItem>;
  readonly files: ReadonlyMap<string, FwCfgItem>;
}

export class FwCfg implements MmioDevice<FwCfgState> {
  #s: FwCfgState = reset();
  readonly #wires: FwCfgWires;
  #items: ReadonlyMap<number, FwCfgItem> = new Map();
  readonly #byte = new Uint8Array(1);
  constructor(wires: FwCfgWires) {
    this.#wires = wires;
    this.provide({ items: new Map(), files: new Map() });
  }
  /** Replaces everything that it offers. */
  provide(offer: FwCfgOffer): void {
    const files = [...offer.files].sort(([a], [b]) => (a < b ? -1 : 1));
    this.#items = new Map([
      ...offer.items,
      [FwCfgKey.SIGNATURE, fwCfgBytes(new TextEncoder().encode("QEMU"))],
      [FwCfgKey.ID, fwCfgNumber(3)], // the traditional interface and DMA
      [FwCfgKey.FILE_DIR, fwCfgBytes(directory(files))],
      ...files.map(([, item], i): [number, FwCfgItem] => [FwCfgKey.FILE_FIRST + i, item]),
    ]);
  }

  read(offset: number, size: number): number {
    if (offset < Reg.SELECTOR) {
      let value = 0;
      for (let i = 0; i < size; i++) value += this.#next() * 2 ** (8 * i);
      return value;
    }
    if (offset >= Reg.DMA && size === 4 && offset % 4 === 0) return DMA_SIGNATURE[(offset - Reg.DMA) / 4] ?? 0;
    return 0;
  }
  write(offset: number, size: number, value: number): void {
    if (offset === Reg.SELECTOR && size === 2) return this.#select(swap16(value));
    if (offset === Reg.DMA && size === 4) {
      this.#s.dmaHigh = swap32(value);
      return;
    }
    if (offset === Reg.DMA + 4 && size === 4) {
      const at = this.#s.dmaHigh * 2 ** 32 + swap32(value);
      this.#s.dmaHigh = 0;
      return this.#transfer(at);
    }
    this.#wires.trace.note("fw_cfg", "write ignored", offset, value);
  }
  reset(): void { this.#s = reset(); }
  snapshot(): FwCfgState { return structuredClone(this.#s); }
  restore(state: FwCfgState): void { this.#s = structuredClone(state); }

  #select(key: number): void {
    this.#s.key = key;
    this.#s.offset = 0;
  }
  get #item(): FwCfgItem | undefined { return this.#items.get(this.#s.key); }
  /** The next byte of the selected item; behind its end, zero. */
  #next(): number {
    const item = this.#item, { offset } = this.#s;
    if (item === undefined || offset >= item.length) return 0;
    item.read(offset, this.#byte);
    this.#s.offset++;
    return this.#byte[0] as number;
  }
  /** A FWCfgDmaAccess at `at`: control, length, address, all big-endian. Done at once; what is left of control says how. */
  #transfer(at: number): void {
    const { memory, trace } = this.#wires, access = new Uint8Array(16), view = new DataView(access.buffer);
    if (!memory.read(at, access)) return trace.note("fw_cfg", "DMA from outside of memory", Reg.DMA, at % 2 ** 32);
    const control = view.getUint32(0), length = view.getUint32(4), address = view.getUint32(8) * 2 ** 32 + view.getUint32(12);
    if ((control & FW_CFG_DMA_CTL.SELECT) !== 0) this.#select(control >>> 16);
    let ok = true;
    if ((control & FW_CFG_DMA_CTL.READ) !== 0) ok = this.#copy(address, length);
    else if ((control & FW_CFG_DMA_CTL.WRITE) !== 0) ok = false;
    else if ((control & FW_CFG_DMA_CTL.SKIP) !== 0) this.#advance(length);
    if (!ok) trace.note("fw_cfg", "DMA refused", Reg.DMA, control);
    view.setUint32(0, ok ? 0 : FW_CFG_DMA_CTL.ERROR);
    memory.write(at, access.subarray(0, 4));
  }
  #copy(address: number, length: number): boolean {
    const { memory } = this.#wires;
    if (!memory.contains(address, length)) return false;
    const piece = new Uint8Array(Math.min(PIECE, length));
    for (let done = 0; done < length;) {
      const part = piece.subarray(0, Math.min(PIECE, length - done)), item = this.#item, { offset } = this.#s;
      const there = item === undefined ? 0 : Math.max(0, Math.min(part.length, item.length - offset));
      if (there > 0) item?.read(offset, part.subarray(0, there));
      part.fill(0, there);
      memory.write(address + done, part);
      this.#advance(there);
      done += part.length;
    }
    return true;
  }
  #advance(bytes: number): void { this.#s.offset = Math.min(this.#s.offset + bytes, this.#item?.length ?? 0); }
}

/** "File Directory": their number, then size, key, two reserved bytes and the name of each. */
function directory(files: readonly (readonly [string, FwCfgItem])[]): Uint8Array {
  const bytes = new Uint8Array(4 + files.length * (8 + FILE_NAME)), view = new DataView(bytes.buffer);
  view.setUint32(0, files.length);
  files.forEach(([name, item], i) => {
    const at = 4 + i * (8 + FILE_NAME);
    view.setUint32(at, item.length);
    view.setUint16(at + 4, FwCfgKey.FILE_FIRST + i);
    bytes.set(new TextEncoder().encode(name).subarray(0, FILE_NAME - 1), at + 8);
  });
  return bytes;
}
const swap16 = (value: number): number => (value >>> 8 & 0xff) | (value & 0xff) << 8;
const swap32 = (value: number): number => (swap16(value) << 16 | swap16(value >>> 16)) >>> 0;
