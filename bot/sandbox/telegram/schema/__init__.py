"""The Bot API's tables, compacted (see SOURCE.md), and the script that compacts them."""
