// src/cpu/a64/data-reg.ts — A64 "Data Processing -- Register".
// Spec: ARM DDI 0487, C4.1. Field letters: see pattern.ts; f = sf, h = shift type, o = extend option, i = immediate,
// c = condition, v = nzcv.

export const dataReg = {
  // Logical (shifted register)
  AND_reg:  "f 00 01010 hh 0 mmmmm iiiiii nnnnn ddddd",
  BIC_reg:  "f 00 01010 hh 1 mmmmm iiiiii nnnnn ddddd",
  ORR_reg:  "f 01 01010 hh 0 mmmmm iiiiii nnnnn ddddd",
  ORN_reg:  "f 01 01010 hh 1 mmmmm iiiiii nnnnn ddddd",
  EOR_reg:  "f 10 01010 hh 0 mmmmm iiiiii nnnnn ddddd",
  EON_reg:  "f 10 01010 hh 1 mmmmm iiiiii nnnnn ddddd",
  ANDS_reg: "f 11 01010 hh 0 mmmmm iiiiii nnnnn ddddd",
  BICS_reg: "f 11 01010 hh 1 mmmmm iiiiii nnnnn ddddd",

  // Add/subtract (shifted register)
  ADD_reg:  "f 0 0 01011 hh 0 mmmmm iiiiii nnnnn ddddd",
  ADDS_reg: "f 0 1 01011 hh 0 mmmmm iiiiii nnnnn ddddd",
  SUB_reg:  "f 1 0 01011 hh 0 mmmmm iiiiii nnnnn ddddd",
  SUBS_reg: "f 1 1 01011 hh 0 mmmmm iiiiii nnnnn ddddd",

  // Add/subtract (extended register)
  ADD_ext:  "f 0 0 01011 00 1 mmmmm ooo iii NNNNN DDDDD",
  ADDS_ext: "f 0 1 01011 00 1 mmmmm ooo iii NNNNN ddddd",
  SUB_ext:  "f 1 0 01011 00 1 mmmmm ooo iii NNNNN DDDDD",
  SUBS_ext: "f 1 1 01011 00 1 mmmmm ooo iii NNNNN ddddd",

  // Add/subtract (with carry)
  ADC:      "f 0 0 11010000 mmmmm 000000 nnnnn ddddd",
  ADCS:     "f 0 1 11010000 mmmmm 000000 nnnnn ddddd",
  SBC:      "f 1 0 11010000 mmmmm 000000 nnnnn ddddd",
  SBCS:     "f 1 1 11010000 mmmmm 000000 nnnnn ddddd",
  RMIF:     "1 0 1 11010000 iiiiii 00001 nnnnn 0 vvvv", // FEAT_FlagM; v = mask
  SETF8:    "0 0 1 11010000 000000 00010 nnnnn 0 1101",
  SETF16:   "0 0 1 11010000 000000 10010 nnnnn 0 1101",

  // Conditional compare (register), (immediate)
  CCMN_reg: "f 0 1 11010010 mmmmm cccc 0 0 nnnnn 0 vvvv",
  CCMP_reg: "f 1 1 11010010 mmmmm cccc 0 0 nnnnn 0 vvvv",
  CCMN_imm: "f 0 1 11010010 iiiii cccc 1 0 nnnnn 0 vvvv",
  CCMP_imm: "f 1 1 11010010 iiiii cccc 1 0 nnnnn 0 vvvv",

  // Conditional select
  CSEL:     "f 0 0 11010100 mmmmm cccc 00 nnnnn ddddd",
  CSINC:    "f 0 0 11010100 mmmmm cccc 01 nnnnn ddddd",
  CSINV:    "f 1 0 11010100 mmmmm cccc 00 nnnnn ddddd",
  CSNEG:    "f 1 0 11010100 mmmmm cccc 01 nnnnn ddddd",

  // Data-processing (3 source)
  MADD:     "f 00 11011 000 mmmmm 0 aaaaa nnnnn ddddd",
  MSUB:     "f 00 11011 000 mmmmm 1 aaaaa nnnnn ddddd",
  SMADDL:   "1 00 11011 001 mmmmm 0 aaaaa nnnnn ddddd",
  SMSUBL:   "1 00 11011 001 mmmmm 1 aaaaa nnnnn ddddd",
  SMULH:    "1 00 11011 010 mmmmm 0 ----- nnnnn ddddd",
  UMADDL:   "1 00 11011 101 mmmmm 0 aaaaa nnnnn ddddd",
  UMSUBL:   "1 00 11011 101 mmmmm 1 aaaaa nnnnn ddddd",
  UMULH:    "1 00 11011 110 mmmmm 0 ----- nnnnn ddddd",

  // Data-processing (2 source)
  UDIV:     "f 0 0 11010110 mmmmm 000010 nnnnn ddddd",
  SDIV:     "f 0 0 11010110 mmmmm 000011 nnnnn ddddd",
  LSLV:     "f 0 0 11010110 mmmmm 001000 nnnnn ddddd",
  LSRV:     "f 0 0 11010110 mmmmm 001001 nnnnn ddddd",
  ASRV:     "f 0 0 11010110 mmmmm 001010 nnnnn ddddd",
  RORV:     "f 0 0 11010110 mmmmm 001011 nnnnn ddddd",
  CRC32B:   "0 0 0 11010110 mmmmm 010000 nnnnn ddddd",
  CRC32H:   "0 0 0 11010110 mmmmm 010001 nnnnn ddddd",
  CRC32W:   "0 0 0 11010110 mmmmm 010010 nnnnn ddddd",
  CRC32X:   "1 0 0 11010110 mmmmm 010011 nnnnn ddddd",
  CRC32CB:  "0 0 0 11010110 mmmmm 010100 nnnnn ddddd",
  CRC32CH:  "0 0 0 11010110 mmmmm 010101 nnnnn ddddd",
  CRC32CW:  "0 0 0 11010110 mmmmm 010110 nnnnn ddddd",
  CRC32CX:  "1 0 0 11010110 mmmmm 010111 nnnnn ddddd",
  // PACGA (FEAT_PAuth); SUBP, IRG, GMI (FEAT_MTE)

  // Data-processing (1 source)
  RBIT:     "f 1 0 11010110 00000 000000 nnnnn ddddd",
  REV16:    "f 1 0 11010110 00000 000001 nnnnn ddddd",
  REV_w:    "0 1 0 11010110 00000 000010 nnnnn ddddd",
  REV32:    "1 1 0 11010110 00000 000010 nnnnn ddddd",
  REV_x:    "1 1 0 11010110 00000 000011 nnnnn ddddd",
  CLZ:      "f 1 0 11010110 00000 000100 nnnnn ddddd",
  CLS:      "f 1 0 11010110 00000 000101 nnnnn ddddd",
  // PACIA, AUTIA and their kin (FEAT_PAuth); CTZ, CNT, ABS (FEAT_CSSC)
} as const;
