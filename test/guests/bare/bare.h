// test/guests/bare/bare.h — what the cases share: output, registers, exceptions, calls of the firmware.
#include <stdbool.h>
#include <stdint.h>

typedef uint64_t u64;
typedef uint32_t u32;

/** What exceptions leave of one core. At 64 bytes each, in start.S. */
struct record {
  u64 count, esr, far, elr, spsr, kind;
  u64 resume; // where to go on, once; 0: behind the instruction
  void (*irq)(void);
};
extern struct record records[8];
static inline struct record *record(void) {
  struct record *r;
  asm volatile("mrs %0, tpidr_el1" : "=r"(r));
  return r;
}
/** A case: its row in the list of hostile inputs, the rule's document and section, its name, whether it held, what was seen. */
void check(const char *row, const char *rule, const char *name, bool holds, u64 seen);

#define READ(reg) ({ u64 v_; asm volatile("mrs %0, " reg : "=r"(v_)::"memory"); v_; })
#define WRITE(reg, value) asm volatile("msr " reg ", %0" ::"r"((u64)(value)) : "memory")
#define ISB() asm volatile("isb" ::: "memory")
/** Runs one instruction; gives the class of the exception it took, or -1. */
#define EXCEPTION(...) ({ record()->count = 0; asm volatile(__VA_ARGS__); record()->count == 0 ? -1 : (int)(record()->esr >> 26); })
#define ISS() (record()->esr & 0x1ffffff)

// Plain loads and stores, as Linux has them: of others (write-back) hardware gives a hypervisor no syndrome, and an interrupt
// controller inside of it cannot serve them.
static inline u32 get32(u64 at) { u32 v; asm volatile("ldr %w0, [%1]" : "=r"(v) : "r"(at) : "memory"); return v; }
static inline void put32(u64 at, u32 v) { asm volatile("str %w0, [%1]" ::"rZ"(v), "r"(at) : "memory"); }
static inline u32 get8(u64 at) { u32 v; asm volatile("ldrb %w0, [%1]" : "=r"(v) : "r"(at) : "memory"); return v; }
static inline void put8(u64 at, u32 v) { asm volatile("strb %w0, [%1]" ::"rZ"(v), "r"(at) : "memory"); }
static inline u64 call(u64 fn, u64 a, u64 b, u64 c) {
  register u64 x0 asm("x0") = fn, x1 asm("x1") = a, x2 asm("x2") = b, x3 asm("x3") = c;
  asm volatile("hvc #0" : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3)::"memory", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16", "x17");
  return x0;
}
void el0_call(void (*fn)(void));
void secondary_entry(void);
/** Nearly `us` microseconds of the counter. */
void wait_us(u64 us);

void exceptions(void);
void registers(void);
void mmu(void);
void debugging(void);
void timers(void);
void gic(void);
void psci(void);
void psci_nowhere(void);
void pmu(void);
/** Whether the board has a GICv3; its distributor; of GICv2 the CPU interface, of GICv3 this core's redistributor. */
bool gicv3(void);
void gic_enable(u32 intid, u32 priority);
void gic_disable(u32 intid);
u32 gic_acknowledge(void);
void gic_end(u32 intid);
void gic_start(void);
void irqs(bool on);
