"""Draws the SVGs of the pages: the networks, the lens, the units.

    python docs/pictures/drawings.py

Coordinates are px of the drawing. The units' ticks are those of optics.py.
"""

import pathlib

from dmenet_tf import optics

HERE = pathlib.Path(__file__).parent
BLUE, GREEN, RED, GREY = '#3b6ea5', '#3c8d5a', '#b0503c', '#777777'
HEAD = ('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w} {h}" '
        'font-family="sans-serif" font-size="13" role="img">'
        '<title>{title}</title><defs><marker id="end" viewBox="0 0 8 8" '
        'refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0L8 4L0 8z" fill="#444"/></marker></defs>'
        '<rect width="{w}" height="{h}" fill="#ffffff"/>')


def box(x, y, w, h, text='', color=BLUE, solid=True):
    fill = color if solid else '#ffffff'
    ink = '#ffffff' if solid else color
    return (f'<rect x="{x}" y="{y}" width="{w}" height="{h}" rx="3" '
            f'fill="{fill}" stroke="{color}"/>'
            + label(x + w / 2, y + h / 2 + 4.5, text, ink, 'middle'))


def label(x, y, text, color='#222222', anchor='start', size=13):
    lines = text.split('\n')
    top = y - 8 * (len(lines) - 1)
    return ''.join(
        f'<text x="{x}" y="{top + 16 * i}" fill="{color}" font-size="{size}" '
        f'text-anchor="{anchor}">{line}</text>'
        for i, line in enumerate(lines) if line)


def arrow(*points, color='#444444', dashed=False):
    path = 'M' + 'L'.join(f'{x} {y}' for x, y in points)
    dash = ' stroke-dasharray="5 4"' if dashed else ''
    return (f'<path d="{path}" fill="none" stroke="{color}" '
            f'stroke-width="1.5" marker-end="url(#end)"{dash}/>')


def line(x1, y1, x2, y2, color='#444444', width=1.5):
    return (f'<path d="M{x1} {y1}L{x2} {y2}" stroke="{color}" '
            f'stroke-width="{width}" fill="none"/>')


def write(name, width, height, title, parts):
    path = HERE / name
    path.write_text(HEAD.format(w=width, h=height, title=title)
                    + '\n'.join(parts) + '</svg>\n')
    print(f'{path}: {path.stat().st_size / 1000:.0f} kB')


def networks():
    """B as a U, and where D, S and C look at it."""
    x, parts = [150, 196, 242, 288, 334], []
    tops, heights = [70, 100, 130, 160, 190], [200, 140, 80, 40, 22]
    tops = [170 - h // 2 for h in heights]
    names = ['64', '128', '256', '512', '512']
    for left, top, height, name in zip(x, tops, heights, names, strict=True):
        parts += [box(left, top, 26, height, color=BLUE),
                  label(left + 13, top - 6, name, GREY, 'middle', 11)]
    right = [380, 426, 472, 518]
    for left, level, name in zip(right, (3, 2, 1, 0),
                                 ('256', '128', '64', '64'), strict=True):
        height = heights[level]
        parts += [box(left, 170 - height // 2, 26, height, color=BLUE),
                  label(left + 13, 164 - height // 2, name, GREY, 'middle',
                        11)]
    # Skips run below the U; the outer ones lower.
    for left, level in zip(right, (3, 2, 1, 0), strict=True):
        low, y = 170 + heights[level] // 2, 290 - 14 * level
        parts.append(arrow((x[level] + 13, low), (x[level] + 13, y),
                           (left + 13, y), (left + 13, low + 3), color=GREY))
    parts += [
        box(570, 120, 92, 100, '7 refinement\nblocks'),
        box(676, 120, 60, 100, '64, 32, 1\nsigmoid'),
        arrow((544, 170), (568, 170)), arrow((662, 170), (674, 170)),
        arrow((736, 170), (770, 170)),
        box(772, 146, 98, 48, 'defocus map\nd in [0, 1]', '#222222', False),
        arrow((120, 170), (148, 170)),
        label(20, 158, 'photograph\n[h, w, 3]'),
        label(255, 42, 'encoder: VGG19', BLUE, 'middle'),
        label(459, 42, 'decoder', BLUE, 'middle'),
        label(150, 24, 'B  blur estimation', BLUE, size=16),
        label(347, 318, 'skip connections', GREY, 'middle', 11),
        # D, S, C.
        arrow((557, 170), (557, 380), dashed=True),
        box(480, 382, 154, 44, 'D  synthetic or real?', RED),
        label(485, 446, '4 convolutions 4x4, stride 2', GREY, size=11),
        arrow((821, 194), (821, 380), dashed=True),
        box(744, 382, 154, 44, 'S  blurred or sharp?', GREEN),
        label(749, 446, '1x1 convolutions only', GREY, size=11),
        arrow((840, 146), (840, 100), dashed=True),
        box(764, 54, 134, 44, 'C  VGG19, frozen', GREY),
        # The three sets.
        box(20, 382, 122, 44, 'SYNDOF\nwith sigma', '#222222', False),
        box(160, 382, 122, 44, 'photographs\nwith masks', '#222222', False),
        box(300, 382, 122, 44, 'photographs\nalone', '#222222', False),
        label(20, 446, 'L_B + L_aux, L_C, L_D', BLUE, size=12),
        label(160, 446, 'L_S, L_adv, L_D', GREEN, size=12),
        label(300, 446, 'L_adv, L_D', RED, size=12),
        label(20, 370, 'a step sees a batch of each set:', GREY, size=12)]
    write('networks.svg', 920, 460, 'The four networks of DMENet', parts)


def lens():
    """Eq. 1: what is not at S1 becomes a disc of diameter c."""
    axis, parts = 110, [line(20, 110, 700, 110, '#bbbbbb', 1)]
    near, focus, glass, sensor = 240, 90, 420, 600
    for place, color, text, below in ((focus, GREEN, 'S1: sharp', 26),
                                      (near, RED, 'x: blurred', 58)):
        parts += [f'<circle cx="{place}" cy="{axis}" r="5" fill="{color}"/>',
                  label(place, axis + below, text, color, 'middle')]
    for sign in (-1, 1):
        edge = axis + sign * 70
        parts += [line(focus, axis, glass, edge, GREEN),
                  line(glass, edge, sensor, axis, GREEN),
                  line(near, axis, glass, edge, RED),
                  line(glass, edge, sensor, axis + sign * 27, RED)]
    parts += [f'<ellipse cx="{glass}" cy="{axis}" rx="11" ry="78" '
              f'fill="#dbe7f3" fill-opacity="0.7" stroke="{BLUE}"/>',
              line(sensor, 30, sensor, 190, '#222222', 3),
              line(sensor + 16, axis - 27, sensor + 16, axis + 27, RED, 2),
              label(sensor + 24, axis + 5, 'c', RED, size=17),
              label(glass, 208, 'lens, aperture D', BLUE, 'middle'),
              label(sensor, 208, 'sensor', '#222222', 'middle')]
    write('lens.svg', 720, 220, 'Thin lens and circle of confusion', parts)


def units():
    """One length of blur on five scales."""
    left, per_px, parts = 190, 70, []
    rows = [
        ('sigma, px', [(s, f'{s}') for s in range(8)]),
        ('circle of confusion c, px',
         [(optics.sigma_from_coc(c), f'{c}') for c in range(0, 29, 4)]),
        ('d, sigma7',
         [(optics.sigma_from_defocus(d / 10, 'sigma7'), f'{d / 10:g}')
          for d in range(0, 11, 2)]),
        ('d, legacy15',
         [(0, '1/15')] + [
             (optics.sigma_from_defocus(d / 10, 'legacy15'), f'{d / 10:g}')
             for d in (2, 4, 6, 8, 10)]),
        ('code of _sigma16.png', [(s, f'{1000 * s}') for s in range(8)])]
    for i, (name, ticks) in enumerate(rows):
        y = 34 + 48 * i
        parts += [label(left - 16, y + 5, name, '#222222', 'end'),
                  line(left, y, left + 7 * per_px, y, BLUE)]
        for sigma, text in ticks:
            x = round(left + per_px * float(sigma), 1)
            parts += [line(x, y - 5, x, y + 5, BLUE),
                      label(x, y + 20, text, GREY, 'middle', 11)]
    write('units.svg', 720, 264, 'The same blur in five units', parts)


if __name__ == '__main__':
    networks()
    lens()
    units()
