"""The outside world, one folder each: platforms, models, brokers. Each SDK is imported in one folder only."""
