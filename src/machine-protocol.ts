// src/machine-protocol.ts — what the main thread and the machine thread say to each other. Types and constants only.
// Both directions are messages. The machine thread never returns to its event loop while a guest runs: it looks at its
// port when the doorbell word has changed, so whoever sends a message also rings.
import type { FeatureName } from "./cpu/features.ts";
import type { DiskOptions } from "./host/disks.ts";
import type { ShareOptions } from "./host/shares.ts";
import type { BootSources, FirmwareSources } from "./host/boot-files.ts";
import type { BalloonStats } from "../devices/virtio/balloon.ts";
import type { EngineChoice } from "./hypervisor/software.ts";
import type { Outcome, Transport } from "./machine/machine.ts";
import type { PortStart } from "./machine-console.ts";
import type { NetStart } from "./machine-net.ts";

/** Words of the shared doorbell memory (i32). */
export const Bell = {
  /** Counts rings; the machine thread sleeps on it. */
  doorbell: 0,
  /** Bytes of console and trace that the main thread has not written out yet. */
  unwritten: 1,
  WORDS: 2,
} as const;
/** The guest stands still while more than this many bytes are not written out. */
export const UNWRITTEN_LIMIT: number = 256 * 1024;

/** What can execute a guest. */
export type AcceleratorName = "hvf" | "kvm" | "software";
export type GicChoice = "auto" | 2 | 3;
/** Cores at the same time, in turn, or as it suits. */
export type ThreadsChoice = "on" | "off" | "auto";

export const TRACES = ["exits", "mmio", "sysreg", "irq"] as const;
export type TraceKind = (typeof TRACES)[number];

/** A program that runs without a kernel: words at an address, started there at EL1 with the MMU off. */
export interface Program {
  readonly bytes: Uint8Array;
  readonly at: number;
}
/** What the machine starts with. */
export type Load =
  | { readonly kind: "boot"; readonly sources: BootSources }
  | { readonly kind: "firmware"; readonly sources: FirmwareSources }
  | { readonly kind: "program"; readonly program: Program };
export interface StartMessage {
  readonly bell: SharedArrayBuffer;
  readonly accelerator: AcceleratorName;
  readonly engine: EngineChoice;
  /** The interrupt controller wanted. */
  readonly gic: GicChoice;
  /** Entry of the threads beside the machine thread: a URL. */
  readonly hypervisorThread: string;
  /** Entry of the thread that syncs disks: a URL. */
  readonly diskThread: string;
  readonly cpus: number;
  /** Whether the software CPU's cores run at the same time, if there are several. */
  readonly smpThreads: ThreadsChoice;
  /** Optional features of the software CPU; the usual ones when nothing is said. */
  readonly features?: readonly FeatureName[] | undefined;
  readonly ramSize: number;
  /** In the order of their slots. */
  readonly disks: readonly DiskOptions[];
  /** Shared directories. */
  readonly shares?: readonly ShareOptions[] | undefined;
  /** The bus of the virtio devices; default mmio. */
  readonly transport?: Transport | undefined;
  /** A balloon of so many bytes. */
  readonly balloon?: number | undefined;
  /** A device that gives the guest entropy. */
  readonly rng: boolean;
  /** Network interfaces: their frames go through rings in shared memory. */
  readonly nets: readonly NetStart[];
  /** Ports of a console device: the same. */
  readonly ports: readonly PortStart[];
  readonly load: Load;
  /** Runs at once, and after a guest's reset again. */
  readonly autostart: boolean;
  readonly reboot: boolean;
  /** Time is made of executed instructions, and nothing is random. */
  readonly deterministic: boolean;
  /** BRK ends a run. */
  readonly debugExits: boolean;
  readonly trace: readonly TraceKind[];
}

/** A question to the machine, and what answers it. */
export interface Questions {
  registers: { readonly args: { readonly cpu: number }; readonly answer: { readonly x: readonly bigint[]; readonly sp: bigint; readonly pc: bigint; readonly pstate: number } };
  setRegister: { readonly args: { readonly cpu: number; readonly name: string; readonly value: bigint }; readonly answer: undefined };
  systemRegister: { readonly args: { readonly cpu: number; readonly name: string }; readonly answer: bigint };
  read: { readonly args: { readonly address: number; readonly length: number }; readonly answer: Uint8Array };
  write: { readonly args: { readonly address: number; readonly bytes: Uint8Array }; readonly answer: undefined };
  interrupt: { readonly args: { readonly spi: number; readonly level: boolean }; readonly answer: undefined };
  reset: { readonly args: Readonly<Record<never, never>>; readonly answer: undefined };
  counters: { readonly args: Readonly<Record<never, never>>; readonly answer: Counters };
  /** Sets the target when it is given. */
  balloon: { readonly args: { readonly target?: number | undefined }; readonly answer: BalloonState };
  /** Makes a disk larger. */
  resizeDisk: { readonly args: { readonly index: number; readonly bytes: number }; readonly answer: undefined };
  describe: { readonly args: Readonly<Record<never, never>>; readonly answer: string };
}
export interface BalloonState {
  /** Bytes that the balloon should have, and has. */
  readonly target: number;
  readonly actual: number;
  /** Bytes given back to the host since the machine was made: by the balloon, and of pages that the guest reported free. */
  readonly released: number;
  /** What the guest said of its memory, asked for by the call before this one. */
  readonly stats: BalloonStats;
}
export interface Counters {
  /** Instructions executed by all cores. */
  readonly instructions: number;
  /** Exits by kind. */
  readonly exits: Readonly<Record<string, number>>;
  /** Accesses by device, and to addresses where nothing is. */
  readonly devices: Readonly<Record<string, number>>;
  readonly unassigned: number;
  /** What devices noticed. */
  readonly notes: Readonly<Record<string, number>>;
  /** What happened in the machine's networks outside of the guest: refusals, failures, what was dropped. */
  readonly network: Readonly<Record<string, number>>;
}
export type QuestionName = keyof Questions;
export type Question = { readonly [K in QuestionName]: { readonly name: K; readonly args: Questions[K]["args"] } }[QuestionName];

export type ToMachine =
  /** `held`: kept back until the guest listens (see serial.ts). */
  | { readonly kind: "input"; readonly bytes: Uint8Array; readonly held: boolean }
  | { readonly kind: "powerKey" }
  | { readonly kind: "stop" }
  | { readonly kind: "run"; readonly limit: number }
  | { readonly kind: "ask"; readonly id: number; readonly question: Question }
  /** Ends the machine: answered by `closed`. `release`: nobody will kick it any more; answered by `gone`. */
  | { readonly kind: "close" }
  | { readonly kind: "release" };

/** How a run ended. */
export type RunOutcome = Exclude<Outcome, { kind: "paused" }> | { readonly kind: "stopped" };

export type FromMachine =
  /** Ready to run. Host addresses of the cores' kick words; what was changed in a user's device tree. */
  | { readonly kind: "ready"; readonly backend: string; readonly engine: string; readonly kicks: readonly number[]; readonly patched: readonly string[] }
  | { readonly kind: "console"; readonly bytes: Uint8Array }
  | { readonly kind: "trace"; readonly bytes: Uint8Array }
  /** Held or typed input that the guest has not taken: the sender may go on below a limit. */
  | { readonly kind: "inputTaken"; readonly waiting: number }
  /** One line for the user. */
  | { readonly kind: "notice"; readonly text: string }
  /** A ring of this network interface has something for its reader, or room for its writer. */
  | { readonly kind: "frames"; readonly index: number }
  /** The same of a port of the console device. */
  | { readonly kind: "port"; readonly index: number }
  /** The guest reset itself and runs again. */
  | { readonly kind: "rebooted" }
  | { readonly kind: "outcome"; readonly outcome: RunOutcome }
  | { readonly kind: "answer"; readonly id: number; readonly value: unknown }
  | { readonly kind: "refusal"; readonly id: number; readonly why: string }
  | { readonly kind: "closed" }
  | { readonly kind: "gone" }
  | { readonly kind: "failure"; readonly failure: { readonly code: string; readonly message: string; readonly hint: string | undefined; readonly exit: number } | undefined; readonly stack: string };
