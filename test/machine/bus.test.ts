// test/machine/bus.test.ts — how an access finds its device; and every device of the board behind the bus, at random.
import { describe, expect, test } from "bun:test";
import type { MmioDevice } from "../../devices/device.ts";
import { createSoftwareVm } from "../../src/hypervisor/software.ts";
import { Bus } from "../../src/machine/bus.ts";
import { VirtioRng } from "../../devices/virtio/rng.ts";
import { Machine } from "../../src/machine/machine.ts";
import { platform, virtioSlots } from "../../src/machine/platform.ts";
import { HandClock } from "../devices/wires.ts";
import { Random } from "../support/random.ts";

/** Remembers accesses; reads give the offset. */
class Recorder implements MmioDevice<null> {
  readonly seen: string[] = [];
  read(offset: number, size: number): number { this.seen.push(`read ${offset}/${size}`); return 0x1000 + offset; }
  write(offset: number, size: number, value: number): void { this.seen.push(`write ${offset}/${size} ${value}`); }
  reset(): void {}
  snapshot(): null { return null; }
  restore(): void {}
}

describe("an access", () => {
  const make = () => {
    const bus = new Bus(), first = new Recorder(), second = new Recorder();
    bus.add("first", 0x1000, 0x100, first);
    bus.add("second", 0x1100, 0x100, second);
    return { bus, first, second };
  };
  test("reaches the device with its offset and size", () => {
    const { bus, first, second } = make();
    expect([bus.read(0x1008, 4), bus.hi, bus.read(0x11ff, 1)]).toEqual([0x1008, 0, 0x10ff]);
    bus.write(0x1102, 2, 7, 0);
    expect([first.seen, second.seen]).toEqual([["read 8/4"], ["read 255/1", "write 2/2 7"]]);
  });
  test("of 8 bytes is two of 4, the low half first", () => {
    const { bus, first } = make();
    expect([bus.read(0x1010, 8), bus.hi]).toEqual([0x1010, 0x1014]);
    bus.write(0x1018, 8, 1, 2);
    expect(first.seen).toEqual(["read 16/4", "read 20/4", "write 24/4 1", "write 28/4 2"]);
  });
  test("to nothing is answered by nobody, and counted", () => {
    const { bus } = make();
    expect([bus.read(0xfff, 1), bus.read(0x1200, 4), bus.write(0x5000_0000, 4, 1, 0)]).toEqual([undefined, undefined, false]);
    expect(bus.unassigned).toBe(3);
  });
  test("across the end of a device belongs to nobody", () => {
    const { bus, first, second } = make();
    expect([bus.read(0x10fe, 4), bus.write(0x10fc, 8, 0, 0)]).toEqual([undefined, false]);
    expect([first.seen, second.seen]).toEqual([[], []]);
  });
  test("is counted for its device", () => {
    const { bus } = make();
    bus.read(0x1000, 8);
    bus.write(0x1000, 1, 0, 0);
    bus.read(0x1100, 4);
    expect([...bus.counts]).toEqual([["first", 2], ["second", 1]]);
  });
});

describe("the board", () => {
  const make = (cpus: number): { machine: Machine; output: number[]; clock: HandClock; destroy: () => void } => {
    const clock = new HandClock(), output: number[] = [], vm = createSoftwareVm(clock);
    const machine = new Machine(vm, clock, { output: byte => output.push(byte), inputWanted: () => {}, poll: () => {}, wait: () => {}, random: into => into.fill(1) }, { cpus, ramSize: 0x10_0000, firmware: { changed: () => true }, virtio: new Map([[0, new VirtioRng(into => into.fill(1))], [31, new VirtioRng(into => into.fill(1))]]) });
    machine.reset(0x4000_0000, 0);
    return { machine, output, clock, destroy: () => vm.destroy() };
  };
  test("has every device of the platform table where that says, and nothing overlaps", () => {
    const { machine, destroy } = make(1);
    for (const { base, size } of [...Object.values(platform), ...virtioSlots]) {
      expect([machine.bus.read(base, 4) === undefined, machine.bus.read(base + size - 4, 4) === undefined]).toEqual([false, false]);
    }
    const windows = [...Object.values(platform), ...virtioSlots].toSorted((a, b) => a.base - b.base);
    windows.forEach((w, i) => expect(w.base + w.size).toBeLessThanOrEqual(windows[i + 1]?.base ?? 0x4000_0000));
    destroy();
  });
  test("has 32 virtio slots: a device where one was given, device id 0 elsewhere, an abort for what straddles two", () => {
    const { machine: { bus }, destroy } = make(1);
    const ids = virtioSlots.map(({ base }) => bus.read(base + 8, 4));
    expect(ids).toEqual([4, ...Array<number>(30).fill(0), 4]);
    expect([bus.read(virtioSlots[1]!.base - 4, 8), bus.write(virtioSlots[1]!.base - 1, 2, 0, 0)]).toEqual([undefined, false]);
    destroy();
  });
  test("wakes for an alarm that another alarm has set", () => {
    const clock = new HandClock(), vm = createSoftwareVm(clock), waits: (number | undefined)[] = [];
    const machine: Machine = new Machine(vm, clock, {
      output: () => {}, inputWanted: () => {}, poll: () => {}, random: into => into.fill(1),
      wait: deadline => {
        waits.push(deadline);
        clock.now = deadline ?? 1000;
      },
    }, { cpus: 1, ramSize: 0x10_0000 });
    machine.reset(0x4000_0000, 0);
    machine.ram.write(0x4000_0000, Uint8Array.of(0x7f, 0x20, 0x03, 0xd5)); // wfi
    const first = machine.alarm(() => machine.stop({ kind: "paused" })), second = machine.alarm(() => first.set(110)), last = machine.alarm(() => {});
    second.set(100);
    last.set(500);
    expect(machine.run()).toEqual({ kind: "paused" });
    expect(waits).toEqual([100, 110]);
    vm.destroy();
  });
  test.each([[1, 11], [2, 12], [8, 13]])("with %d cores takes any access, of any size, anywhere near a device (seed %d)", (cpus, seed) => {
    const { machine, clock, destroy } = make(cpus);
    const random = new Random(seed), { bus } = machine;
    const windows = [...Object.values(platform), ...virtioSlots];
    const telling = [0, 1, 0xff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];
    let served = 0;
    for (let i = 0; i < 100_000; i++) {
      const window = windows[random.below(windows.length)]!;
      const size = 1 << random.below(4);
      const span = random.below(4) === 0 ? window.size + 32 : 0x110; // most registers lie low; some accesses lie behind the end
      const gpa = window.base + random.below(span) - (random.below(64) === 0 ? 8 : 0);
      const aligned = random.below(4) === 0 ? gpa : gpa - (gpa % size);
      const value = random.below(2) === 0 ? random.u32() : telling[random.below(telling.length)]!;
      const narrow = size >= 4 ? value : value & (2 ** (8 * size) - 1);
      if (random.below(2) === 0) { if (bus.write(aligned, size, narrow, random.u32())) served++; }
      else {
        const lo = bus.read(aligned, size);
        if (lo !== undefined) served++;
        expect(lo === undefined || (lo === lo >>> 0 && bus.hi === bus.hi >>> 0)).toBe(true);
      }
      if (random.below(256) === 0) { clock.now += random.below(1_000_000); machine.uart.receive(random.below(256)); machine.gpio.setInput(random.below(8), random.below(2) === 0); }
    }
    expect(served).toBeGreaterThan(50_000);
    expect(machine.run(0)).toEqual({ kind: "budget" });
    machine.reset(0x4000_0000, 0);
    expect(machine.cores[0]?.interruptPending).toBe(false);
    destroy();
  });
});
