"""All articles in one place, the package's own and an organisation's, searchable."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from sqlalchemy import bindparam, delete, insert, select, text
from sqlalchemy.exc import DatabaseError

from l2tp_doctor.guide.grams import grams, query_grams
from l2tp_doctor.guide.harmless import one_line
from l2tp_doctor.knowledge import articles
from l2tp_doctor.storage.database import UnusableDatabaseError, open_database, writing
from l2tp_doctor.storage.tables import ARTICLE_INDEX, INDEX_COLUMNS, article, setting

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from l2tp_doctor.knowledge.articles import Article

# How much a piece found in a column says.  A number is what the user reads off the screen.
_WEIGHTS: Mapping[str, float] = {
    "codes": 12.0,
    "title": 8.0,
    "error_text": 8.0,
    "tags": 6.0,
    "summary": 3.0,
    "body": 1.0,
}
# A piece counts by how rare it is where it stands: 809 is in nearly every text and in one list of codes only.
# So the same piece is another one in each group of columns, told apart by this prefix.
_GROUPS: Mapping[str, str] = {
    "codes": "c__",
    "title": "t__",
    "error_text": "t__",
    "tags": "t__",
    "summary": "s__",
    "body": "",
}
_PREFIXES = tuple(dict.fromkeys(_GROUPS.values()))
_EDITION = "articles.edition"
# Part of the edition: articles indexed by other rules are indexed anew.
_GRAM_RULES = "2"
_CANDIDATES = 60
# The rarest pieces of a query decide; more of them cost time and change nothing.
_RAREST = 60

# How many articles have a piece, by the index's own account.
_VOCABULARY = text(
    f"CREATE VIRTUAL TABLE IF NOT EXISTS temp.article_pieces USING fts5vocab(main, {ARTICLE_INDEX}, row)"
)
_FREQUENCY = text("SELECT doc FROM temp.article_pieces WHERE term = :term")
_ARTICLES = text("SELECT count(*) FROM article")

_SEARCH = text(
    f"SELECT article.case_id, article.language, article.title, article.source, "
    f"bm25({ARTICLE_INDEX}, {', '.join(str(_WEIGHTS[column]) for column in INDEX_COLUMNS)}) AS score "
    f"FROM {ARTICLE_INDEX} JOIN article ON article.id = {ARTICLE_INDEX}.rowid "
    f"WHERE {ARTICLE_INDEX} MATCH :query ORDER BY score LIMIT :limit"
)
_INDEX = text(
    f"INSERT INTO {ARTICLE_INDEX} (rowid, {', '.join(INDEX_COLUMNS)}) "
    f"VALUES (:rowid, {', '.join(':' + column for column in INDEX_COLUMNS)})"
)
_UNINDEX = text(f"DELETE FROM {ARTICLE_INDEX} WHERE rowid = :rowid")


@dataclass(frozen=True, slots=True)
class Found:
    """An article that was searched for.

    Attributes:
        case_id: its id.
        language: the language it is found in: the reader's, where there is such an article.
        title: its title in that language.
        source: the file it was imported from; empty for an article of the package.
        score: how well it fits, the higher the better; comparable within one search only.
    """

    case_id: str
    language: str
    title: str
    source: str
    score: float


@dataclass(frozen=True, slots=True)
class Stored:
    """The file of an article.

    Attributes:
        text: all of it.
        language: of the article in it that is meant.
        source: where it was imported from; empty for an article of the package.
    """

    text: str
    language: str
    source: str


@dataclass(frozen=True, slots=True)
class Source:
    """One file of articles, ready to be stored.

    Attributes:
        path: where it was read; empty for the package's own.
        text: all of it.
        articles: what the parser found in it.
    """

    path: str
    text: str
    articles: tuple[Article, ...]


class Library:
    """The stored articles.  Use it as a context manager, or call ``close``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @classmethod
    def open(cls, path: Path | None) -> Self:
        """Opens the library at ``path`` (``None``: in memory) and brings the package's articles up to date.

        Raises:
            OSError: its folder cannot be made.
            UnusableDatabaseError: it cannot be opened.
        """
        library = cls(open_database(path))
        try:
            library._refresh()
        except DatabaseError as error:
            library.close()
            raise UnusableDatabaseError(str(error.orig)) from error
        return library

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the database."""
        self._engine.dispose()

    # -- reading --------------------------------------------------------------------------------

    def text_of(self, case_id: str, language: str) -> Stored | None:
        """Returns an article's file and which language to read in it: ``language`` if it is there.

        ``None`` when there is no such article in any language.
        """
        query = select(article.c.text, article.c.language, article.c.source).where(
            article.c.case_id == case_id
        )
        with self._engine.connect() as connection:
            rows = connection.execute(query).all()
        if not rows:
            return None
        best = next((row for row in rows if row.language == language), rows[0])
        return Stored(best.text, best.language, best.source)

    def search(self, words: str, language: str, limit: int = 10) -> tuple[Found, ...]:
        """Returns the articles that fit ``words`` best, the best first, each case once.

        Those about a code that is among the words come before all others: a long title with a rare word
        more would outweigh it.
        """
        wanted = query_grams(words)
        if not wanted:
            return ()
        with self._engine.connect() as connection:
            telling = _telling(connection, [prefix + gram for gram in wanted for prefix in _PREFIXES])
            if not telling:
                return ()
            match = " OR ".join(f'"{piece}"' for piece in telling)
            rows = connection.execute(_SEARCH, {"query": match, "limit": _CANDIDATES}).all()
            best: dict[str, float] = {}
            for row in rows:
                best.setdefault(row.case_id, -row.score)
            codes = " OR ".join(f'"{_GROUPS["codes"]}{gram}"' for gram in wanted if gram.isdigit())
            if codes and best:
                top = max(best.values())
                about: dict[str, float] = {}
                for row in connection.execute(_SEARCH, {"query": codes, "limit": _CANDIDATES}).all():
                    about[row.case_id] = top + best.get(row.case_id, 0.0)
                best |= about
            ranked = sorted(best.items(), key=lambda item: -item[1])
            return self._found(connection, dict(ranked[:limit]), language)

    def tagged(self, tag: str, language: str) -> tuple[Found, ...]:
        """Returns the articles that carry a tag in any language, in the order of their ids."""
        with self._engine.connect() as connection:
            rows = connection.execute(select(article.c.case_id, article.c.tags).order_by(article.c.case_id))
            fitting = {row.case_id: 0.0 for row in rows if tag.casefold() in row.tags.split("\n")}
            return self._found(connection, fitting, language)

    def all(self, language: str) -> tuple[Found, ...]:
        """Returns every article, in the order of their ids."""
        with self._engine.connect() as connection:
            rows = connection.execute(select(article.c.case_id).order_by(article.c.case_id))
            return self._found(connection, {row.case_id: 0.0 for row in rows}, language)

    def _found(self, connection: Connection, scores: Mapping[str, float], language: str) -> tuple[Found, ...]:
        query = select(article.c.case_id, article.c.language, article.c.title, article.c.source).where(
            article.c.case_id.in_(bindparam("ids", expanding=True))
        )
        chosen: dict[str, Found] = {}
        for row in connection.execute(query, {"ids": list(scores)}):
            if row.language == language or row.case_id not in chosen:
                score = scores[row.case_id]
                chosen[row.case_id] = Found(row.case_id, row.language, row.title, row.source, score)
        return tuple(chosen[case_id] for case_id in scores if case_id in chosen)

    # -- writing --------------------------------------------------------------------------------

    def add(self, sources: Iterable[Source]) -> int:
        """Stores articles, in place of those with the same ids, all or none; returns how many."""
        with writing(self._engine) as connection:
            return sum(_store(connection, source) for source in sources)

    def remove(self, case_id: str) -> bool:
        """Removes an imported article; returns whether there was one."""
        imported = (article.c.case_id == case_id) & (article.c.source != "")
        with writing(self._engine) as connection:
            return _drop(connection, imported) > 0

    def _refresh(self) -> None:
        """Indexes the package's own articles where they are not those of last time."""
        texts = {case_id: articles.bundled_text(case_id) for case_id in articles.case_ids()}
        edition = hashlib.sha256(repr((_GRAM_RULES, sorted(texts.items()))).encode()).hexdigest()
        with self._engine.connect() as connection:
            if _edition_in(connection) == edition:
                return
        with writing(self._engine) as connection:
            if _edition_in(connection) == edition:
                return  # another process was quicker
            _drop(connection, article.c.source == "")
            for case_id, content in texts.items():
                _store(connection, Source("", content, articles.parse(content, case_id).articles))
            connection.execute(delete(setting).where(setting.c.name == _EDITION))
            connection.execute(insert(setting).values(name=_EDITION, value=edition))


def _telling(connection: Connection, pieces: Iterable[str]) -> list[str]:
    """Returns the pieces that tell articles apart, the rarest first.

    One that more than half of the articles have counts nothing in BM25, and costs the most.
    """
    connection.execute(_VOCABULARY)
    counted = ((connection.execute(_FREQUENCY, {"term": piece}).scalar() or 0, piece) for piece in pieces)
    known = sorted((count, piece) for count, piece in counted if count)
    half = connection.execute(_ARTICLES).scalar_one() / 2
    rare = [piece for count, piece in known if count <= half]
    return (rare or [piece for _, piece in known])[:_RAREST]


def _edition_in(connection: Connection) -> str | None:
    found = connection.execute(select(setting.c.value).where(setting.c.name == _EDITION)).scalar()
    return None if found is None else str(found)


def _drop(connection: Connection, condition: Any) -> int:
    rows = connection.execute(select(article.c.id).where(condition)).scalars().all()
    for row in rows:
        connection.execute(_UNINDEX, {"rowid": row})
    connection.execute(delete(article).where(condition))
    return len(rows)


def _store(connection: Connection, source: Source) -> int:
    for case_id in {found.id for found in source.articles}:
        _drop(connection, article.c.case_id == case_id)
    for found in source.articles:
        key = connection.execute(
            insert(article).values(
                case_id=found.id,
                language=found.language,
                source=source.path,
                title=one_line(found.title),
                tags="\n".join(one_line(tag).casefold() for tag in found.tags),
                text=source.text,
            )
        ).inserted_primary_key
        if key is None:  # only a statement without a primary key gives none
            raise RuntimeError("no key for an inserted article")
        connection.execute(_INDEX, {"rowid": key[0], **_columns(found)})
    return len(source.articles)


def _columns(found: Article) -> dict[str, str]:
    summary = [section.markdown for section in found.sections if section.key == "summary"]
    # Not the related cases: an article that names another is no better answer to a question about that one.
    others = (section for section in found.sections if section.key not in ("summary", "related"))
    body = [f"{section.heading}\n{section.markdown}" for section in others]
    contents = {
        "codes": " ".join(str(code) for code in found.codes),
        "title": found.title,
        "error_text": found.error_text,
        "tags": " ".join((*found.tags, *found.keywords)),
        "summary": "\n".join(summary),
        "body": "\n".join(body),
    }
    return {
        column: " ".join(f"{_GROUPS[column]}{gram}" for gram in grams(contents[column]))
        for column in INDEX_COLUMNS
    }
