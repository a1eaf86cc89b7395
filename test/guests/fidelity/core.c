// test/guests/fidelity/core.c — faults of the MMU, exceptions, system registers and instructions.
// Spec: ARM DDI 0487, D8 (VMSAv8-64), D17.2.37 (ESR_EL1), D1 (exceptions), C5 (system instructions).
#include "guest.h"
static u64 l1[512] __attribute__((aligned(4096))), l2[512] __attribute__((aligned(4096))), l3[512] __attribute__((aligned(4096))), self[512] __attribute__((aligned(4096)));
static u8 page[2][4096] __attribute__((aligned(4096)));
#define VA 0x80000000ul
#define NORMAL (0x400 | 0x300)
#define RW 0
#define RO 0x80
#define EL0_OK 0x40

void mmu_init(void) {
  l1[0] = 0x401 | 4 | 1ul << 53 | 1ul << 54;
  l1[1] = 0x40000000 | NORMAL | 1;
  l1[2] = (u64)l2 | 3;
  l2[0] = (u64)l3 | 3;
  WR(mair_el1, 0x00ff);
  WR(tcr_el1, 25 | 1 << 23 | 1 << 8 | 1 << 10 | 3 << 12 | 2ul << 32 | 25ul << 16);
  WR(ttbr0_el1, (u64)l1);
  DSB();
  __asm__ volatile("tlbi vmalle1\n\tdsb sy\n\tisb" ::: "memory");
  WR(sctlr_el1, RD(sctlr_el1) | 1 | 4 | 1 << 12);
  ISB();
}
static void renew(void) { DSB(); __asm__ volatile("tlbi vmalle1\n\tdsb sy\n\tisb" ::: "memory"); }
static void map(int n, u64 entry) { l3[n] = entry; renew(); }
static void load_at(u64 at) { fresh(); __asm__ volatile("ldr xzr, [%0]" :: "r"(at) : "memory"); }
static void store_at(u64 at) { fresh(); __asm__ volatile("str xzr, [%0]" :: "r"(at) : "memory"); }
static void jump_to(u64 at) { u64 t; fresh(); __asm__ volatile("adr %0, 1f\n\tstr %0, [%2]\n\tblr %1\n1:" : "=&r"(t) : "r"(at), "r"(&taken.to) : "x30", "memory"); }
static int is(u32 ec, u32 iss, u64 far) { return taken.count == 1 && EC == ec && (ISS & 0x7f) == iss && taken.far == far; }
static u64 translate(u64 at) { __asm__ volatile("at s1e1r, %0\n\tisb" :: "r"(at) : "memory"); return RD(par_el1); }
#define FAULT(name, action, class_, syndrome_, at_) do { action; check("MMU DDI 0487 " name, is(class_, syndrome_, at_), taken.esr, taken.far); } while (0)
static void el0_load(u64 at) { __asm__ volatile("ldr x0, [%0]\n\tsvc #1" :: "r"(at)); }

void mmu_cases(void) {
  FAULT("D8.15 translation, level 1, a load", load_at(3ul << 30), 0x25, 0x05, 3ul << 30);
  FAULT("D8.15 translation, level 2, a store", store_at(VA + 0x200008), 0x25, 0x46, VA + 0x200008);
  FAULT("D8.15 translation, level 3, a load", load_at(VA + 0x1010), 0x25, 0x07, VA + 0x1010);
  FAULT("D8.15 translation, level 3, an instruction", jump_to(VA + 0x1000), 0x21, 0x07, VA + 0x1000);
  FAULT("D8.2 translation, level 0: an address beyond T0SZ", load_at(1ul << 40), 0x25, 0x04, 1ul << 40);
  FAULT("D8.2.4 translation: EPD1 forbids the walk", WR(tcr_el1, RD(tcr_el1) | 1 << 23); ISB(); load_at(~0xffful), 0x25, 0x04, ~0xffful);
  map(1, (u64)page[0] | NORMAL | RO | 3);
  FAULT("D8.4 permission, level 3, a store to a read-only page", store_at(VA + 0x1008), 0x25, 0x4f, VA + 0x1008);
  load_at(VA + 0x1008);
  check("MMU DDI 0487 D8.4 read-only: a load passes", taken.count == 0, taken.esr, 0);
  map(1, (u64)page[0] | NORMAL | 1ul << 53 | 3);
  FAULT("D8.4 permission, level 3: PXN", jump_to(VA + 0x1000), 0x21, 0x0f, VA + 0x1000);
  map(1, (u64)page[0] | (NORMAL & ~0x400) | 3);
  FAULT("D8.5 access flag, level 3", load_at(VA + 0x1000), 0x25, 0x0b, VA + 0x1000);
  map(1, 1ul << 47 | NORMAL | 3);
  FAULT("D8.15 address size, level 3: an output beyond IPS", load_at(VA + 0x1000), 0x25, 0x03, VA + 0x1000);
  map(1, (u64)page[0] | 0x404 | 3);
  FAULT("B2.8 alignment: an unaligned load of Device memory", load_at(VA + 0x1001), 0x25, 0x21, VA + 0x1001);
  l2[2] = 0x30000000 | 3;
  renew();
  FAULT("D8.15 external abort on a walk, level 3: a table where nothing is", load_at(VA + 0x400000), 0x25, 0x17, VA + 0x400000);
  l2[2] = 0;
  map(1, (u64)page[0] | NORMAL | 3);
  FAULT("D8.4 permission: EL0 and a page of EL1", fresh(); el0(el0_load, VA + 0x1000), 0x24, 0x0f, VA + 0x1000);
  *(volatile u64 *)page[0] = 0x1111;
  *(volatile u64 *)page[1] = 0x2222;
  u64 first = r64(VA + 0x1000);
  map(1, (u64)page[1] | NORMAL | 3);
  check("MMU DDI 0487 D8.13 TLBI: after it the new page is there", first == 0x1111 && r64(VA + 0x1000) == 0x2222, first, r64(VA + 0x1000));
  l3[1] = (u64)page[0] | NORMAL | 0x800 | 3;
  renew();
  first = r64(VA + 0x1000);
  l3[1] = (u64)page[1] | NORMAL | 0x800 | 3;
  DSB();
  WR(ttbr0_el1, (u64)l1 | 1ul << 48);
  ISB();
  check("MMU DDI 0487 D8.13.3: another ASID sees its own non-global page", first == 0x1111 && r64(VA + 0x1000) == 0x2222, first, r64(VA + 0x1000));
  WR(ttbr0_el1, (u64)l1);
  __asm__ volatile("tlbi aside1, xzr\n\tdsb sy\n\tisb" ::: "memory");
  check("MMU DDI 0487 D8.13 TLBI ASIDE1: the ASID used again is forgotten", r64(VA + 0x1000) == 0x2222, r64(VA + 0x1000), 0);
  u64 par = translate(VA + 0x1008);
  check("MMU DDI 0487 AT, PAR_EL1: the address of what is mapped", (par & 1) == 0 && (par & 0xfffffff000ul) == (u64)page[1], par, 0);
  par = translate(VA + 0x2000);
  check("MMU DDI 0487 AT, PAR_EL1: the fault of what is not", (par & 0x7f) == (7 << 1 | 1), par, 0);
  self[0] = (u64)self | 3;
  l1[3] = (u64)self | 3;
  renew();
  first = r64(3ul << 30);
  check("MMU DDI 0487 D8.2: a table that is its own entry", first == self[0] || taken.count, first, 0);
  l1[3] = 0;
  l2[3] = 0x40000000 | NORMAL | 1;
  renew();
  load_at(VA + 0x600000);
  check("MMU DDI 0487 D8.3: a block of 2 MiB", taken.count == 0, taken.esr, 0);
  u64 tcr = RD(tcr_el1);
  WR(tcr_el1, tcr | 1ul << 37);
  ISB();
  check("MMU DDI 0487 D8.8 TBI0: a tag is ignored", r64((VA + 0x1000) | 0xabul << 56) == 0x2222, 0, 0);
  WR(tcr_el1, tcr);
  ISB();
  FAULT("D8.8: and not without TBI0", load_at((VA + 0x1000) | 0x01ul << 56), 0x25, 0x04, (VA + 0x1000) | 0x01ul << 56);
  for (u64 size = 16, bad = 0; size <= 39; size++) { // through TTBR1, which nobody needs
    WR(ttbr1_el1, (u64)self);
    WR(tcr_el1, (tcr & ~(0x3ful << 16) & ~(1ul << 23)) | size << 16);
    renew();
    u64 p = translate(~0ul << (64 - size));
    if (p & 1 && ((p >> 1 & 0x3f) & 0x3c) > 0x0c) bad++;
    if (size == 39) check("MMU DDI 0487 D8.2: every size of TTBR1's range, its table naming itself", bad == 0, p, bad);
  }
  for (u64 tg = 1; tg <= 3; tg += 2) { // 16 KiB, 64 KiB
    WR(tcr_el1, (tcr & ~(0xfffful << 16)) | 25ul << 16 | tg << 30);
    WR(ttbr1_el1, 0x30000000);
    renew();
    par = translate(~0ul << 39);
    check(tg == 1 ? "MMU DDI 0487 D8.15: tables of 16 KiB pages where nothing is: an external abort or a fault, and on" : "MMU DDI 0487 D8.15: tables of 64 KiB pages where nothing is: an external abort or a fault, and on", taken.count || (par & 1), par, taken.esr);
  }
  WR(tcr_el1, tcr);
  renew();
}

static u32 code[4] __attribute__((aligned(64)));
static u64 run_word(u32 word) {
  u64 v = 0, t;
  code[0] = word;
  code[1] = 0xd65f03c0; // RET
  __asm__ volatile("dc cvau, %0\n\tdsb ish\n\tic ivau, %0\n\tdsb ish\n\tisb" :: "r"(code) : "memory");
  fresh();
  __asm__ volatile("mov x0, xzr\n\tblr %1\n\tmov %0, x0" : "=r"(v), "=r"(t) : "1"(code) : "x0", "x1", "x2", "x3", "x30", "memory");
  return v;
}
static void el0_word(u64 at) { __asm__ volatile("br %0" :: "r"(at)); }
static int word_at_el0(u32 word) { code[0] = word; code[1] = 0xd4000021; __asm__ volatile("dc cvau, %0\n\tdsb ish\n\tic ivau, %0\n\tdsb ish\n\tisb" :: "r"(code) : "memory"); fresh(); el0(el0_word, (u64)code); return (int)EC; }
extern u8 unaligned_back[];

void cpu_cases(void) {
  static const struct { const char *name; u32 word; u32 ec, iss; } words[] = {
    { "exceptions DDI 0487 UDF: EC 0", 0x00000000, 0, 0 }, { "exceptions DDI 0487 C4.1: an unallocated encoding: EC 0", 0x66666666 & 0x01ffffff, 0, 0 },
    { "exceptions DDI 0487 HLT: UNDEFINED without halting debug", 0xd4400000, 0, 0 }, { "exceptions DDI 0487 SVC: EC 0x15 with its immediate", 0xd4024681, 0x15, 0x1234 },
    { "exceptions DDI 0487 MSR MIDR_EL1: read-only is UNDEFINED", 0xd5180000, 0, 0 }, { "exceptions DDI 0487 MRS SCTLR_EL2: UNDEFINED at EL1", 0xd53c1000, 0, 0 },
    { "exceptions DDI 0487 MRS SCTLR_EL3: UNDEFINED at EL1", 0xd53e1000, 0, 0 }, { "exceptions DDI 0487 DCPS1: UNDEFINED outside debug state", 0xd4a00001, 0, 0 },
  };
  for (u32 i = 0; i < sizeof words / sizeof *words; i++) { run_word(words[i].word); check(words[i].name, taken.count == 1 && EC == words[i].ec && (ISS & 0xffff) == words[i].iss, taken.esr, taken.count); }
  u64 odd = 0;
  for (u32 k = 0; k < 0x40; k++) { run_word(0xd5380000 | k << 5); if (k >= 8 && taken.count) odd++; }
  check("registers DDI 0487 D17.3.2: every encoding of the ID space reads", odd == 0, odd, 0);
  odd = 0;
  for (u32 k = 0; k < 0x80; k++) { run_word(0xd5180000 | k << 5); if (taken.count != 1 || EC != 0) odd++; }
  check("registers DDI 0487 D17.3.2: and none can be written", odd == 0, odd, 0);
  odd = 0;
  u64 last = 0;
  for (u32 k = 0; k < 0x8000; k++) { run_word(0xd5300000 | k << 5); if (taken.count > 1 || (taken.count && EC != 0)) { odd++; last = k; } }
  check("registers DDI 0487 C5.3: MRS of all 2^15 encodings reads or is UNDEFINED", odd == 0, odd, last);
  odd = 0;
  for (u32 k = 0; k < 0x8000; k++) if ((k >> 11 & 7) == 4 || (k >> 11 & 7) == 6) { run_word(0xd5100000 | k << 5); if (taken.count != 1 || EC != 0) { odd++; last = k; } }
  check("registers DDI 0487 D17.3: MSR of every encoding of EL2 and EL3 is UNDEFINED", odd == 0, odd, last);
  check("registers DDI 0487 D1.2: an EL1 register is UNDEFINED at EL0", word_at_el0(0xd5381000) == 0, taken.esr, 0);
  check("exceptions DDI 0487 SVC: from EL0 by the vector for a lower EL", word_at_el0(0xd503201f) == 0x15 && taken.vector == 8, taken.esr, taken.vector);
  fresh();
  jump_to((u64)code + 2);
  check("exceptions DDI 0487 D1.3.4: an unaligned PC: EC 0x22, FAR is the address", EC == 0x22 && taken.far == (u64)code + 2, taken.esr, taken.far);
  WR(cpacr_el1, 0);
  ISB();
  fresh();
  __asm__ volatile(".arch_extension fp\n\tfmov d0, xzr\n\t.arch_extension nofp");
  check("exceptions DDI 0487 CPACR_EL1.FPEN: floating point traps: EC 0x07", EC == 7 && (ISS >> 20) == 0x1e, taken.esr, 0);
  WR(cpacr_el1, 3 << 20);
  ISB();
  u64 value = 0, failed;
  __asm__ volatile("ldxr %0, [%2]\n\tclrex\n\tstxr %w1, %0, [%2]" : "=&r"(failed), "=&r"(value) : "r"(code) : "memory");
  check("exclusives DDI 0487 B2.9, CLREX: the STXR fails", value == 1, value, 0);
  u64 t;
  __asm__ volatile("ldxr %0, [%3]\n\tadr %2, 1f\n\tmsr elr_el1, %2\n\tmov %2, #0x3c5\n\tmsr spsr_el1, %2\n\teret\n1:\tstxr %w1, %0, [%3]" : "=&r"(failed), "=&r"(value), "=&r"(t) : "r"(code) : "memory");
  check("exclusives DDI 0487 B2.9: an exception return clears the monitor", value == 1, value, 0);
  __asm__ volatile("sevl\n\twfe\n\tsev\n\twfe" ::: "memory");
  check("WFE DDI 0487 D1.6.1: SEVL and SEV set the event register", 1, 0, 0);
  odd = 0;
  for (u32 i = 0; i < 2000; i++) if (run_word(0xd2800000 | i << 5) != i) odd++;
  check("caches DDI 0487 B2.4.4: code written, cleaned and invalidated is the code that runs", odd == 0, odd, 0);
}
