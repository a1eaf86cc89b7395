// test/guests/bare/core.c — exceptions, system registers and self-hosted debug.
#include "bare.h"

static void el0_svc(void) { asm volatile("svc #7\n svc #0" ::: "memory"); }
static void el0_daif(void) { asm volatile("msr daifset, #2\n svc #0" ::: "memory"); }
static void el0_counter(void) { asm volatile("mrs x0, cntvct_el0\n svc #0" ::: "x0", "memory"); }
static void el0_register(void) { asm volatile("mrs x0, sctlr_el1\n svc #0" ::: "x0", "memory"); }
static void el0_wfi(void) { asm volatile("wfi\n svc #0" ::: "memory"); }

void exceptions(void) {
  struct record *r = record();
  int ec;
  ec = EXCEPTION("brk #0x123");
  check("C8", "DDI 0487 D1.4.1, ESR_EL1", "BRK has class 0x3c, its immediate, and ELR at itself", ec == 0x3c && ISS() == 0x123 && get32(r->elr) == 0xd4202460, r->esr);
  ec = EXCEPTION("hlt #5");
  check("C8", "DDI 0487 C6.2 HLT", "HLT without halting debug is UNDEFINED", ec == 0, r->esr);
  ec = EXCEPTION(".inst 0x00000000");
  check("C8", "DDI 0487 C6.2 UDF", "UDF is UNDEFINED: class 0, IL set, ISS 0", ec == 0 && r->esr == 1ul << 25, r->esr);
  ec = EXCEPTION(".inst 0x00e00000");
  check("C8", "DDI 0487 C4.1", "an unallocated encoding is UNDEFINED", ec == 0, r->esr);
  ec = EXCEPTION("svc #9");
  check("C8", "DDI 0487 C6.2 SVC", "SVC at EL1 goes to the current level's vector, behind itself", ec == 0x15 && ISS() == 9 && r->kind == 4, r->kind);
  el0_call(el0_svc);
  check("C8", "DDI 0487 D1.4.2", "SVC of EL0 goes to the lower level's vector, with its PSTATE", r->kind == 8 && (r->spsr & 0xf) == 0, r->kind);
  record()->count = 0;
  asm volatile("adr x0, 1f\n str x0, [%0]\n adr x0, 1f + 2\n br x0\n 1: nop" ::"r"(&r->resume) : "x0", "memory");
  r->resume = 0;
  check("C8", "DDI 0487 D1.4.1, PC alignment", "a branch to a misaligned PC: class 0x22, FAR and ELR are that PC", r->esr >> 26 == 0x22 && (r->far & 3) == 2 && r->elr == r->far, r->esr);
  r->count = 0;
  asm volatile("mrs x2, sp_el0\n adr x0, 2f\n str x0, [%0]\n mrs x1, sctlr_el1\n orr x1, x1, #8\n msr sctlr_el1, x1\n isb\n mov x0, sp\n add x0, x0, #-248\n orr x0, x0, #8\n msr sp_el0, x0\n msr spsel, #0\n ldr x0, [sp]\n 2: msr spsel, #1\n msr sp_el0, x2" ::"r"(&r->resume) : "x0", "x1", "x2", "memory");
  r->resume = 0;
  check("C8", "DDI 0487 D1.4.1, SP alignment", "a load by a misaligned SP with SCTLR_EL1.SA: class 0x26", r->esr >> 26 == 0x26 && r->kind == 0, r->esr);
  r->count = 0;
  asm volatile("adr x0, 3f\n str x0, [%0]\n adr x0, 4f\n msr elr_el1, x0\n mov x0, #0x3c9\n msr spsr_el1, x0\n eret\n 4: nop\n 3: nop" ::"r"(&r->resume) : "x0", "memory");
  r->resume = 0;
  check("C8", "DDI 0487 D1.4.4", "a return to EL2, which is not there, sets PSTATE.IL: class 0x0e at the target", r->esr >> 26 == 0x0e && (r->spsr >> 20 & 1) == 1, r->esr);
  WRITE("cntkctl_el1", 0);
  r->count = 0;
  el0_call(el0_counter);
  check("C5", "DDI 0487 D13.8, CNTKCTL_EL1", "CNTVCT of EL0 without EL0VCTEN traps: class 0x18, direction read", r->count == 1 && r->esr >> 26 == 0x18 && (r->esr & 1), r->esr);
  WRITE("cntkctl_el1", 3);
  r->count = 0;
  el0_call(el0_counter);
  check("C5", "DDI 0487 D13.8, CNTKCTL_EL1", "and with it does not", r->count == 0, r->esr);
  r->count = 0;
  el0_call(el0_register);
  check("C4", "DDI 0487 D17.2", "SCTLR_EL1 read by EL0 is UNDEFINED", r->count == 1 && r->esr >> 26 == 0, r->esr);
  WRITE("sctlr_el1", READ("sctlr_el1") & ~(1ul << 9 | 1ul << 16));
  ISB();
  r->count = 0;
  el0_call(el0_daif);
  check("C4", "DDI 0487 D17.2, SCTLR_EL1.UMA", "DAIFSet of EL0 without UMA traps: class 0x18", r->count == 1 && r->esr >> 26 == 0x18, r->esr);
  r->count = 0;
  el0_call(el0_wfi);
  check("C6", "DDI 0487 D17.2, SCTLR_EL1.nTWI", "WFI of EL0 without nTWI traps: class 1, TI 0", r->count == 1 && r->esr >> 26 == 1 && (r->esr & 3) == 0, r->esr);
  WRITE("sctlr_el1", READ("sctlr_el1") | 1ul << 16);
  ISB();
  asm volatile("sevl\n wfe" ::: "memory");
  check("C6", "DDI 0487 D1.6.1", "WFE after SEVL does not wait", true, 0);

  // code written just now
  static u32 code[8] __attribute__((aligned(64)));
  u64 sum = 0;
  for (u32 i = 1; i <= 100; i++) {
    code[0] = 0xd2800000 | i << 5; // movz x0, #i
    code[1] = 0xd65f03c0;
    asm volatile("dc cvau, %0\n dsb ish\n ic ivau, %0\n dsb ish\n isb" ::"r"(code) : "memory");
    sum += ((u64(*)(void))code)();
  }
  check("C9", "DDI 0487 B2.4.4", "code written, cleaned and invalidated is what runs", sum == 5050, sum);
  static u64 cells[8] __attribute__((aligned(64)));
  u64 failed = 0;
  u32 status;
  asm volatile("ldxr x0, [%1]\n clrex\n stxr %w0, x0, [%1]" : "=&r"(status) : "r"(cells) : "x0", "memory");
  failed |= status != 1;
  asm volatile("ldxr x0, [%1]\n add x0, x0, #1\n stxr %w0, x0, [%1]" : "=&r"(status) : "r"(cells) : "x0", "memory");
  failed |= (status != 0) << 1 | (u64)(cells[0] != 1) << 2;
  asm volatile("ldxr x0, [%1]\n svc #1\n stxr %w0, x0, [%1]" : "=&r"(status) : "r"(cells) : "x0", "memory");
  failed |= (u64)(status != 1) << 3;
  check("C9", "DDI 0487 B2.10", "STXR fails after CLREX and after an exception's return, and not else", failed == 0, failed);
  record()->count = 0;
  asm volatile("ldxr x0, [%0]" ::"r"((u64)cells + 1) : "x0", "memory");
  check("C9", "DDI 0487 B2.10.5", "LDXR at a misaligned address: alignment fault", record()->count == 1 && r->esr >> 26 == 0x25 && (r->esr & 0x3f) == 0x21, r->esr);
}

void registers(void) {
  int wrong = 0;
#define UNDEFINED(...) if (EXCEPTION(__VA_ARGS__) != 0) wrong++
  UNDEFINED("mrs x0, s3_4_c1_c0_0"); // SCTLR_EL2
  UNDEFINED("mrs x0, s3_4_c1_c1_0"); // HCR_EL2
  UNDEFINED("mrs x0, s3_4_c12_c0_0"); // VBAR_EL2
  UNDEFINED("mrs x0, s3_4_c4_c0_1"); // ELR_EL2
  UNDEFINED("msr s3_4_c2_c1_2, x0"); // VTCR_EL2
  check("C4", "DDI 0487 D17.2", "registers of EL2, which is not there, are UNDEFINED", wrong == 0, wrong);
  wrong = 0;
  UNDEFINED("mrs x0, s3_6_c1_c1_0"); // SCR_EL3
  UNDEFINED("mrs x0, s3_6_c1_c0_0"); // SCTLR_EL3
  UNDEFINED("msr s3_6_c12_c0_0, x0"); // VBAR_EL3
  check("C4", "DDI 0487 D17.2", "registers of EL3 are UNDEFINED", wrong == 0, wrong);
  wrong = 0;
  UNDEFINED("msr s3_0_c0_c0_0, x0"); // MIDR_EL1
  UNDEFINED("msr s3_0_c0_c4_0, x0"); // ID_AA64PFR0_EL1
  UNDEFINED("msr s3_0_c0_c7_0, x0"); // ID_AA64MMFR0_EL1
  UNDEFINED("msr s3_3_c0_c0_1, x0"); // CTR_EL0
  UNDEFINED("msr s3_0_c4_c2_2, x0"); // CurrentEL
  UNDEFINED("msr s3_3_c14_c0_2, x0"); // CNTVCT_EL0
  check("C4", "DDI 0487 D17.2", "identification registers, CurrentEL and CNTVCT_EL0 cannot be written: UNDEFINED", wrong == 0, wrong);
  wrong = 0;
  u64 value = 0;
#define ZERO(name) if (EXCEPTION("mrs %0, " name : "+r"(value)) != -1 || value != 0) wrong++
  ZERO("s3_0_c0_c5_7"); // what may once be ID_AA64DFR7_EL1
  ZERO("s3_0_c0_c6_7");
  ZERO("s3_0_c0_c7_7");
  check("C4", "DDI 0487 D17.3.1", "what is reserved among the ID registers reads as zero", wrong == 0, wrong);
  wrong = 0;
  UNDEFINED("mrs x0, s3_0_c11_c11_7");
  UNDEFINED("mrs x0, s3_0_c15_c15_7");
  UNDEFINED("mrs x0, s3_7_c13_c2_5");
  UNDEFINED("sys #7, c1, c3, #7, x0");
  UNDEFINED(".inst 0xd507419f"); // MSR (immediate) that there is not
  check("C4", "DDI 0487 D17.2", "unallocated registers and instructions are UNDEFINED", wrong == 0, wrong);
  WRITE("sctlr_el1", READ("sctlr_el1"));
  check("C4", "DDI 0487 D17.2.118", "EE and E0E: little-endian", (READ("sctlr_el1") & (1ul << 25 | 1ul << 24)) == 0, READ("sctlr_el1"));
  check("C4", "DDI 0487 D17.2.104", "MPIDR_EL1 of the first core: affinity 0, bit 31 one", (READ("mpidr_el1") & 0xff00ffffff) == 0 && (READ("mpidr_el1") >> 31 & 1), READ("mpidr_el1"));
}

static u64 watched[4] __attribute__((aligned(64)));
void debugging(void) {
  struct record *r = record();
  check("debug", "DDI 0487 D17.3.19, OSLSR_EL1", "the OS lock was taken off by OSLAR_EL1", (READ("oslsr_el1") & 2) == 0, READ("oslsr_el1"));
  WRITE("mdscr_el1", READ("mdscr_el1") | 1ul << 15 | 1ul << 13); // MDE, KDE
  asm volatile("msr daifclr, #8" ::: "memory");
  WRITE("dbgwvr0_el1", watched);
  WRITE("dbgwcr0_el1", 0xful << 5 | 2 << 3 | 1 << 1 | 1); // stores of EL1 to the lower word
  ISB();
  u64 load = EXCEPTION("ldr w0, [%0]" ::"r"(watched) : "x0", "memory");
  int ec = EXCEPTION("str wzr, [%0]" ::"r"(watched) : "memory");
  check("debug", "DDI 0487 D2.10", "a watchpoint on stores: class 0x35, WnR, FAR the address; loads pass", (int)load == -1 && ec == 0x35 && (ISS() & 0x7f) == 0x62 && r->far == (u64)watched, r->esr);
  ec = EXCEPTION("str wzr, [%0, #4]" ::"r"(watched) : "memory");
  check("debug", "DDI 0487 D2.10.5", "BAS: the word beside it is not watched", ec == -1, r->esr);
  WRITE("dbgwcr0_el1", 0);
  u64 place;
  r->count = 0;
  asm volatile("adr %0, 1f\n msr dbgbvr0_el1, %0\n mov x1, #0x1e7\n msr dbgbcr0_el1, x1\n isb\n 1: nop\n msr dbgbcr0_el1, xzr\n isb" : "=&r"(place)::"x1", "memory");
  check("debug", "DDI 0487 D2.9", "a breakpoint: class 0x31, ELR its address", r->count == 1 && r->esr >> 26 == 0x31 && r->elr == place, r->esr);
  WRITE("oslar_el1", 1);
  r->count = 0;
  asm volatile("adr %0, 1f\n msr dbgbvr0_el1, %0\n mov x1, #0x1e7\n msr dbgbcr0_el1, x1\n isb\n 1: nop\n msr dbgbcr0_el1, xzr\n isb" : "=&r"(place)::"x1", "memory");
  check("debug", "DDI 0487 H2.2.2", "while the OS lock is taken there are no breakpoints", r->count == 0, r->esr);
  WRITE("oslar_el1", 0);
  asm volatile("msr daifset, #8" ::: "memory");
  WRITE("mdscr_el1", 0);
  ISB();
}
