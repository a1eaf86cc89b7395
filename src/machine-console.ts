// src/machine-console.ts — the machine thread's end of a console device: its ports, each with two rings in shared memory.
import type { ConsolePort } from "../devices/virtio/console-port.ts";
import { VirtioConsole } from "../devices/virtio/console.ts";
import { FrameRing, newFrameRing } from "./frame-ring.ts";

/** What the machine thread is told of one port. */
export interface PortStart {
  readonly name: string | undefined;
  readonly toHost: SharedArrayBuffer;
  readonly toGuest: SharedArrayBuffer;
}
/** Bytes of one ring. */
const RING = 64 * 1024;
export const newPort = (name: string | undefined): PortStart => ({ name, toHost: newFrameRing(RING), toGuest: newFrameRing(RING) });

/** The extra word of the ring to the guest: the host's end, as bits. Of the one to the host: 1 when the guest has the port open. */
export const packEnd = (open: boolean, columns: number, rows: number): number => (open ? 1 : 0) | (Math.min(columns, 0x7fff) << 1) | (Math.min(rows, 0x7fff) << 16);

/** Makes the device. `wake`: the other end of a port has something to do. */
export function openConsole(ports: readonly PortStart[], wake: (port: number) => void): VirtioConsole {
  return new VirtioConsole(ports.map(({ name, toHost, toGuest }, index): ConsolePort => {
    const out = new FrameRing(toHost, () => wake(index)), into = new FrameRing(toGuest, () => wake(index));
    return {
      name,
      reserve: length => out.reserve(length), commit: () => out.commit(),
      next: () => into.next() ?? (into.rest() ? undefined : into.next()), release: () => into.release(),
      host: () => {
        const word = into.extra;
        return { open: (word & 1) !== 0, columns: (word >> 1) & 0x7fff, rows: (word >> 16) & 0x7fff };
      },
      guest: open => {
        out.extra = open ? 1 : 0;
        wake(index);
      },
    };
  }));
}
