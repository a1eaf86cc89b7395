// src/cli/dtb.ts — `hv dtb`: the device tree that `hv run` with the same flags would hand to the kernel.
// Seeds are left out: every boot has its own.
import { defineCommand } from "citty";
import type { CommandDef } from "citty";
import { writeFdt, type Fdt } from "../../dtb/fdt.ts";
import { fdtJson, fdtText } from "../../dtb/text.ts";
import { Failure } from "../failure.ts";
import { chooseAccelerator, gicVersion } from "../host/accelerators.ts";
import { readInput } from "../host/input.ts";
import { writeOutput } from "../host/output.ts";
import { checkMemory } from "../library.ts";
import { checkCmdline, readTree } from "../machine/boot.ts";
import { boardTree, setChosen, setMemory } from "../machine/devicetree.ts";
import { MiB } from "../units.ts";
import { bootArgs, parseCpus, parseGic, parseNets, parseTrace, parseTransport, readBootArguments } from "./boot-arguments.ts";
import { parseSize } from "./size.ts";

const FORMATS = ["dts", "dtb", "json"] as const;
type Format = (typeof FORMATS)[number];

export const examples: readonly string[] = [
  "hv dtb                             the board as hv run describes it, as text",
  "hv dtb -c 4 -m 2G -o board.dtb     as a blob",
  "hv dtb Image --initrd init.cpio    with /chosen as that boot gets it",
];

const own = {
  output: { type: "string", alias: "o", description: "Write to a file (its ending says the format)", valueHint: "FILE" },
  format: { type: "string", description: "dts (default), dtb or json", valueHint: "dts|dtb|json" },
} as const;
const args: typeof bootArgs & typeof own = { ...bootArgs, ...own };

function chooseFormat(given: string | undefined, output: string | undefined): Format {
  const ending = FORMATS.find(format => output?.endsWith(`.${format}`));
  if (given === undefined) return ending ?? "dts";
  const found = FORMATS.find(format => format === given);
  if (found === undefined) throw new Failure("HV-USAGE-FORMAT", `--format: there is no ${JSON.stringify(given)}`, { hint: FORMATS.join(", ") });
  return found;
}
function render(tree: Fdt, format: Format): Uint8Array {
  switch (format) {
    case "dtb": return writeFdt(tree);
    case "dts": return new TextEncoder().encode(fdtText(tree));
    case "json": return new TextEncoder().encode(`${JSON.stringify({ apiVersion: 1, ...fdtJson(tree) }, null, 2)}\n`);
    default: return format satisfies never;
  }
}

const command: CommandDef<typeof args> = defineCommand({
  meta: { name: "dtb", description: "Show the device tree that hv run with the same flags gives to the kernel" },
  args,
  async run({ args: given, rawArgs }) {
    const format = chooseFormat(given.format, given.output);
    parseTrace(given.trace);
    parseNets(rawArgs, { deterministic: given.deterministic });
    const pci = parseTransport(given.transport) === "pci";
    const accelerator = chooseAccelerator(given.accel).name, software = accelerator === "software", its = software, pmu = software, gic = gicVersion(accelerator, parseGic(given.gic), parseCpus(given.cpus));
    if (format === "dtb" && given.output === undefined && process.stdout.isTTY === true) {
      throw new Failure("HV-USAGE-FORMAT", "--format dtb: a blob is nothing for a terminal", { hint: "name a file with -o" });
    }
    let tree: Fdt;
    let patched: readonly string[] = [];
    if (given.image !== undefined || given.firmware !== undefined) {
      const { cpus, ramSize, prepare } = await readBootArguments(given);
      ({ tree, patched } = prepare({ cpus, ramSize, gic, pci, its, pmu }));
    } else {
      const cpus = parseCpus(given.cpus), ramSize = checkMemory(parseSize(given.memory, "--memory"));
      checkCmdline(given.cmdline);
      tree = given.dtb === "auto" ? { root: boardTree({ cpus, ramSize, gic, pci, its, pmu }), reservations: [], bootCpu: 0 } : readTree({ bytes: readInput(given.dtb, "device tree", 2 * MiB), name: given.dtb });
      if (given.dtb !== "auto") patched = setMemory(tree.root, ramSize);
      setChosen(tree.root, { cmdline: given.cmdline });
    }
    for (const line of patched) process.stderr.write(`hv: device tree: patched ${line}\n`);
    const bytes = render(tree, format);
    if (given.output === undefined) process.stdout.write(bytes);
    else writeOutput(given.output, bytes);
  },
});
export default command;
