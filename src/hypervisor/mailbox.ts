// src/hypervisor/mailbox.ts — a vCPU that lives in a thread of its own, as the machine thread sees it, and that thread's
// side: one command at a time goes there through shared memory, its exit comes back the same way.
// Running is the one command that the machine thread does not wait for: the other side rings the machine's doorbell when
// the vCPU has left the guest. What answers an exit travels with the next command, so that a device access costs one
// message each way. A vCPU that is in the guest is brought out before anything else is asked of it.
import { Exit, type ExitKind, type TimerName } from "../cpu/exit.ts";
import type { Registers, Vcpu } from "./backend.ts";
import { EXIT_CHARGE, TURN } from "../turns.ts";

/** i32 words of the mailbox. */
const W = {
  /** 0: the other side waits for one; it becomes 0 again when it is done. */
  command: 0,
  /** What goes with a command: interrupt lines, answer to the last exit, timers to unmask, changed arguments. */
  lines: 1, reply: 2, replyLo: 3, replyHi: 4, unmask: 5, dirty: 6,
  /** x0..x3 as lo, hi. */
  args: 8,
  /** The exit. */
  kind: 16, size: 17, flags: 18, lo: 19, hi: 20, register: 21, encoding: 22, immediate: 23, conduit: 24, timer: 25,
  /** Timers, one bit each: masked, level. */
  masked: 26, level: 27,
  /** 0 starting, 1 there, 2 could not be made (why: text). */
  phase: 28,
  textLength: 29, flag: 30,
  /** Grows with every command, where the thread serves this vCPU alone. */
  rung: 31,
  /** x0..x30, sp, pc as lo, hi; pstate. */
  registers: 48, pstate: 48 + 2 * 33,
} as const;
/** f64 words. */
const F = { gpa: 16, due: 17, pc: 18, x0: 19, kick: 20, id: 21, instructions: 22, /** Tick at which a core in the guest must be made to leave it. */ outBy: 23 } as const;
const TEXT = 512, TEXT_MAX = 1024;
export const MAILBOX_BYTES: number = TEXT + TEXT_MAX;
const Command = { none: 0, run: 1, reset: 2, registers: 3, setRegister: 4, systemRegister: 5, debug: 6, destroy: 7, look: 8 } as const;
const Reply = { none: 0, read: 1, write: 2, undefined: 3, abort: 4 } as const;
const Phase = { starting: 0, there: 1, failed: 2 } as const;
const Flag = { write: 1, syndromeValid: 2, signExtend: 4, sixtyFour: 8 } as const;
const KINDS: readonly ExitKind[] = ["budget", "mmio", "sysreg", "call", "wfi", "vtimer", "canceled", "debug", "fault", "turn", "look"];
const TIMERS: readonly TimerName[] = ["virtual", "physical", "pmu"];
const bitOf = (timer: TimerName): number => 1 << TIMERS.indexOf(timer);
const START_MS = 10_000;
/** Instructions of a turn when no other vCPU of the thread wants to run; and of one that runs while the one whose turn it is waits for the machine. */
const LONE_TURN = 200_000, VISIT = 2000;
/** Looks for the next command before the thread does something else, or sleeps: a sleeper is woken in 20 to 60 us, and most exits are answered sooner. */
const SPINS = 2000;

class Box {
  readonly w: Int32Array;
  readonly f: Float64Array;
  readonly #bytes: Uint8Array;
  constructor(shared: SharedArrayBuffer) {
    this.w = new Int32Array(shared, 0, TEXT / 4);
    this.f = new Float64Array(shared, 0, TEXT / 8);
    this.#bytes = new Uint8Array(shared, TEXT);
  }
  get text(): string { return new TextDecoder().decode(this.#bytes.slice(0, this.w[W.textLength])); }
  set text(text: string) {
    const bytes = new TextEncoder().encode(text).subarray(0, TEXT_MAX);
    this.#bytes.set(bytes);
    this.w[W.textLength] = bytes.length;
  }
  pair(word: number): bigint { return BigInt((this.w[word + 1] as number) >>> 0) << 32n | BigInt((this.w[word] as number) >>> 0); }
  setPair(word: number, value: bigint): void {
    this.w[word] = Number(BigInt.asIntN(32, value));
    this.w[word + 1] = Number(BigInt.asIntN(32, value >> 32n));
  }
}

/** The machine thread's side. */
export class RemoteVcpu implements Vcpu {
  readonly index: number;
  readonly exit: Exit = new Exit();
  readonly mailbox: SharedArrayBuffer = new SharedArrayBuffer(MAILBOX_BYTES);
  readonly #box: Box = new Box(this.mailbox);
  /** Makes the vCPU leave the guest, wherever it is. */
  readonly #exitNow: () => void;
  /** Changes its interrupt lines while it runs, where that can be done. */
  readonly #setLines: ((lines: number) => void) | undefined;
  /** What its thread sleeps on. */
  readonly #rung: Int32Array;
  /** It was let into the guest, and its exit was not taken yet. */
  #out = true;
  #lines = 0;
  onSysreg: Vcpu["onSysreg"];
  #debugExits = false;

  /** `rung`: grows with every command to a vCPU of its thread, where there are several. */
  constructor(index: number, exitNow: () => void, setLines?: (lines: number) => void, rung?: SharedArrayBuffer) {
    this.index = index;
    this.#rung = rung === undefined ? rungOf(this.mailbox) : new Int32Array(rung);
    this.#exitNow = exitNow;
    this.#setLines = setLines;
  }
  /** Waits until the other side has made the vCPU; throws with its reason when it could not. */
  started(): void {
    const { w } = this.#box;
    Atomics.wait(w, W.phase, Phase.starting, START_MS);
    const phase = Atomics.load(w, W.phase);
    if (phase === Phase.there) return;
    throw new Error(phase === Phase.failed ? this.#box.text : `the thread of vCPU ${this.index} did not start`);
  }
  /** The framework's id of the vCPU, and its kick word. */
  get id(): number { return this.#box.f[F.id] as number; }
  get kickAddress(): number { return this.#box.f[F.kick] as number; }

  /** Lets it into the guest and returns at once. */
  start(): void {
    this.#out = false;
    this.#send(Command.run);
  }
  /** True when it has left the guest; `exit` then says why. */
  finished(): boolean {
    if (this.#out) return true;
    if (Atomics.load(this.#box.w, W.command) !== Command.none) return false;
    this.#out = true;
    this.#take();
    return true;
  }
  /** Brings it out; its exit stays to be served. */
  bringOut(): void {
    if (Atomics.load(this.#box.w, W.command) === Command.none) return;
    this.#exitNow();
    this.#wait();
  }
  /** Makes it leave the guest if it is there, without waiting. */
  nudge(): void { if (Atomics.load(this.#box.w, W.command) === Command.run) this.#exitNow(); }
  get outBy(): number | undefined {
    const by = this.#box.f[F.outBy] as number;
    return this.#out || by === Number.POSITIVE_INFINITY ? undefined : by;
  }
  run(_deadline?: number): void {
    this.start();
    this.#wait();
    this.finished();
  }
  #send(command: number): void {
    const { w } = this.#box;
    w[W.lines] = this.#lines;
    Atomics.store(w, W.command, command);
    Atomics.add(this.#rung, 0, 1);
    Atomics.notify(this.#rung, 0);
  }
  #wait(): void {
    const { w } = this.#box;
    for (;;) {
      const command = Atomics.load(w, W.command);
      if (command === Command.none) return;
      Atomics.wait(w, W.command, command);
    }
  }
  /** Anything but running: done when it returns. */
  #do(command: number): void {
    this.bringOut();
    this.#send(command);
    this.#wait();
  }
  #take(): void {
    const { w, f } = this.#box, { exit } = this, flags = w[W.flags] as number;
    exit.kind = KINDS[w[W.kind] as number] as ExitKind;
    exit.gpa = f[F.gpa] as number;
    exit.size = w[W.size] as number;
    exit.write = (flags & Flag.write) !== 0;
    exit.syndromeValid = (flags & Flag.syndromeValid) !== 0;
    exit.signExtend = (flags & Flag.signExtend) !== 0;
    exit.sixtyFour = (flags & Flag.sixtyFour) !== 0;
    exit.lo = (w[W.lo] as number) >>> 0;
    exit.hi = (w[W.hi] as number) >>> 0;
    exit.register = w[W.register] as number;
    exit.encoding = w[W.encoding] as number;
    exit.immediate = w[W.immediate] as number;
    exit.conduit = w[W.conduit] === 0 ? "hvc" : "smc";
    exit.timer = TIMERS[w[W.timer] as number] as TimerName;
    if (exit.kind === "fault") exit.why = this.#box.text;
  }
  #reply(reply: number, lo = 0, hi = 0): void {
    const { w } = this.#box;
    w[W.reply] = reply;
    w[W.replyLo] = lo;
    w[W.replyHi] = hi;
  }
  completeRead(lo: number, hi: number): void { this.#reply(Reply.read, lo, hi); }
  completeWrite(): void { this.#reply(Reply.write); }
  injectUndefined(): void { this.#reply(Reply.undefined); }
  injectExternalAbort(): void { this.#reply(Reply.abort); }

  setLines(irq: boolean, fiq: boolean): void {
    const lines = (irq ? 1 : 0) | (fiq ? 2 : 0), raised = lines & ~this.#lines;
    this.#lines = lines;
    if (this.#setLines !== undefined) return this.#setLines(lines);
    if (raised !== 0 && !this.#out && Atomics.load(this.#box.w, W.command) === Command.run) this.#exitNow(); // it goes in again with them
  }
  get interruptPending(): boolean { return this.#lines !== 0; }
  #bit(word: number, timer: TimerName): boolean { return ((this.#box.w[word] as number) & bitOf(timer)) !== 0; }
  timerLevel(timer: TimerName): boolean { return this.#bit(W.level, timer); }
  timerMasked(timer: TimerName): boolean { return this.#bit(W.masked, timer); }
  unmaskTimer(timer: TimerName): void {
    const { w } = this.#box, bit = bitOf(timer);
    w[W.unmask] = (w[W.unmask] as number) | bit;
    w[W.masked] = (w[W.masked] as number) & ~bit;
    if (this.exit.kind === "wfi") this.#do(Command.look); // it may wait for that timer next
  }
  timerDue(): number | undefined {
    const due = this.#box.f[F.due] as number;
    return due === Number.POSITIVE_INFINITY ? undefined : due;
  }
  reset(pc: number, x0: number): void {
    const { w, f } = this.#box;
    this.bringOut();
    this.#out = true;
    [W.reply, W.unmask, W.dirty].forEach(word => { w[word] = 0; });
    f[F.pc] = pc;
    f[F.x0] = x0;
    this.#do(Command.reset);
    this.#setLines?.(this.#lines);
  }
  argument(index: number): { lo: number; hi: number } {
    const { w } = this.#box, at = W.args + 2 * index;
    return { lo: (w[at] as number) >>> 0, hi: (w[at + 1] as number) >>> 0 };
  }
  setArgument(index: number, lo: number, hi: number): void {
    const { w } = this.#box, at = W.args + 2 * index;
    w[at] = lo;
    w[at + 1] = hi;
    w[W.dirty] = (w[W.dirty] as number) | (1 << index);
  }
  registers(): Registers {
    this.#do(Command.registers);
    const box = this.#box;
    return {
      x: Array.from({ length: 31 }, (_, r) => box.pair(W.registers + 2 * r)), sp: box.pair(W.registers + 62), pc: box.pair(W.registers + 64),
      pstate: (box.w[W.pstate] as number) >>> 0,
    };
  }
  setRegister(name: string, value: bigint): void {
    this.bringOut();
    this.#box.text = name;
    this.#box.setPair(W.registers, value);
    this.#do(Command.setRegister);
    if (this.#box.w[W.flag] === 0) throw new RangeError(this.#box.text);
  }
  systemRegister(name: string): bigint | undefined {
    this.bringOut();
    this.#box.text = name;
    this.#do(Command.systemRegister);
    return this.#box.w[W.flag] === 0 ? undefined : this.#box.pair(W.registers);
  }
  get instructions(): number { return this.#box.f[F.instructions] as number; }
  readonly churn: number = 0; // it is another thread's
  get debugExits(): boolean { return this.#debugExits; }
  set debugExits(on: boolean) {
    this.#debugExits = on;
    this.bringOut();
    this.#box.w[W.flag] = on ? 1 : 0;
    this.#do(Command.debug);
  }
  destroy(): void { this.#do(Command.destroy); }
}

/** What a thread needs of its vCPU besides the seam. */
export interface OwnedVcpu extends Vcpu {
  readonly id: number;
  /** Called before every run with the tick at which it must be out again, where it does not see to that itself. */
  beforeRun?: ((deadline: number | undefined) => void) | undefined;
  destroy(): void;
}

const rungOf = (mailbox: SharedArrayBuffer): Int32Array => new Int32Array(mailbox, 4 * W.rung, 1);
/** A vCPU of a thread; `running`: it was let into the guest, and its turn is over. */
interface Served { readonly box: Box; readonly vcpu: OwnedVcpu; running: boolean }
/** Makes a vCPU and says so; undefined, with the reason in its mailbox, when that fails. */
function open(shared: SharedArrayBuffer, make: () => OwnedVcpu, tell: () => void): Served | undefined {
  const box = new Box(shared), { w, f } = box;
  try {
    const vcpu = make();
    f[F.id] = vcpu.id;
    f[F.kick] = vcpu.kickAddress;
    f[F.due] = Number.POSITIVE_INFINITY;
    f[F.instructions] = NaN;
    f[F.outBy] = Number.POSITIVE_INFINITY;
    vcpu.beforeRun = (deadline = Number.POSITIVE_INFINITY) => {
      if (f[F.outBy] === deadline) return;
      f[F.outBy] = deadline;
      if (deadline !== Number.POSITIVE_INFINITY) tell(); // the machine's thread may sleep for longer
    };
    Atomics.store(w, W.phase, Phase.there);
    return { box, vcpu, running: false };
  } catch (error) {
    box.text = error instanceof Error ? error.message : String(error);
    Atomics.store(w, W.phase, Phase.failed);
    return undefined;
  } finally {
    Atomics.notify(w, W.phase);
  }
}

/** The life of a thread with one vCPU: see `serveVcpus`. */
export function serveVcpu(shared: SharedArrayBuffer, bell: Int32Array, make: () => OwnedVcpu): void {
  serveVcpus([{ mailbox: shared, make }], rungOf(shared), bell);
}
/** What a thread whose vCPUs take turns has besides. */
interface Turns {
  /** When a turn of one of `n` ends at the latest (ticks). */
  end(n: number): number;
  /** The machine's thread may be in the guest: brings it out. */
  ring(): void;
  /** After every turn. */
  over(): void;
}
/**
 * The other side's life: makes the vCPUs, serves commands until they are destroyed. Those that are in the guest take turns.
 * `rung[0]` grows with every command; `bell[0]` is the machine's doorbell.
 */
export function serveVcpus(all: readonly { readonly mailbox: SharedArrayBuffer; readonly make: () => OwnedVcpu }[], rung: Int32Array, bell: Int32Array, turns?: Turns): void {
  const served: Served[] = [];
  const tell = (): void => {
    Atomics.add(bell, 0, 1);
    Atomics.notify(bell, 0);
  };
  for (const { mailbox, make } of all) {
    const one = open(mailbox, make, tell);
    if (one === undefined) return;
    served.push(one);
  }
  const finish = (one: Served): void => {
    one.running = false;
    Atomics.store(one.box.w, W.command, Command.none);
    Atomics.notify(one.box.w, W.command);
  };
  const runs = (i: number): boolean => Atomics.load((served[i] as Served).box.w, W.command) === Command.run;
  /** The next one after `i` that is in the guest, itself at last; -1: none. */
  const after = (i: number): number => {
    for (let n = 1; n <= served.length; n++) if (runs((i + n) % served.length)) return (i + n) % served.length;
    return -1;
  };
  // Whose turn it is keeps it while the machine serves its exit: an interrupt's handler has several, and is not to wait for all others
  // each time. If that takes longer, others run meanwhile, but not for long.
  let alive = served.length, seen = NaN, holder = 0, left = 0, visitor = 0, spins = 0;
  for (;;) {
    const rings = Atomics.load(rung, 0);
    if (rings !== seen) {
      seen = rings;
      for (const one of served) { // what the machine waits for comes first
        const command = Atomics.load(one.box.w, W.command);
        if (command === Command.none || command === Command.run) continue;
        obey(one, command);
        finish(one);
        if (command === Command.destroy) alive--;
      }
      if (alive === 0) return;
    }
    const held = left > 0, ready = held && runs(holder);
    if (held && !ready && spins++ < SPINS) continue;
    const next = ready ? holder : after(held ? visitor : holder);
    if (next < 0) {
      Atomics.wait(rung, 0, rings);
      continue;
    }
    if (!held) {
      holder = next;
      left = TURN;
    } else if (!ready) visitor = next;
    const one = served[next] as Served, { vcpu } = one, lone = after(next) === next, before = vcpu.instructions;
    const over = served.length === 1 ? turn(one) : turn(one, turns?.end(served.length), next !== holder ? VISIT : lone ? LONE_TURN : left);
    turns?.over();
    if (next !== holder) left -= VISIT; // it may be off for good
    else {
      spins = 0;
      left = !over || vcpu.exit.kind === "wfi" ? 0 : lone ? TURN : left - (vcpu.instructions - before) - EXIT_CHARGE;
    }
    if (!over) continue;
    finish(one);
    tell();
    turns?.ring();
  }
}
/** Does something with a vCPU; what it throws is an exit. */
function attempt({ box }: Served, what: () => void): void {
  try {
    what();
  } catch (error) {
    box.w[W.kind] = KINDS.indexOf("fault");
    box.text = error instanceof Error ? error.message : String(error);
  }
}
/** Anything but running. */
function obey(one: Served, command: number): void {
  attempt(one, () => {
    apply(one.box, one.vcpu);
    serve(one.box, one.vcpu, command);
  });
}
/** Runs it, until it has an exit for the machine; or, with a limit, for a turn that ends at a tick. True: it has one. */
function turn(one: Served, end?: number, limit?: number): boolean {
  const { box, vcpu } = one;
  let over = true;
  attempt(one, () => {
    if (!one.running) apply(box, vcpu);
    one.running = true;
    vcpu.run(end, limit);
    over = limit === undefined || (vcpu.exit.kind !== "budget" && vcpu.exit.kind !== "turn");
    if (over) post(box, vcpu);
  });
  return over;
}
/** What came with the command. */
function apply({ w }: Box, vcpu: Vcpu): void {
  const lines = w[W.lines] as number;
  vcpu.setLines((lines & 1) !== 0, (lines & 2) !== 0);
  const dirty = w[W.dirty] as number;
  for (let i = 0; i < 4; i++) if (((dirty >>> i) & 1) !== 0) vcpu.setArgument(i, w[W.args + 2 * i] as number, w[W.args + 2 * i + 1] as number);
  const unmask = w[W.unmask] as number, reply = w[W.reply] as number;
  w[W.dirty] = 0;
  w[W.unmask] = 0;
  w[W.reply] = Reply.none;
  TIMERS.forEach((timer, i) => { if (((unmask >>> i) & 1) !== 0) vcpu.unmaskTimer(timer); });
  if (reply === Reply.read) vcpu.completeRead(w[W.replyLo] as number, w[W.replyHi] as number);
  else if (reply === Reply.write) vcpu.completeWrite();
  else if (reply === Reply.undefined) vcpu.injectUndefined();
  else if (reply === Reply.abort) vcpu.injectExternalAbort();
}
function serve(box: Box, vcpu: OwnedVcpu, command: number): void {
  const { w, f } = box;
  switch (command) {
    case Command.look: return postTimers(box, vcpu, true);
    case Command.reset:
      vcpu.reset(f[F.pc] as number, f[F.x0] as number);
      f[F.due] = Number.POSITIVE_INFINITY;
      w[W.masked] = 0;
      return;
    case Command.registers: {
      const { x, sp, pc, pstate } = vcpu.registers();
      [...x, sp, pc].forEach((value, i) => box.setPair(W.registers + 2 * i, value));
      w[W.pstate] = pstate | 0;
      return;
    }
    case Command.setRegister:
      w[W.flag] = 0;
      try {
        vcpu.setRegister(box.text, BigInt.asUintN(64, box.pair(W.registers)));
        w[W.flag] = 1;
      } catch (error) {
        box.text = error instanceof Error ? error.message : String(error);
      }
      return;
    case Command.systemRegister: {
      const value = vcpu.systemRegister(box.text);
      w[W.flag] = value === undefined ? 0 : 1;
      box.setPair(W.registers, value ?? 0n);
      return;
    }
    case Command.debug:
      vcpu.debugExits = w[W.flag] !== 0;
      return;
    case Command.destroy: return vcpu.destroy();
    default: throw new Error(`there is no command ${command}`);
  }
}
function post(box: Box, vcpu: Vcpu): void {
  const { w, f } = box, { exit } = vcpu;
  w[W.kind] = KINDS.indexOf(exit.kind);
  f[F.gpa] = exit.gpa;
  w[W.size] = exit.size;
  w[W.flags] = (exit.write ? Flag.write : 0) | (exit.syndromeValid ? Flag.syndromeValid : 0) | (exit.signExtend ? Flag.signExtend : 0) | (exit.sixtyFour ? Flag.sixtyFour : 0);
  w[W.lo] = exit.lo;
  w[W.hi] = exit.hi;
  w[W.register] = exit.register;
  w[W.encoding] = exit.encoding;
  w[W.immediate] = exit.immediate;
  w[W.conduit] = exit.conduit === "hvc" ? 0 : 1;
  w[W.timer] = TIMERS.indexOf(exit.timer);
  if (exit.kind === "fault") box.text = exit.why;
  if (exit.kind === "call") {
    for (let i = 0; i < 4; i++) {
      const { lo, hi } = vcpu.argument(i);
      w[W.args + 2 * i] = lo;
      w[W.args + 2 * i + 1] = hi;
    }
  }
  f[F.instructions] = vcpu.instructions;
  postTimers(box, vcpu, exit.kind === "wfi" || exit.kind === "call");
}
/** The timers' state; when they are due only for a core that may wait now. */
function postTimers({ w, f }: Box, vcpu: Vcpu, due: boolean): void {
  let masked = 0, level = 0;
  TIMERS.forEach((timer, i) => {
    if (vcpu.timerMasked(timer)) masked |= 1 << i;
    if ((masked & (1 << i)) !== 0 || due) level |= vcpu.timerLevel(timer) ? 1 << i : 0;
  });
  w[W.masked] = masked;
  w[W.level] = level;
  f[F.due] = (due ? vcpu.timerDue() : undefined) ?? Number.POSITIVE_INFINITY;
}
