// test/host/input.test.ts — files that a user names: read whole, or refused with the reason; written whole, or not at all.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readInput } from "../../src/host/input.ts";
import { writeOutput } from "../../src/host/output.ts";
import { failureOf } from "../support/failure.ts";
import { run } from "../support/packages.ts";

let place: string;
beforeAll(() => {
  place = mkdtempSync(join(tmpdir(), "hv-input-"));
  writeFileSync(join(place, "file"), "hello");
  writeFileSync(join(place, "empty"), "");
  mkdirSync(join(place, "directory"));
  run(["mkfifo", join(place, "pipe")]);
});
afterAll(() => rmSync(place, { recursive: true, force: true }));

const refusal = (name: string, limit = 100): string => {
  const failure = failureOf(() => readInput(name.startsWith("/") ? name : join(place, name), "kernel", limit));
  expect(failure.exit).toBe(2);
  return failure.message.replace(place, "");
};

describe("input file", () => {
  test("is read whole", () => {
    expect(new TextDecoder().decode(readInput(join(place, "file"), "kernel", 5))).toBe("hello");
    expect(readInput(join(place, "empty"), "kernel", 5).length).toBe(0);
  });
  test("is not read when it is no file, without hanging on a pipe that nobody writes to", () => {
    expect(refusal("none")).toBe("/none: there is no such file (as the kernel)");
    expect(refusal("directory")).toBe("/directory: is a directory, not a file (as the kernel)");
    expect(refusal("pipe")).toBe("/pipe: is a pipe, not a file (as the kernel)");
    expect(refusal("/dev/zero")).toBe("/dev/zero: is a device, not a file (as the kernel)");
    expect(refusal("file/x")).toContain("ENOTDIR");
  });
  test("is not read when it is too large", () => expect(refusal("file", 4)).toBe("/file: has 5 bytes; a kernel may have 4 B"));
});

describe("output file", () => {
  test("replaces what was there, by rename", () => {
    const path = join(place, "out");
    writeOutput(path, Buffer.from("one"));
    writeOutput(path, Buffer.from("two"));
    expect(readFileSync(path, "utf8")).toBe("two");
    expect(readdirSync(place).filter(name => name.startsWith("out"))).toEqual(["out"]);
  });
  test("devices are written to, directories and missing places refused", () => {
    writeOutput("/dev/null", Buffer.from("x"));
    expect(failureOf(() => writeOutput(place, Buffer.of())).message).toContain("is a directory");
    expect(failureOf(() => writeOutput(join(place, "none", "x"), Buffer.of())).message).toContain("its directory does not exist");
  });
});
