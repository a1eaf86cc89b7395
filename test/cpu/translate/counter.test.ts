// test/cpu/translate/counter.test.ts — generated code that reads the counter itself: it must be the machine's clock, as
// everybody else reads it, keep the guest's registers, and ask CNTKCTL_EL1.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { NativeMemory } from "../../../ffi/memory.ts";
import { Cpu } from "../../../src/cpu/interpret/cpu.ts";
import { instructions } from "../../../src/cpu/interpret/instructions.ts";
import { MemoryMap } from "../../../src/cpu/memory-map.ts";
import { Offset } from "../../../src/cpu/state.ts";
import { slot } from "../../../src/cpu/sysreg.ts";
import { Engine } from "../../../src/cpu/translate/engine.ts";
import { HostClock } from "../../../src/hypervisor/host-clock.ts";
import { Assembler } from "../../support/assembler.ts";

const RAM = 0x4000_0000, SIZE = 1 << 20, CODE = RAM, VECTORS = RAM + 0x2000, HZ = 24_000_000;
const EL0PCTEN = 1, EL0VCTEN = 2;
const TRAPPED = 0x18; // exception class: MSR, MRS

let memory: NativeMemory, cpu: Cpu, engine: Engine, clock: HostClock;
beforeEach(() => {
  memory = NativeMemory.allocate(SIZE);
  clock = new HostClock(HZ);
  const map = new MemoryMap();
  map.add(RAM, memory, SIZE, false);
  cpu = new Cpu({ index: 0, memory: map, peers: [], instructions, clock });
  engine = Engine.create(cpu) as Engine;
  cpu.engine = engine;
  cpu.debugExits = true;
  cpu.x[slot.VBAR_EL1 / 4] = VECTORS;
  const ram = new DataView(memory.window(0));
  for (const vector of [0x200, 0x400]) ram.setUint32(VECTORS - RAM + vector, 0xd420_0000, true); // BRK
});
afterEach(() => {
  cpu.state.memory.free();
  memory.free();
});

/** Runs a program at EL1, until its BRK. */
function run(write: (asm: Assembler) => Assembler): void {
  const words = write(new Assembler(CODE)).brk(0).words(), ram = new DataView(memory.window(0));
  words.forEach((word, i) => ram.setUint32(CODE - RAM + 4 * i, word, true));
  engine.invalidateAll();
  const { x } = cpu;
  x[Offset.PC / 4] = CODE;
  x[Offset.PC / 4 + 1] = 0;
  for (;;) {
    cpu.run(undefined, 100_000);
    if (cpu.exit.kind === "debug") break;
    expect(cpu.exit.kind).toBe("budget");
  }
}
const x = (r: number): bigint => cpu.state.u64[Offset.X / 8 + r] as bigint;

test("every register gets the ticks of now, without an exit, and the others keep theirs", () => {
  for (let r = 0; r < 31; r++) {
    const others = Array.from({ length: 31 }, (_, i) => i).filter(i => i !== r);
    for (const i of others) cpu.state.u64[Offset.X / 8 + i] = 0x1111_1111_1111_1111n * BigInt(i % 15 + 1);
    cpu.state.u64[Offset.SP / 8] = 0x7777_0000n;
    cpu.x[Offset.NZCV / 4] = 0x6000_0000;
    run(asm => asm.mrs(`x${r}`, "CNTVCT_EL0"));
    const exits = engine.exits, before = clock.ticks();
    run(asm => asm.mrs(`x${r}`, "CNTVCT_EL0"));
    const after = clock.ticks(), seen = Number(x(r));
    expect([seen >= before, seen <= after, engine.exits - exits]).toEqual([true, true, 1]); // the BRK
    expect(others.map(x)).toEqual(others.map(i => 0x1111_1111_1111_1111n * BigInt(i % 15 + 1)));
    expect([cpu.state.u64[Offset.SP / 8], cpu.x[Offset.NZCV / 4]]).toEqual([0x7777_0000n, 0x6000_0000]);
  }
});
test("the physical counter is the same one; into XZR it goes nowhere", () => {
  run(asm => asm.mrs("x1", "CNTPCT_EL0").mrs("xzr", "CNTPCT_EL0").mrs("x2", "CNTVCT_EL0").mrs("x3", "CNTPCT_EL0"));
  expect(x(1) <= x(2) && x(2) <= x(3) && x(3) - x(1) < BigInt(HZ)).toBe(true);
  expect(cpu.state.u64[Offset.ZERO / 8]).toBe(0n);
});
test.each([0, 1, 3600, 86_400 * 30])("it never goes back, whoever reads it; the machine is %i s old", age => {
  const times = new Float64Array(clock.shared);
  times[0] = Math.round((times[0] as number) - age * 1e9);
  let last = clock.ticks();
  expect(last).toBeGreaterThanOrEqual(age * HZ);
  for (let i = 0; i < 2000; i++) {
    run(asm => asm.mrs("x0", "CNTVCT_EL0").mrs("x1", "CNTVCT_EL0"));
    for (const seen of [Number(x(0)), Number(x(1)), clock.ticks()]) {
      if (seen < last) expect(seen).toBeGreaterThanOrEqual(last);
      last = seen;
    }
  }
  expect(last).toBeLessThan((age + 600) * HZ);
});
test("it stands while the clock is stopped, and goes on from there", () => {
  clock.pause();
  const stood = clock.ticks();
  for (let i = 0; i < 3; i++) {
    run(asm => asm.mrs("x0", "CNTVCT_EL0"));
    expect(Number(x(0))).toBe(stood);
  }
  clock.resume();
  run(asm => asm.mrs("x0", "CNTVCT_EL0"));
  expect(Number(x(0))).toBeGreaterThanOrEqual(stood);
  expect(Number(x(0))).toBeLessThanOrEqual(clock.ticks());
});
test("the ticks of a loop that waits for one pass", () => {
  run(asm => asm.mrs("x0", "CNTVCT_EL0").label("wait").mrs("x1", "CNTVCT_EL0").subs("x2", "x1", "x0").cmp("x2", 2400).b("lt", "wait"));
  expect(x(1) - x(0)).toBeGreaterThanOrEqual(2400n);
});
describe.each([["CNTPCT_EL0", EL0PCTEN], ["CNTVCT_EL0", EL0VCTEN]] as const)("%s at EL0", (name, bit) => {
  const atEl0 = (enabled: number): { readonly taken: boolean; readonly value: bigint } => {
    cpu.x[slot.CNTKCTL_EL1 / 4] = enabled;
    cpu.state.u64[Offset.X / 8] = 0n;
    cpu.x[slot.SPSR_EL1 / 4] = 0x3c0;
    cpu.x[slot.ELR_EL1 / 4] = CODE + 4;
    cpu.x[slot.ELR_EL1 / 4 + 1] = 0;
    run(asm => asm.eret().mrs("x0", name).SVC({})); // either way to the vector, and there is a BRK of EL1
    const taken = Number((cpu.state.u64[slot.ESR_EL1 / 8] as bigint) >> 26n) === TRAPPED;
    return { taken, value: x(0) };
  };
  test("is read where CNTKCTL_EL1 lets it, and else trapped, though the code was made before", () => {
    for (const enabled of [bit, 0, bit, 3 - bit, 3]) {
      const before = clock.ticks(), { taken, value } = atEl0(enabled);
      expect([enabled, taken]).toEqual([enabled, (enabled & bit) === 0]);
      expect(taken ? value : BigInt(before) <= value && value <= BigInt(clock.ticks())).toBe(taken ? 0n : true);
    }
  });
});
