"""Make a page: the template for the report's schema, with styles and scripts inlined, under a strict policy."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vnic import extras
from vnic.errors import ConfigError, VnicError, one_line
from vnic.page.told import FILTERS, visible

if TYPE_CHECKING:
    from collections.abc import Callable

HOME = Path(__file__).resolve().parent
BYTES_MAX = 1_500_000
"""A page is never larger."""
_STYLES = (
    "third_party/uplot/uPlot.min.css",
    "assets/page.css",
    "assets/path.css",
    "assets/tables.css",
    "assets/sweep.css",
    "assets/diff.css",
)
_OWN = ("assets/page.js", "assets/path.js", "assets/charts.js", "assets/sweep.js")
_SCRIPTS = ("third_party/uplot/uPlot.iife.min.js", *_OWN)
_FIRST = "assets/first.js"
"""Runs before anything is drawn: the colours that the reader chose last time."""


def _of_a_run(facts: dict[str, Any]) -> dict[str, Any]:
    from vnic.page.replay import context

    return context(facts)


def _of_a_sweep(found: dict[str, Any]) -> dict[str, Any]:
    from vnic.page.sweep import context

    return context(found)


def _of_a_diff(found: dict[str, Any]) -> dict[str, Any]:
    from vnic.page.diff import context

    return context(found)


# name of a schema, without its version -> (template, what gives its variables, versions that are read)
KINDS: dict[str, tuple[str, Callable[[dict[str, Any]], dict[str, Any]], tuple[int, ...]]] = {
    "vnic.replay": ("replay.html.j2", _of_a_run, (1, 2)),
    "vnic.run": ("replay.html.j2", _of_a_run, (1, 2)),
    "vnic.sweep": ("sweep.html.j2", _of_a_sweep, (1,)),
    "vnic.diff": ("diff.html.j2", _of_a_diff, (1,)),
}


def kind(facts: Any) -> str:
    """Return the name of the report's schema. ConfigError: it has none that a page is made of."""
    schema = facts.get("schema") if isinstance(facts, dict) else None
    name, _, version = schema.partition("/") if isinstance(schema, str) else ("", "", "")
    if name not in KINDS:
        known = ", ".join(f"{name}/{versions[-1]}" for name, (_, _, versions) in KINDS.items())
        raise ConfigError(f"not a report that vnic makes a page of (its schema is one of {known})")
    if version not in map(str, KINDS[name][2]):
        raise ConfigError(f"its schema is {visible(schema, 60)}, which this version of vnic does not know")
    return name


def page(facts: dict[str, Any]) -> str:
    """Return the HTML of a report.

    Raises:
        ConfigError: this is no report, or one with wrong parts.
        MissingExtraError: jinja2 is not installed.
    """
    jinja2 = extras.load("jinja2", "pages")
    name = kind(facts)
    template, variables, _ = KINDS[name]
    try:
        shown = variables(facts)
        text = _rendered(jinja2, template, shown)
    except (LookupError, TypeError, AttributeError, ArithmeticError, ValueError, jinja2.UndefinedError) as e:
        if isinstance(e, VnicError):
            raise
        raise ConfigError(f"not a whole report of vnic: {_fault(e)}") from e
    if (length := len(text.encode("utf-8", "replace"))) > BYTES_MAX:
        raise ConfigError(f"its page would have {length:,} bytes, and {BYTES_MAX:,} are allowed")
    return text


def _fault(e: Exception) -> str:
    if isinstance(e, KeyError) and e.args:
        return f"it lacks {visible(e.args[0], 60)}"
    return f"a part of it is wrong ({visible(e, 100)})"


def _rendered(jinja2: Any, template: str, shown: dict[str, Any]) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HOME / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_told,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= FILTERS
    styles, first, scripts = (_joined(*names) for names in (_STYLES, (_FIRST,), _SCRIPTS))
    policy = (
        f"default-src 'none'; style-src {_hash(styles)}; script-src {_hash(first)} {_hash(scripts)}; "
        "base-uri 'none'; form-action 'none'"
    )
    whole = shown | {
        "policy": policy,
        "styles": _inlined(jinja2, styles),
        "first": _inlined(jinja2, first),
        "scripts": _inlined(jinja2, scripts),
        "data": jinja2.utils.markupsafe.Markup(_data(shown["line"])),
    }
    return str(environment.get_template(template).render(whole))


def _told(value: Any) -> Any:
    """Make a text visible on its way into the page, if the code in front of the template has forgotten it."""
    return one_line(value) if type(value) is str else value


def _joined(*names: str) -> str:
    return "\n".join((HOME / name).read_text(encoding="utf-8") for name in names)


def _hash(text: str) -> str:
    """Return what a policy calls this inline text: no other may run."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _inlined(jinja2: Any, text: str) -> Any:
    """Return a style or a script for the template, as it is."""
    if "</" in text and ("</script" in text or "</style" in text):
        raise ValueError("an asset of the page would end its own element")
    return jinja2.utils.markupsafe.Markup(text)


def _data(value: Any) -> str:
    """Return JSON that can stand inside a script element: ASCII, and no sign that HTML knows."""
    text = json.dumps(value, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
