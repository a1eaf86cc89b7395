// test/guests/fidelity/guest.h — what the suite's files share: cases, exceptions that are awaited, registers, calls of PSCI.
#pragma once
#include <stdint.h>
typedef uint64_t u64;
typedef uint32_t u32;
typedef uint16_t u16;
typedef uint8_t u8;

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)
#define RD(reg) ({ u64 v_; __asm__ volatile("mrs %0, " TEXT(reg) : "=r"(v_) :: "memory"); v_; })
#define WR(reg, value) do { u64 v_ = (u64)(value); __asm__ volatile("msr " TEXT(reg) ", %x0" :: "rZ"(v_) : "memory"); } while (0)
#define ISB() __asm__ volatile("isb" ::: "memory")
#define DSB() __asm__ volatile("dsb sy" ::: "memory")
#define WFI() __asm__ volatile("dsb sy\n\twfi" ::: "memory")
#define IRQ_ON() __asm__ volatile("msr daifclr, #2\n\tisb" ::: "memory")
#define IRQ_OFF() __asm__ volatile("msr daifset, #2\n\tisb" ::: "memory")
static inline u32 r32(u64 at) { u32 v; __asm__ volatile("ldr %w0, [%1]" : "=r"(v) : "r"(at) : "memory"); return v; }
static inline void w32(u64 at, u32 v) { __asm__ volatile("str %w0, [%1]\n\tdsb sy" :: "r"(v), "r"(at) : "memory"); }
static inline u8 r8(u64 at) { u8 v; __asm__ volatile("ldrb %w0, [%1]" : "=r"(v) : "r"(at) : "memory"); return v; }
static inline void w8(u64 at, u8 v) { __asm__ volatile("strb %w0, [%1]\n\tdsb sy" :: "r"((u32)v), "r"(at) : "memory"); }
static inline u64 r64(u64 at) { u64 v; __asm__ volatile("ldr %0, [%1]" : "=r"(v) : "r"(at) : "memory"); return v; }
static inline void w64(u64 at, u64 v) { __asm__ volatile("str %0, [%1]\n\tdsb sy" :: "r"(v), "r"(at) : "memory"); }

/** The saved registers of an exception. */
typedef struct { u64 x[31], elr, spsr; } Frame;
/** What was taken last, and how many synchronous exceptions there were; `to` not 0: go on there, else behind the instruction. */
typedef struct { u64 esr, far, elr, spsr, vector, count, to; } Taken;
extern volatile Taken taken;
/** Called for an IRQ. */
extern void (*volatile on_irq)(Frame *);
/** Called for a synchronous exception, before anything else; 1 when that was all. */
extern int (*volatile on_sync)(Frame *);
#define EC ((u32)(taken.esr >> 26) & 63)
#define ISS ((u32)taken.esr & 0x1ffffff)
/** Forgets what was taken. */
static inline void fresh(void) { taken.count = 0; taken.esr = 0; taken.far = 0; taken.to = 0; }
/** A case: named after its rule. The numbers are shown when it does not hold. */
void check(const char *name, int holds, u64 a, u64 b);
void put(const char *text);
u64 el0(void (*code)(u64), u64 argument);
u64 call(u64 fn, u64 a, u64 b, u64 c);
extern int gic_version;
void secondary(void);
extern int (*volatile work[8])(u64);
/** Starts a core with work; what CPU_ON said. */
long start_cpu(int cpu, int (*what)(u64), u64 context);
/** Waits until AFFINITY_INFO says `state`; 1 when it did. */
int await_state(int cpu, u64 state);
void gic_init(void);
void gic_enable(int id, int on);
u32 gic_take(void);
void gic_end(u32 id);
void gic_cases(void);
void timer_cases(void);
void psci_cases(void);
void debug_cases(void);
void mmu_init(void);
void mmu_cases(void);
void cpu_cases(void);
void wait_ticks(u64 n);
