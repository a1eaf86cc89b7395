// test/guests/debian.ts — `npm run test:debian [-- raw|qcow2|compressed|backed|network]...`: Debian 12 from a disk image, of each
// kind: to the login, logged in, systemd says "running" and no unit failed, a file is written, power off; then the image is in
// order, its file system clean, and the file there. `network` is a backed one that also does what debian-network.ts says.
// Ten minutes the first time (see debian-root.ts), one for each kind, some for the network.
import { copyFileSync, constants, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { VirtualMachine, type DiskOptions } from "../../src/library.ts";
import { hv } from "../support/hv.ts";
import { ensureDebianPackages, run } from "../support/packages.ts";
import { NETWORK, tryNetwork } from "./debian-network.ts";
import { debianRoot, ROOT_CMDLINE, type DebianRoot } from "./debian-root.ts";

const LOGIN = 300_000, COMMAND = 60_000;

async function must(...args: string[]): Promise<void> {
  const done = await hv(args);
  if (done.code !== 0) throw new Error(`hv ${args.join(" ")} ended with ${done.code}: ${done.stderr}`);
}
/** Kinds of images: how one is made in a directory, and what has to be looked at afterwards. */
type Kind = (root: DebianRoot, place: string) => Promise<DiskOptions>;
const kinds: Readonly<Record<string, Kind>> = {
  raw: async (root, place) => {
    copyFileSync(root.image, join(place, "root.img"), constants.COPYFILE_FICLONE);
    return { path: join(place, "root.img"), format: "raw" };
  },
  qcow2: async (root, place) => {
    await must("disk", "convert", root.image, join(place, "root.qcow2"), "--format", "raw");
    return { path: join(place, "root.qcow2"), format: "qcow2" };
  },
  compressed: async (root, place) => {
    await must("disk", "convert", root.image, join(place, "root.qcow2"), "--format", "raw", "--compress", "--compression", "zstd");
    return { path: join(place, "root.qcow2"), format: "qcow2" };
  },
  backed: async (root, place) => {
    await must("disk", "convert", root.image, join(place, "base.qcow2"), "--format", "raw", "--compress");
    await must("disk", "create", join(place, "root.qcow2"), "--base", "base.qcow2", "--base-format", "qcow2");
    return { path: join(place, "root.qcow2"), format: "qcow2" };
  },
  network: async (root, place) => await (kinds["backed"] as Kind)(root, place),
};

async function tryOut(kind: string, root: DebianRoot, place: string): Promise<string> {
  const disk = await (kinds[kind] as Kind)(root, place);
  const from = performance.now();
  await using vm = await VirtualMachine.start({ kernel: root.kernel, initrd: root.initrd, cmdline: ROOT_CMDLINE, memory: "1G", rng: true, disks: [disk], ...(kind === "network" ? NETWORK : {}) });
  await vm.console.expect(/login: /, { timeout: LOGIN });
  const login = (performance.now() - from) / 1000;
  vm.console.write("root\n");
  await vm.console.expect(/Password: /, { timeout: COMMAND });
  vm.console.write("root\n");
  await vm.console.expect(/root@guest:~# /, { timeout: COMMAND });
  vm.console.write("bind 'set enable-bracketed-paste off'; PS1=; stty -echo\n");
  vm.console.write("echo re''ady\n");
  await vm.console.expect(/ready\r\n/, { timeout: COMMAND });
  const command = async (line: string, timeout = COMMAND): Promise<string> => {
    vm.console.write(`${line}; echo "=$?="\n`);
    return ((await vm.console.expect(/^([^]*?)=(\d+)=\r\n/, { timeout }))[1] as string).replaceAll("\r", "").trim();
  };
  const state = await command("systemctl is-system-running --wait"), failed = await command("systemctl --failed --no-legend --plain | cat");
  if (state !== "running" || failed !== "") throw new Error(`${kind}: systemd says ${JSON.stringify(state)}; failed: ${failed}`);
  const network = kind === "network" ? `; ${await tryNetwork(vm, command)}` : "";
  await command("dd if=/dev/urandom of=/root/written bs=1M count=16 2>/dev/null; rm -rf /var/cache/apt /var/lib/apt; fstrim /; sync");
  const sum = await command("sha256sum < /root/written");
  const errors = await command("dmesg | grep -iE 'i/o error|EXT4-fs (error|warning)|WARNING:|BUG:|nobody cared|rcu.*stall'");
  if (errors !== "") throw new Error(`${kind}: the guest's log says:\n${errors}`);
  vm.console.write("poweroff\n");
  const outcome = await vm.exited;
  if (outcome.kind !== "off" || vm.notices.length > 0) throw new Error(`${kind}: ended with ${JSON.stringify(outcome)}; notices: ${vm.notices.join("; ")}`);
  await vm.close();

  if (disk.format === "qcow2") {
    await must("disk", "check", disk.path);
    const other = run(["qemu-img", "check", "-q", disk.path]);
    if (other.code !== 0) throw new Error(`${kind}: qemu-img check ends with ${other.code}: ${other.stderr}`);
    await must("disk", "convert", disk.path, join(place, "after.img"), "--format", "qcow2", "--to", "raw");
  }
  const raw = disk.format === "qcow2" ? join(place, "after.img") : disk.path;
  const fsck = run(["e2fsck", "-fn", raw]);
  if (fsck.code !== 0) throw new Error(`${kind}: e2fsck ends with ${fsck.code}: ${new TextDecoder().decode(fsck.stdout)}`);
  const written = new Bun.CryptoHasher("sha256").update(run(["debugfs", "-R", "cat /root/written", raw]).stdout).digest("hex");
  if (!sum.startsWith(written)) throw new Error(`${kind}: the file that the guest wrote is another one on the host`);
  return `${kind}: login after ${login.toFixed(1)} s, running, no failed unit, clean after power off${network}`;
}

const wanted = process.argv.slice(2).length > 0 ? process.argv.slice(2) : Object.keys(kinds);
if (wanted.some(one => !Object.hasOwn(kinds, one))) {
  console.error(`usage: npm run test:debian [-- ${Object.keys(kinds).join("|")}]...`);
  process.exit(2);
}
ensureDebianPackages(["e2fsprogs", "qemu-utils"]);
const root = debianRoot(line => console.error(line));
let failed = 0;
for (const kind of wanted) {
  const place = mkdtempSync(join(tmpdir(), "hv-debian-"));
  try {
    console.log(await tryOut(kind, root, place));
  } catch (error) {
    failed++;
    console.log(`FAIL ${error instanceof Error ? error.message : String(error)}`);
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}
console.log(`${wanted.length - failed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
