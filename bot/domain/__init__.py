"""Pure rules: standard library only, no await, no clock, no randomness of its own."""
