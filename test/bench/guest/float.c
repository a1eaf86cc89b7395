/* test/bench/guest/float.c — the floating point and SIMD rows. Check values are the bits of results: they are exact. */
#include "bench.h"
#include <arm_neon.h>
#include <math.h>
#include <string.h>

static uint64_t bits_of(double x) { uint64_t b; memcpy(&b, &x, sizeof b); return b; }

static uint64_t lu(unsigned rounds) {
  enum { N = 96 };
  static double a[N][N];
  uint64_t sum = 0;
  for (unsigned r = 0; r < rounds; r++) {
    uint64_t seed = r + 1;
    for (int i = 0; i < N; i++) for (int j = 0; j < N; j++) a[i][j] = (double)(int64_t)next_random(&seed) / 9e18 + (i == j ? 4 : 0);
    for (int k = 0; k < N; k++) {
      int pivot = k;
      for (int i = k + 1; i < N; i++) if (fabs(a[i][k]) > fabs(a[pivot][k])) pivot = i;
      if (pivot != k) for (int j = 0; j < N; j++) { double t = a[k][j]; a[k][j] = a[pivot][j]; a[pivot][j] = t; }
      for (int i = k + 1; i < N; i++) {
        double f = a[i][k] /= a[k][k];
        for (int j = k + 1; j < N; j++) a[i][j] -= f * a[k][j];
      }
    }
    double d = 1;
    for (int i = 0; i < N; i++) d *= a[i][i] / 4;
    sum = mix(sum, bits_of(d));
  }
  return sum;
}

static uint64_t n_body(unsigned rounds) {
  struct body { double x, y, z, vx, vy, vz, mass; } b[5] = {
    { 0, 0, 0, 0, 0, 0, 39.5 }, { 4.84, -1.16, -0.1, 0.6, 2.8, -0.02, 0.037 }, { 8.34, 4.12, -0.4, -1.01, 1.8, 0.008, 0.011 },
    { 12.8, -15.1, -0.22, 1.08, 0.86, -0.01, 0.0017 }, { 15.3, -25.9, 0.17, 0.97, 0.59, -0.03, 0.002 },
  };
  for (unsigned n = rounds * 1000; n > 0; n--) {
    for (int i = 0; i < 5; i++) {
      for (int j = i + 1; j < 5; j++) {
        double dx = b[i].x - b[j].x, dy = b[i].y - b[j].y, dz = b[i].z - b[j].z;
        double d2 = dx * dx + dy * dy + dz * dz, f = 0.01 / (d2 * sqrt(d2));
        b[i].vx -= dx * b[j].mass * f; b[i].vy -= dy * b[j].mass * f; b[i].vz -= dz * b[j].mass * f;
        b[j].vx += dx * b[i].mass * f; b[j].vy += dy * b[i].mass * f; b[j].vz += dz * b[i].mass * f;
      }
    }
    for (int i = 0; i < 5; i++) { b[i].x += 0.01 * b[i].vx; b[i].y += 0.01 * b[i].vy; b[i].z += 0.01 * b[i].vz; }
  }
  return mix(bits_of(b[1].x), bits_of(b[4].vz));
}

static uint64_t mandelbrot(unsigned rounds) {
  uint64_t sum = 0;
  while (rounds-- > 0) {
    for (int py = 0; py < 64; py++) {
      for (int px = 0; px < 64; px++) {
        double cx = -2 + px * (3.0 / 64), cy = -1.5 + py * (3.0 / 64), x = 0, y = 0;
        int n = 0;
        while (n < 200 && x * x + y * y < 4) { double t = x * x - y * y + cx; y = 2 * x * y + cy; x = t; n++; }
        sum += (uint64_t)n;
      }
    }
  }
  return sum;
}

static uint64_t libm(unsigned rounds) {
  double s = 0;
  float f = 0;
  for (unsigned n = 1; n <= rounds * 1000; n++) {
    double x = n * 0.001;
    s += sin(x) * exp(-x * 0.01) + log(x) / pow(x, 0.3) + atan2(x, 2);
    f += sinf((float)x) + floorf((float)x * 0.7f);
  }
  return mix(bits_of(s), bits_of(f));
}

static uint64_t matmul_f32(unsigned rounds) {
  enum { N = 96 };
  static float a[N][N], b[N][N], c[N][N];
  for (int i = 0; i < N; i++) for (int j = 0; j < N; j++) { a[i][j] = (float)(i - j) / N; b[i][j] = (float)(i * j % 17) / 7; }
  while (rounds-- > 0) {
    for (int i = 0; i < N; i++) {
      for (int j = 0; j < N; j += 4) {
        float32x4_t sum = vdupq_n_f32(0);
        for (int k = 0; k < N; k++) sum = vfmaq_n_f32(sum, vld1q_f32(&b[k][j]), a[i][k]);
        vst1q_f32(&c[i][j], sum);
      }
    }
    a[rounds % N][3] += c[7][rounds % N] * 1e-3f;
  }
  double s = 0;
  for (int i = 0; i < N; i++) s += c[i][(i * 5) % N];
  return bits_of(s);
}

static uint64_t bytes_simd(unsigned rounds) {
  enum { SIZE = 65536 };
  static uint8_t a[SIZE], b[SIZE];
  uint64_t seed = 9, sum = 0;
  for (int i = 0; i < SIZE; i++) a[i] = (uint8_t)(next_random(&seed) >> 50);
  const uint8x16_t table = { 3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3 };
  while (rounds-- > 0) {
    uint32x4_t total = vdupq_n_u32(0);
    for (int i = 0; i < SIZE; i += 16) {
      uint8x16_t x = vld1q_u8(a + i);
      uint16x8_t low = vmull_u8(vget_low_u8(x), vdup_n_u8(77)), high = vmull_high_u8(x, vdupq_n_u8(150));
      uint8x16_t y = vqtbl1q_u8(table, vandq_u8(vcombine_u8(vshrn_n_u16(low, 8), vshrn_n_u16(high, 8)), vdupq_n_u8(15)));
      y = vqaddq_u8(y, vrhaddq_u8(x, vrev64q_u8(x)));
      vst1q_u8(b + i, y);
      total = vpadalq_u16(total, vpaddlq_u8(y));
    }
    sum = mix(sum, vaddvq_u32(total));
    a[rounds % SIZE] ^= b[(rounds * 31) % SIZE];
  }
  return sum;
}

const struct row float_rows[] = {
  { "lu", lu, 150 }, { "n-body", n_body, 250 }, { "mandelbrot", mandelbrot, 100 }, { "libm", libm, 200 }, { "matmul-f32", matmul_f32, 80 },
  { "bytes-simd", bytes_simd, 2000 }, { 0, 0, 0 },
};
