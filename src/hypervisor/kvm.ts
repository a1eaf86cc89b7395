// src/hypervisor/kvm.ts — KVM of arm64 Linux as a backend: the interrupt controller, the timers and PSCI are the kernel's;
// what leaves the guest is device accesses and the end of the machine.
// Spec: the kernel's Documentation/virt/kvm/api.rst, devices/arm-vgic.rst and arm-vgic-v3.rst; ARM DEN 0022 (PSCI).
// An access without syndrome is carried out by the interpreter (helper.ts). Left out: the guest's counter runs on while
// it is paused; a guest's reset leaves the controller as it is, but for its inputs.
//
// PSCI's SYSTEM_OFF and SYSTEM_RESET come as events; the machine gets them as the calls that they were.
import {
  Capability, closeFd, CoreReg, Debug, Device, ExitReason, handleKicks, ioctl, IRQ_TYPE_SPI, isInterrupted, kickVcpu, KickRecord,
  KvmError, mapRun, openKvm, REG_HIGH, RunOffset, runVcpu, Size, SYSREG, SystemEvent, thisThread, TIMER_CNT, TIMER_CVAL, unmapRun, VcpuFeature, Vgic, Wide,
} from "../../ffi/kvm.ts";
import { monotonic } from "../../ffi/clock.ts";
import { NativeMemory } from "../../ffi/memory.ts";
import type { Clock } from "../../devices/device.ts";
import { Exit, type TimerName } from "../cpu/exit.ts";
import { MemoryMap } from "../cpu/memory-map.ts";
import { sysregs, type SysRegName } from "../cpu/sysreg.ts";
import { ExitCode, Failure } from "../failure.ts";
import type { GicPlaces, KernelGic, RamWindows, RomBytes, Registers, Vcpu, Vm } from "./backend.ts";
import { Helper, type OtherRegister, type RegisterFile } from "./helper.ts";
import { RemoteVcpu, serveVcpu } from "./mailbox.ts";

export interface KvmOptions {
  readonly gic: "auto" | 2 | 3;
  readonly places: GicPlaces;
  /** One past the highest guest physical address. */
  readonly end: number;
  /** Starts the thread of a vCPU, which then calls `serveKvmVcpu`. Absent: vCPUs belong to the thread that asks for them. */
  readonly thread?: (message: KvmVcpuMessage) => void;
  readonly bell?: SharedArrayBuffer;
}
const PSCI_SYSTEM_OFF = 0x8400_0008, PSCI_SYSTEM_RESET = 0x8400_0009;
const EL1H_MASKED = 0x3c5;
const IRQS = 288;
const KVM_MEM_READONLY = 2;
const BRK_CLASS = 0x3c;
const DEFAULT_IPA_BITS = 40;

/** Nanoseconds of the host: the clock of devices, the same in every thread. */
export class KvmClock implements Clock {
  readonly frequency: number = 1e9;
  #origin = monotonic();
  #pausedAt: number | undefined;
  ticks(): number { return (this.#pausedAt ?? monotonic()) - this.#origin; }
  /** What `monotonic` says at a tick. */
  hostTime(tick: number): number { return tick + this.#origin; }
  wallSeconds(): number { return Math.floor(Date.now() / 1000); }
  pause(): void { this.#pausedAt ??= monotonic(); }
  resume(): void {
    if (this.#pausedAt === undefined) return;
    this.#origin += monotonic() - this.#pausedAt;
    this.#pausedAt = undefined;
  }
  millisecondsUntil(tick: number): number { return Math.max(0, (tick - this.ticks()) / 1e6); }
}

/** What the thread of a vCPU is started with. */
export interface KvmVcpuMessage {
  readonly kind: "kvm vcpu";
  readonly index: number;
  readonly vm: number;
  readonly runSize: number;
  readonly mailbox: SharedArrayBuffer;
  readonly bell: SharedArrayBuffer;
  readonly ram: readonly { readonly gpa: number; readonly pointer: number; readonly size: number }[];
}
/** The life of that thread. */
export function serveKvmVcpu(message: KvmVcpuMessage): void {
  serveVcpu(message.mailbox, new Int32Array(message.bell), () => {
    const memory = new MemoryMap();
    for (const { gpa, pointer, size } of message.ram) memory.add(gpa, NativeMemory.at(pointer, size), size, false);
    return new KvmVcpu(message.vm, message.runSize, memory, message.index);
  });
}

function refuse(error: unknown): never {
  if (!(error instanceof KvmError)) throw error;
  throw new Failure("HV-KVM", `KVM refuses: ${error.message}`, { hint: "hv doctor looks; --accel software works everywhere", exit: ExitCode.unsupported, cause: error });
}

const trying = <T>(what: () => T): T => {
  try {
    return what();
  } catch (error) {
    return refuse(error);
  }
};

export class KvmVm implements Vm {
  readonly backend = "kvm";
  readonly pmu = false; // not asked for
  readonly concurrent: boolean;
  readonly ownsPower = true;
  readonly gic: KernelGic;
  readonly clock: KvmClock = new KvmClock();
  readonly #kvm: number;
  readonly #vm: number;
  readonly #runSize: number;
  readonly #vgic: number;
  readonly #options: KvmOptions;
  readonly #memory: MemoryMap = new MemoryMap();
  readonly #blocks: { readonly gpa: number; readonly memory: NativeMemory }[] = [];
  readonly #vcpus: KvmVcpu[] = [];
  readonly #remote: RemoteVcpu[] = [];
  get vcpus(): readonly KvmVcpu[] { return this.#vcpus; }

  constructor(options: KvmOptions) {
    this.#options = options;
    this.concurrent = options.thread !== undefined;
    this.#kvm = trying(openKvm);
    const most = trying(() => ioctl(this.#kvm, "KVM_CHECK_EXTENSION", Capability.KVM_CAP_ARM_VM_IPA_SIZE)) || DEFAULT_IPA_BITS;
    if (options.end > 2 ** most) throw new Failure("HV-KVM-MEMORY", `--memory: KVM of this host gives guests ${most}-bit addresses`, { hint: "ask for less", exit: ExitCode.unsupported });
    this.#vm = trying(() => ioctl(this.#kvm, "KVM_CREATE_VM", most < DEFAULT_IPA_BITS ? most : 0)); // 0: 40 bits
    this.#runSize = trying(() => ioctl(this.#kvm, "KVM_GET_VCPU_MMAP_SIZE"));
    const enable = new Uint32Array(Size.kvm_enable_cap / 4);
    enable[0] = Capability.KVM_CAP_ARM_NISV_TO_USER;
    trying(() => ioctl(this.#vm, "KVM_ENABLE_CAP", enable));
    const { version, fd } = trying(() => this.#createGic());
    this.#vgic = fd;
    this.gic = { version, setSpi: (n, level) => this.#line(n, level), reset: () => { for (const n of this.#high) this.#line(n, false); } };
    handleKicks();
  }
  readonly #high = new Set<number>();
  #line(n: number, level: boolean): void {
    if (level) this.#high.add(n);
    else this.#high.delete(n);
    ioctl(this.#vm, "KVM_IRQ_LINE", Uint32Array.of(IRQ_TYPE_SPI * 2 ** 24 + 32 + n, level ? 1 : 0));
  }
  get engine(): string { return `the kernel's KVM, its interrupt controller version ${this.gic.version}`; }

  #createGic(): { version: 2 | 3; fd: number } {
    const { gic } = this.#options;
    for (const [version, type] of [[3, Device.KVM_DEV_TYPE_ARM_VGIC_V3], [2, Device.KVM_DEV_TYPE_ARM_VGIC_V2]] as const) {
      if (gic !== "auto" && gic !== version) continue;
      const device = Uint32Array.of(type, 0, 0);
      try {
        ioctl(this.#vm, "KVM_CREATE_DEVICE", device);
      } catch (error) {
        if (gic === "auto" && version === 3) continue; // a host with a GICv2
        throw new Failure("HV-KVM-GIC", `--gic ${version}: this host's interrupt controller cannot be version ${version} for guests`, { hint: "--gic auto", exit: ExitCode.unsupported, cause: error });
      }
      return { version, fd: device[1] as number };
    }
    throw new KvmError("KVM_CREATE_DEVICE", 19);
  }
  #attribute(group: number, attribute: number, value?: BigUint64Array | Uint32Array): void {
    const bytes = new Uint8Array(Size.kvm_device_attr), view = new DataView(bytes.buffer);
    view.setUint32(4, group, true);
    view.setBigUint64(8, BigInt(attribute), true);
    // the value must stay where it is for the call
    const cell = NativeMemory.allocate(16);
    if (value !== undefined) new Uint8Array(cell.window(0)).set(new Uint8Array(value.buffer));
    view.setBigUint64(16, value === undefined ? 0n : BigInt(cell.pointer), true);
    ioctl(this.#vgic, "KVM_SET_DEVICE_ATTR", bytes);
    cell.free();
  }
  /** All vCPUs are made: the controller can be. */
  ready(): void {
    const { places } = this.#options, addresses: readonly (readonly [number, number])[] = this.gic.version === 3
      ? [[Vgic.KVM_VGIC_V3_ADDR_TYPE_DIST, places.distributor], [Vgic.KVM_VGIC_V3_ADDR_TYPE_REDIST, places.redistributor]]
      : [[Vgic.KVM_VGIC_V2_ADDR_TYPE_DIST, places.distributor], [Vgic.KVM_VGIC_V2_ADDR_TYPE_CPU, places.cpuInterface]];
    try {
      this.#attribute(Vgic.KVM_DEV_ARM_VGIC_GRP_NR_IRQS, 0, Uint32Array.of(IRQS));
      for (const [type, base] of addresses) this.#attribute(Vgic.KVM_DEV_ARM_VGIC_GRP_ADDR, type, BigUint64Array.of(BigInt(base)));
      this.#attribute(Vgic.KVM_DEV_ARM_VGIC_GRP_CTRL, Vgic.KVM_DEV_ARM_VGIC_CTRL_INIT);
    } catch (error) {
      refuse(error);
    }
  }

  addRam(gpa: number, size: number): RamWindows {
    const memory = NativeMemory.allocate(size), slot = this.#blocks.length;
    memory.preferLargePages();
    this.#blocks.push({ gpa, memory });
    this.#memory.add(gpa, memory, size, false);
    this.#setRegion(slot, gpa, memory, memory.size, 0);
    return { size, windows: Array.from({ length: memory.windows }, (_, i) => memory.window(i)), release: (offset, length) => memory.release(offset, length) };
  }
  addRom(gpa: number, size: number): RomBytes {
    const memory = NativeMemory.allocate(size), slot = this.#blocks.length;
    this.#blocks.push({ gpa, memory });
    this.#memory.add(gpa, memory, size, true);
    // a slot of no size is none
    const show = (visible: boolean): void => this.#setRegion(slot, gpa, memory, visible ? memory.size : 0, KVM_MEM_READONLY);
    show(true);
    return { bytes: new Uint8Array(memory.window(0)), show };
  }
  #setRegion(slot: number, gpa: number, memory: NativeMemory, size: number, flags: number): void {
    const bytes = new Uint8Array(Size.kvm_userspace_memory_region), view = new DataView(bytes.buffer);
    view.setUint32(0, slot, true);
    view.setUint32(4, flags, true);
    view.setBigUint64(8, BigInt(gpa), true);
    view.setBigUint64(16, BigInt(size), true);
    view.setBigUint64(24, BigInt(memory.pointer), true);
    try {
      ioctl(this.#vm, "KVM_SET_USER_MEMORY_REGION", bytes);
    } catch (error) {
      refuse(error);
    }
  }
  createVcpu(index: number): Vcpu {
    const { thread, bell } = this.#options;
    if (thread === undefined || bell === undefined) {
      const vcpu = new KvmVcpu(this.#vm, this.#runSize, this.#memory, index);
      this.#vcpus.push(vcpu);
      return vcpu;
    }
    let record: DataView | undefined;
    const vcpu: RemoteVcpu = new RemoteVcpu(index, () => {
      record ??= new DataView(NativeMemory.at(vcpu.kickAddress, KickRecord.BYTES).window(0));
      kickVcpu(record);
    });
    thread({ kind: "kvm vcpu", index, vm: this.#vm, runSize: this.#runSize, mailbox: vcpu.mailbox, bell, ram: this.#blocks.map(({ gpa, memory }) => ({ gpa, pointer: memory.pointer, size: memory.size })) });
    vcpu.started();
    this.#remote.push(vcpu);
    return vcpu;
  }
  memoryWritten(): void {} // KVM cleans the caches of pages that it maps for a guest with its caches off
  destroy(): void {
    for (const one of [...this.#vcpus, ...this.#remote]) one.destroy();
    for (const fd of [this.#vgic, this.#vm, this.#kvm]) closeFd(fd);
    for (const { memory } of this.#blocks) memory.free();
  }
}

/** The helper runs no timers: its clock is not looked at. */
const NO_CLOCK: Clock = { ticks: () => 0, frequency: 1, wallSeconds: () => 0 };
const CORE = { PC: CoreReg.PC, CPSR: CoreReg.PSTATE, SP_EL0: CoreReg.SP_EL0, SP_EL1: CoreReg.SP_EL1, ELR_EL1: CoreReg.ELR_EL1, SPSR_EL1: CoreReg.SPSR_EL1 } as const;
const otherId = (name: Exclude<OtherRegister, "FPCR" | "FPSR">): number => (name in CORE ? CORE[name as keyof typeof CORE] : SYSREG + sysregs[name as SysRegName].encoding);

/** One vCPU, used by the thread that made it. */
export class KvmVcpu implements Vcpu {
  readonly index: number;
  readonly exit: Exit = new Exit();
  readonly kickAddress: number;
  readonly #vm: number;
  readonly #fd: number;
  readonly #runAt: number;
  readonly #runSize: number;
  readonly #run: DataView;
  readonly #record: NativeMemory = NativeMemory.allocate(KickRecord.BYTES);
  readonly #kick: Int32Array;
  /** A register's id and the address of its value; the value. */
  readonly #one: NativeMemory = NativeMemory.allocate(32);
  readonly #cell: Uint32Array;
  readonly #value: Uint32Array;
  /** The same value, 16 bytes of it. */
  readonly #bytes: Uint8Array;
  readonly #helper: Helper;
  /** The PSCI call that an event stands for. */
  #event = 0;
  #debugExits = false;
  beforeRun: ((deadline: number | undefined) => void) | undefined;
  onSysreg: Vcpu["onSysreg"];

  constructor(vm: number, runSize: number, memory: MemoryMap, index: number) {
    this.index = index;
    this.#vm = vm;
    this.#helper = new Helper(this.#file, memory, NO_CLOCK, index);
    handleKicks();
    this.#fd = ioctl(vm, "KVM_CREATE_VCPU", index);
    this.#runSize = runSize;
    ({ at: this.#runAt, view: this.#run } = mapRun(this.#fd, runSize));
    this.kickAddress = this.#record.pointer;
    const record = new DataView(this.#record.window(0));
    record.setFloat64(KickRecord.run, this.#runAt, true);
    record.setFloat64(KickRecord.thread, thisThread(), true);
    this.#kick = new Int32Array(this.#record.window(0), 0, 1);
    this.#cell = new Uint32Array(this.#one.window(0), 0, 8);
    this.#value = this.#cell.subarray(4, 6);
    this.#bytes = new Uint8Array(this.#one.window(0), 16, 16);
    const value = this.#one.pointer + 16;
    this.#cell.set([0, REG_HIGH, value % 2 ** 32, Math.floor(value / 2 ** 32)]);
    this.#init();
  }
  get id(): number { return this.#fd; }
  destroy(): void {
    this.#helper.free();
    unmapRun(this.#runAt, this.#runSize);
    closeFd(this.#fd);
    this.#record.free();
    this.#one.free();
  }
  /** The power-on state; all but the first wait for CPU_ON. */
  #init(): void {
    const init = new Uint32Array(Size.kvm_vcpu_init / 4);
    ioctl(this.#vm, "KVM_ARM_PREFERRED_TARGET", init);
    init[1] = (1 << VcpuFeature.KVM_ARM_VCPU_PSCI_0_2) | (this.index === 0 ? 0 : 1 << VcpuFeature.KVM_ARM_VCPU_POWER_OFF);
    ioctl(this.#fd, "KVM_ARM_VCPU_INIT", init);
  }
  #read(id: number): Uint32Array {
    this.#cell[0] = id;
    ioctl(this.#fd, "KVM_GET_ONE_REG", this.#one.pointer);
    return this.#value;
  }
  #write(id: number, lo: number, hi: number): void {
    this.#cell[0] = id;
    this.#value[0] = lo;
    this.#value[1] = hi;
    ioctl(this.#fd, "KVM_SET_ONE_REG", this.#one.pointer);
  }
  /** A register that is not 64 bits wide: its value is in `#bytes`, and `#value`. */
  #wide(call: "KVM_GET_ONE_REG" | "KVM_SET_ONE_REG", [high, low]: readonly [number, number], more = 0): Uint32Array {
    this.#cell[0] = low + more;
    this.#cell[1] = high;
    try {
      ioctl(this.#fd, call, this.#one.pointer);
    } finally {
      this.#cell[1] = REG_HIGH;
    }
    return this.#value;
  }
  /** The helper's view of the registers. */
  readonly #file: RegisterFile = {
    readX: r => this.#read(CoreReg.X0 + 2 * r), writeX: (r, lo, hi) => this.#write(CoreReg.X0 + 2 * r, lo, hi),
    readOther: name => {
      if (name !== "FPCR" && name !== "FPSR") return this.#read(otherId(name));
      this.#value[1] = 0;
      return this.#wide("KVM_GET_ONE_REG", Wide[name]);
    },
    writeOther: (name, lo, hi) => {
      if (name !== "FPCR" && name !== "FPSR") return this.#write(otherId(name), lo, hi);
      this.#value[0] = lo;
      this.#wide("KVM_SET_ONE_REG", Wide[name]);
    },
    readVector: (q, into) => {
      this.#wide("KVM_GET_ONE_REG", Wide.VECTOR, 4 * q);
      into.set(this.#bytes);
    },
    writeVector: (q, value) => {
      this.#bytes.set(value);
      this.#wide("KVM_SET_ONE_REG", Wide.VECTOR, 4 * q);
    },
  };
  #big(id: number): bigint {
    const [lo = 0, hi = 0] = this.#read(id);
    return BigInt(hi) << 32n | BigInt(lo);
  }

  run(deadline: number | undefined): void {
    const { exit } = this, run = this.#run;
    if (this.#helper.inside && this.#helper.step(exit)) return;
    if (Atomics.exchange(this.#kick, 0, 0) !== 0) {
      exit.kind = "canceled";
      return;
    }
    this.beforeRun?.(deadline);
    const code = runVcpu(this.#fd);
    run.setUint8(RunOffset.immediate_exit, 0);
    if (code !== 0) {
      if (isInterrupted(code)) exit.kind = "canceled";
      else this.#fault(`KVM_RUN: errno ${code}`);
      return;
    }
    switch (run.getUint32(RunOffset.exit_reason, true)) {
      case ExitReason.KVM_EXIT_MMIO: return this.#mmio();
      case ExitReason.KVM_EXIT_ARM_NISV:
        if (!this.#helper.begin(exit)) exit.kind = "budget"; // it took an exception: on it goes
        return;
      case ExitReason.KVM_EXIT_INTR:
        exit.kind = "canceled";
        return;
      case ExitReason.KVM_EXIT_SYSTEM_EVENT: {
        const type = run.getUint32(RunOffset.system_event_type, true);
        if (type === SystemEvent.KVM_SYSTEM_EVENT_CRASH) return this.#fault("the guest says that it crashed");
        this.#event = type === SystemEvent.KVM_SYSTEM_EVENT_SHUTDOWN ? PSCI_SYSTEM_OFF : PSCI_SYSTEM_RESET;
        exit.kind = "call";
        exit.immediate = 0;
        exit.conduit = "hvc";
        return;
      }
      case ExitReason.KVM_EXIT_DEBUG: {
        const syndrome = run.getUint32(RunOffset.debug_hsr, true);
        if (syndrome >>> 26 !== BRK_CLASS) return this.#fault(`KVM_EXIT_DEBUG with syndrome 0x${syndrome.toString(16)}`);
        exit.kind = "debug";
        exit.immediate = syndrome & 0xffff;
        return;
      }
      default: return this.#fault(`KVM exit reason ${run.getUint32(RunOffset.exit_reason, true)}`);
    }
  }
  #fault(why: string): void {
    this.exit.kind = "fault";
    this.exit.why = why;
  }
  /** KVM does the rest when the vCPU runs again: extension of the value, the register, PC. */
  #mmio(): void {
    const { exit } = this, run = this.#run;
    exit.kind = "mmio";
    exit.gpa = run.getUint32(RunOffset.mmio_phys_addr + 4, true) * 2 ** 32 + run.getUint32(RunOffset.mmio_phys_addr, true);
    exit.size = run.getUint32(RunOffset.mmio_len, true);
    exit.write = run.getUint8(RunOffset.mmio_is_write) !== 0;
    exit.register = 31;
    exit.syndromeValid = false;
    exit.signExtend = false;
    exit.sixtyFour = false;
    exit.lo = exit.hi = 0;
    if (!exit.write) return;
    exit.lo = exit.size === 1 ? run.getUint8(RunOffset.mmio_data) : exit.size === 2 ? run.getUint16(RunOffset.mmio_data, true) : run.getUint32(RunOffset.mmio_data, true);
    if (exit.size === 8) exit.hi = run.getUint32(RunOffset.mmio_data + 4, true);
  }
  completeRead(lo: number, hi: number): void {
    if (this.#helper.inside) return this.#helper.cpu.answer(lo, hi);
    this.#run.setUint32(RunOffset.mmio_data, lo, true);
    this.#run.setUint32(RunOffset.mmio_data + 4, hi, true);
  }
  completeWrite(): void {
    if (this.#helper.inside) this.#helper.cpu.answer(0, 0);
  }
  injectUndefined(): void {} // registers and calls do not come out
  /** KVM must complete the access before anything else; what that changes is put back with the exception. */
  injectExternalAbort(): void {
    const helper = this.#helper;
    if (!helper.inside && !helper.begin(this.exit)) return;
    this.#run.setUint8(RunOffset.immediate_exit, 1);
    runVcpu(this.#fd);
    this.#run.setUint8(RunOffset.immediate_exit, 0);
    helper.takeException(cpu => cpu.externalAbort());
  }
  setLines(): void {} // the kernel's controller has them, and the timers
  get interruptPending(): boolean { return false; }
  timerLevel(_timer: TimerName): boolean { return false; }
  timerMasked(_timer: TimerName): boolean { return false; }
  unmaskTimer(_timer: TimerName): void {}
  timerDue(): undefined { return undefined; }

  reset(pc: number, x0: number): void {
    this.#event = 0;
    this.#helper.inside = false;
    this.#init();
    if (this.index !== 0) return;
    this.#write(CoreReg.X0, x0 % 2 ** 32, Math.floor(x0 / 2 ** 32));
    this.#write(CoreReg.PC, pc % 2 ** 32, Math.floor(pc / 2 ** 32));
    this.#write(CoreReg.PSTATE, EL1H_MASKED, 0);
  }
  argument(index: number): { lo: number; hi: number } {
    if (this.#event !== 0 && index === 0) return { lo: this.#event, hi: 0 };
    const [lo = 0, hi = 0] = this.#read(CoreReg.X0 + 2 * index);
    return { lo, hi };
  }
  setArgument(index: number, lo: number, hi: number): void { this.#write(CoreReg.X0 + 2 * index, lo, hi); }
  registers(): Registers {
    const pstate = this.#read(CoreReg.PSTATE)[0] as number;
    return {
      x: Array.from({ length: 31 }, (_, r) => this.#big(CoreReg.X0 + 2 * r)), pc: this.#big(CoreReg.PC), pstate,
      sp: this.#big((pstate & 0xf) === 5 ? CoreReg.SP_EL1 : CoreReg.SP_EL0),
    };
  }
  setRegister(name: string, value: bigint): void {
    const match = /^x(\d+)$/.exec(name);
    const id = match !== null && Number(match[1]) < 31 ? CoreReg.X0 + 2 * Number(match[1]) : name === "pc" ? CoreReg.PC
      : name === "sp" ? (((this.#read(CoreReg.PSTATE)[0] as number) & 0xf) === 5 ? CoreReg.SP_EL1 : CoreReg.SP_EL0) : undefined;
    if (id === undefined) throw new RangeError(`no register ${name}: x0 to x30, sp, pc`);
    this.#write(id, Number(value & 0xffff_ffffn), Number((value >> 32n) & 0xffff_ffffn));
  }
  systemRegister(name: string): bigint | undefined {
    if (!Object.hasOwn(sysregs, name)) return undefined;
    const id = name === "CNTV_CVAL_EL0" ? TIMER_CVAL : name === "CNTVCT_EL0" ? TIMER_CNT : name === "ELR_EL1" ? CoreReg.ELR_EL1 : name === "SPSR_EL1" ? CoreReg.SPSR_EL1
      : name === "SP_EL0" ? CoreReg.SP_EL0 : SYSREG + sysregs[name as SysRegName].encoding;
    try {
      return this.#big(id);
    } catch (error) {
      if (error instanceof KvmError) return undefined;
      throw error;
    }
  }
  get instructions(): number { return NaN; }
  readonly churn: number = 0; // its exits are all there is
  get debugExits(): boolean { return this.#debugExits; }
  set debugExits(on: boolean) {
    this.#debugExits = on;
    const debug = new Uint32Array(Size.kvm_guest_debug / 4);
    debug[0] = on ? Debug.KVM_GUESTDBG_ENABLE | Debug.KVM_GUESTDBG_USE_SW_BP : 0;
    ioctl(this.#fd, "KVM_SET_GUEST_DEBUG", debug);
  }
}
