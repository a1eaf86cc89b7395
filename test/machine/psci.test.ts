// test/machine/psci.test.ts — the firmware calls as tables: function, arguments, answer. ARM DEN 0022D, DEN 0028, DEN 0098.
import { beforeEach, describe, expect, test } from "bun:test";
import { PsciResult, serveCall, type Firmware } from "../../src/machine/psci.ts";

const { success, notSupported, invalidParameters, alreadyOn, invalidAddress } = PsciResult;
const RAM = 0x4000_0000;

/** Four cores, of which 0 and 1 are on; it writes down what it is told. */
class FakeFirmware implements Firmware {
  readonly told: string[] = [];
  cpuOf(lo: number, hi: number): number { return hi === 0 && lo < 4 ? lo : -1; }
  isOn(cpu: number): boolean { return cpu < 2; }
  start(cpu: number, entryLo: number, _entryHi: number, contextLo: number, contextHi: number): void { this.told.push(`start ${cpu} at ${entryLo.toString(16)} with ${contextHi.toString(16)}:${contextLo.toString(16)}`); }
  validEntry(lo: number, hi: number): boolean { return hi === 0 && lo >= RAM; }
  off(cpu: number): void { this.told.push(`off ${cpu}`); }
  suspend(cpu: number): void { this.told.push(`suspend ${cpu}`); }
  systemOff(): void { this.told.push("system off"); }
  systemReset(): void { this.told.push("system reset"); }
  random(into: Uint32Array): void { into.fill(0xffff_ffff); }
}

let firmware: FakeFirmware;
beforeEach(() => { firmware = new FakeFirmware(); });
const MARK = 0xdead_dead_dead_deadn;
/** Calls from core 0; gives x0..x3. */
function call(...args: readonly (number | bigint)[]): bigint[] {
  const x = [0, 1, 2, 3].map(i => BigInt.asUintN(64, BigInt(args[i] ?? MARK)));
  serveCall(0, {
    argument: i => ({ lo: Number((x[i] as bigint) & 0xffff_ffffn), hi: Number((x[i] as bigint) >> 32n) }),
    setArgument: (i, lo, hi) => { x[i] = (BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0); },
  }, firmware);
  return x;
}
const result = (...args: readonly (number | bigint)[]): number => Number(BigInt.asIntN(64, call(...args)[0] as bigint));

describe("answers", () => {
  test.each([
    ["PSCI_VERSION is 1.1", [0x8400_0000], 0x1_0001],
    ["SMCCC_VERSION is 1.1", [0x8000_0000], 0x1_0001],
    ["MIGRATE_INFO_TYPE: nothing to migrate", [0x8400_0006], 2],
    ["CPU_ON of a core that is off", [0xc400_0003, 2, RAM, 0], success],
    ["CPU_ON by the 32-bit convention", [0x8400_0003, 3, RAM, 0], success],
    ["CPU_ON of a core that is on", [0xc400_0003, 1, RAM, 0], alreadyOn],
    ["CPU_ON of the caller", [0xc400_0003, 0, RAM, 0], alreadyOn],
    ["CPU_ON of a core that there is not", [0xc400_0003, 4, RAM, 0], invalidParameters],
    ["CPU_ON with affinity 3", [0xc400_0003, 1n << 32n, RAM, 0], invalidParameters],
    ["CPU_ON with an entry outside RAM", [0xc400_0003, 2, 0x900_0000, 0], invalidAddress],
    ["CPU_ON with an entry of more than 32 bits", [0xc400_0003, 2, 1n << 32n, 0], invalidAddress],
    ["AFFINITY_INFO of a core that is on", [0xc400_0004, 1, 0], 0],
    ["AFFINITY_INFO of a core that is off", [0x8400_0004, 2, 0], 1],
    ["AFFINITY_INFO of a core that there is not", [0xc400_0004, 9, 0], invalidParameters],
    ["AFFINITY_INFO of a higher level", [0xc400_0004, 0, 1], invalidParameters],
    ["CPU_SUSPEND returns after the wait", [0xc400_0001, 0, RAM, 0], success],
    ["SYSTEM_RESET2 of a kind that there is not", [0xc400_0012, 1], invalidParameters],
    ["SYSTEM_RESET2 of a vendor's kind", [0x8400_0012, 0x8000_0000], invalidParameters],
    ["PSCI_FEATURES of CPU_ON", [0x8400_000a, 0xc400_0003], 0],
    ["PSCI_FEATURES of SMCCC_VERSION", [0x8400_000a, 0x8000_0000], 0],
    ["PSCI_FEATURES of CPU_SUSPEND: original format, coordinated by the platform", [0x8400_000a, 0xc400_0001], 0],
    ["PSCI_FEATURES of a 64-bit form that there is not", [0x8400_000a, 0xc400_0008], notSupported],
    ["PSCI_FEATURES of PSCI_STAT_COUNT", [0x8400_000a, 0x8400_0011], notSupported],
    ["SMCCC_ARCH_FEATURES of itself", [0x8000_0001, 0x8000_0001], 0],
    ["SMCCC_ARCH_FEATURES of WORKAROUND_1: not needed here", [0x8000_0001, 0x8000_8000], 1],
    ["SMCCC_ARCH_FEATURES of WORKAROUND_2: not needed here", [0x8000_0001, 0x8000_7fff], -2],
    ["SMCCC_ARCH_FEATURES of WORKAROUND_3: not needed here", [0x8000_0001, 0x8000_3fff], 1],
    ["SMCCC_ARCH_FEATURES of something else", [0x8000_0001, 0x8000_1234], notSupported],
    ["MIGRATE", [0x8400_0005], notSupported],
    ["SYSTEM_OFF has no 64-bit form", [0xc400_0008], notSupported],
    ["MEM_PROTECT", [0x8400_0013], notSupported],
    ["a function of nobody", [0x8600_ff01], notSupported],
    ["0", [0], notSupported],
    ["~0", [0xffff_ffff], notSupported],
    ["TRNG_VERSION is 1.0", [0x8400_0050], 0x1_0000],
    ["TRNG_FEATURES of TRNG_RND", [0x8400_0051, 0xc400_0053], 0],
    ["TRNG_FEATURES of something else", [0x8400_0051, 0x8400_0054], -1],
    ["TRNG_RND of 0 bits", [0xc400_0053, 0], -2],
    ["TRNG_RND of 97 bits in 32-bit registers", [0x8400_0053, 97], -2],
    ["TRNG_RND of 193 bits", [0xc400_0053, 193], -2],
    ["TRNG_RND of 2^32 bits", [0xc400_0053, 1n << 32n], -2],
  ] as const)("%s", (_name, args, expected) => { expect(result(...args)).toBe(expected); });
});

describe("effects", () => {
  test("CPU_ON hands on entry and context", () => {
    call(0xc400_0003, 2, RAM + 0x1000, 0x1234_5678_9abc_def0n);
    expect(firmware.told).toEqual(["start 2 at 40001000 with 12345678:9abcdef0"]);
  });
  test("by the 32-bit convention the upper halves of the arguments do not count", () => {
    expect(result(0x8400_0003, 0xffff_ffff_0000_0002n, 0x1_4000_0000n, 0x5_0000_0007n)).toBe(success);
    expect(firmware.told).toEqual(["start 2 at 40000000 with 0:7"]);
  });
  test.each([
    ["CPU_OFF", 0x8400_0002, "off 0"], ["CPU_SUSPEND", 0x8400_0001, "suspend 0"], ["SYSTEM_OFF", 0x8400_0008, "system off"], ["SYSTEM_RESET", 0x8400_0009, "system reset"],
  ] as const)("%s", (_name, id, told) => {
    call(id, 0);
    expect(firmware.told).toEqual([told]);
  });
  test("SYSTEM_RESET2 with type 0 resets", () => {
    call(0xc400_0012, 0, 0);
    expect(firmware.told).toEqual(["system reset"]);
  });
  test("what fails has no effect", () => {
    call(0xc400_0003, 1, RAM, 0);
    call(0xc400_0003, 2, 0, 0);
    call(0x8400_0012, 5);
    call(0xc400_0008);
    expect(firmware.told).toEqual([]);
  });
  test("the function number is 32 bits: what stands above it does not count", () => {
    expect(result(0x5555_5555_8400_0000n)).toBe(0x1_0001);
  });
  test("x1 to x3 are kept", () => {
    expect(call(0x8400_0000, 5, 6, 7).slice(1)).toEqual([5n, 6n, 7n]);
  });
  test("the workaround calls do nothing", () => {
    expect(call(0x8000_8000, 1, 2, 3)).toEqual([0x8000_8000n, 1n, 2n, 3n]);
    expect(firmware.told).toEqual([]);
  });
});

describe("entropy", () => {
  test.each([[1, [0n, 0n, 1n]], [32, [0n, 0n, 0xffff_ffffn]], [40, [0n, 0n, 0xff_ffff_ffffn]], [64, [0n, 0n, 0xffff_ffff_ffff_ffffn]], [65, [0n, 1n, 0xffff_ffff_ffff_ffffn]], [192, [0xffff_ffff_ffff_ffffn, 0xffff_ffff_ffff_ffffn, 0xffff_ffff_ffff_ffffn]]] as const)("%d bits stand in x3, x2, x1, the rest is zero", (bits, [x1, x2, x3]) => {
    expect(call(0xc400_0053, bits)).toEqual([0n, x1, x2, x3]);
  });
  test.each([[33, [0n, 1n, 0xffff_ffffn]], [96, [0xffff_ffffn, 0xffff_ffffn, 0xffff_ffffn]]] as const)("%d bits by the 32-bit convention: 32 in each register", (bits, [x1, x2, x3]) => {
    expect(call(0x8400_0053, bits)).toEqual([0n, x1, x2, x3]);
  });
  test("TRNG_GET_UUID gives four words, the first of them not -1", () => {
    const words = call(0x8400_0052);
    expect(words.every(word => word <= 0xffff_ffffn)).toBe(true);
    expect(words[0]).not.toBe(0xffff_ffffn);
  });
});
