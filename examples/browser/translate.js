// Serve this folder with model.onnx, from `instar export RUN -o model.onnx`, and the folder `ort`, which is
// node_modules/onnxruntime-web/dist of `npm install onnxruntime-web`: nothing is asked from other hosts.
import * as ort from "./ort/ort.wasm.min.mjs";

ort.env.wasm.wasmPaths = new URL("./ort/", import.meta.url).href;
ort.env.wasm.numThreads = 1; // more need the headers of cross-origin isolation

/** Translate an ImageData of any size; for models of three channels without styles. */
export async function translate(session, { width, height, data }) {
  const plane = width * height;
  const values = new Float32Array(3 * plane);
  for (let i = 0; i < plane; i++) for (let c = 0; c < 3; c++) values[c * plane + i] = data[4 * i + c] / 255;
  const image = new ort.Tensor("float32", values, [1, 3, height, width]);
  const { translation } = await session.run({ image });
  const out = new ImageData(width, height);
  for (let i = 0; i < plane; i++) {
    for (let c = 0; c < 3; c++) out.data[4 * i + c] = Math.round(255 * translation.data[c * plane + i]);
    out.data[4 * i + 3] = 255;
  }
  return out;
}

function show(canvas, pixels) {
  [canvas.width, canvas.height] = [pixels.width, pixels.height];
  canvas.getContext("2d").putImageData(pixels, 0, 0);
}

const [file, said, given, made] = ["file", "said", "given", "made"].map((id) => document.getElementById(id));
const session = await ort.InferenceSession.create("./model.onnx");
said.textContent = "choose an image";
file.disabled = false;
file.addEventListener("change", async () => {
  const bitmap = await createImageBitmap(file.files[0]);
  const board = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
  board.drawImage(bitmap, 0, 0);
  const pixels = board.getImageData(0, 0, bitmap.width, bitmap.height);
  show(given, pixels);
  const began = performance.now();
  show(made, await translate(session, pixels));
  said.textContent = `translated in ${Math.round(performance.now() - began)} ms`;
});
