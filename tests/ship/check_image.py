#!/usr/bin/env python3
"""Fails unless the OCI archive holds COUNT images with the binary alone, not run by root.

    tests/ship/check_image.py ARCHIVE COUNT
"""

import gzip
import hashlib
import io
import json
import sys
import tarfile


def main():
    path, count = sys.argv[1], int(sys.argv[2])
    archive = tarfile.open(path)

    def blob(descriptor):
        content = archive.extractfile(descriptor["digest"].replace("sha256:", "blobs/sha256/")).read()
        assert "sha256:" + hashlib.sha256(content).hexdigest() == descriptor["digest"], descriptor
        assert len(content) == descriptor["size"], descriptor
        return content

    layout = json.load(archive.extractfile("index.json"))
    index = json.loads(blob(layout["manifests"][0]))
    assert len(index["manifests"]) == count, index
    for entry in index["manifests"]:
        manifest = json.loads(blob(entry))
        config = json.loads(blob(manifest["config"]))
        assert config["architecture"] == entry["platform"]["architecture"]
        assert config["config"]["User"] not in ("", "0", "root"), config["config"]
        assert config["config"]["Healthcheck"]["Test"] == ["CMD", "/skerry", "ready"], config["config"]
        assert len(manifest["layers"]) == 1
        layer = gzip.decompress(blob(manifest["layers"][0]))
        assert "sha256:" + hashlib.sha256(layer).hexdigest() == config["rootfs"]["diff_ids"][0]
        files = [member.name for member in tarfile.open(fileobj=io.BytesIO(layer)) if member.isfile()]
        assert files == ["skerry"], files
    docker = json.load(archive.extractfile("manifest.json"))
    assert len(docker) == 1 and archive.getmember(docker[0]["Config"])
    print(f"{path}: {count} images, each the binary alone")


if __name__ == "__main__":
    main()
