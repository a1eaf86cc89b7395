// devices/pci/host.ts — a PCI host bridge that needs no driver of its own: ECAM, a window for memory BARs, a window for I/O.
// Spec: PCI Express 4.0, 7.2.2 (enhanced configuration access); the kernel's binding host-generic-pci.
// Functions that are not there read as all ones, and so does a window where no BAR is: nobody hears of it. Left out: bridges
// (there is bus 0 only), I/O BARs.
import type { IrqLine, MmioDevice, Trace } from "../device.ts";
import { PciFunction, type PciBar } from "./function.ts";

/** What a slot holds. */
export interface PciDevice {
  readConfig(offset: number, size: number): number;
  writeConfig(offset: number, size: number, value: number): void;
  /** The BAR that all of an access lies in; `offset` is then where in it. */
  at(address: number, size: number): PciBar | undefined;
  readonly offset: number;
  reset(): void;
  snapshot(): unknown;
  restore(state: unknown): void;
}
/** Slots of bus 0; the first is the bridge's own. */
const SLOTS = 32;
export const PCI_DEVICES_MAX: number = SLOTS - 1;
const PINS = 4;
const BRIDGE = { vendor: 0x1b36, device: 0x0008, classCode: 0x06_0000, revision: 0, subsystem: 0x1100, vectors: 0 } as const;

export class PciHost {
  readonly #slots: (PciDevice | undefined)[] = Array.from({ length: SLOTS });
  readonly #lines: readonly IrqLine[];
  /** By line, the slots that hold it up. */
  readonly #holders: readonly Set<number>[] = Array.from({ length: PINS }, () => new Set());
  /** Offset: bus, device, function, register. It carries the state of every function. */
  readonly ecam: MmioDevice<unknown>;
  /** The window for memory BARs; its first byte is bus address `start`. */
  readonly memory: MmioDevice<unknown>;
  readonly io: MmioDevice<unknown>;

  /** `lines`: INTA to INTD of slot 0; the next slot's are one further. */
  constructor(wires: { readonly lines: readonly IrqLine[]; readonly start: number; readonly trace: Trace }) {
    this.#lines = wires.lines;
    const bridge = new PciFunction({ intx: { set: () => {} }, message: () => {}, trace: wires.trace, requester: 0 }, BRIDGE, undefined, []);
    this.#slots[0] = bridge as PciDevice;
    const stateless = { reset: () => {}, snapshot: () => ({}), restore: () => {} };
    this.ecam = {
      read: (offset, size) => this.#function(offset)?.readConfig(offset & 0xfff, size) ?? ones(size),
      write: (offset, size, value) => this.#function(offset)?.writeConfig(offset & 0xfff, size, value),
      reset: () => { for (const one of this.#slots) one?.reset(); },
      snapshot: () => this.#slots.map(one => one?.snapshot()),
      restore: state => this.#slots.forEach((one, i) => one?.restore((state as unknown[])[i])),
    };
    this.memory = {
      ...stateless,
      read: (offset, size) => this.#find(wires.start + offset, size)?.read(this.#offset, size) ?? ones(size),
      write: (offset, size, value) => this.#find(wires.start + offset, size)?.write(this.#offset, size, value),
    };
    this.io = { ...stateless, read: (_, size) => ones(size), write: () => {} };
  }
  /** Puts a device into slot 1..31. */
  add(slot: number, device: PciDevice): void { this.#slots[slot] = device; }
  /** INTA of a slot. */
  intx(slot: number): IrqLine {
    const line = slot % PINS, holders = this.#holders[line] as Set<number>;
    return { set: level => {
      if (level) holders.add(slot);
      else holders.delete(slot);
      this.#lines[line]?.set(holders.size > 0);
    } };
  }
  #function(offset: number): PciDevice | undefined {
    return offset >>> 20 === 0 && (offset >>> 12 & 7) === 0 ? this.#slots[offset >>> 15 & (SLOTS - 1)] : undefined;
  }
  #offset = 0;
  #find(address: number, size: number): PciBar | undefined {
    for (let i = 0; i < SLOTS; i++) {
      const device = this.#slots[i], bar = device?.at(address, size);
      if (device === undefined || bar === undefined) continue;
      this.#offset = device.offset;
      return bar;
    }
    return undefined;
  }
}
const ones = (size: number): number => 2 ** (8 * size) - 1;
