"""A mock of any OpenAPI document. Knows no vendor."""
