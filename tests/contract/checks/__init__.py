"""What is asked of a service: ``check_*.py``, collected by the plugin's own pytest run."""
