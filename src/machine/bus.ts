// src/machine/bus.ts — physical addresses outside RAM: finds the device, splits 8-byte accesses, counts what nobody answers.
import type { MmioDevice } from "../../devices/device.ts";

interface Mapping { readonly name: string; readonly base: number; readonly end: number; readonly device: MmioDevice; accesses: number }

export class Bus {
  readonly #mappings: Mapping[] = [];
  #last: Mapping | undefined;
  /** Result of the last `read`, high half. */
  hi = 0;
  /** Accesses to addresses where nothing is. */
  unassigned = 0;
  /** Accesses served, per device. */
  get counts(): ReadonlyMap<string, number> { return new Map(this.#mappings.map(m => [m.name, m.accesses])); }

  add(name: string, base: number, size: number, device: MmioDevice): void {
    this.#mappings.push({ name, base, end: base + size, device, accesses: 0 });
  }
  /** The device at an access, or undefined: an external abort, as on QEMU's `virt`. */
  find(gpa: number, size: number): Mapping | undefined {
    const last = this.#last;
    if (last !== undefined && gpa >= last.base && gpa + size <= last.end) return last;
    for (const m of this.#mappings) {
      if (gpa >= m.base && gpa + size <= m.end) {
        this.#last = m;
        return m;
      }
    }
    return undefined;
  }
  /** Low half of the value; the high half is in `hi`. Undefined: nobody answers. */
  read(gpa: number, size: number): number | undefined {
    const m = this.find(gpa, size);
    if (m === undefined) { this.unassigned++; return undefined; }
    m.accesses++;
    const offset = gpa - m.base;
    this.hi = 0;
    if (size < 8) return m.device.read(offset, size);
    const lo = m.device.read(offset, 4);
    this.hi = m.device.read(offset + 4, 4);
    return lo;
  }
  /** False: nobody answers. */
  write(gpa: number, size: number, lo: number, hi: number): boolean {
    const m = this.find(gpa, size);
    if (m === undefined) { this.unassigned++; return false; }
    m.accesses++;
    const offset = gpa - m.base;
    if (size < 8) m.device.write(offset, size, lo);
    else {
      m.device.write(offset, 4, lo);
      m.device.write(offset + 4, 4, hi);
    }
    return true;
  }
  get devices(): readonly { readonly name: string; readonly device: MmioDevice }[] { return this.#mappings; }
}
