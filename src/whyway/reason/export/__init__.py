"""microgpt -> ONNX: one builder for every runtime, the gates that keep its graphs honest, and the scenes they are tried on.

recipe       what graph is wanted, the names of its inputs and outputs, its file name: what runtimes read too, so nothing of onnx here
build        weights + recipe -> the bytes of an ONNX file
  dialects   the few operators that differ: A (opset 24, fused) and B (opset 17, decomposed)
  matrices   how a weight matrix is stored and multiplied: float32, float16, 8 bits
  nodes      one graph under construction
golden       scenes and traces to compare backends on
gates        is it still the same model? The thresholds
make         all of it: build, run, compare, and refuse what fails
"""
