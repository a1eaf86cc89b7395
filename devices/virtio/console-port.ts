// devices/virtio/console-port.ts — what is at the host's end of one port of a console device. Types only.

/** The memory that it hands out is valid until the call that ends its use. */
export interface ConsolePort {
  /** A port with a name is for programs; one without is a console: in Linux /dev/hvc0 and on. */
  readonly name: string | undefined;
  /** Room for bytes from the guest; undefined: none now, and `VirtioConsole.serve` is called when there is some. */
  reserve(length: number): Uint8Array | undefined;
  commit(): void;
  /** The oldest bytes for the guest; undefined: there are none, and `VirtioConsole.serve` is called when some come. */
  next(): Uint8Array | undefined;
  release(): void;
  /** The host's end as it is now; `VirtioConsole.serve` is called when it changes. Without a size both are 0. */
  host(): HostEnd;
  /** The guest has opened or closed its end. */
  guest(open: boolean): void;
}
export interface HostEnd { readonly open: boolean; readonly columns: number; readonly rows: number }
