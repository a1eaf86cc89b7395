// src/machine/psci.ts — the firmware calls of an EL1 guest: PSCI 1.1, the SMC calling convention and the TRNG service.
// Spec: ARM DEN 0022D (PSCI), DEN 0028 (SMCCC), DEN 0098 (TRNG). Left out: PSCI_STAT_*, NODE_HW_STATE, MEM_PROTECT,
// SET_SUSPEND_MODE: reported as not supported.

/** What the service asks of the machine. Affinities are the low 24 bits of MPIDR. */
export interface Firmware {
  /** Index of the core with this affinity (aff3..aff0 in MPIDR's layout), or -1. */
  cpuOf(affinityLo: number, affinityHi: number): number;
  isOn(cpu: number): boolean;
  /** Starts a core. */
  start(cpu: number, entryLo: number, entryHi: number, contextLo: number, contextHi: number): void;
  /** True when instructions can be fetched from there. */
  validEntry(lo: number, hi: number): boolean;
  off(cpu: number): void;
  /** Waits like WFI. */
  suspend(cpu: number): void;
  systemOff(): void;
  systemReset(): void;
  /** Fills an array with host entropy. */
  random(into: Uint32Array): void;
}
/** The caller's registers x0..x3. */
export interface CallRegisters {
  argument(index: number): { readonly lo: number; readonly hi: number };
  setArgument(index: number, lo: number, hi: number): void;
}

export const PsciResult = {
  success: 0, notSupported: -1, invalidParameters: -2, denied: -3, alreadyOn: -4, onPending: -5, internalFailure: -6,
  notPresent: -7, disabled: -8, invalidAddress: -9,
} as const;

const Id = {
  PSCI_VERSION: 0x8400_0000,
  CPU_SUSPEND: 0x8400_0001,
  CPU_OFF: 0x8400_0002,
  CPU_ON: 0x8400_0003,
  AFFINITY_INFO: 0x8400_0004,
  MIGRATE_INFO_TYPE: 0x8400_0006,
  SYSTEM_OFF: 0x8400_0008,
  SYSTEM_RESET: 0x8400_0009,
  PSCI_FEATURES: 0x8400_000a,
  SYSTEM_RESET2: 0x8400_0012,
  SMCCC_VERSION: 0x8000_0000,
  SMCCC_ARCH_FEATURES: 0x8000_0001,
  SMCCC_ARCH_WORKAROUND_1: 0x8000_8000,
  SMCCC_ARCH_WORKAROUND_2: 0x8000_7fff,
  SMCCC_ARCH_WORKAROUND_3: 0x8000_3fff,
  TRNG_VERSION: 0x8400_0050,
  TRNG_FEATURES: 0x8400_0051,
  TRNG_GET_UUID: 0x8400_0052,
  TRNG_RND: 0x8400_0053,
} as const;
/** The 64-bit calling convention of the same function. */
const SMC64 = 0x4000_0000;
/** Functions with a 64-bit form. */
const WIDE: readonly number[] = [Id.CPU_SUSPEND, Id.CPU_ON, Id.AFFINITY_INFO, Id.SYSTEM_RESET2, Id.TRNG_RND];
const PSCI: readonly number[] = [
  Id.PSCI_VERSION, Id.CPU_SUSPEND, Id.CPU_OFF, Id.CPU_ON, Id.AFFINITY_INFO, Id.MIGRATE_INFO_TYPE, Id.SYSTEM_OFF,
  Id.SYSTEM_RESET, Id.PSCI_FEATURES, Id.SYSTEM_RESET2,
];
const TRNG: readonly number[] = [Id.TRNG_VERSION, Id.TRNG_FEATURES, Id.TRNG_GET_UUID, Id.TRNG_RND];
const TRNG_INVALID_PARAMETERS = -2;
/** Bits a TRNG_RND call may ask for: three registers of 32 or 64 bits. */
const TRNG_MAX_BITS = 96;

/** Serves one HVC or SMC call of core `cpu`; the results are in its registers afterwards. */
export function serveCall(cpu: number, registers: CallRegisters, firmware: Firmware): void {
  const fn = registers.argument(0).lo >>> 0;
  const wide = (fn & SMC64) !== 0;
  const id = wide ? (fn & ~SMC64) >>> 0 : fn;
  const answer = (value: number): void => registers.setArgument(0, value | 0, wide || value < 0 ? value >> 31 : 0);
  if (wide && !WIDE.includes(id)) return answer(PsciResult.notSupported);
  // the 32-bit convention passes 32-bit parameters
  const argument = (i: number): { lo: number; hi: number } => {
    const a = registers.argument(i);
    return wide ? a : { lo: a.lo, hi: 0 };
  };
  switch (id) {
    case Id.PSCI_VERSION: return answer(0x0001_0001);
    case Id.SMCCC_VERSION: return answer(0x0001_0001);
    case Id.PSCI_FEATURES: return answer(psciFeature(argument(1).lo >>> 0));
    case Id.SMCCC_ARCH_FEATURES: return answer(archFeature(argument(1).lo >>> 0));
    case Id.SMCCC_ARCH_WORKAROUND_1:
    case Id.SMCCC_ARCH_WORKAROUND_2:
    case Id.SMCCC_ARCH_WORKAROUND_3: return; // callable, and nothing to do
    case Id.MIGRATE_INFO_TYPE: return answer(2); // no trusted OS: nothing to migrate
    case Id.CPU_ON: {
      const affinity = argument(1), entry = argument(2), context = argument(3);
      const target = firmware.cpuOf(affinity.lo, affinity.hi);
      if (target < 0) return answer(PsciResult.invalidParameters);
      if (!firmware.validEntry(entry.lo, entry.hi)) return answer(PsciResult.invalidAddress);
      if (firmware.isOn(target)) return answer(PsciResult.alreadyOn);
      firmware.start(target, entry.lo, entry.hi, context.lo, context.hi);
      return answer(PsciResult.success);
    }
    case Id.CPU_OFF: return firmware.off(cpu);
    case Id.CPU_SUSPEND: // every state is a standby state: it returns after the next interrupt
      firmware.suspend(cpu);
      return answer(PsciResult.success);
    case Id.AFFINITY_INFO: {
      const affinity = argument(1), level = argument(2);
      const target = firmware.cpuOf(affinity.lo, affinity.hi);
      if (level.lo !== 0 || level.hi !== 0 || target < 0) return answer(PsciResult.invalidParameters);
      return answer(firmware.isOn(target) ? 0 : 1);
    }
    case Id.SYSTEM_OFF: return firmware.systemOff();
    case Id.SYSTEM_RESET: return firmware.systemReset();
    case Id.SYSTEM_RESET2:
      // warm reset only; vendor types have bit 31 set
      if ((argument(1).lo >>> 0) !== 0) return answer(PsciResult.invalidParameters);
      return firmware.systemReset();
    case Id.TRNG_VERSION: return answer(0x0001_0000);
    case Id.TRNG_FEATURES: {
      const asked = argument(1).lo >>> 0;
      return answer(TRNG.includes(asked) || asked === ((Id.TRNG_RND | SMC64) >>> 0) ? 0 : PsciResult.notSupported);
    }
    case Id.TRNG_GET_UUID: // 4d8b1f3c-52a0-4e7e-9d3b-6876726e6701, in four words
      registers.setArgument(0, 0x4d8b_1f3c, 0);
      registers.setArgument(1, 0x52a0_4e7e, 0);
      registers.setArgument(2, 0x9d3b_6876, 0);
      registers.setArgument(3, 0x726e_6701, 0);
      return;
    case Id.TRNG_RND: {
      const bits = argument(1).lo >>> 0;
      if (argument(1).hi !== 0 || bits === 0 || bits > TRNG_MAX_BITS * (wide ? 2 : 1)) return answer(TRNG_INVALID_PARAMETERS);
      return entropy(registers, firmware, bits, wide);
    }
    default: return answer(PsciResult.notSupported);
  }
}

function psciFeature(asked: number): number {
  if (asked === Id.SMCCC_VERSION) return 0;
  const id = (asked & ~SMC64) >>> 0;
  if (!PSCI.includes(id) || (asked !== id && !WIDE.includes(id))) return PsciResult.notSupported;
  return 0; // CPU_SUSPEND: original power state format, platform-coordinated mode
}
function archFeature(asked: number): number {
  switch (asked) {
    case Id.SMCCC_VERSION:
    case Id.SMCCC_ARCH_FEATURES: return 0;
    // this core does not speculate: the workarounds exist and none is needed
    case Id.SMCCC_ARCH_WORKAROUND_1:
    case Id.SMCCC_ARCH_WORKAROUND_3: return 1;
    case Id.SMCCC_ARCH_WORKAROUND_2: return -2;
    default: return PsciResult.notSupported;
  }
}

/** Puts `bits` random bits into x3, x2, x1 (least significant in x3), the rest zero; x0 = success. */
function entropy(registers: CallRegisters, firmware: Firmware, bits: number, wide: boolean): void {
  const words = new Uint32Array(6);
  firmware.random(words);
  for (let i = 0; i < 6; i++) {
    const keep = Math.min(32, Math.max(0, bits - 32 * i));
    words[i] = keep === 0 ? 0 : (words[i] as number) >>> (32 - keep);
  }
  const word = (i: number): number => words[i] as number;
  for (let r = 0; r < 3; r++) {
    registers.setArgument(3 - r, word(wide ? 2 * r : r), wide ? word(2 * r + 1) : 0);
  }
  registers.setArgument(0, 0, 0);
}
