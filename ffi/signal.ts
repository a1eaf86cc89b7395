// ffi/signal.ts — signal handlers in machine code. Spec: sigaction(3) of glibc on x86-64 Linux: struct sigaction is the
// handler (8 bytes), the mask (128), flags (4, padded to 8), the restorer (8, the library's own affair).
import { dlopen, ptr } from "bun:ffi";

const SIZE = 152, FLAGS = 136;
const SA_SIGINFO = 4, SA_ONSTACK = 1 << 27, SA_NODEFER = 1 << 30;

function open() {
  if (process.platform !== "linux" || process.arch !== "x64") return undefined;
  try {
    return dlopen("libc.so.6", { sigaction: { args: ["i32", "ptr", "ptr"], returns: "i32" } }).symbols;
  } catch {
    return undefined; // another C library: its structure may be another one
  }
}
let libc: ReturnType<typeof open>;

/**
 * Makes the code at an address the handler of a signal, on the stack that the former one used. Returns the former
 * handler's address (0: the default action, 1: ignored); 0 and no handler on systems other than those named above.
 */
export function handleSignal(signal: number, address: number): number {
  libc ??= open();
  if (libc === undefined) return 0;
  const former = Buffer.alloc(SIZE), wanted = Buffer.alloc(SIZE);
  libc.sigaction(signal, null, ptr(former));
  wanted.writeBigUInt64LE(BigInt(address), 0);
  wanted.writeInt32LE(SA_SIGINFO | SA_NODEFER | (former.readInt32LE(FLAGS) & SA_ONSTACK), FLAGS);
  libc.sigaction(signal, ptr(wanted), null);
  return Number(former.readBigUInt64LE(0));
}
