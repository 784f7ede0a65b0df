"""Numbers of the literature, to be printed beside ours and marked as such."""

_LEE = 'Lee 2019, Table 2'
_RELEASED = "the authors' checkpoint"
_DETECTION = 'as reported by the detection literature'

# protocol -> noise -> rows (method, source, figures).
ROWS = {
    'rtf': {
        0.0: [('Zhuo & Sim', _LEE, {'mse': 0.037, 'mae': 0.143}),
              ('JNB', _LEE, {'mse': 0.082, 'mae': 0.241}),
              ("D'Andres", _LEE, {'mse': 0.033, 'mae': 0.106}),
              ('Park', _LEE, {'mse': 0.024, 'mae': 0.129}),
              ('Karaali & Jung', _LEE, {'mse': 0.064, 'mae': 0.199}),
              ('DMENet', _LEE, {'mse': 0.012, 'mae': 0.088}),
              ('DMENet released', _RELEASED, {'mse': 0.0093, 'mae': 0.0767})],
        1.0: [('DMENet released', _RELEASED, {'mse': 0.0207, 'mae': 0.1006})],
        1.6: [('DMENet released', _RELEASED, {'mse': 0.0491, 'mae': 0.1579})]},
    'cuhk': {
        0.0: [('DMENet released', _RELEASED,
               {'accuracy': 0.8783, 'average_precision': 0.987})]},
    'syndof': {
        0.0: [('DMENet released', _RELEASED, {'mse': 0.013, 'mae': 0.084})]},
    'detection': {
        0.0: [('LBP', _DETECTION, {'mae': 0.154, 'f_curve': 0.917}),
              ('HiFST', _DETECTION, {'mae': 0.223, 'f_curve': 0.803}),
              ('CENet', _DETECTION, {'mae': 0.061, 'f_curve': 0.945}),
              ('D-DFFNet', _DETECTION, {'mae': 0.036, 'f_curve': 0.973})]},
}


def rows(protocol, noise):
    """Published rows of a protocol at a noise level; [] where there are none.
    """
    return ROWS.get(protocol, {}).get(noise, [])
