// src/machine/describe.ts — the state of a machine in words, for Ctrl-A s and for reports.
import type { Machine } from "./machine.ts";

const hex64 = (value: bigint): string => value.toString(16).padStart(16, "0");
const table = (counts: ReadonlyMap<string, number>): string =>
  [...counts].filter(([, n]) => n > 0).map(([name, n]) => `${name} ${n}`).join(", ") || "none";

/** Interrupts by their ids, private ones with their CPU. */
const interrupts = (found: readonly { readonly cpu: number | undefined; readonly id: number }[]): string =>
  found.map(({ cpu, id }) => (cpu === undefined ? String(id) : `${id} (cpu ${cpu})`)).join(", ") || "none";

/** Registers of every core, what it last did with devices, interrupts that are up. */
export function describeMachine(machine: Machine): string {
  const lines: string[] = [];
  machine.cores.forEach((core, i) => {
    const { x, sp, pc, pstate } = core.registers();
    const el = (pstate >> 2) & 3;
    lines.push(`cpu ${i} (${machine.power(i)}): pc ${hex64(pc)} sp ${hex64(sp)} pstate ${pstate.toString(16).padStart(8, "0")} (EL${el}) instructions ${core.instructions}`);
    for (let r = 0; r < x.length; r += 4) lines.push(`  ${x.slice(r, r + 4).map((value, n) => `${`x${r + n}`.padStart(3)} ${hex64(value)}`).join("  ")}`);
  });
  const { gic } = machine;
  if (gic === undefined) lines.push("interrupts: in the hypervisor");
  else lines.push(
    `interrupt inputs that are high: ${interrupts(gic.list("level"))}`, `latched: ${interrupts(gic.list("latch"))}`, `active: ${interrupts(gic.list("active"))}`,
  );
  lines.push(
    `exits: ${table(machine.exits)}`, `device accesses: ${table(machine.bus.counts)}; to nothing: ${machine.bus.unassigned}`, `noticed: ${table(machine.notes)}`,
    `last device accesses:`, ...machine.history.map(one => `  ${one}`),
  );
  return lines.join("\n");
}
