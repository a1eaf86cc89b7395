// src/cpu/exit.ts — why a virtual CPU left the guest: one preallocated record per vCPU, the same for every backend.
// Model: the exits of Hypervisor.framework (data abort, system register trap, HVC/SMC, WFI, virtual timer, canceled).
// Guest-internal exceptions never leave a CPU.

export type ExitKind =
  /** The time slice or the instruction budget is used up. */
  | "budget"
  /** A load or store outside RAM. Answer reads with `completeRead`, writes with `completeWrite`. */
  | "mmio"
  /** A system register that the machine owns. Answer with `completeRead`, `completeWrite` or `injectUndefined`. */
  | "sysreg"
  /** HVC (PC is already behind it) or SMC (PC is on it: the machine advances it with `completeWrite`). */
  | "call"
  /** Nothing to do until an interrupt or a timer; PC is already behind the WFI. */
  | "wfi"
  /** A timer's condition became true, or a counter of the performance monitors went over; it is masked until the machine unmasks it. */
  | "vtimer"
  /** It waits for another core (YIELD): another one's turn. */
  | "turn"
  /** A timer was set, or a counter of the performance monitors: the machine looks at them. */
  | "look"
  /** Somebody asked for the core's attention. */
  | "canceled"
  /** BRK while the machine asked for debug exits; PC is on it. */
  | "debug"
  /** The core cannot go on. */
  | "fault";

/** What raises an interrupt of the core itself: the timers, and the performance monitors' overflow. */
export type TimerName = "virtual" | "physical" | "pmu";

/** Fields are valid for the kinds named beside them; numbers are unsigned. */
export class Exit {
  kind: ExitKind = "budget";
  /** mmio: guest physical address (below 2^48), access size in bytes (1, 2, 4, 8). */
  gpa = 0;
  size = 0;
  /** mmio, sysreg: true for a store or MSR. */
  write = false;
  /** mmio, sysreg: the value written, low and high 32 bits. */
  lo = 0;
  hi = 0;
  /** mmio, sysreg: general register of a single-register access, 31 for XZR or when the access has none. */
  register = 31;
  /** mmio: false when the instruction gives no valid syndrome (pairs, write-back, SIMD&FP, atomics). */
  syndromeValid = false;
  signExtend = false;
  sixtyFour = false;
  /** sysreg: op0<<14 | op1<<11 | CRn<<7 | CRm<<3 | op2. */
  encoding = 0;
  /** call, debug: the instruction's 16-bit immediate; call: "hvc" or "smc". */
  immediate = 0;
  conduit: "hvc" | "smc" = "hvc";
  /** vtimer: which one. */
  timer: TimerName = "virtual";
  /** fault: what happened. */
  why = "";
}

/**
 * Fills in what a syndrome would say of a single general-register access (ARM DDI 0487, ISS of data aborts); `word` is
 * the instruction of an `mmio` exit. Other kinds are left alone.
 */
export function describeAccess(exit: Exit, word: number): void {
  if (exit.kind !== "mmio") return;
  exit.syndromeValid = false;
  exit.register = 31;
  exit.signExtend = false;
  exit.sixtyFour = false;
  const single = ((word >>> 27) & 7) === 7 && ((word >>> 26) & 1) === 0;
  if (!single) return;
  const unsignedOffset = ((word >>> 24) & 3) === 1;
  const form = (word >>> 10) & 3;
  const plain = unsignedOffset || (((word >>> 24) & 3) === 0 && (((word >>> 21) & 1) === 0 ? form === 0 || form === 2 : form === 2));
  if (!plain) return;
  const opc = (word >>> 22) & 3;
  exit.syndromeValid = true;
  exit.register = word & 31;
  exit.signExtend = opc >= 2;
  exit.sixtyFour = opc === 2 || (opc < 2 && word >>> 30 === 3);
}
