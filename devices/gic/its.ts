// devices/gic/its.ts — the Interrupt Translation Service of a GICv3: from a device's event to an LPI at a CPU.
// Spec: IHI 0069, ch. 5 (ITS), 5.3 (commands), 12.12 (GITS_*). Tables are the guest's memory, and every entry is checked
// each time that it is used. Physical LPIs only; collections target processor numbers (PTA is 0); tables are flat.
// A command with a mistake is ignored and noted: the ITS does not stall. Left out: GICv4, two-level tables, GITS_STATUSR.
import type { Alarm, Clock, GuestMemory, MmioDevice, Trace } from "../device.ts";
import { readLane, writeLane } from "../lane.ts";
import { IIDR, ID } from "./gicv3-distributor.ts";
import { LPI_FIRST, ID_BITS, type Lpis } from "./lpi.ts";

/** Register offsets, table 12-30. */
const Reg = {
  CTLR: 0x0000, /** RO. */ IIDR: 0x0004, /** RO, 64 bits. */ TYPER: 0x0008, /** 64 bits each. */ CBASER: 0x0080, CWRITER: 0x0088, /** RO. */ CREADR: 0x0090,
  /** 64 bits each: devices, collections; then six that are not there. */ BASER: 0x0100, BASER_END: 0x0140,
  /** RO: PIDR4..7, PIDR0..3, CIDR0..3. */ ID: 0xffd0,
} as const;
/** WO, in the second frame: an event id. */
export const GITS_TRANSLATER = 0x1_0040;
const CTLR = { Enabled: 1, Quiescent: 0x8000_0000 } as const;
/** Bits of an event id, of a device id and of a collection id; bytes of every table entry. */
const EVENT_BITS = 16, DEVICE_BITS = 16, ENTRY = 8;
/** Physical; ITT_entry_size, IDbits and Devbits, each less one. */
const TYPER = 1 | (ENTRY - 1) << 4 | (EVENT_BITS - 1) << 8 | (DEVICE_BITS - 1) << 13;
/** Upper halves of BASER<0> and BASER<1> as far as they are read-only: type 1 devices, 4 collections; bytes of an entry less one. */
const BASER_RO = [1 << 24 | (ENTRY - 1) << 16, 4 << 24 | (ENTRY - 1) << 16] as const;
/** What can be written: Valid, cacheability, address; address, shareability, page size, number of pages. */
const BASER_HI = 0xb800_ffff, VALID = 0x8000_0000;
const CBASER_LO = 0xffff_fcff, CBASER_HI = 0xb80f_ffff;
const CWRITER_MASK = 0xf_ffe0;
const PAGE_SIZE = [4096, 16384, 65536, 65536] as const;
/** Bytes of a command; commands done in one go, so that a long queue does not hold up the machine. */
const COMMAND = 32, BATCH = 256;
const Command = {
  MOVI: 0x01, INT: 0x03, CLEAR: 0x04, SYNC: 0x05, MAPD: 0x08, MAPC: 0x09, MAPTI: 0x0a, MAPI: 0x0b, INV: 0x0c, INVALL: 0x0d, MOVALL: 0x0e, DISCARD: 0x0f,
} as const;

export interface ItsState {
  enabled: boolean; cbaserLo: number; cbaserHi: number; cwriter: number; creadr: number;
  /** Of the tables of devices and collections. */ baserLo: number[]; baserHi: number[];
}
const reset = (): ItsState => ({ enabled: false, cbaserLo: 0, cbaserHi: 0, cwriter: 0, creadr: 0, baserLo: [0, 0], baserHi: [0, 0] });

export interface ItsWires {
  readonly lpis: Lpis;
  readonly memory: GuestMemory;
  readonly clock: Clock;
  /** Its `fire` is `tick`. */
  readonly alarm: Alarm;
  readonly trace: Trace;
}
/** An event found in the tables: where its entry lies, its LPI, and its collection's CPU (undefined: not mapped). */
interface Translation { readonly entry: number; readonly id: number; readonly collection: number; readonly cpu: number | undefined }

export class Its implements MmioDevice<ItsState> {
  #s: ItsState = reset();
  readonly #wires: ItsWires;
  readonly #cell = new DataView(new ArrayBuffer(ENTRY));
  readonly #command = new DataView(new ArrayBuffer(COMMAND));
  constructor(wires: ItsWires) { this.#wires = wires; }

  /** A device's message: makes the event's LPI pend. */
  translate(device: number, event: number): void {
    if (!this.#s.enabled) return this.#note("message while the ITS is disabled", event);
    this.#pend(device, event);
  }

  read(offset: number, size: number): number { return offset < Reg.ID + 0x30 ? readLane(this.#register(offset & ~3), offset, size) : 0; }
  #register(at: number): number {
    const s = this.#s;
    if (at >= Reg.ID) return ID[(at - Reg.ID) >> 2] ?? 0;
    if (at >= Reg.BASER && at < Reg.BASER_END) {
      const n = (at - Reg.BASER) >> 3;
      return n > 1 ? 0 : (at & 4) === 0 ? s.baserLo[n]! >>> 0 : (s.baserHi[n]! | BASER_RO[n]!) >>> 0;
    }
    switch (at) {
      case Reg.CTLR: return s.enabled ? CTLR.Enabled : CTLR.Quiescent;
      case Reg.IIDR: return IIDR;
      case Reg.TYPER: return TYPER;
      case Reg.CBASER: return s.cbaserLo;
      case Reg.CBASER + 4: return s.cbaserHi;
      case Reg.CWRITER: return s.cwriter;
      case Reg.CREADR: return s.creadr;
      default: return 0;
    }
  }
  write(offset: number, size: number, value: number): void {
    const s = this.#s, at = offset & ~3, lane = (before: number): number => writeLane(before, offset, size, value);
    if (at >= Reg.BASER && at < Reg.BASER + 16) {
      const n = (at - Reg.BASER) >> 3;
      if (s.enabled) return this.#note("a table cannot be moved while the ITS is enabled", value);
      if ((at & 4) === 0) s.baserLo[n] = lane(s.baserLo[n]!);
      else s.baserHi[n] = (lane(s.baserHi[n]!) & BASER_HI) >>> 0;
      return;
    }
    switch (at) {
      case Reg.CTLR:
        s.enabled = (lane(s.enabled ? 1 : 0) & CTLR.Enabled) !== 0;
        return this.tick();
      case Reg.CBASER:
      case Reg.CBASER + 4:
        if (s.enabled) return this.#note("the command queue cannot be moved while the ITS is enabled", value);
        if (at === Reg.CBASER) s.cbaserLo = (lane(s.cbaserLo) & CBASER_LO) >>> 0;
        else s.cbaserHi = (lane(s.cbaserHi) & CBASER_HI) >>> 0;
        s.creadr = 0;
        return;
      case Reg.CWRITER:
        s.cwriter = lane(s.cwriter) & CWRITER_MASK;
        return this.tick();
      default: this.#note(offset === GITS_TRANSLATER ? "a CPU has no device id" : "write ignored", value);
    }
  }
  reset(): void {
    this.#s = reset();
    this.#wires.alarm.set(undefined);
  }
  snapshot(): ItsState { return structuredClone(this.#s); }
  restore(state: ItsState): void { this.#s = structuredClone(state); }

  /** The alarm's `fire`: carries out commands. */
  tick(): void {
    const s = this.#s, size = ((s.cbaserLo & 0xff) + 1) * 4096;
    if (!s.enabled || (s.cbaserHi & VALID) === 0 || s.cwriter >= size) return;
    const base = (s.cbaserHi & 0xf_ffff) * 2 ** 32 + ((s.cbaserLo & ~0xfff) >>> 0);
    for (let n = 0; s.creadr !== s.cwriter; n++) {
      if (n === BATCH) return this.#wires.alarm.set(this.#wires.clock.ticks());
      if (this.#wires.memory.read(base + s.creadr, new Uint8Array(this.#command.buffer))) this.#execute(this.#command);
      else this.#note("the command queue is outside of memory", s.creadr);
      s.creadr = (s.creadr + COMMAND) % size;
    }
  }

  /** One command, 5.3: four doublewords. */
  #execute(command: DataView): void {
    const kind = command.getUint8(0), device = command.getUint32(4, true), event = command.getUint32(8, true);
    const collection = command.getUint16(16, true), valid = command.getUint8(23) >> 7 === 1;
    const { lpis } = this.#wires;
    switch (kind) {
      case Command.INT: return this.#pend(device, event);
      case Command.CLEAR: return this.#on(device, event, one => lpis.clearPending(one.cpu!, one.id));
      case Command.DISCARD: return this.#on(device, event, one => {
        lpis.clearPending(one.cpu!, one.id);
        this.#put(one.entry, 0, 0);
      });
      case Command.INV: return this.#on(device, event, one => lpis.refresh(one.cpu!, one.id));
      case Command.SYNC: return; // everything is done at once
      case Command.MAPD: {
        const bits = (command.getUint8(8) & 31) + 1, at = this.#tableEntry(0, device);
        if (at === undefined || bits > EVENT_BITS) return this.#note("MAPD: no such device", device);
        return this.#put(at, valid ? (command.getUint32(16, true) & ~0xff) | (bits - 1) : 0, valid ? (command.getUint32(20, true) & 0xf_ffff | VALID) >>> 0 : 0);
      }
      case Command.MAPC: {
        const at = this.#tableEntry(1, collection), target = this.#target(command, 16);
        if (at === undefined || (valid && target === undefined)) return this.#note("MAPC: no such collection or CPU", collection);
        return this.#put(at, valid ? target as number : 0, valid ? VALID : 0);
      }
      case Command.MAPTI: return this.#map(device, event, command.getUint32(12, true), collection);
      case Command.MAPI: return this.#map(device, event, event, collection);
      case Command.MOVI: return this.#on(device, event, one => {
        const to = this.#collection(collection);
        if (to === undefined) return this.#note("MOVI: the collection is not mapped", collection);
        this.#put(one.entry, one.id | collection << 16, VALID);
        lpis.move(one.cpu!, to, one.id);
      });
      case Command.INVALL: {
        const cpu = this.#collection(collection);
        return cpu === undefined ? this.#note("INVALL: the collection is not mapped", collection) : lpis.refresh(cpu);
      }
      case Command.MOVALL: {
        const from = this.#target(command, 16), to = this.#target(command, 24);
        return from === undefined || to === undefined ? this.#note("MOVALL: no such CPU", 0) : lpis.move(from, to);
      }
      default: this.#note("unknown command", kind);
    }
  }
  #map(device: number, event: number, id: number, collection: number): void {
    const at = this.#eventEntry(device, event);
    if (at === undefined) return this.#note("MAPTI: no such device or event", event);
    if (id < LPI_FIRST || id >= 2 ** ID_BITS || this.#tableEntry(1, collection) === undefined) return this.#note("MAPTI: no such LPI or collection", id);
    this.#put(at, id | collection << 16, VALID);
  }
  #pend(device: number, event: number): void { this.#on(device, event, one => this.#wires.lpis.setPending(one.cpu!, one.id)); }
  /** Does it with an event that is mapped, down to a CPU. */
  #on(device: number, event: number, what: (one: Translation) => void): void {
    const entry = this.#eventEntry(device, event);
    const found = entry === undefined || !this.#get(entry) ? undefined : { entry, id: this.#cell.getUint16(0, true), collection: this.#cell.getUint16(2, true) };
    const cpu = found === undefined ? undefined : this.#collection(found.collection);
    // the guest can write to its tables: what stands there is not what was mapped
    if (found === undefined || cpu === undefined || found.id < LPI_FIRST || found.id >= 2 ** ID_BITS) return this.#note("the event is not mapped", event);
    what({ ...found, cpu });
  }

  /** RDbase of a command, bits 50..16 of a doubleword: a processor number. */
  #target(command: DataView, at: number): number | undefined {
    const target = command.getUint16(at + 2, true) + (command.getUint32(at + 4, true) & 0x7_ffff) * 2 ** 16;
    return target < this.#wires.lpis.cpus ? target : undefined;
  }
  /** The CPU of a collection. */
  #collection(collection: number): number | undefined {
    const at = this.#tableEntry(1, collection);
    if (at === undefined || !this.#get(at)) return undefined;
    const target = this.#cell.getUint32(0, true);
    return target < this.#wires.lpis.cpus ? target : undefined;
  }
  /** Where the entry of a device (table 0) or collection (table 1) is. */
  #tableEntry(table: 0 | 1, index: number): number | undefined {
    const lo = this.#s.baserLo[table]!, hi = this.#s.baserHi[table]!, page = PAGE_SIZE[lo >>> 8 & 3]!;
    const size = ((lo & 0xff) + 1) * page;
    if ((hi & VALID) === 0 || index >= 2 ** DEVICE_BITS || (index + 1) * ENTRY > size) return undefined;
    // with pages of 64 KiB, bits 15..12 of the register are bits 51..48 of the address
    const address = page === 65536 ? (lo >>> 12 & 15) * 2 ** 48 + ((lo & ~0xffff) >>> 0) : (lo & ~0xfff) >>> 0;
    return address + (hi & 0xffff) * 2 ** 32 + index * ENTRY;
  }
  /** Where the entry of a device's event is. */
  #eventEntry(device: number, event: number): number | undefined {
    const at = this.#tableEntry(0, device);
    if (at === undefined || !this.#get(at)) return undefined;
    const lo = this.#cell.getUint32(0, true), hi = this.#cell.getUint32(4, true);
    if (event >= 2 ** Math.min((lo & 31) + 1, EVENT_BITS)) return undefined;
    return (hi & 0xf_ffff) * 2 ** 32 + ((lo & ~0xff) >>> 0) + event * ENTRY;
  }
  /** Reads a table entry into `#cell`; false: it is not valid, or outside of memory. */
  #get(at: number): boolean { return this.#wires.memory.read(at, new Uint8Array(this.#cell.buffer)) && (this.#cell.getUint32(4, true) & VALID) !== 0; }
  #put(at: number, lo: number, hi: number): void {
    this.#cell.setUint32(0, lo, true);
    this.#cell.setUint32(4, hi, true);
    if (!this.#wires.memory.write(at, new Uint8Array(this.#cell.buffer))) this.#note("a table is outside of memory", at % 2 ** 32);
  }
  #note(what: string, value: number): void { this.#wires.trace.note("its", what, 0, value); }
}
