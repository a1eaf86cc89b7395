// test/boot/reset.test.ts — SYSTEM_RESET and SYSTEM_OFF while a disk is read and written: the machine comes back, what was synced
// is there, and nothing that was on its way disturbs the next boot.
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BOOT, bootShell, command } from "../support/guest-shell.ts";

const MiB = 2 ** 20, RESETS = 3;
const place = mkdtempSync(join(tmpdir(), "hv-reset-"));
afterAll(() => rmSync(place, { recursive: true, force: true }));

test.each(["on", "off"] as const)("resets and the end in the middle of input and output, threads %s", async smpThreads => {
  const path = join(place, `disk-${smpThreads}`);
  writeFileSync(path, new Uint8Array(64 * MiB));
  const vm = await bootShell({ cpus: 2, engine: "translator", smpThreads, disks: [{ path }] });
  const busy = async (round: number): Promise<void> => {
    await command(vm, `echo round ${round} > /tmp/mark; dd if=/tmp/mark of=/dev/vda bs=512 seek=${round} conv=notrunc,fsync 2> /dev/null`);
    await command(vm, "for i in 1 2 3; do dd if=/dev/zero of=/dev/vda bs=64k seek=256 count=700 conv=notrunc 2> /dev/null & dd if=/dev/vda of=/dev/null bs=64k iflag=direct 2> /dev/null & done; usleep 100000");
  };
  try {
    for (let round = 1; round <= RESETS; round++) {
      await busy(round);
      vm.console.write("reboot -f\n");
      await vm.console.expect(/\/ # /, { timeout: BOOT });
      expect(vm.reboots).toBe(round);
      await command(vm, "dmesg -n 1");
      expect((await command(vm, `dd if=/dev/vda bs=512 skip=1 count=${round} 2> /dev/null | tr -d '\\0'`)).trim().split(/[\r\n]+/)).toEqual(Array.from({ length: round }, (_, i) => `round ${i + 1}`));
      expect(await command(vm, "dmesg | grep -E 'I/O error|WARNING|BUG|Oops|virtio.*(fail|error)'")).toBe("");
    }
    await busy(RESETS + 1);
    vm.console.write("poweroff -f\n");
    expect(await vm.exited).toEqual({ kind: "off" });
  } finally {
    await vm.close();
  }
  const bytes = readFileSync(path);
  expect([bytes.length, bytes.subarray(512 * (RESETS + 1), 512 * (RESETS + 1) + 8).toString()]).toEqual([64 * MiB, `round ${RESETS + 1}\n`]);
}, BOOT + 60_000);
