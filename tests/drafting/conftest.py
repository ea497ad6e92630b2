"""A small knowledge base in two languages."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.drafting.knowledge import Knowledge

ENGLISH = """---
language: en
tags: [orders]
---
# Questions about the shop

Notes for the team; not an entry.

## When will the oolong tea be back in stock? {#restock}

The oolong is back on Friday. See https://tea.example/stock for the count.

<!-- also: Is the oolong sold out for good? -->

## How do I return an order?

Write to us within 30 days. We send a label. You pack it. We refund it in five days.

### Opened tins

Opened tins cannot be returned.

## How do I cross out words in a post?

Use ~~tildes~~ around them:

```
## not a heading
~~old~~
```
"""
CHINESE = """---
language: zh
---
## 乌龙茶什么时候补货？ {#restock}

乌龙茶本周五补货。每人限购两罐。

## 怎么申请退货？

收到后三十天内联系我们即可退货。
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "knowledge"
    (place / "more").mkdir(parents=True)
    (place / "shop.md").write_text(ENGLISH, encoding="utf-8")
    (place / "more" / "shop.zh.md").write_text(CHINESE, encoding="utf-8")
    (place / "_draft.md").write_text("## Not yet?\n\nNo.", encoding="utf-8")
    return place


@pytest.fixture
def knowledge(folder: Path) -> Knowledge:
    return Knowledge(folder)
