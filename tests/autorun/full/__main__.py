"""Runs the checks of this folder with pytest; arguments are pytest's."""

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent

if __name__ == "__main__":
    checks = [str(each) for each in sorted(HERE.glob("check_*.py"))]
    sys.exit(pytest.main([*checks, "-p", "no:xdist", "-v", "--durations=0", *sys.argv[1:]]))
