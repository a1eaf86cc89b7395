// src/cpu/timer.ts — the generic timer's conditions, from a core's registers and the clock. Spec: ARM DDI 0487, D12.2.4.
import type { Clock } from "../../devices/device.ts";
import { slot } from "./sysreg.ts";

/** Whose timer: its registers, as the CPU state has them, and its time. */
interface Timed { readonly x: Int32Array; readonly clock: Clock }
const VIRTUAL = { ctl: slot.CNTV_CTL_EL0 / 4, cval: slot.CNTV_CVAL_EL0 / 4 };
const PHYSICAL = { ctl: slot.CNTP_CTL_EL0 / 4, cval: slot.CNTP_CVAL_EL0 / 4 };

/** The timer's output: enabled, not masked, condition met. */
export function timerFires(core: Timed, timer: "virtual" | "physical"): boolean {
  const due = timerDue(core, timer);
  return due !== undefined && core.clock.ticks() >= due;
}
/** The tick at which the timer's output goes high; undefined when it never does as set. */
export function timerDue({ x }: Timed, timer: "virtual" | "physical"): number | undefined {
  const { ctl, cval } = timer === "virtual" ? VIRTUAL : PHYSICAL;
  return ((x[ctl] as number) & 3) === 1 ? ((x[cval + 1] as number) >>> 0) * 2 ** 32 + ((x[cval] as number) >>> 0) : undefined;
}
