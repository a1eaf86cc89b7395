// test/guests/bare/main.c — runs all cases; exceptions; code at EL0. Output: "ok" or "not ok", then row, rule and name of each.
#include "bare.h"

#define UART 0x09000000ul
static void put(const char *s) { while (*s) put32(UART, *s++); }
static void put_hex(u64 v) {
  put("0x");
  int digits = 16;
  while (digits > 1 && (v >> (4 * (digits - 1))) == 0) digits--;
  while (digits-- > 0) put32(UART, "0123456789abcdef"[(v >> (4 * digits)) & 15]);
}
void check(const char *row, const char *rule, const char *name, bool holds, u64 seen) {
  put(holds ? "ok " : "not ok ");
  put(row);
  put(" | ");
  put(rule);
  put(" | ");
  put(name);
  if (!holds) {
    put(" | ");
    put_hex(seen);
  }
  put("\r\n");
}
void wait_us(u64 us) {
  u64 end = READ("cntvct_el0") + us * READ("cntfrq_el0") / 1000000;
  while (READ("cntvct_el0") < end) ;
}
void el0_return(void);
void exception(u64 *frame, u64 kind) {
  struct record *r = record();
  (void)frame;
  if ((kind & 3) == 1) {
    if (r->irq) r->irq();
    return;
  }
  if (kind >= 8 && READ("esr_el1") == (0x15ul << 26 | 1 << 25)) { // svc #0 of EL0: back to who called
    WRITE("elr_el1", el0_return);
    WRITE("spsr_el1", 0x3c5);
    return;
  }
  r->count++;
  r->esr = READ("esr_el1");
  r->far = READ("far_el1");
  r->elr = READ("elr_el1");
  r->spsr = READ("spsr_el1");
  r->kind = kind;
  WRITE("spsr_el1", r->spsr & ~(1ul << 20)); // PSTATE.IL
  if (r->resume) {
    WRITE("elr_el1", r->resume);
    r->resume = 0;
  } else if (r->esr >> 26 == 0x15 || r->esr >> 26 == 0x16) return; // svc, hvc: ELR is behind it
  else WRITE("elr_el1", r->elr + 4);
}
int main(void) {
  exceptions();
  registers();
  debugging();
  gic_start();
  timers();
  gic();
  psci();
  pmu();
  mmu();
  psci_nowhere();
  put("end\r\n");
  call(0x84000002, 0, 0, 0); // CPU_OFF of the last core: the board is off
  return 0;
}
