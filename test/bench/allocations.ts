// test/bench/allocations.ts — what hv allocates while a guest makes system calls, takes faults and writes to its console. The
// benchmark runs this file in a process whose collector is off, so that the heap's count of objects is one of allocations:
//   BUN_JSC_useGC=0 bun test/bench/allocations.ts IMAGE INITRAMFS     prints {"exits": n, "objects": {type: n}}
import { heapStats } from "bun:jsc";
import { join } from "node:path";
import type { Engine } from "../../src/cpu/translate/engine.ts";
import { openBootFiles } from "../../src/host/boot-files.ts";
import { coreOf, createSoftwareVm } from "../../src/hypervisor/software.ts";
import { loadBoot, prepareBoot } from "../../src/machine/boot.ts";
import { HostClock } from "../../src/hypervisor/host-clock.ts";
import { CLOCK_HZ } from "../../src/machine/platform.ts";
import { Machine } from "../../src/machine/machine.ts";

/** What the guest does, twice: code is translated the first time, and the second is counted. */
const LINE = "bench system-call pipe-ping-pong page-faults mprotect signals; ls -lR /bin /sbin /etc\n";

const PROMPT: Uint8Array = Buffer.from("\n/ # ");

/** Exits from generated code, those to the machine among them, and new objects by type. */
export interface Allocations { readonly exits: number; readonly objects: Readonly<Record<string, number>> }

/** The same from a process of its own. */
export function allocations(kernel: string, initramfs: string): Allocations {
  const run = Bun.spawnSync([process.execPath, join(import.meta.dir, "allocations.ts"), kernel, initramfs], { env: { ...process.env, BUN_JSC_useGC: "0" }, stderr: "inherit" });
  if (run.exitCode !== 0) throw new Error(`counting allocations failed (exit code ${run.exitCode})`);
  return JSON.parse(run.stdout.toString()) as Allocations;
}

function count(kernel: string, initrd: string): void {
  const clock = new HostClock(CLOCK_HZ), typed: number[] = [];
  let matched = 0, prompts = 0, before: Allocations | undefined;
  const machine = new Machine(createSoftwareVm(clock, "translator"), clock, {
    output: byte => {
      matched = PROMPT[matched] === byte ? matched + 1 : byte === PROMPT[0] ? 1 : 0;
      if (matched === PROMPT.length) prompt();
    },
    inputWanted: () => {}, random: into => void crypto.getRandomValues(into),
    poll: () => { while (typed.length > 0 && machine.uart.receive(typed[0] as number)) typed.shift(); },
    wait: deadline => Bun.sleepSync(deadline === undefined ? 10 : Math.max(1, Math.floor(clock.millisecondsUntil(deadline)))),
  }, { cpus: 1, ramSize: 512 * 2 ** 20 });
  const [core] = machine.cores;
  if (core === undefined) throw new Error("a machine without a core");
  const engine = coreOf(core).engine as Engine;
  const now = (): Allocations => ({ exits: engine.exits, objects: heapStats().objectTypeCounts as Record<string, number> });
  const prompt = (): void => {
    prompts++;
    if (prompts < 3) for (const byte of Buffer.from(LINE)) typed.push(byte);
    if (prompts === 2) before = now();
    if (prompts < 3 || before === undefined) return;
    const after = now(), { objects } = before;
    const grown = Object.entries(after.objects).map(([type, n]) => [type, n - (objects[type] ?? 0)] as const).filter(([, n]) => n > 0);
    console.log(JSON.stringify({ exits: after.exits - before.exits, objects: Object.fromEntries(grown) }));
    process.exit(0);
  };
  const files = openBootFiles({ kernel, initrd, dtb: undefined, cmdline: "console=ttyAMA0" });
  const boot = prepareBoot(files, { cpus: 1, ramSize: 512 * 2 ** 20, gic: 2 });
  loadBoot(machine.ram, files, boot);
  machine.reset(boot.placement.entry, boot.placement.dtb);
  machine.run();
}

if (import.meta.main) {
  const [kernel, initrd] = process.argv.slice(2);
  if (kernel === undefined || initrd === undefined) throw new Error("usage: allocations.ts IMAGE INITRAMFS");
  count(kernel, initrd);
}
