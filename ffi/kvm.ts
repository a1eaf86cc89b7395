// ffi/kvm.ts — KVM of arm64 Linux: ioctl numbers, structures, and the calls. Raw: what an exit means is decoded in
// src/hypervisor/kvm.ts. Spec: the kernel's Documentation/virt/kvm/api.rst and devices/arm-vgic*.rst; <linux/kvm.h>,
// <asm/kvm.h> of arm64 (test/ffi/kvm.test.ts holds every number to the headers). Left out: SVE, PMU, MTE, nested guests.
import { CFunction, dlopen, read, toArrayBuffer, type Pointer } from "bun:ffi";

const io = (nr: number): number => 0xae00 | nr;
const iow = (nr: number, size: number): number => 0x4000_ae00 + size * 0x1_0000 + nr;
const ior = (nr: number, size: number): number => 0x8000_ae00 + size * 0x1_0000 + nr;
const iowr = (nr: number, size: number): number => 0xc000_ae00 + size * 0x1_0000 + nr;

/** Bytes of the structures. */
export const Size = { kvm_userspace_memory_region: 32, kvm_create_device: 12, kvm_device_attr: 24, kvm_irq_level: 8, kvm_vcpu_init: 32, kvm_one_reg: 16, kvm_guest_debug: 520, kvm_enable_cap: 104 } as const;
export const Ioctl: Readonly<Record<
  | "KVM_GET_API_VERSION" | "KVM_CREATE_VM" | "KVM_CHECK_EXTENSION" | "KVM_GET_VCPU_MMAP_SIZE" | "KVM_CREATE_VCPU" | "KVM_SET_USER_MEMORY_REGION" | "KVM_RUN" | "KVM_IRQ_LINE"
  | "KVM_CREATE_DEVICE" | "KVM_SET_DEVICE_ATTR" | "KVM_ARM_VCPU_INIT" | "KVM_ARM_PREFERRED_TARGET" | "KVM_GET_ONE_REG" | "KVM_SET_ONE_REG" | "KVM_SET_GUEST_DEBUG" | "KVM_ENABLE_CAP", number>> = {
  KVM_GET_API_VERSION: io(0x00), KVM_CREATE_VM: io(0x01), KVM_CHECK_EXTENSION: io(0x03), KVM_GET_VCPU_MMAP_SIZE: io(0x04), KVM_CREATE_VCPU: io(0x41),
  KVM_SET_USER_MEMORY_REGION: iow(0x46, Size.kvm_userspace_memory_region), KVM_RUN: io(0x80), KVM_IRQ_LINE: iow(0x61, Size.kvm_irq_level),
  KVM_CREATE_DEVICE: iowr(0xe0, Size.kvm_create_device), KVM_SET_DEVICE_ATTR: iow(0xe1, Size.kvm_device_attr),
  KVM_ARM_VCPU_INIT: iow(0xae, Size.kvm_vcpu_init), KVM_ARM_PREFERRED_TARGET: ior(0xaf, Size.kvm_vcpu_init),
  KVM_GET_ONE_REG: iow(0xab, Size.kvm_one_reg), KVM_SET_ONE_REG: iow(0xac, Size.kvm_one_reg), KVM_SET_GUEST_DEBUG: iow(0x9b, Size.kvm_guest_debug), KVM_ENABLE_CAP: iow(0xa3, Size.kvm_enable_cap),
};
export const API_VERSION = 12;
export const Capability = { KVM_CAP_ARM_VM_IPA_SIZE: 165, KVM_CAP_MAX_VCPUS: 66, KVM_CAP_ARM_NISV_TO_USER: 177 } as const;
export const ExitReason = { KVM_EXIT_UNKNOWN: 0, KVM_EXIT_DEBUG: 4, KVM_EXIT_MMIO: 6, KVM_EXIT_SHUTDOWN: 8, KVM_EXIT_FAIL_ENTRY: 9, KVM_EXIT_INTR: 10, KVM_EXIT_INTERNAL_ERROR: 17, KVM_EXIT_SYSTEM_EVENT: 24, KVM_EXIT_ARM_NISV: 28 } as const;
export const SystemEvent = { KVM_SYSTEM_EVENT_SHUTDOWN: 1, KVM_SYSTEM_EVENT_RESET: 2, KVM_SYSTEM_EVENT_CRASH: 3 } as const;
/** Byte offsets in struct kvm_run. */
export const RunOffset = { immediate_exit: 1, exit_reason: 8, mmio_phys_addr: 32, mmio_data: 40, mmio_len: 48, mmio_is_write: 52, system_event_type: 32, debug_hsr: 32, arm_nisv_fault_ipa: 40, hardware_entry_failure_reason: 32 } as const;
export const VcpuFeature = { KVM_ARM_VCPU_POWER_OFF: 0, KVM_ARM_VCPU_PSCI_0_2: 2 } as const;
export const Debug = { KVM_GUESTDBG_ENABLE: 1, KVM_GUESTDBG_USE_SW_BP: 0x1_0000 } as const;
export const Device = { KVM_DEV_TYPE_ARM_VGIC_V2: 5, KVM_DEV_TYPE_ARM_VGIC_V3: 7 } as const;
export const Vgic = {
  KVM_DEV_ARM_VGIC_GRP_ADDR: 0, KVM_DEV_ARM_VGIC_GRP_NR_IRQS: 3, KVM_DEV_ARM_VGIC_GRP_CTRL: 4, KVM_DEV_ARM_VGIC_CTRL_INIT: 0,
  KVM_VGIC_V2_ADDR_TYPE_DIST: 0, KVM_VGIC_V2_ADDR_TYPE_CPU: 1, KVM_VGIC_V3_ADDR_TYPE_DIST: 2, KVM_VGIC_V3_ADDR_TYPE_REDIST: 3,
} as const;
/** For KVM_IRQ_LINE: a shared interrupt, in bits 24 and up. */
export const IRQ_TYPE_SPI = 1;
/** Register ids: the low word of core registers (offset in struct kvm_regs / 4) and of system registers. The high word is the same for all. */
export const REG_HIGH = 0x6030_0000;
export const CoreReg = { X0: 0x10_0000, SP_EL0: 0x10_003e, PC: 0x10_0040, PSTATE: 0x10_0042, SP_EL1: 0x10_0044, ELR_EL1: 0x10_0046, SPSR_EL1: 0x10_0048 } as const;
export const SYSREG = 0x13_0000;
/** Ids whose values are not 64 bits wide: high and low word. Vector n is 4n further. */
export const Wide = { VECTOR: [0x6040_0000, 0x10_0054], FPSR: [0x6020_0000, 0x10_00d4], FPCR: [0x6020_0000, 0x10_00d5] } as const;
/** CNTV_CVAL_EL0 and CNTVCT_EL0 have each other's numbers, for ever. */
export const TIMER_CVAL = 0x13_df02, TIMER_CNT = 0x13_df1a;

const EINTR = 4;
const O_RDWR_CLOEXEC = 0x8_0002;
/** A signal that nobody else uses: its handler does nothing, but KVM_RUN ends. */
const KICK_SIGNAL = 42;
const SIGACTION_BYTES = 152; // glibc: handler, 128 bytes of mask, flags, restorer
const RETURN = 0xd65f_03c0;

export class KvmError extends Error {
  readonly call: string;
  readonly errno: number;
  constructor(call: string, errno: number) {
    super(`${call}: errno ${errno}`);
    this.name = "KvmError";
    this.call = call;
    this.errno = errno;
  }
}

function open() {
  return dlopen("libc.so.6", {
    open: { args: ["ptr", "i32", "i32"], returns: "i32" }, close: { args: ["i32"], returns: "i32" },
    // variadic, but on arm64 Linux like any other function
    ioctl: { args: ["i32", "u64", "ptr"], returns: "i32" },
    mmap: { args: ["ptr", "u64", "i32", "i32", "i32", "u64"], returns: "ptr" }, munmap: { args: ["ptr", "u64"], returns: "i32" }, mprotect: { args: ["ptr", "u64", "i32"], returns: "i32" },
    __errno_location: { args: [], returns: "ptr" },
    pthread_self: { args: [], returns: "ptr" }, pthread_kill: { args: ["ptr", "i32"], returns: "i32" }, sigaction: { args: ["i32", "ptr", "ptr"], returns: "i32" },
  }).symbols;
}
let libc: ReturnType<typeof open> | undefined;
const c = (): ReturnType<typeof open> => libc ??= open();

const errno = (): number => read.i32(c().__errno_location() as Pointer);
/** A descriptor of /dev/kvm; throws KvmError. */
export function openKvm(): number {
  const fd = c().open(new TextEncoder().encode("/dev/kvm\0"), O_RDWR_CLOEXEC, 0);
  if (fd < 0) throw new KvmError("open /dev/kvm", errno());
  return fd;
}
export const closeFd = (fd: number): void => { c().close(fd); };
/** An ioctl with a number, an address or a structure; throws KvmError. */
export function ioctl(fd: number, name: keyof typeof Ioctl, argument: number | Uint8Array | Uint32Array = 0): number {
  const result = c().ioctl(fd, Ioctl[name], argument as never);
  if (result < 0) throw new KvmError(name, errno());
  return result;
}
/** Why KVM cannot be used here; undefined: it can. */
export function kvmMissing(): string | undefined {
  try {
    const fd = openKvm();
    const version = ioctl(fd, "KVM_GET_API_VERSION");
    closeFd(fd);
    return version === API_VERSION ? undefined : `the kernel speaks version ${version} of KVM, hv ${API_VERSION}`;
  } catch (error) {
    if (!(error instanceof KvmError)) throw error;
    return error.errno === 13 ? "/dev/kvm may not be opened: be a member of its group (kvm)" : error.errno === 2 ? "the kernel has no /dev/kvm: it was not started at EL2" : error.message;
  }
}
/** KVM_RUN: 0, or the errno. "Interrupted" is no error. */
export function runVcpu(fd: number): number {
  return c().ioctl(fd, Ioctl.KVM_RUN, null) < 0 ? errno() : 0;
}
export const isInterrupted = (code: number): boolean => code === EINTR;

/** The shared page of a vCPU. */
export function mapRun(fd: number, size: number): { readonly at: number; readonly view: DataView } {
  const at = c().mmap(null, size, 3, 1, fd, 0);
  if (at === null || Number(at) > 2 ** 52 || Number(at) < 0) throw new KvmError("mmap of a vCPU", errno());
  return { at: Number(at), view: new DataView(toArrayBuffer(at, 0, size)) };
}
export const unmapRun = (at: number, size: number): void => { c().munmap(at as Pointer, size); };

// --- kicks: a vCPU is left alone by two things, a flag that KVM_RUN looks at first, and a signal that ends it -------

/** i32 word and doubles of a vCPU's kick record, in native memory: the VMM's own flag, the run page, the thread. */
export const KickRecord = { flag: 0, run: 8, thread: 16, BYTES: 24 } as const;
/** This thread, for a kick record. */
export const thisThread = (): number => Number(c().pthread_self());
/** Makes a vCPU leave the guest, from any thread. */
export function kickVcpu(record: DataView): void {
  record.setInt32(KickRecord.flag, 1, true);
  const run = record.getFloat64(KickRecord.run, true), thread = record.getFloat64(KickRecord.thread, true);
  if (run === 0) return;
  new Uint8Array(toArrayBuffer(run as Pointer, 0, 16))[RunOffset.immediate_exit] = 1;
  c().pthread_kill(thread as Pointer, KICK_SIGNAL);
}
let handled = false;
/** Installs the handler that does nothing, once per process and thread's copy of this module: it is the same one. */
export function handleKicks(): void {
  if (handled) return;
  handled = true;
  const { mmap, mprotect, sigaction } = c();
  const at = mmap(null, 4096, 3, 0x22, -1, 0) as Pointer;
  new Uint32Array(toArrayBuffer(at, 0, 4))[0] = RETURN;
  if (mprotect(at, 4096, 5) !== 0) throw new KvmError("mprotect", errno());
  CFunction({ ptr: at, args: [], returns: "void" })(); // also brings the caches in line
  const action = new Uint8Array(SIGACTION_BYTES); // no SA_RESTART
  new DataView(action.buffer).setBigUint64(0, BigInt(at), true);
  if (sigaction(KICK_SIGNAL, action, null) !== 0) throw new KvmError("sigaction", errno());
}
