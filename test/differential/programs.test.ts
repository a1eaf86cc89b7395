// test/differential/programs.test.ts — random programs against qemu-aarch64 at fixed seeds.
// More: bun test/differential/programs.ts SEED PROGRAMS [NAMES] [interpreter|reference|translator|baseline|shared]
import { beforeAll, expect, test } from "bun:test";
import { ensureDebianPackages } from "../support/packages.ts";
import { buildRunner, compare } from "./programs.ts";

let runner = "";
beforeAll(() => {
  ensureDebianPackages(["qemu-user-static", "gcc-aarch64-linux-gnu"]);
  runner = buildRunner();
}, 300_000);

test("integer, memory and LSE programs leave the same state as under qemu", () => {
  expect(compare(runner, { seed: 101, programs: 5000 })).toEqual({ programs: 5000, differences: [] });
});
test("programs with floating point, SIMD and cryptography leave the same state as under qemu", () => {
  expect(compare(runner, { seed: 102, programs: 5000 })).toEqual({ programs: 5000, differences: [] });
});
test("the reference handlers alone do the same", () => {
  expect(compare(runner, { seed: 103, programs: 2000, executor: "reference" })).toEqual({ programs: 2000, differences: [] });
  expect(compare(runner, { seed: 104, programs: 2000, executor: "reference" })).toEqual({ programs: 2000, differences: [] });
});
test("generated code does the same", () => {
  expect(compare(runner, { seed: 105, programs: 5000, executor: "translator" })).toEqual({ programs: 5000, differences: [] });
  expect(compare(runner, { seed: 106, programs: 5000, executor: "translator" })).toEqual({ programs: 5000, differences: [] });
});
test("generated code of what is optional does the same", () => {
  const names = /_h$|^FMOV_(vh|wh|xh|hw|hx)$|^FML[AS]L|^FCVT_(h|.h)|^FCVT[LN]_v|^FJCVTZS|^FRINT(32|64)|^SQRDML|^FCMLA|^FCADD|^BF(CVT|DOT|ML|MM)|^SM[34]|^(CFINV|AXFLAG|XAFLAG|RMIF|SETF8|SETF16|CSEL|B_cond)$/;
  expect(compare(runner, { seed: 113, programs: 4000, names, executor: "translator" })).toEqual({ programs: 4000, differences: [] });
  expect(compare(runner, { seed: 116, programs: 3000, executor: "translator" })).toEqual({ programs: 3000, differences: [] });
});
test("generated code for a host without extras does the same", () => {
  expect(compare(runner, { seed: 107, programs: 2000, executor: "baseline" })).toEqual({ programs: 2000, differences: [] });
  expect(compare(runner, { seed: 108, programs: 5000, executor: "baseline" })).toEqual({ programs: 5000, differences: [] });
});
test("generated code as it is beside other cores does the same", () => {
  expect(compare(runner, { seed: 109, programs: 4000, executor: "shared" })).toEqual({ programs: 4000, differences: [] });
  expect(compare(runner, { seed: 110, programs: 4000, names: /^(LD|ST|CAS|SWP|DMB|DSB|ADD|SUBS|B_cond|CSEL)/, executor: "shared" })).toEqual({ programs: 4000, differences: [] });
});
