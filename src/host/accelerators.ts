// src/host/accelerators.ts — what can execute a guest on this host, and why the others cannot.
import { Hypervisor } from "../../ffi/hypervisor.ts";
import { kvmMissing } from "../../ffi/kvm.ts";
import { foreignCallsWork } from "../../ffi/memory.ts";
import { ExitCode, Failure } from "../failure.ts";
import { examineMac, type HypervisorState } from "./hypervisor-framework.ts";

export interface Accelerator {
  readonly name: "hvf" | "kvm" | "software";
  readonly available: boolean;
  /** Why it is missing, or what it is. */
  readonly why: string;
}

const host = `${process.platform} on ${process.arch}`;

let mac: HypervisorState | undefined;
/** What was found of Hypervisor.framework; looked at once. Undefined on hosts that are no Mac. */
export function hypervisorState(): HypervisorState | undefined {
  return process.platform === "darwin" ? mac ??= examineMac() : undefined;
}

function kvm(): { readonly available: boolean; readonly why: string } {
  if (process.platform !== "linux") return { available: false, why: `this host has no KVM (${host})` };
  if (process.arch !== "arm64") return { available: false, why: `KVM of this host (${host}) runs no arm64 guests` };
  const missing = kvmMissing();
  return { available: missing === undefined, why: missing ?? "the kernel's KVM" };
}

function software(): { readonly available: boolean; readonly why: string } {
  // Without executable memory Bun has no foreign calls, and without those there is no guest RAM.
  if (!foreignCallsWork()) return { available: false, why: "this host denies hv executable memory (a rule of seccomp, SELinux or systemd's MemoryDenyWriteExecute)" };
  return { available: true, why: process.arch === "x64" ? "a translator to x86-64; an interpreter where the host refuses generated code" : "an interpreter, works everywhere" };
}

/** Every accelerator, best first. */
export function accelerators(): readonly Accelerator[] {
  const { available, why } = hypervisorState() ?? { available: false, why: `this host has no Hypervisor.framework (${host})` };
  return [
    { name: "hvf", available, why },
    { name: "kvm", ...kvm() },
    { name: "software", ...software() },
  ];
}

export type Engine = "auto" | "translator" | "interpreter";
const ENGINES: readonly string[] = ["auto", "translator", "interpreter"];

/** What `--accel` names: the accelerator, why it was chosen, and the engine of the software CPU. */
export interface Choice {
  readonly name: Accelerator["name"];
  readonly why: string;
  readonly engine: Engine;
}

/** Reads `--accel`: auto, or a name, with `engine=` behind a comma for the software CPU. */
export function chooseAccelerator(given: string): Choice {
  const [wanted = "", ...options] = given.split(",");
  const all = accelerators();
  const found = wanted === "auto" ? all.find(one => one.available) ?? all.find(one => one.name === "software") : all.find(one => one.name === wanted);
  if (found === undefined) throw new Failure("HV-USAGE-ACCEL", `--accel: there is no ${JSON.stringify(wanted)}`, { hint: "auto, software, hvf or kvm" });
  if (!found.available) throw new Failure("HV-ACCEL-MISSING", `--accel: ${found.name} is not there: ${found.why}`, { hint: "--accel auto takes what there is; hv doctor lists it", exit: ExitCode.unsupported });
  let engine: Engine = "auto";
  for (const option of options) {
    const [key, value = ""] = option.split("=");
    if (key !== "engine" || found.name !== "software" || !ENGINES.includes(value)) {
      throw new Failure("HV-USAGE-ACCEL", `--accel: ${JSON.stringify(option)} is no option of ${found.name}`, { hint: "--accel software,engine=translator or engine=interpreter" });
    }
    engine = value as Engine;
  }
  const missing = all.filter(one => !one.available && (one.name === "hvf") === (process.platform === "darwin"));
  return { name: found.name, why: wanted === "auto" ? missing.map(one => one.why).join("; ") || found.why : "as asked", engine };
}

/** CPUs by version of the interrupt controller; where guests run on the host's own, one thread each, no more than eight. */
export const MOST_CPUS = { 2: 8, 3: 64 } as const;
const MOST_THREADS = 8;
/** Refuses more CPUs than the accelerator or the interrupt controller can have. */
function checkCpusOf(accelerator: Accelerator["name"], wanted: "auto" | 2 | 3, cpus: number): void {
  if (accelerator !== "software" && cpus > MOST_THREADS) throw new Failure("HV-USAGE-CPUS", `--cpus: ${accelerator} gives a guest up to ${MOST_THREADS} CPUs, not ${cpus}`, { hint: `--accel software has up to ${MOST_CPUS[3]}` });
  if (wanted === 2 && cpus > MOST_CPUS[2]) throw new Failure("HV-USAGE-CPUS", `--cpus: version 2 of the interrupt controller reaches ${MOST_CPUS[2]} CPUs, not ${cpus}`, { hint: "--gic 3, or --gic auto" });
}
/** What a machine is asked for: the software CPU's controller is chosen here, others choose their own. */
export function gicChoice(accelerator: Accelerator["name"], wanted: "auto" | 2 | 3, cpus: number): "auto" | 2 | 3 {
  checkCpusOf(accelerator, wanted, cpus);
  return accelerator === "software" ? gicVersion(accelerator, wanted, cpus) : wanted;
}
/** The version of the interrupt controller that a machine gets. */
export function gicVersion(accelerator: Accelerator["name"], wanted: "auto" | 2 | 3, cpus: number): 2 | 3 {
  checkCpusOf(accelerator, wanted, cpus);
  if (wanted !== "auto") return wanted;
  if (accelerator === "software") return cpus > MOST_CPUS[2] ? 3 : 2;
  return accelerator === "hvf" && Hypervisor.open().gic !== undefined ? 3 : 2;
}
