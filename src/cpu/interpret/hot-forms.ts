// src/cpu/interpret/hot-forms.ts — which instructions have an inline form in hot.ts, and with which operands.
// A form is only chosen where its code does exactly what the reference handler would; all else is left to the handler.
import { ZR } from "../a64/pattern.ts";
import { Offset } from "../state.ts";
import { slot, sysregKey, sysregName, sysregs } from "../sysreg.ts";
import { bitMask } from "./arithmetic.ts";
import type { Cpu } from "./cpu.ts";

const V = Offset.V / 4;
/** Cells per decoded word: word, kind, operands A to F. */
export const CELLS = 8;

/** The inline forms; 0 stands for all others. */
export const Kind = {
  general: 0,
  add64: 1, add64lsl: 2, add32: 3, sub64: 4, sub32: 5, subs64: 6, subs32: 7, adds64: 8,
  and64: 9, and32: 10, orr64: 11, orr32: 12, eor64: 13, eor32: 14,
  addImm64: 15, subImm64: 16, addImm32: 17, subImm32: 18, subsImm64: 19, subsImm32: 20,
  andMask: 21, andsMask64: 22, andsMask32: 23, orrMask: 24, constant: 25, movk: 26,
  lsl64low: 27, lsr64low: 28, lsr64high: 29, ubfm32: 30, sxtw: 31,
  csel64: 32, csel32: 33, csinc64: 34, csinc32: 35, madd64: 36, madd32: 37, umulh: 38, adrp: 39,
  b: 40, bl: 41, bcond: 42, cbz64: 43, cbnz64: 44, cbz32: 45, cbnz32: 46, tbz: 47, tbnz: 48,
  ldr64: 49, ldr32: 50, ldr16: 51, ldr8: 52, str64: 53, str32: 54, str16: 55, str8: 56,
  ldr64reg: 57, ldr32reg: 58, ldr8reg: 59, str64reg: 60, ldp64: 61, stp64: 62, umaddl: 63,
  nop: 64, add64lsr: 65, add64uxtw: 66, addsImm64: 67, addsImm32: 68, adc64: 69, br: 70,
  ccmpImm: 71, ccmpReg: 72, str32reg: 73, str8reg: 74, ldr8uxtw: 75, str8uxtw: 76, stp128: 77,
  mrs: 78,
} as const;

type Fields = Readonly<Record<string, number>>;
const out = new Int32Array(CELLS);
const form = (kind: number, a: number, b = 0, c = 0, d = 0, e = 0, f = 0): Int32Array => {
  out[1] = kind; out[2] = a; out[3] = b; out[4] = c; out[5] = d; out[6] = e; out[7] = f;
  return out;
};

/** Kind and operands of a decoded instruction (cells 1 to 7 of the result, valid until the next call); kind 0 if none fits. */
export function hotForm(cpu: Cpu, name: string, fields: Fields): Int32Array {
  const get = (letter: string): number => fields[letter] ?? 0;
  const d = 2 * get("d"), n = 2 * get("n"), m = 2 * get("m"), wide = get("f") === 1;
  const real = get("d") !== ZR;
  const shifted = get("i") !== 0;
  const three = (kind64: number, kind32: number): Int32Array =>
    real && !shifted ? form(wide ? kind64 : kind32, d, n, m) : form(Kind.general, 0);
  const relative = (bits: number): number => (get("i") << (32 - bits)) >> (30 - bits);
  const immediate = get("h") === 1 ? get("i") << 12 : get("i");
  const mask = (kind64: number, kind32: number, to: number): Int32Array =>
    (!wide && get("e") !== 0) || !bitMask(cpu, get("e"), get("r"), get("i")) ? form(Kind.general, 0)
      : form(wide ? kind64 : kind32, to, n, cpu.lo, wide ? cpu.hi : 0);
  const N = 2 * get("N"), t = 2 * get("t");
  const sp = get("N") === 31 ? 15 : 0;
  const access = (kinds: readonly number[], offset: number): Int32Array => form(kinds[get("g")] as number, t, N, offset, 0, sp, 0);
  const loads = [Kind.ldr8, Kind.ldr16, Kind.ldr32, Kind.ldr64], stores = [Kind.str8, Kind.str16, Kind.str32, Kind.str64];
  const load = (offset: number): Int32Array => (get("t") === ZR ? form(Kind.general, 0) : access(loads, offset));
  const pair = (kind: number, offset: boolean, back: boolean): Int32Array => {
    const by = ((get("i") << 25) >> 25) * 8;
    if (get("g") !== 1 || (kind === Kind.ldp64 && (get("t") === ZR || get("u") === ZR))) return form(Kind.general, 0);
    if (back && (by === 0 || get("t") === get("N") || get("u") === get("N"))) return form(Kind.general, 0);
    return form(kind, t, N, offset ? by : 0, back ? by : 0, sp, 2 * get("u"));
  };
  /** Write-back forms of 64-bit and byte accesses. */
  const indexed = (kinds: readonly number[], isLoad: boolean, before: boolean): Int32Array => {
    const by = (get("i") << 23) >> 23;
    const g = get("g");
    if ((g !== 3 && g !== 0) || get("t") === get("N") || (isLoad && get("t") === ZR)) return form(Kind.general, 0);
    return form(kinds[g] as number, t, N, before ? by : 0, by, sp, 1);
  };
  const register = (kinds: readonly number[], isLoad: boolean): Int32Array => {
    const kind = kinds[get("g")] as number;
    if (get("g") === 0 && get("e") === 2 && !(isLoad && get("t") === ZR)) return form(isLoad ? Kind.ldr8uxtw : Kind.str8uxtw, t, N, m, 0, sp, 0);
    if (kind === 0 || get("e") !== 3 || (isLoad && get("t") === ZR)) return form(Kind.general, 0);
    return form(kind, t, N, m, get("h") === 1 ? get("g") : 0, sp, 0);
  };
  const unscaled = (get("i") << 23) >> 23;
  switch (name) {
    case "ADD_reg":
      if (wide && real && get("h") === 0 && get("i") > 0 && get("i") < 32) return form(Kind.add64lsl, d, n, m, get("i"));
      if (wide && real && get("h") === 1 && get("i") > 0) return form(Kind.add64lsr, d, n, m, get("i") & 31, get("i") >>> 5);
      return get("h") === 3 ? form(Kind.general, 0) : three(Kind.add64, Kind.add32);
    case "ADD_ext": return wide && get("o") === 2 && get("i") < 5 ? form(Kind.add64uxtw, 2 * get("D"), N, m, get("i")) : form(Kind.general, 0);
    case "ADC": return wide && real ? form(Kind.adc64, d, n, m) : form(Kind.general, 0);
    case "ADDS_imm": return form(wide ? Kind.addsImm64 : Kind.addsImm32, d, N, immediate);
    case "HINT": return get("k") === 0 && get("p") === 1 && cpu.peers.length > 1 ? form(Kind.general, 0) : form(Kind.nop, 0); // YIELD gives the turn to another core
    case "RET":
    case "BR": return form(Kind.br, n);
    case "MRS": {
      const found = sysregName(sysregKey(2 + get("q"), get("o"), get("c"), get("k"), get("p")));
      if (found === undefined || get("t") === ZR) return form(Kind.general, 0);
      if (found === "SP_EL0") return form(Kind.mrs, t, Offset.SP_EL0 / 4, 1);
      const row = sysregs[found];
      return (row.kind === "plain" || row.kind === "constant") && row.el1 !== "wo" ? form(Kind.mrs, t, slot[found] / 4, 0, row.el0 === "none" ? 0 : 1) : form(Kind.general, 0);
    }
    case "SUB_reg": return get("h") === 3 ? form(Kind.general, 0) : three(Kind.sub64, Kind.sub32);
    case "SUBS_reg": return get("h") === 3 || shifted ? form(Kind.general, 0) : form(wide ? Kind.subs64 : Kind.subs32, d, n, m);
    case "ADDS_reg": return get("h") === 3 || shifted || !wide ? form(Kind.general, 0) : form(Kind.adds64, d, n, m);
    case "AND_reg": return three(Kind.and64, Kind.and32);
    case "ORR_reg": return three(Kind.orr64, Kind.orr32);
    case "EOR_reg": return three(Kind.eor64, Kind.eor32);
    case "ADD_imm": return form(wide ? Kind.addImm64 : Kind.addImm32, 2 * get("D"), N, immediate);
    case "SUB_imm": return form(wide ? Kind.subImm64 : Kind.subImm32, 2 * get("D"), N, immediate);
    case "SUBS_imm": return form(wide ? Kind.subsImm64 : Kind.subsImm32, d, N, immediate);
    case "AND_imm": return mask(Kind.andMask, Kind.andMask, 2 * get("D"));
    case "ORR_imm": return wide ? mask(Kind.orrMask, Kind.orrMask, 2 * get("D")) : form(Kind.general, 0);
    case "ANDS_imm": return mask(Kind.andsMask64, Kind.andsMask32, d);
    case "MOVZ":
    case "MOVN": {
      const h = get("h");
      if (!real || (!wide && h > 1)) return form(Kind.general, 0);
      const lo = h < 2 ? get("i") << (16 * h) : 0, hi = h < 2 ? 0 : get("i") << (16 * h - 32);
      return name === "MOVZ" ? form(Kind.constant, d, lo, hi) : form(Kind.constant, d, ~lo, wide ? ~hi : 0);
    }
    case "MOVK": {
      const by = 16 * (get("h") & 1);
      return !real || !wide ? form(Kind.general, 0) : form(Kind.movk, get("h") < 2 ? d : d + 1, ~(0xffff << by), get("i") << by);
    }
    case "UBFM": {
      const r = get("r"), i = get("i");
      if (!real || get("e") !== get("f")) return form(Kind.general, 0);
      if (!wide) return ((r | i) & 32) !== 0 ? form(Kind.general, 0) : form(Kind.ubfm32, d, n, 31 - i, i >= r ? 31 - i + r : r - i - 1);
      if (i === 63 && r > 0 && r < 32) return form(Kind.lsr64low, d, n, r);
      if (i === 63 && r >= 32) return form(Kind.lsr64high, d, n, r - 32);
      if (i !== 63 && i + 1 === r && 63 - i < 32) return form(Kind.lsl64low, d, n, 63 - i);
      return i >= r && i < 32 ? form(Kind.ubfm32, d, n, 31 - i, 31 - i + r) : form(Kind.general, 0);
    }
    case "SBFM": return real && wide && get("e") === 1 && get("r") === 0 && get("i") === 31 ? form(Kind.sxtw, d, n) : form(Kind.general, 0);
    case "CSEL": return real ? form(wide ? Kind.csel64 : Kind.csel32, d, n, m, get("c") << 4) : form(Kind.general, 0);
    case "CSINC": return real ? form(wide ? Kind.csinc64 : Kind.csinc32, d, n, m, get("c") << 4) : form(Kind.general, 0);
    case "CCMP_imm": return form(Kind.ccmpImm, 0, n, get("i"), get("c") << 4, get("f"), get("v") << 28);
    case "CCMP_reg": return form(Kind.ccmpReg, 0, n, m, get("c") << 4, get("f"), get("v") << 28);
    case "MADD": return real ? form(wide ? Kind.madd64 : Kind.madd32, d, n, m, 2 * get("a")) : form(Kind.general, 0);
    case "UMADDL": return real ? form(Kind.umaddl, d, n, m, 2 * get("a")) : form(Kind.general, 0);
    case "UMULH": return real ? form(Kind.umulh, d, n, m) : form(Kind.general, 0);
    case "ADRP": {
      const pages = ((get("i") << 13) >> 11) | get("j");
      return real ? form(Kind.adrp, d, pages << 12, pages >> 20) : form(Kind.general, 0);
    }
    case "B": return form(Kind.b, relative(26));
    case "BL": return form(Kind.bl, relative(26));
    case "B_cond": return form(Kind.bcond, relative(19), get("c") << 4);
    case "CBZ": return form(wide ? Kind.cbz64 : Kind.cbz32, relative(19), t);
    case "CBNZ": return form(wide ? Kind.cbnz64 : Kind.cbnz32, relative(19), t);
    case "TBZ": return form(Kind.tbz, relative(14), t + (get("b") >>> 5), 1 << (get("b") & 31));
    case "TBNZ": return form(Kind.tbnz, relative(14), t + (get("b") >>> 5), 1 << (get("b") & 31));
    case "LDR_imm": return load(get("i") << get("g"));
    case "STR_imm": return access(stores, get("i") << get("g"));
    case "LDUR": return load(unscaled);
    case "STUR": return access(stores, unscaled);
    case "LDR_post": return indexed(loads, true, false);
    case "LDR_pre": return indexed(loads, true, true);
    case "STR_post": return indexed(stores, false, false);
    case "STR_pre": return indexed(stores, false, true);
    case "LDR_reg": return register([Kind.ldr8reg, 0, Kind.ldr32reg, Kind.ldr64reg], true);
    case "STR_reg": return register([Kind.str8reg, 0, Kind.str32reg, Kind.str64reg], false);
    case "LDP_off":
    case "LDNP": return pair(Kind.ldp64, true, false);
    case "STP_off":
    case "STNP": return pair(Kind.stp64, true, false);
    case "LDP_post": return pair(Kind.ldp64, false, true);
    case "STP_v_off": // CPACR_EL1.FPEN is the only field that can be other than zero
      return get("g") !== 2 ? form(Kind.general, 0) : form(Kind.stp128, V + 4 * get("x"), N, ((get("i") << 25) >> 25) * 16, 0, sp, V + 4 * get("w"));
    case "STP_post": return pair(Kind.stp64, false, true);
    case "LDP_pre": return pair(Kind.ldp64, true, true);
    case "STP_pre": return pair(Kind.stp64, true, true);
    default: return form(Kind.general, 0);
  }
}
