"""Local Slack, Discord, Telegram, OpenAI and drand servers, as strict as the real ones, and a page to play in.

The sandbox is the outside world: it imports no SDK and nothing else of Herald, so that it cannot share the bot's
misunderstandings of a platform.
"""
