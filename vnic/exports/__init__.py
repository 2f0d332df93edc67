"""Settings for others: commands for a real machine, and a file for ``--config``. The inverse of vnic/imports."""
