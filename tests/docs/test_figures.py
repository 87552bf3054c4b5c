"""The figures of the documents are those of committed results."""

import json
import re
from statistics import median

from tests.docs.blocks import PAGES, REPOSITORY

ROW = re.compile(
    r"^\|[^|]*\| `(?P<name>\w+)` \| (?:a?sync) "
    r"\| (?P<before>\d+) ms \| (?P<after>\d+) ms \| (?P<ratio>[\d.]+)x \|$",
    re.MULTILINE,
)


def test_the_apps_that_learn_have_the_figures_of_the_results() -> None:
    results = json.loads((REPOSITORY / "benchmarks" / "learned" / "results.json").read_text())
    shown = list(ROW.finditer((PAGES / "gains.md").read_text("utf-8")))
    assert len(shown) > 25
    for row in shown:
        app = results["applications"][row["name"]]
        assert app["equal"], row["name"]
        before, after = (median(app[arm]["seconds"]) for arm in ("original", "accelerated"))
        measured = (f"{before * 1000:.0f}", f"{after * 1000:.0f}", f"{app['ratio']:.2f}")
        assert row.group("before", "after", "ratio") == measured, row["name"]


def test_the_conditions_of_the_apps_that_learn_are_those_of_the_results() -> None:
    results = json.loads((REPOSITORY / "benchmarks" / "learned" / "results.json").read_text())
    assert results["latencies"] == {"llm": 0.1, "embedding": 0.02, "search": 0.01}
    assert results["settings"] == {"learn": 12, "rounds": 3, "threads": 1, "tasks": 1}


def test_the_page_of_gains_has_the_figures_of_the_readme() -> None:
    figures = re.findall(r"\| (\d\.\d+x)", (REPOSITORY / "README.md").read_text("utf-8"))
    gains = (PAGES / "gains.md").read_text("utf-8")
    assert len(figures) >= 9
    assert [one for one in figures if f"{one} (" not in gains] == []


def test_the_readme_renders_on_an_index() -> None:
    readme = (REPOSITORY / "README.md").read_text("utf-8")
    links = re.findall(r"\]\(([^)]*)\)", readme)
    assert links
    assert [link for link in links if not link.startswith("https://")] == []
    here = [link.partition("/blob/main/")[2].partition("#")[0] for link in links]
    assert [path for path in here if path and not (REPOSITORY / path).is_file()] == []
    assert "make demo" in readme
    assert "make test" in readme
