// src/cpu/interpret/sysreg-access.ts — what reading and writing the "special" rows of sysreg.ts does.
// Spec: ARM DDI 0487, D19.2 (registers), D12 (generic timer). A read leaves its value in cpu.lo and cpu.hi.
// Codes: Next when done; Jump when an exception was taken instead, or (after advance) when the loop must look around.
import { FPSR_BITS } from "../fp/format.ts";
import { affinityOf } from "../../units.ts";
import { ZR } from "../a64/pattern.ts";
import { slot, type SpecialName } from "../sysreg.ts";
import { Offset } from "../state.ts";
import { enterException, EC } from "../exception.ts";
import { Mode, SCTLR_DSSBS_HI } from "../features.ts";
import { timerFires } from "../timer.ts";
import { Jump, Next, Stop, type Cpu, type Result } from "./cpu.ts";
import { pmuRegisters } from "./pmu-registers.ts";
import { keep, stored, Trap, value, type Special } from "./special.ts";

/** The instruction is complete, and the loop must look at interrupts and the code page anew. */
const done = (cpu: Cpu): Result => { cpu.advance(); return Jump; };
/** Two 32-bit fields of the state. */
const word = (offset: number): number => offset / 4;

const SCTLR = slot.SCTLR_EL1 / 4;
const SCTLR_UMA = 1 << 9, SCTLR_UCT = 1 << 15, SCTLR_DZE = 1 << 14;
/** M, A, C, SA, SA0, UMA, I, DZE, UCT, nTWI, nTWE, WXN, SPAN, E0E and EE (fixed little), UCI; RES1 bits stay. */
const SCTLR_WRITABLE = 0x048d_d21f;
const SCTLR_RES1 = 0x3050_0980;
/** RES1 without FEAT_PAN. */
const SCTLR_SPAN = 1 << 23;

/** A register kept in the state whose change ends what the TLB knows. */
const translation = (name: SpecialName): Special => ({
  read: cpu => stored(cpu, name),
  write: (cpu, lo, hi) => {
    const same = cpu.x[slot[name] / 4] === lo && cpu.x[slot[name] / 4 + 1] === hi;
    keep(cpu, name, lo, hi);
    if (!same) cpu.flushTlb();
    return Next;
  },
});
/** TTBRn: another table or ASID ends what is not global. */
const tableBase = (name: "TTBR0_EL1" | "TTBR1_EL1"): Special => ({
  read: cpu => stored(cpu, name),
  write: (cpu, lo, hi) => {
    const same = cpu.x[slot[name] / 4] === lo && cpu.x[slot[name] / 4 + 1] === hi;
    const sameTable = cpu.x[slot[name] / 4] === lo && (((cpu.x[slot[name] / 4 + 1] as number) ^ hi) & 0xffff) === 0;
    keep(cpu, name, lo, hi);
    if (name === "TTBR1_EL1" && !sameTable) cpu.flushTlb();
    else if (!same) cpu.flushTlbNonGlobal(true);
    return Next;
  },
});

// --- the generic timer -------------------------------------------------------------------------------------------

/** EL0 access bits of CNTKCTL_EL1. */
const CNTKCTL = slot.CNTKCTL_EL1 / 4;
const EL0PCTEN = 1, EL0VCTEN = 2, EL0VTEN = 1 << 8, EL0PTEN = 1 << 9;
const denied = (cpu: Cpu, bits: number): boolean => cpu.el === 0 && ((cpu.x[CNTKCTL] as number) & bits) === 0;

const counter = (bit: number): Special => ({
  read: cpu => {
    if (denied(cpu, bit)) return Trap;
    const now = cpu.clock.ticks();
    return value(cpu, now % 2 ** 32, Math.floor(now / 2 ** 32));
  },
});
type Timer = { ctl: "CNTV_CTL_EL0" | "CNTP_CTL_EL0"; cval: "CNTV_CVAL_EL0" | "CNTP_CVAL_EL0"; which: "virtual" | "physical"; bit: number };
const virtual: Timer = { ctl: "CNTV_CTL_EL0", cval: "CNTV_CVAL_EL0", which: "virtual", bit: EL0VTEN };
const physical: Timer = { ctl: "CNTP_CTL_EL0", cval: "CNTP_CVAL_EL0", which: "physical", bit: EL0PTEN };

/** A timer that is due already is heard now, and one that is not any more; not at the end of the slice. */
function changed(cpu: Cpu, t: Timer): Result {
  if (timerFires(cpu, t.which) === cpu.masked[t.which]) return Next;
  cpu.advance();
  cpu.exit.kind = "look";
  return Stop;
}
const timerControl = (t: Timer): Special => ({
  read: cpu => {
    if (denied(cpu, t.bit)) return Trap;
    const ctl = (cpu.x[slot[t.ctl] / 4] as number) & 3;
    const met = (ctl & 1) !== 0 && cpu.clock.ticks() >= compareValue(cpu, t);
    return value(cpu, ctl | (met ? 4 : 0));
  },
  write: (cpu, lo, hi) => {
    if (denied(cpu, t.bit)) return Trap;
    keep(cpu, t.ctl, lo, hi);
    return changed(cpu, t);
  },
});
const timerCompare = (t: Timer): Special => ({
  read: cpu => (denied(cpu, t.bit) ? Trap : stored(cpu, t.cval)),
  write: (cpu, lo, hi) => {
    if (denied(cpu, t.bit)) return Trap;
    keep(cpu, t.cval, lo, hi);
    return changed(cpu, t);
  },
});
/** TVAL: CVAL as a signed 32-bit distance from now. */
const timerValue = (t: Timer): Special => ({
  read: cpu => {
    if (denied(cpu, t.bit)) return Trap;
    const now = cpu.clock.ticks();
    return value(cpu, ((cpu.x[slot[t.cval] / 4] as number) >>> 0) - (now % 2 ** 32));
  },
  write: (cpu, lo) => {
    if (denied(cpu, t.bit)) return Trap;
    const due = cpu.clock.ticks() + (lo | 0);
    keep(cpu, t.cval, due % 2 ** 32 | 0, Math.floor(due / 2 ** 32) | 0);
    return changed(cpu, t);
  },
});
function compareValue(cpu: Cpu, t: Timer): number {
  return ((cpu.x[slot[t.cval] / 4 + 1] as number) >>> 0) * 2 ** 32 + ((cpu.x[slot[t.cval] / 4] as number) >>> 0);
}

/** A register of self-hosted debug. */
const debug = (name: DebugName): Special => ({
  read: cpu => stored(cpu, name),
  write: (cpu, lo, hi) => {
    keep(cpu, name, lo, hi);
    cpu.debugChanged();
    return done(cpu);
  },
});
type DebugName = "MDSCR_EL1" | `DBG${"B" | "W"}${"V" | "C"}R${0 | 1}_EL1`;
const OSLSR_OSLK = 2;

/** A PSTATE bit of an optional feature. */
const mode = (name: "UAO" | "DIT" | "SSBS"): Special => ({
  read: cpu => value(cpu, (cpu.x[word(Offset.MODES)] as number) & Mode[name]),
  write: (cpu, lo) => {
    cpu.x[word(Offset.MODES)] = ((cpu.x[word(Offset.MODES)] as number) & ~Mode[name]) | (lo & Mode[name]);
    return Next;
  },
});
/** Random words that were not given out yet are those from `taken` on: Linux asks often, and a call of the host for each would cost. */
const pool = new Int32Array(256);
let taken: number = pool.length;
/** RNDR, RNDRRS: the host's random numbers, of which there are always some: NZCV is 0. */
const random: Special = {
  read: cpu => {
    if (taken === pool.length) {
      crypto.getRandomValues(pool);
      taken = 0;
    }
    cpu.nzcv = 0;
    taken += 2;
    return value(cpu, pool[taken - 2] as number, pool[taken - 1] as number);
  },
};

export const specials: { readonly [K in SpecialName]: Special } = {
  MPIDR_EL1: { read: cpu => value(cpu, 0x8000_0000 | affinityOf(cpu.index)) },
  CTR_EL0: {
    read: cpu => (cpu.el === 0 && ((cpu.x[SCTLR] as number) & SCTLR_UCT) === 0 ? Trap : stored(cpu, "CTR_EL0")),
  },
  DCZID_EL0: { // 64-byte blocks; DZP when EL0 may not use DC ZVA
    read: cpu => value(cpu, 4 | (cpu.el === 0 && ((cpu.x[SCTLR] as number) & SCTLR_DZE) === 0 ? 16 : 0)),
  },

  SCTLR_EL1: {
    read: cpu => stored(cpu, "SCTLR_EL1"),
    write: (cpu, lo, hi) => {
      const next = (lo & SCTLR_WRITABLE) | SCTLR_RES1 | (cpu.features.has("PAN") ? 0 : SCTLR_SPAN);
      const changed = next ^ (cpu.x[SCTLR] as number);
      keep(cpu, "SCTLR_EL1", next, cpu.features.has("SSBS") ? hi & SCTLR_DSSBS_HI : 0);
      if ((changed & (1 | 2 | (1 << 19))) !== 0) cpu.flushTlb(); // M, A, WXN
      return Next;
    },
  },
  CPACR_EL1: {
    read: cpu => stored(cpu, "CPACR_EL1"),
    write: (cpu, lo, hi) => { keep(cpu, "CPACR_EL1", lo, hi); return Next; },
  },
  TTBR0_EL1: tableBase("TTBR0_EL1"),
  TTBR1_EL1: tableBase("TTBR1_EL1"),
  TCR_EL1: translation("TCR_EL1"),
  MAIR_EL1: translation("MAIR_EL1"),
  ISR_EL1: {
    read: cpu => {
      const lines = cpu.x[word(Offset.LINES)] as number;
      return value(cpu, ((lines & 1) << 7) | ((lines & 2) << 5));
    },
  },

  MDSCR_EL1: debug("MDSCR_EL1"),
  DBGBVR0_EL1: debug("DBGBVR0_EL1"), DBGBCR0_EL1: debug("DBGBCR0_EL1"), DBGBVR1_EL1: debug("DBGBVR1_EL1"), DBGBCR1_EL1: debug("DBGBCR1_EL1"),
  DBGWVR0_EL1: debug("DBGWVR0_EL1"), DBGWCR0_EL1: debug("DBGWCR0_EL1"), DBGWVR1_EL1: debug("DBGWVR1_EL1"), DBGWCR1_EL1: debug("DBGWCR1_EL1"),
  OSLAR_EL1: { // bit 0 locks: no debug exceptions
    read: cpu => cpu.undefined(),
    write: (cpu, lo) => {
      const at = slot.OSLSR_EL1 / 4;
      cpu.x[at] = ((cpu.x[at] as number) & ~OSLSR_OSLK) | ((lo & 1) !== 0 ? OSLSR_OSLK : 0);
      cpu.debugChanged();
      return done(cpu);
    },
  },
  OSLSR_EL1: { read: cpu => stored(cpu, "OSLSR_EL1") },

  SP_EL0: { // UNDEFINED while it is the selected stack pointer
    read: cpu => (cpu.x[word(Offset.SPSEL)] === 0 ? cpu.undefined()
      : value(cpu, cpu.x[word(Offset.SP_EL0)] as number, cpu.x[word(Offset.SP_EL0) + 1] as number)),
    write: (cpu, lo, hi) => {
      if (cpu.x[word(Offset.SPSEL)] === 0) return cpu.undefined();
      cpu.x[word(Offset.SP_EL0)] = lo;
      cpu.x[word(Offset.SP_EL0) + 1] = hi;
      return Next;
    },
  },
  SPSel: {
    read: cpu => value(cpu, cpu.x[word(Offset.SPSEL)] as number),
    write: (cpu, lo) => { setSpSel(cpu, lo & 1); return Next; },
  },
  CurrentEL: { read: cpu => value(cpu, cpu.el << 2) },
  PAN: {
    read: cpu => value(cpu, (cpu.x[word(Offset.PAN)] as number) << 22),
    write: (cpu, lo) => { setPan(cpu, (lo >>> 22) & 1); return Next; },
  },
  NZCV: {
    read: cpu => value(cpu, cpu.nzcv),
    write: (cpu, lo) => { cpu.nzcv = lo & 0xf000_0000; return Next; },
  },
  DAIF: {
    read: cpu => (cpu.el === 0 && ((cpu.x[SCTLR] as number) & SCTLR_UMA) === 0 ? Trap
      : value(cpu, cpu.x[word(Offset.DAIF)] as number)),
    write: (cpu, lo) => {
      if (cpu.el === 0 && ((cpu.x[SCTLR] as number) & SCTLR_UMA) === 0) return Trap;
      cpu.x[word(Offset.DAIF)] = lo & 0x3c0;
      return done(cpu);
    },
  },
  UAO: mode("UAO"), DIT: mode("DIT"), SSBS: mode("SSBS"),
  RNDR: random, RNDRRS: random,
  FPCR: { // AHP, DN, FZ, RMode, FZ16; no trapped exceptions
    read: cpu => (cpu.fpTrapped() ? cpu.trapFp() : value(cpu, cpu.x[word(Offset.FPCR)] as number)),
    write: (cpu, lo) => {
      if (cpu.fpTrapped()) return cpu.trapFp();
      cpu.x[word(Offset.FPCR)] = lo & (cpu.features.has("FP16") ? 0x07c8_0000 : 0x07c0_0000);
      return Next;
    },
  },
  FPSR: {
    read: cpu => (cpu.fpTrapped() ? cpu.trapFp() : value(cpu, cpu.x[word(Offset.FPSR)] as number)),
    write: (cpu, lo) => {
      if (cpu.fpTrapped()) return cpu.trapFp();
      cpu.x[word(Offset.FPSR)] = lo & FPSR_BITS;
      return Next;
    },
  },

  CNTFRQ_EL0: { // writable only at the highest EL, which the guest is not
    read: cpu => (denied(cpu, EL0PCTEN | EL0VCTEN) ? Trap : value(cpu, cpu.clock.frequency)),
    write: cpu => cpu.undefined(),
  },
  CNTPCT_EL0: counter(EL0PCTEN),
  CNTVCT_EL0: counter(EL0VCTEN),
  CNTP_TVAL_EL0: timerValue(physical),
  CNTP_CTL_EL0: timerControl(physical),
  CNTP_CVAL_EL0: timerCompare(physical),
  CNTV_TVAL_EL0: timerValue(virtual),
  CNTV_CTL_EL0: timerControl(virtual),
  CNTV_CVAL_EL0: timerCompare(virtual),
  ...pmuRegisters,
};

/** MSR SPSel. */
export function setSpSel(cpu: Cpu, to: number): void {
  cpu.bankSp();
  cpu.x[Offset.SPSEL / 4] = to;
  cpu.selectSp();
}
/** MSR PAN. */
export function setPan(cpu: Cpu, to: number): void {
  const was = cpu.x[Offset.PAN / 4];
  cpu.x[Offset.PAN / 4] = to;
  if (to !== 0 && was === 0) cpu.panSet();
}

/** A trapped MRS or MSR taken to EL1: EC 0x18 with the access's ISS (ARM DDI 0487, ESR_EL1, MSR/MRS/system). `register` may be ZR. */
export const trapSysreg = (cpu: Cpu, encoding: number, register: number, read: boolean): Result =>
  enterException(cpu, EC.sysreg, (((encoding >>> 14) & 3) << 20) | ((encoding & 7) << 17) | (((encoding >>> 11) & 7) << 14)
    | (((encoding >>> 7) & 15) << 10) | ((register === ZR ? 31 : register) << 5) | (((encoding >>> 3) & 15) << 1) | (read ? 1 : 0));
