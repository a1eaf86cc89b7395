// test/cpu/simd.test.ts — Advanced SIMD, floating point and crypto by example. That every encoding is right is the business of
// test/differential; here stands what they are for, how they trap, and how structures meet memory.
import { beforeEach, describe, expect, test } from "bun:test";
import { NativeMemory } from "../../ffi/memory.ts";
import { encode } from "../../src/cpu/a64/pattern.ts";
import { Cpu } from "../../src/cpu/interpret/cpu.ts";
import { simdInstructions } from "../../src/cpu/interpret/simd-instructions.ts";
import { MemoryMap } from "../../src/cpu/memory-map.ts";
import { Offset } from "../../src/cpu/state.ts";
import { slot } from "../../src/cpu/sysreg.ts";

const CODE = 0x1000, DATA = 0x8000, PAGE_TABLE = 0x10000, RAM = 0x20000, VECTORS = 0x4000;
const byName = new Map(simdInstructions.map(e => [e.name, e]));

let cpu: Cpu, ram: DataView;
/** A core with 128 KiB of RAM, mapped flat and as normal memory; what lies above is device space. */
beforeEach(() => {
  const memory = NativeMemory.allocate(RAM);
  ram = new DataView(memory.window(0));
  const map = new MemoryMap();
  map.add(0, memory, RAM, false);
  cpu = new Cpu({ index: 0, peers: [], memory: map, clock: { frequency: 1, ticks: () => 0, wallSeconds: () => 0 }, instructions: simdInstructions });
  ram.setUint32(PAGE_TABLE, 0x701, true); // 1 GiB block: normal memory
  ram.setUint32(PAGE_TABLE + 8, 0x705 | 0x4000_0000, true); // the next GiB: attribute 1, device memory
  setSysreg("TTBR0_EL1", PAGE_TABLE); setSysreg("TCR_EL1", 32); setSysreg("MAIR_EL1", 0x00ff); setSysreg("VBAR_EL1", VECTORS);
  setSysreg("CPACR_EL1", 3 << 20);
  setSysreg("SCTLR_EL1", sysreg("SCTLR_EL1") | 1);
  cpu.flushTlb();
  cpu.syncState();
});
const sysreg = (name: keyof typeof slot): number => cpu.x[slot[name] / 4]!;
const setSysreg = (name: keyof typeof slot, value: number): void => { cpu.x[slot[name] / 4] = value; };
const exceptionClass = (): number => sysreg("ESR_EL1") >>> 26;
/** Runs one instruction, by the name of its encoding. */
function run(name: string, fields: Record<string, number>): void {
  ram.setUint32(CODE, encode(byName.get(name)!, fields), true);
  cpu.x[Offset.PC / 4] = CODE;
  cpu.x[Offset.PC / 4 + 1] = 0;
  cpu.run(undefined, 1);
}
/** A register as hexadecimal bytes, the byte at the lowest address first. */
const bytes = (r: number): string => Buffer.from(cpu.state.u8.subarray(Offset.V + 16 * r, Offset.V + 16 * r + 16)).toString("hex");
const setBytes = (r: number, hex: string): void => cpu.state.u8.set(Buffer.from(hex.padEnd(32, "0"), "hex"), Offset.V + 16 * r);
const words = (r: number): number[] => [...cpu.state.u32.subarray(Offset.V / 4 + 4 * r, Offset.V / 4 + 4 * r + 4)];
const setWords = (r: number, values: number[]): void => cpu.state.u32.set(values, Offset.V / 4 + 4 * r);
const double = (r: number): number => cpu.state.f64[Offset.V / 8 + 2 * r]!;
const setDouble = (r: number, value: number): void => { cpu.state.f64[Offset.V / 8 + 2 * r] = value; };
const x = (r: number): number => cpu.x[2 * r]! >>> 0;
const setX = (r: number, value: number): void => cpu.setX(r, value, 0);
const fill = (address: number, count: number): void => { for (let i = 0; i < count; i++) ram.setUint8(address + i, i + 1); };

describe("traps", () => {
  test("with CPACR_EL1.FPEN clear an FP instruction traps with class 0x07", () => {
    setSysreg("CPACR_EL1", 0);
    run("FADD", { g: 1, x: 0, y: 1, z: 2 });
    expect([exceptionClass(), sysreg("ESR_EL1") & 0x1ff_ffff]).toEqual([0x07, 0x1e0_0000]);
  });
  test("an unallocated encoding is UNDEFINED even then", () => {
    setSysreg("CPACR_EL1", 0);
    run("FADD_v", { q: 0, g: 1, x: 0, y: 1, z: 2 });
    expect(exceptionClass()).toBe(0);
  });
  test("an instruction that traps changes no register", () => {
    setSysreg("CPACR_EL1", 0);
    setWords(0, [1, 2, 3, 4]);
    run("MOVI_8", { q: 1, i: 0xff, x: 0 });
    expect(words(0)).toEqual([1, 2, 3, 4]);
  });
});

describe("scalar floating point", () => {
  test("FADD d0, d1, d2 clears the upper half of v0", () => {
    setWords(0, [9, 9, 9, 9]);
    setDouble(1, 1.5); setDouble(2, 2.25);
    run("FADD", { g: 1, x: 0, y: 1, z: 2 });
    expect([double(0), ...words(0).slice(2)]).toEqual([3.75, 0, 0]);
  });
  test("FCVTZS w3, d1 saturates and sets IOC", () => {
    setDouble(1, 1e10);
    run("FCVTZS", { f: 0, g: 1, y: 1, d: 3 });
    expect([x(3), cpu.x[Offset.FPSR / 4]]).toEqual([0x7fff_ffff, 1]);
  });
  test("FCMP of a NaN is unordered: C and V", () => {
    setDouble(1, NaN); setDouble(2, 0);
    run("FCMP", { g: 1, y: 1, z: 2 });
    expect(cpu.nzcv >>> 28).toBe(3);
  });
  test("FMOV d0, #-1.5", () => {
    run("FMOV_imm", { g: 1, i: 0xf8, x: 0 });
    expect(double(0)).toBe(-1.5);
  });
  test("FMADD rounds once", () => {
    setDouble(1, 1 + 2 ** -30); setDouble(2, 1 + 2 ** -30); setDouble(3, -(1 + 2 ** -29));
    run("FMADD", { g: 1, x: 0, y: 1, z: 2, w: 3 });
    expect(double(0)).toBe(2 ** -60);
  });
});

describe("vectors", () => {
  test("SQADD saturates lane by lane and sets QC", () => {
    setBytes(1, "7f80017f"); setBytes(2, "01ff0100");
    run("SQADD_v", { q: 0, g: 0, x: 0, y: 1, z: 2 });
    expect([bytes(0).slice(0, 8), cpu.x[Offset.FPSR / 4]]).toEqual(["7f80027f", 1 << 27]);
  });
  test("a 64-bit form clears the upper half", () => {
    setBytes(0, "ff".repeat(16));
    run("MOVI_8", { q: 0, i: 7, x: 0 });
    expect(bytes(0)).toBe("07".repeat(8) + "00".repeat(8));
  });
  test("XTN2 keeps the lower half", () => {
    setBytes(0, "11".repeat(16)); setBytes(1, "a0b1c2d3e4f5061728394a5b6c7d8e9f");
    run("XTN_v", { q: 1, g: 0, x: 0, y: 1 });
    expect(bytes(0)).toBe("11".repeat(8) + "a0c2e406284a6c8e");
  });
  test("strlen's trick: CMEQ and SHRN make a nibble per byte", () => {
    setBytes(1, "41004200434400000000000000000000");
    run("CMEQ0_v", { q: 1, g: 0, x: 2, y: 1 });
    run("SHRN_vi", { q: 0, h: 1, i: 4, x: 2, y: 2 });
    expect(bytes(2)).toBe("f0f000fffffffff" + "f" + "00".repeat(8));
  });
  test("TBL looks up in registers that wrap from v31 to v0; out of range is zero", () => {
    setBytes(31, "000102030405060708090a0b0c0d0e0f"); setBytes(0, "101112131415161718191a1b1c1d1e1f"); setBytes(5, "001f10203f40ff0f");
    run("TBL", { q: 0, i: 1, x: 6, y: 31, z: 5 });
    expect(bytes(6)).toBe("001f1000" + "0000000f" + "00".repeat(8));
  });
  test("PMULL of doublewords gives 128 bits", () => {
    setWords(1, [0xffff_ffff, 0xffff_ffff, 0, 0]); setWords(2, [3, 0, 0, 0]);
    run("PMULL_v", { q: 0, g: 3, x: 0, y: 1, z: 2 });
    expect(words(0)).toEqual([1, 0, 1, 0]);
  });
});

describe("AES", () => {
  // FIPS 197, appendix C.1, round 1.
  test("AESE and AESMC make a round", () => {
    setBytes(0, "00112233445566778899aabbccddeeff"); setBytes(1, "000102030405060708090a0b0c0d0e0f");
    run("AESE", { x: 0, y: 1 });
    expect(bytes(0)).toBe("6353e08c0960e104cd70b751bacad0e7");
    run("AESMC", { x: 0, y: 0 });
    expect(bytes(0)).toBe("5f72641557f5bc92f7be3b291db9f91a");
  });
  test("AESIMC and AESD undo it", () => {
    setBytes(0, "5f72641557f5bc92f7be3b291db9f91a");
    run("AESIMC", { x: 0, y: 0 });
    run("AESD", { x: 0, y: 1 });
    expect(bytes(0)).toBe("00102030405060708090a0b0c0d0e0f0");
  });
});

describe("SHA", () => {
  /** The one padded block of "abc", as big-endian words. */
  const block = [0x61626380, ...Array<number>(14).fill(0), 24];
  const loadBlock = (first: number): void => [0, 1, 2, 3].forEach(i => setWords(first + i, block.slice(4 * i, 4 * i + 4)));
  const sum = (a: number[], b: number[]): number[] => a.map((v, i) => (v + b[i]!) >>> 0);
  const fraction = (v: number): number => Math.floor((v - Math.floor(v)) * 2 ** 32);
  const primes = Array.from({ length: 400 }, (_, n) => n).filter(n => n > 1 && ![2, 3, 5, 7, 11, 13, 17, 19].some(p => n % p === 0 && n !== p));

  test("SHA-256 of abc", () => {
    const state = primes.slice(0, 8).map(p => fraction(Math.sqrt(p)));
    setWords(0, state.slice(0, 4)); setWords(1, state.slice(4));
    loadBlock(4);
    for (let i = 0; i < 16; i++) { // four rounds each; v4..v7 hold the schedule
      const now = 4 + (i & 3);
      setWords(2, sum(words(now), primes.slice(4 * i, 4 * i + 4).map(p => fraction(Math.cbrt(p)))));
      if (i < 12) {
        run("SHA256SU0", { x: now, y: 4 + ((i + 1) & 3) });
        run("SHA256SU1", { x: now, y: 4 + ((i + 2) & 3), z: 4 + ((i + 3) & 3) });
      }
      setWords(3, words(0));
      run("SHA256H", { x: 0, y: 1, z: 2 });
      run("SHA256H2", { x: 1, y: 3, z: 2 });
    }
    const digest = [...sum(words(0), state.slice(0, 4)), ...sum(words(1), state.slice(4))].map(v => v.toString(16).padStart(8, "0")).join("");
    expect(digest).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  });
  test("SHA-1 of abc", () => {
    const state = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0];
    const rounds = ["SHA1C", "SHA1P", "SHA1M", "SHA1P"] as const;
    const constants = [2, 3, 5, 10].map(v => Math.floor(Math.sqrt(v) * 2 ** 30));
    setWords(0, state.slice(0, 4)); setWords(1, [state[4]!, 0, 0, 0]);
    loadBlock(4);
    for (let i = 0; i < 20; i++) {
      const now = 4 + (i & 3);
      setWords(2, sum(words(now), Array<number>(4).fill(constants[Math.floor(i / 5)]!)));
      if (i < 16) {
        run("SHA1SU0", { x: now, y: 4 + ((i + 1) & 3), z: 4 + ((i + 2) & 3) });
        run("SHA1SU1", { x: now, y: 4 + ((i + 3) & 3) });
      }
      run("SHA1H", { x: 3, y: 0 });
      run(rounds[Math.floor(i / 5)]!, { x: 0, y: 1, z: 2 });
      setWords(1, words(3));
    }
    const digest = sum([...words(0), words(1)[0]!], state).map(v => v.toString(16).padStart(8, "0")).join("");
    expect(digest).toBe("a9993e364706816aba3e25717850c26c9cd0d89d");
  });
});

describe("structures in memory", () => {
  test("LD3 takes apart, ST3 puts together, the register list wraps, the base moves by what was moved", () => {
    fill(DATA, 24);
    setX(1, DATA); setX(2, DATA + 0x100);
    run("LD3_post", { q: 0, g: 0, N: 1, m: 32, x: 30 });
    expect([bytes(30), bytes(31), bytes(0)].map(b => b.slice(0, 16))).toEqual(["0104070a0d101316", "0205080b0e111417", "0306090c0f121518"]);
    expect(x(1)).toBe(DATA + 24);
    run("ST3", { q: 0, g: 0, N: 2, x: 30 });
    expect(Array.from({ length: 24 }, (_, i) => ram.getUint8(DATA + 0x100 + i))).toEqual(Array.from({ length: 24 }, (_, i) => i + 1));
  });
  test("post-index by a register adds it, whatever was moved", () => {
    setX(1, DATA); setX(3, 0x30);
    run("LD1x1_post", { q: 1, g: 0, N: 1, m: 3, x: 0 });
    expect(x(1)).toBe(DATA + 0x30);
  });
  test("LD2R fills both registers", () => {
    fill(DATA, 4);
    setX(1, DATA);
    run("LD2R", { q: 1, g: 1, N: 1, x: 0 });
    expect([bytes(0), bytes(1)]).toEqual(["0102".repeat(8), "0304".repeat(8)]);
  });
  test("LD1 of one lane leaves the others", () => {
    fill(DATA, 4);
    setBytes(0, "ee".repeat(16));
    setX(1, DATA);
    run("LD1_one", { q: 1, o: 2, h: 0, g: 0, N: 1, x: 0 }); // S lane 2
    expect(bytes(0)).toBe("ee".repeat(8) + "01020304" + "ee".repeat(4));
  });
  test("a load that faults midway changes neither registers nor base", () => {
    setWords(0, [1, 2, 3, 4]);
    cpu.setX(1, -16, 0x0); // the last 16 bytes of the 4 GiB that are not mapped
    run("LD1x1_post", { q: 1, g: 0, N: 1, m: 32, x: 0 });
    expect([exceptionClass(), words(0), x(1)]).toEqual([0x25, [1, 2, 3, 4], 0xffff_fff0]);
  });
  test("device memory is read access by access, and the instruction completes once all are answered", () => {
    setX(1, 0x4000_0000);
    run("LD1x1", { q: 1, g: 2, N: 1, x: 0 });
    expect([cpu.exit.kind, cpu.exit.gpa, cpu.exit.size]).toEqual(["mmio", 0x4000_0000, 8]);
    cpu.answer(0x11111111, 0x22222222);
    cpu.run(undefined, 1);
    expect([cpu.exit.kind, cpu.exit.gpa]).toEqual(["mmio", 0x4000_0008]);
    cpu.answer(0x33333333, 0x44444444);
    cpu.run(undefined, 1);
    expect(words(0)).toEqual([0x11111111, 0x22222222, 0x33333333, 0x44444444]);
  });
});
