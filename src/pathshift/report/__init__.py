"""Results to one self-contained HTML file.

`page` turns a comparison into texts and chart specifications, `render` turns those into HTML.
Both load Altair and Jinja, so nothing is imported here: the command line takes them when asked.
"""
