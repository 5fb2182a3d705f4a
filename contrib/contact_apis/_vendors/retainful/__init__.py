"""Retainful."""
