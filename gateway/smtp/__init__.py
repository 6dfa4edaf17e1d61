"""The door that clients knock on, who may enter, and the connections to the next hop."""
