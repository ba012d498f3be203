"""Language models behind one protocol: a fake with known probabilities, and real backends."""
