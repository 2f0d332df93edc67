"""Pages: a report's JSON as one HTML file, which needs no network and no other file.

    facts (--json of a command) ->  make.page()  ->  text of HTML
             |                         |
             |   replay.py diff.py     |   templates/*.html.j2, assets/*.css and *.js, third_party/uplot
             |   sweep.py stages.py    |
             v   ...                   v
          numbers and words         how they look

Laws: all text of captures, configurations and reports is escaped by the templates (autoescape) and made visible by
told.visible(). A page makes no request, and its Content-Security-Policy forbids every one. A page has 1.5 MB at most,
whatever the report has: each module says what it leaves out, and the page says it too.
"""
