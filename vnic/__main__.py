"""``python -m vnic``."""

from vnic_command import main

main()
