// src/hypervisor/hvf.ts — Hypervisor.framework as a backend: the virtual machine, its memory, its interrupt controller, and
// the threads of its vCPUs. Spec: <Hypervisor/*.h> for arm64. What a vCPU does is in hvf-vcpu.ts.
import { Hypervisor, HypervisorError, MemoryFlags, Status, viewAt, type HostAddress, type VmConfig } from "../../ffi/hypervisor.ts";
import { NativeMemory } from "../../ffi/memory.ts";
import { MemoryMap } from "../cpu/memory-map.ts";
import { ExitCode, Failure } from "../failure.ts";
import type { GicPlaces, KernelGic, RamWindows, RomBytes, Vm } from "./backend.ts";
import { HvfClock, SharedHvfClock } from "./hvf-clock.ts";
import { HvfVcpu, type HvfVmFacts } from "./hvf-vcpu.ts";
import { RemoteVcpu, serveVcpu } from "./mailbox.ts";

export interface HvfOptions {
  /** The framework's interrupt controller, or none: the machine has its own. "auto" takes what the system offers. */
  readonly gic: "auto" | "own" | "framework";
  readonly places: GicPlaces;
  /** One past the highest guest physical address. */
  readonly end: number;
  readonly cpus: number;
  /** Starts the thread of a vCPU, which then calls `serveHvfVcpu`. Absent: vCPUs belong to the thread that asks for them. */
  readonly thread?: (message: HvfVcpuMessage) => void;
  /** The machine's doorbell; only for vCPUs with threads. */
  readonly bell?: SharedArrayBuffer;
}

/** A status as something a user can act on. */
function failure(error: unknown): never {
  if (!(error instanceof HypervisorError)) throw error;
  throw new Failure(`HV-HVF-${error.statusName.replace(/^HV_/, "")}`, `Hypervisor.framework refuses: ${error.message}`, {
    ...(error.hint === undefined ? {} : { hint: error.hint }), exit: error.status === Status.HV_BUSY ? ExitCode.busy : ExitCode.unsupported, cause: error,
  });
}
const trying = <T>(what: () => T): T => {
  try {
    return what();
  } catch (error) {
    return failure(error);
  }
};

/** What the thread of a vCPU is started with. */
export interface HvfVcpuMessage {
  readonly kind: "vcpu";
  readonly index: number;
  readonly facts: HvfVmFacts;
  readonly clock: SharedArrayBuffer;
  readonly mailbox: SharedArrayBuffer;
  readonly bell: SharedArrayBuffer;
  readonly ram: readonly { readonly gpa: number; readonly pointer: number; readonly size: number }[];
}
/** The life of that thread. */
export function serveHvfVcpu(message: HvfVcpuMessage): void {
  serveVcpu(message.mailbox, new Int32Array(message.bell), () => {
    const hv = Hypervisor.open(), memory = new MemoryMap();
    for (const { gpa, pointer, size } of message.ram) memory.add(gpa, NativeMemory.at(pointer, size), size, false);
    return new HvfVcpu(hv, new SharedHvfClock(hv, message.clock), memory, message.facts, message.index);
  });
}

export class HvfVm implements Vm {
  readonly backend = "hvf";
  readonly pmu = false;
  readonly concurrent: boolean;
  readonly ownsPower = false;
  readonly clock: HvfClock;
  readonly gic: KernelGic | undefined;
  readonly facts: HvfVmFacts;
  readonly memory: MemoryMap = new MemoryMap();
  readonly #hv: Hypervisor;
  readonly #blocks: { readonly at: number; readonly memory: NativeMemory }[] = [];
  readonly #vcpus: HvfVcpu[] = [];
  readonly #remote: RemoteVcpu[] = [];
  readonly #options: HvfOptions;
  get vcpus(): readonly HvfVcpu[] { return this.#vcpus; }

  constructor(hv: Hypervisor, options: HvfOptions) {
    this.#hv = hv;
    this.#options = options;
    this.concurrent = options.thread !== undefined;
    this.clock = new HvfClock(hv);
    const { config, bits } = trying(() => addressSpace(hv, options.end));
    trying(() => hv.base.hv_vm_create(config));
    if (config !== null) hv.release(config);
    const wanted = options.gic === "framework" || (options.gic === "auto" && hv.gic !== undefined);
    if (wanted && hv.gic === undefined) throw new Failure("HV-HVF-GIC", "--gic 3: this macOS has no interrupt controller for guests", { hint: "it came with macOS 15; --gic 2 uses hv's own", exit: ExitCode.unsupported });
    try {
      if (wanted) trying(() => createGic(hv, options));
    } catch (error) {
      hv.base.hv_vm_destroy();
      throw error;
    }
    this.gic = wanted ? frameworkGic(hv) : undefined;
    this.facts = { gic: wanted, ipaBits: bits };
  }
  get engine(): string {
    const remarks = this.#vcpus[0]?.remarks ?? [];
    return `Hypervisor.framework, ${this.gic === undefined ? "hv's own interrupt controller" : "its interrupt controller"}${remarks.map(one => `; ${one}`).join("")}`;
  }

  addRam(gpa: number, size: number): RamWindows {
    const memory = NativeMemory.allocate(size);
    this.#blocks.push({ at: gpa, memory });
    trying(() => this.#hv.base.hv_vm_map(memory.pointer as HostAddress, gpa, memory.size, MemoryFlags.READ | MemoryFlags.WRITE | MemoryFlags.EXEC));
    this.memory.add(gpa, memory, size, false);
    return { size, windows: Array.from({ length: memory.windows }, (_, i) => memory.window(i)), release: (offset, length) => memory.release(offset, length) };
  }
  addRom(gpa: number, size: number): RomBytes {
    const memory = NativeMemory.allocate(size);
    const map = (): void => trying(() => this.#hv.base.hv_vm_map(memory.pointer as HostAddress, gpa, memory.size, MemoryFlags.READ | MemoryFlags.EXEC));
    this.#blocks.push({ at: gpa, memory });
    map();
    this.memory.add(gpa, memory, size, true);
    let now = true;
    return {
      bytes: new Uint8Array(memory.window(0)),
      show: visible => {
        if (visible === now) return;
        now = visible;
        this.memory.show(gpa, visible);
        if (visible) map();
        else trying(() => this.#hv.base.hv_vm_unmap(gpa, memory.size));
      },
    };
  }
  /** In the order of their indexes: redistributors are numbered as vCPUs are made. */
  createVcpu(index: number): HvfVcpu | RemoteVcpu {
    const { thread, bell } = this.#options;
    if (thread !== undefined && bell !== undefined) return this.#startThread(index, thread, bell);
    const vcpu = trying(() => new HvfVcpu(this.#hv, this.clock, this.memory, this.facts, index));
    this.#vcpus.push(vcpu);
    return vcpu;
  }
  #startThread(index: number, thread: (message: HvfVcpuMessage) => void, bell: SharedArrayBuffer): RemoteVcpu {
    const list = new BigUint64Array(1);
    let kick: DataView | undefined;
    const vcpu: RemoteVcpu = new RemoteVcpu(index, () => {
      kick ??= viewAt(vcpu.kickAddress, 4);
      kick.setInt32(0, 1, true);
      list[0] = BigInt(vcpu.id);
      this.#hv.base.hv_vcpus_exit(list, 1);
    });
    const ram = this.#blocks.map(({ at, memory }) => ({ gpa: at, pointer: memory.pointer, size: memory.size }));
    thread({ kind: "vcpu", index, facts: this.facts, clock: this.clock.shared, mailbox: vcpu.mailbox, bell, ram });
    try {
      vcpu.started();
    } catch (error) {
      throw new Failure("HV-HVF-VCPU", `Hypervisor.framework refuses vCPU ${index}: ${error instanceof Error ? error.message : String(error)}`, { hint: "ask for fewer CPUs", exit: ExitCode.unsupported, cause: error });
    }
    this.#remote.push(vcpu);
    return vcpu;
  }
  /** Makes vCPUs with threads of their own come out and go in again: with the clock as it is now. */
  refresh(): void { for (const one of this.#remote) one.nudge(); }
  /** The guest starts with its caches off and would not see what is still in the host's. */
  memoryWritten(gpa: number, size: number): void {
    for (const { at, memory } of this.#blocks) {
      const from = Math.max(gpa, at), to = Math.min(gpa + size, at + memory.size);
      if (from < to) this.#hv.flushCaches(memory.pointer + from - at, to - from);
    }
  }
  destroy(): void {
    for (const one of [...this.#vcpus, ...this.#remote]) one.destroy();
    this.#hv.base.hv_vm_destroy();
    for (const { memory } of this.#blocks) memory.free();
  }
}

/** The configuration that makes room for addresses below `end`; null: the default does. */
function addressSpace(hv: Hypervisor, end: number): { config: VmConfig | null; bits: number } {
  const DEFAULT = 36, wanted = Math.max(DEFAULT, Math.ceil(Math.log2(end)));
  const calls = hv.ipaSize, cell = new Uint32Array(1);
  if (calls === undefined) {
    if (wanted > DEFAULT) throw new Failure("HV-HVF-MEMORY", "--memory: this macOS gives guests 64 GiB of addresses and no more", { hint: "ask for less, or update to macOS 13", exit: ExitCode.unsupported });
    return { config: null, bits: DEFAULT };
  }
  calls.hv_vm_config_get_default_ipa_size(cell);
  const bits = cell[0] as number;
  if (wanted <= bits) return { config: null, bits };
  calls.hv_vm_config_get_max_ipa_size(cell);
  const most = cell[0] as number;
  if (wanted > most) throw new Failure("HV-HVF-MEMORY", `--memory: this Mac gives guests ${most}-bit addresses; ${wanted} would be needed`, { hint: "ask for less", exit: ExitCode.unsupported });
  const config = calls.hv_vm_config_create();
  calls.hv_vm_config_set_ipa_size(config, wanted);
  return { config, bits: wanted };
}

/** hv_gic at the board's addresses. Its own rules for them are asked, not assumed. */
function createGic(hv: Hypervisor, { places, cpus }: HvfOptions): void {
  const gic = hv.gic as NonNullable<Hypervisor["gic"]>, cell = new Uint32Array(2);
  const ask = (call: (out: Uint32Array) => void): number => {
    call(cell);
    return (cell[1] as number) * 2 ** 32 + (cell[0] as number);
  };
  const check = (what: string, base: number, alignment: number): void => {
    if (base % alignment !== 0) throw new Failure("HV-HVF-GIC", `the framework wants its ${what} on multiples of ${alignment}: the board's is not`, { hint: "--gic 2 uses hv's own", exit: ExitCode.unsupported });
  };
  check("distributor", places.distributor, ask(out => gic.hv_gic_get_distributor_base_alignment(out)));
  check("redistributors", places.redistributor, ask(out => gic.hv_gic_get_redistributor_base_alignment(out)));
  const one = ask(out => gic.hv_gic_get_redistributor_size(out)), room = ask(out => gic.hv_gic_get_redistributor_region_size(out));
  if (cpus * one > room || places.distributor + ask(out => gic.hv_gic_get_distributor_size(out)) > places.redistributor) {
    throw new Failure("HV-HVF-GIC", `the framework's interrupt controller has no room for ${cpus} CPUs on this board`, { hint: "--gic 2 uses hv's own", exit: ExitCode.unsupported });
  }
  const config = gic.hv_gic_config_create();
  gic.hv_gic_config_set_distributor_base(config, places.distributor);
  gic.hv_gic_config_set_redistributor_base(config, places.redistributor);
  gic.hv_gic_create(config);
  hv.release(config);
}
function frameworkGic(hv: Hypervisor): KernelGic {
  const gic = hv.gic as NonNullable<Hypervisor["gic"]>;
  return { version: 3, setSpi: (n, level) => gic.hv_gic_set_spi(32 + n, level), reset: () => gic.hv_gic_reset() };
}
