// src/library.ts — virtual machines as objects, for programs and for tests. The machine runs in a thread of its own.
//
//   await using vm = await VirtualMachine.start({ kernel: "Image", initrd: "initramfs.cpio.gz" });
//   await vm.console.expect(/# $/, { timeout: 60_000 });
//   vm.console.write("uname -a\n");
import { featureNames, parseFeatures, type FeatureName } from "./cpu/features.ts";
import { ExitCode, Failure } from "./failure.ts";
import { MOST_CPUS, chooseAccelerator, gicChoice } from "./host/accelerators.ts";
import { checkDisks, type DiskOptions } from "./host/disks.ts";
import { checkShares, type ShareOptions } from "./host/shares.ts";
import type { VsockOptions } from "./host/net/unix-streams.ts";
import type { NetOptions, PublishOptions } from "./host/net/options.ts";
import { openBootFiles, openFirmwareFiles, type FileOrBytes } from "./host/boot-files.ts";
import type { EngineChoice } from "./hypervisor/software.ts";
import type { Fdt } from "../dtb/fdt.ts";
import type { Placement } from "./boot/load.ts";
import { prepareBoot, prepareFirmware } from "./machine/boot.ts";
import type { Transport } from "./machine/machine.ts";
import type { BoardDescription } from "./machine/devicetree.ts";
import { RAM_BASE, RAM_MAX, RAM_MIN } from "./machine/platform.ts";
import { MachineClient, type MachineStart, type MachineThreads } from "./machine-client.ts";
import { Consoles } from "./consoles.ts";
import type { ConsoleOptions } from "./host/console-options.ts";
import { Networks, type Published } from "./networks.ts";
import type { AcceleratorName, BalloonState, Counters, GicChoice, ThreadsChoice, Load, RunOutcome } from "./machine-protocol.ts";
import { parseSize } from "./cli/size.ts";
import { KiB, MiB, formatSize } from "./units.ts";

export { Failure } from "./failure.ts";
export type { DiskOptions } from "./host/disks.ts";
export type { ShareOptions } from "./host/shares.ts";
export type { NetOptions, PublishOptions } from "./host/net/options.ts";
export type { ConsoleOptions } from "./host/console-options.ts";
export type { VsockOptions } from "./host/net/unix-streams.ts";
export type { Published } from "./networks.ts";
export type { BalloonState, Counters, RunOutcome } from "./machine-protocol.ts";

/** A file by its path, or its bytes. */

export interface MachineOptions {
  /** Bytes, or text with a unit ("512M"); default 512 MiB for a kernel, 16 MiB for a program. */
  readonly memory?: number | string | undefined;
  /** 1 to 64; more than 8 on the software CPU with version 3 of the interrupt controller. */
  readonly cpus?: number | undefined;
  /** What the software CPU executes instructions with; default: the best that this host allows. */
  readonly engine?: EngineChoice | undefined;
  /**
   * What executes the guest; default: the best that this host has for a kernel, the software CPU for a program (it counts
   * instructions) and where an engine is asked for.
   */
  readonly accelerator?: "auto" | AcceleratorName | undefined;
  /**
   * The software CPU's CPUs at the same time, in as many threads as the host has processors; "off": one at a time. "on" is refused
   * where that cannot be; "auto", the default, takes threads for a kernel with several CPUs where the host has several processors.
   */
  readonly smpThreads?: ThreadsChoice | undefined;
  /** Features of the software CPU as `--cpu` takes them, for instance "max" or "default,SHA3". */
  readonly cpu?: string | undefined;
  /** The interrupt controller; default: the best that the accelerator has, version 2 on the software CPU up to 8 CPUs. */
  readonly gic?: GicChoice | undefined;
  /**
   * Time is made of executed instructions, and nothing is random: two runs without input do the same to the instruction.
   * The software CPU only.
   */
  readonly deterministic?: boolean | undefined;
  /** Disks, in the guest /dev/vda and on. */
  readonly disks?: readonly DiskOptions[] | undefined;
  /** Directories of this host, in the guest `mount -t 9p -o trans=virtio TAG /mnt`. */
  readonly shares?: readonly ShareOptions[] | undefined;
  /** The bus of the disks, networks and other virtio devices; default mmio. */
  readonly transport?: Transport | undefined;
  /** A balloon: bytes, or text with a unit, that the guest shall do without; 0 for giving back what it does not use. Default none. */
  readonly balloon?: number | string | undefined;
  /** A virtio device that gives the guest entropy; default false. */
  readonly rng?: boolean | undefined;
  /** Network interfaces, in the guest eth0 and on; default none. */
  readonly nets?: readonly NetOptions[] | undefined;
  /** Ports of the guest that are reachable on this host, through its first user network (which they bring along). */
  readonly publish?: readonly PublishOptions[] | undefined;
  /** Streams between guest and host, beside any network. */
  readonly vsock?: VsockOptions | undefined;
  /** Ports of a console device, in the guest /dev/hvc0 and on, or /dev/virtio-ports/NAME. */
  readonly consoles?: readonly ConsoleOptions[] | undefined;
  /** Threads of another kind: for tests of hv itself. */
  readonly threads?: MachineThreads | undefined;
}
export interface StartOptions extends MachineOptions {
  /** Not needed by a firmware, which finds one by itself or is given this file through fw_cfg. */
  readonly kernel?: FileOrBytes | undefined;
  /** Runs instead of the kernel, from address 0, with flash and fw_cfg: U-Boot or UEFI for QEMU's virt board. */
  readonly firmware?: FileOrBytes | undefined;
  /** A file for the firmware's variables, made when there is none; default: they are forgotten with the machine. */
  readonly firmwareVariables?: string | undefined;
  readonly initrd?: FileOrBytes | undefined;
  /** Default: console=ttyAMA0 */
  readonly cmdline?: string | undefined;
  /** "auto" describes the board; else a blob. */
  readonly dtb?: FileOrBytes | undefined;
  /** Start again when the guest resets itself; default true. */
  readonly reboot?: boolean | undefined;
}
export interface CreateOptions extends MachineOptions {
  /** Instructions, as words or as bytes. */
  readonly program: Uint32Array | Uint8Array;
  /** Where it goes and starts; default: the start of memory. */
  readonly at?: number | undefined;
}
export interface RegisterFile {
  readonly x: readonly bigint[];
  readonly sp: bigint;
  readonly pc: bigint;
  /** In the layout of SPSR_EL1. */
  readonly pstate: number;
}

export const DEFAULT_CMDLINE = "console=ttyAMA0";
export const DEFAULT_MEMORY: number = 512 * MiB;
const PROGRAM_MEMORY = 16 * MiB;
const PAGE = 16 * KiB;

/** Refuses sizes that no machine can have. */
export function checkMemory(bytes: number): number {
  if (!Number.isSafeInteger(bytes) || bytes < RAM_MIN || bytes > RAM_MAX) {
    throw new Failure("HV-USAGE-MEMORY", `--memory: ${Number.isSafeInteger(bytes) ? formatSize(bytes) : String(bytes)} is outside of what a machine can have`, { hint: `give ${formatSize(RAM_MIN)} to ${formatSize(RAM_MAX)}` });
  }
  if (bytes % PAGE !== 0) throw new Failure("HV-USAGE-MEMORY", `--memory: ${bytes} bytes are not a multiple of ${formatSize(PAGE)}`, { hint: "give whole MiB, for instance 512M" });
  return bytes;
}
/** Refuses what is no number of CPUs. */
export function checkCpus(cpus: number): number {
  if (!Number.isInteger(cpus) || cpus < 1 || cpus > MOST_CPUS[3]) throw new Failure("HV-USAGE-CPUS", `--cpus: ${String(cpus)} is no number of CPUs`, { hint: `give 1 to ${MOST_CPUS[3]}` });
  return cpus;
}

/** The features that `--cpu` names, or a refusal. */
export function checkFeatures(text: string): readonly FeatureName[] {
  const found = parseFeatures(text);
  if ("unknown" in found) throw new Failure("HV-USAGE-CPU", `--cpu: ${JSON.stringify(found.unknown)} is no feature of the software CPU`, { hint: `default, max or v8.0, then any of ${featureNames.join(", ")}, each behind a comma; -NAME takes one away` });
  return [...found];
}

/** Refuses what is no size of a balloon in so much memory. */
export function checkBalloon(balloon: number | string | undefined, ramSize: number): number | undefined {
  if (balloon === undefined) return undefined;
  const bytes = balloon === "0" ? 0 : typeof balloon === "string" ? parseSize(balloon, "--balloon") : balloon;
  if (Number.isSafeInteger(bytes) && bytes >= 0 && bytes < ramSize) return bytes;
  throw new Failure("HV-USAGE-BALLOON", `--balloon: ${Number.isSafeInteger(bytes) && bytes > 0 ? formatSize(bytes) : String(bytes)} of ${formatSize(ramSize)} of memory cannot be taken`, { hint: "give less than --memory, or 0" });
}

/** Opens a machine's networks; rejects with Failure. */
export async function openNetworks(nets: readonly NetOptions[], publish: readonly PublishOptions[], deterministic: boolean, vsock?: VsockOptions): Promise<Networks | undefined> {
  if (deterministic && vsock !== undefined) throw new Failure("HV-USAGE-VSOCK", "--vsock: what comes from the host is not repeatable", { hint: "leave out --deterministic or --vsock" });
  if (deterministic && (publish.length > 0 || nets.some(one => one.kind !== "none"))) throw new Failure("HV-USAGE-NET", "--net: what comes from a network is not repeatable", { hint: "leave out --deterministic or the network" });
  return await Networks.open(nets, publish, vsock);
}

/** Opens the ports of a machine's console device; throws Failure. */
export function openConsoles(consoles: readonly ConsoleOptions[], deterministic: boolean): Consoles | undefined {
  if (deterministic && consoles.length > 0) throw new Failure("HV-USAGE-CONSOLE", "--console: what comes from the host is not repeatable", { hint: "leave out --deterministic or --console" });
  return Consoles.open(consoles);
}

export interface BootPlan {
  readonly load: Load;
  readonly cpus: number;
  readonly ramSize: number;
  /** The device tree of this boot on a board, without seeds, and what was changed in a user's; where a kernel goes. */
  readonly prepare: (board: BoardDescription) => { readonly tree: Fdt; readonly patched: readonly string[]; readonly placement?: Placement };
}

/** Opens and checks everything a boot needs; throws Failure for what cannot boot. */
export function readBootFiles(options: StartOptions): BootPlan {
  const ramSize = checkMemory(typeof options.memory === "string" ? parseSize(options.memory, "--memory") : options.memory ?? DEFAULT_MEMORY);
  const cpus = checkCpus(options.cpus ?? 1);
  const { kernel, initrd, firmware, firmwareVariables: variables } = options;
  const common = { initrd, dtb: options.dtb === "auto" ? undefined : options.dtb, cmdline: options.cmdline ?? DEFAULT_CMDLINE };
  if (firmware !== undefined) {
    const sources = { ...common, kernel, firmware, variables }, files = openFirmwareFiles(sources);
    const prepare = (board: BoardDescription): ReturnType<BootPlan["prepare"]> => prepareFirmware(files, board);
    prepare({ cpus, ramSize });
    return { load: { kind: "firmware", sources }, cpus, ramSize, prepare };
  }
  if (variables !== undefined) throw new Failure("HV-USAGE-FIRMWARE", "--firmware-vars: is for a firmware, and there is none", { hint: "name one with --firmware FILE" });
  if (kernel === undefined) throw new Failure("HV-USAGE", "IMAGE is missing: there is neither a kernel nor a firmware to start", { hint: "name a kernel, or the word debian, or --firmware FILE" });
  const sources = { ...common, kernel }, files = openBootFiles(sources);
  const prepare = (board: BoardDescription): ReturnType<BootPlan["prepare"]> => prepareBoot(files, board);
  prepare({ cpus, ramSize }); // what does not fit is refused here, before anything runs
  return { load: { kind: "boot", sources }, cpus, ramSize, prepare };
}

/** The guest's serial port. */
export class SerialConsole {
  #unread = "";
  #text = "";
  #waiters: (() => void)[] = [];
  readonly #decoder = new TextDecoder();
  readonly #send: (bytes: Uint8Array) => void;
  #ended: string | undefined;
  constructor(send: (bytes: Uint8Array) => void) { this.#send = send; }

  /** Everything the guest wrote so far. */
  get text(): string { return this.#text; }
  /** Types into the guest. */
  write(data: string | Uint8Array): void { this.#send(typeof data === "string" ? new TextEncoder().encode(data) : data); }
  /**
   * Waits until what the guest wrote since the last match matches, and takes it up to the end of the match. Throws a
   * Failure with the last lines when the time is over or the machine has ended.
   */
  async expect(pattern: RegExp, options: { readonly timeout?: number } = {}): Promise<RegExpExecArray> {
    const timeout = options.timeout ?? 30_000;
    const until = performance.now() + timeout;
    const plain = new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, ""));
    for (;;) {
      const match = plain.exec(this.#unread);
      if (match !== null) {
        this.#unread = this.#unread.slice(match.index + match[0].length);
        return match;
      }
      const left = until - performance.now();
      if (this.#ended !== undefined || left <= 0) {
        const last = this.#unread.split("\n").slice(-8).join("\n");
        throw new Failure("HV-CONSOLE-EXPECT", `${String(pattern)} did not come ${this.#ended === undefined ? `within ${timeout} ms` : `before the machine ended (${this.#ended})`}; the last lines are:\n${last}`, { exit: ExitCode.timeout });
      }
      await new Promise<void>(resolve => {
        const timer = setTimeout(resolve, left);
        this.#waiters.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }
  /** Bytes from the machine. */
  receive(bytes: Uint8Array): void {
    const text = this.#decoder.decode(bytes, { stream: true });
    this.#text += text;
    this.#unread += text;
    this.#wake();
  }
  /** Nothing more will come: `why` goes into the error of those who wait. */
  end(why: string): void {
    this.#ended = why;
    this.#wake();
  }
  #wake(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const wake of waiters) wake();
  }
}

export class VirtualMachine implements AsyncDisposable {
  readonly console: SerialConsole;
  readonly memory: {
    /** Guest memory at a physical address. */
    read(address: number, length: number): Promise<Uint8Array>;
    write(address: number, bytes: Uint8Array): Promise<void>;
  };
  /** Resolves when the machine has ended: the guest is off, reset itself for good, broke, or was stopped. */
  readonly exited: Promise<RunOutcome>;
  /** What went wrong on this host while the guest went on: one line each. */
  readonly notices: string[] = [];
  /** The guest's ports that are published, as they are on the host. */
  readonly published: readonly Published[];
  /** Times the guest has reset itself. */
  reboots = 0;
  readonly #client: MachineClient;
  readonly #exit = Promise.withResolvers<RunOutcome>();
  #run: { resolve: (outcome: RunOutcome) => void; reject: (error: Error) => void } | undefined;

  readonly #networks: Networks | undefined;

  private constructor(start: MachineStart, threads: MachineThreads | undefined) {
    this.#networks = start.networks;
    this.published = start.networks?.published ?? [];
    this.exited = this.#exit.promise;
    this.exited.catch(() => {}); // whoever asks hears of it
    this.console = new SerialConsole(bytes => this.#client.send({ kind: "input", bytes, held: false }));
    this.#client = new MachineClient(start, {
      console: (bytes, done) => {
        this.console.receive(bytes);
        done();
      },
      outcome: outcome => this.#ended(outcome, start.autostart),
      rebooted: () => { this.reboots++; },
      notice: text => { this.notices.push(text); },
      broken: error => {
        this.#run?.reject(error);
        this.#run = undefined;
        this.#exit.reject(error);
        this.console.end(error.message);
      },
    }, threads);
    this.memory = {
      read: (address, length) => this.#client.ask("read", { address, length }),
      write: (address, bytes) => this.#client.ask("write", { address, bytes }),
    };
  }

  /** Boots a kernel; it runs when the promise resolves. */
  static async start(options: StartOptions): Promise<VirtualMachine> {
    const { load, cpus, ramSize } = readBootFiles(options);
    return await VirtualMachine.#make(options.engine === undefined ? options : { ...options, accelerator: options.accelerator ?? "software" }, { cpus, ramSize, load, autostart: true, reboot: options.reboot ?? true, deterministic: options.deterministic ?? false, debugExits: false, trace: [] });
  }
  /** A machine with nothing but a program in memory. It stands still until `run`. */
  static async create(options: CreateOptions): Promise<VirtualMachine> {
    const { program, at = RAM_BASE, memory } = options;
    const bytes = new Uint8Array(program.buffer, program.byteOffset, program.byteLength).slice();
    const ramSize = checkMemory(typeof memory === "string" ? parseSize(memory, "memory") : memory ?? PROGRAM_MEMORY);
    return await VirtualMachine.#make({ ...options, accelerator: options.accelerator ?? "software" }, { cpus: checkCpus(options.cpus ?? 1), ramSize, load: { kind: "program", program: { bytes, at } }, autostart: false, reboot: false, deterministic: options.deterministic ?? false, debugExits: true, trace: [] });
  }
  static async #make(options: MachineOptions, start: Omit<MachineStart, "accelerator" | "engine" | "smpThreads" | "features" | "gic" | "disks" | "shares" | "rng" | "transport" | "balloon" | "networks" | "consoles">): Promise<VirtualMachine> {
    const accelerator = options.threads === undefined ? chooseAccelerator(options.accelerator ?? "auto").name : options.accelerator === "auto" ? undefined : options.accelerator;
    const shares = checkShares(options.shares ?? []);
    if (start.deterministic && shares.length > 0) throw new Failure("HV-USAGE-SHARE", "--share: what comes from a directory of the host is not repeatable", { hint: "leave out --deterministic or the share" });
    const balloon = checkBalloon(options.balloon, start.ramSize);
    const gic = gicChoice(accelerator ?? "software", options.gic ?? "auto", start.cpus);
    const networks = await openNetworks(options.nets ?? [], options.publish ?? [], start.deterministic, options.vsock);
    const wanted = options.consoles ?? [], others = (networks?.starts.length ?? 0) + shares.length + (balloon === undefined ? 0 : 1) + (wanted.length > 0 ? 1 : 0);
    let disks: readonly DiskOptions[], consoles: ReturnType<typeof openConsoles>;
    try {
      disks = checkDisks(options.disks ?? [], others);
      consoles = openConsoles(wanted, start.deterministic);
    } catch (error) {
      networks?.close();
      throw error;
    }
    const vm = new VirtualMachine({ networks, consoles, accelerator: accelerator ?? "software", engine: options.engine ?? "auto", smpThreads: options.smpThreads ?? "auto", features: options.cpu === undefined ? undefined : checkFeatures(options.cpu), gic, disks, shares, transport: options.transport, balloon, rng: options.rng ?? false, ...start }, options.threads);
    try {
      await vm.#client.ready;
    } catch (error) {
      await vm.#client.close();
      throw error;
    }
    return vm;
  }

  /** Runs a machine made by `create` until it breaks (BRK), switches itself off, or the budget is used up. */
  run(options: { readonly maxInstructions?: number } = {}): Promise<RunOutcome> {
    if (this.#run !== undefined) return Promise.reject(new Error("the machine runs already"));
    const { promise, resolve, reject } = Promise.withResolvers<RunOutcome>();
    this.#run = { resolve, reject };
    this.#client.send({ kind: "run", limit: options.maxInstructions ?? Number.POSITIVE_INFINITY });
    return promise;
  }
  registers(cpu = 0): Promise<RegisterFile> { return this.#client.ask("registers", { cpu }); }
  /** Sets x0 to x30, sp or pc. */
  setRegister(name: string, value: bigint | number, cpu = 0): Promise<void> { return this.#client.ask("setRegister", { cpu, name, value: BigInt(value) }); }
  /** A system register by its architected name. */
  systemRegister(name: string, cpu = 0): Promise<bigint> { return this.#client.ask("systemRegister", { cpu, name }); }
  /** Drives the input of a shared peripheral interrupt (0 is interrupt id 32). */
  setInterrupt(spi: number, level: boolean): Promise<void> { return this.#client.ask("interrupt", { spi, level }); }
  /** What was counted since the machine was made. */
  async counters(): Promise<Counters> { return { ...await this.#client.ask("counters", {}), network: this.#networks?.counters ?? {} }; }
  /** Sets the balloon's target, in bytes, when one is given; what it is now, and asks the guest for new statistics. */
  balloon(target?: number): Promise<BalloonState> { return this.#client.ask("balloon", { target }); }
  /**
   * Makes a disk larger while the guest uses it, which hears of it: so many bytes, a multiple of 512. Raw and qcow2 images; a disk
   * does not become smaller, and one that is read-only or an overlay stays as it is.
   */
  resizeDisk(index: number, bytes: number): Promise<void> { return this.#client.ask("resizeDisk", { index, bytes }); }
  /** Registers, interrupts and last accesses, as text. */
  describe(): Promise<string> { return this.#client.ask("describe", {}); }
  /** Power-on state, program or kernel loaded again. The machine must stand still. */
  reset(): Promise<void> { return this.#client.ask("reset", {}); }
  pressPowerKey(): void { this.#client.send({ kind: "powerKey" }); }
  /** Ends the machine without asking the guest. */
  async stop(): Promise<void> {
    this.#client.send({ kind: "stop" });
    await this.exited;
  }
  /** Stops the machine and frees everything. */
  async close(): Promise<void> {
    await this.#client.close();
    this.#ended({ kind: "stopped" }, true);
  }
  async [Symbol.asyncDispose](): Promise<void> { await this.close(); }

  #ended(outcome: RunOutcome, forGood: boolean): void {
    this.#run?.resolve(outcome);
    this.#run = undefined;
    if (!forGood && (outcome.kind === "budget" || outcome.kind === "debug")) return;
    this.#exit.resolve(outcome);
    this.console.end(outcome.kind);
  }
}
