# test/support/verify-macho.py — checks the code signature of an arm64 Mach-O, written apart from the signer: every field,
# every page, every blob. Standard library only. "verify-macho.py FILE" prints what it found as JSON, or an error and
# ends with 1. "verify-macho.py FILE flip START END" flips each byte in turn, and prints the offsets where it went unseen.
# Spec: <mach-o/loader.h>, XNU osfmk/kern/cs_blobs.h.
import hashlib, json, plistlib, struct, sys


class Bad(Exception):
    pass


def need(condition, why):
    if not condition:
        raise Bad(why)


def der_read(data, at):
    tag, length, at = data[at], data[at + 1], at + 2
    if length & 0x80:
        count = length & 0x7F
        length, at = int.from_bytes(data[at:at + count], "big"), at + count
    need(at + length <= len(data), "DER runs over its end")
    return tag, data[at:at + length], at + length


def der_entitlements(data):
    tag, body, end = der_read(data, 0)
    need(tag == 0x70 and end == len(data), "DER: no entitlements")
    tag, version, at = der_read(body, 0)
    need(tag == 2 and version == b"\x01", "DER: version")
    tag, entries, end = der_read(body, at)
    need(tag == 0xB0 and end == len(body), "DER: no dictionary")
    found, at = {}, 0
    while at < len(entries):
        tag, pair, at = der_read(entries, at)
        need(tag == 0x30, "DER: no pair")
        key_tag, key, value_at = der_read(pair, 0)
        value_tag, value, end = der_read(pair, value_at)
        need(key_tag == 0x0C and value_tag == 1 and len(value) == 1 and value in (b"\x00", b"\xff") and end == len(pair), "DER: no boolean")
        found[key.decode()] = value == b"\xff"
    need(list(found) == sorted(found), "DER: keys out of order")
    return found


def verify(data, page_hashes=None):
    need(len(data) > 32, "short")
    magic, cpu, _, kind, count, commands, _, _ = struct.unpack_from("<8I", data, 0)
    need(magic == 0xFEEDFACF and cpu == 0x0100000C and kind == 2, "no arm64 executable")
    at, segments, signature = 32, {}, None
    for _ in range(count):
        command, size = struct.unpack_from("<2I", data, at)
        need(size >= 8 and at + size <= 32 + commands, "load command runs over its end")
        if command == 0x19:
            name = data[at + 8:at + 24].rstrip(b"\0").decode()
            segments[name] = struct.unpack_from("<4Q", data, at + 24)
        if command == 0x1D:
            signature = struct.unpack_from("<2I", data, at + 8)
        at += size
    need(signature is not None, "no LC_CODE_SIGNATURE")
    offset, room = signature
    need(offset % 16 == 0 and offset + room == len(data), "the signature is not the end of the file")
    _, vmsize, fileoff, filesize = segments["__LINKEDIT"]
    need(fileoff + filesize == len(data) and vmsize % 0x4000 == 0 and vmsize >= filesize and vmsize - filesize < 0x4000, "__LINKEDIT does not fit")
    blob = data[offset:]
    magic, length, blobs = struct.unpack_from(">3I", blob, 0)
    need(magic == 0xFADE0CC0 and length <= len(blob) and len(blob) - length < 16 and not any(blob[length:]), "SuperBlob")
    found, expected_at = {}, 12 + 8 * blobs
    for i in range(blobs):
        slot, start = struct.unpack_from(">2I", blob, 12 + 8 * i)
        need(start == expected_at, "blobs are not one behind the other")
        kind, size = struct.unpack_from(">2I", blob, start)
        need(size >= 8 and start + size <= length and slot not in found, "blob runs over its end")
        found[slot] = (kind, blob[start:start + size])
        expected_at = start + size
    need(expected_at == length, "room behind the last blob")
    need({slot: kind for slot, (kind, _) in found.items()} == {0: 0xFADE0C02, 2: 0xFADE0C01, 5: 0xFADE7171, 7: 0xFADE7172, 0x10000: 0xFADE0B01}, "not the blobs of an ad-hoc signature with entitlements")
    cd = found[0][1]
    (_, size, version, flags, hashes, ident, special, code, limit, hash_size, hash_type, platform, shift, spare, scatter, team, spare3, limit64, base, text, exec_flags) = struct.unpack_from(">9I4BI3I4Q", cd, 0)
    need(version == 0x20400 and flags == 2 and special == 7, "version, flags or special slots")
    need(hash_size == 32 and hash_type == 2 and platform == 0 and shift in (12, 14) and spare == 0 and scatter == 0 and team == 0 and spare3 == 0 and limit64 == 0, "CodeDirectory header")
    need(limit == offset and code == -(-limit // (1 << shift)), "code limit")
    need((base, text, exec_flags) == (segments["__TEXT"][2], segments["__TEXT"][3], 1), "executable segment")
    need(ident == 88 and hashes == size - 32 * code, "hashes are not where they belong")
    name = cd[ident:hashes - 32 * special]
    need(name.endswith(b"\0") and b"\0" not in name[:-1] and len(name) > 1, "identifier")
    for slot in range(1, 8):
        want = hashlib.sha256(found[slot][1]).digest() if slot in found else bytes(32)
        need(cd[hashes - 32 * slot:hashes - 32 * slot + 32] == want, "hash of special slot %d" % slot)
    for i in range(code):
        page = data[i << shift:min((i + 1) << shift, limit)]
        need(cd[hashes + 32 * i:hashes + 32 * i + 32] == hashlib.sha256(page).digest(), "hash of page %d" % i)
    need(found[2][1][8:] == bytes(4) and len(found[0x10000][1]) == 8, "requirements or CMS are not empty")
    xml, der = plistlib.loads(found[5][1][8:]), der_entitlements(found[7][1][8:])
    need(xml == der, "the two forms of the entitlements differ")
    return {"identifier": name[:-1].decode(), "flags": flags, "pages": code, "pageSize": 1 << shift, "codeLimit": limit, "entitlements": xml, "der": found[7][1][8:].hex(),
            "requirementsHash": hashlib.sha256(found[2][1]).hexdigest(), "derBlobHash": hashlib.sha256(found[7][1]).hexdigest(), "segments": list(segments)}


def unseen(data, start, end, expected):
    left, data = [], bytearray(data)
    for at in range(start, end):
        data[at] ^= 0x55
        try:
            # a CodeDirectory that hashes to another value is another program's: what it says must be what was signed
            if verify(bytes(data)) == expected:
                left.append(at)
        except (Bad, struct.error, KeyError, ValueError, IndexError, UnicodeDecodeError, plistlib.InvalidFileException):
            pass
        except Exception as error:  # expat has errors of its own
            if type(error).__name__ != "ExpatError":
                raise
        data[at] ^= 0x55
    return left


content = open(sys.argv[1], "rb").read()
try:
    report = verify(content)
except Bad as why:
    print(why)
    sys.exit(1)
if len(sys.argv) == 2:
    print(json.dumps(report))
else:
    print(json.dumps(unseen(content, int(sys.argv[3]), int(sys.argv[4]), report)))
