#!/usr/bin/env python3
"""Changes each byte of a sound file in turn and lets verify.py judge: prints the places it did not notice.

    tamper.py FILE STEP MASK      every STEP-th byte, exclusive-ored with MASK (hexadecimal)
"""

import json
import sys

from verify import verify


def main(path, step, mask):
    with open(path, "rb") as file:
        data = bytearray(file.read())
    unnoticed = []
    tried = 0
    for at in range(0, len(data), step):
        data[at] ^= mask
        if verify(bytes(data))["ok"]:
            unnoticed.append(at)
        data[at] ^= mask
        tried += 1
    print(json.dumps({"sound": verify(bytes(data))["ok"], "tried": tried, "unnoticed": unnoticed}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3], 16))
