// src/cpu/interpret/pmu-registers.ts — the registers of the performance monitors (pmu.ts).
// Spec: ARM DDI 0487, D19.5 (Performance Monitors registers). A counter that there is not reads as zero and ignores writes.
import { slot, type SpecialName, type SysRegName } from "../sysreg.ts";
import { Next, Stop, type Cpu } from "./cpu.ts";
import { ALL, COUNT, PMCEID0 } from "./pmu.ts";
import { stored, Trap, value, type Attempt, type Special } from "./special.ts";

/** What EL0 may do: PMUSERENR_EL0. */
const PMUSERENR = slot.PMUSERENR_EL0 / 4;
const EN = 1, SW = 2, CR = 4, ER = 8;
const denied = (cpu: Cpu, bits: number): boolean => cpu.el === 0 && ((cpu.x[PMUSERENR] as number) & bits) === 0;

/** A counter's number in PMSELR_EL0 that means the cycle counter's filter. */
const CYCLES = 31;
const PMSELR = slot.PMSELR_EL0 / 4;
const PMCR = slot.PMCR_EL0 / 4, PMCCNTR = slot.PMCCNTR_EL0 / 4;
const PMCR_E = 1, PMCR_P = 2, PMCR_C = 4, PMCR_LC = 1 << 6, PMCR_N = COUNT << 11;
/** P, U and the event's number; P and U. */
const TYPER = 0xc000_03ff, FILTER = 0xc000_0000;

/** Counters are exact when they are looked at, and what follows from a change is known at once. */
const reading = (cpu: Cpu): void => cpu.pmu.sync(cpu.executed);
function written(cpu: Cpu): Attempt {
  const { pmu } = cpu;
  pmu.changed(cpu.executed);
  if (pmu.level === cpu.masked.pmu && pmu.slice(Number.POSITIVE_INFINITY) === Number.POSITIVE_INFINITY) return Next;
  cpu.advance(); // the line changes, or the slice must end sooner
  cpu.exit.kind = "look";
  return Stop;
}
/** A register with a mask for writes; `read` and `write` are the bits of PMUSERENR_EL0 that let EL0 do it. */
const register = (name: SpecialName, mask: number, read: number = EN, write: number = EN): Special => ({
  read: cpu => {
    if (denied(cpu, read)) return Trap;
    reading(cpu);
    return stored(cpu, name);
  },
  write: (cpu, lo, hi) => {
    if (denied(cpu, write)) return Trap;
    reading(cpu);
    cpu.x[slot[name] / 4] = lo & mask;
    if (name === "PMCCNTR_EL0") cpu.x[PMCCNTR + 1] = hi;
    return written(cpu);
  },
});
/** One of the two registers that set and clear bits of a set, which is kept in the slot of the first. */
const setting = (set: SysRegName, sets: boolean): Special => ({
  read: cpu => {
    if (denied(cpu, EN)) return Trap;
    reading(cpu);
    return value(cpu, cpu.x[slot[set] / 4] as number);
  },
  write: (cpu, lo) => {
    if (denied(cpu, EN)) return Trap;
    reading(cpu);
    const at = slot[set] / 4, now = cpu.x[at] as number;
    cpu.x[at] = (sets ? now | lo : now & ~lo) & ALL;
    return written(cpu);
  },
});
const only = (bits: number, constant: number): Special => ({ read: cpu => (denied(cpu, bits) ? Trap : value(cpu, constant)) });

type Indexed<Name extends string> = `${Name}${0 | 1 | 2 | 3 | 4 | 5}_EL0`;
const INDEXES = [0, 1, 2, 3, 4, 5] as const;
const counters: readonly Special[] = INDEXES.map(i => register(`PMEVCNTR${i}_EL0`, -1, EN | ER));
const typers: readonly Special[] = INDEXES.map(i => register(`PMEVTYPER${i}_EL0`, TYPER));
const each = <Name extends string>(name: Name, of: readonly Special[]): { readonly [K in Indexed<Name>]: Special } =>
  Object.fromEntries(INDEXES.map(i => [`${name}${i}_EL0`, of[i]])) as { readonly [K in Indexed<Name>]: Special };
const filter = register("PMCCFILTR_EL0", FILTER);
/** The register that PMSELR_EL0 selects. */
const selected = (of: readonly Special[], cycles: Special | undefined, read: number): Special => {
  const which = (cpu: Cpu): Special | undefined => {
    const n = cpu.x[PMSELR] as number;
    return n === CYCLES ? cycles : of[n];
  };
  return {
    read: cpu => (denied(cpu, read) ? Trap : which(cpu)?.read(cpu) ?? value(cpu, 0)),
    write: (cpu, lo, hi) => (denied(cpu, EN) ? Trap : which(cpu)?.write?.(cpu, lo, hi) ?? Next),
  };
};

export const pmuRegisters: { readonly [K in Extract<SpecialName, `PM${string}`>]: Special } = {
  PMCR_EL0: {
    read: cpu => (denied(cpu, EN) ? Trap : stored(cpu, "PMCR_EL0")),
    write: (cpu, lo) => {
      if (denied(cpu, EN)) return Trap;
      reading(cpu);
      const { x } = cpu;
      x[PMCR] = PMCR_N | PMCR_LC | (lo & PMCR_E);
      if ((lo & PMCR_P) !== 0) for (const i of INDEXES) x[slot[`PMEVCNTR${i}_EL0`] / 4] = 0;
      if ((lo & PMCR_C) !== 0) x[PMCCNTR] = x[PMCCNTR + 1] = 0;
      return written(cpu);
    },
  },
  PMCNTENSET_EL0: setting("PMCNTENSET_EL0", true), PMCNTENCLR_EL0: setting("PMCNTENSET_EL0", false),
  PMOVSSET_EL0: setting("PMOVSSET_EL0", true), PMOVSCLR_EL0: setting("PMOVSSET_EL0", false),
  PMINTENSET_EL1: setting("PMINTENSET_EL1", true), PMINTENCLR_EL1: setting("PMINTENSET_EL1", false),
  PMSWINC_EL0: {
    read: cpu => cpu.undefined(),
    write: (cpu, lo) => {
      if (denied(cpu, EN | SW)) return Trap;
      reading(cpu);
      cpu.pmu.increment(lo);
      return written(cpu);
    },
  },
  PMSELR_EL0: register("PMSELR_EL0", 31, EN | ER, EN | ER),
  PMCEID0_EL0: only(EN, PMCEID0), PMCEID1_EL0: only(EN, 0),
  PMCCNTR_EL0: register("PMCCNTR_EL0", -1, EN | CR),
  PMCCFILTR_EL0: filter,
  PMXEVTYPER_EL0: selected(typers, filter, EN),
  PMXEVCNTR_EL0: selected(counters, undefined, EN | ER),
  ...each("PMEVCNTR", counters), ...each("PMEVTYPER", typers),
  PMUSERENR_EL0: { // EL0 may always read it
    read: cpu => stored(cpu, "PMUSERENR_EL0"),
    write: (cpu, lo) => {
      if (cpu.el === 0) return cpu.undefined();
      cpu.x[PMUSERENR] = lo & (EN | SW | CR | ER);
      return Next;
    },
  },
};
