import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openFlashStore } from "../../src/host/flash-store.ts";
import { failureOf } from "../support/failure.ts";

const SIZE = 1024 * 1024;
describe("the file of a flash bank", () => {
  const folder = mkdtempSync(join(tmpdir(), "hv-flash-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  test("is made on first use, without taking space, and holds what was written", () => {
    const path = join(folder, "new.fd");
    const store = openFlashStore(path, SIZE);
    expect([statSync(path).size, statSync(path).blocks]).toEqual([SIZE, 0]);
    store.write(0x12345, Uint8Array.of(1, 2, 3));
    store.sync();
    store.close();
    const again = openFlashStore(path, SIZE), bytes = new Uint8Array(SIZE);
    again.load(bytes);
    again.close();
    expect(bytes).toEqual(new Uint8Array(readFileSync(path)));
    expect([...bytes.subarray(0x12344, 0x12349)]).toEqual([0, 1, 2, 3, 0]);
  });
  test("belongs to one machine at a time", () => {
    const path = join(folder, "locked.fd"), store = openFlashStore(path, SIZE);
    const failure = failureOf(() => openFlashStore(path, SIZE));
    store.close();
    expect([failure.code, failure.exit, failure.message]).toEqual(["HV-FLASH-LOCKED", 5, `--firmware-vars: ${path}: is in use by another machine`]);
  });
  test("of another size is refused, and left alone", () => {
    const path = join(folder, "short.fd");
    writeFileSync(path, "not flash");
    expect(failureOf(() => openFlashStore(path, SIZE)).message).toContain("has 9 bytes; the flash has 1048576");
    expect(readFileSync(path, "utf8")).toBe("not flash");
  });
  test("a directory, or one in a directory that is not there", () => {
    expect(failureOf(() => openFlashStore(folder, SIZE)).message).toContain("cannot be opened for reading and writing (EISDIR)");
    expect(failureOf(() => openFlashStore(join(folder, "none", "x"), SIZE)).exit).toBe(4);
  });
});
