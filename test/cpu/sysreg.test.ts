// test/cpu/sysreg.test.ts — the system registers: what identifies the core, and every encoding there could be.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { serveSysreg } from "../../src/machine/machine-registers.ts";
import { systemInstructions } from "../../src/cpu/interpret/system.ts";
import { readsAsZero, sysregName, sysregs, type SysRegName } from "../../src/cpu/sysreg.ts";
import { Offset } from "../../src/cpu/state.ts";
import { CODE, Mode, RAM, TestCore } from "./core.ts";

let core: TestCore;
const names = Object.keys(sysregs) as SysRegName[];

describe("identification", () => {
  beforeAll(() => { core = new TestCore(); });
  afterAll(() => core[Symbol.dispose]());
  const field = (name: SysRegName, shift: number): number => Number((core.mrs(name) >> BigInt(shift)) & 15n);

  test("MIDR names no implementer: no kernel knows an erratum of it", () => {
    expect(core.mrs("MIDR_EL1") >> 24n).toBe(0n);
    expect(core.mrs("REVIDR_EL1")).toBe(0n);
  });
  test("MPIDR is the index of the core, in one cluster", () => {
    expect(core.mrs("MPIDR_EL1")).toBe(0x8000_0000n);
  });
  test("EL0 and EL1 in AArch64 only, no EL2 and EL3", () => {
    expect([0, 4, 8, 12].map(shift => field("ID_AA64PFR0_EL1", shift))).toEqual([1, 1, 0, 0]);
  });
  test("floating point and SIMD, without half precision", () => {
    expect([16, 20].map(shift => field("ID_AA64PFR0_EL1", shift))).toEqual([0, 0]);
  });
  test("no speculation: CSV2, CSV3 and ECBHB say that no mitigation is needed", () => {
    expect([field("ID_AA64PFR0_EL1", 56), field("ID_AA64PFR0_EL1", 60), field("ID_AA64MMFR1_EL1", 60)]).toEqual([1, 1, 1]);
  });
  test("no pointer authentication", () => {
    expect([4, 8, 24, 28].map(shift => field("ID_AA64ISAR1_EL1", shift))).toEqual([0, 0, 0, 0]);
    expect([8, 12].map(shift => field("ID_AA64ISAR2_EL1", shift))).toEqual([0, 0]);
  });
  test("AES with PMULL, SHA1, SHA2-512, CRC32 and LSE atomics", () => {
    expect([4, 8, 12, 16, 20].map(shift => field("ID_AA64ISAR0_EL1", shift))).toEqual([2, 1, 2, 1, 2]);
  });
  test("E0PD, and PAN with its address translations", () => {
    expect([field("ID_AA64MMFR2_EL1", 60), field("ID_AA64MMFR1_EL1", 20)]).toEqual([1, 2]);
  });
  test("40-bit physical addresses, 16-bit ASIDs, all three granules", () => {
    expect([0, 4, 20, 24, 28].map(shift => field("ID_AA64MMFR0_EL1", shift))).toEqual([2, 2, 1, 0, 0]);
  });
  test("caches: physically tagged, 64-byte lines, no cleaning needed for coherence with instructions (IDC)", () => {
    const ctr = Number(core.mrs("CTR_EL0"));
    expect([ctr & 15, (ctr >>> 14) & 3, (ctr >>> 16) & 15, (ctr >>> 28) & 1]).toEqual([4, 3, 4, 1]);
    expect(core.mrs("DCZID_EL0")).toBe(4n);
  });
  test("the reserved part of the ID space reads as zero, at EL1 only", () => {
    core.run(asm => asm.mov("x0", 5).MRS({ q: 1, o: 0, c: 0, k: 7, p: 7, t: 0 }));
    expect(core.x(0)).toBe(0n);
    core.enter(Mode.EL0t).forget().run(asm => asm.MRS({ q: 1, o: 0, c: 0, k: 7, p: 7, t: 0 }));
    expect(core.ec).toBe(0);
    core.leave();
  });
  test.each(names.filter(name => name.startsWith("ID_") || name === "MIDR_EL1"))("%s can be read at EL1 only, and not be written", name => {
    core.forget().mrs(name);
    expect(core.quiet).toBe(true);
    core.msr(name, 0xffff_ffff_ffff_ffffn);
    expect(core.ec).toBe(0);
    core.enter(Mode.EL0t).forget().mrs(name);
    expect(core.ec).toBe(0);
    core.leave();
  });
});

describe("the table", () => {
  test("every register has an encoding of its own", () => {
    expect(new Set(names.map(name => sysregs[name].encoding)).size).toBe(names.length);
  });
  test("the slots end before the TLB", () => {
    expect(Offset.SYSREG + 8 * names.length).toBeLessThanOrEqual(Offset.TLB_EL0);
  });
});

describe("writing", () => {
  beforeEach(() => { core = new TestCore(); });
  afterEach(() => core[Symbol.dispose]());

  test.each(names.filter(name => sysregs[name].kind === "plain"))("%s keeps its writable bits, and the rest of its reset value", name => {
    const { maskLo, maskHi, resetLo, resetHi, encoding } = sysregs[name];
    const wide = (lo: number, hi: number): bigint => (BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0);
    const mask = wide(maskLo, maskHi), reset = wide(resetLo, resetHi);
    core.cpu.reset();
    expect(core.get(name)).toBe(reset);
    const form = { q: (encoding >> 14) & 1, o: (encoding >> 11) & 7, c: (encoding >> 7) & 15, k: (encoding >> 3) & 15, p: encoding & 7, t: 9 };
    core.forget().run(asm => asm.mov("x9", 0x5555_aaaa_5555_aaaan).MSR_reg(form).MRS(form));
    expect(core.quiet || name === "ESR_EL1" || name === "FAR_EL1").toBe(true);
    expect(core.x(9)).toBe((0x5555_aaaa_5555_aaaan & mask) | (reset & ~mask));
  });
  test("SCTLR_EL1 keeps its RES1 bits, and has no bits of features that are not there", () => {
    core.msr("SCTLR_EL1", 0);
    expect(core.mrs("SCTLR_EL1")).toBe(0x3050_0980n);
    core.msr("SCTLR_EL1", 0xffff_ffff_ffff_fffen & ~2n); // all but M and A: the test goes on with Device memory
    expect(core.mrs("SCTLR_EL1")).toBe(0x34dd_db9cn);
  });
  test("CPACR_EL1 has FPEN only", () => {
    core.msr("CPACR_EL1", 0xffff_ffff_ffff_ffffn);
    expect(core.mrs("CPACR_EL1")).toBe(0x30_0000n);
  });
  test("VBAR_EL1 is 2 KiB aligned", () => {
    core.msr("VBAR_EL1", 0x4000_2fff);
    expect(core.mrs("VBAR_EL1")).toBe(0x4000_2800n);
  });
  test("what a debugger from outside would use belongs to the machine", () => {
    core.run(asm => asm.msr("OSDLR_EL1", "xzr"));
    expect([core.exit.kind, core.exit.write, core.exit.encoding, core.exit.register, serveSysreg(core.exit.encoding, true)])
      .toEqual(["sysreg", true, sysregs.OSDLR_EL1.encoding, 31, 0]);
    core.cpu.answer(0, 0);
    core.step();
    core.run(asm => asm.mrs("x3", "DBGPRCR_EL1"));
    expect([core.exit.kind, core.exit.write, core.exit.register, serveSysreg(core.exit.encoding, false)]).toEqual(["sysreg", false, 3, 0]);
    core.cpu.answer(8, 0);
    core.step();
    expect(core.x(3)).toBe(8n);
  });
  test("the GIC's system register interface is the machine's, and UNDEFINED on a GICv2", () => {
    core.run(asm => asm.mrs("x3", "ICC_SRE_EL1"));
    expect([core.exit.kind, serveSysreg(core.exit.encoding, false)]).toEqual(["sysreg", undefined]);
    core.cpu.abandon();
    core.cpu.undefined();
    expect(core.ec).toBe(0);
  });
  test("accesses can be watched: name, direction, value", () => {
    const seen: unknown[] = [];
    core.cpu.onSysreg = (name, write, lo) => { seen.push([name, write, lo]); };
    core.msr("TPIDR_EL1", 7);
    core.mrs("TPIDR_EL1");
    expect(seen).toEqual([["TPIDR_EL1", true, 7], ["TPIDR_EL1", false, 7]]);
  });
});

// Every word of the space: L, op0, op1, CRn, CRm, op2 with Rt = x9, at both levels.
describe.each([["EL1", Mode.EL1h], ["EL0", Mode.EL0t]] as const)("all 2^17 words of the system space at %s", (_name, mode) => {
  beforeEach(() => { core = new TestCore(undefined, "max"); });
  afterEach(() => core[Symbol.dispose]());

  /** Runs one word from a fresh state; how it ended. */
  function outcome(word: number): string {
    const { cpu } = core;
    cpu.reset();
    core.set("VBAR_EL1", RAM + 0x2000);
    core.forget();
    cpu.x[Offset.EL / 4] = mode === Mode.EL0t ? 0 : 1;
    cpu.x[Offset.SPSEL / 4] = mode & 1;
    cpu.syncState();
    core.setX(9, CODE + 0x8000);
    core.write(CODE, word);
    core.pc = BigInt(CODE);
    core.step();
    const { kind } = core.exit;
    cpu.abandon();
    return kind !== "budget" ? kind : core.quiet ? "done" : `class ${core.ec}`;
  }
  test("none throws; registers that are not in the table are UNDEFINED; only the machine's leave the core", () => {
    const wrong: string[] = [];
    for (let bits = 0; bits < 0x1_0000; bits++) {
      const op0 = bits >>> 14;
      if (op0 < 2) continue;
      const name = sysregName(bits);
      const row = name === undefined ? undefined : sysregs[name];
      for (const read of [true, false]) {
        const got = outcome((0xd500_0009 | (read ? 1 << 21 : 0) | (bits << 5)) >>> 0);
        const exists = row === undefined ? read && mode === Mode.EL1h && readsAsZero(bits)
          : mode === Mode.EL0t ? (row.el0 === "rw" || (row.el0 === "ro" && read)) && !(read && row.el1 === "wo")
          : read ? row.el1 !== "wo" : row.el1 !== "ro";
        const expected = !exists ? ["class 0"] : row?.kind === "machine" ? ["sysreg"]
          // an ESR that was written is what this test sees; special rows may trap at EL0 by a control bit, FP registers by CPACR; CNTFRQ cannot be written
          : row?.kind === "special" ? mode === Mode.EL0t ? ["done", "class 24", "class 7"] : name === "CNTFRQ_EL0" && !read ? ["class 0"] : ["done", "class 7"]
          : name === "ESR_EL1" && !read ? ["class 16"] : ["done"];
        if (!expected.includes(got)) wrong.push(`${read ? "MRS" : "MSR"} ${name ?? bits.toString(2).padStart(16, "0")}: ${got}, not ${expected.join(" or ")}`);
      }
    }
    expect(wrong).toEqual([]);
  }, 60_000);
  test("the words of op0 0 and 1 (hints, barriers, PSTATE, SYS) neither throw nor leave the core, but for WFI", () => {
    const known = new Set(systemInstructions);
    const left = new Map<string, number>();
    const wrong: string[] = [];
    for (let bits = 0; bits < 0x8000; bits++) {
      for (const read of [0, 1]) {
        for (const t of [9, 31]) {
          const got = outcome((0xd500_0000 | (read << 21) | (bits << 5) | t) >>> 0);
          left.set(got, (left.get(got) ?? 0) + 1);
          if (bits >>> 14 === 1 && (read === 1 || !known.has(bits)) && got !== "class 0") wrong.push(`${bits.toString(16)}: ${got}`);
        }
      }
    }
    expect(wrong).toEqual([]);
    expect([...left.keys()].filter(kind => kind !== "done" && !kind.startsWith("class "))).toEqual(mode === Mode.EL1h ? ["wfi"] : []);
  }, 60_000);
});
