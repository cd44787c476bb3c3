"""Hooks of mkdocs: pages from outside of docs/, pages that are generated, and their links."""

import ast
import json
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
PLACES = {
    "README.md": "index.md",
    "ARCHITECTURE.md": "architecture.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "benchmarks/README.md": "benchmarks.md",
}
"""Where files of the repository are in the site; those of docs/ are at the top."""

LINK = re.compile(r"(\[[^\]]*\])\((?!https?:)([^)#\s]*)(#[^)]+)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add pages and pictures."""
    pages = {place: (ROOT / name).read_text() for name, place in PLACES.items()}
    pages["settings-reference.md"] = "\n".join(settings_page())
    pages["reference.md"] = "\n".join(reference_page())
    for place, content in pages.items():
        files.append(File.generated(config, place, content=content))
    for path in sorted((ROOT / ".readme").iterdir()):
        files.append(File.generated(config, f"pictures/{path.name}", content=path.read_bytes()))
    return files


def on_page_markdown(markdown: str, page: Page, files: Files, **_: object) -> str:
    """Let links lead to where things are in the site; what is not there is only named."""
    sources = {place: name for name, place in PLACES.items()}
    place = page.file.src_uri
    folder = posixpath.dirname(sources.get(place, f"docs/{place}"))

    def moved(link: re.Match[str]) -> str:
        text, target, anchor = link[1], link[2], link[3] or ""
        if not target:
            return link[0]
        name = posixpath.normpath(posixpath.join(folder, target))
        found = PLACES.get(name) or name.removeprefix("docs/")
        if name.startswith(".readme/"):
            found = "pictures/" + name.removeprefix(".readme/")
        return f"{text}({found}{anchor})" if files.get_file_from_path(found) else text[1:-1]

    return LINK.sub(moved, markdown)


def settings_page() -> Iterator[str]:
    """All layers and their keys, from the schema."""
    schema = json.loads((ROOT / "docs/savemasks.schema.json").read_text())
    definitions = schema["$defs"]
    yield "# All settings\n"
    yield "Generated from the [schema](savemasks.schema.json), which `savemasks schema` prints and"
    yield "editors take. [Settings](settings.md) and [graphs](graphs.md) explain what they do.\n"
    for choice in definitions["Layer"]["oneOf"]:
        layer = definitions[_name(choice)]
        actions = layer["properties"]["action"]
        names = actions.get("enum") or [actions["const"]]
        yield f"## {', '.join(f'`{name}`' for name in names)}\n"
        yield _text(layer.get("description", "")) + "\n"
        yield from _table(layer["properties"], definitions, layer.get("required", []))
        settings = layer["properties"].get("settings", {})
        while "$ref" not in settings and settings.get("anyOf"):
            settings = settings["anyOf"][0]
        if "$ref" in settings:
            inner = definitions[_name(settings)]
            yield f"\n### Settings of `{names[0]}`\n"
            yield from _table(inner["properties"], definitions, inner.get("required", []))
        yield ""


def _table(
    properties: dict[str, Any], definitions: dict[str, Any], required: list[str]
) -> Iterator[str]:
    yield "| key | values | default | meaning |"
    yield "|---|---|---|---|"
    for key, value in properties.items():
        default = f"`{json.dumps(value['default'])}`" if "default" in value else ""
        default = "required" if key in required else default
        values = _values(value, definitions)
        yield f"| `{key}` | {values} | {default} | {_text(value.get('description', ''))} |"


def _values(value: dict[str, Any], definitions: dict[str, Any]) -> str:
    """What a key may be, in words."""
    for several in ("anyOf", "oneOf"):
        if several in value:
            found = [_values(each, definitions) for each in value[several]]
            return " or ".join(dict.fromkeys(found))
    if "const" in value or "enum" in value:
        known = value.get("enum", [value.get("const")])
        return ", ".join(f"`{json.dumps(each)}`" for each in known)
    if "$ref" in value:
        return _values(definitions[_name(value)], definitions)
    kind = value.get("type", "anything")
    if kind == "array" and isinstance(value.get("items"), dict):
        return f"list of {_values(value['items'], definitions)}"
    low, high = value.get("minimum"), value.get("maximum")
    bounds = f" from {low} to {high}" if low is not None and high is not None else ""
    return f"{kind}{bounds}"


def _name(reference: dict[str, Any]) -> str:
    name: str = reference["$ref"]
    return name.rpartition("/")[2]


def _text(text: str) -> str:
    return re.sub(r"([|_*<])", r"\\\1", " ".join(text.split()))


def reference_page() -> Iterator[str]:
    """Every public name, with its docstring."""
    tree = ast.parse((ROOT / "engine/savemasks/__init__.py").read_text())
    for node in tree.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
            names = ast.literal_eval(node.value)
    yield "# Python reference\n"
    yield "Generated from docstrings. [In your own program](python.md) explains how to use it.\n"
    for name in names:
        if name.startswith("__"):
            continue
        yield f"::: savemasks.{name}\n"
