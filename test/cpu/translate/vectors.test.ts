// test/cpu/translate/vectors.test.ts — what must hold for SIMD&FP registers that generated code keeps in xmm registers, and for
// what it assumes of CPACR_EL1 and FPCR.
import { expect, test } from "bun:test";
import { NativeMemory } from "../../../ffi/memory.ts";
import { compile, encode, type Table } from "../../../src/cpu/a64/pattern.ts";
import { crypto } from "../../../src/cpu/a64/crypto.ts";
import { dataReg } from "../../../src/cpu/a64/data-reg.ts";
import { simdFp } from "../../../src/cpu/a64/simd-fp.ts";
import { simdThree } from "../../../src/cpu/a64/simd-three.ts";
import { Cpu } from "../../../src/cpu/interpret/cpu.ts";
import { instructions } from "../../../src/cpu/interpret/instructions.ts";
import { MemoryMap } from "../../../src/cpu/memory-map.ts";
import { Offset } from "../../../src/cpu/state.ts";
import { slot } from "../../../src/cpu/sysreg.ts";
import { Engine } from "../../../src/cpu/translate/engine.ts";
import { NO_FEATURES, type HostFeatures } from "../../../src/cpu/translate/host-features.ts";

const RAM = 0x4000_0000, SIZE = 1 << 21;
const L2 = RAM + 0x10_0000, L3 = L2 + 0x1000;
const CODE = RAM + 0x1000, DATA = RAM + 0x8000, VECTORS = RAM + 0x6000;
const PAGE = 0x703; // valid page, access flag, inner shareable, EL1 read-write-execute
const BRK = 0xd420_0000;

/** A core on generated code with the pages from RAM mapped one to one, but for the one behind DATA's. */
function machine(features?: HostFeatures): { cpu: Cpu; engine: Engine; ram: DataView; run(...words: number[]): void; v(r: number): bigint[]; setV(r: number, lo: bigint, hi: bigint): void } {
  const memory = NativeMemory.allocate(SIZE);
  const map = new MemoryMap();
  map.add(RAM, memory, SIZE, false);
  const cpu = new Cpu({ index: 0, memory: map, peers: [], instructions, clock: { frequency: 1, ticks: () => 0, wallSeconds: () => 0 } });
  const engine = Engine.create(cpu, undefined, features) as Engine;
  cpu.engine = engine;
  cpu.debugExits = true;
  const ram = new DataView(memory.window(0));
  const put = (pa: number, value: number): void => ram.setUint32(pa - RAM, value, true);
  put(L2, L3 | 3);
  for (let page = 0; page < 64; page++) if (RAM + page * 4096 !== DATA + 4096) put(L3 + page * 8, (RAM + page * 4096) | PAGE);
  const { x } = cpu;
  x[slot.MAIR_EL1 / 4] = 0xff;
  x[slot.TCR_EL1 / 4] = 32; // 4 GiB: level 1 entries at the table's start
  x[slot.TTBR0_EL1 / 4] = L2 - 0x1000;
  put(L2 - 0x1000 + 8, L2 | 3);
  x[slot.SCTLR_EL1 / 4] = (x[slot.SCTLR_EL1 / 4] as number) | 1;
  x[slot.VBAR_EL1 / 4] = VECTORS;
  x[slot.CPACR_EL1 / 4] = 3 << 20;
  put(VECTORS + 0x200, BRK);
  cpu.flushTlb();
  const { u64 } = cpu.state;
  return {
    cpu, engine, ram,
    run: (...words) => {
      words.forEach((word, i) => put(CODE + 4 * i, word));
      put(CODE + 4 * words.length, BRK);
      engine.invalidateAll();
      x[Offset.PC / 4] = CODE;
      x[Offset.PC / 4 + 1] = 0;
      cpu.run(undefined, 1000);
      expect(cpu.exit.kind).toBe("debug");
    },
    v: r => [u64[Offset.V / 8 + 2 * r] as bigint, u64[Offset.V / 8 + 2 * r + 1] as bigint],
    setV: (r, lo, hi) => {
      u64[Offset.V / 8 + 2 * r] = lo;
      u64[Offset.V / 8 + 2 * r + 1] = hi;
    },
  };
}
const word = (table: Table, name: string, fields: Record<string, number>): number => encode(compile(name, table[name] as string), fields);
const add = (x: number, y: number, z: number): number => word(simdThree, "ADD_v", { q: 1, g: 3, x, y, z });
const fp = (name: keyof typeof simdFp, x: number, y: number, z: number): number => word(simdFp, name, { g: 1, x, y, z });
const LDR_Q = (t: number, n: number): number => (0x3dc0_0000 | (n << 5) | t) >>> 0;
const LD2 = 0x4c40_8c00 | (1 << 5) | 4; // ld2 {v4.2d, v5.2d}, [x1]
const ST2 = 0x4c00_8c00 | (1 << 5) | 4;
const NOP = 0xd503_201f;
const ONE = 0x3ff0_0000_0000_0000n, TWO = 0x4000_0000_0000_0000n;
const MSR_FPCR_X2 = 0xd51b_4402, MRS_FPSR_X3 = 0xd53b_4423, MRS_FPSR_X4 = 0xd53b_4424, MRS_FPSR_X5 = 0xd53b_4425, MRS_FPCR_X6 = 0xd53b_4406, MSR_FPSR_X2 = 0xd51b_4422, MSR_CPACR_X2 = 0xd518_1042;

test("registers written before an abort are in the state, those behind it untouched", () => {
  const m = machine();
  m.setV(0, 1n, 2n);
  m.setV(7, 7n, 7n);
  m.cpu.setX(1, DATA + 4096, 0); // not mapped
  m.run(add(1, 0, 0), LDR_Q(7, 1), add(2, 0, 0));
  expect(m.cpu.x[slot.ELR_EL1 / 4]).toBe(CODE + 4);
  expect(m.cpu.x[slot.FAR_EL1 / 4]).toBe(DATA + 4096);
  expect([m.v(1), m.v(7), m.v(2)]).toEqual([[2n, 4n], [7n, 7n], [0n, 0n]]);
});

test("a structure load that ends in an unmapped page changes no register, and its store names that page", () => {
  const m = machine();
  m.setV(4, 4n, 4n);
  m.setV(5, 5n, 5n);
  m.cpu.setX(1, DATA + 4096 - 16, 0);
  m.run(add(1, 4, 5), LD2);
  expect(m.cpu.x[slot.ELR_EL1 / 4]).toBe(CODE + 4);
  expect([m.v(1), m.v(4), m.v(5)]).toEqual([[9n, 9n], [4n, 4n], [5n, 5n]]);
  m.run(NOP, ST2);
  expect(m.cpu.x[slot.ELR_EL1 / 4]).toBe(CODE + 4);
  expect(m.cpu.x[slot.FAR_EL1 / 4]).toBe(DATA + 4096);
});

test("registers survive the way out and back of an access that misses the TLB", () => {
  const m = machine();
  m.setV(0, 1n, 2n);
  m.ram.setBigUint64(DATA - RAM, 40n, true);
  m.cpu.setX(1, DATA, 0);
  m.cpu.flushTlb();
  m.run(add(1, 0, 0), LDR_Q(7, 1), add(2, 1, 7));
  expect([m.v(1), m.v(7), m.v(2)]).toEqual([[2n, 4n], [40n, 0n], [42n, 4n]]);
});

test("more registers than the host has are kept", () => {
  const m = machine();
  for (let r = 0; r < 32; r++) m.setV(r, BigInt(r), BigInt(100 + r));
  const registers = Array.from({ length: 32 }, (_, r) => r);
  m.run(...registers.map(r => add(r, r, (r + 1) & 31)));
  expect(m.v(0)).toEqual([1n, 201n]);
  expect(m.v(30)).toEqual([61n, 261n]);
  expect(m.v(31)).toEqual([32n, 332n]); // with the new v0
});

test("trapped SIMD&FP traps, also when it was used before", () => {
  const m = machine();
  m.setV(0, 1n, 2n);
  m.cpu.setX(2, 0, 0);
  m.run(add(1, 0, 0), MSR_CPACR_X2, add(2, 0, 0));
  expect((m.cpu.x[slot.ESR_EL1 / 4] as number) >>> 26).toBe(7);
  expect(m.cpu.x[slot.ELR_EL1 / 4]).toBe(CODE + 8);
  expect([m.v(1), m.v(2)]).toEqual([[2n, 4n], [0n, 0n]]);
  m.cpu.x[slot.CPACR_EL1 / 4] = 3 << 20;
  m.run(add(2, 0, 0));
  expect(m.v(2)).toEqual([2n, 4n]);
});

test("a rounding mode set in the middle of a block holds from there on", () => {
  const m = machine();
  const tiny = 0x3c00_0000_0000_0000n; // 2^-63
  m.setV(0, ONE, 0n);
  m.setV(1, tiny, 0n);
  m.cpu.setX(2, 1 << 22, 0); // towards plus infinity
  m.run(fp("FADD", 2, 0, 1), MSR_FPCR_X2, fp("FADD", 3, 0, 1), fp("FADD", 4, 0, 1));
  expect([m.v(2)[0], m.v(3)[0], m.v(4)[0]]).toEqual([ONE, ONE + 1n, ONE + 1n]);
  m.cpu.setX(2, 0, 0);
  m.run(fp("FADD", 3, 0, 1), MSR_FPCR_X2, fp("FADD", 4, 0, 1));
  expect([m.v(3)[0], m.v(4)[0]]).toEqual([ONE + 1n, ONE]);
});

test("flags that generated code raised are in FPSR when it is read", () => {
  const m = machine();
  m.setV(0, ONE, 0n);
  m.setV(1, 0n, 0n);
  m.setV(2, 0x4008_0000_0000_0000n, 0n); // 3
  m.run(fp("FDIV", 3, 0, 1), MRS_FPSR_X3);
  expect(m.cpu.x[6]).toBe(0x02); // divided by zero
  m.run(fp("FDIV", 3, 0, 2), MRS_FPSR_X3);
  expect(m.cpu.x[6]).toBe(0x12); // and inexact
  m.cpu.x[Offset.FPSR / 4] = 0;
  m.run(fp("FADD", 3, 0, 0), MRS_FPSR_X3);
  expect(m.cpu.x[6]).toBe(0);
  expect(m.v(3)).toEqual([TWO, 0n]);
});

test("FPCR and FPSR are read, and FPSR is written, without leaving generated code; trapped they are not", () => {
  const m = machine();
  m.setV(0, ONE, 0n);
  m.setV(1, 0n, 0n);
  m.setV(2, 0x4008_0000_0000_0000n, 0n); // 3
  m.cpu.x[Offset.FPCR / 4] = 1 << 22;
  m.cpu.setX(2, 0x0800_0081 | 0x60, 0); // of these bits two are RES0
  m.run(NOP);
  const before = m.engine.exits;
  m.run(fp("FDIV", 3, 0, 1), MRS_FPSR_X3, MSR_FPSR_X2, MRS_FPSR_X4, fp("FDIV", 3, 0, 2), MRS_FPSR_X5, MRS_FPCR_X6);
  expect(m.engine.exits - before).toBe(1); // its end
  expect([6, 8, 10, 12].map(i => m.cpu.x[i])).toEqual([0x02, 0x0800_0081, 0x0800_0091, 1 << 22]);
  expect(m.cpu.x[Offset.FPSR / 4]).toBe(0x0800_0091);
  m.cpu.x[slot.CPACR_EL1 / 4] = 0;
  for (const one of [MRS_FPCR_X6, MRS_FPSR_X3, MSR_FPSR_X2]) {
    m.run(NOP, one);
    expect(m.cpu.x[slot.ELR_EL1 / 4]).toBe(CODE + 4);
    expect((m.cpu.x[slot.ESR_EL1 / 4] as number) >>> 26).toBe(7);
  }
});

test("a result that rounds up to the smallest normal number has underflowed", () => {
  const m = machine();
  m.setV(0, 0x0010_0000_0000_0000n, 0n); // the smallest normal
  m.setV(1, 0x3fef_ffff_ffff_ffffn, 0n); // the number before one
  m.run(fp("FMUL", 2, 0, 1), MRS_FPSR_X3);
  expect(m.v(2)[0]).toBe(0x0010_0000_0000_0000n);
  expect(m.cpu.x[6]).toBe(0x18);
});

test("a host without extras gives the same through the interpreter", () => {
  const program = [
    word(simdFp, "FMADD", { g: 1, x: 2, y: 0, z: 0, w: 1 }), word(crypto, "AESE", { x: 3, y: 0 }), word(crypto, "SHA256SU0", { x: 4, y: 0 }),
    word(dataReg, "CRC32X", { d: 5, n: 6, m: 7 }), word(simdThree, "CMGT_v", { q: 1, g: 3, x: 5, y: 1, z: 0 }), word(simdThree, "USHL_v", { q: 1, g: 2, x: 6, y: 0, z: 1 }),
  ];
  const results = [undefined, NO_FEATURES].map(features => {
    const m = machine(features);
    m.setV(0, TWO, 0x0102_0304_0506_0708n);
    m.setV(1, ONE, 3n);
    m.cpu.setX(6, 5, 0);
    m.cpu.setX(7, 0x1234_5678, 0x9abc);
    m.run(...program);
    return { exits: m.engine.exits, state: [2, 3, 4, 5, 6].map(m.v), crc: m.cpu.x[10] };
  }) as [{ exits: number; state: bigint[][]; crc: number }, { exits: number; state: bigint[][]; crc: number }];
  expect(results[1].state).toEqual(results[0].state);
  expect(results[1].crc).toBe(results[0].crc);
  expect(results[1].exits).toBeGreaterThan(results[0].exits);
});

test("what compilers and C libraries use most runs without leaving generated code", () => {
  const m = machine();
  m.setV(0, ONE, ONE);
  m.setV(1, TWO, TWO);
  m.cpu.setX(1, DATA, 0);
  const program = [
    ...(["FADD", "FSUB", "FMUL", "FDIV", "FMAX", "FCMP", "FABS", "FSQRT", "FMOV", "FRINTM"] as const).map(name => fp(name, 2, 0, 1)),
    word(simdFp, "FCSEL", { g: 1, x: 3, y: 0, z: 1, c: 4 }), word(simdFp, "SCVTF", { f: 1, g: 1, n: 1, x: 3 }), word(simdFp, "FCVTZS", { f: 1, g: 1, y: 0, d: 4 }),
    ...(["FADD_v", "FMUL_v", "ADD_v", "CMEQ_v"] as const).map(name => word(simdThree, name, { q: 1, g: name.startsWith("F") ? 1 : 3, x: 2, y: 0, z: 1 })),
    ...(["UMAXP_v", "ADDP_v", "CMHS_v", "UMULL_v", "BIC_v"] as const).map(name => word(simdThree, name, { q: 1, g: 0, x: 5, y: 0, z: 1 })),
    LDR_Q(6, 1), LD2, ST2,
  ];
  m.run(...program);
  const before = m.engine.exits;
  m.cpu.x[Offset.PC / 4] = CODE;
  m.cpu.run(undefined, 1000);
  expect(m.engine.exits - before).toBe(1); // the BRK
});
