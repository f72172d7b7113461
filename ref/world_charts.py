"""Small bar charts (ChartQA's kind of question): look-up, comparison, counting; upright and lying bars, each
with its value."""
from world_canvas import SIZE, COLOURS, Canvas, Question, font, jitter

BARS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "black")
PAPERS = ((250, 250, 250), (250, 240, 215), (215, 230, 245), (225, 240, 220), (225, 225, 225))
LONGEST = "Which colour is the longest bar?", "Which bar has the highest value?"
SHORTEST = "Which colour is the shortest bar?", "Which bar has the lowest value?"
COUNT = "How many bars are there?", "How many bars does the chart show?"


def value_of(colour):
    return f"What is the value of the {colour} bar?", f"How high is the {colour} bar?"


def longer_than(colour):
    return f"How many bars are longer than the {colour} bar?", f"How many bars are higher than {colour}?"


def heights(rng, count):
    """Different values, so far apart that the order can be seen."""
    while True:
        v = [rng.randint(12, 99) for _ in range(count)]
        if min(abs(a - b) for i, a in enumerate(v) for b in v[:i]) >= 12:
            return v


def draw(rng):
    count, lying, paper = rng.randint(3, 5), rng.random() < 0.5, rng.randrange(len(PAPERS))
    colours, values = rng.sample(BARS, count), heights(rng, count)
    canvas = Canvas(rng, "", PAPERS[paper])
    d, s = canvas.draw, 2 * SIZE
    dark, faint = jitter(rng, (60, 60, 60), 30), jitter(rng, (190, 190, 195), 15)
    base, first, last = rng.randint(10, 24), rng.randint(8, 26), rng.randint(8, 26)
    step, room = (s - first - last) / count, s - base - 60
    thick = step * rng.uniform(0.62, 0.85)
    for i in range(1, 5):
        at = base + room * i / 4
        d.line((at, 0, at, s) if lying else (0, s - at, s, s - at), fill=faint, width=2)
    order = sorted(range(count), key=lambda i: values[i])
    for i, (colour, value) in enumerate(zip(colours, values)):
        a = first + step * i + (step - thick) / 2
        end = base + room * value / 100
        canvas.block(rng, (base, a, end, a + thick) if lying else (a, s - end, a + thick, s - base), colour)
        at = (end + 22, a + thick / 2) if lying else (a + thick / 2, s - end - 16)
        canvas.text(*at, str(value), font(rng, rng.randint(25, 28)), dark)
        canvas.thing((base, a, end + 44, a + thick) if lying else (a, s - end - 32, a + thick, s - base), "bar", str(value),
                     colour, count - 1 - order.index(i), count)
    d.line((base, 0, base, s) if lying else (0, s - base, s, s - base), fill=dark, width=3)
    one = rng.randrange(count)
    value = [Question(value_of(c), str(v), True) for c, v in zip(colours, values)]
    asks = [value[0], value[-1], Question(LONGEST, colours[order[-1]], True), Question(SHORTEST, colours[order[0]], False),
            Question(COUNT, str(count), True), value[one],
            Question(longer_than(colours[one]), str(count - 1 - order.index(one)), False)]
    form = "lying" if lying else "upright"
    dense = f"{form} bars, " + ", ".join(f"{c} {v}" for c, v in zip(colours, values))
    coarse = f"{form} bars, " + " ".join(colours)
    return canvas.scene(dense, coarse, asks, (paper + 2 * lying) % 5, count % 2)
