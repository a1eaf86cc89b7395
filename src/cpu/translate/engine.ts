// src/cpu/translate/engine.ts — runs a core on generated code: finds or makes the block at PC, enters it, and serves what
// it leaves for.
//
// The life of a block. Key: the RAM page and word where its code stands, and the EL it runs at; its virtual address is
// part of the code, so a second alias makes a second block in its place. It is found by (1) a direct jump patched in when
// it was first taken — within the page, and across pages for EL1 —, (2) the jump caches in the state, by virtual
// address, (3) the map here, after a page walk. It goes when IC IVAU finds that its words changed, and everything goes
// when code memory or the site table is full. TLBI of a page of code takes it out of (1, from other pages) and (2).
// A change of TTBR0 or ASID empties EL0's jump cache; direct jumps of EL0 never leave their page.
import { CodeMemory, HOST } from "../../../ffi/code.ts";
import { NativeMemory } from "../../../ffi/memory.ts";
import { branch, system } from "../a64/branch.ts";
import { dataImm } from "../a64/data-imm.ts";
import { dataReg } from "../a64/data-reg.ts";
import { loadStore, loadStoreFp } from "../a64/load-store.ts";
import { compile, type Table } from "../a64/pattern.ts";
import { Jump, Next, Stop, type Cpu } from "../interpret/cpu.ts";
import { execute } from "../interpret/hot.ts";
import { simdInstructions } from "../interpret/simd-instructions.ts";
import { Offset } from "../state.ts";
import { Alu, Assembler, CC, Reg, Shift } from "./assembler.ts";
import { BlockTable } from "./blocks.ts";
import { emitBranch, emitSystem } from "./emit-control.ts";
import { emitDataImm, emitDataReg } from "./emit-data.ts";
import { emitLoadStore, emitLoadStoreFp } from "./emit-memory.ts";
import { emitSimd } from "./emit-simd.ts";
import { SiteKind, SiteTable } from "./sites.ts";
import { BLOCK_LIMIT, disp, pinned, Translator, type Emitter, type Translation } from "./translator.ts";

const CODE_SIZE = 64 * 1024 * 1024;
/** Words in the pool. */
const POOL = 4 * 1024 * 1024;
/** Room that one block may need. */
const BLOCK_ROOM = 64 * 1024;

const PC = Offset.PC / 4;
const EL = Offset.EL / 4;
const LINES = Offset.LINES / 4;
const NZCV = Offset.NZCV / 4;
const BUDGET = Offset.BUDGET / 4;
const HOST_FLAGS = Offset.HOST_FLAGS / 2;
const JUMP = [{ at: Offset.JUMP_EL0 / 4, entries: 4096 }, { at: Offset.JUMP_EL1 / 4, entries: 16384 }] as const;
/** What the common code leaves in eax for an indirect jump that missed; PC is in the state. */
const INDIRECT = -1;

const READS = /^(B_cond|ADCS?|SBCS?|CCM[NP]_.*|CSEL|CSINC|CSINV|CSNEG)$/;
/** Done by the interpreter, or leaving for an exception that saves PSTATE. */
const READS_SAVED = /^(MRS|MSR_reg|ISB|SVC|HVC|SMC|BRK|HLT|ERET|WFI|MSR_imm|SYSL)$/;
const WRITES = /^(ADDS_.*|SUBS_.*|ANDS_.*|BICS_reg|ADCS|SBCS|CCM[NP]_.*)$/;
const KEEPS = /^(ADR|ADRP|ADD_imm|SUB_imm|MOVZ|MOVN|CSEL|CSINC|CSINV|CSNEG|HINT|SEV|SEVL|DSB|DMB|PRF.*|B|BL|BR|BLR|RET|B_cond)$/;
const ENDS = /^(SVC|HVC|SMC|BRK|HLT|ISB|MSR_imm|WFI)$/;

function translations(): Translation[] {
  const of = (table: Table, emitters: Readonly<Record<string, unknown>>, ends: (name: string) => boolean): Translation[] =>
    Object.keys(table).map(name => ({
      ...compile(name, table[name] as string), emit: emitters[name] as Emitter | undefined, ends: ends(name),
      readsFlags: READS.test(name) || READS_SAVED.test(name), readsSavedFlags: READS_SAVED.test(name), writesFlags: WRITES.test(name), keepsHostFlags: KEEPS.test(name),
    }));
  return [
    ...of(branch, emitBranch, () => true),
    ...of(system, emitSystem, name => ENDS.test(name)),
    ...of(dataImm, emitDataImm, () => false),
    ...of(dataReg, emitDataReg, () => false),
    ...of(loadStore, emitLoadStore, () => false),
    ...of(loadStoreFp, emitLoadStoreFp, () => false),
    ...simdInstructions.map(({ handle: _, ...e }) => {
      const emit = (emitSimd as Readonly<Record<string, unknown>>)[e.name] as Emitter | undefined;
      const flags = emit === undefined; // FCMP and its kin: the interpreter writes NZCV to the state
      return { ...e, emit, ends: false, readsFlags: flags, readsSavedFlags: flags, writesFlags: false, keepsHostFlags: false };
    }),
  ];
}

export class Engine {
  readonly #cpu: Cpu;
  readonly #code: CodeMemory;
  readonly #asm: Assembler;
  readonly #sites = new SiteTable();
  /** Copies of the words that blocks depend on. */
  readonly #pool: Int32Array = new Int32Array(NativeMemory.allocate(POOL * 4).window(0));
  #pooled = 0;
  readonly #translator: Translator;
  readonly #enter: (host: number) => number;
  readonly #first: number;
  readonly #blocks = new BlockTable();
  /** Counts wipes: a block or resume point of an earlier one is gone. */
  #generation = 0;
  /** For tests and Ctrl-A s. */
  translated = 0;
  exits = 0;

  private constructor(cpu: Cpu, code: CodeMemory, blockLimit: number) {
    this.#cpu = cpu;
    this.#code = code;
    this.#asm = new Assembler(code);
    this.#translator = new Translator(this.#asm, this.#sites, translations(), blockLimit);
    const { enter, exit, indirect } = this.#common();
    this.#translator.setCommon(exit, indirect);
    this.#enter = code.entry(enter);
    this.#first = this.#asm.at;
    this.wipe();
  }
  /**
   * Undefined when the host refuses executable memory or lacks an instruction. With a block limit of 1 every single
   * instruction runs as generated code: for tests that count them.
   */
  static create(cpu: Cpu, blockLimit: number = BLOCK_LIMIT): Engine | undefined {
    if (HOST !== "x64") return undefined;
    const code = CodeMemory.allocate(CODE_SIZE);
    if (code === undefined || !hasLzcnt(code)) return undefined;
    return new Engine(cpu, code, blockLimit);
  }

  /** The code every block shares: entry, exit, and the jumps by address. */
  #common(): { enter: number; exit: number; indirect: readonly number[] } {
    const asm = this.#asm;
    const saved = [Reg.rbx, Reg.rbp, Reg.r12, Reg.r13, Reg.r14, Reg.r15];
    const enter = asm.at;
    for (const r of saved) asm.push(r);
    asm.mov(1, Reg.rax, Reg.rdi);
    const state = this.#cpu.state.memory.pointer + 0x80;
    asm.constant(Reg.rbp, state % 2 ** 32 | 0, Math.floor(state / 2 ** 32) | 0);
    for (const [guest, host] of pinned) asm.load(1, host, Reg.rbp, disp(8 * guest));
    asm.jmpReg(Reg.rax);
    const exit = asm.at;
    for (const [guest, host] of pinned) asm.store(1, Reg.rbp, disp(8 * guest), host);
    for (const r of saved.toReversed()) asm.pop(r);
    asm.ret();
    const indirect = JUMP.map(({ at, entries }) => {
      const start = asm.at;
      asm.mov(0, Reg.rcx, Reg.rax);
      asm.shift(Shift.shl, 0, Reg.rcx, 2);
      asm.aluImm(Alu.and, 0, Reg.rcx, (entries - 1) * 16);
      asm.aluLoadIndexed(Alu.cmp, 1, Reg.rax, Reg.rbp, Reg.rcx, disp(at * 4));
      const miss = asm.jcc(CC.ne);
      asm.jmpIndexed(Reg.rbp, Reg.rcx, disp(at * 4 + 8));
      asm.patch(miss, asm.at);
      asm.store(1, Reg.rbp, disp(Offset.PC), Reg.rax);
      asm.constant(Reg.rax, INDIRECT, 0);
      asm.patch(asm.jmp(), exit);
      return start;
    });
    return { enter, exit, indirect };
  }

  /** As `execute` of the interpreter: up to about `limit` instructions; returns how many. */
  execute(limit: number): number {
    const cpu = this.#cpu;
    const { x, state } = cpu;
    const flags = state.u16;
    const sites = this.#sites;
    cpu.stopped = false;
    x[BUDGET] = limit;
    let host = -1;
    for (;;) {
      if (host < 0) {
        if ((x[BUDGET] as number) <= 0) return limit - (x[BUDGET] as number);
        if ((x[LINES] as number) !== 0) cpu.takeInterrupt();
        host = this.#find();
        if (host < 0) { // an abort was taken; it counts, or a vector that cannot be fetched would never end
          x[BUDGET] = (x[BUDGET] as number) - 1;
          continue;
        }
      }
      const nzcv = (x[NZCV] as number) >>> 28;
      flags[HOST_FLAGS] = ((nzcv & 8) << 12) | ((nzcv & 4) << 12) | ((~nzcv & 2) << 7) | (nzcv & 1);
      const site = this.#enter(this.#code.pointer + host);
      const f = flags[HOST_FLAGS] as number;
      x[NZCV] = ((f & 0x8000) << 16) | ((f & 0x4000) << 16) | ((~f & 0x100) << 21) | ((f & 1) << 28);
      host = -1;
      this.exits++;
      if (site === INDIRECT) {
        // PC as a branch to that address sets it: a tag is removed
        cpu.branchTo(x[PC] as number, x[PC + 1] as number);
        continue;
      }
      x[PC] = sites.lo[site] as number;
      x[PC + 1] = sites.hi[site] as number;
      switch (sites.kind[site]) {
        case SiteKind.budget: {
          x[BUDGET] = (x[BUDGET] as number) + (sites.left[site] as number);
          const left = x[BUDGET] as number;
          if (left <= 0) return limit - left;
          // fewer left than the block has: one by one
          const n = execute(cpu, left);
          return limit - left + n;
        }
        case SiteKind.interpret: {
          const left = sites.left[site] as number;
          const budget: number = (x[BUDGET] as number) + left;
          const word = sites.word[site] as number;
          const op = cpu.handlerOf(word);
          const generation = this.#generation;
          const result = op.run(cpu, op.f);
          if (result === Next) {
            cpu.advance();
            if (generation === this.#generation) {
              host = sites.resume[site] as number; // the budget was taken for the whole block already
              continue;
            }
          } else if (result === Stop) {
            x[BUDGET] = budget + 1; // it did not happen yet
            cpu.stopped = true;
            cpu.describe(word);
            return limit - (x[BUDGET] as number);
          }
          x[BUDGET] = budget;
          break;
        }
        case SiteKind.look:
          x[BUDGET] = (x[BUDGET] as number) + (sites.left[site] as number);
          break;
        default: { // a link
          const generation = this.#generation;
          const found = this.#find();
          if (found < 0) x[BUDGET] = (x[BUDGET] as number) - 1;
          if (found >= 0 && generation === this.#generation) this.#link(site, found);
          host = found;
          if ((x[LINES] as number) !== 0) host = -1;
        }
      }
    }
  }

  /** Host offset of the block at PC, made when there is none; -1 when fetching aborted. Enters it into the jump cache. */
  #find(): number {
    const cpu = this.#cpu;
    const { x } = cpu;
    if (cpu.fetchPage() === Jump) return -1;
    const lo = x[PC] as number, hi = x[PC + 1] as number, el = x[EL] as number;
    const ramPage = cpu.codePage;
    const key = (ramPage * 1024 + ((lo & 4095) >>> 2)) * 2 + el;
    const blocks = this.#blocks;
    let block = blocks.find(key);
    if (block < 0 || blocks.lo[block] !== lo || blocks.hi[block] !== hi) {
      if (block >= 0) this.#drop(block);
      if (this.#asm.at > CODE_SIZE - BLOCK_ROOM || this.#sites.full || blocks.full || this.#pooled > POOL - 1024) this.wipe();
      const start = this.#asm.at;
      const n = this.#translator.translate({ words: cpu.code, base: cpu.codeBase }, el, lo, hi);
      const first = cpu.codeBase + ((lo & 4095) >>> 2);
      const { looked } = this.#translator;
      const words = this.#pooled;
      this.#pool.set(cpu.code.subarray(first, first + n), words);
      this.#pool.set(looked, words + n);
      this.#pooled += n + looked.length;
      block = blocks.add(key, lo, hi, start, words, n, looked.length);
      this.translated += n;
    }
    const { at, entries } = JUMP[el] as { at: number; entries: number };
    const slot = at + ((lo >>> 2) & (entries - 1)) * 4;
    const start = blocks.start[block] as number;
    const target = this.#code.pointer + start;
    x[slot] = lo;
    x[slot + 1] = hi;
    x[slot + 2] = target % 2 ** 32 | 0;
    x[slot + 3] = Math.floor(target / 2 ** 32) | 0;
    this.#last = block;
    return start;
  }
  /** The block found last. */
  #last = -1;

  /** Patches the jump of a link site so that it goes to the block found last. */
  #link(site: number, target: number): void {
    const sites = this.#sites;
    const end = sites.resume[site] as number;
    if (sites.stub[site] === 0) sites.stub[site] = end + this.#code.view.getInt32(end - 4, true);
    this.#asm.patch(end, target);
    const { incoming } = this.#blocks;
    sites.next[site] = incoming[this.#last] as number;
    incoming[this.#last] = site;
  }
  #unlink(site: number): void { this.#asm.patch(this.#sites.resume[site] as number, this.#sites.stub[site] as number); }
  #clearJump(block: number): void {
    const { lo, hi, key } = this.#blocks;
    const { at, entries } = JUMP[(key[block] as number) & 1] as { at: number; entries: number };
    const slot = at + (((lo[block] as number) >>> 2) & (entries - 1)) * 4;
    const { x } = this.#cpu;
    if (x[slot] === lo[block] && x[slot + 1] === hi[block]) x[slot] = 1; // no address of code
  }
  #drop(block: number): void {
    const blocks = this.#blocks;
    if (!blocks.alive(block)) return;
    for (let site = blocks.incoming[block] as number; site >= 0; site = this.#sites.next[site] as number) this.#unlink(site);
    blocks.incoming[block] = -1;
    this.#clearJump(block);
    blocks.kill(block);
  }

  // --- what the core tells ------------------------------------------------------------------------------------------

  /** The translation of a virtual page changed: its blocks are reached only through a new page walk. */
  flushPage(lo: number, hi: number): void {
    const blocks = this.#blocks;
    for (let block = blocks.firstInVirtual(lo, hi); block >= 0; block = blocks.nextInVirtual(block)) this.#unreach(block);
  }
  #unreach(block: number): void {
    const { incoming } = this.#blocks;
    if (!this.#blocks.alive(block)) return;
    this.#clearJump(block);
    let kept = -1;
    for (let site = incoming[block] as number, next: number; site >= 0; site = next) {
      next = this.#sites.next[site] as number;
      if (this.#sites.kind[site] === SiteKind.linkFar) this.#unlink(site);
      else {
        this.#sites.next[site] = kept;
        kept = site;
      }
    }
    incoming[block] = kept;
  }
  /** All translations may have changed. */
  flushAll(): void {
    this.#clearJumps(0);
    this.#clearJumps(1);
    this.#blocks.forEach(block => this.#unreach(block));
  }
  /** Translations that belong to an ASID may have changed; EL1 code in the lower half counts as such. */
  flushNonGlobal(): void {
    this.#clearJumps(0);
    if (this.#lowEl1) this.flushAll();
  }
  get #lowEl1(): boolean { return this.#cpu.el === 1 && (this.#cpu.pcHi & 0x0080_0000) === 0; }
  #clearJumps(el: 0 | 1): void {
    const { at, entries } = JUMP[el];
    this.#cpu.x.fill(1, at, at + entries * 4);
  }
  /** The instruction cache was told to look at one line (64 bytes) of RAM again. */
  invalidateLine(ramPage: number, offset: number): void {
    const blocks = this.#blocks;
    const from = (offset & 4095 & -64) >>> 2;
    const words = this.#cpu.memory.words[ramPage >>> 19] as Int32Array;
    const base = (ramPage & 0x7ffff) * 1024;
    for (let block = blocks.firstInRam(ramPage); block >= 0; block = blocks.nextInRam(block)) {
      const first = ((blocks.lo[block] as number) & 4095) >>> 2;
      const length = blocks.length[block] as number, made = blocks.words[block] as number;
      let changed = false;
      for (let i = Math.max(first, from); !changed && i < Math.min(first + length, from + 16); i++) {
        changed = words[base + i] !== this.#pool[made + i - first];
      }
      const beyond = made + length, looked = blocks.looked[block] as number;
      for (let i = beyond; !changed && i < beyond + looked; i += 2) {
        const at = this.#pool[i] as number;
        changed = at >= from && at < from + 16 && words[base + at] !== this.#pool[i + 1];
      }
      if (changed) this.#drop(block);
    }
  }
  /** The whole instruction cache was invalidated. */
  invalidateAll(): void {
    for (const page of this.#blocks.ramPages()) for (let line = 0; line < 4096; line += 64) this.invalidateLine(page, line);
  }
  /** Forgets everything. */
  wipe(): void {
    this.#generation++;
    this.#asm.at = this.#first;
    this.#sites.clear();
    this.#pooled = 0;
    this.#last = -1;
    this.#blocks.clear();
    this.#clearJumps(0);
    this.#clearJumps(1);
  }
}

/** LZCNT decodes as BSR on hosts that lack it: try. */
function hasLzcnt(code: CodeMemory): boolean {
  const asm = new Assembler(code);
  asm.lzcnt(1, Reg.rax, Reg.rdi);
  asm.ret();
  return code.entry(0)(1) === 63;
}
