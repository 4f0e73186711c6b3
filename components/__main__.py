"""The components as a plugin, for programs in every language the engine knows."""

from scaletozero.plugin import serve

if __name__ == "__main__":
    serve()
