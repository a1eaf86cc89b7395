// src/cpu/a64/simd-load-store.ts — A64 Advanced SIMD load/store structures.
// Spec: ARM DDI 0487, C4.1. Field letters: see pattern.ts; x = Rt; q = Q, g = size, m = Rm of the post-index forms (31: by
// the number of bytes moved). Names: registers per structure; 1xN moves N whole registers; _one a single structure, with
// o = opcode<2:1> and h = S; LDnR replicates it to all lanes.

export const simdLoadStore = {
  // Advanced SIMD load/store multiple structures
  ST4:         "0 q 0011000 0 000000 0000 gg NNNNN xxxxx",
  LD4:         "0 q 0011000 1 000000 0000 gg NNNNN xxxxx",
  ST1x4:       "0 q 0011000 0 000000 0010 gg NNNNN xxxxx",
  LD1x4:       "0 q 0011000 1 000000 0010 gg NNNNN xxxxx",
  ST3:         "0 q 0011000 0 000000 0100 gg NNNNN xxxxx",
  LD3:         "0 q 0011000 1 000000 0100 gg NNNNN xxxxx",
  ST1x3:       "0 q 0011000 0 000000 0110 gg NNNNN xxxxx",
  LD1x3:       "0 q 0011000 1 000000 0110 gg NNNNN xxxxx",
  ST1x1:       "0 q 0011000 0 000000 0111 gg NNNNN xxxxx",
  LD1x1:       "0 q 0011000 1 000000 0111 gg NNNNN xxxxx",
  ST2:         "0 q 0011000 0 000000 1000 gg NNNNN xxxxx",
  LD2:         "0 q 0011000 1 000000 1000 gg NNNNN xxxxx",
  ST1x2:       "0 q 0011000 0 000000 1010 gg NNNNN xxxxx",
  LD1x2:       "0 q 0011000 1 000000 1010 gg NNNNN xxxxx",

  // Advanced SIMD load/store multiple structures (post-indexed)
  ST4_post:    "0 q 0011001 0 0 mmmmm 0000 gg NNNNN xxxxx",
  LD4_post:    "0 q 0011001 1 0 mmmmm 0000 gg NNNNN xxxxx",
  ST1x4_post:  "0 q 0011001 0 0 mmmmm 0010 gg NNNNN xxxxx",
  LD1x4_post:  "0 q 0011001 1 0 mmmmm 0010 gg NNNNN xxxxx",
  ST3_post:    "0 q 0011001 0 0 mmmmm 0100 gg NNNNN xxxxx",
  LD3_post:    "0 q 0011001 1 0 mmmmm 0100 gg NNNNN xxxxx",
  ST1x3_post:  "0 q 0011001 0 0 mmmmm 0110 gg NNNNN xxxxx",
  LD1x3_post:  "0 q 0011001 1 0 mmmmm 0110 gg NNNNN xxxxx",
  ST1x1_post:  "0 q 0011001 0 0 mmmmm 0111 gg NNNNN xxxxx",
  LD1x1_post:  "0 q 0011001 1 0 mmmmm 0111 gg NNNNN xxxxx",
  ST2_post:    "0 q 0011001 0 0 mmmmm 1000 gg NNNNN xxxxx",
  LD2_post:    "0 q 0011001 1 0 mmmmm 1000 gg NNNNN xxxxx",
  ST1x2_post:  "0 q 0011001 0 0 mmmmm 1010 gg NNNNN xxxxx",
  LD1x2_post:  "0 q 0011001 1 0 mmmmm 1010 gg NNNNN xxxxx",

  // Advanced SIMD load/store single structure
  ST1_one:     "0 q 0011010 0 0 00000 oo 0 h gg NNNNN xxxxx",
  LD1_one:     "0 q 0011010 1 0 00000 oo 0 h gg NNNNN xxxxx",
  LD1R:        "0 q 0011010 1 0 00000 11 0 0 gg NNNNN xxxxx",
  ST2_one:     "0 q 0011010 0 1 00000 oo 0 h gg NNNNN xxxxx",
  LD2_one:     "0 q 0011010 1 1 00000 oo 0 h gg NNNNN xxxxx",
  LD2R:        "0 q 0011010 1 1 00000 11 0 0 gg NNNNN xxxxx",
  ST3_one:     "0 q 0011010 0 0 00000 oo 1 h gg NNNNN xxxxx",
  LD3_one:     "0 q 0011010 1 0 00000 oo 1 h gg NNNNN xxxxx",
  LD3R:        "0 q 0011010 1 0 00000 11 1 0 gg NNNNN xxxxx",
  ST4_one:     "0 q 0011010 0 1 00000 oo 1 h gg NNNNN xxxxx",
  LD4_one:     "0 q 0011010 1 1 00000 oo 1 h gg NNNNN xxxxx",
  LD4R:        "0 q 0011010 1 1 00000 11 1 0 gg NNNNN xxxxx",

  // Advanced SIMD load/store single structure (post-indexed)
  ST1_one_post: "0 q 0011011 0 0 mmmmm oo 0 h gg NNNNN xxxxx",
  LD1_one_post: "0 q 0011011 1 0 mmmmm oo 0 h gg NNNNN xxxxx",
  LD1R_post:   "0 q 0011011 1 0 mmmmm 11 0 0 gg NNNNN xxxxx",
  ST2_one_post: "0 q 0011011 0 1 mmmmm oo 0 h gg NNNNN xxxxx",
  LD2_one_post: "0 q 0011011 1 1 mmmmm oo 0 h gg NNNNN xxxxx",
  LD2R_post:   "0 q 0011011 1 1 mmmmm 11 0 0 gg NNNNN xxxxx",
  ST3_one_post: "0 q 0011011 0 0 mmmmm oo 1 h gg NNNNN xxxxx",
  LD3_one_post: "0 q 0011011 1 0 mmmmm oo 1 h gg NNNNN xxxxx",
  LD3R_post:   "0 q 0011011 1 0 mmmmm 11 1 0 gg NNNNN xxxxx",
  ST4_one_post: "0 q 0011011 0 1 mmmmm oo 1 h gg NNNNN xxxxx",
  LD4_one_post: "0 q 0011011 1 1 mmmmm oo 1 h gg NNNNN xxxxx",
  LD4R_post:   "0 q 0011011 1 1 mmmmm 11 1 0 gg NNNNN xxxxx",
} as const;
