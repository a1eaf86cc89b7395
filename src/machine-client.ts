// src/machine-client.ts — a machine in its own thread, as the main thread sees it: messages out, events in.
// Lies beside main.ts: in the compiled executable a Worker's address is relative to the root of the entry points.
import { MessageChannel, type MessagePort } from "node:worker_threads";
import { toArrayBuffer, type Pointer } from "bun:ffi";
import { Failure } from "./failure.ts";
import type { Consoles } from "./consoles.ts";
import type { Networks } from "./networks.ts";
import { Bell, type FromMachine, type QuestionName, type Questions, type RunOutcome, type StartMessage, type ToMachine } from "./machine-protocol.ts";

const GRACE_MS = 2000;
/** The entries of a machine's threads. */
export interface MachineThreads {
  readonly machine: URL;
  readonly hypervisor: URL;
  /** Default: hv's own. */
  readonly disk?: URL;
}
const THREADS: MachineThreads = { machine: new URL("./machine-thread.ts", import.meta.url), hypervisor: new URL("./hypervisor-thread.ts", import.meta.url) };
const DISK_THREAD = new URL("./disk-thread.ts", import.meta.url);
/** What a client says of a machine; the rest is its own. */
export type MachineStart = Omit<StartMessage, "bell" | "hypervisorThread" | "diskThread" | "nets" | "ports"> & {
  /** Closed with the machine. */
  readonly networks?: Networks | undefined;
  readonly consoles?: Consoles | undefined;
};

export interface MachineEvents {
  /** Bytes from the guest's serial port. Call `done` when they are written out: the guest waits for it, at last. */
  readonly console: (bytes: Uint8Array, done: () => void) => void;
  readonly trace?: (bytes: Uint8Array, done: () => void) => void;
  readonly outcome: (outcome: RunOutcome) => void;
  readonly rebooted?: () => void;
  /** One line for the user: something on this host goes wrong, and the guest goes on. */
  readonly notice?: (text: string) => void;
  readonly inputWaiting?: (bytes: number) => void;
  /** The machine thread broke: a bug. */
  readonly broken: (error: Error) => void;
}
export interface ReadyMachine {
  readonly backend: string;
  /** What executes instructions, and why if it is not the best. */
  readonly engine: string;
  /** What was changed in a user's device tree. */
  readonly patched: readonly string[];
}

export class MachineClient {
  readonly #worker: Worker;
  readonly #port: MessagePort;
  readonly #bell: Int32Array = new Int32Array(new SharedArrayBuffer(Bell.WORDS * 4));
  readonly #events: MachineEvents;
  readonly #questions = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>();
  readonly #networks: Networks | undefined;
  readonly #consoles: Consoles | undefined;
  #kicks: readonly Int32Array[] = [];
  #nextQuestion = 1;
  #closed = false;
  readonly #gone = Promise.withResolvers<void>();
  readonly #ready = Promise.withResolvers<ReadyMachine>();

  constructor(start: MachineStart, events: MachineEvents, threads: MachineThreads = THREADS) {
    this.#events = events;
    const { networks, consoles, ...rest } = start;
    this.#networks = networks;
    this.#consoles = consoles;
    consoles?.attach(() => this.#wake(), text => events.notice?.(text));
    networks?.attach(() => this.#wake(), text => events.notice?.(text));
    this.#worker = new Worker(threads.machine);
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    this.#worker.onmessage = event => this.#take((event as MessageEvent<FromMachine>).data);
    this.#worker.onerror = event => this.#break(new Error(event.message));
    const message = { start: { ...rest, nets: networks?.starts ?? [], ports: consoles?.starts ?? [], bell: this.#bell.buffer, hypervisorThread: threads.hypervisor.href, diskThread: (threads.disk ?? DISK_THREAD).href }, port: port2 };
    this.#worker.postMessage(message, [port2 as never]);
    this.#ready.promise.catch(() => {});
  }

  /** Resolves when the machine stands; rejects with a Failure when it cannot be made. */
  get ready(): Promise<ReadyMachine> { return this.#ready.promise; }

  send(message: ToMachine): void {
    if (this.#closed) return;
    this.#port.postMessage(message);
    this.#wake();
  }
  /** Makes the machine thread look: at its port, and at its networks' rings. */
  #wake(): void {
    this.#ring();
    for (const kick of this.#kicks) kick[0] = 1;
  }
  ask<K extends QuestionName>(name: K, args: Questions[K]["args"]): Promise<Questions[K]["answer"]> {
    if (this.#closed) return Promise.reject(new Error("the machine is closed"));
    const { promise, resolve, reject } = Promise.withResolvers<Questions[K]["answer"]>();
    const id = this.#nextQuestion++;
    this.#questions.set(id, { resolve: resolve as (value: never) => void, reject });
    this.send({ kind: "ask", id, question: { name, args } as never });
    return promise;
  }
  /** Frees the machine and ends its thread. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.send({ kind: "close" });
    this.#closed = true;
    this.#networks?.close();
    this.#consoles?.close();
    for (const { reject } of this.#questions.values()) reject(new Error("the machine was closed"));
    this.#questions.clear();
    // A thread that broke does not answer.
    await Promise.race([this.#gone.promise, Bun.sleep(GRACE_MS)]);
    this.#port.close();
    this.#worker.terminate();
  }

  #ring(): void {
    Atomics.add(this.#bell, Bell.doorbell, 1);
    Atomics.notify(this.#bell, Bell.doorbell);
  }
  #written(bytes: number): void {
    Atomics.sub(this.#bell, Bell.unwritten, bytes);
    this.#ring();
  }
  #take(message: FromMachine): void {
    switch (message.kind) {
      case "ready":
        if (!this.#closed) this.#kicks = message.kicks.map(address => new Int32Array(toArrayBuffer(address as Pointer, 0, 4)));
        return this.#ready.resolve(message);
      case "console": return this.#events.console(message.bytes, () => this.#written(message.bytes.length));
      case "trace": {
        const done = (): void => this.#written(message.bytes.length);
        return this.#events.trace === undefined ? done() : this.#events.trace(message.bytes, done);
      }
      case "inputTaken": return this.#events.inputWaiting?.(message.waiting);
      case "notice": return this.#events.notice?.(message.text);
      case "frames": return this.#networks?.frames(message.index);
      case "port": return this.#consoles?.move(message.index);
      case "rebooted": return this.#events.rebooted?.();
      case "outcome": return this.#events.outcome(message.outcome);
      case "answer":
      case "refusal": {
        const asked = this.#questions.get(message.id);
        this.#questions.delete(message.id);
        if (message.kind === "answer") asked?.resolve(message.value as never);
        else asked?.reject(new Error(message.why));
        return;
      }
      case "closed":
        this.#kicks = []; // their memory goes away with the machine
        this.#port.postMessage({ kind: "release" } satisfies ToMachine);
        return this.#ring();
      case "gone": return this.#gone.resolve();
      case "failure": {
        this.#gone.resolve();
        const { failure } = message;
        if (failure !== undefined) return this.#ready.reject(new Failure(failure.code, failure.message, { exit: failure.exit, ...(failure.hint === undefined ? {} : { hint: failure.hint }) }));
        return this.#break(Object.assign(new Error(`the machine thread broke: ${message.stack.split("\n")[0] ?? ""}`), { stack: message.stack }));
      }
      default: return message satisfies never;
    }
  }
  #break(error: Error): void {
    this.#ready.reject(error);
    for (const { reject } of this.#questions.values()) reject(error);
    this.#questions.clear();
    this.#events.broken(error);
  }
}
