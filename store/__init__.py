"""The pool, the ledgers and the queue: a sealed package that imports only itself and peewee."""
