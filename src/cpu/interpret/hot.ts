// src/cpu/interpret/hot.ts — the interpreter's inner loop, with the most frequent instruction forms inline.
//
// Memory is read for every instruction; what it holds is found decoded in a table (decoded.ts). Kind 0 calls the
// reference handler (the files beside this one); the other kinds are forms whose operands need no questions (no shift, a
// real destination, an aligned base) and do exactly what the handler would. hot-forms.ts chooses among them. The
// differential tests run with and without them.
//
// PC lives in a local while code runs straight on or jumps within its page; it is stored before anything that may look
// at it: a handler, a slow memory access, the end of the loop.
import { takeInterrupt } from "../exception.ts";
import { ZR } from "../a64/pattern.ts";
import { Offset } from "../state.ts";
import { slot } from "../sysreg.ts";
import { mulHigh32, umulh64 } from "./arithmetic.ts";
import { Jump, Next, Stop, type Cpu } from "./cpu.ts";
import { Kind } from "./hot-forms.ts";
import type { Handler } from "./decoded.ts";

const PC = Offset.PC / 4;
const NZCV = Offset.NZCV / 4;
const LINES = Offset.LINES / 4;
const CPACR = slot.CPACR_EL1 / 4;
const EL = Offset.EL / 4;
const SPSEL = Offset.SPSEL / 4;
const MIN = -0x8000_0000;
const Z = 1 << 30;

/** CONDITIONS[cond << 4 | nzcv] is 1 when the condition holds. ARM DDI 0487, C1.2.4. */
export const CONDITIONS: Uint8Array = new Uint8Array(256);
for (let cond = 0; cond < 16; cond++) {
  for (let nzcv = 0; nzcv < 16; nzcv++) {
    const n = (nzcv & 8) !== 0, z = (nzcv & 4) !== 0, c = (nzcv & 2) !== 0, v = (nzcv & 1) !== 0;
    const base = [z, c, n, v, c && !z, n === v, n === v && !z, true][cond >> 1] as boolean;
    CONDITIONS[(cond << 4) | nzcv] = (cond & 1) !== 0 && cond !== 15 ? Number(!base) : Number(base);
  }
}

/**
 * Executes up to `limit` instructions and returns their number. `cpu.stopped` tells whether an instruction asked to
 * leave the guest (it is not counted).
 */
export function execute(cpu: Cpu, limit: number): number {
  const x = cpu.x;
  const cache = cpu.words.placed;
  const handlers = cpu.words.handlers;
  const views = cpu.memory.views;
  const before = cpu.progressBefore;
  let n = 0;
  cpu.stopped = false;
  while (n < limit) {
    // here after everything that is not a jump within the page: PC stands in the state
    if (cpu.debug.armed) return n;
    cpu.progress = before + n;
    if ((x[LINES] as number) !== 0) takeInterrupt(cpu);
    let pc = x[PC] as number;
    if ((pc & -4093) !== cpu.codeLo || x[PC + 1] !== cpu.codeHi) {
      cpu.progress = before + n + 1; // when it fails that counts
      if (cpu.fetchPage() === Jump) { n++; continue; }
    }
    const code = cpu.code;
    const base = cpu.codeBase;
    const place = cpu.codePlace;
    const tlb = cpu.dataTlb;
    page: for (;;) {
      const word = code[base + ((pc & 4095) >>> 2)] as number;
      const e = place + ((pc & 4095) << 1);
      if (cache[e] !== word) cpu.place(word, e);
      const A = cache[e + 2] as number, B = cache[e + 3] as number, C = cache[e + 4] as number;
      n++;
      switch (cache[e + 1]) {
        // d = A, n = B, m = C: word indexes of the low halves
        case Kind.add64: {
          const a = x[B] as number, lo = (a + (x[C] as number)) | 0;
          x[A + 1] = ((((x[B + 1] as number) + (x[C + 1] as number)) | 0) + ((lo ^ MIN) < (a ^ MIN) ? 1 : 0)) | 0;
          x[A] = lo;
          break;
        }
        case Kind.add64lsl: {
          const by = cache[e + 5] as number;
          const a = x[B] as number, m = x[C] as number, lo = (a + (m << by)) | 0;
          x[A + 1] = ((((x[B + 1] as number) + (((x[C + 1] as number) << by) | (m >>> (32 - by)))) | 0) + ((lo ^ MIN) < (a ^ MIN) ? 1 : 0)) | 0;
          x[A] = lo;
          break;
        }
        case Kind.add64lsr: { // by D, or by 32 + D when E is set
          const by = cache[e + 5] as number, mLo = x[C] as number, mHi = x[C + 1] as number;
          const far = (cache[e + 6] as number) !== 0;
          const a = x[B] as number, lo = (a + (far ? mHi >>> by : (mLo >>> by) | (mHi << (32 - by)))) | 0;
          x[A + 1] = ((((x[B + 1] as number) + (far ? 0 : mHi >>> by)) | 0) + ((lo ^ MIN) < (a ^ MIN) ? 1 : 0)) | 0;
          x[A] = lo;
          break;
        }
        case Kind.add64uxtw: {
          const by = cache[e + 5] as number, m = x[C] as number;
          const a = x[B] as number, lo = (a + (m << by)) | 0;
          x[A + 1] = (x[B + 1] as number) + (by === 0 ? 0 : m >>> (32 - by)) + ((lo ^ MIN) < (a ^ MIN) ? 1 : 0);
          x[A] = lo;
          break;
        }
        case Kind.adc64: {
          const a = x[B] as number, m = x[C] as number, carry = ((x[NZCV] as number) >>> 29) & 1;
          const part = (a + m) | 0, lo = (part + carry) | 0;
          x[A + 1] = (x[B + 1] as number) + (x[C + 1] as number) + ((part ^ MIN) < (a ^ MIN) ? 1 : 0) + (carry !== 0 && lo === 0 ? 1 : 0);
          x[A] = lo;
          break;
        }
        case Kind.nop: break;
        case Kind.add32: x[A] = ((x[B] as number) + (x[C] as number)) | 0; x[A + 1] = 0; break;
        case Kind.sub64: {
          const a = x[B] as number, b = x[C] as number;
          x[A + 1] = ((((x[B + 1] as number) - (x[C + 1] as number)) | 0) - ((a ^ MIN) < (b ^ MIN) ? 1 : 0)) | 0;
          x[A] = (a - b) | 0;
          break;
        }
        case Kind.sub32: x[A] = ((x[B] as number) - (x[C] as number)) | 0; x[A + 1] = 0; break;
        case Kind.subs64: {
          const aLo = x[B] as number, aHi = x[B + 1] as number, bLo = x[C] as number, bHi = x[C + 1] as number;
          const borrow = (aLo ^ MIN) < (bLo ^ MIN) ? 1 : 0;
          const lo = (aLo - bLo) | 0, hi = (((aHi - bHi) | 0) - borrow) | 0;
          const below = aHi === bHi ? borrow : (aHi ^ MIN) < (bHi ^ MIN) ? 1 : 0;
          x[NZCV] = (hi & MIN) | ((lo | hi) === 0 ? Z : 0) | ((1 - below) << 29) | ((((aHi ^ bHi) & (aHi ^ hi)) >>> 31) << 28);
          if (A !== 2 * ZR) { x[A] = lo; x[A + 1] = hi; }
          break;
        }
        case Kind.subs32: {
          const a = x[B] as number, b = x[C] as number, lo = (a - b) | 0;
          x[NZCV] = (lo & MIN) | (lo === 0 ? Z : 0) | ((a ^ MIN) < (b ^ MIN) ? 0 : 1 << 29) | ((((a ^ b) & (a ^ lo)) >>> 31) << 28);
          if (A !== 2 * ZR) { x[A] = lo; x[A + 1] = 0; }
          break;
        }
        case Kind.adds64: {
          const aLo = x[B] as number, aHi = x[B + 1] as number, bHi = x[C + 1] as number;
          const lo = (aLo + (x[C] as number)) | 0;
          const hi = (((aHi + bHi) | 0) + ((lo ^ MIN) < (aLo ^ MIN) ? 1 : 0)) | 0;
          // carry out of the top: both top bits set, or one set and the sum's clear
          const out = ((aHi & bHi) | ((aHi | bHi) & ~hi)) >>> 31;
          x[NZCV] = (hi & MIN) | ((lo | hi) === 0 ? Z : 0) | (out << 29) | ((((aHi ^ hi) & (bHi ^ hi)) >>> 31) << 28);
          if (A !== 2 * ZR) { x[A] = lo; x[A + 1] = hi; }
          break;
        }
        case Kind.and64: x[A] = (x[B] as number) & (x[C] as number); x[A + 1] = (x[B + 1] as number) & (x[C + 1] as number); break;
        case Kind.and32: x[A] = (x[B] as number) & (x[C] as number); x[A + 1] = 0; break;
        case Kind.orr64: x[A] = (x[B] as number) | (x[C] as number); x[A + 1] = (x[B + 1] as number) | (x[C + 1] as number); break;
        case Kind.orr32: x[A] = (x[B] as number) | (x[C] as number); x[A + 1] = 0; break;
        case Kind.eor64: x[A] = (x[B] as number) ^ (x[C] as number); x[A + 1] = (x[B + 1] as number) ^ (x[C + 1] as number); break;
        case Kind.eor32: x[A] = (x[B] as number) ^ (x[C] as number); x[A + 1] = 0; break;
        // d = A, n = B, immediate = C
        case Kind.addImm64: {
          const a = x[B] as number, lo = (a + C) | 0;
          x[A + 1] = ((x[B + 1] as number) + ((lo ^ MIN) < (a ^ MIN) ? 1 : 0)) | 0;
          x[A] = lo;
          break;
        }
        case Kind.subImm64: {
          const a = x[B] as number;
          x[A + 1] = ((x[B + 1] as number) - ((a ^ MIN) < (C ^ MIN) ? 1 : 0)) | 0;
          x[A] = (a - C) | 0;
          break;
        }
        case Kind.addImm32: x[A] = ((x[B] as number) + C) | 0; x[A + 1] = 0; break;
        case Kind.subImm32: x[A] = ((x[B] as number) - C) | 0; x[A + 1] = 0; break;
        case Kind.subsImm64: {
          const aLo = x[B] as number, aHi = x[B + 1] as number;
          const borrow = (aLo ^ MIN) < (C ^ MIN) ? 1 : 0;
          const lo = (aLo - C) | 0, hi = (aHi - borrow) | 0;
          x[NZCV] = (hi & MIN) | ((lo | hi) === 0 ? Z : 0) | (aHi === 0 && borrow !== 0 ? 0 : 1 << 29) | (((aHi & ~hi) >>> 31) << 28);
          if (A !== 2 * ZR) { x[A] = lo; x[A + 1] = hi; }
          break;
        }
        case Kind.subsImm32: {
          const a = x[B] as number, lo = (a - C) | 0;
          x[NZCV] = (lo & MIN) | (lo === 0 ? Z : 0) | ((a ^ MIN) < (C ^ MIN) ? 0 : 1 << 29) | (((a & ~lo) >>> 31) << 28);
          if (A !== 2 * ZR) { x[A] = lo; x[A + 1] = 0; }
          break;
        }
        case Kind.addsImm64: {
          const aLo = x[B] as number, aHi = x[B + 1] as number;
          const lo = (aLo + C) | 0, hi = (aHi + ((lo ^ MIN) < (aLo ^ MIN) ? 1 : 0)) | 0;
          x[NZCV] = (hi & MIN) | ((lo | hi) === 0 ? Z : 0) | (((aHi & ~hi) >>> 31) << 29) | (((~aHi & hi) >>> 31) << 28);
          if (A !== 2 * ZR) { x[A] = lo; x[A + 1] = hi; }
          break;
        }
        case Kind.addsImm32: {
          const a = x[B] as number, lo = (a + C) | 0;
          x[NZCV] = (lo & MIN) | (lo === 0 ? Z : 0) | ((lo ^ MIN) < (a ^ MIN) ? 1 << 29 : 0) | (((~a & lo) >>> 31) << 28);
          if (A !== 2 * ZR) { x[A] = lo; x[A + 1] = 0; }
          break;
        }
        // d = A, n = B, mask = C (low), D (high)
        case Kind.andMask: x[A] = (x[B] as number) & C; x[A + 1] = (x[B + 1] as number) & (cache[e + 5] as number); break;
        case Kind.orrMask: x[A] = (x[B] as number) | C; x[A + 1] = (x[B + 1] as number) | (cache[e + 5] as number); break;
        case Kind.andsMask64: {
          const lo = (x[B] as number) & C, hi = (x[B + 1] as number) & (cache[e + 5] as number);
          x[NZCV] = (hi & MIN) | ((lo | hi) === 0 ? Z : 0);
          if (A !== 2 * ZR) { x[A] = lo; x[A + 1] = hi; }
          break;
        }
        case Kind.andsMask32: {
          const lo = (x[B] as number) & C;
          x[NZCV] = (lo & MIN) | (lo === 0 ? Z : 0);
          if (A !== 2 * ZR) { x[A] = lo; x[A + 1] = 0; }
          break;
        }
        case Kind.constant: x[A] = B; x[A + 1] = C; break;
        case Kind.movk: x[A] = ((x[A] as number) & B) | C; break; // A: the half that changes
        case Kind.lsl64low: {
          const lo = x[B] as number;
          x[A + 1] = (((x[B + 1] as number) << C) | (lo >>> (32 - C))) | 0;
          x[A] = lo << C;
          break;
        }
        case Kind.lsr64low: {
          const hi = x[B + 1] as number;
          x[A] = (((x[B] as number) >>> C) | (hi << (32 - C))) | 0;
          x[A + 1] = (hi >>> C) | 0;
          break;
        }
        case Kind.lsr64high: x[A] = ((x[B + 1] as number) >>> C) | 0; x[A + 1] = 0; break;
        case Kind.ubfm32: x[A] = (((x[B] as number) << C) >>> (cache[e + 5] as number)) | 0; x[A + 1] = 0; break;
        case Kind.sxtw: { const lo = x[B] as number; x[A] = lo; x[A + 1] = lo >> 31; break; }
        // D = the condition, shifted left by 4
        case Kind.csel64: {
          const from = CONDITIONS[(cache[e + 5] as number) | ((x[NZCV] as number) >>> 28)] !== 0 ? B : C;
          const hi = x[from + 1] as number;
          x[A] = x[from] as number;
          x[A + 1] = hi;
          break;
        }
        case Kind.csel32: x[A] = x[CONDITIONS[(cache[e + 5] as number) | ((x[NZCV] as number) >>> 28)] !== 0 ? B : C] as number; x[A + 1] = 0; break;
        case Kind.csinc64: {
          if (CONDITIONS[(cache[e + 5] as number) | ((x[NZCV] as number) >>> 28)] !== 0) {
            const hi = x[B + 1] as number;
            x[A] = x[B] as number;
            x[A + 1] = hi;
          } else {
            const lo = ((x[C] as number) + 1) | 0;
            x[A + 1] = (x[C + 1] as number) + (lo === 0 ? 1 : 0);
            x[A] = lo;
          }
          break;
        }
        case Kind.csinc32:
          x[A] = CONDITIONS[(cache[e + 5] as number) | ((x[NZCV] as number) >>> 28)] !== 0 ? x[B] as number : ((x[C] as number) + 1) | 0;
          x[A + 1] = 0;
          break;
        // n = B, m or the immediate = C, D = the condition, shifted left by 4; E = 1: 64 bits; F = the flags otherwise
        case Kind.ccmpImm:
          if (CONDITIONS[(cache[e + 5] as number) | ((x[NZCV] as number) >>> 28)] === 0) x[NZCV] = cache[e + 7] as number;
          else compare(x, x[B] as number, x[B + 1] as number, C, 0, (cache[e + 6] as number) !== 0);
          break;
        case Kind.ccmpReg:
          if (CONDITIONS[(cache[e + 5] as number) | ((x[NZCV] as number) >>> 28)] === 0) x[NZCV] = cache[e + 7] as number;
          else compare(x, x[B] as number, x[B + 1] as number, x[C] as number, x[C + 1] as number, (cache[e + 6] as number) !== 0);
          break;
        // D = the addend
        case Kind.madd64: {
          const aLo = x[B] as number, bLo = x[C] as number, D = cache[e + 5] as number;
          const hi = (((mulHigh32(aLo, bLo) + Math.imul(aLo, x[C + 1] as number)) | 0) + Math.imul(x[B + 1] as number, bLo)) | 0;
          const d = x[D] as number, lo = (Math.imul(aLo, bLo) + d) | 0;
          x[A + 1] = (((hi + (x[D + 1] as number)) | 0) + ((lo ^ MIN) < (d ^ MIN) ? 1 : 0)) | 0;
          x[A] = lo;
          break;
        }
        case Kind.madd32: x[A] = (Math.imul(x[B] as number, x[C] as number) + (x[cache[e + 5] as number] as number)) | 0; x[A + 1] = 0; break;
        case Kind.umaddl: {
          const aLo = x[B] as number, bLo = x[C] as number, D = cache[e + 5] as number;
          const d = x[D] as number, lo = (Math.imul(aLo, bLo) + d) | 0;
          x[A + 1] = (((mulHigh32(aLo, bLo) + (x[D + 1] as number)) | 0) + ((lo ^ MIN) < (d ^ MIN) ? 1 : 0)) | 0;
          x[A] = lo;
          break;
        }
        case Kind.umulh:
          umulh64(cpu, x[B] as number, x[B + 1] as number, x[C] as number, x[C + 1] as number);
          x[A] = cpu.lo;
          x[A + 1] = cpu.hi;
          break;
        case Kind.adrp: { // B, C: the offset in bytes, low and high
          const a = pc & -4096, lo = (a + B) | 0;
          x[A + 1] = ((((x[PC + 1] as number) + C) | 0) + ((lo ^ MIN) < (a ^ MIN) ? 1 : 0)) | 0;
          x[A] = lo;
          break;
        }

        // A = the byte offset, B = what is tested
        case Kind.bl: {
          const next = (pc + 4) | 0;
          x[60] = next;
          x[61] = (x[PC + 1] as number) + (next === 0 ? 1 : 0);
          if (jump(x, pc, A)) { pc = x[PC] as number; if (n < limit) continue page; }
          break page;
        }
        // d = A, register = B; C: not while SP_EL0 is selected; D: EL0 may
        case Kind.mrs:
          if ((x[EL] === 0 ? cache[e + 5] : C === 0 ? 1 : x[SPSEL]) !== 0 && cpu.onSysreg === undefined && cpu.trapped.size === 0) {
            const hi = x[B + 1] as number;
            x[A] = x[B] as number;
            x[A + 1] = hi;
          } else {
            const r = slow(cpu, x, pc, e, before + n);
            if (r === Stop) return stop(cpu, n, word);
            if (r !== Next) break page;
          }
          break;
        case Kind.br: // A: the register
          cpu.branchTo(x[A] as number, x[A + 1] as number);
          if ((((x[PC] as number) ^ pc) & -4093) === 0 && x[PC + 1] === cpu.codeHi && n < limit) { pc = x[PC] as number; continue page; }
          break page;
        case Kind.b:
          if (jump(x, pc, A)) { pc = x[PC] as number; if (n < limit) continue page; }
          break page;
        case Kind.bcond:
          if (CONDITIONS[B | ((x[NZCV] as number) >>> 28)] === 0) break;
          if (jump(x, pc, A)) { pc = x[PC] as number; if (n < limit) continue page; }
          break page;
        case Kind.cbz64:
          if (((x[B] as number) | (x[B + 1] as number)) !== 0) break;
          if (jump(x, pc, A)) { pc = x[PC] as number; if (n < limit) continue page; }
          break page;
        case Kind.cbnz64:
          if (((x[B] as number) | (x[B + 1] as number)) === 0) break;
          if (jump(x, pc, A)) { pc = x[PC] as number; if (n < limit) continue page; }
          break page;
        case Kind.cbz32:
          if (x[B] !== 0) break;
          if (jump(x, pc, A)) { pc = x[PC] as number; if (n < limit) continue page; }
          break page;
        case Kind.cbnz32:
          if (x[B] === 0) break;
          if (jump(x, pc, A)) { pc = x[PC] as number; if (n < limit) continue page; }
          break page;
        case Kind.tbz:
          if (((x[B] as number) & C) !== 0) break;
          if (jump(x, pc, A)) { pc = x[PC] as number; if (n < limit) continue page; }
          break page;
        case Kind.tbnz:
          if (((x[B] as number) & C) === 0) break;
          if (jump(x, pc, A)) { pc = x[PC] as number; if (n < limit) continue page; }
          break page;

        // t = A, base = B, offset = C, write-back offset = D, bits that must be clear in the base = E (SP alignment),
        // 1 = write back after = F
        case Kind.ldr64: {
          const a = x[B] as number, lo = (a + C) | 0;
          const hi = ((((x[B + 1] as number) + (C >> 31)) | 0) + ((lo ^ MIN) < (a ^ MIN) ? 1 : 0)) | 0;
          const t = tlb + ((lo >>> 12) & 1023) * 8;
          if (x[t] === ((lo + 7) & -4096) && x[t + 1] === hi && (a & (cache[e + 6] as number)) === 0) {
            const ram = x[t + 6] as number, view = views[ram >>> 19] as DataView, at = (ram & 0x7ffff) * 4096 + (lo & 4095);
            if ((cache[e + 7] as number) !== 0) writeBack(x, B, cache[e + 5] as number);
            x[A] = view.getInt32(at, true);
            x[A + 1] = view.getInt32(at + 4, true);
            break;
          }
          const r = slow(cpu, x, pc, e, before + n);
          if (r === Next) break;
          if (r === Stop) return stop(cpu, n, word);
          break page;
        }
        case Kind.ldr32: {
          const a = x[B] as number, lo = (a + C) | 0;
          const hi = ((((x[B + 1] as number) + (C >> 31)) | 0) + ((lo ^ MIN) < (a ^ MIN) ? 1 : 0)) | 0;
          const t = tlb + ((lo >>> 12) & 1023) * 8;
          if (x[t] === ((lo + 3) & -4096) && x[t + 1] === hi && (a & (cache[e + 6] as number)) === 0) {
            const ram = x[t + 6] as number;
            x[A] = (views[ram >>> 19] as DataView).getInt32((ram & 0x7ffff) * 4096 + (lo & 4095), true);
            x[A + 1] = 0;
            break;
          }
          const r = slow(cpu, x, pc, e, before + n);
          if (r === Next) break;
          if (r === Stop) return stop(cpu, n, word);
          break page;
        }
        case Kind.ldr16: {
          const a = x[B] as number, lo = (a + C) | 0;
          const hi = ((((x[B + 1] as number) + (C >> 31)) | 0) + ((lo ^ MIN) < (a ^ MIN) ? 1 : 0)) | 0;
          const t = tlb + ((lo >>> 12) & 1023) * 8;
          if (x[t] === ((lo + 1) & -4096) && x[t + 1] === hi && (a & (cache[e + 6] as number)) === 0) {
            const ram = x[t + 6] as number;
            x[A] = (views[ram >>> 19] as DataView).getUint16((ram & 0x7ffff) * 4096 + (lo & 4095), true);
            x[A + 1] = 0;
            break;
          }
          const r = slow(cpu, x, pc, e, before + n);
          if (r === Next) break;
          if (r === Stop) return stop(cpu, n, word);
          break page;
        }
        case Kind.ldr8: {
          const a = x[B] as number, lo = (a + C) | 0;
          const hi = ((((x[B + 1] as number) + (C >> 31)) | 0) + ((lo ^ MIN) < (a ^ MIN) ? 1 : 0)) | 0;
          const t = tlb + ((lo >>> 12) & 1023) * 8;
          if (x[t] === (lo & -4096) && x[t + 1] === hi && (a & (cache[e + 6] as number)) === 0) {
            const ram = x[t + 6] as number;
            const value = (views[ram >>> 19] as DataView).getUint8((ram & 0x7ffff) * 4096 + (lo & 4095));
            if ((cache[e + 7] as number) !== 0) writeBack(x, B, cache[e + 5] as number);
            x[A] = value;
            x[A + 1] = 0;
            break;
          }
          const r = slow(cpu, x, pc, e, before + n);
          if (r === Next) break;
          if (r === Stop) return stop(cpu, n, word);
          break page;
        }
        case Kind.str64: {
          const a = x[B] as number, lo = (a + C) | 0;
          const hi = ((((x[B + 1] as number) + (C >> 31)) | 0) + ((lo ^ MIN) < (a ^ MIN) ? 1 : 0)) | 0;
          const t = tlb + ((lo >>> 12) & 1023) * 8;
          if (x[t + 2] === ((lo + 7) & -4096) && x[t + 3] === hi && (a & (cache[e + 6] as number)) === 0) {
            const ram = x[t + 6] as number, view = views[ram >>> 19] as DataView, at = (ram & 0x7ffff) * 4096 + (lo & 4095);
            view.setInt32(at, x[A] as number, true);
            view.setInt32(at + 4, x[A + 1] as number, true);
            if ((cache[e + 7] as number) !== 0) writeBack(x, B, cache[e + 5] as number);
            break;
          }
          const r = slow(cpu, x, pc, e, before + n);
          if (r === Next) break;
          if (r === Stop) return stop(cpu, n, word);
          break page;
        }
        case Kind.str32: {
          const a = x[B] as number, lo = (a + C) | 0;
          const hi = ((((x[B + 1] as number) + (C >> 31)) | 0) + ((lo ^ MIN) < (a ^ MIN) ? 1 : 0)) | 0;
          const t = tlb + ((lo >>> 12) & 1023) * 8;
          if (x[t + 2] === ((lo + 3) & -4096) && x[t + 3] === hi && (a & (cache[e + 6] as number)) === 0) {
            const ram = x[t + 6] as number;
            (views[ram >>> 19] as DataView).setInt32((ram & 0x7ffff) * 4096 + (lo & 4095), x[A] as number, true);
            break;
          }
          const r = slow(cpu, x, pc, e, before + n);
          if (r === Next) break;
          if (r === Stop) return stop(cpu, n, word);
          break page;
        }
        case Kind.str16: {
          const a = x[B] as number, lo = (a + C) | 0;
          const hi = ((((x[B + 1] as number) + (C >> 31)) | 0) + ((lo ^ MIN) < (a ^ MIN) ? 1 : 0)) | 0;
          const t = tlb + ((lo >>> 12) & 1023) * 8;
          if (x[t + 2] === ((lo + 1) & -4096) && x[t + 3] === hi && (a & (cache[e + 6] as number)) === 0) {
            const ram = x[t + 6] as number;
            (views[ram >>> 19] as DataView).setInt16((ram & 0x7ffff) * 4096 + (lo & 4095), x[A] as number, true);
            break;
          }
          const r = slow(cpu, x, pc, e, before + n);
          if (r === Next) break;
          if (r === Stop) return stop(cpu, n, word);
          break page;
        }
        case Kind.str8: {
          const a = x[B] as number, lo = (a + C) | 0;
          const hi = ((((x[B + 1] as number) + (C >> 31)) | 0) + ((lo ^ MIN) < (a ^ MIN) ? 1 : 0)) | 0;
          const t = tlb + ((lo >>> 12) & 1023) * 8;
          if (x[t + 2] === (lo & -4096) && x[t + 3] === hi && (a & (cache[e + 6] as number)) === 0) {
            const ram = x[t + 6] as number;
            (views[ram >>> 19] as DataView).setInt8((ram & 0x7ffff) * 4096 + (lo & 4095), x[A] as number);
            if ((cache[e + 7] as number) !== 0) writeBack(x, B, cache[e + 5] as number);
            break;
          }
          const r = slow(cpu, x, pc, e, before + n);
          if (r === Next) break;
          if (r === Stop) return stop(cpu, n, word);
          break page;
        }
        // t = A, base = B, index = C, shift = D (64-bit index, LSL)
        case Kind.ldr64reg: {
          const by = cache[e + 5] as number, m = x[C] as number, a = x[B] as number, lo = (a + (m << by)) | 0;
          const hi = ((((((x[B + 1] as number) + ((x[C + 1] as number) << by)) | 0) + (by === 0 ? 0 : m >>> (32 - by))) | 0) + ((lo ^ MIN) < (a ^ MIN) ? 1 : 0)) | 0;
          const t = tlb + ((lo >>> 12) & 1023) * 8;
          if (x[t] === ((lo + 7) & -4096) && x[t + 1] === hi && (a & (cache[e + 6] as number)) === 0) {
            const ram = x[t + 6] as number, view = views[ram >>> 19] as DataView, at = (ram & 0x7ffff) * 4096 + (lo & 4095);
            x[A] = view.getInt32(at, true);
            x[A + 1] = view.getInt32(at + 4, true);
            break;
          }
          const r = slow(cpu, x, pc, e, before + n);
          if (r === Next) break;
          if (r === Stop) return stop(cpu, n, word);
          break page;
        }
        case Kind.ldr32reg: {
          const by = cache[e + 5] as number, m = x[C] as number, a = x[B] as number, lo = (a + (m << by)) | 0;
          const hi = ((((((x[B + 1] as number) + ((x[C + 1] as number) << by)) | 0) + (by === 0 ? 0 : m >>> (32 - by))) | 0) + ((lo ^ MIN) < (a ^ MIN) ? 1 : 0)) | 0;
          const t = tlb + ((lo >>> 12) & 1023) * 8;
          if (x[t] === ((lo + 3) & -4096) && x[t + 1] === hi && (a & (cache[e + 6] as number)) === 0) {
            const ram = x[t + 6] as number;
            x[A] = (views[ram >>> 19] as DataView).getInt32((ram & 0x7ffff) * 4096 + (lo & 4095), true);
            x[A + 1] = 0;
            break;
          }
          const r = slow(cpu, x, pc, e, before + n);
          if (r === Next) break;
          if (r === Stop) return stop(cpu, n, word);
          break page;
        }
        case Kind.ldr8reg: {
          const m = x[C] as number, a = x[B] as number, lo = (a + m) | 0;
          const hi = ((((x[B + 1] as number) + (x[C + 1] as number)) | 0) + ((lo ^ MIN) < (a ^ MIN) ? 1 : 0)) | 0;
          const t = tlb + ((lo >>> 12) & 1023) * 8;
          if (x[t] === (lo & -4096) && x[t + 1] === hi && (a & (cache[e + 6] as number)) === 0) {
            const ram = x[t + 6] as number;
            x[A] = (views[ram >>> 19] as DataView).getUint8((ram & 0x7ffff) * 4096 + (lo & 4095));
            x[A + 1] = 0;
            break;
          }
          const r = slow(cpu, x, pc, e, before + n);
          if (r === Next) break;
          if (r === Stop) return stop(cpu, n, word);
          break page;
        }
        case Kind.ldr8uxtw: {
          const a = x[B] as number, lo = (a + (x[C] as number)) | 0;
          const hi = ((x[B + 1] as number) + ((lo ^ MIN) < (a ^ MIN) ? 1 : 0)) | 0;
          const t = tlb + ((lo >>> 12) & 1023) * 8;
          if (x[t] === (lo & -4096) && x[t + 1] === hi && (a & (cache[e + 6] as number)) === 0) {
            const ram = x[t + 6] as number;
            x[A] = (views[ram >>> 19] as DataView).getUint8((ram & 0x7ffff) * 4096 + (lo & 4095));
            x[A + 1] = 0;
            break;
          }
          const r = slow(cpu, x, pc, e, before + n);
          if (r === Next) break;
          if (r === Stop) return stop(cpu, n, word);
          break page;
        }
        case Kind.str64reg: {
          const by = cache[e + 5] as number, m = x[C] as number, a = x[B] as number, lo = (a + (m << by)) | 0;
          const hi = ((((((x[B + 1] as number) + ((x[C + 1] as number) << by)) | 0) + (by === 0 ? 0 : m >>> (32 - by))) | 0) + ((lo ^ MIN) < (a ^ MIN) ? 1 : 0)) | 0;
          const t = tlb + ((lo >>> 12) & 1023) * 8;
          if (x[t + 2] === ((lo + 7) & -4096) && x[t + 3] === hi && (a & (cache[e + 6] as number)) === 0) {
            const ram = x[t + 6] as number, view = views[ram >>> 19] as DataView, at = (ram & 0x7ffff) * 4096 + (lo & 4095);
            view.setInt32(at, x[A] as number, true);
            view.setInt32(at + 4, x[A + 1] as number, true);
            break;
          }
          const r = slow(cpu, x, pc, e, before + n);
          if (r === Next) break;
          if (r === Stop) return stop(cpu, n, word);
          break page;
        }
        case Kind.str32reg: {
          const by = cache[e + 5] as number, m = x[C] as number, a = x[B] as number, lo = (a + (m << by)) | 0;
          const hi = ((((((x[B + 1] as number) + ((x[C + 1] as number) << by)) | 0) + (by === 0 ? 0 : m >>> (32 - by))) | 0) + ((lo ^ MIN) < (a ^ MIN) ? 1 : 0)) | 0;
          const t = tlb + ((lo >>> 12) & 1023) * 8;
          if (x[t + 2] === ((lo + 3) & -4096) && x[t + 3] === hi && (a & (cache[e + 6] as number)) === 0) {
            const ram = x[t + 6] as number;
            (views[ram >>> 19] as DataView).setInt32((ram & 0x7ffff) * 4096 + (lo & 4095), x[A] as number, true);
            break;
          }
          const r = slow(cpu, x, pc, e, before + n);
          if (r === Next) break;
          if (r === Stop) return stop(cpu, n, word);
          break page;
        }
        case Kind.str8reg: {
          const m = x[C] as number, a = x[B] as number, lo = (a + m) | 0;
          const hi = ((((x[B + 1] as number) + (x[C + 1] as number)) | 0) + ((lo ^ MIN) < (a ^ MIN) ? 1 : 0)) | 0;
          const t = tlb + ((lo >>> 12) & 1023) * 8;
          if (x[t + 2] === (lo & -4096) && x[t + 3] === hi && (a & (cache[e + 6] as number)) === 0) {
            const ram = x[t + 6] as number;
            (views[ram >>> 19] as DataView).setInt8((ram & 0x7ffff) * 4096 + (lo & 4095), x[A] as number);
            break;
          }
          const r = slow(cpu, x, pc, e, before + n);
          if (r === Next) break;
          if (r === Stop) return stop(cpu, n, word);
          break page;
        }
        // t = A, base = B, offset = C, write-back offset = D (0: none), SP mask = E, second register = F
        case Kind.str8uxtw: {
          const a = x[B] as number, lo = (a + (x[C] as number)) | 0;
          const hi = ((x[B + 1] as number) + ((lo ^ MIN) < (a ^ MIN) ? 1 : 0)) | 0;
          const t = tlb + ((lo >>> 12) & 1023) * 8;
          if (x[t + 2] === (lo & -4096) && x[t + 3] === hi && (a & (cache[e + 6] as number)) === 0) {
            const ram = x[t + 6] as number;
            (views[ram >>> 19] as DataView).setInt8((ram & 0x7ffff) * 4096 + (lo & 4095), x[A] as number);
            break;
          }
          const r = slow(cpu, x, pc, e, before + n);
          if (r === Next) break;
          if (r === Stop) return stop(cpu, n, word);
          break page;
        }
        // t = A, base = B, offset = C, write-back offset = D (0: none), SP mask = E, second register = F
        case Kind.ldp64: {
          const a = x[B] as number, lo = (a + C) | 0;
          const hi = ((((x[B + 1] as number) + (C >> 31)) | 0) + ((lo ^ MIN) < (a ^ MIN) ? 1 : 0)) | 0;
          const t = tlb + ((lo >>> 12) & 1023) * 8;
          if (x[t] === ((lo + 15) & -4096) && x[t + 1] === hi && (a & (cache[e + 6] as number)) === 0) {
            const ram = x[t + 6] as number, view = views[ram >>> 19] as DataView, at = (ram & 0x7ffff) * 4096 + (lo & 4095);
            if ((cache[e + 5] as number) !== 0) writeBack(x, B, cache[e + 5] as number);
            const u = cache[e + 7] as number;
            x[A] = view.getInt32(at, true);
            x[A + 1] = view.getInt32(at + 4, true);
            x[u] = view.getInt32(at + 8, true);
            x[u + 1] = view.getInt32(at + 12, true);
            break;
          }
          const r = slow(cpu, x, pc, e, before + n);
          if (r === Next) break;
          if (r === Stop) return stop(cpu, n, word);
          break page;
        }
        case Kind.stp64: {
          const a = x[B] as number, lo = (a + C) | 0;
          const hi = ((((x[B + 1] as number) + (C >> 31)) | 0) + ((lo ^ MIN) < (a ^ MIN) ? 1 : 0)) | 0;
          const t = tlb + ((lo >>> 12) & 1023) * 8;
          if (x[t + 2] === ((lo + 15) & -4096) && x[t + 3] === hi && (a & (cache[e + 6] as number)) === 0) {
            const ram = x[t + 6] as number, view = views[ram >>> 19] as DataView, at = (ram & 0x7ffff) * 4096 + (lo & 4095);
            const u = cache[e + 7] as number;
            view.setInt32(at, x[A] as number, true);
            view.setInt32(at + 4, x[A + 1] as number, true);
            view.setInt32(at + 8, x[u] as number, true);
            view.setInt32(at + 12, x[u + 1] as number, true);
            if ((cache[e + 5] as number) !== 0) writeBack(x, B, cache[e + 5] as number);
            break;
          }
          const r = slow(cpu, x, pc, e, before + n);
          if (r === Next) break;
          if (r === Stop) return stop(cpu, n, word);
          break page;
        }

        case Kind.stp128: {
          const a = x[B] as number, lo = (a + C) | 0;
          const hi = ((((x[B + 1] as number) + (C >> 31)) | 0) + ((lo ^ MIN) < (a ^ MIN) ? 1 : 0)) | 0;
          const t = tlb + ((lo >>> 12) & 1023) * 8;
          if (x[t + 2] === ((lo + 31) & -4096) && x[t + 3] === hi && (a & (cache[e + 6] as number)) === 0 && (x[CPACR] as number) >>> 20 === 3) {
            const ram = x[t + 6] as number, view = views[ram >>> 19] as DataView, at = (ram & 0x7ffff) * 4096 + (lo & 4095);
            const u = cache[e + 7] as number;
            for (let i = 0; i < 4; i++) {
              view.setInt32(at + 4 * i, x[A + i] as number, true);
              view.setInt32(at + 16 + 4 * i, x[u + i] as number, true);
            }
            break;
          }
          const r = slow(cpu, x, pc, e, before + n);
          if (r === Next) break;
          if (r === Stop) return stop(cpu, n, word);
          break page;
        }

        default: {
          x[PC] = pc;
          cpu.progress = before + n;
          const op = handlers[A] as Handler;
          const r = op.run(cpu, op.f);
          if (r === Next) break;
          if (r === Stop) return stop(cpu, n, word);
          break page;
        }
      }
      pc = (pc + 4) | 0;
      if ((pc & 4095) !== 0 && n < limit) continue;
      x[PC] = pc;
      if (pc === 0) x[PC + 1] = ((x[PC + 1] as number) + 1) | 0;
      break;
    }
  }
  return n;
}

/** Runs the reference handler in place of an inline form whose fast case does not hold. */
function slow(cpu: Cpu, x: Int32Array, pc: number, e: number, progress: number): number {
  x[PC] = pc;
  cpu.progress = progress;
  const op = cpu.handlerOf(cpu.words.placed[e] as number);
  return op.run(cpu, op.f);
}
function stop(cpu: Cpu, n: number, word: number): number {
  cpu.stopped = true;
  cpu.describe(word);
  return n - 1;
}
/** PC = pc + offset. True when the target lies in the same page. */
function jump(x: Int32Array, pc: number, offset: number): boolean {
  const lo = (pc + offset) | 0;
  x[PC] = lo;
  if (((lo ^ pc) & -4096) === 0) return true;
  const carry = (lo ^ MIN) < (pc ^ MIN) ? 1 : 0;
  x[PC + 1] = ((((x[PC + 1] as number) + (offset >> 31)) | 0) + carry) | 0;
  return false;
}
/** NZCV = the flags of a - b. */
function compare(x: Int32Array, aLo: number, aHi: number, bLo: number, bHi: number, wide: boolean): void {
  const lo = (aLo - bLo) | 0, borrow = (aLo ^ MIN) < (bLo ^ MIN) ? 1 : 0;
  if (!wide) {
    x[NZCV] = (lo & MIN) | (lo === 0 ? Z : 0) | ((1 - borrow) << 29) | ((((aLo ^ bLo) & (aLo ^ lo)) >>> 31) << 28);
    return;
  }
  const hi = (((aHi - bHi) | 0) - borrow) | 0;
  const below = aHi === bHi ? borrow : (aHi ^ MIN) < (bHi ^ MIN) ? 1 : 0;
  x[NZCV] = (hi & MIN) | ((lo | hi) === 0 ? Z : 0) | ((1 - below) << 29) | ((((aHi ^ bHi) & (aHi ^ hi)) >>> 31) << 28);
}
function writeBack(x: Int32Array, base: number, offset: number): void {
  const a = x[base] as number, lo = (a + offset) | 0;
  x[base + 1] = ((((x[base + 1] as number) + (offset >> 31)) | 0) + ((lo ^ MIN) < (a ^ MIN) ? 1 : 0)) | 0;
  x[base] = lo;
}
