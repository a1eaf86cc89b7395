// src/cpu/a64/crypto.ts — A64 cryptographic instructions (PMULL is in simd-three.ts, CRC32 in data-reg.ts).
// Spec: ARM DDI 0487, C4.1. Field letters: see pattern.ts; x = Rd, y = Rn, z = Rm, w = Ra, i = immediate.

export const crypto = {
  // Cryptographic AES (FEAT_AES)
  AESE:        "01001110 00 10100 00100 10 yyyyy xxxxx",
  AESD:        "01001110 00 10100 00101 10 yyyyy xxxxx",
  AESMC:       "01001110 00 10100 00110 10 yyyyy xxxxx",
  AESIMC:      "01001110 00 10100 00111 10 yyyyy xxxxx",

  // Cryptographic three-register SHA (FEAT_SHA1, FEAT_SHA256)
  SHA1C:       "01011110 00 0 zzzzz 0 000 00 yyyyy xxxxx",
  SHA1P:       "01011110 00 0 zzzzz 0 001 00 yyyyy xxxxx",
  SHA1M:       "01011110 00 0 zzzzz 0 010 00 yyyyy xxxxx",
  SHA1SU0:     "01011110 00 0 zzzzz 0 011 00 yyyyy xxxxx",
  SHA256H:     "01011110 00 0 zzzzz 0 100 00 yyyyy xxxxx",
  SHA256H2:    "01011110 00 0 zzzzz 0 101 00 yyyyy xxxxx",
  SHA256SU1:   "01011110 00 0 zzzzz 0 110 00 yyyyy xxxxx",

  // Cryptographic two-register SHA (FEAT_SHA1, FEAT_SHA256)
  SHA1H:       "01011110 00 10100 00000 10 yyyyy xxxxx",
  SHA1SU1:     "01011110 00 10100 00001 10 yyyyy xxxxx",
  SHA256SU0:   "01011110 00 10100 00010 10 yyyyy xxxxx",

  // Cryptographic three-register SHA 512 (RAX1: FEAT_SHA3; FEAT_SM3, FEAT_SM4)
  SHA512H:     "11001110 011 zzzzz 1 000 00 yyyyy xxxxx",
  SHA512H2:    "11001110 011 zzzzz 1 000 01 yyyyy xxxxx",
  SHA512SU1:   "11001110 011 zzzzz 1 000 10 yyyyy xxxxx",
  RAX1:        "11001110 011 zzzzz 1 000 11 yyyyy xxxxx",
  SM3PARTW1:   "11001110 011 zzzzz 1 100 00 yyyyy xxxxx",
  SM3PARTW2:   "11001110 011 zzzzz 1 100 01 yyyyy xxxxx",
  SM4EKEY:     "11001110 011 zzzzz 1 100 10 yyyyy xxxxx",

  // Cryptographic two-register SHA 512
  SHA512SU0:   "11001110 110 00000 1000 00 yyyyy xxxxx",
  SM4E:        "11001110 110 00000 1000 01 yyyyy xxxxx",

  // Cryptographic four-register; three-register with imm2 and imm6
  EOR3:        "11001110 000 zzzzz 0 wwwww yyyyy xxxxx",
  BCAX:        "11001110 001 zzzzz 0 wwwww yyyyy xxxxx",
  SM3SS1:      "11001110 010 zzzzz 0 wwwww yyyyy xxxxx",
  SM3TT1A:     "11001110 010 zzzzz 10 ii 00 yyyyy xxxxx",
  SM3TT1B:     "11001110 010 zzzzz 10 ii 01 yyyyy xxxxx",
  SM3TT2A:     "11001110 010 zzzzz 10 ii 10 yyyyy xxxxx",
  SM3TT2B:     "11001110 010 zzzzz 10 ii 11 yyyyy xxxxx",
  XAR:         "11001110 100 zzzzz iiiiii yyyyy xxxxx",
} as const;
