// src/cli/doctor.ts — `hv doctor`: what this host offers, and the reason for each thing that is missing.
import { freemem, release, totalmem, cpus } from "node:os";
import { defineCommand } from "citty";
import type { CommandDef } from "citty";
import manifest from "../../package.json" with { type: "json" };
import { accelerators, hypervisorState, type Accelerator } from "../host/accelerators.ts";
import type { Finding } from "../host/hypervisor-framework.ts";
import { MiB } from "../units.ts";

export interface Diagnosis {
  readonly apiVersion: 1;
  readonly version: string;
  readonly host: { readonly platform: string; readonly arch: string; readonly release: string; readonly cpu: string; readonly cpus: number };
  readonly accelerators: readonly Accelerator[];
  /** On a Mac: what Hypervisor.framework offers, and what stands in its way. */
  readonly hypervisor?: readonly Finding[];
  readonly memory: { readonly total: number; readonly free: number };
  readonly terminal: { readonly stdin: boolean; readonly stdout: boolean; readonly columns: number | null; readonly rows: number | null; readonly type: string | null };
}

/** Looks at the host. */
export function diagnose(): Diagnosis {
  const cores = cpus();
  return {
    apiVersion: 1, version: manifest.version,
    host: { platform: process.platform, arch: process.arch, release: release(), cpu: cores[0]?.model ?? "unknown", cpus: cores.length },
    accelerators: accelerators(), ...(hypervisorState() === undefined ? {} : { hypervisor: hypervisorState()?.findings ?? [] }),
    memory: { total: totalmem(), free: freemem() },
    terminal: {
      stdin: process.stdin.isTTY === true, stdout: process.stdout.isTTY === true,
      columns: process.stdout.columns ?? null, rows: process.stdout.rows ?? null, type: process.env["TERM"] ?? null,
    },
  };
}

const mebibytes = (bytes: number): string => `${Math.floor(bytes / MiB)} MiB`;

/** The same for people. */
export function diagnosisText(found: Diagnosis): string {
  const { host, memory, terminal } = found;
  const lines: [string, string][] = [
    ["hv", found.version], ["host", `${host.platform} ${host.release} on ${host.arch}, ${host.cpus} x ${host.cpu}`],
    ...found.accelerators.map((one): [string, string] => [one.name, `${one.available ? "yes" : "no"}: ${one.why}`]),
    ...(found.hypervisor ?? []).map((one): [string, string] => ["", `${one.ok === false ? "MISSING " : ""}${one.what}: ${one.found}`]),
    ["memory", `${mebibytes(memory.total)}, ${mebibytes(memory.free)} free`],
    ["terminal", `input ${terminal.stdin ? "yes" : "no"}, output ${terminal.stdout ? `yes, ${terminal.columns ?? "?"} x ${terminal.rows ?? "?"}, ${terminal.type ?? "of unknown type"}` : "no"}`],
  ];
  return lines.map(([name, value]) => `${name.padEnd(10)} ${value}\n`).join("");
}

const args = { json: { type: "boolean", description: "Print JSON" } } as const;

const command: CommandDef<typeof args> = defineCommand({
  meta: { name: "doctor", description: "Say what this host offers: accelerators, memory, terminal" },
  args,
  run({ args: given }) {
    const found = diagnose();
    process.stdout.write(given.json ? `${JSON.stringify(found, null, 2)}\n` : diagnosisText(found));
  },
});
export default command;
