"""Line plots as SVG."""

import dataclasses
from xml.sax.saxutils import escape

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 430, 300, 62, 16, 40, 46
COLOURS = ["#1f77b4", "#d62728", "#2ca02c", "#9467bd"]
STYLE = ("text{font:12px sans-serif;fill:#333} .title{font-size:14px;font-weight:bold} .grid{stroke:#ddd} "
         ".axis{stroke:#333} .ideal{stroke-dasharray:5 4;stroke-width:1} path{fill:none;stroke-width:2}")


@dataclasses.dataclass
class Panel:
    """One plot: lines by their name, each a list of (x, y). Both axes start at 0."""

    title: str
    x: str
    y: str
    lines: dict


def steps(largest, count=5):
    """Round numbers from 0 to the largest."""
    step = largest / count
    power = 10 ** (len(str(int(step))) - 1) if step >= 1 else 10 ** -3
    while step > power * 10:
        power *= 10
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= step)
    return [step * number for number in range(int(largest / step) + 1)]


def text(x, y, words, anchor="middle", extra=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{extra}>{escape(words)}</text>'


def draw(panel, left):
    points = [point for line in panel.lines.values() for point in line]
    most_x, most_y = max(x for x, _ in points) * 1.04, max(y for _, y in points) * 1.15
    bottom, right = HEIGHT - BOTTOM, left + WIDTH - RIGHT
    at_x = lambda x: left + LEFT + x / most_x * (WIDTH - LEFT - RIGHT)  # noqa: E731
    at_y = lambda y: bottom - y / most_y * (bottom - TOP)  # noqa: E731
    drawn = [text(left + WIDTH / 2, 20, panel.title, extra=' class="title"')]
    for x in steps(most_x):
        drawn += [f'<line class="grid" x1="{at_x(x):.1f}" y1="{TOP}" x2="{at_x(x):.1f}" y2="{bottom}"/>',
                  text(at_x(x), bottom + 16, f"{x:,.10g}")]
    for y in steps(most_y):
        drawn += [f'<line class="grid" x1="{left + LEFT}" y1="{at_y(y):.1f}" x2="{right}" y2="{at_y(y):.1f}"/>',
                  text(left + LEFT - 6, at_y(y) + 4, f"{y:,.3g}", "end")]
    drawn += [f'<path class="axis" d="M{left + LEFT} {TOP}V{bottom}H{right}"/>', text(left + WIDTH / 2, HEIGHT - 8, panel.x)]
    middle = (TOP + bottom) / 2
    drawn.append(text(left + 14, middle, panel.y, extra=f' transform="rotate(-90 {left + 14} {middle})"'))
    for number, (name, line) in enumerate(panel.lines.items()):
        colour = COLOURS[number % len(COLOURS)]
        # What proportionality to the first point would be.
        x, y = max(line)[0], line[0][1] / line[0][0] * max(line)[0]
        drawn.append(f'<path class="ideal" stroke="{colour}" d="M{at_x(0):.1f} {at_y(0):.1f}L{at_x(x):.1f} {at_y(y):.1f}"/>')
        drawn.append(f'<path stroke="{colour}" d="M{"L".join(f"{at_x(x):.1f} {at_y(y):.1f}" for x, y in line)}"/>')
        drawn += [f'<circle cx="{at_x(x):.1f}" cy="{at_y(y):.1f}" r="3.5" fill="{colour}"/>' for x, y in line]
        drawn.append(text(left + LEFT + 10, TOP + 14 + 16 * number, name, "start", f' style="fill:{colour}"'))
    return drawn


def svg(panels):
    """Panels side by side. The broken lines show proportionality to each line's first point."""
    drawn = [line for number, panel in enumerate(panels) for line in draw(panel, number * WIDTH)]
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH * len(panels)} {HEIGHT}">',
                      f'<style>{STYLE}</style><rect width="100%" height="100%" fill="white"/>', *drawn, "</svg>", ""])
