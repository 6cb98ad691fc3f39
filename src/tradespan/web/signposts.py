"""The pages that stand alone, without the application: no token, nothing here."""

from __future__ import annotations

from html import escape

_FRAME = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
{refresh}<title>tradespan</title>
<style>
:root {{ color-scheme: light dark; }}
body {{
  margin: 0; min-height: 100vh; display: grid; place-items: center;
  font: 13px/1.6 Inter, system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
  background: light-dark(#f6f7f9, #0d1015); color: light-dark(#14181f, #e7ebf1);
}}
main {{
  max-width: 420px; padding: 24px 28px; border-radius: 8px;
  border: 1px solid light-dark(#e4e7ec, #262e39); background: light-dark(#fff, #151a21);
}}
h1 {{ margin: 0 0 8px; font-size: 17px; }}
p {{ margin: 8px 0; color: light-dark(#5c6778, #9aa6b6); }}
code {{
  font: 12px ui-monospace, "JetBrains Mono", Menlo, Consolas, monospace;
  color: light-dark(#14181f, #e7ebf1);
}}
a {{ color: light-dark(#2a53e0, #86a3ff); }}
</style>
</head>
<body><main>{body}</main></body>
</html>
"""

_NO_LINK = """<h1>This page needs its link</h1>
<p>Open the address that <code>tradespan run</code>,
<code>tradespan demo</code> or <code>tradespan ui</code> printed. It ends in
<code>?token=…</code> and is needed once per browser.</p>
<p>Lost it? Start <code>tradespan ui</code>: it prints a link. Recorded data stays.</p>"""

_NOTHING = """<h1>Nothing here</h1>
<p><code>{path}</code> is no page of tradespan. <a href="/traces">See the traces</a></p>"""


def ask_for_link(*, again: str = "") -> str:
    """The page for who comes without a token. `again`: an own path to try at once."""
    refresh = f'<meta http-equiv="refresh" content="0;url={escape(again)}">\n' if again else ""
    return _FRAME.format(refresh=refresh, body=_NO_LINK)


def nothing_here(path: str) -> str:
    """The page for an address that does not exist."""
    return _FRAME.format(refresh="", body=_NOTHING.format(path=escape(path[:200])))
