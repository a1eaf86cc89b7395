// test/ffi/hypervisor.test.ts — the binding against what Apple's headers say: hypervisor.json holds prototypes, enums and
// the exit record of the macOS 11 to 26 SDKs, taken down once; every declaration of ours must be one of theirs.
import { afterEach, describe, expect, test } from "bun:test";
import { JSCallback, type Pointer } from "bun:ffi";
import {
  CacheType, ExitOffset, ExitReason, FeatureReg, FRAMEWORK, GicIntid, Hypervisor, HypervisorError, IccReg, InterruptType, linked, MemoryFlags, Reg, Status, SysReg,
  declarations, provideSymbols, systemDeclarations, type VcpuId,
} from "../../ffi/hypervisor.ts";
import headers from "./hypervisor.json" with { type: "json" };

const functions = headers.functions as Readonly<Record<string, { ret: string; args: string[]; since: string }>>;
/** Pointers, and the vector that goes through the trampoline by its address. */
const plain = (type: string): string => (type === "v128-by-value" ? "ptr" : type);

describe("the declarations", () => {
  test.each(Object.entries(declarations))("%s: every signature is the header's, and of that level", (level, table) => {
    expect(Object.keys(table).length).toBeGreaterThan(0);
    for (const [name, { args, returns }] of Object.entries(table)) {
      const header = functions[name];
      expect([name, returns, args, level.split(" ")[0] as string]).toEqual([name, header?.ret, header?.args.map(plain), header?.since] as never);
    }
  });
  test("all of the framework is declared, but for what the file says is left out", () => {
    const ours = Object.values(declarations).flatMap(table => Object.keys(table));
    const missing = Object.keys(functions).filter(name => !ours.includes(name));
    expect(missing.filter(name => !/_sme_|^hv_vm_(de)?allocate$/.test(name) && functions[name]?.since !== "27.0")).toEqual([]);
    expect(ours.length).toBe(new Set(ours).size);
  });
  test("libSystem's, with mach times as pointers: the same register", () => {
    const register = (type: string): string => (type === "u64" ? "ptr" : type);
    const known = Object.entries(headers.system).filter(([name]) => name in systemDeclarations);
    expect(known.length).toBe(Object.keys(systemDeclarations).length - 1); // mach_continuous_time is declared like its sister
    for (const [name, { ret, args }] of known) {
      const mine = systemDeclarations[name];
      expect([name, register(String(mine?.returns)), mine?.args?.map(String)]).toEqual([name, register(ret), args]);
    }
    expect(systemDeclarations["mach_continuous_time"]).toEqual(systemDeclarations["mach_absolute_time"] as never);
  });
  test("the framework's path", () => { expect(FRAMEWORK).toBe(headers.library); });
});

describe("the values", () => {
  test.each([
    ["hv_return_t", Status, headers.status], ["hv_memory_flags_t", MemoryFlags, headers.hv_memory_flags_t], ["hv_exit_reason_t", ExitReason, headers.hv_exit_reason_t],
    ["hv_interrupt_type_t", InterruptType, headers.hv_interrupt_type_t], ["hv_cache_type_t", CacheType, headers.hv_cache_type_t], ["hv_reg_t", Reg, headers.hv_reg_t],
    ["hv_feature_reg_t", FeatureReg, headers.hv_feature_reg_t], ["hv_sys_reg_t", SysReg, headers.hv_sys_reg_t], ["hv_gic_intid_t", GicIntid, headers.hv_gic_intid_t],
    ["hv_gic_icc_reg_t", IccReg, headers.hv_gic_icc_reg_t],
  ] as readonly (readonly [string, Readonly<Record<string, number>>, Readonly<Record<string, number>>])[])("%s", (_, ours, theirs) => {
    expect(ours).toEqual(Object.fromEntries(Object.keys(ours).map(name => [name, theirs[name] as number])));
  });
  test("hv_vcpu_exit_t", () => {
    const { fields } = headers.exit;
    const offset = (name: keyof typeof fields): number => fields[name][0] as number;
    expect(ExitOffset).toEqual({
      reason: offset("reason"), syndrome: offset("exception.syndrome"), virtualAddress: offset("exception.virtual_address"), physicalAddress: offset("exception.physical_address"), SIZE: headers.exit.size,
    } as never);
  });
});

describe("opening", () => {
  const callbacks: JSCallback[] = [];
  afterEach(() => {
    provideSymbols(undefined);
    for (const one of callbacks.splice(0)) one.close();
  });
  /** A framework of which only some levels are there; every call answers `status`. */
  function framework(levels: readonly (keyof typeof declarations)[], status: number, seen: unknown[][] = []): Hypervisor {
    const pointers: Record<string, Pointer> = {};
    for (const table of [...levels.map(level => declarations[level]), systemDeclarations]) {
      for (const [name, declaration] of Object.entries(table)) {
        const callback = new JSCallback((...args: unknown[]) => { seen.push([name, ...args]); return declaration.returns === "ptr" ? 0 : status; }, declaration);
        callbacks.push(callback);
        pointers[name] = callback.ptr as Pointer;
      }
    }
    provideSymbols(linked(pointers));
    return Hypervisor.open();
  }
  test("an older system lacks levels, not the program", () => {
    const hv = framework(["11.0", "13.0"], 0);
    expect([hv.ipaSize !== undefined, hv.gic, hv.ipaGranule]).toEqual([true, undefined, undefined]);
    hv.base.hv_vm_destroy();
  });
  test("a system without the framework cannot open it", () => {
    expect(() => framework([], 0)).toThrow("there is no Hypervisor.framework");
  });
  test("a status is thrown by its name, with a hint where there is one", () => {
    const hv = framework(["11.0"], Status.HV_DENIED);
    let caught: unknown;
    try { hv.base.hv_vm_create(null); } catch (error) { caught = error; }
    expect(caught).toBeInstanceOf(HypervisorError);
    const { message, hint, call, statusName } = caught as HypervisorError;
    expect([message, call, statusName]).toEqual(["hv_vm_create: HV_DENIED", "hv_vm_create", "HV_DENIED"]);
    expect(hint).toContain("com.apple.security.hypervisor");
    expect(() => framework(["11.0"], 0x1234).base.hv_vm_destroy()).toThrow("hv_vm_destroy: 0x1234");
  });
  test("an object that cannot be made is no NULL that goes on", () => {
    expect(() => framework(["11.0"], 0).base.hv_vcpu_config_create()).toThrow("hv_vcpu_config_create: HV_UNSUPPORTED");
  });
  test("arguments arrive in their widths; a negative number is a kernel's address", () => {
    const seen: unknown[][] = [];
    const { base } = framework(["11.0"], 0, seen);
    base.hv_vcpu_set_sys_reg(7 as VcpuId, 0xdfff, -4096);
    base.hv_vcpu_set_reg(0 as VcpuId, 31, 0xffff_8000_0000_0001n);
    base.hv_vcpu_set_vtimer_mask(63 as VcpuId, true);
    expect(seen).toEqual([
      ["hv_vcpu_set_sys_reg", 7n, 0xdfff, 0xffff_ffff_ffff_f000n], ["hv_vcpu_set_reg", 0n, 31, 0xffff_8000_0000_0001n], ["hv_vcpu_set_vtimer_mask", 63n, true],
    ]);
  });
});
