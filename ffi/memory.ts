// ffi/memory.ts — anonymous native memory: guest RAM and CPU state. Spec: mmap(2), madvise(2).
// Left out: file mappings (a file cut short by somebody else would kill the process), executable memory (none yet).
import { dlopen, ptr, toArrayBuffer, type Pointer } from "bun:ffi";

const LIBC = process.platform === "darwin" ? "libSystem.B.dylib" : "libc.so.6";
const PROT_READ_WRITE = 3;
const MAP_PRIVATE = 2;
const MAP_ANONYMOUS = process.platform === "darwin" ? 0x1000 : 0x20;
const MAP_NORESERVE = process.platform === "darwin" ? 0x40 : 0x4000;

/**
 * "What is in these pages is not needed." Linux: MADV_DONTNEED, they read as zero from then on. macOS: MADV_FREE_REUSABLE, they
 * no longer count as this process's, and hold their bytes until somebody else needs the memory.
 */
const NOT_NEEDED = process.platform === "darwin" ? 7 : 4;

/** Linux alone. */
export const MADV_HUGEPAGE: number | undefined = process.platform === "linux" ? 14 : undefined;

/** The largest page of any host: hypervisors map whole pages. */
const ALIGNMENT = 0x4000;
/** What a large page of the host covers: a guest's large pages are the host's where both begin together. */
export const LARGE_PAGE = 0x20_0000;
/** The largest span one view covers: indexes stay below 2^31, where typed arrays are fast. */
export const WINDOW: number = 2 ** 31;

function open() {
  return dlopen(LIBC, {
    mmap: { args: ["ptr", "u64", "i32", "i32", "i32", "u64"], returns: "ptr" },
    munmap: { args: ["ptr", "u64"], returns: "i32" },
    madvise: { args: ["ptr", "u64", "i32"], returns: "i32" },
    getpagesize: { args: [], returns: "i32" },
  }).symbols;
}
let libc: ReturnType<typeof open> | undefined;

/** False on a host that lets nobody have executable memory from the start: Bun then offers no foreign calls at all. */
export function foreignCallsWork(): boolean {
  try {
    libc ??= open();
    return true;
  } catch {
    return false;
  }
}

/** The host address of bytes that never move: of native memory, or shared by threads. */
export const addressOf = (view: Uint8Array | Int32Array | Float64Array): number => ptr(view);

/** A page-aligned, zeroed span of host memory, reserved at once and backed by pages as they are touched. */
export class NativeMemory {
  /** Host address. */
  readonly pointer: number;
  /** Bytes. */
  readonly size: number;
  /** What was mapped: `pointer` is the first multiple of the alignment in it. */
  readonly #mapped: { readonly at: number; readonly size: number };
  private constructor(pointer: number, size: number, mapped: { readonly at: number; readonly size: number } = { at: pointer, size }) {
    this.pointer = pointer;
    this.size = size;
    this.#mapped = mapped;
  }
  /** Throws a RangeError when the host refuses. `size` is rounded up to 16 KiB, the largest host page; at 2 MiB from that size on. */
  static allocate(size: number): NativeMemory {
    libc ??= open();
    const alignment = size >= LARGE_PAGE ? LARGE_PAGE : ALIGNMENT;
    const rounded = Math.ceil(size / ALIGNMENT) * ALIGNMENT;
    const mmap = (bytes: number): number => {
      const at = Number(libc?.mmap(null, bytes, PROT_READ_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
      // MAP_FAILED is -1: it arrives as a number or BigInt far above any address.
      if (!(at > 0 && at <= 2 ** 52)) throw new RangeError(`the host refused ${bytes} bytes of memory`);
      return at;
    };
    const at = mmap(rounded);
    if (at % alignment === 0) return new NativeMemory(at, rounded);
    libc.munmap(at as Pointer, rounded); // the host's pages are smaller
    const wider = { size: rounded + alignment, at: mmap(rounded + alignment) };
    return new NativeMemory(Math.ceil(wider.at / alignment) * alignment, rounded, wider);
  }
  /**
   * Asks for large pages, where the host gives them only to who asks: guest RAM is read and written all over, by cores and by
   * copies of the host, and every fault and every entry of a host's TLB then covers 512 times as much.
   */
  preferLargePages(): void {
    libc ??= open();
    if (MADV_HUGEPAGE !== undefined) libc.madvise(this.pointer as Pointer, this.size, MADV_HUGEPAGE); // a kernel without them says no
  }
  /** Memory that another thread of this process allocated. */
  static at(pointer: number, size: number): NativeMemory {
    return new NativeMemory(pointer, size);
  }
  /** Number of windows of `WINDOW` bytes. */
  get windows(): number { return Math.ceil(this.size / WINDOW); }
  /** The bytes of window `index`, without a copy. Must not be used after `free`. */
  window(index: number): ArrayBuffer {
    return toArrayBuffer((this.pointer + index * WINDOW) as Pointer, 0, Math.min(WINDOW, this.size - index * WINDOW));
  }
  /**
   * Gives the whole host pages inside of a range back to the host; returns how many bytes these are. The range stays usable: a
   * page comes again when it is touched, and holds zeros or what it held before.
   */
  release(offset: number, length: number): number {
    libc ??= open();
    const page = libc.getpagesize();
    const from = Math.ceil(Math.max(0, offset) / page) * page, to = Math.floor(Math.min(this.size, offset + length) / page) * page;
    if (to <= from || libc.madvise((this.pointer + from) as Pointer, to - from, NOT_NEEDED) !== 0) return 0;
    return to - from;
  }
  /** Gives everything back to the host. Every view of it must be dead. */
  free(): void {
    libc ??= open();
    libc.munmap(this.#mapped.at as Pointer, this.#mapped.size);
  }
}
