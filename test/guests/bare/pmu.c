// test/guests/bare/pmu.c — the performance monitors: what they count, at which EL, overflow and its interrupt, and EL0's rights.
#include "bare.h"

enum { SW_INCR = 0, INST_RETIRED = 8, EXC_TAKEN = 9, EXC_RETURN = 10, CPU_CYCLES = 0x11, CHAIN = 0x1e };
#define NOT_EL1 (1ul << 31)
#define NOT_EL0 (1ul << 30)
#define CYCLES (1ul << 31)
#define OVERFLOW 23

static volatile u32 taken;
static u64 place;
static void one_overflow(void) {
  u32 id = gic_acknowledge();
  if (id == OVERFLOW) {
    taken++;
    place = READ("elr_el1");
    WRITE("pmovsclr_el0", ~0u);
    ISB();
  }
  if (id < 1020) gic_end(id);
}
/** All counters stopped, zero, without filters and interrupts. */
static void clear(void) {
  WRITE("pmcr_el0", 6);
  WRITE("pmcntenclr_el0", ~0u);
  WRITE("pmintenclr_el1", ~0u);
  WRITE("pmovsclr_el0", ~0u);
  WRITE("pmccfiltr_el0", 0);
  ISB();
}
/** Counter 0 counts an event. */
static void count(u64 event) {
  clear();
  WRITE("pmevtyper0_el0", event);
  WRITE("pmcntenset_el0", 1);
  ISB();
}
#define START() do { WRITE("pmcr_el0", 1); ISB(); } while (0)
#define STOP() do { WRITE("pmcr_el0", 0); ISB(); } while (0)
/** Two instructions each time, and one before. */
#define LOOP(n) asm volatile("mov x9, %0\n 1: subs x9, x9, #1\n b.ne 1b" ::"r"((u64)(n)) : "x9", "cc")

static void el0_loop(void) { asm volatile("mov x9, #1000\n 1: subs x9, x9, #1\n b.ne 1b\n svc #0" ::: "x9", "cc", "memory"); }
static void el0_cycles(void) { asm volatile("mrs x0, pmccntr_el0\n svc #0" ::: "x0", "memory"); }
static void el0_event(void) { asm volatile("mrs x0, pmevcntr0_el0\n svc #0" ::: "x0", "memory"); }
static void el0_increment(void) { asm volatile("mov x0, #1\n msr pmswinc_el0, x0\n svc #0" ::: "x0", "memory"); }
static void el0_enable(void) { asm volatile("mov x0, #1\n msr pmcntenset_el0, x0\n svc #0" ::: "x0", "memory"); }
static void el0_rights(void) { asm volatile("mrs x0, pmuserenr_el0\n svc #0" ::: "x0", "memory"); }
static void el0_grant(void) { asm volatile("mov x0, #15\n msr pmuserenr_el0, x0\n svc #0" ::: "x0", "memory"); }
static int class_at_el0(void (*fn)(void)) {
  record()->count = 0;
  el0_call(fn);
  return record()->count == 0 ? -1 : (int)(record()->esr >> 26);
}

void pmu(void) {
  u64 version = READ("id_aa64dfr0_el1") >> 8 & 15, control = READ("pmcr_el0"), n = control >> 11 & 31, a, b;
  check("pmu", "DDI 0487 D19.2.59, ID_AA64DFR0_EL1", "there are performance monitors", version >= 1 && version != 15, version);
  if (version == 0 || version == 15) return;
  check("pmu", "DDI 0487 D13.7", "with four event counters or more", n >= 4, n);
  u64 events = READ("pmceid0_el0");
  u64 wanted = 1 << SW_INCR | 1 << INST_RETIRED | 1 << CPU_CYCLES;
  check("pmu", "DDI 0487 D13.11, PMCEID0_EL0", "SW_INCR, INST_RETIRED and CPU_CYCLES are among the events", (events & wanted) == wanted, events);
  clear();
  WRITE("pmcntenset_el0", 5);
  WRITE("pmcntenclr_el0", 4);
  check("pmu", "DDI 0487 D19.5, PMCNTENSET_EL0", "enables are set and cleared bit by bit, and read from both registers", READ("pmcntenset_el0") == 1 && READ("pmcntenclr_el0") == 1, READ("pmcntenset_el0"));
  clear();
  WRITE("pmcntenset_el0", ~0u);
  check("pmu", "DDI 0487 D19.5, PMCNTENSET_EL0", "bits of counters that there are not are RES0", READ("pmcntenset_el0") == (CYCLES | ((1ul << n) - 1)), READ("pmcntenset_el0"));
  clear();
  WRITE("pmintenset_el1", 3);
  WRITE("pmintenclr_el1", 1);
  check("pmu", "DDI 0487 D19.5, PMINTENSET_EL1", "so are the interrupts'", READ("pmintenset_el1") == 2 && READ("pmintenclr_el1") == 2, READ("pmintenset_el1"));
  clear();
  WRITE("pmovsset_el0", 9);
  WRITE("pmovsclr_el0", 8);
  check("pmu", "DDI 0487 D19.5, PMOVSSET_EL0", "and the overflow flags, which software may set", READ("pmovsset_el0") == 1 && READ("pmovsclr_el0") == 1, READ("pmovsset_el0"));
  clear();
  WRITE("pmselr_el0", 2);
  ISB();
  WRITE("pmxevtyper_el0", CPU_CYCLES);
  WRITE("pmxevcntr_el0", 77);
  ISB();
  check("pmu", "DDI 0487 D19.5, PMSELR_EL0", "PMXEVTYPER and PMXEVCNTR are the selected counter's", READ("pmevtyper2_el0") == CPU_CYCLES && READ("pmevcntr2_el0") == 77, READ("pmevcntr2_el0"));
  WRITE("pmselr_el0", 31);
  ISB();
  WRITE("pmxevtyper_el0", NOT_EL0);
  ISB();
  check("pmu", "DDI 0487 D19.5, PMSELR_EL0", "31 selects the cycle counter's filter", READ("pmccfiltr_el0") == NOT_EL0, READ("pmccfiltr_el0"));
  clear();
  WRITE("pmevcntr0_el0", 0x123456789abcdef0);
  check("pmu", "DDI 0487 D13.1.3", "event counters have 32 bits", READ("pmevcntr0_el0") == 0x9abcdef0, READ("pmevcntr0_el0"));
  WRITE("pmccntr_el0", 0x123456789abcdef0);
  check("pmu", "DDI 0487 D13.1.2", "and the cycle counter 64", READ("pmccntr_el0") == 0x123456789abcdef0, READ("pmccntr_el0"));
  WRITE("pmcr_el0", 2);
  ISB();
  check("pmu", "DDI 0487 D19.5, PMCR_EL0", "P makes the event counters zero, not the cycle counter", READ("pmevcntr0_el0") == 0 && READ("pmccntr_el0") != 0, READ("pmccntr_el0"));
  WRITE("pmcr_el0", 4);
  ISB();
  check("pmu", "DDI 0487 D19.5, PMCR_EL0", "C makes the cycle counter zero; both read as 0", READ("pmccntr_el0") == 0 && (READ("pmcr_el0") & 6) == 0, READ("pmcr_el0"));

  count(INST_RETIRED);
  LOOP(1000);
  check("pmu", "DDI 0487 D13.1, PMCR_EL0.E", "nothing counts while E is 0", READ("pmevcntr0_el0") == 0, READ("pmevcntr0_el0"));
  START();
  LOOP(1000);
  STOP();
  a = READ("pmevcntr0_el0");
  clear();
  WRITE("pmcntenset_el0", 1);
  START();
  LOOP(2000);
  STOP();
  b = READ("pmevcntr0_el0");
  check("pmu", "DDI 0487 D13.11, INST_RETIRED", "a loop's instructions are counted, and no others", a >= 2000 && a < 2020 && b - a == 2000, b - a);
  clear();
  WRITE("pmcntenset_el0", CYCLES);
  START();
  LOOP(1000);
  STOP();
  a = READ("pmccntr_el0");
  LOOP(1000);
  check("pmu", "DDI 0487 D13.1.2", "the cycle counter moves while it is enabled, and not after", a > 0 && READ("pmccntr_el0") == a, a);

  count(INST_RETIRED | NOT_EL1);
  START();
  LOOP(5000);
  el0_call(el0_loop);
  LOOP(5000);
  STOP();
  check("pmu", "DDI 0487 D19.5, PMEVTYPER_EL0.P", "with P only EL0 counts, to the instruction", READ("pmevcntr0_el0") == 2002, READ("pmevcntr0_el0"));
  count(INST_RETIRED | NOT_EL0);
  START();
  el0_call(el0_loop);
  STOP();
  check("pmu", "DDI 0487 D19.5, PMEVTYPER_EL0.U", "with U only EL1", READ("pmevcntr0_el0") > 0 && READ("pmevcntr0_el0") < 300, READ("pmevcntr0_el0"));
  count(EXC_TAKEN);
  WRITE("pmevtyper1_el0", EXC_RETURN);
  WRITE("pmcntenset_el0", 3);
  START();
  for (int i = 0; i < 5; i++) asm volatile("svc #3" ::: "memory");
  STOP();
  if (events >> EXC_TAKEN & 1) check("pmu", "DDI 0487 D13.11, EXC_TAKEN, EXC_RETURN", "exceptions and their returns are counted", READ("pmevcntr0_el0") == 5 && READ("pmevcntr1_el0") == 5, READ("pmevcntr0_el0"));
  count(SW_INCR);
  START();
  for (int i = 0; i < 7; i++) WRITE("pmswinc_el0", 1);
  WRITE("pmswinc_el0", 2);
  STOP();
  check("pmu", "DDI 0487 D13.11, SW_INCR", "PMSWINC counts for the counters it names", READ("pmevcntr0_el0") == 7, READ("pmevcntr0_el0"));
  clear();
  WRITE("pmevtyper0_el0", SW_INCR);
  WRITE("pmevtyper1_el0", CHAIN);
  WRITE("pmevcntr0_el0", 0xfffffffe);
  WRITE("pmcntenset_el0", 3);
  START();
  for (int i = 0; i < 5; i++) WRITE("pmswinc_el0", 1);
  STOP();
  if (events >> CHAIN & 1) check("pmu", "DDI 0487 D13.11, CHAIN", "the odd counter counts the even one's overflows", READ("pmevcntr0_el0") == 3 && READ("pmevcntr1_el0") == 1 && (READ("pmovsset_el0") & 3) == 1, READ("pmevcntr1_el0"));

  gic_start();
  record()->irq = one_overflow;
  gic_enable(OVERFLOW, 0x80);
  irqs(true);
  clear();
  WRITE("pmovsset_el0", 1);
  WRITE("pmcr_el0", 1);
  WRITE("pmintenset_el1", 1);
  ISB();
  wait_us(1000);
  check("pmu", "BSA, PPI of the performance monitors", "an overflow flag with its interrupt enabled is interrupt 23", taken == 1, taken);
  taken = 0;
  clear();
  WRITE("pmovsset_el0", 2);
  WRITE("pmcr_el0", 1);
  WRITE("pmintenset_el1", 1);
  ISB();
  wait_us(1000);
  check("pmu", "DDI 0487 D13.3", "and without it none", taken == 0, taken);
  count(INST_RETIRED);
  WRITE("pmevcntr0_el0", -100000);
  WRITE("pmintenset_el1", 1);
  u64 first, last;
  START();
  asm volatile("adr %0, 1f\n adr %1, 2f\n mov x9, #60000\n 1: subs x9, x9, #1\n b.ne 1b\n 2:" : "=r"(first), "=r"(last)::"x9", "cc", "memory");
  STOP();
  a = READ("pmevcntr0_el0");
  check("pmu", "DDI 0487 D13.3", "a counter that goes over interrupts once, in the loop that it counts", taken == 1 && place >= first && place < last, taken);
  check("pmu", "DDI 0487 D13.3", "having gone over it counts on from 0", a > 20000 && a < 20400, a);
  taken = 0;
  count(INST_RETIRED | NOT_EL1);
  WRITE("pmevcntr0_el0", -1500);
  WRITE("pmintenset_el1", 1);
  START();
  el0_call(el0_loop);
  irqs(true); // el0_call masks them
  wait_us(1000);
  STOP();
  check("pmu", "DDI 0487 D13.3", "it does so at EL0, whose interrupts are masked, once they are not", taken == 1, taken);
  taken = 0;
  clear();
  WRITE("pmccntr_el0", -50000ul);
  WRITE("pmcntenset_el0", CYCLES);
  WRITE("pmintenset_el1", CYCLES);
  START();
  for (int i = 0; i < 1000 && !taken; i++) LOOP(10000);
  STOP();
  check("pmu", "DDI 0487 D13.3", "and the cycle counter at 2^64", taken == 1, taken);
  irqs(false);
  gic_disable(OVERFLOW);
  record()->irq = 0;

  clear();
  WRITE("pmuserenr_el0", 0);
  ISB();
  check("pmu", "DDI 0487 D19.5, PMUSERENR_EL0", "EL0 without rights traps: class 0x18", class_at_el0(el0_cycles) == 0x18 && class_at_el0(el0_event) == 0x18 && class_at_el0(el0_increment) == 0x18, record()->esr);
  check("pmu", "DDI 0487 D19.5, PMUSERENR_EL0", "its rights it may read, not write", class_at_el0(el0_rights) == -1 && class_at_el0(el0_grant) == 0, record()->esr);
  WRITE("pmuserenr_el0", 4);
  ISB();
  check("pmu", "DDI 0487 D19.5, PMUSERENR_EL0.CR", "CR lets it read the cycle counter, and no other", class_at_el0(el0_cycles) == -1 && class_at_el0(el0_event) == 0x18, record()->esr);
  WRITE("pmuserenr_el0", 8);
  ISB();
  check("pmu", "DDI 0487 D19.5, PMUSERENR_EL0.ER", "ER the event counters", class_at_el0(el0_event) == -1 && class_at_el0(el0_cycles) == 0x18, record()->esr);
  WRITE("pmuserenr_el0", 2);
  ISB();
  check("pmu", "DDI 0487 D19.5, PMUSERENR_EL0.SW", "SW lets it increment", class_at_el0(el0_increment) == -1 && class_at_el0(el0_enable) == 0x18, record()->esr);
  WRITE("pmuserenr_el0", 1);
  ISB();
  check("pmu", "DDI 0487 D19.5, PMUSERENR_EL0.EN", "EN all of it", class_at_el0(el0_enable) == -1 && READ("pmcntenset_el0") == 1, record()->esr);
  WRITE("pmuserenr_el0", 0);
  clear();
}
