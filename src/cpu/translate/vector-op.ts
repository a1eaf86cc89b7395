// src/cpu/translate/vector-op.ts — x86-64 instructions on xmm registers: mandatory prefix, map, `w` for the wide form, opcode.
// Spec: Intel SDM vol. 2, ch. 2.3 (VEX) and the instruction pages. Only what the translator emits.
// The assembler writes each with a VEX prefix where the host has AVX (three operands), else as SSE (two operands).

const instructions = {
  // moves; a store has its register first, as a load
  movaps: "0f 28", movapsStore: "0f 29", movups: "0f 10", movupsStore: "0f 11", movss: "f3 0f 10", movssStore: "f3 0f 11",
  movsd: "f2 0f 10", movsdStore: "f2 0f 11", movq: "f3 0f 7e", movd: "66 0f 6e", movdStore: "66 0f 7e", movddup: "f2 0f 12",
  movmskps: "0f 50", pmovmskb: "66 0f d7",
  // bitwise
  pand: "66 0f db", pandn: "66 0f df", por: "66 0f eb", pxor: "66 0f ef", xorps: "0f 57", andps: "0f 54",
  // floating point: packed single, packed double, scalar single, scalar double
  addps: "0f 58", addpd: "66 0f 58", addss: "f3 0f 58", addsd: "f2 0f 58", mulps: "0f 59", mulpd: "66 0f 59", mulss: "f3 0f 59", mulsd: "f2 0f 59",
  subps: "0f 5c", subpd: "66 0f 5c", subss: "f3 0f 5c", subsd: "f2 0f 5c", minps: "0f 5d", minpd: "66 0f 5d", minss: "f3 0f 5d", minsd: "f2 0f 5d",
  divps: "0f 5e", divpd: "66 0f 5e", divss: "f3 0f 5e", divsd: "f2 0f 5e", maxps: "0f 5f", maxpd: "66 0f 5f", maxss: "f3 0f 5f", maxsd: "f2 0f 5f",
  sqrtps: "0f 51", sqrtpd: "66 0f 51", sqrtss: "f3 0f 51", sqrtsd: "f2 0f 51", cmpps: "0f c2", cmppd: "66 0f c2", cmpss: "f3 0f c2", cmpsd: "f2 0f c2",
  ucomiss: "0f 2e", ucomisd: "66 0f 2e", comiss: "0f 2f", comisd: "66 0f 2f",
  roundps: "66 0f3a 08", roundpd: "66 0f3a 09", roundss: "66 0f3a 0a", roundsd: "66 0f3a 0b",
  cvtss2sd: "f3 0f 5a", cvtsd2ss: "f2 0f 5a", cvtps2pd: "0f 5a", cvtpd2ps: "66 0f 5a", cvtdq2ps: "0f 5b", cvttps2dq: "f3 0f 5b",
  cvtsi2ss: "f3 0f 2a", cvtsi2sd: "f2 0f 2a", cvttss2si: "f3 0f 2c", cvttsd2si: "f2 0f 2c",
  cvtph2ps: "66 0f38 13", cvtps2ph: "66 0f3a 1d",
  fmadd231ps: "66 0f38 b8", fmadd231pd: "66 0f38 w b8", fmadd231ss: "66 0f38 b9", fmadd231sd: "66 0f38 w b9",
  fmsub231ss: "66 0f38 bb", fmsub231sd: "66 0f38 w bb",
  fnmadd231ps: "66 0f38 bc", fnmadd231pd: "66 0f38 w bc", fnmadd231ss: "66 0f38 bd", fnmadd231sd: "66 0f38 w bd",
  fnmsub231ss: "66 0f38 bf", fnmsub231sd: "66 0f38 w bf",
  // integer arithmetic
  paddb: "66 0f fc", paddw: "66 0f fd", paddd: "66 0f fe", paddq: "66 0f d4", psubb: "66 0f f8", psubw: "66 0f f9", psubd: "66 0f fa", psubq: "66 0f fb",
  paddsb: "66 0f ec", paddsw: "66 0f ed", paddusb: "66 0f dc", paddusw: "66 0f dd", psubsb: "66 0f e8", psubsw: "66 0f e9", psubusb: "66 0f d8", psubusw: "66 0f d9",
  pmullw: "66 0f d5", pmulhw: "66 0f e5", pmulld: "66 0f38 40", pmuludq: "66 0f f4", pmuldq: "66 0f38 28", pmulhrsw: "66 0f38 0b",
  pmaddwd: "66 0f f5", phaddd: "66 0f38 02", pmaddubsw: "66 0f38 04", pavgb: "66 0f e0", pavgw: "66 0f e3",
  pmaxub: "66 0f de", pmaxuw: "66 0f38 3e", pmaxud: "66 0f38 3f", pmaxsb: "66 0f38 3c", pmaxsw: "66 0f ee", pmaxsd: "66 0f38 3d",
  pminub: "66 0f da", pminuw: "66 0f38 3a", pminud: "66 0f38 3b", pminsb: "66 0f38 38", pminsw: "66 0f ea", pminsd: "66 0f38 39",
  pcmpeqb: "66 0f 74", pcmpeqw: "66 0f 75", pcmpeqd: "66 0f 76", pcmpeqq: "66 0f38 29", pcmpgtb: "66 0f 64", pcmpgtw: "66 0f 65", pcmpgtd: "66 0f 66", pcmpgtq: "66 0f38 37",
  pabsb: "66 0f38 1c", pabsw: "66 0f38 1d", pabsd: "66 0f38 1e",
  // shuffles
  pshufb: "66 0f38 00", pshufd: "66 0f 70", shufps: "0f c6", palignr: "66 0f3a 0f", punpcklbw: "66 0f 60", punpcklwd: "66 0f 61", punpckldq: "66 0f 62",
  punpcklqdq: "66 0f 6c", punpckhbw: "66 0f 68", punpckhwd: "66 0f 69", punpckhdq: "66 0f 6a", punpckhqdq: "66 0f 6d", pblendw: "66 0f3a 0e", insertps: "66 0f3a 21",
  packsswb: "66 0f 63", packssdw: "66 0f 6b", packuswb: "66 0f 67", packusdw: "66 0f38 2b",
  pmovsxbw: "66 0f38 20", pmovsxwd: "66 0f38 23", pmovsxdq: "66 0f38 25", pmovzxbw: "66 0f38 30", pmovzxwd: "66 0f38 33", pmovzxdq: "66 0f38 35",
  pextrb: "66 0f3a 14", pextrd: "66 0f3a 16", pextrw: "66 0f3a 15", pinsrb: "66 0f3a 20", pinsrd: "66 0f3a 22", pinsrw: "66 0f c4",
  broadcastss: "66 0f38 18", broadcastsd: "66 0f38 l 19", extracti128: "66 0f3a l 39",
  // shifts by immediate: see `xShift`; by each lane's own count (AVX2)
  psllvd: "66 0f38 47", psllvq: "66 0f38 w 47", psrlvd: "66 0f38 45", psrlvq: "66 0f38 w 45", psravd: "66 0f38 46",
  // cryptography
  aesenc: "66 0f38 dc", aesenclast: "66 0f38 dd", aesdeclast: "66 0f38 df", aesimc: "66 0f38 db", pclmulqdq: "66 0f3a 44",
  sha256rnds2: "0f38 cb", sha256msg1: "0f38 cc", sha256msg2: "0f38 cd", sha1rnds4: "0f3a cc",
} as const;

/** Added to an instruction: on ymm registers. Behind the last such, VZEROUPPER. */
export const WIDE: number = 1 << 13;
/** One number each: the opcode, the prefix at bit 8 (none, 66, F3, F2), the map at 10 (1 0F, 2 0F38, 3 0F3A), w at 12, l (WIDE) at 13. */
function encode(text: string): number {
  const parts = text.split(" ");
  const prefix = parts[0] === "66" ? 1 : parts[0] === "f3" ? 2 : parts[0] === "f2" ? 3 : 0;
  const map = parts.includes("0f38") ? 2 : parts.includes("0f3a") ? 3 : 1;
  return Number.parseInt(parts.at(-1) as string, 16) | prefix << 8 | map << 10 | (parts.includes("w") ? 1 : 0) << 12 | (parts.includes("l") ? WIDE : 0);
}
export const X: Readonly<Record<keyof typeof instructions, number>> =
  Object.fromEntries(Object.entries(instructions).map(([name, text]) => [name, encode(text)])) as Record<keyof typeof instructions, number>;


/** Shifts by immediate: opcode and the number in ModRM.reg. */
export const XShift = {
  psrlw: [0x71, 2], psraw: [0x71, 4], psllw: [0x71, 6], psrld: [0x72, 2], psrad: [0x72, 4], pslld: [0x72, 6],
  psrlq: [0x73, 2], psrldq: [0x73, 3], psllq: [0x73, 6], pslldq: [0x73, 7],
} as const;
/** Predicates of CMPPS and its kin. LT, LE and NLT raise invalid for any NaN, the others for signalling ones. */
export const Compare = { eq: 0, lt: 1, le: 2, unordered: 3, notEqual: 4, notLess: 5, eqOrUnordered: 8 } as const;
