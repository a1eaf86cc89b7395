// test/guests/bare/board.c — interrupt controllers, generic timers, PSCI.
#include "bare.h"

#define GICD 0x08000000ul
#define GICC 0x08010000ul
#define GICR 0x080a0000ul
#define SGI_FRAME 0x10000ul
enum { CTLR = 0, TYPER = 4, IIDR = 8, ISENABLER = 0x100, ICENABLER = 0x180, ISPENDR = 0x200, ICPENDR = 0x280, ISACTIVER = 0x300, ICACTIVER = 0x380,
       IPRIORITYR = 0x400, ITARGETSR = 0x800, ICFGR = 0xc00, SGIR = 0xf00 };
#ifndef NEVER
#define NEVER ~0ul // of the counter
#endif
enum { VTIMER = 27, PTIMER = 30, SPI = 100, SPURIOUS = 1023 };

/** KVM's GICv2 has no identification registers: the CPU says whether it has the interface of a GICv3. */
bool gicv3(void) { return (READ("id_aa64pfr0_el1") >> 24 & 15) != 0; }
/** Banked registers of the first 32 interrupts are the redistributor's on a GICv3. */
static u64 bank(u32 intid, u32 offset) { return (gicv3() && intid < 32 ? GICR + SGI_FRAME : GICD) + offset; }
static u64 bit_at(u32 intid, u32 offset) { return bank(intid, offset) + intid / 32 * 4; }
static void set_bit(u32 intid, u32 offset) { put32(bit_at(intid, offset), 1u << intid % 32); }
static u32 get_bit(u32 intid, u32 offset) { return get32(bit_at(intid, offset)) >> intid % 32 & 1; }
static void priority(u32 intid, u32 value) { put8(bank(intid, IPRIORITYR) + intid, value); }
static void group1(u32 intid) { u64 at = bit_at(intid, 0x80); if (gicv3()) put32(at, get32(at) | 1u << intid % 32); }
void gic_enable(u32 intid, u32 level) {
  group1(intid);
  priority(intid, level);
  if (intid >= 32 && !gicv3()) put8(GICD + ITARGETSR + intid, 1);
  set_bit(intid, ISENABLER);
}
void gic_disable(u32 intid) { set_bit(intid, ICENABLER); }
u32 gic_acknowledge(void) { return gicv3() ? READ("s3_0_c12_c12_0") : get32(GICC + 0xc); }
void gic_end(u32 intid) {
  if (gicv3()) WRITE("s3_0_c12_c12_1", intid);
  else put32(GICC + 0x10, intid);
}
static void deactivate(u32 intid) {
  if (gicv3()) WRITE("s3_0_c12_c11_1", intid);
  else put32(GICC + 0x1000, intid);
}
static u32 highest(void) { return gicv3() ? READ("s3_0_c12_c12_2") : get32(GICC + 0x18); }
static u32 running(void) { return gicv3() ? READ("s3_0_c12_c11_3") : get32(GICC + 0x14); }
static void mask_below(u32 level) {
  if (gicv3()) { WRITE("s3_0_c4_c6_0", level); ISB(); }
  else put32(GICC + 4, level);
}
static void binary_point(u32 value) {
  if (gicv3()) { WRITE("s3_0_c12_c12_3", value); ISB(); }
  else put32(GICC + 8, value);
}
/** Priority drop and deactivation apart. */
static void split_end(bool on) {
  if (gicv3()) { WRITE("s3_0_c12_c12_4", on ? 2 : 0); ISB(); }
  else put32(GICC, on ? 0x201 : 1);
}
static void send(u32 intid, u32 targets) {
  asm volatile("dsb sy" ::: "memory");
  if (gicv3()) WRITE("s3_0_c12_c11_5", (u64)intid << 24 | targets);
  else put32(GICD + SGIR, targets << 16 | intid);
  ISB();
}
static void interface(void) {
  if (gicv3()) {
    put32(GICR + 0x14, get32(GICR + 0x14) & ~2u); // GICR_WAKER.ProcessorSleep
    while (get32(GICR + 0x14) & 4) ;
    WRITE("s3_0_c12_c12_5", 7);
    ISB();
    WRITE("s3_0_c12_c12_7", 1);
  }
  mask_below(0xff);
  binary_point(0);
  split_end(false);
}
void gic_start(void) {
  put32(GICD + CTLR, gicv3() ? 0x12 : 1); // ARE_NS, EnableGrp1
  interface();
}
void irqs(bool on) {
  if (on) asm volatile("msr daifclr, #2\n isb" ::: "memory");
  else asm volatile("msr daifset, #2\n isb" ::: "memory");
}

static volatile u32 taken, last;
static void one_timer(void) {
  u32 intid = gic_acknowledge();
  if ((intid & 1023) == SPURIOUS) return; // gone before it was acknowledged: none was taken
  last = intid;
  taken++;
  WRITE("cntv_ctl_el0", 0);
  WRITE("cntp_ctl_el0", 0);
  ISB();
  gic_end(intid);
}
static bool fires_in(u64 us) {
  u64 end = READ("cntvct_el0") + us * READ("cntfrq_el0") / 1000000;
  taken = 0;
  irqs(true);
  while (taken == 0 && READ("cntvct_el0") < end) ;
  irqs(false);
  WRITE("cntv_ctl_el0", 0);
  WRITE("cntp_ctl_el0", 0);
  ISB();
  return taken != 0;
}
void timers(void) {
  record()->irq = one_timer;
  gic_enable(VTIMER, 0x80);
  gic_enable(PTIMER, 0x80);
  u64 now = READ("cntvct_el0"), hz = READ("cntfrq_el0");
  WRITE("cntv_cval_el0", now - 1);
  WRITE("cntv_ctl_el0", 1);
  ISB();
  check("C5", "DDI 0487 D11.2.4", "CVAL in the past: ISTATUS at once", READ("cntv_ctl_el0") == 5, READ("cntv_ctl_el0"));
  check("C5", "BSA, PPI of the virtual timer", "and interrupt 27", fires_in(100000) && last == VTIMER, last);
  WRITE("cntv_cval_el0", NEVER);
  WRITE("cntv_ctl_el0", 1);
  check("C5", "DDI 0487 D11.2.4", "CVAL of all ones never comes", !fires_in(2000), taken);
  WRITE("cntv_tval_el0", (u32)-5);
  WRITE("cntv_ctl_el0", 1);
  ISB();
  check("C5", "DDI 0487 D11.2.4", "TVAL is signed: a negative one is in the past", (READ("cntv_ctl_el0") & 4) && READ("cntv_cval_el0") < READ("cntvct_el0"), READ("cntv_cval_el0"));
  WRITE("cntv_ctl_el0", 0); // of an early guest that is before 0, which is at the end of the counter: as NEVER
  WRITE("cntv_tval_el0", 0x80000000);
  check("C5", "DDI 0487 D11.2.4", "TVAL of INT_MIN is 2^31 ticks ago", READ("cntvct_el0") - READ("cntv_cval_el0") - (1ul << 31) < hz, READ("cntv_cval_el0"));
  WRITE("cntv_tval_el0", 1 << 30);
  u64 left = READ("cntv_tval_el0");
  check("C5", "DDI 0487 D11.2.4", "TVAL reads as what is left", left <= 1 << 30 && left > (1 << 30) - hz, left);
  WRITE("cntv_cval_el0", READ("cntvct_el0"));
  WRITE("cntv_ctl_el0", 1);
  WRITE("cntv_cval_el0", NEVER);
  ISB();
  check("C5", "DDI 0487 D11.2.4", "due, and set to later before it is taken: it is not pending any more", gic_acknowledge() == SPURIOUS, 0);
  WRITE("cntv_cval_el0", 0);
  WRITE("cntv_ctl_el0", 3);
  check("C5", "DDI 0487 D17.8, CNTV_CTL_EL0", "IMASK keeps the interrupt back, and ISTATUS is set", !fires_in(2000), taken);
  WRITE("cntv_ctl_el0", 3);
  ISB();
  bool masked = READ("cntv_ctl_el0") == 7;
  WRITE("cntv_ctl_el0", 1);
  check("C5", "DDI 0487 D17.8, CNTV_CTL_EL0", "unmasked it comes", masked && fires_in(100000), masked);
  WRITE("cntv_cval_el0", READ("cntvct_el0") + hz);
  WRITE("cntv_ctl_el0", 1);
  WRITE("cntv_cval_el0", READ("cntvct_el0") + hz / 1000);
  check("C5", "DDI 0487 D11.2.4", "reprogrammed to an earlier time it comes then", fires_in(500000), taken);
  WRITE("cntv_cval_el0", READ("cntvct_el0") + hz / 500);
  WRITE("cntv_ctl_el0", 1);
  WRITE("cntv_cval_el0", READ("cntvct_el0") + hz * 1000);
  check("C5", "DDI 0487 D11.2.4", "reprogrammed to a later time it does not come at the first", !fires_in(5000), taken);
  WRITE("cntp_cval_el0", READ("cntpct_el0") + hz / 1000);
  WRITE("cntp_ctl_el0", 1);
  check("C5", "BSA, PPI of the physical timer", "the physical timer is interrupt 30", fires_in(500000) && last == PTIMER, last);
  u32 missed = 0;
  for (int i = 0; i < 2000; i++) {
    WRITE("cntv_cval_el0", READ("cntvct_el0"));
    WRITE("cntv_ctl_el0", 1);
    if (!fires_in(1000000)) missed++;
  }
  check("C5", "DDI 0487 D11.2", "armed 2,000 times one after the other, it comes each time", missed == 0, missed);
  WRITE("cntv_cval_el0", READ("cntvct_el0") + hz / 1000);
  WRITE("cntv_ctl_el0", 1);
  asm volatile("wfi" ::: "memory"); // the interrupt is masked by DAIF
  check("C6", "DDI 0487 D1.6.2", "WFI wakes for an interrupt that DAIF masks, and does not take it", get_bit(VTIMER, ISPENDR) == 1 && highest() == VTIMER, highest());
  WRITE("cntv_ctl_el0", 0);
  ISB();
  check("C1", "IHI 0048 3.2.1 / IHI 0069 4.1", "a level interrupt is pending as long as its line is high", get_bit(VTIMER, ISPENDR) == 0, 1);
  u64 before = READ("cntvct_el0"), order = 0;
  for (int i = 0; i < 1000; i++) {
    u64 next = READ("cntvct_el0");
    order += next < before;
    before = next;
  }
  check("C5", "DDI 0487 D11.1.2", "the counter never goes back", order == 0, order);
  gic_disable(PTIMER);
}

static volatile u32 storm;
static void again(void) {
  u32 intid = gic_acknowledge();
  if (++storm == 1000) WRITE("cntv_ctl_el0", 0);
  ISB();
  gic_end(intid);
}
static u32 depth, deepest, wrong_order, nested_ids[16], running_wrong;
static void nest(void) {
  u32 intid = gic_acknowledge() & 1023;
  if (intid >= 1020) return;
  nested_ids[depth++] = intid;
  if (depth > deepest) deepest = depth;
  if ((running() & 0xff) != (15 - intid) * 16) running_wrong++;
  if (intid < 15) {
    send(intid + 1, 1);
    u64 elr = READ("elr_el1"), spsr = READ("spsr_el1");
    irqs(true);
    for (volatile int i = 0; i < 100; i++) ;
    irqs(false);
    WRITE("elr_el1", elr);
    WRITE("spsr_el1", spsr);
  }
  if (nested_ids[--depth] != intid) wrong_order++;
  gic_end(intid);
}
void gic(void) {
  bool v3 = gicv3();
  u32 lines = ((get32(GICD + TYPER) & 31) + 1) * 32, typer = get32(GICD + TYPER), iidr = get32(GICD + IIDR), pidr = get32(GICD + (v3 ? 0xffe8 : 0xfe8));
  put32(GICD + TYPER, ~typer);
  put32(GICD + IIDR, ~iidr);
  put32(GICD + (v3 ? 0xffe8 : 0xfe8), ~pidr);
  check("C1", "IHI 0048 4.3.2, 4.3.3 / IHI 0069 12.9", "GICD_TYPER, GICD_IIDR and PIDR2 are read-only", typer == get32(GICD + TYPER) && iidr == get32(GICD + IIDR) && pidr == get32(GICD + (v3 ? 0xffe8 : 0xfe8)), typer);
  check("C1", "IHI 0048 4.3.2", "at least 64 interrupts", lines >= 64, lines);
  set_bit(SPI, ISENABLER);
  u32 on = get_bit(SPI, ISENABLER) & get_bit(SPI, ICENABLER);
  put32(bit_at(SPI, ISENABLER), 0);
  on &= get_bit(SPI, ISENABLER);
  set_bit(SPI, ICENABLER);
  check("C1", "IHI 0048 4.3.5 / IHI 0069 12.9.26", "enables are set by one register, cleared by the other; zeros do nothing", on == 1 && get_bit(SPI, ISENABLER) == 0, on);
  set_bit(SPI, ISPENDR);
  u32 pending = get_bit(SPI, ISPENDR) & get_bit(SPI, ICPENDR);
  set_bit(SPI, ICPENDR);
  check("C1", "IHI 0048 4.3.7 / IHI 0069 12.9.28", "pending is set and cleared by writes", pending == 1 && get_bit(SPI, ISPENDR) == 0, pending);
  set_bit(SPI, ISACTIVER);
  u32 active = get_bit(SPI, ISACTIVER);
  set_bit(SPI, ICACTIVER);
  check("C1", "IHI 0048 4.3.9 / IHI 0069 12.9.25", "active is set and cleared by writes", active == 1 && get_bit(SPI, ISACTIVER) == 0, active);
  u64 beyond = GICD + ISENABLER + 31 * 4;
  put32(beyond, ~0u);
  check("C1", "IHI 0048 4.3.5", "interrupts that are not there: read as zero, writes are ignored", lines == 1024 || get32(beyond) == 0, get32(beyond));
  priority(SPI, 0xff);
  u32 kept = get8(GICD + IPRIORITYR + SPI);
  check("C1", "IHI 0048 3.5.1", "priorities keep their upper bits, at least four", (kept & 0xf0) == 0xf0, kept);
  if (!v3) check("C1", "IHI 0048 4.3.12", "GICD_ITARGETSR of banked interrupts reads as this core, and is read-only", (put32(GICD + ITARGETSR, 0), get32(GICD + ITARGETSR)) == 0x01010101, get32(GICD + ITARGETSR));
  u64 icfgr = GICD + ICFGR + SPI / 16 * 4;
  put32(icfgr, get32(icfgr) | 2u << SPI % 16 * 2);
  check("C1", "IHI 0048 4.3.13", "an SPI can be edge-triggered", get32(icfgr) >> (SPI % 16 * 2 + 1) & 1, get32(icfgr));
  u32 sgis = get32(bank(0, ICFGR));
  put32(bank(0, ICFGR), 0);
  check("C1", "IHI 0048 4.3.13", "SGIs are always edge-triggered", sgis == 0xaaaaaaaa && get32(bank(0, ICFGR)) == 0xaaaaaaaa, sgis);

  // interrupts are masked by DAIF; what is acknowledged is seen by reading
  check("C2", "IHI 0048 4.4.4 / IHI 0069 12.2.14", "nothing pending: acknowledged is 1023, and the running priority idle", gic_acknowledge() == SPURIOUS && (running() & 0xff) == 0xff, running());
  gic_end(5);
  check("C2", "IHI 0048 4.4.5", "the end of what is not active changes nothing", (running() & 0xff) == 0xff, running());
  gic_enable(SPI, 0x80);
  set_bit(SPI, ISPENDR);
  u32 seen = highest(), id = gic_acknowledge();
  check("C2", "IHI 0048 4.4.8, 4.4.4", "pending is seen by HPPIR, acknowledged by IAR, then active and its priority runs", seen == SPI && id == SPI && get_bit(SPI, ISACTIVER) && (running() & 0xff) == 0x80, running());
  set_bit(SPI, ISPENDR);
  check("C2", "IHI 0048 3.2.4", "active and pending: it does not come again before its end", gic_acknowledge() == SPURIOUS, 0);
  gic_end(SPI);
  id = gic_acknowledge();
  check("C2", "IHI 0048 3.2.4", "but after it", id == SPI, id);
  gic_end(SPI);
  check("C2", "IHI 0048 4.4.5", "ended: inactive, idle", get_bit(SPI, ISACTIVER) == 0 && (running() & 0xff) == 0xff, running());
  priority(SPI, 0x80);
  mask_below(0x80);
  set_bit(SPI, ISPENDR);
  u32 equal = gic_acknowledge();
  mask_below(0x90);
  id = gic_acknowledge();
  check("C2", "IHI 0048 3.5 / IHI 0069 4.8", "only a priority above the mask is signalled", equal == SPURIOUS && id == SPI, equal);
  gic_end(id);
  mask_below(0xff);
  split_end(true);
  set_bit(SPI, ISPENDR);
  id = gic_acknowledge();
  gic_end(id);
  u32 dropped = running() & 0xff, still = get_bit(SPI, ISACTIVER);
  deactivate(id);
  check("C2", "IHI 0048 3.2.1, GICC_CTLR.EOImode / IHI 0069 4.6.1", "EOImode 1: the end drops the priority, DIR deactivates", dropped == 0xff && still == 1 && get_bit(SPI, ISACTIVER) == 0, still);
  split_end(false);
  gic_enable(1, 0x40);
  gic_enable(2, 0x60);
  binary_point(6); // bit 7 alone is the group's
  send(2, 1);
  u32 first = gic_acknowledge() & 1023;
  send(1, 1);
  u32 second = gic_acknowledge() & 1023;
  gic_end(first);
  check("C2", "IHI 0048 3.3.3 / IHI 0069 4.8.4", "no preemption within a group of priorities", first == 2 && second == SPURIOUS, second);
  gic_end(gic_acknowledge());
  binary_point(0);
  send(2, 1);
  first = gic_acknowledge();
  send(1, 1);
  u32 third = gic_acknowledge();
  check("C2", "IHI 0048 3.3.3 / IHI 0069 4.8.4", "with smaller groups there is", (first & 1023) == 2 && (third & 1023) == 1, third);
  gic_end(third);
  gic_end(first);
  send(1, 1);
  first = gic_acknowledge();
  gic_disable(SPI);
  set_bit(SPI, ISPENDR);
  check("C1", "IHI 0048 3.2.2", "a disabled interrupt is pending and not signalled", get_bit(SPI, ISPENDR) && highest() == SPURIOUS, highest());
  set_bit(SPI, ICPENDR);
  gic_end(first);
  send(3, 0x80); // a core that is not there
  check("C1", "IHI 0048 4.3.15 / IHI 0069 12.1.10", "an SGI to a core that is not there goes nowhere", highest() == SPURIOUS, highest());
  for (u32 i = 0; i < 16; i++) gic_enable(i, (15 - i) * 16);
  record()->irq = nest;
  send(0, 1);
  irqs(true);
  for (volatile int i = 0; i < 1000; i++) ;
  irqs(false);
  check("C2", "IHI 0048 3.3.2", "each of 15 priorities preempts the one before; they end in reverse order", deepest >= 15 && wrong_order == 0 && running_wrong == 0 && (running() & 0xff) == 0xff, deepest << 16 | wrong_order << 8 | running_wrong);
  record()->irq = again;
  WRITE("cntv_cval_el0", 0);
  WRITE("cntv_ctl_el0", 1);
  irqs(true);
  for (int i = 0; i < 1000000 && storm < 1000; i++) ISB();
  irqs(false);
  wait_us(100);
  check("C1", "IHI 0048 3.2.1", "a level that is not served comes again and again, until it falls", storm == 1000, storm);
  u32 survived = 0;
  for (u64 at = 0; at < 0x1000; at += 4) {
    u64 old = get32(GICD + at);
    put32(GICD + at, 0);
    put32(GICD + at, ~0u);
    asm volatile("ldrb w0, [%0]\n strb w0, [%0]\n ldrh w0, [%0]\n strh w0, [%0]" ::"r"(GICD + at) : "x0", "memory");
    if ((at & 7) == 0) asm volatile("ldr x0, [%0]\n str x0, [%0]" ::"r"(GICD + at) : "x0", "memory");
    put32(GICD + at, old);
    survived++;
  }
  if (v3) {
    for (u64 at = 0x80; at < 0x1000; at += 4) { // GICR_CTLR to GICR_WAKER aside
      u64 there = GICR + SGI_FRAME + at, old = get32(there);
      put32(there, 0);
      put32(there, ~0u);
      asm volatile("ldrb w0, [%0]\n strb w0, [%0]\n ldrh w0, [%0]\n strh w0, [%0]" ::"r"(there) : "x0", "memory");
      put32(there, old);
    }
  }
  for (u32 i = 0; i < lines; i += 32) {
    put32(bit_at(i, ICENABLER), ~0u);
    put32(bit_at(i, ICPENDR), ~0u);
    put32(bit_at(i, ICACTIVER), ~0u);
  }
  check("C1", "robustness", "every register of the distributor, and of the redistributor's second frame, read and written with every width: the guest goes on", survived == 1024, survived);
  gic_start();
  for (u32 id; ((id = gic_acknowledge()) & 1023) < 1020;) gic_end(id); // what was pending by then
}

static volatile u64 arrived[8], context[8];
static volatile u32 go;
void secondary(u64 core) {
  context[core] = core;
  u64 mpidr = READ("mpidr_el1") & 0xffffff;
  if (mpidr == core && (READ("currentel") >> 2) == 1 && (READ("daif") & 0x3c0) == 0x3c0 && (READ("sctlr_el1") & 1) == 0) arrived[core]++;
  asm volatile("dsb sy\n sev" ::: "memory");
  while (go != core) asm volatile("wfe" ::: "memory");
  call(0x84000002, 0, 0, 0); // CPU_OFF
  arrived[core] = 99;
}
enum { CPU_ON = 0xc4000003, AFFINITY_INFO = 0xc4000004 };
static bool reaches(volatile u64 *at, u64 value) {
  for (int i = 0; i < 2000 && *at != value; i++) wait_us(500);
  return *at == value;
}
static bool turns_off(u64 core) {
  for (int i = 0; i < 2000; i++) {
    if (call(AFFINITY_INFO, core, 0, 0) == 1) return true;
    wait_us(500);
  }
  return false;
}
void psci(void) {
  u64 entry = (u64)secondary_entry;
  u64 version = call(0x84000000, 0, 0, 0);
  check("C3", "DEN 0022 5.1.1", "PSCI_VERSION: 1.0 or above", version >> 16 >= 1, version);
  u64 v = call(0x8400ffff, 0, 0, 0);
  check("C3", "DEN 0028 5.2", "an unknown function: NOT_SUPPORTED", (int)v == -1, v);
  v = call(0xc4000000, 0, 0, 0);
  check("C3", "DEN 0028 5.2", "PSCI_VERSION by the 64-bit convention, which it has not: NOT_SUPPORTED", (int)v == -1, v);
  v = call(0x8400000a, CPU_ON, 0, 0);
  check("C3", "DEN 0022 5.1.14", "PSCI_FEATURES of CPU_ON: 0", (int)v == 0, v);
  v = call(0x8400000a, 0x8400ffff, 0, 0);
  check("C3", "DEN 0022 5.1.14", "and of what is not there: NOT_SUPPORTED", (int)v == -1, v);
  v = call(0x84000006, 0, 0, 0);
  check("C3", "DEN 0022 5.1.6", "MIGRATE_INFO_TYPE: 2, nothing to migrate (or NOT_SUPPORTED)", (int)v == 2 || (int)v == -1, v);
  v = call(CPU_ON, 0x55, entry, 0);
  check("C3", "DEN 0022 5.1.4", "CPU_ON of a core that is not there: INVALID_PARAMETERS", (int)v == -2, v);
  v = call(CPU_ON, 0x100000001, entry, 0);
  check("C3", "DEN 0022 5.1.4", "CPU_ON with an Aff3 that is not there: INVALID_PARAMETERS", (int)v == -2, v);
  v = call(CPU_ON, 0, entry, 0);
  check("C3", "DEN 0022 5.1.4", "CPU_ON of the caller: ALREADY_ON", (int)v == -4, v);
  v = call(AFFINITY_INFO, 0, 0, 0);
  u64 off = call(AFFINITY_INFO, 1, 0, 0);
  check("C3", "DEN 0022 5.1.5", "AFFINITY_INFO: 0 of the caller, 1 of a core that is off", v == 0 && off == 1, v << 8 | off);
  v = call(AFFINITY_INFO, 0x55, 0, 0);
  check("C3", "DEN 0022 5.1.5", "AFFINITY_INFO of a core that is not there: INVALID_PARAMETERS", (int)v == -2, v);
  v = call(CPU_ON, 1, entry, 1);
  check("C3", "DEN 0022 5.1.4, 6.4", "CPU_ON: the core starts at its entry with its context, at EL1, masked, the MMU off", (int)v == 0 && reaches(&arrived[1], 1) && context[1] == 1, arrived[1]);
  v = call(CPU_ON, 1, entry, 1);
  check("C3", "DEN 0022 5.1.4", "CPU_ON again: ALREADY_ON (or ON_PENDING)", (int)v == -4 || (int)v == -5, v);
  v = call(AFFINITY_INFO, 1, 0, 0);
  check("C3", "DEN 0022 5.1.5", "AFFINITY_INFO of it: 0", v == 0, v);
  go = 1;
  asm volatile("dsb sy\n sev" ::: "memory");
  check("C3, C6", "DEN 0022 5.1.3; DDI 0487 D1.6.1", "SEV wakes it from WFE; CPU_OFF turns it off and does not return", turns_off(1) && arrived[1] == 1, arrived[1]);
  go = 0;
  v = call(CPU_ON, 1, entry, 1);
  check("C3", "DEN 0022 5.1.4", "and on again", (int)v == 0 && reaches(&arrived[1], 2), arrived[1]);
  go = 1;
  asm volatile("dsb sy\n sev" ::: "memory");
  turns_off(1);
  record()->irq = one_timer;
  gic_enable(VTIMER, 0x80);
  WRITE("cntv_cval_el0", READ("cntvct_el0") + READ("cntfrq_el0") / 1000);
  WRITE("cntv_ctl_el0", 1);
  ISB();
  v = call(0xc4000001, 0, 0, 0);
  check("C3", "DEN 0022 5.1.2", "CPU_SUSPEND to standby returns SUCCESS after an interrupt", (int)v == 0 && (READ("cntv_ctl_el0") & 4), v);
  WRITE("cntv_ctl_el0", 0);
  int ec = EXCEPTION("mov w0, #0x84000000\n smc #0\n mov %w0, w0" : "=r"(v)::"x0", "x1", "x2", "x3", "memory");
  check("C3, C8", "DDI 0487 C6.2 SMC, HCR_EL2.TSC", "SMC without EL3 is UNDEFINED, or a hypervisor's to serve as HVC", ec == 0 || (ec == -1 && v == version), v);
}
/** Last of all: where it is not refused, a core is lost. */
void psci_nowhere(void) {
  u64 v = call(CPU_ON, 2, 0x10, 0);
  check("C3", "DEN 0022 5.1.4", "CPU_ON with an entry outside memory: INVALID_ADDRESS", (int)v == -9, v);
}
