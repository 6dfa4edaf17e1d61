"""Goen Gateway: the SMTP gateway, the candidate's pages, the partners and the loops between them."""

__version__ = "0.1.0"
