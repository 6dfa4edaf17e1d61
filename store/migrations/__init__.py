"""Numbered migrations, forward only, applied by `Store.migrate` under a lock.

Each file has `up(migrator, db)` and frozen copies of the tables it makes; a published file never changes.
"""
