// src/machine-firmware.ts — a firmware's flash, variables and fw_cfg, joined to a machine.
// Lies beside machine-thread.ts, which makes it.
import type { Alarm, Clock } from "../devices/device.ts";
import { openFirmwareFiles, type FirmwareSources } from "./host/boot-files.ts";
import { openFlashStore, type FlashStore } from "./host/flash-store.ts";
import { firmwareOffer, prepareFirmware, type Seeds } from "./machine/boot.ts";
import type { Machine, MachineConfig } from "./machine/machine.ts";
import { RAM_BASE, platform } from "./machine/platform.ts";

/** The bank of the variables. */
const VARIABLES = 1;
/** Variables reach the medium when nothing was written for so long. */
const SYNC_SECONDS = 0.1;

export class OpenFirmware {
  readonly #sources: FirmwareSources;
  readonly #store: FlashStore | undefined;
  readonly #tell: (line: string) => void;
  #flash: Uint8Array = new Uint8Array();
  #alarm: Alarm | undefined;
  #soon = (): number => 0;
  #dirty = false;
  #codeChanged = false;
  #refused = false;
  readonly wires: NonNullable<MachineConfig["firmware"]> = { changed: (bank, offset, length) => {
    if (bank === VARIABLES) return this.#keep(offset, length);
    this.#codeChanged = true;
    return true;
  } };

  /** Opens the store; throws Failure. `tell`: one line for the user. */
  constructor(sources: FirmwareSources, tell: (line: string) => void) {
    this.#sources = sources;
    this.#tell = tell;
    this.#store = sources.variables === undefined ? undefined : openFlashStore(sources.variables, platform.flash1.size);
  }
  /** Once: the machine is made. */
  attach(machine: Machine, clock: Clock): void {
    this.#flash = machine.flash[VARIABLES] as Uint8Array;
    this.#store?.load(this.#flash);
    this.#alarm = machine.alarm(() => this.#sync());
    this.#soon = () => clock.ticks() + SYNC_SECONDS * clock.frequency;
  }
  /** Brings code, device tree and fw_cfg into the machine, before each reset. Returns what was changed in a user's tree. */
  load(machine: Machine, seeds: Seeds): readonly string[] {
    this.#sync();
    const files = openFirmwareFiles(this.#sources);
    const { blob, patched } = prepareFirmware(files, machine.board, seeds);
    const code = machine.flash[0] as Uint8Array;
    files.code.read(0, code.subarray(0, files.code.length));
    if (this.#codeChanged) code.fill(0, files.code.length); // what a guest programmed there is forgotten
    this.#codeChanged = false;
    if (!machine.ram.write(RAM_BASE, blob)) throw new RangeError(`device tree: ${blob.length} bytes are more than the memory`);
    machine.fwCfg.provide(firmwareOffer(files, machine.config.cpus));
    return patched;
  }
  close(): void {
    this.#sync();
    this.#store?.close();
  }

  #keep(offset: number, length: number): boolean {
    if (this.#store === undefined) return true;
    try {
      this.#store.write(offset, this.#flash.subarray(offset, offset + length));
    } catch (error) {
      this.#report(error);
      return false;
    }
    this.#dirty = true;
    this.#alarm?.set(this.#soon());
    return true;
  }
  #sync(): void {
    if (!this.#dirty) return;
    this.#dirty = false;
    try {
      this.#store?.sync();
    } catch (error) {
      this.#report(error);
    }
  }
  #report(error: unknown): void {
    if (this.#refused) return; // once is enough
    this.#refused = true;
    this.#tell(`--firmware-vars: ${this.#sources.variables ?? ""}: cannot be written (${(error as { readonly code?: string }).code ?? String(error)}): what the firmware changes is lost`);
  }
}
