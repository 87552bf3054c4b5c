"""What is public is documented by its name."""

import inspect
import re

import ayo_bridge
from tests.docs.blocks import PAGES


def test_the_reference_has_every_public_name() -> None:
    reference = (PAGES / "reference.md").read_text("utf-8")
    shown = set(re.findall(r"^::: ayo_bridge\.(\w+)$", reference, re.MULTILINE))
    assert shown >= set(ayo_bridge.__all__)


def test_the_page_of_configuration_has_every_option_of_a_runtime() -> None:
    configuration = (PAGES / "configuration.md").read_text("utf-8")
    section = re.split(r"^## ", configuration, flags=re.MULTILINE)[1]
    told = set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE))
    assert told == set(inspect.signature(ayo_bridge.Runtime).parameters)
