"""The argument types of the components, from which the plugin's schema is made."""
