#!/usr/bin/env python3
"""Check the events of a `ferry send` or `ferry receive`, JSON Lines.

check-events.py {FILE [COUNT]}...   every line is an event with the members
                                    that ferry(1) names, of the right type;
                                    COUNT lines
"""
import base64
import json
import re
import sys

STATUS = ("committed", "unchanged", "skipped", "failed", "planned")
PLANS = ("new", "replace", "backup", "rename", "metadata", "unchanged", "skip",
         "refuse")
# event -> member -> type; a member with "?" may be missing
MEMBERS = {
    "listening": {"address": str, "port": int},
    "code": {"code": str},
    "session": {"peer": str, "security": str, "peer_id": str,
                "verify?": str, "session?": int, "sender?": str,
                "dry_run?": bool},
    "warning": {"message": str, "session?": int, "sender?": str},
    "progress": {"bytes": int, "total_bytes": int, "files": int,
                 "total_files": int, "sent_bytes": int, "session?": int,
                 "sender?": str},
    "file": {"path?": str, "path_base64?": str, "size": int, "status": str,
             "digest?": str, "renamed_to?": str, "renamed_to_base64?": str,
             "error?": str, "not_kept?": str, "updated?": str,
             "plan?": str, "kind?": str,
             "session?": int, "sender?": str},
    "deleted": {"path?": str, "path_base64?": str, "kind": str,
                "status": str, "error?": str, "session?": int, "sender?": str},
    "summary": {"exit": int, "dry_run?": bool, "files": int, "bytes": int,
                "wire_bytes": int,
                "sent_bytes": int, "payload_bytes": int, "replaced?": int,
                "renamed?": int,
                "resent_bytes": int, "basis_bytes?": int,
                "seconds": (int, float), "unchanged": int, "updated?": int,
                "skipped": int, "failed": int, "not_kept?": int,
                "deleted?": int, "not_deleted?": int,
                "error?": str, "session?": int, "sender?": str},
}


def need(condition, line):
    if not condition:
        sys.exit(f"check-events.py: {line!r}")


def check(line):
    event = json.loads(line)
    kind = event.pop("event")
    members = MEMBERS[kind]
    for name, types in members.items():
        if name.endswith("?") and name[:-1] not in event:
            continue
        value = event.pop(name.rstrip("?"))
        need(isinstance(value, types), line)
        need(types is bool or not isinstance(value, bool), line)
        need(types is str or value >= 0, line)
    need(not event, line)
    event = json.loads(line)
    if kind == "session":
        need(event["security"] in ("psk", "x509", "pin", "code", "plain"),
             line)
        need(("verify" in event) == (event["security"] == "code"), line)
        need(re.fullmatch({"psk": "key:[0-9a-f]{16}", "code": "code",
                           "pin": "sha256:[0-9a-f]{64}", "plain": "plain",
                           "x509": "sha256:[0-9a-f]{64}|[^=]+=.*"}
                          [event["security"]], event["peer_id"]), line)
    if kind == "deleted":
        need(event["status"] in ("deleted", "failed", "planned"), line)
        need(event["kind"] in ("file", "directory"), line)
        need(("path" in event) != ("path_base64" in event), line)
        need(("error" in event) == (event["status"] == "failed"), line)
    if kind == "file":
        need(event["status"] in STATUS, line)
        need(event.get("plan", "new") in PLANS, line)
        need("plan" not in event or event["status"] == (
            "failed" if event["plan"] == "refuse" else "planned"), line)
        need(event.get("kind", "directory") == "directory", line)
        need(("path" in event) != ("path_base64" in event), line)
        need(("error" in event) == (event["status"] == "failed"), line)
        need(re.fullmatch(r"(xxh3:[0-9a-f]{32}|sha256:[0-9a-f]{64}|"
                          r"crc32:[0-9a-f]{8}|)", event.get("digest", "")),
             line)
        for member in "path_base64", "renamed_to_base64":
            name = base64.b64decode(event.get(member, "/w=="), validate=True)
            need(name.decode("utf-8", "replace").encode() != name, line)
        if "renamed_to" in event or "renamed_to_base64" in event:
            need(event["status"] in ("committed", "unchanged"), line)
            need("session" in event, line)
    if kind == "progress":
        # what was sent in a connection that was lost may have to be sent again
        need(event["bytes"] <= event["total_bytes"], line)
    if kind == "summary":
        need(("error" in event) == (event["exit"] != 0), line)


def check_file(path):
    """Returns the number of lines."""
    with open(path, "rb") as events:
        lines = events.read().split(b"\n")
    need(lines.pop() == b"", f"{path}: the last line is not whole")
    for line in lines:
        need(not re.search(rb"[\x00-\x1f\x7f]", line), line)
        check(line)
    return len(lines)


def main(words):
    need(words and not words[0].isdigit(), "which file?")
    count = 0
    for word in words:
        if word.isdigit():
            need(count == int(word), f"{count} lines")
        else:
            count = check_file(word)


main(sys.argv[1:])
