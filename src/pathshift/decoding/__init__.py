"""Pure functions from logits and counters to tokens: policies, uniforms, warpers."""
