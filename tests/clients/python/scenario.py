"""What a user of the Python client does: keys, transactions, watches, leases, locks, members.

scenario.py HOST PORT CA CERTIFICATE KEY
"""
import queue
import sys

import etcd3

host, port, ca, certificate, key = sys.argv[1:]
client = etcd3.client(host=host, port=int(port), ca_cert=ca, cert_cert=certificate, cert_key=key, timeout=20)


def keys():
    client.put("k/1", "one")
    client.put("k/2", "two")
    value, metadata = client.get("k/1")
    assert value == b"one" and metadata.version == 1, (value, metadata)
    assert client.get("missing") == (None, None)
    pairs = [(value, metadata.key) for value, metadata in client.get_prefix("k/", sort_order="descend")]
    assert pairs == [(b"two", b"k/2"), (b"one", b"k/1")], pairs
    assert client.replace("k/1", "one", "uno") and not client.replace("k/1", "one", "ein")
    assert client.put_if_not_exists("k/3", "x") and not client.put_if_not_exists("k/3", "y")
    assert client.delete("k/3") and not client.delete("k/3")
    big = bytes(1_000_000)
    client.put("big", big)
    assert client.get("big")[0] == big


def transactions():
    succeeded, responses = client.transaction(
        compare=[client.transactions.value("k/1") == "uno", client.transactions.version("k/1") > 1],
        success=[client.transactions.put("t", "yes"), client.transactions.get("t")],
        failure=[client.transactions.delete("k/1")],
    )
    assert succeeded and responses[1][0][0] == b"yes", responses


def watches():
    events = queue.Queue()
    watch_id = client.add_watch_callback("w", events.put)
    client.put("w", "1")
    client.delete("w")
    kinds = []
    while len(kinds) < 2:
        response = events.get(timeout=20)
        kinds += [type(event).__name__ for event in response.events]
    assert kinds == ["PutEvent", "DeleteEvent"], kinds
    client.cancel_watch(watch_id)

    seen, cancel = client.watch_prefix("k/", start_revision=1)
    first = next(seen)
    assert first.key == b"k/1" and first.value == b"one", first
    cancel()


def leases():
    lease = client.lease(60)
    client.put("leased", "v", lease=lease)
    assert 0 < lease.remaining_ttl <= 60 and lease.granted_ttl == 60 and lease.keys == [b"leased"]
    assert [response.TTL for response in lease.refresh()] == [60]
    lease.revoke()
    assert client.get("leased") == (None, None)


def locks():
    with client.lock("a lock", ttl=30) as lock:
        assert lock.is_acquired()
        other = client.lock("a lock", ttl=30)
        assert not other.acquire(timeout=1)
    assert other.acquire(timeout=20)
    assert other.release()


def cluster():
    members = list(client.members)
    assert len(members) == 1 and members[0].client_urls, members
    status = client.status()
    assert status.version.startswith("3.5.") and status.leader.id == members[0].id, status.version
    assert list(client.list_alarms()) == []
    client.defragment()
    revision = client.put("k/1", "compacted").header.revision
    client.compact(revision, physical=True)
    told = queue.Queue()
    client.add_watch_callback("k/1", told.put, start_revision=1)
    error = told.get(timeout=20)
    assert isinstance(error, etcd3.exceptions.RevisionCompactedError), error
    assert error.compacted_revision == revision, error.compacted_revision


for part in (keys, transactions, watches, leases, locks, cluster):
    part()
    print(part.__name__, "ok")
client.close()
