// test/boot/large-memory.test.ts — a guest with 8 GiB: memory beyond 4 GiB, and on both sides of every 2 GiB where one view of it
// ends and the next begins, is the guest's own, the translator's and the interpreter's. Nothing is reserved: what is not touched costs nothing.
import { describe, expect, test } from "bun:test";
import { VirtualMachine } from "../../src/library.ts";
import { RAM_BASE } from "../../src/machine/platform.ts";
import { GiB } from "../../src/units.ts";
import { Assembler } from "../support/assembler.ts";
import { debianKernel } from "../support/debian.ts";

const SIZE = 8 * GiB, SEAMS = [1, 2, 3].map(n => RAM_BASE + n * 2 * GiB), END = RAM_BASE + SIZE;
const BOOT = 120_000;

describe.each(["translator", "interpreter"] as const)("8 GiB, by the %s", engine => {
  test("doublewords on both sides of each seam, and at the end, are what the guest wrote; past the end is an abort", async () => {
    const places = [...SEAMS.flatMap(seam => [seam - 16, seam - 8, seam, seam + 8]), END - 8];
    const asm = new Assembler().mov("x0", RAM_BASE + 0x1000).msr("VBAR_EL1", "x0").isb();
    for (const at of places) asm.mov("x1", BigInt(at)).str("x1", "x1", 0, 8);
    asm.mov("x3", 0);
    for (const at of places) asm.mov("x1", BigInt(at)).ldr("x2", "x1", 0, 8).add("x3", "x3", "x2");
    asm.mov("x1", BigInt(END)).ldr("x2", "x1", 0, 8).brk(1);
    for (const vector of [0, 0x200]) asm.org(0x1000 + vector).mrs("x4", "FAR_EL1").brk(2);
    await using vm = await VirtualMachine.create({ program: asm.words(), memory: SIZE, engine });
    expect(await vm.run({ maxInstructions: 10_000 })).toMatchObject({ kind: "debug", immediate: 2 });
    const { x } = await vm.registers();
    expect([x[3], x[4]]).toEqual([places.reduce((sum, at) => sum + BigInt(at), 0n), BigInt(END)]);
    for (const seam of SEAMS) expect([...new BigUint64Array((await vm.memory.read(seam - 16, 32)).buffer)]).toEqual([-16, -8, 0, 8].map(by => BigInt(seam + by)));
  });
  test("code on both sides of a seam runs, and a block does not lose itself at 4 GiB", async () => {
    for (const seam of [...SEAMS, 4 * GiB]) {
      const body = new Assembler();
      for (let n = 0; n < 8; n++) body.add("x0", "x0", 1); // four of them before the seam
      body.brk(3);
      await using vm = await VirtualMachine.create({ program: new Assembler().mov("x0", 0).mov("x1", BigInt(seam - 16)).emit("BR", { n: 1 }).words(), memory: SIZE, engine });
      await vm.memory.write(seam - 16, new Uint8Array(Uint32Array.from(body.words()).buffer));
      expect(await vm.run({ maxInstructions: 1000 })).toMatchObject({ kind: "debug", immediate: 3 });
      expect((await vm.registers()).x[0]).toBe(8n);
    }
  });
});

describe("Debian's kernel 6.1 with 8 GiB", () => {
  test("has all of it, and takes pages of processes from above 4 GiB", async () => {
    const { kernel, initramfs } = await debianKernel("6.1");
    await using vm = await VirtualMachine.start({ kernel, initrd: initramfs, memory: "8G", engine: "translator", cmdline: "console=ttyAMA0 quiet" });
    await vm.console.expect(/\/ # /, { timeout: BOOT });
    vm.console.write("mount -t tmpfs t /mnt; seq 1 100000 > /mnt/a; for i in $(seq 1 60); do cat /mnt/a; done > /mnt/b; md5sum < /mnt/b; grep -e MemTotal /proc/meminfo; grep -A9 'zone   Normal' /proc/zoneinfo; echo do''ne\n");
    const [said] = await vm.console.expect(/echo do''ne\r\n[^]*done\r\n/, { timeout: 60_000 });
    expect(said).toContain(new Bun.CryptoHasher("md5").update(Array.from({ length: 100_000 }, (_, i) => `${i + 1}\n`).join("").repeat(60)).digest("hex"));
    expect(Number(/MemTotal: +(\d+)/.exec(said)?.[1])).toBeGreaterThan(7.5 * 1024 * 1024);
    const number = (name: string): number => Number(new RegExp(`\\b${name} +(\\d+)`).exec(said)?.[1]);
    expect((number("managed") - number("pages free")) * 4096).toBeGreaterThan(20_000_000); // that zone begins at 4 GiB
  }, BOOT + 90_000);
});
