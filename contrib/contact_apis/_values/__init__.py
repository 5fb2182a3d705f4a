"""What a value is in the world, beyond what a document says of it: phone numbers, e-mail addresses. Knows no vendor."""
