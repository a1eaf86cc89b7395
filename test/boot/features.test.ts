// test/boot/features.test.ts — Debian's kernel on the largest, the usual and the smallest CPU: it sees what ID registers say, and uses it.
import { describe, expect, test } from "bun:test";
import { BOOT, bootShell, command } from "../support/guest-shell.ts";

const TROUBLE = /WARNING:|BUG:|Oops|Unable to handle|Call trace|undefined instruction|SANITY CHECK/i;
/** HWCAPs of Linux. */
const ALWAYS = "fp asimd evtstrm aes pmull sha1 sha2 crc32 cpuid";
const MAX = `${ALWAYS} atomics asimdrdm jscvt fcma lrcpc dcpop sha3 sm3 sm4 asimddp sha512 dit ilrcpc flagm ssbs sb dcpodp flagm2 frint fphp asimdhp asimdfhm i8mm bf16 rng`;

const USUAL = `${ALWAYS} atomics asimdrdm jscvt fcma lrcpc dcpop sha3 sm3 sm4 asimddp sha512 ilrcpc flagm sb dcpodp flagm2 frint i8mm rng`;

describe.each([["max", MAX], ["default", USUAL], ["v8.0", ALWAYS]] as const)("--cpu %s", (cpu, expected) => {
  test("the kernel finds these features, and nothing is wrong", async () => {
    const vm = await bootShell({ cpu, engine: "translator" });
    try {
      const shown = /Features\s*: ([^\r\n]*)/.exec(await command(vm, "cat /proc/cpuinfo"))?.[1] ?? "";
      expect(shown.trim().split(" ").toSorted()).toEqual(expected.split(" ").toSorted());
      expect((await command(vm, "dmesg")).split("\r\n").filter(line => TROUBLE.test(line))).toEqual([]);
      expect(await command(vm, "head -c 65536 /dev/urandom | sha256sum | wc -c")).toContain("68");
    } finally {
      await vm.close();
    }
  }, BOOT);
});
