// src/machine-thread.ts — the thread in which a machine lives: the entry of a Worker. It owns every device and the guest.
// It blocks: in the guest, or on the doorbell. Messages are taken from a port between two exits, never by its event loop.
import { receiveMessageOnPort, type MessagePort } from "node:worker_threads";
import { ExitCode, Failure } from "./failure.ts";
import { Garbage } from "./garbage.ts";
import type { Exit, Vm } from "./hypervisor/backend.ts";
import { openBackend, type OpenedBackend } from "./machine-backend.ts";
import { openBootFiles } from "./host/boot-files.ts";
import { openDisks, type OpenDisks } from "./host/disks.ts";
import { openShares, type OpenShares } from "./host/shares.ts";
import { Syncer, type SyncerMessage } from "./host/syncer.ts";
import { Transfers, type Transfer, type TransfersMessage } from "./host/transfers.ts";
import { PCI_DEVICES_MAX } from "../devices/pci/host.ts";
import { VirtioRng } from "../devices/virtio/rng.ts";
import { VirtioBalloon } from "../devices/virtio/balloon.ts";
import type { VirtioConsole } from "../devices/virtio/console.ts";
import { VirtioP9 } from "../devices/virtio/p9.ts";
import { VirtioBlock } from "../devices/virtio/block.ts";
import type { VirtioDevice } from "../devices/virtio/device.ts";
import { loadBoot, prepareBoot } from "./machine/boot.ts";
import { InstructionClock, repeatable, type MachineClock } from "./machine/clock.ts";
import { describeMachine } from "./machine/describe.ts";
import { openConsole } from "./machine-console.ts";
import { OpenFirmware } from "./machine-firmware.ts";
import { openNet } from "./machine-net.ts";
import { Machine, type MachineHost, type Tracer } from "./machine/machine.ts";
import { platform, virtioSlots } from "./machine/platform.ts";
import { Serial } from "./machine/serial.ts";
import { Bell, UNWRITTEN_LIMIT, type FromMachine, type Question, type RunOutcome, type StartMessage, type ToMachine, type TraceKind } from "./machine-protocol.ts";
import { formatSize, hex } from "./units.ts";

const TRACE_BATCH = 16 * 1024;
/** A rest that everything can be collected before. */
const LONG_REST_MS = 50;
/** The longest sleep: a lost ring would cost no more than this. */
const LONGEST_SLEEP_MS = 1000;

class MachineThread implements MachineHost {
  readonly #start: StartMessage;
  readonly #port: MessagePort;
  readonly #bell: Int32Array;
  readonly #backend: OpenedBackend;
  readonly #clock: MachineClock;
  readonly #vm: Vm;
  readonly #machine: Machine;
  readonly #serial: Serial;
  readonly #disks: OpenDisks;
  readonly #blocks: VirtioBlock[] = [];
  readonly #shares: OpenShares;
  readonly #nets: readonly ReturnType<typeof openNet>[];
  readonly #balloon: VirtioBalloon | undefined;
  readonly #console: VirtioConsole | undefined;
  readonly #syncer: Syncer;
  readonly #transfers: Transfers;
  readonly #firmware: OpenFirmware | undefined;
  #patched: readonly string[] = [];
  #rings = 0;
  #trace: string[] = [];
  #traceLength = 0;
  /** Instructions that the next run may take; undefined: nothing to run. */
  #wanted: number | undefined;
  #running = false;
  #stopping = false;
  #closed = false;
  #released = false;
  #ended = false;
  #waitingTold = 0;
  readonly #garbage: Garbage = new Garbage();
  readonly #random: (into: Uint32Array) => void;

  constructor(start: StartMessage, port: MessagePort) {
    this.#start = start;
    this.#random = start.deterministic ? repeatable() : into => void crypto.getRandomValues(into);
    this.#port = port;
    this.#bell = new Int32Array(start.bell);
    if (start.trace.includes("sysreg") && start.accelerator !== "software") {
      throw new Failure("HV-USAGE-TRACE", `--trace sysreg: ${start.accelerator} does not show system registers`, { hint: "--accel software does" });
    }
    this.#syncer = new Syncer(shared => this.#startDiskThread("syncs", shared));
    this.#transfers = new Transfers(shared => this.#startDiskThread("transfers", shared));
    this.#disks = openDisks(start.disks, {
      // where time is made of instructions, a sync takes none, nor does a transfer; and cores with threads of their own go on meanwhile
      ...(start.deterministic ? {} : { syncLater: (fd: number, done: (error: unknown) => void) => this.#syncer.sync(fd, done) }),
      ...(start.deterministic || navigator.hardwareConcurrency < 2 ? {} : {
        later: { read: this.#unlessConcurrent(this.#transfers.read), write: this.#unlessConcurrent(this.#transfers.write) },
        settle: () => this.#transfers.settle(),
      }),
      tell: text => this.#send({ kind: "notice", text }),
    }); // may be refused: before there is a machine to free
    let shares: OpenShares | undefined, firmware: OpenFirmware | undefined;
    try {
      if (start.load.kind === "firmware") firmware = new OpenFirmware(start.load.sources, text => this.#send({ kind: "notice", text }));
      shares = openShares(start.shares ?? [], what => this.#machine.notes.set(`9p: ${what}`, (this.#machine.notes.get(`9p: ${what}`) ?? 0) + 1));
      this.#backend = openBackend(start, this.#bell);
    } catch (error) {
      this.#disks.close();
      shares?.close();
      firmware?.close();
      throw error;
    }
    this.#shares = shares;
    this.#firmware = firmware;
    this.#nets = start.nets.map((net, index) => openNet(net, () => this.#send({ kind: "frames", index })));
    if (start.ports.length > 0) this.#console = openConsole(start.ports, index => this.#send({ kind: "port", index }));
    if (start.balloon !== undefined) {
      this.#balloon = new VirtioBalloon({ contains: (gpa, length) => this.#machine.ram.contains(gpa, length), release: (gpa, length) => this.#machine.ram.release(gpa, length) });
      this.#balloon.target = start.balloon;
    }
    this.#vm = this.#backend.vm;
    this.#clock = this.#backend.clock;
    try {
      this.#machine = new Machine(this.#vm, this.#clock, this, { cpus: start.cpus, ramSize: start.ramSize, gic: start.accelerator === "software" && start.gic === 3 ? 3 : 2, transport: start.transport, virtio: this.#virtio(), firmware: this.#firmware?.wires });
      this.#firmware?.attach(this.#machine, this.#clock);
    } catch (error) {
      this.abandon();
      if (!(error instanceof RangeError)) throw error;
      throw new Failure("HV-MEMORY-HOST", `--memory: this host does not give ${formatSize(start.ramSize)} (${error.message})`, { hint: "ask for less", exit: ExitCode.failed, cause: error });
    }
    const { cores } = this.#machine, clock = this.#clock;
    if (clock instanceof InstructionClock) clock.executed = () => cores.reduce((sum, core) => sum + core.instructions, 0);
    this.#serial = new Serial({
      clock: this.#clock, uart: this.#machine.uart, alarm: fire => this.#machine.alarm(fire),
      send: bytes => this.#sendBytes("console", bytes),
    });
    this.#backend.ready();
    for (const core of this.#machine.cores) core.debugExits = start.debugExits;
    this.#machine.tracer = this.#tracer(start.trace);
  }

  /** The state of the machine, for a report. */
  describe(): string { return describeMachine(this.#machine); }

  /** Frees what was made of a machine that nobody heard of yet: a process may have one hypervisor's machine only. */
  abandon(): void {
    if (this.#told) return;
    this.#told = true;
    this.closeDisks();
    this.#backend.close();
  }
  #told = false;

  /** Lets go of the disks' files and locks: also when this thread broke. */
  closeDisks(): void {
    this.#transfers.close();
    this.#syncer.close();
    this.#disks.close();
    this.#shares.close();
    this.#firmware?.close();
  }
  #unlessConcurrent(transfer: Transfer): Transfer { return (...asked) => !this.#vm.concurrent && transfer(...asked); }
  #startDiskThread(kind: "syncs" | "transfers", shared: SharedArrayBuffer): void {
    const message: SyncerMessage | TransfersMessage = { kind, shared, bell: this.#start.bell, doorbell: Bell.doorbell, kicks: this.#machine.cores.map(core => core.kickAddress) };
    new Worker(this.#start.diskThread).postMessage(message);
  }
  /** Disks from the first slot on; entropy in the last, networks before it, the rest before these: no disk moves them. */
  #virtio(): Map<number, VirtioDevice> {
    const devices = new Map<number, VirtioDevice>();
    for (const { backend, serial } of this.#disks.all) this.#blocks.push(new VirtioBlock({ backend, serial, queues: this.#start.cpus, failed: text => this.#send({ kind: "notice", text }) }));
    this.#blocks.forEach((block, n) => devices.set(n, block));
    const last: VirtioDevice[] = [...[this.#balloon, this.#console].filter(one => one !== undefined), ...this.#shares.all.map(({ tag, server }) => new VirtioP9(tag, server)), ...this.#nets];
    last.forEach((device, n) => devices.set(virtioSlots.length - 1 - last.length + n, device));
    if (this.#start.rng) devices.set(virtioSlots.length - 1, new VirtioRng(into => this.random(into)));
    if (this.#start.transport === "pci" && devices.size > PCI_DEVICES_MAX) throw new Failure("HV-USAGE-TRANSPORT", `--transport pci: ${devices.size} devices, but there is room for ${PCI_DEVICES_MAX}`, { hint: "give fewer" });
    return devices;
  }

  /** The thread's life. */
  live(): void {
    this.#load();
    this.#told = true;
    this.#send({ kind: "ready", backend: this.#machine.backend, engine: this.#vm.engine, kicks: this.#machine.cores.map(core => core.kickAddress), patched: this.#patched });
    if (this.#start.autostart) this.#wanted = Number.POSITIVE_INFINITY;
    while (!this.#closed) {
      this.#takeMessages();
      if (this.#closed) break;
      if (this.#wanted === undefined) Atomics.wait(this.#bell, Bell.doorbell, this.#rings);
      else this.#run();
    }
    this.closeDisks();
    // The main thread writes to the kick words: they go away only when it says that it has let go of them.
    this.#send({ kind: "closed" });
    while (!this.#released) {
      Atomics.wait(this.#bell, Bell.doorbell, this.#rings);
      this.#takeMessages();
    }
    this.#backend.close();
    this.#send({ kind: "gone" });
  }

  #run(): void {
    const limit = this.#wanted as number;
    this.#wanted = undefined;
    this.#running = true;
    this.#clock.resume();
    let outcome: RunOutcome;
    for (;;) {
      const end = this.#stopping ? { kind: "paused" } as const : this.#machine.run(limit);
      outcome = end.kind === "paused" ? { kind: "stopped" } : end;
      if (outcome.kind !== "reset" || !this.#start.reboot) break;
      this.#flush();
      this.#load();
      this.#serial.restart();
      this.#send({ kind: "rebooted" });
    }
    this.#running = false;
    this.#stopping = false;
    this.#clock.pause();
    if (outcome.kind === "off" || outcome.kind === "stopped" || outcome.kind === "reset") this.#ended = outcome.kind !== "reset";
    this.#flush();
    this.#send({ kind: "outcome", outcome });
  }

  /** Brings kernel or program into RAM and the machine into its power-on state. */
  #load(): void {
    this.#transfers.settle();
    const { load } = this.#start;
    if (load.kind === "program") {
      const { program } = load;
      if (!this.#machine.ram.write(program.at, program.bytes)) throw new Failure("HV-PROGRAM-PLACE", `the program (${program.bytes.length} bytes at ${hex(program.at)}) is outside of memory`);
      this.#vm.memoryWritten(program.at, program.bytes.length);
      this.#machine.reset(program.at, 0);
      return;
    }
    const random = new Uint32Array(10);
    this.random(random);
    const seeds = { kaslr: new Uint8Array(random.buffer, 0, 8), rng: new Uint8Array(random.buffer, 8, 32) };
    if (load.kind === "firmware") {
      this.#patched = this.#firmware?.load(this.#machine, seeds) ?? [];
      for (const { base, size } of [platform.flash0, platform.flash1]) this.#vm.memoryWritten(base, size);
      this.#machine.reset(platform.flash0.base, 0);
      return;
    }
    const files = openBootFiles(load.sources);
    const boot = prepareBoot(files, this.#machine.board, seeds);
    loadBoot(this.#machine.ram, files, boot);
    const { kernel, initrd, dtb } = boot.placement;
    this.#vm.memoryWritten(kernel, files.kernel.payload.length);
    if (initrd !== undefined) this.#vm.memoryWritten(initrd.start, initrd.end - initrd.start);
    this.#vm.memoryWritten(dtb, boot.blob.length);
    this.#machine.reset(boot.placement.entry, boot.placement.dtb);
    this.#patched = boot.patched;
  }

  // --- MachineHost -----------------------------------------------------------------------------------------------

  output(byte: number): void { this.#serial.put(byte); }
  inputWanted(): void {
    this.#serial.pump();
    this.#tellWaiting();
  }
  poll(): void {
    if (Atomics.load(this.#bell, Bell.doorbell) !== this.#rings) this.#takeMessages();
    if (Atomics.load(this.#bell, Bell.unwritten) > UNWRITTEN_LIMIT) this.#waitForWriter();
    this.#garbage.look(this.#machine.churn);
  }
  wait(deadline: number | undefined, idle: boolean): void {
    const look = idle ? this.#serial.idle() : undefined;
    this.#flushTrace();
    if (this.#transfers.help()) return;
    const until = deadline === undefined ? look : look === undefined ? deadline : Math.min(look, deadline);
    const ms = until === undefined ? LONGEST_SLEEP_MS : Math.min(LONGEST_SLEEP_MS, this.#clock.millisecondsUntil(until));
    if (idle && ms > LONG_REST_MS) this.#garbage.rest();
    const from = this.#clock.ticks();
    this.#backend.resting();
    const woken = Atomics.wait(this.#bell, Bell.doorbell, this.#rings, ms) !== "timed-out";
    if (this.#clock instanceof InstructionClock && !woken && until !== undefined) this.#clock.skipTo(Math.min(until, from + Math.ceil(ms * (this.#clock.frequency / 1000))));
  }
  random(into: Uint32Array): void { this.#random(into); }

  /** Time stands still for the guest while its output has nowhere to go. */
  #waitForWriter(): void {
    const still = !this.#vm.concurrent; // cores with threads of their own go on until they need a device
    if (still) this.#clock.pause();
    while (Atomics.load(this.#bell, Bell.unwritten) > UNWRITTEN_LIMIT / 2 && !this.#stopping && !this.#closed) {
      Atomics.wait(this.#bell, Bell.doorbell, this.#rings, LONGEST_SLEEP_MS);
      this.#takeMessages();
    }
    if (still) this.#clock.resume();
  }

  // --- messages --------------------------------------------------------------------------------------------------

  #send(message: FromMachine): void { postMessage(message); }
  #sendBytes(kind: "console" | "trace", bytes: Uint8Array): void {
    Atomics.add(this.#bell, Bell.unwritten, bytes.length);
    this.#send({ kind, bytes });
  }
  #flush(): void {
    this.#serial.flush();
    this.#flushTrace();
  }
  #takeMessages(): void {
    this.#rings = Atomics.load(this.#bell, Bell.doorbell);
    this.#backend.answered(this.#rings);
    this.#syncer.poll();
    this.#transfers.poll();
    for (;;) {
      const taken = receiveMessageOnPort(this.#port) as { message: ToMachine } | undefined;
      if (taken === undefined) break;
      this.#take(taken.message);
    }
    for (const net of this.#nets) net.serve();
    this.#console?.serve();
  }
  #take(message: ToMachine): void {
    switch (message.kind) {
      case "input":
        if (message.held) this.#serial.hold(message.bytes);
        else this.#serial.type(message.bytes);
        this.#tellWaiting(message.held);
        return;
      case "powerKey": return this.#machine.pressPowerKey();
      case "stop":
        this.#stopping = this.#running || this.#wanted !== undefined;
        this.#machine.stop({ kind: "paused" });
        if (!this.#stopping && !this.#ended) {
          this.#ended = true;
          this.#send({ kind: "outcome", outcome: { kind: "stopped" } });
        }
        return;
      case "run":
        this.#wanted = message.limit;
        return;
      case "ask": return this.#answer(message.id, message.question);
      case "close":
        this.#closed = true;
        this.#stopping = true;
        this.#machine.stop({ kind: "paused" });
        return;
      case "release":
        this.#released = true;
        return;
      default: return message satisfies never;
    }
  }
  /** Tells the sender of input how much is left, when that has changed by a good deal. Held input is always answered: its sender reads on when told. */
  #tellWaiting(answer = false): void {
    const { waiting } = this.#serial;
    if (!answer && (waiting === this.#waitingTold || (waiting > 0 && Math.abs(waiting - this.#waitingTold) < 4096))) return;
    this.#waitingTold = waiting;
    this.#send({ kind: "inputTaken", waiting });
  }
  #answer(id: number, question: Question): void {
    try {
      this.#send({ kind: "answer", id, value: this.#ask(question) });
    } catch (error) {
      this.#send({ kind: "refusal", id, why: error instanceof Error ? error.message : String(error) });
    }
  }
  #ask(question: Question): unknown {
    const machine = this.#machine;
    const core = (cpu: number): Machine["cores"][number] => {
      const found = machine.cores[cpu];
      if (found === undefined) throw new RangeError(`there is no cpu ${cpu}: the machine has ${machine.cores.length}`);
      return found;
    };
    const outside = (address: number, length: number): RangeError => new RangeError(`${length} bytes at ${hex(address)} are outside of memory (${hex(machine.ram.base)} to ${hex(machine.ram.base + machine.ram.size)})`);
    switch (question.name) {
      case "registers": return core(question.args.cpu).registers();
      case "setRegister": return core(question.args.cpu).setRegister(question.args.name, question.args.value);
      case "systemRegister": {
        const value = core(question.args.cpu).systemRegister(question.args.name);
        if (value === undefined) throw new RangeError(`there is no system register ${question.args.name}`);
        return value;
      }
      case "read": {
        const { address, length } = question.args;
        if (!(length >= 0 && length <= machine.ram.size)) throw outside(address, length);
        const bytes = new Uint8Array(length);
        if (!machine.ram.read(address, bytes)) throw outside(address, length);
        return bytes;
      }
      case "write":
        if (!machine.ram.write(question.args.address, question.args.bytes)) throw outside(question.args.address, question.args.bytes.length);
        return undefined;
      case "interrupt":
        if (!Number.isInteger(question.args.spi) || question.args.spi < 0 || question.args.spi > 255) throw new RangeError(`there is no shared interrupt ${question.args.spi}: 0 to 255`);
        return machine.interrupt(question.args.spi).set(question.args.level);
      case "reset":
        if (this.#running) throw new Error("the machine runs: stop it first");
        return this.#load();
      case "counters": return {
        instructions: machine.cores.reduce((sum, one) => sum + one.instructions, 0), exits: Object.fromEntries(machine.exits),
        devices: Object.fromEntries(machine.bus.counts), unassigned: machine.bus.unassigned, notes: Object.fromEntries(machine.notes), network: {},
      };
      case "balloon": {
        const balloon = this.#balloon, { target } = question.args;
        if (balloon === undefined) throw new Error("the machine has no balloon");
        if (target !== undefined) {
          if (!(target >= 0 && target <= machine.ram.size)) throw new RangeError(`a balloon of ${target} bytes: the machine has ${machine.ram.size}`);
          balloon.target = target;
        }
        const state = { target: balloon.target, actual: balloon.actual, released: balloon.released, stats: balloon.stats };
        balloon.refresh();
        return state;
      }
      case "resizeDisk": {
        const { index, bytes } = question.args, disk = this.#disks.all[index], device = this.#blocks[index];
        if (disk === undefined || device === undefined) throw new RangeError(`there is no disk ${index}: the machine has ${this.#disks.all.length}`);
        if (!Number.isSafeInteger(bytes) || bytes <= 0 || bytes % 512 !== 0) throw new RangeError(`a disk of ${bytes} bytes: give a multiple of 512`);
        disk.backend.grow(bytes);
        return device.resized();
      }
      case "describe": return describeMachine(machine);
      default: return question satisfies never;
    }
  }

  // --- trace -----------------------------------------------------------------------------------------------------

  #tracer(kinds: readonly TraceKind[]): Tracer {
    const value = (lo: number, hi: number): string => hex(BigInt(hi >>> 0) << 32n | BigInt(lo >>> 0));
    const on = <T>(kind: TraceKind, callback: T): T | undefined => kinds.includes(kind) ? callback : undefined;
    if (kinds.includes("sysreg")) {
      for (const core of this.#machine.cores) {
        core.onSysreg = (name, write, lo, hi) => this.#line(`sysreg cpu${core.index} ${write ? "msr" : "mrs"} ${name} ${value(lo, hi)}`);
      }
    }
    const exits = on("exits", (cpu: number, exit: Exit) => this.#line(`exit cpu${cpu} ${exitText(exit)}`));
    const mmio = on("mmio", (cpu: number, device: string, exit: Exit, lo: number) =>
      this.#line(`mmio cpu${cpu} ${device} ${exit.write ? "write" : "read"} ${exit.size} at ${hex(exit.gpa)} ${value(lo, exit.write ? exit.hi : this.#machine.bus.hi)}`));
    const device = on("mmio", (name: string, what: string, offset: number, lo: number) => this.#line(`mmio ${name}: ${what} at offset ${hex(offset)} (${hex(lo)})`));
    const irq = on("irq", (line: string, level: boolean) => this.#line(`irq ${line} ${level ? "high" : "low"}`));
    return { ...(exits && { exits }), ...(mmio && { mmio }), ...(device && { device }), ...(irq && { irq }) };
  }
  #line(text: string): void {
    const seconds = this.#clock.ticks() / this.#clock.frequency;
    const line = `[${seconds.toFixed(6)}] ${text}\n`;
    this.#trace.push(line);
    this.#traceLength += line.length;
    if (this.#traceLength >= TRACE_BATCH) this.#flushTrace();
  }
  #flushTrace(): void {
    if (this.#trace.length === 0) return;
    const bytes = new TextEncoder().encode(this.#trace.join(""));
    this.#trace = [];
    this.#traceLength = 0;
    this.#sendBytes("trace", bytes);
  }
}

function exitText(exit: Exit): string {
  switch (exit.kind) {
    case "mmio": return `mmio ${exit.write ? "write" : "read"} ${exit.size} at ${hex(exit.gpa)}`;
    case "sysreg": return `sysreg ${exit.write ? "write" : "read"} encoding ${hex(exit.encoding)}`;
    case "call": return `${exit.conduit} #${exit.immediate}`;
    case "vtimer": return exit.timer === "pmu" ? "counter overflow" : `${exit.timer} timer`;
    case "debug": return `brk #${exit.immediate}`;
    case "fault": return `fault: ${exit.why}`;
    default: return exit.kind;
  }
}

addEventListener("message", event => {
  const { start, port } = (event as MessageEvent<{ start: StartMessage; port: MessagePort }>).data;
  let thread: MachineThread | undefined;
  try {
    thread = new MachineThread(start, port);
    thread.live();
  } catch (error) {
    const state = error instanceof Failure ? "" : thread?.describe() ?? "";
    thread?.abandon();
    thread?.closeDisks();
    const failure = error instanceof Failure ? { code: error.code, message: error.message, hint: error.hint, exit: error.exit } : undefined;
    postMessage({ kind: "failure", failure, stack: `${error instanceof Error ? error.stack ?? error.message : String(error)}\n\n${state}` } satisfies FromMachine);
  }
});
