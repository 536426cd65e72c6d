// The model inside this page, run by ONNX Runtime Web: WebAssembly, one thread, no network.
/* global ort */

/** The bytes of a data block of the page, unpacked. */
export async function unpacked(id) {
  const block = document.getElementById(id);
  const text = atob(block.textContent.trim());
  const packed = new Uint8Array(text.length);
  for (let k = 0; k < text.length; k++) packed[k] = text.charCodeAt(k);
  block.remove(); // its text is as large again
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** What runs the model; `contract` as of labels.json. */
export async function openModel(contract) {
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.proxy = false;
  ort.env.wasm.wasmBinary = await unpacked("runtime");
  const session = await ort.InferenceSession.create(await unpacked("model"), { executionProviders: ["wasm"] });
  const shape = [1, contract.leads.length, contract.n_times];
  return {
    /** The probabilities of one window's signal, calibrated where the contract has curves. */
    async probabilities(signal) {
      const said = await session.run({ signal: new ort.Tensor("float32", signal, shape) });
      return [...said.probabilities.data].map((p, k) =>
        contract.calibration ? calibrated(p, contract.calibration[contract.classes[k]]) : p);
    },
  };
}

const OWN_SHARE = 0.01, EDGE = 1e-7;

/** A probability that keeps its word, by a curve of the contract. */
export function calibrated(p, curve) {
  if (curve.method === "none") return p;
  if (curve.method === "isotonic") return (1 - OWN_SHARE) * between(p, curve.x, curve.y) + OWN_SHARE * p;
  const inside = Math.min(Math.max(p, EDGE), 1 - EDGE);
  return 1 / (1 + Math.exp(-curve.slope * Math.log(inside / (1 - inside)) - curve.offset));
}

function between(p, x, y) {
  if (p <= x[0]) return y[0];
  const k = x.findIndex((knot) => knot >= p);
  if (k < 0) return y.at(-1);
  return y[k - 1] + ((y[k] - y[k - 1]) * (p - x[k - 1])) / (x[k] - x[k - 1]);
}
