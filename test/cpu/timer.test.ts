// test/cpu/timer.test.ts — the generic timer as the guest sees it, on a clock moved by hand: ARM DDI 0487, D12.2.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { timerDue, timerFires } from "../../src/cpu/timer.ts";
import { Mode, TestCore } from "./core.ts";

const ENABLE = 1n, IMASK = 2n, ISTATUS = 4n;
const EL0PCTEN = 1, EL0VCTEN = 2, EL0VTEN = 1 << 8, EL0PTEN = 1 << 9;
const NOW = 1_000_000;

let core: TestCore;
beforeEach(() => {
  core = new TestCore();
  core.clock.now = NOW;
});
afterEach(() => core[Symbol.dispose]());
/** Runs one instruction of an endless loop; why the core left. */
const look = (): string => { core.run(asm => asm.movz("x0", 1)); return core.exit.kind; };

describe("counter", () => {
  test("CNTVCT and CNTPCT are the clock, CNTFRQ is 24 MHz", () => {
    core.clock.now = 0x12_3456_789a;
    expect([core.mrs("CNTVCT_EL0"), core.mrs("CNTPCT_EL0"), core.mrs("CNTFRQ_EL0")]).toEqual([0x12_3456_789an, 0x12_3456_789an, 24_000_000n]);
  });
  test("CNTFRQ cannot be written: the guest is not at the highest exception level", () => {
    core.forget().msr("CNTFRQ_EL0", 1);
    expect(core.ec).toBe(0);
  });
});

describe.each([
  ["virtual", "CNTV_CTL_EL0", "CNTV_CVAL_EL0", "CNTV_TVAL_EL0", EL0VTEN],
  ["physical", "CNTP_CTL_EL0", "CNTP_CVAL_EL0", "CNTP_TVAL_EL0", EL0PTEN],
] as const)("%s timer", (name, ctl, cval, tval, access) => {
  const masked = (): boolean => (name === "virtual" ? core.cpu.masked.virtual : core.cpu.masked.physical);
  const fires = (): boolean => timerFires(core.cpu, name);
  /** As the machine leaves it after the exit: the output is watched, the core not disturbed. */
  const hush = (): void => { core.cpu.masked.virtual = core.cpu.masked.physical = true; };

  test("the condition is met when the counter reaches CVAL, and not before", () => {
    core.msr(cval, NOW + 10).msr(ctl, ENABLE);
    expect([core.mrs(ctl), fires()]).toEqual([ENABLE, false]);
    core.clock.now = NOW + 9;
    expect([core.mrs(ctl), fires()]).toEqual([ENABLE, false]);
    core.clock.now = NOW + 10;
    expect(fires()).toBe(true);
    hush();
    expect(core.mrs(ctl)).toBe(ENABLE | ISTATUS);
  });
  test("then the core leaves once with a vtimer exit, and is silent until it is unmasked", () => {
    core.msr(cval, NOW - 1).msr(ctl, ENABLE);
    expect([look(), core.exit.timer, masked()]).toEqual(["vtimer", name, true]);
    expect(look()).toBe("budget");
    if (name === "virtual") core.cpu.masked.virtual = false;
    else core.cpu.masked.physical = false;
    expect(look()).toBe("vtimer");
  });
  test("a CVAL in the past, or 0, has fired; ~0 never does", () => {
    hush();
    core.msr(cval, 0).msr(ctl, ENABLE);
    expect(fires()).toBe(true);
    core.msr(cval, 0xffff_ffff_ffff_ffffn);
    core.clock.now = 2 ** 52;
    expect(fires()).toBe(false);
  });
  test("the compare value is 64 bits wide", () => {
    core.msr(cval, 0x1_0000_0000n + BigInt(NOW)).msr(ctl, ENABLE);
    expect(fires()).toBe(false);
    core.clock.now = 2 ** 32 + NOW;
    expect(fires()).toBe(true);
  });
  test("IMASK silences the output and leaves ISTATUS", () => {
    core.msr(cval, NOW).msr(ctl, ENABLE | IMASK);
    expect([core.mrs(ctl), fires(), look()]).toEqual([ENABLE | IMASK | ISTATUS, false, "budget"]);
  });
  test("disabled, it has no output and no status", () => {
    core.msr(cval, NOW).msr(ctl, IMASK);
    expect([core.mrs(ctl), fires(), timerDue(core.cpu, name)]).toEqual([IMASK, false, undefined]);
  });
  test("CTL keeps bits 0 and 1 only", () => {
    core.msr(cval, NOW + 10).msr(ctl, 0xffff_ffff_ffff_fffen);
    expect(core.mrs(ctl)).toBe(IMASK);
  });
  test("TVAL is the signed distance to CVAL: it sets CVAL, and counts down through zero", () => {
    core.msr(tval, 100);
    expect(core.get(cval)).toBe(BigInt(NOW + 100));
    core.clock.now = NOW + 40;
    expect(core.mrs(tval)).toBe(60n);
    core.clock.now = NOW + 101;
    expect(core.mrs(tval)).toBe(0xffff_ffffn);
  });
  test("a negative TVAL is in the past; only its low 32 bits count", () => {
    core.msr(tval, 0xdead_beef_ffff_fff6n).msr(ctl, ENABLE);
    expect([core.get(cval), fires()]).toEqual([BigInt(NOW - 10), true]);
  });
  test("TVAL = INT_MIN reaches back 2^31 ticks, around zero if need be: CVAL is unsigned", () => {
    hush();
    core.clock.now = 2 ** 31 + 5;
    core.msr(tval, 0x8000_0000).msr(ctl, ENABLE);
    expect([core.get(cval), fires()]).toEqual([5n, true]);
    core.clock.now = 5;
    core.msr(tval, 0x8000_0000);
    expect([core.get(cval), fires()]).toEqual([0xffff_ffff_8000_0005n, false]);
  });
  test("TVAL carries into the upper half of CVAL", () => {
    core.clock.now = 2 ** 32 - 1;
    core.msr(tval, 2);
    expect(core.get(cval)).toBe(0x1_0000_0001n);
  });
  test("moved later it falls silent, moved earlier it fires", () => {
    core.msr(cval, NOW).msr(ctl, ENABLE);
    expect(fires()).toBe(true);
    hush();
    core.msr(cval, NOW + 1000);
    expect([fires(), timerDue(core.cpu, name)]).toEqual([false, NOW + 1000]);
    core.msr(cval, NOW - 1000);
    expect(fires()).toBe(true);
  });
  test("EL0 gets a trap (class 0x18) for each register, unless CNTKCTL allows this timer", () => {
    for (const register of [ctl, cval, tval] as const) {
      core.forget().enter(Mode.EL0t).run(asm => asm.mrs("x0", register));
      expect(core.ec).toBe(0x18);
      core.forget().enter(Mode.EL0t).run(asm => asm.msr(register, "x0"));
      expect(core.ec).toBe(0x18);
    }
    core.msr("CNTKCTL_EL1", access).enter(Mode.EL0t).forget();
    for (const register of [ctl, cval, tval] as const) core.run(asm => asm.mrs("x0", register).msr(register, "xzr"));
    expect(core.quiet).toBe(true);
  });
});

describe("EL0 access to the counters", () => {
  test.each([["CNTVCT_EL0", EL0VCTEN, EL0PCTEN], ["CNTPCT_EL0", EL0PCTEN, EL0VCTEN]] as const)("%s needs its own bit of CNTKCTL", (register, own, other) => {
    core.msr("CNTKCTL_EL1", other).forget().enter(Mode.EL0t).run(asm => asm.mrs("x0", register));
    expect(core.ec).toBe(0x18);
    core.msr("CNTKCTL_EL1", own).forget().enter(Mode.EL0t).run(asm => asm.mrs("x0", register));
    expect(core.quiet).toBe(true);
  });
  test("CNTFRQ needs either", () => {
    core.forget().enter(Mode.EL0t).run(asm => asm.mrs("x0", "CNTFRQ_EL0"));
    expect(core.ec).toBe(0x18);
    core.msr("CNTKCTL_EL1", EL0VCTEN).forget().enter(Mode.EL0t).run(asm => asm.mrs("x0", "CNTFRQ_EL0"));
    expect([core.quiet, core.x(0)]).toEqual([true, 24_000_000n]);
  });
});
