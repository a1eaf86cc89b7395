// test/differential/simd.ts — random floating-point, SIMD and cryptographic instructions, drawn from the encoding tables,
// executed one by one under qemu-aarch64 and by the interpreter; every register, flag and byte of memory is compared.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { tmpdir } from "node:os";
import { NativeMemory } from "../../ffi/memory.ts";
import { encode } from "../../src/cpu/a64/pattern.ts";
import { CoreFeatures, parseFeatures, type Features } from "../../src/cpu/features.ts";
import { Cpu, type Instruction } from "../../src/cpu/interpret/cpu.ts";
import { simdInstructions } from "../../src/cpu/interpret/simd-instructions.ts";
import { MemoryMap } from "../../src/cpu/memory-map.ts";
import { Offset } from "../../src/cpu/state.ts";
import { slot } from "../../src/cpu/sysreg.ts";
import { Random } from "../support/random.ts";

const QEMU = "qemu-aarch64-static";
const CC = "aarch64-linux-gnu-gcc";
const RECORD = 0x500;
const At = { x: 0, nzcv: 0xe8, fpcr: 0xec, fpsr: 0xf0, word: 0xf4, signal: 0xf8, v: 0x100, memory: 0x300 } as const;
const MEMORY_SIZE = 0x200;
/** Where the runner is linked to have its record, and where our copy of the machine has its code and tables. */
const RECORD_ADDRESS = 0x600000;
const CODE = 0x400000;
const TABLE = 0x800000;

/** QEMU's models, and what features of ours they have. */
type Model = "cortex-a57" | "max";
const featuresOf: Readonly<Record<Model, Features>> = { "cortex-a57": parseFeatures("v8.0") as Features, max: parseFeatures("max") as Features };

/** Why the comparison cannot be made here, or undefined. */
export function missing(): string | undefined {
  for (const tool of [QEMU, CC]) if (Bun.which(tool) === null) return `${tool} is not installed`;
  return undefined;
}

/** Builds the runner, hands its path to `body`, and removes it with everything beside it. */
export function withRunner<T>(body: (runner: string) => T): T {
  const directory = mkdtempSync(join(tmpdir(), "hv-simd-"));
  try {
    return body(buildRunner(join(directory, "runner")));
  } finally {
    rmSync(directory, { recursive: true });
  }
}
function buildRunner(out: string): string {
  const built = Bun.spawnSync([CC, "-nostdlib", "-static", "-Wl,-N", "-Wl,--section-start=.data=0x5ff000", "-o", out,
    join(import.meta.dir, "simd-runner.s")]);
  if (built.exitCode !== 0) throw new Error(built.stderr.toString());
  return out;
}

/** Lanes that find corners: of each width, values that overflow, round, cancel, are NaNs or nearly integers. */
const F32 = [0, 0x80000000, 1, 0x80000001, 0x007fffff, 0x00800000, 0x80800000, 0x7f7fffff, 0xff7fffff, 0x7f800000, 0xff800000, 0x7fc00000, 0xffc12345,
  0x7f800001, 0xff923456, 0x3f800000, 0xbf800000, 0x3f000000, 0xbf000000, 0x3fc00000, 0x40200000, 0x4b000000, 0x4b000001, 0x4effffff, 0x4f000000,
  0xcf000000, 0x4f800000, 0x5f000000, 0xdf000000, 0x5f800000, 0x477fefff, 0x477ff000, 0x33000000, 0x33000001, 0x38800000, 0x387fffff, 0x7e800000, 0x00200000];
const F64 = [0n, 1n << 63n, 1n, 0x8000000000000001n, 0x000fffffffffffffn, 0x0010000000000000n, 0x7fefffffffffffffn, 0xffefffffffffffffn,
  0x7ff0000000000000n, 0xfff0000000000000n, 0x7ff8000000000000n, 0xfff8123456789abcn, 0x7ff0000000000001n, 0xfff123456789abcdn, 0x3ff0000000000000n,
  0xbff0000000000000n, 0x3fe0000000000000n, 0x3ff8000000000000n, 0x4004000000000000n, 0x41dfffffffc00000n, 0x41e0000000000000n, 0xc1e0000000200000n,
  0x41efffffffe00000n, 0x43e0000000000000n, 0xc3e0000000000000n, 0x43f0000000000000n, 0x4340000000000001n, 0x47efffffe0000000n, 0x47efffffefffffffn,
  0x47effffff0000000n, 0x380fffffffffffffn, 0x3690000000000000n, 0x3690000000000001n, 0x40effdffffffffffn, 0x3e70000000000001n, 0x7fd0000000000000n];
const F16 = [0, 0x8000, 1, 0x3ff, 0x400, 0x7bff, 0x7c00, 0xfc00, 0x7e00, 0xfe12, 0x7c01, 0xfd23, 0x3c00, 0xbc00, 0x3800, 0x7fff, 0xffff];
const INT = [0, 1, 2, 3, 7, 8, 15, 16, 31, 32, 33, 63, 64, 127, 128, 129, 191, 192, 224, 255, 0x7f, 0x80, 0x7fff, 0x8000, 0xffff];

/** Sixteen bytes: lanes of one format or width, among them the values that find corners. */
export function fillVector(random: Random, view: DataView, at: number): void {
  switch (random.below(10)) {
    case 0: for (let i = 0; i < 16; i += 4) view.setUint32(at + i, random.u32(), true); break;
    case 1: case 2: for (let i = 0; i < 16; i += 4) view.setUint32(at + i, F32[random.below(F32.length)]!, true); break;
    case 3: case 4: for (let i = 0; i < 16; i += 8) view.setBigUint64(at + i, F64[random.below(F64.length)]!, true); break;
    case 5: for (let i = 0; i < 16; i += 2) view.setUint16(at + i, F16[random.below(F16.length)]!, true); break;
    case 6: { // singles near each other
      const base = 0x3f000000 + (random.below(32) << 23);
      for (let i = 0; i < 16; i += 4) view.setUint32(at + i, ((random.below(2) << 31) | (base + (random.below(5) << 22) + (random.u32() & (0xffffffff << random.below(24)) & 0x7fffff))) >>> 0, true);
      break;
    }
    case 7: { // doubles near each other
      for (let i = 0; i < 16; i += 8) {
        view.setUint32(at + i, random.u32() & (0xffffffff << random.below(32)), true);
        view.setUint32(at + i + 4, ((random.below(2) << 31) | (0x3fe00000 + random.below(0x1000000) & 0x7fffffff)) >>> 0, true);
      }
      break;
    }
    case 8: { // integers of a width, at its edges
      const width = 1 << random.below(4);
      for (let i = 0; i < 16; i++) view.setUint8(at + i, 0);
      for (let i = 0; i < 16; i += width) {
        const edge = random.below(4);
        const small = INT[random.below(INT.length)]!;
        for (let k = 0; k < width; k++) {
          const byte = edge === 0 ? (k === width - 1 ? 0x80 : 0) : edge === 1 ? (k === width - 1 ? 0x7f : 0xff) : edge === 2 ? 0xff : (small >> (8 * k)) & 0xff;
          view.setUint8(at + i + k, k > 1 && edge === 3 ? 0 : byte);
        }
      }
      break;
    }
    default: for (let i = 0; i < 16; i++) view.setUint8(at + i, random.below(3) === 0 ? random.u32() & 0xff : INT[random.below(20)]!);
  }
}

/** A random state: registers, flags, modes, memory. */
function makeState(random: Random, view: DataView): void {
  for (let r = 0; r < 29; r++) {
    view.setUint32(At.x + 8 * r, random.below(3) === 0 ? INT[random.below(INT.length)]! : random.u32(), true);
    view.setUint32(At.x + 8 * r + 4, [0, 0xffffffff, random.u32()][random.below(3)]!, true);
  }
  for (let r = 0; r < 32; r++) fillVector(random, view, At.v + 16 * r);
  for (let i = 0; i < MEMORY_SIZE; i += 4) view.setUint32(At.memory + i, random.u32(), true);
  view.setUint32(At.nzcv, random.below(16) * 0x10000000, true);
  const modes = random.below(2) === 0 ? 0 : (random.u32() & 0x07c00000);
  view.setUint32(At.fpcr, modes, true);
  view.setUint32(At.fpsr, random.below(2) === 0 ? 0 : random.below(2) === 0 ? 0x10 : random.u32() & 0x0800009f, true);
}

/** One random case: an instruction of `entry` and a state for it. */
function makeCase(random: Random, entry: Instruction, view: DataView): void {
  makeState(random, view);
  const fields: Record<string, number> = {};
  for (const f of entry.fields) {
    const width = f.runs.reduce((sum, run) => sum + run.width, 0);
    // x29, x30 and SP are the runner's own; XZR is wanted too.
    fields[f.letter] = "dnN".includes(f.letter) ? (f.letter !== "N" && random.below(8) === 0 ? 31 : random.below(29))
      : f.letter === "m" ? (random.below(3) === 0 ? 31 : random.below(29)) : random.below(2 ** width);
  }
  // Registers that overlap are where mistakes are.
  for (const letter of "yzw") if (letter in fields && random.below(5) === 0) fields[letter] = fields["x"] ?? fields[letter]!;
  let word = encode(entry, fields);
  for (let bit = 0, bits = entry.pattern.replaceAll(" ", ""); bit < 32; bit++) if (bits[bit] === "-" && random.below(2) === 0) word = (word | (1 << (31 - bit))) >>> 0;
  view.setUint32(At.word, word, true);
  if ("N" in fields) pointAtMemory(random, view, fields["N"]!);
}
function pointAtMemory(random: Random, view: DataView, r: number): void {
  view.setUint32(At.x + 8 * r, RECORD_ADDRESS + At.memory + random.below(MEMORY_SIZE - 80), true);
  view.setUint32(At.x + 8 * r + 4, 0, true);
}

/** Any word of the encoding space that the tables share out, allocated or not, with the runner's own registers left alone. */
function makeWord(random: Random, view: DataView): void {
  makeState(random, view);
  const register = (): number => random.below(29);
  const sparse = (): number => random.u32() & random.u32();
  const raw = random.below(2) === 0 ? random.u32() : sparse();
  const structure = random.below(4) === 0;
  const top = structure ? (random.below(2) << 30) | (0b001100 + random.below(2) << 24) : (random.u32() & 0xf0000000) | (0b1110 + random.below(2) << 24);
  const low = raw & 0x00e0fc00;
  view.setUint32(At.word, (top | low | (register() << 16) | (register() << 5) | register()) >>> 0, true);
  const word = view.getUint32(At.word, true);
  if (structure) {
    if (random.below(2) === 0) view.setUint32(At.word, (word & ~0x1f0000) >>> 0, true); // Rm must be zero without post-index
    pointAtMemory(random, view, (word >>> 5) & 31);
  }
}

/** An interpreter with memory where the runner has its record, translated by one flat table. */
class Machine {
  readonly #cpu: Cpu;
  readonly #ram: DataView;
  constructor(features: Features) {
    const memory = NativeMemory.allocate(16 << 20);
    this.#ram = new DataView(memory.window(0));
    const map = new MemoryMap();
    map.add(0, memory, 16 << 20, false);
    this.#cpu = new Cpu({ index: 0, peers: [], memory: map, clock: { frequency: 1, ticks: () => 0, wallSeconds: () => 0 }, instructions: simdInstructions, features });
    const x = this.#cpu.x;
    this.#ram.setUint32(TABLE, 0x701, true); // 1 GiB block, access flag, inner shareable, attribute 0
    x[slot.TTBR0_EL1 / 4] = TABLE;
    x[slot.TCR_EL1 / 4] = 32;
    x[slot.MAIR_EL1 / 4] = 0xff;
    x[slot.CPACR_EL1 / 4] = 3 << 20;
    x[slot.VBAR_EL1 / 4] = 0x700000;
    x[slot.SCTLR_EL1 / 4] = x[slot.SCTLR_EL1 / 4]! | 1;
    this.#cpu.flushTlb();
    this.#cpu.syncState();
  }
  nameOf(view: DataView): string { return this.#cpu.nameOf(view.getUint32(At.word, true)); }
  /** Executes the case in `view`, in place. */
  run(view: DataView): void {
    const { x } = this.#cpu;
    for (let i = 0; i < 58; i++) x[i] = view.getInt32(At.x + 4 * i, true);
    for (let i = 0; i < 128; i++) x[Offset.V / 4 + i] = view.getInt32(At.v + 4 * i, true);
    for (let i = 0; i < MEMORY_SIZE; i += 4) this.#ram.setUint32(RECORD_ADDRESS + At.memory + i, view.getUint32(At.memory + i, true), true);
    x[Offset.NZCV / 4] = view.getInt32(At.nzcv, true);
    x[Offset.FPCR / 4] = view.getInt32(At.fpcr, true);
    x[Offset.FPSR / 4] = view.getInt32(At.fpsr, true);
    this.#ram.setUint32(CODE, view.getUint32(At.word, true), true);
    x[Offset.PC / 4] = CODE;
    x[Offset.PC / 4 + 1] = 0;
    this.#cpu.run(undefined, 1);
    view.setUint32(At.signal, x[Offset.PC / 4] === CODE + 4 ? 0 : 4, true);
    for (let i = 0; i < 58; i++) view.setInt32(At.x + 4 * i, x[i]!, true);
    for (let i = 0; i < 128; i++) view.setInt32(At.v + 4 * i, x[Offset.V / 4 + i]!, true);
    for (let i = 0; i < MEMORY_SIZE; i += 4) view.setUint32(At.memory + i, this.#ram.getUint32(RECORD_ADDRESS + At.memory + i, true), true);
    view.setInt32(At.nzcv, x[Offset.NZCV / 4]!, true);
    view.setInt32(At.fpsr, x[Offset.FPSR / 4]!, true);
  }
}

const hexBytes = (view: DataView, at: number, size: number): string =>
  Array.from({ length: size }, (_, i) => view.getUint8(at + size - 1 - i).toString(16).padStart(2, "0")).join("");

/** What differs between two results, beside what went in. */
function describe(name: string, given: DataView, theirs: DataView, ours: DataView): string {
  const word = given.getUint32(At.word, true);
  const lines = [`${name} ${word.toString(16).padStart(8, "0")} fpcr ${hexBytes(given, At.fpcr, 4)} fpsr ${hexBytes(given, At.fpsr, 4)}`];
  const field = (label: string, at: number, size: number): void => {
    const [g, t, o] = [given, theirs, ours].map(v => hexBytes(v, at, size));
    if (t !== o) lines.push(`  ${label}: was ${g}, qemu ${t}, ours ${o}`);
  };
  field("signal", At.signal, 4); field("nzcv", At.nzcv, 4); field("fpsr", At.fpsr, 4);
  for (let r = 0; r < 29; r++) field(`x${r}`, At.x + 8 * r, 8);
  for (let r = 0; r < 32; r++) field(`v${r}`, At.v + 16 * r, 16);
  for (let i = 0; i < MEMORY_SIZE; i += 16) field(`memory+${i}`, At.memory + i, 16);
  for (const r of new Set([word & 31, (word >> 5) & 31, (word >> 16) & 31, (word >> 10) & 31])) lines.push(`  in v${r} ${hexBytes(given, At.v + 16 * r, 16)}`);
  return lines.join("\n");
}

export interface Outcome { cases: number; differences: string[] }

/** Runs a batch of records on both; adds what differs to `outcome`. */
function runBatch(runner: string, model: Model, machine: Machine, given: Uint8Array<ArrayBuffer>, outcome: Outcome): void {
  const [from, to] = [`${runner}.in`, `${runner}.out`]; // files: pipes both ways could block each other
  writeFileSync(from, given);
  writeFileSync(to, "");
  const ran = Bun.spawnSync([QEMU, "-cpu", model, runner], { stdin: Bun.file(from), stdout: Bun.file(to), timeout: 120_000 });
  const theirs = readFileSync(to);
  if (theirs.length !== given.length) throw new Error(`the runner stopped after ${theirs.length / RECORD} cases: ${ran.stderr.toString()}`);
  const ours = given.slice();
  for (let at = 0; at < given.length; at += RECORD) {
    const view = new DataView(ours.buffer, at, RECORD);
    machine.run(view);
    outcome.cases++;
    if (Buffer.compare(ours.subarray(at, at + RECORD), theirs.subarray(at, at + RECORD)) === 0) continue;
    outcome.differences.push(describe(machine.nameOf(view), new DataView(given.buffer, at, RECORD), new DataView(theirs.buffer, theirs.byteOffset + at, RECORD), view));
  }
}

/** Runs `perEncoding` cases of every encoding whose name matches; gives the differences found, one text each. */
export function compare(runner: string, seed: number, perEncoding: number, only: RegExp = /./): Outcome {
  const random = new Random(seed);
  const outcome: Outcome = { cases: 0, differences: [] };
  for (const model of ["cortex-a57", "max"] as const) compareEncodings(runner, model, random, perEncoding, only, outcome);
  return outcome;
}
/** Of the encodings that all cores have under cortex-a57, of the others under max. */
function compareEncodings(runner: string, model: Model, random: Random, perEncoding: number, only: RegExp, outcome: Outcome): void {
  const machine = new Machine(featuresOf[model]), old = new Set(new CoreFeatures(featuresOf["cortex-a57"]).allowed(simdInstructions));
  const entries = simdInstructions.filter(e => only.test(e.name) && (old.has(e) === (model === "cortex-a57") || (model === "max" && /(CVTF_[sv]i|FCVTZS_vi)$/.test(e.name))));
  const group = Math.max(1, Math.floor(20_000 / perEncoding));
  for (let first = 0; first < entries.length; first += group) {
    const part = entries.slice(first, first + group);
    const given = new Uint8Array(part.length * perEncoding * RECORD);
    part.forEach((entry, e) => {
      for (let n = 0; n < perEncoding; n++) {
        const view = new DataView(given.buffer, (e * perEncoding + n) * RECORD, RECORD);
        makeCase(random, entry, view);
        if (model === "max" && random.below(3) === 0) view.setUint32(At.fpcr, view.getUint32(At.fpcr, true) | 0x8_0000, true); // FZ16
      }
    });
    runBatch(runner, model, machine, given, outcome);
  }
}

/** Runs `count` random words of the SIMD, floating-point and cryptographic space: what is unallocated must be so for both. */
export function compareWords(runner: string, seed: number, count: number): Outcome {
  const random = new Random(seed);
  const machine = new Machine(featuresOf["cortex-a57"]);
  const outcome: Outcome = { cases: 0, differences: [] };
  for (let left = count; left > 0; left -= 20_000) {
    const size = Math.min(left, 20_000);
    const given = new Uint8Array(size * RECORD);
    for (let n = 0; n < size; n++) makeWord(random, new DataView(given.buffer, n * RECORD, RECORD));
    runBatch(runner, "cortex-a57", machine, given, outcome);
  }
  return outcome;
}

if (import.meta.main) { // bun test/differential/simd.ts [seed] [cases per encoding] [names, or "words" for any word]
  const [seed = "1", count = "100", names = "."] = process.argv.slice(2);
  const { cases, differences } = withRunner(runner => names === "words"
    ? compareWords(runner, Number(seed), Number(count)) : compare(runner, Number(seed), Number(count), new RegExp(names)));
  const byName = new Map<string, string[]>();
  for (const text of differences) {
    const name = text.split(" ")[0]!;
    byName.set(name, [...(byName.get(name) ?? []), text]);
  }
  for (const [name, texts] of byName) console.log(`${name}: ${texts.length}\n${texts[0]}`);
  console.log(`${cases} cases, ${differences.length} differences`);
}
