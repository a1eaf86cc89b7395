// test/host/release/pack.test.ts — archives, formula and npm packages, made of stand-ins for the executables.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { packAll } from "../../../src/host/release/pack.ts";
import { targets } from "../../../src/host/release/targets.ts";

let place: string;
beforeAll(() => {
  place = mkdtempSync(join(tmpdir(), "hv-pack-"));
  for (const target of targets) {
    writeFileSync(join(place, `hv-${target}`), `#!/bin/sh\necho ${target} "$@"\ntest "$1" != wait || { trap 'exit 9' TERM; echo ready; while :; do sleep 0.05; done; }\nexit 7\n`);
    chmodSync(join(place, `hv-${target}`), 0o755);
  }
  packAll(place, "1.2.3");
});
afterAll(() => rmSync(place, { recursive: true, force: true }));
const host = `${process.platform}-${process.arch}`;

test("an archive gives hv to curl | tar, executable", () => {
  const bin = join(place, "bin");
  mkdirSync(bin);
  const { exitCode, stderr } = Bun.spawnSync(["tar", "xz", "-C", bin], { stdin: readFileSync(join(place, `hv-${host}.tar.gz`)) });
  expect([exitCode, stderr.toString(), statSync(join(bin, "hv")).mode & 0o777]).toEqual([0, "", 0o755]);
  expect(readFileSync(join(bin, "hv"), "utf8")).toBe(readFileSync(join(place, `hv-${host}`), "utf8"));
});
test("packing again makes the same bytes", () => {
  const before = readFileSync(join(place, `hv-${host}.tar.gz`));
  packAll(place, "1.2.3");
  expect(Buffer.compare(readFileSync(join(place, `hv-${host}.tar.gz`)), before)).toBe(0);
});
test("the formula has the archives' checksums", () => {
  const text = readFileSync(join(place, "hv.rb"), "utf8");
  for (const target of targets) {
    const sum = createHash("sha256").update(readFileSync(join(place, `hv-${target}.tar.gz`))).digest("hex");
    expect(text).toContain(`url "URL/hv-${target}.tar.gz"\n`);
    expect(text).toContain(`sha256 "${sum}"\n`);
  }
  expect(text.match(/^\s*(class .*|.* do|def .*)$/gm)?.length).toBe(text.match(/^\s*end$/gm)?.length as number);
});
describe("npm", () => {
  let app: string, hv: string;
  beforeAll(() => {
    app = join(place, "app");
    mkdirSync(app);
    writeFileSync(join(app, "package.json"), "{}\n");
    const run = Bun.spawnSync(["npm", "install", "--install-links", "--offline", "--no-audit", "--no-fund", "--omit=optional", join(place, `npm/hv-${host}`), join(place, "npm/hv")], { cwd: app, env: { ...process.env, npm_config_update_notifier: "false" } });
    if (run.exitCode !== 0) throw new Error(run.stderr.toString());
    hv = join(app, "node_modules/.bin/hv");
  });
  test("the command starts the executable of this host; arguments and exit code pass through", () => {
    const { exitCode, stdout } = Bun.spawnSync([hv, "run", "a b"], { cwd: app });
    expect([exitCode, stdout.toString()]).toEqual([7, `${host} run a b\n`]);
  });
  test("signals pass through too", async () => {
    const child = Bun.spawn([hv, "wait"], { cwd: app, stdout: "pipe" });
    for await (const bytes of child.stdout) if (new TextDecoder().decode(bytes).includes("ready")) break;
    child.kill("SIGTERM");
    expect(await child.exited).toBe(9);
  });
  test("each package is for its platform alone, and the command names all three", () => {
    const manifest = (name: string): Record<string, unknown> => JSON.parse(readFileSync(join(place, "npm", name, "package.json"), "utf8")) as Record<string, unknown>;
    expect(manifest("hv-darwin-arm64")).toMatchObject({ name: "hv-darwin-arm64", version: "1.2.3", os: ["darwin"], cpu: ["arm64"] });
    expect(manifest("hv")["optionalDependencies"]).toEqual(Object.fromEntries(targets.map(target => [`hv-${target}`, "1.2.3"])));
  });
});
