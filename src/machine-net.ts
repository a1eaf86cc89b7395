// src/machine-net.ts — the machine thread's end of a network: the device, and its frames in rings of shared memory.
import type { NetPort } from "../devices/virtio/net-port.ts";
import { VirtioNet } from "../devices/virtio/net.ts";
import { VirtioVsock } from "../devices/virtio/vsock.ts";
import { FrameRing, newFrameRing } from "./frame-ring.ts";

/** What the machine thread is told of one interface. */
export interface NetStart {
  readonly mac: Uint8Array;
  readonly mtu: number;
  /** Whoever is behind it takes large segments, and checksums that are not made yet. */
  readonly offload: boolean;
  /** It is no network but a vsock device, and this is the guest's address. */
  readonly cid?: number | undefined;
  readonly toHost: SharedArrayBuffer;
  readonly toGuest: SharedArrayBuffer;
}
export const newRings = (): { readonly toHost: SharedArrayBuffer; readonly toGuest: SharedArrayBuffer } => ({ toHost: newFrameRing(), toGuest: newFrameRing() });

/** The ring's extra word: whether there is a driver, what it accepts, and how many there were before. */
export const DRIVER = { offload: 7, present: 8, count: 4 } as const;

/** Makes the device. `wake`: the other end has something to do. */
export function openNet(start: NetStart, wake: () => void): VirtioNet | VirtioVsock {
  const out = new FrameRing(start.toHost, wake), into = new FrameRing(start.toGuest, wake);
  let drivers = 0, present = false;
  const port: NetPort = {
    reserve: length => out.reserve(length),
    commit: () => out.commit(),
    next: () => into.next() ?? (into.rest() ? undefined : into.next()),
    release: () => into.release(),
    driver: offload => {
      if (offload === undefined && present) drivers++;
      present = offload !== undefined;
      out.extra = (drivers << DRIVER.count) | (offload === undefined ? 0 : DRIVER.present | offload);
      wake();
    },
  };
  if (start.cid !== undefined) return new VirtioVsock(start.cid, port);
  return new VirtioNet({ port, mac: start.mac, mtu: start.mtu, offload: start.offload });
}
