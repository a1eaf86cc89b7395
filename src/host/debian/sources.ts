// src/host/debian/sources.ts — which Debian mirror to use: what the user says, else what the host's own apt uses.
// Spec: sources.list(5), both forms: one line per source (.list) and deb822 stanzas (.sources).
// Left out: https client certificates, cdrom:, file: and mirror lists. No mirror is built in.
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { Failure } from "../../failure.ts";

export interface Mirror {
  /** Base address without a final slash. */
  readonly url: string;
  /** Where it was found, for messages. */
  readonly origin: string;
}
/** One apt source: an address and the suites it offers. */
export interface AptSource {
  readonly uri: string;
  readonly suites: readonly string[];
}

/** Sources of a one-line-per-source file. */
export function parseList(text: string): AptSource[] {
  const found: AptSource[] = [];
  for (const line of text.split("\n")) {
    const match = /^\s*deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)/.exec(line);
    if (match !== null) found.push({ uri: match[1]!, suites: [match[2]!] });
  }
  return found;
}

/** Sources of a deb822 file. */
export function parseSources(text: string): AptSource[] {
  const found: AptSource[] = [];
  for (const stanza of text.replace(/^#.*\n?/gm, "").split(/\n\s*\n/)) {
    const fields = new Map<string, string>();
    let last = "";
    for (const line of stanza.split("\n")) {
      const match = /^([A-Za-z-]+):\s*(.*)$/.exec(line);
      if (match !== null) fields.set(last = match[1]!.toLowerCase(), match[2]!);
      else if (/^\s/.test(line) && last !== "") fields.set(last, `${fields.get(last)} ${line.trim()}`);
    }
    const words = (name: string): string[] => (fields.get(name) ?? "").split(/\s+/).filter(word => word !== "");
    if (!words("types").includes("deb") || fields.get("enabled")?.toLowerCase() === "no") continue;
    for (const uri of words("uris")) found.push({ uri, suites: words("suites") });
  }
  return found;
}

/** Every source in an apt configuration directory, in apt's own order. */
export function hostSources(directory: string): AptSource[] {
  const read = (path: string): string => {
    try {
      return readFileSync(path, "utf8");
    } catch {
      return "";
    }
  };
  let names: string[] = [];
  try {
    names = readdirSync(join(directory, "sources.list.d")).sort();
  } catch { /* no such directory: not a Debian */ }
  return [
    ...parseList(read(join(directory, "sources.list"))),
    ...names.filter(name => name.endsWith(".list")).flatMap(name => parseList(read(join(directory, "sources.list.d", name)))),
    ...names.filter(name => name.endsWith(".sources")).flatMap(name => parseSources(read(join(directory, "sources.list.d", name)))),
  ];
}

/** A Debian archive as opposed to a vendor's repository, its security archive, or another distribution. */
const looksLikeArchive = (source: AptSource): boolean =>
  /^https?:\/\/[^\s]+\/debian\/?$/.test(source.uri) && source.suites.some(suite => /^[a-z]+(-updates|-backports)?$/.test(suite));

const HINT = "give one with --mirror URL or HV_DEBIAN_MIRROR=URL, for instance http://<host>/debian";

/** The mirror to use; throws Failure when there is none. */
export function findMirror(options: { readonly mirror?: string | undefined; readonly environment?: Readonly<Record<string, string | undefined>>; readonly aptDirectory?: string }): Mirror {
  const environment = options.environment ?? process.env;
  const directory = options.aptDirectory ?? "/etc/apt";
  const given: Mirror | undefined = options.mirror !== undefined
    ? { url: options.mirror, origin: "--mirror" }
    : environment["HV_DEBIAN_MIRROR"] ? { url: environment["HV_DEBIAN_MIRROR"], origin: "HV_DEBIAN_MIRROR" } : undefined;
  if (given !== undefined) {
    if (!/^https?:\/\/[^\s/]+/.test(given.url)) throw new Failure("HV-PULL-MIRROR", `${given.origin}: ${JSON.stringify(given.url)} is no http or https address`, { hint: HINT });
    return { ...given, url: given.url.replace(/\/+$/, "") };
  }
  const source = hostSources(directory).find(looksLikeArchive);
  if (source === undefined) throw new Failure("HV-PULL-NO-MIRROR", `no Debian mirror is known: ${directory} names none`, { hint: HINT });
  return { url: source.uri.replace(/\/+$/, ""), origin: directory };
}
