// ffi/hypervisor.ts — Hypervisor.framework of Apple silicon: every call that hv uses, checked and named; raw otherwise.
// Spec: <Hypervisor/*.h> of the macOS 11 to 26 SDKs for arm64, <os/object.h>, <mach/mach_time.h>, <pthread/qos.h>.
// What an exit means is decoded in src/hypervisor/hvf.ts. Left out: SME state (hv hides SME from its guests),
// hv_vm_allocate (guest RAM is an ordinary mmap), the macOS 27 calls (no header of theirs was seen).
//
// One table per macOS level, opened on first use: on an older system a level is missing, not the program. A table's
// line is a call with its parameters by meaning; the meaning gives both the C type and the TypeScript type. Where the
// symbols come from is a `SymbolSource`: the framework, or functions that a program links in their place.
import { CFunction, dlopen, linkSymbols, toArrayBuffer, type FFIFunction, type Pointer } from "bun:ffi";

export const FRAMEWORK = "/System/Library/Frameworks/Hypervisor.framework/Versions/A/Hypervisor"; // lies in the dyld cache: no such file
const SYSTEM = "/usr/lib/libSystem.B.dylib";

declare const brand: unique symbol;
/** hv_vcpu_t. */
export type VcpuId = number & { readonly [brand]: "vcpu" };
/** os_objects, +1 retained: release each once. */
export type VmConfig = number & { readonly [brand]: "vm config" };
export type VcpuConfig = number & { readonly [brand]: "vcpu config" };
export type GicConfig = number & { readonly [brand]: "gic config" };
export type GicState = number & { readonly [brand]: "gic state" };
/** Host memory. */
export type HostAddress = number & { readonly [brand]: "host address" };

/** C types of the parameters, by meaning. */
const ffi = {
  vcpu: "u64", ipa: "u64", size: "u64", memoryFlags: "u64", value: "u64",
  reg: "u32", simdReg: "u32", featureReg: "u32", redistributorReg: "u32", cache: "u32", interrupt: "u32", granule: "u32", bits: "u32", count: "u32", intid: "u32",
  sysReg: "u16", gicReg: "u16", gicIntid: "u16",
  flag: "bool",
  host: "ptr", list: "ptr", outFlag: "ptr", out32: "ptr", out64: "ptr", out128: "ptr", outBytes: "ptr",
  vmConfig: "ptr", vcpuConfig: "ptr", gicConfig: "ptr", gicState: "ptr",
  vector: "ptr", // a 16-byte vector by value: through the trampoline
} as const;
type Meaning = keyof typeof ffi;
/** The same in TypeScript. 64-bit results are a low and a high word; a value is a number or, beyond 2^53, a BigInt. */
interface Argument {
  vcpu: VcpuId; ipa: number; size: number; memoryFlags: number; value: number | bigint;
  reg: number; simdReg: number; featureReg: number; redistributorReg: number; cache: number; interrupt: number; granule: number; bits: number; count: number; intid: number;
  sysReg: number; gicReg: number; gicIntid: number;
  flag: boolean;
  host: HostAddress; list: BigUint64Array; outFlag: Uint8Array; out32: Uint32Array; out64: Uint32Array; out128: Uint8Array; outBytes: Uint8Array;
  vmConfig: VmConfig | null; vcpuConfig: VcpuConfig | null; gicConfig: GicConfig; gicState: GicState;
  vector: Uint8Array;
}
type Arguments<A extends readonly Meaning[]> = { -readonly [I in keyof A]: Argument[A[I]] };

/** macOS 11. */
const level11 = {
  hv_vm_get_max_vcpu_count: ["out32"],
  hv_vm_create: ["vmConfig"],
  hv_vm_destroy: [],
  hv_vm_map: ["host", "ipa", "size", "memoryFlags"],
  hv_vm_unmap: ["ipa", "size"],
  hv_vm_protect: ["ipa", "size", "memoryFlags"],
  hv_vcpu_config_get_feature_reg: ["vcpuConfig", "featureReg", "out64"],
  hv_vcpu_config_get_ccsidr_el1_sys_reg_values: ["vcpuConfig", "cache", "list"],
  hv_vcpu_create: ["out64", "out64", "vcpuConfig"],
  hv_vcpu_destroy: ["vcpu"],
  hv_vcpu_run: ["vcpu"],
  hv_vcpus_exit: ["list", "count"],
  hv_vcpu_get_reg: ["vcpu", "reg", "out64"],
  hv_vcpu_set_reg: ["vcpu", "reg", "value"],
  hv_vcpu_get_simd_fp_reg: ["vcpu", "simdReg", "out128"],
  hv_vcpu_get_sys_reg: ["vcpu", "sysReg", "out64"],
  hv_vcpu_set_sys_reg: ["vcpu", "sysReg", "value"],
  hv_vcpu_get_pending_interrupt: ["vcpu", "interrupt", "outFlag"],
  hv_vcpu_set_pending_interrupt: ["vcpu", "interrupt", "flag"],
  hv_vcpu_get_trap_debug_exceptions: ["vcpu", "outFlag"],
  hv_vcpu_set_trap_debug_exceptions: ["vcpu", "flag"],
  hv_vcpu_get_trap_debug_reg_accesses: ["vcpu", "outFlag"],
  hv_vcpu_set_trap_debug_reg_accesses: ["vcpu", "flag"],
  hv_vcpu_get_exec_time: ["vcpu", "out64"],
  hv_vcpu_get_vtimer_mask: ["vcpu", "outFlag"],
  hv_vcpu_set_vtimer_mask: ["vcpu", "flag"],
  hv_vcpu_get_vtimer_offset: ["vcpu", "out64"],
  hv_vcpu_set_vtimer_offset: ["vcpu", "value"],
} as const;
/** macOS 11, the one call that takes a vector by value. */
const level11Vector = { hv_vcpu_set_simd_fp_reg: ["vcpu", "simdReg", "vector"] } as const;
/** macOS 13. */
const level13 = {
  hv_vm_config_get_max_ipa_size: ["out32"],
  hv_vm_config_get_default_ipa_size: ["out32"],
  hv_vm_config_set_ipa_size: ["vmConfig", "bits"],
  hv_vm_config_get_ipa_size: ["vmConfig", "out32"],
} as const;
/** macOS 15. */
const level15 = {
  hv_vm_config_get_el2_supported: ["outFlag"],
  hv_vm_config_get_el2_enabled: ["vmConfig", "outFlag"],
  hv_vm_config_set_el2_enabled: ["vmConfig", "flag"],
  hv_gic_config_set_distributor_base: ["gicConfig", "ipa"],
  hv_gic_config_set_redistributor_base: ["gicConfig", "ipa"],
  hv_gic_config_set_msi_region_base: ["gicConfig", "ipa"],
  hv_gic_config_set_msi_interrupt_range: ["gicConfig", "intid", "count"],
  hv_gic_get_distributor_size: ["out64"],
  hv_gic_get_distributor_base_alignment: ["out64"],
  hv_gic_get_redistributor_region_size: ["out64"],
  hv_gic_get_redistributor_size: ["out64"],
  hv_gic_get_redistributor_base_alignment: ["out64"],
  hv_gic_get_msi_region_size: ["out64"],
  hv_gic_get_msi_region_base_alignment: ["out64"],
  hv_gic_get_spi_interrupt_range: ["out32", "out32"],
  hv_gic_get_intid: ["gicIntid", "out32"],
  hv_gic_create: ["gicConfig"],
  hv_gic_set_spi: ["intid", "flag"],
  hv_gic_send_msi: ["ipa", "intid"],
  hv_gic_get_distributor_reg: ["gicReg", "out64"],
  hv_gic_set_distributor_reg: ["gicReg", "value"],
  hv_gic_get_redistributor_base: ["vcpu", "out64"],
  hv_gic_get_redistributor_reg: ["vcpu", "redistributorReg", "out64"],
  hv_gic_set_redistributor_reg: ["vcpu", "redistributorReg", "value"],
  hv_gic_get_icc_reg: ["vcpu", "gicReg", "out64"],
  hv_gic_set_icc_reg: ["vcpu", "gicReg", "value"],
  hv_gic_get_ich_reg: ["vcpu", "gicReg", "out64"],
  hv_gic_set_ich_reg: ["vcpu", "gicReg", "value"],
  hv_gic_get_icv_reg: ["vcpu", "gicReg", "out64"],
  hv_gic_set_icv_reg: ["vcpu", "gicReg", "value"],
  hv_gic_get_msi_reg: ["gicReg", "out64"],
  hv_gic_set_msi_reg: ["gicReg", "value"],
  hv_gic_set_state: ["outBytes", "size"],
  hv_gic_reset: [],
  hv_gic_state_get_size: ["gicState", "out64"],
  hv_gic_state_get_data: ["gicState", "outBytes"],
} as const;
/** macOS 26. */
const level26 = {
  hv_vm_config_get_default_ipa_granule: ["out32"],
  hv_vm_config_get_ipa_granule: ["vmConfig", "out32"],
  hv_vm_config_set_ipa_granule: ["vmConfig", "granule"],
} as const;
/** The calls that make an object, by level. NULL: it cannot be made. */
const makers = {
  "11.0": { hv_vcpu_config_create: [] }, "13.0": { hv_vm_config_create: [] }, "15.0": { hv_gic_config_create: [], hv_gic_state_create: [] },
} as const;
interface Made { hv_vcpu_config_create: VcpuConfig; hv_vm_config_create: VmConfig; hv_gic_config_create: GicConfig; hv_gic_state_create: GicState }

type Table = Readonly<Record<string, readonly Meaning[]>>;
/** What a table's calls look like: they return nothing, and throw HypervisorError for every status but HV_SUCCESS. */
type Calls<T extends Table> = { readonly [K in keyof T]: (...args: Arguments<T[K]>) => void };
type Makers<T extends Table> = { readonly [K in keyof T]: () => K extends keyof Made ? Made[K] : never };
export type Base = Calls<typeof level11> & Calls<typeof level11Vector> & Makers<(typeof makers)["11.0"]>;
export type IpaSize = Calls<typeof level13> & Makers<(typeof makers)["13.0"]>;
export type Gic = Calls<typeof level15> & Makers<(typeof makers)["15.0"]>;
export type IpaGranule = Calls<typeof level26>;

/** libSystem. mach times are declared as pointers: they arrive as numbers, exact to 2^53 ticks (11 years at 24 MHz). */
const system = {
  os_release: { args: ["ptr"], returns: "void" },
  mach_absolute_time: { args: [], returns: "ptr" },
  mach_continuous_time: { args: [], returns: "ptr" },
  mach_timebase_info: { args: ["ptr"], returns: "i32" },
  pthread_set_qos_class_self_np: { args: ["u32", "i32"], returns: "i32" },
  sys_dcache_flush: { args: ["ptr", "u64"], returns: "void" },
  sys_icache_invalidate: { args: ["ptr", "u64"], returns: "void" },
} as const satisfies Record<string, FFIFunction>;

type Raw = (...args: readonly unknown[]) => unknown;
export type Declarations = Readonly<Record<string, FFIFunction>>;
/** Where symbols come from. */
export interface SymbolSource {
  /** Symbols of the framework; throws when one is missing. */
  framework(declarations: Declarations): Readonly<Record<string, Raw>>;
  system(declarations: Declarations): Readonly<Record<string, Raw>>;
  /** Calls `symbol(u64, u32, 16-byte vector by value)` with the vector taken from memory. */
  byValue(symbol: string): (vcpu: VcpuId, reg: number, vector: Uint8Array) => number;
}

// --- values ------------------------------------------------------------------------------------------------------

/** hv_return_t as i32: 0xfae94000 + n. */
export const Status = {
  HV_SUCCESS: 0, HV_ERROR: -85377023, HV_BUSY: -85377022, HV_BAD_ARGUMENT: -85377021, HV_ILLEGAL_GUEST_STATE: -85377020,
  HV_NO_RESOURCES: -85377019, HV_NO_DEVICE: -85377018, HV_DENIED: -85377017, HV_EXISTS: -85377016, HV_UNSUPPORTED: -85377009,
} as const;
/** What a user can do about a status. */
const HINTS: Readonly<Record<number, string>> = {
  [Status.HV_BUSY]: "another virtual machine of this process is in the way: there is one per process",
  [Status.HV_NO_RESOURCES]: "too many virtual machines or vCPUs on this Mac",
  [Status.HV_NO_DEVICE]: "this Mac offers no virtualization here: it is itself a virtual machine, or switched it off; hv doctor looks",
  [Status.HV_DENIED]: "the executable lacks the entitlement com.apple.security.hypervisor: sign it again, hv doctor says how",
  [Status.HV_UNSUPPORTED]: "this macOS or this Mac is too old for it, or the executable lacks its entitlement: hv doctor looks",
};
export class HypervisorError extends Error {
  readonly call: string;
  readonly status: number;
  /** HV_DENIED, ... or the status in hexadecimal. */
  readonly statusName: string;
  readonly hint: string | undefined;
  constructor(call: string, status: number) {
    const name = Object.entries(Status).find(([, value]) => value === status)?.[0] ?? `0x${(status >>> 0).toString(16)}`;
    super(`${call}: ${name}`);
    this.name = "HypervisorError";
    this.call = call;
    this.status = status;
    this.statusName = name;
    this.hint = HINTS[status];
  }
}
export const MemoryFlags = { READ: 1, WRITE: 2, EXEC: 4 } as const;
export const ExitReason = { CANCELED: 0, EXCEPTION: 1, VTIMER_ACTIVATED: 2, UNKNOWN: 3 } as const;
/** hv_vcpu_exit_t: byte offsets. */
export const ExitOffset = { reason: 0, syndrome: 8, virtualAddress: 16, physicalAddress: 24, SIZE: 32 } as const;
export const InterruptType = { IRQ: 0, FIQ: 1 } as const;
export const CacheType = { DATA: 0, INSTRUCTION: 1 } as const;
/** hv_reg_t. 31 is PC, though register 31 in a syndrome is XZR. */
export const Reg = { X0: 0, X30: 30, PC: 31, FPCR: 32, FPSR: 33, CPSR: 34 } as const;
export const FeatureReg = {
  ID_AA64DFR0_EL1: 0, ID_AA64DFR1_EL1: 1, ID_AA64ISAR0_EL1: 2, ID_AA64ISAR1_EL1: 3, ID_AA64MMFR0_EL1: 4, ID_AA64MMFR1_EL1: 5, ID_AA64MMFR2_EL1: 6,
  ID_AA64PFR0_EL1: 7, ID_AA64PFR1_EL1: 8, CTR_EL0: 9, CLIDR_EL1: 10, DCZID_EL0: 11,
} as const;
/** hv_sys_reg_t: op0<<14 | op1<<11 | CRn<<7 | CRm<<3 | op2. */
export const SysReg = {
  MDCCINT_EL1: 0x8010, MDSCR_EL1: 0x8012,
  MIDR_EL1: 0xc000, MPIDR_EL1: 0xc005,
  ID_AA64PFR0_EL1: 0xc020, ID_AA64PFR1_EL1: 0xc021, ID_AA64DFR0_EL1: 0xc028, ID_AA64DFR1_EL1: 0xc029,
  ID_AA64ISAR0_EL1: 0xc030, ID_AA64ISAR1_EL1: 0xc031,
  ID_AA64MMFR0_EL1: 0xc038, ID_AA64MMFR1_EL1: 0xc039, ID_AA64MMFR2_EL1: 0xc03a,
  SCTLR_EL1: 0xc080, CPACR_EL1: 0xc082, TTBR0_EL1: 0xc100, TTBR1_EL1: 0xc101, TCR_EL1: 0xc102,
  APIAKEYLO_EL1: 0xc108, APIAKEYHI_EL1: 0xc109, APIBKEYLO_EL1: 0xc10a, APIBKEYHI_EL1: 0xc10b,
  APDAKEYLO_EL1: 0xc110, APDAKEYHI_EL1: 0xc111, APDBKEYLO_EL1: 0xc112, APDBKEYHI_EL1: 0xc113,
  APGAKEYLO_EL1: 0xc118, APGAKEYHI_EL1: 0xc119,
  SPSR_EL1: 0xc200, ELR_EL1: 0xc201, SP_EL0: 0xc208,
  AFSR0_EL1: 0xc288, AFSR1_EL1: 0xc289, ESR_EL1: 0xc290, FAR_EL1: 0xc300, PAR_EL1: 0xc3a0,
  MAIR_EL1: 0xc510, AMAIR_EL1: 0xc518, VBAR_EL1: 0xc600,
  CONTEXTIDR_EL1: 0xc681, TPIDR_EL1: 0xc684, CNTKCTL_EL1: 0xc708, CSSELR_EL1: 0xd000,
  TPIDR_EL0: 0xde82, TPIDRRO_EL0: 0xde83, CNTV_CTL_EL0: 0xdf19, CNTV_CVAL_EL0: 0xdf1a, SP_EL1: 0xe208,
} as const;
export const GicIntid = { PERFORMANCE_MONITOR: 23, MAINTENANCE: 25, EL2_PHYSICAL_TIMER: 26, EL1_VIRTUAL_TIMER: 27, EL1_PHYSICAL_TIMER: 30 } as const;
/** hv_gic_icc_reg_t, in the order in which a restore writes them. */
export const IccReg = {
  SRE_EL1: 0xc665, CTLR_EL1: 0xc664, PMR_EL1: 0xc230, BPR0_EL1: 0xc643, BPR1_EL1: 0xc663,
  AP0R0_EL1: 0xc644, AP1R0_EL1: 0xc648, IGRPEN0_EL1: 0xc666, IGRPEN1_EL1: 0xc667,
} as const;
/** QOS_CLASS_USER_INTERACTIVE. */
const QOS_USER_INTERACTIVE = 0x21;

// --- the declarations, for opening and for tests -----------------------------------------------------------------

const declared = (table: Table, returns: "i32" | "ptr"): Declarations =>
  Object.fromEntries(Object.entries(table).map(([name, args]) => [name, { args: args.map(meaning => ffi[meaning]), returns }]));
/** Every declaration, by the macOS version that brought it. */
export const declarations: Readonly<Record<"11.0" | "11.0 vector" | "13.0" | "15.0" | "26.0", Declarations>> = {
  "11.0": { ...declared(level11, "i32"), ...declared(makers["11.0"], "ptr") },
  "11.0 vector": declared(level11Vector, "i32"),
  "13.0": { ...declared(level13, "i32"), ...declared(makers["13.0"], "ptr") },
  "15.0": { ...declared(level15, "i32"), ...declared(makers["15.0"], "ptr") },
  "26.0": declared(level26, "i32"),
};
export const systemDeclarations: Declarations = system;
type Level = keyof typeof declarations;

/** The same call with its status checked. Spelled out by the number of arguments: these are hot. */
function checked(name: string, raw: Raw, count: number): Raw {
  const look = (status: unknown): void => { if (status !== 0) throw new HypervisorError(name, status as number); };
  switch (count) {
    case 0: return () => look(raw());
    case 1: return a => look(raw(a));
    case 2: return (a, b) => look(raw(a, b));
    case 3: return (a, b, c) => look(raw(a, b, c));
    default: return (...all) => look(raw(...all));
  }
}
function made(name: string, raw: Raw): Raw {
  return () => {
    const object = raw();
    if (object === null) throw new HypervisorError(name, Status.HV_UNSUPPORTED);
    return object;
  };
}

// --- opening -----------------------------------------------------------------------------------------------------

/** ldr q0, [x2]; br x3: a call whose third argument goes into a vector register. */
export const VECTOR_TRAMPOLINE: readonly number[] = [0x3dc0_0040, 0xd61f_0060];
const PROT = { READ_WRITE: 3, READ_EXEC: 5 } as const;
const PAGE = 0x4000;

/** The trampoline in executable memory of this process, which must be arm64: (vcpu, reg, vector, function). */
export function vectorTrampoline(): (vcpu: number, reg: number, vector: Uint8Array, target: Pointer) => number {
  const darwin = process.platform === "darwin";
  const libc = dlopen(darwin ? SYSTEM : "libc.so.6", {
    mmap: { args: ["ptr", "u64", "i32", "i32", "i32", "u64"], returns: "ptr" }, mprotect: { args: ["ptr", "u64", "i32"], returns: "i32" },
  }).symbols;
  // Writable first, executable then: memory that is both at once needs MAP_JIT on a Mac.
  const at = libc.mmap(null, PAGE, PROT.READ_WRITE, darwin ? 0x1002 : 0x22, -1, 0);
  if (at === null || Number(at) > 2 ** 52 || Number(at) < 0) throw new RangeError("the host refused memory for a trampoline");
  new Uint32Array(toArrayBuffer(at, 0, PAGE)).set(VECTOR_TRAMPOLINE);
  if (libc.mprotect(at, PAGE, PROT.READ_EXEC) !== 0) throw new RangeError("the host refused executable memory for a trampoline");
  if (darwin) dlopen(SYSTEM, { sys_icache_invalidate: system.sys_icache_invalidate }).symbols.sys_icache_invalidate(at, PAGE);
  return CFunction({ ptr: at, args: ["u64", "u32", "ptr", "ptr"], returns: "i32" }) as unknown as ReturnType<typeof vectorTrampoline>;
}

/** The framework itself. */
const macOS: SymbolSource = {
  framework: wanted => dlopen(FRAMEWORK, wanted).symbols as unknown as Readonly<Record<string, Raw>>,
  system: wanted => dlopen(SYSTEM, wanted).symbols as unknown as Readonly<Record<string, Raw>>,
  byValue: symbol => {
    const target = (dlopen(FRAMEWORK, { [symbol]: { args: [], returns: "i32" } }).symbols as unknown as Record<string, { readonly ptr: Pointer }>)[symbol]?.ptr as Pointer;
    const through = vectorTrampoline();
    return (vcpu, reg, vector) => through(vcpu, reg, vector, target);
  },
};
/** Functions by their addresses, in place of the framework; a vector goes to them by its address. */
export function linked(pointers: Readonly<Record<string, Pointer>>): SymbolSource {
  const link = (wanted: Declarations): Readonly<Record<string, Raw>> => {
    const at = (name: string): Pointer => {
      const found = pointers[name];
      if (found === undefined) throw new Error(`Symbol "${name}" not found`);
      return found;
    };
    const symbols = Object.fromEntries(Object.entries(wanted).map(([name, one]) => [name, { ...one, ptr: at(name) }]));
    return linkSymbols(symbols).symbols as unknown as Readonly<Record<string, Raw>>;
  };
  return {
    framework: link, system: link,
    byValue: symbol => link({ [symbol]: { args: ["u64", "u32", "ptr"], returns: "i32" } })[symbol] as never,
  };
}
let source: SymbolSource | undefined;
/** From now on, `Hypervisor.open` of this thread takes its symbols from there. */
export function provideSymbols(from: SymbolSource | undefined): void { source = from; }
/** True when the host may have the framework, or something is linked in its place. */
export const hypervisorExpected = (): boolean => source !== undefined || (process.platform === "darwin" && process.arch === "arm64");

/** The framework as this system has it. */
export class Hypervisor {
  readonly #source: SymbolSource;
  readonly #opened = new Map<Level, unknown>();
  readonly base: Base;
  readonly #system: { readonly [K in keyof typeof system]: Raw };
  readonly #pair = new Uint32Array(2);

  /** Throws when there is no framework. */
  static open(): Hypervisor { return new Hypervisor(source ?? macOS); }
  private constructor(from: SymbolSource) {
    this.#source = from;
    const base = this.#level<Base>("11.0");
    if (base === undefined) throw new Error("there is no Hypervisor.framework", { cause: this.#why });
    this.base = base;
    this.#system = from.system(system) as { readonly [K in keyof typeof system]: Raw };
  }
  #why: unknown;
  #level<T>(level: Level): T | undefined {
    if (this.#opened.has(level)) return this.#opened.get(level) as T | undefined;
    let calls: Record<string, Raw> | undefined;
    try {
      const raw = this.#source.framework(declarations[level]);
      calls = {};
      for (const [name, { args, returns }] of Object.entries(declarations[level])) {
        calls[name] = returns === "ptr" ? made(name, raw[name] as Raw) : checked(name, raw[name] as Raw, args?.length ?? 0);
      }
      if (level === "11.0") {
        let vector: ReturnType<SymbolSource["byValue"]> | undefined;
        calls["hv_vcpu_set_simd_fp_reg"] = checked("hv_vcpu_set_simd_fp_reg", (vcpu, reg, value) =>
          (vector ??= this.#source.byValue("hv_vcpu_set_simd_fp_reg"))(vcpu as VcpuId, reg as number, value as Uint8Array), 3);
      }
    } catch (error) {
      this.#why = error; // a symbol is missing: this system has not come so far
    }
    this.#opened.set(level, calls);
    return calls as T | undefined;
  }
  /** macOS 13. */
  get ipaSize(): IpaSize | undefined { return this.#level<IpaSize>("13.0"); }
  /** macOS 15. */
  get gic(): Gic | undefined { return this.#level<Gic>("15.0"); }
  /** macOS 26. */
  get ipaGranule(): IpaGranule | undefined { return this.#level<IpaGranule>("26.0"); }

  release(object: VmConfig | VcpuConfig | GicConfig | GicState): void { this.#system.os_release(object); }
  /** Ticks of the counter that guests see, without the time the host slept; and with it. */
  absoluteTime(): number { return Number(this.#system.mach_absolute_time()); }
  continuousTime(): number { return Number(this.#system.mach_continuous_time()); }
  /** Ticks per second. */
  frequency(): number {
    this.#system.mach_timebase_info(this.#pair);
    return Math.round(1e9 * (this.#pair[1] as number) / (this.#pair[0] as number));
  }
  /** Asks for the performance cores for this thread. */
  setInteractive(): void { this.#system.pthread_set_qos_class_self_np(QOS_USER_INTERACTIVE, 0); }
  /** Makes what was written visible to a guest that runs with its caches off. */
  flushCaches(at: number, size: number): void {
    this.#system.sys_dcache_flush(at, size);
    this.#system.sys_icache_invalidate(at, size);
  }
}

/** The memory at a host address, as a view: the exit record. */
export const viewAt = (address: number, size: number): DataView => new DataView(toArrayBuffer(address as Pointer, 0, size));
/** A value of `sysctl` as bytes; undefined where there is no such name. macOS only. */
function sysctlBytes(name: string): Uint8Array | undefined {
  const { sysctlbyname } = dlopen(SYSTEM, { sysctlbyname: { args: ["ptr", "ptr", "ptr", "ptr", "u64"], returns: "i32" } }).symbols;
  const value = new Uint8Array(256), size = new BigUint64Array([BigInt(value.length)]);
  if (sysctlbyname(new TextEncoder().encode(`${name}\0`), value, size, null, 0) !== 0) return undefined;
  return value.subarray(0, Number(size[0]));
}
/** The value of a number, 4 or 8 bytes long. */
export function sysctl(name: string): number | undefined {
  const bytes = sysctlBytes(name);
  if (bytes === undefined) return undefined;
  const view = new DataView(bytes.buffer);
  return bytes.length === 4 ? view.getInt32(0, true) : Number(view.getBigInt64(0, true));
}
/** The value of a text. */
export function sysctlText(name: string): string | undefined {
  const bytes = sysctlBytes(name);
  return bytes === undefined ? undefined : new TextDecoder().decode(bytes).replace(/\0.*$/s, "");
}
