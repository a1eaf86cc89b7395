// src/hypervisor/hvf-vcpu.ts — one vCPU of Hypervisor.framework: its exits and syndromes in, `Exit` out.
// Spec: <Hypervisor/*.h> for arm64; ARM DDI 0487, ESR_ELx (data abort, MSR/MRS, HVC/SMC, WFx, BRK), D12 (generic timer).
// PC rules: HVC leaves it behind the instruction, everything else on it. The address of a device access is the exit's
// intermediate physical address; FAR_EL1 belongs to the guest. An access without syndrome (pairs, write-back, SIMD,
// atomics) is carried out by the interpreter, one instruction long. Left out: SME and nested guests (hidden from the
// guest), dirty tracking.
//
// A vCPU belongs to the thread that made it: every call on it comes from there, but hv_vcpus_exit. That one can be lost
// when the vCPU is just leaving for another reason, so whoever wants the vCPU's attention also sets its kick word, which
// is looked at before every run.
import {
  ExitOffset, ExitReason, Hypervisor, HypervisorError, InterruptType, Reg, Status, SysReg, viewAt, type VcpuId,
} from "../../ffi/hypervisor.ts";
import { NativeMemory } from "../../ffi/memory.ts";
import { Exit, type TimerName } from "../cpu/exit.ts";
import type { Cpu } from "../cpu/interpret/cpu.ts";
import type { MemoryMap } from "../cpu/memory-map.ts";
import { sysregKey, sysregs, type SysRegName } from "../cpu/sysreg.ts";
import type { Registers, Vcpu } from "./backend.ts";
import { Helper, type RegisterFile } from "./helper.ts";
import type { VcpuClock } from "./hvf-clock.ts";

/** Exception classes that leave the guest. */
const EC = { WFX: 0x01, HVC: 0x16, SMC: 0x17, SYSREG: 0x18, INSTRUCTION_ABORT: 0x20, DATA_ABORT: 0x24, SERROR: 0x2f, BREAKPOINT: 0x30, STEP: 0x32, WATCHPOINT: 0x34, BRK: 0x3c } as const;
/** Fields of a data abort's ISS. */
const DABT = { ISV: 1 << 24, SAS: 22, SSE: 1 << 21, SRT: 16, SF: 1 << 15, CM: 1 << 8, S1PTW: 1 << 7, WNR: 1 << 6, DFSC: 0x3f } as const;
const DFSC_TRANSLATION = 0x04; // levels in bits 1..0
const DFSC_PERMISSION = 0x0c;
const WFX_TI = 3, WFI = 0;
const CTL = { ENABLE: 1, IMASK: 2, ISTATUS: 4 } as const;
const EL1H_MASKED = 0x3c5;
/** The bits that are one where nothing is optional. */
const SCTLR_RESET = 0x30d0_0980;

const CNTPCT = sysregs.CNTPCT_EL0.encoding, CNTPCTSS = sysregKey(3, 3, 14, 0, 5), CNTVCTSS = sysregKey(3, 3, 14, 0, 6);
const CNTP_TVAL = sysregs.CNTP_TVAL_EL0.encoding, CNTP_CTL = sysregs.CNTP_CTL_EL0.encoding, CNTP_CVAL = sysregs.CNTP_CVAL_EL0.encoding;
/** Registers that trap on Apple silicon and mean nothing to a guest: they read as zero, writes are ignored. */
function ignored(encoding: number): boolean {
  const op0 = encoding >> 14, op1 = (encoding >> 11) & 7, crn = (encoding >> 7) & 15, crm = (encoding >> 3) & 15;
  if (op0 !== 3) return encoding === SysReg.MDCCINT_EL1;
  if (crn === 11 || crn === 15) return true; // IMPLEMENTATION DEFINED
  if (op1 === 0 && crn === 10 && crm === 4) return true; // LORSA, LOREA, LORN, LORC, LORID
  return crn === 9 && (op1 === 0 ? crm === 14 : op1 === 3 && (crm >= 12 && crm <= 14)) || (op1 === 3 && crn === 14 && crm >= 8); // PM*
}

/** PARange codes, by address bits. */
const PA_RANGE = [32, 36, 40, 42, 44, 48, 52] as const;

/** What the vCPUs of a VM have in common, and what their threads need to know: plain data. */
export interface HvfVmFacts {
  readonly gic: boolean;
  /** Size of the guest's physical address space in bits. */
  readonly ipaBits: number;
}

/** One vCPU, used by the thread that made it only. */
export class HvfVcpu implements Vcpu {
  readonly index: number;
  readonly id: VcpuId;
  readonly exit: Exit = new Exit();
  readonly kickAddress: number;
  /** Identification registers that could not be set as wanted. */
  readonly remarks: string[] = [];
  readonly #hv: Hypervisor;
  readonly #clock: VcpuClock;
  readonly #facts: HvfVmFacts;
  /** hv_vcpu_exit_t: the framework's, at one place for the vCPU's life. */
  readonly #record: DataView;
  /** The kick word. */
  readonly #own: NativeMemory = NativeMemory.allocate(0x4000);
  readonly #kick: Int32Array;
  readonly #cell = new Uint32Array(2);
  readonly #helper: Helper;
  #irq = false;
  #fiq = false;
  #clockVersion = 0;
  #lastLook = 0;
  #vtimerMasked = false;
  /** CNTP_*: there is no physical timer in hardware without hv_gic. */
  #ptimer = { ctl: 0, cval: 0, masked: false };
  #debugExits = false;
  /** Called before every run with the tick at which the vCPU must be out again: set by whoever can see to that. */
  beforeRun: ((deadline: number | undefined) => void) | undefined;
  onSysreg: Vcpu["onSysreg"];

  constructor(hv: Hypervisor, clock: VcpuClock, memory: MemoryMap, facts: HvfVmFacts, index: number) {
    this.#hv = hv;
    this.#clock = clock;
    this.#helper = new Helper(this.#file, memory, clock, index);
    this.#facts = facts;
    this.index = index;
    const record = new Uint32Array(2);
    hv.base.hv_vcpu_create(this.#cell, record, null);
    this.id = ((this.#cell[1] as number) * 2 ** 32 + (this.#cell[0] as number)) as VcpuId;
    this.#record = viewAt((record[1] as number) * 2 ** 32 + (record[0] as number), ExitOffset.SIZE);
    this.kickAddress = this.#own.pointer;
    this.#kick = new Int32Array(this.#own.window(0), 0, 1);
    hv.setInteractive();
    hv.base.hv_vcpu_set_sys_reg(this.id, SysReg.MPIDR_EL1, 0x8000_0000 + index);
    this.#identify();
  }
  destroy(): void {
    this.#hv.base.hv_vcpu_destroy(this.id);
    this.#helper.free();
    this.#own.free();
  }

  /** What guests may believe of this CPU: no SME, addresses as wide as the VM's, the GICv3 interface only with hv_gic. */
  #identify(): void {
    const field = (name: keyof typeof SysReg, shift: number, most: number): void => {
      this.#readSysreg(SysReg[name]);
      const word = shift >= 32 ? 1 : 0, at = shift % 32;
      const value = Uint32Array.of(this.#cell[0] as number, this.#cell[1] as number);
      if (((value[word] as number) >>> at & 15) <= most) return;
      value[word] = ((value[word] as number) & ~(15 << at)) | (most << at);
      const why = `${name} bits ${shift + 3}..${shift} cannot be set to ${most}`;
      try {
        this.#writeSysreg(SysReg[name], value[0] as number, value[1] as number);
      } catch {
        this.remarks.push(why);
        return;
      }
      this.#readSysreg(SysReg[name]); // some fields take no writes, without a word
      if (this.#cell[word] !== value[word]) this.remarks.push(why);
    };
    field("ID_AA64PFR1_EL1", 24, 0); // SME
    field("ID_AA64MMFR0_EL1", 0, Math.max(0, PA_RANGE.findLastIndex(bits => bits <= this.#facts.ipaBits)));
    if (!this.#facts.gic) field("ID_AA64PFR0_EL1", 24, 0); // GIC
  }

  // --- registers ---

  #read(reg: number): Uint32Array {
    this.#hv.base.hv_vcpu_get_reg(this.id, reg, this.#cell);
    return this.#cell;
  }
  #write(reg: number, lo: number, hi: number): void { this.#hv.base.hv_vcpu_set_reg(this.id, reg, wide(lo, hi)); }
  #readSysreg(encoding: number): Uint32Array {
    this.#hv.base.hv_vcpu_get_sys_reg(this.id, encoding, this.#cell);
    return this.#cell;
  }
  #writeSysreg(encoding: number, lo: number, hi: number): void { this.#hv.base.hv_vcpu_set_sys_reg(this.id, encoding, wide(lo, hi)); }
  #big(cell: Uint32Array): bigint { return BigInt(cell[1] as number) << 32n | BigInt(cell[0] as number); }
  /** PC to the next instruction. */
  #advance(): void {
    const pc = this.#read(Reg.PC);
    const lo = (pc[0] as number) + 4;
    this.#write(Reg.PC, lo, (pc[1] as number) + (lo > 0xffff_ffff ? 1 : 0));
  }

  // --- running ---

  run(deadline: number | undefined): void {
    if (this.#helper.inside && this.#helper.step(this.exit)) return;
    for (;;) {
      if (Atomics.exchange(this.#kick, 0, 0) !== 0) {
        this.exit.kind = "canceled";
        return;
      }
      const physical = this.#physicalDue();
      if (physical !== undefined && this.#clock.ticks() >= physical) {
        this.#ptimer.masked = true;
        this.exit.kind = "vtimer";
        this.exit.timer = "physical";
        return;
      }
      this.#lookAtClock();
      const { base } = this.#hv;
      if (this.#irq) base.hv_vcpu_set_pending_interrupt(this.id, InterruptType.IRQ, true); // forgotten after every run
      if (this.#fiq) base.hv_vcpu_set_pending_interrupt(this.id, InterruptType.FIQ, true);
      this.beforeRun?.(physical === undefined ? deadline : deadline === undefined ? physical : Math.min(deadline, physical));
      try {
        base.hv_vcpu_run(this.id);
      } catch (error) {
        if (!(error instanceof HypervisorError)) throw error;
        return this.#fault(error.message);
      }
      if (this.#serve()) return;
    }
  }
  /** A clock that was moved, by a pause or by the host's sleep, is moved in the vCPU too. */
  #lookAtClock(): void {
    const now = this.#clock.ticks();
    if (now - this.#lastLook >= this.#clock.frequency / 20 || now < this.#lastLook) {
      this.#lastLook = now;
      this.#clock.catchUp();
    }
    if (this.#clockVersion === this.#clock.version) return;
    this.#clockVersion = this.#clock.version;
    this.#hv.base.hv_vcpu_set_vtimer_offset(this.id, this.#clock.offset);
  }
  #fault(why: string): void {
    this.exit.kind = "fault";
    this.exit.why = why;
  }
  /** What the framework reports. True when `exit` is for the machine; false: it was dealt with here. */
  #serve(): boolean {
    const record = this.#record;
    switch (record.getUint32(ExitOffset.reason, true)) {
      case ExitReason.CANCELED:
        Atomics.store(this.#kick, 0, 0);
        this.exit.kind = "canceled";
        return true;
      case ExitReason.VTIMER_ACTIVATED:
        this.#vtimerMasked = true; // by the framework
        this.exit.kind = "vtimer";
        this.exit.timer = "virtual";
        return true;
      case ExitReason.EXCEPTION: return this.#serveException(record.getUint32(ExitOffset.syndrome, true));
      default:
        this.#fault(`Hypervisor.framework gave exit reason ${record.getUint32(ExitOffset.reason, true)}`);
        return true;
    }
  }
  #serveException(syndrome: number): boolean {
    const { exit } = this;
    switch (syndrome >>> 26) {
      case EC.DATA_ABORT: return this.#serveDataAbort(syndrome);
      case EC.SYSREG: return this.#serveSysreg(syndrome);
      case EC.HVC:
      case EC.SMC:
        exit.kind = "call";
        exit.immediate = syndrome & 0xffff;
        exit.conduit = syndrome >>> 26 === EC.HVC ? "hvc" : "smc";
        return true;
      case EC.WFX:
        this.#advance();
        // WFE is a hint; with hv_gic a WFI waits in the kernel, and one that comes out all the same has been waited for.
        if ((syndrome & WFX_TI) !== WFI || this.interruptPending || this.#facts.gic) return false;
        exit.kind = "wfi";
        return true;
      case EC.BRK:
        exit.kind = "debug";
        exit.immediate = syndrome & 0xffff;
        return true;
      case EC.INSTRUCTION_ABORT:
        this.#helper.takeException(cpu => cpu.fetchPage());
        return false;
      default:
        this.#fault(this.#words("exception class", syndrome));
        return true;
    }
  }
  #words(what: string, syndrome: number): string {
    const r = this.#record;
    const hex = (at: number): string => `0x${r.getUint32(at + 4, true).toString(16)}${r.getUint32(at, true).toString(16).padStart(8, "0")}`;
    return `Hypervisor.framework: ${what} 0x${(syndrome >>> 26).toString(16)}, syndrome ${hex(ExitOffset.syndrome)}, address ${hex(ExitOffset.virtualAddress)}, physical ${hex(ExitOffset.physicalAddress)}`;
  }

  #serveDataAbort(syndrome: number): boolean {
    const { exit } = this;
    const gpa = this.#record.getUint32(ExitOffset.physicalAddress + 4, true) * 2 ** 32 + this.#record.getUint32(ExitOffset.physicalAddress, true);
    if ((syndrome & DABT.S1PTW) !== 0) { // the guest's page tables are nowhere: no device answers that
      this.#helper.takeException(cpu => {
        this.#faulted(cpu);
        cpu.externalAbort();
      });
      return false;
    }
    const fault = syndrome & DABT.DFSC & ~3;
    if (fault !== DFSC_TRANSLATION && !(fault === DFSC_PERMISSION && (syndrome & DABT.WNR) !== 0)) { // a write to flash is the latter
      this.#fault(this.#words("data abort that is neither a translation fault nor a refused write: class", syndrome));
      return true;
    }
    if ((syndrome & DABT.CM) !== 0) { // cache maintenance where there is no cache
      this.#advance();
      return false;
    }
    if ((syndrome & DABT.ISV) === 0) {
      if (!this.#helper.begin(exit)) return false;
      if (exit.kind === "mmio" && Math.floor(exit.gpa / 4096) !== Math.floor(gpa / 4096)) {
        this.#helper.inside = false;
        this.#fault(this.#words(`an access to 0x${exit.gpa.toString(16)} by the guest's tables was another to the hardware: class`, syndrome));
      }
      return true;
    }
    exit.kind = "mmio";
    exit.gpa = gpa;
    exit.size = 1 << ((syndrome >>> DABT.SAS) & 3);
    exit.write = (syndrome & DABT.WNR) !== 0;
    exit.register = (syndrome >>> DABT.SRT) & 31;
    exit.syndromeValid = true;
    exit.signExtend = (syndrome & DABT.SSE) !== 0;
    exit.sixtyFour = (syndrome & DABT.SF) !== 0;
    exit.lo = 0;
    exit.hi = 0;
    if (exit.write && exit.register !== 31) {
      const value = this.#read(exit.register);
      exit.lo = exit.size === 1 ? (value[0] as number) & 0xff : exit.size === 2 ? (value[0] as number) & 0xffff : (value[0] as number);
      if (exit.size === 8) exit.hi = value[1] as number;
    }
    return true;
  }

  #serveSysreg(syndrome: number): boolean {
    const { exit } = this;
    const encoding = ((syndrome >>> 20) & 3) << 14 | ((syndrome >>> 14) & 7) << 11 | ((syndrome >>> 10) & 15) << 7 | ((syndrome >>> 1) & 15) << 3 | ((syndrome >>> 17) & 7);
    exit.kind = "sysreg";
    exit.encoding = encoding;
    exit.write = (syndrome & 1) === 0;
    exit.register = (syndrome >>> 5) & 31;
    exit.lo = 0;
    exit.hi = 0;
    if (exit.write && exit.register !== 31) {
      const value = this.#read(exit.register);
      exit.lo = value[0] as number;
      exit.hi = value[1] as number;
    }
    const answer = exit.write ? this.#writeHere(encoding, exit.lo, exit.hi) : this.#readHere(encoding);
    if (answer === undefined) return true;
    if (exit.write) this.completeWrite();
    else this.completeRead(answer % 2 ** 32 | 0, Math.floor(answer / 2 ** 32) | 0);
    return false;
  }
  /** Registers that need no machine: the physical timer, and what nobody misses. */
  #readHere(encoding: number): number | undefined {
    const t = this.#ptimer, now = this.#clock.ticks();
    switch (encoding) {
      case CNTPCT:
      case CNTPCTSS:
      case CNTVCTSS: return now;
      case CNTP_CTL: return (t.ctl & 3) | ((t.ctl & CTL.ENABLE) !== 0 && now >= t.cval ? CTL.ISTATUS : 0);
      case CNTP_CVAL: return t.cval;
      case CNTP_TVAL: return (t.cval - now) >>> 0;
      default: return ignored(encoding) ? 0 : undefined;
    }
  }
  #writeHere(encoding: number, lo: number, hi: number): number | undefined {
    const t = this.#ptimer;
    switch (encoding) {
      case CNTP_CTL: t.ctl = lo & 3; return 0;
      case CNTP_CVAL: t.cval = (hi >>> 0) * 2 ** 32 + (lo >>> 0); return 0;
      case CNTP_TVAL: t.cval = this.#clock.ticks() + (lo | 0); return 0;
      default: return ignored(encoding) ? 0 : undefined;
    }
  }

  completeRead(lo: number, hi: number): void {
    if (this.#helper.inside) return this.#helper.cpu.answer(lo, hi);
    const { exit } = this;
    if (exit.kind === "mmio") {
      hi = exit.size === 8 ? hi : 0;
      if (exit.size < 4) {
        const unused = 32 - 8 * exit.size;
        lo = exit.signExtend ? (lo << unused) >> unused : (lo << unused) >>> unused;
      }
      if (exit.signExtend && exit.size < 8) hi = exit.sixtyFour ? lo >> 31 : 0;
    }
    if (exit.register !== 31) this.#write(exit.register, lo, hi);
    this.#advance();
  }
  completeWrite(): void {
    if (this.#helper.inside) this.#helper.cpu.answer(0, 0);
    else this.#advance();
  }

  // --- in the guest's place ---

  /** What the exit says of an access that the guest must not have made. */
  #faulted(cpu: Cpu): void {
    cpu.exit.write = this.exit.write;
    cpu.deviceLo = this.#record.getInt32(ExitOffset.virtualAddress, true);
    cpu.deviceHi = this.#record.getInt32(ExitOffset.virtualAddress + 4, true);
  }
  injectUndefined(): void {
    this.#helper.takeException(cpu => {
      cpu.abandon();
      cpu.undefined();
    });
  }
  injectExternalAbort(): void {
    const known = this.#helper.inside; // by the instruction itself
    this.#helper.takeException(cpu => {
      if (!known) this.#faulted(cpu);
      cpu.externalAbort();
    });
  }
  /** The helper's view of the registers. */
  readonly #file: RegisterFile = {
    readX: r => this.#read(r), writeX: (r, lo, hi) => this.#write(r, lo, hi),
    readOther: name => (name in OTHERS ? this.#read(OTHERS[name as keyof typeof OTHERS]) : this.#readSysreg(SysReg[name as keyof typeof SysReg])),
    writeOther: (name, lo, hi) => (name in OTHERS ? this.#write(OTHERS[name as keyof typeof OTHERS], lo, hi) : this.#writeSysreg(SysReg[name as keyof typeof SysReg], lo, hi)),
    readVector: (q, into) => this.#hv.base.hv_vcpu_get_simd_fp_reg(this.id, q, into),
    writeVector: (q, value) => this.#hv.base.hv_vcpu_set_simd_fp_reg(this.id, q, value),
  };

  // --- interrupts and timers ---

  setLines(irq: boolean, fiq: boolean): void {
    this.#irq = irq;
    this.#fiq = fiq;
  }
  get interruptPending(): boolean { return this.#irq || this.#fiq; }
  timerLevel(timer: TimerName): boolean {
    if (timer === "virtual") return ((this.#readSysreg(SysReg.CNTV_CTL_EL0)[0] as number) & 7) === (CTL.ENABLE | CTL.ISTATUS);
    return timer === "physical" && (this.#ptimer.ctl & 3) === CTL.ENABLE && this.#clock.ticks() >= this.#ptimer.cval;
  }
  timerMasked(timer: TimerName): boolean { return timer === "virtual" ? this.#vtimerMasked : timer === "physical" && this.#ptimer.masked; }
  unmaskTimer(timer: TimerName): void {
    if (timer === "physical") {
      this.#ptimer.masked = false;
      return;
    }
    this.#vtimerMasked = false;
    this.#hv.base.hv_vcpu_set_vtimer_mask(this.id, false);
  }
  #physicalDue(): number | undefined {
    return (this.#ptimer.ctl & 3) === CTL.ENABLE && !this.#ptimer.masked ? this.#ptimer.cval : undefined;
  }
  timerDue(): number | undefined {
    if (this.#facts.gic) return undefined; // in the kernel
    let due = this.#physicalDue();
    if (!this.#vtimerMasked && ((this.#readSysreg(SysReg.CNTV_CTL_EL0)[0] as number) & 3) === CTL.ENABLE) {
      const cval = this.#readSysreg(SysReg.CNTV_CVAL_EL0);
      const virtual = (cval[1] as number) * 2 ** 32 + (cval[0] as number);
      due = due === undefined ? virtual : Math.min(due, virtual);
    }
    return due;
  }

  reset(pc: number, x0: number): void {
    this.#helper.inside = false;
    this.#ptimer = { ctl: 0, cval: 0, masked: false };
    for (let r = 0; r < 31; r++) this.#write(r, 0, 0);
    this.#write(0, x0 % 2 ** 32, Math.floor(x0 / 2 ** 32));
    this.#write(Reg.PC, pc % 2 ** 32, Math.floor(pc / 2 ** 32));
    this.#write(Reg.CPSR, EL1H_MASKED, 0);
    for (const name of CLEARED) this.#writeSysreg(SysReg[name], 0, 0);
    this.#writeSysreg(SysReg.SCTLR_EL1, SCTLR_RESET, 0);
    this.unmaskTimer("virtual");
  }
  argument(index: number): { lo: number; hi: number } {
    const value = this.#read(index);
    return { lo: value[0] as number, hi: value[1] as number };
  }
  setArgument(index: number, lo: number, hi: number): void { this.#write(index, lo, hi); }
  registers(): Registers {
    const state = this.#read(Reg.CPSR)[0] as number;
    return {
      x: Array.from({ length: 31 }, (_, r) => this.#big(this.#read(r))), pc: this.#big(this.#read(Reg.PC)), pstate: state,
      sp: this.#big(this.#readSysreg((state & 0xf) === 5 ? SysReg.SP_EL1 : SysReg.SP_EL0)),
    };
  }
  setRegister(name: string, value: bigint): void {
    const match = /^x(\d+)$/.exec(name);
    const lo = Number(value & 0xffff_ffffn), hi = Number((value >> 32n) & 0xffff_ffffn);
    if (match !== null && Number(match[1]) < 31) return this.#write(Number(match[1]), lo, hi);
    if (name === "pc") return this.#write(Reg.PC, lo, hi);
    if (name !== "sp") throw new RangeError(`no register ${name}: x0 to x30, sp, pc`);
    this.#writeSysreg(((this.#read(Reg.CPSR)[0] as number) & 0xf) === 5 ? SysReg.SP_EL1 : SysReg.SP_EL0, lo, hi);
  }
  systemRegister(name: string): bigint | undefined {
    if (!Object.hasOwn(sysregs, name)) return undefined;
    try {
      return this.#big(this.#readSysreg(sysregs[name as SysRegName].encoding));
    } catch (error) {
      if (error instanceof HypervisorError && error.status === Status.HV_BAD_ARGUMENT) return undefined;
      throw error;
    }
  }
  /** The hardware does not tell. */
  get instructions(): number { return NaN; }
  readonly churn: number = 0; // its exits are all there is
  get debugExits(): boolean { return this.#debugExits; }
  set debugExits(on: boolean) {
    this.#debugExits = on;
    this.#hv.base.hv_vcpu_set_trap_debug_exceptions(this.id, on);
  }
}

/** Registers of hv_reg_t that have names. */
const OTHERS = { PC: Reg.PC, CPSR: Reg.CPSR, FPCR: Reg.FPCR, FPSR: Reg.FPSR } as const;
const CLEARED = [
  "CPACR_EL1", "TTBR0_EL1", "TTBR1_EL1", "TCR_EL1", "MAIR_EL1", "AMAIR_EL1", "VBAR_EL1", "CONTEXTIDR_EL1", "ESR_EL1", "FAR_EL1", "ELR_EL1", "SPSR_EL1", "AFSR0_EL1", "AFSR1_EL1",
  "PAR_EL1", "SP_EL0", "SP_EL1", "TPIDR_EL0", "TPIDRRO_EL0", "TPIDR_EL1", "CNTKCTL_EL1", "CNTV_CTL_EL0", "CNTV_CVAL_EL0", "MDSCR_EL1",
] as const;

/** A 64-bit value as an argument: as a signed number where that is exact, which addresses of kernels are. */
function wide(lo: number, hi: number): number | bigint {
  const value = (hi | 0) * 2 ** 32 + (lo >>> 0);
  return Number.isSafeInteger(value) ? value : BigInt.asUintN(64, BigInt(hi | 0) << 32n | BigInt(lo >>> 0));
}
