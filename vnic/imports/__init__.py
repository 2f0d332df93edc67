"""Clone a machine's receive path: read texts of ethtool, sysctl, ip, /proc and /sys, and give vnic's knobs for them.

tree.py        where texts lie: a directory, a tar archive, files; all bounded, no link followed
this_machine.py, ethtool_ioctl.py          or the running kernel
texts.py       which tool printed a text; then one parser for each tool
machine.py     what the parsers found
clone.py       knobs for it, and a note for each thing that vnic has otherwise
imported.py    vnic.import_config(): the result, as arguments of Host and as a file for --config
"""
