#!/usr/bin/env python3
"""Builds the OCI image without a container engine, the same to the byte each time.

    image/oci/build.py OUT.tar VERSION TARGET=BINARY [TARGET=BINARY ...]

OUT.tar is an OCI layout with one image per target in one index, and a Docker
`manifest.json` for the first target, so that `docker load` (which refuses a pure
OCI tar before Docker 25), podman and skopeo all read it.
"""

import gzip
import hashlib
import io
import json
import sys
import tarfile

# What an image calls the architectures that Rust calls otherwise.
PLATFORMS = {
    "x86_64-unknown-linux-musl": {"architecture": "amd64", "os": "linux"},
    "aarch64-unknown-linux-musl": {"architecture": "arm64", "os": "linux"},
    "armv7-unknown-linux-musleabihf": {"architecture": "arm", "variant": "v7", "os": "linux"},
}
USER = 65534  # nobody
SECOND = 1_000_000_000
OCI = "application/vnd.oci.image."


def entry(name, mode, content=None, owner=0):
    """A tar member that carries no time and no name of a builder."""
    info = tarfile.TarInfo(name)
    info.mode, info.uid, info.gid = mode, owner, owner
    info.mtime = 0
    if content is None:
        info.type = tarfile.DIRTYPE
    else:
        info.size = len(content)
    return info, content


def tar(entries):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for info, content in entries:
            archive.addfile(info, None if content is None else io.BytesIO(content))
    return out.getvalue()


def layer(binary):
    """The root of the image: the binary, and the folders it writes to."""
    return tar([
        entry("skerry", 0o755, binary),
        entry("etc", 0o755),
        entry("etc/skerry", 0o755, owner=USER),
        entry("run", 0o755),
        entry("run/skerry", 0o755, owner=USER),
        entry("var", 0o755),
        entry("var/lib", 0o755),
        entry("var/lib/skerry", 0o700, owner=USER),
    ])


class Blobs:
    """Content addressed by its digest, as an OCI layout holds it."""

    def __init__(self):
        self.by_digest = {}

    def put(self, content):
        digest = hashlib.sha256(content).hexdigest()
        self.by_digest[digest] = content
        return {"digest": "sha256:" + digest, "size": len(content)}

    def put_json(self, value):
        return self.put(json.dumps(value, sort_keys=True).encode())

    @staticmethod
    def path(descriptor):
        return "blobs/sha256/" + descriptor["digest"].removeprefix("sha256:")


def image(blobs, version, target, binary):
    """Puts one platform's image; returns its manifest, config and layer descriptors."""
    root = layer(binary)
    packed = blobs.put(gzip.compress(root, 9, mtime=0))
    config = blobs.put_json({
        **PLATFORMS[target],
        "config": {
            "Entrypoint": ["/skerry"],
            "Cmd": ["server"],
            "User": f"{USER}:{USER}",
            "WorkingDir": "/var/lib/skerry",
            "Volumes": {"/var/lib/skerry": {}},
            "ExposedPorts": {"6443/tcp": {}, "2379/tcp": {}, "2380/tcp": {}},
            # In nanoseconds. A member without a quorum is not ready: it is told, not restarted for it.
            "Healthcheck": {
                "Test": ["CMD", "/skerry", "ready"],
                "Interval": 10 * SECOND, "Timeout": 10 * SECOND, "StartPeriod": 60 * SECOND, "Retries": 3,
            },
            "Labels": {
                "org.opencontainers.image.title": "skerry",
                "org.opencontainers.image.version": version,
                "org.opencontainers.image.licenses": "Apache-2.0",
            },
        },
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(root).hexdigest()]},
    })
    manifest = blobs.put_json({
        "schemaVersion": 2,
        "mediaType": OCI + "manifest.v1+json",
        "config": {"mediaType": OCI + "config.v1+json", **config},
        "layers": [{"mediaType": OCI + "layer.v1.tar+gzip", **packed}],
    })
    return manifest, config, packed


def main():
    if len(sys.argv) < 4 or any("=" not in word for word in sys.argv[3:]):
        sys.exit(__doc__)
    out, version = sys.argv[1:3]
    blobs, manifests, docker = Blobs(), [], []
    for target, path in (word.split("=", 1) for word in sys.argv[3:]):
        if target not in PLATFORMS:
            sys.exit(f"{target}: not one of {', '.join(PLATFORMS)}")
        with open(path, "rb") as file:
            manifest, config, packed = image(blobs, version, target, file.read())
        manifests.append({
            "mediaType": OCI + "manifest.v1+json",
            **manifest,
            "platform": PLATFORMS[target],
        })
        docker.append({
            "Config": Blobs.path(config),
            "RepoTags": [f"skerry:{version}"],
            "Layers": [Blobs.path(packed)],
        })
    index = blobs.put_json({
        "schemaVersion": 2,
        "mediaType": OCI + "index.v1+json",
        "manifests": manifests,
    })
    layout = {
        "schemaVersion": 2,
        "manifests": [{
            "mediaType": OCI + "index.v1+json",
            **index,
            "annotations": {
                "org.opencontainers.image.ref.name": version,
                "io.containerd.image.name": f"docker.io/library/skerry:{version}",
            },
        }],
    }
    entries = [
        entry("oci-layout", 0o644, b'{"imageLayoutVersion":"1.0.0"}'),
        entry("index.json", 0o644, json.dumps(layout, sort_keys=True).encode()),
        entry("manifest.json", 0o644, json.dumps(docker[:1], sort_keys=True).encode()),
        entry("blobs", 0o755),
        entry("blobs/sha256", 0o755),
    ]
    entries += [entry("blobs/sha256/" + digest, 0o644, content)
                for digest, content in sorted(blobs.by_digest.items())]
    with open(out, "wb") as file:
        file.write(tar(entries))
    print(out)


if __name__ == "__main__":
    main()
