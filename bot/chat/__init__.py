"""The platform-neutral chat: events that come in, messages that go out, and the ports between."""
