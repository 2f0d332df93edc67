"""The faces that Linux shows: ethtool, ip, sysctl, /proc and /sys."""
