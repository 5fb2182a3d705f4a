"""What would lie in ``tests/contract/profiles`` for a vendor that is shipped."""
