"""What several processes share at speed: how they wake each other, and rate buckets. All of it may be lost."""
