"""How things look: parts for each type, materials, and whole houses as scenes to be drawn."""
