// src/cpu/a64/crypto.ts — A64 cryptographic instructions (PMULL is in simd-three.ts, CRC32 in data-reg.ts).
// Spec: ARM DDI 0487, C4.1. Field letters: see pattern.ts; x = Rd, y = Rn, z = Rm.

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
  // SHA512H, SHA512H2, SHA512SU0, SHA512SU1 (FEAT_SHA512); EOR3, BCAX, RAX1, XAR (FEAT_SHA3); SM3*, SM4*
} as const;
