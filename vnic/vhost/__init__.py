"""The card for drivers in other processes, by vhost-user: QEMU, User Mode Linux, DPDK's virtio-user, or your own.

messages.py  the protocol's messages: names, sizes, what may come with them
session.py   one front-end's connection: it asks and sets, the card obeys or refuses
door.py      the socket: it listens, or connects again and again
card.py      VhostCard: a card without a host behind it, which serves one front-end after another
"""
