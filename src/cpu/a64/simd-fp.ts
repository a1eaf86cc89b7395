// src/cpu/a64/simd-fp.ts — A64 scalar floating point ("Data Processing -- Scalar Floating-Point and Advanced SIMD").
// Spec: ARM DDI 0487, C4.1. Field letters: see pattern.ts; x = Rd, y = Rn, z = Rm, w = Ra; f = sf, g = ftype<0>
// (0 = single, 1 = double; ftype 11, half precision: half.ts), i = immediate, c = condition, v = nzcv.

export const simdFp = {
  // Conversion between floating-point and fixed-point
  SCVTF_fix:  "f 0 0 11110 0g 0 00 010 iiiiii nnnnn xxxxx",
  UCVTF_fix:  "f 0 0 11110 0g 0 00 011 iiiiii nnnnn xxxxx",
  FCVTZS_fix: "f 0 0 11110 0g 0 11 000 iiiiii yyyyy ddddd",
  FCVTZU_fix: "f 0 0 11110 0g 0 11 001 iiiiii yyyyy ddddd",

  // Conversion between floating-point and integer
  FCVTNS:     "f 0 0 11110 0g 1 00 000 000000 yyyyy ddddd",
  FCVTNU:     "f 0 0 11110 0g 1 00 001 000000 yyyyy ddddd",
  SCVTF:      "f 0 0 11110 0g 1 00 010 000000 nnnnn xxxxx",
  UCVTF:      "f 0 0 11110 0g 1 00 011 000000 nnnnn xxxxx",
  FCVTAS:     "f 0 0 11110 0g 1 00 100 000000 yyyyy ddddd",
  FCVTAU:     "f 0 0 11110 0g 1 00 101 000000 yyyyy ddddd",
  FCVTPS:     "f 0 0 11110 0g 1 01 000 000000 yyyyy ddddd",
  FCVTPU:     "f 0 0 11110 0g 1 01 001 000000 yyyyy ddddd",
  FCVTMS:     "f 0 0 11110 0g 1 10 000 000000 yyyyy ddddd",
  FCVTMU:     "f 0 0 11110 0g 1 10 001 000000 yyyyy ddddd",
  FCVTZS:     "f 0 0 11110 0g 1 11 000 000000 yyyyy ddddd",
  FCVTZU:     "f 0 0 11110 0g 1 11 001 000000 yyyyy ddddd",
  FMOV_ws:    "0 0 0 11110 00 1 00 110 000000 yyyyy ddddd",
  FMOV_sw:    "0 0 0 11110 00 1 00 111 000000 nnnnn xxxxx",
  FMOV_xd:    "1 0 0 11110 01 1 00 110 000000 yyyyy ddddd",
  FMOV_dx:    "1 0 0 11110 01 1 00 111 000000 nnnnn xxxxx",
  FMOV_xtop:  "1 0 0 11110 10 1 01 110 000000 yyyyy ddddd",
  FMOV_topx:  "1 0 0 11110 10 1 01 111 000000 nnnnn xxxxx",
  FJCVTZS:    "0 0 0 11110 01 1 11 110 000000 yyyyy ddddd", // FEAT_JSCVT
  // ftype 11: half.ts

  // Floating-point data-processing (1 source)
  FMOV:       "000 11110 0g 1 000000 10000 yyyyy xxxxx",
  FABS:       "000 11110 0g 1 000001 10000 yyyyy xxxxx",
  FNEG:       "000 11110 0g 1 000010 10000 yyyyy xxxxx",
  FSQRT:      "000 11110 0g 1 000011 10000 yyyyy xxxxx",
  FCVT_ds:    "000 11110 00 1 000101 10000 yyyyy xxxxx",
  FCVT_hs:    "000 11110 00 1 000111 10000 yyyyy xxxxx",
  FCVT_sd:    "000 11110 01 1 000100 10000 yyyyy xxxxx",
  FCVT_hd:    "000 11110 01 1 000111 10000 yyyyy xxxxx",
  FCVT_sh:    "000 11110 11 1 000100 10000 yyyyy xxxxx",
  FCVT_dh:    "000 11110 11 1 000101 10000 yyyyy xxxxx",
  FRINTN:     "000 11110 0g 1 001000 10000 yyyyy xxxxx",
  FRINTP:     "000 11110 0g 1 001001 10000 yyyyy xxxxx",
  FRINTM:     "000 11110 0g 1 001010 10000 yyyyy xxxxx",
  FRINTZ:     "000 11110 0g 1 001011 10000 yyyyy xxxxx",
  FRINTA:     "000 11110 0g 1 001100 10000 yyyyy xxxxx",
  FRINTX:     "000 11110 0g 1 001110 10000 yyyyy xxxxx",
  FRINTI:     "000 11110 0g 1 001111 10000 yyyyy xxxxx",
  FRINT32Z:   "000 11110 0g 1 010000 10000 yyyyy xxxxx", // FEAT_FRINTTS
  FRINT32X:   "000 11110 0g 1 010001 10000 yyyyy xxxxx",
  FRINT64Z:   "000 11110 0g 1 010010 10000 yyyyy xxxxx",
  FRINT64X:   "000 11110 0g 1 010011 10000 yyyyy xxxxx",
  BFCVT:      "000 11110 01 1 000110 10000 yyyyy xxxxx", // FEAT_BF16

  // Floating-point compare
  FCMP:       "000 11110 0g 1 zzzzz 00 1000 yyyyy 00 000",
  FCMP_zero:  "000 11110 0g 1 ----- 00 1000 yyyyy 01 000",
  FCMPE:      "000 11110 0g 1 zzzzz 00 1000 yyyyy 10 000",
  FCMPE_zero: "000 11110 0g 1 ----- 00 1000 yyyyy 11 000",

  // Floating-point immediate
  FMOV_imm:   "000 11110 0g 1 iiiiiiii 100 00000 xxxxx",

  // Floating-point conditional compare
  FCCMP:      "000 11110 0g 1 zzzzz cccc 01 yyyyy 0 vvvv",
  FCCMPE:     "000 11110 0g 1 zzzzz cccc 01 yyyyy 1 vvvv",

  // Floating-point data-processing (2 source)
  FMUL:       "000 11110 0g 1 zzzzz 0000 10 yyyyy xxxxx",
  FDIV:       "000 11110 0g 1 zzzzz 0001 10 yyyyy xxxxx",
  FADD:       "000 11110 0g 1 zzzzz 0010 10 yyyyy xxxxx",
  FSUB:       "000 11110 0g 1 zzzzz 0011 10 yyyyy xxxxx",
  FMAX:       "000 11110 0g 1 zzzzz 0100 10 yyyyy xxxxx",
  FMIN:       "000 11110 0g 1 zzzzz 0101 10 yyyyy xxxxx",
  FMAXNM:     "000 11110 0g 1 zzzzz 0110 10 yyyyy xxxxx",
  FMINNM:     "000 11110 0g 1 zzzzz 0111 10 yyyyy xxxxx",
  FNMUL:      "000 11110 0g 1 zzzzz 1000 10 yyyyy xxxxx",

  // Floating-point conditional select
  FCSEL:      "000 11110 0g 1 zzzzz cccc 11 yyyyy xxxxx",

  // Floating-point data-processing (3 source)
  FMADD:      "000 11111 0g 0 zzzzz 0 wwwww yyyyy xxxxx",
  FMSUB:      "000 11111 0g 0 zzzzz 1 wwwww yyyyy xxxxx",
  FNMADD:     "000 11111 0g 1 zzzzz 0 wwwww yyyyy xxxxx",
  FNMSUB:     "000 11111 0g 1 zzzzz 1 wwwww yyyyy xxxxx",
} as const;
