"""Many calls: their order, their rate, and what became of each."""
