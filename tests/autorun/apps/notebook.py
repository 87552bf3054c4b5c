"""Executes a notebook as nbclient does, and prints what its cells put out.

``notebook.py once CELL...`` runs the CELLs first. ``notebook.py again CELL...`` runs the notebook,
the CELLs, and the notebook once more.
"""

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

how, *sources = sys.argv[1:]
notebook = nbformat.read(  # type: ignore[no-untyped-call]
    Path(__file__).with_name("rag.ipynb"), as_version=4
)
own = [cell for cell in notebook.cells if cell.cell_type == "code"]
given = [
    nbformat.v4.new_code_cell(source=source)  # type: ignore[no-untyped-call]
    for source in sources
]
if how == "again":
    own += (again := [type(cell)(cell, id=f"{cell.id}-again") for cell in own])
    notebook.cells += [*given, *again]
else:
    notebook.cells[:0] = given
NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
for cell in own:
    for output in cell.outputs:
        print(output["output_type"], output.get("text") or output["data"]["text/plain"])
