"""Fits what the baselines learnt; baselines.sh says how to call it.

    python experiments/baselines.py METHOD PICTURES FILE.npz

METHOD is tang, xu, jnb, shi, dandres or park; PICTURES a folder of photographs
in focus, for shi one with image/ and gt/ of CUHK. Writes plain arrays.
"""

import pathlib
import sys

import numpy as np
from scipy import linalg, ndimage, signal

from dmenet_tf import files, images, sigma_files
from dmenet_tf.baselines import edges

SIGMAS = (0, 0.5, 0.75, 1, 1.25, 1.5, 2, 2.5, 3, 4, 5)  # px


def crops(folder, count, side, rng):
    """At most `count` crops of photographs, evenly by name: float [s, s, 3]."""
    paths = images.find_images(folder)
    for path in paths[::max(len(paths) // count, 1)][:count]:
        image = np.asarray(images.read_image(path), np.float64)
        if min(image.shape[:2]) >= side:
            y, x = (rng.integers(n - side + 1) for n in image.shape[:2])
            yield image[y:y + side, x:x + side]


def blurred(image, sigma, noise=0.0, rng=None):
    """A photograph blurred by a Gaussian, with noise, in 8 bits."""
    image = ndimage.gaussian_filter(image, (sigma, sigma, 0))
    if noise:
        image = image + rng.normal(0, noise, image.shape)
    return np.clip(np.round(image), 0, 255).astype(np.uint8)


def table(score_of_grey, pictures, sigmas=SIGMAS):
    """Median scores at known sigma: [2, n], scores rising.

    Levels at which the score does not rise are left out.
    """
    scores = np.array([
        [np.nanmedian(score_of_grey(edges.to_grey(blurred(image, sigma))))
         for sigma in sigmas] for image in pictures])
    scores = np.nanmedian(scores, axis=0)
    print('score at', dict(zip(sigmas, scores.round(3), strict=True)))
    before = np.concatenate([[-np.inf], np.maximum.accumulate(scores)[:-1]])
    kept = scores > before
    return np.stack([scores, sigmas])[:, kept].astype(np.float32)


def fit_tang(folder, rng):
    from dmenet_tf.baselines import tang
    return {'sigma': table(tang.sigma_of_steps, crops(folder, 16, 160, rng))}


def fit_xu(folder, rng):
    from dmenet_tf.baselines import xu
    return {'sigma': table(lambda grey: -xu.rank_at_edges(grey),
                           crops(folder, 8, 112, rng))}


def fit_jnb(folder, rng):
    """The dictionary, of patches at a Gaussian of 2 px, then the curve."""
    from sklearn import decomposition

    from dmenet_tf.baselines import jnb
    pictures = list(crops(folder, 12, 128, rng))
    patches, contrast = jnb.normalised(np.concatenate([
        jnb.patches_of(edges.to_grey(blurred(image, 2.0)), 3).reshape(-1, 64)
        for image in pictures]))
    patches = rng.permutation(patches[contrast >= jnb.LEAST])[:6000]
    learner = decomposition.MiniBatchDictionaryLearning(
        64, alpha=0.1, max_iter=4, batch_size=256, random_state=0,
        transform_algorithm='omp')
    atoms = learner.fit(patches).components_
    atoms = (atoms / np.linalg.norm(atoms, axis=1, keepdims=True)).astype(
        np.float32)
    sigmas = [sigma for sigma in SIGMAS if sigma <= jnb.MAX_SIGMA]
    return {'dictionary': atoms, 'sigma': table(
        lambda grey: -jnb.mean_counts(grey, atoms), pictures, sigmas)}


def fit_shi(folder, rng):
    """Filters and Gaussians, of one crop of each photograph with a mask."""
    from sklearn import naive_bayes

    from dmenet_tf.baselines import shi
    pictures = list(masked_crops(pathlib.Path(folder), 96, rng))
    filters = discriminative_filters(pictures, shi.FILTER, count=3)
    means, variances = [], []
    for window in shi.WINDOWS:
        values, labels = [], []
        for grey, blurry in pictures:
            found = shi.features(grey, window, filters)
            values.append(found.reshape(-1, found.shape[-1]))
            labels.append(blurry[::shi.STRIDE, ::shi.STRIDE].ravel())
        bayes = naive_bayes.GaussianNB(priors=(0.5, 0.5)).fit(
            np.concatenate(values), np.concatenate(labels))
        means.append(bayes.theta_)
        variances.append(bayes.var_)
    return {'filters': filters, 'mean': np.array(means, np.float32),
            'variance': np.array(variances, np.float32)}


def masked_crops(folder, side, rng):
    """(grey, bool: blurred) [side, side] of photographs with masks.

    Those that are set aside to measure with are left out.
    """
    masks = images.images_by_stem(folder / 'gt')
    aside = pathlib.Path(__file__).with_name('cuhk_set_aside.txt')
    for path in images.find_images(folder / 'image'):
        if path.stem in aside.read_text().split():
            continue
        grey = edges.to_grey(images.read_image(path))
        y, x = (rng.integers(n - side + 1) for n in grey.shape)
        place = np.s_[y:y + side, x:x + side]
        yield grey[place], sigma_files.read_mask(masks[path.stem])[place]


def discriminative_filters(pictures, size, count):
    """Filters whose mean square differs most: sharp over blurred patches."""
    covariance = {}
    for label in (False, True):
        patches = np.concatenate([
            np.lib.stride_tricks.sliding_window_view(
                grey, (size, size))[::4, ::4][
                    blurry[size // 2:-(size // 2):4,
                           size // 2:-(size // 2):4] == label]
            for grey, blurry in pictures]).reshape(-1, size**2)
        patches = patches - patches.mean(axis=1, keepdims=True)
        covariance[label] = np.cov(patches.T)
    noise = np.eye(size**2) / 255**2
    vectors = linalg.eigh(covariance[False] + noise,
                          covariance[True] + noise)[1][:, -count:].T
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.reshape(count, size, size).astype(np.float32)


def disc(radius):
    """Kernel of a disc, its outline drawn 8 times finer than pixels."""
    half = int(np.ceil(radius)) + 1
    fine = (np.arange((2 * half + 1) * 8) + 0.5) / 8 - half - 0.5
    inside = np.hypot(fine[:, None], fine) <= max(radius, 0.1)
    kernel = inside.reshape(2 * half + 1, 8, -1, 8).mean(axis=(1, 3))
    return kernel / kernel.sum()


def fit_dandres(folder, rng):
    """Trees, of photographs blurred by discs at three noise levels."""
    from sklearn import ensemble

    from dmenet_tf.baselines import dandres
    values, radii = [], []
    for image in crops(folder, 60, 112, rng):
        for noise in (0.0, 1.0, 1.6) * 4:
            radius = 7 * rng.random()**1.5
            picture = signal.fftconvolve(image, disc(radius)[..., None],
                                         'same', axes=(0, 1))
            found = dandres.features(edges.to_grey(
                blurred(picture, 0, noise, rng)))[10:-10, 10:-10]
            found = found.reshape(-1, found.shape[-1])
            values.append(rng.permutation(found)[:50])
            radii += [radius] * 50
    forest = ensemble.ExtraTreesRegressor(
        dandres.TREES, max_leaf_nodes=1024, min_samples_leaf=6,
        random_state=0).fit(np.concatenate(values), radii)
    return arrays_of_trees([one.tree_ for one in forest.estimators_])


def arrays_of_trees(trees):
    """What dandres.predict takes."""
    root = np.cumsum([0] + [tree.node_count for tree in trees])
    return {
        'root': root[:-1].astype(np.int32),
        'feature': np.concatenate([
            np.where(tree.children_left < 0, -1, tree.feature)
            for tree in trees]).astype(np.int16),
        'threshold': np.concatenate(
            [tree.threshold for tree in trees]).astype(np.float32),
        **{side: np.concatenate([
            getattr(tree, f'children_{side}') + start
            for tree, start in zip(trees, root, strict=False)]).astype(
                np.int32) for side in ('left', 'right')},
        'value': np.concatenate(
            [tree.value[:, 0, 0] for tree in trees]).astype(np.float32)}


def fit_park(folder, rng):
    """Both networks, of patches at edges of blurred photographs."""
    import keras

    from dmenet_tf.baselines import park
    keras.utils.set_random_seed(0)
    patches, labels = patches_of_levels(folder, rng)
    deep = park.build_deep()
    head = keras.layers.Dense(len(park.LEVELS), activation='softmax')
    _learn(keras.Model(deep.input, head(deep.output)),
           [x[..., None] for x in patches], labels, epochs=5)
    features = np.concatenate([np.concatenate(
        [park.hand_crafted(x), deep.predict(x[..., None], verbose=0)], -1)
        for x in patches])
    mean, deviation = features.mean(axis=0), features.std(axis=0) + 1e-3
    classifier = park.build_classifier()
    _learn(classifier, [(features - mean) / deviation],
           [np.concatenate(labels)], epochs=15)
    return {'mean': mean, 'deviation': deviation,
            **{f'{name}/{i}': x.astype(np.float16)
               for name, network in (('deep', deep), ('classifier',
                                                      classifier))
               for i, x in enumerate(network.get_weights())}}


def patches_of_levels(folder, rng, each=24):
    """Of both sides: patches [n, side, side], and the numbers of levels."""
    from dmenet_tf.baselines import park
    patches, labels = ([], []), ([], [])
    for image in crops(folder, 40, 128, rng):
        for level, sigma in enumerate(park.LEVELS):
            # A photograph in focus is of the first level as it is.
            extra = np.sqrt(sigma**2 - park.LEVELS[0]**2)
            grey = edges.to_grey(blurred(image, extra, rng.choice([0.3, 1]),
                                         rng))
            for i, (places, side) in enumerate(park.edges_and_sides(grey)):
                places = rng.permutation(places)[:each]
                if len(places):
                    patches[i].append(park.unit_patches(grey, places, side))
                    labels[i].append(np.full(len(places), level))
    return ([np.concatenate(x) for x in patches],
            [np.concatenate(x) for x in labels])


def _learn(network, inputs, labels, epochs):
    """Each kind of patch in turn: they differ in size."""
    network.compile('adam', 'sparse_categorical_crossentropy',
                    metrics=['accuracy'])
    for _ in range(epochs):
        for x, y in zip(inputs, labels, strict=True):
            said = network.fit(x, y, batch_size=64, verbose=0).history
            print({name: round(v[0], 3) for name, v in said.items()})


def main(method, folder, path):
    arrays = globals()[f'fit_{method}'](folder, np.random.default_rng(0))
    with (files.atomic_path(pathlib.Path(path)) as temporary,
          temporary.open('wb') as file):
        np.savez_compressed(file, **arrays)


if __name__ == '__main__':
    main(*sys.argv[1:])
