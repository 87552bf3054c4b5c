"""``python -m ayo_bridge``: the `ayo-bridge` program, where it is not on the path."""

from ayo_bridge.cli import main

if __name__ == "__main__":
    main()
