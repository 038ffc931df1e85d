#!/usr/bin/env python3
"""Prints who is a member by the statements of each case in a JSON file, as verify.py understands the page."""

import json
import sys

from verify import Fold, Malformed, read_statement, unbase64


def members(case):
    try:
        fold = Fold(case["mesh"], [read_statement(unbase64(each)) for each in case["statements"]])
    except Malformed:
        return None
    return {
        "admitted": sorted(fold.admitted),
        "members": dict(sorted(fold.members.items())),
        "before": dict(sorted(fold.before.items())),
    }


if __name__ == "__main__":
    with open(sys.argv[1], "rb") as file:
        print(json.dumps([members(case) for case in json.load(file)]))
