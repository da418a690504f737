"""The model package: what the trainer wrote and the server serves, checked before a single request meets it.

manifest.py        manifest.json parsed into a frozen model whose parts agree with each other
manifest_parts.py  those parts
features.py        the features a model may ask for
files.py           nothing missing, extra, changed or outside the directory
items.py           Catalog: the items as columns, ids to rows and back
tables.py          vectors and neighbour tables, checked and read-only
package.py         open_package: all of the above and the models, or a PackageError
golden.py          the golden requests stored in a package
describe.py        what a package holds, as tables for a person
"""

from shortlist_server.catalog.golden import GoldenRequest, GoldenSet, load_golden
from shortlist_server.catalog.items import Catalog
from shortlist_server.catalog.manifest import Manifest
from shortlist_server.catalog.package import Package, open_package

__all__ = ["Catalog", "GoldenRequest", "GoldenSet", "Manifest", "Package", "load_golden", "open_package"]
