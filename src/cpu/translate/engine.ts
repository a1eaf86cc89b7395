// src/cpu/translate/engine.ts — runs a core on generated code: finds or makes the block at PC, enters it, and serves what
// it leaves for.
//
// The life of a block. Key: the RAM page and word where its code stands, and the EL it runs at. The virtual address of
// EL1's is part of the code, so a second alias makes a second block in its place; EL0's finds its page in CODE_BASE and
// serves every mapping. It is found by (1) a direct jump patched in when
// it was first taken — within the page, and across pages for EL1 —, (2) the jump caches in the state, by virtual
// address, (3) the map here, after a page walk. It goes when IC IVAU finds that its words changed, and everything goes
// when code memory or the site table is full. TLBI of a page of code takes it out of (1, from other pages) and (2).
// A change of TTBR0 or ASID changes the tags of the jump caches in the lower half (CONTEXT), so that what a process filled
// is there when it runs again; direct jumps of EL0 never leave their page.
import { CodeMemory, HOST } from "../../../ffi/code.ts";
import { NativeMemory } from "../../../ffi/memory.ts";
import { branch, system } from "../a64/branch.ts";
import { dataImm } from "../a64/data-imm.ts";
import { dataReg } from "../a64/data-reg.ts";
import { half, halfMove } from "../a64/half.ts";
import { loadStore, loadStoreFp } from "../a64/load-store.ts";
import { compile, type Table } from "../a64/pattern.ts";
import { Jump, Next, Stop, type Cpu } from "../interpret/cpu.ts";
import { crypto } from "../a64/crypto.ts";
import { simdFp } from "../a64/simd-fp.ts";
import { simdLoadStore } from "../a64/simd-load-store.ts";
import { simdMove } from "../a64/simd-move.ts";
import { simdThree } from "../a64/simd-three.ts";
import { simdTwo } from "../a64/simd-two.ts";
import { takeInterrupt } from "../exception.ts";
import { Fpcr } from "../fp/format.ts";
import { execute } from "../interpret/hot.ts";
import { Offset, Ready } from "../state.ts";
import { slot } from "../sysreg.ts";
import { Alu, Assembler, CC, Reg, Shift } from "./assembler.ts";
import { BlockTable } from "./blocks.ts";
import { emitBranch, emitSystem } from "./emit-control.ts";
import { emitDataImm, emitDataReg } from "./emit-data.ts";
import { emitLoadStore, emitLoadStoreFp } from "./emit-memory.ts";
import { Constants } from "./constants.ts";
import { emitCounter } from "./counter.ts";
import { emitCrypto } from "./emit-crypto.ts";
import { emitFp } from "./emit-fp.ts";
import { emitHalf, emitHalfMove } from "./emit-half.ts";
import { emitMove } from "./emit-move.ts";
import { emitStructures } from "./emit-structures.ts";
import { emitThree } from "./emit-three.ts";
import { emitTwo } from "./emit-two.ts";
import { faultHandler, HANDLER, HANDLER_END } from "./fault-handler.ts";
import type { CoreFeatures } from "../features.ts";
import { hostFeatures, type HostFeatures } from "./host-features.ts";
import { JumpCaches } from "./jump-caches.ts";
import { emitInvalidate, emitRefill } from "./refill.ts";
import { SiteKind, SiteTable } from "./sites.ts";
import { BLOCK_LIMIT, BUDGET as BUDGET_REGISTER, disp, interpreted, pinned, Translator, type Emitter, type Translation } from "./translator.ts";

const CODE_SIZE = 192 * 1024 * 1024;
/** Words in the pool. */
const POOL = 16 * 1024 * 1024;
/** Room that one block may need. */
const BLOCK_ROOM = 64 * 1024;

const PC = Offset.PC / 4;
const EL = Offset.EL / 4;
const LINES = Offset.LINES / 4;
const NZCV = Offset.NZCV / 4;
const BUDGET = Offset.BUDGET / 4;
const HOST_FLAGS = Offset.HOST_FLAGS / 2;
const READY = Offset.READY / 4;
const MXCSR = Offset.MXCSR / 4;
const FPCR = Offset.FPCR / 4;
const FPSR = Offset.FPSR / 4;
const CONTEXT = Offset.CONTEXT / 4;
const CODE_BASE = Offset.CODE_BASE / 4;
const READY_FPCR = Offset.READY_FPCR / 4;
/** MXCSR with all exceptions masked, no flag set, round to nearest, denormals as they are. */
const MXCSR_CLEAN = 0x1f80;
const TCR = slot.TCR_EL1 / 4, TTBR0 = slot.TTBR0_EL1 / 4, TTBR1 = slot.TTBR1_EL1 / 4;
const TCR_A1 = 1 << 22;
/** Contexts are numbered from 1: all ones are the upper half's. */
const MAX_CONTEXT = 0xfffe;
/** What the common code leaves in eax for an indirect jump that missed; PC is in the state. */
const INDIRECT = -1;
/** Instructions of generated code that take as long as an exit, or as the translation of one instruction: about, and rather too many. */
const EXIT_CHARGE = 64, TRANSLATED_CHARGE = 256;
/** The upper bits of MRS. */
const MRS = 0xd53;
/** What it leaves there after a fault of the host. */
const FAULT = -2;

const READS = /^(B_cond|ADCS?|SBCS?|CCM[NP]_.*|CSEL|CSINC|CSINV|CSNEG|CFINV|AXFLAG|XAFLAG|RMIF|SETF8|SETF16)$/;
/** Done by the interpreter (FP conditions: where FP is not ready), or leaving for an exception that saves PSTATE. */
const READS_SAVED = /^(FCSEL(_h)?|FCCMPE?(_h)?|MRS|MSR_reg|ISB|SVC|HVC|SMC|BRK|HLT|ERET|WFI|MSR_imm|SYSL)$/;
const WRITES = /^(ADDS_.*|SUBS_.*|ANDS_.*|BICS_reg|ADCS|SBCS|CCM[NP]_.*|FCMPE?(_zero)?(_h)?|FCCMPE?(_h)?|CFINV|AXFLAG|XAFLAG|RMIF|SETF8|SETF16|FJCVTZS)$/;
const KEEPS = /^(ADR|ADRP|ADD_imm|SUB_imm|MOVZ|MOVN|CSEL|CSINC|CSINV|CSNEG|HINT|SEVL|DSB|DMB|PRF.*|B|BL|BR|BLR|RET|B_cond)$/;
/** Unless other cores have to be waited for. */
const KEEPS_ALONE = /^DSB$/;
/** With UAO these may do as EL1. */
const UNPRIVILEGED = /^(LDTR|STTR)/;
const ENDS = /^(SVC|HVC|SMC|BRK|HLT|ISB|MSR_imm|WFI)$/;

/** Of a core with these features, which runs among others (`shared`) or alone. */
function translations(features: CoreFeatures, shared: boolean): readonly Translation[] {
  const of = (table: Table, emitters: Readonly<Record<string, unknown>>, ends: (name: string) => boolean = () => false): Translation[] =>
    Object.keys(table).map(name => ({
      ...compile(name, table[name] as string), emit: emitters[name] === interpreted ? undefined : emitters[name] as Emitter | undefined, ends: ends(name),
      readsFlags: READS.test(name) || READS_SAVED.test(name), readsSavedFlags: READS_SAVED.test(name), writesFlags: WRITES.test(name),
      keepsHostFlags: KEEPS.test(name) && !(shared && KEEPS_ALONE.test(name)), system: table === branch || table === system,
    }));
  return features.allowed([
    ...of(branch, emitBranch, () => true),
    ...of(system, emitSystem, name => ENDS.test(name)),
    ...of(dataImm, emitDataImm), ...of(dataReg, emitDataReg), ...of(loadStore, emitLoadStore), ...of(loadStoreFp, emitLoadStoreFp),
    ...of(simdFp, emitFp), ...of(simdThree, emitThree), ...of(simdTwo, emitTwo), ...of(simdMove, emitMove), ...of(crypto, emitCrypto),
    ...of(simdLoadStore, emitStructures), ...of(half, emitHalf), ...of(halfMove, emitHalfMove),
  ]).map(one => (features.has("UAO") && UNPRIVILEGED.test(one.name) ? { ...one, emit: undefined } : one));
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
  readonly #faults: ReturnType<typeof faultHandler>;
  readonly #blocks = new BlockTable();
  readonly #jumps: JumpCaches;
  /** Counts wipes: a block or resume point of an earlier one is gone. */
  #generation = 0;
  /** What was translated since the budget was charged with it. */
  #charge = 0;
  /** For tests and Ctrl-A s. */
  translated = 0;
  exits = 0;
  get churn(): number { return this.exits - this.#reads + this.translated; }
  /** Exits to read a system register, the counter above all: they leave no garbage. */
  #reads = 0;

  private constructor(cpu: Cpu, code: CodeMemory, blockLimit: number, features: HostFeatures) {
    this.#cpu = cpu;
    this.#code = code;
    this.#asm = new Assembler(code);
    this.#jumps = new JumpCaches(cpu.x);
    this.#asm.avx = features.avx;
    const constants = new Constants(code, 0);
    if (constants.end > HANDLER) throw new Error("the constants reach into the fault handler");
    this.#asm.at = HANDLER_END;
    const codeLines = cpu.memory.codeLines.prepare(cpu.memory.views.length);
    this.#translator = new Translator(this.#asm, this.#sites, constants, features, cpu.features, translations(cpu.features, cpu.domain !== undefined), blockLimit, codeLines, cpu.domain !== undefined);
    const { enter, exit, fault, indirect, makeReady } = this.#common(constants.words(MXCSR_CLEAN, 0, 0, 0));
    const ram = cpu.memory.main;
    const refill = [0, 1, 2, 3].map(which => emitRefill(this.#asm, which >> 1, (which & 1) !== 0, ram));
    this.#translator.setCommon(exit, indirect, makeReady, refill, emitInvalidate(this.#asm), emitCounter(this.#asm, cpu.clock));
    this.#enter = code.entry(enter);
    this.#first = this.#asm.at;
    this.#faults = faultHandler(code);
    this.#faults.watch(code.pointer + this.#first, code.pointer + CODE_SIZE, code.pointer + fault);
    this.wipe();
  }
  /**
   * Undefined when the host refuses executable memory or lacks an instruction. With a block limit of 1 every single
   * instruction runs as generated code: for tests that count them. `only`: the host's features, instead of those it has.
   */
  static create(cpu: Cpu, blockLimit: number = BLOCK_LIMIT, only?: HostFeatures): Engine | undefined {
    if (HOST !== "x64") return undefined;
    const code = CodeMemory.allocate(CODE_SIZE);
    const features = code === undefined ? undefined : hostFeatures(code);
    return code === undefined || features === undefined ? undefined : new Engine(cpu, code, blockLimit, only ?? features);
  }

  /** Whether `create` would make one here. */
  static possible(): boolean {
    const code = HOST === "x64" ? CodeMemory.allocate(4096) : undefined;
    return code !== undefined && hostFeatures(code) !== undefined;
  }

  /** The code every block shares: entry, exit, the jumps by address, and what makes SIMD&FP ready. */
  #common(cleanMxcsr: number): { enter: number; exit: number; fault: number; indirect: number; makeReady: number } {
    const asm = this.#asm;
    const saved = [Reg.rbx, Reg.rbp, Reg.r12, Reg.r13, Reg.r14, Reg.r15];
    const enter = asm.at;
    for (const r of saved) asm.push(r);
    asm.mov(1, Reg.rax, Reg.rdi);
    const state = this.#cpu.state.memory.pointer + 0x80;
    asm.constant(Reg.rbp, state % 2 ** 32 | 0, Math.floor(state / 2 ** 32) | 0);
    asm.store(1, Reg.rbp, disp(Offset.HOST_SP), Reg.rsp);
    for (const [guest, host] of pinned) asm.load(1, host, Reg.rbp, disp(8 * guest));
    asm.load(0, BUDGET_REGISTER, Reg.rbp, disp(Offset.BUDGET));
    asm.test8(Reg.rbp, disp(Offset.READY), Ready.fp);
    const unused = asm.jcc(CC.e);
    asm.ldmxcsr(Reg.rbp, disp(Offset.READY_MXCSR));
    asm.patch(unused, asm.at);
    asm.jmpReg(Reg.rax);
    const exit = asm.at;
    asm.test8(Reg.rbp, disp(Offset.READY), Ready.fp);
    const idle = asm.jcc(CC.e);
    asm.stmxcsr(Reg.rbp, disp(Offset.MXCSR));
    asm.aluMemoryImm(Alu.cmp, 0, Reg.rbp, disp(Offset.READY_MXCSR), MXCSR_CLEAN);
    const usual = asm.jcc(CC.e); // TypeScript rounds to nearest too; it does not mind flags
    asm.ldmxcsrConstant(cleanMxcsr);
    asm.patch(usual, asm.at);
    asm.patch(idle, asm.at);
    for (const [guest, host] of pinned) asm.store(1, Reg.rbp, disp(8 * guest), host);
    asm.store(0, Reg.rbp, disp(Offset.BUDGET), BUDGET_REGISTER);
    for (const r of saved.toReversed()) asm.pop(r);
    asm.ret();
    const fault = asm.at;
    asm.constant(Reg.rbp, state % 2 ** 32 | 0, Math.floor(state / 2 ** 32) | 0);
    asm.load(1, Reg.rsp, Reg.rbp, disp(Offset.HOST_SP));
    asm.constant(Reg.rax, FAULT, 0);
    asm.patch(asm.jmp(), exit);
    const indirect = asm.at; // the address in rax is in no jump cache
    asm.store(1, Reg.rbp, disp(Offset.PC), Reg.rax);
    asm.constant(Reg.rax, INDIRECT, 0);
    asm.patch(asm.jmp(), exit);
    // rax = READY, set as CPACR_EL1.FPEN and FPCR allow; clobbers rcx
    const makeReady = asm.at;
    const { rax, rcx, rbp } = Reg;
    asm.load(0, rcx, rbp, disp(slot.CPACR_EL1));
    asm.aluMemoryImm(Alu.cmp, 0, rbp, disp(Offset.EL), 0);
    const el1 = asm.jcc(CC.ne);
    asm.not(0, rcx);
    asm.shift(Shift.shr, 0, rcx, 1); // EL0: both bits of FPEN
    asm.load(0, rax, rbp, disp(slot.CPACR_EL1));
    asm.not(0, rax);
    asm.alu(Alu.or, 0, rcx, rax);
    asm.not(0, rcx);
    asm.patch(el1, asm.at);
    asm.constant(rax, 0, 0);
    asm.testImm(0, rcx, 1 << 20);
    const trapped = asm.jcc(CC.e);
    asm.constant(rax, Ready.simd, 0); // where it stays at that
    asm.load(0, rcx, rbp, disp(Offset.FPCR));
    asm.store(0, rbp, disp(Offset.READY_FPCR), rcx);
    asm.testImm(0, rcx, Fpcr.FZ); // x86 flushes by other rules
    const unsupported = asm.jcc(CC.ne);
    asm.shift(Shift.shr, 0, rcx, Fpcr.RMODE_SHIFT); // up is 1 and down 2; for MXCSR, in bits 14 and 13, the reverse
    asm.mov(0, rax, rcx);
    asm.aluImm(Alu.and, 0, rcx, 1);
    asm.aluImm(Alu.and, 0, rax, 2);
    asm.shift(Shift.shl, 0, rcx, 14);
    asm.shift(Shift.shl, 0, rax, 12);
    asm.alu(Alu.or, 0, rcx, rax);
    asm.aluImm(Alu.or, 0, rcx, MXCSR_CLEAN);
    asm.store(0, rbp, disp(Offset.READY_MXCSR), rcx);
    asm.ldmxcsr(rbp, disp(Offset.READY_MXCSR));
    asm.constant(rax, Ready.simd | Ready.fp, 0);
    asm.load(0, rcx, rbp, disp(Offset.FPCR));
    asm.testImm(0, rcx, Fpcr.FZ16 | Fpcr.AHP);
    const other = asm.jcc(CC.ne);
    asm.aluImm(Alu.or, 0, rax, Ready.half);
    asm.patch(other, asm.at);
    asm.patch(trapped, asm.at);
    asm.patch(unsupported, asm.at);
    asm.store(0, rbp, disp(Offset.READY), rax);
    asm.ret();
    return { enter, exit, fault, indirect, makeReady };
  }

  /** What TypeScript changed since generated code was left may have trapped SIMD&FP, or asked for other arithmetic. */
  #checkReady(): void {
    const cpu = this.#cpu;
    const { x } = cpu;
    x[READY] = cpu.fpTrapped() ? 0 : (x[READY] as number) & (x[FPCR] === x[READY_FPCR] ? Ready.simd | Ready.fp | Ready.half : Ready.simd);
  }

  /**
   * As `execute` of the interpreter: up to `limit` instructions, or up to a block that has more; returns how many. Unless `exact`, fewer
   * where they take long: what TypeScript does is charged to the budget, so that a timer is looked at in time.
   */
  execute(limit: number, exact: boolean): number {
    const cpu = this.#cpu;
    const { x, state } = cpu;
    const flags = state.u16;
    const sites = this.#sites;
    cpu.stopped = false;
    x[BUDGET] = limit;
    let host = -1, end = limit; // the budget at which nothing was executed
    this.#charge = 0;
    for (;;) {
      if (host < 0) {
        if ((x[BUDGET] as number) <= 0 || cpu.debug.armed) return end - (x[BUDGET] as number);
        cpu.progress = end - (x[BUDGET] as number);
        if ((x[LINES] as number) !== 0) takeInterrupt(cpu);
        cpu.progress++; // when it fails that counts
        host = this.#find();
        if (host < 0) { // an abort was taken; it counts, or a vector that cannot be fetched would never end
          x[BUDGET] = (x[BUDGET] as number) - 1;
          continue;
        }
      }
      const nzcv = (x[NZCV] as number) >>> 28;
      flags[HOST_FLAGS] = ((nzcv & 8) << 12) | ((nzcv & 4) << 12) | ((~nzcv & 2) << 7) | (nzcv & 1);
      if ((x[READY] as number) !== 0) this.#checkReady();
      const site = this.#enter(this.#code.pointer + host);
      if (((x[READY] as number) & Ready.fp) !== 0) { // invalid; divide by zero, overflow, underflow, inexact: one bit further up
        const raised = x[MXCSR] as number;
        x[FPSR] = (x[FPSR] as number) | (raised & 1) | ((raised >> 1) & 0x1e);
      }
      const f = flags[HOST_FLAGS] as number;
      x[NZCV] = ((f & 0x8000) << 16) | ((f & 0x4000) << 16) | ((~f & 0x100) << 21) | ((f & 1) << 28);
      host = -1;
      this.exits++;
      if (!exact) {
        const charge = this.#charge + EXIT_CHARGE;
        this.#charge = 0;
        end -= charge;
        x[BUDGET] = (x[BUDGET] as number) - charge;
      }
      if (site === FAULT) throw this.#crash();
      if (site === INDIRECT) {
        // PC as a branch to that address sets it: a tag is removed
        cpu.branchTo(x[PC] as number, x[PC + 1] as number);
        continue;
      }
      const at = ((x[CODE_BASE] as number) >>> 0) + ((sites.lo[site] as number) >>> 0);
      x[PC] = at;
      x[PC + 1] = (x[CODE_BASE + 1] as number) + (sites.hi[site] as number) + (at > 0xffff_ffff ? 1 : 0);
      switch (sites.kind[site]) {
        case SiteKind.budget: {
          const needed = sites.left[site] as number, left = (x[BUDGET] as number) + needed, done = end - left;
          x[BUDGET] = left;
          if (left >= needed || (done > 0 && (left <= 0 || !exact))) return done; // enough left: it was poked
          // fewer left than the block has: one by one
          cpu.progressBefore = done;
          const n = execute(cpu, limit - done);
          cpu.progressBefore = 0;
          return done + n;
        }
        case SiteKind.interpret:
        case SiteKind.unready: {
          const left = sites.left[site] as number;
          const budget: number = (x[BUDGET] as number) + left;
          const word = sites.word[site] as number;
          if (word >>> 20 === MRS) this.#reads++;
          const op = cpu.handlerOf(word);
          const generation = this.#generation;
          cpu.progress = end - budget;
          const result = op.run(cpu, op.f);
          if (result === Next) {
            cpu.advance();
            if (generation === this.#generation && sites.kind[site] === SiteKind.interpret) {
              host = sites.resume[site] as number; // the budget was taken for the whole block already
              continue;
            }
          } else if (result === Stop) {
            x[BUDGET] = budget + 1; // it did not happen yet
            cpu.stopped = true;
            cpu.describe(word);
            return end - (x[BUDGET] as number);
          }
          x[BUDGET] = budget;
          break;
        }
        case SiteKind.look:
          x[BUDGET] = (x[BUDGET] as number) + (sites.left[site] as number);
          break;
        default: { // a link
          const generation = this.#generation;
          cpu.progress = end - (x[BUDGET] as number) + 1; // when it fails that counts
          const found = this.#find();
          if (found < 0) x[BUDGET] = (x[BUDGET] as number) - 1;
          if (found >= 0 && generation === this.#generation) this.#link(site, found);
          host = found;
          if ((x[LINES] as number) !== 0) host = -1;
        }
      }
    }
  }

  /** For comparing engines: flags are saved even where they are dead, so that states can be compared. Before anything runs. */
  saveAllFlags(): void { this.#translator.exactFlags = true; }
  /** The block at PC: its guest code and its host code. Undefined when PC cannot be fetched from. */
  block(): { readonly guest: Int32Array; readonly host: Uint8Array } | undefined {
    if (this.#find() < 0) return undefined;
    const { start, words, length, count } = this.#blocks, from = start[this.#last] as number;
    let end = this.#asm.at;
    for (let i = 0; i < count; i++) if ((start[i] as number) > from && (start[i] as number) < end) end = start[i] as number;
    return { guest: this.#pool.slice(words[this.#last], (words[this.#last] as number) + (length[this.#last] as number)), host: this.#code.bytes.slice(from, end) };
  }
  /** What is known of a fault in generated code: a bug of hv. */
  #crash(): Error {
    const { signal, pc, address, registers } = this.#faults.last;
    const { lo, hi, start, length, words, key, count } = this.#blocks;
    const at = pc - this.#code.pointer;
    let block = -1;
    for (let i = 0; i < count; i++) if ((start[i] as number) <= at && (block < 0 || (start[i] as number) > (start[block] as number))) block = i;
    const hex = (value: number): string => (value >>> 0).toString(16).padStart(8, "0");
    const lines = [`generated code failed: ${signal} at host address 0x${pc.toString(16)}, touching ${address}`, `host: ${registers}`];
    if (block >= 0) {
      const guest = this.#pool.subarray(words[block], (words[block] as number) + (length[block] as number));
      const from = start[block] as number, size = Math.min(2048, Math.max(0, at - from) + 64);
      const index = this.#translator.instructionAt(at - from, guest, (key[block] as number) & 1, lo[block] as number, hi[block] as number);
      const { x } = this.#cpu;
      const low = (lo[block] as number) + (x[CODE_BASE] as number), top = hex((hi[block] as number) + (x[CODE_BASE + 1] as number));
      lines.push(
        `guest pc ${top}${hex(low + 4 * index)}, instruction ${index} of the block at ${top}${hex(low)}, EL${(key[block] as number) & 1}`,
        `guest code: ${[...guest].map(hex).join(" ")}`, `host code from offset ${from}: ${Buffer.from(this.#code.bytes.slice(from, from + size)).toString("hex")}`,
      );
    }
    return new Error(lines.join("\n"));
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
    const ownLo = el === 0 ? lo & 4095 : lo, ownHi = el === 0 ? 0 : hi;
    x[CODE_BASE] = el === 0 ? lo & -4096 : 0;
    x[CODE_BASE + 1] = el === 0 ? hi : 0;
    let block = blocks.find(key);
    if (block < 0 || blocks.lo[block] !== ownLo || blocks.hi[block] !== ownHi) {
      if (block >= 0) this.#drop(block);
      if (this.#asm.at > CODE_SIZE - BLOCK_ROOM || this.#sites.full || blocks.full || this.#pooled > POOL - 8192) this.wipe();
      const start = this.#asm.at;
      this.#translator.alone = cpu.peers.length === 1 && cpu.domain?.crowded !== true;
      let n = this.#translate(ramPage, lo, ownLo, ownHi);
      while (n < 0) { // another core changed the words meanwhile
        this.#asm.at = start;
        n = this.#translate(ramPage, lo, ownLo, ownHi);
      }
      const { looks } = this.#translator, words = this.#pooled;
      this.#pooled += n + looks;
      block = blocks.add(key, ownLo, ownHi, start, words, n, looks);
      this.translated += n;
      this.#charge += n * TRANSLATED_CHARGE;
    }
    const start = blocks.start[block] as number;
    if (el !== 0 && (hi & 0x0080_0000) === 0) this.#low = true;
    this.#jumps.enter(el, lo, hi, this.#code.pointer + start);
    this.#last = block;
    return start;
  }
  /** The block found last. */
  #last = -1;
  /** The page being translated, where other cores may write to it. */
  readonly #copy = new Int32Array(1024);
  /**
   * Translates the block at an address of the core's code page, puts the words it depends on behind the pool's, and marks their
   * lines. Returns its length; -1: they changed after they were read, and whoever did it may not have found them marked.
   */
  #translate(ramPage: number, lo: number, ownLo: number, ownHi: number): number {
    const { code, codeBase, memory: { codeLines }, domain } = this.#cpu, first = (lo & 4095) >>> 2;
    if (domain !== undefined) this.#copy.set(code.subarray(codeBase, codeBase + 1024));
    const words = domain === undefined ? code : this.#copy, base = domain === undefined ? codeBase : 0;
    const n = this.#translator.translate({ words, base }, this.#cpu.x[EL] as number, ownLo, ownHi);
    const { looked, looks } = this.#translator, pool = this.#pool, at = this.#pooled;
    for (let i = 0; i < n; i++) pool[at + i] = words[base + first + i] as number;
    for (let i = 0; i < looks; i++) pool[at + n + i] = looked[i] as number;
    for (let i = first & -16; i < first + n; i += 16) codeLines.add(ramPage, i);
    for (let i = 0; i < looks; i += 2) codeLines.add(ramPage, looked[i] as number);
    if (domain === undefined) return n;
    this.#cpu.fence(); // as IC IVAU has one between the change and its look at the marks
    for (let i = 0; i < n; i++) if (code[codeBase + first + i] !== pool[at + i]) return -1;
    for (let i = 0; i < looks; i += 2) if (code[codeBase + (looked[i] as number)] !== looked[i + 1]) return -1;
    return n;
  }

  /** Patches the jump of a link site so that it goes to the block found last. */
  #link(site: number, target: number): void {
    const sites = this.#sites;
    const end = sites.resume[site] as number;
    if (sites.stub[site] === 0) sites.stub[site] = end + this.#code.view.getInt32(end - 4, true);
    this.#asm.patch(end, target);
    const far = sites.kind[site] === SiteKind.linkFar;
    const incoming = far ? this.#blocks.incomingFar : this.#blocks.incoming;
    if (far && (incoming[this.#last] as number) < 0) this.#reached.push(this.#last);
    sites.next[site] = incoming[this.#last] as number;
    incoming[this.#last] = site;
  }
  /** EL1 has run code of the lower half: its direct jumps, and its tags, rely on the present context. */
  #low = false;
  /** Blocks that jumps of other pages were linked to, since all of those were last cut. */
  #reached: number[] = [];
  /** Cuts a chain of links. */
  #cut(incoming: Int32Array, block: number): void {
    for (let site = incoming[block] as number; site >= 0; site = this.#sites.next[site] as number) this.#unlink(site);
    incoming[block] = -1;
  }
  #unlink(site: number): void { this.#asm.patch(this.#sites.resume[site] as number, this.#sites.stub[site] as number); }
  #clearJump(block: number): void {
    const { lo, key, start } = this.#blocks;
    this.#jumps.forget((key[block] as number) & 1, lo[block] as number, this.#code.pointer + (start[block] as number));
  }
  #drop(block: number): void {
    const blocks = this.#blocks;
    if (!blocks.alive(block)) return;
    this.#cut(blocks.incoming, block);
    this.#cut(blocks.incomingFar, block);
    this.#clearJump(block);
    blocks.kill(block);
  }

  // --- what the core tells ------------------------------------------------------------------------------------------

  /** The translation of a virtual page changed: its blocks are reached only through a new page walk. */
  flushPage(lo: number, hi: number): void {
    const blocks = this.#blocks;
    this.#jumps.forgetPage(lo, hi);
    for (let block = blocks.firstInVirtual(lo, hi); block >= 0; block = blocks.nextInVirtual(block)) this.#cut(blocks.incomingFar, block);
  }
  /** All translations may have changed. */
  flushAll(): void {
    this.#jumps.clear();
    this.#cutReached();
    this.#renumber();
  }
  /** Translations of the lower half may have changed: those of all contexts. */
  flushNonGlobal(): void {
    this.#leaveLow();
    this.#renumber();
  }
  /** The tables of the lower half are others now. */
  switchContext(): void {
    this.#leaveLow();
    this.#enterContext();
  }
  #leaveLow(): void {
    if (!this.#low) return;
    this.#jumps.clearOf(1);
    this.#cutReached();
  }
  #cutReached(): void {
    for (const block of this.#reached) this.#cut(this.#blocks.incomingFar, block);
    this.#reached.length = 0;
    this.#low = false;
  }
  /** Numbers of the contexts that jump caches may know, by table and ASID. */
  readonly #contexts = new Map<number, number>();
  #lastContext = 0;
  #renumber(): void {
    this.#contexts.clear();
    this.#enterContext();
  }
  #enterContext(): void {
    const { x } = this.#cpu;
    const asid = ((x[(((x[TCR] as number) & TCR_A1) !== 0 ? TTBR1 : TTBR0) + 1] as number) >>> 16);
    // by page and ASID, exact up to PA_BITS; bit 0 is CnP. A table elsewhere is a new context each time
    const key = (((x[TTBR0 + 1] as number) & 0xff) * 2 ** 20 + ((x[TTBR0] as number) >>> 12)) * 2 ** 16 + asid;
    const known = ((x[TTBR0] as number) & 0xffe) === 0 && ((x[TTBR0 + 1] as number) & 0xff00) === 0;
    let context = known ? this.#contexts.get(key) : undefined;
    if (context === undefined) {
      if (this.#lastContext === MAX_CONTEXT) {
        this.#lastContext = 0;
        this.#contexts.clear();
        this.#jumps.clear();
      }
      context = ++this.#lastContext;
      if (known) this.#contexts.set(key, context);
    }
    x[CONTEXT] = 0;
    x[CONTEXT + 1] = context << 16;
  }
  /** The instruction cache was told to look at one line (64 bytes) of RAM again. */
  invalidateLine(ramPage: number, offset: number): void {
    const from = (offset & 4095 & -64) >>> 2;
    this.#lookAgain(ramPage, from, from + 16);
  }
  /** The whole instruction cache was invalidated. */
  invalidateAll(): void { for (const page of this.#blocks.ramPages()) this.#lookAgain(page, 0, 1024); }
  /** Drops the blocks of a RAM page that depend on a word from `from` to before `to` that has changed. */
  #lookAgain(ramPage: number, from: number, to: number): void {
    const blocks = this.#blocks, pool = this.#pool;
    const words = this.#cpu.memory.words[ramPage >>> 19] as Int32Array;
    const base = (ramPage & 0x7ffff) * 1024;
    for (let block = -1; (block = blocks.dependent(ramPage, block, from, to)) >= 0;) {
      const first = ((blocks.lo[block] as number) & 4095) >>> 2;
      const length = blocks.length[block] as number, made = blocks.words[block] as number;
      let changed = false;
      for (let i = Math.max(first, from); !changed && i < Math.min(first + length, to); i++) {
        changed = words[base + i] !== pool[made + i - first];
      }
      const beyond = made + length, looked = blocks.looked[block] as number;
      for (let i = beyond; !changed && i < beyond + looked; i += 2) {
        const at = pool[i] as number;
        changed = at >= from && at < to && words[base + at] !== pool[i + 1];
      }
      if (changed) this.#drop(block);
    }
  }
  /** Forgets everything. */
  wipe(): void {
    this.#generation++;
    this.#asm.at = this.#first;
    this.#sites.clear();
    this.#pooled = 0;
    this.#last = -1;
    this.#reached.length = 0;
    this.#blocks.clear();
    this.#cpu.forgetFetched();
    this.#jumps.clear();
  }
}
