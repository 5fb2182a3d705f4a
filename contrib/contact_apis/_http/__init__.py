"""One call: what is sent, when it is retried, what its response means, and the connections it travels on."""
