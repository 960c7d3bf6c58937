"""The data types of numbers that every numpy has, by numpy's names, as Triton carries them."""

KINDS = (
    "bool",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "int8",
    "int16",
    "int32",
    "int64",
    "float16",
    "float32",
    "float64",
)
