// src/cli/report.ts — `hv report`: a file to send in when something about this host is in question: what hv doctor found,
// and how a guest of a few instructions fared on each accelerator. It holds no names, paths, addresses or environment.
import { defineCommand } from "citty";
import type { CommandDef } from "citty";
import { accelerators } from "../host/accelerators.ts";
import { writeOutput } from "../host/output.ts";
import { selfTest, type SelfTest } from "../self-test.ts";
import { diagnose, type Diagnosis } from "./doctor.ts";

export const examples: readonly string[] = [
  "hv report                    writes hv-report.json, and says what is in it",
  "hv report -o -               to standard output",
];
export interface Report {
  readonly apiVersion: 1;
  readonly bun: string;
  readonly diagnosis: Omit<Diagnosis, "terminal">;
  readonly selfTests: readonly SelfTest[];
}

/** Looks and tries. */
export async function makeReport(): Promise<Report> {
  const { terminal: _, ...diagnosis } = diagnose();
  const selfTests: SelfTest[] = [];
  for (const { name, available } of accelerators()) {
    if (!available) continue;
    for (const gic of name === "hvf" ? [2, 3] as const : ["auto"] as const) selfTests.push(await selfTest({ accelerator: name, gic }));
  }
  return { apiVersion: 1, bun: Bun.version, diagnosis, selfTests };
}

const args = { output: { type: "string", alias: "o", description: "File to write; - for standard output", default: "hv-report.json", valueHint: "FILE" } } as const;
const command: CommandDef<typeof args> = defineCommand({
  meta: { name: "report", description: "Write down what this host offers and whether guests run on it, to send in" },
  args,
  async run({ args: given }) {
    const report = await makeReport();
    const text = new TextEncoder().encode(`${JSON.stringify(report, null, 2)}\n`);
    if (given.output === "-") {
      process.stdout.write(text);
      return;
    }
    writeOutput(given.output, text);
    for (const one of report.selfTests) process.stdout.write(`${one.accelerator}, interrupt controller ${one.gic}: ${one.passed ? "works" : `FAILS: ${JSON.stringify(one.found)}`}\n`);
    process.stdout.write(`${given.output} is written: nothing in it names you or this machine\n`);
  },
});
export default command;
