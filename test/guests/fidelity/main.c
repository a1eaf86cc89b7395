// test/guests/fidelity/main.c — the suite's frame: the console, what an exception does, the order of the parts. One line for
// each case: "ok NAME" or "not ok NAME: what was seen". The end is SYSTEM_RESET with other cores running.
#include "guest.h"
#define UART 0x09000000

volatile Taken taken;
void (*volatile on_irq)(Frame *);
int (*volatile on_sync)(Frame *);
int gic_version;
int (*volatile work[8])(u64);
u8 stacks[8 * 0x8000] __attribute__((aligned(65536)));
void el0_back(void);

void put(const char *text) { for (; *text; text++) { while (r32(UART + 0x18) & 0x20) ; w32(UART, (u8)*text); } }
static void hex(u64 v) { char t[19]; t[18] = 0; int i = 17; do { t[i--] = "0123456789abcdef"[v & 15]; v >>= 4; } while (v); t[i--] = 'x'; t[i] = '0'; put(t + i); }
void check(const char *name, int holds, u64 a, u64 b) {
  put(holds ? "ok " : "not ok ");
  put(name);
  if (!holds) { put(": "); hex(a); put(" "); hex(b); }
  put("\r\n");
}
u64 call(u64 fn, u64 a, u64 b, u64 c) {
  register u64 x0 __asm__("x0") = fn, x1 __asm__("x1") = a, x2 __asm__("x2") = b, x3 __asm__("x3") = c;
  __asm__ volatile("hvc #0" : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3) :: "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16", "x17", "memory");
  return x0;
}
void trapped(u64 vector, Frame *f) {
  if ((vector & 3) == 1) {
    if (on_irq) on_irq(f); else f->spsr |= 0x80;
    return;
  }
  if (on_sync && on_sync(f)) return;
  taken.esr = RD(esr_el1);
  taken.far = RD(far_el1);
  taken.elr = f->elr;
  taken.spsr = f->spsr;
  taken.vector = vector;
  taken.count++;
  if (vector >= 8) { // from EL0: back to who called el0(), with x0
    f->elr = (u64)el0_back;
    f->spsr = 0x3c5;
    return;
  }
  if (taken.count > 100000) { put("not ok more than 100000 exceptions\r\n"); call(0x84000008, 0, 0, 0); }
  if (taken.to) f->elr = taken.to;
  else if (EC != 0x15 && EC != 0x16) f->elr += 4;
}
void wait_ticks(u64 n) { u64 from = RD(cntvct_el0); while (RD(cntvct_el0) - from < n) __asm__ volatile("yield"); }
int secondary_main(u64 context) {
  WR(cpacr_el1, 3 << 20);
  ISB();
  return work[RD(mpidr_el1) & 0xff](context);
}
long start_cpu(int cpu, int (*what)(u64), u64 context) { work[cpu] = what; DSB(); return (long)call(0xc4000003, (u64)cpu, (u64)secondary, context); }
int await_state(int cpu, u64 state) {
  for (u64 from = RD(cntvct_el0); RD(cntvct_el0) - from < RD(cntfrq_el0) * 2; ) {
    if (call(0xc4000004, (u64)cpu, 0, 0) == state) return 1;
    __asm__ volatile("yield");
  }
  return 0;
}
static int spin(u64 context) { while (context == 0) __asm__ volatile(""); return 0; }
/** An abort without end: the vectors are where nothing is. */
static int lost(u64 context) { (void)context; WR(vbar_el1, 0x30000000); ISB(); __asm__ volatile("svc #0"); return 0; }

int main(void) {
  put("boot\r\n");
  check("PSCI DEN 0022 5.1.12: after SYSTEM_RESET the other cores are off", call(0xc4000004, 1, 0, 0) == 1 && call(0xc4000004, 2, 0, 0) == 1 && call(0xc4000004, 3, 0, 0) == 1, call(0xc4000004, 1, 0, 0), call(0xc4000004, 2, 0, 0));
  gic_version = (r32(0x08000fe8) >> 4 & 15) == 2 ? 2 : 3;
  mmu_init();
  gic_init();
  cpu_cases();
  mmu_cases();
  debug_cases();
  timer_cases();
  gic_cases();
  psci_cases();
  start_cpu(1, spin, 0);
  start_cpu(2, lost, 0);
  wait_ticks(RD(cntfrq_el0) / 100);
  check("exceptions DDI 0487 D1.3: a core with its vectors outside memory does not stop another", 1, 0, 0);
  put("reset\r\n");
  call(0x84000009, 0, 0, 0);
  return 0;
}
