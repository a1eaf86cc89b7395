// src/cpu/translate/refill.ts — what generated code calls when a load or store misses the TLB: it enters the page from the
// level 3 table or the block that mmu/regions.ts knows, by the same rules as Walker and Tlb, or says that TypeScript must.
// Left to TypeScript: regions unknown, EL1 on pages of EL0 (PAN), Device memory, everything that faults.
// Spec: ARM DDI 0487, D8.3 (descriptors), D8.4 (permissions), D8.5 (memory types).
import { Forbidden, Region, REGIONS } from "../mmu/regions.ts";
import { ENTRIES, Flag, Word } from "../mmu/tlb.ts";
import { slot } from "../sysreg.ts";
import { Offset } from "../state.ts";
import { Alu, CC, Reg, Shift, type Assembler } from "./assembler.ts";
import { disp } from "./translator.ts";

const { rax, rbx, rcx, rdx, rsi, rdi, rbp } = Reg;
const VALID_PAGE_AF = 0x403;
const AP1 = 1 << 6, AP2 = 1 << 7;
const NG_BIT = 11, CONTIGUOUS_BIT = 52;

/** RAM as generated code reaches it. */
export interface MainRam { readonly base: number; readonly size: number; readonly host: number; readonly firstPage: number }

/** `entry` = offset of the region of the address in rax; clobbers `other`. Fails where nothing is known of it. */
function findRegion(asm: Assembler, entry: number, other: number, fails: number[]): void {
  asm.mov(1, other, rax);
  asm.shift(Shift.shr, 1, other, 21);
  asm.mov(1, entry, other);
  asm.shift(Shift.shr, 1, entry, 9);
  asm.alu(Alu.xor, 0, entry, other);
  asm.aluImm(Alu.and, 0, entry, REGIONS - 1);
  asm.shift(Shift.shl, 0, entry, Math.log2(Region.SIZE));
  asm.mov(1, other, rax);
  asm.aluImm(Alu.and, 1, other, -0x20_0000);
  asm.aluImm(Alu.or, 1, other, 1);
  asm.aluLoadIndexed(Alu.cmp, 1, other, rbp, entry, disp(Offset.REGIONS) + Region.TAG);
  fails.push(asm.jcc(CC.ne));
}

/**
 * Emits the code for an EL's accesses; returns its offset. In: rax, guest address; rdx, the page of the access's last byte.
 * Out: ZF clear when the page was entered; then rcx is the entry's offset, rax as it was. Clobbers rcx and rdx.
 */
export function emitRefill(asm: Assembler, el: number, write: boolean, ram: MainRam): number {
  const start = asm.at;
  const table = disp(el === 0 ? Offset.TLB_EL0 : Offset.TLB_EL1), regions = disp(Offset.REGIONS);
  const fails: number[] = [];
  const failIf = (cc: number): void => { fails.push(asm.jcc(cc)); };
  const wide = (to: number, value: number): void => asm.constant(to, value | 0, Math.floor(value / 2 ** 32) | 0);
  for (const r of [rbx, rsi, rdi]) asm.push(r);

  asm.mov(1, rbx, rax);
  asm.aluImm(Alu.and, 1, rbx, -4096);
  asm.alu(Alu.cmp, 1, rbx, rdx);
  failIf(CC.ne); // it crosses a page
  findRegion(asm, rsi, rcx, fails);
  if (el === 0) {
    asm.loadIndexed(0, rdi, rbp, rsi, 0, regions + Region.FORBIDDEN);
    asm.testImm(0, rdi, Forbidden.EL0);
    failIf(CC.ne);
  }
  // rdi = descriptor, rdx = physical address of the page, rsi = Flag.WIDE of a block
  asm.loadIndexed(1, rdi, rbp, rsi, 0, regions + Region.HOST);
  asm.mov(0, rcx, rbx);
  asm.test(1, rdi, rdi);
  const block = asm.jcc(CC.e);
  asm.shift(Shift.shr, 0, rcx, 12);
  asm.aluImm(Alu.and, 0, rcx, 511);
  asm.loadIndexed(1, rdi, rdi, rcx, 3, 0);
  asm.mov(0, rcx, rdi);
  asm.aluImm(Alu.and, 0, rcx, VALID_PAGE_AF);
  asm.aluImm(Alu.cmp, 0, rcx, VALID_PAGE_AF);
  failIf(CC.ne);
  wide(rdx, 0xffff_ffff_f000);
  asm.alu(Alu.and, 1, rdx, rdi);
  asm.mov(1, rsi, rdi);
  asm.shift(Shift.shr, 1, rsi, CONTIGUOUS_BIT - Math.log2(Flag.WIDE));
  asm.aluImm(Alu.and, 0, rsi, Flag.WIDE);
  const both = asm.jmp();
  asm.patch(block, asm.at);
  asm.loadIndexed(1, rdi, rbp, rsi, 0, regions + Region.FROM);
  asm.aluImm(Alu.and, 0, rcx, 0x1f_f000);
  wide(rdx, 0xffff_ffff_f000);
  asm.alu(Alu.and, 1, rdx, rdi);
  asm.alu(Alu.add, 1, rdx, rcx);
  asm.constant(rsi, Flag.WIDE, 0);
  asm.patch(both, asm.at);

  // permissions; memory type
  asm.testImm(0, rdi, AP1);
  failIf(el === 0 ? CC.e : CC.ne);
  if (write) {
    asm.testImm(0, rdi, AP2);
    failIf(CC.ne);
  }
  asm.mov(0, rcx, rdi);
  asm.shift(Shift.shr, 0, rcx, 2);
  asm.aluImm(Alu.and, 0, rcx, 7);
  asm.extendIndexed(0, rcx, rbp, rcx, disp(slot.MAIR_EL1));
  asm.testImm(0, rcx, 0xf0);
  failIf(CC.e);
  // rdx = offset in RAM
  wide(rcx, ram.base);
  asm.alu(Alu.sub, 1, rdx, rcx);
  wide(rcx, ram.size);
  asm.alu(Alu.cmp, 1, rdx, rcx);
  failIf(CC.ae);

  // the entry, at rcx
  asm.mov(0, rcx, rbx);
  asm.shift(Shift.shr, 0, rcx, 7);
  asm.aluImm(Alu.and, 0, rcx, (ENTRIES - 1) * Word.COUNT * 4);
  asm.storeIndexed(1, rbp, rcx, table + 4 * Word.READ, rbx);
  asm.bitTest(0, rdi, NG_BIT);
  const global = asm.jcc(CC.ae);
  asm.aluImm(Alu.or, 0, rsi, Flag.NG);
  asm.patch(global, asm.at);
  if (el === 0) asm.aluImm(Alu.or, 0, rsi, Flag.USER);
  asm.storeIndexed(0, rbp, rcx, table + 4 * Word.FLAGS, rsi);
  asm.mov(1, rsi, rdx);
  asm.shift(Shift.shr, 1, rsi, 12);
  if (ram.firstPage !== 0) asm.aluImm(Alu.add, 0, rsi, ram.firstPage);
  asm.storeIndexed(0, rbp, rcx, table + 4 * Word.PAGE, rsi);
  wide(rsi, ram.host);
  asm.alu(Alu.add, 1, rsi, rdx);
  asm.alu(Alu.sub, 1, rsi, rbx);
  asm.storeIndexed(1, rbp, rcx, table + 4 * Word.ADDEND, rsi);
  if (!write) {
    asm.testImm(0, rdi, AP2);
    const writable = asm.jcc(CC.e);
    asm.constant(rbx, 1, 0); // no page's address
    asm.patch(writable, asm.at);
  }
  asm.storeIndexed(1, rbp, rcx, table + 4 * Word.WRITE, rbx);
  asm.alu(Alu.cmp, 1, rbp, rcx); // never equal: ZF clear
  for (const r of [rdi, rsi, rbx]) asm.pop(r);
  asm.ret();

  for (const end of fails) asm.patch(end, asm.at);
  for (const r of [rdi, rsi, rbx]) asm.pop(r);
  asm.alu(Alu.cmp, 1, rbp, rbp);
  asm.ret();
  return start;
}

/**
 * Emits TLBI by address, last level: out of both tables, when nothing else can know of the page. Returns its offset.
 * In: rax, the operand: VA[55:12] in bits 43..0. Out: ZF set where TypeScript must do it. Clobbers rax, rcx, rdx.
 */
export function emitInvalidate(asm: Assembler): number {
  const start = asm.at;
  const fails: number[] = [];
  asm.shift(Shift.shl, 1, rax, 20);
  asm.shift(Shift.sar, 1, rax, 8);
  findRegion(asm, rcx, rdx, fails);
  asm.loadIndexed(1, rdx, rbp, rcx, 0, disp(Offset.REGIONS) + Region.HOST);
  asm.test(1, rdx, rdx);
  fails.push(asm.jcc(CC.e)); // a block
  asm.mov(0, rdx, rax);
  asm.shift(Shift.shr, 0, rdx, 16);
  asm.aluImm(Alu.and, 0, rdx, 4095);
  asm.extendIndexed(0, rdx, rbp, rdx, disp(Offset.FETCHED));
  asm.constant(rcx, 1, 0);
  asm.test(0, rdx, rdx);
  fails.push(asm.jcc(CC.ne)); // perhaps of code
  asm.mov(0, rdx, rax);
  asm.shift(Shift.shr, 0, rdx, 7);
  asm.aluImm(Alu.and, 0, rdx, (ENTRIES - 1) * Word.COUNT * 4);
  // as Tlb.flushPage: an entry of 4 KiB is alone, else all of these 64 KiB go
  const el1 = disp(Offset.TLB_EL1);
  asm.aluLoadIndexed(Alu.cmp, 1, rax, rbp, rdx, el1 + 4 * Word.READ);
  const absent = asm.jcc(CC.ne);
  asm.loadIndexed(0, rax, rbp, rdx, 0, el1 + 4 * Word.FLAGS);
  asm.testImm(0, rax, Flag.WIDE);
  const single = asm.jcc(CC.e);
  asm.patch(absent, asm.at);
  asm.aluImm(Alu.and, 0, rdx, -16 * Word.COUNT * 4);
  asm.constant(rcx, 16, 0);
  asm.patch(single, asm.at);
  asm.constant(rax, 1, 0); // no page's address
  const loop = asm.at;
  for (const table of [el1, disp(Offset.TLB_EL0)]) {
    asm.storeIndexed(0, rbp, rdx, table + 4 * Word.READ, rax);
    asm.storeIndexed(0, rbp, rdx, table + 4 * Word.WRITE, rax);
  }
  asm.aluImm(Alu.add, 0, rdx, Word.COUNT * 4);
  asm.aluImm(Alu.sub, 0, rcx, 1);
  asm.patch(asm.jcc(CC.ne), loop);
  asm.test(0, rax, rax); // 1: ZF clear
  asm.ret();
  for (const end of fails) asm.patch(end, asm.at);
  asm.alu(Alu.cmp, 1, rax, rax);
  asm.ret();
  return start;
}
