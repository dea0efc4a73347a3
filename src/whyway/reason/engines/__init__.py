"""TensorRT engines: built on the device, kept in a cache of our own, run with memory and CUDA graphs made once. No `import tensorrt` here.

cuda      the device behind a small seam: memory, one stream, graphs; NVIDIA's driver by ctypes
key       what an engine depends on, and its name
cache     engines on disk: whole or not there, ours alone, checked before they are loaded
build     an ONNX graph -> a plan, for every version of TensorRT from 8.6 on
run       a plan -> passes: buffers, contexts, captured graphs

`reason.backends.tensorrt` puts them together, and is the one place that imports tensorrt: the module is handed on as `trt`.
"""
