// src/self-test.ts — a guest of 23 instructions that shows whether an accelerator does what hv builds on: device accesses
// with and without a syndrome, a call, the counter, the virtual timer, a breakpoint. For `hv report`.
// Lies beside library.ts, which it uses; test/hypervisor/self-test.test.ts assembles the same program.
import { VirtualMachine, type MachineOptions } from "./library.ts";

/** The program of the test above; x5 and up hold what it found. */
export const SELF_TEST: readonly number[] = [
  0xd281fc08, 0xf2a12008, // x8 = the UART's identification registers
  0xb9400114, 0x29405915, // ldr w20, [x8]; ldp w21, w22, [x8]: a call may change x0 to x17
  0xd2800000, 0xf2b08000, 0xd4000002, 0xaa0003e5, // PSCI_VERSION by hvc; x5 = its answer
  0xd53be006, 0xd53be04a, // x6 = CNTFRQ_EL0, x10 = CNTVCT_EL0
  0xd2953000, 0xf2a00060, 0xd51be300, 0xd2800020, 0xd51be320, 0xd5033fdf, // virtual timer in 240,000 ticks
  0xd280008b, 0xd53be327, 0xea0b00ff, 0x54ffffc0, // until its status bit is set
  0xd53be04c, 0xd51be33f, 0xd4200840, // x12 = CNTVCT_EL0; timer off; brk #0x42
];
const TICKS = 240_000n;
const LIMIT_MS = 10_000;

export interface SelfTest {
  readonly accelerator: string;
  readonly gic: string;
  readonly passed: boolean;
  /** What was wrong, or what was found. */
  readonly found: Readonly<Record<string, string>>;
}

/** Runs it. Never throws: a refusal is a result. */
export async function selfTest(options: MachineOptions): Promise<SelfTest> {
  const name = { accelerator: String(options.accelerator ?? "auto"), gic: String(options.gic ?? "auto") };
  try {
    await using vm = await VirtualMachine.create({ ...options, program: Uint32Array.from(SELF_TEST) });
    const from = performance.now();
    const outcome = await Promise.race([vm.run(), Bun.sleep(LIMIT_MS).then(() => ({ kind: `still running after ${LIMIT_MS} ms` }))]);
    const took = performance.now() - from;
    const { x } = await vm.registers();
    const { exits } = await vm.counters();
    const at = (n: number): bigint => x[n] as bigint;
    const found = {
      outcome: JSON.stringify(outcome), "UART id": `${at(20)}, ${at(21)} ${at(22)}`, PSCI: `0x${at(5).toString(16)}`, counter: `${at(6)} Hz`,
      "timer after": `${at(12) - at(10)} ticks`, took: `${took.toFixed(1)} ms`, exits: JSON.stringify(exits),
    };
    const passed = JSON.stringify(outcome) === '{"kind":"debug","cpu":0,"immediate":66}' && at(20) === 0x11n && at(21) === 0x11n && at(22) === 0x10n && at(5) === 0x1_0001n && at(12) - at(10) >= TICKS;
    return { ...name, passed, found };
  } catch (error) {
    return { ...name, passed: false, found: { error: error instanceof Error ? `${error.name}: ${error.message}` : String(error) } };
  }
}
