"""The page: components, and which of work's functions each one calls.

What a visitor has mapped is a jobs.Job, paths in the temporary folder: the
session holds no pixels.
"""

import dataclasses
import pathlib
from collections.abc import Sequence

import gradio as gr
import numpy as np
from PIL import Image, ImageDraw

from dmenet_tf import engines, focus, maps, model_files
from dmenet_tf.applications import depth
from dmenet_tf.demo import parts, scene_tab, told, work

SCALES = {'several': 'auto', 'full size alone': 1}
# Fonts of the visitor's own system: nothing is fetched from elsewhere.
THEME = gr.themes.Default(
    primary_hue='teal', font=['system-ui', 'sans-serif'],
    font_mono=['ui-monospace', 'monospace'])
# In the page's head: gradio would confine what is given to it as css.
STYLE = '''<style>
.gradio-container.gradio-container {max-width: 1200px; margin: auto}
#status, #reading {min-height: 1.6em}
.files:has(.empty), .files .label-clear-button {display: none !important}
.files .stem {white-space: normal; overflow-wrap: anywhere}
#map .top-panel, #exact_sigma .top-panel {right: auto; left: 6px}
@media (max-width: 640px) {
  .gradio-container.gradio-container {max-width: 100vw}
  .gradio-container .main.main {padding: 10px}
  .main .wrap, .contain, .tabs {min-width: 0; max-width: 100%}
  #parts, #rendered {flex-direction: column}
  #parts > .column {width: 100%; min-width: 0 !important}
  .tab-wrapper .tab-container {overflow-x: hidden}
  .tab-wrapper .tab-container button {padding: 0 6px; font-size: 14px}
}
</style>'''
_INTRO = '''# Defocus maps
How blurred is each pixel of a photograph? The map shows sigma, the standard
deviation in px of the Gaussian that blurred it.'''
_REDUCED = (f'Photographs above {work.RESULT_PIXELS / 1e6:.0f} megapixels are '
            'reduced to that here; the commands work at full size.')
_START = 'Drop a photograph, or choose one.'
_COARSE = 'This is what the photograph shows reduced; now it is seen larger.'


@dataclasses.dataclass(frozen=True)
class Settings:
    """What the command line decides.

    Attributes:
        model: The model that is offered first.
        engine: What runs the models.
        folder: Of temporary files.
        max_pixels: Of an uploaded picture.
        samples: Photographs to begin with.
    """

    model: str
    engine: engines.Engine
    folder: pathlib.Path
    max_pixels: int
    samples: Sequence[pathlib.Path] = ()


def build(settings: Settings) -> gr.Blocks:
    """Builds the page; returns gr.Blocks."""
    with gr.Blocks(title='Defocus maps', analytics_enabled=False) as page:
        gr.Markdown(_INTRO)
        job = gr.State()
        with gr.Row(elem_id='parts'):
            with gr.Column(scale=1, min_width=280):
                photograph = _build_choice(settings)
            with gr.Column(scale=3, min_width=320):
                status = gr.Markdown(_START, elem_id='status')
                with gr.Tabs():
                    with gr.Tab('Map'):
                        _build_map(settings, photograph, status, job)
                    with gr.Tab('Mask'):
                        _build_mask(job)
                    with gr.Tab('Refocus'):
                        _build_refocus(job)
                    with gr.Tab('Sharpen'):
                        _build_sharpen(job)
                    with gr.Tab('Depth'):
                        _build_depth(job)
                    with gr.Tab('Make data'):
                        scene_tab.build(page, settings.max_pixels,
                                        settings.folder)
    return page


def _build_choice(settings):
    """Upload and examples; returns the component that holds the file."""
    photograph = gr.File(label='Photograph', height=150, elem_id='photograph')
    samples = [str(path) for path in settings.samples]
    if samples:
        # Served from where they are: what gradio copies is removed in time.
        gr.set_static_paths(samples)
        examples = gr.Dataset(
            components=[gr.Image(render=False)], label='Examples',
            samples=[[path] for path in samples], type='index',
            elem_id='examples')
        examples.click(lambda index: samples[index], examples, photograph,
                       queue=False, api_visibility='private')
    return photograph


def _build_map(settings, photograph, status, job):
    picture = parts.image('map', 'png')
    reading = gr.Markdown('Touch the map to read sigma there.',
                          elem_id='reading')
    opacity = gr.Slider(0, 1, 1, step=0.05, label='Photograph ... map')
    with gr.Row():
        # Visitors see names, not where the files are.
        sources = {pathlib.Path(source).stem: source for source in
                   (*model_files.bundled_models(), settings.model)}
        model = gr.Dropdown(list(sources), label='Model',
                            value=pathlib.Path(settings.model).stem)
        scales = gr.Dropdown(list(SCALES), value='several', label='Scales')
    # What needs an extra is for the command; the mask has a tab of its own.
    kinds = gr.CheckboxGroup(
        [kind for kind in maps.FORMATS if kind not in ('exr', 'mask')],
        value=['npy', 'color'], label='Files')
    files = parts.files('map_files')

    def map_photograph(previous, path, name, scales, opacity, kinds):
        if previous:
            work.forget(previous)
        if path is None:
            yield None, _START, None, None
            return
        how = sources[name], settings.engine
        try:
            coarse = (work.coarse_map(path, *how, settings.max_pixels)
                      if SCALES[scales] == 'auto' else None)
            if coarse is not None:
                yield None, _COARSE, coarse, None
            made = work.map_upload(path, settings.folder, *how,
                                   SCALES[scales], settings.max_pixels)
        except (ValueError, OSError) as error:
            yield (None, f'**That did not work.** {told.said(error)}', None,
                   None)
            return
        yield (made, work.describe(made),
               work.draw_map(made, opacity), work.write_maps(made, kinds))

    gr.on([photograph.change, model.input, scales.input], map_photograph,
          [job, photograph, model, scales, opacity, kinds],
          [job, status, picture, files], api_name='map', **parts.HEAVY)
    opacity.change(parts.if_mapped(work.draw_map), [job, opacity], picture,
                   api_visibility='private', **parts.LIVE)
    kinds.input(parts.if_mapped(work.write_maps), [job, kinds], files,
                api_visibility='private', **parts.HEAVY)
    picture.select(_read_out, job, reading, queue=False,
                   api_visibility='private')


@parts.needs_map
def _read_out(job, event: gr.SelectData):
    return work.read_out(job, event.index)


def _build_mask(job):
    gr.Markdown('What is in focus stays light. The slider says how much blur '
                'counts as in focus; it begins where hardly anybody who looks '
                'at the whole photograph sees any.')
    picture = parts.image('mask', 'jpeg')
    below = gr.Slider(0.3, 10, 1, step=0.1, elem_id='below',
                      label='In focus: sigma up to, px')
    said = gr.Markdown(elem_id='in_focus_share')
    file = gr.File(label='Mask, white = in focus', interactive=False,
                   elem_id='mask_file', elem_classes='files')

    def begin(job):
        if job is None:
            return gr.update(), None, '', None
        return (focus.threshold(work.read_sigma(job).shape),
                *work.in_focus(job))

    job.change(parts.answered(begin), job, [below, picture, said, file],
               api_visibility='private', **parts.HEAVY)
    below.input(lambda job, below: (
        (None, '', None) if job is None
        else parts.answered(work.in_focus)(job, below)),
        [job, below], [picture, said, file], api_name='mask', **parts.LIVE)


def _build_refocus(job):
    gr.Markdown('Touch what shall stay sharp; everything else is blurred m '
                f'times as much as it differs from it. {_REDUCED}')
    place = gr.State()
    picture = parts.image('focus', 'jpeg')
    strength = gr.Slider(1, 8, 4, step=0.5, label='Strength m',
                         elem_id='strength')
    both, files = _comparison('refocused')

    def refocus(job, place, strength, progress=parts.PROGRESS):
        if job is None or place is None:
            return None, None
        before, after, paths = work.refocus(job, strength, place,
                                            _shown(progress))
        return (before, after), paths

    def focus(job, event: gr.SelectData):
        return tuple(event.index), _marked(job, event.index)

    picture.select(parts.needs_map(focus), job, [place, picture], queue=False,
                   api_visibility='private').success(
        parts.answered(refocus), [job, place, strength], [both, files],
        api_name='refocus', **parts.HEAVY)
    strength.release(parts.answered(refocus), [job, place, strength],
                     [both, files], api_visibility='private', **parts.HEAVY)
    job.change(lambda job: (job and work.shown(job)[0], None, None, None),
               job, [picture, place, both, files], queue=False,
               api_visibility='private')


def _shown(progress):
    """gradio's bar, as the applications show how far they are."""
    return lambda steps, total: progress.tqdm(steps, total=total, unit='parts')


def _marked(job, place):
    """The shown photograph with a ring around a place."""
    picture = Image.fromarray(work.shown(job)[0])
    radius = max(picture.size) / 50
    draw = ImageDraw.Draw(picture)
    for color, width in (('black', 5), ('white', 2)):
        draw.circle(tuple(place), radius, outline=color, width=width)
    return np.asarray(picture)


def _comparison(elem_id):
    """A before/after slider and its files."""
    both = gr.ImageSlider(show_label=False, format='jpeg', interactive=False,
                          buttons=['fullscreen'], elem_id=elem_id)
    return both, parts.files(f'{elem_id}parts.files')


def _build_sharpen(job):
    gr.Markdown('All in focus, by deconvolution with the map, as far as the '
                'photograph itself bears the map out; less strength is '
                f'gentler. {_REDUCED}')
    strength = gr.Slider(0.1, 3, 1, step=0.1, label='Strength')
    button = gr.Button('Sharpen', variant='primary')
    both, files = _comparison('sharpened')

    def sharpen(job, strength, progress=parts.PROGRESS):
        before, after, paths = work.sharpen(job, strength, _shown(progress))
        return (before, after), paths

    button.click(parts.needs_map(sharpen), [job, strength], [both, files],
                 api_name='sharpen', **parts.HEAVY)
    _clear_with(job, both, files)


def _clear_with(job, *components):
    """Results of one photograph do not stay beside the next."""
    job.change(lambda: [None] * len(components), None, list(components),
               queue=False, api_visibility='private')


def _build_depth(job):
    gr.Markdown('Blur says how far a point is from the focal plane, not on '
                'which side. What is in focus?')
    focus = gr.Radio([('the near end of the scene', 'near'),
                      ('its far end', 'far')], value='near', label='In focus',
                     elem_id='in_focus')
    kinds = gr.CheckboxGroup(list(depth.FORMATS), label='Files',
                             value=['npy', 'png16', 'color'])
    button = gr.Button('Show depth', variant='primary')
    picture = parts.image('depth', 'png')
    unit = gr.Markdown()
    files = parts.files('depth_files')
    gr.on([button.click], parts.needs_map(work.make_depth), [job, focus, kinds],
          [picture, unit, files], api_name='depth', **parts.HEAVY)
    gr.on([focus.input, kinds.input],
          lambda *inputs: (parts.needs_map(work.make_depth)(*inputs)
                           if inputs[0] else (None, None, None)),
          [job, focus, kinds], [picture, unit, files],
          api_visibility='private', **parts.HEAVY)
    _clear_with(job, picture, unit, files)
