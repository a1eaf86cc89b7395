// test/support/assembler.ts — a tiny A64 assembler for tests: every instruction of the encoding tables by its name,
// with the fields that its line there names, and short forms for what programs in tests need most.
//
//   const asm = new Assembler();
//   asm.mov("x0", 42).brk(0);                  short forms
//   asm.ADD_imm({ f: 1, i: 1, N: 1, D: 1 });   any encoding: 64-bit ADD x1, x1, #1
//   asm.label("loop").subs("x0", "x0", 1).b("ne", "loop");
import { branch, system } from "../../src/cpu/a64/branch.ts";
import { dataImm } from "../../src/cpu/a64/data-imm.ts";
import { dataReg } from "../../src/cpu/a64/data-reg.ts";
import { loadStore, loadStoreFp } from "../../src/cpu/a64/load-store.ts";
import { compile, encode, type Fields } from "../../src/cpu/a64/pattern.ts";
import { sysregs, type SysRegName } from "../../src/cpu/sysreg.ts";

type Tables = typeof branch & typeof system & typeof dataImm & typeof dataReg & typeof loadStore & typeof loadStoreFp;
const tables: Tables = { ...branch, ...system, ...dataImm, ...dataReg, ...loadStore, ...loadStoreFp };
type RawForms = { readonly [K in keyof Tables]: (fields: Partial<Fields<Tables[K]>>) => Assembler };

const CONDITIONS = ["eq", "ne", "cs", "cc", "mi", "pl", "vs", "vc", "hi", "ls", "ge", "lt", "gt", "le", "al"] as const;
export type Condition = (typeof CONDITIONS)[number];
/** x0..x30, sp (only where the instruction has it), xzr. */
export type Register = `x${number}` | "sp" | "xzr";

const number = (register: Register): number => (register === "sp" || register === "xzr" ? 31 : Number(register.slice(1)));

class Program {
  readonly #words: number[] = [];
  readonly #labels = new Map<string, number>();
  readonly #references: { readonly at: number; readonly label: string; readonly shift: number; readonly bits: number }[] = [];
  /** Where the program will run. */
  readonly base: number;
  constructor(base = 0x4000_0000) { this.base = base; }

  /** An instruction by its name in the tables. Missing fields are zero. */
  emit<K extends keyof Tables>(name: K, fields: Partial<Fields<Tables[K]>> = {}): this {
    return this.word(encode(compile(name, tables[name]), fields as Record<string, number>));
  }
  word(...values: readonly number[]): this {
    for (const value of values) this.#words.push(value >>> 0);
    return this;
  }
  /** The bytes of a text and its NUL, filled up to a word. */
  text(text: string): this {
    const bytes = new TextEncoder().encode(`${text}\0`);
    for (let i = 0; i < bytes.length; i += 4) this.word((bytes[i] ?? 0) | ((bytes[i + 1] ?? 0) << 8) | ((bytes[i + 2] ?? 0) << 16) | ((bytes[i + 3] ?? 0) << 24));
    return this;
  }
  label(name: string): this {
    this.#labels.set(name, this.#words.length);
    return this;
  }
  /** Zero words up to an offset from the base. */
  org(offset: number): this {
    while (this.#words.length * 4 < offset) this.#words.push(0);
    return this;
  }

  /** Any 64-bit constant, by MOVZ and as many MOVK as it takes. */
  mov(d: Register, value: number | bigint): this {
    const wide = BigInt.asUintN(64, BigInt(value));
    this.movz(d, Number(wide & 0xffffn));
    for (let h = 1; h < 4; h++) if (((wide >> BigInt(16 * h)) & 0xffffn) !== 0n) this.movk(d, Number((wide >> BigInt(16 * h)) & 0xffffn), 16 * h);
    return this;
  }
  movz(d: Register, i: number, lsl = 0): this { return this.emit("MOVZ", { f: 1, h: lsl / 16, i, d: number(d) }); }
  movk(d: Register, i: number, lsl = 0): this { return this.emit("MOVK", { f: 1, h: lsl / 16, i, d: number(d) }); }
  /** Register to register. */
  copy(d: Register, m: Register): this { return this.emit("ORR_reg", { f: 1, m: number(m), n: 31, d: number(d) }); }
  add(d: Register, n: Register, by: Register | number): this {
    return typeof by === "number" ? this.emit("ADD_imm", { f: 1, i: by, N: number(n), D: number(d) }) : this.emit("ADD_reg", { f: 1, m: number(by), n: number(n), d: number(d) });
  }
  subs(d: Register, n: Register, by: Register | number): this {
    return typeof by === "number" ? this.emit("SUBS_imm", { f: 1, i: by, N: number(n), d: number(d) }) : this.emit("SUBS_reg", { f: 1, m: number(by), n: number(n), d: number(d) });
  }
  cmp(n: Register, by: Register | number): this { return this.subs("xzr", n, by); }
  tst(n: Register, m: Register): this { return this.emit("ANDS_reg", { f: 1, m: number(m), n: number(n), d: 31 }); }
  /** Loads and stores of `size` bytes at [base + offset]; offset is a multiple of the size. */
  ldr(t: Register, base: Register, offset = 0, size: 1 | 2 | 4 | 8 = 8): this { return this.emit("LDR_imm", { g: Math.log2(size), i: offset / size, N: number(base), t: number(t) }); }
  str(t: Register, base: Register, offset = 0, size: 1 | 2 | 4 | 8 = 8): this { return this.emit("STR_imm", { g: Math.log2(size), i: offset / size, N: number(base), t: number(t) }); }
  /** Loads `size` bytes at [base], then base += step. */
  ldrPost(t: Register, base: Register, step: number, size: 1 | 2 | 4 | 8 = 8): this { return this.emit("LDR_post", { g: Math.log2(size), i: step, N: number(base), t: number(t) }); }
  /** The address of a label. */
  adr(d: Register, label: string): this {
    this.#references.push({ at: this.#words.length, label, shift: 5, bits: 19 });
    return this.emit("ADR", { d: number(d) }); // labels lie on words: the two low bits (field j) are 0
  }
  b(to: string): this;
  b(condition: Condition, to: string): this;
  b(first: string, second?: string): this {
    if (second === undefined) {
      this.#references.push({ at: this.#words.length, label: first, shift: 0, bits: 26 });
      return this.emit("B");
    }
    this.#references.push({ at: this.#words.length, label: second, shift: 5, bits: 19 });
    return this.emit("B_cond", { c: CONDITIONS.indexOf(first as Condition) });
  }
  cbz(t: Register, to: string): this {
    this.#references.push({ at: this.#words.length, label: to, shift: 5, bits: 19 });
    return this.emit("CBZ", { f: 1, t: number(t) });
  }
  cbnz(t: Register, to: string): this {
    this.#references.push({ at: this.#words.length, label: to, shift: 5, bits: 19 });
    return this.emit("CBNZ", { f: 1, t: number(t) });
  }
  /** System registers by their names. */
  mrs(t: Register, name: SysRegName): this { return this.#system("MRS", name, t); }
  msr(name: SysRegName, t: Register): this { return this.#system("MSR_reg", name, t); }
  #system(form: "MRS" | "MSR_reg", name: SysRegName, t: Register): this {
    const { encoding } = sysregs[name];
    return this.emit(form, { q: (encoding >> 14) & 1, o: (encoding >> 11) & 7, c: (encoding >> 7) & 15, k: (encoding >> 3) & 15, p: encoding & 7, t: number(t) });
  }
  /** MSR DAIFClr, #mask: 2 lets IRQs in. */
  unmask(mask: number): this { return this.emit("MSR_imm", { o: 3, k: mask, p: 7 }); }
  brk(i = 0): this { return this.emit("BRK", { i }); }
  hvc(i = 0): this { return this.emit("HVC", { i }); }
  wfi(): this { return this.emit("WFI"); }
  isb(): this { return this.emit("ISB", { k: 15 }); }
  eret(): this { return this.emit("ERET"); }

  /** The finished words. Throws for a label that nobody set. */
  words(): Uint32Array {
    for (const { at, label, shift, bits } of this.#references) {
      const target = this.#labels.get(label);
      if (target === undefined) throw new Error(`there is no label ${label}`);
      // ADR counts bytes, but its two low bits lie elsewhere: all three forms count words here.
      this.#words[at] = (((this.#words[at] as number) & ~((2 ** bits - 1) << shift)) | (((target - at) & (2 ** bits - 1)) << shift)) >>> 0;
    }
    this.#references.length = 0;
    return Uint32Array.from(this.#words);
  }
  bytes(): Uint8Array { return new Uint8Array(this.words().buffer); }
  /** The program behind an arm64 Image header, as a kernel file; it runs at RAM base, 64 bytes in. */
  image(): Uint8Array {
    const code = this.bytes();
    const image = new Uint8Array(64 + code.length), view = new DataView(image.buffer);
    view.setUint32(0, encode(compile("B", branch.B), { i: 16 }), true);
    view.setBigUint64(16, BigInt(Math.max(image.length, 4096)), true);
    view.setBigUint64(24, 0xan, true);
    image.set([0x41, 0x52, 0x4d, 0x64], 56);
    image.set(code, 64);
    return image;
  }
}

for (const name of Object.keys(tables) as (keyof Tables)[]) {
  Object.defineProperty(Program.prototype, name, { value(this: Program, fields: Partial<Fields<Tables[typeof name]>>) { return this.emit(name, fields as never); } });
}
export type Assembler = Program & RawForms;
export const Assembler: new (base?: number) => Assembler = Program as new (base?: number) => Assembler;
