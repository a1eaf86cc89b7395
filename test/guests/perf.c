/* test/guests/perf.c — Linux counts and samples with the performance monitors: a loop of a known length, and who was seen in it. */
#include <linux/perf_event.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define TURNS 20000000ull /* of two instructions */
#define PERIOD 100000
#define PAGES 64
extern char loop_start[], loop_end[];
static void __attribute__((noinline)) loop(uint64_t turns) {
  __asm__ volatile(".global loop_start, loop_end\n loop_start: subs %0, %0, #1\n b.ne loop_start\n loop_end:" : "+r"(turns)::"cc");
}
static int open_event(uint64_t config, uint64_t period) {
  struct perf_event_attr attr;
  memset(&attr, 0, sizeof attr);
  attr.type = PERF_TYPE_HARDWARE;
  attr.size = sizeof attr;
  attr.config = config;
  attr.exclude_kernel = attr.exclude_hv = attr.disabled = 1;
  if (period != 0) {
    attr.sample_period = period;
    attr.sample_type = PERF_SAMPLE_IP;
  }
  return syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
}
static void counts(const char *name, uint64_t config) {
  int fd = open_event(config, 0);
  static volatile const uint64_t turns[2] = {1, 1 + TURNS};
  uint64_t value = 0, before = 0;
  if (fd < 0) {
    printf("%s: cannot be opened\n", name);
    return;
  }
  for (int i = 0; i < 2; i++) { /* the difference leaves out the way there and back */
    ioctl(fd, PERF_EVENT_IOC_RESET, 0);
    ioctl(fd, PERF_EVENT_IOC_ENABLE, 0);
    loop(turns[i]);
    ioctl(fd, PERF_EVENT_IOC_DISABLE, 0);
    before = value;
    if (read(fd, &value, sizeof value) != sizeof value) return;
  }
  printf("%s: %llu\n", name, (unsigned long long)(value - before));
  close(fd);
}
static void samples(void) {
  int fd = open_event(PERF_COUNT_HW_INSTRUCTIONS, PERIOD);
  struct perf_event_mmap_page *ring = mmap(0, (1 + PAGES) * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (fd < 0 || ring == MAP_FAILED) {
    printf("samples: cannot be opened\n");
    return;
  }
  ioctl(fd, PERF_EVENT_IOC_ENABLE, 0);
  loop(TURNS);
  ioctl(fd, PERF_EVENT_IOC_DISABLE, 0);
  uint64_t inside = 0, outside = 0, other = 0;
  for (uint64_t at = 0; at < ring->data_head;) {
    struct { struct perf_event_header header; uint64_t ip; } *one = (void *)((char *)ring + 4096 + at % (PAGES * 4096));
    if (one->header.type != PERF_RECORD_SAMPLE) other++;
    else if (one->ip >= (uint64_t)loop_start && one->ip < (uint64_t)loop_end) inside++;
    else outside++;
    at += one->header.size;
  }
  printf("samples: %llu inside, %llu outside, %llu others\n", (unsigned long long)inside, (unsigned long long)outside, (unsigned long long)other);
}
int main(void) {
  counts("instructions", PERF_COUNT_HW_INSTRUCTIONS);
  counts("cycles", PERF_COUNT_HW_CPU_CYCLES);
  samples();
  return 0;
}
