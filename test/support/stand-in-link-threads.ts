// test/support/stand-in-link-threads.ts — as stand-in-link.ts, in a thread beside the machine's: a vCPU that is made here runs at
// the same time as those of other threads.
import { StandIn } from "./hypervisor-framework.ts";

new StandIn({ atOnce: true }).install();
