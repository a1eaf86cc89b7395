// src/machine/boot.ts — from files to a machine that is about to run: kernel, initrd and device tree in RAM.
// `prepareBoot` computes and refuses; `loadBoot` copies. A reset prepares and loads again, with fresh seeds.
import type { GuestMemory } from "../../devices/device.ts";
import { FwCfgKey, fwCfgBytes, fwCfgNumber, type FwCfgItem, type FwCfgOffer } from "../../devices/fw-cfg.ts";
import { writeFdt } from "../../dtb/fdt.ts";
import type { Fdt } from "../../dtb/fdt.ts";
import { readFdt } from "../../dtb/read.ts";
import { placeBoot, type Placement } from "../boot/load.ts";
import { Failure } from "../failure.ts";
import { hex } from "../units.ts";
import { boardTree, setChosen, setMemory, type BoardDescription } from "./devicetree.ts";
import { RAM_BASE } from "./platform.ts";

/** Bytes for guest memory, read in pieces. */
export interface Payload {
  readonly length: number;
  /** Fills `into` with the bytes from `offset` on; throws when they cannot be had. */
  read(offset: number, into: Uint8Array): void;
}
/** What a kernel is booted with. */
export interface BootFiles {
  readonly kernel: { readonly payload: Payload; readonly textOffset: number; readonly imageSize: number };
  readonly initrd?: Payload | undefined;
  /** A user's device tree blob; absent: the board describes itself. */
  readonly dtb?: { readonly bytes: Uint8Array; readonly name: string } | undefined;
  readonly cmdline: string;
}
/** What a firmware is started with; what it finds in fw_cfg is as in the files. */
export interface FirmwareFiles {
  readonly code: Payload;
  readonly kernel?: Payload | undefined;
  readonly initrd?: Payload | undefined;
  readonly dtb?: { readonly bytes: Uint8Array; readonly name: string } | undefined;
  readonly cmdline: string;
}
/** Entropy that a boot hands to the kernel. */
export interface Seeds {
  /** 8 bytes. */
  readonly kaslr: Uint8Array;
  readonly rng: Uint8Array;
}
export interface Boot {
  readonly placement: Placement;
  readonly tree: Fdt;
  readonly blob: Uint8Array;
  /** What was changed in a user's tree, in words. */
  readonly patched: readonly string[];
}

/** COMMAND_LINE_SIZE of arm64 Linux, its NUL included. */
const CMDLINE_SIZE = 2048;

/** Refuses what a kernel would cut off or misread. */
export function checkCmdline(cmdline: string): void {
  const bad = /[^\x20-\x7e\t]/u.exec(cmdline);
  if (bad !== null) {
    const code = bad[0].codePointAt(0) as number;
    const name = code === 0 ? "a NUL" : code === 10 ? "a newline" : code < 32 || code === 127 ? `the control character ${hex(code, 2)}` : `the non-ASCII character ${JSON.stringify(bad[0])}`;
    throw new Failure("HV-BOOT-CMDLINE", `--cmdline: holds ${name} at position ${bad.index}`, { hint: "only printable ASCII reaches a kernel unharmed" });
  }
  if (cmdline.length >= CMDLINE_SIZE) {
    throw new Failure("HV-BOOT-CMDLINE", `--cmdline: has ${cmdline.length} characters; the kernel takes ${CMDLINE_SIZE - 1}`, { hint: "shorten it" });
  }
}

/** Places everything and makes the device tree. Throws Failure for what cannot boot. */
export function prepareBoot(files: BootFiles, board: BoardDescription, seeds?: Seeds): Boot {
  checkCmdline(files.cmdline);
  const tree = files.dtb === undefined ? { root: boardTree(board), reservations: [], bootCpu: 0 } : readTree(files.dtb);
  const patched: string[] = [];
  const chosen = { cmdline: files.cmdline, kaslrSeed: seeds?.kaslr, rngSeed: seeds?.rng };
  if (files.dtb !== undefined) patched.push(...setMemory(tree.root, board.ramSize));
  // The size of the blob does not depend on where the initrd lies.
  setChosen(tree.root, { ...chosen, initrd: files.initrd && { start: 0, end: 0 } });
  const placement = placeBoot({
    kernel: files.kernel, initrdSize: files.initrd?.length, dtbSize: writeFdt(tree).length,
    ramBase: RAM_BASE, ramSize: board.ramSize, reservations: tree.reservations,
  });
  const names = setChosen(tree.root, { ...chosen, initrd: placement.initrd });
  if (files.dtb !== undefined) patched.push(`/chosen ${names.join(", ")}`);
  return { placement, tree, blob: writeFdt(tree), patched };
}

/** The device tree that a firmware finds at the start of RAM, and what was changed in a user's. */
export function prepareFirmware(files: FirmwareFiles, board: BoardDescription, seeds?: Seeds): { readonly tree: Fdt; readonly blob: Uint8Array; readonly patched: readonly string[] } {
  checkCmdline(files.cmdline);
  const tree = files.dtb === undefined ? { root: boardTree({ ...board, firmware: true }), reservations: [], bootCpu: 0 } : readTree(files.dtb);
  const patched = files.dtb === undefined ? [] : setMemory(tree.root, board.ramSize);
  const names = setChosen(tree.root, { cmdline: files.cmdline, kaslrSeed: seeds?.kaslr, rngSeed: seeds?.rng });
  if (files.dtb !== undefined) patched.push(`/chosen ${names.join(", ")}`);
  return { tree, blob: writeFdt(tree), patched };
}
/** What a firmware is told beside the device tree: "etc/boot-menu-wait" is left out, its own time is used. */
export function firmwareOffer({ kernel, initrd, cmdline }: FirmwareFiles, cpus: number): FwCfgOffer {
  const items = new Map([[FwCfgKey.NB_CPUS, fwCfgNumber(cpus, 2)], [FwCfgKey.MAX_CPUS, fwCfgNumber(cpus, 2)]] as [number, FwCfgItem][]);
  const add = (size: number, data: number, item: FwCfgItem): void => { items.set(size, fwCfgNumber(item.length)).set(data, item); };
  if (kernel !== undefined) {
    add(FwCfgKey.KERNEL_SIZE, FwCfgKey.KERNEL_DATA, kernel);
    if (initrd !== undefined) add(FwCfgKey.INITRD_SIZE, FwCfgKey.INITRD_DATA, initrd);
    add(FwCfgKey.CMDLINE_SIZE, FwCfgKey.CMDLINE_DATA, fwCfgBytes(new TextEncoder().encode(`${cmdline}\0`)));
  }
  return { items, files: new Map() };
}
/** A user's blob as a tree; throws Failure when it is none. */
export function readTree(file: { readonly bytes: Uint8Array; readonly name: string }): Fdt {
  const read = readFdt(file.bytes);
  if (!read.ok) throw new Failure("HV-DTB-DATA", `${file.name}: is no usable device tree: ${read.why}`, { hint: "get or compile the file again, or boot with --dtb auto" });
  return read.tree;
}

/** Bytes copied at a time. */
const PIECE = 1024 * 1024;

/** Copies everything to its place. */
export function loadBoot(ram: GuestMemory, files: BootFiles, { placement, blob }: Boot): void {
  const piece = new Uint8Array(PIECE);
  const put = (what: string, at: number, payload: Payload): void => {
    for (let done = 0; done < payload.length; done += PIECE) {
      const part = piece.subarray(0, Math.min(PIECE, payload.length - done));
      payload.read(done, part);
      if (!ram.write(at + done, part)) throw new RangeError(`${what}: ${payload.length} bytes at ${hex(at)} are outside of memory`);
    }
  };
  put("kernel", placement.kernel, files.kernel.payload);
  if (placement.initrd !== undefined && files.initrd !== undefined) put("initrd", placement.initrd.start, files.initrd);
  if (!ram.write(placement.dtb, blob)) throw new RangeError(`device tree: ${blob.length} bytes at ${hex(placement.dtb)} are outside of memory`);
}
