// test/hypervisor/hvf.test.ts — src/hypervisor/hvf.ts against what the framework's stand-in can be made to do: exits that
// the software CPU never makes, refusals, lost kicks, a host that sleeps; and the stand-in's own rules.
import { afterEach, describe, expect, test } from "bun:test";
import { ExitReason, Hypervisor, HypervisorError, SysReg, type HostAddress, type VcpuId } from "../../ffi/hypervisor.ts";
import { NativeMemory } from "../../ffi/memory.ts";
import { Failure } from "../../src/failure.ts";
import { HvfVm, type HvfOptions } from "../../src/hypervisor/hvf.ts";
import type { HvfVcpu } from "../../src/hypervisor/hvf-vcpu.ts";
import { diagnosisText } from "../../src/cli/doctor.ts";
import { examineMac, type Mac } from "../../src/host/hypervisor-framework.ts";
import { gicRedistributor, platform } from "../../src/machine/platform.ts";
import { DEVICE, kick, RAM, RAM_SIZE } from "../contract/hypervisor.ts";
import { Assembler } from "../support/assembler.ts";
import { StandIn, type StandInOptions } from "../support/hypervisor-framework.ts";

const places = { distributor: platform.gicDistributor.base, cpuInterface: platform.gicCpuInterface.base, redistributor: gicRedistributor.base };
const host = { now: 1_000_000 };
const open: { standIn?: StandIn; vm?: HvfVm } = {};
afterEach(() => {
  open.vm?.destroy();
  open.standIn?.[Symbol.dispose]();
  delete open.vm;
  delete open.standIn;
});
const standIn = (options: StandInOptions = {}): StandIn => open.standIn = new StandIn({ time: () => host.now, ...options }).install();
function machine(options: Partial<HvfOptions> = {}, from: StandInOptions = {}): { vm: HvfVm; standIn: StandIn } {
  const one = standIn(from);
  const vm = open.vm = new HvfVm(Hypervisor.open(), { gic: "own", places, end: RAM + RAM_SIZE, cpus: 1, ...options });
  return { vm, standIn: one };
}
/** A vCPU with a program at the start of RAM. */
function guest(program: (asm: Assembler) => Assembler, options: Partial<HvfOptions> = {}): { vcpu: HvfVcpu; vm: HvfVm; standIn: StandIn } {
  const { vm, standIn: one } = machine(options);
  new Uint8Array(vm.addRam(RAM, RAM_SIZE).windows[0] as ArrayBuffer).set(program(new Assembler()).bytes());
  const vcpu = vm.createVcpu(0) as HvfVcpu;
  vcpu.reset(RAM, 0);
  vcpu.debugExits = true;
  return { vcpu, vm, standIn: one };
}
const failureOf = (what: () => unknown): Failure => {
  try {
    what();
  } catch (error) {
    return error as Failure;
  }
  throw new Error("it did not fail");
};
const exception = (ec: number, iss: number, physical = 0n): { reason: number; syndrome: number; physical: bigint } => ({ reason: ExitReason.EXCEPTION, syndrome: ((ec << 26) | (1 << 25) | iss) >>> 0, physical });
const pc = (vcpu: HvfVcpu): number => Number(vcpu.registers().pc);

describe("exits", () => {
  const loop = (asm: Assembler): Assembler => asm.mov("x0", RAM + 0x1000).msr("VBAR_EL1", "x0").isb().brk(1).brk(2).brk(3).org(0x1200).brk(99);
  /** Runs to the first BRK, at index 4. */
  const ready = (): { vcpu: HvfVcpu; standIn: StandIn } => {
    const made = guest(loop);
    made.vcpu.run(undefined);
    expect(pc(made.vcpu)).toBe(RAM + 16);
    return made;
  };
  test.each([
    ["WFE", exception(0x01, 1)], ["WFIT and WFET", exception(0x01, 3)], ["cache maintenance by address", exception(0x24, (1 << 8) | (1 << 6) | 0x07, 0x0900_0000n)],
  ])("%s: stepped over, and the guest goes on", (_, next) => {
    const { vcpu, standIn: one } = ready();
    one.next = next;
    vcpu.run(undefined);
    expect([vcpu.exit.kind, vcpu.exit.immediate, pc(vcpu)]).toEqual(["debug", 2, RAM + 20]);
  });
  test("the address is the exit's physical one", () => {
    const { vcpu, standIn: one } = ready();
    one.next = { ...exception(0x24, (1 << 24) | (2 << 22) | (5 << 16) | 0x07, 0x12_3456_7890n), virtual: 0xffff_8000_0000_0000n } as never;
    vcpu.run(undefined);
    expect([vcpu.exit.kind, vcpu.exit.gpa, vcpu.exit.size, vcpu.exit.register]).toEqual(["mmio", 0x12_3456_7890, 4, 5]);
  });
  test("page tables where nothing is: an external abort, not a device", () => {
    const { vcpu, standIn: one } = ready();
    one.next = exception(0x24, (1 << 7) | 0x05, 0x0900_0000n);
    vcpu.run(undefined);
    expect([vcpu.exit.immediate, (vcpu.systemRegister("ESR_EL1") as bigint) >> 26n]).toEqual([99, 0x25n]);
  });
  test("instructions from where nothing is: an abort in the guest", () => {
    const { vcpu } = guest(asm => asm.mov("x0", RAM + 0x1000).msr("VBAR_EL1", "x0").isb().mov("x1", DEVICE).emit("BR", { n: 1 }).org(0x1200).brk(99));
    vcpu.run(undefined);
    expect([vcpu.exit.kind, vcpu.exit.immediate, (vcpu.systemRegister("ESR_EL1") as bigint) >> 26n, vcpu.systemRegister("ELR_EL1")]).toEqual(["debug", 99, 0x21n, BigInt(DEVICE)]);
  });
  test.each([["a reason that nobody knows", { reason: ExitReason.UNKNOWN }], ["SError", exception(0x2f, 0)], ["a data abort of another kind", exception(0x24, (1 << 24) | 0x0f)]])("%s: a fault, with the syndrome in words", (_, next) => {
    const { vcpu, standIn: one } = ready();
    one.next = next;
    vcpu.run(undefined);
    expect([vcpu.exit.kind, vcpu.exit.why]).toEqual(["fault", expect.stringContaining("Hypervisor.framework")]);
  });
  const sysreg = (op0: number, op1: number, crn: number, crm: number, op2: number, rt: number, read: boolean): number => (op0 << 20) | (op2 << 17) | (op1 << 14) | (crn << 10) | (rt << 5) | (crm << 1) | (read ? 1 : 0);
  test.each([["PMCR_EL0", [3, 3, 9, 12, 0]], ["LORC_EL1", [3, 0, 10, 4, 3]], ["an implementation's own register", [3, 1, 15, 0, 0]], ["MDCCINT_EL1", [2, 0, 0, 2, 0]]] as const)("%s reads as zero, and takes writes", (_, [op0, op1, crn, crm, op2]) => {
    const { vcpu, standIn: one } = ready();
    vcpu.setRegister("x7", 7n);
    one.next = exception(0x18, sysreg(op0, op1, crn, crm, op2, 7, true));
    vcpu.run(undefined);
    expect([vcpu.exit.immediate, vcpu.registers().x[7]]).toEqual([2, 0n]);
    one.next = exception(0x18, sysreg(op0, op1, crn, crm, op2, 31, false));
    vcpu.run(undefined);
    expect(vcpu.exit.immediate).toBe(3);
  });
  test("a status of hv_vcpu_run is a fault of that core", () => {
    const { vcpu } = ready();
    const dead = vcpu.id;
    Hypervisor.open().base.hv_vcpu_destroy(dead);
    vcpu.run(undefined);
    expect([vcpu.exit.kind, vcpu.exit.why]).toEqual(["fault", "hv_vcpu_run: HV_BAD_ARGUMENT"]);
    const out = new Uint32Array(2);
    Hypervisor.open().base.hv_vcpu_create(out, new Uint32Array(2), null); // for the end of the test to destroy
    expect(out[0]).toBe(dead);
  });
});

describe("what guests are told", () => {
  test("no SME, addresses as wide as the VM's, no GICv3 interface; what is read back is what was wanted", () => {
    const { vcpu, vm } = guest(asm => asm.brk());
    expect(vcpu.systemRegister("ID_AA64PFR1_EL1")).toBe(0n);
    expect((vcpu.systemRegister("ID_AA64MMFR0_EL1") as bigint) & 15n).toBe(1n); // 36 bits
    expect((vcpu.systemRegister("ID_AA64PFR0_EL1") as bigint) >> 24n & 15n).toBe(0n);
    expect([vcpu.remarks, vm.engine]).toEqual([[], "Hypervisor.framework, hv's own interrupt controller"]);
  });
  test("with hv_gic the GICv3 interface is there", () => {
    const { vcpu } = guest(asm => asm.brk(), { gic: "framework" });
    expect((vcpu.systemRegister("ID_AA64PFR0_EL1") as bigint) >> 24n & 15n).toBe(1n);
  });
  test("more memory than 64 GiB needs wider addresses, which are asked for", () => {
    const { standIn: one } = machine({ end: 100 * 2 ** 30 });
    expect([one.shared[1], [...one.objects.values()]]).toEqual([37, []]); // and the configuration was released
  });
  test("and is refused where there are none", () => {
    standIn({ level: "11.0" });
    expect(failureOf(() => new HvfVm(Hypervisor.open(), { gic: "own", places, end: 100 * 2 ** 30, cpus: 1 })).code).toBe("HV-HVF-MEMORY");
    expect(failureOf(() => new HvfVm(Hypervisor.open(), { gic: "framework", places, end: 2 ** 32, cpus: 1 })).code).toBe("HV-HVF-GIC");
  });
  test("2^40 bytes are more than this Mac gives", () => {
    standIn();
    expect(failureOf(() => new HvfVm(Hypervisor.open(), { gic: "own", places, end: 2 ** 41, cpus: 1 })).message).toContain("40-bit");
  });
  test("a controller that the board has no room for is refused, and leaves no machine behind", () => {
    standIn();
    const bad = { ...places, redistributor: places.distributor + 0x4000 };
    expect(failureOf(() => new HvfVm(Hypervisor.open(), { gic: "framework", places: bad, end: 2 ** 32, cpus: 1 })).code).toBe("HV-HVF-GIC");
    machine();
  });
  test("a second machine in one process is refused by name", () => {
    machine();
    const failure = failureOf(() => new HvfVm(Hypervisor.open(), { gic: "own", places, end: 2 ** 32, cpus: 1 }));
    expect([failure.code, failure.exit, failure.hint]).toEqual(["HV-HVF-BUSY", 5, expect.stringContaining("one per process")]);
  });
});

describe("kicks", () => {
  test("one that hv_vcpus_exit loses is found in the kick word", () => {
    const { vcpu, standIn: one } = guest(asm => asm.hvc(1).label("loop").b("loop"));
    const { base } = Hypervisor.open();
    vcpu.beforeRun = () => { // just then: the vCPU leaves for its HVC, and the cancel is swallowed
      vcpu.beforeRun = undefined;
      kick(vcpu);
      one.next = exception(0x16, 1);
    };
    vcpu.run(undefined);
    expect(vcpu.exit.kind).toBe("call");
    vcpu.run(undefined);
    expect(vcpu.exit.kind).toBe("canceled");
    base.hv_vcpus_exit(BigUint64Array.of(BigInt(vcpu.id)), 1); // sticky: it was not running
    vcpu.run(undefined);
    expect(vcpu.exit.kind).toBe("canceled");
  });
  test("a deadline reaches whoever can wake the vCPU, the physical timer's among them", () => {
    const { vcpu, vm } = guest(asm => asm.hvc(1).mov("x0", 500).msr("CNTP_CVAL_EL0", "x0").mov("x0", 1).msr("CNTP_CTL_EL0", "x0").hvc(2));
    const seen: (number | undefined)[] = [];
    vcpu.beforeRun = deadline => seen.push(deadline);
    vcpu.run(undefined);
    vcpu.run(900);
    expect([vm.clock.ticks(), seen.at(0), seen.at(1), seen.at(-1)]).toEqual([0, undefined, 900, 500]);
  });
});

describe("time", () => {
  test("paused time does not pass in the guest", () => {
    const { vcpu, vm } = guest(asm => asm.mrs("x0", "CNTVCT_EL0").brk());
    const from = host.now;
    host.now += 100;
    vm.clock.pause();
    host.now += 1_000_000;
    expect(vm.clock.ticks()).toBe(100);
    vm.clock.resume();
    host.now += 5;
    vcpu.run(undefined);
    expect([vcpu.registers().x[0], host.now - from]).toEqual([105n, 1_000_105]);
  });
  test("when the host has slept the guest's counter jumps by that, once, and its timer fires once", () => {
    const { vcpu, vm, standIn: one } = guest(asm => asm.mov("x0", 24_000_000).msr("CNTV_CVAL_EL0", "x0").mov("x0", 1).msr("CNTV_CTL_EL0", "x0").hvc(1).hvc(2).mrs("x1", "CNTVCT_EL0").hvc(3).hvc(4));
    vcpu.run(undefined);
    host.now += 2_000_000;
    one.sleep(3600);
    const exits: string[] = [];
    for (let i = 0; i < 4; i++) {
      vcpu.run(undefined);
      exits.push(vcpu.exit.kind === "call" ? `hvc ${vcpu.exit.immediate}` : vcpu.exit.kind);
      host.now += 2_000_000;
    }
    expect(exits).toEqual(["vtimer", "hvc 2", "hvc 3", "hvc 4"]);
    expect(vm.clock.sleeps).toBe(1);
    expect(vcpu.registers().x[1]).toBe(BigInt(3600 * 24_000_000 + 6_000_000));
  });
});

describe("the stand-in keeps the framework's rules", () => {
  const status = (what: () => void): string => {
    try {
      what();
    } catch (error) {
      if (error instanceof HypervisorError) return error.statusName;
      throw error;
    }
    return "HV_SUCCESS";
  };
  test("mapping: 16 KiB, inside of the address space, no overlap, a VM first", () => {
    standIn();
    const { base } = Hypervisor.open(), memory = NativeMemory.allocate(0x10000), at = memory.pointer as HostAddress;
    expect(status(() => base.hv_vm_map(at, RAM, 0x4000, 7))).toBe("HV_NO_DEVICE");
    base.hv_vm_create(null);
    expect([
      status(() => base.hv_vm_map((at + 4096) as HostAddress, RAM, 0x4000, 7)), status(() => base.hv_vm_map(at, RAM + 4096, 0x4000, 7)), status(() => base.hv_vm_map(at, RAM, 4096, 7)),
      status(() => base.hv_vm_map(at, 2 ** 36, 0x4000, 7)), status(() => base.hv_vm_map(at, RAM, 0x8000, 7)), status(() => base.hv_vm_map(at, RAM + 0x4000, 0x4000, 7)), status(() => base.hv_vm_unmap(RAM, 0x8000)),
    ]).toEqual(["HV_BAD_ARGUMENT", "HV_BAD_ARGUMENT", "HV_BAD_ARGUMENT", "HV_BAD_ARGUMENT", "HV_SUCCESS", "HV_BAD_ARGUMENT", "HV_SUCCESS"]);
    base.hv_vm_destroy();
    memory.free();
  });
  test("vCPUs: a VM first, all gone before it goes, ids below 64", () => {
    standIn();
    const { base } = Hypervisor.open(), out = new Uint32Array(2), exit = new Uint32Array(2);
    expect(status(() => base.hv_vcpu_create(out, exit, null))).toBe("HV_NO_DEVICE");
    base.hv_vm_create(null);
    base.hv_vcpu_create(out, exit, null);
    const id = out[0] as VcpuId;
    base.hv_vcpu_get_reg(id, 34, out);
    expect(out[0]).toBe(0x3c0); // EL0
    expect([status(() => base.hv_vm_destroy()), status(() => base.hv_vcpus_exit(BigUint64Array.of(64n), 1)), status(() => base.hv_vcpu_get_reg(id, 35, out)), status(() => base.hv_vcpu_get_reg(9 as VcpuId, 0, out)), status(() => base.hv_vcpu_get_sys_reg(id, SysReg.MIDR_EL1 + 1, out)), status(() => base.hv_vcpu_get_sys_reg(id, 0xdf11, out))])
      .toEqual(["HV_BUSY", "HV_BAD_ARGUMENT", "HV_BAD_ARGUMENT", "HV_BAD_ARGUMENT", "HV_BAD_ARGUMENT", "HV_BAD_ARGUMENT"]);
    base.hv_vcpu_destroy(id);
    base.hv_vm_destroy();
  });
  test("a vCPU belongs to the thread that made it: any other may only make it leave", async () => {
    const { vcpu } = guest(asm => asm.label("loop").b("loop"));
    const stranger = new Worker(new URL("../support/stand-in-stranger.ts", import.meta.url));
    const answer = new Promise<unknown>(resolve => { stranger.onmessage = event => resolve((event as MessageEvent<unknown>).data); });
    stranger.postMessage(vcpu.id);
    expect(await answer).toEqual(["HV_BAD_ARGUMENT", "HV_BAD_ARGUMENT", "HV_SUCCESS"]);
    vcpu.run(undefined); // the request waited
    expect(vcpu.exit.kind).toBe("canceled");
    stranger.terminate();
  });
  test("hv_gic: after the VM, before vCPUs, once; then pending lines are refused", () => {
    standIn();
    const hv = Hypervisor.open(), gic = hv.gic as NonNullable<typeof hv.gic>, out = new Uint32Array(2);
    const config = gic.hv_gic_config_create();
    expect([status(() => gic.hv_gic_config_set_distributor_base(config, 0x800_4000)), status(() => gic.hv_gic_create(config)), status(() => gic.hv_gic_set_spi(33, true))]).toEqual(["HV_BAD_ARGUMENT", "HV_NO_DEVICE", "HV_NO_DEVICE"]);
    hv.base.hv_vm_create(null);
    gic.hv_gic_config_set_distributor_base(config, places.distributor);
    expect(status(() => gic.hv_gic_create(config))).toBe("HV_SUCCESS");
    gic.hv_gic_config_set_redistributor_base(config, places.redistributor);
    expect([status(() => gic.hv_gic_create(config)), status(() => gic.hv_gic_set_spi(31, true)), status(() => gic.hv_gic_set_spi(1020, true))]).toEqual(["HV_EXISTS", "HV_BAD_ARGUMENT", "HV_BAD_ARGUMENT"]);
    hv.base.hv_vcpu_create(out, new Uint32Array(2), null);
    const id = out[0] as VcpuId;
    expect(status(() => hv.base.hv_vcpu_set_pending_interrupt(id, 0, true))).toBe("HV_UNSUPPORTED");
    hv.base.hv_vcpu_destroy(id);
    hv.base.hv_vm_destroy();
  });
  test("the exit record stays where it is, and a pending line is forgotten after a run", () => {
    const { vcpu } = guest(asm => asm.hvc(1).hvc(2));
    const { base } = Hypervisor.open(), flag = new Uint8Array(1);
    base.hv_vcpu_set_pending_interrupt(vcpu.id, 0, true);
    base.hv_vcpu_get_pending_interrupt(vcpu.id, 0, flag);
    expect(flag[0]).toBe(1);
    vcpu.run(undefined);
    base.hv_vcpu_get_pending_interrupt(vcpu.id, 0, flag);
    expect(flag[0]).toBe(0);
  });
});

describe("hv doctor on a Mac", () => {
  const mac = (more: Partial<Mac> = {}): Mac => ({ arch: "arm64", sysctl: name => (name === "kern.hv_support" ? 1 : 0), version: () => "26.1", open: () => Hypervisor.open(), ...more });
  const missing = (one: ReturnType<typeof examineMac>): string[] => one.findings.filter(found => found.ok === false).map(found => found.what);
  test("everything there: what it offers", () => {
    standIn();
    const state = examineMac(mac());
    expect([state.available, state.why, missing(state)]).toEqual([true, "Hypervisor.framework of macOS 26.1", []]);
    const text = diagnosisText({ apiVersion: 1, version: "0", host: { platform: "darwin", arch: "arm64", release: "25", cpu: "Apple M1", cpus: 8 }, accelerators: [], hypervisor: state.findings, memory: { total: 0, free: 0 }, terminal: { stdin: true, stdout: false, columns: 0, rows: 0, type: "" } });
    expect(text).toContain("vCPUs at most: 64");
    expect(text).toContain("guest addresses: 36 bits, at most 40");
    expect(text).toContain("interrupt controller: the framework's (hv_gic), version 3");
    expect(text).toContain("entitlement: com.apple.security.hypervisor");
  });
  test("macOS 11: what is not there yet", () => {
    standIn({ level: "11.0" });
    const texts = examineMac(mac()).findings.map(found => found.found);
    expect(texts).toContain("36 bits: more came with macOS 13");
    expect(texts).toContain("hv's own: the framework's came with macOS 15");
  });
  test.each([["processor", { sysctl: () => 1 }], ["processor", { arch: "x64" }], ["kern.hv_support", { sysctl: () => 0 }], ["framework", { open: () => { throw new Error("no such image"); } }]] as readonly (readonly [string, Partial<Mac>])[])("missing: %s", (what, more) => {
    standIn();
    const state = examineMac(mac(more));
    expect([state.available, missing(state)[0]]).toEqual([false, what]);
  });
  test("missing: the entitlement, and how to sign", () => {
    standIn({ denied: true });
    const state = examineMac(mac());
    expect([state.available, missing(state)]).toEqual([false, ["entitlement"]]);
    expect(state.why).toContain("hv_vm_create: HV_DENIED");
    expect(state.why).toContain("codesign --force --sign - --entitlements");
  });
});
