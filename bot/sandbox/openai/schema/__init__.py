"""The schema of a chat completion's request (see SOURCE.md), and the script that makes it."""
