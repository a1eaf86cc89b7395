// test/differential/programs.ts — random programs of up to 60 instructions drawn from all encoding tables, with short
// jumps and counted loops, run under qemu-aarch64 and by the interpreter at EL0: every register, flag and byte of the
// record's memory must agree. A difference prints the seed, the program and both states.
// bun test/differential/programs.ts [seed] [programs] [names] [interpreter|reference|translator|baseline|shared]
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { NativeMemory } from "../../ffi/memory.ts";
import { encode, ZR, type Encoding } from "../../src/cpu/a64/pattern.ts";
import { Domain } from "../../src/cpu/domain.ts";
import { CoreFeatures, parseFeatures, type Features } from "../../src/cpu/features.ts";
import { Cpu } from "../../src/cpu/interpret/cpu.ts";
import { Engine } from "../../src/cpu/translate/engine.ts";
import { NO_FEATURES } from "../../src/cpu/translate/host-features.ts";
import { instructions } from "../../src/cpu/interpret/instructions.ts";
import { simdInstructions } from "../../src/cpu/interpret/simd-instructions.ts";
import { MemoryMap } from "../../src/cpu/memory-map.ts";
import { Offset } from "../../src/cpu/state.ts";
import { slot } from "../../src/cpu/sysreg.ts";
import { Random } from "../support/random.ts";
import { fillVector } from "./simd.ts";

const QEMU = "qemu-aarch64-static";
const CC = "aarch64-linux-gnu-gcc";
const RECORD = 0x840;
const At = { x: 0, sp: 0xf8, nzcv: 0x100, fpcr: 0x104, fpsr: 0x108, signal: 0x10c, v: 0x110, words: 0x310, memory: 0x440 } as const;
const WORDS = 64;
const MEMORY_SIZE = 0x400;
/** Where the runner is linked to have its block and record; our copy of the machine has them at the same addresses. */
const BLOCK = 0x500000;
const RECORD_ADDRESS = 0x600000;
const TABLE = 0x800000;
const VECTORS = 0x700000;

/** Registers with a role: pointers into memory, small indexes, the loop counter, modes. The rest is anybody's. */
const POINTERS = [20, 21, 22, 23, 31] as const;
const INDEXES = [24, 25] as const;
const COUNTER = 26;
/** A value for FPCR: other bits of it read back differently under QEMU. */
const MODES = 28;
/** A pointer that no instruction changes. */
const ALIGNED = 27;
const FREE = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 29, 30] as const;

const NOP = 0xd503_201f;

export function buildRunner(): string {
  const out = join(mkdtempSync(join(tmpdir(), "hv-programs-")), "runner");
  const built = Bun.spawnSync([CC, "-nostdlib", "-static", "-Wl,-N", "-Wl,--build-id=none", `-Wl,--section-start=.block=0x${BLOCK.toString(16)}`, "-Wl,--section-start=.data=0x5f0000",
    "-o", out, join(import.meta.dir, "program-runner.s")]);
  if (built.exitCode !== 0) throw new Error(built.stderr.toString());
  return out;
}

// --- the generator -----------------------------------------------------------------------------------------------

/** Left to tests of their own: they leave the program, wait, or read what differs between two machines. */
const EXCLUDED = /^(SVC|HVC|SMC|BRK|HLT|ERET|BR|BLR|RET|WFI|WFE|SYS|SYSL|MRS|MSR_reg|MSR_imm|SEV|SEVL|STXR|STLXR|STXP|STLXP|LDTR.*|STTR|LDR_lit.*|LDRSW_lit)$/;
/** QEMU 7.2 lets them be misaligned. */
const RCPC = /^(LDAPR|LDAPUR.*|STLUR)$/;
const EXCLUSIVE_LOAD = /^LDA?X[RP]$/;

/**
 * QEMU's models: one without any optional encodings; one with LSE, whose half precision would execute what is unallocated for
 * us; one with all.
 */
type CpuModel = "cortex-a57" | "neoverse-n1" | "max";
const simdNames = new Set(simdInstructions.map(e => e.name));
const old = new Set(new CoreFeatures(new Set()).allowed(instructions));
const optional = new Set(instructions.filter(e => !old.has(e)).map(e => e.name));
const without: Readonly<Record<CpuModel, { test(name: string): boolean }>> = {
  "cortex-a57": { test: name => optional.has(name) },
  "neoverse-n1": { test: name => simdNames.has(name) || (optional.has(name) && !/^(CAS|SWP|LD(?!AP))/.test(name)) },
  max: { test: () => false },
};

class Generator {
  readonly #random: Random;
  readonly #entries: readonly Encoding[];
  /** DC ZVA writes 64 bytes, but 512 on QEMU's max. */
  readonly #zva: boolean;
  /** Writable bits of FPCR's upper half. */
  readonly #modes: number;
  constructor(random: Random, cpu: CpuModel, names: RegExp) {
    this.#random = random;
    this.#zva = cpu !== "max";
    this.#modes = cpu === "max" ? 0x07c8 : 0x07c0;
    this.#entries = instructions.filter(e => !EXCLUDED.test(e.name) && !without[cpu].test(e.name) && names.test(e.name));
    if (this.#entries.length === 0) throw new Error(`no encoding is called ${names}`);
  }
  /** Fills one record. */
  make(view: DataView): void {
    const random = this.#random;
    for (let r = 0; r < 31; r++) {
      const kind = random.below(4);
      view.setUint32(At.x + 8 * r, kind === 0 ? random.below(256) : random.u32(), true);
      view.setUint32(At.x + 8 * r + 4, kind === 0 ? 0 : kind === 1 ? 0xffff_ffff : random.below(3) === 0 ? 0x8000_0000 : random.u32(), true);
    }
    for (const r of POINTERS) this.#setX(view, r, RECORD_ADDRESS + At.memory + 16 * random.below(MEMORY_SIZE / 16));
    this.#setX(view, ALIGNED, RECORD_ADDRESS + At.memory + 16 * random.below(MEMORY_SIZE / 16));
    for (const r of INDEXES) this.#setX(view, r, random.below(64));
    this.#setX(view, COUNTER, 1 + random.below(4));
    this.#setX(view, MODES, random.u32() & 0x07c0_0000);
    for (let i = 0; i < 512; i += 16) fillVector(random, view, At.v + i);
    for (let i = 0; i < MEMORY_SIZE; i += 16) fillVector(random, view, At.memory + i);
    view.setUint32(At.nzcv, random.below(16) * 0x1000_0000, true);
    view.setUint32(At.fpcr, random.below(4) !== 0 ? 0 : random.u32() & 0x07c0_0000, true);
    view.setUint32(At.fpsr, 0, true);
    const words: number[] = [];
    const length = 1 + random.below(48);
    while (words.length < length) this.#some(words, length);
    while (words.length < WORDS) words.push(NOP);
    words.slice(0, WORDS).forEach((word, i) => view.setUint32(At.words + 4 * i, word, true));
  }
  #setX(view: DataView, r: number, value: number): void {
    view.setUint32(At.x + 8 * r, value, true);
    view.setUint32(At.x + 8 * r + 4, 0, true);
  }
  #some(words: number[], length: number): void {
    const random = this.#random;
    const left = length - words.length;
    if (left > 6 && random.below(24) === 0) { // a counted loop: a few instructions, then subs, b.ne
      const start = words.length;
      const body = 1 + random.below(3);
      for (let i = 0; i < body; i++) words.push(this.#one(left, false));
      words.push(0xf100_0400 | (COUNTER << 5) | COUNTER); // subs x26, x26, #1
      words.push((0x5400_0001 | (((start - words.length) & 0x7ffff) << 5)) >>> 0);
      words.push(0xd280_0000 | ((1 + random.below(4)) << 5) | COUNTER); // mov x26, #n
      return;
    }
    if (left > 4 && random.below(16) === 0) { // a pair of exclusives
      const g = random.below(4), pair = random.below(2) === 0;
      const N = this.#pick(POINTERS), [t, u, s, other] = this.#distinct(4) as [number, number, number, number];
      const name = (load: boolean): string => `${load ? "LD" : "ST"}${random.below(2) === 0 ? (load ? "A" : "L") : ""}X${pair ? "P" : "R"}`;
      words.push(this.#encode(name(true), { g, N, t, u }));
      if (random.below(2) === 0) words.push(this.#one(2, false));
      words.push(this.#encode(name(false), { g, N: random.below(8) === 0 ? this.#pick(POINTERS) : N, t: other, u, s }));
      return;
    }
    const ordered = this.#entries.filter(e => RCPC.test(e.name));
    if (left > 3 && ordered.length > 0 && random.below(12) === 0) {
      const { name } = this.#pick(ordered);
      words.push(this.#encode(name, { g: random.below(name === "LDAPURS_w" ? 2 : name === "LDAPURS_x" ? 3 : 4), N: ALIGNED, t: this.#pick(FREE), i: (8 * (random.below(16) - 8)) & 0x1ff }));
      return;
    }
    if (random.below(20) === 0) {
      // mrs/msr of what EL0 owns: nzcv, fpcr, fpsr, tpidr_el0; reads of ctr_el0 and dczid_el0 differ by design
      const t = this.#pick(FREE);
      if (random.below(6) === 0) { // movz x28, #modes, lsl #16; msr fpcr, x28: mostly none
        words.push((0xd2a0_0000 | (random.below(2) === 0 ? 0 : random.u32() & this.#modes) << 5 | MODES) >>> 0, (0xd51b_4400 | MODES) >>> 0);
        return;
      }
      if (random.below(8) === 0) { // movz x28, #flags; msr fpsr, x28
        words.push((0xd280_0000 | (random.below(2) === 0 ? 0 : random.u32() & 0x9f) << 5 | MODES) >>> 0, (0xd51b_4420 | MODES) >>> 0);
        return;
      }
      const forms = [0xd53b_4200, 0xd51b_4200, 0xd53b_4400, 0xd53b_4420, 0xd53b_d040, 0xd51b_d040, ...(this.#zva ? [0xd50b_7420 | 0] : [])];
      const form = forms[random.below(forms.length)] as number;
      words.push((form | (form === (0xd50b_7420 | 0) ? this.#pick([20, 21, 22, 23]) : t)) >>> 0); // the last: dc zva
      return;
    }
    words.push(this.#one(left, true));
  }
  #encode(name: string, fields: Record<string, number>): number {
    return encode(byName.get(name) as Encoding, fields);
  }
  #pick<T>(from: readonly T[]): T { return from[this.#random.below(from.length)] as T; }
  #distinct(count: number): number[] {
    const out = new Set<number>();
    while (out.size < count) out.add(this.#pick(FREE));
    return [...out];
  }
  /** One instruction; a branch only where `jumps`, forward, at most to `left` instructions from here. */
  #one(left: number, jumps: boolean): number {
    for (;;) {
      const entry = this.#pick(this.#entries);
      const word = this.#fields(entry, left, jumps);
      if (word !== undefined) return word;
    }
  }
  #fields(entry: Encoding, left: number, jumps: boolean): number | undefined {
    const random = this.#random;
    const name = entry.name;
    const memory = entry.fields.some(f => f.letter === "N") && !/^(ADD|SUB)/.test(name);
    const f: Record<string, number> = {};
    for (const { letter, runs } of entry.fields) {
      const width = runs.reduce((sum, run) => sum + run.width, 0);
      f[letter] = random.below(2 ** width);
      if ("nma".includes(letter)) f[letter] = random.below(12) === 0 ? ZR : random.below(31);
      if ("dtus".includes(letter)) f[letter] = random.below(12) === 0 ? ZR : this.#pick(FREE);
      if (letter === "D") f[letter] = this.#pick(FREE);
      if (letter === "N") f[letter] = memory ? this.#pick(POINTERS) : random.below(32);
    }
    if (/^(B|BL|B_cond|CBN?Z|TBN?Z)$/.test(name)) {
      if (!jumps || left < 3) return undefined;
      f["i"] = 1 + random.below(Math.min(left - 1, 6));
    }
    if (name === "HINT" && f["k"] === 0 && (f["p"] as number) < 6) return undefined; // the ones that wait or yield
    if (memory) {
      if ("m" in f) f["m"] = /_reg$/.test(name) ? this.#pick(INDEXES) : random.below(3) === 0 ? ZR : this.#pick(INDEXES);
      if (/_imm$/.test(name)) f["i"] = random.below(16);
      if ("u" in f && f["u"] === f["t"] && /^LD/.test(name)) return undefined; // unpredictable
      if ("w" in f && f["w"] === f["x"] && /^LD/.test(name)) return undefined;
      if (/^CASP/.test(name)) { f["s"] = 2 * random.below(9); f["t"] = 2 * random.below(9); }
    }
    // QEMU 7.2's max takes FMOV of a half with op = 1, which is unallocated, and leaves the sign of a converted half in its word
    if (this.#modes === 0x07c8 && (name === "FCVTZU_vi" ? f["h"] === 0 : /^FCVTZ[SU]_si$/.test(name) && (f["h"] as number) >> 1 === 1)) return undefined;
    if (EXCLUSIVE_LOAD.test(name) || RCPC.test(name)) return undefined; // only with its store, or its own pointer, above
    let word = encode(entry, f);
    const bits = entry.pattern.replaceAll(" ", "");
    for (let i = 0; i < 32; i++) if (bits[i] === "-") word |= 1 << (31 - i); // should-be-one bits
    return word >>> 0;
  }
}
const byName = new Map(instructions.map(e => [e.name, e]));

// --- our side ----------------------------------------------------------------------------------------------------

class Machine {
  readonly #cpu: Cpu;
  readonly #ram: DataView;
  constructor(executor: Executor, features: Features) {
    const memory = NativeMemory.allocate(16 << 20);
    this.#ram = new DataView(memory.window(0));
    const map = new MemoryMap();
    map.add(0, memory, 16 << 20, false);
    const domain = executor === "shared" ? new Domain(1, 0) : undefined; // as if other cores ran at the same time
    const cpu = this.#cpu = new Cpu({ index: 0, peers: [], memory: map, clock: { frequency: 1, ticks: () => 0, wallSeconds: () => 0 }, instructions, domain, features });
    domain?.join({ hear: () => {} }, cpu.state.memory);
    cpu.useHotForms = executor !== "reference";
    if (executor === "translator" || executor === "baseline" || executor === "shared") {
      cpu.engine = Engine.create(cpu, undefined, executor === "baseline" ? NO_FEATURES : undefined);
      if (cpu.engine === undefined) throw new Error("this host refuses executable memory");
    }
    // level 2 tables of 2 MiB blocks that EL0 may use; the tables' own and the vectors' block only by EL1
    for (let i = 0; i < 8; i++) {
      this.#ram.setUint32(TABLE + 0x1000 + 8 * i, (i << 21) | 0x701 | (i < 4 && i !== 3 ? 0x40 : 0), true);
    }
    this.#ram.setUint32(TABLE + 0x1000 + 8 * 3, (3 << 21) | 0x741, true);
    this.#ram.setUint32(TABLE, (TABLE + 0x1000) | 3, true);
    for (const offset of [0x200, 0x400]) this.#ram.setUint32(VECTORS + 0x20_0000 + offset, 0xd400_0002, true); // hvc #0
    const x = cpu.x;
    x[slot.TTBR0_EL1 / 4] = TABLE;
    x[slot.TCR_EL1 / 4] = 25;
    x[slot.TCR_EL1 / 4 + 1] = 2;
    x[slot.MAIR_EL1 / 4] = 0xff;
    x[slot.CPACR_EL1 / 4] = 3 << 20;
    x[slot.VBAR_EL1 / 4] = VECTORS + 0x20_0000;
    x[slot.SCTLR_EL1 / 4] = (x[slot.SCTLR_EL1 / 4] as number) | 1 | (1 << 14) | (1 << 15) | (1 << 26); // M, DZE, UCT, UCI
    cpu.flushTlb();
  }
  nameOf(word: number): string { return this.#cpu.nameOf(word); }
  /** Runs the record's program, in place. */
  run(view: DataView): void {
    const cpu = this.#cpu;
    const { x } = cpu;
    for (let i = 0; i < 64; i++) x[i] = view.getInt32(At.x + 4 * i, true);
    for (let i = 0; i < 128; i++) x[Offset.V / 4 + i] = view.getInt32(At.v + 4 * i, true);
    for (let i = 0; i < RECORD; i += 4) this.#ram.setUint32(RECORD_ADDRESS + i, view.getUint32(i, true), true);
    for (let i = 0; i < WORDS; i++) this.#ram.setUint32(BLOCK + 4 * i, view.getUint32(At.words + 4 * i, true), true);
    this.#ram.setUint32(BLOCK + 4 * WORDS, 0xd400_0001, true); // svc #0: the end
    cpu.engine?.invalidateAll(); // as ic iallu
    x[Offset.NZCV / 4] = view.getInt32(At.nzcv, true);
    x[Offset.FPCR / 4] = view.getInt32(At.fpcr, true);
    x[Offset.FPSR / 4] = view.getInt32(At.fpsr, true);
    x[Offset.DAIF / 4] = 0;
    x[Offset.EXCL_VALID / 4] = 0;
    x[slot.TPIDR_EL0 / 4] = x[slot.TPIDR_EL0 / 4 + 1] = 0;
    let signals = 0;
    this.#user(BLOCK);
    for (let budget = 100; budget > 0; budget--) {
      cpu.run(undefined, 2000);
      if (cpu.exit.kind !== "call") throw new Error(`left with ${cpu.exit.kind} at ${((x[Offset.PC / 4] as number) >>> 0).toString(16)}`);
      const elr = (x[slot.ELR_EL1 / 4] as number) >>> 0;
      const ec = (x[slot.ESR_EL1 / 4] as number) >>> 26;
      x[Offset.NZCV / 4] = (x[slot.SPSR_EL1 / 4] as number) & 0xf000_0000;
      if (ec === 0x15) break;
      signals += ec === 0 || ec === 0x18 ? 4 : ec === 0x3c ? 5 : (ec === 0x24 && ((x[slot.ESR_EL1 / 4] as number) & 63) === 0x21) || ec === 0x26 || ec === 0x22 ? 7 : 11;
      this.#user(elr + 4);
    }
    const sp = Offset.SP_EL0 / 4;
    for (let i = 0; i < 62; i++) view.setInt32(At.x + 4 * i, x[i] as number, true);
    view.setInt32(At.sp, x[sp] as number, true);
    view.setInt32(At.sp + 4, x[sp + 1] as number, true);
    for (let i = 0; i < 128; i++) view.setInt32(At.v + 4 * i, x[Offset.V / 4 + i] as number, true);
    for (let i = 0; i < MEMORY_SIZE; i += 4) view.setUint32(At.memory + i, this.#ram.getUint32(RECORD_ADDRESS + At.memory + i, true), true);
    view.setInt32(At.nzcv, x[Offset.NZCV / 4] as number, true);
    view.setInt32(At.fpcr, x[Offset.FPCR / 4] as number, true);
    view.setInt32(At.fpsr, x[Offset.FPSR / 4] as number, true);
    view.setInt32(At.signal, signals, true);
  }
  /** EL0 at an address; SP stays what it was there. */
  #user(pc: number): void {
    const cpu = this.#cpu;
    const { x } = cpu;
    if (x[Offset.EL / 4] === 1 && x[Offset.SPSEL / 4] === 1 && pc !== BLOCK) { x[62] = x[Offset.SP_EL0 / 4] as number; x[63] = x[Offset.SP_EL0 / 4 + 1] as number; }
    x[Offset.EL / 4] = 0;
    x[Offset.SPSEL / 4] = 0;
    x[Offset.PC / 4] = pc;
    x[Offset.PC / 4 + 1] = 0;
    x[Offset.PAN / 4] = 0;
    x[Offset.EXCL_VALID / 4] = 0; // as an exception return would
    cpu.syncState();
  }
}

// --- the comparison ----------------------------------------------------------------------------------------------

const hexBytes = (view: DataView, at: number, size: number): string =>
  Array.from({ length: size }, (_, i) => view.getUint8(at + size - 1 - i).toString(16).padStart(2, "0")).join("");

function describe(machine: Machine, seed: number, index: number, given: DataView, theirs: DataView, ours: DataView): string {
  const lines = [`seed ${seed}, program ${index}`];
  for (let i = 0; i < WORDS; i++) {
    const word = given.getUint32(At.words + 4 * i, true);
    if (word !== NOP) lines.push(`  ${i}: ${word.toString(16).padStart(8, "0")} ${machine.nameOf(word)}`);
  }
  const field = (label: string, at: number, size: number): void => {
    const [g, t, o] = [given, theirs, ours].map(v => hexBytes(v, at, size));
    if (t !== o) lines.push(`  ${label}: was ${g}, qemu ${t}, ours ${o}`);
  };
  for (let r = 0; r < 31; r++) field(`x${r}`, At.x + 8 * r, 8);
  field("sp", At.sp, 8); field("nzcv", At.nzcv, 4); field("fpcr", At.fpcr, 4); field("fpsr", At.fpsr, 4); field("signals", At.signal, 4);
  for (let r = 0; r < 32; r++) field(`v${r}`, At.v + 16 * r, 16);
  for (let i = 0; i < MEMORY_SIZE; i += 16) field(`memory+${i}`, At.memory + i, 16);
  return lines.join("\n");
}

/** Everything but the program itself, which stores may have hit. */
const same = (a: Uint8Array, b: Uint8Array): boolean =>
  Buffer.compare(a.subarray(0, At.words), b.subarray(0, At.words)) === 0 && Buffer.compare(a.subarray(At.memory), b.subarray(At.memory)) === 0;

/** The interpreter with its inline forms, its reference handlers alone, generated code, or that for a host without extras. */
export type Executor = "interpreter" | "reference" | "translator" | "baseline" | "shared";
export interface Outcome { programs: number; differences: string[] }
export interface Options { readonly seed: number; readonly programs: number; readonly names?: RegExp; readonly executor?: Executor }

/** Runs random programs on both sides; by the seed modulo 3 on a model of QEMU: with SIMD&FP, with the atomics of LSE, with what is optional. */
export function compare(runner: string, options: Options): Outcome {
  const model: CpuModel = (["cortex-a57", "neoverse-n1", "max"] as const)[options.seed % 3] as CpuModel;
  const generator = new Generator(new Random(options.seed), model, options.names ?? /./);
  const machine = new Machine(options.executor ?? "interpreter", parseFeatures({ "cortex-a57": "v8.0", "neoverse-n1": "default", max: "max" }[model]) as Features);
  const outcome: Outcome = { programs: 0, differences: [] };
  const [from, to] = [`${runner}.in`, `${runner}.out`]; // files: pipes both ways could block each other
  const given = new Uint8Array(options.programs * RECORD);
  for (let n = 0; n < options.programs; n++) generator.make(new DataView(given.buffer, n * RECORD, RECORD));
  writeFileSync(from, given);
  writeFileSync(to, "");
  const ran = Bun.spawnSync([QEMU, "-cpu", model === "max" ? "max,pauth=off" : model, runner], { stdin: Bun.file(from), stdout: Bun.file(to), timeout: 300_000 });
  const theirs = readFileSync(to);
  if (theirs.length !== given.length) throw new Error(`the runner stopped after ${theirs.length / RECORD} programs: ${ran.stderr.toString()}`);
  for (let n = 0; n < options.programs; n++) {
    const at = n * RECORD;
    const ours = new DataView(given.slice(at, at + RECORD).buffer);
    machine.run(ours);
    outcome.programs++;
    if (same(new Uint8Array(ours.buffer), theirs.subarray(at, at + RECORD))) continue;
    outcome.differences.push(describe(machine, options.seed, n, new DataView(given.buffer, at, RECORD), new DataView(theirs.buffer, theirs.byteOffset + at, RECORD), ours));
  }
  return outcome;
}

if (import.meta.main) {
  const [seed = "1", programs = "2000", names = ".", executor = "interpreter"] = process.argv.slice(2);
  const { differences } = compare(buildRunner(), { seed: Number(seed), programs: Number(programs), names: new RegExp(names), executor: executor as Executor });
  for (const text of differences.slice(0, 5)) console.log(text);
  console.log(`${programs} programs, ${differences.length} differences`);
}
