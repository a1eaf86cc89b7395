#!/bin/bash
# test/guests/userland.sh — what Debian's programs compute: the same on every CPU. Run in a root of arm64 packages.
export LC_ALL=C PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin HOME=/tmp
cd /tmp || exit 1
say() { printf '== %s\n' "$*"; }

say bash
f() { local n=$1; if ((n < 2)); then echo "$n"; else echo $(($(f $((n - 1))) + $(f $((n - 2))))); fi; }
f 10
a=(); for i in {1..2000}; do a+=($((i * i % 97))); done; printf '%s\n' "${a[@]}" | sort -n | uniq -c | md5sum
s=; for i in {1..300}; do s+="$(printf '%x' $((i * 7919)))"; done; echo "${#s} ${s//[0-9]/}" | md5sum

say coreutils
seq 1 50000 | awk_sum=0 paste -sd+ | head -c 100; echo
seq 1 50000 | tac | sort -R --random-source=/bin/bash | sort -n | sha256sum
seq 1 100000 | factor | tail -3
head -c 3000000 /usr/bin/openssl > blob 2>/dev/null || cat /usr/bin/* 2>/dev/null | head -c 3000000 > blob
for sum in md5sum sha1sum sha224sum sha256sum sha384sum sha512sum b2sum cksum; do $sum < blob; done
base64 < blob | md5sum; base64 < blob | base64 -d | cmp - blob && echo same

say python3
python3 - <<'P'
import math, hashlib, struct, json, zlib, random, fractions, decimal, re, sys
random.seed(1)
x = [random.gauss(0, 1) for _ in range(20000)]
print(math.fsum(x), sum(math.sin(v) * math.exp(-abs(v)) for v in x), math.gamma(7.3), math.erf(0.3), math.log1p(1e-9), math.hypot(3.3, 4.4), math.cbrt(29.0) if hasattr(math, 'cbrt') else '')
print(hashlib.sha256(struct.pack('20000d', *x)).hexdigest())
print(pow(3, 10**4) % (10**9 + 7), math.factorial(300) % 1000003, sum(fractions.Fraction(1, n) for n in range(1, 60)))
decimal.getcontext().prec = 60; print(decimal.Decimal(2).sqrt(), decimal.Decimal(1) / 7)
print(zlib.crc32(json.dumps(x[:2000]).encode()), zlib.adler32(bytes(range(256)) * 100), len(zlib.compress(json.dumps(x[:2000]).encode(), 9)))
print(float('1e-310') / 3, 5e-324 * 3, float.hex(0.1 + 0.2), round(2.675, 2), int(1e30), -7 // 2, -7 % 3, 7.5 % -2, struct.pack('<e', 0.333).hex(), struct.unpack('<f', struct.pack('<f', 0.1))[0])
print(sorted({w: i for i, w in enumerate(re.findall(r'\w+', sys.version + ' the quick brown fox'))})[:8])
def queens(n, row=0, cols=0, d1=0, d2=0):
    if row == n: return 1
    return sum(queens(n, row + 1, cols | 1 << c, d1 | 1 << (row + c), d2 | 1 << (row - c + n)) for c in range(n) if not (cols >> c & 1 or d1 >> (row + c) & 1 or d2 >> (row - c + n) & 1))
print(queens(7))
P

say openssl
openssl version
for c in aes-128-cbc aes-256-ctr chacha20 camellia-128-cbc des-ede3-cbc aria-128-ctr; do openssl enc -$c -K 000102030405060708090a0b0c0d0e0f1011121314151617 -iv 000102030405060708090a0b0c0d0e0f -in blob 2>/dev/null | md5sum; done
for d in md5 sha1 sha256 sha512 sha3-256 blake2b512 sm3 ripemd160; do openssl dgst -$d blob 2>&1 | tail -1; done
openssl dgst -sha256 -mac HMAC -macopt hexkey:00112233 blob
openssl genpkey -algorithm ED25519 -out ed.pem && openssl pkeyutl -sign -inkey ed.pem -rawin -in /etc/debian_version -out sig && openssl pkeyutl -verify -inkey ed.pem -rawin -in /etc/debian_version -sigfile sig
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024 -out rsa.pem 2>/dev/null && openssl dgst -sha256 -sign rsa.pem -out sig blob && openssl rsa -in rsa.pem -pubout -out pub.pem 2>/dev/null && openssl dgst -sha256 -verify pub.pem -signature sig blob
openssl ecparam -name prime256v1 -genkey -noout -out ec.pem && openssl dgst -sha256 -sign ec.pem -out sig blob && openssl ec -in ec.pem -pubout -out pub.pem 2>/dev/null && openssl dgst -sha256 -verify pub.pem -signature sig blob
openssl prime -generate -bits 64 > /dev/null && echo prime
openssl speed -elapsed -seconds 1 -bytes 1024 sha256 aes-128-cbc > speed.txt 2>&1 && grep -c 'sha256\|aes-128-cbc' speed.txt | sed 's/^[1-9].*/speed ran/'

say sqlite3
sqlite3 t.db <<'Q'
create table t(id integer primary key, name text, v real);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 20000) insert into t select i, printf('%05d', i * 7919 % 20011), sqrt(i) * (i % 7) from n;
create index by_name on t(name);
select count(*), sum(v), avg(v), max(name), min(name), total(length(name)) from t;
select name, v from t where name between '10000' and '10010' order by name;
select id % 10, count(*), round(sum(v), 6) from t group by 1 order by 1;
delete from t where id % 3 = 0; vacuum; pragma integrity_check; select count(*) from t;
Q
md5sum < t.db

say xz
for l in 0 6; do xz -$l -c blob | md5sum; done; xz -6 -c blob | xz -dc | cmp - blob && echo same
gzip -9n -c blob | md5sum; gzip -c blob | gzip -dc | cmp - blob && echo same

say gcc
cat > p.c <<'C'
#include <stdio.h>
#include <math.h>
#include <stdlib.h>
static int compare(const void *a, const void *b) { return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b); }
int main(void) {
  static double v[5000]; double s = 0; float f = 0; long long h = 0;
  for (int i = 0; i < 5000; i++) v[i] = sin(i) * pow(i + 1, 0.25);
  qsort(v, 5000, sizeof *v, compare);
  for (int i = 0; i < 5000; i++) { s += v[i] * i; f += (float)v[i] / (i + 1); h = h * 31 + (long long)(v[i] * 1e6); }
  printf("%.17g %a %lld %d\n", s, f, h, (int)fma(3.5, 2.25, -1));
  return 0;
}
C
for o in -O0 -O2 "-O3 -ffast-math"; do gcc $o -S -o - p.c | md5sum; gcc $o p.c -o p -lm && ./p; done
say done
