// src/hypervisor-thread.ts — the threads beside a machine thread: the entry of Workers.
// One serves a vCPU of a machine that has several (hypervisor/mailbox.ts); a machine with one vCPU has it inline, and
// a thread that waits for the doorbell and for deadlines, and makes vCPUs leave the guest (hypervisor/kick.ts).
// Lies beside main.ts: in the compiled executable a Worker's address is relative to the root of the entry points.
import { Hypervisor, viewAt } from "../ffi/hypervisor.ts";
import { monotonic } from "../ffi/clock.ts";
import { kickVcpu, KickRecord } from "../ffi/kvm.ts";
import { SleepWatch } from "./hypervisor/hvf-clock.ts";
import { serveHvfVcpu, type HvfVcpuMessage } from "./hypervisor/hvf.ts";
import { Garbage } from "./garbage.ts";
import { serveSoftwareVcpus, type SoftwareVcpuMessage } from "./hypervisor/software-thread.ts";
import { serveKvmVcpu, type KvmVcpuMessage } from "./hypervisor/kvm.ts";
import { watch } from "./hypervisor/kick.ts";

export interface KickMessage {
  readonly kind: "kick" | "kvm kick";
  /** The machine's doorbell, and `Watch`. */
  readonly bell: SharedArrayBuffer;
  readonly shared: SharedArrayBuffer;
  /** Ids and kick words of the vCPUs. */
  readonly ids: readonly number[];
  readonly kicks: readonly number[];
}

function kick(message: KickMessage): void {
  const hv = Hypervisor.open(), list = BigUint64Array.from(message.ids, BigInt), words = message.kicks.map(at => viewAt(at, 4));
  const sleeps = new SleepWatch(hv);
  watch(new Int32Array(message.bell), message.shared, {
    frequency: hv.frequency(), now: () => hv.absoluteTime(), slept: () => sleeps.look() > 0,
    kick: () => {
      for (const word of words) word.setInt32(0, 1, true);
      hv.base.hv_vcpus_exit(list, list.length);
    },
  });
}

function kickKvm(message: KickMessage): void {
  const records = message.kicks.map(at => viewAt(at, KickRecord.BYTES));
  watch(new Int32Array(message.bell), message.shared, { frequency: 1e9, now: monotonic, slept: () => false, kick: () => { for (const record of records) kickVcpu(record); } });
}

addEventListener("message", event => {
  const { data } = event as MessageEvent<KickMessage | HvfVcpuMessage | KvmVcpuMessage | SoftwareVcpuMessage>;
  switch (data.kind) {
    case "kick": kick(data); break;
    case "kvm kick": kickKvm(data); break;
    case "vcpu": serveHvfVcpu(data); break;
    case "kvm vcpu": serveKvmVcpu(data); break;
    case "software vcpu": serveSoftwareVcpus(data, new Garbage()); break;
    default: data satisfies never;
  }
  process.exit();
});
