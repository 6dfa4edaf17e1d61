"""The processes behind `goen serve`: who keeps them, what they are for, which sockets they share."""
