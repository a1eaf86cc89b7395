// test/support/stand-in-machine.ts — a machine thread on the stand-in for Hypervisor.framework: the entry of a Worker.
import "./stand-in-link.ts";
import "../../src/machine-thread.ts";
