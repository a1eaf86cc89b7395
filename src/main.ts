#!/usr/bin/env bun
// src/main.ts — `hv`: finds the command, checks its arguments, runs it. The only place that prints an error or exits.
import { writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CommandDef } from "citty";
import manifest from "../package.json" with { type: "json" };
import { checkArguments, helpText, nearest } from "./cli/arguments.ts";
import { ExitCode, Failure } from "./failure.ts";
import { settleJit } from "./host/jit.ts";

interface CommandModule { readonly default: CommandDef<never>; readonly examples?: readonly string[]; readonly subcommands?: Readonly<Record<string, Command>> }
interface Command { readonly about: string; readonly load: () => Promise<CommandModule> }
const as = (module: unknown): CommandModule => module as CommandModule;

const commands: Readonly<Record<string, Command>> = {
  run: { about: "Boot an arm64 kernel, its serial console on this terminal", load: async () => as(await import("./cli/run.ts")) },
  pull: { about: "Bring Debian's arm64 kernel and BusyBox", load: async () => as(await import("./cli/pull.ts")) },
  dtb: { about: "Show the device tree of the machine", load: async () => as(await import("./cli/dtb.ts")) },
  inspect: { about: "Say what a kernel, initrd or device tree file is", load: async () => as(await import("./cli/inspect.ts")) },
  initramfs: { about: "Make an initramfs from a directory or a tar", load: async () => as(await import("./cli/initramfs.ts")) },
  disk: { about: "Make, check and convert disk images", load: async () => as(await import("./cli/disk.ts")) },
  doctor: { about: "Say what this host offers", load: async () => as(await import("./cli/doctor.ts")) },
  report: { about: "Write down what works on this host, to send in", load: async () => as(await import("./cli/report.ts")) },
};

const usage = (): string => `hv ${manifest.version}: ${manifest.description.replace(/^A/, "a")}.

Usage: hv COMMAND [flags]

${Object.entries(commands).map(([name, { about }]) => `  ${name.padEnd(10)} ${about}\n`).join("")}
  hv COMMAND --help   flags and examples of a command
  hv --version

Exit codes: 0 done, 1 failed, 2 bad usage or input, 3 host unsupported, 4 not found, 5 busy, 6 timeout,
            7 the guest reset itself (--no-reboot), 125 internal error, 128+n ended by signal n
`;

settleJit(process.argv.slice(2));

async function main(words: readonly string[]): Promise<number> {
  const [name, ...rest] = words;
  if (name === undefined) {
    process.stderr.write(usage());
    return ExitCode.usage;
  }
  if (name === "--help" || name === "-h" || name === "help") {
    if (name === "help" && rest[0] !== undefined) return await main([rest[0], "--help"]);
    process.stdout.write(usage());
    return ExitCode.ok;
  }
  if (name === "--version" || name === "-V" || name === "version") {
    process.stdout.write(`${manifest.version}\n`);
    return ExitCode.ok;
  }
  const found = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (found === undefined) {
    const suggestion = name.startsWith("-") ? nearest(name, ["--help", "--version"]) : nearest(name, Object.keys(commands));
    throw new Failure("HV-USAGE", `${name}: there is no such ${name.startsWith("-") ? "flag" : "command"}`, { hint: suggestion === undefined ? "hv --help lists them" : `did you mean hv ${suggestion}?` });
  }
  const module = await found.load();
  if (module.subcommands !== undefined) return await group(name, module.subcommands, rest);
  return await runOne(name, module, rest);
}

/** A command that has others below it. */
async function group(name: string, below: Readonly<Record<string, Command>>, [word, ...rest]: readonly string[]): Promise<number> {
  const text = `hv ${name} COMMAND\n\n${Object.entries(below).map(([one, { about }]) => `  ${one.padEnd(10)} ${about}\n`).join("")}\n  hv ${name} COMMAND --help   flags and examples of a command\n`;
  if (word === "--help" || word === "-h") {
    process.stdout.write(text);
    return ExitCode.ok;
  }
  if (word === undefined) {
    process.stderr.write(text);
    return ExitCode.usage;
  }
  const found = Object.hasOwn(below, word) ? below[word] : undefined;
  if (found === undefined) {
    const suggestion = nearest(word, Object.keys(below));
    throw new Failure("HV-USAGE", `${word}: hv ${name} has no such command`, { hint: suggestion === undefined ? `hv ${name} --help lists them` : `did you mean hv ${name} ${suggestion}?` });
  }
  return await runOne(`${name} ${word}`, await found.load(), rest);
}

async function runOne(name: string, { default: command, examples }: CommandModule, rest: readonly string[]): Promise<number> {
  const defs = (command.args ?? {}) as Parameters<typeof checkArguments>[2];
  const end = rest.indexOf("--");
  if ((end < 0 ? rest : rest.slice(0, end)).some(word => word === "--help" || word === "-h")) {
    const meta = command.meta as { description: string };
    process.stdout.write(helpText(name, meta.description, defs, examples ?? []));
    return ExitCode.ok;
  }
  checkArguments(name, rest, defs);
  const { runCommand } = await import("citty");
  const { result } = await runCommand(command, { rawArgs: [...rest] });
  return typeof result === "number" ? result : ExitCode.ok;
}

/** Prints what went wrong; returns the exit code. */
function report(error: unknown): number {
  if (error instanceof Failure) {
    process.stderr.write(`hv: ${error.message}${error.hint === undefined ? "" : `; ${error.hint}`}\n`);
    return error.exit;
  }
  const text = error instanceof Error ? error.message : String(error);
  let where = "";
  const path = join(tmpdir(), `hv-report-${process.pid}-${Date.now()}.txt`);
  try {
    writeFileSync(path, [
      `hv ${manifest.version}, Bun ${Bun.version}, ${process.platform} on ${process.arch}`, `arguments: ${JSON.stringify(process.argv.slice(2))}`, `time: ${new Date().toISOString()}`, "",
      error instanceof Error ? error.stack ?? text : text, error instanceof Error && error.cause !== undefined ? `cause: ${String(error.cause)}` : "", "",
    ].join("\n"), { mode: 0o600, flag: "wx" });
    where = `    a report is in ${path}\n`;
  } catch { /* then the message alone must do */ }
  process.stderr.write(`hv: internal error: ${text.split("\n")[0]}\n${where}`);
  return ExitCode.internal;
}

/** Ends the process when what was written is out; a reader that went away ends it at once. */
async function finish(code: number): Promise<never> {
  const written = Promise.all([process.stdout, process.stderr].map(stream => new Promise<void>(resolve => {
    stream.once("error", () => resolve());
    stream.write("", () => resolve());
  })));
  // Whoever was told to stop by a signal does not wait for a reader that sleeps.
  await (code > 128 ? Promise.race([written, Bun.sleep(200)]) : written);
  process.exit(code);
}

process.on("uncaughtException", error => process.exit(report(error)));
process.on("unhandledRejection", error => process.exit(report(error)));
// Commands that print data end like any program whose reader went away. `hv run` has its own rules.
process.stdout.on("error", error => {
  if (process.stdout.listenerCount("error") === 1) process.exit((error as { code?: string }).code === "EPIPE" ? 141 : ExitCode.failed);
});
process.stderr.on("error", () => {});

await main(process.argv.slice(2)).catch(report).then(finish);
