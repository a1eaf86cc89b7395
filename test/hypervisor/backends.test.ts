// test/hypervisor/backends.test.ts — the contract of backends on the software CPU and, through the stand-in, on
// Hypervisor.framework; and one guest that leaves in every way, seen by both.
import { expect, test } from "bun:test";
import { Hypervisor } from "../../ffi/hypervisor.ts";
import { HvfVm } from "../../src/hypervisor/hvf.ts";
import { createSoftwareVm, type EngineChoice } from "../../src/hypervisor/software.ts";
import { gicRedistributor, platform } from "../../src/machine/platform.ts";
import { backendContract, everyExit, Guest, RAM, RAM_SIZE, type Backend } from "../contract/hypervisor.ts";
import { HandClock } from "../devices/wires.ts";
import { standInThreads } from "../support/stand-in.ts";
import { StandIn, type StandInOptions } from "../support/hypervisor-framework.ts";

export const places: { distributor: number; cpuInterface: number; redistributor: number } = { distributor: platform.gicDistributor.base, cpuInterface: platform.gicCpuInterface.base, redistributor: gicRedistributor.base };
function software(engine: EngineChoice): Backend {
  const clock = new HandClock(), vm = createSoftwareVm(clock, engine);
  return { vm, setTicks: ticks => { clock.now = ticks; }, [Symbol.dispose]: () => vm.destroy() };
}
function hvf(options: StandInOptions = {}): Backend & { readonly standIn: StandIn } {
  const host = { now: 5000 };
  const standIn = new StandIn({ time: () => host.now, ...options }).install();
  const vm = new HvfVm(Hypervisor.open(), { gic: "own", places, end: RAM + RAM_SIZE, cpus: 1 });
  return {
    vm, standIn, setTicks: ticks => { host.now = 5000 + ticks; },
    [Symbol.dispose]: () => {
      vm.destroy();
      standIn[Symbol.dispose]();
    },
  };
}
/** The core in a thread of its own. */
function threaded(): Backend {
  const standIn = new StandIn().install();
  standIn.setTime(5000);
  const workers: Worker[] = [];
  const vm = new HvfVm(Hypervisor.open(), {
    gic: "own", places, end: RAM + RAM_SIZE, cpus: 2, bell: new SharedArrayBuffer(8),
    thread: message => {
      const worker = new Worker(standInThreads.hypervisor);
      worker.postMessage(message);
      workers.push(worker);
    },
  });
  return {
    vm, setTicks: ticks => standIn.setTime(5000 + ticks),
    [Symbol.dispose]: () => {
      vm.destroy();
      for (const worker of workers) worker.terminate();
      standIn[Symbol.dispose]();
    },
  };
}

backendContract("the software CPU, interpreted", () => software("interpreter"));
backendContract("the software CPU, translated", () => software("translator"));
backendContract("Hypervisor.framework's stand-in", () => hvf());
backendContract("Hypervisor.framework's stand-in as of macOS 11", () => hvf({ level: "11.0" }));
backendContract("Hypervisor.framework's stand-in, the core in a thread of its own,", () => threaded());

test("a guest that leaves in every way leaves the same way on both, and ends in the same state", () => {
  const run = (backend: Backend): { exits: unknown; registers: unknown; vector: bigint } => {
    using guest = new Guest(backend, everyExit, asm => asm.brk(42));
    guest.backend.setTicks(10);
    // the timer interrupt at the end is taken: VBAR + 0x280 holds the next BRK
    guest.vcpu.setLines(false, false);
    const exits = [];
    for (let i = 0; i < 200; i++) {
      const one = guest.next(), { exit } = guest.vcpu;
      exits.push(one);
      if (exit.kind === "vtimer") break;
      if (exit.kind === "mmio" || exit.kind === "sysreg") {
        if (exit.write) guest.vcpu.completeWrite();
        else guest.vcpu.completeRead(0x8899_aabb + i, 0xf122_3344);
      } else if (exit.kind === "call" && exit.conduit === "smc") guest.vcpu.completeWrite();
    }
    return { exits, registers: guest.vcpu.registers(), vector: guest.vcpu.systemRegister("VBAR_EL1") as bigint };
  };
  const expected = run(software("interpreter"));
  expect((expected.exits as { kind: string }[]).map(one => one.kind).filter((kind, i, all) => all.indexOf(kind) === i)).toEqual(["mmio", "sysreg", "call", "wfi", "vtimer"]);
  expect((expected.exits as unknown[]).length).toBeGreaterThan(40);
  expect(run(software("translator"))).toEqual(expected);
  expect(run(hvf())).toEqual(expected);
  expect(run(threaded())).toEqual(expected);
});
