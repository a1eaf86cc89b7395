// test/library/library.test.ts — the package as others import it, and what it says when something cannot be.
import { describe, expect, test } from "bun:test";
import { Failure, VirtualMachine } from "hv";
import { MachineClient } from "../../src/machine-client.ts";
import { arm64Image } from "../support/kernel.ts";
import { echoKernel } from "../support/hv.ts";

const failureOf = (promise: Promise<unknown>): Promise<Failure> => promise.then(() => { throw new Error("it did not fail"); }, (error: Failure) => error);

describe("VirtualMachine.start", () => {
  test("boots a kernel given as bytes; the bytes stay the caller's", async () => {
    const kernel = echoKernel();
    await using vm = await VirtualMachine.start({ kernel, memory: "16M" });
    await vm.console.expect(/ready\r\n/);
    vm.console.write("hi");
    await vm.console.expect(/hi/);
    vm.console.write("r");
    await vm.console.expect(/ready\r\n/);
    expect(vm.reboots).toBe(1);
    vm.pressPowerKey();
    expect(await vm.exited).toEqual({ kind: "off" });
    expect(kernel.length).toBeGreaterThan(64);
  });
  test("with reboot: false a reset ends the machine", async () => {
    await using vm = await VirtualMachine.start({ kernel: echoKernel(), reboot: false });
    vm.console.write("r");
    await vm.console.expect(/ready/);
    vm.console.write("r");
    expect(await vm.exited).toEqual({ kind: "reset" });
    expect((await failureOf(vm.console.expect(/more/))).message).toContain("before the machine ended (reset)");
  });
  test("refuses what cannot boot with a Failure", async () => {
    expect((await failureOf(VirtualMachine.start({ kernel: new Uint8Array(3) }))).code).toBe("HV-IMAGE-SHORT");
    expect((await failureOf(VirtualMachine.start({ kernel: arm64Image(), memory: "512" }))).code).toBe("HV-USAGE-SIZE");
    expect((await failureOf(VirtualMachine.create({ program: Uint32Array.of(0), at: 16 }))).code).toBe("HV-PROGRAM-PLACE");
  });
  test("close while the guest runs, and close twice", async () => {
    const vm = await VirtualMachine.start({ kernel: echoKernel() });
    await vm.close();
    await vm.close();
    expect(await vm.exited).toEqual({ kind: "stopped" });
    expect((await failureOf(vm.registers())).message).toContain("closed");
  });
});
describe("the machine thread", () => {
  test("an error in it arrives as an error, with its stack", async () => {
    const broken = Promise.withResolvers<Error>();
    const start = { accelerator: "software", engine: "auto", gic: "auto", smpThreads: "auto", cpus: 1, ramSize: 2 ** 24, load: { kind: "boot", sources: undefined as never }, autostart: true, reboot: true, deterministic: false, debugExits: false, disks: [], rng: false, trace: [] } as const;
    const client = new MachineClient(start, { console: (_, done) => done(), outcome: () => {}, broken: broken.resolve });
    expect((await broken.promise).stack).toContain("machine-thread.ts");
    expect(await client.ready.then(() => "ready", () => "broken")).toBe("broken");
    await client.close();
  });
});
