// test/host/pull.test.ts — pulling from a mirror that works, and from mirrors that do not.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { readCpio } from "../../src/boot/cpio.ts";
import { requireSpace } from "../../src/host/debian/download.ts";
import { pullDebian } from "../../src/host/debian/pull.ts";
import type { PullOptions, Pulled } from "../../src/host/debian/pull.ts";
import { failureOf, failureOfAsync } from "../support/failure.ts";
import { cutAfter, keyring, makeKey, mirrorFiles, serveMirror } from "../support/mirror.ts";
import type { FakeMirror } from "../support/mirror.ts";

const key = makeKey("rsa", "Test key"), stranger = makeKey("ed25519", "Another key");
let home: string;
beforeEach(() => void (home = mkdtempSync(join(tmpdir(), "hv-pull-"))));
afterEach(() => rmSync(home, { recursive: true, force: true }));

const pull = (mirror: FakeMirror, options: PullOptions = {}): Promise<Pulled> => pullDebian({ mirror: mirror.url, home, keys: [key], stallMs: 2000, ...options });
const refusal = async (mirror: FakeMirror, options: PullOptions = {}): Promise<string> => {
  const failure = await failureOfAsync(() => pull(mirror, options));
  expect(failure.hint).toBeString();
  expect(failure.message).not.toContain("\n");
  return `${failure.code} ${failure.exit}: ${failure.message}`;
};
const results = (): string[] => readdirSync(join(home, "debian")).filter(name => name !== "lock" && name !== "blobs");
const blobs = (): string[] => (existsSync(join(home, "debian", "blobs")) ? readdirSync(join(home, "debian", "blobs")) : []);
/** Bytes of the file at `path` with one bit changed. */
const flipped = (files: Map<string, Uint8Array>, path: string, at: number): void => {
  const copy = Uint8Array.from(files.get(path)!);
  copy[at]! ^= 1;
  files.set(path, copy);
};

describe("hv pull debian", () => {
  test("brings kernel, configuration and initramfs; the second call does not touch the network", async () => {
    const { files, image } = mirrorFiles(key);
    await using mirror = await serveMirror(files);
    const found = await pull(mirror);
    expect(found).toMatchObject({ release: "6.1.0-1-arm64", directory: join(home, "debian", "bookworm-6.1") });
    expect(Buffer.compare(readFileSync(found.kernel), image)).toBe(0);
    expect(readFileSync(found.config, "utf8")).toBe("CONFIG_ARM64=y\n");
    const archive = readCpio(gunzipSync(readFileSync(found.initramfs)));
    const names = archive.ok ? archive.entries.map(entry => entry.name) : [];
    expect(names).toContain("init");
    expect(names).toContain("bin/cttyhack");
    expect(names).toContain("etc/hv-release");
    expect(names).toContain("lib/modules/6.1.0-1-arm64/kernel/drivers/virtio/virtio_mmio.ko");
    expect(names.some(name => name.includes("gpu"))).toBeFalse();
    const before = mirror.requests.length;
    expect(await pull(mirror)).toEqual(found);
    expect(await pullDebian({ home, mirror: "http://127.0.0.1:1/debian" })).toEqual(found);
    expect(mirror.requests.length).toBe(before);
  });
  test("--refresh asks again, and brings packages only when they are new", async () => {
    const { files } = mirrorFiles(key);
    await using mirror = await serveMirror(files);
    await pull(mirror);
    mirror.requests.length = 0;
    await pull(mirror, { refresh: true });
    expect(mirror.requests.filter(path => path.endsWith(".deb"))).toEqual([]);
    mirrorFiles(key, { version: "6.1.2-1" }).files.forEach((data, path) => files.set(path, data));
    const { directory } = await pull(mirror, { refresh: true });
    expect(JSON.parse(readFileSync(join(directory, "manifest.json"), "utf8"))).toMatchObject({ version: "6.1.2-1", suite: "bookworm" });
  });
  test("a damaged result is made anew", async () => {
    const { files, image } = mirrorFiles(key);
    await using mirror = await serveMirror(files);
    const found = await pull(mirror);
    writeFileSync(found.kernel, "nonsense");
    await pull(mirror);
    expect(Buffer.compare(readFileSync(found.kernel), image)).toBe(0);
  });
  test("what a killed pull left behind is swept away", async () => {
    const { files } = mirrorFiles(key);
    await using mirror = await serveMirror(files);
    mkdirSync(join(home, "debian", ".tmp-1"), { recursive: true });
    await pull(mirror);
    expect(results()).toEqual(["bookworm-6.1"]);
  });
  test("two at once: one downloads, both have it", async () => {
    const { files, kernelPath } = mirrorFiles(key);
    await using mirror = await serveMirror(files);
    const lines: string[] = [];
    const both = await Promise.all([pull(mirror, { log: line => void lines.push(line) }), pull(mirror, { log: line => void lines.push(line) })]);
    expect(both[0]).toEqual(both[1]);
    expect(mirror.requests.filter(path => path === kernelPath)).toHaveLength(1);
    expect(lines).toContain("another pull is at work: waiting for it");
  });
  test("the lock ends with its process: another one's death does not block", async () => {
    const { files } = mirrorFiles(key);
    await using mirror = await serveMirror(files);
    mkdirSync(join(home, "debian"));
    const script = `import { tryLockFile } from ${JSON.stringify(join(import.meta.dir, "../../ffi/posix.ts"))}; import { openSync } from "node:fs"; if (!tryLockFile(openSync(${JSON.stringify(join(home, "debian", "lock"))}, "a"))) process.exit(9); console.log("held"); setInterval(() => {}, 1000);`;
    const holder = Bun.spawn([process.execPath, "-e", script], { stdout: "pipe" });
    await holder.stdout.getReader().read();
    const lines: string[] = [];
    const waiting = pull(mirror, { log: line => void lines.push(line) });
    await Bun.sleep(300);
    expect(lines).toEqual(["another pull is at work: waiting for it"]);
    holder.kill("SIGKILL");
    expect((await waiting).release).toBe("6.1.0-1-arm64");
  });
});

describe("what is not what was signed", () => {
  test("a package with one bit changed", async () => {
    const { files, kernelPath } = mirrorFiles(key);
    flipped(files, kernelPath, 5000);
    await using mirror = await serveMirror(files);
    expect(await refusal(mirror)).toContain("HV-PULL-DIGEST 1: ");
    expect([results(), blobs()]).toEqual([[], []]);
  });
  test("a package that is longer or shorter than the index says", async () => {
    const { files, kernelPath } = mirrorFiles(key), whole = files.get(kernelPath)!;
    await using mirror = await serveMirror(files);
    files.set(kernelPath, Buffer.concat([whole, Buffer.of(1)]));
    expect(await refusal(mirror)).toContain("is longer than");
    files.set(kernelPath, whole.subarray(0, -1));
    expect(await refusal(mirror)).toContain("HV-PULL-NETWORK");
    files.set(kernelPath, whole);
    await pull(mirror);
  });
  test("an index with one bit changed", async () => {
    const { files } = mirrorFiles(key);
    flipped(files, [...files.keys()].find(path => path.includes("by-hash"))!, 40);
    await using mirror = await serveMirror(files);
    expect(await refusal(mirror)).toContain("HV-PULL-DIGEST");
  });
  test("a release with one bit changed", async () => {
    const { files } = mirrorFiles(key);
    flipped(files, "/debian/dists/bookworm/InRelease", 100);
    await using mirror = await serveMirror(files);
    expect(await refusal(mirror)).toContain('HV-PULL-SIGNATURE 1: ' + mirror.url + '/dists/bookworm/InRelease: the signature is not good: the signature by "Test key" does not match the text');
    expect(mirror.requests).toHaveLength(1);
  });
  test("a release signed by a key that nobody trusts, and Debian's own keys", async () => {
    await using mirror = await serveMirror(mirrorFiles(stranger).files);
    expect(await refusal(mirror)).toContain(`no trusted key signed it (it names ${stranger.fingerprint})`);
    expect(await refusal(mirror, { keys: undefined })).toContain("no trusted key signed it");
    await pull(mirror, { keys: [key, stranger] });
  });
  test("the release of another suite under this one's name", async () => {
    const { files } = mirrorFiles(key, { suite: "sid" });
    files.set("/debian/dists/bookworm/InRelease", files.get("/debian/dists/sid/InRelease")!);
    await using mirror = await serveMirror(files);
    expect(await refusal(mirror)).toContain("it is the release of sid (oldstable), not of bookworm");
  });
  test("a release past its date, unless that is allowed", async () => {
    await using mirror = await serveMirror(mirrorFiles(key, { fields: "Valid-Until: Sat, 01 Jan 2022 00:00:00 UTC\n" }).files);
    expect(await refusal(mirror)).toContain("HV-PULL-EXPIRED 1: ");
    await pull(mirror, { allowExpired: true });
  });
});

describe("a network that fails", () => {
  test("a connection that breaks is resumed where it broke", async () => {
    const { files, kernelPath, image } = mirrorFiles(key);
    await using mirror = await serveMirror(files);
    let cuts = 1;
    mirror.mischief = (path, ...rest) => (path === kernelPath && cuts-- > 0 ? cutAfter(100_000)(path, ...rest) : undefined);
    const found = await pull(mirror);
    expect(mirror.requests.filter(path => path.startsWith(kernelPath))).toEqual([kernelPath, `${kernelPath} bytes=100000-`]);
    expect(Buffer.compare(readFileSync(found.kernel), image)).toBe(0);
  });
  test("a pull that gave up is resumed by the next one", async () => {
    const { files, kernelPath } = mirrorFiles(key);
    await using mirror = await serveMirror(files);
    mirror.mischief = (path, response, request, data) => (path !== kernelPath ? undefined : request.headers.range === undefined ? cutAfter(100_000)(path, response, request, data) : (response.socket?.destroy(), true));
    expect(await refusal(mirror)).toContain("HV-PULL-NETWORK 1: ");
    mirror.mischief = undefined;
    mirror.requests.length = 0;
    await pull(mirror);
    expect(mirror.requests).toContain(`${kernelPath} bytes=100000-`);
  });
  test("a file that changed meanwhile is taken from its start", async () => {
    const { files, kernelPath } = mirrorFiles(key);
    await using mirror = await serveMirror(files);
    let cuts = 1;
    mirror.mischief = (path, ...rest) => {
      if (path !== kernelPath || cuts-- <= 0) return undefined;
      mirror.etag = '"two"';
      return cutAfter(100_000)(path, ...rest);
    };
    await pull(mirror);
    expect(blobs().every(name => /^[0-9a-f]{64}$/.test(name))).toBeTrue();
  });
  test("a server that stops sending is given up", async () => {
    const { files, kernelPath } = mirrorFiles(key);
    await using mirror = await serveMirror(files);
    mirror.mischief = (path, response, _, data) => {
      if (path !== kernelPath) return undefined;
      response.writeHead(200, { etag: '"one"', "content-length": data!.length }).write(data!.subarray(0, 1000));
      return true;
    };
    expect(await refusal(mirror, { stallMs: 200 })).toContain("the server stopped answering after 1000 of");
  });
  test("404, 500 and a redirect that never ends", async () => {
    const { files } = mirrorFiles(key);
    await using mirror = await serveMirror(files);
    mirror.mischief = (_, response) => (response.writeHead(404).end(), true);
    expect(await refusal(mirror, { suite: "bookworm" })).toBe(`HV-PULL-NOT-FOUND 4: ${mirror.url}/dists/bookworm/InRelease: the mirror has no such file (404)`);
    mirror.mischief = (_, response) => (response.writeHead(500).end(), true);
    expect(await refusal(mirror)).toContain("HV-PULL-NETWORK 1: ");
    mirror.mischief = (path, response) => (response.writeHead(302, { location: path }).end(), true);
    expect(await refusal(mirror)).toContain("HV-PULL-NETWORK 1: ");
  });
  test("a mirror that carries none of the suites says where it was looked for", async () => {
    await using mirror = await serveMirror(new Map());
    expect(await refusal(mirror)).toContain("HV-PULL-KERNEL 4: no kernel 6.1 for arm64 on");
    expect(await refusal(mirror)).toContain("bookworm (not on this mirror)");
  });
  test("nobody listens", async () => {
    const failure = await failureOfAsync(() => pullDebian({ home, keys: [key], mirror: "http://127.0.0.1:1/debian" }));
    expect(`${failure.code} ${failure.exit}: ${failure.message}`).toStartWith("HV-PULL-NETWORK 1: http://127.0.0.1:1/debian/dists/bookworm/InRelease: ");
  });
  test("http_proxy is used", async () => {
    await using proxy = await serveMirror(mirrorFiles(key).files);
    writeFileSync(join(home, "key.gpg"), keyring(key));
    const script = `import { pullDebian } from ${JSON.stringify(join(import.meta.dir, "../../src/host/debian/pull.ts"))}; import { keysOf } from ${JSON.stringify(join(import.meta.dir, "../../src/host/debian/openpgp.ts"))}; import { readFileSync } from "node:fs"; const { release } = await pullDebian({ keys: keysOf(readFileSync(process.env.HV_HOME + "/key.gpg"), "k") }); console.log(release);`;
    const { http_proxy: _, HTTP_PROXY: __, no_proxy: ___, NO_PROXY: ____, ...environment } = process.env;
    const child = Bun.spawn([process.execPath, "-e", script], { env: { ...environment, HV_HOME: home, HV_DEBIAN_MIRROR: "http://mirror.invalid/debian", http_proxy: proxy.url.replace("/debian", "") }, stdout: "pipe" });
    expect((await new Response(child.stdout).text()).trim()).toBe("6.1.0-1-arm64");
  });
});

describe("requests that make no sense", () => {
  test("no mirror is known", async () => {
    const saved = process.env["HV_DEBIAN_MIRROR"];
    delete process.env["HV_DEBIAN_MIRROR"];
    const failure = await failureOfAsync(() => pullDebian({ home, aptDirectory: join(home, "none") }));
    if (saved !== undefined) process.env["HV_DEBIAN_MIRROR"] = saved;
    expect(`${failure.code} ${failure.exit}: ${failure.message}`).toBe(`HV-PULL-NO-MIRROR 2: no Debian mirror is known: ${join(home, "none")} names none`);
    expect(existsSync(join(home, "debian"))).toBeFalse();
  });
  test("a kernel, a suite or a mirror that is none", async () => {
    expect((await failureOfAsync(() => pullDebian({ home, kernel: "../x" }))).code).toBe("HV-PULL-KERNEL");
    expect((await failureOfAsync(() => pullDebian({ home, suite: "../x" }))).code).toBe("HV-PULL-SUITE");
    expect((await failureOfAsync(() => pullDebian({ home, mirror: "ftp://x" }))).code).toBe("HV-PULL-MIRROR");
  });
  test("a home that cannot be", async () => {
    writeFileSync(join(home, "file"), "");
    await using mirror = await serveMirror(mirrorFiles(key).files);
    expect(await refusal(mirror, { home: join(home, "file") })).toContain("HV-PULL-HOME 1: ");
  });
  test("a disk that is full in the middle of a transfer", () => {
    const script = join(import.meta.dir, "../support/full-disk.ts");
    const child = Bun.spawnSync(["unshare", "--map-root-user", "--mount", "sh", "-c", `mount -t tmpfs -o size=4m tmpfs "$1" && exec "$2" "$3" "$1"`, "sh", home, process.execPath, script], { stdin: "ignore" });
    const said = child.stderr.toString();
    if (child.exitCode !== 0 && /not permitted|denied|No space left/i.test(said)) {
      // a host that lets nobody mount: the same refusal, by the check in front of the transfer
      expect(failureOf(() => requireSpace(home, 2 ** 60)).code).toBe("HV-PULL-SPACE");
      return;
    }
    expect({ code: child.exitCode, said }).toEqual({ code: 0, said: "" });
    const told = JSON.parse(child.stdout.toString()) as Record<string, unknown>;
    expect(told).toMatchObject({ full: true, code: "HV-PULL-SPACE", exit: 1, left: [] });
    expect(told["message"]).toMatch(/the disk is full$/);
    expect(told["then"]).toHaveLength(3);
  });
  test("a disk that is too full is noticed before it is full", () => {
    const failure = failureOf(() => requireSpace(home, 2 ** 60));
    expect(failure.code).toBe("HV-PULL-SPACE");
    expect(failure.message).toContain("1099511627776 MiB are needed");
  });
});
