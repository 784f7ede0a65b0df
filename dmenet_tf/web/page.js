// The page: a photograph in, its map, mask and files out, all on this device.
//
// settings.json, which the export writes, has what Python decides: how many
// pixels the network is given, the colours, what counts as in focus. A larger
// photograph is reduced as dmenet_tf.scales does, by means of 2x2 px.
import * as ort from './ort.wasm.min.mjs';

const at = (id) => document.getElementById(id);
const wait = () => new Promise((done) => setTimeout(done));
const settings = await (await fetch('settings.json')).json();
let job = null;
let limit = 0;  // px, up to which a pixel is in focus.

// {data, width, height, channels} -> means of 2x2 px, three channels; an odd
// side repeats its last row or column.
function halved(image) {
    const {data, channels} = image;
    const width = Math.ceil(image.width / 2);
    const height = Math.ceil(image.height / 2);
    const half = new Float32Array(3 * width * height);
    for (let y = 0, to = 0; y < height; y++) {
        const top = 2 * y * image.width;
        const bottom = Math.min(2 * y + 1, image.height - 1) * image.width;
        for (let x = 0; x < width; x++) {
            const right = Math.min(2 * x + 1, image.width - 1);
            for (let c = 0; c < 3; c++, to++) {
                half[to] = (data[channels * (top + 2 * x) + c]
                    + data[channels * (top + right) + c]
                    + data[channels * (bottom + 2 * x) + c]
                    + data[channels * (bottom + right) + c]) / 4;
            }
        }
    }
    return {data: half, width, height, channels: 3};
}

// A map of halved() -> the map of what was halved: linear in between, twice
// as many px.
function doubled(map, width, height) {
    const found = new Float32Array(width * height);
    const near = (i, size) => {
        const other = (i >> 1) + (i % 2 ? 1 : -1);
        return [i >> 1, Math.min(Math.max(other, 0), size - 1)];
    };
    for (let y = 0; y < height; y++) {
        const [y0, y1] = near(y, map.height).map((row) => row * map.width);
        for (let x = 0; x < width; x++) {
            const [x0, x1] = near(x, map.width);
            found[y * width + x] = 2 * (
                0.75 * (0.75 * map.data[y0 + x0] + 0.25 * map.data[y0 + x1])
                + 0.25 * (0.75 * map.data[y1 + x0] + 0.25 * map.data[y1 + x1]));
        }
    }
    return {data: found, width, height};
}

// The photograph in sRGB, upright, as RGBA bytes.
async function read(file) {
    const bitmap = await createImageBitmap(file);
    const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
    const context = canvas.getContext('2d', {willReadFrequently: true});
    context.drawImage(bitmap, 0, 0);
    const {data, width, height} = context.getImageData(
        0, 0, bitmap.width, bitmap.height);
    bitmap.close();
    return {data, width, height, channels: 4};
}

// [photograph, half of it, ...] down to what the network is given.
function pyramid(photograph) {
    const found = [photograph];
    let last = photograph;
    while (last.width * last.height > settings.coarsest) {
        last = halved(last);
        found.push(last);
    }
    return found;
}

// sigma of a picture, px of that picture.
async function estimate(picture) {
    const {data, width, height, channels} = picture;
    const input = new Float32Array(3 * width * height);
    for (let i = 0; i < width * height; i++) {
        for (let c = 0; c < 3; c++) {
            input[3 * i + c] = data[channels * i + c];
        }
    }
    const tensor = new ort.Tensor('float32', input, [1, height, width, 3]);
    const {sigma} = await (await session).run({image: tensor});
    return {data: sigma.data, width, height};
}

async function mapPhotograph(file) {
    at('file').disabled = true;
    at('result').hidden = at('figure').hidden = true;
    at('status').textContent = `${file.name} is being mapped ...`;
    await wait();
    const start = performance.now();
    try {
        const sizes = pyramid(await read(file));
        const picture = sizes.at(-1);
        const map = await estimate(picture);
        const factor = 2 ** (sizes.length - 1);
        const sigma = map.data.map((value) => factor * value);
        job = {name: file.name.replace(/\.[^.]*$/, ''), picture, map, sigma,
            factor, sizes: sizes.map(({width, height}) => ({width, height})),
            top: Math.max(1, sigma.reduce((a, b) => Math.max(a, b)))};
        show((performance.now() - start) / 1000);
    } catch (error) {
        at('status').textContent = `${file.name}: could not be mapped: `
            + `${error.message ?? error}`;
    }
    at('file').disabled = false;
}

function show(seconds) {
    const {width, height} = job.sizes[0];
    const {picture, factor} = job;
    const middle = Float32Array.from(job.sigma).sort()[job.sigma.length >> 1];
    at('status').textContent = `${job.name}: ${width} x ${height} px, median `
        + `sigma ${middle.toFixed(2)} px, ${seconds.toFixed(1)} s.`
        + (factor === 1 ? '' : ` The network was given ${picture.width} x `
            + `${picture.height} px of it; sigma was multiplied by ${factor}, `
            + `so it is in px of the photograph. Below ${
                (settings.floor * factor).toFixed(1)} px it says nothing.`);
    const start = Math.max(settings.sharp_sigma,
        settings.focus_sigma * Math.max(width, height) / 1000);
    at('threshold').max = Math.max(job.top, 2 * start);
    at('threshold').value = limit = start;
    at('reading').textContent = 'Touch the picture to read sigma there.';
    at('picture').style.setProperty('--ratio', picture.width / picture.height);
    drawTicks();
    at('result').hidden = at('figure').hidden = false;
    draw();
}

const view = () => document.querySelector('[name=view]:checked').value;

// One pixel as the 32 bits that a canvas has of it.
const rgba = (r, g, b) => r | g << 8 | b << 16 | 255 << 24;
const palette = Uint32Array.from({length: 256}, (_, code) => rgba(
    ...settings.colors.slice(3 * code, 3 * code + 3)));
const color = (sigma) => palette[
    Math.min(Math.floor(sigma / job.top * 255 + 0.5), 255)];
const css = (pixel) => `rgb(${pixel & 255}, ${pixel >> 8 & 255}, ${
    pixel >> 16 & 255})`;

// Channel c of pixel i of the photograph.
const part = (i, c) => job.picture.data[job.picture.channels * i + c];

// Pixel i in each view.
const views = {
    map: (i) => color(job.sigma[i]),
    photograph: (i) => rgba(part(i, 0), part(i, 1), part(i, 2)),
    overlay: (i) => {
        const pixel = color(job.sigma[i]);
        const grey = (part(i, 0) + part(i, 1) + part(i, 2)) / 6;
        return rgba((pixel & 255) / 2 + grey, (pixel >> 8 & 255) / 2 + grey,
            (pixel >> 16 & 255) / 2 + grey);
    },
    mask: (i) => {
        const light = job.sigma[i] <= limit ? 1 : 0.2;
        return rgba(light * part(i, 0), light * part(i, 1),
            light * part(i, 2));
    },
};

// Draws `pixel(i)` of every i into a canvas of that size.
function paint(canvas, {width, height}, pixel) {
    canvas.width = width;
    canvas.height = height;
    const pixels = new Uint32Array(width * height);
    for (let i = 0; i < pixels.length; i++) {
        pixels[i] = pixel(i);
    }
    canvas.getContext('2d').putImageData(new ImageData(
        new Uint8ClampedArray(pixels.buffer), width, height), 0, 0);
}

function draw() {
    let inFocus = 0;
    for (const value of job.sigma) {
        inFocus += value <= limit;
    }
    at('limit').textContent = limit.toFixed(2);
    at('share').textContent = `${(100 * inFocus / job.sigma.length).toFixed()
    } %`;
    paint(at('picture'), job.picture, views[view()]);
    at('bar').hidden = !['map', 'overlay'].includes(view());
}

// Round numbers from 0 to the top of the colours.
function ticks() {
    const step = [0.2, 0.5, 1, 2, 5, 10, 20, 50, 100].find(
        (size) => job.top / size <= 7) ?? 200;
    return Array.from({length: Math.floor(job.top / step) + 1},
        (_, k) => k * step);
}

function drawTicks() {
    const stops = Array.from({length: 17}, (_, k) => css(
        color(job.top * k / 16)));
    at('colors').style.background = `linear-gradient(to top, ${stops})`;
    at('ticks').replaceChildren(...ticks().map((value) => {
        const tick = document.createElement('span');
        tick.style.bottom =
            `clamp(0.7em, ${100 * value / job.top}%, 100% - 0.7em)`;
        tick.textContent = `${Number(value.toFixed(1))} px`;
        return tick;
    }));
}

function readOut(event) {
    const box = at('picture').getBoundingClientRect();
    const {width, height} = job.picture;
    const x = Math.floor((event.clientX - box.left) / box.width * width);
    const y = Math.floor((event.clientY - box.top) / box.height * height);
    const sigma = job.sigma[y * width + x];
    if (sigma !== undefined) {
        at('reading').textContent = `sigma is ${sigma.toFixed(2)} px at `
            + `(${x * job.factor}, ${y * job.factor}).`;
    }
}

// The map at the size of the photograph.
function wholeMap() {
    return job.sizes.slice(0, -1).reduceRight(
        (map, {width, height}) => doubled(map, width, height), job.map);
}

const png = (canvas) => canvas.convertToBlob({type: 'image/png'});

// Suffix of each file, as dmenet_tf.maps names it, and what is in it.
const files = {
    npy: ['.npy', (map) => {
        const said = "{'descr': '<f4', 'fortran_order': False, 'shape': "
            + `(${map.height}, ${map.width}), }`;
        const head = said.padEnd(Math.ceil((said.length + 11) / 64) * 64 - 11)
            + '\n';
        const size = new Uint8Array(new Uint16Array([head.length]).buffer);
        return new Blob([new Uint8Array([0x93]), 'NUMPY',
            new Uint8Array([1, 0]), size, head, map.data]);
    }],
    mask: ['_mask.png', (map) => {
        const canvas = new OffscreenCanvas(1, 1);
        paint(canvas, map, (i) => map.data[i] <= limit ? rgba(255, 255, 255)
            : rgba(0, 0, 0));
        return png(canvas);
    }],
    color: ['_sigma.png', (map) => {
        const canvas = new OffscreenCanvas(1, 1);
        paint(canvas, map, (i) => color(map.data[i]));
        return png(withBar(canvas));
    }],
};

// The coloured map with a bar in px at its right.
function withBar(picture) {
    const {width, height} = picture;
    const unit = Math.max(height / 600, 0.75) * 12;
    const canvas = new OffscreenCanvas(Math.ceil(width + 7 * unit), height);
    const context = canvas.getContext('2d');
    context.fillStyle = 'white';
    context.fillRect(0, 0, canvas.width, height);
    context.drawImage(picture, 0, 0);
    context.font = `${unit}px sans-serif`;
    const bottom = height - 1.5 * unit;
    const long = height - 3 * unit;
    for (let y = 0; y < long; y++) {
        context.fillStyle = css(color(job.top * y / long));
        context.fillRect(width + unit, bottom - y, unit, -1.5);
    }
    context.fillStyle = 'black';
    for (const value of ticks()) {
        context.fillText(`${Number(value.toFixed(1))} px`, width + 2.4 * unit,
            bottom - long * value / job.top + unit / 3);
    }
    return canvas;
}

async function download(kind) {
    const [suffix, make] = files[kind];
    const link = document.createElement('a');
    link.href = URL.createObjectURL(await make(wholeMap()));
    link.download = job.name + suffix;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

function start() {
    const choose = at('choose');
    at('file').addEventListener('change', ({target}) => {
        if (target.files.length) {
            mapPhotograph(target.files[0]);
        }
        target.value = '';
    });
    for (const name of ['dragover', 'dragleave', 'drop']) {
        document.addEventListener(name, (event) => {
            event.preventDefault();
            choose.classList.toggle('over', name === 'dragover');
            if (name === 'drop' && event.dataTransfer.files.length
                    && !at('file').disabled) {
                mapPhotograph(event.dataTransfer.files[0]);
            }
        });
    }
    at('threshold').addEventListener('input', () => {
        limit = Number(at('threshold').value);
        document.querySelector('[value=mask][name=view]').checked = true;
        draw();
    });
    at('controls').addEventListener('change', ({target}) => {
        if (target.name === 'view') {
            draw();
        }
    });
    at('downloads').addEventListener('click', ({target}) => {
        if (target.value) {
            download(target.value);
        }
    });
    at('picture').addEventListener('pointerdown', readOut);
    at('picture').addEventListener('pointermove', readOut);
    at('about').textContent = settings.about;
}

// In a worker, so that the page answers meanwhile.
ort.env.wasm.proxy = true;
ort.env.logLevel = 'error';
const session = ort.InferenceSession.create('model.onnx');
start();
session.then(() => {
    at('status').textContent = 'Ready.';
    at('file').disabled = false;
}, (error) => {
    at('status').textContent = `The network could not be loaded: ${error}`;
});
