"""Training: reinforcement learning, fine-tuning, distillation and pre-training of small models."""
