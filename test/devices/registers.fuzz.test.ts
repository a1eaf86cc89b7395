// test/devices/registers.fuzz.test.ts — any access to any register, at fixed seeds: no throw, values of 32 bits, and a
// snapshot that restores into a chip which answers alike from then on.
import { describe, expect, test } from "bun:test";
import type { MmioDevice } from "../../devices/device.ts";
import { PciHost } from "../../devices/pci/host.ts";
import { VirtioPci } from "../../devices/virtio/pci.ts";
import { VirtioRng } from "../../devices/virtio/rng.ts";
import { CfiFlash, FLASH_BANK } from "../../devices/cfi-flash.ts";
import { FwCfg } from "../../devices/fw-cfg.ts";
import { Ram } from "../../src/machine/ram.ts";
import { Gicv2 } from "../../devices/gic/gicv2.ts";
import { Gicv3 } from "../../devices/gic/gicv3.ts";
import type { IccRegister } from "../../devices/gic/icc.ts";
import { Pl011 } from "../../devices/pl011.ts";
import { Pl031 } from "../../devices/pl031.ts";
import { Pl061 } from "../../devices/pl061.ts";
import { CountedTrace, HandAlarm, HandClock, RecordedBytes, RecordedLine } from "./wires.ts";

const ACCESSES = 20_000;
interface Chip { readonly parts: readonly MmioDevice[]; readonly window: number; poke(random: number): void }

const clock = new HandClock();
const common = () => ({ irq: new RecordedLine(), clock, alarm: new HandAlarm(), trace: new CountedTrace() });
const makers: Record<string, () => Chip> = {
  PL011: () => {
    const chip = new Pl011({ ...common(), sink: new RecordedBytes(), onSpace: () => {} });
    return { parts: [chip], window: 0x1000, poke: n => { chip.receive(n & 0xff); chip.setModem(n); chip.tick(); } };
  },
  "CFI flash": () => {
    const chip = new CfiFlash({ ...common(), bytes: new Uint8Array(FLASH_BANK), arrayMode: () => {}, changed: offset => offset % 8 !== 0 });
    return { parts: [chip], window: 0x2_0000, poke: () => {} };
  },
  "PCI host with a virtio device": () => {
    const { clock: _, alarm, trace } = common(), lines = [0, 1, 2, 3].map(() => new RecordedLine());
    const host = new PciHost({ lines, start: 0, trace });
    const rng = new VirtioPci({ intx: host.intx(0), message: () => {}, requester: 0, memory: new Ram(0, { size: 0x1000, windows: [new ArrayBuffer(0x1000)], release: () => 0 }), clock, alarm, trace }, new VirtioRng(into => into.fill(7)));
    host.add(0, rng);
    const poke = (n: number): void => {
      rng.writeConfig(0x04, 2, 6 | (n & 0x400));
      rng.writeConfig(0x10 + (n & 4), 4, n & 0x3000);
      rng.tick();
    };
    return { parts: [host.ecam, host.memory], window: 0x4000, poke };
  },
  "fw_cfg": () => {
    const chip = new FwCfg({ ...common(), memory: new Ram(0, { size: 0x1000, windows: [new ArrayBuffer(0x1000)], release: () => 0 }) });
    return { parts: [chip], window: 24, poke: n => chip.write(16, 4, n & 0xff) };
  },
  PL031: () => {
    const chip = new Pl031(common());
    return { parts: [chip], window: 0x1000, poke: () => chip.tick() };
  },
  PL061: () => {
    const chip = new Pl061(common());
    return { parts: [chip], window: 0x1000, poke: n => chip.setInput(n & 7, (n & 8) !== 0) };
  },
  ...Object.fromEntries([1, 3, 8].map(cpus => [`GICv2 with ${cpus} CPUs`, () => {
    let cpu = 0;
    const lines = Array.from({ length: cpus }, () => new RecordedLine());
    const gic = new Gicv2({ cpus, accessor: () => cpu, irq: lines, fiq: lines, trace: new CountedTrace() });
    const poke = (n: number): void => {
      cpu = n % cpus;
      gic.spi((n >> 4) & 255).set((n & 8) !== 0);
      gic.ppi(cpu, (n >> 12) & 15).set((n & 4) !== 0);
    };
    return { parts: [gic.distributor, gic.cpuInterface], window: 0x2000, poke };
  }])),
  ...Object.fromEntries([1, 3, 64].map(cpus => [`GICv3 with ${cpus} CPUs`, () => {
    let cpu = 0;
    const lines = Array.from({ length: cpus }, () => new RecordedLine());
    const gic = new Gicv3({ cpus, irq: lines, fiq: lines, trace: new CountedTrace() });
    const poke = (n: number): void => {
      cpu = n % cpus;
      gic.spi((n >> 4) & 255).set((n & 8) !== 0);
      gic.ppi(cpu, (n >> 12) & 15).set((n & 4) !== 0);
    };
    const at = (offset: number): IccRegister => ICC[(offset >> 3) % ICC.length]!;
    const icc: MmioDevice = {
      read: offset => gic.icc.read(cpu, at(offset)),
      write: (offset, _size, value) => gic.icc.write(cpu, at(offset), value, (value * 0x9e37) >>> 0),
      reset: () => gic.icc.reset(), snapshot: () => gic.icc.snapshot(), restore: state => gic.icc.restore(state as ReturnType<typeof gic.icc.snapshot>),
    };
    return { parts: [gic.distributor, gic.redistributors, icc], window: 0x2_0000 * cpus, poke };
  }])),
};

/** The system registers of a CPU interface as a window: eight bytes each, the CPU as the poke chose it. */
const ICC: readonly IccRegister[] = [
  "PMR", "IAR0", "EOIR0", "HPPIR0", "BPR0", "AP0R0", "AP1R0", "DIR", "RPR", "SGI1R", "ASGI1R", "SGI0R", "IAR1", "EOIR1", "HPPIR1", "BPR1",
  "CTLR", "SRE", "IGRPEN0", "IGRPEN1",
];
/** xorshift32. */
const generator = (seed: number): (() => number) => {
  let x = seed;
  return () => {
    x ^= x << 13; x ^= x >>> 17; x ^= x << 5;
    return x >>> 0;
  };
};
/** Runs accesses on a chip; gives all values read. */
function run(chip: Chip, random: () => number, count: number): number[] {
  const values: number[] = [];
  for (let n = 0; n < count; n++) {
    const part = chip.parts[random() % chip.parts.length]!;
    const size = 1 << (random() % 3);
    const near = random() % 4 === 0 ? chip.window : 0x100; // most registers lie low
    const offset = (random() % near) & ~(size - 1);
    const value = [0, 0xffff_ffff, random()][random() % 3]!;
    const bits = size === 4 ? value : value & ((1 << (size * 8)) - 1);
    if (random() % 2 === 0) part.write(offset, size, bits);
    else values.push(part.read(offset, size));
    if (random() % 16 === 0) chip.poke(random());
  }
  return values;
}

describe.each(Object.entries(makers))("%s", (_name, make) => {
  test.each([1, 2, 3])("survives random accesses, seed %d", seed => {
    const chip = make();
    const values = run(chip, generator(seed), ACCESSES);
    expect(values.filter(v => v !== v >>> 0)).toEqual([]);

    const twin = make();
    chip.poke(0);
    twin.poke(0);
    chip.parts.forEach((part, n) => twin.parts[n]!.restore(part.snapshot()));
    expect(run(twin, generator(seed + 100), 2000)).toEqual(run(chip, generator(seed + 100), 2000));
    expect(twin.parts.map(part => part.snapshot())).toEqual(chip.parts.map(part => part.snapshot()));
  });
});
