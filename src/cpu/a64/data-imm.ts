// src/cpu/a64/data-imm.ts — A64 "Data Processing -- Immediate".
// Spec: ARM DDI 0487, C4.1. Field letters: see pattern.ts; f = sf, h = shift, e = N, r = immr, i = immediate (imms,
// immhi), j = immlo.

export const dataImm = {
  // PC-rel. addressing
  ADR:      "0 jj 10000 iiiiiiiiiiiiiiiiiii ddddd",
  ADRP:     "1 jj 10000 iiiiiiiiiiiiiiiiiii ddddd",

  // Add/subtract (immediate)
  ADD_imm:  "f 0 0 100010 h iiiiiiiiiiii NNNNN DDDDD",
  ADDS_imm: "f 0 1 100010 h iiiiiiiiiiii NNNNN ddddd",
  SUB_imm:  "f 1 0 100010 h iiiiiiiiiiii NNNNN DDDDD",
  SUBS_imm: "f 1 1 100010 h iiiiiiiiiiii NNNNN ddddd",
  // ADDG, SUBG (FEAT_MTE); SMAX, UMAX, SMIN, UMIN (FEAT_CSSC)

  // Logical (immediate)
  AND_imm:  "f 00 100100 e rrrrrr iiiiii nnnnn DDDDD",
  ORR_imm:  "f 01 100100 e rrrrrr iiiiii nnnnn DDDDD",
  EOR_imm:  "f 10 100100 e rrrrrr iiiiii nnnnn DDDDD",
  ANDS_imm: "f 11 100100 e rrrrrr iiiiii nnnnn ddddd",

  // Move wide (immediate)
  MOVN:     "f 00 100101 hh iiiiiiiiiiiiiiii ddddd",
  MOVZ:     "f 10 100101 hh iiiiiiiiiiiiiiii ddddd",
  MOVK:     "f 11 100101 hh iiiiiiiiiiiiiiii ddddd",

  // Bitfield
  SBFM:     "f 00 100110 e rrrrrr iiiiii nnnnn ddddd",
  BFM:      "f 01 100110 e rrrrrr iiiiii nnnnn ddddd",
  UBFM:     "f 10 100110 e rrrrrr iiiiii nnnnn ddddd",

  // Extract
  EXTR:     "f 00 100111 e 0 mmmmm iiiiii nnnnn ddddd",
} as const;
