// test/guests/fidelity.ts — npm run fidelity: the cases of test/guests/bare on hv's engines, on Hypervisor.framework's stand-in and
// on QEMU, side by side in docs/fidelity.md; and on KVM as `npm run test:kvm` (also "-- 2") last found them, else as they stood there.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { VirtualMachine } from "../../src/library.ts";
import { buildBare, casesOf, documentedCells, excludedCases, type Case } from "../support/bare.ts";
import { standInThreads } from "../support/stand-in.ts";
import { exclusions, type Hypervisor } from "./bare/exclusions.ts";
import { ensureDebianPackages } from "../support/packages.ts";

ensureDebianPackages(["qemu-system-arm"]);
const place = mkdtempSync(join(tmpdir(), "hv-fidelity-"));
const HV = [process.execPath, join(import.meta.dir, "../../src/main.ts"), "run"];
const GICS = [2, 3] as const;

/** What a monitor's guest says, up to its end: not every monitor ends with it. */
async function run(words: readonly string[]): Promise<readonly Case[]> {
  const child = Bun.spawn([...words], { stdin: "ignore", stdout: "pipe", timeout: 60_000 });
  let output = "";
  for await (const part of child.stdout) {
    output += Buffer.from(part).toString();
    if (/\nend\r*\n/.test(output)) child.kill();
  }
  return casesOf(output);
}
/** The same on the stand-in. */
async function runStandIn(kernel: string, gic: 2 | 3): Promise<readonly Case[]> {
  await using vm = await VirtualMachine.start({ kernel, cpus: 3, gic, accelerator: "hvf", memory: "256M", threads: standInThreads });
  return strictly(casesOf((await vm.console.expect(/^[^]*\nend\r\n/, { timeout: 60_000 }))[0]), "hvf", gic);
}
/** What is excluded is not ok, whatever came of it by chance. */
function strictly(cases: readonly Case[], backend: Hypervisor, gic: 2 | 3): readonly Case[] {
  const excluded = excludedCases(backend, gic);
  return cases.map(one => ({ ...one, ok: one.ok && !excluded.has(one.name) }));
}
const kvmLogs = GICS.map(gic => join(import.meta.dir, `../../dist/kvm-bare-${gic}.txt`));
try {
  const image = buildBare(place);
  const columns: readonly (readonly [string, (gic: number) => readonly string[]])[] = [
    ["interpreter", gic => [...HV, image, "--cpus", "3", "-m", "256M", "--gic", String(gic), "--accel", "software,engine=interpreter"]],
    ["translator", gic => [...HV, image, "--cpus", "3", "-m", "256M", "--gic", String(gic), "--smp-threads", "off", "--accel", "software,engine=translator"]],
    ["translator, threads", gic => [...HV, image, "--cpus", "3", "-m", "256M", "--gic", String(gic), "--smp-threads", "on", "--accel", "software,engine=translator"]],
    ["QEMU", gic => ["qemu-system-aarch64", "-M", `virt,gic-version=${gic}`, "-cpu", "max,pauth=off", "-smp", "3", "-m", "256M", "-nographic", "-nic", "none", "-kernel", image]],
  ];
  const version = /version (\S+)/.exec(Bun.spawnSync(["qemu-system-aarch64", "--version"]).stdout.toString())?.[1] ?? "";
  const results: (readonly Case[])[][] = [];
  for (const [, words] of columns) results.push([await run(words(GICS[0])), await run(words(GICS[1]))]);
  results.splice(columns.length - 1, 0, [await runStandIn(image, GICS[0]), await runStandIn(image, GICS[1])]);
  const kvm = kvmLogs.every(existsSync) ? kvmLogs.map((path, i) => strictly(casesOf(readFileSync(path, "utf8")), "kvm", GICS[i] as 2 | 3)) : undefined, kept = documentedCells("KVM");
  results.splice(columns.length, 0, kvm ?? []);
  const titles = [...columns.slice(0, -1).map(([name]) => name), "stand-in", "KVM", columns.at(-1)?.[0] as string], KVM = columns.length;
  const names = [...new Set(results.flat(2).map(one => one.name))];
  const cell = (runs: readonly (readonly Case[])[], name: string): string => {
    const found = runs.map(cases => cases.find(one => one.name === name));
    const marks = found.map(one => (one === undefined ? "–" : one.ok ? "ok" : "**no**"));
    return marks[0] === marks[1] ? marks[0] as string : marks.join(" / ");
  };
  const first = results.flat(2), held = (runs: readonly (readonly Case[])[]): string => runs.map(cases => `${cases.filter(one => one.ok).length} of ${cases.length}`).join(" / ");
  writeFileSync(join(import.meta.dir, "../../docs/fidelity.md"), `# Fidelity

What the architecture, the interrupt controllers and PSCI promise, as cases of a guest without a system (\`test/guests/bare\`), on
hv's software CPU, on its backend of Hypervisor.framework with the stand-in for a framework (hv's own GICv2, hv_gic), on KVM (of Linux 6.1
inside of QEMU, which plays the CPU) and on QEMU ${version} (TCG, \`-cpu max,pauth=off\`). Made by \`npm run fidelity\`; \`bun test\` holds that all of hv's
are ok, but for those that cannot be on a hypervisor, which are listed below; \`npm run test:kvm\` does for KVM. Three
CPUs. Two values: GICv2 / GICv3; –: there is no such case, or an earlier one left no way to it. DDI 0487 is the Arm architecture, IHI 0048 the
GICv2, IHI 0069 the GICv3, DEN 0022 PSCI, DEN 0028 the calling convention. Rows are those of the list of hostile inputs, section C.

| row | rule | case | ${titles.join(" | ")} |
|---|---|---|${titles.map(() => "---|").join("")}
${names.map(name => {
    const one = first.find(other => other.name === name) as Case;
    return `| ${one.row} | ${one.rule} | ${name} | ${results.map((runs, i) => (i === KVM && kvm === undefined ? kept.get(name) ?? "–" : cell(runs, name))).join(" | ")} |`;
  }).join("\n")}
| | | held | ${results.map((runs, i) => (i === KVM && kvm === undefined ? kept.get("held") ?? "–" : held(runs))).join(" | ")} |

What cannot hold, and why (\`test/guests/bare/exclusions.ts\` names the cases):

| on | GIC | cases | why |
|---|---|---|---|
${exclusions.map(({ backend, gic, cases, reason }) => `| ${backend === "hvf" ? "Hypervisor.framework" : "KVM"} | ${gic.join(", ")} | ${cases.length} | ${reason} |`).join("\n")}

Section C besides: C4 whole (all 2^17 words of the system space at both levels) is \`test/cpu/sysreg.test.ts\`; C6's idle share is a row of \`npm run
bench\`; C7's remaining table shapes are \`test/cpu/mmu.test.ts\`; C9's random programs are \`test/differential\`.
`);
  console.log(results.map((runs, i) => `${titles[i]}: ${held(runs)}`).join("\n"));
} finally {
  rmSync(place, { recursive: true });
}
