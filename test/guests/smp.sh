#!/bin/bash
# test/guests/smp.sh — inside a guest with several CPUs: stress-ng's own checks, the timer's ticks under arithmetic, cyclictest, the kernel's log.
# Prints rows: what, result.
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev; mkdir -p /dev/shm; mount -t tmpfs shm /dev/shm; mount -t tmpfs tmp /tmp
cd /tmp
for word in $(cat /proc/cmdline); do case $word in seconds=*) seconds=${word#seconds=} ;; esac; done
cpus=$(nproc)
echo "cpus $cpus"
# The time, and the timer's interrupts of each CPU: without another process in between, which would have to wait for a CPU.
sample() { now=${EPOCHREALTIME/./} && mapfile -t table < /proc/interrupts; for line in "${table[@]}"; do [[ $line == *arch_timer* ]] && read -ra counts <<< "${line#*:}"; done; }
if stress-ng --cpu "$cpus" --fork "$cpus" --switch "$cpus" --vm "$cpus" --vm-bytes 64M --verify -t "$seconds" > /tmp/out 2>&1; then echo "stress passed"; else echo "stress FAILED"; tail -20 /tmp/out; fi
stress-ng --cpu "$cpus" -t $(((seconds + 5) / 6 + 4)) > /tmp/out 2>&1 &
sleep 2 # from here on every core is busy, with nothing but arithmetic: the kernel stops no tick and keeps no interrupt back
chrt -f -p 50 $$
sample; t0=$now before=("${counts[@]}")
sleep $(((seconds + 5) / 6))
sample; t1=$now after=("${counts[@]}")
chrt -o -p 0 $$
wait
for ((i = 0; i < cpus; i++)); do mawk -v c=$i -v n=$((after[i] - before[i])) -v us=$((t1 - t0)) 'BEGIN { printf "ticks of cpu %d %.1f a second\n", c, n / us * 1e6 }'; done
cyclictest -q -S -m -p 80 -i 1000 -D $(((seconds + 9) / 10)) 2>/dev/null | grep '^T:'
echo "log $(dmesg | grep -c 'WARNING\|BUG\|Oops\|Unable to\|stall\|Unexpected\|lockup\|nobody cared')"
dmesg | grep 'WARNING\|BUG\|Oops\|Unable to\|stall\|Unexpected\|lockup\|nobody cared' | head -5
echo "== done"
echo o > /proc/sysrq-trigger; sleep 10
