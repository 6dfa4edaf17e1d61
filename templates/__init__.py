"""Every word that a person reads: footers, pages and letters, one file per language."""
