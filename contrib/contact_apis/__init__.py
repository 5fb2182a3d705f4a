"""Typed clients for the contact APIs of Pristo and Retainful."""

__all__ = ["__version__"]

__version__ = "0.1.0"
