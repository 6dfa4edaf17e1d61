"""What the operator's commands do and show; `cli.py` only parses and calls."""
