"""Executes a notebook as nbclient does, and prints what its cells put out: `notebook.py [CELL...]`.

CELLs are run besides: magics before all others, code once the index is there.
"""

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

notebook = nbformat.read(  # type: ignore[no-untyped-call]
    Path(__file__).with_name("rag.ipynb"), as_version=4
)
own = [cell.id for cell in notebook.cells]
for source in sys.argv[1:]:
    place = 0 if source.startswith("%") else own.index("index") + 1
    cell = nbformat.v4.new_code_cell(source=source)  # type: ignore[no-untyped-call]
    notebook.cells.insert(place, cell)
NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
for cell in notebook.cells:
    for output in cell.get("outputs", []) if cell.id in own else []:
        print(output["output_type"], output.get("text") or output["data"]["text/plain"])
