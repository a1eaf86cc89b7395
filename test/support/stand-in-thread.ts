// test/support/stand-in-thread.ts — a thread beside a machine thread, on the stand-in: the entry of a Worker.
import "./stand-in-link-threads.ts";
import "../../src/hypervisor-thread.ts";
