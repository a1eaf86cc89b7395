import { beforeEach, describe, expect, test } from "bun:test";
import { FwCfg, FwCfgKey, fwCfgBytes, fwCfgNumber } from "../../devices/fw-cfg.ts";
import { Ram } from "../../src/machine/ram.ts";
import { CountedTrace } from "./wires.ts";

const RAM = 0x4000_0000, ACCESS = RAM + 0x100, TARGET = RAM + 0x1000;
const DMA = { ERROR: 1, READ: 2, SKIP: 4, SELECT: 8, WRITE: 16 } as const;
describe("fw_cfg", () => {
  let device: FwCfg, ram: Ram, trace: CountedTrace;
  const bytes = new TextEncoder().encode("0123456789");
  beforeEach(() => {
    ram = new Ram(RAM, { size: 0x1_0000, windows: [new ArrayBuffer(0x1_0000)], release: () => 0 });
    trace = new CountedTrace();
    device = new FwCfg({ memory: ram, trace });
    device.provide({ items: new Map([[FwCfgKey.KERNEL_SIZE, fwCfgNumber(10)], [FwCfgKey.KERNEL_DATA, fwCfgBytes(bytes)]]), files: new Map([["z", fwCfgBytes(bytes)], ["etc/a", fwCfgNumber(0x1234, 2)]]) });
  });
  const select = (key: number): void => device.write(8, 2, (key >> 8) | (key & 0xff) << 8);
  const take = (count: number): number[] => Array.from({ length: count }, () => device.read(0, 1));
  const text = (numbers: readonly number[]): string => String.fromCharCode(...numbers);
  /** A transfer: what is left of control, and the target's bytes. */
  function transfer(control: number, length: number, address = TARGET, at = ACCESS): [number, Uint8Array] {
    const access = new DataView(new ArrayBuffer(16));
    access.setUint32(0, control);
    access.setUint32(4, length);
    access.setUint32(8, Math.floor(address / 2 ** 32));
    access.setUint32(12, address % 2 ** 32);
    ram.write(ACCESS, new Uint8Array(access.buffer));
    const swapped = new DataView(new ArrayBuffer(8));
    swapped.setBigUint64(0, BigInt(at));
    device.write(16, 4, swapped.getUint32(0, true));
    device.write(20, 4, swapped.getUint32(4, true));
    const left = new Uint8Array(4), out = new Uint8Array(16);
    ram.read(ACCESS, left);
    ram.read(TARGET, out);
    return [new DataView(left.buffer).getUint32(0), out];
  }

  test("the signature, byte by byte; the id says that there is DMA", () => {
    select(0);
    expect(text(take(4))).toBe("QEMU");
    select(1);
    expect(device.read(0, 4)).toBe(3);
    expect([device.read(16, 4), device.read(20, 4)].map(word => text([0, 8, 16, 24].map(shift => word >>> shift & 0xff))).join("")).toBe("QEMU CFG");
  });
  test("wide reads keep the order of bytes; behind the end is zero; selecting starts over", () => {
    select(FwCfgKey.KERNEL_DATA);
    expect([device.read(0, 4), device.read(4, 4), device.read(0, 4), device.read(0, 1)]).toEqual([0x3332_3130, 0x3736_3534, 0x3938, 0]);
    select(FwCfgKey.KERNEL_DATA);
    expect(text(take(2))).toBe("01");
  });
  test("the directory lists files in the order of their names, big-endian", () => {
    select(FwCfgKey.FILE_DIR);
    const all = Uint8Array.from(take(4 + 2 * 64)), view = new DataView(all.buffer);
    expect(view.getUint32(0)).toBe(2);
    expect([0, 1].map(i => [view.getUint32(4 + 64 * i), view.getUint16(8 + 64 * i), text([...all.subarray(12 + 64 * i, 68 + 64 * i)]).replace(/\0+$/, "")])).toEqual([[2, 0x20, "etc/a"], [10, 0x21, "z"]]);
    select(0x20);
    expect(device.read(0, 2)).toBe(0x1234);
  });
  test("DMA selects, skips and reads; what is behind the end is zero", () => {
    expect(transfer(FwCfgKey.KERNEL_DATA << 16 | DMA.SELECT | DMA.SKIP, 4)).toEqual([0, new Uint8Array(16)]);
    const [control, out] = transfer(DMA.READ, 8);
    expect([control, text([...out.subarray(0, 6)]), ...out.subarray(6, 8)]).toEqual([0, "456789", 0, 0]);
  });
  test.each<[string, number, number, number]>([
    ["a target outside of memory", DMA.READ, 4, 0x1000], ["a target that leaves memory", DMA.READ, 0xffff_ffff, TARGET], ["a write", DMA.WRITE, 4, TARGET],
  ])("%s is refused, and nothing is copied", (_, control, length, address) => {
    ram.write(TARGET, Uint8Array.of(7, 7));
    const [left, out] = transfer(FwCfgKey.KERNEL_DATA << 16 | DMA.SELECT | control, length, address);
    expect([left, out[0], out[1]]).toEqual([DMA.ERROR, 7, 7]);
  });
  test("a transfer described outside of memory is noted", () => {
    transfer(DMA.READ, 4, TARGET, 0xffff_ffff_f000);
    expect(trace.notes).toEqual(["fw_cfg: DMA from outside of memory"]);
  });
  test("an item that is not there reads as zero", () => {
    select(0x7fff);
    expect(take(3)).toEqual([0, 0, 0]);
    expect(transfer(0x7fff << 16 | DMA.SELECT | DMA.READ, 4)[0]).toBe(0);
  });
});
