// test/ffi/arm64.ts — run by Bun for arm64: what the binding of Hypervisor.framework has for that processor only. Prints
// what machine code saw of the registers it was called with.
import { dlopen, linkSymbols, toArrayBuffer, type Pointer } from "bun:ffi";
import { declarations, vectorTrampoline } from "../../ffi/hypervisor.ts";

const libc = dlopen(process.platform === "darwin" ? "libSystem.B.dylib" : "libc.so.6", {
  mmap: { args: ["ptr", "u64", "i32", "i32", "i32", "u64"], returns: "ptr" }, mprotect: { args: ["ptr", "u64", "i32"], returns: "i32" },
}).symbols;
/** A function of machine code. */
function code(...words: readonly number[]): Pointer {
  const at = libc.mmap(null, 0x4000, 3, process.platform === "darwin" ? 0x1002 : 0x22, -1, 0) as Pointer;
  new Uint32Array(toArrayBuffer(at, 0, 0x4000)).set(words);
  if (libc.mprotect(at, 0x4000, 5) !== 0) throw new Error("no executable memory");
  return at;
}

// The trampoline: a function that stores q0, x0 and x1 where `out` says, and returns 5.
const out = libc.mmap(null, 0x4000, 3, 0x22, -1, 0) as Pointer;
const stored = new BigUint64Array(toArrayBuffer(out, 0, 64));
const movAddress = (register: number, value: number): number[] => [0, 16, 32, 48].map((shift, i) => ((i === 0 ? 0xd2800000 : 0xf2800000) | ((shift / 16) << 21) | (Number((BigInt(value) >> BigInt(shift)) & 0xffffn) << 5) | register) >>> 0);
const store = code(...movAddress(9, Number(out)), 0x3d800120 /* str q0, [x9] */, 0xa9010520 /* stp x0, x1, [x9, #16] */, 0x528000a0 /* mov w0, #5 */, 0xd65f03c0);
const vector = Uint8Array.from({ length: 16 }, (_, i) => 0xf0 + i);
const status = vectorTrampoline()(0x1234_5678_9abc, 31, vector, store);
const vectorSeen = [...new Uint8Array(toArrayBuffer(out, 0, 16))];
const registers = [stored[2], stored[3]].map(value => `0x${(value as bigint).toString(16)}`);

// Widths: a function that stores x0..x3 whole, called through the declarations of the binding.
const whole = code(...movAddress(9, Number(out)), 0xa9000520 /* stp x0, x1, [x9] */, 0xa9010d22 /* stp x2, x3, [x9, #16] */, 0x52800000 /* mov w0, #0 */, 0xd65f03c0);
function call(level: keyof typeof declarations, name: string, ...args: readonly unknown[]): string[] {
  stored.fill(0xdead_beef_dead_beefn);
  const symbols = linkSymbols({ [name]: { ...declarations[level][name], ptr: whole } as never }).symbols as unknown as Record<string, (...all: unknown[]) => number>;
  (symbols[name] as (...all: unknown[]) => number)(...args);
  return Array.from({ length: args.length }, (_, i) => `0x${(stored[i] as bigint).toString(16)}`);
}
console.log(JSON.stringify({
  arch: process.arch, status, vectorSeen, registers,
  set_sys_reg: call("11.0", "hv_vcpu_set_sys_reg", 63, 0xdfff, -1),
  set_pending: call("11.0", "hv_vcpu_set_pending_interrupt", 0, 1, true),
  set_reg: call("11.0", "hv_vcpu_set_reg", 1, 31, 0xffff_8000_0000_0000n),
  set_spi: call("15.0", "hv_gic_set_spi", 0xffff_ffff, false),
  map: call("11.0", "hv_vm_map", 0x7fff_0000_4000, 2 ** 40 - 0x4000, 2 ** 33, 7),
  get_intid: call("15.0", "hv_gic_get_intid", 0xffff, 0),
}));
