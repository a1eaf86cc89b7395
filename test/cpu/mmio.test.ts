// test/cpu/mmio.test.ts — what a core asks of the machine when it reaches outside RAM, and how it goes on with the answer.
// An instruction with several accesses leaves once for each: pairs, write-back, SIMD, atomics.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { Offset } from "../../src/cpu/state.ts";
import type { Assembler } from "../support/assembler.ts";
import { CODE, Mode, TestCore } from "./core.ts";

const DEVICE = 0x900_0000;
const FPEN = 3 << 20;
type Access = readonly [direction: "read" | "write", size: number, at: number, value: bigint];

let core: TestCore;
beforeEach(() => {
  core = new TestCore();
  core.msr("CPACR_EL1", FPEN);
  core.setX(1, DEVICE);
});
afterEach(() => core[Symbol.dispose]());

/** Runs one instruction to its end; reads are answered in turn. Gives the accesses it made. */
function accesses(write: (asm: Assembler) => Assembler, ...answers: readonly bigint[]): Access[] {
  const made: Access[] = [];
  let reads = 0;
  core.forget().run(write);
  while (core.exit.kind === "mmio") {
    const { write: stores, size, gpa, lo, hi } = core.exit;
    const answer = stores ? 0n : answers[reads++] ?? 0n;
    made.push([stores ? "write" : "read", size, gpa - DEVICE, stores ? (size === 8 ? (BigInt(hi) << 32n) | BigInt(lo) : BigInt(lo)) : answer]);
    core.cpu.answer(Number(answer & 0xffff_ffffn), Number(answer >> 32n));
    core.step();
  }
  expect([core.quiet, core.pc]).toEqual([true, BigInt(CODE + 4)]);
  return made;
}
const v = (r: number): bigint[] => [...core.cpu.state.u64.subarray(Offset.V / 8 + 2 * r, Offset.V / 8 + 2 * r + 2)];

describe("one register", () => {
  test.each([[0, 1], [1, 2], [2, 4], [3, 8]] as const)("LDR and STR of 2^%d bytes are one access of %d bytes", (g, size) => {
    expect(accesses(asm => asm.LDR_imm({ g, i: 2, N: 1, t: 0 }), 0x8182_8384_8586_8788n)[0]?.slice(0, 3)).toEqual(["read", size, 2 * size]);
    expect(core.x(0)).toBe(0x8182_8384_8586_8788n & ((1n << BigInt(8 * size)) - 1n));
    core.setX(0, 0x1122_3344_5566_7788n);
    expect(accesses(asm => asm.STR_imm({ g, i: 1, N: 1, t: 0 }))).toEqual([["write", size, size, 0x1122_3344_5566_7788n & ((1n << BigInt(8 * size)) - 1n)]]);
  });
  test.each([
    ["LDRS_x_imm", 0, 0xffff_ffff_ffff_ff80n], ["LDRS_x_imm", 1, 0xffff_ffff_ffff_8080n], ["LDRS_x_imm", 2, 0xffff_ffff_8080_8080n],
    ["LDRS_w_imm", 0, 0xffff_ff80n], ["LDRS_w_imm", 1, 0xffff_8080n],
  ] as const)("%s of 2^%d bytes extends the sign", (name, g, expected) => {
    accesses(asm => asm.emit(name, { g, i: 0, N: 1, t: 0 }), 0x8080_8080n);
    expect(core.x(0)).toBe(expected);
  });
  test("a store of XZR writes zero, a load to XZR reads all the same", () => {
    expect(accesses(asm => asm.str("xzr", "x1"))).toEqual([["write", 8, 0, 0n]]);
    expect(accesses(asm => asm.ldr("xzr", "x1"), 7n)).toEqual([["read", 8, 0, 7n]]);
  });
  test("the syndrome of the exit: register, sign, width; none for write-back", () => {
    core.run(asm => asm.LDRS_x_imm({ g: 1, i: 0, N: 1, t: 5 }));
    const { exit } = core;
    expect([exit.syndromeValid, exit.register, exit.signExtend, exit.sixtyFour]).toEqual([true, 5, true, true]);
    core.cpu.abandon();
    core.run(asm => asm.STR_imm({ g: 2, i: 0, N: 1, t: 31 }));
    expect([exit.syndromeValid, exit.register, exit.signExtend, exit.sixtyFour]).toEqual([true, 31, false, false]);
    core.cpu.abandon();
    core.run(asm => asm.LDR_post({ g: 2, i: 4, N: 1, t: 5 }));
    expect(exit.syndromeValid).toBe(false);
    core.cpu.abandon();
  });
});

describe("more than one access, or more than a register", () => {
  test("write-back happens once, after the access", () => {
    expect(accesses(asm => asm.LDR_post({ g: 2, i: 4, N: 1, t: 0 }), 9n)).toEqual([["read", 4, 0, 9n]]);
    expect([core.x(0), core.x(1)]).toEqual([9n, BigInt(DEVICE + 4)]);
    expect(accesses(asm => asm.STR_pre({ g: 2, i: 4, N: 1, t: 0 }))).toEqual([["write", 4, 8, 9n]]);
    expect(core.x(1)).toBe(BigInt(DEVICE + 8));
  });
  test("a pair is two accesses; one that loads its own base still finds the second", () => {
    expect(accesses(asm => asm.LDP_off({ g: 1, i: 2, N: 1, t: 1, u: 2 }), 0xan, 0xbn)).toEqual([["read", 8, 16, 0xan], ["read", 8, 24, 0xbn]]);
    expect([core.x(1), core.x(2)]).toEqual([0xan, 0xbn]);
    core.setX(1, DEVICE);
    expect(accesses(asm => asm.STP_pre({ g: 0, i: 1, N: 1, t: 2, u: 31 }))).toEqual([["write", 4, 4, 0xbn], ["write", 4, 8, 0n]]);
    expect(core.x(1)).toBe(BigInt(DEVICE + 4));
  });
  test("LDPSW extends both signs", () => {
    accesses(asm => asm.LDPSW_off({ i: 0, N: 1, t: 2, u: 3 }), 0xffff_fffen, 5n);
    expect([core.x(2), core.x(3)]).toEqual([0xffff_ffff_ffff_fffen, 5n]);
  });
  test("SIMD registers: 16 bytes are two accesses, pairs of them four", () => {
    accesses(asm => asm.LDR_v_imm({ g: 0, q: 1, i: 0, N: 1, x: 3 }), 1n, 2n);
    expect(v(3)).toEqual([1n, 2n]);
    expect(accesses(asm => asm.STP_v_off({ g: 2, i: 0, N: 1, x: 3, w: 3 }))).toEqual([["write", 8, 0, 1n], ["write", 8, 8, 2n], ["write", 8, 16, 1n], ["write", 8, 24, 2n]]);
    accesses(asm => asm.LDR_v_imm({ g: 2, q: 0, i: 0, N: 1, x: 3 }), 0x1234_5678n);
    expect(v(3)).toEqual([0x1234_5678n, 0n]);
  });
  test("an atomic is a read and then a write", () => {
    core.setX(2, 5);
    expect(accesses(asm => asm.LDADD({ g: 2, s: 2, N: 1, t: 0 }), 0xffff_ffffn)).toEqual([["read", 4, 0, 0xffff_ffffn], ["write", 4, 0, 4n]]);
    expect(core.x(0)).toBe(0xffff_ffffn);
    expect(accesses(asm => asm.SWP({ g: 3, s: 2, N: 1, t: 0 }), 1n)).toEqual([["read", 8, 0, 1n], ["write", 8, 0, 5n]]);
  });
  test("CAS writes only when it compares equal", () => {
    core.setX(2, 5);
    core.setX(3, 6);
    expect(accesses(asm => asm.CAS({ g: 2, s: 2, N: 1, t: 3 }), 4n)).toEqual([["read", 4, 0, 4n]]);
    expect(core.x(2)).toBe(4n);
    expect(accesses(asm => asm.CAS({ g: 2, s: 2, N: 1, t: 3 }), 4n)).toEqual([["read", 4, 0, 4n], ["write", 4, 0, 6n]]);
  });
  test("exclusives reach devices too", () => {
    expect(accesses(asm => asm.LDXR({ g: 2, N: 1, t: 0 }), 3n)).toEqual([["read", 4, 0, 3n]]);
    expect(accesses(asm => asm.STXR({ g: 2, s: 2, N: 1, t: 0 }), 3n)).toEqual([["read", 4, 0, 3n], ["write", 4, 0, 3n]]);
    expect(core.x(2)).toBe(0n);
  });
  test("prefetches ask nobody", () => {
    expect(accesses(asm => asm.PRFM_imm({ i: 0, N: 1 }))).toEqual([]);
  });
  test("instructions are counted once, however often they leave", () => {
    const before = core.cpu.state.f64[Offset.ICOUNT / 8] as number;
    accesses(asm => asm.LDP_off({ g: 1, i: 0, N: 1, t: 2, u: 3 }), 1n, 2n);
    expect((core.cpu.state.f64[Offset.ICOUNT / 8] as number) - before).toBe(1);
  });
});

describe("an access that nobody answers", () => {
  test.each([["load", 0], ["store", 1 << 6]] as const)("a %s becomes a synchronous external abort on the instruction", (kind, wnr) => {
    core.forget().run(asm => (kind === "load" ? asm.ldr("x0", "x1", 8) : asm.str("x0", "x1", 8)));
    core.cpu.externalAbort();
    expect([core.ec, core.iss, core.get("FAR_EL1"), core.get("ELR_EL1"), core.pc]).toEqual([0x25, 0x10 | wnr, BigInt(DEVICE + 8), BigInt(CODE), 0x4000_2200n]);
  });
  test("the second half of a pair: the first half's answer is dropped, no register changes", () => {
    core.setX(2, 0x22);
    core.forget().run(asm => asm.LDP_off({ g: 1, i: 0, N: 1, t: 2, u: 3 }));
    core.cpu.answer(1, 0);
    core.step();
    core.cpu.externalAbort();
    expect([core.ec, core.get("FAR_EL1"), core.x(2)]).toEqual([0x25, BigInt(DEVICE + 8), 0x22n]);
    core.enter(Mode.EL1h);
    expect(accesses(asm => asm.ldr("x0", "x1"), 7n)).toEqual([["read", 8, 0, 7n]]);
  });
  test("a fetch from outside RAM is an instruction abort, and no exit", () => {
    core.run(asm => asm.BR({ n: 1 }));
    core.forget().step();
    expect([core.exit.kind, core.ec, core.iss, core.get("FAR_EL1")]).toEqual(["budget", 0x21, 0x10, BigInt(DEVICE)]);
  });
});

describe("leaving", () => {
  test("the kick flag makes the core leave before the next slice, once", () => {
    core.cpu.x[Offset.KICK / 4] = 1;
    core.run(asm => asm.movz("x0", 1));
    expect(core.exit.kind).toBe("canceled");
    core.step();
    expect(core.exit.kind).toBe("budget");
  });
  test("a deadline that is past ends the run before the first instruction", () => {
    core.clock.now = 10;
    core.run(asm => asm.movz("x0", 1));
    core.pc = BigInt(CODE);
    core.setX(0, 0);
    core.cpu.run(10);
    expect([core.exit.kind, core.x(0)]).toEqual(["budget", 0n]);
  });
});
