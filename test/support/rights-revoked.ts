// test/support/rights-revoked.ts — `bun test/support/rights-revoked.ts DIRECTORY`, as somebody who is not root: a share whose owner
// takes away the rights to it while the guest has it mounted, and gives them back. Prints the answers, as JSON.
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { T } from "../../src/share/server.ts";
import { P9Client, u32, u64 } from "./p9-client.ts";

const [place] = process.argv.slice(2) as [string], dir = join(place, "shared"), RDWR = 2, CREATE = 0o100;
mkdirSync(join(dir, "sub"), { recursive: true });
writeFileSync(join(dir, "file"), "before\n");
writeFileSync(join(dir, "other"), "other\n");
writeFileSync(join(dir, "sub/leaf"), "leaf\n");
writeFileSync(join(place, "secret"), "SECRET\n");
const client = new P9Client(dir), said: Record<string, unknown> = {};
client.attach(1);
const open = (fid: number, ...names: string[]): number => client.walk(1, fid, ...names) || client.try(T.lopen, u32(fid), u32(RDWR));
said["open"] = [open(2, "file"), client.walk(1, 3, "other"), client.walk(1, 4, "sub")];
chmodSync(join(dir, "file"), 0);
chmodSync(join(dir, "other"), 0);
chmodSync(join(dir, "sub"), 0);
said["of files: what is open goes on"] = [client.write(2, "still "), client.read(2)];
said["of files: nothing is opened"] = [client.try(T.lopen, u32(3), u32(RDWR)), open(5, "file"), client.walk(4, 6, "leaf"), client.try(T.mkdir, u32(4), "new", u32(0o755), u32(0))];
chmodSync(dir, 0);
said["of the root"] = [client.walk(1, 7, "file"), client.try(T.mkdir, u32(1), "new", u32(0o755), u32(0)), client.try(T.unlinkat, u32(1), "file", u32(0)), client.attach(8), client.walk(8, 9, "..", "secret")];
client.walk(1, 10);
said["its list"] = client.try(T.lopen, u32(10), u32(0));
said["the guest cannot give them to itself by a name it cannot reach"] = client.try(T.setattr, u32(3), u32(8), u32(0), u32(0), u32(0), u64(0), u64(0), u64(0), u64(0), u64(0));
chmodSync(dir, 0o500);
client.walk(1, 11);
said["read-only for the host"] = [client.try(T.lcreate, u32(11), "new", u32(RDWR | CREATE), u32(0o644), u32(0)), client.try(T.renameat, u32(1), "file", u32(1), "moved"), client.try(T.symlink, u32(1), "x", "y", u32(0))];
for (const [name, mode] of [[dir, 0o755], [join(dir, "file"), 0o644], [join(dir, "other"), 0o644], [join(dir, "sub"), 0o755]] as const) chmodSync(name, mode);
said["given back"] = [client.try(T.lopen, u32(3), u32(RDWR)), client.read(3), open(12, "sub", "leaf"), client.read(12), client.try(T.mkdir, u32(1), "new", u32(0o755), u32(0)), client.read(2)];
said["outside"] = readFileSync(join(place, "secret"), "utf8");
console.log(JSON.stringify(said));
client.close();
