// src/cpu/sysreg.ts — the system registers of an EL1/EL0 core as one table: name → encoding, EL0 access, reset, mask.
// Spec: ARM DDI 0487, D19.2 (AArch64 system registers), D17.3 (encodings). What is not listed is UNDEFINED.
// A row with storage has a slot in the state struct (state.ts), in the order of this table. What reading or writing does
// beyond its slot stands in interpret/sysreg-access.ts. Left out: EL2, EL3, AArch32, SVE, SME, MTE, RAS, PAuth.
//
// The feature set is truthful and chosen for emulation: no speculation (CSV2, CSV3, ECBHB), caches always coherent.
import { Offset } from "./state.ts";

/** What a row is: storage or constant, to be served by code (special), or owned by the machine (trapped to it). */
export type SysRegKind = "plain" | "constant" | "special" | "machine";
export interface SysReg {
  /** op0<<14 | op1<<11 | CRn<<7 | CRm<<3 | op2. */
  readonly encoding: number;
  readonly kind: SysRegKind;
  /** Access from EL0 without a trap; "none" makes it UNDEFINED there. Special rows refine it. */
  readonly el0: "none" | "ro" | "rw";
  /** Direction that exists at EL1. */
  readonly el1: "ro" | "wo" | "rw";
  /** Writable bits, lo and hi. */
  readonly maskLo: number;
  readonly maskHi: number;
  readonly resetLo: number;
  readonly resetHi: number;
}

/** Packs an encoding as system-register exits and the table do. */
export const sysregKey = (op0: number, op1: number, crn: number, crm: number, op2: number): number =>
  (op0 << 14) | (op1 << 11) | (crn << 7) | (crm << 3) | op2;

type Five = readonly [number, number, number, number, number];
interface Options { el0?: SysReg["el0"]; el1?: SysReg["el1"]; mask?: readonly [number, number]; reset?: readonly [number, number] }
const ALL = 0xffff_ffff;
const row = (kind: SysRegKind, at: Five, o: Options): SysReg => ({
  encoding: sysregKey(...at), kind, el0: o.el0 ?? "none", el1: o.el1 ?? "rw",
  maskLo: o.mask?.[0] ?? ALL, maskHi: o.mask?.[1] ?? ALL, resetLo: o.reset?.[0] ?? 0, resetHi: o.reset?.[1] ?? 0,
});
const rw = (at: Five, o: Options = {}) => row("plain", at, o);
const id = (at: Five, lo = 0, hi = 0, el0: SysReg["el0"] = "none") => row("constant", at, { el0, el1: "ro", reset: [lo, hi] });
const special = (at: Five, o: Options = {}) => row("special", at, o) as SysReg & { readonly kind: "special" };
const machine = (at: Five, o: Options = {}) => row("machine", at, o);

/** A feature field of an ID register. */
const f = (shift: number, value: number): number => (value << shift) >>> 0;

export const sysregs = {
  // Identification
  MIDR_EL1: id([3, 0, 0, 0, 0], 0x000f_0480), // implementer 0: reserved for software use; no errata work-arounds apply
  MPIDR_EL1: special([3, 0, 0, 0, 5], { el1: "ro" }),
  REVIDR_EL1: id([3, 0, 0, 0, 6]),
  ID_AA64PFR0_EL1: id([3, 0, 0, 4, 0], f(0, 1) | f(4, 1), f(24, 1) | f(28, 1)), // EL0, EL1 AArch64; FP, AdvSIMD; CSV2, CSV3
  ID_AA64PFR1_EL1: id([3, 0, 0, 4, 1]),
  ID_AA64ZFR0_EL1: id([3, 0, 0, 4, 4]),
  ID_AA64SMFR0_EL1: id([3, 0, 0, 4, 5]),
  ID_AA64DFR0_EL1: id([3, 0, 0, 5, 0], f(0, 6) | f(12, 1) | f(20, 1)), // debug v8; 2 breakpoints, 2 watchpoints
  ID_AA64DFR1_EL1: id([3, 0, 0, 5, 1]),
  ID_AA64AFR0_EL1: id([3, 0, 0, 5, 4]),
  ID_AA64AFR1_EL1: id([3, 0, 0, 5, 5]),
  // AES with PMULL, SHA1, SHA256, CRC32, LSE atomics
  ID_AA64ISAR0_EL1: id([3, 0, 0, 6, 0], f(4, 2) | f(8, 1) | f(12, 1) | f(16, 1) | f(20, 2)),
  ID_AA64ISAR1_EL1: id([3, 0, 0, 6, 1]),
  ID_AA64ISAR2_EL1: id([3, 0, 0, 6, 2]),
  // 40-bit physical addresses, 16-bit ASIDs, granules 4K, 16K, 64K
  ID_AA64MMFR0_EL1: id([3, 0, 0, 7, 0], f(0, 2) | f(4, 2) | f(20, 1)),
  ID_AA64MMFR1_EL1: id([3, 0, 0, 7, 1], f(20, 1), f(28, 1)), // PAN; ECBHB
  ID_AA64MMFR2_EL1: id([3, 0, 0, 7, 2], 0, f(28, 1)), // E0PD
  ID_AA64MMFR3_EL1: id([3, 0, 0, 7, 3]),
  ID_AA64MMFR4_EL1: id([3, 0, 0, 7, 4]),
  CTR_EL0: special([3, 3, 0, 0, 1], { el0: "ro", el1: "ro", reset: [0x9444_c004, 0] }), // PIPT, IDC, 64-byte lines
  DCZID_EL0: special([3, 3, 0, 0, 7], { el0: "ro", el1: "ro" }),
  CLIDR_EL1: id([3, 1, 0, 0, 1], 0x0100_0003), // one level, separate instruction and data caches
  CCSIDR_EL1: id([3, 1, 0, 0, 0], (127 << 13) | (3 << 3) | 2), // 32 KiB, 4 ways, 64-byte lines
  AIDR_EL1: id([3, 1, 0, 0, 7]),
  CSSELR_EL1: rw([3, 2, 0, 0, 0], { mask: [0xf, 0] }),

  // Control and translation
  SCTLR_EL1: special([3, 0, 1, 0, 0], { reset: [0x30d0_0980, 0] }),
  ACTLR_EL1: id([3, 0, 1, 0, 1]),
  CPACR_EL1: special([3, 0, 1, 0, 2], { mask: [0x0030_0000, 0] }),
  TTBR0_EL1: special([3, 0, 2, 0, 0]),
  TTBR1_EL1: special([3, 0, 2, 0, 1]),
  TCR_EL1: special([3, 0, 2, 0, 2]),
  MAIR_EL1: special([3, 0, 10, 2, 0]),
  AMAIR_EL1: rw([3, 0, 10, 3, 0]),
  CONTEXTIDR_EL1: rw([3, 0, 13, 0, 1], { mask: [ALL, 0] }),

  // Exceptions
  AFSR0_EL1: rw([3, 0, 5, 1, 0]),
  AFSR1_EL1: rw([3, 0, 5, 1, 1]),
  ESR_EL1: rw([3, 0, 5, 2, 0]),
  FAR_EL1: rw([3, 0, 6, 0, 0]),
  PAR_EL1: rw([3, 0, 7, 4, 0]),
  VBAR_EL1: rw([3, 0, 12, 0, 0], { mask: [0xffff_f800, ALL] }),
  ISR_EL1: special([3, 0, 12, 1, 0], { el1: "ro" }),
  SPSR_EL1: rw([3, 0, 4, 0, 0]),
  ELR_EL1: rw([3, 0, 4, 0, 1]),
  SP_EL0: special([3, 0, 4, 1, 0]),

  // PSTATE
  SPSel: special([3, 0, 4, 2, 0]),
  CurrentEL: special([3, 0, 4, 2, 2], { el1: "ro" }),
  PAN: special([3, 0, 4, 2, 3]),
  NZCV: special([3, 3, 4, 2, 0], { el0: "rw" }),
  DAIF: special([3, 3, 4, 2, 1], { el0: "rw" }),
  FPCR: special([3, 3, 4, 4, 0], { el0: "rw" }),
  FPSR: special([3, 3, 4, 4, 1], { el0: "rw" }),

  // Thread pointers
  TPIDR_EL0: rw([3, 3, 13, 0, 2], { el0: "rw" }),
  TPIDRRO_EL0: rw([3, 3, 13, 0, 3], { el0: "ro" }),
  TPIDR_EL1: rw([3, 0, 13, 0, 4]),

  // Generic timer
  CNTKCTL_EL1: rw([3, 0, 14, 1, 0], { mask: [0x3ff, 0] }),
  CNTFRQ_EL0: special([3, 3, 14, 0, 0], { el0: "ro" }),
  CNTPCT_EL0: special([3, 3, 14, 0, 1], { el0: "ro", el1: "ro" }),
  CNTVCT_EL0: special([3, 3, 14, 0, 2], { el0: "ro", el1: "ro" }),
  CNTP_TVAL_EL0: special([3, 3, 14, 2, 0], { el0: "rw" }),
  CNTP_CTL_EL0: special([3, 3, 14, 2, 1], { el0: "rw", mask: [3, 0] }),
  CNTP_CVAL_EL0: special([3, 3, 14, 2, 2], { el0: "rw" }),
  CNTV_TVAL_EL0: special([3, 3, 14, 3, 0], { el0: "rw" }),
  CNTV_CTL_EL0: special([3, 3, 14, 3, 1], { el0: "rw", mask: [3, 0] }),
  CNTV_CVAL_EL0: special([3, 3, 14, 3, 2], { el0: "rw" }),

  // Self-hosted debug: state only, nothing matches yet
  MDSCR_EL1: rw([2, 0, 0, 2, 2], { mask: [0x0000_f001, 0] }),
  MDCCINT_EL1: rw([2, 0, 0, 2, 0], { mask: [0x6000_0000, 0] }),
  OSDTRRX_EL1: rw([2, 0, 0, 0, 2], { mask: [ALL, 0] }),
  OSDTRTX_EL1: rw([2, 0, 0, 3, 2], { mask: [ALL, 0] }),
  OSECCR_EL1: rw([2, 0, 0, 6, 2], { mask: [ALL, 0] }),
  MDRAR_EL1: id([2, 0, 1, 0, 0]),
  OSLAR_EL1: machine([2, 0, 1, 0, 4], { el1: "wo" }),
  OSLSR_EL1: machine([2, 0, 1, 1, 4], { el1: "ro" }),
  OSDLR_EL1: machine([2, 0, 1, 3, 4]),
  DBGPRCR_EL1: machine([2, 0, 1, 4, 4]),
  DBGCLAIMSET_EL1: rw([2, 0, 7, 8, 6], { mask: [0, 0], reset: [0xff, 0] }),
  DBGCLAIMCLR_EL1: rw([2, 0, 7, 9, 6], { mask: [0, 0] }),
  DBGAUTHSTATUS_EL1: id([2, 0, 7, 14, 6]),
  MDCCSR_EL0: id([2, 3, 0, 1, 0], 0, 0, "ro"),
  DBGDTR_EL0: rw([2, 3, 0, 4, 0], { el0: "rw", mask: [0, 0] }),
  DBGDTRRX_EL0: rw([2, 3, 0, 5, 0], { el0: "rw", mask: [0, 0] }),
  DBGBVR0_EL1: rw([2, 0, 0, 0, 4]), DBGBCR0_EL1: rw([2, 0, 0, 0, 5], { mask: [0x00ff_e1ff, 0] }),
  DBGBVR1_EL1: rw([2, 0, 0, 1, 4]), DBGBCR1_EL1: rw([2, 0, 0, 1, 5], { mask: [0x00ff_e1ff, 0] }),
  DBGWVR0_EL1: rw([2, 0, 0, 0, 6]), DBGWCR0_EL1: rw([2, 0, 0, 0, 7], { mask: [0x1fff_ffff, 0] }),
  DBGWVR1_EL1: rw([2, 0, 0, 1, 6]), DBGWCR1_EL1: rw([2, 0, 0, 1, 7], { mask: [0x1fff_ffff, 0] }),

  // The interrupt controller's system-register interface belongs to the machine
  ICC_SRE_EL1: machine([3, 0, 12, 12, 5]),
} as const satisfies Record<string, SysReg>;

export type SysRegName = keyof typeof sysregs;
/** The rows whose reading and writing is code. */
export type SpecialName = { [K in SysRegName]: (typeof sysregs)[K] extends { readonly kind: "special" } ? K : never }[SysRegName];

const names = Object.keys(sysregs) as SysRegName[];
/** Byte offset of a register's slot in the state struct. */
export const slot: Readonly<Record<SysRegName, number>> =
  Object.fromEntries(names.map((name, i) => [name, Offset.SYSREG + 8 * i])) as Record<SysRegName, number>;
const byKey = new Map<number, SysRegName>(names.map(name => [sysregs[name].encoding, name]));

/** The register of an encoding, or undefined: unallocated. */
export const sysregName = (encoding: number): SysRegName | undefined => byKey.get(encoding);

/**
 * The part of the ID space that reads as zero though nothing is listed: op0 3, op1 0, CRn 0, CRm 1..7
 * (ARM DDI 0487, D17.3.1: reserved ID registers, and the AArch32 ones of a core without AArch32).
 */
export const readsAsZero = (encoding: number): boolean => {
  const crm = (encoding >>> 3) & 15;
  return encoding >>> 7 === (3 << 14) >>> 7 && crm >= 1 && crm <= 7;
};
