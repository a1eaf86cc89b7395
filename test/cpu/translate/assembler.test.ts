// test/cpu/translate/assembler.test.ts — every form the assembler has, read back by objdump.
import { beforeAll, expect, test } from "bun:test";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CodeMemory } from "../../../ffi/code.ts";
import { Alu, Assembler, CC, Reg, Shift } from "../../../src/cpu/translate/assembler.ts";
import { WIDE, X, XShift } from "../../../src/cpu/translate/vector-op.ts";
import { ensureDebianPackages } from "../../support/packages.ts";

beforeAll(() => ensureDebianPackages(["binutils"]), 300_000);

const { rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r12, r13, r15 } = Reg;
/** What is emitted, and what objdump calls it. */
const forms: readonly (readonly [(a: Assembler) => void, string])[] = [
  [a => a.mov(1, rax, r15), "mov rax,r15"],
  [a => a.mov(0, r12, rcx), "mov r12d,ecx"],
  [a => a.load(1, r8, rbp, -128), "mov r8,QWORD PTR [rbp-0x80]"],
  [a => a.load(0, rax, r12, 0), "mov eax,DWORD PTR [r12+0x0]"],
  [a => a.load(1, rdx, r13, 0x1000), "mov rdx,QWORD PTR [r13+0x1000]"],
  [a => a.store(1, rbp, 0x80, rsi), "mov QWORD PTR [rbp+0x80],rsi"],
  [a => a.store(0, rax, 4, r15), "mov DWORD PTR [rax+0x4],r15d"],
  [a => a.store8(rax, 0, rdi), "mov BYTE PTR [rax+0x0],dil"],
  [a => a.store16(rax, 2, r8), "mov WORD PTR [rax+0x2],r8w"],
  [a => a.storeImm(1, rbp, 8, -1), "mov QWORD PTR [rbp+0x8],0xffffffffffffffff"],
  [a => a.storeImm(0, rbp, 0x200, 7), "mov DWORD PTR [rbp+0x200],0x7"],
  [a => a.constant(rbx, 0x12345678, 0), "mov ebx,0x12345678"],
  [a => a.constant(r8, -2, -1), "mov r8,0xfffffffffffffffe"],
  [a => a.constant(rcx, 0x55667788, 0x11223344), "movabs rcx,0x1122334455667788"],
  [a => a.extend(0, 0, 0, rcx, rax, 0), "movzx ecx,BYTE PTR [rax+0x0]"],
  [a => a.extend(1, 1, 1, r15, rax, 2), "movsx r15,WORD PTR [rax+0x2]"],
  [a => a.extend(1, 2, 1, rcx, rax, 4), "movsxd rcx,DWORD PTR [rax+0x4]"],
  [a => a.extend(0, 2, 0, rcx, rax, 4), "mov ecx,DWORD PTR [rax+0x4]"],
  [a => a.extend(0, 3, 0, rcx, rax, 8), "mov rcx,QWORD PTR [rax+0x8]"],
  [a => a.extendReg(0, 0, 0, rax, rsi), "movzx eax,sil"],
  [a => a.extendReg(1, 0, 1, rax, r8), "movsx rax,r8b"],
  [a => a.extendReg(1, 2, 1, r12, rbx), "movsxd r12,ebx"],
  [a => a.extendReg(1, 2, 0, rax, rbx), "mov eax,ebx"],
  [a => a.lea(1, rdx, rax, 7), "lea rdx,[rax+0x7]"],
  [a => a.lea(0, r8, r12, -4096), "lea r8d,[r12-0x1000]"],
  [a => a.leaIndexed(1, rax, r13, rcx, 3), "lea rax,[r13+rcx*8+0x0]"],
  [a => a.leaIndexed(1, rax, r12, rcx, 0), "lea rax,[r12+rcx*1+0x0]"],
  [a => a.alu(Alu.add, 1, rax, r8), "add rax,r8"],
  [a => a.alu(Alu.xor, 0, r15, rcx), "xor r15d,ecx"],
  [a => a.aluLoad(Alu.sbb, 1, rcx, rbp, 0x80), "sbb rcx,QWORD PTR [rbp+0x80]"],
  [a => a.aluLoadIndexed(Alu.cmp, 1, rdx, rbp, rcx, 0xf80), "cmp rdx,QWORD PTR [rbp+rcx*1+0xf80]"],
  [a => a.lockXadd(3, rcx, 0, rdx), "lock xadd QWORD PTR [rcx+0x0],rdx"],
  [a => a.lockXadd(0, rcx, 0, rdi), "lock xadd BYTE PTR [rcx+0x0],dil"],
  [a => a.xchg(1, rax, 2, r8), "xchg WORD PTR [rax+0x2],r8w"],
  [a => a.xchg(2, r12, 0, rdx), "xchg DWORD PTR [r12+0x0],edx"],
  [a => a.lockCmpxchg(0, rcx, 0, rdx), "lock cmpxchg BYTE PTR [rcx+0x0],dl"],
  [a => a.lockCmpxchg(1, rcx, 0, rdx), "lock cmpxchg WORD PTR [rcx+0x0],dx"],
  [a => a.lockCmpxchg(2, r9, 4, r8), "lock cmpxchg DWORD PTR [r9+0x4],r8d"],
  [a => a.lockCmpxchg(3, rcx, 0, rdx), "lock cmpxchg QWORD PTR [rcx+0x0],rdx"],
  [a => a.lockCmpxchg16(rsi, 0), "lock cmpxchg16b OWORD PTR [rsi+0x0]"],
  [a => a.pause(), "pause"],
  [a => a.aluImm(Alu.and, 1, rdx, -4096), "and rdx,0xfffffffffffff000"],
  [a => a.aluImm(Alu.or, 0, r8, 1), "or r8d,0x1"],
  [a => a.aluMemoryImm(Alu.sub, 0, rbp, 0xf4, 3), "sub DWORD PTR [rbp+0xf4],0x3"],
  [a => a.aluMemoryImm(Alu.add, 1, rbp, 0x10, 4096), "add QWORD PTR [rbp+0x10],0x1000"],
  [a => a.test(1, r12, r12), "test r12,r12"],
  [a => a.testImm(0, r15, 15), "test r15d,0xf"],
  [a => a.bitTest(1, r8, 63), "bt r8,0x3f"],
  [a => a.shift(Shift.shl, 1, rax, 5), "shl rax,0x5"],
  [a => a.shift(Shift.sar, 0, r8, 31), "sar r8d,0x1f"],
  [a => a.shift(Shift.ror, 1, rax, 8), "ror rax,0x8"],
  [a => a.shift(Shift.rol, 1, rax, 32), "rol rax,0x20"],
  [a => a.shiftCl(Shift.shr, 1, rax), "shr rax,cl"],
  [a => a.shrd(1, rax, r8, 12), "shrd rax,r8,0xc"],
  [a => a.not(0, rcx), "not ecx"],
  [a => a.neg(1, r8), "neg r8"],
  [a => a.imul(1, rax, r13), "imul rax,r13"],
  [a => a.mulWide(1, rbx, false), "mul rbx"],
  [a => a.mulWide(1, r8, true), "imul r8"],
  [a => a.div(0, rcx), "div ecx"],
  [a => a.bswap(1, rax), "bswap rax"],
  [a => a.bswap(0, r8), "bswap r8d"],
  [a => a.lzcnt(1, rax, r15), "lzcnt rax,r15"],
  [a => a.setcc(CC.o, rax), "seto al"],
  [a => a.setcc(CC.ne, rsi), "setne sil"],
  [a => a.cmov(CC.ge, 1, rcx, r8), "cmovge rcx,r8"],
  [a => a.cmc(), "cmc"],
  [a => a.stc(), "stc"],
  [a => a.lahf(), "lahf"],
  [a => a.sahf(), "sahf"],
  [a => a.jmpReg(rax), "jmp rax"],
  [a => a.jmpReg(r8), "jmp r8"],
  [a => a.jmpIndexed(rbp, rcx, 0x10f88), "jmp QWORD PTR [rbp+rcx*1+0x10f88]"],
  [a => a.loadIndexed(1, rdi, rbp, rsi, 0, 0x10f88), "mov rdi,QWORD PTR [rbp+rsi*1+0x10f88]"],
  [a => a.loadIndexed(1, rdi, rdi, rcx, 3, 0), "mov rdi,QWORD PTR [rdi+rcx*8+0x0]"],
  [a => a.storeIndexed(0, rbp, rcx, 0x9000, rsi), "mov DWORD PTR [rbp+rcx*1+0x9000],esi"],
  [a => a.storeIndexed(1, rbp, rcx, 0x9000, r8), "mov QWORD PTR [rbp+rcx*1+0x9000],r8"],
  [a => a.extendIndexed(0, rcx, rbp, rcx, 0x400), "movzx ecx,BYTE PTR [rbp+rcx*1+0x400]"],
  [a => a.push(r12), "push r12"],
  [a => a.pop(rbx), "pop rbx"],
  [a => a.ret(), "ret"],
  [a => a.alu8(Alu.cmp, rax, rcx), "cmp al,cl"],
  [a => a.alu8(Alu.or, r8, rdi), "or r8b,dil"],
  [a => a.rorx(0, rax, r15, 7), "rorx eax,r15d,0x7"],
  [a => a.rorx(1, r12, rcx, 63), "rorx r12,rcx,0x3f"],
  [a => a.rorxLoad(0, rax, rbp, -8, 7), "rorx eax,DWORD PTR [rbp-0x8],0x7"],
  [a => a.rorxLoad(1, r12, r13, 0x100, 63), "rorx r12,QWORD PTR [r13+0x100],0x3f"],
  [a => a.aluStore(Alu.add, 1, rbp, -8, r15), "add QWORD PTR [rbp-0x8],r15"],
  [a => a.aluStore(Alu.xor, 0, rbp, 0x100, rcx), "xor DWORD PTR [rbp+0x100],ecx"],
  [a => a.imulLoad(1, rax, rbp, 8), "imul rax,QWORD PTR [rbp+0x8]"],
  [a => a.imulLoad(0, r8, rbp, 0x80), "imul r8d,DWORD PTR [rbp+0x80]"],
  [a => a.cmovLoad(CC.ge, 1, rcx, rbp, -8), "cmovge rcx,QWORD PTR [rbp-0x8]"],
  [a => a.cmovLoad(CC.e, 0, r8, rbp, 8), "cmove r8d,DWORD PTR [rbp+0x8]"],
  [a => a.andn(0, rcx, r8, rbx), "andn ecx,r8d,ebx"],
  [a => a.andn(1, r9, rax, r12), "andn r9,rax,r12"],
  [a => a.cmpMemory(0, rax, 0, rdx), "cmp BYTE PTR [rax+0x0],dl"],
  [a => a.cmpMemory(1, rax, 0, rdx), "cmp WORD PTR [rax+0x0],dx"],
  [a => a.cmpMemory(3, rax, 0, r8), "cmp QWORD PTR [rax+0x0],r8"],
  [a => a.test8(rbp, 0xfc, 2), "test BYTE PTR [rbp+0xfc],0x2"],
  [a => a.signExtendRax(1), "cqo"],
  [a => a.signExtendRax(0), "cdq"],
  [a => a.idiv(1, rcx), "idiv rcx"],
  [a => a.idiv(0, r8), "idiv r8d"],
  [a => a.crc32c(0, rax, rsi), "crc32 eax,sil"],
  [a => a.crc32c(1, rax, r8), "crc32 eax,r8w"],
  [a => a.crc32c(2, rax, rcx), "crc32 eax,ecx"],
  [a => a.crc32c(3, rax, r8), "crc32 rax,r8"],
  [a => a.cpuid(), "cpuid"],
  [a => a.xgetbv(), "xgetbv"],
  [a => a.ldmxcsr(rbp, 0x108), "ldmxcsr DWORD PTR [rbp+0x108]"],
  [a => a.stmxcsr(rbp, 0x100), "stmxcsr DWORD PTR [rbp+0x100]"],
];

function disassemble(bytes: Uint8Array): string[] {
  const file = join(mkdtempSync(join(tmpdir(), "hv-asm-")), "code");
  writeFileSync(file, bytes);
  const run = Bun.spawnSync(["objdump", "-D", "-b", "binary", "-m", "i386:x86-64", "-M", "intel", "--no-show-raw-insn", file]);
  return run.stdout.toString().split("\n").filter(line => /^ +[0-9a-f]+:/.test(line))
    .map(line => line.replace(/^ +[0-9a-f]+:\s+/, "").replace(/\s*#.*/, "").replace(/ +/g, " ").trim());
}

test("every form is what objdump says it is", () => {
  const code = CodeMemory.allocate(65536);
  expect(code).toBeDefined();
  const asm = new Assembler(code as CodeMemory);
  for (const [emit] of forms) emit(asm);
  expect(disassemble((code as CodeMemory).bytes.slice(0, asm.at))).toEqual(forms.map(([, text]) => text));
});

/** Assembles with or without AVX and reads back. */
function vectorForms(avx: boolean, emit: (a: Assembler) => void): string[] {
  const code = CodeMemory.allocate(65536) as CodeMemory;
  const asm = new Assembler(code);
  asm.avx = avx;
  emit(asm);
  return disassemble(code.bytes.slice(0, asm.at));
}
/** Instructions whose name shows their immediate (1), or whose name here is not theirs. */
const renamed: Readonly<Record<string, string>> = {
  cmpps: "cmpltps", cmppd: "cmpltpd", cmpss: "cmpltss", cmpsd: "cmpltsd", pclmulqdq: "pclmulhqlqdq",
};
const names = Object.keys(X) as (keyof typeof X)[];
const shown = (name: string): string => renamed[name] ?? name.replace("Store", "");
const VEX_ONLY = /^(fn?m(add|sub)|psllv|psrlv|psrav|cvtph2ps|cvtps2ph|broadcast|extracti)/, SSE_ONLY = /^sha/;
const hasImmediate = (name: keyof typeof X): boolean => ((X[name] >> 10) & 3) === 3 || /^(cmp[ps]|pshufd|shufps|pinsrw)/.test(name);
const emitAll = (list: readonly (keyof typeof X)[]) => (a: Assembler): void => list.forEach(name => a.x2(X[name], 9, 10, hasImmediate(name) ? 1 : -1));

test("every vector instruction is the one its name says, as SSE and as AVX", () => {
  const sse = names.filter(name => !VEX_ONLY.test(name)), avx = names.filter(name => !SSE_ONLY.test(name));
  expect(vectorForms(false, emitAll(sse)).map(line => line.split(" ")[0])).toEqual(sse.map(shown));
  expect(vectorForms(true, emitAll(avx)).map(line => line.split(" ")[0])).toEqual(avx.map(name => `v${shown(name)}`));
});

test("vector operands stand where they belong", () => {
  const emit = (a: Assembler): void => {
    a.x3(X.paddd, 4, 5, 12);
    a.x3(X.mulsd, 9, 9, 3);
    a.x2m(X.movups, 12, rax, 16);
    a.x2m(X.movapsStore, 4, rbp, 0x180);
    a.x3m(X.pand, 4, 5, r12, 0);
    a.x2(X.movd, 4, r8, -1, 1);
    a.x2(X.movdStore, 12, rcx);
    a.x2(X.pextrd, 4, rax, 1, 1);
    a.x3g(X.pinsrb, 4, 4, r8, 3);
    a.x2(X.pmovmskb, rax, 12);
    a.x2(X.cvttsd2si, rax, 4, -1, 1);
    a.xShift(XShift.psrld, 9, 4, 3);
    a.xShift(XShift.pslldq, 12, 12, 8);
    a.xZero(4);
    a.xMove(4, 4);
  };
  expect(vectorForms(true, emit)).toEqual([
    "vpaddd xmm4,xmm5,xmm12", "vmulsd xmm9,xmm9,xmm3", "vmovups xmm12,XMMWORD PTR [rax+0x10]", "vmovaps XMMWORD PTR [rbp+0x180],xmm4",
    "vpand xmm4,xmm5,XMMWORD PTR [r12+0x0]", "vmovq xmm4,r8", "vmovd ecx,xmm12", "vpextrq rax,xmm4,0x1", "vpinsrb xmm4,xmm4,r8d,0x3",
    "vpmovmskb eax,xmm12", "vcvttsd2si rax,xmm4", "vpsrld xmm9,xmm4,0x3", "vpslldq xmm12,xmm12,0x8", "vxorps xmm4,xmm4,xmm4",
  ]);
  expect(vectorForms(false, emit)).toEqual([
    "movaps xmm4,xmm5", "paddd xmm4,xmm12", "mulsd xmm9,xmm3", "movups xmm12,XMMWORD PTR [rax+0x10]", "movaps XMMWORD PTR [rbp+0x180],xmm4",
    "movaps xmm4,xmm5", "pand xmm4,XMMWORD PTR [r12+0x0]", "movq xmm4,r8", "movd ecx,xmm12", "pextrq rax,xmm4,0x1", "pinsrb xmm4,r8d,0x3",
    "pmovmskb eax,xmm12", "cvttsd2si rax,xmm4", "movaps xmm9,xmm4", "psrld xmm9,0x3", "pslldq xmm12,0x8", "xorps xmm4,xmm4",
  ]);
});

test("ymm registers", () => {
  expect(vectorForms(true, a => {
    a.x3(X.addps | WIDE, 4, 5, 12);
    a.x2(X.cvtps2ph | WIDE, 2, 9, 4);
    a.x2(X.cvtpd2ps | WIDE, 3, 3);
    a.vzeroupper();
  })).toEqual(["vaddps ymm4,ymm5,ymm12", "vcvtps2ph xmm9,ymm2,0x4", "vcvtpd2ps xmm3,ymm3", "vzeroupper"]);
});

test("constants are reached from the end of the instruction, also behind an immediate", () => {
  const emit = (a: Assembler): void => {
    a.x3c(X.andps, 0, 0, 0x100);
    a.x2c(X.pshufd, 9, 0x110, 0x4e);
    a.ldmxcsrConstant(0x120);
  };
  const code = CodeMemory.allocate(65536) as CodeMemory;
  const asm = new Assembler(code);
  emit(asm);
  const file = join(mkdtempSync(join(tmpdir(), "hv-asm-")), "code");
  writeFileSync(file, code.bytes.slice(0, asm.at));
  const text = Bun.spawnSync(["objdump", "-D", "-b", "binary", "-m", "i386:x86-64", "-M", "intel", file]).stdout.toString();
  expect([...text.matchAll(/# (0x[0-9a-f]+)/g)].map(m => m[1])).toEqual(["0x100", "0x110", "0x120"]);
});

test("an SSE instruction refuses to overwrite its second operand", () => {
  expect(() => vectorForms(false, a => a.x3(X.psubd, 4, 5, 4))).toThrow();
});

test("shifts by immediate", () => {
  const kinds = Object.entries(XShift);
  expect(vectorForms(true, a => kinds.forEach(([, kind]) => a.xShift(kind, 4, 12, 3)))).toEqual(kinds.map(([name]) => `v${name} xmm4,xmm12,0x3`));
});

test("jumps lead where they are patched to", () => {
  const code = CodeMemory.allocate(65536) as CodeMemory;
  const asm = new Assembler(code);
  const forward = asm.jcc(CC.e);
  const backward = asm.jmp();
  asm.patch(forward, asm.at);
  asm.patch(backward, 0);
  asm.ret();
  expect(disassemble(code.bytes.slice(0, asm.at))).toEqual(["je 0xb", "jmp 0x0", "ret"]);
});

test("a memory operand on rsp or r12 has its SIB byte", () => {
  const code = CodeMemory.allocate(65536) as CodeMemory;
  const asm = new Assembler(code);
  asm.load(1, rax, rsp, 8);
  asm.load(1, rax, r12, 8);
  expect(disassemble(code.bytes.slice(0, asm.at))).toEqual(["mov rax,QWORD PTR [rsp+0x8]", "mov rax,QWORD PTR [r12+0x8]"]);
});
