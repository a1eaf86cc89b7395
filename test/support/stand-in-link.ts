// test/support/stand-in-link.ts — links the stand-in for Hypervisor.framework in the thread that imports this.
import { StandIn } from "./hypervisor-framework.ts";

new StandIn().install();
