// test/guests/fidelity.ts — npm run fidelity: the cases of test/guests/bare on hv's engines and on QEMU, side by side in
// docs/fidelity.md.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildBare, casesOf, type Case } from "../support/bare.ts";
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
  const names = [...new Set(results.flat(2).map(one => one.name))];
  const cell = (runs: readonly (readonly Case[])[], name: string): string => {
    const found = runs.map(cases => cases.find(one => one.name === name));
    const marks = found.map(one => (one === undefined ? "–" : one.ok ? "ok" : "**no**"));
    return marks[0] === marks[1] ? marks[0] as string : marks.join(" / ");
  };
  const first = results.flat(2), held = (runs: readonly (readonly Case[])[]): string => runs.map(cases => `${cases.filter(one => one.ok).length} of ${cases.length}`).join(" / ");
  writeFileSync(join(import.meta.dir, "../../docs/fidelity.md"), `# Fidelity

What the architecture, the interrupt controllers and PSCI promise, as cases of a guest without a system (\`test/guests/bare\`), on
hv's software CPU and on QEMU ${version} (TCG, \`-cpu max,pauth=off\`). Made by \`npm run fidelity\`; \`bun test\` holds that all of hv's are ok. Three
CPUs. Two values: GICv2 / GICv3; –: there is no such case, or an earlier one left no way to it. DDI 0487 is the Arm architecture, IHI 0048 the
GICv2, IHI 0069 the GICv3, DEN 0022 PSCI, DEN 0028 the calling convention. Rows are those of the list of hostile inputs, section C.

| row | rule | case | ${columns.map(([name]) => name).join(" | ")} |
|---|---|---|${columns.map(() => "---|").join("")}
${names.map(name => {
    const one = first.find(other => other.name === name) as Case;
    return `| ${one.row} | ${one.rule} | ${name} | ${results.map(runs => cell(runs, name)).join(" | ")} |`;
  }).join("\n")}
| | | held | ${results.map(held).join(" | ")} |

Section C besides: C4 whole (all 2^17 words of the system space at both levels) is \`test/cpu/sysreg.test.ts\`; C6's idle share is a row of \`npm run
bench\`; C7's remaining table shapes are \`test/cpu/mmu.test.ts\`; C9's random programs are \`test/differential\`.
`);
  console.log(results.map((runs, i) => `${columns[i]?.[0]}: ${held(runs)}`).join("\n"));
} finally {
  rmSync(place, { recursive: true });
}
