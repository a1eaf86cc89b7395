// src/host/shares.ts — the machine's shared directories as plain data, checked; and each opened as a 9P server.
import { Failure } from "../failure.ts";
import { ShareServer } from "../share/server.ts";
import { openShare, type OpenShare } from "./share-files.ts";

export interface ShareOptions {
  /** A directory of this host. */
  readonly path: string;
  /** What the guest mounts it by: at most 31 letters, digits, ".", "_" and "-". Default: "share", then "share1" and on. */
  readonly tag?: string | undefined;
  /** The guest may not write. */
  readonly readOnly?: boolean | undefined;
}
export const MAX_SHARES = 8;
const TAG = /^[A-Za-z0-9._-]{1,31}$/;

/** Refuses what cannot be shared, before any directory is opened. All have tags then. */
export function checkShares(shares: readonly ShareOptions[]): readonly Required<ShareOptions>[] {
  if (shares.length > MAX_SHARES) throw new Failure("HV-USAGE-SHARE", `--share: ${shares.length} directories, but a machine has at most ${MAX_SHARES}`, { hint: "share one that holds them" });
  const all = shares.map(({ path, tag, readOnly }, n) => ({ path, tag: tag ?? (n === 0 ? "share" : `share${n}`), readOnly: readOnly ?? false }));
  const seen = new Set<string>();
  for (const { path, tag } of all) {
    if (path === "") throw new Failure("HV-USAGE-SHARE", "--share: its directory is missing", { hint: "--share DIR[:TAG][,ro]" });
    if (!TAG.test(tag)) throw new Failure("HV-USAGE-SHARE", `--share: ${path}: ${JSON.stringify(tag)} is no tag`, { hint: "1 to 31 letters, digits, dots, dashes and underscores" });
    if (seen.has(tag)) throw new Failure("HV-USAGE-SHARE", `--share: ${path}: the tag ${tag} is taken`, { hint: `give another: ${path}:TAG` });
    seen.add(tag);
  }
  return all;
}

export interface OpenShares {
  readonly all: readonly { readonly tag: string; readonly server: ShareServer }[];
  close(): void;
}
/** Opens all of them, or none; throws Failure. */
export function openShares(shares: readonly ShareOptions[], note: (what: string) => void = () => {}): OpenShares {
  const open: { readonly tag: string; readonly server: ShareServer; readonly files: OpenShare }[] = [];
  const close = (): void => {
    for (const { server, files } of open.splice(0)) {
      server.reset();
      files.close();
    }
  };
  try {
    for (const { path, tag, readOnly } of checkShares(shares)) {
      const files = openShare(path);
      open.push({ tag: tag as string, files, server: new ShareServer({ files, readOnly: readOnly === true, note }) });
    }
    return { all: [...open], close };
  } catch (error) {
    close();
    throw error;
  }
}
