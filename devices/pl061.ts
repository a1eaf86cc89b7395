// devices/pl061.ts — PL061 GPIO: eight lines with edge and level interrupts.
// Spec: ARM DDI 0190B, ch. 3. Left out: hardware control of lines (AFSEL is only stored), the test registers of ch. 4.
import type { IrqLine, MmioDevice, Trace } from "./device.ts";
import { readLane } from "./lane.ts";

/** Register offsets, table 3-1. GPIODATA is 0x000..0x3fc: address bits 9:2 say which lines an access touches. */
const Reg = {
  DIR: 0x400, IS: 0x404, IBE: 0x408, IEV: 0x40c, IE: 0x410,
  /** RO. */ RIS: 0x414,
  /** RO. */ MIS: 0x418,
  /** WO, W1C. */ IC: 0x41c,
  AFSEL: 0x420,
  /** RO, eight bytes in eight words. */ ID: 0xfe0,
} as const;
/** PeriphID0..3, PCellID0..3: part 0x061, designer 0x41, revision 0. */
const ID = [0x61, 0x10, 0x04, 0x00, 0x0d, 0xf0, 0x05, 0xb1] as const;

const reset = () => ({
  /** Output latch. */ data: 0, direction: 0,
  /** IS: 1 = level. */ sense: 0, bothEdges: 0, event: 0, enable: 0, select: 0,
  /** Edges seen and not cleared. */ edges: 0,
  /** Levels the outside drives. */ inputs: 0,
});
export type Pl061State = ReturnType<typeof reset>;

export interface Pl061Wires {
  readonly irq: IrqLine;
  readonly trace: Trace;
  /** Told when a line the guest drives changes. */
  readonly output?: (line: number, level: boolean) => void;
}

export class Pl061 implements MmioDevice<Pl061State> {
  #s: Pl061State = reset();
  readonly #wires: Pl061Wires;
  constructor(wires: Pl061Wires) { this.#wires = wires; }

  read(offset: number, size: number): number { return readLane(this.#register(offset & ~3), offset, size); }
  #register(at: number): number {
    const s = this.#s;
    if (at < Reg.DIR) return this.#pins() & (at >> 2);
    if (at >= Reg.ID) return ID[(at - Reg.ID) >> 2] ?? 0;
    switch (at) {
      case Reg.DIR: return s.direction;
      case Reg.IS: return s.sense;
      case Reg.IBE: return s.bothEdges;
      case Reg.IEV: return s.event;
      case Reg.IE: return s.enable;
      case Reg.RIS: return this.#raw();
      case Reg.MIS: return this.#raw() & s.enable;
      case Reg.AFSEL: return s.select;
      default: return 0;
    }
  }

  write(offset: number, _size: number, value: number): void {
    const s = this.#s;
    const bits = value & 0xff;
    const driven = s.data & s.direction;
    const wasOutput = s.direction;
    if (offset < Reg.DIR) {
      const mask = (offset >> 2) & 0xff;
      s.data = (s.data & ~mask) | (bits & mask);
    } else {
      switch (offset) {
        case Reg.DIR: s.direction = bits; break;
        case Reg.IS: s.sense = bits; break;
        case Reg.IBE: s.bothEdges = bits; break;
        case Reg.IEV: s.event = bits; break;
        case Reg.IE: s.enable = bits; break;
        case Reg.IC: s.edges &= ~bits; break;
        case Reg.AFSEL: s.select = bits; break;
        default: this.#wires.trace.note("pl061", "write ignored", offset, value);
      }
    }
    const changed = ((s.data & s.direction) ^ driven) | (s.direction & ~wasOutput);
    if (changed !== 0 && this.#wires.output !== undefined) this.#announce(changed & s.direction, this.#wires.output);
    this.#drive();
  }

  /** The outside drives line 0..7. Only a line that the guest has made an input sees it. */
  setInput(line: number, level: boolean): void {
    const s = this.#s;
    const bit = 1 << (line & 7);
    const before = s.inputs;
    s.inputs = level ? before | bit : before & ~bit;
    if (before === s.inputs || (s.direction & bit) !== 0) return;
    const wanted = (s.bothEdges & bit) !== 0 || ((s.event & bit) !== 0) === level;
    if ((s.sense & bit) === 0 && wanted) s.edges |= bit;
    this.#drive();
  }

  reset(): void {
    const { inputs } = this.#s; // driven from outside
    this.#s = { ...reset(), inputs };
    this.#drive();
  }
  snapshot(): Pl061State { return structuredClone(this.#s); }
  restore(state: Pl061State): void { this.#s = structuredClone(state); }

  #pins(): number {
    const { data, direction, inputs } = this.#s;
    return (data & direction) | (inputs & ~direction);
  }
  #raw(): number {
    const { sense, event, edges } = this.#s;
    return ((edges & ~sense) | (~(this.#pins() ^ event) & sense)) & 0xff;
  }
  #announce(lines: number, output: (line: number, level: boolean) => void): void {
    for (let line = 0; line < 8; line++) {
      if ((lines & (1 << line)) !== 0) output(line, (this.#s.data & (1 << line)) !== 0);
    }
  }
  #drive(): void { this.#wires.irq.set((this.#raw() & this.#s.enable) !== 0); }
}
