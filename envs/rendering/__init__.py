"""The batched rasteriser: meshes, textures, cameras in; colour, depth and identities out."""
