// test/host/sources.test.ts — the host's apt configuration, and the index of a suite.
import { describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findPackage, parseRelease } from "../../src/host/debian/packages.ts";
import { findMirror, parseList, parseSources } from "../../src/host/debian/sources.ts";
import { failureOf } from "../support/failure.ts";

describe("apt sources", () => {
  test("one line per source", () => {
    expect(parseList(`# deb http://comment.example/debian bookworm main
deb http://one.example/debian bookworm main contrib # tail
deb-src http://two.example/debian bookworm main
  deb [arch=amd64 signed-by=/usr/share/keyrings/x.gpg] https://three.example/debian/ trixie main
deb`)).toEqual([{ uri: "http://one.example/debian", suites: ["bookworm"] }, { uri: "https://three.example/debian/", suites: ["trixie"] }]);
  });
  test("deb822 stanzas, with comments, continuation lines and disabled ones", () => {
    expect(parseSources(`Types: deb deb-src
# a comment
URIs: http://one.example/debian
 http://two.example/debian
Suites: bookworm
 bookworm-updates
Components: main

Types: deb
URIs: http://off.example/debian
Suites: sid
Enabled: no

Types: deb-src
URIs: http://source.example/debian
Suites: sid
`)).toEqual([{ uri: "http://one.example/debian", suites: ["bookworm", "bookworm-updates"] }, { uri: "http://two.example/debian", suites: ["bookworm", "bookworm-updates"] }]);
  });
  test("the mirror: the argument, then HV_DEBIAN_MIRROR, then the first archive of the host", () => {
    const directory = mkdtempSync(join(tmpdir(), "hv-apt-"));
    mkdirSync(join(directory, "sources.list.d"));
    writeFileSync(join(directory, "sources.list.d", "a-vendor.list"), "deb https://vendor.example/node_20.x nodistro main\n");
    writeFileSync(join(directory, "sources.list.d", "debian.sources"), "Types: deb\nURIs: http://security.example/debian-security\nSuites: bookworm-security\n\nTypes: deb\nURIs: http://archive.example/debian/\nSuites: bookworm\n");
    const found = (mirror: string | undefined, environment: Record<string, string>): string => findMirror({ mirror, environment, aptDirectory: directory }).url;
    expect(found("http://arg.example/debian/", { HV_DEBIAN_MIRROR: "http://env.example/debian" })).toBe("http://arg.example/debian");
    expect(found(undefined, { HV_DEBIAN_MIRROR: "http://env.example/debian" })).toBe("http://env.example/debian");
    expect(found(undefined, {})).toBe("http://archive.example/debian");
    rmSync(directory, { recursive: true });
    expect(failureOf(() => findMirror({ environment: {}, aptDirectory: directory })).code).toBe("HV-PULL-NO-MIRROR");
  });
});

describe("suite index", () => {
  const sum = "0".repeat(63) + "1";
  test("Release: fields and SHA-256 sums, not the MD5 ones", () => {
    const release = parseRelease(`Suite: stable\nCodename: trixie\nAcquire-By-Hash: yes\nMD5Sum:\n ${"1".repeat(32)} 5 main/binary-arm64/Packages.gz\nSHA256:\n ${sum}  7 main/binary-arm64/Packages.gz\nValid-Until: Sat, 28 Nov 2026 00:53:02 UTC\n`, "x");
    expect(release).toMatchObject({ suite: "stable", codename: "trixie", byHash: true });
    expect(release.validUntil?.toISOString()).toBe("2026-11-28T00:53:02.000Z");
    expect([...release.files]).toEqual([["main/binary-arm64/Packages.gz", { sha256: sum, size: 7 }]]);
    expect(failureOf(() => parseRelease("Suite: x\n", "x")).code).toBe("HV-PULL-RELEASE");
  });
  const index = (filename: string): Uint8Array => new TextEncoder().encode(`Package: ab\nVersion: 1\nFilename: pool/ab.deb\nSize: 1\nSHA256: ${sum}\n\nPackage: b\nVersion: 2\nDepends: c (= 1), d\nFilename: ${filename}\nSize: 9\nSHA256: ${sum}\n`);
  test("a stanza is found by its whole name, first, in the middle and last", () => {
    expect(findPackage(index("pool/b.deb"), "ab")).toMatchObject({ version: "1", filename: "pool/ab.deb" });
    expect(findPackage(index("pool/b.deb"), "b")).toEqual({ name: "b", version: "2", depends: "c (= 1), d", filename: "pool/b.deb", sum: { sha256: sum, size: 9 } });
    expect(findPackage(index("pool/b.deb"), "c")).toBeUndefined();
    expect(findPackage(new Uint8Array(0), "c")).toBeUndefined();
  });
  test("a file name that leaves the mirror is no package", () => {
    expect(findPackage(index("../../etc/passwd"), "b")).toBeUndefined();
    expect(findPackage(index("pool/b.deb?x=http://y"), "b")).toBeUndefined();
  });
});
