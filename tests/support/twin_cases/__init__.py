"""Named cases for the twins, a module for each part of the path: CASES, name -> steps.

A step is a frame (bytes), or what a method of both twins does: a tuple of its name and arguments. A case begins with
the frames of twin.WARM, on hosts that know of nothing else, with the sockets of twin.SOCKS.
"""
