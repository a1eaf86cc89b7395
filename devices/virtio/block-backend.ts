// devices/virtio/block-backend.ts — what a disk image is to a block device. Types only.

/** What went wrong on the host, in one line for the user. */
export interface BlockError { readonly message: string }
/** Called once per request: at once, or later from the machine's thread. */
export type BlockDone = (error: BlockError | undefined) => void;

/** Bytes at positions. The caller stays inside `size`, and leaves a buffer alone until `done`. */
export interface BlockBackend {
  /** Bytes, a multiple of 512. */
  readonly size: number;
  readonly readOnly: boolean;
  /** Reads and writes are done when the call returns: they may be given the driver's memory itself, with no byte that comes late. */
  readonly atOnce?: boolean;
  read(at: number, into: Uint8Array, done: BlockDone): void;
  /** A long read that may take its time, straight into the driver's memory; false: it is not done that way. */
  readLater?(at: number, into: readonly Uint8Array[], done: BlockDone): boolean;
  write(at: number, from: Uint8Array, done: BlockDone): void;
  /** A long write, the same way. */
  writeLater?(at: number, from: readonly Uint8Array[], done: BlockDone): boolean;
  /** Returns when no byte of those is still on its way. */
  settle?(): void;
  /** Done when everything written before will outlive a power cut. */
  flush(done: BlockDone): void;
  /** These bytes are of no use any more: what they read as is up to the back end. */
  discard(at: number, length: number, done: BlockDone): void;
  /** These bytes read as zero; with `unmap` they need no space any more. */
  writeZeroes(at: number, length: number, unmap: boolean, done: BlockDone): void;
}
