"""What a training is about and what is said of it: its job, where it starts from, its texts."""
