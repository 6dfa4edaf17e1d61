"""What is counted and measured, in all processes of one gateway together, and how Prometheus reads it."""
