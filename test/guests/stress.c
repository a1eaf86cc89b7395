/* test/guests/stress.c — programs that change code, or make the kernel do it: `stress jit`, `stress alias`, `stress bpf`; and
   one that uses up the ASIDs: `stress asids N`. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static uint32_t movz(int d, unsigned imm) { return 0xd2800000u | imm << 5 | (unsigned)d; }
enum { RET = 0xd65f03c0 };
typedef unsigned (*function)(void);

/* Writable, then executable, never both: a page made anew 3000 times, and a function that lies across two pages. */
static int jit(void) {
  uint8_t *page = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  unsigned wrong = 0;
  for (unsigned i = 0; i < 3000; i++) {
    uint32_t *code = (uint32_t *)(page + (i % 3 == 0 ? 4092 : i % 1000 * 4)); /* the first word of it ends a page */
    mprotect(page, 8192, PROT_READ | PROT_WRITE);
    code[0] = movz(0, i & 0xffff);
    code[1] = RET;
    mprotect(page, 8192, PROT_READ | PROT_EXEC);
    __builtin___clear_cache((char *)code, (char *)(code + 2));
    wrong += ((function)code)() != (i & 0xffff);
  }
  printf("jit wrong %u\n", wrong);
  return 0;
}
/* Written through one mapping, run through another. */
static int alias(void) {
  int fd = memfd_create("code", 0);
  if (ftruncate(fd, 4096)) return 1;
  uint32_t *writable = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  uint32_t *executable = mmap(0, 4096, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
  unsigned wrong = 0;
  for (unsigned i = 0; i < 3000; i++) {
    writable[0] = movz(0, i);
    writable[1] = RET;
    __builtin___clear_cache((char *)writable, (char *)(writable + 2));
    __builtin___clear_cache((char *)executable, (char *)(executable + 2));
    wrong += ((function)executable)() != i;
  }
  printf("alias wrong %u\n", wrong);
  return 0;
}
/* Socket filters and system call filters: the kernel's JIT compiles each, and frees it. */
static int bpf(void) {
  unsigned wrong = 0;
  for (unsigned i = 0; i < 300; i++) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair)) return 1;
    struct sock_filter keep[] = { BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, i & 0xff, 0, 1), BPF_STMT(BPF_RET | BPF_K, 1000), BPF_STMT(BPF_RET | BPF_K, 0) };
    struct sock_fprog program = { 4, keep };
    if (setsockopt(pair[1], SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program)) return 1;
    for (unsigned k = 0; k < 4; k++) {
      uint8_t byte = (uint8_t)(i + (k & 1)), got = 0;
      send(pair[0], &byte, 1, 0);
      long n = recv(pair[1], &got, 1, MSG_DONTWAIT);
      wrong += (k & 1) == 0 ? n != 1 || got != byte : n >= 0;
    }
    close(pair[0]);
    close(pair[1]);
  }
  pid_t child = fork();
  if (child == 0) {
    struct sock_filter refuse[] = { BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 77), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW) };
    struct sock_fprog program = { 4, refuse };
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
    _exit(syscall(SYS_getppid) == -1 && errno == 77 && getpid() > 0 ? 0 : 1);
  }
  int status = 1;
  waitpid(child, &status, 0);
  printf("bpf wrong %u, filter %d\n", wrong, status);
  return 0;
}
/* N processes, one after the other: every one has data and code of its own at the same addresses as its parent. */
static int asids(unsigned n) {
  volatile unsigned *data = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  uint32_t *code = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  unsigned wrong = 0;
  code[1] = RET;
  for (unsigned i = 0; i < n; i++) {
    *data = i;
    if (i % 64 == 0) {
      code[0] = movz(0, i & 0x7fff);
      __builtin___clear_cache((char *)code, (char *)(code + 2));
    }
    int status = 0;
    pid_t child = fork();
    if (child < 0) return 1;
    if (child == 0) {
      unsigned bad = *data != i || ((function)code)() != (i & ~63u & 0x7fff);
      *data = ~i;
      if (i % 64 == 1) { /* a page of code of its own */
        code[0] = movz(0, 0x8000);
        __builtin___clear_cache((char *)code, (char *)(code + 2));
        bad |= ((function)code)() != 0x8000;
      }
      _exit((int)bad);
    }
    waitpid(child, &status, 0);
    wrong += status != 0 || *data != i || ((function)code)() != (i & ~63u & 0x7fff);
  }
  printf("asids wrong %u\n", wrong);
  return 0;
}
int main(int argc, char **argv) {
  if (argc == 2 && !strcmp(argv[1], "jit")) return jit();
  if (argc == 2 && !strcmp(argv[1], "alias")) return alias();
  if (argc == 2 && !strcmp(argv[1], "bpf")) return bpf();
  if (argc == 3 && !strcmp(argv[1], "asids")) return asids((unsigned)atoi(argv[2]));
  return 2;
}
