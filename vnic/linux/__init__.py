"""The host seen through Linux's tools and files: ethtool, ip, sysctl, /proc and /sys."""
