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
    must(at < len(data) and depth <= 256, "a value ends early, or nests too deep")
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
    sizes = {"genesis": 7, "admit": 8, "role": 8}
    must(len(fields) == sizes.get(kind, len(fields)), "fields of another version")
    words = H("weft/statement-body/1", body)
    signer = b"\x78" + bytes([len(by)]) + by.encode()
    return {"id": H("weft/statement/1", words + signer).hex(), "by": by, "kind": kind, "f": fields}


def text_of(statement, name):
    value = statement["f"].get(name)
    must(isinstance(value, str), f"a statement without {name}")
    return value


def admitted(mesh, statements):
    """The nodes that were admitted, and the admins among them."""
    founding = [s for s in statements if s["kind"] == "genesis" and s["id"] == mesh]
    must(founding and text_of(founding[0], "node") == founding[0]["by"], "no genesis")
    genesis = founding[0]
    must(text_of(genesis, "role") == "admin", "a founder is an admin")
    rest = [s for s in statements if s is not genesis]
    admins, nodes, queue, counted = {genesis["by"]}, {genesis["by"]}, [genesis["by"]], []
    for admin in queue:
        for s in rest:
            if s["by"] != admin or s["kind"] not in ("admit", "role"):
                continue
            counted.append(s)
            node = text_of(s, "node")
            node_key(node)
            if s["kind"] == "admit":
                text_of(s, "name")
                nodes.add(node)
            if text_of(s, "role") == "admin" and node not in admins:
                admins.add(node)
                queue.append(node)
    for s in rest:
        must(s["kind"] != "genesis" and text_of(s, "mesh") == mesh, "a statement of another mesh")
        binds = s["kind"] in ("admit", "role")
        must(any(c is s for c in counted) if binds else s["by"] in nodes, "a statement by nobody")
    return nodes, final_admins(genesis, counted)


def final_admins(genesis, counted):
    """Who is an admin when all has been said: the last role by id decides."""
    roles = {genesis["by"]: "admin"}
    for s in sorted((s for s in counted if s["kind"] == "admit"), key=lambda s: s["id"]):
        roles.setdefault(text_of(s, "node"), text_of(s, "role"))
    for s in sorted((s for s in counted if s["kind"] == "role"), key=lambda s: s["id"]):
        if text_of(s, "node") in roles:
            roles[text_of(s, "node")] = text_of(s, "role")
    return {node for node, role in roles.items() if role == "admin"}


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


def verify_proof(data, counts):
    must(len(data) <= 8 * 1024 * 1024, "a proof is too long")
    try:
        text = data.decode("utf-8")
        document = json.loads(text)
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise Malformed("no JSON") from error
    again = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    must(again == text, "JSON of another form")

    def fields(value, names):
        must(isinstance(value, dict) and list(value) == names.split(), "other fields")
        return [value[name] for name in names.split()]

    form, mesh, entry, payload, block, checkpoint = fields(
        document, "format mesh entry payload block checkpoint"
    )
    must(form == "weft-proof/1", "another format")
    mesh_id, statements = fields(mesh, "id statements")
    entry_id, entry_text, entry_path = fields(entry, "id bytes path")
    header_text, signature_text, block_path = fields(block, "header signature path")
    lane_key_text, note = fields(checkpoint, "laneKey note")
    for each in (statements, entry_path, block_path):
        must(isinstance(each, list), "no list")
    must(isinstance(entry_id, str) and isinstance(note, str), "no text")
    place = re.fullmatch(r"([1-9][0-9]{0,15})\.(0|[1-9][0-9]{0,3})@(\S+)", entry_id)
    must(place is not None, "no entry id")
    height, index, lane = int(place[1]), int(place[2]), node_key(place[3])
    read = [read_statement(unbase64(s)) for s in statements]
    counts["signatures"] += len(read)
    nodes, _ = admitted(mesh_id, read)
    must(place[3] in nodes, "a lane of nobody")
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
    size, tree_root, _ = read_note(note.encode(), lane, lane_key, nodes, counts)
    block_leaf = sha256(b"\x00" + H("weft/block/1", header_bytes))
    path = [unbase64(p) for p in block_path]
    must(
        root_by_path(height - 1, size, block_leaf, path, sha_pair) == tree_root,
        "the block is not under the checkpoint",
    )
    counts.update(lanes=1, blocks=1, entries=1)
    counts["signatures"] += 1


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
    nodes, admins, mesh, lane, done = None, set(), None, None, False
    blocks, links, absent, redacted, last = {}, [], [], {}, None
    for kind, body, digest in sections(data):
        must(not done and (nodes is None) == (kind == b"MESH"), "a section out of order")
        if kind == b"MESH":
            mesh, statements = array(cbor(body), 2, "the mesh")
            must(isinstance(statements, list), "the statements")
            must(all(isinstance(s, bytes) for s in statements), "the statements")
            read = [read_statement(s) for s in statements]
            counts["signatures"] += len(read)
            nodes, admins = admitted(octets(mesh, 32, "a mesh").hex(), read)
        elif kind == b"LANE":
            if lane:
                lane.finish()
            lane = LaneState(body)
            must(last is None or last < lane.lane, "lanes out of order")
            last = lane.lane
            must(node_text(lane.lane) in nodes, "a lane of nobody")
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
        must(any(a == owner or a in admins for a in authors), "a payload is missing")


def check_block(lane, record, counts, links, absent, redacted):
    height, count, header_bytes, signature, entries, slots = split_record(record)
    must(not lane.ended, "a block behind the rotation of its key")
    must(height == len(lane.hashes) + 1, "another height")
    header = read_header(header_bytes)
    must(header["lane"] == lane.lane and header["height"] == height, "another block")
    must(header["count"] == count, "another count")
    must(signed(lane.lane, "weft/block-signature/1", header_bytes, signature), "not signed")
    leaves, time = [], lane.time
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
        if entry["kind"] == "key.rotated" and slot:
            lane.ended = ends_lane(cbor(slot[16:]), lane.lane) or lane.ended
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


def ends_lane(payload, lane):
    body, by_old, by_new = array(payload, 3, "a rotation")
    must(all(isinstance(part, bytes) for part in payload), "a rotation")
    version, old, new = array(cbor(body), 3, "a rotation")
    must(type(version) is int and version == 1, "a rotation of another version")
    octets(old, 32, "a key")
    octets(new, 32, "a key")
    must(old != new and lane in (old, new), "a rotation of other keys")
    must(signed(old, "weft/key-rotation/1", body, by_old), "the old key has not signed")
    must(signed(new, "weft/key-rotation/1", body, by_new), "the new key has not signed")
    return lane == old


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
