"""The import: reading, mapping, journal, sending, and what a person sees of it."""
