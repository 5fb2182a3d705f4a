"""The proof that the contract suite bites: services that break one promise each, and others that keep all in unusual ways."""
