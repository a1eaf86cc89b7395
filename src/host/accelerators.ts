// src/host/accelerators.ts — what can execute a guest on this host, and why the others cannot.
import { ExitCode, Failure } from "../failure.ts";

export interface Accelerator {
  readonly name: "hvf" | "kvm" | "software";
  readonly available: boolean;
  /** Why it is missing, or what it is. */
  readonly why: string;
}

const host = `${process.platform} on ${process.arch}`;

/** Every accelerator, best first. */
export function accelerators(): readonly Accelerator[] {
  return [
    { name: "hvf", available: false, why: process.platform === "darwin" && process.arch === "arm64" ? "this version of hv cannot use Hypervisor.framework yet" : `this host has no Hypervisor.framework (${host})` },
    { name: "kvm", available: false, why: process.platform !== "linux" ? `this host has no KVM (${host})` : process.arch !== "arm64" ? `KVM of this host (${host}) runs no arm64 guests` : "this version of hv cannot use KVM yet" },
    { name: "software", available: true, why: "an interpreter, works everywhere" },
  ];
}

/** The accelerator to use, and why, for `--accel`. */
export function chooseAccelerator(wanted: string): { readonly name: string; readonly why: string } {
  const all = accelerators();
  if (wanted === "auto") {
    const best = all.find(one => one.available) as Accelerator;
    const missing = all.filter(one => !one.available && (one.name === "hvf") === (process.platform === "darwin"));
    return { name: best.name, why: missing.map(one => one.why).join("; ") || best.why };
  }
  const found = all.find(one => one.name === wanted);
  if (found === undefined) throw new Failure("HV-USAGE-ACCEL", `--accel: there is no ${JSON.stringify(wanted)}`, { hint: "auto or software" });
  if (!found.available) throw new Failure("HV-ACCEL-MISSING", `--accel: ${found.name} is not there: ${found.why}`, { hint: "--accel auto takes what there is; hv doctor lists it", exit: ExitCode.unsupported });
  return { name: found.name, why: "as asked" };
}
