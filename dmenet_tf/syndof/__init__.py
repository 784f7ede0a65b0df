"""SYNDOF: defocused photographs with exact sigma maps [Lee 2019, Section 3].

`generate.generate` makes a folder, as `python -m dmenet_tf.syndof` does;
`render.blend_layers` blurs one image.
"""
