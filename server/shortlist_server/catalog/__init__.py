"""The model package that is served: opened, checked as a whole and mapped, before a single request meets it.

package.py   open_package: everything that answers a request, or a PackageError
items.py     Catalog: the items as columns, ids to rows and back
spaces.py    Space: the vectors of all items, compared one way
describe.py  what a package holds, as tables for a person

What lies in a package, and what its manifest says, is `shortlist.package`'s.
"""
