// src/cli/boot-arguments.ts — the flags that say what boots: shared by `hv run` and `hv dtb`.
import { Failure } from "../failure.ts";
import { checkConsoles, parseConsole, type ConsoleOptions } from "../host/console-options.ts";
import type { DiskFormat } from "../host/disk-image.ts";
import { checkDisks, type DiskOptions } from "../host/disks.ts";
import { checkShares, type ShareOptions } from "../host/shares.ts";
import { checkNets, parseNet, parsePublish, type NetOptions, type PublishOptions } from "../host/net/options.ts";
import type { FeatureName } from "../cpu/features.ts";
import { checkCpus, checkFeatures, checkMemory, readBootFiles, type BootPlan, type StartOptions } from "../library.ts";
import type { Transport } from "../machine/machine.ts";
import { TRACES, type GicChoice, type ThreadsChoice, type TraceKind } from "../machine-protocol.ts";
import { parseSize } from "./size.ts";

export const bootArgs = {
  image: { type: "positional", description: "Kernel (Image, Image.gz, Image.zst, vmlinuz.efi), or the word debian; a firmware needs none", required: false },
  firmware: { type: "string", description: "Run this firmware (U-Boot or UEFI for QEMU's virt board) from flash; it finds the IMAGE, if any, in fw_cfg", valueHint: "FILE" },
  "firmware-vars": { type: "string", description: "Where the firmware's variables are kept; made when there is no such file", valueHint: "FILE" },
  dtb: { type: "string", description: "auto describes the board; or a device tree blob to patch and boot with", default: "auto", valueHint: "auto|FILE" },
  initrd: { type: "string", description: "Initial file system: cpio archives, packed or not", valueHint: "FILE" },
  cmdline: { type: "string", description: "The kernel's command line", default: "console=ttyAMA0", valueHint: "TEXT" },
  memory: { type: "string", alias: "m", description: "Guest memory, with its unit", default: "512M", valueHint: "SIZE" },
  cpus: { type: "string", alias: "c", description: "CPUs, 1 to 64 (more than 8: version 3 of the interrupt controller, software CPU)", default: "1", valueHint: "N" },
  accel: { type: "string", description: "What executes the guest", default: "auto", valueHint: "auto|software[,engine=translator|interpreter]|hvf" },
  cpu: { type: "string", description: "Features of the software CPU: a model, then features behind commas; -FEATURE takes one away (default: what costs a guest nothing)", valueHint: "default|max|v8.0|LIST" },
  "smp-threads": { type: "string", description: "A thread for each CPU of the software CPU; off: one CPU at a time", default: "auto", valueHint: "auto|on|off" },
  gic: { type: "string", description: "Version of the interrupt controller; auto is 2 on the software CPU up to 8 CPUs", default: "auto", valueHint: "auto|2|3" },
  deterministic: { type: "boolean", default: false, description: "Time is made of executed instructions, nothing is random: every run without input is the same" },
  reboot: { type: "boolean", default: true, description: "Start again when the guest resets itself", negativeDescription: "End with code 7 when the guest resets itself" },
  trace: { type: "string", description: "Tell on stderr what happens: a list of exits, mmio, sysreg, irq", valueHint: "LIST" },
  disk: { type: "string", description: "A disk image, /dev/vda and on; may be given several times", valueHint: "PATH[,format=raw|qcow2][,ro][,overlay][,serial=TEXT]" },
  net: { type: "string", description: "A network interface, eth0 and on; may be given several times (default: none; user for debian)", valueHint: "user|none|socket=ADDR:PORT|unix=PATH|tap=NAME[,mac=][,mtu=][,pcap=FILE][,allow-host][,allow-lan][,dns=ADDR]" },
  publish: { type: "string", alias: "p", description: "Make a port of the guest reachable on this host; may be given several times", valueHint: "[ADDRESS:]HOSTPORT:GUESTPORT[/udp]" },
  share: { type: "string", description: "A directory for the guest (mount -t 9p -o trans=virtio TAG DIR); may be given several times", valueHint: "DIR[:TAG][,ro]" },
  vsock: { type: "string", description: "Streams between guest and host: the guest's address, and the host's socket (CONNECT port; PATH_port)", valueHint: "CID[,uds=PATH]" },
  console: { type: "string", description: "A port of a virtio console: hvc0 and on, or with a name /dev/virtio-ports/NAME; may be given several times", valueHint: "terminal|unix=PATH|file=PATH[,name=NAME]" },
  balloon: { type: "string", description: "Memory that the guest shall do without; what it frees goes back to this host, and with 0 only that", valueHint: "SIZE|0" },
  transport: { type: "string", description: "The bus of disks, networks and the other virtio devices", default: "mmio", valueHint: "mmio|pci" },
  rng: { type: "boolean", default: false, description: "Give the guest a virtio device with entropy" },
  suite: { type: "string", description: "With debian: suite, for instance bookworm or trixie", valueHint: "NAME" },
  kernel: { type: "string", description: "With debian: 6.1, 6.12, 6.12-cloud, or a package", valueHint: "VERSION" },
  mirror: { type: "string", description: "With debian: mirror (default: HV_DEBIAN_MIRROR, else apt's configuration)", valueHint: "URL" },
  verbose: { type: "boolean", alias: "v", description: "Tell on stderr what is chosen and done" },
} as const;

export interface BootArguments {
  readonly image?: string | undefined;
  readonly firmware?: string | undefined;
  readonly "firmware-vars"?: string | undefined;
  readonly dtb: string;
  readonly initrd?: string | undefined;
  readonly cmdline: string;
  readonly memory: string;
  readonly cpus: string;
  readonly suite?: string | undefined;
  readonly kernel?: string | undefined;
  readonly mirror?: string | undefined;
}

export const parseCpus = (text: string): number => checkCpus(/^\d{1,4}$/.test(text) ? Number(text) : NaN);

/** `--gic`, or a refusal. */
export function parseGic(text: string): GicChoice {
  if (text !== "auto" && text !== "2" && text !== "3") throw new Failure("HV-USAGE-GIC", `--gic: ${JSON.stringify(text)} is no interrupt controller`, { hint: "auto, 2 or 3" });
  return text === "auto" ? text : text === "2" ? 2 : 3;
}

/** `--cpu`, or a refusal. */
export function parseCpu(text: string | undefined): readonly FeatureName[] | undefined {
  return text === undefined ? undefined : checkFeatures(text);
}

/** `--smp-threads`, or a refusal. */
export function parseThreads(text: string): ThreadsChoice {
  if (text !== "auto" && text !== "on" && text !== "off") throw new Failure("HV-USAGE-SMP-THREADS", `--smp-threads: ${JSON.stringify(text)} is none of its values`, { hint: "auto, on or off" });
  return text;
}
/** `--transport`, or a refusal. */
export function parseTransport(text: string): Transport {
  if (text !== "mmio" && text !== "pci") throw new Failure("HV-USAGE-TRANSPORT", `--transport: ${JSON.stringify(text)} is no bus for devices`, { hint: "mmio or pci" });
  return text;
}

/** Every value of a flag on a command line: the parser keeps only the last. */
function valuesOf(raw: readonly string[], long: string, short?: string): readonly string[] {
  const values: string[] = [];
  for (let i = 0; i < raw.length && raw[i] !== "--"; i++) {
    const word = raw[i] as string;
    if (word === long || word === short) values.push(raw[++i] ?? "");
    else if (word.startsWith(`${long}=`)) values.push(word.slice(long.length + 1));
    else if (short !== undefined && word.startsWith(short) && !word.startsWith("--")) values.push(word.slice(short.length));
  }
  return values;
}
/** Every `--disk` of a command line, or a refusal. */
export const parseDisks = (raw: readonly string[], others = 0): readonly DiskOptions[] => checkDisks(valuesOf(raw, "--disk").map(parseDisk), others);
/** Every `--net` and `--publish`, or a refusal. Debian has a user network when nothing else is said, unless its time is virtual. */
export function parseNets(raw: readonly string[], given: { readonly image?: string | undefined; readonly deterministic: boolean }): { readonly nets: readonly NetOptions[]; readonly publish: readonly PublishOptions[] } {
  const texts = valuesOf(raw, "--net"), publish = valuesOf(raw, "--publish", "-p").map(parsePublish);
  const nets = texts.length === 0 && given.image === "debian" && !given.deterministic ? [{ kind: "user" } as const] : texts.map(parseNet);
  checkNets(nets, publish);
  return { nets, publish };
}
/** Every `--share` of a command line, or a refusal. */
export function parseShares(raw: readonly string[], deterministic: boolean): readonly ShareOptions[] {
  const shares = checkShares(valuesOf(raw, "--share").map(parseShare));
  if (deterministic && shares.length > 0) throw new Failure("HV-USAGE-SHARE", "--share: what comes from a directory of the host is not repeatable", { hint: "leave out --deterministic or the share" });
  return shares;
}
/** Every `--console` of a command line, or a refusal. */
export const parseConsoles = (raw: readonly string[]): readonly ConsoleOptions[] => checkConsoles(valuesOf(raw, "--console").map(parseConsole));
/** DIR, a tag behind the last colon, then `,ro`. */
function parseShare(text: string): ShareOptions {
  const readOnly = text.endsWith(",ro"), place = readOnly ? text.slice(0, -",ro".length) : text;
  const found = /^(.*):([^:/]*)$/s.exec(place);
  return { path: found?.[1] ?? place, tag: found?.[2], readOnly };
}
/** PATH, then options, each behind a comma. */
function parseDisk(text: string): DiskOptions {
  const words = text.split(",");
  let disk: DiskOptions = { path: words[0] as string };
  for (const word of words.slice(1)) {
    if (word === "ro") disk = { ...disk, readOnly: true };
    else if (word === "overlay" || word === "snapshot=on") disk = { ...disk, overlay: true };
    else if (word === "format=raw" || word === "format=qcow2") disk = { ...disk, format: word.slice("format=".length) as DiskFormat };
    else if (word === "backing=any") disk = { ...disk, backing: "any" };
    else if (word.startsWith("serial=")) disk = { ...disk, serial: word.slice("serial=".length) };
    else throw new Failure("HV-USAGE-DISK", `--disk: ${disk.path}: there is no option ${JSON.stringify(word)}`, { hint: "format=raw|qcow2, ro, overlay, serial=TEXT, backing=any" });
  }
  return disk;
}

/** The kinds of `--trace`, or a refusal. */
export function parseTrace(list: string | undefined): readonly TraceKind[] {
  if (list === undefined) return [];
  return list.split(",").map(word => {
    const found = TRACES.find(kind => kind === word.trim());
    if (found === undefined) throw new Failure("HV-USAGE-TRACE", `--trace: ${JSON.stringify(word)} is nothing that can be traced`, { hint: `a list of ${TRACES.join(", ")}` });
    return found;
  });
}

/** Reads what boots, pulling it first when it is Debian's. */
export async function readBootArguments(given: BootArguments): Promise<BootPlan> {
  const cpus = parseCpus(given.cpus), memory = checkMemory(parseSize(given.memory, "--memory"));
  let options: StartOptions = { kernel: given.image, firmware: given.firmware, firmwareVariables: given["firmware-vars"], dtb: given.dtb, initrd: given.initrd, cmdline: given.cmdline, cpus, memory };
  if (given.image === "debian") {
    const [{ pullDebian }, { progressReporter }] = await Promise.all([import("../host/debian/pull.ts"), import("./pull.ts")]);
    const reporter = progressReporter(process.stderr);
    try {
      const found = await pullDebian({ mirror: given.mirror, suite: given.suite, kernel: given.kernel, log: reporter.log, progress: reporter.progress });
      options = { ...options, kernel: found.kernel, initrd: given.initrd ?? found.initramfs };
    } finally {
      reporter.done();
    }
  } else {
    for (const name of ["suite", "kernel", "mirror"] as const) {
      if (given[name] !== undefined) throw new Failure("HV-USAGE", `--${name}: says which Debian to boot, but the image is ${given.image ?? "not Debian's"}`, { hint: `hv run debian --${name} ${given[name]}` });
    }
  }
  return readBootFiles(options);
}
