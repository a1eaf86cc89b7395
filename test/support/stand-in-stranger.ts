// test/support/stand-in-stranger.ts — a thread that has no vCPU and calls on one all the same: the entry of a Worker. Sent
// the id, it answers with the names of the statuses of hv_vcpu_get_reg, hv_vcpu_run and hv_vcpus_exit.
import "./stand-in-link.ts";
import { Hypervisor, HypervisorError, type VcpuId } from "../../ffi/hypervisor.ts";

addEventListener("message", event => {
  const id = (event as MessageEvent<number>).data as VcpuId, { base } = Hypervisor.open();
  const calls = [() => base.hv_vcpu_get_reg(id, 0, new Uint32Array(2)), () => base.hv_vcpu_run(id), () => base.hv_vcpus_exit(BigUint64Array.of(BigInt(id)), 1)];
  postMessage(calls.map(call => {
    try {
      call();
      return "HV_SUCCESS";
    } catch (error) {
      return error instanceof HypervisorError ? error.statusName : String(error);
    }
  }));
});
