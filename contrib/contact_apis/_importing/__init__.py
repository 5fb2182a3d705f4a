"""A file of records: read, mapped, planned, sent, and noted in a journal."""
