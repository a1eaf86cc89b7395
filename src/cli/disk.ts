// src/cli/disk.ts — `hv disk`: the commands below it, loaded when they are called.
import type { CommandDef } from "citty";

export interface Subcommand {
  readonly about: string;
  readonly load: () => Promise<{ readonly default: CommandDef<never>; readonly examples?: readonly string[] }>;
}
const as = (module: unknown): Awaited<ReturnType<Subcommand["load"]>> => module as Awaited<ReturnType<Subcommand["load"]>>;

export const subcommands: Readonly<Record<string, Subcommand>> = {
  create: { about: "Make a disk image", load: async () => as(await import("./disk/create.ts")) },
  info: { about: "Say what a disk image is", load: async () => as(await import("./disk/info.ts")) },
  check: { about: "Check a disk image, and repair it", load: async () => as(await import("./disk/check.ts")) },
  resize: { about: "Give a disk image another size", load: async () => as(await import("./disk/resize.ts")) },
  convert: { about: "Make an image of another format from one", load: async () => as(await import("./disk/convert.ts")) },
};
