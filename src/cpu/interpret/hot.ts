// src/cpu/interpret/hot.ts — the interpreter's inner loop, with the most frequent instruction forms inline.
//
// A decoded word is eight 32-bit cells of one table, found by a hash of the word: the word, a kind, six operands. Memory
// is read for every instruction, so nothing here can go stale. Kind 0 calls the reference handler (the files beside this
// one); the other kinds are forms whose operands need no questions (no shift, a real destination, an aligned base) and
// do exactly what the handler would. The differential tests run with and without them.
//
// PC lives in a local while code runs straight on or jumps within its page; it is stored before anything that may look
// at it: a handler, a slow memory access, the end of the loop.
import { ZR } from "../a64/pattern.ts";
import { Offset } from "../state.ts";
import { bitMask, mulHigh32, umulh64 } from "./arithmetic.ts";
import { Jump, Next, Stop, type Cpu } from "./cpu.ts";

/** log2 of the table's size in words. */
export const CACHE_BITS = 17;
/** Cells per decoded word: word, kind, operands A to F. */
export const CELLS = 8;

const PC = Offset.PC / 4;
const NZCV = Offset.NZCV / 4;
const LINES = Offset.LINES / 4;
const MIN = -0x8000_0000;
const Z = 1 << 30;

const Kind = {
  general: 0,
  add64: 1, add64lsl: 2, add32: 3, sub64: 4, sub32: 5, subs64: 6, subs32: 7, adds64: 8,
  and64: 9, and32: 10, orr64: 11, orr32: 12, eor64: 13, eor32: 14,
  addImm64: 15, subImm64: 16, addImm32: 17, subImm32: 18, subsImm64: 19, subsImm32: 20,
  andMask: 21, andsMask64: 22, andsMask32: 23, orrMask: 24, constant: 25, movk: 26,
  lsl64low: 27, lsr64low: 28, lsr64high: 29, ubfm32: 30, sxtw: 31,
  csel64: 32, csel32: 33, csinc64: 34, csinc32: 35, madd64: 36, madd32: 37, umulh: 38, adrp: 39,
  b: 40, bl: 41, bcond: 42, cbz64: 43, cbnz64: 44, cbz32: 45, cbnz32: 46, tbz: 47, tbnz: 48,
  ldr64: 49, ldr32: 50, ldr16: 51, ldr8: 52, str64: 53, str32: 54, str16: 55, str8: 56,
  ldr64reg: 57, ldr32reg: 58, ldr8reg: 59, str64reg: 60, ldp64: 61, stp64: 62, umaddl: 63,
  nop: 64, add64lsr: 65, add64uxtw: 66, addsImm64: 67, addsImm32: 68, adc64: 69, br: 70,
} as const;

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
  const cache = cpu.decoded;
  const handlers = cpu.handlers;
  const views = cpu.memory.views;
  let n = 0;
  cpu.stopped = false;
  while (n < limit) {
    // here after everything that is not a jump within the page: PC stands in the state
    if ((x[LINES] as number) !== 0) cpu.takeInterrupt();
    let pc = x[PC] as number;
    if ((pc & -4093) !== cpu.codeLo || x[PC + 1] !== cpu.codeHi) {
      if (cpu.fetchPage() === Jump) { n++; continue; }
    }
    const code = cpu.code;
    const base = cpu.codeBase;
    const tlb = cpu.dataTlb;
    page: for (;;) {
      const word = code[base + ((pc & 4095) >>> 2)] as number;
      let e = (Math.imul(word, 0x9e37_79b1) >>> (32 - CACHE_BITS)) * CELLS;
      if (cache[e] !== word) e = cpu.lookUp(word);
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
          const r = slow(cpu, x, pc, e);
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
          const r = slow(cpu, x, pc, e);
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
          const r = slow(cpu, x, pc, e);
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
          const r = slow(cpu, x, pc, e);
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
          const r = slow(cpu, x, pc, e);
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
          const r = slow(cpu, x, pc, e);
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
          const r = slow(cpu, x, pc, e);
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
          const r = slow(cpu, x, pc, e);
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
          const r = slow(cpu, x, pc, e);
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
          const r = slow(cpu, x, pc, e);
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
          const r = slow(cpu, x, pc, e);
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
          const r = slow(cpu, x, pc, e);
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
          const r = slow(cpu, x, pc, e);
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
          const r = slow(cpu, x, pc, e);
          if (r === Next) break;
          if (r === Stop) return stop(cpu, n, word);
          break page;
        }

        default: {
          x[PC] = pc;
          const op = handlers[e >>> 3] as Handler;
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

/** A reference handler with its fields. */
export interface Handler {
  readonly run: (cpu: Cpu, f: never) => 0 | 1 | 2;
  readonly f: never;
}

/** Runs the reference handler in place of an inline form whose fast case does not hold. */
function slow(cpu: Cpu, x: Int32Array, pc: number, e: number): number {
  x[PC] = pc;
  const op = cpu.handlers[e >>> 3] as Handler;
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
function writeBack(x: Int32Array, base: number, offset: number): void {
  const a = x[base] as number, lo = (a + offset) | 0;
  x[base + 1] = ((((x[base + 1] as number) + (offset >> 31)) | 0) + ((lo ^ MIN) < (a ^ MIN) ? 1 : 0)) | 0;
  x[base] = lo;
}

// --- the choice --------------------------------------------------------------------------------------------------

type Fields = Readonly<Record<string, number>>;
const out = new Int32Array(CELLS);
const form = (kind: number, a: number, b = 0, c = 0, d = 0, e = 0, f = 0): Int32Array => {
  out[1] = kind; out[2] = a; out[3] = b; out[4] = c; out[5] = d; out[6] = e; out[7] = f;
  return out;
};

/** Kind and operands of a decoded instruction (cells 1 to 7 of the result, valid until the next call); kind 0 if none fits. */
export function hotForm(cpu: Cpu, name: string, fields: Fields): Int32Array {
  const get = (letter: string): number => fields[letter] ?? 0;
  const d = 2 * get("d"), n = 2 * get("n"), m = 2 * get("m"), wide = get("f") === 1;
  const real = get("d") !== ZR;
  const shifted = get("i") !== 0;
  const three = (kind64: number, kind32: number): Int32Array =>
    real && !shifted ? form(wide ? kind64 : kind32, d, n, m) : form(Kind.general, 0);
  const relative = (bits: number): number => (get("i") << (32 - bits)) >> (30 - bits);
  const immediate = get("h") === 1 ? get("i") << 12 : get("i");
  const mask = (kind64: number, kind32: number, to: number): Int32Array =>
    (!wide && get("e") !== 0) || !bitMask(cpu, get("e"), get("r"), get("i")) ? form(Kind.general, 0)
      : form(wide ? kind64 : kind32, to, n, cpu.lo, wide ? cpu.hi : 0);
  const N = 2 * get("N"), t = 2 * get("t");
  const sp = get("N") === 31 ? 15 : 0;
  const access = (kinds: readonly number[], offset: number): Int32Array => form(kinds[get("g")] as number, t, N, offset, 0, sp, 0);
  const loads = [Kind.ldr8, Kind.ldr16, Kind.ldr32, Kind.ldr64], stores = [Kind.str8, Kind.str16, Kind.str32, Kind.str64];
  const load = (offset: number): Int32Array => (get("t") === ZR ? form(Kind.general, 0) : access(loads, offset));
  const pair = (kind: number, offset: boolean, back: boolean): Int32Array => {
    const by = ((get("i") << 25) >> 25) * 8;
    if (get("g") !== 1 || (kind === Kind.ldp64 && (get("t") === ZR || get("u") === ZR))) return form(Kind.general, 0);
    if (back && (by === 0 || get("t") === get("N") || get("u") === get("N"))) return form(Kind.general, 0);
    return form(kind, t, N, offset ? by : 0, back ? by : 0, sp, 2 * get("u"));
  };
  /** Write-back forms of 64-bit and byte accesses. */
  const indexed = (kinds: readonly number[], isLoad: boolean, before: boolean): Int32Array => {
    const by = (get("i") << 23) >> 23;
    const g = get("g");
    if ((g !== 3 && g !== 0) || get("t") === get("N") || (isLoad && get("t") === ZR)) return form(Kind.general, 0);
    return form(kinds[g] as number, t, N, before ? by : 0, by, sp, 1);
  };
  const register = (kinds: readonly number[], isLoad: boolean): Int32Array => {
    const kind = kinds[get("g")] as number;
    if (kind === 0 || get("e") !== 3 || (isLoad && get("t") === ZR)) return form(Kind.general, 0);
    return form(kind, t, N, m, get("h") === 1 ? get("g") : 0, sp, 0);
  };
  const unscaled = (get("i") << 23) >> 23;
  switch (name) {
    case "ADD_reg":
      if (wide && real && get("h") === 0 && get("i") > 0 && get("i") < 32) return form(Kind.add64lsl, d, n, m, get("i"));
      if (wide && real && get("h") === 1 && get("i") > 0) return form(Kind.add64lsr, d, n, m, get("i") & 31, get("i") >>> 5);
      return get("h") === 3 ? form(Kind.general, 0) : three(Kind.add64, Kind.add32);
    case "ADD_ext": return wide && get("o") === 2 && get("i") < 5 ? form(Kind.add64uxtw, 2 * get("D"), N, m, get("i")) : form(Kind.general, 0);
    case "ADC": return wide && real ? form(Kind.adc64, d, n, m) : form(Kind.general, 0);
    case "ADDS_imm": return form(wide ? Kind.addsImm64 : Kind.addsImm32, d, N, immediate);
    case "HINT": return form(Kind.nop, 0);
    case "RET":
    case "BR": return form(Kind.br, n);
    case "SUB_reg": return get("h") === 3 ? form(Kind.general, 0) : three(Kind.sub64, Kind.sub32);
    case "SUBS_reg": return get("h") === 3 || shifted ? form(Kind.general, 0) : form(wide ? Kind.subs64 : Kind.subs32, d, n, m);
    case "ADDS_reg": return get("h") === 3 || shifted || !wide ? form(Kind.general, 0) : form(Kind.adds64, d, n, m);
    case "AND_reg": return three(Kind.and64, Kind.and32);
    case "ORR_reg": return three(Kind.orr64, Kind.orr32);
    case "EOR_reg": return three(Kind.eor64, Kind.eor32);
    case "ADD_imm": return form(wide ? Kind.addImm64 : Kind.addImm32, 2 * get("D"), N, immediate);
    case "SUB_imm": return form(wide ? Kind.subImm64 : Kind.subImm32, 2 * get("D"), N, immediate);
    case "SUBS_imm": return form(wide ? Kind.subsImm64 : Kind.subsImm32, d, N, immediate);
    case "AND_imm": return mask(Kind.andMask, Kind.andMask, 2 * get("D"));
    case "ORR_imm": return wide ? mask(Kind.orrMask, Kind.orrMask, 2 * get("D")) : form(Kind.general, 0);
    case "ANDS_imm": return mask(Kind.andsMask64, Kind.andsMask32, d);
    case "MOVZ":
    case "MOVN": {
      const h = get("h");
      if (!real || (!wide && h > 1)) return form(Kind.general, 0);
      const lo = h < 2 ? get("i") << (16 * h) : 0, hi = h < 2 ? 0 : get("i") << (16 * h - 32);
      return name === "MOVZ" ? form(Kind.constant, d, lo, hi) : form(Kind.constant, d, ~lo, wide ? ~hi : 0);
    }
    case "MOVK": {
      const by = 16 * (get("h") & 1);
      return !real || !wide ? form(Kind.general, 0) : form(Kind.movk, get("h") < 2 ? d : d + 1, ~(0xffff << by), get("i") << by);
    }
    case "UBFM": {
      const r = get("r"), i = get("i");
      if (!real || get("e") !== get("f")) return form(Kind.general, 0);
      if (!wide) return ((r | i) & 32) !== 0 ? form(Kind.general, 0) : form(Kind.ubfm32, d, n, 31 - i, i >= r ? 31 - i + r : r - i - 1);
      if (i === 63 && r > 0 && r < 32) return form(Kind.lsr64low, d, n, r);
      if (i === 63 && r >= 32) return form(Kind.lsr64high, d, n, r - 32);
      if (i !== 63 && i + 1 === r && 63 - i < 32) return form(Kind.lsl64low, d, n, 63 - i);
      return i >= r && i < 32 ? form(Kind.ubfm32, d, n, 31 - i, 31 - i + r) : form(Kind.general, 0);
    }
    case "SBFM": return real && wide && get("e") === 1 && get("r") === 0 && get("i") === 31 ? form(Kind.sxtw, d, n) : form(Kind.general, 0);
    case "CSEL": return real ? form(wide ? Kind.csel64 : Kind.csel32, d, n, m, get("c") << 4) : form(Kind.general, 0);
    case "CSINC": return real ? form(wide ? Kind.csinc64 : Kind.csinc32, d, n, m, get("c") << 4) : form(Kind.general, 0);
    case "MADD": return real ? form(wide ? Kind.madd64 : Kind.madd32, d, n, m, 2 * get("a")) : form(Kind.general, 0);
    case "UMADDL": return real ? form(Kind.umaddl, d, n, m, 2 * get("a")) : form(Kind.general, 0);
    case "UMULH": return real ? form(Kind.umulh, d, n, m) : form(Kind.general, 0);
    case "ADRP": {
      const pages = ((get("i") << 13) >> 11) | get("j");
      return real ? form(Kind.adrp, d, pages << 12, pages >> 20) : form(Kind.general, 0);
    }
    case "B": return form(Kind.b, relative(26));
    case "BL": return form(Kind.bl, relative(26));
    case "B_cond": return form(Kind.bcond, relative(19), get("c") << 4);
    case "CBZ": return form(wide ? Kind.cbz64 : Kind.cbz32, relative(19), t);
    case "CBNZ": return form(wide ? Kind.cbnz64 : Kind.cbnz32, relative(19), t);
    case "TBZ": return form(Kind.tbz, relative(14), t + (get("b") >>> 5), 1 << (get("b") & 31));
    case "TBNZ": return form(Kind.tbnz, relative(14), t + (get("b") >>> 5), 1 << (get("b") & 31));
    case "LDR_imm": return load(get("i") << get("g"));
    case "STR_imm": return access(stores, get("i") << get("g"));
    case "LDUR": return load(unscaled);
    case "STUR": return access(stores, unscaled);
    case "LDR_post": return indexed(loads, true, false);
    case "LDR_pre": return indexed(loads, true, true);
    case "STR_post": return indexed(stores, false, false);
    case "STR_pre": return indexed(stores, false, true);
    case "LDR_reg": return register([Kind.ldr8reg, 0, Kind.ldr32reg, Kind.ldr64reg], true);
    case "STR_reg": return register([0, 0, 0, Kind.str64reg], false);
    case "LDP_off":
    case "LDNP": return pair(Kind.ldp64, true, false);
    case "STP_off":
    case "STNP": return pair(Kind.stp64, true, false);
    case "LDP_post": return pair(Kind.ldp64, false, true);
    case "STP_post": return pair(Kind.stp64, false, true);
    case "LDP_pre": return pair(Kind.ldp64, true, true);
    case "STP_pre": return pair(Kind.stp64, true, true);
    default: return form(Kind.general, 0);
  }
}
