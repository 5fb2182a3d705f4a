"""Pristo."""
