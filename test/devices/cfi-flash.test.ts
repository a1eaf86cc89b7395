import { beforeEach, describe, expect, test } from "bun:test";
import { CfiFlash, FLASH_BANK, FLASH_SECTOR } from "../../devices/cfi-flash.ts";
import { CountedTrace } from "./wires.ts";

const BOTH = (value: number): number => (value | value << 16) >>> 0;
describe("CFI flash", () => {
  const bytes = new Uint8Array(FLASH_BANK);
  let flash: CfiFlash, trace: CountedTrace, modes: boolean[], changes: [number, number][], kept = true;
  beforeEach(() => {
    bytes.fill(0xff, 0, 2 * FLASH_SECTOR);
    [trace, modes, changes, kept] = [new CountedTrace(), [], [], true];
    flash = new CfiFlash({ bytes, trace, arrayMode: on => modes.push(on), changed: (offset, length) => (changes.push([offset, length]), kept) });
  });
  const command = (value: number, offset = 0): void => flash.write(offset, 4, BOTH(value));

  test("the query says who it is: QRY, command set 1, 2 x 32 MiB in 256 blocks of 128 KiB", () => {
    command(0x98, 0x55 * 4);
    const word = (n: number): number => flash.read(4 * n, 4);
    expect([0x10, 0x11, 0x12].map(word)).toEqual([..."QRY"].map(char => BOTH(char.charCodeAt(0))));
    expect([word(0x13), word(0x14), 2 ** (word(0x27) & 0xff)]).toEqual([BOTH(1), 0, FLASH_BANK / 2]);
    expect([(word(0x2d) & 0xff) + 1, ((word(0x30) & 0xff) << 8 | (word(0x2f) & 0xff)) * 256]).toEqual([256, FLASH_SECTOR / 2]);
    const table = (word(0x15) & 0xff);
    expect([0, 1, 2].map(n => word(table + n) & 0xff)).toEqual([..."PRI"].map(char => char.charCodeAt(0)));
    expect(word(0x1000)).toBe(0);
  });
  test("identifier: manufacturer 0x89, device 0x18; narrow reads see their chip", () => {
    command(0x90);
    expect([flash.read(0, 4), flash.read(4, 4), flash.read(6, 2), flash.read(1, 1)]).toEqual([BOTH(0x89), BOTH(0x18), 0x18, 0]);
  });
  test("memory is mapped in read-array mode only", () => {
    command(0x70);
    command(0x90);
    command(0xff);
    expect([modes, flash.read(0, 4)]).toEqual([[false, true], 0xffff_ffff]);
  });
  test("programming clears bits, never sets them; the status then says ready", () => {
    command(0x40, 8);
    flash.write(8, 4, 0x1234_5678);
    expect([flash.read(0, 4), changes]).toEqual([BOTH(0x80), [[8, 4]]]);
    command(0x10, 8);
    flash.write(8, 4, 0xffff_0000);
    command(0xff);
    expect(flash.read(8, 4)).toBe(0x1234_0000);
  });
  test("an erase needs its confirmation, and sets its block to ones", () => {
    bytes.fill(0, 0, 2 * FLASH_SECTOR);
    command(0x20, FLASH_SECTOR + 64);
    command(0xd0, FLASH_SECTOR + 64);
    expect([bytes[FLASH_SECTOR - 1], bytes[FLASH_SECTOR], bytes[2 * FLASH_SECTOR - 1], bytes[2 * FLASH_SECTOR]]).toEqual([0, 0xff, 0xff, 0]);
    command(0xff);
    command(0x20);
    command(0xff);
    expect([flash.read(0, 4), bytes[0]]).toEqual([BOTH(0xb0), 0]);
    command(0x50);
    expect(flash.read(0, 4)).toBe(BOTH(0x80));
  });
  test("a buffer is programmed when it is confirmed", () => {
    command(0xe8, 0x1000);
    expect(flash.read(0, 4)).toBe(BOTH(0x80));
    flash.write(0x1000, 4, BOTH(1)); // two words
    flash.write(0x1000, 4, 0x1111_1111);
    flash.write(0x1004, 4, 0x2222_2222);
    expect(bytes[0x1000]).toBe(0xff);
    command(0xd0, 0x1000);
    expect([flash.read(0, 4), [...bytes.subarray(0x1000, 0x1009)]]).toEqual([BOTH(0x80), [0x11, 0x11, 0x11, 0x11, 0x22, 0x22, 0x22, 0x22, 0xff]]);
  });
  test.each([["more than a buffer holds", 0xffff, 0x1000], ["words of two buffers", 1, 0x2000]])("%s: a wrong sequence, nothing is programmed", (_, count, second) => {
    command(0xe8, 0x1000);
    flash.write(0x1000, 4, count);
    flash.write(0x1000, 4, 0);
    flash.write(second, 4, 0);
    command(0xd0);
    command(0x70);
    expect([flash.read(0, 4), bytes[0x1000], bytes[second]]).toEqual([BOTH(0xb0), 0xff, 0xff]);
  });
  test("what the host could not keep is an error of programming or erasing", () => {
    kept = false;
    command(0x40);
    flash.write(0, 4, 0);
    expect(flash.read(0, 4)).toBe(BOTH(0x90));
    command(0x50);
    command(0x20);
    command(0xd0);
    expect(flash.read(0, 4)).toBe(BOTH(0xa0));
  });
  test("a reset returns to reading and keeps the content", () => {
    bytes[5] = 7;
    command(0x98);
    flash.reset();
    expect([modes, flash.read(5, 1)]).toEqual([[false, true], 7]);
  });
  test("a snapshot holds a half-written buffer", () => {
    command(0xe8);
    flash.write(0, 4, BOTH(1));
    flash.write(0, 4, 0x0f0f_0f0f);
    const other = new CfiFlash({ bytes, trace, arrayMode: () => {}, changed: () => true });
    other.restore(flash.snapshot());
    other.write(4, 4, 0);
    other.write(0, 4, BOTH(0xd0));
    expect([...bytes.subarray(0, 8)]).toEqual([15, 15, 15, 15, 0, 0, 0, 0]);
  });
});
