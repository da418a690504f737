"""What users did: an append-only event log and the profiles derived from it, durable before it is acknowledged.

store.py         Store, the interface; EventBatch and Profile, the shapes that pass through it
profiles.py      which entries a profile keeps: one rule for all stores
lmdb_store.py    the embedded store: many processes of one machine, no copy to read
records.py       the bytes of the embedded store: event keys, event values and profile records
map_gate.py      lets a store's map grow while other threads read
group_commit.py  one writer thread that makes what waits durable in one transaction
"""

from shortlist_server.state.store import EMPTY_PROFILE, EventBatch, Profile, Store

__all__ = ["EMPTY_PROFILE", "EventBatch", "Profile", "Store"]
