"""Which photographs are sharp, and where: scores, best of a group, a watch.

    from dmenet_tf import rank
    found = rank.score(dmenet_tf.read_image('photo.jpg'))
    found.sharpest_px, found.in_focus_share

`python -m dmenet_tf.rank` does this for folders.
"""

from dmenet_tf.rank.scores import Score, score

__all__ = ['Score', 'score']
