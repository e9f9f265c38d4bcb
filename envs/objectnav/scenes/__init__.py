"""Houses: what one is, and where they come from: AI2-THOR's rooms, files, a generator."""
