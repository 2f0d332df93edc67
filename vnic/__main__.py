"""``python -m vnic``."""

from vnic.cli import main

main()
