#!/usr/bin/env python3
"""Verifies WeftOS proof files and exports: a second implementation of docs/chain-format.md.

Written from that page alone. It shares no code with the project: Python 3's standard library, the `openssl`
command for Ed25519, and ml_dsa_44.py beside this file.

    verify.py FILE...      one JSON document a line; exit code 1 when a file is not sound
"""

import base64
import binascii
import hashlib
import json
import os
import re
import struct
import subprocess
import sys
import tempfile
import zlib

import ml_dsa_44

INTEGER_MAX = 2**53 - 1
ZERO = bytes(32)
ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
NODE_PREFIX = bytes.fromhex("002408011220")
MAGIC = bytes.fromhex("574546540d0a1a0a00000001")


class Malformed(Exception):
    """Bytes of another form than the page demands."""


def must(condition, what):
    if not condition:
        raise Malformed(what)


# Hashes and signatures


def in_domain(domain, data):
    return bytes([len(domain)]) + domain.encode() + data


def H(domain, data):
    return hashlib.shake_256(in_domain(domain, data)).digest(32)


def sha256(data):
    return hashlib.sha256(data).digest()


_known = {}


def ed25519(key, message, signature):
    if len(key) != 32 or len(signature) != 64:
        return False
    case = (key, message, signature)
    if case not in _known:
        _known[case] = _openssl(key, message, signature)
    return _known[case]


def _openssl(key, message, signature):
    der = bytes.fromhex("302a300506032b6570032100") + key
    with tempfile.TemporaryDirectory() as folder:
        paths = {}
        for name, data in (("key", der), ("message", message), ("signature", signature)):
            paths[name] = os.path.join(folder, name)
            with open(paths[name], "wb") as file:
                file.write(data)
        command = ["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-rawin"]
        command += ["-inkey", paths["key"], "-in", paths["message"], "-sigfile", paths["signature"]]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0


def signed(key, domain, data, signature):
    return ed25519(key, in_domain(domain, data), signature)


def mldsa(key, message, signature):
    case = ("ml-dsa", key, message, signature)
    if case not in _known:
        _known[case] = ml_dsa_44.verify(key, message, signature)
    return _known[case]


# Texts of nodes, base64


def node_text(key):
    number = int.from_bytes(NODE_PREFIX + key, "big")
    text = ""
    while number:
        number, digit = divmod(number, 58)
        text = ALPHABET[digit] + text
    return "1" + text


def node_key(text):
    must(isinstance(text, str) and len(text) <= 64, "no node")
    must(text.startswith("1") and all(digit in ALPHABET for digit in text), "no node")
    number = 0
    for digit in text:
        number = number * 58 + ALPHABET.index(digit)
    must(number.bit_length() <= 38 * 8, "no node")
    key = number.to_bytes(38, "big")[6:]
    must(node_text(key) == text, "no node")
    return key


def unbase64(text):
    must(isinstance(text, str), "base64 is text")
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Malformed("no base64") from error
    must(base64.b64encode(data).decode() == text, "base64 of another form")
    return data


# CBOR


class Float(float):
    """Kept apart from integers: the two encode differently."""


def cbor(data):
    value, end = _item(data, 0, 0)
    must(end == len(data), "bytes behind the value")
    return value


def _argument(data, at, minor):
    if minor < 24:
        return minor, at
    must(minor <= 27, "an indefinite or reserved length")
    size = 1 << (minor - 24)
    must(at + size <= len(data), "a value ends early")
    value = int.from_bytes(data[at : at + size], "big")
    must(value >= (24 if size == 1 else 1 << (size * 4)), "not the shortest integer")
    return value, at + size


def _item(data, at, depth):
    must(at < len(data) and depth <= 64, "a value ends early, or nests too deep")
    major, minor = data[at] >> 5, data[at] & 31
    if major == 7:
        return _simple(data, at + 1, minor)
    must(major != 6, "a tag")
    value, at = _argument(data, at + 1, minor)
    if major == 0:
        return value, at
    if major == 1:
        return -1 - value, at
    must(value <= len(data) - at, "a value ends early")
    if major in (2, 3):
        part = bytes(data[at : at + value])
        if major == 2:
            return part, at + value
        try:
            return part.decode("utf-8"), at + value
        except UnicodeDecodeError as error:
            raise Malformed("text is not UTF-8") from error
    if major == 4:
        items = []
        for _ in range(value):
            item, at = _item(data, at, depth + 1)
            items.append(item)
        return items, at
    fields, last = {}, None
    for _ in range(value):
        start = at
        key, at = _item(data, at, depth + 1)
        must(isinstance(key, str) and key != "__proto__", "a map key is not text")
        must(last is None or last < data[start:at], "map keys out of order")
        last = data[start:at]
        fields[key], at = _item(data, at, depth + 1)
    return fields, at


def _simple(data, at, minor):
    if minor in (20, 21, 22):
        return {20: False, 21: True, 22: None}[minor], at
    must(minor in (25, 26, 27), "a simple value")
    size = 1 << (minor - 24)
    must(at + size <= len(data), "a value ends early")
    value = struct.unpack({2: ">e", 4: ">f", 8: ">d"}[size], data[at : at + size])[0]
    must(value == value and abs(value) != float("inf"), "no finite number")
    must(not (value == int(value) and abs(value) <= INTEGER_MAX), "an integer as a float")
    for shorter, form in ((2, ">e"), (4, ">f")):
        if shorter < size:
            try:
                must(struct.unpack(form, struct.pack(form, value))[0] != value, "a float too long")
            except OverflowError:
                pass
    return Float(value), at + size


def array(value, length, what):
    must(isinstance(value, list) and len(value) == length, f"{what} is no array of {length}")
    return value


def integer(value, most, what, least=0):
    is_integer = type(value) is int and least <= value <= most
    must(is_integer, f"{what} is out of range")
    return value


def octets(value, length, what):
    must(isinstance(value, bytes) and len(value) == length, f"{what} is not {length} bytes")
    return value


# Merkle trees


def sha_pair(left, right):
    return sha256(b"\x01" + left + right)


def entry_pair(left, right):
    return H("weft/node/1", left + right)


def root_of(leaves, pair):
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return pair(root_of(leaves[:k], pair), root_of(leaves[k:], pair))


def root_by_path(index, size, leaf, path, pair):
    """RFC 9162, section 2.1.3.2."""
    must(0 <= index < size, "no such leaf")
    fn, sn, r = index, size - 1, leaf
    for p in path:
        must(sn != 0, "a path is too long")
        if fn & 1 or fn == sn:
            r = pair(p, r)
            while not fn & 1 and fn != 0:
                fn >>= 1
                sn >>= 1
        else:
            r = pair(r, p)
        fn >>= 1
        sn >>= 1
    must(sn == 0, "a path is too short")
    return r


# Headers, entries, payloads


def read_header(data):
    must(len(data) <= 8192, "a header is too long")
    items = array(cbor(data), 10, "a header")
    version, lane, height, previous, before, count, root, ms, counter, links = items
    must(type(version) is int and version == 1, "a header of another version")
    octets(lane, 32, "a lane")
    must(isinstance(links, list) and len(links) <= 64, "too many cross-links")
    last = None
    read = []
    for link in links:
        other, at, digest = array(link, 3, "a cross-link")
        octets(other, 32, "a linked lane")
        must((last is None or last < other) and other != lane, "cross-links out of order")
        last = other
        integer(at, INTEGER_MAX, "a linked height", 1)
        read.append((other, at, octets(digest, 32, "a linked hash")))
    return {
        "lane": lane,
        "height": integer(height, INTEGER_MAX, "a height", 1),
        "previous": octets(previous, 32, "a previous hash"),
        "before": integer(before, INTEGER_MAX, "entries before"),
        "count": integer(count, 1024, "a count", 1),
        "root": octets(root, 32, "a root"),
        "time": (integer(ms, INTEGER_MAX, "a time"), integer(counter, 65535, "a counter")),
        "links": read,
    }


def read_entry(data):
    must(len(data) <= 1024, "an entry is too long")
    kind, actor, subject, ms, counter, digest = array(cbor(data), 6, "an entry")
    must(isinstance(kind, str) and len(kind) <= 64, "a kind")
    must(re.fullmatch(r"[a-z0-9]+(?:[.-][a-z0-9]+)*", kind) is not None, "a kind")
    for text in (actor, subject):
        must(isinstance(text, str) and 1 <= len(text.encode()) <= 200, "a name")
        must(not re.search("[\x00-\x1f\x7f]", text), "a name with control characters")
    return {
        "kind": kind,
        "subject": subject,
        "time": (integer(ms, INTEGER_MAX, "a time"), integer(counter, 65535, "a counter")),
        "hash": octets(digest, 32, "a payload hash"),
    }


def check_payload(slot, entry):
    must(16 < len(slot) <= 65536, "a payload slot has an impossible length")
    must(H("weft/payload/1", slot) == entry["hash"], "another payload")
    cbor(slot[16:])


def split_record(record):
    """The parts of a record, from its frame and table alone."""
    must(36 <= len(record) <= 1048576, "a record has an impossible length")
    magic, version, height, size, header_size, count, table_sum, head_sum = struct.unpack(
        ">4s4sQIIIII", record[:36]
    )
    must(magic == b"WFTB" and version == b"\x01\x00\x00\x00", "no frame")
    must(zlib.crc32(record[:32]) == head_sum and size == len(record), "a damaged frame")
    must(1 <= height <= INTEGER_MAX and 1 <= count <= 1024 and header_size <= 8192, "frame bounds")
    header_end = 36 + header_size
    table_end = header_end + 64 + 14 * count
    must(table_end <= size, "frame bounds")
    table = record[header_end + 64 : table_end]
    must(zlib.crc32(table) == table_sum, "a damaged table")
    rows = [struct.unpack(">HI8s", table[at : at + 14]) for at in range(0, len(table), 14)]
    entries, slots, at = [], [], table_end
    for length, _, prefix in rows:
        must(length <= 1024, "an entry is too long")
        entries.append((record[at : at + length], prefix))
        at += length
    for _, length, _ in rows:
        must(length <= 65536, "a payload is too long")
        slots.append(record[at : at + length])
        at += length
    must(at == size, "the table does not add up")
    header, signature = record[36:header_end], record[header_end : header_end + 64]
    return height, count, header, signature, entries, slots


# Membership


def read_statement(data):
    must(len(data) <= 81920, "a statement is too long")
    body, by, signature = array(cbor(data), 3, "a statement")
    must(isinstance(body, bytes) and isinstance(signature, bytes), "a statement")
    must(signed(node_key(by), "weft/statement/1", body, signature), "a statement not signed")
    fields = cbor(body)
    must(isinstance(fields, dict) and type(fields.get("v")) is int and fields["v"] == 1, "version")
    kind = fields.get("kind")
    must(isinstance(kind, str), "a kind")
    names = FIELDS.get(kind)
    must(names is not None, "a statement of an unknown kind")
    must(set(fields) == {"v", "kind", "at"} | set(names.split()), "fields of another version")
    integer(fields["at"], INTEGER_MAX, "a time")
    check_fields(kind, by, fields)
    words = H("weft/statement-body/1", body)
    signer = b"\x78" + bytes([len(by)]) + by.encode()
    return {"id": H("weft/statement/1", words + signer).hex(), "by": by, "kind": kind, "f": fields}


FIELDS = {
    "genesis": "node name role nonce",
    "admit": "mesh node name role invite",
    "role": "mesh node role after keeps",
    "revoke": "mesh node keeps",
    "leave": "mesh node ends",
    "quorum": "mesh signatures after keeps",
    "approve": "mesh statements",
    "succeed": "mesh node rotation keeps",
}


def check_fields(kind, by, fields):
    for name in ("mesh", "node", "name", "role"):
        must(name not in fields or isinstance(fields[name], str), f"a {name}")
    if "node" in fields:
        node_key(fields["node"])
    if "role" in fields:
        must(fields["role"] in (("admin",) if kind == "genesis" else ("admin", "member")), "a role")
    if kind == "genesis":
        octets(fields["nonce"], 16, "a nonce")
    if kind == "quorum":
        integer(fields["signatures"], 16, "signatures", 1)
    for name, most in (("keeps", 1024), ("statements", 1024), ("after", 16), ("ends", 16)):
        ids = fields.get(name, [])
        must(isinstance(ids, list) and len(ids) <= most, f"{name} is no list")
        for each in ids:
            must(isinstance(each, str) and re.fullmatch("[0-9a-f]{64}", each), "an id")
    if kind == "succeed":
        must(isinstance(fields["rotation"], bytes), "a rotation")
        keys = rotation_of(cbor(fields["rotation"]))
        must(keys == (node_key(by), node_key(fields["node"])), "a rotation of other keys")


class Fold:
    """Section Membership of the page: what counts, and who is a member by it."""

    def __init__(self, mesh, statements):
        self.all = {s["id"]: s for s in statements}
        self.genesis = self.all.get(mesh)
        is_genesis = self.genesis is not None and self.genesis["kind"] == "genesis"
        must(is_genesis and self.genesis["f"]["node"] == self.genesis["by"], "no genesis")
        self.others = sorted((s for s in self.all.values() if s is not self.genesis), key=lambda s: s["id"])
        for s in self.others:
            must(s["kind"] != "genesis" and s["f"]["mesh"] == mesh, "another mesh")
        self.number, self.exempt, self.silent = 1, set(), {}
        self.revoked, self.demoted, self.heirs = {}, set(), {}
        in_force = []
        while True:
            self.count()
            more = [s for s in self.restrictions() if s not in in_force]
            if not more:
                break
            in_force.append(min(more, key=self.rank))
            self.enforce(in_force[-1])
        for s in self.others:
            if s["id"] in self.counted or s in in_force:
                continue
            waits = s["kind"] not in ("leave", "succeed") and s["by"] in self.admins
            must(waits and s["by"] not in self.silent, "a statement by nobody")
        self.stand()

    def count(self):
        self.counted = {self.genesis["id"]: self.genesis}
        self.admins = {self.genesis["by"]: 0}
        steps = 0
        while True:
            steps += 1
            known, added = dict(self.admins), False
            for s in self.others:
                if s["id"] in self.counted or not self.counts(s, known):
                    continue
                self.counted[s["id"]], added = s, True
                kind, f = s["kind"], s["f"]
                makes = kind in ("admit", "role") and f["role"] == "admin"
                if kind == "succeed":
                    makes = s["by"] in known and s["by"] not in self.demoted
                if makes:
                    self.admins.setdefault(f["node"], steps)
            if not added:
                return

    def was_admitted(self, node):
        ways = (s for s in self.counted.values() if s["kind"] in ("admit", "succeed"))
        return node == self.genesis["by"] or any(s["f"]["node"] == node for s in ways)

    def counts(self, s, admins):
        by = s["by"]
        if s["kind"] == "leave":
            return s["f"]["node"] == by and self.was_admitted(by)
        if s["kind"] == "succeed":
            if by in self.revoked and not any(s["id"] in r["f"]["keeps"] for r in self.revoked[by]):
                return False
            return self.heirs.get(by, s) is s and self.was_admitted(by)
        names = {
            self.newest(each["by"])
            for each in self.signatures(s)
            if each["by"] in admins and self.is_heard(each)
        }
        return len(names) >= self.needed(s)

    def signatures(self, s):
        named = (a for a in self.others if a["kind"] == "approve")
        return [s] + [a for a in named if s["id"] in a["f"]["statements"]]

    def is_heard(self, s):
        return s["by"] not in self.silent or s["id"] in self.silent[s["by"]]

    def newest(self, node):
        for _ in range(len(self.heirs) + 1):
            if node not in self.heirs:
                break
            node = self.heirs[node]["f"]["node"]
        return node

    def needed(self, s):
        if s["kind"] == "approve" or s["id"] in self.exempt:
            return 1
        if s["kind"] != "quorum":
            return self.number
        before = [self.all.get(each) for each in s["f"]["after"]]
        numbers = [q["f"]["signatures"] for q in before if q is not None and q["kind"] == "quorum"]
        return max([self.number, s["f"]["signatures"], *numbers])

    def restrictions(self):
        replaced = {each for s in self.counted.values() for each in s["f"].get("after", [])}
        for s in self.counted.values():
            lessens = s["kind"] == "quorum"
            lessens = lessens or (s["kind"] == "role" and s["f"]["role"] == "member")
            if s["kind"] in ("revoke", "succeed") or (lessens and s["id"] not in replaced):
                yield s

    def rank(self, s):
        steps = -1 if s["kind"] == "quorum" else self.admins.get(s["by"], float("inf"))
        return (steps, s["by"], s["id"])

    def enforce(self, s):
        kind, f = s["kind"], s["f"]
        if kind == "quorum":
            self.number = max(self.number, f["signatures"])
            self.exempt.update(f["keeps"], [s["id"]])
            return
        node, keeps = f["node"], list(f["keeps"])
        if kind == "succeed":
            node, keeps = s["by"], keeps + [s["id"]]
            self.heirs[s["by"]] = s
        elif kind == "revoke":
            self.revoked.setdefault(node, []).append(s)
        else:
            self.demoted.add(node)
        self.silent.setdefault(node, set()).update(keeps)

    def stand(self):
        """Who was admitted, who is a member or an admin, and which key took over from which."""
        self.admitted, self.members, self.before = set(), {}, {}
        counted = list(self.counted.values())
        ended = set()
        for s in counted:
            if s["kind"] == "leave":
                for each in s["f"]["ends"]:
                    way = self.counted.get(each)
                    is_way = way is not None and way["kind"] in ("genesis", "admit", "succeed")
                    if is_way and way["f"]["node"] == s["by"]:
                        ended.add(each)
        replaced = {e for s in counted if s["kind"] == "role" for e in s["f"]["after"]}
        roles = {}
        for s in counted:
            if s["kind"] == "role" and s["id"] not in replaced:
                lesser = roles.get(s["f"]["node"]) == "member"
                roles[s["f"]["node"]] = "member" if lesser else s["f"]["role"]
        for way in [s for s in counted if s["kind"] in ("genesis", "admit")]:
            line = [(way["f"]["node"], way["id"])]
            while True:
                node, by = line[-1]
                next_one = self.heirs.get(node)
                if by in ended or next_one is None or next_one["id"] not in self.counted:
                    break
                if next_one["f"]["node"] in [key for key, _ in line]:
                    break
                self.before[next_one["f"]["node"]] = node
                line.append((next_one["f"]["node"], next_one["id"]))
            self.admitted.update(key for key, _ in line)
            node, by = line[-1]
            if node in self.revoked or by in ended:
                continue
            said = [roles[key] for key, _ in line if key in roles]
            role = said[-1] if said else way["f"]["role"]
            if self.members.get(node) != "admin":
                self.members[node] = role


# Checkpoints


def read_lane_key(data):
    body, signature = array(cbor(data), 2, "a key statement")
    must(isinstance(body, bytes) and isinstance(signature, bytes), "a key statement")
    version, lane, algorithm, key = array(cbor(body), 4, "a key statement")
    must(type(version) is int and version == 1 and algorithm == "ml-dsa-44", "an unknown key")
    octets(lane, 32, "a lane")
    must(signed(lane, "weft/lane-key/1", body, signature), "a key statement not signed")
    return lane, octets(key, 1312, "a key")


def key_id(name, kind, key):
    return sha256(name.encode() + b"\n" + bytes([kind]) + key)[:4]


def read_note(note, lane, lane_key, nodes, counts):
    """Checks every line. Returns size, root and the witnesses."""
    must(len(note) <= 65536, "a note is too long")
    try:
        whole = note.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed("a note is not UTF-8") from error
    must(not re.search("[\x00-\x09\x0b-\x1f]", whole), "control characters in a note")
    split = whole.rfind("\n\n")
    must(split > 0 and whole.endswith("\n"), "a note without signatures")
    text, tail = whole[: split + 1], whole[split + 2 :]
    lines = text.split("\n")
    must(len(lines) == 4 and lines[3] == "", "a checkpoint has three lines")
    origin, size_text, root_text = lines[:3]
    must(origin == "weft-lane/" + node_text(lane), "a checkpoint of another lane")
    must(re.fullmatch("0|[1-9][0-9]{0,15}", size_text) is not None, "a size")
    size = integer(int(size_text), INTEGER_MAX, "a size")
    root = octets(unbase64(root_text), 32, "a root")
    must(tail.endswith("\n"), "a note without signatures")
    signatures = tail[:-1].split("\n")
    must(len(signatures) <= 100, "too many signatures")
    seen, witnesses, has_ml_dsa = set(), [], False
    for line in signatures:
        parts = line.split(" ")
        must(len(parts) == 3 and parts[0] == "\u2014", "a signature line")
        name = parts[1]
        must(name and "+" not in name and not re.search(r"\s", name), "a key name")
        blob = unbase64(parts[2])
        must(len(blob) > 4, "a signature line")
        known, signature = blob[:4], blob[4:]
        if name == origin and known == key_id(origin, 1, lane):
            who = "owner"
            must(ed25519(lane, text.encode(), signature), "the owner's signature")
        elif name == origin and lane_key and known == key_id(origin, 6, lane_key):
            who, has_ml_dsa = "ml-dsa", True
            must(len(signature) > 8, "a time")
            names = bytes([len(name)]) + name.encode()
            message = b"subtree/v1\n\x00" + names + signature[:8] + names + bytes(8)
            message += struct.pack(">Q", size) + root
            integer(int.from_bytes(signature[:8], "big"), INTEGER_MAX, "a time")
            must(mldsa(lane_key, message, signature[8:]), "the ML-DSA signature")
        else:
            must(name.startswith("weft-witness/"), "a line of an unknown key")
            node = name[len("weft-witness/") :]
            key = node_key(node)
            must(known == key_id(name, 4, key), "a line of an unknown key")
            must(node in nodes and key != lane, "a witness who may not be one")
            must(len(signature) > 8, "a time")
            time = integer(int.from_bytes(signature[:8], "big"), INTEGER_MAX, "a time")
            message = f"cosignature/v1\ntime {time}\n{text}".encode()
            must(ed25519(key, message, signature[8:]), "a cosignature")
            who = node
            witnesses.append(node)
        must(who not in seen, "one key signs twice")
        seen.add(who)
        counts["signatures"] += 1
    must("owner" in seen, "the owner has not signed")
    must(has_ml_dsa == (lane_key is not None), "the ML-DSA line is missing")
    return size, root, witnesses


# Proofs


def fields(value, names):
    must(isinstance(value, dict) and list(value) == names.split(), "other fields")
    return [value[name] for name in names.split()]


def verify_proof(data, counts):
    must(len(data) <= 8 * 1024 * 1024, "a proof is too long")
    try:
        text = data.decode("utf-8")
        document = json.loads(text)
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise Malformed("no JSON") from error
    again = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    must(again == text, "JSON of another form")
    form = document.get("format") if isinstance(document, dict) else None
    must(form in ("weft-proof/1", "weft-proof/2"), "another format")
    parts = "entry payload block checkpoint"
    names = "format mesh " + parts + (" redaction" if form == "weft-proof/2" else "")
    _, mesh, *part = fields(document, names)
    mesh_id, statements = fields(mesh, "id statements")
    must(isinstance(statements, list), "no list")
    must(isinstance(mesh_id, str), "a mesh")
    read = [read_statement(unbase64(s)) for s in statements]
    counts["signatures"] += len(read)
    fold = Fold(mesh_id, read)
    lane, entry_id, entry = verify_part(part[:4], fold, counts)
    counts["lanes"] = 1
    if form == "weft-proof/1":
        return
    must(part[1] is None, "a payload that was redacted")
    must(entry["kind"] != "key.rotated", "a rotation cannot be redacted")
    author, _, by = verify_part(fields(part[4], parts), fold, counts)
    must(by["kind"] == "chain.redacted", "no redaction")
    must(by["subject"] == "entry:" + entry_id, "a redaction of another entry")
    may = author == lane or fold.before.get(author) == lane or fold.members.get(author) == "admin"
    must(may, "a redaction by one who may not")
    counts["lanes"] = 1 if author == lane else 2


def verify_part(part, fold, counts):
    """One entry with its way to a checkpoint: the node of its lane, its id and itself."""
    entry, payload, block, checkpoint = part
    entry_id, entry_text, entry_path = fields(entry, "id bytes path")
    header_text, signature_text, block_path = fields(block, "header signature path")
    lane_key_text, note = fields(checkpoint, "laneKey note")
    for each in (entry_path, block_path):
        must(isinstance(each, list), "no list")
    must(isinstance(entry_id, str) and isinstance(note, str), "no text")
    place = re.fullmatch(r"([1-9][0-9]{0,15})\.(0|[1-9][0-9]{0,3})@(\S+)", entry_id)
    must(place is not None, "no entry id")
    height, index, lane = int(place[1]), int(place[2]), node_key(place[3])
    must(place[3] in fold.admitted, "a lane of nobody")
    header_bytes = unbase64(header_text)
    header = read_header(header_bytes)
    must(header["lane"] == lane and header["height"] == height, "another block")
    signature = unbase64(signature_text)
    must(signed(lane, "weft/block-signature/1", header_bytes, signature), "a block not signed")
    entry_bytes = unbase64(entry_text)
    read_one = read_entry(entry_bytes)
    leaf = H("weft/leaf/1", entry_bytes)
    path = [unbase64(p) for p in entry_path]
    root = root_by_path(index, header["count"], leaf, path, entry_pair)
    must(root == header["root"], "the entry is not in the block")
    if payload is not None:
        check_payload(unbase64(payload), read_one)
    lane_key = None
    if lane_key_text is not None:
        owner, lane_key = read_lane_key(unbase64(lane_key_text))
        must(owner == lane, "a key of another lane")
        counts["signatures"] += 1
    size, tree_root, _ = read_note(note.encode(), lane, lane_key, fold.members, counts)
    block_leaf = sha256(b"\x00" + H("weft/block/1", header_bytes))
    path = [unbase64(p) for p in block_path]
    must(
        root_by_path(height - 1, size, block_leaf, path, sha_pair) == tree_root,
        "the block is not under the checkpoint",
    )
    for name in ("blocks", "entries", "signatures"):
        counts[name] += 1
    return place[3], entry_id, read_one


# Exports


def sections(data):
    must(data[: len(MAGIC)] == MAGIC, "no export of version 1")
    digest = H("weft/export/1", ZERO + MAGIC)
    at = len(MAGIC)
    while at < len(data):
        must(at + 8 <= len(data), "a section ends early")
        kind = data[at : at + 4]
        size = int.from_bytes(data[at + 4 : at + 8], "big")
        must(size <= 1 << 26 and at + 8 + size <= len(data), "a section ends early")
        yield kind, data[at + 8 : at + 8 + size], digest
        digest = H("weft/export/1", digest + data[at : at + 8 + size])
        at += 8 + size


class LaneState:
    def __init__(self, body):
        self.lane, self.height, self.end = array(cbor(body), 3, "a lane")
        octets(self.lane, 32, "a lane")
        integer(self.height, INTEGER_MAX, "a height")
        octets(self.end, 32, "a hash")
        self.key, self.note, self.stage = None, None, 0
        self.hashes, self.entries, self.time, self.ended = [], 0, (0, 0), False
        self.before = None

    def finish(self):
        must(len(self.hashes) == self.height, "the lane has another height")
        must((self.hashes[-1] if self.hashes else ZERO) == self.end, "the lane has another end")
        if self.note is None:
            return
        size, root = self.note
        must(size <= self.height, "the lane was truncated")
        leaves = [sha256(b"\x00" + digest) for digest in self.hashes[:size]]
        must((root_of(leaves, sha_pair) if size else sha256(b"")) == root, "another history")


def verify_export(data, counts):
    fold, nodes, mesh, lane, done = None, None, None, None, False
    blocks, links, absent, redacted, last = {}, [], [], {}, None
    for kind, body, digest in sections(data):
        must(not done and (nodes is None) == (kind == b"MESH"), "a section out of order")
        if kind == b"MESH":
            mesh, statements = array(cbor(body), 2, "the mesh")
            must(isinstance(statements, list), "the statements")
            must(all(isinstance(s, bytes) for s in statements), "the statements")
            read = [read_statement(s) for s in statements]
            counts["signatures"] += len(read)
            fold = Fold(octets(mesh, 32, "a mesh").hex(), read)
            nodes = fold.members
        elif kind == b"LANE":
            if lane:
                lane.finish()
            lane = LaneState(body)
            must(last is None or last < lane.lane, "lanes out of order")
            last = lane.lane
            must(node_text(lane.lane) in fold.admitted, "a lane of nobody")
            lane.before = fold.before.get(node_text(lane.lane))
            counts["lanes"] += 1
        elif kind == b"LKEY":
            must(lane and lane.stage == 0, "a section out of order")
            owner, lane.key = read_lane_key(body)
            must(owner == lane.lane, "a key of another lane")
            counts["signatures"] += 1
            lane.stage = 1
        elif kind == b"NOTE":
            must(lane and lane.stage < 2, "a section out of order")
            lane.note = read_note(body, lane.lane, lane.key, nodes, counts)[:2]
            lane.stage = 2
        elif kind == b"BLCK":
            must(lane and len(lane.hashes) < lane.height, "a block too many")
            lane.stage = 3
            check_block(lane, body, counts, links, absent, redacted)
            blocks[lane.lane, len(lane.hashes)] = lane.hashes[-1]
        elif kind == b"DONE":
            if lane:
                lane.finish()
            must(body == digest, "the file has changed")
            done = True
        else:
            raise Malformed("an unknown section")
    must(done, "the file ends early")
    for other, height, digest in links:
        must(blocks.get((other, height), digest) == digest, "a cross-link to another block")
    for owner, entry_id in absent:
        authors = redacted.get(entry_id, [])
        may = [a for a in authors if a == owner or fold.before.get(a) == owner]
        may += [a for a in authors if fold.members.get(a) == "admin"]
        must(may, "a payload is missing")


def check_block(lane, record, counts, links, absent, redacted):
    height, count, header_bytes, signature, entries, slots = split_record(record)
    must(not lane.ended, "a block behind the rotation of its key")
    must(height == len(lane.hashes) + 1, "another height")
    header = read_header(header_bytes)
    must(header["lane"] == lane.lane and header["height"] == height, "another block")
    must(header["count"] == count, "another count")
    must(signed(lane.lane, "weft/block-signature/1", header_bytes, signature), "not signed")
    leaves, time, begun = [], lane.time, []
    owner = node_text(lane.lane)
    for index, ((data, prefix), slot) in enumerate(zip(entries, slots)):
        leaf = H("weft/leaf/1", data)
        must(leaf[:8] == prefix, "an entry has changed")
        entry = read_entry(data)
        must(entry["time"] > time or (height == 1 and index == 0), "time goes back")
        time = entry["time"]
        leaves.append(leaf)
        if slot:
            check_payload(slot, entry)
        else:
            absent.append((owner, f"{height}.{index}@{owner}"))
        if entry["kind"] == "chain.redacted" and entry["subject"].startswith("entry:"):
            redacted.setdefault(entry["subject"][len("entry:") :], []).append(owner)
        if entry["kind"] == "key.rotated":
            must(slot, "a rotation without its payload")
            old, new = rotation_of(cbor(slot[16:]))
            must(lane.lane in (old, new), "a rotation of other keys")
            if lane.lane == old:
                must(index == count - 1, "an entry behind a rotation")
                lane.ended = True
            else:
                must(height == 1, "a rotation behind the first block")
                begun.append(node_text(old))
    if height == 1 and lane.before is not None:
        must(lane.before in begun, "a lane that does not begin with its rotation")
    must(root_of(leaves, entry_pair) == header["root"], "another Merkle root")
    must(time == header["time"], "another time")
    must(header["previous"] == (lane.hashes[-1] if lane.hashes else ZERO), "a broken link")
    must(header["before"] == lane.entries, "entries miscounted")
    lane.entries += count
    lane.time = time
    lane.hashes.append(H("weft/block/1", header_bytes))
    links.extend(header["links"])
    counts["blocks"] += 1
    counts["entries"] += count
    counts["signatures"] += 1


def rotation_of(payload):
    """The old key and the new one, both of which have signed."""
    body, by_old, by_new = array(payload, 3, "a rotation")
    must(all(isinstance(part, bytes) for part in payload), "a rotation")
    version, old, new = array(cbor(body), 3, "a rotation")
    must(type(version) is int and version == 1, "a rotation of another version")
    octets(old, 32, "a key")
    octets(new, 32, "a key")
    must(old != new, "a rotation to the same key")
    must(signed(old, "weft/key-rotation/1", body, by_old), "the old key has not signed")
    must(signed(new, "weft/key-rotation/1", body, by_new), "the new key has not signed")
    return old, new


def verify(data):
    counts = {"lanes": 0, "blocks": 0, "entries": 0, "signatures": 0}
    problem = None
    try:
        if data[:1] == b"W":
            verify_export(data, counts)
        else:
            verify_proof(data, counts)
    except Malformed as error:
        problem = str(error)
    return {"ok": problem is None, **counts, "problem": problem}


def main(paths):
    is_sound = True
    for path in paths:
        with open(path, "rb") as file:
            report = verify(file.read())
        is_sound = is_sound and report["ok"]
        print(json.dumps({"file": path, **report}), flush=True)
    return 0 if is_sound and paths else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
