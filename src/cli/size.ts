// src/cli/size.ts — sizes as people write them: a number and its unit. A bare number is refused: tools disagree on its unit.
import { Failure } from "../failure.ts";
import { GiB, KiB, MiB } from "../units.ts";

const UNITS: Readonly<Record<string, number>> = { k: KiB, m: MiB, g: GiB, t: 1024 * GiB };

/** The bytes of "512M", "2G", "1.5GiB"; `flag` is named in the refusal. */
export function parseSize(text: string, flag: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([kmgt])(?:i?b)?$/i.exec(text.trim());
  const bytes = match === null ? NaN : Number(match[1]) * UNITS[match[2]!.toLowerCase()]!;
  if (Number.isSafeInteger(bytes) && bytes > 0) return bytes;
  const bare = /^\d+$/.test(text.trim());
  throw new Failure("HV-USAGE-SIZE", `${flag}: ${JSON.stringify(text)} is no size${bare ? ": its unit is missing" : ""}`, { hint: `for instance ${flag} ${bare ? `${text.trim()}M` : "512M"}` });
}
