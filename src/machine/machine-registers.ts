// src/machine/machine-registers.ts — system registers that trap to the machine on every backend: the debug lock
// registers read as unlocked and unimplemented, the interrupt controller's interface is UNDEFINED with a GICv2.
// Spec: ARM DDI 0487, D19.3 (debug registers).

const key = (op0: number, op1: number, crn: number, crm: number, op2: number): number =>
  (op0 << 14) | (op1 << 11) | (crn << 7) | (crm << 3) | op2;
const OSLAR_EL1 = key(2, 0, 1, 0, 4);
const OSLSR_EL1 = key(2, 0, 1, 1, 4);
const OSDLR_EL1 = key(2, 0, 1, 3, 4);
const DBGPRCR_EL1 = key(2, 0, 1, 4, 4);
const OSLSR_OSLM_IMPLEMENTED = 1 << 3;

/** The value read, 0 for an accepted write, or undefined: the access is UNDEFINED. */
export function serveSysreg(encoding: number, write: boolean): number | undefined {
  switch (encoding) {
    case OSLAR_EL1:
    case OSDLR_EL1:
    case DBGPRCR_EL1: return 0;
    case OSLSR_EL1: return write ? undefined : OSLSR_OSLM_IMPLEMENTED;
    default: return undefined;
  }
}
