"""``python -m vnic``."""

from vnic._command import main

main()
