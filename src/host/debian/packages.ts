// src/host/debian/packages.ts — a suite's signed index: Release fields, file sums, package stanzas.
// Spec: Debian repository format (Release, Packages, Acquire-By-Hash). Left out: diffs, sources, MD5 and SHA-1 sums.
import { Failure } from "../../failure.ts";

export interface FileSum {
  readonly sha256: string;
  readonly size: number;
}
export interface Release {
  readonly codename: string;
  readonly suite: string;
  readonly byHash: boolean;
  readonly validUntil: Date | undefined;
  readonly files: ReadonlyMap<string, FileSum>;
}
export interface Package {
  readonly name: string;
  readonly version: string;
  readonly depends: string;
  readonly filename: string;
  readonly sum: FileSum;
}

const SHA256 = /^[0-9a-f]{64}$/;

/** Parses the text of a verified Release file. */
export function parseRelease(text: string, where: string): Release {
  const files = new Map<string, FileSum>();
  const fields = new Map<string, string>();
  let section = "";
  for (const line of text.split("\n")) {
    const field = /^([A-Za-z0-9-]+):\s*(.*)$/.exec(line);
    if (field !== null) {
      section = field[1]!;
      fields.set(section, field[2]!);
      continue;
    }
    const entry = section === "SHA256" ? /^\s+([0-9a-f]{64})\s+(\d+)\s+(\S+)$/.exec(line) : null;
    if (entry !== null) files.set(entry[3]!, { sha256: entry[1]!, size: Number(entry[2]) });
  }
  const until = fields.get("Valid-Until");
  if (files.size === 0) throw new Failure("HV-PULL-RELEASE", `${where}: the release file lists no SHA-256 sums`, { exit: 1 });
  return {
    codename: fields.get("Codename") ?? "", suite: fields.get("Suite") ?? "", byHash: fields.get("Acquire-By-Hash") === "yes",
    validUntil: until === undefined ? undefined : new Date(until), files,
  };
}

/** Finds one package's stanza in a Packages file (bytes: the file is some 50 MB, a string of it would cost a second copy). */
export function findPackage(index: Uint8Array, name: string): Package | undefined {
  const bytes = Buffer.from(index.buffer, index.byteOffset, index.byteLength);
  const key = `Package: ${name}\n`;
  let at = bytes.subarray(0, key.length).toString("latin1") === key ? 0 : bytes.indexOf(`\n${key}`) + 1;
  if (at === 0 && bytes.subarray(0, key.length).toString("latin1") !== key) return undefined;
  const end = bytes.indexOf("\n\n", at);
  const stanza = bytes.subarray(at, end < 0 ? bytes.length : end).toString("utf8");
  const field = (wanted: string): string => new RegExp(`^${wanted}:[ \\t]*(.*)$`, "m").exec(stanza)?.[1] ?? "";
  const sum = { sha256: field("SHA256"), size: Number(field("Size")) };
  const filename = field("Filename");
  // The name goes into an address: it must stay below the mirror's root.
  if (!SHA256.test(sum.sha256) || !Number.isSafeInteger(sum.size) || sum.size <= 0 || !/^[A-Za-z0-9._+~:/-]+$/.test(filename) || filename.split("/").includes("..")) return undefined;
  return { name, version: field("Version"), depends: field("Depends"), filename, sum };
}
