"""Reads a report page as a browser's parser would take it apart, and lists what it would load."""

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

SVG = "{http://www.w3.org/2000/svg}"
XLINK = "{http://www.w3.org/1999/xlink}"

_LOADING = {"src", "href", "xlink:href", "srcset", "data", "poster", "action", "formaction", "background"}
_STYLE_URL = re.compile(r"url\(\s*['\"]?([^)'\"]*)", re.IGNORECASE)


@dataclass
class Page(HTMLParser):
    """Attributes: tags in order, texts by tag, rows of the table body, everything that would be loaded."""

    source: str
    tags: list[str] = field(default_factory=list)
    texts: dict[str, list[str]] = field(default_factory=dict)
    table: list[list[str]] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)
    handlers: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self._open: list[str] = []
        self.feed(self.source)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag not in {"meta", "link", "img", "br"}:
            self._open.append(tag)
        if tag == "tr":
            self.table.append([])
        if tag in {"td", "th"}:
            self.table[-1].append("")
        for name, value in attrs:
            if name in _LOADING:
                self.loads.append(value or "")
            if name.startswith("on"):
                self.handlers.append(name)
            self.loads += _STYLE_URL.findall(value or "")

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag):
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data):
        if not self._open:
            return
        tag = self._open[-1]
        self.texts.setdefault(tag, []).append(data)
        if tag in {"td", "th"}:
            self.table[-1][-1] += data
        if tag == "style":
            self.loads += _STYLE_URL.findall(data)
            if "@import" in data.lower():
                self.loads.append(data)

    @property
    def remote(self) -> list[str]:
        """What is loaded and lies neither in the page nor in a data URL."""
        return [one for one in self.loads if not one.startswith(("#", "data:"))]


def parse_svg(text: str) -> ET.Element:
    return ET.fromstring(text)


def svgs(source: str) -> list[ET.Element]:
    """Every SVG of a page, parsed as XML."""
    return [parse_svg(one) for one in re.findall(r"<svg.*?</svg>", source, re.DOTALL)]


def svg_texts(svg: ET.Element) -> list[str]:
    return ["".join(one.itertext()).strip() for one in svg.iter(f"{SVG}text")]


def drawn(svg: ET.Element, shape: str, color: str) -> list[ET.Element]:
    """Elements "use" (a line's markers) or "path" whose fill is a color, where the page has none of its own for it."""
    wanted = re.compile(rf"fill: var\(--\w+, {color}\)")
    return [one for one in svg.iter(f"{SVG}{shape}") if wanted.search(one.get("style", ""))]
