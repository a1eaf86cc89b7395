// test/host/openpgp.test.ts — clear-signed messages: good ones, and everything that is not quite one.
import { beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { debianKeys } from "../../src/host/debian/keys.ts";
import { dearmor, keysOf, verifyClearSigned } from "../../src/host/debian/openpgp.ts";
import { certifiedKeyring, clearSign, keyring, makeKey } from "../support/mirror.ts";
import { ensureDebianPackages, run } from "../support/packages.ts";
import { Random } from "../support/random.ts";

const rsa = makeKey("rsa", "RSA"), ed = makeKey("ed25519", "Ed25519");
const text = "Origin: Test\n- a dashed line\ntrailing blanks  \t\nlast\n";
const why = (message: Uint8Array, keys = [rsa, ed]): string => {
  const verified = verifyClearSigned(message, keys);
  return verified.ok ? "ok" : verified.why;
};
const edit = (message: Uint8Array, from: string, to: string): Uint8Array => Buffer.from(Buffer.from(message).toString("latin1").replace(from, to), "latin1");

describe("clear-signed message", () => {
  test.each([[rsa, "sha256"], [rsa, "sha512"], [ed, "sha256"], [ed, "sha512"]] as const)("%#: verifies, and gives back what was signed", (key, hash) => {
    const verified = verifyClearSigned(clearSign(text, key, hash), [rsa, ed]);
    expect(verified).toEqual({ ok: true, text: "Origin: Test\n- a dashed line\ntrailing blanks\nlast\n", key: `${key.name} (${key.fingerprint})` });
  });
  test("line ends may be CRLF", () => {
    expect(why(edit(clearSign(text, rsa), "\n", "\r\n"))).toBe("ok");
    expect(why(Buffer.from(Buffer.from(clearSign(text, rsa)).toString().replaceAll("\n", "\r\n")))).toBe("ok");
  });
  test("one changed letter, one line more, one line less", () => {
    const message = clearSign(text, rsa);
    expect(why(edit(message, "Test", "Tesu"))).toBe('the signature by "RSA" does not match the text');
    expect(why(edit(message, "last\n", "last\nmore\n"))).toContain("does not match");
    expect(why(edit(message, "last\n", ""))).toContain("does not match");
  });
  test("text around the signed part is not part of it", () => {
    expect(why(Buffer.concat([Buffer.from("before\n"), clearSign(text, rsa)]))).toBe("it is not a signed message");
    const verified = verifyClearSigned(Buffer.concat([clearSign(text, rsa), Buffer.from("Suite: evil\n")]), [rsa]);
    expect(verified.ok && verified.text).not.toContain("evil");
    expect(why(edit(clearSign(text, rsa), "Hash: SHA512\n", "Hash: SHA512\nSuite: evil\n"))).toContain("header");
  });
  test("a key that is not trusted, whatever it calls itself", () => {
    expect(why(clearSign(text, rsa), [ed])).toBe(`no trusted key signed it (it names ${rsa.fingerprint})`);
    expect(why(clearSign(text, rsa), [])).toContain("no trusted key");
    // The fingerprint is a pin: a packet that does not have it is not that key.
    expect(why(clearSign(text, { ...rsa, fingerprint: ed.fingerprint }), [{ ...rsa, fingerprint: ed.fingerprint }])).toContain("no trusted key");
  });
  test("no signature, half a signature", () => {
    const message = Buffer.from(clearSign(text, rsa)).toString();
    expect(why(Buffer.from(text))).toBe("it is not a signed message");
    expect(why(Buffer.from(message.slice(0, message.indexOf("-----BEGIN PGP SIGNATURE"))))).toBe("its signature is missing");
    expect(why(Buffer.from(message.slice(0, message.indexOf("-----END PGP"))))).toBe("its signature cannot be read");
  });
  test("5,000 damaged messages: none verifies with another text, none throws", () => {
    const random = new Random(0x9b9), message = clearSign(text, ed);
    const expected = verifyClearSigned(message, [ed]);
    for (let i = 0; i < 5000; i++) {
      const verified = verifyClearSigned(random.damage(message), [ed]);
      if (verified.ok) expect(verified as object).toEqual(expected);
    }
  });
});

describe("keys", () => {
  test("Debian's are what their fingerprints say, and none stands twice", () => {
    expect(debianKeys.map(key => keysOf(keyring(key), key.name)[0])).toEqual([...debianKeys]);
    expect(new Set(debianKeys.map(key => key.fingerprint)).size).toBe(10);
  });
  test("a keyring file gives its keys; anything else gives none", () => {
    expect(keysOf(keyring(rsa, ed), "file").map(key => key.fingerprint)).toEqual([rsa.fingerprint, ed.fingerprint]);
    expect(keysOf(Buffer.from("nothing"), "file")).toEqual([]);
    expect(keysOf(keyring(rsa).subarray(0, 50), "file")).toEqual([]);
    expect(dearmor(Buffer.from("-----BEGIN PGP X-----\n\naGVsbG8=\n=abcd\n-----END PGP X-----\n"))).toEqual(new Uint8Array(Buffer.from("hello")));
  });
});

describe("gpgv", () => {
  beforeAll(() => ensureDebianPackages(["gpgv"]));
  test("agrees that the test's own signatures are good", () => {
    const directory = mkdtempSync(join(tmpdir(), "hv-gpgv-"));
    writeFileSync(join(directory, "ring.gpg"), certifiedKeyring(rsa, ed));
    const codes = [clearSign(text, rsa), clearSign(text, ed), edit(clearSign(text, ed), "Test", "Tesu")].map(message => run(["gpgv", "--keyring", join(directory, "ring.gpg")], message).code);
    rmSync(directory, { recursive: true });
    expect(codes).toEqual([0, 0, 1]);
  });
});
