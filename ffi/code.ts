// ffi/code.ts — executable memory, and calling into it. Spec: mmap(2). Hosts may refuse memory that is writable and
// executable at once; `allocate` then returns undefined and the caller does without generated code.
import { CFunction, dlopen, toArrayBuffer, type Pointer } from "bun:ffi";
import { LARGE_PAGE, MADV_HUGEPAGE } from "./memory.ts";

const LIBC = process.platform === "darwin" ? "libSystem.B.dylib" : "libc.so.6";
const PROT_ALL = 7;
const MAP_PRIVATE_ANONYMOUS = process.platform === "darwin" ? 0x1002 : 0x22;

/** The processor that generated code must be for: "x64", "arm64". */
export const HOST: string = process.arch;

/** A span of memory that can be written and executed. */
export class CodeMemory {
  readonly pointer: number;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  private constructor(pointer: number, size: number) {
    const buffer = toArrayBuffer(pointer as Pointer, 0, size);
    this.pointer = pointer;
    this.bytes = new Uint8Array(buffer);
    this.view = new DataView(buffer);
  }
  static allocate(size: number): CodeMemory | undefined {
    const libc = dlopen(LIBC, { mmap: { args: ["ptr", "u64", "i32", "i32", "i32", "u64"], returns: "ptr" }, madvise: { args: ["ptr", "u64", "i32"], returns: "i32" } }).symbols;
    const slack = size < LARGE_PAGE ? 0 : LARGE_PAGE;
    const at = Number(libc.mmap(null, size + slack, PROT_ALL, MAP_PRIVATE_ANONYMOUS, -1, 0));
    if (at === 0 || at > 2 ** 52 || at < 0) return undefined;
    const pointer = slack === 0 ? at : Math.ceil(at / LARGE_PAGE) * LARGE_PAGE;
    if (MADV_HUGEPAGE !== undefined && slack !== 0) libc.madvise(pointer as Pointer, size, MADV_HUGEPAGE); // code is spread over megabytes; a kernel without large pages says no
    return new CodeMemory(pointer, size);
  }
  /** A function at `offset` that takes one address and returns an i32. */
  entry(offset: number): (argument: number) => number {
    return CFunction({ ptr: (this.pointer + offset) as Pointer, args: ["ptr"], returns: "i32" }) as unknown as (argument: number) => number;
  }
}
