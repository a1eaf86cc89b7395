// src/cpu/interpret/wires.ts — what a core of the interpreter is made of.
import type { Clock } from "../../../devices/device.ts";
import type { Domain } from "../domain.ts";
import type { Features } from "../features.ts";
import type { MemoryMap } from "../memory-map.ts";
import type { Cpu, Instruction } from "./cpu.ts";

/** What a core is wired to. */
export interface CpuWires {
  readonly index: number;
  readonly memory: MemoryMap;
  readonly clock: Clock;
  readonly instructions: readonly Instruction[];
  /** The cores that take turns in this thread, this one included: inner-shareable TLB maintenance reaches them. */
  readonly peers: readonly Cpu[];
  /** The way to the cores in other threads, when there are some. */
  readonly domain?: Domain | undefined;
  /** Optional features; the usual ones when nothing is said. */
  readonly features?: Features | undefined;
}
