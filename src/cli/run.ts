// src/cli/run.ts — `hv run`: boots a kernel in the foreground, its serial port on this terminal.
// How it ends: the guest switches itself off (0) or resets itself with --no-reboot (7); Ctrl-A x (0); SIGTERM, SIGINT and
// SIGHUP press the power key, a second one stops at once, and so does a guest that takes no notice for 10 s (128+n).
import { defineCommand } from "citty";
import type { CommandDef } from "citty";
import { ExitCode, Failure } from "../failure.ts";
import { chooseAccelerator, gicChoice } from "../host/accelerators.ts";
import { ESCAPE_HELP, Terminal, windowSize, type EscapeKey } from "../host/terminal.ts";
import { parseVsock } from "../host/net/unix-streams.ts";
import { MachineClient, type MachineStart } from "../machine-client.ts";
import type { RunOutcome } from "../machine-protocol.ts";
import { checkBalloon, openConsoles, openNetworks } from "../library.ts";
import type { Consoles } from "../consoles.ts";
import type { Networks } from "../networks.ts";
import { bootArgs, parseConsoles, parseDisks, parseGic, parseNets, parseShares, parseTrace, parseCpu, parseThreads, parseTransport, readBootArguments } from "./boot-arguments.ts";

/** How long a guest may take to switch itself off after the power key. */
const POWER_KEY_MS = 10_000;
const SIGNALS = { SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGPIPE: 13, SIGTERM: 15 } as const;
type Signal = keyof typeof SIGNALS;

export const examples: readonly string[] = [
  "hv run debian                                     Debian's kernel and BusyBox, fetched on first use",
  "hv run debian --kernel 6.12-cloud -m 1G -c 2",
  "hv run Image --initrd initramfs.cpio.gz --cmdline 'console=ttyAMA0 earlycon'",
  "hv run debian --disk data.img --disk tools.img,ro  as /dev/vda and /dev/vdb",
  "hv run --firmware QEMU_EFI.fd --firmware-vars vars.fd --disk system.img",
  "hv run debian -p 8080:80 --net user,allow-host    its port 80 as 127.0.0.1:8080; the host as 10.0.2.2",
  "hv run debian --share .:src                       in the guest: mount -t 9p -o trans=virtio src /mnt",
  "hv run Image --dtb board.dtb --trace mmio,irq 2> trace.txt",
  "echo 'poweroff -f' | hv run debian > boot.log     piped input waits until the guest reads",
];

/** What ended the session from this side. */
interface Request { readonly code: number; readonly failure?: Failure }

/** Runs a machine on this terminal until it ends; returns the exit code. */
export class Session {
  readonly #terminal: Terminal;
  readonly #client: MachineClient;
  readonly #done = Promise.withResolvers<RunOutcome>();
  readonly #tell: (line: string) => void;
  /** Why this accelerator was chosen. */
  readonly #why: string;
  readonly #networks: Networks | undefined;
  /** Set when the terminal is a port of the console device, and not the serial port. */
  readonly #screen: Consoles | undefined;
  #request: Request | undefined;
  #asked: Signal | undefined;
  #deadline: ReturnType<typeof setTimeout> | undefined;

  constructor(start: MachineStart, tell: (line: string) => void, why: string) {
    this.#tell = tell;
    this.#why = why;
    this.#networks = start.networks;
    this.#screen = start.consoles?.hasTerminal === true ? start.consoles : undefined;
    this.#terminal = new Terminal({
      input: (bytes, held) => (this.#screen === undefined ? this.#client.send({ kind: "input", bytes, held }) : this.#screen.type(bytes)),
      key: key => this.#key(key),
      outputFailed: code => this.#outputFailed(code),
    });
    this.#client = new MachineClient(start, {
      console: (bytes, done) => this.#terminal.write(bytes, done),
      trace: (bytes, done) => { process.stderr.write(bytes, () => done()); },
      outcome: outcome => this.#done.resolve(outcome),
      notice: text => { process.stderr.write(`hv: ${text}\n`); },
      rebooted: () => this.#tell("the guest reset itself: starting again"),
      inputWaiting: bytes => { if (this.#screen === undefined) this.#terminal.inputWaiting(bytes); },
      broken: error => this.#done.reject(error),
    });
  }

  async run(): Promise<number> {
    const handlers = (Object.keys(SIGNALS) as Signal[]).filter(signal => signal !== "SIGPIPE").map(signal => [signal, () => this.#signal(signal)] as const);
    try {
      const { patched, backend, engine } = await this.#client.ready;
      this.#tell(`${backend} CPU (${engine}): ${this.#why}`);
      for (const line of patched) process.stderr.write(`hv: device tree: patched ${line}\n`);
      for (const [signal, handler] of handlers) process.on(signal, handler);
      this.#screen?.show({ write: (bytes, done) => this.#terminal.write(bytes, done), waiting: bytes => this.#terminal.inputWaiting(bytes) });
      this.#resized();
      process.stdout.on("resize", this.#resized);
      this.#terminal.open();
      const outcome = await this.#done.promise;
      if (this.#request === undefined) await Promise.race([this.#terminal.drain(), this.#stopped.promise]);
      return this.#code(outcome);
    } finally {
      clearTimeout(this.#deadline);
      process.stdout.off("resize", this.#resized);
      this.#terminal.close();
      for (const [signal, handler] of handlers) process.off(signal, handler);
      await this.#client.close();
      for (const [what, count] of Object.entries(this.#networks?.counters ?? {})) this.#tell(`network: ${what}: ${count}`);
    }
  }

  readonly #resized = (): void => {
    if (process.stdout.isTTY !== true) return;
    const [columns, rows] = process.stdout.getWindowSize();
    this.#screen?.resize(columns, rows);
  };
  #code(outcome: RunOutcome): number {
    if (this.#request?.failure !== undefined) throw this.#request.failure;
    switch (outcome.kind) {
      case "off": return ExitCode.ok;
      case "reset":
        this.#tell("the guest reset itself");
        return ExitCode.guestReset;
      case "stopped": return this.#request?.code ?? ExitCode.ok;
      case "fault": throw new Failure("HV-GUEST-FAULT", `cpu ${outcome.cpu} cannot go on: ${outcome.why}`, { exit: ExitCode.failed });
      case "debug":
      case "budget": throw new Error(`a run without a budget ended with ${outcome.kind}`);
      default: return outcome satisfies never;
    }
  }
  readonly #stopped = Promise.withResolvers<void>();
  #stop(request: Request): void {
    this.#request ??= request;
    this.#client.send({ kind: "stop" });
    this.#stopped.resolve();
  }
  #signal(signal: Signal): void {
    const code = 128 + SIGNALS[signal];
    if (this.#asked !== undefined || signal === "SIGQUIT") return this.#stop({ code });
    this.#asked = signal;
    this.#tell("power key pressed; a second signal stops at once");
    this.#client.send({ kind: "powerKey" });
    this.#deadline = setTimeout(() => {
      this.#tell(`the guest took no notice of the power key for ${POWER_KEY_MS / 1000} s: stopped`);
      this.#stop({ code });
    }, POWER_KEY_MS);
  }
  #key(key: EscapeKey): void {
    switch (key) {
      case "end": return this.#stop({ code: ExitCode.ok });
      case "help":
        process.stderr.write(`\n${ESCAPE_HELP}`);
        return;
      case "state":
        void this.#client.ask("describe", {}).then(text => process.stderr.write(`\n${text}\n`), () => {});
        return;
      default: return key satisfies never;
    }
  }
  #outputFailed(code: string): void {
    if (code === "EPIPE") return this.#stop({ code: 128 + SIGNALS.SIGPIPE });
    if (code === "EIO") return this.#stop({ code: 128 + SIGNALS.SIGHUP }); // the terminal is gone
    const why = code === "ENOSPC" ? "the disk is full" : code;
    this.#stop({ code: ExitCode.failed, failure: new Failure("HV-OUTPUT", `standard output cannot be written: ${why}`, { exit: ExitCode.failed }) });
  }
}

const command: CommandDef<typeof bootArgs> = defineCommand({
  meta: { name: "run", description: "Boot an arm64 kernel, its serial console on this terminal (Ctrl-A h for its keys)" },
  args: bootArgs,
  async run({ args: given, rawArgs }) {
    const verbose = given.verbose === true || process.stderr.isTTY === true;
    const tell = (line: string): void => { if (verbose) process.stderr.write(`hv: ${line}\n`); };
    const trace = parseTrace(given.trace);
    const { nets, publish } = parseNets(rawArgs, given);
    const shares = parseShares(rawArgs, given.deterministic);
    const ports = parseConsoles(rawArgs), hvc = ports.some(one => one.to.kind === "terminal");
    const disks = parseDisks(rawArgs, nets.length + shares.length + (given.vsock === undefined ? 0 : 1) + (given.balloon === undefined ? 0 : 1) + (ports.length > 0 ? 1 : 0));
    const vsock = parseVsock(given.vsock);
    const accelerator = chooseAccelerator(given.accel);
    const { load, cpus, ramSize } = await readBootArguments(given.image === "debian" ? { ...given, cmdline: given.cmdline + (hvc ? " console=hvc0" : windowSize(process.stdout)) } : given);
    const transport = parseTransport(given.transport);
    const balloon = checkBalloon(given.balloon, ramSize);
    if (process.stdin.isTTY === true) tell("Ctrl-A x ends, Ctrl-A h helps");
    const features = parseCpu(given.cpu);
    const gic = gicChoice(accelerator.name, parseGic(given.gic), cpus);
    const networks = await openNetworks(nets, publish, given.deterministic, vsock);
    let consoles: Consoles | undefined;
    try {
      consoles = openConsoles(ports, given.deterministic);
    } catch (error) {
      networks?.close();
      throw error;
    }
    for (const one of networks?.published ?? []) tell(`${one.address}:${one.port} is the guest's ${one.protocol} port ${one.guestPort}`);
    const session = new Session({ networks, consoles, accelerator: accelerator.name, engine: accelerator.engine, gic, smpThreads: parseThreads(given["smp-threads"]), features, cpus, ramSize, disks, shares, transport, balloon, rng: given.rng, load, autostart: true, reboot: given.reboot, deterministic: given.deterministic, debugExits: false, trace }, tell, accelerator.why);
    return await session.run();
  },
});
export default command;
