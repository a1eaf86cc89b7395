/* test/bench/guest/system.c — the system rows: what crosses between user space and the kernel, or changes code. */
#define _GNU_SOURCE
#include "bench.h"
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static uint64_t system_call(unsigned rounds) {
  uint64_t n = 0;
  for (uint64_t i = (uint64_t)rounds * 1000; i > 0; i--) n += (uint64_t)syscall(SYS_getppid) != 0;
  return n;
}
static uint64_t ping_pong(unsigned rounds) {
  int to[2], from[2];
  if (pipe(to) || pipe(from)) return 0;
  unsigned total = rounds * 100;
  pid_t child = fork();
  if (child == 0) {
    char c;
    while (total-- > 0) { if (read(to[0], &c, 1) != 1) _exit(1); c++; if (write(from[1], &c, 1) != 1) _exit(1); }
    _exit(0);
  }
  uint64_t sum = 0;
  for (unsigned i = 0; i < total; i++) {
    char c = (char)i;
    if (write(to[1], &c, 1) != 1 || read(from[0], &c, 1) != 1) return 0;
    sum += (uint8_t)c;
  }
  waitpid(child, 0, 0);
  close(to[0]); close(to[1]); close(from[0]); close(from[1]);
  return sum;
}
static uint64_t page_faults(unsigned rounds) {
  enum { SIZE = 4 << 20 };
  uint64_t sum = 0;
  while (rounds-- > 0) {
    volatile uint8_t *p = mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (size_t i = 0; i < SIZE; i += 4096) p[i] = (uint8_t)(i >> 12);
    sum = mix(sum, p[SIZE - 4096]);
    munmap((void *)p, SIZE);
  }
  return sum;
}
static uint64_t fork_exec(unsigned rounds) {
  uint64_t sum = 0;
  while (rounds-- > 0) {
    pid_t child = fork();
    if (child == 0) { execl("/proc/self/exe", "bench", "exit", "7", (char *)0); _exit(1); }
    int status = 0;
    waitpid(child, &status, 0);
    sum += (uint64_t)WEXITSTATUS(status);
  }
  return sum;
}
static uint64_t protect(unsigned rounds) {
  volatile uint8_t *p = mmap(0, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  uint64_t sum = 0;
  for (unsigned i = 0; i < rounds * 100; i++) {
    p[(i * 4096) & 65535] += 1;
    mprotect((void *)p, 65536, PROT_READ);
    sum += p[(i * 4096) & 65535];
    mprotect((void *)p, 65536, PROT_READ | PROT_WRITE);
  }
  munmap((void *)p, 65536);
  return sum;
}
static volatile sig_atomic_t caught;
static void on_signal(int number) { (void)number; caught++; }
static uint64_t signals(unsigned rounds) {
  struct sigaction action = { .sa_handler = on_signal };
  sigaction(SIGUSR1, &action, 0);
  caught = 0;
  pid_t self = getpid();
  for (unsigned i = 0; i < rounds * 100; i++) kill(self, SIGUSR1);
  return (uint64_t)caught;
}
/* Straight-line code that is executed once: every instruction has to be translated for it. A round is 65536 instructions. */
static uint64_t cold_code(unsigned rounds) {
  enum { WORDS = 65536 };
  uint32_t *code = mmap(0, WORDS * 4, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  uint64_t seed = 11, sum = 0;
  while (rounds-- > 0) {
    for (int i = 0; i < WORDS - 1; i++) {
      uint64_t r = next_random(&seed);
      uint32_t d = r & 7, n = r >> 3 & 7, m = r >> 6 & 7, imm = r >> 9 & 0xfff;
      switch (r >> 60) {
        case 0: case 1: case 2: code[i] = 0x8b000000 | m << 16 | n << 5 | d; break; /* add */
        case 3: case 4: code[i] = 0xcb000000 | m << 16 | n << 5 | d; break; /* sub */
        case 5: case 6: code[i] = 0x91000000 | imm << 10 | n << 5 | d; break; /* add, immediate */
        case 7: code[i] = 0xca000000 | m << 16 | n << 5 | d; break; /* eor */
        case 8: code[i] = 0xd3400000 | (imm & 31) << 16 | 63u << 10 | n << 5 | d; break; /* lsr */
        case 9: code[i] = 0xf2800000 | imm << 5 | d; break; /* movk */
        case 10: code[i] = 0xeb00001f | m << 16 | n << 5; break; /* cmp */
        case 11: code[i] = 0x9a800000 | m << 16 | n << 5 | d; break; /* csel eq */
        case 12: code[i] = 0xf94003e0 | d | (imm & 15) << 10; break; /* ldr [sp] */
        case 13: code[i] = 0x54000020 | (imm & 0xe); break; /* a branch to the next instruction */
        case 14: code[i] = 0x9b007c00 | m << 16 | n << 5 | d; break; /* mul */
        default: code[i] = 0xaa200000 | m << 16 | n << 5 | d; break; /* orn */
      }
    }
    code[WORDS - 1] = 0xd65f03c0; /* ret */
    __builtin___clear_cache((char *)code, (char *)(code + WORDS));
    uint64_t room[16] = { 1, 2, 3, 4, 5, 6, 7, 8 };
    register uint64_t x0 __asm__("x0") = seed;
    __asm__ volatile("mov x20, sp\n mov x1, #1\n mov x2, #2\n mov x3, #3\n mov x4, #4\n mov x5, #5\n mov x6, #6\n mov x7, #7\n mov sp, %1\n blr %2\n mov sp, x20"
      : "+r"(x0) : "r"(room), "r"(code) : "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x20", "x30", "cc", "memory");
    sum = mix(sum, x0);
  }
  munmap(code, WORDS * 4);
  return sum;
}

const struct row system_rows[] = {
  { "system-call", system_call, 300 }, { "pipe-ping-pong", ping_pong, 60 }, { "page-faults", page_faults, 50 }, { "fork-exec", fork_exec, 100 },
  { "mprotect", protect, 150 }, { "signals", signals, 300 }, { "cold-code", cold_code, 8 }, { 0, 0, 0 },
};
