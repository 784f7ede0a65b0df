"""The tab `Make data`: a scene with depth, photographed as sliders say."""

import pathlib

import gradio as gr

from dmenet_tf import optics
from dmenet_tf.demo import parts, rendering
from dmenet_tf.syndof import pairs, rgbd

OWN_PAIR = 'My own pair'


def build(page: gr.Blocks, max_pixels: int | None,
          folder: pathlib.Path) -> None:
    """Builds the tab.

    Args:
        page: That it is in.
        max_pixels: Of a visitor's image and depth.
        folder: Of temporary files.
    """
    gr.Markdown('A sharp image with its depth becomes a defocused photograph '
                'whose sigma is known exactly: training data.')
    scenes = rendering.sample_scenes()
    name = gr.Radio([*scenes, OWN_PAIR], value=next(iter(scenes)),
                    label='Scene', elem_id='scene')
    with gr.Row(visible=False) as own:
        image = gr.File(label='Image', height=110, elem_id='scene_image')
        distance = gr.File(label='Depth (.png, .npy, .pfm, .dpt, .exr)',
                           height=110, elem_id='scene_depth')
        unit = gr.Dropdown(list(rgbd.UNITS), label='Unit of depth')
    focus = gr.Slider(1, 10, 2, step=0.01, label='Focal distance, m',
                      elem_id='focal_distance')
    aperture = gr.Slider(0, optics.MAX_SIGMA, 4, step=0.1, elem_id='aperture',
                         label='Aperture: the largest sigma, px')
    with gr.Row(elem_id='rendered'):
        picture = parts.image('defocused', 'jpeg')
        sigma = parts.image('exact_sigma', 'png')
    button = gr.Button('Make files')
    files = parts.files('scene_files')

    def read(name, image, distance, unit):
        if name != OWN_PAIR:
            return rendering.load_scene(scenes[name])
        if not (image and distance):
            return None
        return rendering.load_scene(
            pairs.Pair(pathlib.Path(image).stem, image, distance,
                       depth_unit=unit), max_pixels)

    def choose(name, image, distance, unit, focus):
        scene = read(name, image, distance, unit)
        shown = gr.update(visible=name == OWN_PAIR)
        if scene is None:
            return shown, gr.update()
        near, far = float(scene[1].min()), float(scene[1].max())
        return shown, gr.update(minimum=round(near, 2), maximum=round(far, 2),
                                value=round(min(max(focus, near), far), 2))

    def photograph(name, image, distance, unit, focus, aperture):
        scene = read(name, image, distance, unit)
        if scene is None:
            return None, None
        made, exact = rendering.defocus_scene(scene, focus, aperture)
        return made, rendering.color_scene(exact)

    def save(name, image, distance, unit, focus, aperture):
        scene = read(name, image, distance, unit)
        if scene is None:
            raise ValueError('Choose an image and its depth first.')
        made, exact = rendering.defocus_scene(scene, focus, aperture)
        return rendering.write_scene(made, exact, folder)

    source = [name, image, distance, unit]
    gr.on([page.load, name.change, image.change, distance.change, unit.input],
          parts.answered(choose), [*source, focus], [own, focus],
          api_visibility='private', **parts.LIVE).success(
        parts.answered(photograph), [*source, focus, aperture],
        [picture, sigma],
        api_visibility='private', **parts.LIVE)
    gr.on([focus.change, aperture.change], parts.answered(photograph),
          [*source, focus, aperture], [picture, sigma],
          api_visibility='private', **parts.LIVE)
    button.click(parts.answered(save), [*source, focus, aperture], files,
                 api_name='make_data', **parts.HEAVY)
