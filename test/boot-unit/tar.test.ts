// test/boot-unit/tar.test.ts — tar streams as GNU tar writes them, in every format it has.
import { beforeAll, describe, expect, test } from "bun:test";
import { linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TarError, isTar, tarEntries } from "../../src/boot/tar.ts";
import { ensureDebianPackages, run } from "../support/packages.ts";
import { Random } from "../support/random.ts";

let place: string;
const archives = new Map<string, Uint8Array>();
const long = "a-name-of-sixty-characters-that-does-not-fit-in-one-field-well";

beforeAll(() => {
  ensureDebianPackages(["tar"]);
  place = mkdtempSync(join(tmpdir(), "hv-tar-"));
  mkdirSync(join(place, long, long), { recursive: true });
  writeFileSync(join(place, long, long, "file"), "deep");
  writeFileSync(join(place, "plain"), "content", { mode: 0o640 });
  symlinkSync("plain", join(place, "link"));
  symlinkSync(`${long}/${long}/${long}`, join(place, "long-link"));
  linkSync(join(place, "plain"), join(place, "same"));
  for (const format of ["ustar", "gnu", "pax"]) {
    const made = run(["tar", "-C", place, `--format=${format}`, "--sort=name", "--exclude", format === "ustar" ? "long-link" : "none", "-cf", "-", "."]);
    if (made.code !== 0) throw new Error(made.stderr);
    archives.set(format, made.stdout);
  }
  rmSync(place, { recursive: true });
});

const list = (bytes: Uint8Array, piece = 1000): Record<string, unknown> => {
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += piece) pieces.push(bytes.subarray(at, at + piece));
  return Object.fromEntries([...tarEntries(pieces)].map(one => [one.name, [one.kind, one.kind === "file" ? new TextDecoder().decode(one.data) : one.link]]));
};

describe("tar", () => {
  test.each(["ustar", "gnu", "pax"])("%s", format => {
    const bytes = archives.get(format)!;
    const all = list(bytes);
    expect(isTar(bytes)).toBeTrue();
    expect(all).toMatchObject({ [`./${long}/${long}/file`]: ["file", "deep"], "./link": ["symlink", "plain"] });
    expect(Object.values(all)).toContainEqual(["file", "content"]);
    expect(Object.values(all).filter(value => (value as string[])[0] === "hardlink")).toHaveLength(1);
    expect(Object.keys(all).length).toBe(format === "ustar" ? 7 : 8);
    expect(list(bytes, 7)).toEqual(all);
  });
  test("long link targets", () => {
    expect(list(archives.get("gnu")!)["./long-link"]).toEqual(["symlink", `${long}/${long}/${long}`]);
    expect(list(archives.get("pax")!)["./long-link"]).toEqual(["symlink", `${long}/${long}/${long}`]);
  });
  test("a stream that ends early is an error, not less", () => {
    const bytes = archives.get("gnu")!;
    expect(() => list(bytes.subarray(0, 700))).toThrow(TarError);
    expect(() => list(new Uint8Array(0))).toThrow("empty");
    expect(() => list(bytes.with(0, 0x7f))).toThrow("sum is wrong");
  });
  test("20,000 damaged archives: entries or a TarError", () => {
    const random = new Random(0x7a9), seed = archives.get("pax")!, begun = performance.now();
    for (let i = 0; i < 20_000; i++) {
      try {
        list(random.damage(seed), 4096);
      } catch (error) {
        expect(error).toBeInstanceOf(TarError);
      }
    }
    expect(performance.now() - begun).toBeLessThan(60_000);
  });
});
