// devices/cfi-flash.ts — NOR flash behind the Common Flash Interface: two 16-bit chips side by side on a 32-bit bus.
// Spec: JEDEC JESD68.01 (CFI), JEP137B (command set 0x0001), Intel 28F128J3 datasheet 290667, "Bus Operations" and "Command
// Definitions". In read-array mode the board maps the bytes as memory of the guest, so that reads and fetches never come
// here; in every other mode reads come here too. Both chips get each command: the low byte of what is written counts.
// Left out: suspending (everything is done at once), block locks (accepted, none is ever locked), protection registers.
import type { MmioDevice, Trace } from "./device.ts";
import { readLane } from "./lane.ts";

/** Commands, table "Command Definitions". */
const Command = {
  WORD_PROGRAM_OLD: 0x10, BLOCK_ERASE: 0x20, WORD_PROGRAM: 0x40, CLEAR_STATUS: 0x50, LOCK: 0x60, READ_STATUS: 0x70, READ_IDENTIFIER: 0x90,
  READ_QUERY: 0x98, CONFIRM: 0xd0, BUFFER_PROGRAM: 0xe8, READ_ARRAY_OLD: 0xf0, READ_ARRAY: 0xff,
} as const;
/** Status register: SR.7 ready, SR.5 erase failed, SR.4 program failed; both: a wrong sequence of commands. */
const SR = { READY: 0x80, ERASE_ERROR: 0x20, PROGRAM_ERROR: 0x10 } as const;

/** Bytes erased together: 128 KiB of each chip. */
export const FLASH_SECTOR: number = 0x4_0000;
/** Bytes of one bank. */
export const FLASH_BANK: number = 0x400_0000;
/** Bytes programmed at once: 2 KiB of each chip, aligned. */
const BUFFER = 4096;
const CHIPS = 2;
const MANUFACTURER = 0x89, DEVICE = 0x18;

/** The query structure of one chip from word 0x10 on (JESD68.01, tables 2 to 5). */
const QUERY: readonly number[] = [
  ...[..."QRY"].map(char => char.charCodeAt(0)),
  0x01, 0x00, 0x31, 0x00, /* no alternate set */ 0, 0, 0, 0,
  /* Vcc, no Vpp */ 0x45, 0x55, 0, 0,
  /* typical times: word 2^7 us, buffer 2^7 us, block 2^10 ms, no chip erase; longest: 2^4 times that */ 7, 7, 10, 0, 4, 4, 4, 0,
  Math.log2(FLASH_BANK / CHIPS), /* x8 and x16 */ 2, 0, Math.log2(BUFFER / CHIPS), 0,
  /* one region of equal blocks: their number - 1, their size in units of 256 bytes */ 1,
  (FLASH_BANK / FLASH_SECTOR - 1) & 0xff, (FLASH_BANK / FLASH_SECTOR - 1) >> 8, (FLASH_SECTOR / CHIPS / 256) & 0xff, (FLASH_SECTOR / CHIPS / 256) >> 8,
  ...[..."PRI10"].map(char => char.charCodeAt(0)),
];
const QUERY_START = 0x10;

type Mode =
  /** What a read sees. */
  | "array" | "status" | "identifier" | "query"
  /** What the next write is; reads see the status. */
  | "program" | "erase" | "lock" | "buffer count" | "buffer data" | "buffer confirm";

const reset = () => ({
  mode: "array" as Mode, status: SR.READY as number,
  /** Writes of a buffer still to come, where the buffer lies (-1: not known yet), and what was written: offset, size, value. */
  left: 0, buffer: -1, writes: [] as [offset: number, size: number, value: number][],
});
export type CfiFlashState = ReturnType<typeof reset>;

export interface CfiFlashWires {
  /** The bank's content: FLASH_BANK bytes that outlive a reset. */
  readonly bytes: Uint8Array;
  /** Whether reads see the content: then they need not come here. */
  readonly arrayMode: (on: boolean) => void;
  /** These bytes changed. False: they could not be kept, which the guest hears. */
  readonly changed: (offset: number, length: number) => boolean;
  readonly trace: Trace;
}

export class CfiFlash implements MmioDevice<CfiFlashState> {
  #s: CfiFlashState = reset();
  readonly #wires: CfiFlashWires;
  constructor(wires: CfiFlashWires) { this.#wires = wires; }

  read(offset: number, size: number): number {
    switch (this.#s.mode) {
      case "array": {
        const { bytes } = this.#wires;
        let value = 0;
        for (let i = 0; i < size; i++) value += (bytes[offset + i] ?? 0) * 2 ** (8 * i);
        return value;
      }
      case "identifier": return lanes((offset >>> 2) % 0x40 === 0 ? MANUFACTURER : (offset >>> 2) % 0x40 === 1 ? DEVICE : 0, offset, size);
      case "query": return lanes(QUERY[(offset >>> 2) - QUERY_START] ?? 0, offset, size);
      default: return lanes(this.#s.status, offset, size);
    }
  }

  write(offset: number, size: number, value: number): void {
    const s = this.#s, command = value & 0xff;
    switch (s.mode) {
      case "program":
        this.#program(offset, size, value);
        return this.#enter("status");
      case "erase":
        if (command === Command.CONFIRM) this.#erase(offset);
        else this.#wrongSequence(offset, value);
        return this.#enter("status");
      case "lock": return this.#enter("status"); // lock, unlock or lock down: nothing is ever locked
      case "buffer count": {
        const count = (value & 0xffff) + 1;
        if (count > BUFFER / 2) {
          this.#wrongSequence(offset, value);
          return this.#enter("status");
        }
        s.left = count;
        s.buffer = -1;
        s.writes = [];
        return this.#enter("buffer data");
      }
      case "buffer data":
        if (s.buffer < 0) s.buffer = offset - (offset % BUFFER);
        s.writes.push([offset, size, value]);
        if (--s.left === 0) this.#enter("buffer confirm");
        return;
      case "buffer confirm": {
        const { writes, buffer } = s;
        s.writes = [];
        if (command !== Command.CONFIRM || writes.some(([at]) => at - (at % BUFFER) !== buffer)) this.#wrongSequence(offset, value);
        else for (const [at, width, data] of writes) this.#store(at, width, data);
        if (command === Command.CONFIRM && !this.#wires.changed(buffer, BUFFER)) s.status |= SR.PROGRAM_ERROR;
        return this.#enter("status");
      }
      default: return this.#command(offset, command);
    }
  }
  #command(offset: number, command: number): void {
    switch (command) {
      case 0x00: // some drivers probe for other command sets first
      case Command.READ_ARRAY_OLD:
      case Command.READ_ARRAY: return this.#enter("array");
      case Command.READ_STATUS: return this.#enter("status");
      case Command.READ_IDENTIFIER: return this.#enter("identifier");
      case Command.READ_QUERY: return this.#enter("query");
      case Command.WORD_PROGRAM_OLD:
      case Command.WORD_PROGRAM: return this.#enter("program");
      case Command.BLOCK_ERASE: return this.#enter("erase");
      case Command.LOCK: return this.#enter("lock");
      case Command.BUFFER_PROGRAM: return this.#enter("buffer count");
      case Command.CLEAR_STATUS:
        this.#s.status = SR.READY;
        return;
      case Command.CONFIRM: return; // resumes what was suspended: nothing ever is
      default:
        this.#wires.trace.note("flash", "unknown command: back to reading", offset, command);
        this.#enter("array");
    }
  }

  reset(): void {
    this.#s = reset();
    this.#wires.arrayMode(true);
  }
  snapshot(): CfiFlashState { return structuredClone(this.#s); }
  restore(state: CfiFlashState): void {
    this.#s = structuredClone(state);
    this.#wires.arrayMode(this.#s.mode === "array");
  }

  #enter(mode: Mode): void {
    const before = this.#s.mode;
    this.#s.mode = mode;
    if ((before === "array") !== (mode === "array")) this.#wires.arrayMode(mode === "array");
  }
  #wrongSequence(offset: number, value: number): void {
    this.#wires.trace.note("flash", "wrong sequence of commands", offset, value);
    this.#s.status |= SR.ERASE_ERROR | SR.PROGRAM_ERROR;
  }
  #program(offset: number, size: number, value: number): void {
    this.#store(offset, size, value);
    if (!this.#wires.changed(offset, size)) this.#s.status |= SR.PROGRAM_ERROR;
  }
  /** Programming only clears bits. */
  #store(offset: number, size: number, value: number): void {
    const { bytes } = this.#wires;
    for (let i = 0; i < size; i++) bytes[offset + i] = (bytes[offset + i] ?? 0) & (value >>> (8 * i));
  }
  #erase(offset: number): void {
    const from = offset - (offset % FLASH_SECTOR);
    this.#wires.bytes.fill(0xff, from, from + FLASH_SECTOR);
    if (!this.#wires.changed(from, FLASH_SECTOR)) this.#s.status |= SR.ERASE_ERROR;
  }
}
/** What both chips answer, as an access sees it. */
const lanes = (value: number, offset: number, size: number): number => readLane((value | value << 16) >>> 0, offset, size);
