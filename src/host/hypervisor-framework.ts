// src/host/hypervisor-framework.ts — whether this Mac can run guests on Hypervisor.framework, and each thing that it lacks.
// Spec: <Hypervisor/*.h>; sysctl(3) names kern.hv_support, sysctl.proc_translated. Looks by doing: a virtual machine is
// made and destroyed, which is the only way to learn of a missing entitlement.
import { Hypervisor, HypervisorError, Status, sysctl, sysctlText } from "../../ffi/hypervisor.ts";

/** One thing that was looked at. */
export interface Finding {
  readonly what: string;
  /** Undefined: a fact, neither good nor bad. */
  readonly ok: boolean | undefined;
  readonly found: string;
}
export interface HypervisorState {
  readonly available: boolean;
  /** Why it is missing, or what it is. */
  readonly why: string;
  readonly findings: readonly Finding[];
}
/** What of the system is looked at; tests give their own. */
export interface Mac {
  readonly arch: string;
  sysctl(name: string): number | undefined;
  version(): string | undefined;
  open(): Hypervisor;
}
const thisMac: Mac = { arch: process.arch, sysctl, version: () => sysctlText("kern.osproductversion"), open: () => Hypervisor.open() };

/** How to sign the executable again, in one line. */
export const SIGNING = "codesign --force --sign - --entitlements entitlements.plist --identifier hv hv (docs/mac.md has the file)";

/** Looks at this Mac. */
export function examineMac(mac: Mac = thisMac): HypervisorState {
  const findings: Finding[] = [];
  let missing: string | undefined;
  const note = (what: string, ok: boolean | undefined, found: string): void => {
    findings.push({ what, ok, found });
    if (ok === false) missing ??= found;
  };
  const version = mac.version();
  note("macOS", undefined, version ?? "of unknown version");
  const translated = mac.sysctl("sysctl.proc_translated") === 1;
  note("processor", mac.arch === "arm64" && !translated, translated ? "this hv is an x64 program under Rosetta: take the arm64 one" : mac.arch === "arm64" ? "Apple silicon" : "no Apple silicon: guests here are arm64");
  const support = mac.sysctl("kern.hv_support");
  note("kern.hv_support", support === 1, support === 1 ? "1" : "macOS offers no virtualization here (kern.hv_support is not 1): inside a virtual machine it needs an M3 and macOS 15 outside");
  let hv: Hypervisor | undefined;
  try {
    hv = mac.open();
  } catch (error) {
    note("framework", false, `Hypervisor.framework cannot be opened: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (hv !== undefined) capabilities(hv, note);
  return { available: missing === undefined, why: missing ?? `Hypervisor.framework of macOS ${version ?? "?"}`, findings };
}

function capabilities(hv: Hypervisor, note: (what: string, ok: boolean | undefined, found: string) => void): void {
  note("framework", true, `level of macOS ${hv.ipaGranule !== undefined ? "26" : hv.gic !== undefined ? "15" : hv.ipaSize !== undefined ? "13" : "11"} or later`);
  const cell = new Uint32Array(1), flag = new Uint8Array(1);
  const ask = (call: () => void, text: () => string): string => {
    try {
      call();
      return text();
    } catch (error) {
      return error instanceof HypervisorError ? error.message : String(error);
    }
  };
  note("vCPUs at most", undefined, ask(() => hv.base.hv_vm_get_max_vcpu_count(cell), () => String(cell[0])));
  const { ipaSize, gic } = hv;
  if (ipaSize === undefined) note("guest addresses", undefined, "36 bits: more came with macOS 13");
  else {
    const usual = ask(() => ipaSize.hv_vm_config_get_default_ipa_size(cell), () => String(cell[0]));
    note("guest addresses", undefined, `${usual} bits, at most ${ask(() => ipaSize.hv_vm_config_get_max_ipa_size(cell), () => String(cell[0]))}`);
  }
  note("interrupt controller", undefined, gic === undefined ? "hv's own: the framework's came with macOS 15" : "the framework's (hv_gic), version 3");
  if (gic !== undefined) note("nested guests", undefined, ask(() => gic.hv_vm_config_get_el2_supported(flag), () => (flag[0] === 1 ? "this Mac could" : "this Mac cannot")));
  note("counter", undefined, `${hv.frequency()} Hz`);
  try {
    hv.base.hv_vm_create(null);
    hv.base.hv_vm_destroy();
    note("entitlement", true, "com.apple.security.hypervisor");
  } catch (error) {
    if (!(error instanceof HypervisorError)) throw error;
    const unsigned = error.status === Status.HV_DENIED || error.status === Status.HV_UNSUPPORTED;
    note("entitlement", false, unsigned ? `${error.message}: this executable has no entitlement for virtual machines; sign it again: ${SIGNING}` : `${error.message}${error.hint === undefined ? "" : `: ${error.hint}`}`);
  }
}
