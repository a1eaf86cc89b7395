// test/guests/fidelity/gic.c — the interrupt controller: GICv2 (ARM IHI 0048B) and GICv3 (ARM IHI 0069).
#include "guest.h"
#define GICD 0x08000000ul
#define GICC 0x08010000ul
#define GICR (0x080a0000ul + 0x20000 * (RD(mpidr_el1) & 0xff))
#define V3 (gic_version == 3)
#define ICC_PMR S3_0_C4_C6_0
#define ICC_IAR1 S3_0_C12_C12_0
#define ICC_EOIR1 S3_0_C12_C12_1
#define ICC_HPPIR1 S3_0_C12_C12_2
#define ICC_BPR1 S3_0_C12_C12_3
#define ICC_CTLR S3_0_C12_C12_4
#define ICC_SRE S3_0_C12_C12_5
#define ICC_IGRPEN1 S3_0_C12_C12_7
#define ICC_RPR S3_0_C12_C11_3
#define ICC_SGI1R S3_0_C12_C11_5
#define ICC_DIR S3_0_C12_C11_1

/** Base of the registers of an interrupt: a v3's SGIs and PPIs are in the redistributor. */
static u64 bank(int id) { return V3 && id < 32 ? GICR + 0x10000 : GICD; }
static void bit(u64 reg, int id) { w32(bank(id) + reg + 4 * (u64)(id / 32), 1u << (id % 32)); }
static int get(u64 reg, int id) { return r32(bank(id) + reg + 4 * (u64)(id / 32)) >> (id % 32) & 1; }
void gic_enable(int id, int on) { bit(on ? 0x100 : 0x180, id); }
static void pend(int id, int on) { bit(on ? 0x200 : 0x280, id); }
static void activate(int id, int on) { bit(on ? 0x300 : 0x380, id); }
static int pending(int id) { return get(0x200, id); }
static int active(int id) { return get(0x300, id); }
static void priority(int id, u8 p) { w8(bank(id) + 0x400 + (u64)id, p); }
static void mask(u8 p) { if (V3) { WR(ICC_PMR, p); ISB(); } else w32(GICC + 4, p); }
u32 gic_take(void) { if (V3) { u32 v = (u32)RD(ICC_IAR1); DSB(); return v; } return r32(GICC + 0xc) & 0x3ff; }
void gic_end(u32 id) { if (V3) { WR(ICC_EOIR1, id); ISB(); } else w32(GICC + 0x10, id); }
static u32 running(void) { return V3 ? (u32)RD(ICC_RPR) : r32(GICC + 0x14); }
static u32 highest(void) { return V3 ? (u32)RD(ICC_HPPIR1) : r32(GICC + 0x18) & 0x3ff; }
static void deactivate(u32 id) { if (V3) { WR(ICC_DIR, id); ISB(); } else w32(GICC + 0x1000, id); }
static void sgi(int id, int cpu) { if (V3) { WR(ICC_SGI1R, ((u64)id << 24) | (1ul << cpu)); ISB(); } else w32(GICD + 0xf00, (1u << (16 + cpu)) | (u32)id); }
static void eoi_mode(int split) {
  if (V3) { WR(ICC_CTLR, (RD(ICC_CTLR) & ~2ul) | (split ? 2 : 0)); ISB(); }
  else w32(GICC, 1 | (split ? 1 << 9 : 0));
}
static int line(void) { ISB(); return RD(isr_el1) >> 7 & 1; }
/** The interrupt that is there now, after time for it to arrive. */
static int waits(void) { for (int i = 0; i < 10000; i++) if (line()) return 1; return 0; }

void gic_init(void) {
  if (V3) {
    w32(GICD, 0x12);
    w32(GICR + 0x14, r32(GICR + 0x14) & ~2u);
    while (r32(GICR + 0x14) & 4) ;
    WR(ICC_SRE, 1);
    ISB();
    w32(GICR + 0x10080, ~0u);
    for (int i = 1; i < 8; i++) w32(GICD + 0x80 + 4 * (u64)i, ~0u);
    for (int i = 32; i < 128; i++) w64(GICD + 0x6000 + 8 * (u64)i, 0);
    WR(ICC_BPR1, 0);
    WR(ICC_IGRPEN1, 1);
  } else {
    w32(GICD, 1);
    w32(GICC, 1);
    w32(GICC + 8, 0);
    for (int i = 32; i < 128; i++) w8(GICD + 0x800 + (u64)i, 1);
  }
  for (int i = 0; i < 32; i++) priority(i, 0xa0);
  for (int i = 32; i < 128; i++) priority(i, 0xa0);
  mask(0xf0);
}
static void clear_all(void) {
  for (int i = 0; i < 100; i++) { u32 id = gic_take(); if (id >= 1020) break; gic_end(id); }
  for (int w = 0; w < 4; w++) { u64 b = bank(w * 32) + 4 * (u64)w; w32(b + 0x180, ~0u); w32(b + 0x280, ~0u); w32(b + 0x380, ~0u); }
  if (!V3) for (u64 i = 0; i < 16; i += 4) w32(GICD + 0xf10 + i, ~0u);
}

static volatile int depth, deepest, next_sgi;
static void nested(Frame *f) {
  u64 elr = RD(elr_el1), spsr = RD(spsr_el1);
  (void)f;
  u32 id = gic_take();
  if (id >= 1020) return;
  depth++;
  if (depth > deepest) deepest = depth;
  if (next_sgi >= 0) sgi(next_sgi--, 0);
  IRQ_ON();
  for (volatile int i = 0; i < 300; i++) ;
  IRQ_OFF();
  depth--;
  gic_end(id);
  WR(elr_el1, elr);
  WR(spsr_el1, spsr);
}
static volatile u32 other_took;
static int taker(u64 n) {
  gic_init();
  gic_enable(3, 1);
  other_took = 1;
  for (u64 i = 0; i < n; i++) {
    u32 id;
    while ((id = gic_take()) >= 1020) __asm__ volatile("yield");
    gic_end(id);
    other_took = 0x100 + id;
  }
  return 0;
}

static void spurious_and_order(void) {
  check("GIC IHI 0048B 4.4.4, IHI 0069 2.2: nothing pending is 1023", gic_take() == 1023 && highest() == 1023, highest(), 0);
  u32 idle = running();
  check("GIC IHI 0048B 4.4.6, IHI 0069 4.8: the idle priority is 0xff", idle == 0xff, idle, 0);
  gic_end(5);
  check("GIC IHI 0048B 4.4.5, IHI 0069 4.8.5: an EOI without an acknowledge changes nothing", running() == 0xff && gic_take() == 1023, running(), 0);
  gic_enable(5, 1);
  gic_enable(6, 1);
  priority(5, 0x80);
  priority(6, 0x40);
  sgi(5, 0);
  int seen = waits(), p = pending(5);
  u32 high = highest(), id = gic_take(), run = running();
  check("GIC IHI 0048B 3.2, IHI 0069 4.1: an SGI goes from pending to active, at its priority", seen && p && high == 5 && id == 5 && run == 0x80 && active(5) && !pending(5), id, run);
  sgi(6, 0);
  seen = waits();
  u32 second = gic_take();
  check("GIC IHI 0048B 3.3.2, IHI 0069 4.8.4: a higher priority preempts", seen && second == 6 && running() == 0x40, second, running());
  gic_end(6);
  check("GIC IHI 0048B 3.3.2, IHI 0069 4.8: the EOI drops to the preempted priority", running() == 0x80, running(), 0);
  sgi(6, 0);
  waits();
  second = gic_take();
  gic_end(5); // out of order
  gic_end(6);
  check("GIC IHI 0048B 3.2.1, IHI 0069 4.8: EOIs out of order leave it working", gic_take() == 1023, second, running());
  clear_all();
  gic_init();
  gic_enable(5, 1);
  gic_enable(6, 1);
  priority(6, 0x80);
  priority(5, 0x80);
  sgi(6, 0);
  sgi(5, 0);
  waits();
  id = gic_take();
  gic_end(id);
  u32 then = gic_take();
  gic_end(then);
  check("GIC IHI 0048B 3.3, IHI 0069 4.8: of equal priorities the lower number goes first", id == 5 && then == 6, id, then);
  priority(5, 0x90);
  mask(0x90);
  sgi(5, 0);
  check("GIC IHI 0048B 3.3.1, IHI 0069 4.8: a priority equal to the mask is not signalled", !line() && pending(5) && gic_take() == 1023, pending(5), 0);
  mask(0xa0);
  check("GIC IHI 0048B 3.3.1, IHI 0069 4.8: above the mask it is", waits() && gic_take() == 5, 0, 0);
  gic_end(5);
  priority(5, 0xff);
  mask(0xff);
  sgi(5, 0);
  check("GIC IHI 0048B 3.3, IHI 0069 4.8: priority 0xff is never signalled", (r8(bank(5) + 0x405) != 0xff) || !line(), r8(bank(5) + 0x405), 0);
  clear_all();
  gic_init();
  on_irq = nested;
  depth = deepest = 0;
  for (int i = 0; i < 16; i++) { priority(i, (u8)(i << 4)); gic_enable(i, 1); }
  mask(0xff);
  next_sgi = 14;
  sgi(15, 0);
  IRQ_ON();
  for (int i = 0; i < 100000 && (next_sgi >= 0 || depth); i++) __asm__ volatile("yield");
  IRQ_OFF();
  on_irq = 0;
  check("GIC IHI 0048B 3.3.2, IHI 0069 4.8.4: preemption 16 deep, and back", deepest == 16 && running() == 0xff, (u64)deepest, running());
  clear_all();
  gic_init();
}
static void states(void) {
  const int spi = 100;
  pend(spi, 1);
  check("GIC IHI 0048B 4.3.7, IHI 0069 12.9.26: a disabled interrupt stays pending and is not signalled", pending(spi) && !line(), (u64)pending(spi), 0);
  gic_enable(spi, 1);
  u32 id = waits() ? gic_take() : 0;
  check("GIC IHI 0048B 4.3.5, IHI 0069 12.9.22: enabled, it is", id == (u32)spi && active(spi), id, 0);
  check("GIC IHI 0048B 3.2.4: active and not pending any more, it is not signalled again", !line() && gic_take() == 1023, 0, 0);
  gic_end((u32)spi);
  check("GIC IHI 0048B 4.3.9, IHI 0069 12.9.17: its EOI deactivates it", !active(spi), 0, 0);
  activate(spi, 1);
  pend(spi, 1);
  check("GIC IHI 0048B 4.3.9, IHI 0069 12.9.18: made active by software, it waits", !line(), 0, 0);
  activate(spi, 0);
  id = waits() ? gic_take() : 0;
  gic_end(id);
  check("GIC IHI 0048B 4.3.10, IHI 0069 12.9.16: until it is made inactive", id == (u32)spi, id, 0);
  pend(spi, 1);
  pend(spi, 0);
  check("GIC IHI 0048B 4.3.8, IHI 0069 12.9.14: pending is taken back", !pending(spi) && !line(), 0, 0);
  eoi_mode(1);
  pend(spi, 1);
  waits();
  id = gic_take();
  gic_end(id);
  int after = active(spi);
  u32 run = running();
  deactivate(id);
  check("GIC IHI 0048B 4.4.5 (EOImode), IHI 0069 4.8.5: EOI only drops the priority, DIR deactivates", after && run == 0xff && !active(spi), (u64)after, run);
  eoi_mode(0);
  pend(spi, 1);
  if (V3) w32(GICD, 0x10); else w32(GICD, 0);
  int off = line();
  if (V3) w32(GICD, 0x12); else w32(GICD, 1);
  int on = waits();
  gic_end(gic_take());
  check("GIC IHI 0048B 4.3.1, IHI 0069 12.9.4: nothing is signalled while the distributor's group is off", !off && on, (u64)off, (u64)on);
  // the PL011's transmit interrupt is a level: INTID 33
  gic_enable(33, 1);
  w32(0x09000038, 0x20);
  w32(0x09000000, ' ');
  int high = waits();
  id = gic_take();
  gic_end(id);
  int again = waits();
  id = gic_take();
  w32(0x09000044, 0x7ff);
  w32(0x09000038, 0);
  gic_end(id);
  check("GIC IHI 0048B 3.2.4, IHI 0069 4.1: a level that stays comes again, and goes with its cause", high && id == 33 && again && !line() && !pending(33), id, (u64)(high * 2 + again));
  u64 storms = 0;
  w32(0x09000038, 0x20);
  w32(0x09000000, ' ');
  for (int i = 0; i < 2000; i++) { id = gic_take(); if (id == 33) storms++; gic_end(id); }
  w32(0x09000038, 0);
  w32(0x09000044, 0x7ff);
  check("GIC IHI 0048B 3.2.4: a level that nobody lowers is delivered each time", storms == 2000, storms, 0);
  clear_all();
  gic_init();
}
static void between_cores(void) {
  other_took = 0;
  long said = start_cpu(1, taker, 2);
  for (int i = 0; i < 1000000 && other_took != 1; i++) __asm__ volatile("yield");
  sgi(3, 1);
  for (int i = 0; i < 1000000 && other_took != 0x103; i++) __asm__ volatile("yield");
  check("GIC IHI 0048B 4.3.15, IHI 0069 12.11.23: an SGI reaches another core", said == 0 && other_took == 0x103 && !line(), (u64)said, other_took);
  other_took = 1;
  if (V3) { WR(ICC_SGI1R, (3ul << 24) | (1ul << 40)); ISB(); } else w32(GICD + 0xf00, (1u << 24) | 3);
  for (int i = 0; i < 1000000 && other_took != 0x103; i++) __asm__ volatile("yield");
  check("GIC IHI 0048B 4.3.15 (filter), IHI 0069 12.11.23 (IRM): to all but oneself", other_took == 0x103 && !pending(3), other_took, (u64)pending(3));
  await_state(1, 1);
  gic_enable(3, 1);
  sgi(3, V3 ? 15 : 7);
  check("GIC IHI 0048B 4.3.15, IHI 0069 12.11.23: an SGI for a core that is not there goes nowhere", !line(), 0, 0);
  gic_enable(3, 0);
}
static void registers(void) {
  u32 typer = r32(GICD + 4), lines = ((typer & 31) + 1) * 32;
  w32(GICD + 4, ~typer);
  check("GIC IHI 0048B 4.3.2, IHI 0069 12.9.38: GICD_TYPER is read-only", r32(GICD + 4) == typer, r32(GICD + 4), typer);
  u32 iidr = r32(GICD + 8);
  w32(GICD + 8, ~iidr);
  check("GIC IHI 0048B 4.3.3, IHI 0069 12.9.11: GICD_IIDR is read-only", r32(GICD + 8) == iidr, iidr, 0);
  u64 over = GICD + 0x100 + lines / 8;
  if (lines < 1020) {
    w32(over, ~0u);
    check("GIC IHI 0048B 4.3.5, IHI 0069 12.9.22: enables beyond ITLinesNumber are RAZ/WI", r32(over) == 0, r32(over), lines);
  }
  gic_enable(5, 1);
  int was = get(0x100, 5);
  if (V3) {
    u32 e = r32(GICD + 0x100), c = r32(GICD + 0xf00);
    check("GIC IHI 0069 12.9.22: with affinity routing the distributor's SGI and PPI registers are RES0", e == 0 && c == 0 && was, e, c);
    check("GIC IHI 0069 12.11.37: ICC_SRE_EL1.SRE is RAO/WI", (RD(ICC_SRE) & 1) == 1, RD(ICC_SRE), 0);
    u64 t = r64(GICR + 8);
    check("GIC IHI 0069 12.11.42: GICR_TYPER has the affinity and the number of the core; the last one says so", t >> 32 == 0 && (t >> 8 & 0xffff) == 0 && (t & 16) == 0 && (r64(0x080a0000 + 3 * 0x20000 + 8) & 16), t, 0);
    check("GIC IHI 0069 12.9.4: GICD_CTLR.ARE is set and cannot be cleared while in use", (r32(GICD) & 0x10) != 0, r32(GICD), 0);
    w8(GICR + 0x10400 + 5, 0xff);
    mask(0xff);
    u64 pmr = RD(ICC_PMR), pribits = (RD(ICC_CTLR) >> 8 & 7) + 1;
    check("GIC IHI 0069 4.8.1: PMR has the priority bits that ICC_CTLR_EL1.PRIbits tells", pmr == ((0xff << (8 - pribits)) & 0xff) || pmr == 0xff, pmr, pribits);
  } else {
    u8 t = r8(GICD + 0x800);
    check("GIC IHI 0048B 4.3.12: GICD_ITARGETSR0 to 7 read as the core that reads", t == 1, t, 0);
    w32(GICC + 0xfc, 0);
    check("GIC IHI 0048B 4.4.14: GICC_IIDR says a GICv2", (r32(GICC + 0xfc) >> 16 & 15) == 2, r32(GICC + 0xfc), 0);
    w8(GICD + 0xf20 + 4, 1);
    int set = r8(GICD + 0xf24);
    w8(GICD + 0xf10 + 4, 1);
    check("GIC IHI 0048B 4.3.16, 4.3.17: GICD_SPENDSGIR and CPENDSGIR, by source", set == 1 && r8(GICD + 0xf24) == 0, (u64)set, r8(GICD + 0xf24));
  }
  w32(bank(0) + 0xc00, 0);
  u32 cfg = r32(bank(0) + 0xc00);
  check("GIC IHI 0048B 4.3.13, IHI 0069 12.9.9: SGIs are edge-triggered whatever is written", cfg == 0xaaaaaaaa, cfg, 0);
  fresh();
  u64 end = V3 ? 0x10000 : 0x1000;
  for (u64 o = 0; o < end; o += 4) { // every offset, every size, what is legal and what is not
    u64 at = GICD + o;
    for (int v = 0; v < 3; v++) {
      u64 value = v == 0 ? ~0ul : v == 1 ? 0x5a17c3d2e1b0f968ul : 0;
      __asm__ volatile("strb %w1, [%0]\n\tstrh %w1, [%0]\n\tstr %w1, [%0]\n\tldrb wzr, [%0]\n\tldrh wzr, [%0]\n\tldr wzr, [%0]" :: "r"(at), "r"(value) : "memory");
      if ((o & 7) == 0) __asm__ volatile("str %1, [%0]\n\tldr xzr, [%0]" :: "r"(at), "r"(value) : "memory");
    }
  }
  check("GIC IHI 0048B 4.1.4, IHI 0069 12.1: every offset, size and value; read-only ones stay, nothing else breaks", r32(GICD + 4) == typer && r32(GICD + 8) == iidr, taken.count, r32(GICD + 4));
  clear_all();
  gic_init();
  gic_enable(5, 1);
  sgi(5, 0);
  u32 id = waits() ? gic_take() : 0;
  gic_end(id);
  check("GIC IHI 0048B 3.2, IHI 0069 4.1: and after that an SGI arrives as before", id == 5, id, 0);
  clear_all();
  gic_init();
}
void gic_cases(void) {
  clear_all();
  spurious_and_order();
  states();
  between_cores();
  registers();
}
