// src/cpu/features.ts — the optional features of the software CPU as one table: what the ID registers say of each, which
// encodings and registers it brings. `--cpu` chooses; what is not chosen is UNDEFINED. System instructions and immediate forms of
// MSR that a feature brings ask for it where they stand, in interpret/system.ts.
// Spec: ARM DDI 0487, A2 (the features, and which needs which), D19.2 (ID registers).
import { slot, sysregNames, sysregs, type SysRegName } from "./sysreg.ts";

interface Row {
  /** Fields of an ID register: its name, then lowest bit = value. Where two features share a field, the larger value holds. */
  readonly id: string;
  /** Names in the encoding tables, and of system registers. */
  readonly instructions?: RegExp;
  readonly registers?: readonly SysRegName[];
  /** Features it can't be without. */
  readonly needs?: readonly FeatureName[];
  /** Part of the default: generated code has it and is no slower than a program that does without, or it is rare. */
  readonly usual?: true;
}
export type FeatureName =
  | "LSE" | "PAN" | "PAN2" | "E0PD" | "RDM" | "DotProd" | "I8MM" | "BF16" | "FP16" | "FHM" | "FCMA" | "JSCVT" | "FRINTTS" | "FlagM" | "FlagM2" | "LRCPC" | "LRCPC2"
  | "DPB" | "DPB2" | "SHA512" | "SHA3" | "SM3" | "SM4" | "SB" | "SSBS" | "DIT" | "UAO" | "TTST" | "RNG" | "PMU";

const features: Readonly<Record<FeatureName, Row>> = {
  LSE:     { id: "ID_AA64ISAR0_EL1 20=2", usual: true, instructions: /^(CASP?|SWP|LD(ADD|CLR|EOR|SET|[SU]M(AX|IN)))$/ },
  PAN:     { id: "ID_AA64MMFR1_EL1 20=1", usual: true, registers: ["PAN"] },
  PAN2:    { id: "ID_AA64MMFR1_EL1 20=2", usual: true, needs: ["PAN"] },
  E0PD:    { id: "ID_AA64MMFR2_EL1 60=1", usual: true },
  RDM:     { id: "ID_AA64ISAR0_EL1 28=1", usual: true, instructions: /^SQRDML[AS]H_/ },
  DotProd: { id: "ID_AA64ISAR0_EL1 44=1", usual: true, instructions: /^[SU]DOT_/ },
  I8MM:    { id: "ID_AA64ISAR1_EL1 52=1", usual: true, instructions: /^(US|SU)DOT_|^(US|[SU])MMLA$/ },
  BF16:    { id: "ID_AA64ISAR1_EL1 44=1", instructions: /^BF(CVT|DOT|MLAL|MMLA)/ },
  FP16:    { id: "ID_AA64PFR0_EL1 16=1 20=1", instructions: /_h$|^FMOV_(vh|wh|xh|hw|hx)$/ },
  FHM:     { id: "ID_AA64ISAR0_EL1 48=1", needs: ["FP16"], instructions: /^FML[AS]L2?_/ },
  FCMA:    { id: "ID_AA64ISAR1_EL1 16=1", usual: true, instructions: /^FC(MLA|ADD)_/ },
  JSCVT:   { id: "ID_AA64ISAR1_EL1 12=1", usual: true, instructions: /^FJCVTZS$/ },
  FRINTTS: { id: "ID_AA64ISAR1_EL1 32=1", usual: true, instructions: /^FRINT(32|64)[ZX]/ },
  FlagM:   { id: "ID_AA64ISAR0_EL1 52=1", usual: true, instructions: /^(CFINV|RMIF|SETF8|SETF16)$/ },
  FlagM2:  { id: "ID_AA64ISAR0_EL1 52=2", usual: true, needs: ["FlagM"], instructions: /^[AX]{2}FLAG$/ },
  LRCPC:   { id: "ID_AA64ISAR1_EL1 20=1", usual: true, instructions: /^LDAPR$/ },
  LRCPC2:  { id: "ID_AA64ISAR1_EL1 20=2", usual: true, needs: ["LRCPC"], instructions: /^(STLUR|LDAPUR.*)$/ },
  DPB:     { id: "ID_AA64ISAR1_EL1 0=1", usual: true },
  DPB2:    { id: "ID_AA64ISAR1_EL1 0=2", usual: true, needs: ["DPB"] },
  SHA512:  { id: "ID_AA64ISAR0_EL1 12=2", usual: true, needs: ["SHA3"], instructions: /^SHA512/ },
  SHA3:    { id: "ID_AA64ISAR0_EL1 32=1", usual: true, needs: ["SHA512"], instructions: /^(EOR3|BCAX|RAX1|XAR)$/ },
  SM3:     { id: "ID_AA64ISAR0_EL1 36=1", usual: true, needs: ["SM4"], instructions: /^SM3/ },
  SM4:     { id: "ID_AA64ISAR0_EL1 40=1", usual: true, needs: ["SM3"], instructions: /^SM4/ },
  SB:      { id: "ID_AA64ISAR1_EL1 36=1", usual: true, instructions: /^SB$/ },
  SSBS:    { id: "ID_AA64PFR1_EL1 4=2", registers: ["SSBS"] },
  DIT:     { id: "ID_AA64PFR0_EL1 48=1", registers: ["DIT"] },
  UAO:     { id: "ID_AA64MMFR2_EL1 4=1", registers: ["UAO"] },
  TTST:    { id: "ID_AA64MMFR2_EL1 28=1", usual: true },
  RNG:     { id: "ID_AA64ISAR0_EL1 60=1", usual: true, registers: ["RNDR", "RNDRRS"] },
  PMU:     { id: "ID_AA64DFR0_EL1 8=1", usual: true, registers: sysregNames.filter(name => name.startsWith("PM")) },
};
export const featureNames = Object.keys(features) as FeatureName[];
export type Features = ReadonlySet<FeatureName>;

/** What costs a guest nothing. Beside it, by name: everything; Armv8.0 with the cryptographic instructions. */
export const DEFAULT_FEATURES: Features = new Set(featureNames.filter(name => features[name].usual === true));
const models: ReadonlyMap<string, Features> = new Map([["max", new Set(featureNames)], ["v8.0", new Set<FeatureName>()], ["default", DEFAULT_FEATURES]]);
/** Those of them that give the same in every run. */
export const REPEATABLE_FEATURES: Features = new Set([...DEFAULT_FEATURES].filter(name => name !== "RNG"));

/** Adds what the features of a set can't be without. */
function complete(set: Set<FeatureName>): Set<FeatureName> {
  for (const name of set) for (const other of features[name].needs ?? []) set.add(other); // a Set gives what is added meanwhile
  return set;
}
/** Takes one away, with those that can't be without it. */
function remove(set: Set<FeatureName>, name: FeatureName): void {
  if (!set.delete(name)) return;
  for (const other of set) if (features[other].needs?.includes(name) === true) remove(set, other);
}

/**
 * `--cpu`: a model, then features behind commas, or such features alone (on top of v8.0); `-NAME` takes one away. Case does
 * not matter. Gives the set, or what is wrong with the text.
 */
export function parseFeatures(text: string): Features | { readonly unknown: string } {
  const set = new Set<FeatureName>();
  for (const [i, word] of text.split(",").entries()) {
    const model = i === 0 ? models.get(word.toLowerCase()) : undefined;
    if (model !== undefined) {
      for (const name of model) set.add(name);
      continue;
    }
    const minus = word.startsWith("-"), wanted = (minus ? word.slice(1) : word).toLowerCase();
    const name = featureNames.find(one => one.toLowerCase() === wanted);
    if (name === undefined) return { unknown: word };
    if (minus) remove(set, name);
    else complete(set.add(name));
  }
  return set;
}

/** PSTATE bits of optional features, where SPSR_EL1 has them. */
export const Mode = { SSBS: 0x1000, UAO: 0x80_0000, DIT: 0x100_0000 } as const;

/** SCTLR_EL1.DSSBS (bit 44, in the upper word): what SSBS becomes at an exception. */
export const SCTLR_DSSBS_HI = 0x1000;

/** The features of one core, and what follows from them. */
export class CoreFeatures {
  readonly #chosen: Features;
  /** Instructions and registers of features that it has not. */
  readonly #absent: readonly RegExp[];
  readonly #lacks: ReadonlySet<string>;
  /** The bits of `Mode` that it has. */
  readonly modes: number;
  /** Slots of ID registers in the state, as index of words; lo and hi. */
  readonly #identity: readonly (readonly [number, number, number])[];
  constructor(chosen: Features = DEFAULT_FEATURES) {
    this.#chosen = chosen;
    const missing = featureNames.filter(name => !chosen.has(name)).map(name => features[name]);
    this.#absent = missing.flatMap(row => row.instructions ?? []);
    this.#lacks = new Set(missing.flatMap(row => row.registers ?? []));
    this.modes = (Object.keys(Mode) as (keyof typeof Mode)[]).reduce((bits, name) => bits | (chosen.has(name) ? Mode[name] : 0), 0);
    this.#identity = identification(chosen);
  }
  has(name: FeatureName): boolean { return this.#chosen.has(name); }
  lacks(register: SysRegName): boolean { return this.#lacks.has(register); }
  /** The encodings that are left; of those not left some may be others' special cases. */
  allowed<E extends { readonly name: string }>(encodings: readonly E[]): readonly E[] {
    return encodings.filter(({ name }) => !this.#absent.some(pattern => pattern.test(name)));
  }
  /** Writes the ID registers into the state. */
  identify(x: Int32Array): void {
    for (const [at, lo, hi] of this.#identity) {
      x[at] = lo;
      x[at + 1] = hi;
    }
  }
}
function identification(chosen: Features): (readonly [number, number, number])[] {
  const values = new Map<SysRegName, bigint>();
  for (const name of chosen) {
    const [register, ...fields] = features[name].id.split(" ") as [SysRegName, ...string[]], { resetLo, resetHi } = sysregs[register];
    let id = values.get(register) ?? ((BigInt(resetHi >>> 0) << 32n) | BigInt(resetLo >>> 0));
    for (const [shift, value] of fields.map(field => field.split("=").map(BigInt) as [bigint, bigint])) {
      const now = (id >> shift) & 15n;
      if (value > now) id += (value - now) << shift;
    }
    values.set(register, id);
  }
  return [...values].map(([register, value]) => [slot[register] / 4, Number(value & 0xffff_ffffn) | 0, Number(value >> 32n) | 0] as const);
}
