// src/cpu/sysreg.ts — the system registers of an EL1/EL0 core as one table of text, one line per register.
// Spec: ARM DDI 0487, D19.2 (AArch64 system registers), D17.3 (encodings). What is not listed is UNDEFINED.
// A row: op0 op1 CRn CRm op2, then
//   constant | plain (storage) | special (served by interpret/sysreg-access.ts) | machine (trapped to the machine)
//   el0=ro|rw   access from EL0 (otherwise UNDEFINED there; special rows refine it)
//   el1=ro|wo   the direction that exists at EL1 (otherwise both; a constant is read-only)
//   mask=HEX    writable bits (otherwise all)      reset=HEX   reset value, or a constant's value (otherwise 0)
// Every row has a slot in the state struct (state.ts), in the order of this table.
// Registers of optional features are there when features.ts says so. Left out: EL2, EL3, AArch32, SVE, SME, MTE, RAS, PAuth.
//
// The feature set is truthful and chosen for emulation: no speculation (CSV2, CSV3, ECBHB), caches always coherent.
import { Offset } from "./state.ts";

const rows = {
  // Identification
  MIDR_EL1:          "3 0  0  0 0  constant reset=f_0480", // implementer 0: reserved for software use; no errata work-arounds apply
  MPIDR_EL1:         "3 0  0  0 5  special el1=ro",
  REVIDR_EL1:        "3 0  0  0 6  constant",
  ID_AA64PFR0_EL1:   "3 0  0  4 0  constant reset=1100_0000_0000_0011", // EL0, EL1 AArch64; FP, AdvSIMD; CSV2, CSV3
  ID_AA64PFR1_EL1:   "3 0  0  4 1  constant",
  ID_AA64ZFR0_EL1:   "3 0  0  4 4  constant",
  ID_AA64SMFR0_EL1:  "3 0  0  4 5  constant",
  ID_AA64DFR0_EL1:   "3 0  0  5 0  constant reset=10_1006", // debug v8; 2 breakpoints, 2 watchpoints
  ID_AA64DFR1_EL1:   "3 0  0  5 1  constant",
  ID_AA64AFR0_EL1:   "3 0  0  5 4  constant",
  ID_AA64AFR1_EL1:   "3 0  0  5 5  constant",
  // AES with PMULL, SHA1, SHA256, CRC32; what more there is of these registers says features.ts
  ID_AA64ISAR0_EL1:  "3 0  0  6 0  constant reset=1_1120",
  ID_AA64ISAR1_EL1:  "3 0  0  6 1  constant",
  ID_AA64ISAR2_EL1:  "3 0  0  6 2  constant",
  // 40-bit physical addresses, 16-bit ASIDs, granules 4K, 16K, 64K
  ID_AA64MMFR0_EL1:  "3 0  0  7 0  constant reset=10_0022",
  ID_AA64MMFR1_EL1:  "3 0  0  7 1  constant reset=1000_0000_0000_0000", // ECBHB
  ID_AA64MMFR2_EL1:  "3 0  0  7 2  constant",
  ID_AA64MMFR3_EL1:  "3 0  0  7 3  constant",
  ID_AA64MMFR4_EL1:  "3 0  0  7 4  constant",
  CTR_EL0:           "3 3  0  0 1  special el0=ro el1=ro reset=9444_c004", // PIPT, IDC, 64-byte lines
  DCZID_EL0:         "3 3  0  0 7  special el0=ro el1=ro",
  CLIDR_EL1:         "3 1  0  0 1  constant reset=100_0003", // one level, separate instruction and data caches
  CCSIDR_EL1:        "3 1  0  0 0  constant reset=f_e01a", // 32 KiB, 4 ways, 64-byte lines
  AIDR_EL1:          "3 1  0  0 7  constant",
  CSSELR_EL1:        "3 2  0  0 0  plain mask=f",

  // Control and translation
  SCTLR_EL1:         "3 0  1  0 0  special reset=30d0_0980",
  ACTLR_EL1:         "3 0  1  0 1  constant",
  CPACR_EL1:         "3 0  1  0 2  special mask=30_0000",
  TTBR0_EL1:         "3 0  2  0 0  special",
  TTBR1_EL1:         "3 0  2  0 1  special",
  TCR_EL1:           "3 0  2  0 2  special",
  MAIR_EL1:          "3 0 10  2 0  special",
  AMAIR_EL1:         "3 0 10  3 0  plain",
  CONTEXTIDR_EL1:    "3 0 13  0 1  plain mask=ffff_ffff",

  // Exceptions
  AFSR0_EL1:         "3 0  5  1 0  plain",
  AFSR1_EL1:         "3 0  5  1 1  plain",
  ESR_EL1:           "3 0  5  2 0  plain",
  FAR_EL1:           "3 0  6  0 0  plain",
  PAR_EL1:           "3 0  7  4 0  plain",
  VBAR_EL1:          "3 0 12  0 0  plain mask=ffff_ffff_ffff_f800",
  ISR_EL1:           "3 0 12  1 0  special el1=ro",
  SPSR_EL1:          "3 0  4  0 0  plain",
  ELR_EL1:           "3 0  4  0 1  plain",
  SP_EL0:            "3 0  4  1 0  special",

  // PSTATE
  SPSel:             "3 0  4  2 0  special",
  CurrentEL:         "3 0  4  2 2  special el1=ro",
  PAN:               "3 0  4  2 3  special",
  UAO:               "3 0  4  2 4  special",
  NZCV:              "3 3  4  2 0  special el0=rw",
  DAIF:              "3 3  4  2 1  special el0=rw",
  DIT:               "3 3  4  2 5  special el0=rw",
  SSBS:              "3 3  4  2 6  special el0=rw",
  FPCR:              "3 3  4  4 0  special el0=rw",
  FPSR:              "3 3  4  4 1  special el0=rw",

  // Random numbers: NZCV says whether there was one
  RNDR:              "3 3  2  4 0  special el0=ro el1=ro",
  RNDRRS:            "3 3  2  4 1  special el0=ro el1=ro",

  // Thread pointers
  TPIDR_EL0:         "3 3 13  0 2  plain el0=rw",
  TPIDRRO_EL0:       "3 3 13  0 3  plain el0=ro",
  TPIDR_EL1:         "3 0 13  0 4  plain",

  // Generic timer
  CNTKCTL_EL1:       "3 0 14  1 0  plain mask=3ff",
  CNTFRQ_EL0:        "3 3 14  0 0  special el0=ro",
  CNTPCT_EL0:        "3 3 14  0 1  special el0=ro el1=ro",
  CNTVCT_EL0:        "3 3 14  0 2  special el0=ro el1=ro",
  CNTP_TVAL_EL0:     "3 3 14  2 0  special el0=rw",
  CNTP_CTL_EL0:      "3 3 14  2 1  special el0=rw mask=3",
  CNTP_CVAL_EL0:     "3 3 14  2 2  special el0=rw",
  CNTV_TVAL_EL0:     "3 3 14  3 0  special el0=rw",
  CNTV_CTL_EL0:      "3 3 14  3 1  special el0=rw mask=3",
  CNTV_CVAL_EL0:     "3 3 14  3 2  special el0=rw",

  // Performance monitors
  PMCR_EL0:          "3 3  9 12 0  special el0=rw reset=3040", // six event counters
  PMCNTENSET_EL0:    "3 3  9 12 1  special el0=rw",
  PMCNTENCLR_EL0:    "3 3  9 12 2  special el0=rw",
  PMOVSCLR_EL0:      "3 3  9 12 3  special el0=rw",
  PMSWINC_EL0:       "3 3  9 12 4  special el0=rw el1=wo",
  PMSELR_EL0:        "3 3  9 12 5  special el0=rw",
  PMCEID0_EL0:       "3 3  9 12 6  special el0=ro el1=ro",
  PMCEID1_EL0:       "3 3  9 12 7  special el0=ro el1=ro",
  PMCCNTR_EL0:       "3 3  9 13 0  special el0=rw",
  PMXEVTYPER_EL0:    "3 3  9 13 1  special el0=rw",
  PMXEVCNTR_EL0:     "3 3  9 13 2  special el0=rw",
  PMUSERENR_EL0:     "3 3  9 14 0  special el0=ro",
  PMOVSSET_EL0:      "3 3  9 14 3  special el0=rw",
  PMINTENSET_EL1:    "3 0  9 14 1  special",
  PMINTENCLR_EL1:    "3 0  9 14 2  special",
  PMEVCNTR0_EL0:     "3 3 14  8 0  special el0=rw",
  PMEVCNTR1_EL0:     "3 3 14  8 1  special el0=rw",
  PMEVCNTR2_EL0:     "3 3 14  8 2  special el0=rw",
  PMEVCNTR3_EL0:     "3 3 14  8 3  special el0=rw",
  PMEVCNTR4_EL0:     "3 3 14  8 4  special el0=rw",
  PMEVCNTR5_EL0:     "3 3 14  8 5  special el0=rw",
  PMEVTYPER0_EL0:    "3 3 14 12 0  special el0=rw",
  PMEVTYPER1_EL0:    "3 3 14 12 1  special el0=rw",
  PMEVTYPER2_EL0:    "3 3 14 12 2  special el0=rw",
  PMEVTYPER3_EL0:    "3 3 14 12 3  special el0=rw",
  PMEVTYPER4_EL0:    "3 3 14 12 4  special el0=rw",
  PMEVTYPER5_EL0:    "3 3 14 12 5  special el0=rw",
  PMCCFILTR_EL0:     "3 3 14 15 7  special el0=rw",

  // Self-hosted debug; locked until software unlocks it
  MDSCR_EL1:         "2 0  0  2 2  special mask=f001",
  MDCCINT_EL1:       "2 0  0  2 0  plain mask=6000_0000",
  OSDTRRX_EL1:       "2 0  0  0 2  plain mask=ffff_ffff",
  OSDTRTX_EL1:       "2 0  0  3 2  plain mask=ffff_ffff",
  OSECCR_EL1:        "2 0  0  6 2  plain mask=ffff_ffff",
  MDRAR_EL1:         "2 0  1  0 0  constant",
  OSLAR_EL1:         "2 0  1  0 4  special el1=wo",
  OSLSR_EL1:         "2 0  1  1 4  special el1=ro reset=a",
  OSDLR_EL1:         "2 0  1  3 4  machine",
  DBGPRCR_EL1:       "2 0  1  4 4  machine",
  DBGCLAIMSET_EL1:   "2 0  7  8 6  plain mask=0 reset=ff",
  DBGCLAIMCLR_EL1:   "2 0  7  9 6  plain mask=0",
  DBGAUTHSTATUS_EL1: "2 0  7 14 6  constant",
  MDCCSR_EL0:        "2 3  0  1 0  constant el0=ro",
  DBGDTR_EL0:        "2 3  0  4 0  plain el0=rw mask=0",
  DBGDTRRX_EL0:      "2 3  0  5 0  plain el0=rw mask=0",
  DBGBVR0_EL1:       "2 0  0  0 4  special",
  DBGBCR0_EL1:       "2 0  0  0 5  special mask=ff_e1ff",
  DBGBVR1_EL1:       "2 0  0  1 4  special",
  DBGBCR1_EL1:       "2 0  0  1 5  special mask=ff_e1ff",
  DBGWVR0_EL1:       "2 0  0  0 6  special",
  DBGWCR0_EL1:       "2 0  0  0 7  special mask=1fff_ffff",
  DBGWVR1_EL1:       "2 0  0  1 6  special",
  DBGWCR1_EL1:       "2 0  0  1 7  special mask=1fff_ffff",

  // The interrupt controller's system-register interface belongs to the machine
  ICC_PMR_EL1:       "3 0  4  6 0  machine",
  ICC_IAR0_EL1:      "3 0 12  8 0  machine el1=ro",
  ICC_EOIR0_EL1:     "3 0 12  8 1  machine el1=wo",
  ICC_HPPIR0_EL1:    "3 0 12  8 2  machine el1=ro",
  ICC_BPR0_EL1:      "3 0 12  8 3  machine",
  ICC_AP0R0_EL1:     "3 0 12  8 4  machine",
  ICC_AP1R0_EL1:     "3 0 12  9 0  machine",
  ICC_DIR_EL1:       "3 0 12 11 1  machine el1=wo",
  ICC_RPR_EL1:       "3 0 12 11 3  machine el1=ro",
  ICC_SGI1R_EL1:     "3 0 12 11 5  machine el1=wo",
  ICC_ASGI1R_EL1:    "3 0 12 11 6  machine el1=wo",
  ICC_SGI0R_EL1:     "3 0 12 11 7  machine el1=wo",
  ICC_IAR1_EL1:      "3 0 12 12 0  machine el1=ro",
  ICC_EOIR1_EL1:     "3 0 12 12 1  machine el1=wo",
  ICC_HPPIR1_EL1:    "3 0 12 12 2  machine el1=ro",
  ICC_BPR1_EL1:      "3 0 12 12 3  machine",
  ICC_CTLR_EL1:      "3 0 12 12 4  machine",
  ICC_SRE_EL1:       "3 0 12 12 5  machine",
  ICC_IGRPEN0_EL1:   "3 0 12 12 6  machine",
  ICC_IGRPEN1_EL1:   "3 0 12 12 7  machine",
} as const;

export type SysRegName = keyof typeof rows;
/** The rows whose reading and writing is code. */
export type SpecialName = { [K in SysRegName]: (typeof rows)[K] extends `${string} special${string}` ? K : never }[SysRegName];

export type SysRegKind = "plain" | "constant" | "special" | "machine";
export interface SysReg {
  /** op0<<14 | op1<<11 | CRn<<7 | CRm<<3 | op2. */
  readonly encoding: number;
  readonly kind: SysRegKind;
  readonly el0: "none" | "ro" | "rw";
  readonly el1: "ro" | "wo" | "rw";
  /** Writable bits, and the reset value, as lo and hi. */
  readonly maskLo: number;
  readonly maskHi: number;
  readonly resetLo: number;
  readonly resetHi: number;
}

/** Packs an encoding as system-register exits and the table do. */
export const sysregKey = (op0: number, op1: number, crn: number, crm: number, op2: number): number =>
  (op0 << 14) | (op1 << 11) | (crn << 7) | (crm << 3) | op2;

function parse(row: string): SysReg {
  const [op0, op1, crn, crm, op2, kind, ...options] = row.trim().split(/ +/);
  const option = (key: string): string | undefined => options.find(o => o.startsWith(`${key}=`))?.slice(key.length + 1);
  const wide = (text: string | undefined, otherwise: bigint): bigint =>
    text === undefined ? otherwise : BigInt(`0x${text.replaceAll("_", "")}`);
  const mask = wide(option("mask"), 0xffff_ffff_ffff_ffffn);
  const reset = wide(option("reset"), 0n);
  return {
    encoding: sysregKey(Number(op0), Number(op1), Number(crn), Number(crm), Number(op2)),
    kind: kind as SysRegKind,
    el0: (option("el0") ?? "none") as SysReg["el0"],
    el1: (option("el1") ?? (kind === "constant" ? "ro" : "rw")) as SysReg["el1"],
    maskLo: Number(mask & 0xffff_ffffn) | 0, maskHi: Number(mask >> 32n) | 0,
    resetLo: Number(reset & 0xffff_ffffn) | 0, resetHi: Number(reset >> 32n) | 0,
  };
}

/** In the order of their slots. */
export const sysregNames: readonly SysRegName[] = Object.keys(rows) as SysRegName[];
/** The parsed table. */
export const sysregs: Readonly<Record<SysRegName, SysReg>> =
  Object.fromEntries(sysregNames.map(name => [name, parse(rows[name])])) as Record<SysRegName, SysReg>;
/** Byte offset of a register's slot in the state struct. */
export const slot: Readonly<Record<SysRegName, number>> =
  Object.fromEntries(sysregNames.map((name, i) => [name, Offset.SYSREG + 8 * i])) as Record<SysRegName, number>;
const byKey = new Map<number, SysRegName>(sysregNames.map(name => [sysregs[name].encoding, name]));

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
