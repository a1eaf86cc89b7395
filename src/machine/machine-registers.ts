// src/machine/machine-registers.ts — system registers that trap to the machine: the debug lock registers, on backends
// whose cores have no self-hosted debug of their own, read as unlocked; the interrupt controller's interface is UNDEFINED with a GICv2.
// Spec: ARM DDI 0487, D19.3 (debug registers); IHI 0069, 12.2 (ICC_*_EL1).
import type { Gicv3 } from "../../devices/gic/gicv3.ts";
import type { IccRegister } from "../../devices/gic/icc.ts";

const key = (op0: number, op1: number, crn: number, crm: number, op2: number): number =>
  (op0 << 14) | (op1 << 11) | (crn << 7) | (crm << 3) | op2;
const OSLAR_EL1 = key(2, 0, 1, 0, 4);
const OSLSR_EL1 = key(2, 0, 1, 1, 4);
const OSDLR_EL1 = key(2, 0, 1, 3, 4);
const DBGPRCR_EL1 = key(2, 0, 1, 4, 4);
const OSLSR_OSLM_IMPLEMENTED = 1 << 3;

const ICC: Readonly<Record<IccRegister, number>> = {
  PMR: key(3, 0, 4, 6, 0), IAR0: key(3, 0, 12, 8, 0), EOIR0: key(3, 0, 12, 8, 1), HPPIR0: key(3, 0, 12, 8, 2), BPR0: key(3, 0, 12, 8, 3),
  AP0R0: key(3, 0, 12, 8, 4), AP1R0: key(3, 0, 12, 9, 0), DIR: key(3, 0, 12, 11, 1), RPR: key(3, 0, 12, 11, 3), SGI1R: key(3, 0, 12, 11, 5),
  ASGI1R: key(3, 0, 12, 11, 6), SGI0R: key(3, 0, 12, 11, 7), IAR1: key(3, 0, 12, 12, 0), EOIR1: key(3, 0, 12, 12, 1),
  HPPIR1: key(3, 0, 12, 12, 2), BPR1: key(3, 0, 12, 12, 3), CTLR: key(3, 0, 12, 12, 4), SRE: key(3, 0, 12, 12, 5),
  IGRPEN0: key(3, 0, 12, 12, 6), IGRPEN1: key(3, 0, 12, 12, 7),
};
const iccRegister = new Map((Object.keys(ICC) as IccRegister[]).map(name => [ICC[name], name]));

/** An access of a CPU to the interface of a GICv3: as `serveSysreg`. */
export function serveIcc(gic: Gicv3, cpu: number, encoding: number, write: boolean, lo: number, hi: number): number | undefined {
  const register = iccRegister.get(encoding);
  if (register === undefined) return undefined;
  if (!write) return gic.icc.read(cpu, register);
  gic.icc.write(cpu, register, lo, hi);
  return 0;
}

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
