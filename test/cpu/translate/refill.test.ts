// test/cpu/translate/refill.test.ts — generated code that enters pages into the TLB and drops them by itself, against the
// interpreter: random tables, accesses and TLBI, the same on both.
import { expect, test } from "bun:test";
import { NativeMemory } from "../../../ffi/memory.ts";
import { Cpu } from "../../../src/cpu/interpret/cpu.ts";
import { instructions } from "../../../src/cpu/interpret/instructions.ts";
import { MemoryMap } from "../../../src/cpu/memory-map.ts";
import { Offset } from "../../../src/cpu/state.ts";
import { slot } from "../../../src/cpu/sysreg.ts";
import { Engine } from "../../../src/cpu/translate/engine.ts";
import { Assembler } from "../../support/assembler.ts";
import { Random } from "../../support/random.ts";

const RAM = 0x4000_0000, SIZE = 8 << 20;
const CODE = RAM, VECTORS = RAM + 0x1_0000, L1 = RAM + 0x2_0000, L2 = L1 + 0x1000, L3 = L2 + 0x1000;
/** Virtual: 2 MiB mapped page by page, the 2 MiB behind it by one block; both onto these physical 2 MiB. */
const PAGED = 0x4020_0000, BLOCK = 0x4040_0000, DATA = RAM + 0x20_0000;
/** Pages in use, spread so that some share an entry of the TLB's 1024 with each other's aliases. */
const PAGES = 64;
const BRK = 0xd420_0000;
const EL1_PAGE = 0x703, USER = 1 << 6, READ_ONLY = 1 << 7, AF = 1 << 10, NG = 1 << 11, DEVICE = 1 << 2;

class Side {
  readonly cpu: Cpu;
  readonly words: Uint32Array;
  constructor(translated: boolean) {
    const memory = NativeMemory.allocate(SIZE), map = new MemoryMap(), peers: Cpu[] = [];
    map.add(RAM, memory, SIZE, false);
    this.words = new Uint32Array(memory.window(0));
    this.cpu = new Cpu({ index: 0, memory: map, peers, instructions, clock: { frequency: 1, ticks: () => 0, wallSeconds: () => 0 } });
    peers.push(this.cpu);
    if (translated) this.cpu.engine = Engine.create(this.cpu);
    this.cpu.debugExits = true;
    const { x } = this.cpu;
    this.put(L1 + 8, L2 | 3);
    this.put(L2, RAM | 0x701); // the first 2 MiB: code and tables, by a block
    this.put(L2 + 8, L3 | 3);
    this.put(L2 + 16, DATA | 0x701);
    x[slot.MAIR_EL1 / 4] = 0x00ff; // 0 normal, 1 device
    x[slot.TCR_EL1 / 4] = 25;
    x[slot.TCR_EL1 / 4 + 1] = 2;
    x[slot.TTBR0_EL1 / 4] = L1;
    x[slot.VBAR_EL1 / 4] = VECTORS;
    x[slot.SCTLR_EL1 / 4] = (x[slot.SCTLR_EL1 / 4] as number) | 1;
    this.cpu.flushTlb();
    // an abort: x20 = x20 * 31 + ESR + FAR, on behind the instruction
    this.load(VECTORS + 0x200, new Assembler().mrs("x21", "ESR_EL1").mrs("x22", "FAR_EL1")
      .MADD({ f: 1, m: 23, a: 21, n: 20, d: 20 }).ADD_reg({ f: 1, h: 0, m: 22, i: 0, n: 20, d: 20 })
      .mrs("x21", "ELR_EL1").ADD_imm({ f: 1, h: 0, i: 4, N: 21, D: 21 }).msr("ELR_EL1", "x21").ERET({}));
    this.cpu.setX(23, 31, 0);
  }
  put(pa: number, value: number): void { this.words[(pa - RAM) / 4] = value; }
  load(at: number, asm: Assembler): void { this.words.set(asm.words(), (at - RAM) / 4); }
  run(code: Uint32Array): void {
    const { cpu } = this;
    this.words.set([...code, BRK], (CODE - RAM) / 4);
    cpu.engine?.invalidateAll();
    cpu.x[Offset.PC / 4] = CODE;
    cpu.x[Offset.PC / 4 + 1] = 0;
    cpu.run(undefined, 1_000_000);
    expect(cpu.exit.kind).toBe("debug");
  }
  /** Registers, and a sum over the data. */
  get result(): unknown {
    let sum = 0;
    for (let i = (DATA - RAM) / 4; i < (DATA - RAM) / 4 + PAGES * 1024; i++) sum = (Math.imul(sum, 31) + (this.words[i] as number)) | 0;
    return { x: [...this.cpu.x.subarray(0, 62)], sum };
  }
}

/** A page's descriptor: plain ones most of the time, for many accesses must succeed. */
function descriptor(random: Random, page: number): number {
  const odd = random.below(8);
  const wide = DATA + page * 4096;
  if (odd === 0) return 0;
  let bits = EL1_PAGE;
  if (odd === 1) bits |= READ_ONLY;
  if (odd === 2 || odd === 3) bits |= USER;
  if (odd === 3 && random.below(2) === 0) bits |= READ_ONLY;
  if (odd === 4) bits &= ~AF;
  if (odd === 5) bits |= random.below(4) === 0 ? DEVICE : NG;
  return wide | bits;
}

function access(random: Random, asm: Assembler): Assembler {
  const page = random.below(PAGES), base = random.below(4) === 0 ? BLOCK : PAGED;
  const inside = random.below(16) === 0 ? 4093 : random.below(500) * 8 + (random.below(8) === 0 ? 1 : 0);
  const N = 1, t = 2 + random.below(8), g = random.below(4);
  asm.mov("x1", base + page * 4096 + inside);
  switch (random.below(5)) {
    case 0: return asm.LDR_imm({ g, i: 0, N, t });
    case 1: return asm.STR_imm({ g, i: 0, N, t });
    case 2: return asm.LDTR({ g, i: 0, N, t });
    case 3: return asm.STTR({ g, i: 0, N, t });
    default: return asm.LDP_off({ g: 1, i: 0, u: t, N, t: 10 });
  }
}

for (const seed of [1, 2, 3, 4]) {
  test(`the TLB refilled and emptied by generated code gives what the interpreter gives (seed ${seed})`, () => {
    const random = new Random(seed);
    const sides = [new Side(false), new Side(true)] as const;
    const both = (does: (side: Side) => void): void => { for (const side of sides) does(side); };
    for (let page = 0; page < PAGES; page++) {
      const value = descriptor(random, page);
      both(side => side.put(L3 + page * 8, value));
    }
    for (let round = 0; round < 60; round++) {
      const asm = new Assembler();
      for (let i = 0; i < 40; i++) access(random, asm);
      const code = asm.words();
      both(side => side.run(code));
      expect(sides[1].result).toEqual(sides[0].result);
      // some pages change; the guest says so, by forms of the last level and others
      const tlbi = new Assembler();
      for (let i = 0; i < 6; i++) {
        const page = random.below(PAGES), value = descriptor(random, page);
        both(side => side.put(L3 + page * 8, value));
        tlbi.mov("x1", (PAGED + page * 4096) / 4096).SYS({ o: 0, c: 8, k: random.below(2) === 0 ? 3 : 7, p: [1, 3, 5, 7][random.below(4)] as number, t: 1 });
      }
      if (random.below(6) === 0) { // the block's rights change, and PAN
        const value = DATA | 0x701 | (random.below(2) === 0 ? READ_ONLY : 0) | (random.below(3) === 0 ? USER : 0);
        both(side => side.put(L2 + 16, value));
        tlbi.mov("x1", (BLOCK + random.below(512) * 4096) / 4096).SYS({ o: 0, c: 8, k: 7, p: 7, t: 1 });
        tlbi.MSR_imm({ o: 0, p: 4, k: random.below(2) });
      }
      const words = tlbi.words();
      both(side => side.run(words));
    }
  });
}

test("a page of a contiguous mapping goes with its neighbours", () => {
  const CONTIGUOUS = 1 << 20; // in the upper half
  for (const translated of [false, true]) {
    const side = new Side(translated);
    for (let page = 0; page < 16; page++) {
      side.put(L3 + page * 8, DATA + page * 4096 | EL1_PAGE);
      side.put(L3 + page * 8 + 4, CONTIGUOUS);
      side.put(DATA + page * 4096, 100 + page);
    }
    const read = (page: number): number => {
      side.run(new Assembler().mov("x1", PAGED + page * 4096).LDR_imm({ g: 2, i: 0, N: 1, t: 2 }).words());
      return side.cpu.x[4] as number;
    };
    expect([read(0), read(3), read(9)]).toEqual([100, 103, 109]);
    for (let page = 0; page < 16; page++) side.put(L3 + page * 8, DATA + 0x10_0000 + page * 4096 | EL1_PAGE);
    expect(read(3)).toBe(103); // from the TLB
    side.run(new Assembler().mov("x1", (PAGED + 9 * 4096) / 4096).SYS({ o: 0, c: 8, k: 7, p: 7, t: 1 }).words()); // one address of it
    expect([read(0), read(3), read(9)]).toEqual([0, 0, 0]);
  }
});

test("what the TLB misses is refilled without leaving generated code", () => {
  const side = new Side(true);
  for (let page = 0; page < PAGES; page++) side.put(L3 + page * 8, DATA + page * 4096 | EL1_PAGE);
  const asm = new Assembler();
  for (let page = 0; page < PAGES; page++) asm.mov("x1", PAGED + page * 4096).LDR_imm({ g: 3, i: 0, N: 1, t: 2 });
  const code = asm.words();
  side.run(code);
  const tlbi = new Assembler();
  for (let page = 0; page < PAGES; page++) tlbi.mov("x1", (PAGED + page * 4096) / 4096).SYS({ o: 0, c: 8, k: 3, p: 7, t: 1 });
  side.run(tlbi.words());
  const { engine } = side.cpu;
  const exits = (engine as Engine).exits;
  side.run(code);
  expect((engine as Engine).exits - exits).toBeLessThan(PAGES / 2); // new blocks only
});
