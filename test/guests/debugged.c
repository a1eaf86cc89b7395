/* test/guests/debugged.c — a debugger and what it debugs, by ptrace: hardware breakpoints, single steps and watchpoints of one
   process for another. Prints what it counted. */
#include <elf.h>
#include <stddef.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>
#include <asm/ptrace.h>

#define STEPS 200
#define HITS 5
static volatile uint64_t data[8] __attribute__((aligned(64)));
extern char sled[];
__asm__(".text\n.global sled\nsled:\n.rept 200\nnop\n.endr\nret\n");

static void debuggee(void) {
  ptrace(PTRACE_TRACEME, 0, 0, 0);
  raise(SIGSTOP);
  ((void (*)(void))sled)();
  for (int i = 0; i < HITS; i++) {
    for (int k = 0; k < 8; k++) data[k] = data[(k + 1) & 7] + 1;
    __asm__ volatile("ldr x0, %0" :: "m"(data[5]) : "x0");
  }
  _exit(42);
}
static pid_t child;
static int set(int what, uint64_t address, uint32_t control) {
  struct user_hwdebug_state state;
  memset(&state, 0, sizeof state);
  state.dbg_regs[0].addr = address;
  state.dbg_regs[0].ctrl = control;
  struct iovec io = { &state, offsetof(struct user_hwdebug_state, dbg_regs) + sizeof state.dbg_regs[0] };
  return ptrace(PTRACE_SETREGSET, child, (void *)(uintptr_t)what, &io) != 0;
}
static uint64_t pc(void) {
  struct user_pt_regs regs;
  struct iovec io = { &regs, sizeof regs };
  ptrace(PTRACE_GETREGSET, child, (void *)NT_PRSTATUS, &io);
  return regs.pc;
}
/** Goes on; true when it stopped for a trap. */
static int go(int how) {
  int status;
  ptrace(how, child, 0, 0);
  waitpid(child, &status, 0);
  return WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP;
}
static uint64_t trapped(void) {
  siginfo_t info;
  ptrace(PTRACE_GETSIGINFO, child, 0, &info);
  return (uint64_t)info.si_addr;
}

int main(void) {
  int status, breaks = 0, steps = 0, stores = 0, loads = 0;
  child = fork();
  if (child == 0) debuggee();
  waitpid(child, &status, 0);
  if (set(NT_ARM_HW_BREAK, (uint64_t)sled, 0xf << 5 | 2 << 1 | 1)) return 1;
  breaks = go(PTRACE_CONT) && pc() == (uint64_t)sled && trapped() == (uint64_t)sled;
  if (set(NT_ARM_HW_BREAK, 0, 0)) return 2;
  for (int i = 1; i <= STEPS; i++) steps += go(PTRACE_SINGLESTEP) && pc() == (uint64_t)sled + 4 * (uint64_t)i;
  if (set(NT_ARM_HW_WATCH, (uint64_t)&data[3], 0xff << 5 | 2 << 3 | 2 << 1 | 1)) return 3;
  while (stores < HITS - 1 && go(PTRACE_CONT) && trapped() == (uint64_t)&data[3]) {
    stores++;
    set(NT_ARM_HW_WATCH, 0, 0);
    go(PTRACE_SINGLESTEP); /* over it */
    set(NT_ARM_HW_WATCH, (uint64_t)&data[3], 0xff << 5 | 2 << 3 | 2 << 1 | 1);
  }
  set(NT_ARM_HW_WATCH, (uint64_t)&data[5], 0xf << 5 | 1 << 3 | 2 << 1 | 1); /* the address alone must do with the old length */
  if (set(NT_ARM_HW_WATCH, (uint64_t)&data[5] + 4, 0xf << 5 | 1 << 3 | 2 << 1 | 1)) return 4; /* half of it */
  loads = go(PTRACE_CONT);
  set(NT_ARM_HW_WATCH, 0, 0);
  ptrace(PTRACE_CONT, child, 0, 0);
  waitpid(child, &status, 0);
  printf("breaks %d steps %d stores %d loads %d exit %d\n", breaks, steps, stores, loads, WIFEXITED(status) ? WEXITSTATUS(status) : -1);
  return 0;
}
