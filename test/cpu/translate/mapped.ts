// test/cpu/translate/mapped.ts — a core on generated code, its memory mapped page by page, and a few encodings.
import { expect } from "bun:test";
import { NativeMemory } from "../../../ffi/memory.ts";
import type { Features } from "../../../src/cpu/features.ts";
import { Cpu } from "../../../src/cpu/interpret/cpu.ts";
import { instructions } from "../../../src/cpu/interpret/instructions.ts";
import { MemoryMap } from "../../../src/cpu/memory-map.ts";
import { Offset } from "../../../src/cpu/state.ts";
import { slot } from "../../../src/cpu/sysreg.ts";
import { Engine } from "../../../src/cpu/translate/engine.ts";
import type { HostFeatures } from "../../../src/cpu/translate/host-features.ts";

export const RAM = 0x4000_0000;
export const SIZE: number = 1 << 21;
/** Level 3 table of the 2 MiB at RAM, level 2 and level 1 above it. */
export const L3: number = RAM + 0x10_0000, L2: number = L3 + 0x1000, L1: number = L2 + 0x1000;
export const PAGE = 0x703; // valid page, access flag, inner shareable, EL1 read-write-execute
export const BRK = 0xd420_0000;

/** A core on generated code with the 2 MiB at RAM mapped one to one, page by page. */
export function machine(features?: Features, host?: HostFeatures): { cpu: Cpu; engine: Engine; words: Uint32Array; code(at: number, ...list: number[]): void; map(va: number, pa: number): void; go(pc: number): void; x(r: number): number } {
  const memory = NativeMemory.allocate(SIZE);
  const map = new MemoryMap();
  map.add(RAM, memory, SIZE, false);
  const cpus: Cpu[] = [];
  const cpu = new Cpu({ index: 0, memory: map, peers: cpus, instructions, clock: { frequency: 1, ticks: () => 0, wallSeconds: () => 0 }, features });
  cpus.push(cpu);
  const engine = Engine.create(cpu, undefined, host) as Engine;
  cpu.engine = engine;
  cpu.debugExits = true;
  const words = new Uint32Array(memory.window(0));
  const put = (pa: number, value: number): void => { words[(pa - RAM) / 4] = value; };
  const { x } = cpu;
  put(L1 + 8, L2 | 3);
  put(L2, L3 | 3);
  const mapPage = (va: number, pa: number): void => put(L3 + ((va - RAM) / 4096) * 8, pa | PAGE);
  for (let page = RAM; page < RAM + SIZE; page += 4096) mapPage(page, page);
  x[slot.MAIR_EL1 / 4] = 0xff;
  x[slot.TCR_EL1 / 4] = 25;
  x[slot.TCR_EL1 / 4 + 1] = 2;
  x[slot.TTBR0_EL1 / 4] = L1;
  x[slot.SCTLR_EL1 / 4] = (x[slot.SCTLR_EL1 / 4] as number) | 1;
  cpu.flushTlb();
  return {
    cpu, engine, words, map: mapPage,
    code: (at, ...list) => words.set(list, (at - RAM) / 4),
    go: pc => {
      x[Offset.PC / 4] = pc;
      x[Offset.PC / 4 + 1] = 0;
      cpu.run(undefined, 100_000);
      expect(cpu.exit.kind).toBe("debug");
    },
    x: r => x[2 * r] as number,
  };
}
export const movz = (d: number, imm: number): number => (0xd280_0000 | (imm << 5) | d) >>> 0;
export const b = (from: number, to: number): number => (0x1400_0000 | (((to - from) / 4) & 0x03ff_ffff)) >>> 0;
export const IC_IVAU_X1 = 0xd50b_7521, ISB = 0xd503_3fdf, TLBI_VAE1_X1 = 0xd508_8721, RET = 0xd65f_03c0;

export const USER: number = 1 << 6, NG: number = 1 << 11;
export const MSR_TTBR0_X5 = 0xd518_2005, TLBI_VAE1_X6 = 0xd508_8726, BR_X3 = 0xd61f_0060;
/** Runs at EL0 until a BRK. */
export function user(m: ReturnType<typeof machine>, pc: number): void {
  m.cpu.x[Offset.EL / 4] = 0;
  m.cpu.x[Offset.SPSEL / 4] = 0;
  m.cpu.syncState();
  m.go(pc);
  m.cpu.x[Offset.EL / 4] = 1;
  m.cpu.x[Offset.SPSEL / 4] = 1;
  m.cpu.syncState();
}
/** A page of EL0's in a level 3 table; `more`: attributes in the upper half. */
export const mapUser = (m: ReturnType<typeof machine>, table: number, va: number, pa: number, more = 0): void => {
  m.words[(table + ((va - RAM) / 4096) * 8 - RAM) / 4] = pa | PAGE | USER | NG;
  m.words[(table + ((va - RAM) / 4096) * 8 - RAM) / 4 + 1] = more;
};
