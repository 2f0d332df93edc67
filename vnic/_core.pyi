# The data plane, as cffi made it from csrc/vnic.h.
from typing import Any

ffi: Any
lib: Any
