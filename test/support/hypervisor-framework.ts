// test/support/hypervisor-framework.ts — a stand-in for Hypervisor.framework on hosts that have none: its functions as
// TypeScript behind C function pointers, linked through the very declarations of ffi/hypervisor.ts, with the software
// CPU for a processor. It keeps the documented rules and the unpleasant habits:
//   one VM per process; a vCPU belongs to the thread that made it; 16 KiB alignment; addresses within the IPA size;
//   pending interrupt lines are forgotten after every run; the virtual timer masks itself when it fires;
//   hv_vcpus_exit on a vCPU that does not run makes its next run return at once, and is lost on one that is just
//   leaving for another reason; hv_gic is made after the VM and before any vCPU; a new vCPU is at EL0 with SME shown.
// Left out: unmapping or protecting memory while there are vCPUs, SME, EL2.
//
// What the threads of a process share (is there a VM, what is mapped, who is to leave) stands in one SharedArrayBuffer
// that Workers find in their environment data.
import { dlopen, JSCallback, read, toArrayBuffer, type Pointer } from "bun:ffi";
import { getEnvironmentData, setEnvironmentData } from "node:worker_threads";
import { declarations, ExitOffset, ExitReason, linked, provideSymbols, Reg, Status, systemDeclarations, type Declarations } from "../../ffi/hypervisor.ts";
import { NativeMemory } from "../../ffi/memory.ts";
import { pstate, setPstate } from "../../src/cpu/exception.ts";
import { yieldProcessor } from "../../ffi/posix.ts";
import { Domain } from "../../src/cpu/domain.ts";
import { DEFAULT_FEATURES, type Features } from "../../src/cpu/features.ts";
import { hear } from "../../src/cpu/hear.ts";
import { Cpu } from "../../src/cpu/interpret/cpu.ts";
import { instructions } from "../../src/cpu/interpret/instructions.ts";
import { MemoryMap } from "../../src/cpu/memory-map.ts";
import { Offset } from "../../src/cpu/state.ts";
import { slot, sysregName, sysregs, type SysRegName } from "../../src/cpu/sysreg.ts";
import { timerDue, timerFires } from "../../src/cpu/timer.ts";
import { Engine } from "../../src/cpu/translate/engine.ts";
import headers from "../ffi/hypervisor.json" with { type: "json" };
import { DISTRIBUTOR_SIZE, GIC_BYTES, Gicv3, REDISTRIBUTOR_SIZE } from "./gicv3.ts";

const SHARED = "hv: stand-in for Hypervisor.framework";
/** What cores in threads of their own tell each other; there are at most so many of them. */
const DOMAIN = `${SHARED}: domain`, MAX_AT_ONCE = 8;
const MAX_VCPUS = 64, PAGE = 0x4000, REGIONS = 8;
/** Words of the shared memory; regions are doubles (host address, guest address, size, flags), and so are the addresses of the interrupt controller. */
const Word = { VM: 0, IPA_BITS: 1, VCPUS: 2, REGION_COUNT: 3, /** Counts changes of the regions. */ REGIONS_CHANGED: 4, CANCEL: 16, ALIVE: 80, KICK: 144, SLEPT: 272, TIME: 274, REGION: 280, GICD: 344, GICR: 346, /** A lock, and the address of the bytes of CodeLines. */ CODE_LOCK: 348, CODE: 350, GIC: 352, COUNT: 352 + Math.ceil(GIC_BYTES / 4) } as const;
const FREQUENCY = 24_000_000;
/** The framework shows its guests no performance monitors. */
const FEATURES: Features = new Set([...DEFAULT_FEATURES].filter(name => name !== "PMU"));
const TIMER_INTID = { virtual: 27, physical: 30 } as const;
const known = new Set(Object.entries(headers.hv_sys_reg_t).filter(([name]) => !/_EL2$/.test(name)).map(([, value]) => value));
/** A WFI looks again by itself: another thread's nudge may come just before it sleeps. */
const LONGEST_SLEEP_MS = 5;
const DEFAULT_IPA = 36, MAX_IPA = 40;

interface VirtualCpu {
  readonly id: number;
  readonly cpu: Cpu;
  readonly exit: NativeMemory;
  readonly record: DataView;
  pending: number;
  offset: number;
  trapDebug: boolean;
  /** Registers that the software CPU has no place for. */
  readonly others: Map<number, bigint>;
  /** The change of the regions that it has seen. */
  regions: number;
}
export interface StandInOptions {
  /** macOS level: what is newer is not there. */
  readonly level?: "11.0" | "13.0" | "15.0" | "26.0";
  /** mach_absolute_time, instead of the host's. */
  readonly time?: () => number;
  readonly engine?: "translator" | "interpreter";
  /** The executable has no entitlement. */
  readonly denied?: boolean;
  /** vCPUs of other threads run at the same time. */
  readonly atOnce?: boolean;
}

export class StandIn implements Disposable {
  /** The next run returns with this exit instead of running: reason, syndrome, virtual and physical address. */
  next: { readonly reason: number; readonly syndrome?: number; readonly virtual?: bigint; readonly physical?: bigint } | undefined;
  /** Every call that answered with another status than HV_SUCCESS, and objects that nobody released. */
  readonly refusals: string[] = [];
  readonly objects: Map<number, string> = new Map();
  readonly shared: Int32Array;
  readonly #wide: Float64Array;
  readonly #options: StandInOptions;
  readonly #callbacks: JSCallback[] = [];
  readonly #vcpus = new Map<number, VirtualCpu>();
  readonly #controller: Gicv3;
  get #gic(): Gicv3 | undefined { return this.#controller.there ? this.#controller : undefined; }
  #config = { distributor: 0, redistributor: 0, ipaBits: DEFAULT_IPA };
  #nextObject = 0x10_0000;
  readonly #now: () => number;
  readonly #domain: SharedArrayBuffer;

  constructor(options: StandInOptions = {}) {
    this.#options = options;
    let buffer = getEnvironmentData(SHARED) as SharedArrayBuffer | undefined;
    if (buffer === undefined) setEnvironmentData(SHARED, buffer = new SharedArrayBuffer(Word.COUNT * 4) as never);
    let domain = getEnvironmentData(DOMAIN) as SharedArrayBuffer | undefined;
    if (domain === undefined) setEnvironmentData(DOMAIN, domain = new Domain(MAX_AT_ONCE).shared as never);
    this.#domain = domain as SharedArrayBuffer;
    this.shared = new Int32Array(buffer as SharedArrayBuffer);
    this.#wide = new Float64Array(buffer as SharedArrayBuffer);
    this.#controller = new Gicv3(buffer as SharedArrayBuffer, Word.GIC * 4);
    const time = hostTicks();
    this.#now = options.time ?? (() => this.#wide[Word.TIME / 2] as number || time());
  }
  /** Links the functions in the framework's place, for this thread. */
  install(): this {
    const levels = ["11.0", "13.0", "15.0", "26.0"] as const;
    const pointers: Record<string, Pointer> = {};
    const add = (table: Declarations, functions: Readonly<Record<string, unknown>>): void => {
      for (const [name, declaration] of Object.entries(table)) {
        const body = functions[name] as ((...args: unknown[]) => unknown) | undefined;
        const callback = new JSCallback((...args: unknown[]) => {
          const answer = body === undefined ? Status.HV_UNSUPPORTED : body(...args);
          if (declaration.returns === "i32" && answer !== 0 && name.startsWith("hv_")) this.refusals.push(`${name} ${String(answer)}`);
          return answer;
        }, declaration);
        this.#callbacks.push(callback);
        pointers[name] = callback.ptr as Pointer;
      }
    };
    const last = levels.indexOf(this.#options.level ?? "26.0");
    for (const level of levels.slice(0, last + 1)) add(declarations[level], this.#framework);
    add({ hv_vcpu_set_simd_fp_reg: { args: ["u64", "u32", "ptr"], returns: "i32" } }, this.#framework);
    add(systemDeclarations, this.#system);
    provideSymbols(linked(pointers));
    return this;
  }
  [Symbol.dispose](): void {
    provideSymbols(undefined);
    for (const one of this.#callbacks) one.close();
    this.shared.fill(0);
    new Int32Array(this.#domain).fill(0);
  }

  // --- libSystem ---

  readonly #system = {
    os_release: (object: number) => { this.objects.delete(object); },
    mach_absolute_time: () => this.#now(),
    mach_continuous_time: () => this.#now() + (this.#wide[Word.SLEPT / 2] as number),
    mach_timebase_info: (out: number) => { put32(out, 125, 3); return 0; },
    pthread_set_qos_class_self_np: (qos: number, priority: number) => (qos === 0x21 && priority === 0 ? 0 : 22),
    sys_dcache_flush: () => {},
    sys_icache_invalidate: () => { for (const one of this.#vcpus.values()) one.cpu.engine?.invalidateAll(); },
  };
  /** From now on the host's counter stands there, for all threads. */
  setTime(ticks: number): void { this.#wide[Word.TIME / 2] = ticks; }
  /** The host sleeps: one of the two clocks stands still. */
  sleep(seconds: number): void { this.#wide[Word.SLEPT / 2] = (this.#wide[Word.SLEPT / 2] as number) + seconds * FREQUENCY; }

  // --- the framework ---

  #object(kind: string): number {
    this.#nextObject += 16;
    this.objects.set(this.#nextObject, kind);
    return this.#nextObject;
  }
  #is(object: number | null, kind: string): boolean { return object !== null && this.objects.get(object) === kind; }
  get #vm(): boolean { return this.shared[Word.VM] !== 0; }

  readonly #framework = {
    hv_vm_get_max_vcpu_count: (out: number | null) => (out === null ? Status.HV_BAD_ARGUMENT : put32(out, MAX_VCPUS)),
    hv_vm_create: (config: number | null) => {
      if (this.#options.denied === true) return Status.HV_DENIED;
      if (config !== null && !this.#is(config, "vm config")) return Status.HV_BAD_ARGUMENT;
      if (Atomics.compareExchange(this.shared, Word.VM, 0, 1) !== 0) return Status.HV_BUSY;
      this.shared[Word.IPA_BITS] = config === null ? DEFAULT_IPA : this.#config.ipaBits;
      this.shared[Word.REGION_COUNT] = 0;
      return Status.HV_SUCCESS;
    },
    hv_vm_destroy: () => {
      if (!this.#vm) return Status.HV_NO_DEVICE;
      if (this.shared[Word.VCPUS] !== 0) return Status.HV_BUSY;
      this.shared[Word.VM] = 0;
      this.#controller.there = false;
      this.#wide[Word.CODE / 2] = 0;
      new Int32Array(this.#domain).fill(0);
      return Status.HV_SUCCESS;
    },
    hv_vm_map: (address: number | null, ipa: bigint, size: bigint, flags: bigint) => {
      if (!this.#vm) return Status.HV_NO_DEVICE;
      const from = Number(ipa), length = Number(size);
      if (address === null || address % PAGE !== 0 || from % PAGE !== 0 || length % PAGE !== 0 || length === 0 || flags > 7n) return Status.HV_BAD_ARGUMENT;
      if (from + length > 2 ** (this.shared[Word.IPA_BITS] as number)) return Status.HV_BAD_ARGUMENT;
      if (this.#regions().some(one => from < one.ipa + one.size && one.ipa < from + length)) return Status.HV_BAD_ARGUMENT;
      const count = this.shared[Word.REGION_COUNT] as number;
      if (count === REGIONS) return Status.HV_NO_RESOURCES;
      this.#wide.set([address, from, length, Number(flags)], (Word.REGION + 8 * count) / 2);
      this.shared[Word.REGION_COUNT] = count + 1;
      Atomics.add(this.shared, Word.REGIONS_CHANGED, 1);
      return Status.HV_SUCCESS;
    },
    hv_vm_unmap: (ipa: bigint, size: bigint) => {
      const regions = this.#regions(), at = regions.findIndex(one => one.ipa === Number(ipa) && one.size === Number(size));
      if (at < 0) return Status.HV_BAD_ARGUMENT;
      const left = regions.filter((_, i) => i !== at);
      left.forEach((one, i) => this.#wide.set([one.host, one.ipa, one.size, one.flags], (Word.REGION + 8 * i) / 2));
      this.shared[Word.REGION_COUNT] = left.length;
      Atomics.add(this.shared, Word.REGIONS_CHANGED, 1);
      return Status.HV_SUCCESS;
    },
    hv_vm_protect: (ipa: bigint, size: bigint, flags: bigint) => {
      const at = this.#regions().findIndex(one => one.ipa === Number(ipa) && one.size === Number(size));
      if (at < 0 || this.shared[Word.VCPUS] !== 0 || flags > 7n) return Status.HV_BAD_ARGUMENT;
      this.#wide[(Word.REGION + 8 * at) / 2 + 3] = Number(flags);
      return Status.HV_SUCCESS;
    },
    hv_vm_config_create: () => {
      this.#config.ipaBits = DEFAULT_IPA;
      return this.#object("vm config");
    },
    hv_vm_config_get_max_ipa_size: (out: number) => put32(out, MAX_IPA),
    hv_vm_config_get_default_ipa_size: (out: number) => put32(out, DEFAULT_IPA),
    hv_vm_config_set_ipa_size: (config: number | null, bits: number) => {
      if (!this.#is(config, "vm config") || bits > MAX_IPA) return Status.HV_BAD_ARGUMENT;
      this.#config.ipaBits = bits;
      return Status.HV_SUCCESS;
    },
    hv_vm_config_get_ipa_size: (config: number | null, out: number) => (this.#is(config, "vm config") ? put32(out, this.#config.ipaBits) : Status.HV_BAD_ARGUMENT),
    hv_vm_config_get_el2_supported: (out: number) => put8(out, 0),

    hv_vcpu_config_create: () => this.#object("vcpu config"),
    hv_vcpu_config_get_feature_reg: (config: number | null, reg: number, out: number) => {
      const name = Object.entries(headers.hv_feature_reg_t).find(([, value]) => value === reg)?.[0];
      if (!this.#is(config, "vcpu config") || name === undefined || !(name in sysregs)) return Status.HV_BAD_ARGUMENT;
      const { resetLo, resetHi } = sysregs[name as SysRegName];
      return put32(out, resetLo, resetHi);
    },
    hv_vcpu_create: (out: number | null, exit: number | null, config: number | null) => this.#create(out, exit, config),
    hv_vcpu_destroy: (id: bigint) => this.#on(id, one => {
      this.#vcpus.delete(one.id);
      Atomics.store(this.shared, Word.ALIVE + one.id, 0);
      Atomics.sub(this.shared, Word.VCPUS, 1);
      one.cpu.state.memory.free();
      one.exit.free();
    }),
    hv_vcpu_run: (id: bigint) => this.#on(id, one => this.#run(one)),
    hv_vcpus_exit: (list: number | null, count: number) => {
      if (list === null) return count === 0 ? Status.HV_SUCCESS : Status.HV_BAD_ARGUMENT;
      for (let i = 0; i < count; i++) {
        const id = Number(read.u64(list as Pointer, 8 * i));
        if (id >= MAX_VCPUS) return Status.HV_BAD_ARGUMENT;
        if (Atomics.load(this.shared, Word.ALIVE + id) !== 2) continue;
        Atomics.store(this.shared, Word.CANCEL + id, 1);
        Atomics.notify(this.shared, Word.CANCEL + id);
        this.#kickWord(id)[0] = 1;
      }
      return Status.HV_SUCCESS;
    },

    hv_vcpu_get_reg: (id: bigint, reg: number, out: number) => this.#on(id, one => {
      const value = this.#getReg(one, reg);
      return value === undefined ? Status.HV_BAD_ARGUMENT : put64(out, value);
    }),
    hv_vcpu_set_reg: (id: bigint, reg: number, value: bigint) => this.#on(id, one => this.#setReg(one, reg, value)),
    hv_vcpu_get_simd_fp_reg: (id: bigint, reg: number, out: number) => this.#on(id, one => {
      if (reg > 31) return Status.HV_BAD_ARGUMENT;
      new Uint8Array(toArrayBuffer(out as Pointer, 0, 16)).set(one.cpu.state.u8.subarray(Offset.V + 16 * reg, Offset.V + 16 * reg + 16));
      return Status.HV_SUCCESS;
    }),
    hv_vcpu_set_simd_fp_reg: (id: bigint, reg: number, from: number) => this.#on(id, one => {
      if (reg > 31) return Status.HV_BAD_ARGUMENT;
      one.cpu.state.u8.set(new Uint8Array(toArrayBuffer(from as Pointer, 0, 16)), Offset.V + 16 * reg);
      return Status.HV_SUCCESS;
    }),
    hv_vcpu_get_sys_reg: (id: bigint, reg: number, out: number) => this.#on(id, one => {
      if (!known.has(reg) || !this.#allowed(reg)) return Status.HV_BAD_ARGUMENT;
      return put64(out, this.#getSysreg(one, reg));
    }),
    hv_vcpu_set_sys_reg: (id: bigint, reg: number, value: bigint) => this.#on(id, one => {
      if (!known.has(reg) || !this.#allowed(reg)) return Status.HV_BAD_ARGUMENT;
      this.#setSysreg(one, reg, value);
      return Status.HV_SUCCESS;
    }),
    hv_vcpu_get_pending_interrupt: (id: bigint, type: number, out: number) => this.#on(id, one =>
      this.#gic !== undefined ? Status.HV_UNSUPPORTED : type > 1 ? Status.HV_BAD_ARGUMENT : put8(out, (one.pending >> type) & 1)),
    hv_vcpu_set_pending_interrupt: (id: bigint, type: number, on: boolean) => this.#on(id, one => {
      if (this.#gic !== undefined) return Status.HV_UNSUPPORTED;
      if (type > 1) return Status.HV_BAD_ARGUMENT;
      one.pending = on ? one.pending | (1 << type) : one.pending & ~(1 << type);
      return Status.HV_SUCCESS;
    }),
    hv_vcpu_get_trap_debug_exceptions: (id: bigint, out: number) => this.#on(id, one => put8(out, one.trapDebug ? 1 : 0)),
    hv_vcpu_set_trap_debug_exceptions: (id: bigint, on: boolean) => this.#on(id, one => {
      one.trapDebug = on;
      one.cpu.debugExits = on;
    }),
    hv_vcpu_get_exec_time: (id: bigint, out: number) => this.#on(id, one => put64(out, BigInt(one.cpu.state.f64[Offset.ICOUNT / 8] as number))),
    hv_vcpu_get_vtimer_mask: (id: bigint, out: number) => this.#on(id, one => put8(out, one.cpu.masked.virtual ? 1 : 0)),
    hv_vcpu_set_vtimer_mask: (id: bigint, masked: boolean) => this.#on(id, one => { one.cpu.masked.virtual = masked; }),
    hv_vcpu_get_vtimer_offset: (id: bigint, out: number) => this.#on(id, one => put64(out, BigInt(one.offset))),
    hv_vcpu_set_vtimer_offset: (id: bigint, offset: bigint) => this.#on(id, one => { one.offset = Number(BigInt.asIntN(64, offset)); }),

    hv_gic_config_create: () => this.#object("gic config"),
    hv_gic_config_set_distributor_base: (config: number | null, base: bigint) => this.#place(config, "distributor", base),
    hv_gic_config_set_redistributor_base: (config: number | null, base: bigint) => this.#place(config, "redistributor", base),
    hv_gic_get_distributor_size: (out: number) => put64(out, BigInt(DISTRIBUTOR_SIZE)),
    hv_gic_get_distributor_base_alignment: (out: number) => put64(out, 0x1_0000n),
    hv_gic_get_redistributor_region_size: (out: number) => put64(out, 0x200_0000n),
    hv_gic_get_redistributor_size: (out: number) => put64(out, BigInt(REDISTRIBUTOR_SIZE)),
    hv_gic_get_redistributor_base_alignment: (out: number) => put64(out, 0x1_0000n),
    hv_gic_get_spi_interrupt_range: (base: number, count: number) => put32(base, 32) || put32(count, 988),
    hv_gic_create: (config: number | null) => {
      if (!this.#vm) return Status.HV_NO_DEVICE;
      if (!this.#is(config, "gic config")) return Status.HV_BAD_ARGUMENT;
      if (this.#gic !== undefined) return Status.HV_EXISTS;
      if (this.shared[Word.VCPUS] !== 0) return Status.HV_BUSY;
      const { distributor, redistributor } = this.#config;
      if (distributor < redistributor + REDISTRIBUTOR_SIZE && redistributor < distributor + DISTRIBUTOR_SIZE) return Status.HV_BAD_ARGUMENT;
      this.#wide[Word.GICD / 2] = distributor;
      this.#wide[Word.GICR / 2] = redistributor;
      this.#controller.cpus = 0;
      this.#controller.reset();
      this.#controller.there = true;
      return Status.HV_SUCCESS;
    },
    hv_gic_set_spi: (intid: number, level: boolean) => {
      if (this.#gic === undefined) return Status.HV_NO_DEVICE;
      if (!this.#gic.setSpi(intid, level)) return Status.HV_BAD_ARGUMENT;
      this.#nudge(-1);
      return Status.HV_SUCCESS;
    },
    hv_gic_reset: () => {
      if (this.#gic === undefined) return Status.HV_NO_DEVICE;
      this.#gic.reset();
      return Status.HV_SUCCESS;
    },
  };

  /** Makes the other vCPUs look at the interrupt controller: they run on after that. */
  #nudge(self: number): void {
    for (let id = 0; id < MAX_VCPUS; id++) {
      if (id === self || Atomics.load(this.shared, Word.ALIVE + id) !== 2) continue;
      this.#kickWord(id)[0] = 1;
      Atomics.notify(this.shared, Word.CANCEL + id);
    }
  }
  #kickWord(id: number): Int32Array {
    const kick = (this.shared[Word.KICK + 2 * id + 1] as number) * 2 ** 32 + ((this.shared[Word.KICK + 2 * id] as number) >>> 0);
    return new Int32Array(toArrayBuffer(kick as Pointer, 0, 4));
  }
  #place(config: number | null, what: "distributor" | "redistributor", base: bigint): number {
    if (!this.#is(config, "gic config") || base % 0x1_0000n !== 0n) return Status.HV_BAD_ARGUMENT;
    this.#config[what] = Number(base);
    return Status.HV_SUCCESS;
  }
  #regions(): { host: number; ipa: number; size: number; flags: number }[] {
    return Array.from({ length: this.shared[Word.REGION_COUNT] as number }, (_, i) => {
      const at = (Word.REGION + 8 * i) / 2;
      return { host: this.#wide[at] as number, ipa: this.#wide[at + 1] as number, size: this.#wide[at + 2] as number, flags: this.#wide[at + 3] as number };
    });
  }
  /** A per-vCPU call: only from the thread that made it, and while it lives. */
  #on(id: bigint, what: (one: VirtualCpu) => number | void): number {
    const one = this.#vcpus.get(Number(id));
    return one === undefined ? Status.HV_BAD_ARGUMENT : what(one) ?? Status.HV_SUCCESS;
  }

  #create(out: number | null, exit: number | null, config: number | null): number {
    if (!this.#vm) return Status.HV_NO_DEVICE;
    if (out === null || exit === null || (config !== null && !this.#is(config, "vcpu config"))) return Status.HV_BAD_ARGUMENT;
    const id = Array.from({ length: MAX_VCPUS }, (_, i) => i).find(i => Atomics.compareExchange(this.shared, Word.ALIVE + i, 0, 1) === 0);
    if (id === undefined) return Status.HV_NO_RESOURCES;
    if (this.#gic !== undefined) this.#gic.cpus = id + 1;
    Atomics.add(this.shared, Word.VCPUS, 1);
    Atomics.store(this.shared, Word.CANCEL + id, 0);
    const memory = new MemoryMap();
    for (const one of this.#regions()) memory.add(one.ipa, NativeMemory.at(one.host, one.size), one.size, (one.flags & 2) === 0);
    const clock = { ticks: () => this.#now() - vcpu.offset, frequency: FREQUENCY, wallSeconds: () => 0 };
    const peers: Cpu[] = [];
    const domain = this.#options.atOnce === true && id < MAX_AT_ONCE ? new Domain(MAX_AT_ONCE, id, this.#domain, yieldProcessor) : undefined;
    if (domain !== undefined) this.#shareCodeLines(memory);
    const cpu = new Cpu({ index: id, memory, clock, instructions, peers, domain, features: FEATURES });
    peers.push(cpu);
    domain?.join({ hear: (request, lo, hi, page) => hear(cpu, request, lo, hi, page) }, cpu.state.memory);
    const record = NativeMemory.allocate(PAGE);
    const vcpu: VirtualCpu = { id, cpu, exit: record, record: new DataView(record.window(0)), pending: 0, offset: 0, trapDebug: false, others: new Map(), regions: Atomics.load(this.shared, Word.REGIONS_CHANGED) };
    this.#vcpus.set(id, vcpu);
    if (this.#options.engine !== "interpreter" && memory.views.length > 0) cpu.engine = Engine.create(cpu);
    const { x } = cpu;
    setPstate(cpu, 0x3c0);
    x[slot.SCTLR_EL1 / 4] = 0;
    x[slot.ID_AA64PFR1_EL1 / 4] = 0x200_0000; // SME 2
    if (this.#gic !== undefined) x[slot.ID_AA64PFR0_EL1 / 4] = (x[slot.ID_AA64PFR0_EL1 / 4] as number) | (1 << 24);
    cpu.masked.physical = this.#gic === undefined;
    if (this.#gic === undefined) cpu.trapped = new Set(["CNTPCT_EL0", "CNTP_TVAL_EL0", "CNTP_CTL_EL0", "CNTP_CVAL_EL0"].map(name => sysregs[name as SysRegName].encoding));
    const kick = cpu.state.memory.pointer + Offset.KICK;
    this.shared[Word.KICK + 2 * id] = kick % 2 ** 32 | 0;
    this.shared[Word.KICK + 2 * id + 1] = Math.floor(kick / 2 ** 32);
    Atomics.store(this.shared, Word.ALIVE + id, 2); // 1: in the making
    put64(out, BigInt(id));
    put64(exit, BigInt(record.pointer));
    return Status.HV_SUCCESS;
  }

  /** The first core makes the bytes for all. */
  #shareCodeLines(memory: MemoryMap): void {
    while (Atomics.compareExchange(this.shared, Word.CODE_LOCK, 0, 1) !== 0) Atomics.wait(this.shared, Word.CODE_LOCK, 1, 1);
    const there = this.#wide[Word.CODE / 2] as number;
    if (there === 0) this.#wide[Word.CODE / 2] = memory.codeLines.prepare(memory.views.length);
    else memory.codeLines.share(there, memory.views.length);
    Atomics.store(this.shared, Word.CODE_LOCK, 0);
  }

  // --- registers ---

  #allowed(reg: number): boolean { return this.#gic !== undefined || !/^CNTP_/.test(sysregName(reg) ?? ""); }
  #getReg({ cpu }: VirtualCpu, reg: number): bigint | undefined {
    const pair = (word: number): bigint => BigInt((cpu.x[word + 1] as number) >>> 0) << 32n | BigInt((cpu.x[word] as number) >>> 0);
    if (reg <= Reg.X0 + 30) return pair(2 * reg);
    if (reg === Reg.PC) return pair(Offset.PC / 4);
    if (reg === Reg.FPCR) return BigInt(cpu.state.u32[Offset.FPCR / 4] as number);
    if (reg === Reg.FPSR) return BigInt(cpu.state.u32[Offset.FPSR / 4] as number);
    return reg === Reg.CPSR ? BigInt(pstate(cpu) >>> 0) : undefined;
  }
  #setReg({ cpu }: VirtualCpu, reg: number, value: bigint): number {
    const lo = Number(BigInt.asIntN(32, value)), hi = Number(BigInt.asIntN(32, value >> 32n));
    const word = reg <= 30 ? 2 * reg : reg === Reg.PC ? Offset.PC / 4 : undefined;
    if (word !== undefined) {
      cpu.x[word] = lo;
      cpu.x[word + 1] = hi;
    } else if (reg === Reg.FPCR) cpu.x[Offset.FPCR / 4] = lo;
    else if (reg === Reg.FPSR) cpu.x[Offset.FPSR / 4] = lo;
    else if (reg === Reg.CPSR) {
      cpu.bankSp();
      setPstate(cpu, lo);
    } else return Status.HV_BAD_ARGUMENT;
    return Status.HV_SUCCESS;
  }
  #slotOf(reg: number): number | undefined {
    if (reg === headers.hv_sys_reg_t.SP_EL0) return Offset.SP_EL0;
    if (reg === headers.hv_sys_reg_t.SP_EL1) return Offset.SP_EL1;
    const name = sysregName(reg);
    return name === undefined || name === "MPIDR_EL1" ? undefined : slot[name];
  }
  #getSysreg(one: VirtualCpu, reg: number): bigint {
    const at = this.#slotOf(reg), { x } = one.cpu;
    if (at === undefined) return one.others.get(reg) ?? (reg === headers.hv_sys_reg_t.MPIDR_EL1 ? 0x8000_0000n : 0n);
    one.cpu.bankSp();
    let lo = (x[at / 4] as number) >>> 0;
    if (at === slot.CNTV_CTL_EL0 && (lo & 1) !== 0 && one.cpu.clock.ticks() >= compare(x, slot.CNTV_CVAL_EL0 / 4)) lo |= 4;
    return BigInt((x[at / 4 + 1] as number) >>> 0) << 32n | BigInt(lo);
  }
  #setSysreg(one: VirtualCpu, reg: number, value: bigint): void {
    const at = this.#slotOf(reg), { cpu } = one;
    if (at === undefined) {
      one.others.set(reg, reg === headers.hv_sys_reg_t.MPIDR_EL1 ? value | 0x8000_0000n : value);
      return;
    }
    cpu.bankSp();
    cpu.x[at / 4] = Number(BigInt.asIntN(32, value));
    cpu.x[at / 4 + 1] = Number(BigInt.asIntN(32, value >> 32n));
    cpu.selectSp();
    cpu.flushTlb();
  }

  // --- running ---

  #run(one: VirtualCpu): void {
    const { cpu } = one;
    cpu.x[Offset.KICK / 4] = 0;
    this.#followRegions(one);
    if (Atomics.exchange(this.shared, Word.CANCEL + one.id, 0) !== 0) this.#leave(one, ExitReason.CANCELED); // sticky
    else if (this.next !== undefined) {
      const { reason, syndrome, virtual, physical } = this.next;
      this.next = undefined;
      this.#leave(one, reason, syndrome, virtual, physical);
    } else {
      while (!this.#slice(one)) { /* what the framework deals with itself */ }
      Atomics.store(this.shared, Word.CANCEL + one.id, 0); // one that came meanwhile is lost
    }
    one.pending = 0;
  }
  /** Regions that a vCPU has known go and come back. */
  #followRegions(one: VirtualCpu): void {
    const changed = Atomics.load(this.shared, Word.REGIONS_CHANGED);
    if (one.regions === changed) return;
    one.regions = changed;
    const there = new Set(this.#regions().map(region => region.ipa));
    for (const ipa of one.cpu.memory.bases) one.cpu.memory.show(ipa, there.has(ipa));
    one.cpu.flushTlb();
  }
  #leave(one: VirtualCpu, reason: number, syndrome = 0, virtual = 0n, physical = 0n): true {
    one.record.setUint32(ExitOffset.reason, reason, true);
    one.record.setBigUint64(ExitOffset.syndrome, BigInt(syndrome >>> 0), true);
    one.record.setBigUint64(ExitOffset.virtualAddress, virtual, true);
    one.record.setBigUint64(ExitOffset.physicalAddress, physical, true);
    return true;
  }
  /** Runs until the software CPU leaves; true when the framework would. */
  #slice(one: VirtualCpu): boolean {
    const { cpu } = one, { exit, x } = cpu, gic = this.#gic;
    if (gic !== undefined) this.#settle(one, gic);
    x[Offset.LINES / 4] = gic === undefined ? one.pending : gic.line(one.id) ? 1 : 0;
    cpu.domain?.enter();
    cpu.run(undefined);
    cpu.domain?.leave();
    const EC = (ec: number, iss: number): number => (ec << 26) | (1 << 25) | iss;
    switch (exit.kind) {
      case "canceled": // or only the controller was to be looked at
        if (gic !== undefined && Atomics.load(this.shared, Word.CANCEL + one.id) === 0) return false;
        return this.#leave(one, ExitReason.CANCELED);
      case "vtimer":
        if (gic === undefined) return this.#leave(one, ExitReason.VTIMER_ACTIVATED); // and is masked from now on
        gic.setPpi(one.id, TIMER_INTID[exit.timer as keyof typeof TIMER_INTID], true);
        return false;
      case "wfi": {
        const event = cpu.napsUntil !== undefined; // it is a WFE
        cpu.napsUntil = undefined;
        if (gic !== undefined) {
          this.#sleepUntilWoken(one, gic);
          return false;
        }
        cpu.branch(-4);
        return this.#leave(one, ExitReason.EXCEPTION, EC(0x01, (1 << 24) | (14 << 20) | (event ? 1 : 0)));
      }
      case "call": return this.#leave(one, ExitReason.EXCEPTION, EC(exit.conduit === "hvc" ? 0x16 : 0x17, exit.immediate));
      case "debug": return this.#leave(one, ExitReason.EXCEPTION, EC(0x3c, exit.immediate));
      case "mmio": {
        if (gic !== undefined && this.#servedByGic(one, gic)) return false;
        cpu.abandon();
        let iss = 0x07 | (exit.write ? 1 << 6 : 0);
        if (cpu.memory.page(exit.gpa) >= 0) iss |= 0x08; // mapped, but not for this: a permission fault
        if (exit.syndromeValid) iss |= (1 << 24) | (Math.log2(exit.size) << 22) | (exit.signExtend ? 1 << 21 : 0) | (exit.register << 16) | (exit.sixtyFour ? 1 << 15 : 0);
        const virtual = BigInt(cpu.deviceHi >>> 0) << 32n | BigInt(cpu.deviceLo >>> 0);
        return this.#leave(one, ExitReason.EXCEPTION, EC(0x24, iss), virtual, BigInt(exit.gpa));
      }
      case "sysreg": {
        const { encoding } = exit;
        if (gic !== undefined) {
          const value = exit.write ? (gic.writeSystem(one.id, encoding, exit.lo, exit.hi) ? 0 : undefined) : gic.readSystem(one.id, encoding);
          if (value !== undefined) {
            cpu.answer(value, 0);
            if (exit.write) this.#nudge(one.id); // an SGI
            return false;
          }
        }
        cpu.abandon();
        const iss = ((encoding >>> 14) & 3) << 20 | (encoding & 7) << 17 | ((encoding >>> 11) & 7) << 14 | ((encoding >>> 7) & 15) << 10 | exit.register << 5 | ((encoding >>> 3) & 15) << 1 | (exit.write ? 0 : 1);
        return this.#leave(one, ExitReason.EXCEPTION, EC(0x18, iss));
      }
      case "budget":
      case "look":
      case "turn": return false; // a timer was set; a core yields
      case "fault": throw new Error(`the software CPU left with ${exit.kind} ${exit.why}`);
      default: return exit.kind satisfies never;
    }
  }
  /** A timer that fired and whose condition is gone is watched again. */
  #settle({ id, cpu }: VirtualCpu, gic: Gicv3): void {
    for (const timer of ["virtual", "physical"] as const) {
      if (!(timer === "virtual" ? cpu.masked.virtual : cpu.masked.physical) || timerFires(cpu, timer)) continue;
      gic.setPpi(id, TIMER_INTID[timer], false);
      if (timer === "virtual") cpu.masked.virtual = false;
      else cpu.masked.physical = false;
    }
  }
  #sleepUntilWoken({ id, cpu }: VirtualCpu, gic: Gicv3): void {
    if (gic.line(id) || cpu.x[Offset.KICK / 4] !== 0) return;
    const due = [cpu.masked.virtual ? undefined : timerDue(cpu, "virtual"), cpu.masked.physical ? undefined : timerDue(cpu, "physical")].filter(one => one !== undefined);
    const ms = due.length === 0 ? LONGEST_SLEEP_MS : Math.max(0, (Math.min(...due) - cpu.clock.ticks()) * 1000 / FREQUENCY);
    Atomics.wait(this.shared, Word.CANCEL + id, 0, Math.min(ms, LONGEST_SLEEP_MS));
  }
  #servedByGic({ id, cpu }: VirtualCpu, gic: Gicv3): boolean {
    const { exit } = cpu, distributor = this.#wide[Word.GICD / 2] as number, redistributor = this.#wide[Word.GICR / 2] as number;
    const at = exit.gpa;
    const inside = (base: number, size: number): boolean => at >= base && at < base + size;
    if (inside(distributor, DISTRIBUTOR_SIZE)) {
      if (exit.write) gic.writeDistributor(at - distributor, exit.size, exit.lo);
      else cpu.answer(gic.readDistributor(at - distributor, exit.size), gic.hi);
    } else if (inside(redistributor, MAX_VCPUS * REDISTRIBUTOR_SIZE)) {
      const frame = Math.floor((at - redistributor) / REDISTRIBUTOR_SIZE), offset = (at - redistributor) % REDISTRIBUTOR_SIZE;
      if (Atomics.load(this.shared, Word.ALIVE + frame) === 0) return false; // beyond the last vCPU's
      if (exit.write) gic.writeRedistributor(frame, offset, exit.size, exit.lo);
      else cpu.answer(gic.readRedistributor(frame, offset, exit.size), gic.hi);
    } else return false;
    if (exit.write) cpu.answer(0, 0);
    if (exit.write) this.#nudge(id);
    return true;
  }
}

const compare = (x: Int32Array, word: number): number => ((x[word + 1] as number) >>> 0) * 2 ** 32 + ((x[word] as number) >>> 0);
const view = (at: number, size: number): DataView => new DataView(toArrayBuffer(at as Pointer, 0, size));
function put8(at: number, value: number): number {
  view(at, 1).setUint8(0, value);
  return Status.HV_SUCCESS;
}
function put32(at: number, ...values: readonly number[]): number {
  values.forEach((value, i) => view(at + 4 * i, 4).setUint32(0, value >>> 0, true));
  return Status.HV_SUCCESS;
}
function put64(at: number, value: bigint): number {
  view(at, 8).setBigUint64(0, BigInt.asUintN(64, value), true);
  return Status.HV_SUCCESS;
}
/** CLOCK_MONOTONIC in ticks: the same in every thread. */
function hostTicks(): () => number {
  const time = new Int32Array(4); // of two 64-bit words
  const { clock_gettime } = dlopen("libc.so.6", { clock_gettime: { args: ["i32", "ptr"], returns: "i32" } }).symbols;
  return () => {
    clock_gettime(1, time as never);
    return (time[0] as number) * FREQUENCY + Math.floor((time[2] as number) * (FREQUENCY / 1e9));
  };
}
