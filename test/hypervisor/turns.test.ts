// test/hypervisor/turns.test.ts — vCPUs that share a thread: whose turn it is, and for how long. The vCPUs are made up: what one does when it
// runs is also what the machine does meanwhile.
import { expect, test } from "bun:test";
import { Exit, type ExitKind } from "../../src/cpu/exit.ts";
import { RemoteVcpu, serveVcpus, type OwnedVcpu } from "../../src/hypervisor/mailbox.ts";
import { TURN } from "../../src/turns.ts";

/** The command word of a mailbox, and the command that ends a vCPU. */
const COMMAND = 0, DESTROY = 7;

/** Serves three vCPUs until `script`, which is asked at every run how that ends and after how many instructions, has no answer. Returns who ran with which limit. */
function serve(script: (core: number, nth: number, start: (core: number) => void) => { kind: ExitKind; done: number } | undefined): string[] {
  const rung = new SharedArrayBuffer(4), bell = new Int32Array(new SharedArrayBuffer(4)), seen: string[] = [];
  const remotes = [0, 1, 2].map(index => new RemoteVcpu(index, () => {}, () => {}, rung));
  const end = (): void => {
    for (const { mailbox } of remotes) new Int32Array(mailbox)[COMMAND] = DESTROY;
    Atomics.add(new Int32Array(rung), 0, 1);
  };
  const make = (index: number) => (): OwnedVcpu => {
    const exit = new Exit();
    let instructions = 0;
    return {
      id: index, index, kickAddress: 0, exit, churn: 0, interruptPending: false, debugExits: false, onSysreg: undefined,
      get instructions() { return instructions; },
      run: (_end, limit) => {
        seen.push(`${index}: ${limit}`);
        const { kind, done } = script(index, seen.length, core => (remotes[core] as RemoteVcpu).start()) ?? { kind: "budget", done: 0 };
        if (kind === "budget" && done === 0) end();
        exit.kind = kind;
        instructions += done;
      },
      setLines: () => {}, timerLevel: () => false, timerMasked: () => false, timerDue: () => undefined, argument: () => ({ lo: 0, hi: 0 }), unmaskTimer: () => {}, destroy: () => {},
    } as Partial<OwnedVcpu> as OwnedVcpu;
  };
  for (const one of remotes) one.start();
  serveVcpus(remotes.map(({ mailbox, index }) => ({ mailbox, make: make(index) })), new Int32Array(rung), bell, { end: () => 0, ring: () => {}, over: () => {} });
  return seen;
}

test("an exit that the machine has served goes on in the same turn", () => {
  const seen = serve((core, nth, start) => {
    if (nth > 6) return undefined;
    if (nth === 1) return { kind: "mmio", done: 3000 }; // of core 1: not served at once
    if (nth === 3) start(1);
    return { kind: "budget", done: core === 1 ? 16_500 : 2000 };
  });
  expect(seen).toEqual(["1: 20000", "2: 2000", "0: 2000", `1: ${TURN - 3000 - 500 - 4000}`, "2: 20000", "0: 20000", "1: 20000"]);
});
test("a core that does not come back loses its turn", () => {
  const seen = serve((_, nth) => (nth > 14 ? undefined : nth === 1 ? { kind: "call", done: 100 } : { kind: "budget", done: 2000 }));
  expect(seen.slice(0, 11)).toEqual(["1: 20000", ...Array.from({ length: 10 }, (_, i) => `${i % 2 === 0 ? 2 : 0}: 2000`)]);
  expect(seen.slice(11, 14)).toEqual(["2: 20000", "0: 20000", "2: 20000"]);
});
test("who waits for an interrupt has no turn left; who is alone runs longer", () => {
  const seen = serve((core, nth) => (nth > 4 ? undefined : core === 0 ? { kind: "budget", done: 5000 } : { kind: "wfi", done: 100 }));
  expect(seen).toEqual(["1: 20000", "2: 20000", "0: 200000", "0: 200000", "0: 200000"]);
});
