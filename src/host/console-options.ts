// src/host/console-options.ts — what --console says: where a port of the console device leads to on this host.
import { Failure } from "../failure.ts";

export interface ConsoleOptions {
  readonly to: { readonly kind: "terminal" } | { readonly kind: "unix"; readonly path: string } | { readonly kind: "file"; readonly path: string };
  /** A port for programs, in Linux /dev/virtio-ports/NAME; without it a console, /dev/hvc0 and on. */
  readonly name?: string | undefined;
}
const MOST = 31;
const HINT = "--console terminal|unix=PATH|file=PATH[,name=NAME]";
const LONGEST_PATH = 103;
const refusal = (why: string): Failure => new Failure("HV-USAGE-CONSOLE", `--console: ${why}`, { hint: HINT });

/** Refuses what cannot be. */
export function checkConsoles(consoles: readonly ConsoleOptions[]): readonly ConsoleOptions[] {
  if (consoles.length > MOST) throw refusal(`${consoles.length} ports are more than the ${MOST} of a device`);
  const names = new Set<string>(), paths = new Set<string>();
  for (const { to, name } of consoles) {
    if (name !== undefined && !/^[A-Za-z0-9_.-]{1,63}$/.test(name)) throw refusal(`${JSON.stringify(name)} is no name: up to 63 letters, digits, dots and dashes`);
    if (name !== undefined && names.size === names.add(name).size) throw refusal(`the name ${name} is taken`);
    if (to.kind === "terminal") {
      if (name !== undefined) throw refusal("the terminal is a console, and has no name");
      if (paths.size === paths.add("").size) throw refusal("there is one terminal");
    } else {
      if (to.path === "" || (to.kind === "unix" && Buffer.byteLength(to.path) > LONGEST_PATH)) throw refusal(to.path === "" ? "the path is missing" : `the path is longer than ${LONGEST_PATH} bytes`);
      if (paths.size === paths.add(to.path).size) throw refusal(`${to.path} is taken`);
    }
  }
  return consoles;
}
/** One `--console`, or a refusal. */
export function parseConsole(text: string): ConsoleOptions {
  const found = /^(terminal|unix=(.*?)|file=(.*?))(?:,name=([^,]*))?$/s.exec(text);
  if (found === null) throw refusal(`${JSON.stringify(text)} is nothing that a port can lead to`);
  const [, word, unix, file, name] = found;
  return { to: word === "terminal" ? { kind: "terminal" } : unix !== undefined ? { kind: "unix", path: unix } : { kind: "file", path: file as string }, name };
}
