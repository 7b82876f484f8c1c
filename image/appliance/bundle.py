#!/usr/bin/env python3
"""Makes an update of an appliance and signs it.

    image/appliance/bundle.py KEY VERSION OUT KERNEL ROOT

KEY is an Ed25519 key in PEM (openssl genpkey -algorithm ed25519 -out KEY; its public half, openssl pkey -in KEY -pubout,
is what SKERRY_UPDATE_KEY names when the image is built). KERNEL and ROOT are OUT.img.efi and OUT.img.root of
image/appliance/build.sh. The file's format is in daemon/src/update/bundle.rs.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))


def state_format():
    """The format of state that this version writes, and the last that it reads."""
    source = open(os.path.join(HERE, "../../daemon/src/update/mod.rs")).read()
    return int(re.search(r"STATE_FORMAT: u32 = (\d+);", source).group(1))


def sha256(path):
    hash = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            hash.update(chunk)
    return hash.hexdigest()


def sign(key, content):
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        return subprocess.run(["openssl", "pkeyutl", "-sign", "-rawin", "-inkey", key, "-in", file.name],
                              check=True, capture_output=True).stdout


def main():
    key, version, out, kernel, root = sys.argv[1:]
    parts = [("kernel", kernel), ("root", root)]
    manifest = json.dumps({
        "version": version,
        "architecture": "aarch64",
        "stateFormats": [1, state_format()],
        "parts": [{"name": name, "bytes": os.path.getsize(path), "sha256": sha256(path)} for name, path in parts],
    }, sort_keys=True).encode()
    with open(out, "wb") as file:
        file.write(b"SKERRY-UPDATE-1\n" + len(manifest).to_bytes(4, "big") + manifest + sign(key, manifest))
        for _, path in parts:
            with open(path, "rb") as part:
                while chunk := part.read(1 << 20):
                    file.write(chunk)
    print(f"{out}: version {version}, {os.path.getsize(out)} bytes")


if __name__ == "__main__":
    main()
