// test/differential/lockstep.test.ts — Debian's kernel on both engines in lockstep, for a while; and that a difference is found.
import { expect, test } from "bun:test";
import { debianKernel } from "../support/debian.ts";
import { lockstep, type Guest } from "./lockstep.ts";

const guest = async (kernel: "6.1" | "6.12-cloud"): Promise<Guest> => {
  const pulled = await debianKernel(kernel);
  return { kernel: pulled.kernel, initrd: pulled.initramfs, cmdline: "console=ttyAMA0 earlycon", ramSize: 256 * 2 ** 20 };
};

test("the first 150 million instructions of 6.1 are the same on both engines", async () => {
  expect(lockstep(await guest("6.1"), 150e6, 1000)).toBeUndefined();
}, 120_000);
test("the first 60 million instructions of 6.12-cloud are the same on both engines", async () => {
  expect(lockstep(await guest("6.12-cloud"), 60e6, 1000)).toBeUndefined();
}, 120_000);
test("one wrong bit is found, and the block is named", async () => {
  const flipped = lockstep(await guest("6.1"), 2e6, 500, cpu => {
    if (cpu.executed >= 1_000_000) cpu.x[10] = (cpu.x[10] as number) ^ 4;
  });
  expect(flipped).toMatch(/^behind instruction (1000|999)\d{3}, the block at [0-9a-f]{16}:\nX\+40: interpreter [0-9a-f]+, generated code [0-9a-f]+\n/);
  expect(flipped).toMatch(/^guest code: [0-9a-f]{8}/m);
  expect(flipped).toMatch(/^host code: [0-9a-f]{20,}/m);
}, 60_000);
