"""What would lie in ``tests/contract/checks`` for a vendor that is shipped."""
