// src/cli/arguments.ts — command lines held to their definition (the parser itself lets everything pass), and help texts.
import type { ArgDef, ArgsDef } from "citty";
import { Failure } from "../failure.ts";

const aliases = (def: ArgDef): readonly string[] => {
  const alias = (def as { alias?: string | string[] }).alias;
  return alias === undefined ? [] : typeof alias === "string" ? [alias] : alias;
};

/** The candidate that a misspelt word most likely means, when one is near enough. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  let best: string | undefined, least = Math.max(1, Math.floor(word.length / 3)) + 1;
  for (const candidate of candidates) {
    const far = candidate.startsWith(word) && word.length >= 2 ? 1 : distance(word, candidate);
    if (far < least) [best, least] = [candidate, far];
  }
  return best;
}
/** Edits (insert, delete, replace, swap of neighbours) between two words. */
function distance(a: string, b: string): number {
  const rows = Array.from({ length: a.length + 1 }, (_, i) => Array.from({ length: b.length + 1 }, (_, j) => (i === 0 ? j : j === 0 ? i : 0)));
  for (let i = 1; i <= a.length; i++) {
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      let cost = Math.min(rows[i - 1]![j]! + 1, rows[i]![j - 1]! + 1, rows[i - 1]![j - 1]! + same);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) cost = Math.min(cost, rows[i - 2]![j - 2]! + 1);
      rows[i]![j] = cost;
    }
  }
  return rows[a.length]![b.length]!;
}

/** Refuses unknown flags, missing and superfluous values, and positional arguments that are too many or missing. */
export function checkArguments(command: string, raw: readonly string[], defs: ArgsDef): void {
  const usage = (message: string, hint = `hv ${command} --help`): Failure => new Failure("HV-USAGE", message, { hint });
  const byFlag = new Map<string, { name: string; def: ArgDef }>();
  const positionals = Object.entries(defs).filter(([, def]) => def.type === "positional");
  for (const [name, def] of Object.entries(defs)) {
    if (def.type === "positional") continue;
    byFlag.set(`--${name}`, { name, def });
    if (def.type === "boolean" && def.default === true) byFlag.set(`--no-${name}`, { name, def });
    for (const alias of aliases(def)) byFlag.set(alias.length === 1 ? `-${alias}` : `--${alias}`, { name, def });
  }
  let count = 0;
  for (let i = 0; i < raw.length; i++) {
    const word = raw[i] as string;
    if (word === "--") {
      count += raw.length - i - 1;
      break;
    }
    if (!word.startsWith("-") || word === "-") {
      count++;
      continue;
    }
    const equals = word.startsWith("--") ? word.indexOf("=") : -1;
    const flag = equals > 0 ? word.slice(0, equals) : word.startsWith("--") ? word : word.slice(0, 2);
    const known = byFlag.get(flag);
    if (known === undefined) {
      const suggestion = nearest(flag, [...byFlag.keys()]);
      throw usage(`${flag}: hv ${command} has no such flag`, suggestion === undefined ? undefined : `did you mean ${suggestion}?`);
    }
    const attached = equals > 0 || (!word.startsWith("--") && word.length > 2);
    if (known.def.type === "boolean") {
      if (attached) throw usage(`${flag}: takes no value`);
      continue;
    }
    if (attached) {
      if (equals > 0 && word.length === equals + 1 && known.name !== "cmdline") throw usage(`${flag}: its value is missing`);
      continue;
    }
    const value = raw[++i];
    if (value === undefined || (value.startsWith("-") && byFlag.has(value.split("=")[0] as string))) throw usage(`${flag}: its value is missing`);
  }
  const required = positionals.filter(([, def]) => (def as { required?: boolean }).required !== false);
  if (count < required.length) throw usage(`${(required[count] as [string, ArgDef])[0].toUpperCase()} is missing`);
  if (count > positionals.length) throw usage(`hv ${command} takes ${positionals.length === 1 ? "one argument" : `${positionals.length} arguments`}, ${count} were given`);
}

/** `hv COMMAND --help`. */
export function helpText(command: string, about: string, defs: ArgsDef, examples: readonly string[]): string {
  const positionals = Object.entries(defs).filter(([, def]) => def.type === "positional");
  const rows = Object.entries(defs).filter(([, def]) => def.type !== "positional").map(([name, def]): [string, string] => {
    const negative = def.type === "boolean" && def.default === true;
    const hint = def.type === "boolean" ? "" : ` ${(def as { valueHint?: string }).valueHint ?? "VALUE"}`;
    const shown = def.type !== "boolean" && def.default !== undefined ? ` (default ${String(def.default)})` : "";
    const text = negative ? (def as { negativeDescription?: string }).negativeDescription ?? "" : def.description ?? "";
    const short = aliases(def).find(alias => alias.length === 1);
    return [`${short === undefined ? "    " : `-${short}, `}--${negative ? "no-" : ""}${name}${hint}`, `${text}${shown}`];
  });
  const usage = positionals.map(([name, def]) => ((def as { required?: boolean }).required === false ? ` [${name.toUpperCase()}]` : ` ${name.toUpperCase()}`)).join("");
  const all: [string, string][] = [...positionals.map(([name, def]): [string, string] => [name.toUpperCase(), def.description ?? ""]), ...rows, ["-h, --help", "Show this"]];
  const width = Math.max(...all.map(([left]) => left.length));
  return `${about}.\n\nUsage: hv ${command}${usage} [flags]\n\n${all.map(([left, right]) => `  ${left.padEnd(width)}  ${right}\n`).join("")}${examples.length === 0 ? "" : `\nExamples:\n${examples.map(one => `  ${one}\n`).join("")}`}`;
}
