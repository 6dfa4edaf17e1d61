"""The ways out to partner agencies: what is sent, how it is signed, and what became of it."""
