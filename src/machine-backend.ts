// src/machine-backend.ts — the backend of a machine thread, with its clock and the threads beside it: the one place where
// an accelerator's name becomes an object.
// Lies beside main.ts, with the other files that start Workers.
import { Hypervisor } from "../ffi/hypervisor.ts";
import { ExitCode, Failure } from "./failure.ts";
import type { KickMessage } from "./hypervisor-thread.ts";
import type { GicPlaces, Vm } from "./hypervisor/backend.ts";
import { HvfVm, type HvfVcpuMessage } from "./hypervisor/hvf.ts";
import type { HvfVcpu } from "./hypervisor/hvf-vcpu.ts";
import { Watched } from "./hypervisor/kick.ts";
import { KvmVm, type KvmVcpuMessage } from "./hypervisor/kvm.ts";
import { DEFAULT_FEATURES, REPEATABLE_FEATURES, type Features } from "./cpu/features.ts";
import { Engine } from "./cpu/translate/engine.ts";
import { createSoftwareVm } from "./hypervisor/software.ts";
import { HostClock } from "./hypervisor/host-clock.ts";
import type { SoftwareVcpuMessage } from "./hypervisor/software-thread.ts";
import { InstructionClock, type MachineClock } from "./machine/clock.ts";
import { CLOCK_HZ, RAM_BASE, gicRedistributor, platform } from "./machine/platform.ts";
import type { StartMessage } from "./machine-protocol.ts";

/** How long the threads beside may take to start or to end. */
const GRACE_MS = 10_000;

export interface OpenedBackend {
  readonly vm: Vm;
  readonly clock: MachineClock;
  /** The cores are made. */
  ready(): void;
  /** The machine thread has seen this ring of its doorbell; it is about to sleep. */
  answered(rings: number): void;
  resting(): void;
  /** Frees everything. */
  close(): void;
}

/** Opens what `start` asks for; throws a Failure when the host refuses. */
export function openBackend(start: StartMessage, bell: Int32Array): OpenedBackend {
  if (start.deterministic && start.accelerator !== "software") {
    throw new Failure("HV-DETERMINISTIC", `--deterministic: ${start.accelerator} does not count instructions`, { hint: "--accel software does", exit: ExitCode.unsupported });
  }
  if (start.features !== undefined && start.accelerator !== "software") {
    throw new Failure("HV-CPU", `--cpu: on ${start.accelerator} the guest has this host's CPU`, { hint: "leave out --cpu; or --accel software", exit: ExitCode.unsupported });
  }
  switch (start.accelerator) {
    case "software": {
      const features = featuresOf(start);
      const gic = start.gic === 3 ? 3 : 2;
      if (coresAtOnce(start)) {
        const clock = new HostClock(CLOCK_HZ), thread = (message: SoftwareVcpuMessage): void => { new Worker(start.hypervisorThread).postMessage(message); };
        const vm = createSoftwareVm(clock, start.engine, gic, { cpus: start.cpus, processors: navigator.hardwareConcurrency, thread, bell: bell.buffer as SharedArrayBuffer, clock }, features);
        return { vm, clock, ready: () => {}, answered: () => {}, resting: () => {}, close: () => vm.destroy() };
      }
      const clock = start.deterministic ? new InstructionClock() : new HostClock(CLOCK_HZ), vm = createSoftwareVm(clock, start.engine, gic, undefined, features);
      return { vm, clock, ready: () => {}, answered: () => {}, resting: () => {}, close: () => vm.destroy() };
    }
    case "hvf": return openHvf(start, bell);
    case "kvm": return openKvm(start, bell);
    default: return start.accelerator satisfies never;
  }
}

/** Random numbers are not repeatable. */
function featuresOf({ features, deterministic }: StartMessage): Features {
  if (features === undefined) return deterministic ? REPEATABLE_FEATURES : DEFAULT_FEATURES;
  if (deterministic && features.includes("RNG")) throw new Failure("HV-CPU", "--cpu: RNG's numbers are not repeatable", { hint: "leave out --deterministic, or add ,-RNG", exit: ExitCode.unsupported });
  return new Set(features);
}
/** Whether the cores of the software CPU run at the same time: when asked for, or when there is something to win and nothing that forbids it. */
function coresAtOnce(start: StartMessage): boolean {
  const { smpThreads, cpus, engine, deterministic, trace } = start;
  if (cpus === 1 || smpThreads === "off") return false;
  const against = deterministic ? "--deterministic runs one CPU at a time" : trace.includes("sysreg") ? "--trace sysreg shows one CPU at a time"
    : engine === "interpreter" ? "the interpreter runs one CPU at a time" : !Engine.possible() ? "this host refuses generated code" : undefined;
  if (smpThreads === "on" && against !== undefined) throw new Failure("HV-SMP-THREADS", `--smp-threads on: ${against}`, { hint: "--smp-threads auto", exit: ExitCode.unsupported });
  return against === undefined && (smpThreads === "on" || (start.load.kind !== "program" && navigator.hardwareConcurrency > 1));
}
const PLACES: GicPlaces = { distributor: platform.gicDistributor.base, cpuInterface: platform.gicCpuInterface.base, redistributor: gicRedistributor.base };

function openKvm(start: StartMessage, bell: Int32Array): OpenedBackend {
  const thread = (message: KickMessage | KvmVcpuMessage): void => { new Worker(start.hypervisorThread).postMessage(message); };
  const vm = new KvmVm({ gic: start.gic, places: PLACES, end: RAM_BASE + start.ramSize, ...(start.cpus > 1 ? { thread, bell: bell.buffer as SharedArrayBuffer } : {}) });
  const { clock } = vm, watched = new Watched(bell);
  return {
    vm, clock,
    ready: () => {
      vm.ready();
      if (vm.concurrent) return;
      thread({ kind: "kvm kick", bell: bell.buffer as SharedArrayBuffer, shared: watched.shared, ids: [], kicks: vm.vcpus.map(one => one.kickAddress) });
      if (!watched.started(GRACE_MS)) throw new Error("the thread beside the machine thread did not start");
      for (const one of vm.vcpus) one.beforeRun = deadline => watched.arm(deadline === undefined ? Number.POSITIVE_INFINITY : clock.hostTime(deadline));
    },
    answered: rings => watched.answered(rings),
    resting: () => watched.disarm(),
    close: () => {
      watched.end(GRACE_MS);
      vm.destroy();
    },
  };
}
function openHvf(start: StartMessage, bell: Int32Array): OpenedBackend {
  const hv = Hypervisor.open();
  const thread = (message: KickMessage | HvfVcpuMessage): void => { new Worker(start.hypervisorThread).postMessage(message); };
  const vm = new HvfVm(hv, {
    ...(start.cpus > 1 ? { thread, bell: bell.buffer as SharedArrayBuffer } : {}),
    gic: start.gic === "auto" ? "auto" : start.gic === 3 ? "framework" : "own", cpus: start.cpus, end: RAM_BASE + start.ramSize,
    places: PLACES,
  });
  const { clock } = vm, watched = new Watched(bell);
  return {
    vm, clock,
    ready: () => {
      const vcpus: readonly HvfVcpu[] = vm.vcpus;
      if (vm.concurrent) return; // this thread is never in the guest: its doorbell wakes it
      thread({ kind: "kick", bell: bell.buffer as SharedArrayBuffer, shared: watched.shared, ids: vcpus.map(one => one.id), kicks: vcpus.map(one => one.kickAddress) });
      if (!watched.started(GRACE_MS)) throw new Error("the thread beside the machine thread did not start");
      for (const one of vcpus) one.beforeRun = deadline => watched.arm(deadline === undefined ? Number.POSITIVE_INFINITY : deadline + clock.offset);
    },
    answered: rings => watched.answered(rings),
    resting: () => {
      if (vm.concurrent && clock.catchUp()) vm.refresh();
      watched.disarm();
    },
    close: () => {
      watched.end(GRACE_MS);
      vm.destroy();
    },
  };
}
