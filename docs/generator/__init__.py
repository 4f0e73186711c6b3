"""Makes the reference pages from the code: components, environment blocks, commands, packaging files, manifests."""
