"""The components as a plugin, for programs in every language the engine knows."""

from pulumi.provider.experimental import component_provider_host

from scaletozero.plugin import COMPONENTS, NAME, VERSION

if __name__ == "__main__":
    component_provider_host(components=COMPONENTS, name=NAME, version=VERSION)
