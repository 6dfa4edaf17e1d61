"""The demonstration: an embedded mailbox as next hop and a partner agency, real peers on the loopback."""
