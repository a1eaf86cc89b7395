/* test/bench/guest/integer.c — the integer rows: what compilers make of ordinary programs. */
#include "bench.h"
#include <stdlib.h>
#include <string.h>

/* --- SHA-256, FIPS 180-4 ------------------------------------------------------------------------------------------- */

static uint32_t k256[64];
static uint32_t ror(uint32_t x, int n) { return x >> n | x << (32 - n); }
/* The constants are the fractions of cube roots of primes: computed, to 32 bits, by bisection. */
static void make_constants(void) {
  int n = 0;
  for (unsigned p = 2; n < 64; p++) {
    int prime = 1;
    for (unsigned d = 2; d * d <= p; d++) if (p % d == 0) prime = 0;
    if (!prime) continue;
    unsigned __int128 low = 0, high = (unsigned __int128)8 << 32, target = (unsigned __int128)p << 96;
    while (high - low > 1) {
      unsigned __int128 middle = (low + high) / 2;
      if (middle * middle * middle <= target) low = middle; else high = middle;
    }
    k256[n++] = (uint32_t)low;
  }
}
static void sha256_block(uint32_t h[8], const uint8_t *p) {
  uint32_t w[64];
  for (int i = 0; i < 16; i++) w[i] = (uint32_t)p[4 * i] << 24 | (uint32_t)p[4 * i + 1] << 16 | (uint32_t)p[4 * i + 2] << 8 | p[4 * i + 3];
  for (int i = 16; i < 64; i++) {
    uint32_t a = w[i - 15], b = w[i - 2];
    w[i] = w[i - 16] + (ror(a, 7) ^ ror(a, 18) ^ a >> 3) + w[i - 7] + (ror(b, 17) ^ ror(b, 19) ^ b >> 10);
  }
  uint32_t a = h[0], b = h[1], c = h[2], d = h[3], e = h[4], f = h[5], g = h[6], s = h[7];
  for (int i = 0; i < 64; i++) {
    uint32_t t = s + (ror(e, 6) ^ ror(e, 11) ^ ror(e, 25)) + ((e & f) ^ (~e & g)) + k256[i] + w[i];
    uint32_t u = (ror(a, 2) ^ ror(a, 13) ^ ror(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
    s = g; g = f; f = e; e = d + t; d = c; c = b; b = a; a = t + u;
  }
  h[0] += a; h[1] += b; h[2] += c; h[3] += d; h[4] += e; h[5] += f; h[6] += g; h[7] += s;
}
static uint64_t sha256(unsigned rounds) {
  static uint8_t data[65536];
  uint32_t h[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };
  make_constants();
  for (size_t i = 0; i < sizeof data; i++) data[i] = (uint8_t)(i * 7);
  while (rounds-- > 0) for (size_t i = 0; i < sizeof data; i += 64) sha256_block(h, data + i);
  return (uint64_t)h[0] << 32 | h[7];
}

/* --- quicksort ------------------------------------------------------------------------------------------------------ */

static void sort(uint32_t *a, long low, long high) {
  while (low < high) {
    uint32_t pivot = a[(low + high) / 2];
    long i = low, j = high;
    while (i <= j) {
      while (a[i] < pivot) i++;
      while (a[j] > pivot) j--;
      if (i <= j) { uint32_t t = a[i]; a[i++] = a[j]; a[j--] = t; }
    }
    if (j - low < high - i) { sort(a, low, j); low = i; }
    else { sort(a, i, high); high = j; }
  }
}
static uint64_t quicksort(unsigned rounds) {
  enum { N = 100000 };
  static uint32_t a[N];
  uint64_t seed = 1, sum = 0;
  while (rounds-- > 0) {
    for (int i = 0; i < N; i++) a[i] = (uint32_t)next_random(&seed);
    sort(a, 0, N - 1);
    for (int i = 0; i < N; i += 997) sum = mix(sum, a[i]);
  }
  return sum;
}

/* --- a hash table of strings ------------------------------------------------------------------------------------------- */

struct entry { struct entry *next; uint32_t hash, count; char key[24]; };
static uint64_t hash_table(unsigned rounds) {
  enum { BUCKETS = 1 << 14, ENTRIES = 20000 };
  static struct entry *table[BUCKETS];
  static struct entry pool[ENTRIES];
  uint64_t sum = 0;
  while (rounds-- > 0) {
    uint64_t seed = 7;
    unsigned used = 0;
    memset(table, 0, sizeof table);
    for (int i = 0; i < 100000; i++) {
      char key[24];
      unsigned value = (unsigned)(next_random(&seed) >> 40) % ENTRIES;
      int n = 0;
      key[n++] = 'k';
      for (unsigned v = value * 2654435761u; v != 0; v /= 10) key[n++] = (char)('0' + v % 10);
      key[n] = 0;
      uint32_t h = 2166136261u;
      for (const char *c = key; *c; c++) h = (h ^ (uint8_t)*c) * 16777619u;
      struct entry **at = &table[h & (BUCKETS - 1)], *e = *at;
      while (e && (e->hash != h || strcmp(e->key, key))) e = e->next;
      if (!e) {
        e = &pool[used++];
        e->hash = h;
        e->count = 0;
        strcpy(e->key, key);
        e->next = *at;
        *at = e;
      }
      e->count++;
    }
    for (unsigned i = 0; i < used; i++) sum = mix(sum, pool[i].hash * (uint64_t)pool[i].count);
  }
  return sum;
}

/* --- an interpreter of byte code ----------------------------------------------------------------------------------------- */

static uint64_t interpreter(unsigned rounds) {
  enum { PUSH, ADD, SUB, MUL, XOR, DUP, LOAD, STORE, LESS, JZ, JUMP, HALT };
  /* s = 0; for (i = 0; i < 50000; i++) s = (s * 31 + i) ^ i - 7 */
  static const int32_t program[] = {
    PUSH, 0, STORE, 0, PUSH, 0, STORE, 1,
    LOAD, 1, PUSH, 50000, LESS, JZ, 42,
    LOAD, 0, PUSH, 31, MUL, LOAD, 1, ADD, LOAD, 1, PUSH, 7, SUB, XOR, STORE, 0,
    LOAD, 1, PUSH, 1, ADD, STORE, 1, JUMP, 8, HALT, HALT, HALT,
  };
  uint64_t sum = 0;
  while (rounds-- > 0) {
    int64_t stack[16], locals[4] = { 0 };
    int top = 0;
    for (const int32_t *pc = program;;) {
      switch (*pc++) {
        case PUSH: stack[top++] = *pc++; continue;
        case ADD: top--; stack[top - 1] += stack[top]; continue;
        case SUB: top--; stack[top - 1] -= stack[top]; continue;
        case MUL: top--; stack[top - 1] *= stack[top]; continue;
        case XOR: top--; stack[top - 1] ^= stack[top]; continue;
        case DUP: stack[top] = stack[top - 1]; top++; continue;
        case LOAD: stack[top++] = locals[*pc++]; continue;
        case STORE: locals[*pc++] = stack[--top]; continue;
        case LESS: top--; stack[top - 1] = stack[top - 1] < stack[top]; continue;
        case JZ: if (stack[--top] == 0) pc = program + *pc; else pc++; continue;
        case JUMP: pc = program + *pc; continue;
      }
      break;
    }
    sum = mix(sum, (uint64_t)locals[0]);
  }
  return sum;
}

/* --- deflate and inflate: RFC 1951, fixed codes --------------------------------------------------------------------------- */

enum { WINDOW = 32768, TEXT = 200000 };
static uint8_t text[TEXT], packed[TEXT * 2], unpacked[TEXT];
static const uint16_t length_base[29] = { 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258 };
static const uint8_t length_extra[29] = { 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0 };
static const uint16_t distance_base[30] = { 1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577 };
static const uint8_t distance_extra[30] = { 0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13 };
static struct { uint64_t bits; int count; size_t at; } io;
static void put_bits(uint32_t value, int n) {
  io.bits |= (uint64_t)value << io.count;
  for (io.count += n; io.count >= 8; io.count -= 8, io.bits >>= 8) packed[io.at++] = (uint8_t)io.bits;
}
static uint32_t get_bits(int n) {
  for (; io.count < n; io.count += 8) io.bits |= (uint64_t)packed[io.at++] << io.count;
  uint32_t value = (uint32_t)(io.bits & ((1u << n) - 1));
  io.bits >>= n;
  io.count -= n;
  return value;
}
static uint32_t reversed(uint32_t code, int n) {
  uint32_t r = 0;
  while (n-- > 0) { r = r << 1 | (code & 1); code >>= 1; }
  return r;
}
static void put_symbol(unsigned s) {
  if (s < 144) put_bits(reversed(0x30 + s, 8), 8);
  else if (s < 256) put_bits(reversed(0x190 + s - 144, 9), 9);
  else if (s < 280) put_bits(reversed(s - 256, 7), 7);
  else put_bits(reversed(0xc0 + s - 280, 8), 8);
}
static unsigned get_symbol(void) {
  uint32_t code = 0;
  for (int n = 0; n < 7; n++) code = code << 1 | get_bits(1);
  if (code < 24) return 256 + code;
  code = code << 1 | get_bits(1);
  if (code >= 0x30 && code < 0xc0) return code - 0x30;
  if (code >= 0xc0 && code < 0xc8) return 280 + code - 0xc0;
  code = code << 1 | get_bits(1);
  return 144 + code - 0x190;
}
static void deflate(size_t size) {
  static int32_t head[1 << 13], previous[WINDOW];
  io.bits = 0; io.count = 0; io.at = 0;
  memset(head, -1, sizeof head);
  put_bits(3, 3); /* the last block, fixed codes */
  for (size_t i = 0; i < size;) {
    unsigned best = 0, distance = 0;
    if (i + 3 <= size) {
      uint32_t h = ((uint32_t)text[i] << 16 | (uint32_t)text[i + 1] << 8 | text[i + 2]) * 2654435761u >> 19;
      int tries = 16;
      for (int32_t j = head[h]; j >= 0 && i - (size_t)j < WINDOW && tries-- > 0; j = previous[j & (WINDOW - 1)]) {
        unsigned n = 0;
        while (n < 258 && i + n < size && text[(size_t)j + n] == text[i + n]) n++;
        if (n > best) { best = n; distance = (unsigned)(i - (size_t)j); }
      }
      previous[i & (WINDOW - 1)] = head[h];
      head[h] = (int32_t)i;
    }
    if (best < 3) { put_symbol(text[i++]); continue; }
    int l = 28, d = 29;
    while (length_base[l] > best) l--;
    while (distance_base[d] > distance) d--;
    put_symbol(257 + (unsigned)l);
    put_bits(best - length_base[l], length_extra[l]);
    put_bits(reversed((uint32_t)d, 5), 5);
    put_bits(distance - distance_base[d], distance_extra[d]);
    i += best;
  }
  put_symbol(256);
  put_bits(0, 7);
}
static size_t inflate(void) {
  size_t out = 0;
  io.bits = 0; io.count = 0; io.at = 0;
  get_bits(3);
  for (;;) {
    unsigned s = get_symbol();
    if (s == 256) return out;
    if (s < 256) { unpacked[out++] = (uint8_t)s; continue; }
    unsigned length = length_base[s - 257] + get_bits(length_extra[s - 257]);
    unsigned d = reversed(get_bits(5), 5);
    unsigned distance = distance_base[d] + get_bits(distance_extra[d]);
    for (; length > 0; length--, out++) unpacked[out] = unpacked[out - distance];
  }
}
static void make_text(void) {
  uint64_t seed = 42;
  static const char *const words[] = { "guest", "page", "table", "the", "of", "a", "interrupt", "register", "and", "memory", "when", "is", "virtual", "timer" };
  for (size_t i = 0; i < TEXT;) {
    const char *w = words[(next_random(&seed) >> 33) % 14];
    while (*w && i < TEXT) text[i++] = (uint8_t)*w++;
    if (i < TEXT) text[i++] = (next_random(&seed) >> 60) == 0 ? '\n' : ' ';
  }
}
static uint64_t deflate_row(unsigned rounds) {
  uint64_t sum = 0;
  make_text();
  while (rounds-- > 0) {
    deflate(TEXT);
    for (size_t i = 0; i < io.at; i += 64) sum = mix(sum, packed[i]);
    sum = mix(sum, io.at);
  }
  return sum;
}
static uint64_t inflate_row(unsigned rounds) {
  uint64_t sum = 0;
  make_text();
  deflate(TEXT);
  while (rounds-- > 0) {
    size_t n = inflate();
    sum = mix(sum, n + (uint64_t)memcmp(text, unpacked, n) * 2);
  }
  return sum;
}

/* --- records, calls and strings ------------------------------------------------------------------------------------------ */

struct record { struct record *link; int kind, number; char name[32]; };
__attribute__((noinline)) static int classify(char a, char b) { return a == b ? 1 : a < b ? 2 : 3; }
__attribute__((noinline)) static void assign(struct record *to, const struct record *from, int number) {
  *to = *from;
  to->number = number;
  to->kind = from->link == to ? 1 : from->kind + 1;
}
__attribute__((noinline)) static int sum_of(const int *a, int n) {
  int s = 0;
  for (int i = 0; i < n; i++) s += a[i] * (i | 1);
  return s;
}
static uint64_t records(unsigned rounds) {
  struct record one = { 0, 0, 0, "DHRYSTONE-LIKE, FIRST STRING" }, two = { &one, 2, 5, "DHRYSTONE-LIKE, OTHER STRING" };
  int a[50] = { 0 };
  uint64_t sum = 0;
  one.link = &two;
  for (unsigned r = 0; r < rounds; r++) {
    for (int i = 0; i < 200; i++) {
      assign(&one, &two, i);
      a[i % 50] = one.number + classify(one.name[i % 20], two.name[i % 20]);
      if (strcmp(one.name, two.name) != 0) sum++;
      two.name[i % 26] = (char)('A' + (i + (int)r) % 26);
      a[(i * 7) % 50] += sum_of(a + i % 40, 10) / (i + 1);
      two.kind = one.kind & 3;
    }
    sum = mix(sum, (uint64_t)(uint32_t)a[r % 50]);
  }
  return sum;
}

/* --- memory ------------------------------------------------------------------------------------------------------------------ */

static uint64_t pointer_chase(unsigned rounds) {
  enum { N = 1 << 18 };
  static uint32_t next[N];
  uint64_t seed = 3;
  for (uint32_t i = 0; i < N; i++) next[i] = i;
  for (uint32_t i = N - 1; i > 0; i--) { /* one cycle through all: Sattolo */
    uint32_t j = (uint32_t)(next_random(&seed) >> 32) % i, t = next[i];
    next[i] = next[j];
    next[j] = t;
  }
  uint32_t at = 0;
  for (uint64_t n = (uint64_t)rounds * 100000; n > 0; n--) at = next[at];
  return at;
}
static uint64_t copy(unsigned rounds) {
  enum { SIZE = 1 << 20 };
  static uint8_t from[SIZE + 64], to[SIZE + 64];
  for (int i = 0; i < SIZE; i++) from[i] = (uint8_t)(i * 13);
  uint64_t sum = 0;
  while (rounds-- > 0) {
    memcpy(to + (rounds & 15), from, SIZE);
    sum = mix(sum, to[rounds % SIZE]);
    memmove(from + 1 + (rounds & 7), from, SIZE / 4);
  }
  return mix(sum, to[SIZE / 3]);
}

const struct row integer_rows[] = {
  { "sha256", sha256, 320 }, { "quicksort", quicksort, 30 }, { "hash-table", hash_table, 30 }, { "interpreter", interpreter, 25 },
  { "deflate", deflate_row, 25 }, { "inflate", inflate_row, 60 }, { "records", records, 12000 }, { "pointer-chase", pointer_chase, 250 },
  { "memcpy", copy, 1200 }, { 0, 0, 0 },
};
