// src/cpu/interpret/system.ts — what the system group of a64/branch.ts does: exception generation, hints, barriers,
// PSTATE, system registers and system instructions (TLBI, IC, DC, AT).
// Spec: ARM DDI 0487, C5 (system instructions), C6.2.
import type { system } from "../a64/branch.ts";
import { ZR, type Handlers } from "../a64/pattern.ts";
import { readsAsZero, slot, sysregKey, sysregName, sysregs, type SpecialName, type SysReg, type SysRegName } from "../sysreg.ts";
import { Request } from "../domain.ts";
import { Offset } from "../state.ts";
import { enterException, EC } from "../exception.ts";
import { Mode, type FeatureName } from "../features.ts";
import { Access, Fault } from "../mmu/walk.ts";
import { Jump, Next, Stop, type Cpu, type Result } from "./cpu.ts";
import { Trap, type Attempt } from "./special.ts";
import { setPan, setSpSel, specials, trapSysreg } from "./sysreg-access.ts";

const SCTLR = slot.SCTLR_EL1 / 4;
const bit = (cpu: Cpu, n: number): boolean => (((cpu.x[SCTLR] as number) >>> n) & 1) !== 0;
const UMA = 9, DZE = 14, NTWI = 16, NTWE = 18, UCI = 26;

const YIELD = 1;
const EVENT = Offset.EVENT / 4;
/** Naps a second of a core that waits for an event: WFE may end for no reason, and so it does before long, as with the event stream. */
const NAPS = 10_000;
/** Somebody waits for another core: in turn, so that one has its turn now. Alone there is nobody to wait for. */
function turnOver(cpu: Cpu): Result {
  if (cpu.domain?.crowded === true) cpu.domain.relax();
  if (cpu.peers.length === 1) return Next;
  cpu.advance();
  cpu.exit.kind = "turn";
  return Stop;
}

/** PC points behind the instruction for SVC and HVC. */
function call(cpu: Cpu, immediate: number, conduit: "hvc" | "smc"): Result {
  if (cpu.el === 0) return cpu.undefined();
  cpu.exit.kind = "call";
  cpu.exit.immediate = immediate;
  cpu.exit.conduit = conduit;
  if (conduit === "hvc") cpu.advance();
  return Stop;
}

type Register = { q: number; o: number; c: number; k: number; p: number; t: number };

function readRegister(cpu: Cpu, f: Register): Result {
  const key = sysregKey(2 + f.q, f.o, f.c, f.k, f.p);
  const name = sysregName(key);
  if (name === undefined || cpu.features.lacks(name)) {
    if (cpu.el === 0 || !readsAsZero(key)) return cpu.undefined();
    cpu.setX(f.t, 0, 0);
    return Next;
  }
  const row: SysReg = sysregs[name];
  if ((cpu.el === 0 && row.el0 === "none") || row.el1 === "wo") return cpu.undefined();
  if (cpu.trapped.has(key) && cpu.el === 1) {
    const r = cpu.machineRegister(key, false, f.t, 0, 0);
    if (r !== Next) return r;
  } else if (row.kind === "special") {
    const r = specials[name as SpecialName].read(cpu);
    if (r === Trap) return trapSysreg(cpu, key, f.t, true);
    if (r !== Next) return r;
  } else if (row.kind === "machine") {
    const r = cpu.machineRegister(key, false, f.t, 0, 0);
    if (r !== Next) return r;
  } else {
    cpu.lo = cpu.x[slot[name] / 4] as number;
    cpu.hi = cpu.x[slot[name] / 4 + 1] as number;
  }
  cpu.onSysreg?.(name, false, cpu.lo, cpu.hi);
  cpu.setX(f.t, cpu.lo, cpu.hi);
  return Next;
}
function writeRegister(cpu: Cpu, f: Register): Result {
  const key = sysregKey(2 + f.q, f.o, f.c, f.k, f.p);
  const name = sysregName(key);
  if (name === undefined || cpu.features.lacks(name)) return cpu.undefined();
  const row: SysReg = sysregs[name];
  if ((cpu.el === 0 && row.el0 !== "rw") || row.el1 === "ro") return cpu.undefined();
  const lo = cpu.x[2 * f.t] as number;
  const hi = cpu.x[2 * f.t + 1] as number;
  cpu.onSysreg?.(name, true, lo, hi);
  if (cpu.trapped.has(key) && cpu.el === 1) return cpu.machineRegister(key, true, f.t, lo, hi);
  if (row.kind === "special") {
    const write = specials[name as SpecialName].write;
    if (write === undefined) return cpu.undefined();
    const r = write(cpu, lo, hi);
    return r === Trap ? trapSysreg(cpu, key, f.t, false) : r;
  }
  if (row.kind === "machine") return cpu.machineRegister(key, true, f.t, lo, hi);
  cpu.x[slot[name] / 4] = (lo & row.maskLo) | (row.resetLo & ~row.maskLo);
  cpu.x[slot[name] / 4 + 1] = (hi & row.maskHi) | (row.resetHi & ~row.maskHi);
  return Next;
}

// --- system instructions, by op1, CRn, CRm, op2 ------------------------------------------------------------------

const instruction = (op1: number, crn: number, crm: number, op2: number): number => sysregKey(1, op1, crn, crm, op2);
type SysHandler = (cpu: Cpu, lo: number, hi: number) => Attempt;
const nothing: SysHandler = () => Next;
const all: SysHandler = cpu => { cpu.flushTlb(); return Next; };
const byAsid: SysHandler = cpu => { cpu.flushTlbNonGlobal(false); return Next; };
/** Xt holds VA[55:12] in bits 43..0. */
const pageOf = (lo: number, hi: number): number => (hi & 0xfff) * 2 ** 32 + (lo >>> 0);
const byAddress = (last: boolean): SysHandler => (cpu, lo, hi) => {
  const page = pageOf(lo, hi);
  cpu.flushTlbPage((page % 2 ** 20) * 4096 | 0, Math.floor(page / 2 ** 20) | 0, last);
  return Next;
};
/** The inner-shareable form: on every core. Where they run in turn, all of it is done when the instruction is. */
const everywhere = (handler: SysHandler, request: number): SysHandler => (cpu, lo, hi) => {
  for (const peer of cpu.peers) handler(peer, lo, hi);
  if (cpu.domain === undefined) return Next;
  const page = request === Request.page || request === Request.pageLast ? pageOf(lo, hi) : 0; // VA bits 55..12
  cpu.domain.tell(request, (page % 2 ** 20) * 4096 | 0, Math.floor(page / 2 ** 20) | 0, 0);
  return Next;
};
/** A data abort of a cache maintenance or address translation instruction: ESR_EL1.ISS has CM and WnR set. */
const maintenanceAbort = (cpu: Cpu, fault: number, lo: number, hi: number): Result =>
  enterException(cpu, cpu.el === 0 ? EC.dataAbortLower : EC.dataAbortSame, fault | (1 << 6) | (1 << 8), lo, hi);
// Cache maintenance by address: there are no caches, but the address must translate (PAN does not matter), and EL0 needs
// SCTLR.UCI.
/** DC IVAC: the right to write is asked for. EL0 has no such instruction. */
const discard: SysHandler = (cpu, lo, hi) => {
  const fault = cpu.walker.translate(Access.write, cpu.el, false, lo, hi);
  return fault === Fault.none ? Next : maintenanceAbort(cpu, fault, lo, hi);
};
/** DC CVAC, CVAU, CVAP, CVADP, CIVAC. */
const clean: SysHandler = (cpu, lo, hi) => {
  if (cpu.el === 0 && !bit(cpu, UCI)) return Trap;
  const page = cpu.maintained(lo, hi);
  return page >= -1 ? Next : maintenanceAbort(cpu, -2 - page, lo, hi);
};
/** IC IVAU: code made from this line is looked at again, on every core. */
const invalidateLine: SysHandler = (cpu, lo, hi) => {
  if (cpu.el === 0 && !bit(cpu, UCI)) return Trap;
  const page = cpu.maintained(lo, hi);
  if (page < -1) return maintenanceAbort(cpu, -2 - page, lo, hi);
  cpu.fence(); // another core that translates marks the line before it looks at its words a second time
  if (page < 0 || !cpu.memory.codeLines.has(page, lo)) return Next;
  for (const peer of cpu.peers) peer.engine?.invalidateLine(page, lo);
  cpu.domain?.tell(Request.line, lo, 0, page);
  return Next;
};
const invalidateAll: SysHandler = cpu => {
  cpu.engine?.invalidateAll();
  return Next;
};
const zero: SysHandler = (cpu, lo, hi) => {
  if (cpu.el === 0 && !bit(cpu, DZE)) return Trap;
  const start = lo & -64;
  const p = cpu.probeWrite(1, lo, hi);
  if (p !== Next) return p;
  if (!cpu.tlb.writable(cpu.el, lo, hi) && cpu.walker.device) return cpu.alignmentFault(true, lo, hi);
  for (let i = 0; i < 64; i += 8) {
    const r = cpu.store64(start + i, hi, 0, 0);
    if (r !== Next) return r;
  }
  return Next;
};
/** AT S1E..: the result of a translation goes to PAR_EL1; only an external abort of the walk is taken. */
const at = (el: number, write: boolean, pan: boolean): SysHandler => (cpu, lo, hi) => {
  const w = cpu.walker;
  const fault = w.translate(write ? Access.write : Access.read, el, pan && cpu.x[Offset.PAN / 4] !== 0, lo, hi);
  if (fault !== Fault.none && (fault & ~3) === Fault.externalOnWalk) return maintenanceAbort(cpu, fault, lo, hi);
  const par = slot.PAR_EL1 / 4;
  if (fault !== Fault.none) {
    cpu.x[par] = 1 | (fault << 1) | (1 << 11);
    cpu.x[par + 1] = 0;
  } else {
    const page = Math.floor(w.pa / 4096);
    cpu.x[par] = ((page % 2 ** 20) * 4096) | (1 << 11) | (w.shareability << 7);
    cpu.x[par + 1] = Math.floor(page / 2 ** 20) | (w.attributes << 24);
  }
  return Next;
};

const EL0_ALLOWED = new Set<number>();
const instructions = new Map<number, SysHandler>([
  // IC IALLUIS, IALLU
  [instruction(0, 7, 1, 0), everywhere(invalidateAll, Request.code)],
  [instruction(0, 7, 5, 0), invalidateAll],
  // DC IVAC, ISW, CSW, CISW
  [instruction(0, 7, 6, 1), discard],
  [instruction(0, 7, 6, 2), nothing],
  [instruction(0, 7, 10, 2), nothing],
  [instruction(0, 7, 14, 2), nothing],
  // AT S1E1R, S1E1W, S1E0R, S1E0W, S1E1RP, S1E1WP
  [instruction(0, 7, 8, 0), at(1, false, false)],
  [instruction(0, 7, 8, 1), at(1, true, false)],
  [instruction(0, 7, 8, 2), at(0, false, false)],
  [instruction(0, 7, 8, 3), at(0, true, false)],
  [instruction(0, 7, 9, 0), at(1, false, true)],
  [instruction(0, 7, 9, 1), at(1, true, true)],
]);
// TLBI VMALLE1, VAE1, ASIDE1, VAAE1, VALE1, VAALE1, and their inner-shareable forms
for (const crm of [7, 3]) {
  const reach = crm === 3 ? everywhere : (handler: SysHandler): SysHandler => handler;
  instructions.set(instruction(0, 8, crm, 0), reach(all, Request.all));
  instructions.set(instruction(0, 8, crm, 1), reach(byAddress(false), Request.page));
  instructions.set(instruction(0, 8, crm, 2), reach(byAsid, Request.nonGlobal));
  instructions.set(instruction(0, 8, crm, 3), reach(byAddress(false), Request.page));
  instructions.set(instruction(0, 8, crm, 5), reach(byAddress(true), Request.pageLast));
  instructions.set(instruction(0, 8, crm, 7), reach(byAddress(true), Request.pageLast));
}
// What EL0 may use: IC IVAU, DC ZVA, CVAC, CVAU, CVAP, CVADP, CIVAC
const el0: readonly (readonly [number, SysHandler])[] = [
  [instruction(3, 7, 5, 1), invalidateLine],
  [instruction(3, 7, 4, 1), zero],
  [instruction(3, 7, 10, 1), clean],
  [instruction(3, 7, 11, 1), clean],
  [instruction(3, 7, 12, 1), clean],
  [instruction(3, 7, 13, 1), clean],
  [instruction(3, 7, 14, 1), clean],
];
const FEATURE_OF: ReadonlyMap<number, FeatureName> = new Map([
  [instruction(3, 7, 12, 1), "DPB"], [instruction(3, 7, 13, 1), "DPB2"], [instruction(0, 7, 9, 0), "PAN2"], [instruction(0, 7, 9, 1), "PAN2"],
]);
for (const [key, handler] of el0) {
  instructions.set(key, handler);
  EL0_ALLOWED.add(key);
}

const N = 0x8000_0000, Z = 0x4000_0000, C = 0x2000_0000, V = 0x1000_0000;
function flags(cpu: Cpu, to: number): Result {
  cpu.nzcv = to;
  return Next;
}
function setMode(cpu: Cpu, mode: number, to: number): Result {
  cpu.x[Offset.MODES / 4] = ((cpu.x[Offset.MODES / 4] as number) & ~mode) | ((to & 1) !== 0 ? mode : 0);
  return Next;
}

export const interpretSystem: Handlers<typeof system, Cpu, Result> = {
  SVC: (cpu, f) => {
    cpu.advance();
    return enterException(cpu, EC.svc, f.i);
  },
  HVC: (cpu, f) => call(cpu, f.i, "hvc"),
  SMC: (cpu, f) => call(cpu, f.i, "smc"),
  BRK: (cpu, f) => {
    if (cpu.debugExits) {
      cpu.exit.kind = "debug";
      cpu.exit.immediate = f.i;
      return Stop;
    }
    return enterException(cpu, EC.brk, f.i);
  },
  HLT: cpu => cpu.undefined(), // halting debug is not there

  HINT: (cpu, f) => (f.k === 0 && f.p === YIELD ? turnOver(cpu) : Next),
  WFE: cpu => {
    if (cpu.x[EVENT] !== 0) {
      cpu.x[EVENT] = 0;
      return Next;
    }
    if (cpu.el === 0 && !bit(cpu, NTWE)) return enterException(cpu, EC.wf, (1 << 24) | (14 << 20) | 1);
    // one that waits for a store to what it has loaded exclusively only gives its turn away: nobody tells it of that store
    if (cpu.x[Offset.LINES / 4] !== 0 || cpu.x[Offset.EXCL_VALID / 4] !== 0) return turnOver(cpu);
    cpu.napsUntil = cpu.clock.ticks() + cpu.clock.frequency / NAPS;
    cpu.advance();
    cpu.exit.kind = "wfi";
    return Stop;
  },
  WFI: cpu => {
    if (cpu.el === 0 && !bit(cpu, NTWI)) return enterException(cpu, EC.wf, (1 << 24) | (14 << 20));
    if (cpu.x[Offset.LINES / 4] !== 0) return Next;
    cpu.advance();
    cpu.exit.kind = "wfi";
    return Stop;
  },
  SEV: cpu => {
    for (const peer of cpu.peers) {
      peer.x[EVENT] = 1;
      if (peer.napsUntil !== undefined) peer.napsUntil = 0; // it is in a WFE: who is in a WFI sleeps on
    }
    cpu.domain?.event();
    return Next;
  },
  SEVL: cpu => { cpu.x[EVENT] = 1; return Next; },

  CLREX: cpu => {
    cpu.x[Offset.EXCL_VALID / 4] = 0;
    return Next;
  },
  DSB: cpu => {
    cpu.fence();
    cpu.domain?.settle();
    return Next;
  },
  DMB: cpu => {
    cpu.fence();
    return Next;
  },
  ISB: cpu => {
    cpu.advance();
    return Jump;
  },

  SB: () => Next, // nothing is done before its turn
  CFINV: cpu => flags(cpu, cpu.nzcv ^ C),
  XAFLAG: cpu => {
    const c = (cpu.nzcv & C) !== 0, z = (cpu.nzcv & Z) !== 0;
    return flags(cpu, (!c && !z ? N : 0) | (z && c ? Z : 0) | (c || z ? C : 0) | (!c && z ? V : 0));
  },
  AXFLAG: cpu => {
    const v = (cpu.nzcv & V) !== 0;
    return flags(cpu, (v || (cpu.nzcv & Z) !== 0 ? Z : 0) | (!v && (cpu.nzcv & C) !== 0 ? C : 0));
  },

  MSR_imm: (cpu, f) => {
    const key = (f.o << 3) | f.p;
    switch (key) {
      case 0b011_110: // DAIFSet
      case 0b011_111: // DAIFClr
        if (cpu.el === 0 && !bit(cpu, UMA)) return trapSysreg(cpu, sysregKey(0, f.o, 4, f.k, f.p), ZR, false);
        if (key === 0b011_110) cpu.x[Offset.DAIF / 4] = (cpu.x[Offset.DAIF / 4] as number) | (f.k << 6);
        else cpu.x[Offset.DAIF / 4] = (cpu.x[Offset.DAIF / 4] as number) & ~(f.k << 6);
        cpu.advance();
        return Jump;
      case 0b000_101: // SPSel
        if (cpu.el === 0) return cpu.undefined();
        setSpSel(cpu, f.k & 1);
        return Next;
      case 0b000_100: // PAN
        if (cpu.el === 0 || !cpu.features.has("PAN")) return cpu.undefined();
        setPan(cpu, f.k & 1);
        return Next;
      case 0b000_011: // UAO
        return cpu.el === 0 || !cpu.features.has("UAO") ? cpu.undefined() : setMode(cpu, Mode.UAO, f.k);
      case 0b011_010: // DIT
        return cpu.features.has("DIT") ? setMode(cpu, Mode.DIT, f.k) : cpu.undefined();
      case 0b011_001: // SSBS
        return cpu.features.has("SSBS") ? setMode(cpu, Mode.SSBS, f.k) : cpu.undefined();
      default:
        return cpu.undefined();
    }
  },
  SYS: (cpu, f) => {
    const key = instruction(f.o, f.c, f.k, f.p);
    const handler = instructions.get(key);
    const needed = FEATURE_OF.get(key);
    if (handler === undefined || (needed !== undefined && !cpu.features.has(needed)) || (cpu.el === 0 && !EL0_ALLOWED.has(key))) return cpu.undefined();
    const r = handler(cpu, cpu.x[2 * f.t] as number, cpu.x[2 * f.t + 1] as number);
    return r === Trap ? trapSysreg(cpu, key, f.t, false) : r;
  },
  SYSL: cpu => cpu.undefined(),
  MRS: (cpu, f) => readRegister(cpu, f),
  MSR_reg: (cpu, f) => writeRegister(cpu, f),
};

/** Encodings of the system instructions that exist, for the differential tests. */
export const systemInstructions: readonly number[] = [...instructions.keys()];
export type { SysRegName };
