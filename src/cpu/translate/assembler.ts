// src/cpu/translate/assembler.ts — x86-64 instructions as bytes, written straight into executable memory.
// Spec: Intel SDM vol. 2, ch. 2 (formats) and the opcode maps. Only the forms that the translator emits.
// `w` is 1 for 64-bit operands, 0 for 32-bit ones (which clear the upper half of a register).
import type { CodeMemory } from "../../../ffi/code.ts";

export const Reg = {
  rax: 0, rcx: 1, rdx: 2, rbx: 3, rsp: 4, rbp: 5, rsi: 6, rdi: 7, r8: 8, r9: 9, r10: 10, r11: 11, r12: 12, r13: 13, r14: 14, r15: 15,
} as const;
/** Two-operand arithmetic, by the number in its opcodes. */
export const Alu = { add: 0, or: 1, adc: 2, sbb: 3, and: 4, sub: 5, xor: 6, cmp: 7 } as const;
export const Shift = { rol: 0, ror: 1, shl: 4, shr: 5, sar: 7 } as const;
/** Condition codes of Jcc, SETcc, CMOVcc. */
export const CC = { o: 0, no: 1, b: 2, ae: 3, e: 4, ne: 5, be: 6, a: 7, s: 8, ns: 9, p: 10, np: 11, l: 12, ge: 13, le: 14, g: 15 } as const;

/** Without a REX prefix, byte registers 4 to 7 would be AH, CH, DH, BH. */
const byteNeedsRex = (r: number): boolean => r >= 4 && r < 8;

export class Assembler {
  readonly #code: CodeMemory;
  readonly #bytes: Uint8Array;
  /** Offset of the next byte. */
  at = 0;
  constructor(code: CodeMemory) {
    this.#code = code;
    this.#bytes = code.bytes;
  }

  byte(b: number): void { this.#bytes[this.at++] = b; }
  u32(v: number): void {
    this.#code.view.setInt32(this.at, v, true);
    this.at += 4;
  }
  /** Rewrites the rel32 that ends at `end` so that it leads to `target`. */
  patch(end: number, target: number): void { this.#code.view.setInt32(end - 4, target - end, true); }

  #rex(w: number, reg: number, index: number, base: number, force = false): void {
    const rex = (w << 3) | ((reg >> 3) << 2) | ((index >> 3) << 1) | (base >> 3);
    if (rex !== 0 || force) this.byte(0x40 | rex);
  }
  #modRM(reg: number, rm: number): void { this.byte(0xc0 | ((reg & 7) << 3) | (rm & 7)); }
  /** ModRM, SIB and displacement of [base + disp]. */
  #memory(reg: number, base: number, disp: number): void {
    const small = disp >= -128 && disp <= 127;
    this.byte((small ? 0x40 : 0x80) | ((reg & 7) << 3) | (base & 7));
    if ((base & 7) === 4) this.byte(0x24);
    if (small) this.byte(disp);
    else this.u32(disp);
  }
  /** ModRM, SIB and displacement of [base + index * 2^scale + disp]. */
  #indexed(reg: number, base: number, index: number, scale: number, disp: number): void {
    const small = disp >= -128 && disp <= 127;
    this.byte((small ? 0x44 : 0x84) | ((reg & 7) << 3));
    this.byte((scale << 6) | ((index & 7) << 3) | (base & 7));
    if (small) this.byte(disp);
    else this.u32(disp);
  }

  // --- moves ---
  mov(w: number, to: number, from: number): void { this.#rex(w, from, 0, to); this.byte(0x89); this.#modRM(from, to); }
  load(w: number, to: number, base: number, disp: number): void { this.#rex(w, to, 0, base); this.byte(0x8b); this.#memory(to, base, disp); }
  store(w: number, base: number, disp: number, from: number): void { this.#rex(w, from, 0, base); this.byte(0x89); this.#memory(from, base, disp); }
  store8(base: number, disp: number, from: number): void { this.#rex(0, from, 0, base, byteNeedsRex(from)); this.byte(0x88); this.#memory(from, base, disp); }
  store16(base: number, disp: number, from: number): void { this.byte(0x66); this.#rex(0, from, 0, base); this.byte(0x89); this.#memory(from, base, disp); }
  /** [base + disp] = imm32, sign-extended when w is 1. */
  storeImm(w: number, base: number, disp: number, imm: number): void { this.#rex(w, 0, 0, base); this.byte(0xc7); this.#memory(0, base, disp); this.u32(imm); }
  /** A constant given as two signed halves, in the shortest form. Leaves the flags alone. */
  constant(to: number, lo: number, hi: number): void {
    if (hi === 0) { this.#rex(0, 0, 0, to); this.byte(0xb8 | (to & 7)); this.u32(lo); }
    else if (hi === -1 && lo < 0) { this.#rex(1, 0, 0, to); this.byte(0xc7); this.#modRM(0, to); this.u32(lo); }
    else { this.#rex(1, 0, 0, to); this.byte(0xb8 | (to & 7)); this.u32(lo); this.u32(hi); }
  }
  /** Zero- or sign-extending loads of 1 << log2 bytes; `signed` 1 or 0. */
  extend(w: number, log2: number, signed: number, to: number, base: number, disp: number): void {
    if (log2 === 3 || (log2 === 2 && signed === 0)) { this.load(log2 === 3 ? 1 : 0, to, base, disp); return; }
    this.#rex(w, to, 0, base);
    if (log2 === 2) this.byte(0x63);
    else { this.byte(0x0f); this.byte((signed !== 0 ? 0xbe : 0xb6) | log2); }
    this.#memory(to, base, disp);
  }
  /** The same from a register. */
  extendReg(w: number, log2: number, signed: number, to: number, from: number): void {
    if (log2 === 2 && signed === 0) { this.mov(0, to, from); return; }
    this.#rex(w, to, 0, from, log2 === 0 && byteNeedsRex(from));
    if (log2 === 2) this.byte(0x63);
    else { this.byte(0x0f); this.byte((signed !== 0 ? 0xbe : 0xb6) | log2); }
    this.#modRM(to, from);
  }
  /** to = [base + (index << scale) + disp]. */
  loadIndexed(w: number, to: number, base: number, index: number, scale: number, disp: number): void {
    this.#rex(w, to, index, base); this.byte(0x8b); this.#indexed(to, base, index, scale, disp);
  }
  storeIndexed(w: number, base: number, index: number, disp: number, from: number): void {
    this.#rex(w, from, index, base); this.byte(0x89); this.#indexed(from, base, index, 0, disp);
  }
  /** to = the byte at [base + index + disp], zero-extended. */
  extendIndexed(w: number, to: number, base: number, index: number, disp: number): void {
    this.#rex(w, to, index, base); this.byte(0x0f); this.byte(0xb6); this.#indexed(to, base, index, 0, disp);
  }
  lea(w: number, to: number, base: number, disp: number): void { this.#rex(w, to, 0, base); this.byte(0x8d); this.#memory(to, base, disp); }
  /** to = from turned right (BMI2); to = ~a & b (BMI1). Both need the host's `bmi`. RORX keeps EFLAGS. */
  rorx(w: number, to: number, from: number, by: number): void {
    this.byte(0xc4); this.byte((to > 7 ? 0 : 0x80) | 0x40 | (from > 7 ? 0 : 0x20) | 3); this.byte((w << 7) | 0x7b); this.byte(0xf0);
    this.#modRM(to, from); this.byte(by);
  }
  rorxLoad(w: number, to: number, base: number, disp: number, by: number): void {
    this.byte(0xc4); this.byte((to > 7 ? 0 : 0x80) | 0x40 | (base > 7 ? 0 : 0x20) | 3); this.byte((w << 7) | 0x7b); this.byte(0xf0);
    this.#memory(to, base, disp); this.byte(by);
  }
  andn(w: number, to: number, a: number, b: number): void {
    this.byte(0xc4); this.byte((to > 7 ? 0 : 0x80) | 0x40 | (b > 7 ? 0 : 0x20) | 2); this.byte((w << 7) | ((~a & 15) << 3)); this.byte(0xf2);
    this.#modRM(to, b);
  }
  leaIndexed(w: number, to: number, base: number, index: number, scale: number): void {
    this.#rex(w, to, index, base); this.byte(0x8d); this.#indexed(to, base, index, scale, 0);
  }

  // --- arithmetic ---
  alu(op: number, w: number, to: number, from: number): void { this.#rex(w, from, 0, to); this.byte((op << 3) | 1); this.#modRM(from, to); }
  aluLoad(op: number, w: number, to: number, base: number, disp: number): void { this.#rex(w, to, 0, base); this.byte((op << 3) | 3); this.#memory(to, base, disp); }
  aluLoadIndexed(op: number, w: number, to: number, base: number, index: number, disp: number): void {
    this.#rex(w, to, index, base); this.byte((op << 3) | 3); this.#indexed(to, base, index, 0, disp);
  }
  aluImm(op: number, w: number, to: number, imm: number): void {
    this.#rex(w, 0, 0, to);
    const small = imm >= -128 && imm <= 127;
    this.byte(small ? 0x83 : 0x81);
    this.#modRM(op, to);
    if (small) this.byte(imm);
    else this.u32(imm);
  }
  aluMemoryImm(op: number, w: number, base: number, disp: number, imm: number): void {
    this.#rex(w, 0, 0, base);
    const small = imm >= -128 && imm <= 127;
    this.byte(small ? 0x83 : 0x81);
    this.#memory(op, base, disp);
    if (small) this.byte(imm);
    else this.u32(imm);
  }
  /** [base + disp] op= register. */
  aluStore(op: number, w: number, base: number, disp: number, from: number): void { this.#rex(w, from, 0, base); this.byte((op << 3) | 1); this.#memory(from, base, disp); }
  test(w: number, a: number, b: number): void { this.#rex(w, b, 0, a); this.byte(0x85); this.#modRM(b, a); }
  testImm(w: number, a: number, imm: number): void { this.#rex(w, 0, 0, a); this.byte(0xf7); this.#modRM(0, a); this.u32(imm); }
  /** CF = bit `bit` of a register. */
  bitTest(w: number, a: number, bit: number): void { this.#rex(w, 0, 0, a); this.byte(0x0f); this.byte(0xba); this.#modRM(4, a); this.byte(bit); }
  shift(op: number, w: number, to: number, by: number): void { this.#rex(w, 0, 0, to); this.byte(0xc1); this.#modRM(op, to); this.byte(by); }
  /** By CL. */
  shiftCl(op: number, w: number, to: number): void { this.#rex(w, 0, 0, to); this.byte(0xd3); this.#modRM(op, to); }
  /** to = (from:to) >> by, low part. */
  shrd(w: number, to: number, from: number, by: number): void { this.#rex(w, from, 0, to); this.byte(0x0f); this.byte(0xac); this.#modRM(from, to); this.byte(by); }
  not(w: number, to: number): void { this.#rex(w, 0, 0, to); this.byte(0xf7); this.#modRM(2, to); }
  neg(w: number, to: number): void { this.#rex(w, 0, 0, to); this.byte(0xf7); this.#modRM(3, to); }
  imulLoad(w: number, to: number, base: number, disp: number): void { this.#rex(w, to, 0, base); this.byte(0x0f); this.byte(0xaf); this.#memory(to, base, disp); }
  imul(w: number, to: number, from: number): void { this.#rex(w, to, 0, from); this.byte(0x0f); this.byte(0xaf); this.#modRM(to, from); }
  /** rdx:rax = rax * from, unsigned or signed. */
  mulWide(w: number, from: number, signed: boolean): void { this.#rex(w, 0, 0, from); this.byte(0xf7); this.#modRM(signed ? 5 : 4, from); }
  /** rax = rdx:rax / from, unsigned. */
  div(w: number, from: number): void { this.#rex(w, 0, 0, from); this.byte(0xf7); this.#modRM(6, from); }
  bswap(w: number, to: number): void { this.#rex(w, 0, 0, to); this.byte(0x0f); this.byte(0xc8 | (to & 7)); }
  lzcnt(w: number, to: number, from: number): void { this.byte(0xf3); this.#rex(w, to, 0, from); this.byte(0x0f); this.byte(0xbd); this.#modRM(to, from); }
  setcc(cc: number, to: number): void { this.#rex(0, 0, 0, to, byteNeedsRex(to)); this.byte(0x0f); this.byte(0x90 | cc); this.#modRM(0, to); }
  cmovLoad(cc: number, w: number, to: number, base: number, disp: number): void { this.#rex(w, to, 0, base); this.byte(0x0f); this.byte(0x40 | cc); this.#memory(to, base, disp); }
  cmov(cc: number, w: number, to: number, from: number): void { this.#rex(w, to, 0, from); this.byte(0x0f); this.byte(0x40 | cc); this.#modRM(to, from); }
  cmc(): void { this.byte(0xf5); }
  stc(): void { this.byte(0xf9); }
  lahf(): void { this.byte(0x9f); }
  sahf(): void { this.byte(0x9e); }

  // --- control ---
  /** Jcc rel32; returns the offset behind it, for `patch`. */
  jcc(cc: number): number { this.byte(0x0f); this.byte(0x80 | cc); this.u32(0); return this.at; }
  jmp(): number { this.byte(0xe9); this.u32(0); return this.at; }
  jmpReg(to: number): void { this.#rex(0, 0, 0, to); this.byte(0xff); this.#modRM(4, to); }
  jmpIndexed(base: number, index: number, disp: number): void { this.#rex(0, 0, index, base); this.byte(0xff); this.#indexed(4, base, index, 0, disp); }
  push(r: number): void { this.#rex(0, 0, 0, r); this.byte(0x50 | (r & 7)); }
  pop(r: number): void { this.#rex(0, 0, 0, r); this.byte(0x58 | (r & 7)); }
  ret(): void { this.byte(0xc3); }

  // --- xmm registers ---

  /** VEX encodings may be used: three operands. Otherwise `to` must not be `b` unless it is `a`. */
  avx = false;

  /** Prefixes and opcode of a vector instruction; `v` is the second operand, -1: there is none. */
  #vector(op: number, w: number, reg: number, v: number, base: number): void {
    const map = (op >> 10) & 3, prefix = (op >> 8) & 3;
    const wide = w | ((op >> 12) & 1);
    const far = (reg >> 3) | (base >> 3) << 1; // extensions of ModRM.reg and ModRM.rm
    if (this.avx && (map === 1 || prefix !== 0)) { // SHA has no VEX form
      const low = ((v < 0 ? 15 : ~v & 15) << 3) | ((op >> 13) & 1) << 2 | prefix;
      if (map === 1 && wide === 0 && (far & 2) === 0) {
        this.byte(0xc5);
        this.byte(((far & 1) !== 0 ? 0 : 0x80) | low);
      } else {
        this.byte(0xc4);
        this.byte(((far & 1) !== 0 ? 0 : 0x80) | 0x40 | ((far & 2) !== 0 ? 0 : 0x20) | map);
        this.byte((wide << 7) | low);
      }
    } else {
      if (prefix !== 0) this.byte(prefix === 1 ? 0x66 : prefix === 2 ? 0xf3 : 0xf2);
      this.#rex(wide, reg, 0, base);
      this.byte(0x0f);
      if (map !== 1) this.byte(map === 2 ? 0x38 : 0x3a);
    }
    this.byte(op & 0xff);
  }
  #immediate(imm: number): void { if (imm >= 0) this.byte(imm); }
  /** ModRM and displacement of a constant in code memory. */
  #constantAt(reg: number, at: number, imm: number): void {
    this.byte(((reg & 7) << 3) | 5);
    this.u32(at - (this.at + 4 + (imm >= 0 ? 1 : 0)));
  }
  /** SSE has two operands: `to` must be `a` first. */
  #first(to: number, a: number, b: number): number {
    if (this.avx) return a;
    if (to === a) return -1;
    if (to === b) throw new Error("an SSE instruction would overwrite its operand");
    this.#vector(0x428, 0, to, -1, a); // movaps
    this.#modRM(to, a);
    return -1;
  }
  /** to = op(from). Also between xmm and general registers where the instruction is of that kind; `w` 1: 64 bits. */
  x2(op: number, to: number, from: number, imm = -1, w = 0): void { this.#vector(op, w, to, -1, from); this.#modRM(to, from); this.#immediate(imm); }
  x2m(op: number, to: number, base: number, disp: number, imm = -1, w = 0): void { this.#vector(op, w, to, -1, base); this.#memory(to, base, disp); this.#immediate(imm); }
  x2c(op: number, to: number, constant: number, imm = -1): void { this.#vector(op, 0, to, -1, 0); this.#constantAt(to, constant, imm); this.#immediate(imm); }
  /** to = a op b. */
  x3(op: number, to: number, a: number, b: number, imm = -1, w = 0): void {
    this.#vector(op, w, to, this.#first(to, a, b), b); this.#modRM(to, b); this.#immediate(imm);
  }
  /** b at [base + disp]: aligned to 16 bytes when the whole is read. */
  x3m(op: number, to: number, a: number, base: number, disp: number, imm = -1, w = 0): void {
    this.#vector(op, w, to, this.#first(to, a, -1), base); this.#memory(to, base, disp); this.#immediate(imm);
  }
  /** b a constant in code memory. */
  x3c(op: number, to: number, a: number, constant: number, imm = -1): void {
    this.#vector(op, 0, to, this.#first(to, a, -1), 0); this.#constantAt(to, constant, imm); this.#immediate(imm);
  }
  /** to = op(a, b), b a general register. */
  x3g(op: number, to: number, a: number, b: number, imm = -1, w = 0): void {
    this.#vector(op, w, to, this.#first(to, a, -1), b); this.#modRM(to, b); this.#immediate(imm);
  }
  /** to = a shifted by an immediate. */
  xShift(kind: readonly [number, number], to: number, a: number, by: number): void {
    if (this.avx) this.#vector(0x500 | kind[0], 0, 0, to, a);
    else {
      this.#first(to, a, -1);
      this.#vector(0x500 | kind[0], 0, 0, -1, to);
    }
    this.#modRM(kind[1], this.avx ? a : to);
    this.byte(by);
  }
  /** to = a. */
  xMove(to: number, a: number): void { if (to !== a) this.x2(0x428, to, a); }
  xZero(to: number): void { this.x3(0x457, to, to, to); }
  /** Behind instructions on ymm registers: the host's code would be slow with their upper halves in use. */
  vzeroupper(): void { this.byte(0xc5); this.byte(0xf8); this.byte(0x77); }
  /** MXCSR from a constant in code memory, from and to [base + disp]. */
  ldmxcsrConstant(constant: number): void { this.byte(0x0f); this.byte(0xae); this.#constantAt(2, constant, -1); }
  ldmxcsr(base: number, disp: number): void { this.#rex(0, 0, 0, base); this.byte(0x0f); this.byte(0xae); this.#memory(2, base, disp); }
  stmxcsr(base: number, disp: number): void { this.#rex(0, 0, 0, base); this.byte(0x0f); this.byte(0xae); this.#memory(3, base, disp); }

  // --- further general instructions ---
  alu8(op: number, to: number, from: number): void { this.#rex(0, from, 0, to, byteNeedsRex(to) || byteNeedsRex(from)); this.byte(op << 3); this.#modRM(from, to); }
  /** Compares 1 << log2 bytes at [base + disp] with a register. */
  cmpMemory(log2: number, base: number, disp: number, from: number): void {
    if (log2 === 1) this.byte(0x66);
    this.#rex(log2 === 3 ? 1 : 0, from, 0, base, log2 === 0 && byteNeedsRex(from));
    this.byte(log2 === 0 ? 0x38 : 0x39);
    this.#memory(from, base, disp);
  }
  test8(base: number, disp: number, imm: number): void { this.#rex(0, 0, 0, base); this.byte(0xf6); this.#memory(0, base, disp); this.byte(imm); }
  /** rdx:rax = rax sign-extended. */
  signExtendRax(w: number): void { this.#rex(w, 0, 0, 0); this.byte(0x99); }
  /** rax = rdx:rax / from, signed. */
  idiv(w: number, from: number): void { this.#rex(w, 0, 0, from); this.byte(0xf7); this.#modRM(7, from); }
  /** CRC32C of 1 << log2 bytes of `from` into `to`. */
  crc32c(log2: number, to: number, from: number): void {
    if (log2 === 1) this.byte(0x66);
    this.byte(0xf2);
    this.#rex(log2 === 3 ? 1 : 0, to, 0, from, log2 === 0 && byteNeedsRex(from));
    this.byte(0x0f); this.byte(0x38); this.byte(log2 === 0 ? 0xf0 : 0xf1);
    this.#modRM(to, from);
  }
  // --- between cores ---
  /** [base + disp] += from and from = what was there; the two exchanged; both indivisible. 1 << log2 bytes. */
  lockXadd(log2: number, base: number, disp: number, from: number): void { this.byte(0xf0); this.#sized(log2, from, base); this.byte(0x0f); this.byte(log2 === 0 ? 0xc0 : 0xc1); this.#memory(from, base, disp); }
  xchg(log2: number, base: number, disp: number, from: number): void { this.#sized(log2, from, base); this.byte(log2 === 0 ? 0x86 : 0x87); this.#memory(from, base, disp); }
  /** If 1 << log2 bytes at [base + disp] equal rax they become `from`, and ZF is set; else rax is what is there. */
  lockCmpxchg(log2: number, base: number, disp: number, from: number): void { this.byte(0xf0); this.#sized(log2, from, base); this.byte(0x0f); this.byte(log2 === 0 ? 0xb0 : 0xb1); this.#memory(from, base, disp); }
  /** The same for 16 bytes, rdx:rax and rcx:rbx. */
  lockCmpxchg16(base: number, disp: number): void { this.byte(0xf0); this.#rex(1, 0, 0, base); this.byte(0x0f); this.byte(0xc7); this.#memory(1, base, disp); }
  pause(): void { this.byte(0xf3); this.byte(0x90); }
  #sized(log2: number, from: number, base: number): void {
    if (log2 === 1) this.byte(0x66);
    this.#rex(log2 === 3 ? 1 : 0, from, 0, base, log2 === 0 && byteNeedsRex(from));
  }
  callReg(to: number): void { this.#rex(0, 0, 0, to); this.byte(0xff); this.#modRM(2, to); }
  call(): number { this.byte(0xe8); this.u32(0); return this.at; }
  cpuid(): void { this.byte(0x0f); this.byte(0xa2); }
  xgetbv(): void { this.byte(0x0f); this.byte(0x01); this.byte(0xd0); }
}
