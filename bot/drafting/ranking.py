"""Which entries answer a question best: BM25 over two fields, and how sure that is.

The index is our own rather than SQLite's FTS5, for three measured reasons. Each field is scored by itself and the
scores are added (FTS5 weighs both together: on the StackFAQ development half .67 of first hits right, this .79); how
much of the question an entry covers can be told, which is what knowing when not to answer needs; and nothing owns a
connection, so any thread may search. A question costs some 0.1 ms at 125 entries.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bot.drafting.tokens import is_ideographic, query_tokens, tokens

_QUESTION_WEIGHT = 2.5
_QUESTION_K1, _QUESTION_B = 0.5, 0.9
_ANSWER_K1, _ANSWER_B = 1.2, 0.75
_CHARACTER_SHARE = 0.3
"""What a single Han or kana character counts in an answer: in a long text almost every one occurs by chance."""

_FILLER_SHARE = 0.35
"""What a word that any question has counts when it is told how much of a question is covered."""

_FILLER = frozenset(
    tokens(
        "what how when where which who why can could do does did would should will was were has have had from there if "
        "not but any get am please help need want know way someone anyone hi hello thanks thank just about "
        "什么 怎么 为什么 什么时候 可以 吗 呢 了 的 请问 想 要 是 有 我 你 们"
    )
)


@dataclass(frozen=True, slots=True)
class Document:
    """What is searched: the question (or title) and the text of an entry. Other ways of asking share its `group`."""

    question: str
    answer: str
    group: int
    language: str = ""


@dataclass(frozen=True, slots=True)
class Ranked:
    """A group by its best document. `score` orders; `confidence` can be compared between questions and indexes."""

    group: int
    score: float
    confidence: float


class Index:
    """An unchanging search index. Any number of threads may search it."""

    def __init__(self, documents: Sequence[Document]) -> None:
        fields = [(Counter(tokens(one.question)), Counter(tokens(one.answer))) for one in documents]
        self._size = len(fields)
        self._groups = [one.group for one in documents]
        self._questions = [frozenset(question) for question, _ in fields]
        self._words = [frozenset(question) | frozenset(answer) for question, answer in fields]
        self._rarity = self._measure_rarity([one.language for one in documents])
        self._postings = self._weigh(fields)

    def search(self, text: str, limit: int, wanted: Callable[[int], bool] | None = None) -> list[Ranked]:
        """The best groups first, at most `limit`; only groups that are `wanted` when that is given."""
        words = query_tokens(text)
        scores = [0.0] * self._size
        for word in words:
            for position, weight in self._postings.get(word, ()):
                scores[position] += weight
        best = self._best(scores, limit + 1, wanted)
        following = [scores[position] for position in best[1:]] + [0.0]
        share = self._shares(words)
        return [
            Ranked(self._groups[at], scores[at], self._confidence(share, at, scores[at], after))
            for at, after in zip(best[:limit], following, strict=False)
        ]

    def _best(self, scores: Sequence[float], limit: int, wanted: Callable[[int], bool] | None) -> list[int]:
        """The best position of each of the best `limit` groups."""
        found = [position for position, score in enumerate(scores) if score]
        found.sort(key=scores.__getitem__, reverse=True)
        best: dict[int, int] = {}
        for position in found:
            group = self._groups[position]
            if group not in best and (wanted is None or wanted(group)):
                best[group] = position
                if len(best) == limit:
                    break
        return list(best.values())

    def _measure_rarity(self, languages: Sequence[str]) -> dict[str, float]:
        """BM25's idf of each word, among the documents of the languages it occurs in.

        Counted over all languages, every Chinese word would look rare in a mostly English knowledge base.
        """
        sizes = Counter(languages)
        counts = Counter(word for words in self._words for word in words)
        spoken: defaultdict[str, set[str]] = defaultdict(set)
        for language, words in zip(languages, self._words, strict=True):
            for word in words:
                spoken[word].add(language)
        return {word: _idf(count, sum(sizes[one] for one in spoken[word])) for word, count in counts.items()}

    def _weigh(self, fields: Sequence[tuple[Counter[str], Counter[str]]]) -> dict[str, list[tuple[int, float]]]:
        mean_question = max(1.0, sum(question.total() for question, _ in fields) / max(1, self._size))
        mean_answer = max(1.0, sum(answer.total() for _, answer in fields) / max(1, self._size))
        postings: defaultdict[str, list[tuple[int, float]]] = defaultdict(list)
        for position, (question, answer) in enumerate(fields):
            longer_question = 1 - _QUESTION_B + _QUESTION_B * question.total() / mean_question
            longer_answer = 1 - _ANSWER_B + _ANSWER_B * answer.total() / mean_answer
            for word in self._words[position]:
                weight = _QUESTION_WEIGHT * _saturated(question[word], _QUESTION_K1, longer_question)
                inside = _saturated(answer[word], _ANSWER_K1, longer_answer)
                weight += inside * _CHARACTER_SHARE if len(word) == 1 and is_ideographic(word) else inside
                postings[word].append((position, weight * self._rarity[word]))
        return dict(postings)

    def _shares(self, words: Sequence[str]) -> dict[str, float]:
        """How much each word of a question weighs; the words of no entry weigh most."""
        unknown = _idf(0, self._size)
        return {word: self._rarity.get(word, unknown) * (_FILLER_SHARE if word in _FILLER else 1.0) for word in words}

    def _confidence(self, share: dict[str, float], position: int, score: float, following: float) -> float:
        """Score and lead over the next one, times how much is covered, plus how alike the two questions are."""
        total = sum(share.values()) or 1.0
        covered = sum(weight for word, weight in share.items() if word in self._words[position]) / total
        lead = (score - following) / score
        return score * (0.5 + lead) * math.sqrt(covered) + 15 * self._likeness(share, total, position)

    def _likeness(self, share: dict[str, float], total: float, position: int) -> float:
        """The harmonic mean of how much of each question is in the other, by the words' rarity; 0 to 1."""
        question = self._questions[position]
        if not question:
            return 0.0
        asked = sum(weight for word, weight in share.items() if word in question) / total
        whole = sum(self._rarity[word] for word in question) or 1.0
        matched = sum(self._rarity[word] for word in share if word in question) / whole
        return 2 * asked * matched / (asked + matched) if asked + matched else 0.0


def _idf(count: int, size: int) -> float:
    return math.log(1 + (size - count + 0.5) / (count + 0.5))


def _saturated(count: int, k1: float, longer: float) -> float:
    return count * (k1 + 1) / (count + k1 * longer) if count else 0.0
