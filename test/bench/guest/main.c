/* test/bench/guest/main.c — `bench` runs every row and prints "row NAME CHECK SECONDS"; `bench NAME...` runs some. */
#include "bench.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}
static void run(const struct row *rows, int count, char **names) {
  for (; rows->name; rows++) {
    int chosen = count == 0;
    for (int i = 0; i < count; i++) chosen |= !strcmp(names[i], rows->name);
    if (!chosen) continue;
    double from = now();
    uint64_t check = rows->run(rows->rounds);
    double seconds = now() - from;
    printf("row %s %016llx %.4f\n", rows->name, (unsigned long long)check, seconds);
    fflush(stdout);
  }
}
int main(int argc, char **argv) {
  if (argc == 3 && !strcmp(argv[1], "exit")) return atoi(argv[2]);
  run(integer_rows, argc - 1, argv + 1);
  run(float_rows, argc - 1, argv + 1);
  run(system_rows, argc - 1, argv + 1);
  puts("rows done");
  return 0;
}
