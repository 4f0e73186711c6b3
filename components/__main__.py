"""The components as a plugin, for programs in every language the engine knows."""

import sys

from pulumi.provider import main

from scaletozero.plugin import Plugin

if __name__ == "__main__":
    main(Plugin(), sys.argv[1:])
