/* test/bench/guest/bench.h — what the benchmark's guest programs share. */
#ifndef BENCH_H
#define BENCH_H
#include <stddef.h>
#include <stdint.h>

/* A row: does `rounds` units of work and returns a value that depends on all of it. */
typedef uint64_t (*row_function)(unsigned rounds);
struct row {
  const char *name;
  row_function run;
  /* Rounds that take roughly a third of a second under an emulator of 2026. */
  unsigned rounds;
};
/* Ended by a row without a name. */
extern const struct row integer_rows[], float_rows[], system_rows[];

/* The same numbers everywhere: xorshift64*. */
static inline uint64_t next_random(uint64_t *state) {
  uint64_t x = *state;
  x ^= x >> 12;
  x ^= x << 25;
  x ^= x >> 27;
  *state = x;
  return x * 0x2545f4914f6cdd1dull;
}
static inline uint64_t mix(uint64_t sum, uint64_t value) { return (sum ^ value) * 0x100000001b3ull; }
#endif
