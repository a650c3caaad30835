"""Writes what is made from the code anew: the documents' tables, and the TypeScript client's catalogue. `./dev docs`."""

import catalogue
import tables

for document in tables.documents():
    before = document.read_text(encoding="utf-8")
    if (after := tables.filled(before)) != before:
        document.write_text(after, encoding="utf-8")
        print(f"written: {document.relative_to(tables.DOCS.parent)}")
if catalogue.write():
    print(f"written: {catalogue.FILE.relative_to(tables.DOCS.parent)}")
