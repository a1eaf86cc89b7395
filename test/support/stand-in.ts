// test/support/stand-in.ts — machines on the stand-in for Hypervisor.framework, for `VirtualMachine`.
import type { MachineThreads } from "../../src/machine-client.ts";
import { StandIn } from "./hypervisor-framework.ts";

/** The threads of such a machine. One of these machines at a time: there is one VM per process. */
export const standInThreads: MachineThreads = { machine: new URL("./stand-in-machine.ts", import.meta.url), hypervisor: new URL("./stand-in-thread.ts", import.meta.url) };
/** What the threads share is made by the main thread: before any of them starts. */
export const standIn: StandIn = new StandIn();
