// test/guests/bare/exclusions.ts — cases of this guest that cannot hold on a backend, each by its name, with the reason.
// Every other case of every backend holds, and is there: test/boot/bare.test.ts, `npm run test:kvm`.

export type Hypervisor = "hvf" | "kvm";
export interface Exclusion {
  readonly backend: Hypervisor;
  readonly gic: readonly (2 | 3)[];
  readonly reason: string;
  readonly cases: readonly string[];
}
/** The first of them is not ok, and the guest leaves out the others. */
const PMU = [
  "there are performance monitors", "with four event counters or more", "SW_INCR, INST_RETIRED and CPU_CYCLES are among the events",
  "enables are set and cleared bit by bit, and read from both registers", "bits of counters that there are not are RES0", "so are the interrupts'",
  "and the overflow flags, which software may set", "PMXEVTYPER and PMXEVCNTR are the selected counter's", "31 selects the cycle counter's filter",
  "event counters have 32 bits", "and the cycle counter 64", "P makes the event counters zero, not the cycle counter",
  "C makes the cycle counter zero; both read as 0", "nothing counts while E is 0", "a loop's instructions are counted, and no others",
  "the cycle counter moves while it is enabled, and not after", "with P only EL0 counts, to the instruction", "with U only EL1",
  "exceptions and their returns are counted", "PMSWINC counts for the counters it names", "the odd counter counts the even one's overflows",
  "an overflow flag with its interrupt enabled is interrupt 23", "and without it none", "a counter that goes over interrupts once, in the loop that it counts",
  "having gone over it counts on from 0", "it does so at EL0, whose interrupts are masked, once they are not", "and the cycle counter at 2^64",
  "EL0 without rights traps: class 0x18", "its rights it may read, not write", "CR lets it read the cycle counter, and no other", "ER the event counters",
  "SW lets it increment", "EN all of it",
] as const;

export const exclusions: readonly Exclusion[] = [
  { backend: "hvf", gic: [2, 3], reason: "Hypervisor.framework gives a guest no performance monitors", cases: PMU },
  {
    backend: "hvf", gic: [3], reason: "hv_gic does not say which interrupts are pending: CPU_SUSPEND returns at once, as a WFI may",
    cases: ["CPU_SUSPEND to standby returns SUCCESS after an interrupt"],
  },
  { backend: "kvm", gic: [2, 3], reason: "hv asks KVM for no performance monitors", cases: PMU },
  {
    backend: "kvm", gic: [2, 3], reason: "KVM keeps active interrupts in the CPU's list registers: with four of them four levels nest",
    cases: ["each of 15 priorities preempts the one before; they end in reverse order"],
  },
  { backend: "kvm", gic: [2, 3], reason: "KVM starts a core wherever it is told to", cases: ["CPU_ON with an entry outside memory: INVALID_ADDRESS"] },
  { backend: "kvm", gic: [2, 3], reason: "KVM answers SMC with NOT_SUPPORTED where there is no EL3", cases: ["SMC without EL3 is UNDEFINED, or a hypervisor's to serve as HVC"] },
  {
    backend: "kvm", gic: [2], reason: "on the GICv2 that QEMU plays for the test the timer comes once when it is not served; why has not been found",
    cases: ["a level that is not served comes again and again, until it falls"],
  },
  {
    backend: "kvm", gic: [2, 3], reason: "KVM reports an external abort on a walk as one on the access",
    cases: ["a table where no memory is: external abort on the walk of level 3"],
  },
  {
    backend: "kvm", gic: [2, 3], reason: "the CPU is the one that QEMU plays for the test, which does not check alignment there",
    cases: ["a load by a misaligned SP with SCTLR_EL1.SA: class 0x26", "a misaligned load from Device memory: alignment fault"],
  },
];
