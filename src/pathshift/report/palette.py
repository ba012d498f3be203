"""The colours, one meaning each on the whole page; the style sheet repeats them (tested).

Base and tuned are the blue and the vermillion of Okabe and Ito, gain and loss the ends of the
green-purple scale of Brewer: each pair can be told apart with any common colour blindness.
"""

BASE = "#0072b2"
TUNED = "#d55e00"
FLOOR = "#7d7d7d"
BOTH = "#6b7280"
NEITHER = "#b5bac2"
GAIN = "#1b7837"
LOSS = "#762a83"
INK = "currentColor"
"""Takes the page's text colour, light or dark; black in a saved SVG."""
