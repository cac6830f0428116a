"""One picture per question, a module each; `gallery` knows them by name, `inline` shows them in a terminal.

All are drawn as `golf.report.plots` draws: by objects, in a palette that is told apart with any common colour
blindness, with shapes that say the same as the colours, the same bytes for the same input. What a picture shows stands
in words in its `alt`, which is also in the PNG. A picture of nothing is an error, never an empty frame.
"""
