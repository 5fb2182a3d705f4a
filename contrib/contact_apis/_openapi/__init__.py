"""An OpenAPI document, ready to be asked. Knows JSON, and nothing of HTTP or of a vendor."""
