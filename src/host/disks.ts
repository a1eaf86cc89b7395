// src/host/disks.ts — the machine's disks as plain data, and opened: file, format and overlay joined.
import type { BlockBackend } from "../../devices/virtio/block-backend.ts";
import { OverlayDisk } from "../disk/overlay.ts";
import { RawDisk, type DiskFile } from "../disk/raw.ts";
import { Failure } from "../failure.ts";
import { openDiskFile } from "./disk-file.ts";

export interface DiskOptions {
  readonly path: string;
  /** What the file holds; it is never guessed. Default raw. */
  readonly format?: "raw" | undefined;
  /** The guest may not write. */
  readonly readOnly?: boolean | undefined;
  /** What the guest writes is thrown away with the machine; the file stays as it is. */
  readonly overlay?: boolean | undefined;
  /** At most 20 ASCII characters. */
  readonly serial?: string | undefined;
}
export interface OpenDisks {
  readonly all: readonly { readonly backend: BlockBackend; readonly serial: string }[];
  /** Everything written reaches the medium, as far as it can, and the files are let go of. Once only. */
  close(): void;
}
/** The last slot is not for disks, and each network interface takes one more. */
export const MAX_DISKS = 31;

/** Refuses what no machine can have, before any file is opened. */
export function checkDisks(disks: readonly DiskOptions[], nets = 0): readonly DiskOptions[] {
  if (disks.length > MAX_DISKS - nets) throw new Failure("HV-USAGE-DISK", `--disk: ${disks.length} disks, but there is room for ${MAX_DISKS - nets}`, { hint: "give fewer" });
  for (const { path, serial, readOnly, overlay } of disks) {
    if (path === "") throw new Failure("HV-USAGE-DISK", "--disk: its path is missing", { hint: "--disk PATH[,format=raw][,ro][,overlay][,serial=TEXT]" });
    if (serial !== undefined && !/^[\x21-\x7e]{1,20}$/.test(serial)) throw new Failure("HV-USAGE-DISK", `--disk: ${path}: ${JSON.stringify(serial)} is no serial number`, { hint: "1 to 20 printable ASCII characters" });
    if (readOnly === true && overlay === true) throw new Failure("HV-USAGE-DISK", `--disk: ${path}: ro and overlay exclude each other`, { hint: "overlay never writes to the file" });
  }
  return disks;
}

/** Opens all of them, or none; throws Failure. */
export function openDisks(disks: readonly DiskOptions[]): OpenDisks {
  const files: { readonly file: DiskFile; readonly writable: boolean }[] = [];
  const close = (): void => {
    for (const { file, writable } of files.splice(0)) {
      try {
        if (writable) file.sync();
      } catch { /* the guest was told of what it flushed; nobody is left to hear of the rest */ }
      file.close();
    }
  };
  try {
    const all = checkDisks(disks).map((disk, n) => {
      const readOnly = disk.readOnly === true, overlay = disk.overlay === true;
      const file = openDiskFile(disk.path, readOnly || overlay);
      files.push({ file, writable: !readOnly && !overlay });
      const raw = new RawDisk(file, readOnly);
      return { backend: overlay ? new OverlayDisk(raw) : raw, serial: disk.serial ?? `hv-disk-${n}` };
    });
    return { all, close };
  } catch (error) {
    close();
    throw error;
  }
}
