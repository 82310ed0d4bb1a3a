"""The page people look at: what is read as it is read, the photos of a bib, and a word about what is wrong."""
