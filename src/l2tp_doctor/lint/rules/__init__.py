"""What is a pitfall: each function judges one kind of call."""
