"""How an app calls a TFLite file: one class in Kotlin for Android, one in Swift for iOS.

Inputs are named, float32 and of one record; whatever is quantised is inside the file.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from heart_reader.evaluation.trust.calibrator import EDGE, OWN_SHARE

FOLDER = "mobile"
SIGNATURE = "serving_default"

_KOTLIN = """// Android, with com.google.ai.edge.litert:litert; {file} lies in assets.
// Inputs by name, all float32:
//   signal         [1][{n_leads}][{n_times}]  millivolts at {fs} Hz, leads as in LEADS
{feature_lines}// The output: probabilities [1][{n_classes}], as in CLASSES. All else is inside.
import java.nio.ByteBuffer
import kotlin.math.exp
import kotlin.math.ln
import org.tensorflow.lite.Interpreter

class EcgReader(model: ByteBuffer) : AutoCloseable {{
    private val interpreter = Interpreter(model, Interpreter.Options().setNumThreads(1))

    /** Probabilities in the order of CLASSES; present where at or above THRESHOLDS. */
    fun read(signal: Array<FloatArray>{parameters}): FloatArray {{
        require(signal.size == LEADS.size && signal.all {{ it.size == N_TIMES }}) {{
            "the signal must have ${{LEADS.size}} leads of $N_TIMES samples"
        }}
        require(signal.all {{ lead -> lead.all {{ it.isFinite() }} }}) {{ "not finite" }}
        val said = arrayOf(FloatArray(CLASSES.size))
        val inputs = mapOf<String, Any>({inputs})
        val outputs = mapOf<String, Any>("probabilities" to said)
        interpreter.runSignature(inputs, outputs, "{signature}")
        return FloatArray(CLASSES.size) {{ k ->
            calibrated(said[0][k].toDouble(), CURVES[k]).toFloat()
        }}
    }}

    override fun close() = interpreter.close()

    /** Slope and offset of the log-odds, or knots of a rising line; neither: as it is. */
    private class Curve(
        val slope: Double = 1.0,
        val offset: Double = 0.0,
        val x: DoubleArray = doubleArrayOf(),
        val y: DoubleArray = doubleArrayOf(),
    )

    private fun calibrated(p: Double, curve: Curve): Double {{
        if (curve.x.isNotEmpty()) return {own} * p + {rest} * onLine(p, curve.x, curve.y)
        if (curve.slope == 1.0 && curve.offset == 0.0) return p
        val inside = p.coerceIn({edge}, 1 - {edge})
        return 1 / (1 + exp(-curve.slope * ln(inside / (1 - inside)) - curve.offset))
    }}

    private fun onLine(p: Double, x: DoubleArray, y: DoubleArray): Double {{
        if (p <= x.first()) return y.first()
        if (p >= x.last()) return y.last()
        val k = x.indexOfLast {{ it <= p }}
        return y[k] + (y[k + 1] - y[k]) / (x[k + 1] - x[k]) * (p - x[k])
    }}

    companion object {{
        const val N_TIMES = {n_times}
        val LEADS = listOf({leads})
        val CLASSES = listOf({classes})
        val THRESHOLDS = doubleArrayOf({thresholds})
        private val CURVES = listOf({curves})
    }}
}}
"""

_SWIFT = """// iOS, with TensorFlowLiteSwift; {file} lies in the bundle.
// Inputs by name, all float32:
//   signal         [1][{n_leads}][{n_times}]  millivolts at {fs} Hz, leads as in leads
{feature_lines}// The output: probabilities [1][{n_classes}], as in classes. All else is inside.
import Foundation
import TensorFlowLite

final class EcgReader {{
    static let nTimes = {n_times}
    static let leads = [{leads}]
    static let classes = [{classes}]
    static let thresholds: [Double] = [{thresholds}]

    enum Wrong: Error {{ case shape, notFinite }}

    private let runner: SignatureRunner
    private let interpreter: Interpreter

    init(modelPath: String) throws {{
        var options = Interpreter.Options()
        options.threadCount = 1
        interpreter = try Interpreter(modelPath: modelPath, options: options)
        runner = try interpreter.signatureRunner(with: "{signature}")
    }}

    /// Probabilities in the order of classes; present where at or above thresholds.
    func read(_ signal: [[Float]]{parameters}) throws -> [Float] {{
        guard signal.count == Self.leads.count,
              signal.allSatisfy({{ $0.count == Self.nTimes }}) else {{ throw Wrong.shape }}
        let flat = signal.flatMap {{ $0 }}
        guard flat.allSatisfy({{ $0.isFinite }}) else {{ throw Wrong.notFinite }}
        try runner.invoke(with: [{inputs}])
        let data = try runner.output(named: "probabilities").data
        let said = data.withUnsafeBytes {{ Array($0.bindMemory(to: Float.self)) }}
        return zip(said, Self.curves).map {{ Float(Self.calibrated(Double($0), $1)) }}
    }}

    private static func bytes(_ values: [Float]) -> Data {{
        values.withUnsafeBufferPointer {{ Data(buffer: $0) }}
    }}

    /// Slope and offset of the log-odds, or knots of a rising line; neither: as it is.
    private struct Curve {{
        var slope = 1.0
        var offset = 0.0
        var x: [Double] = []
        var y: [Double] = []
    }}

    private static func calibrated(_ p: Double, _ curve: Curve) -> Double {{
        if !curve.x.isEmpty {{ return {own} * p + {rest} * onLine(p, curve.x, curve.y) }}
        if curve.slope == 1 && curve.offset == 0 {{ return p }}
        let inside = min(max(p, {edge}), 1 - {edge})
        return 1 / (1 + exp(-curve.slope * log(inside / (1 - inside)) - curve.offset))
    }}

    private static func onLine(_ p: Double, _ x: [Double], _ y: [Double]) -> Double {{
        if p <= x[0] {{ return y[0] }}
        guard let k = x.lastIndex(where: {{ $0 <= p }}), k + 1 < x.count else {{
            return y[y.count - 1]
        }}
        return y[k] + (y[k + 1] - y[k]) / (x[k + 1] - x[k]) * (p - x[k])
    }}

    private static let curves = [{curves}]
}}
"""

_FEATURE_LINES = """//   features, mask [1][{n}]  raw, 0 where missing; 1 where measured, else 0
"""


def kotlin(tree: Mapping[str, Any], file: str) -> str:
    """EcgReader.kt of a folder whose labels.json holds ``tree``, for one of its TFLite files."""
    names = ('"signal" to arrayOf(signal)', '"{0}" to arrayOf({0})')
    return _filled(_KOTLIN, tree, file, names, "FloatArray", ("doubleArrayOf({})", " = "))


def swift(tree: Mapping[str, Any], file: str) -> str:
    """EcgReader.swift, likewise."""
    names = ('"signal": Self.bytes(flat)', '"{0}": Self.bytes({0})')
    return _filled(_SWIFT, tree, file, names, "[Float]", ("[{}]", ": "))


def _filled(
    template: str,
    tree: Mapping[str, Any],
    file: str,
    names: tuple[str, str],
    numbers: str,
    literal: tuple[str, str],
) -> str:
    """A language's class: how it names inputs, what it calls numbers, and how it writes some."""
    return template.format(
        inputs=_inputs(tree, names),
        parameters="".join(f", {name}: {numbers}" for name in _features(tree)),
        curves=", ".join(_curve(each, *literal) for each in _curves(tree, file)),
        **_common(tree, file),
    )


def _common(tree: Mapping[str, Any], file: str) -> dict[str, Any]:
    features = tree["features"]
    thresholds = [tree["files"][file]["thresholds"][name] for name in tree["classes"]]
    return {
        "file": file,
        "n_leads": len(tree["leads"]),
        "n_times": tree["n_times"],
        "fs": tree["sampling_rate"],
        "n_classes": len(tree["classes"]),
        "feature_lines": _FEATURE_LINES.format(n=len(features["names"])) if features else "",
        "signature": SIGNATURE,
        "leads": _quoted(tree["leads"]),
        "classes": _quoted(tree["classes"]),
        "thresholds": _numbers(thresholds),
        "edge": EDGE,
        "own": OWN_SHARE,
        "rest": 1 - OWN_SHARE,
    }


def _features(tree: Mapping[str, Any]) -> tuple[str, ...]:
    return ("features", "mask") if tree["features"] else ()


def _inputs(tree: Mapping[str, Any], names: tuple[str, str]) -> str:
    signal, other = names
    return ", ".join([signal, *(other.format(name) for name in _features(tree))])


def _curves(tree: Mapping[str, Any], file: str) -> list[Mapping[str, Any]]:
    curves = tree["files"][file].get("calibration", {})
    return [curves.get(name, {}) for name in tree["classes"]]


def _curve(curve: Mapping[str, Any], array: str, equals: str) -> str:
    """A curve's constants as the arguments of ``Curve``."""
    if "x" in curve:
        knots = {key: array.format(_numbers(curve[key])) for key in ("x", "y")}
        return f"Curve({', '.join(f'{key}{equals}{value}' for key, value in knots.items())})"
    named = [f"{key}{equals}{float(curve[key])!r}" for key in ("slope", "offset") if key in curve]
    return f"Curve({', '.join(named)})"


def _quoted(words: Sequence[str]) -> str:
    escaped = (word.replace("\\", "\\\\").replace('"', '\\"') for word in words)
    return ", ".join(f'"{word}"' for word in escaped)


def _numbers(values: Sequence[float]) -> str:
    return ", ".join(repr(float(value)) for value in values)
