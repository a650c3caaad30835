"""The picture says the figures it was made from, and is well-formed."""

from xml.etree import ElementTree as ET

from bench.plot import Bar, picture

SVG = "{http://www.w3.org/2000/svg}"


def test_bars_are_sorted_and_as_long_as_what_they_say():
    bars = [
        Bar(name="slow & <old>", single=4.0),
        Bar(name="bare send()", single=1.0),
        Bar(name="hub", single=1.2, joined=0.3),
    ]
    root = ET.fromstring(picture({"WebSocket": bars}, ["measured", "today"]))  # noqa: S314 - our own
    widths = [float(rect.attrib["width"]) for rect in root.iter(f"{SVG}rect") if rect.attrib["class"] != "ground"]
    assert [round(width / widths[0], 2) for width in widths] == [1.0, 1.2, 4.0]
    said = [text.text for text in root.iter(f"{SVG}text")]
    assert said == [
        "WebSocket",
        "bare send()",
        "1.00 ×",
        "Bedside's hub",
        "1.20 ×",
        "slow & <old>",
        "4.00 ×",
        "measured",
        "today",
    ]
