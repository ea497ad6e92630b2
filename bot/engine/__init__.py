"""The durable core, blind to platforms and features: inbox, router, registry, outbox, limiter, timers, clock."""
