"""The loop that asks: plan, draw, verify, store."""
