"""Runs several applications one after another: `together.py APP:QUESTIONS=URL...`."""

import runpy
import sys
from pathlib import Path

for each in sys.argv[1:]:
    app, _, url = each.partition("=")
    name, _, questions = app.partition(":")
    print(f"-- {name}")
    sys.argv = [name, url, questions]
    runpy.run_path(str(Path(__file__).with_name(f"{name}.py")), run_name="__main__")
