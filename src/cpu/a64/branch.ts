// src/cpu/a64/branch.ts — A64 "Branches, Exception Generating and System instructions".
// Spec: ARM DDI 0487, C4.1. Field letters: see pattern.ts; i = immediate, c = condition (branches) or CRn (system),
// o = op1, k = CRm, p = op2, q = the low bit of op0.

export const branch = {
  // Conditional branch (immediate)
  B_cond: "0101010 0 iiiiiiiiiiiiiiiiiii 0 cccc",
  // BC_cond (FEAT_HBC)

  // Unconditional branch (immediate)
  B:      "000101 iiiiiiiiiiiiiiiiiiiiiiiiii",
  BL:     "100101 iiiiiiiiiiiiiiiiiiiiiiiiii",

  // Compare and branch (immediate)
  CBZ:    "f 011010 0 iiiiiiiiiiiiiiiiiii ttttt",
  CBNZ:   "f 011010 1 iiiiiiiiiiiiiiiiiii ttttt",

  // Test and branch (immediate)
  TBZ:    "b 011011 0 bbbbb iiiiiiiiiiiiii ttttt",
  TBNZ:   "b 011011 1 bbbbb iiiiiiiiiiiiii ttttt",

  // Unconditional branch (register)
  BR:     "1101011 0 0 00 11111 000000 nnnnn 00000",
  BLR:    "1101011 0 0 01 11111 000000 nnnnn 00000",
  RET:    "1101011 0 0 10 11111 000000 nnnnn 00000",
  ERET:   "1101011 0 1 00 11111 000000 11111 00000",
  // DRPS (debug state only); BRAA, BLRAA, RETAA, ERETAA and their kin (FEAT_PAuth)
} as const;

export const system = {
  // Exception generation
  SVC:    "11010100 000 iiiiiiiiiiiiiiii 000 01",
  HVC:    "11010100 000 iiiiiiiiiiiiiiii 000 10",
  SMC:    "11010100 000 iiiiiiiiiiiiiiii 000 11",
  BRK:    "11010100 001 iiiiiiiiiiiiiiii 000 00",
  HLT:    "11010100 010 iiiiiiiiiiiiiiii 000 00",
  // DCPS1, DCPS2, DCPS3 (undefined outside debug state); TCANCEL (FEAT_TME)

  // Hints: the whole space executes as NOP but for these
  HINT:   "1101010100 0 00 011 0010 kkkk ppp 11111",
  WFE:    "1101010100 0 00 011 0010 0000 010 11111",
  WFI:    "1101010100 0 00 011 0010 0000 011 11111",
  SEV:    "1101010100 0 00 011 0010 0000 100 11111",
  SEVL:   "1101010100 0 00 011 0010 0000 101 11111",

  // Barriers
  CLREX:  "1101010100 0 00 011 0011 kkkk 010 11111",
  DSB:    "1101010100 0 00 011 0011 kkkk 100 11111",
  DMB:    "1101010100 0 00 011 0011 kkkk 101 11111",
  ISB:    "1101010100 0 00 011 0011 kkkk 110 11111",
  SB:     "1101010100 0 00 011 0011 0000 111 11111", // FEAT_SB
  // DSB nXS (FEAT_XS)

  // PSTATE
  MSR_imm: "1101010100 0 00 ooo 0100 kkkk ppp 11111",
  CFINV:  "1101010100 0 00 000 0100 0000 000 11111", // FEAT_FlagM
  XAFLAG: "1101010100 0 00 000 0100 0000 001 11111", // FEAT_FlagM2
  AXFLAG: "1101010100 0 00 000 0100 0000 010 11111",

  // System instructions and register moves
  SYS:    "1101010100 0 01 ooo cccc kkkk ppp ttttt",
  SYSL:   "1101010100 1 01 ooo cccc kkkk ppp ttttt",
  MSR_reg: "1101010100 0 1 q ooo cccc kkkk ppp ttttt",
  MRS:    "1101010100 1 1 q ooo cccc kkkk ppp ttttt",
} as const;
