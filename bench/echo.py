"""The baseline: python-telegram-bot as its own documentation starts one, with one handler."""

from __future__ import annotations

import asyncio
import os

from telegram import Update
from telegram.ext import Application, ContextTypes, MessageHandler, filters


async def _echo(update: Update, _: ContextTypes.DEFAULT_TYPE) -> None:
    if update.message and update.message.text:
        await update.message.reply_text(update.message.text)


async def main() -> None:
    """Echo until ended."""
    base = os.environ["HERALD_TELEGRAM__API_URL"]
    app = Application.builder().token(os.environ["HERALD_TELEGRAM__TOKEN"]).base_url(f"{base}/bot").build()
    app.add_handler(MessageHandler(filters.TEXT, _echo))
    async with app:
        await app.start()
        assert app.updater is not None
        await app.updater.start_polling()
        print("echo ready", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
