// test/machine/ram.test.ts — guest RAM beyond one window of 2 GiB: the loader's copies and the core's accesses at the seams.
// RAM is reserved, not touched: 5 GiB of it cost a few pages.
import { describe, expect, test } from "bun:test";
import { NativeMemory } from "../../ffi/memory.ts";
import { Ram } from "../../src/machine/ram.ts";
import { GiB } from "../../src/units.ts";
import { RAM, TestCore } from "../cpu/core.ts";

const SIZE = 5 * GiB;
const SEAMS = [RAM + 2 * GiB, RAM + 4 * GiB];

describe("copies", () => {
  const memory = NativeMemory.allocate(SIZE);
  const ram = new Ram(RAM, { size: SIZE, windows: Array.from({ length: memory.windows }, (_, i) => memory.window(i)), release: (offset, length) => memory.release(offset, length) });

  test.each(SEAMS)("across the seam at 0x%x come back whole", seam => {
    const bytes = Uint8Array.from({ length: 64 }, (_, i) => i + 1), back = new Uint8Array(64);
    expect([ram.write(seam - 32, bytes), ram.read(seam - 32, back)]).toEqual([true, true]);
    expect(back).toEqual(bytes);
    expect([ram.read(seam, back), back[0]]).toEqual([true, 33]);
  });
  test("what is not needed goes back by whole pages, and can be used again", () => {
    const page = new Uint8Array(0x8000).fill(7), at = RAM + 2 * GiB - 0x4000, one = new Uint8Array(1);
    ram.write(at, page);
    expect([ram.release(at, 0x8000), ram.release(at + 1, 100), ram.release(RAM + SIZE - 0x4000, 0x8000), ram.release(RAM - 0x4000, 0x8000), ram.release(Number.NaN, 0x4000)]).toEqual([0x8000, 0, 0, 0, 0]);
    expect([ram.read(at + 0x4000, one), ram.write(at, page.subarray(0, 5)), ram.read(at + 4, one), one[0]]).toEqual([true, true, true, 7]);
  });
  test("end with RAM: nothing is copied when a part lies outside", () => {
    const four = Uint8Array.of(1, 2, 3, 4), back = new Uint8Array(2);
    expect([ram.write(RAM + SIZE - 4, four), ram.write(RAM + SIZE - 2, four), ram.write(RAM - 1, four), ram.write(Number.NaN, four)]).toEqual([true, false, false, false]);
    expect([ram.read(RAM + SIZE - 2, back), [...back]]).toEqual([true, [3, 4]]);
  });
});

describe("a core", () => {
  /** Its MMU on, with every GiB mapped to itself. */
  function make(): TestCore {
    const core = new TestCore(SIZE), table = RAM + 0x1_0000;
    for (let i = 0; i < 8; i++) core.write64(table + 8 * i, BigInt(i * GiB) | 0x701n);
    core.msr("MAIR_EL1", 0xff).msr("TTBR0_EL1", table).msr("TCR_EL1", 25n | (2n << 32n)).msr("SCTLR_EL1", 0x30d0_0981);
    return core.forget();
  }
  test("finds every word where it put it, in all windows", () => {
    const core = make();
    const step = 0x0b00_0000; // 176 MiB, and not the same place in each window
    // x1 = address, x3 = step, x2 = count: store the address to itself, and again for the check
    core.run(asm => asm.mov("x1", RAM + 0x10_0000).mov("x3", step).mov("x2", Math.floor((SIZE - 0x20_0000) / step)));
    const [first, count] = [core.x(1), core.x(2)];
    for (let i = 0n; i < count; i++) core.run(asm => asm.str("x1", "x1").add("x1", "x1", "x3"));
    core.setX(1, first);
    for (let i = 0n; i < count; i++) {
      core.run(asm => asm.ldr("x0", "x1"));
      expect(core.x(0)).toBe(first + i * BigInt(step));
      core.run(asm => asm.add("x1", "x1", "x3"));
    }
    expect(core.quiet).toBe(true);
    core[Symbol.dispose]();
  });
  test.each(SEAMS)("crosses the seam at 0x%x with one access", seam => {
    const core = make();
    core.setX(0, 0x1122_3344_5566_7788n);
    for (const back of [1, 4, 7]) {
      core.setX(1, seam - back);
      core.run(asm => asm.str("x0", "x1").ldr("x2", "x1"));
      expect([core.x(2), core.quiet]).toEqual([0x1122_3344_5566_7788n, true]);
      core.run(asm => asm.LDP_off({ g: 0, N: 1, t: 3, u: 4 }));
      expect([core.x(3), core.x(4)]).toEqual([0x5566_7788n, 0x1122_3344n]);
    }
    core[Symbol.dispose]();
  });
  test.each(SEAMS)("runs code across the seam at 0x%x", seam => {
    const core = make();
    const put = (pa: number, word: number): void => { core.setX(1, pa); core.setX(0, word); core.run(asm => asm.str("x0", "x1", 0, 4)); };
    put(seam - 4, 0xd280_0020); // MOV x0, #1
    put(seam, 0x9100_0400); // ADD x0, x0, #1
    core.pc = BigInt(seam - 4);
    core.step(2);
    expect([core.x(0), core.pc]).toEqual([2n, BigInt(seam + 4)]);
    core[Symbol.dispose]();
  });
  test("the first byte behind RAM is device space", () => {
    const core = make();
    core.setX(1, RAM + SIZE);
    core.run(asm => asm.ldr("x0", "x1"));
    expect([core.exit.kind, core.exit.gpa]).toEqual(["mmio", RAM + SIZE]);
    core[Symbol.dispose]();
  });
});
