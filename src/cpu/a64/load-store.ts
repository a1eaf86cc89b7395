// src/cpu/a64/load-store.ts — A64 "Loads and Stores", general and SIMD&FP registers (structures: simd-load-store.ts).
// Spec: ARM DDI 0487, C4.1. Field letters: see pattern.ts; g = log2 of the access size (for pairs: 0 = 32, 1 = 64 bits;
// for SIMD&FP pairs 0 = S, 1 = D, 2 = Q), i = immediate, e = extend option, h = S (scale), l = acquire, r = release.

export const loadStore = {
  // Load/store exclusive
  STXR:     "gg 001000 0 0 0 sssss 0 ----- NNNNN ttttt",
  STLXR:    "gg 001000 0 0 0 sssss 1 ----- NNNNN ttttt",
  STXP:     "1g 001000 0 0 1 sssss 0 uuuuu NNNNN ttttt",
  STLXP:    "1g 001000 0 0 1 sssss 1 uuuuu NNNNN ttttt",
  LDXR:     "gg 001000 0 1 0 ----- 0 ----- NNNNN ttttt",
  LDAXR:    "gg 001000 0 1 0 ----- 1 ----- NNNNN ttttt",
  LDXP:     "1g 001000 0 1 1 ----- 0 uuuuu NNNNN ttttt",
  LDAXP:    "1g 001000 0 1 1 ----- 1 uuuuu NNNNN ttttt",

  // Load-acquire/store-release
  STLR:     "gg 001000 1 0 0 ----- 1 ----- NNNNN ttttt",
  LDAR:     "gg 001000 1 1 0 ----- 1 ----- NNNNN ttttt",
  // STLLR, LDLAR (FEAT_LOR); LDAPR (FEAT_LRCPC); LDAPUR, STLUR (FEAT_LRCPC2)

  // Compare and swap (FEAT_LSE)
  CASP:     "0g 001000 0 l 1 sssss r 11111 NNNNN ttttt",
  CAS:      "gg 001000 1 l 1 sssss r 11111 NNNNN ttttt",

  // Load register (literal)
  LDR_lit_w:   "00 011 0 00 iiiiiiiiiiiiiiiiiii ttttt",
  LDR_lit_x:   "01 011 0 00 iiiiiiiiiiiiiiiiiii ttttt",
  LDRSW_lit:   "10 011 0 00 iiiiiiiiiiiiiiiiiii ttttt",
  PRFM_lit:    "11 011 0 00 ------------------- -----",

  // Load/store pair: no-allocate, post-indexed, offset, pre-indexed
  STNP:        "g0 101 0 000 0 iiiiiii uuuuu NNNNN ttttt",
  LDNP:        "g0 101 0 000 1 iiiiiii uuuuu NNNNN ttttt",
  STP_post:    "g0 101 0 001 0 iiiiiii uuuuu NNNNN ttttt",
  LDP_post:    "g0 101 0 001 1 iiiiiii uuuuu NNNNN ttttt",
  LDPSW_post:  "01 101 0 001 1 iiiiiii uuuuu NNNNN ttttt",
  STP_off:     "g0 101 0 010 0 iiiiiii uuuuu NNNNN ttttt",
  LDP_off:     "g0 101 0 010 1 iiiiiii uuuuu NNNNN ttttt",
  LDPSW_off:   "01 101 0 010 1 iiiiiii uuuuu NNNNN ttttt",
  STP_pre:     "g0 101 0 011 0 iiiiiii uuuuu NNNNN ttttt",
  LDP_pre:     "g0 101 0 011 1 iiiiiii uuuuu NNNNN ttttt",
  LDPSW_pre:   "01 101 0 011 1 iiiiiii uuuuu NNNNN ttttt",

  // Load/store register (unscaled immediate)
  STUR:        "gg 111 0 00 00 0 iiiiiiiii 00 NNNNN ttttt",
  LDUR:        "gg 111 0 00 01 0 iiiiiiiii 00 NNNNN ttttt",
  LDURS_x:     "gg 111 0 00 10 0 iiiiiiiii 00 NNNNN ttttt",
  LDURS_w:     "0g 111 0 00 11 0 iiiiiiiii 00 NNNNN ttttt",
  PRFUM:       "11 111 0 00 10 0 --------- 00 ----- -----",

  // Load/store register (immediate post-indexed)
  STR_post:    "gg 111 0 00 00 0 iiiiiiiii 01 NNNNN ttttt",
  LDR_post:    "gg 111 0 00 01 0 iiiiiiiii 01 NNNNN ttttt",
  LDRS_x_post: "gg 111 0 00 10 0 iiiiiiiii 01 NNNNN ttttt",
  LDRS_w_post: "0g 111 0 00 11 0 iiiiiiiii 01 NNNNN ttttt",

  // Load/store register (unprivileged)
  STTR:        "gg 111 0 00 00 0 iiiiiiiii 10 NNNNN ttttt",
  LDTR:        "gg 111 0 00 01 0 iiiiiiiii 10 NNNNN ttttt",
  LDTRS_x:     "gg 111 0 00 10 0 iiiiiiiii 10 NNNNN ttttt",
  LDTRS_w:     "0g 111 0 00 11 0 iiiiiiiii 10 NNNNN ttttt",

  // Load/store register (immediate pre-indexed)
  STR_pre:     "gg 111 0 00 00 0 iiiiiiiii 11 NNNNN ttttt",
  LDR_pre:     "gg 111 0 00 01 0 iiiiiiiii 11 NNNNN ttttt",
  LDRS_x_pre:  "gg 111 0 00 10 0 iiiiiiiii 11 NNNNN ttttt",
  LDRS_w_pre:  "0g 111 0 00 11 0 iiiiiiiii 11 NNNNN ttttt",

  // Load/store register (register offset)
  STR_reg:     "gg 111 0 00 00 1 mmmmm eee h 10 NNNNN ttttt",
  LDR_reg:     "gg 111 0 00 01 1 mmmmm eee h 10 NNNNN ttttt",
  LDRS_x_reg:  "gg 111 0 00 10 1 mmmmm eee h 10 NNNNN ttttt",
  LDRS_w_reg:  "0g 111 0 00 11 1 mmmmm eee h 10 NNNNN ttttt",
  PRFM_reg:    "11 111 0 00 10 1 ----- e1e - 10 ----- -----",

  // Load/store register (unsigned immediate)
  STR_imm:     "gg 111 0 01 00 iiiiiiiiiiii NNNNN ttttt",
  LDR_imm:     "gg 111 0 01 01 iiiiiiiiiiii NNNNN ttttt",
  LDRS_x_imm:  "gg 111 0 01 10 iiiiiiiiiiii NNNNN ttttt",
  LDRS_w_imm:  "0g 111 0 01 11 iiiiiiiiiiii NNNNN ttttt",
  PRFM_imm:    "11 111 0 01 10 ------------ ----- -----",

  // Atomic memory operations (FEAT_LSE)
  LDADD:       "gg 111 0 00 l r 1 sssss 0 000 00 NNNNN ttttt",
  LDCLR:       "gg 111 0 00 l r 1 sssss 0 001 00 NNNNN ttttt",
  LDEOR:       "gg 111 0 00 l r 1 sssss 0 010 00 NNNNN ttttt",
  LDSET:       "gg 111 0 00 l r 1 sssss 0 011 00 NNNNN ttttt",
  LDSMAX:      "gg 111 0 00 l r 1 sssss 0 100 00 NNNNN ttttt",
  LDSMIN:      "gg 111 0 00 l r 1 sssss 0 101 00 NNNNN ttttt",
  LDUMAX:      "gg 111 0 00 l r 1 sssss 0 110 00 NNNNN ttttt",
  LDUMIN:      "gg 111 0 00 l r 1 sssss 0 111 00 NNNNN ttttt",
  SWP:         "gg 111 0 00 l r 1 sssss 1 000 00 NNNNN ttttt",
  LDAPR:       "gg 111 0 00 1 0 1 11111 1 100 00 NNNNN ttttt", // FEAT_LRCPC

  // Load/store register with acquire RCpc and release, unscaled immediate (FEAT_LRCPC2)
  STLUR:       "gg 011 0 01 00 0 iiiiiiiii 00 NNNNN ttttt",
  LDAPUR:      "gg 011 0 01 01 0 iiiiiiiii 00 NNNNN ttttt",
  LDAPURS_x:   "gg 011 0 01 10 0 iiiiiiiii 00 NNNNN ttttt",
  LDAPURS_w:   "0g 011 0 01 11 0 iiiiiiiii 00 NNNNN ttttt",
} as const;

/** The same forms for SIMD&FP registers: q = opc<1> selects the 128-bit form (then gg must be 00). */
export const loadStoreFp = {
  LDR_lit_s:   "00 011 1 00 iiiiiiiiiiiiiiiiiii xxxxx",
  LDR_lit_d:   "01 011 1 00 iiiiiiiiiiiiiiiiiii xxxxx",
  LDR_lit_q:   "10 011 1 00 iiiiiiiiiiiiiiiiiii xxxxx",
  STNP_v:      "gg 101 1 000 0 iiiiiii wwwww NNNNN xxxxx",
  LDNP_v:      "gg 101 1 000 1 iiiiiii wwwww NNNNN xxxxx",
  STP_v_post:  "gg 101 1 001 0 iiiiiii wwwww NNNNN xxxxx",
  LDP_v_post:  "gg 101 1 001 1 iiiiiii wwwww NNNNN xxxxx",
  STP_v_off:   "gg 101 1 010 0 iiiiiii wwwww NNNNN xxxxx",
  LDP_v_off:   "gg 101 1 010 1 iiiiiii wwwww NNNNN xxxxx",
  STP_v_pre:   "gg 101 1 011 0 iiiiiii wwwww NNNNN xxxxx",
  LDP_v_pre:   "gg 101 1 011 1 iiiiiii wwwww NNNNN xxxxx",
  STUR_v:      "gg 111 1 00 q0 0 iiiiiiiii 00 NNNNN xxxxx",
  LDUR_v:      "gg 111 1 00 q1 0 iiiiiiiii 00 NNNNN xxxxx",
  STR_v_post:  "gg 111 1 00 q0 0 iiiiiiiii 01 NNNNN xxxxx",
  LDR_v_post:  "gg 111 1 00 q1 0 iiiiiiiii 01 NNNNN xxxxx",
  STR_v_pre:   "gg 111 1 00 q0 0 iiiiiiiii 11 NNNNN xxxxx",
  LDR_v_pre:   "gg 111 1 00 q1 0 iiiiiiiii 11 NNNNN xxxxx",
  STR_v_reg:   "gg 111 1 00 q0 1 mmmmm eee h 10 NNNNN xxxxx",
  LDR_v_reg:   "gg 111 1 00 q1 1 mmmmm eee h 10 NNNNN xxxxx",
  STR_v_imm:   "gg 111 1 01 q0 iiiiiiiiiiii NNNNN xxxxx",
  LDR_v_imm:   "gg 111 1 01 q1 iiiiiiiiiiii NNNNN xxxxx",
} as const;
