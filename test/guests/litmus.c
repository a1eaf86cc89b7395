// test/guests/litmus.c — what the Arm memory model forbids, looked for on real threads: the classic shapes, each many times with
// its threads let loose together; counters that exclusives and atomics must not lose; and words that must not be seen in
// halves. A row: name, how often the forbidden (or, for the one shape without barriers, the weak) outcome was seen.
// Spec: ARM DDI 0487, B2.3 (the memory model), B2.2 (atomicity), B2.9 (exclusives).
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define THREADS 4
#define BATCH 512
typedef struct { volatile uint64_t x, y; uint64_t pad[6]; volatile uint64_t z[8]; uint64_t r[8]; volatile uint32_t ready; uint32_t pad2[15]; } __attribute__((aligned(64))) Place;
static Place places[BATCH];
static volatile uint32_t start, finished;

#define DMB __asm__ volatile("dmb ish" ::: "memory")
#define DMB_ST __asm__ volatile("dmb ishst" ::: "memory")
#define DMB_LD __asm__ volatile("dmb ishld" ::: "memory")
static inline uint64_t load(volatile uint64_t *p) { uint64_t v; __asm__ volatile("ldr %0, %1" : "=r"(v) : "Q"(*p) : "memory"); return v; }
static inline void store(volatile uint64_t *p, uint64_t v) { __asm__ volatile("str %1, %0" : "=Q"(*p) : "r"(v) : "memory"); }
static inline uint64_t acquire(volatile uint64_t *p) { uint64_t v; __asm__ volatile("ldar %0, %1" : "=r"(v) : "Q"(*p) : "memory"); return v; }
static inline void release(volatile uint64_t *p, uint64_t v) { __asm__ volatile("stlr %1, %0" : "=Q"(*p) : "r"(v) : "memory"); }
/** A load whose address depends on a value. */
static inline uint64_t load_after(volatile uint64_t *p, uint64_t on) {
  uint64_t v, t;
  __asm__ volatile("eor %1, %3, %3\n\tldr %0, [%2, %1]" : "=&r"(v), "=&r"(t) : "r"(p), "r"(on) : "memory");
  return v;
}
static inline void store_after(volatile uint64_t *p, uint64_t value, uint64_t on) {
  uint64_t t;
  __asm__ volatile("eor %0, %2, %2\n\tadd %0, %0, %3\n\tstr %0, [%1]" : "=&r"(t) : "r"(p), "r"(on), "r"(value) : "memory");
}
static inline uint64_t swap(volatile uint64_t *p, uint64_t v) { uint64_t o; __asm__ volatile(".arch_extension lse\n\tswpal %2, %0, %1" : "=&r"(o), "+Q"(*p) : "r"(v) : "memory"); return o; }

typedef void (*Body)(Place *);
typedef int (*Check)(Place *);
typedef struct { const char *name; int threads; Body body[THREADS]; Check forbidden; } Shape;

#define SHAPE2(name, b0, b1, when) \
  static void name##_0(Place *p) { b0; } static void name##_1(Place *p) { b1; } static int name##_bad(Place *p) { return when; }
SHAPE2(SB, store(&p->x, 1); p->r[0] = load(&p->y), store(&p->y, 1); p->r[1] = load(&p->x), p->r[0] == 0 && p->r[1] == 0)
SHAPE2(SB_dmb, store(&p->x, 1); DMB; p->r[0] = load(&p->y), store(&p->y, 1); DMB; p->r[1] = load(&p->x), p->r[0] == 0 && p->r[1] == 0)
SHAPE2(SB_rel_acq, release(&p->x, 1); p->r[0] = acquire(&p->y), release(&p->y, 1); p->r[1] = acquire(&p->x), p->r[0] == 0 && p->r[1] == 0)
SHAPE2(SB_swp, swap(&p->x, 1); p->r[0] = load(&p->y), swap(&p->y, 1); p->r[1] = load(&p->x), 0 && p)
SHAPE2(MP_dmb, store(&p->x, 1); DMB; store(&p->y, 1), p->r[0] = load(&p->y); DMB; p->r[1] = load(&p->x), p->r[0] == 1 && p->r[1] == 0)
SHAPE2(MP_dmb_st_ld, store(&p->x, 1); DMB_ST; store(&p->y, 1), p->r[0] = load(&p->y); DMB_LD; p->r[1] = load(&p->x), p->r[0] == 1 && p->r[1] == 0)
SHAPE2(MP_rel_acq, store(&p->x, 1); release(&p->y, 1), p->r[0] = acquire(&p->y); p->r[1] = load(&p->x), p->r[0] == 1 && p->r[1] == 0)
SHAPE2(MP_dmb_addr, store(&p->x, 1); DMB_ST; store(&p->y, 1), p->r[0] = load(&p->y); p->r[1] = load_after(&p->x, p->r[0]), p->r[0] == 1 && p->r[1] == 0)
SHAPE2(MP_swp_acq, store(&p->x, 1); swap(&p->y, 1), p->r[0] = acquire(&p->y); p->r[1] = load(&p->x), p->r[0] == 1 && p->r[1] == 0)
SHAPE2(LB_dmb, p->r[0] = load(&p->x); DMB; store(&p->y, 1), p->r[1] = load(&p->y); DMB; store(&p->x, 1), p->r[0] == 1 && p->r[1] == 1)
SHAPE2(LB_data, p->r[0] = load(&p->x); store_after(&p->y, 1, p->r[0]), p->r[1] = load(&p->y); store_after(&p->x, 1, p->r[1]), p->r[0] == 1 && p->r[1] == 1)
SHAPE2(R_dmb, store(&p->x, 1); DMB; store(&p->y, 1), store(&p->y, 2); DMB; p->r[0] = load(&p->x), p->y == 2 && p->r[0] == 0)
SHAPE2(S_dmb, store(&p->x, 2); DMB; store(&p->y, 1), p->r[0] = load(&p->y); DMB; store(&p->x, 1), p->r[0] == 1 && p->x == 2)
SHAPE2(S_rel_data, store(&p->x, 2); release(&p->y, 1), p->r[0] = load(&p->y); store_after(&p->x, 1, p->r[0]), p->r[0] == 1 && p->x == 2)
SHAPE2(W2_2W_dmb, store(&p->x, 1); DMB; store(&p->y, 2), store(&p->y, 1); DMB; store(&p->x, 2), p->x == 1 && p->y == 1)
SHAPE2(W2_2W_rel, release(&p->x, 1); release(&p->y, 2), release(&p->y, 1); release(&p->x, 2), p->x == 1 && p->y == 1)
SHAPE2(CoRR, store(&p->x, 1), p->r[0] = load(&p->x); p->r[1] = load(&p->x), p->r[0] == 1 && p->r[1] == 0)
SHAPE2(CoRW, store(&p->x, 1), p->r[0] = load(&p->x); store(&p->x, 2), p->r[0] == 2)
SHAPE2(CoWR, store(&p->x, 1); p->r[0] = load(&p->x), store(&p->x, 2), p->r[0] == 0)
static void IRIW_w0(Place *p) { store(&p->x, 1); }
static void IRIW_w1(Place *p) { store(&p->y, 1); }
static void IRIW_r0(Place *p) { p->r[0] = load(&p->x); DMB; p->r[1] = load(&p->y); }
static void IRIW_r1(Place *p) { p->r[2] = load(&p->y); DMB; p->r[3] = load(&p->x); }
static void IRIW_a0(Place *p) { p->r[0] = acquire(&p->x); p->r[1] = acquire(&p->y); }
static void IRIW_a1(Place *p) { p->r[2] = acquire(&p->y); p->r[3] = acquire(&p->x); }
static void IRIW_v0(Place *p) { release(&p->x, 1); }
static void IRIW_v1(Place *p) { release(&p->y, 1); }
static int IRIW_bad(Place *p) { return p->r[0] == 1 && p->r[1] == 0 && p->r[2] == 1 && p->r[3] == 0; }
/** WRC: a write seen by one is seen by whoever it tells. */
static void WRC_1(Place *p) { p->r[0] = load(&p->x); DMB; store(&p->y, 1); }
static void WRC_2(Place *p) { p->r[1] = load(&p->y); DMB; p->r[2] = load(&p->x); }
static int WRC_bad(Place *p) { return p->r[0] == 1 && p->r[1] == 1 && p->r[2] == 0; }

#define TWO(name) { #name, 2, { name##_0, name##_1 }, name##_bad }
static const Shape shapes[] = {
  TWO(SB), TWO(SB_dmb), TWO(SB_rel_acq), TWO(SB_swp), TWO(MP_dmb), TWO(MP_dmb_st_ld), TWO(MP_rel_acq), TWO(MP_dmb_addr), TWO(MP_swp_acq), TWO(LB_dmb), TWO(LB_data), TWO(R_dmb),
  TWO(S_dmb), TWO(S_rel_data), TWO(W2_2W_dmb), TWO(W2_2W_rel), TWO(CoRR), TWO(CoRW), TWO(CoWR),
  { "WRC_dmb", 3, { IRIW_w0, WRC_1, WRC_2 }, WRC_bad },
  { "IRIW_dmb", 4, { IRIW_w0, IRIW_w1, IRIW_r0, IRIW_r1 }, IRIW_bad },
  { "IRIW_rel_acq", 4, { IRIW_v0, IRIW_v1, IRIW_a0, IRIW_a1 }, IRIW_bad },
};

static const Shape *shape;
static int batches, cpus;
static void pin(int to) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(to % cpus, &set);
  sched_setaffinity(0, sizeof set, &set);
}
static void await_count(volatile uint32_t *word, uint32_t count) {
  for (int i = 0; *word < count; i++) if (i > 500) __asm__ volatile("yield" ::: "memory");
}
static void *run(void *argument) {
  int me = (int)(intptr_t)argument;
  pin(me);
  for (int b = 0; b < batches; b++) {
    __atomic_add_fetch(&start, 1, __ATOMIC_SEQ_CST);
    await_count(&start, (uint32_t)(shape->threads * (b + 1)));
    for (int i = 0; i < BATCH; i++) {
      Place *p = &places[i];
      __atomic_add_fetch(&p->ready, 1, __ATOMIC_SEQ_CST);
      await_count(&p->ready, (uint32_t)shape->threads);
      shape->body[me](p);
    }
    __atomic_add_fetch(&finished, 1, __ATOMIC_SEQ_CST);
    await_count(&finished, (uint32_t)(shape->threads * (2 * b + 1)));
    if (me == 0) {
      static long seen;
      if (b == 0) seen = 0;
      for (int i = 0; i < BATCH; i++) seen += shape->forbidden(&places[i]);
      memset(places, 0, sizeof places);
      if (b == batches - 1) printf("%s %ld\n", shape->name, seen);
    }
    __atomic_add_fetch(&finished, 1, __ATOMIC_SEQ_CST);
    await_count(&finished, (uint32_t)(shape->threads * (2 * b + 2)));
  }
  return 0;
}

// --- nothing is lost, nothing is torn -----------------------------------------------------------------------------------
#define ROUNDS 20000
static struct { volatile uint8_t b; volatile uint16_t h; volatile uint32_t w; volatile uint64_t x; volatile uint64_t l; volatile uint64_t lock, a, c; } __attribute__((aligned(64))) shared;
static volatile uint64_t pair[2] __attribute__((aligned(16))), pair2[2] __attribute__((aligned(16)));
static volatile uint32_t pair3[2] __attribute__((aligned(8))), pair4[2] __attribute__((aligned(8)));
static volatile uint64_t whole, largest, bits;
static volatile int stop;
static long torn;

#define ADD_EXCLUSIVE(width, mod, ld, st, p) do { uint64_t v; uint32_t s; do { \
    __asm__ volatile(ld " %" mod "0, %2\n\tadd %" mod "0, %" mod "0, #1\n\t" st " %w1, %" mod "0, %2" : "=&r"(v), "=&r"(s), "+Q"(*(p)) :: "memory"); } while (s); } while (0)
static void add_pair(void) { // both words, by STXP
  uint64_t a, b;
  uint32_t s;
  do __asm__ volatile("ldxp %0, %1, %3\n\tadd %0, %0, #1\n\tadd %1, %1, #3\n\tstxp %w2, %0, %1, %3" : "=&r"(a), "=&r"(b), "=&r"(s), "+Q"(pair) :: "memory"); while (s);
}
static void add_pair32(void) {
  uint32_t a, b, s;
  do __asm__ volatile("ldaxp %w0, %w1, %3\n\tadd %w0, %w0, #1\n\tadd %w1, %w1, #3\n\tstlxp %w2, %w0, %w1, %3" : "=&r"(a), "=&r"(b), "=&r"(s), "+Q"(pair3) :: "memory"); while (s);
}
static void casp(void) {
  for (;;) {
    register uint64_t a __asm__("x0") = pair2[0], b __asm__("x1") = pair2[1], c __asm__("x2") = a + 1, d __asm__("x3") = b + 3;
    uint64_t wasA = a, wasB = b;
    __asm__ volatile(".arch_extension lse\n\tcaspal x0, x1, x2, x3, %4" : "+r"(a), "+r"(b) : "r"(c), "r"(d), "Q"(pair2) : "memory");
    if (a == wasA && b == wasB) return;
  }
}
static void casp32(void) {
  for (;;) {
    register uint32_t a __asm__("w0") = pair4[0], b __asm__("w1") = pair4[1], c __asm__("w2") = a + 1, d __asm__("w3") = b + 3;
    uint32_t wasA = a, wasB = b;
    __asm__ volatile(".arch_extension lse\n\tcaspal w0, w1, w2, w3, %4" : "+r"(a), "+r"(b) : "r"(c), "r"(d), "Q"(pair4) : "memory");
    if (a == wasA && b == wasB) return;
  }
}
static int begin(void *argument, int threads) {
  int me = (int)(intptr_t)argument;
  pin(me);
  __atomic_add_fetch(&start, 1, __ATOMIC_SEQ_CST);
  await_count(&start, (uint32_t)threads);
  return me;
}
static void *count(void *argument) {
  int me = begin(argument, cpus);
  for (int i = 0; i < ROUNDS; i++) {
    ADD_EXCLUSIVE(8, "w", "ldxrb", "stxrb", &shared.b);
    ADD_EXCLUSIVE(16, "w", "ldaxrh", "stlxrh", &shared.h);
    ADD_EXCLUSIVE(32, "w", "ldxr", "stlxr", &shared.w);
    ADD_EXCLUSIVE(64, "x", "ldaxr", "stxr", &shared.x);
    __asm__ volatile(".arch_extension lse\n\tldaddal %1, xzr, %0" : "+Q"(shared.l) : "r"((uint64_t)1) : "memory");
    __asm__ volatile(".arch_extension lse\n\tldumax %1, xzr, %0\n\tldset %2, xzr, %3" : "+Q"(largest) : "r"((uint64_t)(i * cpus + me)), "r"(1ul << (i & 63)), "Q"(bits) : "memory");
    add_pair();
    add_pair32();
    casp();
    if ((i & 15) == 0) casp32();
    while (swap(&shared.lock, 1) != 0) __asm__ volatile("yield" ::: "memory");
    shared.a++;
    shared.c = shared.c + 2;
    release(&shared.lock, 0);
  }
  return 0;
}
static void *tear(void *argument) {
  int me = begin(argument, 2);
  if (me == 0) {
    for (int i = 0; i < 50 * ROUNDS; i++) store(&whole, (i & 1) ? ~0ull : 0);
    stop = 1;
  } else {
    while (!stop) {
      uint64_t v = load(&whole);
      if (v != 0 && v != ~0ull) torn++;
    }
  }
  return 0;
}
/** A page mapped anew, whose old translation nobody may use once the call has returned (D8.14). */
#define PAGES 16
static volatile uint64_t *window;
static volatile uint64_t generation;
static int pages;
static long stale;
static void *remap(void *argument) {
  int me = begin(argument, 2);
  if (me == 0) {
    for (uint64_t n = 1; n <= ROUNDS / 10; n++) {
      mmap((void *)window, 4096, PROT_READ, MAP_SHARED | MAP_FIXED, pages, (off_t)(n % PAGES) * 4096);
      release(&generation, n);
    }
    stop = 1;
  } else {
    while (!stop) {
      uint64_t before = acquire(&generation), seen = load(window), after = acquire(&generation);
      if ((seen - before) % PAGES > after + 1 - before) stale++;
    }
  }
  return 0;
}
/** Code written by another core: after IC IVAU, DSB there and ISB here only the new one runs (B2.7.4). Two places, in turn. */
static uint32_t *code;
static void *rewrite(void *argument) {
  int me = begin(argument, 2);
  if (me == 0) {
    for (uint64_t n = 1; n <= ROUNDS / 2; n++) {
      uint32_t *at = code + 64 * (n & 1);
      at[0] = 0x52800000u | (uint32_t)(n & 0xffff) << 5; // mov w0, #n
      at[1] = 0xd65f03c0u; // ret
      __builtin___clear_cache((char *)at, (char *)(at + 2));
      release(&generation, n);
    }
    stop = 1;
  } else {
    while (!stop) {
      uint64_t before = acquire(&generation);
      if (before == 0) continue;
      __asm__ volatile("isb" ::: "memory");
      uint32_t seen = ((uint32_t(*)(void))(code + 64 * (before & 1)))();
      if (acquire(&generation) == before && seen != (before & 0xffff)) stale++;
    }
  }
  return 0;
}
static void all(void *(*what)(void *), int n) {
  pthread_t t[64];
  start = finished = 0;
  for (int i = 0; i < n; i++) pthread_create(&t[i], 0, what, (void *)(intptr_t)i);
  for (int i = 0; i < n; i++) pthread_join(t[i], 0);
}

int main(int argc, char **argv) {
  int given = argc > 1 ? atoi(argv[1]) : 10;
  cpus = (int)sysconf(_SC_NPROCESSORS_ONLN);
  for (unsigned i = 0; i < sizeof shapes / sizeof *shapes; i++) {
    shape = &shapes[i];
    batches = shape->threads == 2 ? given : (given + 9) / 10; // on a host with fewer cores each start waits for its scheduler
    if (shape->threads <= cpus) all(run, shape->threads);
  }
  all(count, cpus);
  uint64_t n = (uint64_t)cpus * ROUNDS, few = (uint64_t)cpus * ((ROUNDS + 15) / 16);
  printf("exclusives %d\n", !(shared.b == (uint8_t)n && shared.h == (uint16_t)n && shared.w == n && shared.x == n));
  printf("pairs %d\n", !(pair[0] == n && pair[1] == 3 * n && pair3[0] == n && pair3[1] == 3 * n));
  printf("atomics %d\n", !(shared.l == n && largest == (uint64_t)ROUNDS * cpus - 1 && bits == ~0ull && pair2[0] == n && pair2[1] == 3 * n && pair4[0] == few && pair4[1] == 3 * few));
  printf("lock %d\n", !(shared.a == n && shared.c == 2 * n));
  all(tear, 2);
  printf("torn %ld\n", torn);
  pages = memfd_create("pages", 0);
  for (uint64_t n = 0; n < PAGES; n++) if (pwrite(pages, &n, 8, (off_t)n * 4096) != 8) return 1;
  if (ftruncate(pages, PAGES * 4096) != 0) return 1;
  window = mmap(0, 4096, PROT_READ, MAP_SHARED, pages, 0);
  stop = 0;
  all(remap, 2);
  printf("remapped %ld\n", stale);
  code = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  stop = 0;
  generation = 0;
  stale = 0;
  all(rewrite, 2);
  printf("rewritten %ld\n", stale);
  return 0;
}
