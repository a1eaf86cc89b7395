#!/bin/bash
# test/guests/smp.sh — inside a guest with several CPUs: stress-ng's own checks, the timer's ticks under arithmetic, cyclictest, the kernel's log.
# Prints rows: what, result.
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev; mkdir -p /dev/shm; mount -t tmpfs shm /dev/shm; mount -t tmpfs tmp /tmp
cd /tmp
for word in $(cat /proc/cmdline); do case $word in seconds=*) seconds=${word#seconds=} ;; esac; done
cpus=$(nproc)
echo "cpus $cpus"
ticks() { mawk '/arch_timer/ { for (i = 2; i <= 1 + '"$cpus"'; i++) printf "%s ", $i; print "" }' /proc/interrupts; }
uptime_of() { cut -d' ' -f1 /proc/uptime; }
if stress-ng --cpu "$cpus" --fork "$cpus" --switch "$cpus" --vm "$cpus" --vm-bytes 64M --verify -t "$seconds" > /tmp/out 2>&1; then echo "stress passed"; else echo "stress FAILED"; tail -20 /tmp/out; fi
stress-ng --cpu "$cpus" -t $(((seconds + 5) / 6 + 4)) > /tmp/out 2>&1 &
sleep 2 # from here on every core is busy, with nothing but arithmetic: the kernel stops no tick and keeps no interrupt back
t0=$(uptime_of) before=($(ticks))
sleep $(((seconds + 5) / 6))
t1=$(uptime_of) after=($(ticks))
wait
for ((i = 0; i < cpus; i++)); do mawk -v c=$i -v n=$((after[i] - before[i])) -v s="$t0" -v e="$t1" 'BEGIN { printf "ticks of cpu %d %.1f a second\n", c, n / (e - s) }'; done
cyclictest -q -S -m -p 80 -i 1000 -D $(((seconds + 9) / 10)) 2>/dev/null | grep '^T:'
echo "log $(dmesg | grep -c 'WARNING\|BUG\|Oops\|Unable to\|stall\|Unexpected\|lockup\|nobody cared')"
dmesg | grep 'WARNING\|BUG\|Oops\|Unable to\|stall\|Unexpected\|lockup\|nobody cared' | head -5
echo "== done"
echo o > /proc/sysrq-trigger; sleep 10
