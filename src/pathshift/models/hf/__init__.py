"""transformers models on this machine. Importing anything in here loads torch."""
