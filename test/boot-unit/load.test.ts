// test/boot-unit/load.test.ts — placement of kernel, device tree and initrd.
import { describe, expect, test } from "bun:test";
import { placeBoot } from "../../src/boot/load.ts";
import type { PlacementRequest } from "../../src/boot/load.ts";
import { GiB, KiB, MiB } from "../../src/units.ts";
import { failureOf } from "../support/failure.ts";
import { Random } from "../support/random.ts";

const RAM = 0x4000_0000;
const request = (changes: Partial<PlacementRequest> & { textOffset?: number; imageSize?: number } = {}): PlacementRequest => ({
  kernel: { textOffset: changes.textOffset ?? 0, imageSize: changes.imageSize ?? 33 * MiB }, dtbSize: 20_000, initrdSize: 5_000_001, ramBase: RAM, ramSize: 512 * MiB, ...changes,
});
const refusal = (changes: Parameters<typeof request>[0]): string => {
  const failure = failureOf(() => placeBoot(request(changes)));
  expect(failure.exit).toBe(2);
  expect(failure.hint).toBeString();
  return `${failure.code}: ${failure.message}`;
};

describe("placement", () => {
  test("kernel at the start of RAM, device tree behind it, initrd behind that", () => {
    expect(placeBoot(request()) as object).toEqual({
      kernel: RAM, entry: RAM, kernelEnd: RAM + 33 * MiB, dtb: RAM + 34 * MiB, initrd: { start: RAM + 34 * MiB + 64 * KiB, end: RAM + 34 * MiB + 64 * KiB + 5_000_001 },
    });
  });
  test("text_offset is counted from a 2 MiB boundary, also when RAM starts between two", () => {
    expect(placeBoot(request({ textOffset: 0x80000 })).kernel as number).toBe(RAM + 0x80000);
    expect(placeBoot(request({ textOffset: 0x80000, ramBase: RAM + MiB })).kernel as number).toBe(RAM + 2 * MiB + 0x80000);
  });
  test("no initrd", () => expect(placeBoot(request({ initrdSize: undefined })).initrd).toBeUndefined());
  test("the last byte of RAM may be used, one more may not", () => {
    const fits = 512 * MiB - 34 * MiB - 64 * KiB;
    expect(placeBoot(request({ initrdSize: fits })).initrd?.end as number).toBe(RAM + 512 * MiB);
    expect(refusal({ initrdSize: fits + 1 })).toContain(`HV-BOOT-MEMORY: kernel, device tree and an initrd of ${fits + 1} bytes need`);
    expect(refusal({ ramSize: 33 * MiB - 1 })).toContain("HV-BOOT-MEMORY: the kernel needs 34603008 bytes (33 MiB)");
    expect(refusal({ ramSize: 34 * MiB, dtbSize: 1 })).toContain("HV-BOOT-MEMORY: kernel and device tree need");
    expect(placeBoot(request({ ramSize: 34 * MiB + 20_000, initrdSize: undefined })).dtb as number).toBe(RAM + 34 * MiB);
  });
  test("text_offset behind RAM, or not on a page", () => {
    expect(refusal({ textOffset: 512 * MiB })).toContain("HV-BOOT-TEXT-OFFSET");
    expect(refusal({ textOffset: 2 ** 47 })).toContain("HV-BOOT-TEXT-OFFSET");
    expect(refusal({ textOffset: 0x80001 })).toContain("not a multiple of 4 KiB");
  });
  test("image_size over RAM, up to the largest that a header may give", () => {
    expect(refusal({ imageSize: 513 * MiB })).toContain("HV-BOOT-MEMORY");
    expect(refusal({ imageSize: 2 ** 48 - 1 })).toContain("281474976710655 bytes");
  });
  test("an empty initrd, one larger than RAM, one outside the 32 GiB window", () => {
    expect(refusal({ initrdSize: 0 })).toContain("HV-BOOT-INITRD-EMPTY");
    expect(refusal({ initrdSize: 600 * MiB })).toContain("HV-BOOT-MEMORY");
    const within = 32 * GiB - 34 * MiB - 64 * KiB;
    expect(placeBoot(request({ ramSize: 64 * GiB, initrdSize: within })).initrd?.end as number).toBe(RAM + 32 * GiB);
    expect(refusal({ ramSize: 64 * GiB, initrdSize: within + 1 })).toContain("HV-BOOT-INITRD-WINDOW");
  });
  test("a device tree of 2 MiB fits, one byte more is refused", () => {
    expect(placeBoot(request({ dtbSize: 2 * MiB })).dtb as number).toBe(RAM + 34 * MiB);
    expect(refusal({ dtbSize: 2 * MiB + 1 })).toContain("HV-BOOT-DTB-SIZE");
    expect(refusal({ dtbSize: 0 })).toContain("HV-BOOT-DTB-SIZE");
  });
  test("memory that the device tree reserves is not used: refused by one byte", () => {
    const at = BigInt(RAM + 34 * MiB);
    expect(refusal({ reservations: [{ address: at - 1n, size: 2n }] })).toContain("where the device tree goes");
    expect(refusal({ reservations: [{ address: BigInt(RAM) + 100n, size: 1n }] })).toContain("where the kernel goes");
    expect(refusal({ reservations: [{ address: 0n, size: 1n << 64n }] })).toContain("HV-BOOT-RESERVED");
    expect(placeBoot(request({ reservations: [{ address: at - 1n, size: 1n }, { address: at + 20_000n, size: 1n }] })).dtb as number).toBe(RAM + 34 * MiB);
  });
  test("10,000 random machines: nothing overlaps, every rule holds", () => {
    const random = new Random(0x10ad);
    let placed = 0;
    for (let i = 0; i < 10_000; i++) {
      const one = request({
        textOffset: random.below(1024) * 4 * KiB, imageSize: 1 + random.below(64 * MiB), dtbSize: 1 + random.below(2 * MiB), initrdSize: 1 + random.below(128 * MiB), ramSize: (1 + random.below(300)) * MiB,
      });
      let at;
      try {
        at = placeBoot(one);
      } catch {
        continue;
      }
      placed++;
      const end = RAM + one.ramSize, initrd = at.initrd!;
      expect((at.kernel - one.kernel.textOffset) % (2 * MiB)).toBe(0);
      expect(at.kernel + one.kernel.imageSize).toBeLessThanOrEqual(at.dtb);
      expect(at.dtb % 8).toBe(0);
      expect(Math.floor(at.dtb / (2 * MiB))).toBe(Math.floor((at.dtb + one.dtbSize - 1) / (2 * MiB)));
      expect(at.dtb + one.dtbSize).toBeLessThanOrEqual(initrd.start);
      expect(initrd.end - initrd.start).toBe(one.initrdSize!);
      expect(initrd.end).toBeLessThanOrEqual(end);
    }
    expect(placed).toBeGreaterThan(1000);
  });
});
