// src/cpu/a64/half.ts — the encodings of half precision (FEAT_FP16), made from those of single and double precision: the same
// instruction elsewhere in the encoding space, with the name of the other and _h behind it.
// Spec: ARM DDI 0487, C4.1: Advanced SIMD three same (FP16), two-register miscellaneous (FP16), and size or ftype of the rest.
import type { Table } from "./pattern.ts";
import { simdFp } from "./simd-fp.ts";
import { simdThree } from "./simd-three.ts";
import { simdTwo } from "./simd-two.ts";

/** How a group's lines become those of half precision; a line to which none applies has no such form. */
const threeRules: readonly (readonly [RegExp, string])[] = [
  [/([01])g 1 zzzzz 11(\d\d\d) 1/, "$1 10 zzzzz 00 $2 1"], // three same
  [/(?<=0111[01] )1g (l zzzzz (?:0001|0101|1001) h)/, "00 $1"], [/(?<=11111 )1g (l zzzzz)/, "00 $1"], // by element, vector and scalar
  [/(?<=01110 )1g (0 zzzzz 1 1[01].r? ?)/, "01 $1"], // FCMLA, FCADD
];
const twoRules: readonly (readonly [RegExp, string])[] = [
  [/([01])g 10000 (\d{5}) 10/, "$1 1 11100 $2 10"], // miscellaneous
  [/0 1 1 01110 ([01])0 11000 (\d{5}) 10/, "0 q 0 01110 $10 11000 $2 10"], // across lanes
  [/01 1 11110 ([01])g 11000 (\d{5}) 10/, "01 0 11110 $10 11000 $2 10"], // scalar pairwise
];
const scalarRules: readonly (readonly [RegExp, string])[] = [[/(1111[01]) 0g/, "$1 11"]];
/** Between other formats, or to a width of its own. */
const NONE = /^(FCVT(N|L|XN)_|FRINT(32|64))/;

function halves(table: Table, rules: readonly (readonly [RegExp, string])[]): [string, string][] {
  return Object.entries(table).filter(([name]) => !NONE.test(name)).flatMap(([name, pattern]) => {
    const rule = rules.find(([from]) => from.test(pattern));
    return rule === undefined ? [] : [[`${name}_h`, pattern.replace(rule[0], rule[1])] as [string, string]];
  });
}
export const half: Table = Object.fromEntries([...halves(simdThree, threeRules), ...halves(simdTwo, twoRules), ...halves(simdFp, scalarRules)]);

/** Half precision with no likeness among the others. */
export const halfMove = {
  FMOV_wh:     "0 0 0 11110 11 1 00 110 000000 yyyyy ddddd",
  FMOV_xh:     "1 0 0 11110 11 1 00 110 000000 yyyyy ddddd",
  FMOV_hw:     "0 0 0 11110 11 1 00 111 000000 nnnnn xxxxx",
  FMOV_hx:     "1 0 0 11110 11 1 00 111 000000 nnnnn xxxxx",
  FCMLA_ve_h:  "0 q 1 01111 01 l zzzzz 0 rr 1 h 0 yyyyy xxxxx",
} as const;
