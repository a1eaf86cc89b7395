// test/differential/lockstep.ts — a whole guest on both engines at once: interpreter and generated code run the same
// kernel in steps of as many instructions, in deterministic time, and everything architectural must be the same behind
// every step: registers, system registers, flags, and what the guest sent to its console; memory at the end. At the first
// difference both start over, and walk block by block through the step that went wrong. Code that was changed and not yet
// made known by IC IVAU may run in its old form or its new one: there, generated code is made anew.
// bun test/differential/lockstep.ts IMAGE INITRD [instructions] [step] [cmdline]
import { REPEATABLE_FEATURES } from "../../src/cpu/features.ts";
import { createSoftwareVm, coreOf } from "../../src/hypervisor/software.ts";
import type { Cpu } from "../../src/cpu/interpret/cpu.ts";
import { Engine } from "../../src/cpu/translate/engine.ts";
import { Offset } from "../../src/cpu/state.ts";
import { slot, sysregs, type SysRegName } from "../../src/cpu/sysreg.ts";
import type { Vm } from "../../src/hypervisor/backend.ts";
import { openBootFiles } from "../../src/host/boot-files.ts";
import { loadBoot, prepareBoot } from "../../src/machine/boot.ts";
import { InstructionClock, repeatable } from "../../src/machine/clock.ts";
import { Machine } from "../../src/machine/machine.ts";

export interface Guest { readonly kernel: string; readonly initrd: string; readonly cmdline: string; readonly ramSize: number }

/** What only generated code uses, and the second half of an exclusive load's data, which most have not: words of the state. */
const PRIVATE = new Set([Offset.KICK, Offset.BUDGET, Offset.HOST_FLAGS, Offset.READY, Offset.MXCSR, Offset.READY_FPCR, Offset.READY_MXCSR, Offset.HOST_SP, Offset.HOST_SP + 4, Offset.CONTEXT, Offset.CONTEXT + 4, Offset.CODE_BASE, Offset.CODE_BASE + 4, Offset.EXCL_DATA + 8, Offset.EXCL_DATA + 12].map(offset => offset / 4));
const WORDS = 0x1000 / 4;
const COMPARED = Uint16Array.from(Array.from({ length: WORDS }, (_, i) => i).filter(i => !PRIVATE.has(i)));

/** Names of the words of the state. */
function nameOf(word: number): string {
  for (const name of Object.keys(sysregs) as SysRegName[]) if (word >> 1 === slot[name] / 8) return name;
  const [name = "", at = 0] = Object.entries(Offset).filter(([, offset]) => offset / 4 <= word).toSorted(([, a], [, b]) => b - a)[0] ?? [];
  return `${name}+${(word - at / 4) * 4}`;
}

class Side {
  readonly cpu: Cpu;
  readonly machine: Machine;
  readonly engine: Engine | undefined;
  console = "";
  readonly #vm: Vm;
  constructor(guest: Guest, engine: "interpreter" | "translator") {
    const clock = new InstructionClock();
    const vm = createSoftwareVm(clock, engine, 2, undefined, REPEATABLE_FEATURES);
    const random = repeatable();
    this.#vm = vm;
    this.machine = new Machine(vm, clock, {
      output: byte => { this.console += String.fromCharCode(byte); }, inputWanted: () => {}, poll: () => {}, random,
      wait: deadline => clock.skipTo(deadline ?? clock.ticks() + clock.frequency),
    }, { cpus: 1, ramSize: guest.ramSize });
    const [core] = this.machine.cores;
    if (core === undefined) throw new Error("a machine without a core");
    this.cpu = coreOf(core);
    this.engine = this.cpu.engine as Engine | undefined;
    this.engine?.saveAllFlags();
    clock.executed = () => core.instructions;
    const files = openBootFiles({ kernel: guest.kernel, initrd: guest.initrd, dtb: undefined, cmdline: guest.cmdline });
    const boot = prepareBoot(files, { cpus: 1, ramSize: guest.ramSize, gic: 2 });
    loadBoot(this.machine.ram, files, boot);
    this.machine.reset(boot.placement.entry, boot.placement.dtb);
  }
  get executed(): number { return this.cpu.executed; }
  [Symbol.dispose](): void { this.#vm.destroy(); }
}

function differences(a: Side, b: Side): string[] {
  const x = a.cpu.x, y = b.cpu.x;
  const found: string[] = [];
  for (let i = 0; i < COMPARED.length; i++) {
    const word = COMPARED[i] as number;
    if (x[word] !== y[word]) found.push(`${nameOf(word)}: interpreter ${((x[word] as number) >>> 0).toString(16)}, generated code ${((y[word] as number) >>> 0).toString(16)}`);
  }
  if (a.executed !== b.executed) found.push(`instructions: ${a.executed} and ${b.executed}`);
  if (a.console !== b.console) found.push("console");
  return found;
}
function memoryDifference(a: Side, b: Side): string | undefined {
  for (let w = 0; w < a.cpu.memory.words.length; w++) {
    const one = a.cpu.memory.words[w] as Int32Array, other = b.cpu.memory.words[w] as Int32Array;
    if (Buffer.compare(new Uint8Array(one.buffer), new Uint8Array(other.buffer)) === 0) continue;
    const at = one.findIndex((value, i) => value !== other[i]);
    return `memory at word ${at} of window ${w}: interpreter ${one[at]}, generated code ${other[at]}`;
  }
  return undefined;
}
const hex = (value: number): string => (value >>> 0).toString(16).padStart(8, "0");

/** True when a block was made from other words than memory has now: until IC IVAU, both are right. */
function stale(side: Side, guest: Int32Array): boolean {
  const { cpu } = side;
  return guest.some((word, i) => cpu.peek((cpu.pcLo + 4 * i) | 0, cpu.pcHi) !== word);
}

/** Runs to `instructions` in steps; undefined when nothing differs, else what does. `sabotage`: for a test of this test. */
export function lockstep(guest: Guest, instructions: number, step: number, sabotage?: (generated: Cpu) => void): string | undefined {
  const go = (a: Side, b: Side, count: number): boolean => {
    const kinds = [a.machine.run(count).kind, b.machine.run(count).kind];
    sabotage?.(b.cpu);
    return kinds.every(kind => kind === "budget");
  };
  /** One step, block by block, making stale blocks anew. What differs behind the first block that is wrong. */
  const walk = (a: Side, b: Side): string | undefined => {
    for (const end = a.executed + step; a.executed < end;) {
      let block = b.engine?.block();
      if (block !== undefined && stale(b, block.guest)) {
        b.engine?.invalidateAll();
        block = b.engine?.block();
      }
      const { pcLo, pcHi } = b.cpu, from = a.executed;
      const before = Array.from({ length: 31 }, (_, r) => `x${r} ${hex(b.cpu.x[2 * r + 1] as number)}${hex(b.cpu.x[2 * r] as number)}`).join(" ");
      go(a, b, Math.min(block?.guest.length ?? 1, end - from));
      const found = differences(a, b);
      if (found.length > 0) {
        return [
          `behind instruction ${from}, the block at ${hex(pcHi)}${hex(pcLo)}:`, ...found, `before: ${before}`,
          `guest code: ${[...block?.guest ?? []].map(hex).join(" ")}`, `host code: ${Buffer.from(block?.host ?? []).toString("hex")}`,
        ].join("\n");
      }
    }
    return undefined;
  };
  /** Steps to be walked: there was a difference behind them. */
  const doubtful = new Set<number>();
  for (;;) {
    using a = new Side(guest, "interpreter"), b = new Side(guest, "translator");
    let again = false;
    while (a.executed < instructions && !again) {
      const from = a.executed;
      if (doubtful.has(from)) {
        const wrong = walk(a, b);
        if (wrong !== undefined) return wrong;
        continue;
      }
      const on = go(a, b, step);
      if (differences(a, b).length > 0) {
        doubtful.add(from);
        again = true;
      } else if (!on) break; // the guest ended
    }
    if (!again) return memoryDifference(a, b);
  }
}

if (import.meta.main) {
  const [kernel, initrd, instructions = "1e9", step = "1000", cmdline = "console=ttyAMA0"] = process.argv.slice(2);
  if (kernel === undefined || initrd === undefined) {
    console.error("usage: bun test/differential/lockstep.ts IMAGE INITRD [instructions] [step] [cmdline]");
    process.exit(2);
  }
  const wrong = lockstep({ kernel, initrd, cmdline, ramSize: 256 * 2 ** 20 }, Number(instructions), Number(step));
  console.log(wrong ?? "no difference");
  process.exit(wrong === undefined ? 0 : 1);
}
