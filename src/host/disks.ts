// src/host/disks.ts — the machine's disks as plain data, and opened: file, format and overlay joined.
import { ImageBackend, type DiskImage } from "../disk/image.ts";
import { OverlayImage } from "../disk/overlay.ts";
import { Failure } from "../failure.ts";
import { scratchFile, type OpenFileOptions } from "./disk-file.ts";
import { openImage, type DiskFormat } from "./disk-image.ts";

export interface DiskOptions {
  readonly path: string;
  /** What the file holds. Default: what its first bytes say, unless it was used as a raw disk before. */
  readonly format?: DiskFormat | undefined;
  /** The guest may not write. */
  readonly readOnly?: boolean | undefined;
  /** What the guest writes is thrown away with the machine; the file stays as it is. */
  readonly overlay?: boolean | undefined;
  /** At most 20 ASCII characters. */
  readonly serial?: string | undefined;
  /** "any": backing files outside of the image's folder are opened too, and without a given format. */
  readonly backing?: "any" | undefined;
}
export interface OpenDisks {
  readonly all: readonly { readonly backend: ImageBackend; readonly serial: string }[];
  /** Everything written reaches the medium, as far as it can, and the files are let go of. Once only. */
  close(): void;
}
/** The last slot is not for disks, and each device of another kind takes one more. */
export const MAX_DISKS = 31;

/** Refuses what no machine can have, before any file is opened. */
export function checkDisks(disks: readonly DiskOptions[], others = 0): readonly DiskOptions[] {
  if (disks.length > MAX_DISKS - others) throw new Failure("HV-USAGE-DISK", `--disk: ${disks.length} disks, but there is room for ${MAX_DISKS - others}`, { hint: "give fewer" });
  for (const { path, serial, readOnly, overlay } of disks) {
    if (path === "") throw new Failure("HV-USAGE-DISK", "--disk: its path is missing", { hint: "--disk PATH[,format=raw|qcow2][,ro][,overlay][,serial=TEXT]" });
    if (serial !== undefined && !/^[\x21-\x7e]{1,20}$/.test(serial)) throw new Failure("HV-USAGE-DISK", `--disk: ${path}: ${JSON.stringify(serial)} is no serial number`, { hint: "1 to 20 printable ASCII characters" });
    if (readOnly === true && overlay === true) throw new Failure("HV-USAGE-DISK", `--disk: ${path}: ro and overlay exclude each other`, { hint: "overlay never writes to the file" });
  }
  return disks;
}

/** Opens all of them, or none; throws Failure. `tell`: one line for the user each. */
export function openDisks(disks: readonly DiskOptions[], wires: Pick<OpenFileOptions, "syncLater" | "later"> & { readonly settle?: () => void; readonly tell?: (line: string) => void } = {}): OpenDisks {
  const images: DiskImage[] = [];
  const close = (): void => { for (const image of images.splice(0)) closeImage(image); };
  try {
    const all = checkDisks(disks).map((disk, n) => {
      const readOnly = disk.readOnly === true, overlay = disk.overlay === true, label = `--disk: ${disk.path}`;
      let image = openImage(disk.path, { label, write: !readOnly && !overlay, format: disk.format, backing: disk.backing, tell: wires.tell, syncLater: wires.syncLater, later: wires.later });
      images.push(image);
      if (overlay) {
        image = new OverlayImage(image, scratchFile(label, wires));
        images[images.length - 1] = image;
      }
      return { backend: new ImageBackend(image, wires.settle), serial: disk.serial ?? `hv-disk-${n}` };
    });
    return { all, close };
  } catch (error) {
    close();
    throw error;
  }
}
function closeImage(image: DiskImage): void {
  try {
    if (!image.readOnly) for (const _ of image.flushing()) image.file.sync();
  } catch { /* the guest was told of what it flushed; nobody is left to hear of the rest */ }
  image.close();
}
