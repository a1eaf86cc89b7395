// test/ffi/arm64.test.ts — the binding of Hypervisor.framework on the processor that it is for: what reaches a called
// function's registers, the trampoline for vectors, and its other tests once more. Apple's variant of the calling
// convention differs in what this does not touch: arguments on the stack, variadic functions.
import { beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { arm64Bun } from "../support/arm64-bun.ts";

const root = join(import.meta.dir, "../..");
let bun: readonly string[];
beforeAll(() => { bun = arm64Bun(); }, 600_000);

describe("on arm64", () => {
  let seen: Readonly<Record<string, unknown>>;
  beforeAll(() => {
    const run = Bun.spawnSync([...bun, join(import.meta.dir, "arm64.ts")]);
    if (run.exitCode !== 0) throw new Error(run.stderr.toString());
    seen = JSON.parse(run.stdout.toString()) as typeof seen;
  }, 120_000);
  test("the trampoline hands 16 bytes to the function in q0, and its first two arguments as they were", () => {
    expect(seen).toMatchObject({ arch: "arm64", status: 5, registers: ["0x123456789abc", "0x1f"], vectorSeen: Array.from({ length: 16 }, (_, i) => 0xf0 + i) });
  });
  test("narrow arguments are extended to the whole register: Apple's callees rely on it", () => {
    expect(seen).toMatchObject({
      set_sys_reg: ["0x3f", "0xdfff", "0xffffffffffffffff"], set_pending: ["0x0", "0x1", "0x1"], set_spi: ["0xffffffff", "0x0"], get_intid: ["0xffff", "0x0"],
    });
  });
  test("wide ones arrive whole: addresses of kernels, sizes beyond 32 bits", () => {
    expect(seen).toMatchObject({ set_reg: ["0x1", "0x1f", "0xffff800000000000"], map: ["0x7fff00004000", "0xffffffc000", "0x200000000", "0x7"] });
  });
  test.each([["the binding", ["test/ffi/hypervisor.test.ts"]], ["the backend on the stand-in", ["test/hypervisor/hvf.test.ts"]], ["the contract of backends on it", ["test/hypervisor/backends.test.ts", "-t", "stand-in"]]])("%s: its tests pass there", (_, files) => {
    const run = Bun.spawnSync([...bun, "test", ...files], { cwd: root, env: { ...process.env, HV_TEST_ENGINE: "" } });
    const said = run.stderr.toString();
    expect([run.exitCode, /^ *0 fail$/m.test(said), Number(/^ *(\d+) pass$/m.exec(said)?.[1]) > 15]).toEqual([0, true, true]);
  }, 120_000);
});
