// test/guests/fidelity/edges.c — timer, PSCI and self-hosted debug.
// Spec: ARM DDI 0487, D12 (Generic Timer), D2 (self-hosted debug); ARM DEN 0022D (PSCI).
#include "guest.h"
#define CTL cntv_ctl_el0
#define CVAL cntv_cval_el0
#define TVAL cntv_tval_el0

static int line(void) { ISB(); return RD(isr_el1) >> 7 & 1; }
static int waits(void) { for (int i = 0; i < 20000; i++) if (line()) return 1; return 0; }
static void read_counter(u64 a) { (void)a; __asm__ volatile("mrs x0, cntvct_el0\n\tsvc #7"); }
static void read_control(u64 a) { (void)a; __asm__ volatile("mrs x0, cntv_ctl_el0\n\tsvc #7"); }

void timer_cases(void) {
  u64 a = RD(cntvct_el0), b = RD(cntvct_el0);
  check("timer DDI 0487 D12.1.2: the count never goes back", b >= a, a, b);
  WR(CTL, 3);
  WR(CVAL, 0);
  ISB();
  check("timer DDI 0487 D12.2.4: a compare value in the past meets its condition", RD(CTL) == 7, RD(CTL), 0);
  WR(CVAL, ~0ul);
  ISB();
  check("timer DDI 0487 D12.2.4: one of all ones does not", RD(CTL) == 3, RD(CTL), 0);
  WR(TVAL, 0x80000000);
  ISB();
  u64 c = RD(CVAL), now = RD(cntvct_el0);
  check("timer DDI 0487 D12.2.4: TVAL is signed", now - c - 0x80000000ul < 240000000, c, now);
  WR(TVAL, 0x7fffffff);
  ISB();
  u64 t = RD(TVAL);
  check("timer DDI 0487 D12.2.4: TVAL counts down", RD(CTL) == 3 && t <= 0x7fffffff && t > 0x7f000000, t, 0);
  WR(CTL, 0xfffffff8);
  ISB();
  check("timer DDI 0487 CNTV_CTL_EL0: reserved bits are zero, ISTATUS cannot be written", (RD(CTL) & ~4ul) == 0, RD(CTL), 0);
  gic_enable(27, 1);
  WR(CVAL, 0);
  WR(CTL, 3);
  check("timer DDI 0487 D12.2.4: IMASK keeps the interrupt back", !line(), 0, 0);
  WR(CTL, 1);
  int seen = waits();
  u32 id = seen ? gic_take() : 0;
  WR(CTL, 3);
  ISB();
  gic_end(id);
  check("timer DDI 0487 D12.2: the virtual timer's interrupt is INTID 27, and goes with its cause", id == 27 && gic_take() == 1023, id, (u64)seen);
  WR(CVAL, RD(cntvct_el0) + RD(cntfrq_el0));
  WR(CTL, 1);
  WR(CVAL, RD(cntvct_el0) + 2000);
  seen = 0;
  for (u64 from = RD(cntvct_el0); !seen && RD(cntvct_el0) - from < RD(cntfrq_el0) / 2; ) seen = line();
  check("timer DDI 0487 D12.2.4: set to earlier, it comes earlier", seen, 0, 0);
  WR(CVAL, ~0ul);
  ISB();
  check("timer DDI 0487 D12.2.4: set to later before it is taken, it goes", (id = gic_take()) == 1023, id, 0);
  if (id < 1020) gic_end(id);
  u64 fired = 0;
  for (int i = 0; i < 2000; i++) {
    WR(TVAL, 0);
    if (!waits()) continue;
    id = gic_take();
    WR(CTL, 3);
    gic_end(id);
    WR(CTL, 1);
    fired++;
  }
  check("timer DDI 0487 D12.2.4: 2000 expiries at once, 2000 interrupts", fired == 2000, fired, 0);
  for (int i = 0; i < 20000; i++) WR(CVAL, RD(cntvct_el0) + 100000000 + (u64)i);
  check("timer DDI 0487 D12.2.4: 20000 changes, none due", !line(), 0, 0);
  WR(TVAL, (u32)RD(cntfrq_el0) / 1000);
  WFI();
  check("WFI DDI 0487 D1.6.2: an interrupt that PSTATE.I masks ends it", line(), 0, 0);
  WFI();
  check("WFI DDI 0487 D1.6.2: one that is pending already, at once", line(), 0, 0);
  WR(CTL, 0);
  gic_enable(27, 0);
  gic_enable(30, 1);
  WR(cntp_cval_el0, 0);
  WR(cntp_ctl_el0, 1);
  id = waits() ? gic_take() : 0;
  WR(cntp_ctl_el0, 0);
  ISB();
  gic_end(id);
  gic_enable(30, 0);
  check("timer DDI 0487 D12.2: the physical timer's is INTID 30", id == 30, id, 0);
  WR(cntkctl_el1, 0);
  ISB();
  fresh();
  el0(read_counter, 0);
  check("timer DDI 0487 CNTKCTL_EL1.EL0VCTEN: EL0's reading traps with EC 0x18", EC == 0x18, taken.esr, 0);
  fresh();
  el0(read_control, 0);
  check("timer DDI 0487 CNTKCTL_EL1.EL0VTEN: EL0's timer traps with EC 0x18", EC == 0x18, taken.esr, 0);
  WR(cntkctl_el1, 0x303);
  ISB();
  fresh();
  el0(read_counter, 0);
  u32 counter = EC;
  fresh();
  el0(read_control, 0);
  check("timer DDI 0487 CNTKCTL_EL1: allowed, both are read", counter == 0x15 && EC == 0x15, counter, EC);
}

static volatile u64 context_seen, state_seen, mpidr_seen, el_seen, started;
static int note(u64 context) {
  context_seen = context;
  mpidr_seen = RD(mpidr_el1);
  state_seen = RD(daif);
  el_seen = RD(currentel) | (RD(sctlr_el1) & 1) << 8;
  started++;
  return 0;
}
static volatile u32 go;
static volatile long answers[3];
static int racer(u64 me) {
  while (!go) __asm__ volatile("yield");
  answers[me] = (long)call(0xc4000003, 3, (u64)secondary, 3);
  return 0;
}
static int stay(u64 until) { (void)until; while (!go) __asm__ volatile("yield"); return 0; }

void psci_cases(void) {
  check("PSCI DEN 0022 5.1.1: PSCI_VERSION is 1.0 or later", call(0x84000000, 0, 0, 0) >= 0x10000, call(0x84000000, 0, 0, 0), 0);
  check("PSCI DEN 0022 5.2.2: an unknown function is NOT_SUPPORTED", (int)call(0x8400001f, 0, 0, 0) == -1, call(0x8400001f, 0, 0, 0), 0);
  check("PSCI DEN 0028 5.2: CPU_OFF has no 64-bit form", (int)call(0xc4000002, 0, 0, 0) == -1, 0, 0);
  check("PSCI DEN 0022 5.1.15: PSCI_FEATURES of what is there and what is not", (int)call(0x8400000a, 0xc4000003, 0, 0) == 0 && (int)call(0x8400000a, 0x8400001f, 0, 0) == -1, call(0x8400000a, 0xc4000003, 0, 0), call(0x8400000a, 0x8400001f, 0, 0));
  check("PSCI DEN 0022 5.1.9: no trusted OS to migrate", (int)call(0x84000006, 0, 0, 0) == 2, call(0x84000006, 0, 0, 0), 0);
  fresh();
  __asm__ volatile("mov x0, #0x84000000\n\tsmc #0" ::: "x0", "x1", "x2", "x3", "memory");
  check("PSCI DDI 0487 SMC: without EL3 it is UNDEFINED", taken.count == 1 && EC == 0, taken.count, taken.esr);
  check("PSCI DEN 0022 5.1.4: CPU_ON of a core that is not there is INVALID_PARAMETERS", (int)call(0xc4000003, 0x7f00, (u64)secondary, 0) == -2 && (int)call(0xc4000003, 1ul << 32, (u64)secondary, 0) == -2, call(0xc4000003, 0x7f00, (u64)secondary, 0), 0);
  check("PSCI DEN 0022 5.1.4: CPU_ON of oneself is ALREADY_ON", (int)call(0xc4000003, 0, (u64)secondary, 0) == -4, call(0xc4000003, 0, (u64)secondary, 0), 0);
  check("PSCI DEN 0022 5.1.5: AFFINITY_INFO: on, off, not there", call(0xc4000004, 0, 0, 0) == 0 && call(0xc4000004, 2, 0, 0) == 1 && (int)call(0xc4000004, 0x7f00, 0, 0) == -2, call(0xc4000004, 0, 0, 0), call(0xc4000004, 2, 0, 0));
  check("PSCI DEN 0022 5.1.5: an affinity level beyond 3 is INVALID_PARAMETERS", (int)call(0xc4000004, 0, 4, 0) == -2, call(0xc4000004, 0, 4, 0), 0);
  go = 0;
  long said = start_cpu(2, stay, 0);
  await_state(2, 0);
  check("PSCI DEN 0022 5.1.4: CPU_ON of a core that is on is ALREADY_ON", said == 0 && (int)call(0xc4000003, 2, (u64)secondary, 0) == -4, (u64)said, call(0xc4000003, 2, (u64)secondary, 0));
  go = 1;
  check("PSCI DEN 0022 5.1.3: CPU_OFF; AFFINITY_INFO says so", await_state(2, 1), 0, 0);
  started = 0;
  said = start_cpu(2, note, 0x123456789abcdef0ul);
  int off = 0;
  for (int i = 0; i < 100000 && !started; i++) __asm__ volatile("yield");
  off = await_state(2, 1);
  check("PSCI DEN 0022 5.1.4: the context is in x0, MPIDR is the core's", off && context_seen == 0x123456789abcdef0ul && (mpidr_seen & 0xffffff) == 2, context_seen, mpidr_seen);
  check("PSCI DEN 0022 6.4: it starts at EL1 with interrupts masked and the MMU off", state_seen == 0x3c0 && el_seen == 4, state_seen, el_seen);
  said = 0;
  started = 0;
  for (u64 i = 0; i < 50; i++) { said |= start_cpu(1, note, i); for (int k = 0; k < 1000000 && started != i + 1; k++) __asm__ volatile("yield"); if (!await_state(1, 1)) said = -99; }
  check("PSCI DEN 0022 5.1.3, 5.1.4: off and on 50 times", said == 0 && started == 50 && context_seen == 49, (u64)said, started);
  started = 0;
  work[3] = note;
  go = 0;
  answers[0] = answers[1] = answers[2] = 99;
  start_cpu(1, racer, 1);
  start_cpu(2, racer, 2);
  go = 1;
  answers[0] = (long)call(0xc4000003, 3, (u64)secondary, 3);
  await_state(1, 1);
  await_state(2, 1);
  await_state(3, 1);
  int good = 0, bad = 0;
  for (int i = 0; i < 3; i++) { if (answers[i] == 0) good++; else if ((int)answers[i] != -4 && (int)answers[i] != -5) bad++; }
  check("PSCI DEN 0022 5.1.4: started by all at once, each start is granted once", bad == 0 && (u64)good == started && good >= 1, (u64)good, started);
  gic_enable(27, 1);
  WR(TVAL, (u32)RD(cntfrq_el0) / 1000);
  WR(CTL, 1);
  said = (long)call(0xc4000001, 0, (u64)secondary, 0);
  check("PSCI DEN 0022 5.1.2: CPU_SUSPEND to standby returns SUCCESS after an interrupt", said == 0 && waits(), (u64)said, 0);
  WR(CTL, 0);
  gic_enable(27, 0);
  said = (long)call(0xc4000003, 3, 0x10, 0);
  check("PSCI DEN 0022 5.1.4: an entry outside memory is INVALID_ADDRESS", (int)said == -9, (u64)said, 0);
}

static volatile u64 target_word[4] __attribute__((aligned(32)));
extern u8 broken_here[];
static void __attribute__((noinline)) run_broken(void) { __asm__ volatile(".global broken_here\nbroken_here:\tnop\n\tnop" ::: "memory"); }
static int hit(Frame *f) { // notes it, and takes away what stopped
  taken.esr = RD(esr_el1); taken.far = RD(far_el1); taken.elr = f->elr; taken.spsr = f->spsr; taken.count++;
  WR(dbgbcr0_el1, 0); WR(dbgwcr0_el1, 0);
  WR(mdscr_el1, RD(mdscr_el1) & ~1ul);
  ISB();
  f->spsr &= ~(1ul << 21);
  return 1;
}
static void monitor(u64 mdscr) { WR(mdscr_el1, mdscr); ISB(); }
#define D_OFF() __asm__ volatile("msr daifclr, #8\n\tisb" ::: "memory")
#define D_ON() __asm__ volatile("msr daifset, #8\n\tisb" ::: "memory")

void debug_cases(void) {
  WR(oslar_el1, 1);
  ISB();
  int locked = (RD(oslsr_el1) & 2) != 0;
  WR(oslar_el1, 0);
  ISB();
  check("debug DDI 0487 D2.7, OSLSR_EL1: the OS lock closes and opens", locked && (RD(oslsr_el1) & 2) == 0, RD(oslsr_el1), (u64)locked);
  fresh();
  __asm__ volatile("brk #0x1234");
  check("debug DDI 0487 D2.8, BRK: EC 0x3c with its comment, ELR on it", taken.count == 1 && EC == 0x3c && (ISS & 0xffff) == 0x1234, taken.esr, taken.elr);
  on_sync = hit;
  fresh();
  monitor(0xa000);
  WR(dbgbvr0_el1, (u64)broken_here);
  WR(dbgbcr0_el1, 0x1e3);
  ISB();
  run_broken();
  check("debug DDI 0487 D2.9: a breakpoint waits while PSTATE.D is set", taken.count == 0, taken.count, 0);
  D_OFF();
  run_broken();
  check("debug DDI 0487 D2.9: a breakpoint at EL1: EC 0x31, ELR on the instruction", taken.count == 1 && EC == 0x31 && (ISS & 63) == 0x22 && taken.elr == (u64)broken_here, taken.esr, taken.elr);
  fresh();
  WR(oslar_el1, 1);
  WR(dbgbcr0_el1, 0x1e3);
  ISB();
  run_broken();
  WR(oslar_el1, 0);
  WR(dbgbcr0_el1, 0);
  ISB();
  check("debug DDI 0487 D2.3: none while the OS lock is closed", taken.count == 0, taken.count, 0);
  fresh();
  WR(dbgwvr0_el1, (u64)&target_word[1]);
  WR(dbgwcr0_el1, 1 | 1 << 1 | 2 << 3 | 0xff << 5);
  ISB();
  (void)target_word[1];
  u64 none = taken.count;
  target_word[0] = 1;
  none += taken.count;
  target_word[1] = 7;
  check("debug DDI 0487 D2.10: a watchpoint for stores lets loads and neighbours pass", none == 0, none, 0);
  check("debug DDI 0487 D2.10: EC 0x35, WnR, FAR is the address; the store is done afterwards", taken.count == 1 && EC == 0x35 && (ISS & 0x7f) == 0x62 && taken.far == (u64)&target_word[1] && target_word[1] == 7, taken.esr, taken.far);
  fresh();
  WR(dbgwcr0_el1, 1 | 1 << 1 | 1 << 3 | 0x10 << 5);
  ISB();
  r8((u64)&target_word[1] + 3);
  none = taken.count;
  r8((u64)&target_word[1] + 4);
  check("debug DDI 0487 D2.10.5: byte address select", none == 0 && taken.count == 1 && (ISS & 0x7f) == 0x22, none, taken.esr);
  WR(dbgwcr0_el1, 0);
  fresh();
  u64 at;
  D_ON();
  monitor(0x2001);
  // an ERET with SPSR.SS set executes one instruction
  __asm__ volatile("adr %0, 1f\n\tmsr elr_el1, %0\n\tmov %0, #0x2001c5 & 0xffff\n\tmovk %0, #0x20, lsl #16\n\tmsr spsr_el1, %0\n\tadr %0, 1f\n\teret\n1:\tnop\n\tnop" : "=&r"(at) :: "memory");
  check("debug DDI 0487 D2.12: software step executes one instruction: EC 0x33, ELR behind it", taken.count == 1 && EC == 0x33 && taken.elr == at + 4 && (ISS & 63) == 0x22, taken.esr, taken.elr - at);
  monitor(0);
  D_ON();
  on_sync = 0;
}
