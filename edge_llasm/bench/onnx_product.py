"""An ONNX file of one matrix product in 8 bits, written field by field: the runtime has no writer.

Layout: protobuf messages of onnx.proto3 (ModelProto and below); the numbers are its field numbers.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

__all__ = ["write_product"]

UINT8, INT8, INT32 = 2, 3, 6
"""TensorProto.DataType"""
IR_VERSION, OPSET = 8, 17


def write_product(path: Path, b: npt.NDArray[np.int8]) -> None:
    """Input "a" (any, k) u8, `b` (k, n) i8 -> (any, n) i32, their product (MatMulInteger)."""
    node = _field(1, "a") + _field(1, "b") + _field(2, "c") + _field(4, "MatMulInteger")
    weights = b"".join(_number(1, size) for size in b.shape) + _number(2, INT8)
    weights += _field(8, "b") + _field(9, np.ascontiguousarray(b).tobytes())
    graph = _field(1, node) + _field(2, "product") + _field(5, weights)
    graph += _field(11, _value("a", UINT8, b.shape[0])) + _field(12, _value("c", INT32, b.shape[1]))
    path.write_bytes(_number(1, IR_VERSION) + _field(7, graph) + _field(8, _number(2, OPSET)))


def _value(name: str, kind: int, width: int) -> bytes:
    """A ValueInfoProto of shape (any, width)."""
    shape = _field(1, _field(2, "any")) + _field(1, _number(1, width))
    return _field(1, name) + _field(2, _field(1, _number(1, kind) + _field(2, shape)))


def _field(number: int, content: bytes | str) -> bytes:
    data = content.encode() if isinstance(content, str) else content
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _number(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _varint(value: int) -> bytes:
    low, rest = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + _varint(rest) if rest else bytes([low])
