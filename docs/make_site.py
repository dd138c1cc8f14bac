"""Builds the documentation site: the repository's own documents, and pages made from the knowledge.

``python -m docs.make_site`` puts the pages together in ``build/site-src`` and lets MkDocs make ``build/site``
of them.  A link that leads nowhere fails the build.  The folders are those of the repository, so that the
documents' links to each other hold on the site as they do in a checkout.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import yaml
from markdown_it import MarkdownIt

from l2tp_doctor.guide.document import entry_in
from l2tp_doctor.guide.links import rewrite
from l2tp_doctor.knowledge import Language, LocalizedText, articles, cause, cause_ids
from l2tp_doctor.knowledge.articles import Article, Link
from l2tp_doctor.knowledge.entries import KINDS, entry_ids, fill, references
from l2tp_doctor.knowledge.localized import LANGUAGES
from l2tp_doctor.report.article.blocks import lay_out_entry
from l2tp_doctor.report.article.markdown import drawn
from l2tp_doctor.report.words import Words

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "build" / "site-src"
# Documents and what they link to; the rest of the repository is not on the site.
COPIED = ("*.md", "LICENSE", "docs/*.md", "docs/*.json", "docs/images/*", "lab/*.md", "bench/*.md")
FOLDERS = {"case": "guide", "cause": "causes", **{kind: folder for kind, (folder, _) in KINDS.items()}}
TITLES = {
    "guide": LocalizedText(ja="記事", en="Articles"),
    "checks": LocalizedText(ja="確認", en="Checks"),
    "fixes": LocalizedText(ja="修復", en="Fixes"),
    "measures": LocalizedText(ja="恒久策", en="Measures"),
    "pitfalls": LocalizedText(ja="落とし穴", en="Pitfalls"),
    "causes": LocalizedText(ja="原因", en="Causes"),
}
_LABELS = {
    "next": LocalizedText(ja="対処", en="What to do"),
    "fixes": LocalizedText(ja="修復", en="Fixes"),
    "proof": LocalizedText(ja="判定の根拠", en="What proves it"),
}


def main() -> int:
    """Builds the site; returns the exit status."""
    from mkdocs.commands.build import build
    from mkdocs.config import load_config
    from mkdocs.exceptions import Abort

    put_together(SOURCE)
    configuration = load_config(str(ROOT / "mkdocs.yml"))
    try:
        build(configuration)
    except Abort as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


def put_together(target: Path) -> None:
    """Writes all pages below ``target``, in place of what is there."""
    shutil.rmtree(target, ignore_errors=True)
    for pattern in COPIED:
        for path in ROOT.glob(pattern):
            destination = target / path.relative_to(ROOT)
            destination.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix == ".md":
                text = path.read_text(encoding="utf-8")
                destination.write_text(_without_twin(text, path.name), encoding="utf-8")
            else:
                shutil.copyfile(path, destination)
    for name, text in pages():
        destination = target / name
        destination.parent.mkdir(parents=True, exist_ok=True)
        destination.write_text(text, encoding="utf-8")


def _without_twin(text: str, name: str) -> str:
    """Returns a document without the link to itself in the other language: the site has a switch for that."""
    stem = name.removesuffix(".md").removesuffix(".ja")
    for block in MarkdownIt("commonmark").parse(text):
        children = block.children or ()
        for link, words in pairwise(children):
            target = str(link.attrs.get("href", "")) if link.type == "link_open" else ""
            # Inside one language's pages the other language's files do not exist.
            if target.endswith(".ja.md") or Path(target).name == f"{stem}.md":
                text = text.replace(f"[{words.content}]({target})", words.content)
    return text


def pages() -> Iterator[tuple[str, str]]:
    """Yields the name and the Markdown of every page made from the knowledge."""
    for language in LANGUAGES:
        for case_id, both in articles.bundled().items():
            yield _name("guide", case_id, language), _article(both[language])
        for identifier in cause_ids():
            yield _name("causes", identifier, language), _cause(identifier, language)
        for kind, (folder, _) in KINDS.items():
            for identifier in entry_ids(kind):
                yield _name(folder, identifier, language), _entry(kind, identifier, language)
        for folder in TITLES:
            yield _name(folder, "index", language), _index(folder, language)


def _name(folder: str, identifier: str, language: Language) -> str:
    suffix = ".ja.md" if language == "ja" else ".md"
    return f"{folder}/{identifier}{suffix}"


def _titled(title: str, *parts: str) -> str:
    # YAML: a title may hold a colon or quotes.
    front = yaml.safe_dump({"title": title}, allow_unicode=True)
    return "\n\n".join([f"---\n{front}---", f"# {title}", *parts]) + "\n"


# -- articles -------------------------------------------------------------------------------------


def _article(article: Article) -> str:
    parts = [f"> {article.error_text}"]
    for section in article.sections:
        links = [link for item in section.items for link in item.links]
        text = rewrite(section.markdown, links, lambda link, words: _link(link, words, article.language))
        parts += [f"## {section.heading} {{#{section.key}}}", fill(text, {})]
    return _titled(article.title, *parts)


def _link(link: Link, words: str, language: str) -> str:
    if link.kind == "ref":
        return f"[{words}]({references()[link.target].address(language)})"
    target, _, anchor = link.target.partition("#")
    return f"[{words}](../{FOLDERS[link.kind]}/{target}.md{'#' + anchor if anchor else ''})"


# -- entries --------------------------------------------------------------------------------------


def _entry(kind: str, identifier: str, language: Language) -> str:
    entry = entry_in(kind, identifier, language)
    return _titled(entry.title, f"`{kind}:{identifier}`", *drawn(lay_out_entry(entry, Words(language))))


def _cause(identifier: str, language: Language) -> str:
    found = cause(identifier)
    steps = "\n".join(f"{number}. {step.get(language)}" for number, step in enumerate(found.next_steps, 1))
    fixes = "\n".join(f"- [{entry_in('fix', fix, language).title}](../fixes/{fix}.md)" for fix in found.fixes)
    return _titled(
        found.title.get(language),
        f"`{identifier}`",
        found.explanation.get(language),
        f"## {_LABELS['next'].get(language)}",
        steps,
        f"## {_LABELS['fixes'].get(language)}",
        fixes,
        f"[{_LABELS['proof'].get(language)}](../docs/causes.md)",
    )


def _index(folder: str, language: Language) -> str:
    if folder == "guide":
        rows = [(case_id, both[language].title) for case_id, both in articles.bundled().items()]
    elif folder == "causes":
        rows = [(identifier, cause(identifier).title.get(language)) for identifier in cause_ids()]
    else:
        kind = next(kind for kind, found in FOLDERS.items() if found == folder)
        rows = [(identifier, entry_in(kind, identifier, language).title) for identifier in entry_ids(kind)]
    listed = "\n".join(f"- [{title}]({identifier}.md)" for identifier, title in rows)
    return _titled(TITLES[folder].get(language), listed)


if __name__ == "__main__":
    sys.exit(main())
