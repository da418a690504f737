"""The model package on disk: what training writes and the server reads, in one place.

errors.py     PackageError: a file and what is wrong with it
layout.py     where each file lies, by the names of the manifest
documents.py  JSON to and from its message, strictly; what does not fit is named by its field
manifest.py   manifest.json and golden.json: what must hold inside them
features.py   what a graph may be fed with: types and axes
files.py      which files there are, their sizes and checksums
arrays.py     arrays as .npy files, mapped read-only and checked in bounded memory
strings.py    columns of text as two arrays: ids, titles, names of categories
writer.py     Draft: a package written whole or not at all

The format itself is `shortlist/v1/manifest.proto`; protos/README.md documents it beside the wire.
"""

from shortlist.package.errors import PackageError
from shortlist.package.files import read_golden, read_manifest, verify_files
from shortlist.package.writer import Draft

__all__ = ["Draft", "PackageError", "read_golden", "read_manifest", "verify_files"]
