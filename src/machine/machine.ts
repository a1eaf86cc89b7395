// src/machine/machine.ts — the board and its run loop: one thread owns every device and drives every core.
// The loop: serve what the host asks → fire due alarms → run a core until it exits → serve the exit → settle the timers.
// It never touches the host: time, the console's bytes, waiting and waking come in through `MachineHost`.
import type { Alarm, Clock, IrqLine, MmioDevice, Trace } from "../../devices/device.ts";
import { CfiFlash } from "../../devices/cfi-flash.ts";
import { FwCfg } from "../../devices/fw-cfg.ts";
import { Gicv2 } from "../../devices/gic/gicv2.ts";
import { FRAMES } from "../../devices/gic/redistributor.ts";
import { GITS_TRANSLATER } from "../../devices/gic/its.ts";
import { Gicv3, type Gicv3Wires } from "../../devices/gic/gicv3.ts";
import { Gicv2m, MSI_SETSPI_NS } from "../../devices/gic/gicv2m.ts";
import type { MessageSink } from "../../devices/pci/function.ts";
import { PciHost } from "../../devices/pci/host.ts";
import { VirtioPci } from "../../devices/virtio/pci.ts";
import { Pl011 } from "../../devices/pl011.ts";
import { Pl031 } from "../../devices/pl031.ts";
import { Pl061 } from "../../devices/pl061.ts";
import type { VirtioDevice } from "../../devices/virtio/device.ts";
import { EmptySlot, VirtioMmio } from "../../devices/virtio/mmio.ts";
import type { ConcurrentVcpu, Exit, TimerName, Vcpu, Vm } from "../hypervisor/backend.ts";
import { EXIT_CHARGE, TURN, turnEnd } from "../turns.ts";
import { Bus } from "./bus.ts";
import type { BoardDescription } from "./devicetree.ts";
import { serveIcc, serveSysreg } from "./machine-registers.ts";
import { POWER_KEY_LINE, RAM_BASE, CorePpi, gicRedistributor, gicv2m, its, pcie, platform, virtioSlots, type Peripheral, type PlaceName } from "./platform.ts";
import { serveCall, type Firmware } from "./psci.ts";
import { Ram } from "./ram.ts";
import { cpuOfAffinity } from "../units.ts";

/** The bus of the virtio devices: memory-mapped slots, or PCI in the order of their slots. */
export type Transport = "mmio" | "pci";
/** What the machine needs from the thread it runs in. */
export interface MachineHost {
  /** Bytes the guest sent to its serial port. */
  output(byte: number): void;
  /** The UART has room again. */
  inputWanted(): void;
  /** Handles what other threads asked for since the last call; called between exits and must be cheap. */
  poll(): void;
  /** Sleeps until `poll` has something to do, or until a clock tick (undefined: no limit). `idle`: no core has anything to do either. */
  wait(deadline: number | undefined, idle: boolean): void;
  /** Entropy for the firmware. */
  random(into: Uint32Array): void;
}
export interface MachineConfig {
  readonly cpus: number;
  readonly ramSize: number;
  /** The interrupt controller, when the backend has none; default 2. */
  readonly gic?: 2 | 3 | undefined;
  /** There are flash and fw_cfg, and the first instruction is at address 0. `changed`: the guest wrote into a bank; false: that cannot be kept. */
  readonly firmware?: { readonly changed: (bank: number, offset: number, length: number) => boolean } | undefined;
  /** How the guest reaches its virtio devices; default mmio. */
  readonly transport?: Transport | undefined;
  /** By slot; the machine's until it ends. */
  readonly virtio?: ReadonlyMap<number, VirtioDevice> | undefined;
}
/** Why `run` returned. */
export type Outcome =
  | { readonly kind: "off" }
  | { readonly kind: "reset" }
  | { readonly kind: "paused" }
  | { readonly kind: "budget" }
  | { readonly kind: "debug"; readonly cpu: number; readonly immediate: number }
  | { readonly kind: "fault"; readonly cpu: number; readonly why: string };

/** What `--trace` can show. */
export interface Tracer {
  readonly exits?: (cpu: number, exit: Exit) => void;
  readonly mmio?: (cpu: number, device: string, exit: Exit, value: number) => void;
  readonly irq?: (line: string, level: boolean) => void;
  readonly device?: (device: string, what: string, offset: number, value: number) => void;
}

type Power = "off" | "on" | "waiting";
interface Core {
  readonly vcpu: Vcpu;
  power: Power;
  /** A core in another thread was let into the guest, and its exit was not served yet. */
  inGuest: boolean;
}
interface Timer { readonly fire: () => void; due: number | undefined }

const TIMERS: readonly TimerName[] = ["virtual", "physical", "pmu"];
/** And when it is the only one that runs: `poll` is called at least that often. */
const LONE_TURN = 2_000_000;
/** The same where cores in other threads may not know which one this thread runs: they make it leave the one before. */
const SHORT_TURN = 200_000;
/** Exits kept for Ctrl-A s. */
const HISTORY = 16;
/** Looks at cores in threads before this thread sleeps: a core that has left the guest once soon does so again. */
const LOOKS = 100;

const earliest = (a: number | undefined, b: number | undefined): number | undefined => (a === undefined ? b : b === undefined || a < b ? a : b);
/** Whether a core runs in another thread. */
const isConcurrent = (vcpu: Vcpu): vcpu is ConcurrentVcpu => "start" in vcpu;

export class Machine {
  readonly ram: Ram;
  readonly bus: Bus = new Bus();
  readonly uart: Pl011;
  readonly rtc: Pl031;
  readonly gpio: Pl061;
  /** The board's own controller; undefined: the backend has one. */
  readonly gic: Gicv2 | Gicv3 | undefined;
  readonly config: MachineConfig;
  /** The bytes of each flash bank; none without a firmware. */
  readonly flash: readonly Uint8Array[];
  readonly fwCfg: FwCfg;
  /** What devices noticed, by "device: what". */
  readonly notes: Map<string, number> = new Map();
  /** Exits taken, by kind. */
  readonly exits: Map<string, number> = new Map();
  tracer: Tracer = {};
  readonly #vm: Vm;
  readonly #clock: Clock;
  readonly #host: MachineHost;
  readonly #cores: Core[] = [];
  /** How many of them run in this thread. */
  readonly #own: number;
  readonly #alarms: Timer[] = [];
  /** The last device accesses, a ring: address, value, and size with bit 4 set for a write. Text is made when somebody asks. */
  readonly #history = new Float64Array(3 * HISTORY);
  #remembered = 0;
  readonly #timerLines: readonly Readonly<Record<TimerName, IrqLine>>[];
  #accessor = 0;
  #turn = 0;
  /** What that core has left of its turn: an interrupt's handler leaves the guest several times, and is not to wait for all others each time. */
  #turnLeft = 0;
  #outcome: Outcome | undefined;

  constructor(vm: Vm, clock: Clock, host: MachineHost, config: MachineConfig) {
    this.#vm = vm;
    this.#clock = clock;
    this.#host = host;
    this.config = config;
    this.ram = new Ram(RAM_BASE, vm.addRam(RAM_BASE, config.ramSize));
    const banks = config.firmware === undefined ? [] : [platform.flash0, platform.flash1].map(({ base, size }) => vm.addRom(base, size));
    this.flash = banks.map(one => one.bytes);
    for (let i = 0; i < config.cpus; i++) this.#cores.push({ vcpu: vm.createVcpu(i), power: "off", inGuest: false });
    this.#own = this.#cores.filter(({ vcpu }) => !isConcurrent(vcpu)).length;

    const trace: Trace = {
      note: (device, what, offset, value) => {
        const key = `${device}: ${what}`;
        this.notes.set(key, (this.notes.get(key) ?? 0) + 1);
        this.tracer.device?.(device, what, offset, value);
      },
    };
    const irq = this.#cores.map(() => false), fiq = this.#cores.map(() => false);
    const coreLine = (levels: boolean[], i: number): IrqLine => ({
      set: level => {
        if (levels[i] === level) return;
        levels[i] = level;
        (this.#cores[i] as Core).vcpu.setLines(irq[i] === true, fiq[i] === true);
      },
    });
    const wires = { cpus: config.cpus, trace, irq: this.#cores.map((_, i) => coreLine(irq, i)), fiq: this.#cores.map((_, i) => coreLine(fiq, i)) };
    this.gic = vm.gic !== undefined ? undefined : config.gic === 3 ? this.#gicv3(wires) : new Gicv2({ ...wires, accessor: () => this.#accessor });
    const { gic } = this;
    this.#timerLines = gic === undefined ? [] : this.#cores.map((_, cpu) => ({ virtual: gic.ppi(cpu, CorePpi.virtual), physical: gic.ppi(cpu, CorePpi.physical), pmu: gic.ppi(cpu, CorePpi.pmu) }));
    this.uart = new Pl011({
      irq: this.#spi("uart"), sink: { put: byte => host.output(byte) }, clock, trace,
      alarm: this.alarm(() => this.uart.tick()), onSpace: () => host.inputWanted(),
    });
    this.rtc = new Pl031({ irq: this.#spi("rtc"), clock, trace, alarm: this.alarm(() => this.rtc.tick()) });
    this.gpio = new Pl061({ irq: this.#spi("gpio"), trace });

    const [flash0, flash1] = banks.map((bank, i) => new CfiFlash({
      bytes: bank.bytes, arrayMode: on => bank.show(on), changed: (offset, length) => config.firmware?.changed(i, offset, length) ?? false, trace,
    }));
    this.fwCfg = new FwCfg({ memory: this.ram, trace });

    const devices: Readonly<Record<PlaceName, MmioDevice | undefined>> = {
      gicDistributor: this.gic?.distributor, gicCpuInterface: this.gic instanceof Gicv2 ? this.gic.cpuInterface : undefined,
      uart: this.uart, rtc: this.rtc, gpio: this.gpio, flash0, flash1, fwCfg: config.firmware === undefined ? undefined : this.fwCfg,
    };
    for (const name of Object.keys(platform) as PlaceName[]) {
      const device = devices[name];
      if (device !== undefined) this.bus.add(name, platform[name].base, platform[name].size, device);
    }
    if (this.gic instanceof Gicv3) this.bus.add("gicRedistributors", gicRedistributor.base, config.cpus * FRAMES, this.gic.redistributors);
    if (config.transport === "pci") this.#addPci(trace);
    virtioSlots.forEach((slot, n) => {
      const device = config.transport === "pci" ? undefined : config.virtio?.get(n);
      this.bus.add(device === undefined ? "virtio (empty)" : `virtio ${n} (${device.name})`, slot.base, slot.size, device === undefined ? new EmptySlot() : this.#virtio(n, device, trace));
    });
  }
  #gicv3(wires: Omit<Gicv3Wires, "messages">): Gicv3 {
    if (this.config.transport !== "pci") return new Gicv3(wires);
    const gic: Gicv3 = new Gicv3({ ...wires, messages: { memory: this.ram, clock: this.#clock, alarm: this.alarm(() => gic.its?.tick()) } });
    return gic;
  }
  #addPci(trace: Trace): void {
    const lines = [0, 1, 2, 3].map(n => this.interrupt(pcie.ecam.spi + n));
    const host = new PciHost({ lines, start: pcie.memory.base, trace });
    this.bus.add("pci configuration", pcie.ecam.base, pcie.ecam.size, host.ecam);
    this.bus.add("pci memory", pcie.memory.base, pcie.memory.size, host.memory);
    this.bus.add("pci i/o", pcie.io.base, pcie.io.size, host.io);
    const v2m = this.gicVersion !== 2 ? undefined : new Gicv2m({ firstSpi: gicv2m.spi, lines: Array.from({ length: gicv2m.count }, (_, n) => this.interrupt(gicv2m.spi + n)), trace });
    if (v2m !== undefined) this.bus.add("gicv2m", gicv2m.base, gicv2m.size, v2m);
    const own = this.gic instanceof Gicv3 ? this.gic.its : undefined;
    if (own !== undefined) this.bus.add("its", its.base, its.size, own);
    // a message is a write like any other: it may also hit memory
    const message: MessageSink = (address, data, requester) => {
      this.tracer.irq?.(`message ${data} of pci ${requester >>> 3}`, true);
      if (v2m !== undefined && address === gicv2m.base + MSI_SETSPI_NS) return v2m.write(MSI_SETSPI_NS, 4, data);
      if (own !== undefined && address === its.base + GITS_TRANSLATER) return own.translate(requester, data);
      if (!this.ram.write(address, Uint8Array.of(data, data >>> 8, data >>> 16, data >>> 24))) trace.note("pci", "a message to nowhere", address % 2 ** 32, data);
    };
    [...this.config.virtio ?? []].sort(([a], [b]) => a - b).forEach(([, device], i) => {
      const slot = i + 1;
      const transport: VirtioPci = new VirtioPci({ intx: host.intx(slot), message, requester: slot << 3, memory: this.ram, clock: this.#clock, trace, alarm: this.alarm(() => transport.tick()) }, device);
      host.add(slot, transport);
    });
  }
  #virtio(slot: number, device: VirtioDevice, trace: Trace): VirtioMmio {
    const line = this.interrupt((virtioSlots[slot] as Peripheral).spi);
    const transport: VirtioMmio = new VirtioMmio({
      irq: { set: level => { this.tracer.irq?.(`virtio ${slot}`, level); line.set(level); } },
      memory: this.ram, clock: this.#clock, trace, alarm: this.alarm(() => transport.tick()),
    }, device);
    return transport;
  }

  #spi(name: "uart" | "rtc" | "gpio"): IrqLine {
    const line = this.interrupt(platform[name].spi);
    return { set: level => { this.tracer.irq?.(name, level); line.set(level); } };
  }
  /** The line of shared peripheral interrupt `n`. */
  interrupt(n: number): IrqLine {
    const { gic } = this.#vm;
    if (this.gic !== undefined) return this.gic.spi(n);
    let now = false;
    return { set: level => {
      if (level === now) return;
      now = level;
      gic?.setSpi(n, level);
    } };
  }
  /** An alarm for whoever runs the machine; `fire` is called between two exits. A reset clears it. */
  alarm(fire: () => void): Alarm {
    const timer: Timer = { fire, due: undefined };
    this.#alarms.push(timer);
    return { set: due => { timer.due = due; } };
  }

  get cores(): readonly Vcpu[] { return this.#cores.map(core => core.vcpu); }
  /** The version of the interrupt controller that the guest sees. */
  get gicVersion(): 2 | 3 { return this.#vm.gic?.version ?? (this.gic instanceof Gicv3 ? 3 : 2); }
  /** What the device tree has to describe. */
  get board(): BoardDescription {
    const { cpus, ramSize, transport } = this.config;
    return { cpus, ramSize, pmu: this.#vm.pmu, gic: this.gicVersion, pci: transport === "pci", its: this.gic instanceof Gicv3 && this.gic.its !== undefined };
  }
  get backend(): string { return this.#vm.backend; }
  /** Grows with what may leave garbage in this thread: exits, and what the cores say. */
  get churn(): number {
    let sum = this.#served;
    for (const { vcpu } of this.#cores) sum += vcpu.churn;
    return sum;
  }
  #served = 0;
  /** The last exits, oldest first. */
  get history(): readonly string[] {
    const h = this.#history;
    return Array.from({ length: Math.min(HISTORY, this.#remembered) }, (_, i, from = Math.max(0, this.#remembered - HISTORY)) => {
      const at = 3 * ((from + i) % HISTORY), how = h[at + 2] as number, written = (how & 16) !== 0;
      return `${written ? "write" : "read"} ${how & 15} at 0x${(h[at] as number).toString(16)}${written ? ` = 0x${(h[at + 1] as number).toString(16)}` : ""}`;
    });
  }
  power(cpu: number): Power { return this.#cores[cpu]?.power ?? "off"; }

  /** Puts every device and core into its power-on state; core 0 will start at `entry` with X0 = `x0`. RAM is kept. */
  reset(entry: number, x0: number): void {
    for (const timer of this.#alarms) timer.due = undefined;
    for (const { device } of this.bus.devices) device.reset();
    this.gic?.reset();
    this.#vm.gic?.reset();
    this.gpio.setInput(POWER_KEY_LINE, false); // its release was among the alarms
    for (const core of this.#cores) {
      core.power = this.#vm.ownsPower ? "on" : "off";
      core.inGuest = false;
      core.vcpu.reset(0, 0);
      core.vcpu.setLines(false, false);
      this.#lowerTimers(core.vcpu.index);
    }
    const first = this.#cores[0] as Core;
    first.vcpu.reset(entry, x0);
    first.power = "on";
    this.#outcome = undefined;
  }

  /** Makes `run` return. From within the machine's thread. */
  stop(outcome: Outcome): void { this.#outcome ??= outcome; }
  /** Presses and releases the power key. */
  pressPowerKey(): void {
    this.gpio.setInput(POWER_KEY_LINE, true);
    this.#releaseKey.set(this.#clock.ticks() + this.#clock.frequency / 10);
  }
  readonly #releaseKey: Alarm = this.alarm(() => this.gpio.setInput(POWER_KEY_LINE, false));

  /**
   * Runs until the guest powers off, resets, breaks, or `stop` is called; or until `limit` instructions were executed
   * (then "budget").
   */
  run(limit: number = Number.POSITIVE_INFINITY): Outcome {
    this.#outcome = undefined;
    if (this.#vm.concurrent) return this.#runConcurrently();
    let left = limit;
    for (;;) {
      this.#host.poll();
      const next = this.#fireAlarms();
      if (this.#outcome !== undefined) return this.#outcome;
      if (left <= 0) return { kind: "budget" };
      const core = this.#nextCore();
      if (core === undefined) {
        this.#idle(next);
        continue;
      }
      left -= this.#runTurn(core, next, LONE_TURN, left);
    }
  }
  /** Runs a core for what is left of its turn, `lone` instructions if no other one runs, `limit` at most; returns how many it was. */
  #runTurn(core: Core, deadline: number | undefined, lone: number, limit: number): number {
    const { vcpu } = core, before = vcpu.instructions;
    const several = this.#runnable > 1, by = several ? turnEnd(this.#clock, this.#runnable) : undefined;
    vcpu.run(earliest(earliest(deadline, this.#waitingDue), by), Math.min(several ? this.#turnLeft : lone, limit), limit !== Number.POSITIVE_INFINITY);
    const done = vcpu.instructions - before, { kind } = vcpu.exit;
    this.#turnLeft = kind === "budget" || kind === "turn" || kind === "wfi" ? 0 : this.#turnLeft - done - EXIT_CHARGE;
    if (this.#turnLeft <= 0) this.#turn = (vcpu.index + 1) % this.#cores.length;
    this.#left(core);
    return done;
  }

  /** The same for cores with threads of their own: they run, and this thread serves who has left the guest. */
  #runConcurrently(): Outcome {
    let looks = 0;
    for (;;) {
      this.#host.poll();
      const next = this.#fireAlarms();
      if (this.#outcome !== undefined) {
        for (const { inGuest, vcpu } of this.#cores) if (inGuest && isConcurrent(vcpu)) vcpu.bringOut();
        return this.#outcome;
      }
      let served = false, deadline = next;
      for (const core of this.#cores) {
        const { vcpu } = core;
        if (!isConcurrent(vcpu)) continue;
        if (core.inGuest && vcpu.finished()) {
          served = true;
          core.inGuest = false;
          this.#left(core);
        }
        if (core.inGuest && vcpu.outBy !== undefined && this.#clock.ticks() >= vcpu.outBy) vcpu.nudge();
        if (core.inGuest || core.power === "off" || this.#outcome !== undefined) continue;
        if (core.power === "waiting") {
          if (!vcpu.interruptPending && !this.#timerReady(core)) {
            const due = vcpu.timerDue();
            if (due !== undefined && (deadline === undefined || due < deadline)) deadline = due;
            continue;
          }
          core.power = "on";
        }
        core.inGuest = true;
        vcpu.start();
      }
      if (this.#outcome === undefined && this.#runOwn(deadline)) served = true;
      looks = served ? 0 : looks + 1;
      if (looks > LOOKS) this.#idle(next);
    }
  }

  /** Runs a core of this thread, if one has something to do, for a turn or until somebody needs this thread. */
  #runOwn(deadline: number | undefined): boolean {
    const core = this.#nextCore();
    if (core === undefined) return false;
    this.#runTurn(core, deadline, this.#own > 1 ? SHORT_TURN : LONE_TURN, Number.POSITIVE_INFINITY);
    return true;
  }
  #runnable = 0;
  /** When the first timer of a core that waits is due. */
  #waitingDue: number | undefined;
  /** The next powered-on core of this thread that has something to do, in turn. */
  #nextCore(): Core | undefined {
    this.#runnable = 0;
    this.#waitingDue = undefined;
    let chosen: Core | undefined;
    const n = this.#cores.length;
    for (let i = 0; i < n; i++) {
      const core = this.#cores[(this.#turn + i) % n] as Core;
      if (isConcurrent(core.vcpu)) continue;
      if (core.power === "waiting") {
        const due = core.vcpu.timerDue();
        if (core.vcpu.interruptPending || (due !== undefined && this.#clock.ticks() >= due)) core.power = "on";
        else if (due !== undefined && (this.#waitingDue === undefined || due < this.#waitingDue)) this.#waitingDue = due;
      }
      if (core.power !== "on") continue;
      this.#runnable++;
      chosen ??= core;
    }
    if (chosen !== undefined && (chosen.vcpu.index !== this.#turn || this.#turnLeft <= 0)) {
      this.#turn = chosen.vcpu.index;
      this.#turnLeft = TURN;
    }
    return chosen;
  }
  /** A waiting core whose timer fired: the line goes up, as after a vtimer exit. */
  #timerReady(core: Core): boolean {
    const due = core.vcpu.timerDue();
    return due !== undefined && this.#clock.ticks() >= due;
  }
  /** Nothing to run: sleep until a timer, an alarm or somebody else. */
  #idle(next: number | undefined): void {
    let deadline = next;
    for (const core of this.#cores) {
      if (core.power === "off") continue;
      const { vcpu } = core, due = !core.inGuest ? vcpu.timerDue() : isConcurrent(vcpu) ? vcpu.outBy : undefined;
      if (due !== undefined && (deadline === undefined || due < deadline)) deadline = due;
    }
    this.#host.wait(deadline, !this.#cores.some(core => core.inGuest));
  }
  /** Fires what is due; returns the next due time. */
  #fireAlarms(): number | undefined {
    for (const timer of this.#alarms) {
      if (timer.due === undefined || timer.due > this.#clock.ticks()) continue;
      timer.due = undefined;
      timer.fire();
    }
    let next: number | undefined; // looked for behind them all: one that fires may set any other
    for (const { due } of this.#alarms) if (due !== undefined && (next === undefined || due < next)) next = due;
    return next;
  }

  /** A core has left the guest. */
  #left(core: Core): void {
    const { vcpu } = core, { exit } = vcpu;
    this.#accessor = vcpu.index;
    if (exit.kind === "mmio" || exit.kind === "sysreg") this.#settleTimers(vcpu); // what it asks the interrupt controller is meant of now
    this.#serve(core, exit);
    this.#settleTimers(vcpu);
  }
  #serve(core: Core, exit: Exit): void {
    const { vcpu } = core;
    this.#served++;
    if (exit.kind !== "budget" && exit.kind !== "turn" && exit.kind !== "look" && exit.kind !== "canceled") {
      this.exits.set(exit.kind, (this.exits.get(exit.kind) ?? 0) + 1);
      this.tracer.exits?.(vcpu.index, exit);
    }
    switch (exit.kind) {
      case "budget":
      case "turn":
      case "look":
      case "canceled": return;
      case "mmio": return this.#serveMmio(vcpu, exit);
      case "sysreg": return this.#serveSysreg(vcpu, exit);
      case "vtimer": {
        this.tracer.irq?.(`${exit.timer} ${exit.timer === "pmu" ? "overflow" : "timer"} of cpu ${vcpu.index}`, true);
        return this.#ppi(vcpu.index, exit.timer)?.set(true);
      }
      case "wfi":
        if (!vcpu.interruptPending) core.power = "waiting";
        return;
      case "call": return this.#serveCall(core, exit);
      case "debug": return this.stop({ kind: "debug", cpu: vcpu.index, immediate: exit.immediate });
      case "fault": return this.stop({ kind: "fault", cpu: vcpu.index, why: exit.why });
      default: return exit.kind satisfies never;
    }
  }
  #serveMmio(vcpu: Vcpu, exit: Exit): void {
    this.#remember(exit);
    if (exit.write) {
      if (this.bus.write(exit.gpa, exit.size, exit.lo, exit.hi)) vcpu.completeWrite();
      else vcpu.injectExternalAbort();
      this.tracer.mmio?.(vcpu.index, this.bus.find(exit.gpa, exit.size)?.name ?? "nothing", exit, exit.lo);
      return;
    }
    const value = this.bus.read(exit.gpa, exit.size);
    this.tracer.mmio?.(vcpu.index, this.bus.find(exit.gpa, exit.size)?.name ?? "nothing", exit, value ?? 0);
    if (value === undefined) vcpu.injectExternalAbort();
    else vcpu.completeRead(value, this.bus.hi);
  }
  #remember(exit: Exit): void {
    const at = 3 * (this.#remembered++ % HISTORY);
    this.#history[at] = exit.gpa;
    this.#history[at + 1] = exit.lo;
    this.#history[at + 2] = exit.size | (exit.write ? 16 : 0);
  }
  #serveSysreg(vcpu: Vcpu, exit: Exit): void {
    const value = (this.gic instanceof Gicv3 ? serveIcc(this.gic, vcpu.index, exit.encoding, exit.write, exit.lo, exit.hi) : undefined) ?? serveSysreg(exit.encoding, exit.write);
    if (value === undefined) vcpu.injectUndefined();
    else if (exit.write) vcpu.completeWrite();
    else vcpu.completeRead(value, 0);
  }

  #serveCall(core: Core, exit: Exit): void {
    const { vcpu } = core;
    if (exit.immediate !== 0) { // only immediate 0 is the calling convention; others are not for us
      vcpu.setArgument(0, -1, -1);
    } else serveCall(vcpu.index, vcpu, this.#firmware);
    // a core that is being reset or switched off does not go on behind its SMC
    if (exit.conduit === "smc" && this.#outcome === undefined && core.power !== "off") vcpu.completeWrite();
  }
  readonly #firmware: Firmware = {
    cpuOf: (lo, hi) => {
      const cpu = hi === 0 && (lo & 0xff00_0000) === 0 ? cpuOfAffinity(lo) : -1;
      return cpu < this.#cores.length ? cpu : -1;
    },
    isOn: cpu => this.power(cpu) !== "off",
    validEntry: (lo, hi) => {
      const entry = hi * 2 ** 32 + lo;
      return entry >= RAM_BASE && entry < RAM_BASE + this.config.ramSize;
    },
    start: (cpu, entryLo, entryHi, contextLo, contextHi) => {
      const core = this.#cores[cpu] as Core;
      core.vcpu.reset(entryHi * 2 ** 32 + entryLo, 0);
      this.#lowerTimers(cpu); // they were reset with it
      this.gic?.resetCpu(cpu);
      core.vcpu.setArgument(0, contextLo, contextHi);
      core.power = "on";
    },
    off: cpu => {
      (this.#cores[cpu] as Core).power = "off";
      if (this.#cores.every(core => core.power === "off")) this.stop({ kind: "off" }); // nobody is left to turn one on
    },
    // A controller inside the backend does not say what is pending: the core is awake at once, as a WFI may be.
    suspend: cpu => { if (this.#vm.gic === undefined) (this.#cores[cpu] as Core).power = "waiting"; },
    systemOff: () => this.stop({ kind: "off" }),
    systemReset: () => this.stop({ kind: "reset" }),
    random: into => this.#host.random(into),
  };

  /** The line of a core's timer; there is none where the backend has the interrupt controller. Made once: timers fire all the time. */
  #ppi(cpu: number, timer: TimerName): IrqLine | undefined { return this.#timerLines[cpu]?.[timer]; }
  #lowerTimers(cpu: number): void {
    for (const timer of TIMERS) this.#ppi(cpu, timer)?.set(false);
  }
  /** A timer that fired stays masked until its condition is gone: then the line falls and it is watched again. */
  #settleTimers(vcpu: Vcpu): void {
    for (const timer of TIMERS) {
      if (!vcpu.timerMasked(timer) || vcpu.timerLevel(timer)) continue;
      this.tracer.irq?.(`${timer} ${timer === "pmu" ? "overflow" : "timer"} of cpu ${vcpu.index}`, false);
      this.#ppi(vcpu.index, timer)?.set(false);
      vcpu.unmaskTimer(timer);
    }
  }
}
