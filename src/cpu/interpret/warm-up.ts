// src/cpu/interpret/warm-up.ts — shows the host's JIT every path of the interpreter's inner loop before a guest runs.
// The JIT compiles what it has seen executed and drops the whole function when an unseen path is taken: without this, a
// guest's first seconds run at a third of the speed. A small random program, the same each time, runs on a core of its
// own: every inline form, with operands of all signs, on mapped, page-crossing, unmapped and device addresses.
import type { Clock } from "../../../devices/device.ts";
import { NativeMemory } from "../../../ffi/memory.ts";
import { branch } from "../a64/branch.ts";
import { dataImm } from "../a64/data-imm.ts";
import { dataReg } from "../a64/data-reg.ts";
import { loadStore } from "../a64/load-store.ts";
import { compile, encode } from "../a64/pattern.ts";
import { MemoryMap } from "../memory-map.ts";
import { slot } from "../sysreg.ts";
import { Offset } from "../state.ts";
import { Cpu } from "./cpu.ts";
import { instructions } from "./instructions.ts";

const RAM = 0x4000_0000;
const CODE = RAM + 0x1_0000;
const DATA = RAM + 0x8_0000;
const SIZE = 0x10_0000;
/** How often each form appears in the program, and how many instructions run. */
const COPIES = 24;
const RUN = 60_000;

/** ERET behind the instruction that faulted. */
const VECTOR = [0xd538_403d, 0x9100_13bd, 0xd518_403d, 0xd69f_03e0] as const; // mrs x29, elr_el1; add x29, x29, #4; msr; eret

export function warmUp(clock: Clock): void {
  const memory = NativeMemory.allocate(SIZE);
  const map = new MemoryMap();
  map.add(RAM, memory, SIZE, false);
  const words = new Uint32Array(memory.window(0));
  const cpu = new Cpu({ index: 0, memory: map, clock, instructions, peers: [] });
  let seed = 1;
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) | 0;
    return (seed >>> 8) % below;
  };

  const program: number[] = [];
  const tables = { ...branch, ...dataImm, ...dataReg, ...loadStore };
  const skip = /^(ERET|BR|BLR|RET|HVC|SMC|ST.?XP|LD.?XP|CASP|PRF|B$|BL$)/;
  const lines = Object.entries(tables).filter(([name]) => !skip.test(name)).map(([name, pattern]) => compile(name, pattern));
  for (let copy = 0; copy < COPIES; copy++) {
    for (const line of lines) {
      const fields: Record<string, number> = {};
      for (const { letter } of line.fields) {
        fields[letter] = "dnmatus".includes(letter) ? random(16) : letter === "D" ? random(16)
          : letter === "N" ? (line.name in loadStore ? 20 + random(5) : random(16))
          : letter === "f" || letter === "e" && line.name !== "ADD_ext" ? 1 - Number(random(4) === 0) : random(64);
      }
      if (line.name in branch) fields["i"] = 2; // to the instruction behind the next
      else if (line.name in loadStore && "i" in fields) fields["i"] = random(8);
      else if (line.name in loadStore && "e" in fields) fields["e"] = 3;
      if (/^(LD|ST).*reg/.test(line.name)) fields["m"] = 25;
      if (line.name === "UBFM" || line.name === "SBFM" || line.name === "BFM") { fields["e"] = fields["f"] as number; fields["r"] = random(32); fields["i"] = random(2) === 0 ? 31 : random(32); }
      if (line.name === "UBFM" && random(3) === 0) { fields["f"] = fields["e"] = 1; fields["i"] = random(2) === 0 ? 63 : (fields["r"] as number) + 31; }
      program.push(encode(line, fields));
      if (random(8) === 0) program.push(0xd503_201f, 0x9400_0002, 0xd503_201f, 0x1000_007e, 0xd65f_03c0, 0xd503_201f); // nop; bl +8; nop; adr x30, +12; ret; nop
      if (random(4) === 0) program.push(move(random(16), random(65536), random(4))); // keeps values lively
      if (random(8) === 0) program.push(0xd280_0319); // mov x25, #24
      if (random(200) === 0) program.push(0xd63f_0300); // blr x24: nothing to execute there
      if (random(100) === 0) program.push(0xd400_0001, 0xd420_0000, 0xd503_3fdf, 0xd538_1000, 0xd518_d041, 0xd538_d042); // svc; brk; isb; mrs sctlr_el1; msr, mrs tpidr_el1
    }
  }
  // back to the start; in between the bases are set anew
  program.push(...[20, 21, 22, 23, 24].flatMap((r, i) => {
    const at = [DATA, DATA + 0x800, DATA + 0xffa, 0x0900_0000, 0x8000_0000][i] as number;
    return [(0xd280_0000 | ((at & 0xffff) << 5) | r) >>> 0, (0xf2a0_0000 | ((at >>> 16) << 5) | r) >>> 0];
  }));
  program.push((0x1400_0000 | (-program.length & 0x03ff_ffff)) >>> 0);
  words.set(program, (CODE - RAM) / 4);
  for (const offset of [0x200, 0x280]) words.set(VECTOR, offset / 4);

  // one 1 GiB block of Normal memory: level 1 of a 39-bit space
  const table = (SIZE - 0x1000) / 4;
  words[table + 2] = RAM | 0x701; // valid block, AF, inner shareable, attribute 0
  words[table + 0] = 0x0000_0705; // the first GiB: devices, attribute 1
  const x = cpu.x;
  x[slot.MAIR_EL1 / 4] = 0x00ff;
  x[slot.TCR_EL1 / 4] = 25;
  x[slot.TCR_EL1 / 4 + 1] = 2;
  x[slot.TTBR0_EL1 / 4] = RAM + table * 4;
  x[slot.VBAR_EL1 / 4] = RAM;
  x[slot.SCTLR_EL1 / 4] = (x[slot.SCTLR_EL1 / 4] as number) | 1;
  x[Offset.PC / 4] = CODE + (program.length - 11) * 4;
  for (let left = RUN; left > 0;) {
    x[Offset.LINES / 4] = random(8) === 0 ? 1 : 0;
    x[Offset.DAIF / 4] = random(2) * 0x3c0;
    cpu.flushTlb(); // so that every form meets a miss
    const before = cpu.state.f64[Offset.ICOUNT / 8] as number;
    cpu.run(undefined, Math.min(left, 200));
    if (cpu.exit.kind === "mmio" || cpu.exit.kind === "sysreg") cpu.answer(random(2 ** 24), 0);
    else x[Offset.PC / 4] = CODE + random(program.length - 20) * 4;
    left -= Math.max(1, (cpu.state.f64[Offset.ICOUNT / 8] as number) - before);
  }
  cpu.state.memory.free();
  memory.free();
}

/** MOVZ or MOVN of 16 bits somewhere. */
const move = (d: number, imm: number, hw: number): number => ((imm & 1) !== 0 ? 0xd280_0000 : 0x9280_0000) + (hw << 21) + (imm << 5) + d;
