// test/architecture.test.ts — the layers of docs/design.md as a test: what each folder may import, and the shape of the tree.
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";

const root = join(import.meta.dir, "..");
const files = ["dtb", "devices", "ffi", "src"].flatMap(folder => [...new Bun.Glob(`${folder}/**/*.ts`).scanSync(root)]).sort();

interface Layer {
  /** The folder (ends with "/") or file that it is about. The longest that fits holds. */
  readonly of: string;
  /** Folders (end with "/") and modules that it may import, besides itself and src/units.ts. */
  readonly from: readonly string[];
  /** Of these only types. */
  readonly types?: readonly string[];
}
const everything = ["dtb/", "devices/", "ffi/", "src/", "node:", "bun:", "citty", "consola", "package.json"];
const layers: readonly Layer[] = [
  { of: "dtb/", from: [] },
  { of: "devices/", from: [] },
  { of: "ffi/", from: ["bun:ffi"] },
  { of: "src/units.ts", from: [] },
  { of: "src/failure.ts", from: [] },
  { of: "src/turns.ts", from: [], types: ["devices/device.ts"] },
  { of: "src/boot/", from: ["src/failure.ts", "node:zlib"], types: ["devices/device.ts"] },
  { of: "src/cpu/", from: ["ffi/memory.ts", "ffi/code.ts", "ffi/signal.ts", "ffi/clock.ts"], types: ["devices/device.ts"] },
  { of: "src/hypervisor/", from: ["ffi/", "src/cpu/", "src/failure.ts", "src/turns.ts"], types: ["devices/device.ts"] },
  { of: "src/machine/", from: ["devices/", "dtb/", "src/boot/", "src/failure.ts", "src/turns.ts"], types: ["src/hypervisor/backend.ts"] },
  { of: "src/disk/", from: ["src/failure.ts", "node:zlib"], types: ["devices/"] },
  { of: "src/net/", from: [], types: ["devices/device.ts"] },
  { of: "src/share/", from: [] },
  { of: "src/vsock/", from: [], types: ["src/net/"] },
  { of: "src/host/net/", from: ["src/net/address.ts", "src/failure.ts", "node:", "ffi/tap.ts"], types: ["src/net/"] },
  { of: "src/host/", from: ["ffi/posix.ts", "ffi/files.ts", "src/share/", "ffi/hypervisor.ts", "ffi/kvm.ts", "ffi/memory.ts", "src/boot/", "src/disk/", "src/failure.ts", "node:", "consola"], types: ["devices/device.ts", "devices/virtio/block-backend.ts", "src/machine/boot.ts"] },
  { of: "src/cli/", from: everything },
  { of: "src/", from: everything }, // main, library and the machine thread join the parts
];

interface Import { readonly file: string; readonly target: string; readonly typeOnly: boolean }

/** Every import and re-export of a file; relative ones as paths from the root. */
function importsOf(file: string): Import[] {
  const text = readFileSync(join(root, file), "utf8").replace(/^\s*\/\/.*$/gm, "");
  const found: Import[] = [];
  const add = (specifier: string, typeOnly: boolean): void => {
    found.push({ file, typeOnly, target: specifier.startsWith(".") ? relative(root, join(root, dirname(file), specifier)) : specifier });
  };
  for (const match of text.matchAll(/^(?:import|export)\s+(type\s+)?([^;"']*?)\s*from\s+"([^"]+)"/gm)) {
    const names = /^\{([^]*)\}$/.exec((match[2] as string).trim())?.[1]?.split(",").map(name => name.trim()).filter(name => name !== "");
    add(match[3] as string, match[1] !== undefined || (names !== undefined && names.every(name => name.startsWith("type "))));
  }
  for (const match of text.matchAll(/^import\s+"([^"]+)"/gm)) add(match[1] as string, false);
  for (const match of text.matchAll(/\bimport\(\s*"([^"]+)"\s*\)/g)) add(match[1] as string, false);
  return found;
}
const fits = (target: string, rule: string): boolean => (rule.endsWith("/") || rule.endsWith(":") ? target.startsWith(rule) : target === rule);

function violation({ file, target, typeOnly }: Import): string | undefined {
  const layer = layers.filter(one => fits(file, one.of)).sort((a, b) => b.of.length - a.of.length)[0] as Layer;
  const allowed = [layer.of, "src/units.ts", ...layer.from].some(rule => fits(target, rule)) || (typeOnly && (layer.types ?? []).some(rule => fits(target, rule)));
  return allowed ? undefined : `${file} imports ${typeOnly ? "types of " : ""}${target}`;
}

describe("the layers", () => {
  const imports = files.flatMap(importsOf);
  test("every import is one that its layer allows", () => {
    expect(imports.length).toBeGreaterThan(100);
    expect(imports.map(violation).filter(one => one !== undefined)).toEqual([]);
  });
  test("relative imports name their file, and it is there", () => {
    const missing = imports.filter(one => /^(dtb|devices|ffi|src)\//.test(one.target) && !files.includes(one.target));
    expect(missing.map(one => `${one.file}: ${one.target}`)).toEqual([]);
  });
  test("no module imports itself by a detour, types aside", () => {
    const next = new Map<string, string[]>();
    for (const one of imports) if (!one.typeOnly) next.set(one.file, [...(next.get(one.file) ?? []), one.target]);
    const reaches = (from: string, to: string, seen: Set<string>): boolean => (next.get(from) ?? []).some(one => one === to || (!seen.has(one) && (seen.add(one), reaches(one, to, seen))));
    // The interpreter's core and its instruction files are one unit in several files.
    expect(files.filter(file => !file.startsWith("src/cpu/") && reaches(file, file, new Set()))).toEqual([]);
  });
  test("the pure layers know neither process nor runtime (but for the processor that code is made for)", () => {
    const pure = files.filter(file => /^(dtb|devices|src\/(boot|cpu|hypervisor|machine|net))\//.test(file));
    const users = pure.filter(file => /\b(process\.(?!arch\b)|Bun\.)[a-z]/.test(readFileSync(join(root, file), "utf8").replace(/\/\/.*$/gm, "")));
    expect(users).toEqual([]);
  });
});

describe("the tree", () => {
  const tracked = (): string[] => Bun.spawnSync(["git", "-c", "safe.directory=*", "ls-files"], { cwd: root }).stdout.toString().trim().split("\n");
  test("the top level holds what it should, and nothing else", () => {
    const top = new Set(tracked().map(path => path.split("/")[0] as string));
    const required = ["package.json", "package-lock.json", "bunfig.toml", "tsconfig.json", "src", "ffi", "devices", "dtb", "test", "build.ts", "LICENSE", "README.md", "CHANGELOG.md", "docs", ".ci", ".gitignore"];
    const allowed = required;
    expect([...top].filter(name => !allowed.includes(name))).toEqual([]);
    expect(required.filter(name => !top.has(name))).toEqual([]);
  });
  test("no file has more than 700 lines, tables aside", () => {
    // The interpreter's inner loop has to be one function.
    const long = files.filter(file => !file.startsWith("src/cpu/a64/") && readFileSync(join(root, file), "utf8").split("\n").length > 700);
    expect(long).toEqual([]);
  });
  test("every file starts by saying what it is", () => {
    expect(files.filter(file => !readFileSync(join(root, file), "utf8").replace(/^#!.*\n/, "").startsWith(`// ${file} — `))).toEqual([]);
  });
  test("only the platform table says where devices are", () => {
    const addresses = files.filter(file => file !== "src/machine/platform.ts" && !file.startsWith("src/cpu/") && /\b0x0?[89]0[0-9]_?0000\b/i.test(readFileSync(join(root, file), "utf8")));
    expect(addresses).toEqual([]);
  });
});
