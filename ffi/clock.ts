// ffi/clock.ts — the host's clock that never goes back. Spec: clock_gettime(2), dlsym(3).
import { dlopen, ptr } from "bun:ffi";
import { C_LIBRARIES } from "./posix.ts";

/** Linux: CLOCK_MONOTONIC; macOS: CLOCK_UPTIME_RAW. Both stand still while the host sleeps. */
export const MONOTONIC: number = process.platform === "darwin" ? 8 : 1;

const open = () => {
  for (const name of C_LIBRARIES) {
    try {
      return { name, clock: dlopen(name, { clock_gettime: { args: ["i32", "ptr"], returns: "i32" } }).symbols.clock_gettime };
    } catch { /* the next name */ }
  }
  throw new Error(`no C library found (tried ${C_LIBRARIES.join(", ")})`);
};
let library: ReturnType<typeof open> | undefined;

/** struct timespec, as words: seconds in 0 and 1, nanoseconds in 2 and 3. */
const time = new Int32Array(4);
/** Nanoseconds, the same in every thread. */
export function monotonic(): number {
  library ??= open();
  library.clock(MONOTONIC, time);
  return (time[0] as number) * 1e9 + (time[2] as number);
}

/** Host address of clock_gettime, for generated code to call; undefined where the C library does not tell. */
export function clockFunction(): number | undefined {
  library ??= open();
  try {
    const { dlsym } = dlopen(library.name, { dlsym: { args: ["ptr", "ptr"], returns: "ptr" } }).symbols;
    const at = Number(dlsym(null, ptr(Buffer.from("clock_gettime\0"))));
    return at > 0 && at <= 2 ** 52 ? at : undefined;
  } catch {
    return undefined;
  }
}
