// test/guests/bare/mmu.c — translation: the classes and codes of its faults, granules, what TLBI drops.
#include "bare.h"

enum { VALID = 1, TABLE = 3, PAGE = 3, BLOCK = 1 };
#define AF (1ul << 10)
#define USER (1ul << 6)
#define READ_ONLY (1ul << 7)
#define NG (1ul << 11)
#define PXN (1ul << 53)
#define UXN (1ul << 54)
static u64 low[512] __attribute__((aligned(4096)));
static u64 level1[512] __attribute__((aligned(65536)));
static u64 level2[512] __attribute__((aligned(4096)));
static u64 level3[8192] __attribute__((aligned(65536)));
static u64 page[2][8192] __attribute__((aligned(65536)));
#define HIGH 0xffffff8000000000ul
#define TCR (25ul | 25ul << 16 | 2ul << 30 | 2ul << 32)

static void flush(void) { asm volatile("dsb ish\n tlbi vmalle1\n dsb ish\n isb" ::: "memory"); }
static int load(u64 at) { return EXCEPTION("ldr x0, [%0]" ::"r"(at) : "x0", "memory"); }
static int store(u64 at) { return EXCEPTION("str xzr, [%0]" ::"r"(at) : "memory"); }
static bool fault(int ec, u32 dfsc) { return ec == 0x25 && (ISS() & 0x3f) == dfsc; }

void mmu(void) {
  struct record *r = record();
  low[0] = 0 | BLOCK | AF | 1 << 2; // devices, attribute 1
  low[1] = 0x40000000 | BLOCK | AF;
  level1[0] = (u64)level2 | TABLE;
  level1[1] = 0x40000000 | BLOCK | AF; // HIGH + 1 GiB
  level2[0] = (u64)level3 | TABLE;
  for (int i = 0; i < 16; i++) level3[i] = (u64)page[0] | PAGE | AF | 3ul << 8;
  WRITE("mair_el1", 0x00ff);
  WRITE("tcr_el1", TCR);
  WRITE("ttbr0_el1", low);
  WRITE("ttbr1_el1", level1);
  flush();
  WRITE("sctlr_el1", READ("sctlr_el1") | 1);
  ISB();
  page[0][0] = 0x1122;
  check("C7", "DDI 0487 D8.2", "pages of the upper half translate", *(volatile u64 *)HIGH == 0x1122, *(volatile u64 *)HIGH);
  check("C7", "DDI 0487 D8.5, ESR_EL1.DFSC", "no descriptor: translation fault of its level, FAR the address", fault(load(HIGH + 512ul * 1024 * 1024 + 8), 6) && r->far == HIGH + 512ul * 1024 * 1024 + 8, r->esr);
  check("C7", "DDI 0487 D8.5", "level 1 and level 3 too", fault(load(HIGH + (3ul << 30)), 5) && fault(load(HIGH + 0x20000), 7), r->esr);
  check("C7", "DDI 0487 D8.2.4", "an address between the halves: translation fault of level 0", fault(load(1ul << 45), 4), r->esr);
  check("C7", "DDI 0487 D8.5, ESR_EL1.WnR", "a store's fault has WnR", store(HIGH + 0x20000) == 0x25 && (ISS() >> 6 & 1), r->esr);
  level3[0] &= ~AF;
  flush();
  check("C7", "DDI 0487 D8.4.4", "access flag clear: access flag fault of level 3", fault(load(HIGH), 0xb), r->esr);
  level3[0] |= AF | READ_ONLY;
  flush();
  check("C7", "DDI 0487 D8.4.1", "a store to what is read-only: permission fault; loads pass", fault(store(HIGH), 0xf) && load(HIGH) == -1, r->esr);
  level3[0] = 1ul << 44 | PAGE | AF;
  flush();
  check("C7", "DDI 0487 D8.2.3", "an output address beyond TCR_EL1.IPS: address size fault of level 3", fault(load(HIGH), 3), r->esr);
  level3[0] = (u64)page[0] | BLOCK | AF;
  flush();
  check("C7", "DDI 0487 D8.3.2", "a block descriptor at level 3 is invalid", fault(load(HIGH), 7), r->esr);
  level3[0] = (u64)page[0] | PAGE | AF | 3ul << 8;
  level2[1] = (u64)level2 | TABLE; // points to itself
  flush();
  check("C7", "DDI 0487 D8.2", "a table that points to itself: a walk of no more than four levels", load(HIGH + 0x200000 + 0x1000) == -1 || r->esr >> 26 == 0x25, r->esr);
  level2[2] = 0x3ffffffffful & ~0xffful;
  level2[2] |= TABLE;
  flush();
  check("C7", "DDI 0487 D8.5, ESR_EL1.DFSC", "a table where no memory is: external abort on the walk of level 3", fault(load(HIGH + 0x400000), 0x17), r->esr);
  level3[1] = (u64)page[0] | PAGE | AF | PXN | UXN;
  flush();
  r->count = 0;
  asm volatile("adr x0, 1f\n str x0, [%0]\n br %1\n 1: nop" ::"r"(&r->resume), "r"(HIGH + 0x1000) : "x0", "memory");
  r->resume = 0;
  check("C7", "DDI 0487 D8.4.2", "execution of a page with PXN: class 0x21, permission fault", r->count == 1 && r->esr >> 26 == 0x21 && (r->esr & 0x3f) == 0xf, r->esr);
  level3[0] = (u64)page[0] | PAGE | AF;
  flush();
  (void)load(HIGH);
  page[1][0] = 0x3344;
  level3[0] = (u64)page[1] | PAGE | AF;
  asm volatile("dsb ishst\n tlbi vaae1is, %0\n dsb ish\n isb" ::"r"((HIGH >> 12) & 0xfffffffffff) : "memory");
  check("C7", "DDI 0487 D8.13", "TLBI VAAE1IS: the new page is seen", *(volatile u64 *)HIGH == 0x3344, *(volatile u64 *)HIGH);
  u64 par;
  asm volatile("at s1e1r, %1\n isb\n mrs %0, par_el1" : "=r"(par) : "r"(HIGH) : "memory");
  check("C7", "DDI 0487 C5.4, PAR_EL1", "AT S1E1R: the physical address", (par & 1) == 0 && (par & 0xfffffff000) == (u64)page[1], par);
  asm volatile("at s1e1r, %1\n isb\n mrs %0, par_el1" : "=r"(par) : "r"(HIGH + 0x20000) : "memory");
  check("C7", "DDI 0487 C5.4, PAR_EL1", "AT of what is not mapped: F and the fault's code", (par & 1) && (par >> 1 & 0x3f) == 7, par);
  // ASIDs: two tables of one address
  static u64 other[512] __attribute__((aligned(4096)));
  other[0] = low[0];
  other[1] = low[1];
  low[2] = 0x40000000 | BLOCK | AF | NG;
  other[2] = ((u64)page[1] & ~0x3ffffffful) | BLOCK | AF | NG | READ_ONLY;
  flush();
  u64 at = 0x80000000ul + ((u64)page[0] & 0x3fffffff);
  bool writes = store(at) == -1;
  WRITE("ttbr0_el1", (u64)other | 1ul << 48);
  ISB();
  bool kept = fault(store(at), 0xd);
  WRITE("ttbr0_el1", (u64)low);
  ISB();
  check("C7", "DDI 0487 D8.13.3", "an entry that is not global belongs to its ASID", writes && kept && store(at) == -1, r->esr);
  low[2] = 0x40000000 | BLOCK | AF | NG;
  low[1] = 0x40000000 | BLOCK | AF;
  flush();
  check("C7", "DDI 0487 D8.4.1", "EL1 reads what EL0 may not", load(0x80000000ul) == -1, r->esr);
  flush();
  r->count = 0;
  u64 bad = HIGH | 0x20000 | 3;
  level3[0] = (u64)page[1] | PAGE | AF | 0x4; // Device memory: attribute 1
  flush();
  check("C7", "DDI 0487 B2.5.2", "a misaligned load from Device memory: alignment fault", fault(load(HIGH + 1), 0x21), r->esr);
  check("C7", "DDI 0487 D8.5", "a misaligned load from nowhere: the translation fault has its address", fault(load(bad), 7) && r->far == bad, r->far);
  for (int i = 0; i < 16; i++) level3[i] = ((u64)page[0] + (u64)(i & 1) * 0x1000) | PAGE | AF | 1ul << 52;
  flush();
  check("C7", "DDI 0487 D8.6.1", "a contiguous bit that lies: some page, and no more", load(HIGH) == -1, r->esr);
  // other granules, by a table of level 3 alone
  static const struct { u64 tg1, granule, tsz; const char *name; } granules[] = {
    { 1, 14, 64 - 25, "16K pages translate" }, { 3, 16, 64 - 29, "64K pages translate" } };
  for (int i = 0; i < 2; i++) {
    page[0][0] = 0x5566 + i;
    for (int k = 0; k < 8192; k++) level3[k] = 0;
    level3[2] = (u64)page[0] | PAGE | AF | 3ul << 8;
    WRITE("ttbr1_el1", level3);
    WRITE("tcr_el1", (TCR & ~(3ul << 30 | 63ul << 16)) | granules[i].tg1 << 30 | granules[i].tsz << 16);
    flush();
    u64 base = -(1ul << (64 - granules[i].tsz));
    u64 value = *(volatile u64 *)(base + (2ul << granules[i].granule));
    check("C7", "DDI 0487 D8.2", granules[i].name, value == 0x5566 + (u64)i && fault(load(base), 7), value);
  }
  WRITE("ttbr1_el1", level1);
  WRITE("tcr_el1", (TCR & ~(63ul << 16)) | 12ul << 16);
  flush();
  check("C7", "DDI 0487 D8.2.4", "TCR_EL1.T1SZ below 16: translation fault of level 0", fault(load(HIGH), 4), r->esr);
  WRITE("tcr_el1", TCR | 1ul << 23);
  flush();
  check("C7", "DDI 0487 D17.2, TCR_EL1.EPD1", "EPD1: translation fault of level 0", fault(load(HIGH), 4), r->esr);
  WRITE("sctlr_el1", READ("sctlr_el1") & ~1ul);
  ISB();
}
