// src/cpu/translate/jump-caches.ts — where indirect jumps find generated code: two direct-mapped caches in the state, by address,
// one for each EL; looked at in the jump itself. What is not there leaves for TypeScript, which enters it.
//
// EL1's tag is the whole address: tagged pointers leave, and so does what is no address at all. EL0's has the context (Offset.CONTEXT)
// in bits 63..48, which are 0 in every address of the lower half: others leave, or their upper bits could make them look
// like an address of another context. (Code of EL0 in the upper half leaves at each indirect jump.) Measured and not kept: a
// second cache behind the first, of 1 MiB, for those driven out and for processes with the same addresses: a third fewer
// exits in a boot of Debian, and no less time.
import { Offset } from "../state.ts";
import { Alu, CC, Reg, Shift, type Assembler } from "./assembler.ts";
import { disp } from "./translator.ts";

const { rax, rcx, rdx, rbp } = Reg;
/** {u64 tag, u64 host address}. A tag is no multiple of 4 where there is none. */
const ENTRIES = 16384, ENTRY = 16, NONE = 1;
const PAGE_ENTRIES = 1024;
const CONTEXT = Offset.CONTEXT / 4;
const start = (el: number): number => (el === 0 ? Offset.JUMP_EL0 : Offset.JUMP_EL1);
const slotOf = (el: number, lo: number): number => start(el) / 4 + ((lo >>> 2) & (ENTRIES - 1)) * (ENTRY / 4);
const PAGES_BITS = 17;
const pageHash = (lo: number, hi: number): number => Math.imul((lo >>> 12) ^ (hi << 20), 0x9e37_79b1) >>> (32 - PAGES_BITS);

export class JumpCaches {
  readonly #x: Int32Array;
  /** By a hash of the page: whether a place in it was entered. Most pages whose translation changes hold no code. */
  readonly #pages = new Uint8Array(2 ** PAGES_BITS);
  constructor(x: Int32Array) { this.#x = x; }

  /** The code at an address, in the present context, is at a host address. */
  enter(el: number, lo: number, hi: number, host: number): void {
    const x = this.#x, slot = slotOf(el, lo);
    this.#pages[pageHash(lo, hi)] = 1;
    x[slot] = lo;
    x[slot + 1] = el === 0 ? hi | (x[CONTEXT + 1] as number) : hi;
    x[slot + 2] = host % 2 ** 32 | 0;
    x[slot + 3] = Math.floor(host / 2 ** 32) | 0;
  }
  /** The code at a host address is gone. `lo`: of its address; of EL0's, which may be known by any page's, the offset in the page. */
  forget(el: number, lo: number, host: number): void {
    const x = this.#x, hostLo = host % 2 ** 32 | 0, hostHi = Math.floor(host / 2 ** 32) | 0, end = start(el) / 4 + ENTRIES * (ENTRY / 4);
    for (let slot = slotOf(el, lo); slot < end; slot += (el === 0 ? PAGE_ENTRIES : ENTRIES) * (ENTRY / 4)) {
      if (x[slot + 2] === hostLo && x[slot + 3] === hostHi) x[slot] = NONE;
    }
  }
  /** The translation of a virtual page changed, in whatever context. */
  forgetPage(lo: number, hi: number): void {
    if (this.#pages[pageHash(lo, hi)] === 0) return;
    const x = this.#x, page = lo & -4096;
    for (let el = 0; el < 2; el++) {
      const from = slotOf(el, page);
      for (let slot = from; slot < from + PAGE_ENTRIES * (ENTRY / 4); slot += ENTRY / 4) {
        if ((((x[slot] as number) ^ page) & -4096) === 0 && (((x[slot + 1] as number) ^ hi) & 0xffff) === 0) x[slot] = NONE;
      }
    }
  }
  clear(): void {
    this.clearOf(0);
    this.clearOf(1);
    this.#pages.fill(0);
  }
  clearOf(el: number): void { this.#x.fill(NONE, start(el) / 4, start(el) / 4 + ENTRIES * (ENTRY / 4)); }
}

/** Emits the jump to the code of the address in rax; what is not known goes to `miss`. Here and not in common code: each jump is predicted by itself. */
export function emitJump(asm: Assembler, el: number, miss: number): void {
  let tag: number = rax;
  if (el === 0) {
    asm.mov(1, rcx, rax);
    asm.aluImm(Alu.and, 1, rcx, -4096);
    asm.store(1, rbp, disp(Offset.CODE_BASE), rcx);
    asm.shift(Shift.shr, 1, rcx, 48);
    asm.patch(asm.jcc(CC.ne), miss);
    asm.load(1, rdx, rbp, disp(Offset.CONTEXT));
    asm.alu(Alu.or, 1, rdx, rax);
    tag = rdx;
  }
  asm.mov(0, rcx, rax);
  asm.shift(Shift.shl, 0, rcx, 2);
  asm.aluImm(Alu.and, 0, rcx, (ENTRIES - 1) * ENTRY);
  asm.aluLoadIndexed(Alu.cmp, 1, tag, rbp, rcx, disp(start(el)));
  asm.patch(asm.jcc(CC.ne), miss);
  asm.jmpIndexed(rbp, rcx, disp(start(el)) + 8);
}
